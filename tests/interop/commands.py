"""A workspace, and the commands that change it: the real ones, each in a process of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.interop.elsewhere import Holder
from tests.interop.processes import run_rstuf
from tests.support.files import lay_out
from tests.support.plans import as_text, plan_data

import rstuf

OVERLAP_SECONDS: Final = 2
ABSENT: Final = "ada"
"""Whose key is never here."""
WAITS: Final = 4


@dataclass
class Workspace:
    """A repository, and what it is to hold.

    Attributes:
        contents: by the path, of what is published.
        gone: paths that were removed, and such as never were.
        commands: how many were run.
    """

    place: Path
    url: str
    contents: dict[str, bytes] = field(default_factory=dict)
    gone: set[str] = field(default_factory=lambda: {"nothing", "team/nothing", "ops/nothing", "vendor/none/here"})
    commands: int = 0
    _proposed: dict[str, bytes] = field(default_factory=dict)
    _leaving: tuple[str, ...] = ()

    @classmethod
    def made(cls, place: Path, url: str, *, layout: str, bins: int, absent_targets: bool = False) -> Workspace:
        """After its ceremony, with three more keys, one of which is elsewhere.

        Args:
            url: where clients will see it.
            absent_targets: whether that one signs targets.
        """
        place.mkdir(parents=True)
        (place.parent / "plan.toml").write_text(_plan(layout, bins, absent_targets=absent_targets))
        workspace = cls(place, url)
        workspace.away.home.mkdir()
        workspace.rstuf("ceremony", "--plan", str(place.parent / "plan.toml"))
        for name in ("tara", "vera"):
            workspace.rstuf("key", "generate", name, "--unencrypted")
        if absent_targets:
            (place / "keys" / f"{ABSENT}.key").rename(workspace.away.key)
        else:
            workspace.rstuf("key", "generate", ABSENT, "--unencrypted", "--in", str(workspace.away.home))
            workspace.rstuf("key", "add", ABSENT, str(workspace.away.key.with_suffix(".pub")))
        return workspace

    @property
    def away(self) -> Holder:
        """The one whose key is never here."""
        return Holder(self.place.parent / "away", ABSENT, self.metadata / "1.root.json", self.url)

    @property
    def metadata(self) -> Path:
        return self.place / "metadata"

    @property
    def artifacts(self) -> Path:
        return self.place / "targets"

    def rstuf(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run a command; its document."""
        self.commands += 1
        return run_rstuf("--repo", str(self.place), *words, code=code)

    def add(self, contents: Mapping[str, bytes], *more: str) -> None:
        """Add these, or put them in the place of what is there."""
        self._take(contents, *more)
        self._hold(contents)

    def propose(self, contents: Mapping[str, bytes]) -> None:
        """Add these where a holder who is not here has to sign: clients see nothing of it."""
        self._take(contents, code=WAITS)
        self._proposed |= contents

    def propose_removal(self, *paths: str) -> None:
        """Remove these where that holder has to sign."""
        self.rstuf("artifact", "remove", *paths, code=WAITS)
        self._leaving = paths

    def sign_away(self) -> None:
        """The holder signs what waits, and that comes back."""
        for event in [event["name"] for event in self.rstuf("event", "list")["events"]]:
            bundle = self.away.home / f"{event}.rstuf"
            code = self.rstuf("bundle", "export", event, "-o", str(bundle))["code"]
            self.rstuf("bundle", "import", str(self.away.sign(bundle, code=code)))
        assert not self.rstuf("event", "list")["events"], "something waits on"
        self._hold(self._proposed)
        self._let_go(self._leaving)
        self._proposed, self._leaving = {}, ()

    def take_prepared(self, role: str, contents: Mapping[str, bytes], *, without: Sequence[str] = ()) -> None:
        """The holder makes the next version of a role, and brings it."""
        self._accept(self.away.prepare(role, contents, without=without), contents, without)

    def take_made(self, role: str, contents: Mapping[str, bytes], *, without: Sequence[str] = ()) -> None:
        """The same without rstuf."""
        version = self._visible()[f"{role}.json"]["version"]
        file = self.away.make(role, self.metadata / f"{version}.{role}.json", contents, without=without)
        self._accept(file, contents, without)
        published = self.metadata / f"{version + 1}.{role}.json"
        assert published.read_bytes() == file.read_bytes(), "it did not come out as it was brought"

    def _accept(self, file: Path, contents: Mapping[str, bytes], without: Sequence[str]) -> None:
        files = ["--contents", str(self.away.contents)] if contents else []
        self.rstuf("delegation", "accept", str(file), *files)
        self._hold(contents)
        self._let_go(without)

    def _take(self, contents: Mapping[str, bytes], *more: str, code: int = 0) -> None:
        files = self.place.parent / "files"
        lay_out(files, contents)
        self.rstuf("artifact", "add", "--replace", *more, str(files), code=code)

    def _hold(self, contents: Mapping[str, bytes]) -> None:
        self.contents |= contents
        self.gone -= contents.keys()

    def _let_go(self, paths: Sequence[str]) -> None:
        for path in paths:
            del self.contents[path]
        self.gone |= {*paths}

    def remove(self, *paths: str) -> None:
        """Remove these."""
        self.rstuf("artifact", "remove", *paths)
        self._let_go(paths)

    def rotate(self, old: str, new: str) -> None:
        """Let another online key in; both sign."""
        self.rstuf("key", "generate", new, "--unencrypted")
        self.rstuf("key", "rotate", old, "--to", new, "--overlap", f"{OVERLAP_SECONDS}s")

    def end_rotation(self) -> None:
        """Let the old one go."""
        time.sleep(OVERLAP_SECONDS + 0.5)
        self.rstuf("renew")
        assert not self.rstuf("status").get("rotation"), "the rotation did not end"

    def readers(self) -> dict[str, str | None]:
        """By the client: why lint says that it can't read this; None where it can."""
        said = self.rstuf("lint")
        assert said["problems"] == 0, said
        return {name: verdict["reason"] for name, verdict in said["clients"].items()}

    def reasons(self) -> dict[str, str]:
        """By the path: which role has to list it, as rstuf delegation why says."""
        session = rstuf.Session(purpose="interop", actor="interop", secrets=rstuf.load_secrets([], [], None))
        with rstuf.open_repository(self.place, session) as repository:
            return {path: str(repository.delegations.way_to(path).last.role) for path in self.contents}

    def listed(self) -> dict[str, list[str]]:
        """By the path: which roles list it, of all that are published."""
        found: dict[str, list[str]] = {}
        for name, entry in self._visible().items():
            file = self.metadata / f"{entry['version']}.{name}"
            # A role that nobody delegates to any more stays in snapshot, and its file may be pruned.
            signed = json.loads(file.read_bytes())["signed"] if file.exists() else {}
            for path in signed.get("targets", ()):
                found.setdefault(path, []).append(name.removesuffix(".json"))
        return found

    def _visible(self) -> dict[str, Any]:
        """What snapshot says."""
        timestamp = json.loads((self.metadata / "timestamp.json").read_bytes())["signed"]["meta"]["snapshot.json"]
        snapshot = self.metadata / f"{timestamp['version']}.snapshot.json"
        said: dict[str, Any] = json.loads(snapshot.read_bytes())["signed"]["meta"]
        return said


def _plan(layout: str, bins: int, *, absent_targets: bool) -> str:
    document = plan_data(name="interop")
    document["bins"] = {"layout": layout} if layout == "flat" else {"layout": layout, "count": bins}
    if absent_targets:
        document["targets"] = {"threshold": 1, "signers": [ABSENT]}
        document["keys"][ABSENT] = {**document["keys"]["one"], "signer": f"file:keys/{ABSENT}.key"}
    return as_text(document)

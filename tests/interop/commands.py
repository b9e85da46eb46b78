"""A workspace, and the commands that change it: the real ones, each in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.plans import plan_text

import rstuf

OVERLAP_SECONDS: Final = 2
ABSENT: Final = "ada"
"""Whose key is never here."""
_WAITS: Final = 4


@dataclass
class Workspace:
    """A repository, and what it is to hold.

    Attributes:
        contents: by the path, of what is published.
        gone: paths that were removed, and such as never were.
        commands: how many were run.
    """

    place: Path
    contents: dict[str, bytes] = field(default_factory=dict)
    gone: set[str] = field(default_factory=lambda: {"nothing", "team/nothing", "ops/nothing", "vendor/none/here"})
    commands: int = 0
    _proposed: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def made(cls, place: Path, *, layout: str, bins: int) -> Workspace:
        """After its ceremony, with two more keys."""
        place.mkdir(parents=True)
        table = '[bins]\nlayout = "flat"\n' if layout == "flat" else f'[bins]\nlayout = "{layout}"\ncount = {bins}\n'
        text, _, _ = plan_text(name="interop", signers=("one", "two")).partition("[bins]")
        (place.parent / "plan.toml").write_text(text + table)
        workspace = cls(place)
        workspace.rstuf("ceremony", "--plan", str(place.parent / "plan.toml"))
        for name in ("tara", "vera"):
            workspace.rstuf("key", "generate", name, "--unencrypted")
        workspace.rstuf("key", "generate", ABSENT, "--unencrypted", "--in", str(workspace.away))
        workspace.rstuf("key", "add", ABSENT, str(workspace.away / f"{ABSENT}.pub"))
        return workspace

    @property
    def away(self) -> Path:
        """Where the holder is who is not here, with the key."""
        return self.place.parent / "away"

    @property
    def metadata(self) -> Path:
        return self.place / "metadata"

    @property
    def artifacts(self) -> Path:
        return self.place / "targets"

    def rstuf(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run a command; its document."""
        command = [sys.executable, "-m", "rstuf_cli", "--repo", str(self.place), "--json", "--yes", *words]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("RSTUF_", "SSH_"))}
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        self.commands += 1
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout.decode()}{done.stderr.decode()}"
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def add(self, contents: Mapping[str, bytes], *more: str) -> None:
        """Add these, or put them in the place of what is there."""
        self._take(contents, *more)
        self.contents |= contents
        self.gone -= contents.keys()

    def propose(self, contents: Mapping[str, bytes]) -> None:
        """Add these where a holder who is not here has to sign: clients see nothing of it."""
        self._take(contents, code=_WAITS)
        self._proposed = contents

    def sign_away(self) -> None:
        """The holder signs what waits, and that comes back."""
        (event,) = (event["name"] for event in self.rstuf("event", "list")["events"])
        bundle, signature = self.away / f"{event}.rstuf", self.away / f"{event}.sig"
        code = self.rstuf("bundle", "export", event, "-o", str(bundle))["code"]
        own = "--holder-dir", str(self.away / "record"), "--trusted-root", str(self.metadata / "1.root.json")
        key = "--key", str(self.away / f"{ABSENT}.key")
        self.rstuf("bundle", "sign", str(bundle), *key, *own, "--code", code, "-o", str(signature))
        self.rstuf("bundle", "import", str(signature))
        self.contents |= self._proposed
        self.gone -= self._proposed.keys()
        self._proposed = {}

    def _take(self, contents: Mapping[str, bytes], *more: str, code: int = 0) -> None:
        files = self.place.parent / "files"
        for path, content in contents.items():
            (files / path).parent.mkdir(parents=True, exist_ok=True)
            (files / path).write_bytes(content)
        self.rstuf("artifact", "add", "--replace", *more, str(files), code=code)
        shutil.rmtree(files)

    def remove(self, *paths: str) -> None:
        """Remove these."""
        self.rstuf("artifact", "remove", *paths)
        for path in paths:
            del self.contents[path]
        self.gone |= {*paths}

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
        timestamp = json.loads((self.metadata / "timestamp.json").read_bytes())["signed"]["meta"]["snapshot.json"]
        snapshot = json.loads((self.metadata / f"{timestamp['version']}.snapshot.json").read_bytes())["signed"]["meta"]
        found: dict[str, list[str]] = {}
        for name, entry in snapshot.items():
            file = self.metadata / f"{entry['version']}.{name}"
            # A role that nobody delegates to any more stays in snapshot, and its file may be pruned.
            signed = json.loads(file.read_bytes())["signed"] if file.exists() else {}
            for path in signed.get("targets", ()):
                found.setdefault(path, []).append(name.removesuffix(".json"))
        return found

"""The operations under test: their words, and what clients find when they are done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path
from typing import Final

from tests.support.clients import Site
from tests.support.plans import plan_text

HOUR: Final = 3600
DAY: Final = 24 * HOUR

WAITING: Final = 4
"""How a command ends when something waits to be signed."""

Words = tuple[str, ...]
"""A command's words; {repo} is the workspace, {place} what it lies in, and {in} the input files."""
Digests = Mapping[str, str]
"""sha256 by path."""


class Bins(Enum):
    """Who may sign bins: the online key that root names, that and another one, or others."""

    ALIKE = auto()
    MORE = auto()
    OTHERS = auto()


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a client trusts: by which version of root, and for bins."""

    root: int
    bins: Bins = Bins.ALIKE


@dataclass(frozen=True, slots=True)
class View:
    """What a client finds.

    Attributes:
        artifacts: sha256 by path; a path that no role lists is not in it.
        trust: None where nobody looks at that.
    """

    artifacts: Digests
    trust: Trust | None = None

    def later(self) -> View:
        """With the change that comes after the trouble."""
        return replace(self, artifacts={**self.artifacts, "later.bin": digest(FILES["later.bin"])})


PLAN: Final = plan_text(
    name="crash",
    signers=("owner",),
    bins=8,
    expires={"root": "365d", "timestamp": "14d", "snapshot": "14d", "targets": "365d", "bins": "14d"},
)

FILES: Final = {
    "alpha.bin": b"alpha, as it was first" * 40,
    "beta.txt": b"beta\n",
    "gamma.bin": bytes(range(256)) * 80,
    "one.bin": b"\x00\x01" * 9000,
    "two.txt": b"two\n" * 11,
    "three.bin": b"",
    "later.bin": b"what comes after the trouble",
    "again/alpha.bin": b"alpha, in its second edition" * 50,
}
TREE: Final = {"alpha.bin": FILES["again/alpha.bin"], "one.bin": FILES["one.bin"], "deep/three.bin": b""}
"""A directory that artifacts are made equal to."""
FOREIGN: Final = {f"mirror/file-{index}.iso": bytes([index]) * (1000 + index) for index in range(12)}
"""Artifacts whose contents lie elsewhere: an import brings their records alone."""


def digest(data: bytes) -> str:
    """sha256, hex."""
    return hashlib.sha256(data).hexdigest()


def write_inputs(place: Path) -> None:
    """The files that commands are given."""
    for name, data in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    for name, data in TREE.items():
        (place / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "tree" / name).write_bytes(data)
    (place / "plan.toml").write_text(PLAN)
    records = [
        {"path": path, "length": len(data), "hashes": {"sha256": digest(data)}} for path, data in FOREIGN.items()
    ]
    (place / "records.ndjson").write_text("".join(json.dumps(record) + "\n" for record in records))


@dataclass(frozen=True, slots=True)
class Interruption:
    """A command that was killed before the first call whose description (`Call.where`) holds `before`, or, with
    `passed`, before the next one that changes something."""

    argv: Words
    before: str
    passed: bool = False


@dataclass(frozen=True, slots=True)
class SignedAway:
    """An event that a holder who is away signs, with the key in a file; `{place}/away.sig` is what comes back."""

    event: str
    key: str


def rstuf(*words: str) -> Words:
    """A command on the workspace."""
    return ("--repo", "{repo}", "--json", *words)


def _add(*names: str, options: Words = ()) -> Words:
    return rstuf("artifact", "add", *options, *(f"{{in}}/{name}" for name in names))


def _digests(*names: str) -> Digests:
    return {name: digest(FILES[name]) for name in names}


CEREMONY: Final = rstuf("ceremony", "--plan", "{in}/plan.toml")
PUBLISH: Final = rstuf("publish")
VERIFY: Final = rstuf("verify")
PRUNE: Final = rstuf("prune", "--keep", "1", "--days", "0", "--yes")
"""Whatever is not visible goes."""
LATER: Final = _add("later.bin")
"""A change that comes after the trouble."""
DETOURS: Final = (PUBLISH, rstuf("renew", "--force", "timestamp"))
"""Commands that may come before the interrupted one is run again."""
BASE: Final = (
    (_add("alpha.bin", "beta.txt"), _digests("alpha.bin", "beta.txt")),
    (_add("gamma.bin"), _digests("gamma.bin")),
)
"""What every workspace has behind it."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A command and what it is to bring about.

    Attributes:
        setup: what comes before it and is not under test; shown: what clients find by that.
        lost: what is gone just before it, as patterns below the workspace.
        interrupted: what was cut off just before it, so that it begins with recovery.
        gains: paths with the sha256 that clients find afterwards; loses: paths that they do not find any more.
        trusts: whom clients trust before, on the way and afterwards; () where nobody looks at that.
        excuse: what a client may run into until the operation is done; it tries again.
        finish: a command that makes visible what this one only accepts.
        waits: whether it, and what comes after it, may end with 4, for people who are away.
        rerun_errors: codes of errors by which the same command, run again, may say that all is done already.
        detours: commands that may come before it is run again; detour_errors: codes by which they may refuse that;
            detours_wait: whether they may end with 4, for a root that was proposed and is not signed yet.
        shift: seconds that the clock is ahead.
        share: how much of what a suite tries of one operation every day is tried of this one.
        perishes: it brings what was signed before, and expires after a year whatever is done.
        tidies: nothing is to lie there afterwards that no client needs.
        turns: in one of so many daily runs a suite tries it, at so many times the points.
        without: suites that have nothing to ask of it.
    """

    name: str
    argv: Words
    setup: tuple[Words | SignedAway, ...] = ()
    shown: Digests = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    interrupted: Interruption | None = None
    gains: Digests = field(default_factory=dict)
    loses: frozenset[str] = frozenset()
    trusts: tuple[Trust, ...] = ()
    excuse: Callable[[Site, Exception], bool] | None = None
    finish: Words | None = None
    waits: bool = False
    rerun_errors: frozenset[str] = frozenset()
    detours: tuple[Words, ...] = DETOURS
    detour_errors: frozenset[str] = frozenset()
    detours_wait: bool = False
    shift: float = HOUR
    share: float = 1.0
    perishes: bool = False
    tidies: bool = False
    turns: int = 1
    without: frozenset[str] = frozenset()

    @property
    def ends(self) -> frozenset[int]:
        """How it ends undisturbed."""
        return frozenset({0, WAITING} if self.waits else {0})


_FROM_TREE: Final = ("--contents", "{in}/tree", "--prefix", "team")
_NAMES = ("one.bin", "two.txt", "three.bin")
_NEW = _digests(*_NAMES)
_ADD = _add(*_NAMES)


def _by_a_delegate(version: str) -> tuple[Words, ...]:
    """A role that somebody made and signed, whose key is elsewhere by then."""
    trust, vera = ("--trust-dir", "{in}/trust-" + version), ("--key", "{repo}/keys/vera.key")
    made = ("--version", version, "-o", "{place}/team.json", "--holder-dir", "{in}/holder-" + version, "--yes")
    return (
        rstuf("key", "generate", "vera", "--unencrypted"),
        rstuf("delegation", "add", "team", "--path", "team/*", "--path", "team/*/*", "--signer", "vera", "--yes"),
        ("--json", "trust", "add", "here", "{repo}/metadata", "--root", "{repo}/metadata/1.root.json", *trust),
        ("--json", "delegation", "prepare", "team", "{in}/tree", *_FROM_TREE[-2:], *vera, *made, *trust),
        rstuf("key", "add", "vera", "--away"),
    )


_ACCEPT: Final = rstuf("delegation", "accept", "{place}/team.json", *_FROM_TREE)
_OF_TREE: Final = {f"team/{name}": digest(data) for name, data in TREE.items()}


EVERYDAY: Final = (
    Operation("ceremony", CEREMONY, rerun_errors=frozenset({"workspace-exists"})),
    Operation("add", _ADD, gains=_NEW),
    Operation("add --no-publish", _add(*_NAMES, options=("--no-publish",)), gains=_NEW, finish=PUBLISH),
    Operation(
        "add --replace",
        _add("again/alpha.bin", options=("--replace",)),
        gains={"alpha.bin": digest(FILES["again/alpha.bin"])},
    ),
    Operation(
        "remove",
        rstuf("artifact", "remove", "alpha.bin", "beta.txt"),
        loses=frozenset({"alpha.bin", "beta.txt"}),
        rerun_errors=frozenset({"artifact-not-found"}),
    ),
    Operation(
        "import",
        rstuf("artifact", "import", "{in}/records.ndjson"),
        gains={path: digest(data) for path, data in FOREIGN.items()},
    ),
    Operation(
        "sync",
        rstuf("artifact", "sync", "--delete", "--prefix", "tree", "{in}/tree"),
        setup=(_add("alpha.bin", "beta.txt", options=("--prefix", "tree")),),
        shown={f"tree/{name}": digest(FILES[name]) for name in ("alpha.bin", "beta.txt")},
        gains={f"tree/{name}": digest(data) for name, data in TREE.items()},
        loses=frozenset({"tree/beta.txt"}),
    ),
    Operation("publish", PUBLISH, setup=(_add(*_NAMES, options=("--no-publish",)),), gains=_NEW),
    Operation("renew", rstuf("renew"), shift=11 * DAY),
    Operation("bins resize, up", rstuf("bins", "resize", "32", "--yes"), share=0.5),
    Operation(
        "bins resize, down",
        rstuf("bins", "resize", "4", "--yes"),
        setup=(rstuf("bins", "resize", "16", "--yes"), _add(*_NAMES, options=("--no-publish",))),
        gains=_NEW,
        share=0.5,
    ),
    Operation("prune", PRUNE, setup=(rstuf("renew", "--force", "bins"),), share=0.5, tidies=True),
    Operation(
        "prune of retired bins",
        PRUNE,
        setup=(
            rstuf("bins", "resize", "16", "--yes"),
            rstuf("bins", "resize", "4", "--yes"),
            rstuf("renew", "--force", "root"),
        ),
        share=0.5,
        tidies=True,
    ),
    Operation(
        "recovery, staged, prune",
        PRUNE,
        interrupted=Interruption(_ADD, "snapshot.json"),
        gains=_NEW,
        finish=PUBLISH,
        share=0.5,
    ),
    Operation(
        "recovery, visible, prune",
        PRUNE,
        interrupted=Interruption(_ADD, "timestamp.json", passed=True),
        gains=_NEW,
        share=0.5,
        tidies=True,
    ),
    Operation(
        "delegation add",
        rstuf("delegation", "add", "greek", "--path", "alpha*", "--path", "beta*", "--yes"),
        rerun_errors=frozenset({"invalid-input"}),
        share=0.5,
    ),
    Operation(
        "delegation remove",
        rstuf("delegation", "remove", "greek", "--yes"),
        setup=(rstuf("delegation", "add", "greek", "--path", "alpha*", "--path", "beta*", "--yes"),),
        rerun_errors=frozenset({"delegation-not-found"}),
        share=0.5,
    ),
    Operation("delegation accept", _ACCEPT, setup=_by_a_delegate("2"), gains=_OF_TREE, share=0.5, perishes=True),
    Operation(
        "delegation accept, over what waits",
        (*_ACCEPT, "--yes"),
        setup=(*_by_a_delegate("3"), _add("two.txt", options=("--prefix", "team"))),
        gains=_OF_TREE,
        detours_wait=True,
        share=0.3,
        perishes=True,
    ),
    Operation(
        "recovery of a ceremony",
        CEREMONY,
        interrupted=Interruption(CEREMONY, "1.root.json", passed=True),
        rerun_errors=frozenset({"workspace-exists"}),
    ),
    Operation("recovery, staged", PUBLISH, interrupted=Interruption(_ADD, "snapshot.json"), gains=_NEW),
    Operation("recovery, committing", PUBLISH, interrupted=Interruption(_ADD, "timestamp.json"), gains=_NEW),
    Operation("recovery, visible", PUBLISH, interrupted=Interruption(_ADD, "timestamp.json", passed=True), gains=_NEW),
)

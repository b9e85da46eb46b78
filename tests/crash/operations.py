"""The operations under test: their words, and what clients find when they are done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.plans import plan_text

HOUR: Final = 3600
DAY: Final = 24 * HOUR

Words = tuple[str, ...]
"""A command's words; {repo} is the workspace and {in} the input files."""
View = Mapping[str, str]
"""What a client finds: sha256 by path; a path that no role lists is not in it."""

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
class Operation:
    """A command and what it is to bring about.

    Attributes:
        setup: commands that come before it and are not under test; shown: what clients find by them.
        interrupted: what was cut off just before it, so that it begins with recovery.
        gains: paths with the sha256 that clients find afterwards; loses: paths that they do not find any more.
        finish: a command that makes visible what this one only accepts.
        rerun_errors: codes of errors by which the same command, run again, may say that all is done already.
        shift: seconds that the clock is ahead.
    """

    name: str
    argv: Words
    setup: tuple[Words, ...] = ()
    shown: View = field(default_factory=dict)
    interrupted: Interruption | None = None
    gains: View = field(default_factory=dict)
    loses: frozenset[str] = frozenset()
    finish: Words | None = None
    rerun_errors: frozenset[str] = frozenset()
    shift: float = HOUR


def _rstuf(*words: str) -> Words:
    return ("--repo", "{repo}", "--json", *words)


def _add(*names: str, options: Words = ()) -> Words:
    return _rstuf("artifact", "add", *options, *(f"{{in}}/{name}" for name in names))


def _digests(*names: str) -> View:
    return {name: digest(FILES[name]) for name in names}


CEREMONY: Final = _rstuf("ceremony", "--plan", "{in}/plan.toml")
PUBLISH: Final = _rstuf("publish")
LATER: Final = _add("later.bin")
"""A change that comes after the trouble."""
DETOURS: Final = (PUBLISH, _rstuf("renew", "--force", "timestamp"))
"""Commands that may come before the interrupted one is run again."""
BASE: Final = (
    (_add("alpha.bin", "beta.txt"), _digests("alpha.bin", "beta.txt")),
    (_add("gamma.bin"), _digests("gamma.bin")),
)
"""What every workspace has behind it."""

_NAMES = ("one.bin", "two.txt", "three.bin")
_NEW = _digests(*_NAMES)
_ADD = _add(*_NAMES)

OPERATIONS: Final = (
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
        _rstuf("artifact", "remove", "alpha.bin", "beta.txt"),
        loses=frozenset({"alpha.bin", "beta.txt"}),
        rerun_errors=frozenset({"artifact-not-found"}),
    ),
    Operation(
        "import",
        _rstuf("artifact", "import", "{in}/records.ndjson"),
        gains={path: digest(data) for path, data in FOREIGN.items()},
    ),
    Operation(
        "sync",
        _rstuf("artifact", "sync", "--delete", "--prefix", "tree", "{in}/tree"),
        setup=(_add("alpha.bin", "beta.txt", options=("--prefix", "tree")),),
        shown={f"tree/{name}": digest(FILES[name]) for name in ("alpha.bin", "beta.txt")},
        gains={f"tree/{name}": digest(data) for name, data in TREE.items()},
        loses=frozenset({"tree/beta.txt"}),
    ),
    Operation("publish", PUBLISH, setup=(_add(*_NAMES, options=("--no-publish",)),), gains=_NEW),
    Operation("renew", _rstuf("renew"), shift=11 * DAY),
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

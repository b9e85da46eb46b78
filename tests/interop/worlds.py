"""What happens to repositories of every layout, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.interop.commands import ABSENT, Workspace

Step = tuple[str, Callable[[Workspace], object]]


@dataclass(frozen=True, slots=True)
class World:
    """A repository from its ceremony on.

    Attributes:
        bins: at the beginning; 0 in a flat layout.
    """

    name: str
    layout: str
    bins: int
    steps: Sequence[Step]


def _contents(version: int, *paths: str) -> dict[str, bytes]:
    return {path: f"{path}, the {version}th\n".encode() * (1 + len(path)) for path in paths}


def _files(first: int, last: int) -> list[str]:
    return [f"files/{number}.bin" for number in range(first, last)]


_ODD: Final = (
    "a b/c+d@e~f.txt",
    "été/Ж.tar.gz",
    "😀/x",
    "q'r,(s)=t&u;v",
    "[x]/{y}",
    "deeply/in/a/tree/of/paths",
    "UPPER",
)
_WAITS: Final = 4
_TEAM: Final = ("team/one", "team/two", "team/inner/a", "team/inner/b", "team/inner/deep/x", "team/inner/deep/y")
_OPS: Final = ("ops/x", "ops/y", "ops/in/x", "ops/in/y", "ops/in/z1")
_VENDOR: Final = tuple(f"vendor/{number}" for number in range(12))


_CHANGED: Final = ("team/two", "team/inner/deep/x", "ops/y", "ops/in/y", "vendor/3")
_VERA: Final = ("--signer", "vera")


def _run(*words: str) -> Callable[[Workspace], object]:
    return lambda workspace: workspace.rstuf(*words)


def _update(name: str, *words: str) -> Callable[[Workspace], object]:
    return _run("delegation", "update", name, *words)


def _add(contents: Mapping[str, bytes], *more: str) -> Callable[[Workspace], object]:
    return lambda workspace: workspace.add(contents, *more)


def _remove(*paths: str) -> Callable[[Workspace], object]:
    return lambda workspace: workspace.remove(*paths)


_ROTATION: Final[tuple[Step, ...]] = (
    ("key rotation begins", lambda workspace: workspace.rotate("online", "online-2")),
    ("key rotation ends", lambda workspace: workspace.end_rotation()),
)
_PRUNE: Final[Step] = ("prune", _run("prune", "--keep", "1", "--days", "0"))
_CUSTOM: Final = '{"z": [1, true, null, "ü"], "a": {"9": -1, "10": "x\\"y"}}'


def _plain(*resizes: Step) -> tuple[Step, ...]:
    """Artifacts come, change and go, between the resizes that there are."""
    up, down, again = resizes or (None, None, None)
    steps = (
        ("artifacts added", _add(_contents(1, *_files(0, 20), *_ODD))),
        ("artifacts replaced", _add(_contents(2, "files/3.bin", "files/4.bin", "UPPER"))),
        ("artifacts removed", _remove("files/5.bin", "files/6.bin", "😀/x")),
        up,
        ("artifacts added, with custom data", _add(_contents(1, *_files(20, 26), "files/5.bin"), "--custom", _CUSTOM)),
        down,
        *_ROTATION,
        again,
        ("artifacts replaced again", _add(_contents(3, *_files(2, 6)))),
        _PRUNE,
        ("artifacts removed after pruning", _remove("files/0.bin", "UPPER")),
    )
    return tuple(step for step in steps if step is not None)


def _resizes(*counts: int, role: str | None = None) -> tuple[Step, ...]:
    whose = () if role is None else ("--role", role)
    return tuple((f"{role or 'all'} in {count} bins", _run("bins", "resize", str(count), *whose)) for count in counts)


def _delegate(name: str, *patterns: str, more: Sequence[str] = ()) -> Step:
    paths = [word for pattern in patterns for word in ("--path", pattern)]
    return f"delegation to {name}", _run("delegation", "add", name, *paths, *more)


_SIGNED_AWAY: Final[Step] = ("signed by who is not here", lambda workspace: workspace.sign_away())


def _waiting(name: str, *words: str) -> Step:
    """A change that waits for a holder who is not here; clients see nothing of it."""
    return name, lambda workspace: workspace.rstuf(*words, code=_WAITS)


def _absent() -> tuple[Step, ...]:
    """A role whose key is never here comes, changes and goes."""
    paths = ("--path", "away/*", "--path", "files/1*")
    return (
        _waiting("delegation to away waits", "delegation", "add", "away", *paths, "--signer", ABSENT),
        _SIGNED_AWAY,
        ("artifacts of away wait", lambda workspace: workspace.propose(_contents(4, "away/new", "files/1.bin"))),
        _SIGNED_AWAY,
        _waiting("away for other paths waits", "delegation", "update", "away", "--path", "away/*"),
        _SIGNED_AWAY,
        ("away has left", _run("delegation", "remove", "away")),
    )


def _delegations(*resizes: Step) -> tuple[Step, ...]:
    """Delegations come, change and go: three deep, by people and online, terminating and not, one of them with bins."""
    team = ("team/*", "team/*/*", "team/*/*/*")
    return (
        ("artifacts added", _add(_contents(1, *_files(0, 8), *_ODD, *_TEAM, *_OPS, *_VENDOR))),
        _delegate("team", *team, more=("--signer", "tara")),
        _delegate("inner", "team/inner/*", "team/inner/*/*", more=("--parent", "team", "--terminating", *_VERA)),
        _delegate("deep", "team/inner/deep/*", more=("--parent", "inner", "--signer", "tara")),
        _delegate("ops", "ops/*", "ops/*/*", more=("--terminating",)),
        _delegate("in-ops", "ops/in/*", "ops/?y", more=("--parent", "ops")),
        _delegate("under", "ops/in/y", "ops/in/z?", more=("--parent", "in-ops", "--terminating")),
        _delegate("vendor", "vendor/*"),
        *_resizes(8, role="vendor"),
        ("artifacts added, replaced", _add(_contents(2, *_CHANGED, "team/new", "ops/in/zz"))),
        ("artifacts removed", _remove("team/one", "team/inner/b", "ops/x", "ops/in/x", "vendor/4", "files/2.bin")),
        ("ops for more paths", _update("ops", "--path", "ops/*", "--path", "ops/*/*", "--path", "files/*")),
        ("ops is not terminating", _update("ops", "--not-terminating")),
        ("ops before team", _update("ops", "--before", "team")),
        *_resizes(32, 4, role="vendor"),
        *resizes,
        *_ROTATION,
        ("deep has left", _run("delegation", "remove", "deep")),
        ("under has left", _run("delegation", "remove", "under")),
        ("in-ops has left", _run("delegation", "remove", "in-ops")),
        ("ops has left", _run("delegation", "remove", "ops")),
        _PRUNE,
        *_absent(),
        _delegate("deep", "team/inner/deep/?", more=("--parent", "inner", "--terminating", *_VERA)),
        _delegate("ops", "ops/*", "files/1.*"),
        ("team signed by another", _update("team", *_VERA)),
        ("inner for other paths", _update("inner", "--path", "team/inner/?", "--path", "team/inner/*/*")),
        ("artifacts replaced again", _add(_contents(3, "team/two", "team/inner/a", "team/inner/deep/y", "vendor/5"))),
        _PRUNE,
    )


WORLDS: Final = (
    World("succinct bins", "succinct", 8, _plain(*_resizes(32, 4, 64))),
    World("classic bins", "classic", 8, _plain(*_resizes(32, 4, 64))),
    World("flat", "flat", 0, _plain()),
    World("flat, delegations", "flat", 0, _delegations()),
    World("succinct bins, delegations", "succinct", 8, _delegations(*_resizes(32, 4))),
    World("classic bins, delegations", "classic", 8, _delegations(*_resizes(32, 4))),
)

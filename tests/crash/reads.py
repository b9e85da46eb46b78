"""System calls that only look, and fail. The command says so once, and nothing of what it was to read was believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tests.crash.bench import Bench, Result
from tests.crash.errors import ErrorPoint, fail_at
from tests.crash.operations import PUBLISH
from tests.crash.trace import Call, changing
from tests.crash.worlds import World

_LOOK: Final = ("EIO", "EACCES")
_ERRORS: Final[Mapping[str, tuple[str, ...]]] = {
    "openat": ("EIO", "EACCES", "EMFILE", "ENFILE", "EINTR"),
    "read": ("EIO", "EINTR"),
    "readv": ("EIO", "EINTR"),
    "pread64": ("EIO", "EINTR"),
    "preadv": ("EIO", "EINTR"),
    "getdents64": ("EIO",),
    "stat": _LOOK,
    "lstat": _LOOK,
    "fstat": ("EIO",),
    "newfstatat": _LOOK,
    "statx": _LOOK,
    "readlink": _LOOK,
    "readlinkat": _LOOK,
    "mmap": ("ENOMEM",),
    "flock": ("ENOLCK", "EINTR"),
}
_LASTING: Final = {"openat": ("EMFILE", "ENFILE"), "read": ("EIO",), "pread64": ("EIO",)}
"""Errors that stay once they are there."""


def points(bench: Bench, world: World, calls: Sequence[Call]) -> list[ErrorPoint]:
    """Every error that each look at the workspace, or at what the command was given, could meet."""
    return [point for call in calls for point in _points_of(call, _where(bench, world, call))]


def _where(bench: Bench, world: World, call: Call) -> str:
    inside = call.touches(str(bench.place))
    return call.where(str(bench.place if inside else world.inputs.parent))


def _points_of(call: Call, where: str) -> Iterator[ErrorPoint]:
    if call.name.startswith("open") and changing(call):
        return
    for error in _ERRORS.get(call.name, ()):
        yield ErrorPoint(call.name, call.ordinal, where, error, lasting=False)
    for error in _LASTING.get(call.name, ()):
        yield ErrorPoint(call.name, call.ordinal, where, error, lasting=True)


def unread(bench: Bench, world: World, point: ErrorPoint) -> Result:
    """Let that look fail; what could not be read from what the command was given is not taken in, in whole or part."""
    given = f" {world.inputs.name}/" in f"{point.where}/" and world.operation.interrupted is None
    view = world.before if world.root is not None else None
    return fail_at(bench, world, point, reading=True, untouched=(PUBLISH, view) if given else None)

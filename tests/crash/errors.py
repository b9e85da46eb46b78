"""System calls that fail. The command says why in one line, clients notice nothing, and running it again heals."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final, Protocol, TypeVar

from tests.crash.bench import Bench, Result
from tests.crash.judges import Judge
from tests.crash.kill import in_words
from tests.crash.operations import View, Words
from tests.crash.runs import Outcome, Trace
from tests.crash.trace import Call, changing
from tests.crash.worlds import World

_WRITE = ("ENOSPC", "EIO", "EDQUOT", "EFBIG", "EINTR")
_SYNC = ("EIO", "ENOSPC", "EDQUOT", "EINTR")
_NAME = ("ENOSPC", "EROFS", "EACCES", "EIO", "EDQUOT")
_ERRORS: Final[Mapping[str, tuple[str, ...]]] = {
    "openat": ("ENOSPC", "EACCES", "EMFILE", "EROFS", "EDQUOT", "EIO", "EINTR"),
    "write": _WRITE,
    "pwrite64": _WRITE,
    "writev": _WRITE,
    "copy_file_range": _WRITE,
    "fallocate": _WRITE,
    "ftruncate": ("EIO", "ENOSPC"),
    "fsync": _SYNC,
    "fdatasync": _SYNC,
    "syncfs": _SYNC,
    "rename": _NAME,
    "renameat": _NAME,
    "renameat2": _NAME,
    "link": _NAME,
    "linkat": _NAME,
    "mkdir": _NAME,
    "mkdirat": _NAME,
    "unlink": ("EROFS", "EACCES", "EIO"),
    "unlinkat": ("EROFS", "EACCES", "EIO"),
    "rmdir": ("EROFS", "EACCES", "EIO"),
    "fchmod": ("EROFS", "EACCES"),
    "chmod": ("EROFS", "EACCES"),
}
_BARE = frozenset(os.strerror(number).lower() for number in errno.errorcode)
"""What the system calls its errors: no reason, unless it stands beside a name."""
_ALL_FROM_HERE = frozenset({"ENOSPC", "EDQUOT", "EROFS", "EMFILE"})
"""Errors that stay once they are there: they are tried both for one call and for all from there on."""


@dataclass(frozen=True, slots=True)
class ErrorPoint:
    """One system call that fails, or with `lasting` all of its name from there on."""

    name: str
    ordinal: int
    where: str
    error: str
    lasting: bool

    @property
    def unflushed(self) -> bool:
        """Whether it keeps something that clients fetch from becoming durable (EINTR may be tried again)."""
        published = "repo/metadata" in self.where or "repo/targets" in self.where
        return "sync" in self.name and published and self.error != "EINTR"

    def __str__(self) -> str:
        return f"{self.error}{' from here on' if self.lasting else ''} at {self.where} #{self.ordinal}"


def points(bench: Bench, calls: Sequence[Call]) -> list[ErrorPoint]:
    """Every error that each call that changes something could meet."""
    place = str(bench.place)
    return [
        point
        for call in calls
        if changing(call) and call.touches(place)
        for point in _points_of(call, call.where(place))
    ]


def _points_of(call: Call, where: str) -> Iterator[ErrorPoint]:
    for error in _ERRORS.get(call.name, ()):
        yield ErrorPoint(call.name, call.ordinal, where, error, lasting=False)
        # All writes failing would silence the command too, which says nothing about it.
        if error in _ALL_FROM_HERE and call.name != "write":
            yield ErrorPoint(call.name, call.ordinal, where, error, lasting=True)


class AtCall(Protocol):
    """A point at a system call, one of several there."""

    @property
    def name(self) -> str: ...

    @property
    def ordinal(self) -> int: ...


P = TypeVar("P", bound=AtCall)


def spread_errors(points: Sequence[P], limit: int, seed: int) -> list[P]:
    """At most `limit` points: over all calls evenly, and of each the errors in turn."""
    by_call: dict[tuple[str, int], list[P]] = {}
    for point in points:
        by_call.setdefault((point.name, point.ordinal), []).append(point)
    if limit >= len(points):
        return list(points)
    groups = list(by_call.values())
    turn = cycle(range(seed, seed + 840))
    step = max(1.0, len(groups) / limit)
    picked = [groups[int(index * step)] for index in range(min(limit, len(groups)))]
    return [group[next(turn) % len(group)] for group in picked]


def fail_at(
    bench: Bench,
    world: World,
    point: ErrorPoint,
    *,
    reading: bool = False,
    untouched: tuple[Words, View | None] | None = None,
) -> Result:
    """Let that call fail; clients look; run the command again; clients look.

    Args:
        reading: it is a call that only looks.
        untouched: what clients are to find if the command refuses, even after this other one, if there is a workspace.
    """
    world.copy(bench.place)
    judge, ledger = bench.judge(world), world.ledger.copy()
    words = in_words(world.operation.argv)
    when = f"{point.ordinal}+" if point.lasting else str(point.ordinal)
    injection = f"{point.name}:error={point.error}:when={when}"
    shift = world.operation.shift
    outcome = bench.run(world, words, shift=shift, trace=Trace(bench.trace, [injection], reading=reading))
    reached = b"(INJECTED)" in bench.trace.read_bytes()
    result = Result(world.operation.name, str(point), reached=reached)
    if not reached:
        result.notes["not reached"] += 1
        return result
    result.notes["refused" if outcome.code else "harmless"] += 1
    result.wrong += manners(outcome)
    if outcome.code == 0 and point.unflushed:
        result.wrong.append("L1: published bytes or names could not be made durable, and it called that success")
    bench.look(world, judge, result, "after the error")
    result.wrong += ledger.note(bench.place / "repo")
    if outcome.code != 0 and untouched is not None:
        result.wrong += _still(bench, world, judge, untouched)
    result.wrong += bench.heal(world, judge, ledger, acknowledged=outcome.code == 0, turn=point.ordinal)
    return result


def _still(bench: Bench, world: World, judge: Judge, untouched: tuple[Words, View | None]) -> list[str]:
    """Whether nothing of what was refused comes to light when another command goes on."""
    words, view = untouched
    if view is None:
        return ["L5: a workspace was begun"] if (bench.place / "repo").exists() else []
    wrong = bench.again(world, words, shift=world.operation.shift)
    return wrong + judge.look(bench.site, [view], "after the refusal", shift=world.operation.shift)


def manners(outcome: Outcome) -> list[str]:
    """How it said what happened."""
    said = outcome.stderr.decode(errors="replace")
    if outcome.hung:
        return ["L5: it hung"]
    if outcome.code < 0:
        return [f"manners: signal {-outcome.code} ended it"]
    if "Traceback" in said:
        return [f"manners: a traceback: {said.strip()[-200:]}"]
    reasons = [line.removeprefix("error: ") for line in said.splitlines() if line.startswith("error: ")]
    if len(reasons) != (outcome.code != 0):
        return [f"manners: it ended with {outcome.code} and said {len(reasons)} reasons: {said.strip()[-200:]!r}"]
    if any(reason in _BARE for reason in reasons):
        return [f"manners: it does not say what failed: {reasons[0]!r}"]
    return []

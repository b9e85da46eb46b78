"""Clocks that jump between two commands, and back. Nothing ever expires earlier than what clients hold; a clock that is
absurdly far ahead is refused until a person vouches for it. What somebody signed before and is past by such a clock is
refused, too, and taken once the clock is right."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.crash.bench import Bench, Result
from tests.crash.judges import Judge
from tests.crash.ledger import Ledger
from tests.crash.operations import CEREMONY, DAY, HOUR, LATER, PUBLISH, View, Words
from tests.crash.worlds import World
from tuf.api.metadata import Targets

_JUMPS: Final = {
    "a year back": -365 * DAY,
    "a day back": -DAY,
    "a month on": 30 * DAY,
    "13 months on": 395 * DAY,
    "ten years on": 3650 * DAY,
}
_ABSURD: Final = 3650 * DAY
_ROOT_LIFE: Final = 365 * DAY
_RENEW: Final = ("--repo", "{repo}", "--json", "renew")
_FORCED: Final = (*_RENEW, "--force", "timestamp")
_FIRST: Final[Mapping[str, Words | None]] = {"": None, "a renewal, then ": _FORCED}
_RIGHT: Final = "put right"
_CONFIRMED: Final = "confirmed"
_REFUSED: Final = "clock-suspicious"
_EXPIRED: Final = "release-refused"
_PERISHED: Final = "delivery-refused"


@dataclass(frozen=True, slots=True)
class Jump:
    """What came first, by how much the clock then jumps, and what becomes of it where it is refused."""

    first: str
    words: str
    absurd: str

    @property
    def seconds(self) -> float:
        return _JUMPS[self.words]

    def __str__(self) -> str:
        return f"{self.first}{self.words}{f', {self.absurd}' if self.absurd else ''}"


def points(world: World) -> list[Jump]:
    """All of them."""
    return [
        Jump(first, words, absurd)
        for first in (_FIRST if world.root is not None else [""])
        for words, seconds in _JUMPS.items()
        for absurd in (_absurd(world) if seconds >= _ABSURD and _has_evidence(world) else [""])
    ]


def _absurd(world: World) -> list[str]:
    # Whoever vouches for a clock by which it is past has nothing that could still be taken.
    return [_RIGHT] if world.operation.perishes else [_CONFIRMED, _RIGHT]


def _has_evidence(world: World) -> bool:
    """Whether anything here tells what time it is."""
    return world.root is not None or world.operation.interrupted is not None


def jump(bench: Bench, world: World, point: Jump) -> Result:
    """Run the operation at the jumped clock, a later change at the old one; clients of both times look."""
    world.copy(bench.place)
    return _Story(bench, world, point).tell()


class _Story:
    """One point as it goes on."""

    def __init__(self, bench: Bench, world: World, point: Jump) -> None:
        self._bench, self._world, self._point = bench, world, point
        self._judge: Judge = bench.judge(world)
        self._ledger: Ledger = world.ledger.copy()
        self._result = Result(world.operation.name, str(point))
        self._expires = _expiries(bench.place / "repo/metadata")
        self._then = HOUR + point.seconds
        argv = world.operation.argv
        self._words = _FORCED if argv == _RENEW else argv

    def tell(self) -> Result:
        world, point = self._world, self._point
        first = _FIRST[point.first]
        if first is not None:
            self._run(first, shift=HOUR)
            self._look(shift=HOUR, allowed=world.under_way)
        present = self._operate()
        begun = world.operation.argv == CEREMONY
        # Metadata that was first made in the past has expired by now, as nobody could know.
        self._look(shift=present if begun else HOUR, allowed=[world.after])
        times = [2 * HOUR, *([present] if present > 2 * HOUR else [])]
        if present in times[1:]:
            self._run(self._vouched(_RENEW), shift=present)
            self._look(shift=present, allowed=[world.after])
        if begun:
            self._run(_RENEW, shift=2 * HOUR)
        self._run(LATER, shift=2 * HOUR)
        for shift in times:
            self._look(shift=shift, allowed=[world.after.later()])
        self._result.wrong += self._ledger.note(self._bench.place / "repo")
        return self._result

    def _operate(self) -> float:
        """Bring the operation about, after the jump; what the clock says in the end."""
        world, point, present = self._world, self._point, self._then
        before = self._bench.site_has("timestamp.json")
        outcome = self._bench.run(world, self._words, shift=present)
        self._compare()
        done = outcome.code == 0
        if outcome.error == _REFUSED:
            self._result.notes["refused"] += 1
            self._look(shift=HOUR, allowed=world.under_way)
            if not point.absurd:
                self._wrong("a clock that may well be right was refused")
        elif outcome.error == _EXPIRED and point.seconds >= _ROOT_LIFE:
            self._result.notes["root had expired"] += 1
        elif outcome.error == _PERISHED and self._perished:
            self._result.notes["it had expired"] += 1
        elif not done:
            said = (outcome.stderr or outcome.stdout).decode(errors="replace").strip()
            self._wrong(f"{' '.join(self._words)} ended with {outcome.code}: {said[-300:]}")
        elif point.absurd and self._bench.site_has("timestamp.json") != before:
            self._wrong("an absurd clock was believed")
        present = 2 * HOUR if point.absurd == _RIGHT or self._perished else present
        expired = point.seconds >= _ROOT_LIFE and present == self._then
        begun = world.operation.argv == CEREMONY
        if expired and not begun:
            self._run(self._vouched(_RENEW), shift=present)
        if not done:
            self._run(self._vouched(self._words), shift=present, fine=world.operation.rerun_errors)
        if expired and begun:
            self._run(self._vouched(_RENEW), shift=present)
        if not done or world.operation.finish is not None:
            self._run(self._vouched(PUBLISH), shift=present)
        return present

    @property
    def _perished(self) -> bool:
        return self._world.operation.perishes and self._point.seconds >= _ROOT_LIFE

    def _vouched(self, words: Words) -> Words:
        return (*words, "--accept-clock") if self._point.absurd == _CONFIRMED else words

    def _run(self, words: Words, *, shift: float, fine: frozenset[str] = frozenset()) -> None:
        self._result.wrong += self._bench.again(self._world, words, shift=shift, fine=fine)
        self._compare()

    def _compare(self) -> None:
        """Hold the expiries that clients see now against those that they saw before."""
        before = self._expires
        try:
            self._expires = _expiries(self._bench.place / "repo/metadata")
        except FileNotFoundError as error:
            self._result.wrong.append(f"L2: {error.filename} is gone")
        for role in sorted(before.keys() & self._expires.keys()):
            if self._expires[role] < before[role]:
                self._result.wrong.append(
                    f"L3: {role} expired at {before[role]} and now expires at {self._expires[role]}"
                )

    def _look(self, *, shift: float, allowed: Sequence[View | None]) -> None:
        when = f"with the clock at {shift / DAY:+.0f} days"
        self._result.wrong += self._judge.look(self._bench.site, allowed, when, shift=shift)

    def _wrong(self, what: str) -> None:
        self._result.wrong.append(f"manners: {what}")


def _expiries(metadata: Path) -> dict[str, str]:
    """When each role expires that the visible snapshot lists, and the newest root; by role.

    Raises:
        FileNotFoundError: a role is not there to which somebody delegates. Of others, a prune may let the last file go.
    """
    if not (metadata / "timestamp.json").exists():
        return {}
    timestamp = _signed(metadata / "timestamp.json")
    version = timestamp["meta"]["snapshot.json"]["version"]
    files = {"timestamp": timestamp, "snapshot": _signed(metadata / f"{version}.snapshot.json")}
    listed = {
        name.removesuffix(".json"): metadata / f"{meta['version']}.{name}"
        for name, meta in files["snapshot"]["meta"].items()
    }
    needed = _needed(listed)
    files |= {role: _signed(file) for role, file in listed.items() if role in needed or file.exists()}
    newest = max(int(path.name.split(".")[0]) for path in metadata.glob("*.root.json"))
    files["root"] = _signed(metadata / f"{newest}.root.json")
    return {role: str(signed["expires"]) for role, signed in files.items()}


def _needed(listed: Mapping[str, Path]) -> set[str]:
    """Targets, and whatever is delegated to below it."""
    needed, below = set[str](), ["targets"]
    while below:
        role = below.pop()
        needed.add(role)
        delegations = Targets.from_dict(_signed(listed[role])).delegations
        if delegations is not None:
            succinct = delegations.succinct_roles
            below += [*(delegations.roles or ()), *(() if succinct is None else succinct.get_roles())]
    return needed


def _signed(file: Path) -> dict[str, Any]:
    signed: dict[str, Any] = json.loads(file.read_bytes())["signed"]
    return signed

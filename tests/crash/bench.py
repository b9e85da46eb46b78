"""One worker's bench: a zygote, a workspace to harm, clients to judge it, and the one way in which it must heal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.judges import Failure, Judge
from tests.crash.ledger import Ledger
from tests.crash.operations import HOUR, LATER, PUBLISH, VERIFY, WAITING, Words
from tests.crash.runs import Cut, Outcome, Trace, Zygote
from tests.crash.worlds import World
from tests.support.clients import Site, directory_site
from tests.support.pruning import reachable_in

TRY_AGAIN = "clients had to try again"
"""What is counted where an operation cannot but let them."""


@dataclass(slots=True)
class Result:
    """One point.

    Attributes:
        point: where it was, in words.
        reached: whether the disturbance happened at all; if not, it is no point.
        wrong: losses, each with its number.
        notes: what is counted without being wrong.
    """

    operation: str
    point: str
    reached: bool = True
    wrong: list[str] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)


class Bench:
    """Where points are tried, one after the other."""

    def __init__(self, scratch: Path, *, fault: str | None = None) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self.scratch = scratch
        self.zygote = Zygote(scratch, fault=fault)
        self.healer = self.zygote
        self.mend: Callable[[Path], None] = lambda state: None
        self.place = scratch / "place"
        self.trace = scratch / "trace"

    def close(self) -> None:
        self.zygote.close()

    @property
    def site(self) -> Site:
        return directory_site(self.place / "repo/metadata", self.place / "repo/targets")

    def site_has(self, name: str) -> bytes | None:
        """A published file, or None."""
        try:
            return self.site(name)
        except FileNotFoundError:
            return None

    def judge(self, world: World) -> Judge:
        """Clients at the start of `world`."""
        return Judge(world, self.scratch / "clients")

    def run(
        self, world: World, words: Words, *, shift: float, trace: Trace | None = None, cut: Cut | None = None
    ) -> Outcome:
        """A command on the workspace."""
        return world.run(self.zygote, words, self.place, shift=shift, trace=trace, cut=cut)

    def look(
        self,
        world: World,
        judge: Judge,
        result: Result,
        when: str,
        *,
        excused: Callable[[Failure], bool] = lambda failure: False,
    ) -> None:
        """Clients look while the operation is not done; note what is wrong, and what they will try again."""
        excuse, site = world.operation.excuse, self.site
        gaps: list[Failure] = []

        def forgiven(failure: Failure) -> bool:
            if excuse is not None and excuse(site, failure.error):
                gaps.append(failure)
                return True
            return excused(failure)

        shift = world.operation.shift
        result.wrong += judge.look(site, world.under_way, when, shift=shift, excused=forgiven)
        result.notes[TRY_AGAIN] += bool(gaps)

    def heal(self, world: World, judge: Judge, ledger: Ledger, *, acknowledged: bool, turn: int = 0) -> list[str]:
        """Run the command again, once (or, if it was acknowledged, only `publish`), and look.

        Args:
            turn: on odd turns another command comes first, as cron's might; on even ones work goes on afterwards.
        """
        operation, shift = world.operation, world.operation.shift + HOUR
        wrong: list[str] = []
        self.mend(self.place / "repo/state.db")
        if turn % 2 and world.root is not None:
            wrong += self._detour(world, judge, operation.detours[turn // 2 % len(operation.detours)], shift=shift)
        if acknowledged:
            wrong += self.again(world, PUBLISH, shift=shift, ends=operation.ends)
        else:
            fine = operation.rerun_errors
            wrong += self.again(world, operation.argv, shift=shift, fine=fine, ends=operation.ends)
            if operation.finish is not None:
                wrong += self.again(world, operation.finish, shift=shift)
        wrong += judge.look(self.site, [world.after], "after one rerun", shift=shift)
        wrong += ledger.note(self.place / "repo")
        if operation.tidies:
            metadata = self.place / "repo/metadata"
            files = {path.name: path.read_bytes() for path in metadata.glob("*.json")}
            wrong += [
                f"L5: {name} stays, and no client needs it" for name in sorted(files.keys() - reachable_in(files))
            ]
        if turn % 2 or wrong:
            return wrong
        wrong += self.again(world, LATER, shift=shift + HOUR, ends=operation.ends)
        wrong += judge.look(self.site, [world.after.later()], "after the next change", shift=shift + HOUR)
        if operation.trusts:
            wrong += self.again(world, VERIFY, shift=shift + HOUR)
        return wrong + ledger.note(self.place / "repo")

    def _detour(self, world: World, judge: Judge, words: Words, *, shift: float) -> list[str]:
        """Another command first. Clients are where they were if it refuses, as it may, or if something is lost."""
        operation, when = world.operation, "after another command"
        outcome = world.run(self.healer, words, self.place, shift=shift)
        waits = (operation.detours_wait or operation.waits) and outcome.code == WAITING
        wrong = [] if waits else _failed(words, outcome, operation.detour_errors)
        if (waits or outcome.code == 0) and not operation.lost:
            return wrong + judge.look(self.site, world.settled, when, shift=shift)
        result = Result(operation.name, when)
        self.look(world, judge, result, when)
        return wrong + result.wrong

    def again(
        self,
        world: World,
        words: Words,
        *,
        shift: float,
        fine: frozenset[str] = frozenset(),
        ends: frozenset[int] = frozenset({0}),
    ) -> list[str]:
        """Run a command that is to end as `ends` says, or with an error of one of the codes `fine`; what is wrong."""
        outcome = world.run(self.healer, words, self.place, shift=shift)
        return [] if outcome.code in ends else _failed(words, outcome, fine)


def _failed(words: Words, outcome: Outcome, fine: frozenset[str]) -> list[str]:
    """What is wrong with a command that was to succeed, or to end with an error of one of the codes `fine`."""
    if outcome.hung:
        return [f"L5: {' '.join(words)} hung"]
    if outcome.code != 0 and outcome.error not in fine:
        said = (outcome.stderr or outcome.stdout).decode(errors="replace").strip()[-300:]
        return [f"L5: {' '.join(words)} ended with {outcome.code}: {said}"]
    return []

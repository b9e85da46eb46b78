"""A delegate's key that must go: each role that lists it is delegated to the others, or waits until it has another.

Where a key signs several roles, one change of what the same role delegates would drop the one before it and its
signatures: so each comes in its turn, and what waits already is never proposed again.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

import rstuf
from rstuf.clock import SystemClock
from rstuf_cli import proposing
from rstuf_cli.commands.delegation import change_delegation
from rstuf_cli.console import escape
from rstuf_cli.event_steps import steps_of
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.reports import sign
from rstuf_cli.run import Run
from rstuf_cli.steps import Step, merged, show_steps, steps_document
from rstuf_cli.turns import goes_before, is_usable
from rstuf_cli.waiting import tell_waiting
from rstuf_cli.wording import listed, number


def delegations_of(repository: rstuf.Repository, view: rstuf.KeyView) -> list[rstuf.DelegationView]:
    """The named delegations that list a key, without those that the online key signs."""
    keyid = view.entry.keyid
    return [each for each in repository.delegations.views() if not each.online and keyid in each.delegation.keys.keyids]


def take_out_of_delegations(
    run: Run,
    repository: rstuf.Repository,
    view: rstuf.KeyView,
    roles: Sequence[rstuf.DelegationView],
    *,
    threshold: int | None,
    loss: rstuf.Loss | None,
) -> int:
    """Note what became of a key, and propose the first of its roles without it that can be proposed now.

    What others must sign waits for them. A role that would have too few signers keeps it until it has another one.

    Args:
        roles: that list it.
        threshold: how many must sign the role then; None where that stays.

    Raises:
        UsageFault: the threshold is of no role in particular, or more than could sign it.
    """
    entry = view.entry
    # Nor does one who is lost sign: a role that counts on them would never come out.
    well = {each.keyid for each in repository.keys() if each.report is None and each.keyid != entry.keyid}
    if threshold is not None:
        _refuse_threshold(entry, roles, well, threshold, loss)
    _note(run, repository, entry, roles, loss)
    rest = _sorted_out(repository, entry, roles, well, threshold)
    if not rest.able:
        return _tell_rest(run, entry, rest, well, loss)
    first, name = rest.able[0], rest.able[0].delegation.name
    change = rstuf.DelegationChange(signers=_names(first, well), threshold=threshold)
    code = change_delegation(
        run,
        repository,
        lambda desk: desk.propose_change(name, change),
        question=f"let {escape(entry.name)} sign {escape(name)} no more?",
    )
    if code not in {ExitCode.DONE, ExitCode.WAITING}:
        return code
    others = [each for each in roles if each.delegation.name != name]
    rest = _sorted_out(repository, entry, others, well, None)
    if rest.able or rest.short:
        _warn_of(run, entry, [*rest.able, *(each for each, _ in rest.short)])
    for each, before in rest.behind:
        _warn_of_turn(run, entry, each, before)
    if rest.able or rest.short or rest.behind:
        run.console.error([f"    {_command(entry, loss)}"])
    return ExitCode.WAITING if others else code


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rest:
    """The roles that list a key.

    Attributes:
        able: those that can be proposed without it now.
        short: those that would have too few signers, each with what waits that it must come after, if anything.
        behind: those that come after something that waits, which they would drop.
        waiting: what waits that takes it out of others of them.
    """

    able: list[rstuf.DelegationView]
    short: list[tuple[rstuf.DelegationView, rstuf.EventView | None]]
    behind: list[tuple[rstuf.DelegationView, rstuf.EventView]]
    waiting: list[rstuf.EventView]


def _sorted_out(
    repository: rstuf.Repository,
    entry: rstuf.KeyEntry,
    roles: Sequence[rstuf.DelegationView],
    well: set[rstuf.KeyId],
    threshold: int | None,
) -> _Rest:
    rest = _Rest(able=[], short=[], behind=[], waiting=[])
    gone = {entry.keyid, *(each.keyid for each in repository.keys() if each.is_leaked)}
    views = [view for view in repository.events.views() if is_usable(view)]
    for each in roles:
        taking = next((view for view in views if each.delegation.name in view.out_of(entry.keyid)), None)
        before = goes_before(views, each.delegation.name, each.parent, gone=gone)
        if taking is not None and (threshold is None or _becomes(repository, taking) == threshold):
            rest.waiting.append(taking)
        elif len(well & {*each.delegation.keys.keyids}) < _needed(each, threshold):
            rest.short.append((each, before))
        elif before is not None:
            rest.behind.append((each, before))
        else:
            rest.able.append(each)
    return rest


def _becomes(repository: rstuf.Repository, view: rstuf.EventView) -> int | None:
    """How many must sign the delegation that an event is about once it is out."""
    wanted = repository.delegations.wanted_by(view.event)
    return None if wanted is None or wanted.after is None else wanted.after.keys.threshold


def _refuse_threshold(
    entry: rstuf.KeyEntry,
    roles: Sequence[rstuf.DelegationView],
    well: set[rstuf.KeyId],
    threshold: int,
    loss: rstuf.Loss | None,
) -> None:
    """
    Raises:
        UsageFault: it would be of more than one role, or be more than are left to sign it.
    """
    names = [each.delegation.name for each in roles]
    if len(roles) > 1:
        raise UsageFault(
            f"{entry.name} signs {listed(names)}, and --threshold does not say of which of them it is",
            hint=f"{_command(entry, loss)} takes it out of each, and says where too few would be left",
        )
    (role,) = roles
    left = _names(role, well)
    if threshold > len(left):
        name = role.delegation.name
        lower = f"{_command(entry, loss)} --threshold {len(left)}, or less; or " if left else ""
        raise UsageFault(
            f"{threshold} would have to sign {name}, and without {entry.name} {len(left) or 'nobody'} can",
            hint=f"{lower}{_with_new(role, left, threshold)} --threshold {threshold}",
        )


def _note(
    run: Run,
    repository: rstuf.Repository,
    entry: rstuf.KeyEntry,
    roles: Sequence[rstuf.DelegationView],
    loss: rstuf.Loss | None,
) -> None:
    """Note it before anything is proposed: nothing lets it in again then, and everything else asks for the others."""
    proposing.refuse_unasked(run)
    if loss is None or (entry.report is not None and not (entry.is_lost and loss is rstuf.Loss.LEAKED)):
        return
    if loss is rstuf.Loss.LEAKED:
        signs = listed([escape(each.delegation.name) for each in roles])
        run.console.note(f"{escape(entry.name)} signs {signs}; once it is noted, nothing can ever let it in again")
        proposing.ask_typed(run, entry.name, to="note that it leaked")
    repository.events.report_loss(entry.name, loss)
    state = "lost" if loss is rstuf.Loss.LOST else "in the wrong hands"
    run.console.result(f"{sign(run.console, ok=True)} noted that {escape(entry.name)} is {state}")


def _tell_rest(run: Run, entry: rstuf.KeyEntry, rest: _Rest, well: set[rstuf.KeyId], loss: rstuf.Loss | None) -> int:
    """Nothing can be proposed now: say what waits for whom, what comes after that, and what the others need first."""
    steps = [step for view in rest.waiting for step in steps_of(view)]
    steps += [step for _, before in rest.behind for step in steps_of(before)]
    steps += _steps_where_short(rest, well)
    for each, before in rest.behind:
        why = f"{escape(each.delegation.name)} comes after {before.event.name} is out, which it would drop"
        steps.append(Step(_command(entry, loss), why))
    steps = merged(steps)
    run.console.document({"opened": False, "next_steps": steps_document(steps)})
    if not run.console.is_json:
        tell_waiting(run.console, {view.event.name: view for view in rest.waiting}.values())
    if rest.short:
        _warn_of(run, entry, [each for each, _ in rest.short], why=": too few would be left who can")
    for each, before in rest.behind:
        _warn_of_turn(run, entry, each, before)
    show_steps(run.console, steps, now=SystemClock().now())
    return ExitCode.WAITING


def _steps_where_short(rest: _Rest, well: set[rstuf.KeyId]) -> list[Step]:
    """What each role needs first that would have too few signers, by a command that names the role."""
    if not rest.short:
        return []
    steps = [Step("rstuf key generate NEW", "the key that is to take its place, where there is none yet")]
    for number_of_role, (each, before) in enumerate(rest.short):
        name, left, needed = escape(each.delegation.name), _names(each, well), each.delegation.keys.threshold
        why = f"{number(needed)} must sign {name}, and without it {number(len(left))} can"
        found = [Step(_with_new(each, left, needed), why)]
        if left:
            lower = f"{_with_new(each, left, len(left))} --threshold {len(left)}"
            found.append(Step(lower, f"or fewer sign {name} from then on"))
        if before is not None:
            found = [
                replace(step, why=f"{step.why}; once {before.event.name} is out, which it would drop") for step in found
            ]
        elif number_of_role:
            last = escape(rest.short[number_of_role - 1][0].delegation.name)
            found = [replace(step, why=f"{step.why}; once that of {last} is out, if it waits") for step in found]
        steps += found
    return steps


def _warn_of(run: Run, entry: rstuf.KeyEntry, roles: Sequence[rstuf.DelegationView], *, why: str = "") -> None:
    names = listed([escape(each.delegation.name) for each in roles])
    run.console.warning(f"{escape(entry.name)} may sign {names} yet{why}")


def _warn_of_turn(run: Run, entry: rstuf.KeyEntry, role: rstuf.DelegationView, before: rstuf.EventView) -> None:
    name = escape(role.delegation.name)
    run.console.warning(f"{escape(entry.name)} may sign {name} yet: {name} comes after {before.event.name} is out")


def _command(entry: rstuf.KeyEntry, loss: rstuf.Loss | None) -> str:
    return f"rstuf key revoke {shlex.quote(entry.name)}{'' if loss is None else f' --{loss.value}'}"


def _with_new(role: rstuf.DelegationView, left: Sequence[str], needed: int) -> str:
    """The command that delegates a role to those who are left, and to new keys where these are too few."""
    words = [f"--signer {shlex.quote(name)}" for name in left] + ["--signer NEW"] * (needed - len(left))
    return f"rstuf delegation update {shlex.quote(role.delegation.name)} {' '.join(words)}"


def _needed(view: rstuf.DelegationView, threshold: int | None) -> int:
    return view.delegation.keys.threshold if threshold is None else threshold


def _names(view: rstuf.DelegationView, well: set[rstuf.KeyId]) -> tuple[str, ...]:
    """Those of a role's signers who stay, by name."""
    pairs = zip(view.delegation.keys.keyids, view.signers, strict=True)
    return tuple(name for keyid, name in pairs if keyid in well)

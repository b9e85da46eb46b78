"""A delegate's key that must go: the role that lists it is delegated to the others, or waits until it has another."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import rstuf
from rstuf.clock import SystemClock
from rstuf_cli import proposing
from rstuf_cli.commands.delegation import change_delegation
from rstuf_cli.console import escape
from rstuf_cli.exits import ExitCode
from rstuf_cli.reports import sign
from rstuf_cli.run import Run
from rstuf_cli.steps import Step, show_steps, steps_document
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
    """Note what became of a key, and propose the first of its roles without it that holds together without it.

    What others must sign waits for them. A role that would have too few signers keeps it until it has another one.

    Args:
        roles: that list it.
        threshold: how many must sign a role then; None where that stays.
    """
    entry = view.entry
    _note(run, repository, entry, roles, loss)
    well = {each.keyid for each in repository.keys() if not each.is_leaked and each.keyid != entry.keyid}
    able = [each for each in roles if len(well & {*each.delegation.keys.keyids}) >= _needed(each, threshold)]
    if not able:
        return _tell_short(run, entry, roles, well, threshold=threshold, loss=loss)
    first = able[0]
    name = first.delegation.name
    signers = _names(first, well)
    change = rstuf.DelegationChange(signers=signers, threshold=threshold)
    code = change_delegation(
        run,
        repository,
        lambda desk: desk.propose_change(name, change),
        question=f"let {escape(entry.name)} sign {escape(name)} no more?",
    )
    others = [escape(each.delegation.name) for each in roles if each.delegation.name != name]
    if code in {ExitCode.DONE, ExitCode.WAITING} and others:
        why = "" if loss is None else f" --{loss.value}"
        run.console.warning(f"{escape(entry.name)} may sign {listed(others)} yet")
        run.console.error([f"    rstuf key revoke {escape(entry.name)}{why}"])
        return ExitCode.WAITING
    return code


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


def _tell_short(
    run: Run,
    entry: rstuf.KeyEntry,
    roles: Sequence[rstuf.DelegationView],
    well: set[rstuf.KeyId],
    *,
    threshold: int | None,
    loss: rstuf.Loss | None,
) -> int:
    """None of its roles would have enough signers: say what each of them needs first."""
    steps = [Step("rstuf key generate NEW", "the key that is to take its place, where there is none yet")]
    for each in roles:
        name, left = each.delegation.name, _names(each, well)
        missing = _needed(each, threshold) - len(left)
        words = [f"--signer {shlex.quote(name)}" for name in left] + ["--signer NEW"] * missing
        why = (
            f"{number(each.delegation.keys.threshold)} must sign {escape(name)}, and without it {number(len(left))} can"
        )
        steps.append(Step(f"rstuf delegation update {shlex.quote(name)} {' '.join(words)}", why))
        if left:
            lower = f"rstuf key revoke {shlex.quote(entry.name)}{'' if loss is None else f' --{loss.value}'}"
            steps.append(Step(f"{lower} --threshold {len(left)}", f"or fewer sign {escape(name)} from then on"))
    signs = listed([escape(each.delegation.name) for each in roles])
    run.console.document({"opened": False, "next_steps": steps_document(steps)})
    run.console.warning(f"{escape(entry.name)} may sign {signs} yet: too few would be left who can")
    show_steps(run.console, steps, now=SystemClock().now())
    return ExitCode.WAITING


def _needed(view: rstuf.DelegationView, threshold: int | None) -> int:
    return view.delegation.keys.threshold if threshold is None else threshold


def _names(view: rstuf.DelegationView, well: set[rstuf.KeyId]) -> tuple[str, ...]:
    """Those of a role's signers who stay, by name."""
    pairs = zip(view.delegation.keys.keyids, view.signers, strict=True)
    return tuple(name for keyid, name in pairs if keyid in well)

"""A key of root or targets that must go: one root takes it out of every role that lists it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import rstuf
from rstuf.clock import SystemClock
from rstuf.errors import InvalidInput, InvalidPolicy, RootKeysLost
from rstuf_cli import prompts, proposing
from rstuf_cli.commands.root import propose
from rstuf_cli.console import escape
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.must_go import steps_where_enough_leaked
from rstuf_cli.named_keys import find_key
from rstuf_cli.out_of_delegations import delegations_of, take_out_of_delegations
from rstuf_cli.reports import sign
from rstuf_cli.run import Run
from rstuf_cli.steps import Step, merged, show_steps, steps_document
from rstuf_cli.wording import listed

_BY_PEOPLE = ("root", "targets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """How a key is to be taken out.

    Attributes:
        to: the name of the key that takes its place wherever it signs; None for none.
        threshold: how many must sign root from then on, or targets where it signs that alone; None where it stays.
        targets_threshold: the same of targets, where it signs both.
        loss: why; None where the key is well.
        keys_sign: whether the keys that are here sign at once.
        let_back: whether `to` is well, though it was dropped before the state was lost.
    """

    to: str | None = None
    threshold: int | None = None
    targets_threshold: int | None = None
    loss: rstuf.Loss | None = None
    keys_sign: bool = True
    let_back: bool = False


def take_out(run: Run, repository: rstuf.Repository, view: rstuf.KeyView, removal: Removal) -> int:
    """Propose the root that takes a key out, sign it with the keys that are here, and see that nothing names it then.

    Raises:
        InvalidInput: no role that people sign lists it.
    """
    name = view.entry.name
    roles = [use.role for use in view.uses if use.role in _BY_PEOPLE]
    below = delegations_of(repository, view) if not roles else []
    if below and removal.to is None and removal.targets_threshold is None:
        return take_out_of_delegations(run, repository, view, below, threshold=removal.threshold, loss=removal.loss)
    if not roles and not view.uses and removal.loss is not None:
        return _note_loss(run, repository, view.entry, removal.loss)
    if not roles and view.uses:
        raise no_root_takes_out(repository, view)
    if not roles:
        raise InvalidInput(f"{name} signs nothing, so there is nothing to revoke", hint="rstuf key list shows all")
    if removal.targets_threshold is not None and "targets" not in roles:
        raise UsageFault(f"{name} does not sign targets", hint="--threshold says how many must sign root without it")
    alone = [use.role for use in view.uses if use.role in roles and use.keys == 1]
    if alone and removal.loss is rstuf.Loss.LEAKED and removal.to is None:
        return _note_alone(run, repository, view.entry, alone)
    if "targets" in alone and removal.loss is not None and removal.to is not None:
        return _let_in_first(run, repository, view, removal)
    update = _update(name, roles, removal, there=_signs_targets(repository, removal.to))
    try:
        code = propose(run, repository, update, keys_sign=removal.keys_sign, let_back=removal.let_back)
    except (RootKeysLost, InvalidPolicy):
        if removal.loss is rstuf.Loss.LOST:
            _note_lost(run, repository, view.entry)
        raise
    if code != ExitCode.DONE:
        return code
    return _check_gone(run, repository, name, removal.loss)


def _note_lost(run: Run, repository: rstuf.Repository, entry: rstuf.KeyEntry) -> None:
    """What was said with a proposal that is refused stays: from now on everybody is told so who looks."""
    if entry.report is None and (run.options.yes or prompts.person_is_there()):
        repository.events.report_loss(entry.name, rstuf.Loss.LOST)
        run.console.warning(f"noted that {escape(entry.name)} is lost")


def no_root_takes_out(repository: rstuf.Repository, view: rstuf.KeyView, *, to: str | None = None) -> InvalidInput:
    """Why nothing here takes a key out that signs delegated roles alone, and what does.

    Args:
        to: the key that takes its place, where that was said.
    """
    told = listed([escape(use.role) for use in view.uses])
    return InvalidInput(
        f"{view.entry.name} signs {told}, and no root says who does", hint=way_below(repository, view, to=to)
    )


def way_below(repository: rstuf.Repository, view: rstuf.KeyView, *, to: str | None = None) -> str:
    """The command that takes a key out of the first of the delegated roles that it signs."""
    use = view.uses[0]
    others = [
        each.entry.name
        for each in repository.view_keys()
        if each.entry.keyid != view.entry.keyid
        and each.entry.report is None
        and use.role in {other.role for other in each.uses}
    ]
    new = [] if to is None else [to]
    new += ["NEW"] * (use.threshold - len(others) - len(new))
    return f"rstuf delegation update {use.role} {' '.join(f'--signer {name}' for name in [*others, *new])}"


def way_with_another(repository: rstuf.Repository, view: rstuf.KeyView, loss: rstuf.Loss | None) -> str:
    """What puts another key in the place of one that is no online key; or what notes that of one that signs nothing."""
    name, why = view.entry.name, "" if loss is None else f" --{loss.value}"
    if any(use.role in _BY_PEOPLE for use in view.uses):
        return f"rstuf recover root-key {name}{why} --to NEW puts another in its place"
    if view.uses:
        return way_below(repository, view, to="NEW")
    return f"it signs nothing; rstuf key revoke {name}{why or ' --lost'}, without --to, notes what became of it"


def tell_gone(run: Run, repository: rstuf.Repository, view: rstuf.KeyView, removal: Removal) -> int:
    """It was taken out before: say what is so, with what became of it where that is said now.

    Raises:
        InvalidInput: the key that was to take its place does not sign root.
    """
    name, to = view.entry.name, removal.to
    if to is not None and not any(use.role == "root" for use in find_key(repository, to).uses):
        raise InvalidInput(
            f"{name} signs nothing any more, and {to} does not sign root", hint=f"rstuf root update --add {to}"
        )
    if removal.loss is not None:
        return _note_loss(run, repository, view.entry, removal.loss)
    run.console.document({"opened": False, "next_steps": []})
    run.console.result(f"{sign(run.console, ok=True)} {escape(name)} signs nothing any more")
    return ExitCode.DONE


def _note_alone(run: Run, repository: rstuf.Repository, entry: rstuf.KeyEntry, alone: list[str]) -> int:
    """No role can do without its last key: note that it leaked, and say how another one takes its place."""
    proposing.refuse_unasked(run)
    roles = listed([escape(role) for role in alone])
    run.console.note(f"{escape(entry.name)} alone signs {roles}, so another key must take its place")
    proposing.ask_typed(run, entry.name, to="note that it leaked")
    repository.events.report_loss(entry.name, rstuf.Loss.LEAKED)
    steps = [
        Step("rstuf key generate NEW", "the key that is to take its place, where there is none yet"),
        Step(f"rstuf recover root-key {entry.name} --leaked --to NEW", f"until then it signs {roles}"),
    ]
    steps = merged([*steps, *steps_where_enough_leaked(repository.status())])
    run.console.document({"opened": False, "next_steps": steps_document(steps)})
    run.console.result(f"{sign(run.console, ok=True)} noted that {escape(entry.name)} is in the wrong hands")
    run.console.warning(f"{escape(entry.name)} may sign {roles} yet: nothing else does")
    show_steps(run.console, steps, now=SystemClock().now())
    return ExitCode.WAITING


def _let_in_first(run: Run, repository: rstuf.Repository, view: rstuf.KeyView, removal: Removal) -> int:
    """Targets must verify from the root before and from the next, and nobody but a key that is gone signs it yet.

    So one root lets the other key in beside it, which needs no new targets, and the next takes the old one out.
    """
    name, new = view.entry.name, removal.to or ""
    update = rstuf.RootUpdate(role=rstuf.RoleName("targets"), add=(new,), gone=(name,), loss=removal.loss)
    run.console.note(f"{escape(name)} alone signs targets: {escape(new)} is let in beside it first")
    why = "" if removal.loss is None else f" --{removal.loss.value}"
    way = f"rstuf key revoke {name}{why}" if len(view.uses) == 1 else f"rstuf recover root-key {name}{why} --to {new}"
    then = Step(way, f"takes {name} out, once the root is published that lets {new} sign targets")
    code = propose(run, repository, update, keys_sign=removal.keys_sign, let_back=removal.let_back, then=[then])
    return ExitCode.WAITING if code == ExitCode.DONE else code


def _signs_targets(repository: rstuf.Repository, name: str | None) -> bool:
    return name is not None and any(use.role == "targets" for use in find_key(repository, name).uses)


def _update(name: str, roles: list[str], removal: Removal, *, there: bool) -> rstuf.RootUpdate:
    """
    Args:
        there: whether the key that takes its place signs targets already, where the old one signs root, too.
    """
    thresholds = {"root": removal.threshold, "targets": removal.targets_threshold}
    if roles == ["targets"] and removal.targets_threshold is None:
        thresholds["targets"] = removal.threshold
    updates = [
        rstuf.RootUpdate(
            role=rstuf.RoleName(role),
            add=() if removal.to is None or (role != roles[0] and there) else (removal.to,),
            remove=(name,),
            threshold=thresholds.get(role),
            loss=removal.loss,
        )
        for role in roles
    ]
    return replace(updates[0], others=tuple(updates[1:]))


def _check_gone(run: Run, repository: rstuf.Repository, name: str, loss: rstuf.Loss | None) -> int:
    """Say so where something names it yet: then it is not done."""
    still = find_key(repository, name).uses
    if not still:
        return ExitCode.DONE
    why = "" if loss is None else f" --{loss.value}"
    run.console.warning(f"{escape(name)} may sign {listed([escape(use.role) for use in still])} yet")
    run.console.error([f"    rstuf key revoke {escape(name)}{why}"])
    return ExitCode.WAITING


def _note_loss(run: Run, repository: rstuf.Repository, entry: rstuf.KeyEntry, loss: rstuf.Loss) -> int:
    """Nothing lists it: note what became of it, so that it is not let in, and name the events that would do that."""
    if entry.report is None or (entry.is_lost and loss is rstuf.Loss.LEAKED):
        proposing.refuse_unasked(run)
        if loss is rstuf.Loss.LEAKED:
            run.console.note(f"{escape(entry.name)} signs nothing; once that is noted, nothing can ever let it sign")
            proposing.ask_typed(run, entry.name, to="note that it leaked")
        repository.events.report_loss(entry.name, loss)
    # A lost one may be found, and let in knowingly; whoever meant it before it was lost is told.
    would = [view for view in repository.events.views() if view.lists(entry.keyid)]
    steps = [Step(f"rstuf event cancel {view.event.name}", f"it would let {entry.name} sign") for view in would]
    run.console.document({"opened": False, "next_steps": steps_document(steps)})
    noted = find_key(repository, entry.name).entry.report
    state = "lost" if noted is not None and noted.loss is rstuf.Loss.LOST else "in the wrong hands"
    run.console.result(f"{sign(run.console, ok=True)} {escape(entry.name)} signs nothing; noted that it is {state}")
    show_steps(run.console, steps, now=SystemClock().now())
    return ExitCode.WAITING if would else ExitCode.DONE

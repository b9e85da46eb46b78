"""The command that proposes again what an event of a role below targets was to bring."""

from __future__ import annotations

import shlex

import rstuf
from rstuf_cli.console import escape
from rstuf_cli.steps import Step


def steps_to_propose_again(
    repository: rstuf.Repository, event: rstuf.SigningEvent, *, instead: rstuf.DelegationProposal | None = None
) -> list[Step]:
    """What proposes again what was dropped: what was accepted stays pending, other delegations are forgotten.

    Args:
        instead: what takes its place; where that makes the same of the delegation, nothing of it is lost, and where it
            takes the role away, or one above it, there is nothing to propose it for.
    """
    if event.kind is rstuf.EventKind.BROUGHT:
        why = f"nothing of it is here any more; the same file of {escape(event.role)} can be brought again"
        return [Step("rstuf delegation accept FILE", why)]
    if event.kind is rstuf.EventKind.CONTENTS:
        role = escape(event.role)
        why = f"what {role} was to list stays pending, and waits for nobody: proposes it anew"
        return [Step("rstuf publish", why, about="pending")]
    wanted = repository.delegations.wanted_by(event)
    if wanted is None or (instead is not None and (wanted.name, wanted.after) == (instead.name, instead.after)):
        return []
    if instead is not None and instead.after is None and instead.name in _way_to(repository, wanted):
        return []
    return [Step(command_that_delegates(wanted), "nothing else remembers what was wanted: proposes it anew")]


def command_that_delegates(wanted: rstuf.WantedDelegation) -> str:
    """The command by which a delegation comes, changes or goes."""
    before, after, name = wanted.before, wanted.after, shlex.quote(wanted.name)
    if after is None:
        return f"rstuf delegation remove {name}"
    words = [f"rstuf delegation {'add' if before is None else 'update'} {name}"]
    if before is None or before.paths != after.paths:
        words += [f"--path {shlex.quote(path)}" for path in after.paths]
    if before is None or before.keys != after.keys:
        words += [f"--signer {shlex.quote(name)}" for name in wanted.signers]
        words += [f"--threshold {after.keys.threshold}"] if len(after.keys.keyids) > 1 else []
    if before is None or before.terminating != after.terminating:
        words += ["--terminating"] if after.terminating else [] if before is None else ["--not-terminating"]
    if wanted.periods is not None:
        words.append(f"--expires {rstuf.format_duration(wanted.periods.expires)}")
        if wanted.periods != rstuf.Periods.of(wanted.periods.expires):
            words.append(f"--renew-before {rstuf.format_duration(wanted.periods.renew_before)}")
    if before is None and wanted.parent != "targets":
        words.append(f"--parent {shlex.quote(wanted.parent)}")
    if wanted.place is not None:
        words.append(f"--before {shlex.quote(wanted.place)}")
    return " ".join(words)


def _way_to(repository: rstuf.Repository, wanted: rstuf.WantedDelegation) -> list[str]:
    """A role that is to be, or is, delegated to, and those above it."""
    above = {str(view.delegation.name): str(view.parent) for view in repository.delegations.views()}
    way = [str(wanted.name), str(wanted.parent)]
    while way[-1] in above:
        way.append(above[way[-1]])
    return way

"""Keys that leaked and stay where other delegations take the place of what was to take them out."""

from __future__ import annotations

from collections.abc import Sequence

import rstuf
from rstuf_cli.commands.status import next_steps
from rstuf_cli.console import Console
from rstuf_cli.must_go import warn_of_left
from rstuf_cli.steps import Step

_ABOUT = frozenset({"leaked-key", "rotation"})


def warn_of_leaks_dropped(
    console: Console, repository: rstuf.Repository, proposal: rstuf.DelegationProposal
) -> list[rstuf.KeyStatus]:
    """Say which keys stay that what a proposal drops takes out, and that it does not take out itself; those keys."""
    if not proposal.drops:
        return []
    before = () if proposal.before is None else proposal.before.keys.keyids
    after = () if proposal.after is None else proposal.after.keys.keyids
    going = {
        keyid
        for keyid in before
        if keyid not in after and all({*view.out_of(keyid)} <= {proposal.name} for view in proposal.drops)
    }
    return warn_of_left(console, repository.status(), proposal.drops, going=going)


def steps_of_leaks_dropped(repository: rstuf.Repository, stays: Sequence[rstuf.KeyStatus]) -> list[Step]:
    """What takes them out now, as far as they have not gone all the same."""
    if not stays:
        return []
    seen = repository.status()
    left = {key.keyid for key in seen.keys if key.leaked_in}
    if left.isdisjoint(key.keyid for key in stays):
        return []
    return [step for step in next_steps(seen) if step.about in _ABOUT]

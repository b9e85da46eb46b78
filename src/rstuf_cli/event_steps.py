"""What to do next about signing events that wait: who signs here, whom to ask, and what takes the place of one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import rstuf
from rstuf_cli.console import escape
from rstuf_cli.steps import Step, merged
from rstuf_cli.waiting import gives_in_words, keeps_in_words, named, signer_in_words, what
from rstuf_cli.wording import listed

CEREMONY_AGAIN: Final = "rstuf ceremony --plan FILE"
_SAME_PLAN: Final = (
    "with the plan that the ceremony began with this proposes it anew (where it was asked: rstuf ceremony, with the "
    "same answers)"
)


def step_after_cancelled_ceremony() -> Step:
    """What to do once nothing waits any more of a ceremony that has not ended."""
    return Step(CEREMONY_AGAIN, f"the ceremony has not ended: {_SAME_PLAN}")


def steps_of(view: rstuf.EventView) -> list[Step]:
    """What to do next about an event that is open."""
    name = view.event.name
    if view.expired:
        why = f"{what(view.event)} expired before everybody had signed it"
        if view.event.kind == rstuf.EventKind.CEREMONY:
            return [Step(CEREMONY_AGAIN, f"{why}; {_SAME_PLAN}", about="event-expired")]
        if view.event.kind == rstuf.EventKind.BROUGHT:
            return [Step(f"rstuf event cancel {name}", f"{why}; then have it made anew", about="event-expired")]
        if view.event.kind == rstuf.EventKind.CONTENTS:
            return [Step("rstuf publish", f"{why}; proposes what it lists anew", about="event-expired")]
        if view.event.kind == rstuf.EventKind.DELEGATION:
            return [Step(f"rstuf event cancel {name}", f"{why}; then propose it again", about="event-expired")]
        return [Step("rstuf renew", f"{why}; drops it, and proposes anew what is due", about="event-expired")]
    if view.outdated is not None:
        why = f"{what(view.event)} is outdated: {escape(view.outdated.why)}; {_anew(view.outdated)}"
        return [Step(view.outdated.again, why, about="event-outdated")]
    if view.leaks:
        again = f"so that others sign {listed(view.leaves)}" if view.leaves else "without that key"
        why = f"it would {gives_in_words(view)}; propose it again {again}"
        if view.leaks_by != name:
            why = f"{name}, which was proposed for it, goes with it"
        return [Step(f"rstuf event cancel {view.leaks_by}", why, about="leaked-proposal")]
    if view.ready:
        return [Step(f"rstuf sign {name}", "everybody has signed it; this publishes it", about="event")]
    if view.gives_way:
        return _steps_of_hindrance(view)
    return _steps_without_lost(view) or _steps_of_signing(view)


def _anew(outdated: rstuf.Outdated) -> str:
    """What the command does that leads on from an event which can come out no more."""
    if outdated.again.startswith("rstuf event cancel"):
        return "drops it, and tells what proposes it again"
    return "proposes anew what it was to bring, over what is there now"


def _steps_of_hindrance(view: rstuf.EventView) -> list[Step]:
    """What to do about an event without which its role, that runs out, could be renewed."""
    role, name = escape(view.event.role), view.event.name
    if view.event.role == "root":
        why = f"root runs out: where {name} cannot come out in time, drop it, and renew root as it is"
        return [*_steps_of_signing(view), Step(f"rstuf event cancel {name}", why, about="event")]
    why = f"{role} runs out, and is renewed by those who may sign it now; it takes the place of {name}"
    return [Step("rstuf renew", why, about="event")]


def _steps_without_lost(view: rstuf.EventView) -> list[Step]:
    """What takes the place of an event that nobody can complete, because keys are lost; else nothing."""
    if view.beyond is None:
        return []
    names, name = named(view, view.beyond.lost), view.event.name
    why = f"{name} cannot come out without {names}, which {'is' if len(view.beyond.lost) == 1 else 'are'} lost"
    if view.beyond.way == "rstuf recover root-keys":
        # Nothing does, and whoever finds a key signs it.
        return [Step(view.beyond.way, why, about="root-keys-lost"), *_steps_of_signing(view)]
    what_for = "drops it" if view.beyond.way.startswith("rstuf event cancel") else "lets others sign instead"
    return [Step(view.beyond.way, f"{why}: {what_for}", about="event-lost")]


def _steps_of_signing(view: rstuf.EventView) -> list[Step]:
    name = view.event.name
    steps = []
    # Where nobody can be done without, nobody is to think that one of them will do.
    last = "and" if view.lacking >= len(view.asked) else "or"
    kept = f"; {keeps_in_words(view)}" if view.keeps else ""
    if view.ours:
        steps.append(Step(f"rstuf sign {name}", f"with {named(view, view.ours, last=last)}, here{kept}", about="event"))
    if elsewhere := view.away:
        export = f"rstuf bundle export {name} -o {name}.rstuf"
        asked = listed([signer_in_words(view, keyid) for keyid in elsewhere], last=last)
        steps.append(Step(export, f"for {asked}{kept}", about="event"))
    if view.lacks_targets:
        why = f"{name} needs targets that its keys have signed, and none waits; proposes them"
        steps.append(Step("rstuf renew", why, about="event-stuck"))
    return steps


def steps_among(view: rstuf.EventView, others: Iterable[rstuf.EventView]) -> list[Step]:
    """What to do next about an event: first about the one that must come out before it, if one must.

    Args:
        others: that are open.
    """
    before = [step for other in others if other.event.name == view.after for step in steps_of(other)]
    return merged([*before, *steps_of(view)] if view.gives_way else [*steps_of(view), *before])

"""What a person should know about a plan before it is carried out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rstuf.metadata.clients import Shape
from rstuf.model.layout import Layout
from rstuf.repository.client_guard import excluded
from rstuf.repository.plan import Plan


def notes_on(plan: Plan) -> tuple[str, ...]:
    """What a person should know about the policy of a plan, in words of its roles."""
    notes = []
    if plan.root_threshold == 1:
        notes.append("one root key alone can change everything; a threshold of 2 or more survives its theft")
    if len(plan.root_signers) == plan.root_threshold:
        notes.append("every root key is needed; losing one of them loses the repository")
    if plan.delegations:
        notes += _notes_on_names(plan)
    return tuple(notes)


def _notes_on_names(plan: Plan) -> Iterator[str]:
    """The clients that could read the repository if nobody was delegated to by name, and why they cannot."""
    classic = plan.layout is Layout.CLASSIC
    without = Shape(bins=0 if classic else plan.bins, prefixes=classic, named=classic)
    before = excluded(without)
    after = excluded(replace(without, prefixes=classic or bool(plan.bins), named=True))
    by_reason: dict[str, list[str]] = {}
    for name, why in after.items():
        if name not in before:
            by_reason.setdefault(why, []).append(name)
    for why, names in by_reason.items():
        yield f"{', '.join(names)} cannot read it with delegations: {why}"

"""What to do next: the commands that a command ends with, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from rstuf.clock import iso
from rstuf_cli.console import Console, escape, pad, width_of
from rstuf_cli.wording import both

_LONGEST_COMMAND: Final = 30


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do: the command, why, and by when (UTC, if there is a date).

    Attributes:
        about: a stable word for what it is about, where somebody asks.
    """

    command: str
    why: str
    by: datetime | None = None
    about: str = ""


def merged(steps: Iterable[Step]) -> list[Step]:
    """Each command once, where it first stands, with all its reasons and the soonest date."""
    found: dict[str, Step] = {}
    for step in steps:
        there = found.setdefault(step.command, step)
        if there is step:
            continue
        why = there.why if step.why in there.why else f"{there.why}; {step.why}"
        dates = [each.by for each in (there, step) if each.by is not None]
        found[step.command] = replace(there, why=why, by=min(dates, default=None))
    return list(found.values())


def steps_document(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Steps as the one JSON document says them."""
    return [
        {"command": step.command, "why": step.why, **({"by": iso(step.by)} if step.by is not None else {})}
        for step in steps
    ]


def show_steps(console: Console, steps: Sequence[Step], *, now: datetime) -> None:
    """The steps below the word `next`, where there are any."""
    if not steps:
        return
    console.line()
    console.line("next")
    widths = [width_of(escape(step.command)) for step in steps]
    width = max((each for each in widths if each <= _LONGEST_COMMAND), default=0)
    for step, taken in zip(steps, widths, strict=True):
        by = f" ({both(step.by, now)})" if step.by is not None else ""
        command, why = escape(step.command), f"{escape(step.why)}{by}"
        if taken > _LONGEST_COMMAND:
            # The reason stands below a long command.
            console.line(f"  {command}")
            console.prose(f"      {why}", indent=6)
        else:
            console.prose(f"  {pad(command, width)}  {why}", indent=width + 4)

"""What to do next: the commands that a command ends with, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rstuf.clock import iso
from rstuf_cli.console import Console, escape, pad
from rstuf_cli.wording import both


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do: the command, why, and by when (UTC, if there is a date)."""

    command: str
    why: str
    by: datetime | None = None


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
    width = max(len(step.command) for step in steps)
    for step in steps:
        by = f" ({both(step.by, now)})" if step.by is not None else ""
        text = f"  {pad(step.command, width)}  {escape(step.why)}{by}"
        for part in console.folded(text, indent=width + 4):
            console.line(part)

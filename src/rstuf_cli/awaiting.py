"""A ceremony whose signers are away, as it is told: who has signed, who is missing, and what to do for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rstuf
from rstuf.clock import SystemClock, iso
from rstuf_cli.console import Console, Style, escape
from rstuf_cli.event_steps import steps_of
from rstuf_cli.reports import sign
from rstuf_cli.run import Run
from rstuf_cli.steps import Step, show_steps, steps_document
from rstuf_cli.waiting import event_document, tell_waiting
from rstuf_cli.wording import count, listed


def tell_waiting_ceremony(run: Run, report: rstuf.CeremonyReport, *, where: str) -> None:
    """Say what a ceremony waits for.

    Args:
        where: the options that lead commands to this workspace, with a space behind them.
    """
    event = report.waiting
    if event is None:
        return
    name = event.event.name
    lacking = max(side.missing for part in event.parts for side in part.sides)
    missing = _named(event, [keyid for part in event.parts for keyid in part.wanted])
    signed = _named(event, [each.keyid for part in event.parts for each in part.part.signatures])
    whose = listed(missing, last="and" if lacking >= len(missing) else "or")
    console = run.console
    console.document(
        {
            "repository": report.repository,
            "directory": str(run.directory),
            "waiting": {"event": name, "signed": signed, "missing": missing, "lacking": lacking},
            "keys": [{"name": key, "keyid": each.keyid, "signer": each.signer} for key, each in report.keys.items()],
            "notes": list(report.notes),
        }
    )
    if console.is_json:
        return
    console.result(f"{sign(console, ok=True)} {escape(report.repository)}: the keys are made, and the policy is kept")
    by = f"; signed by {escape(listed(signed))}" if signed else ""
    console.folded_result(f"! root v1 waits for {count(lacking, 'more signature')}, of {escape(whose)}{by}", indent=2)
    console.result("  nothing is published before that; what they sign is what you have seen now")
    console.result("")
    console.result("next")
    console.result(f"  rstuf {where}bundle export {name}     for each of them, to sign on their own machine")
    console.result(f"  rstuf {where}bundle import FILE...     what they send back; the last one ends the ceremony")
    console.result(f"  rstuf {where}event show {name}        who has signed, and the code to compare")


def waiting_document(name: str, view: rstuf.EventView, keys: Sequence[rstuf.KeyView]) -> dict[str, Any]:
    """The status of a repository whose ceremony waits."""
    return {
        "repository": name,
        "state": "expired" if view.expired else "waiting",
        "now": iso(SystemClock().now()),
        "keys": {key.entry.keyid: key.entry.name for key in keys},
        "signers": [key_document(key.status) for key in keys],
        "events": [event_document(view)],
        "next_steps": steps_document(_steps(view)),
    }


def show_waiting_ceremony(console: Console, name: str, view: rstuf.EventView, keys: Sequence[rstuf.KeyView]) -> None:
    """The same, for people."""
    head = f"{console.paint(escape(name), Style.STRONG)}  ·  {count(len(keys), 'key')}"
    waits = (
        "its first root expired before everybody had signed it" if view.expired else "its ceremony waits for signatures"
    )
    console.line(f"{head}  ·  {console.paint(waits, Style.BAD if view.expired else Style.WARN)}")
    console.line()
    tell_waiting(console, [view])
    console.line(f"  nothing is published before {'they have signed another' if view.expired else 'that'}")
    for key in keys:
        if key.status.fault is not None:
            for part in console.folded(f"  not here: {escape(key.entry.name)}, {escape(key.status.fault)}", indent=4):
                console.line(part)
    show_steps(console, _steps(view), now=SystemClock().now())


def key_document(key: rstuf.KeyStatus) -> dict[str, Any]:
    """A key and whether it can sign here, as `status` says it."""
    fault = {"fault": key.fault} if key.fault is not None else {}
    stray = {"stray": True} if key.stray else {}
    leaked = {"leaked_in": list(key.leaked_in)} if key.leaked_in else {}
    known = {"name": key.name, "keyid": key.keyid, "signer": key.signer, "online": key.online}
    return {**known, **stray, **leaked, **fault}


def _steps(view: rstuf.EventView) -> list[Step]:
    name, steps = view.event.name, steps_of(view)
    if view.expired:
        return steps
    if not view.ready:
        steps.append(Step("rstuf bundle import FILE", "what they send back; the last signature ends the ceremony"))
    return [*steps, Step(f"rstuf event show {name}", "who has signed, and the code to compare")]


def _named(event: rstuf.EventView, keyids: Sequence[str]) -> list[str]:
    """What keys are called here, each once."""
    names: dict[str, str] = {str(keyid): name for keyid, name in event.names.items()}
    return [names.get(keyid, keyid[:12]) for keyid in dict.fromkeys(keyids)]

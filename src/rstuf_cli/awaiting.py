"""A ceremony whose signers are away, as it is told: who has signed, who is missing, and what to do for them."""

from __future__ import annotations

from collections.abc import Sequence

import rstuf
from rstuf_cli.console import escape
from rstuf_cli.reports import sign
from rstuf_cli.run import Run
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
    console.folded_result(
        f"! root v1 waits for {count(lacking, 'more signature')}, of {escape(listed(missing))}{by}", indent=2
    )
    console.result("  nothing is published before that; what they sign is what you have seen now")
    console.result("")
    console.result("next")
    console.result(f"  rstuf {where}bundle export {name}     for each of them, to sign on their own machine")
    console.result(f"  rstuf {where}bundle import FILE...    what they send back; the last one ends the ceremony")
    console.result(f"  rstuf {where}event show {name}        who has signed, and the code to compare")


def _named(event: rstuf.EventView, keyids: Sequence[str]) -> list[str]:
    """What keys are called here, each once."""
    names: dict[str, str] = {str(keyid): name for keyid, name in event.names.items()}
    return [names.get(keyid, keyid[:12]) for keyid in dict.fromkeys(keyids)]

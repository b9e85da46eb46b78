"""`rstuf ceremony --rehearse`: the whole ceremony with keys that are thrown away, told step by step."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, TypeVar

import rstuf
from rstuf_cli.console import Console, Style, escape, escape_message, folded, pad
from rstuf_cli.exits import ExitCode
from rstuf_cli.reports import sign
from rstuf_cli.review import first_published
from rstuf_cli.run import Run
from rstuf_cli.wording import count, listed, number, seconds

T = TypeVar("T")

_WIDTH: Final = 58


def hold_rehearsal(run: Run, plan: rstuf.Plan, *, kept: str) -> int:
    """Rehearse a plan and tell it; the exit code.

    Args:
        kept: what of it is there afterwards, in words.
    """
    console, lasted = run.console, run.lasted()
    run.interrupted = run.unsigned = f"{kept} was kept" if kept == "nothing" else f"{kept} alone are kept"
    console.line(f"{console.paint(escape(plan.name), Style.STRONG)}: a rehearsal, with keys that are thrown away")
    console.line()
    with ending_as_by_ctrl_c(), rstuf.Practice(plan, run.session_that_asks_nobody()) as practice:
        report, took = _timed(run, practice.hold)
        run.progress.close()
        _tell_ceremony(console, plan, report, took)
        view, took = _timed(run, practice.look)
    _tell_client(console, view, took)
    console.document(_document(plan, report, view, took=lasted()))
    console.line()
    end = "it was held as the ceremony will be" if view.accepted else "a client refuses what it makes"
    result = f"{sign(console, ok=view.accepted)} {escape(plan.name)}: {end}; {run.interrupted}, {seconds(lasted())}"
    console.folded_result(result, indent=2)
    return ExitCode.DONE if view.accepted else ExitCode.REFUSED


@contextmanager
def ending_as_by_ctrl_c() -> Iterator[None]:
    """Let a hangup or a request to end first do what Ctrl-C does, so that nothing stays that was to be removed."""
    caught: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        # A second one must not end the removal.
        if not caught:
            caught.append(number)
            raise KeyboardInterrupt

    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, end) for number in known if signal.getsignal(number) is signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if caught:
            signal.raise_signal(caught[0])


def _tell_ceremony(console: Console, plan: rstuf.Plan, report: rstuf.CeremonyReport, took: float) -> None:
    signers, others = count(len(plan.root_signers), "root key"), len(plan.keys) - len(plan.root_signers)
    _step(console, "keys", f"{signers} and {count(others, 'other')}, made for this and not protected")
    names = listed([escape(name) for name in plan.root_signers])
    _step(console, "signed", f"root v1, threshold {plan.root_threshold} of {len(plan.root_signers)}, by {names}")
    for each in plan.delegations:
        if people := each.people(plan.online):
            who = listed([escape(name) for name in people])
            _step(console, "", f"{escape(each.name)} v1, threshold {each.threshold} of {len(people)}, by {who}")
    if report.publication is not None:
        version = number(report.publication.timestamp_version)
        _step(console, "published", ", with ".join([f"timestamp v{version}", *_with(plan)]), took)


def _with(plan: rstuf.Plan) -> list[str]:
    found = first_published(plan)
    return [listed(found)] if found else []


def _tell_client(console: Console, view: rstuf.ClientView, took: float) -> None:
    if view.accepted:
        seen = listed([f"{escape(name)} v{version}" for name, version in view.versions.items()])
        _step(console, "client", "one that knows only root v1 verified it", took)
        _step(console, "", seen)
        return
    _step(console, "client", "one that knows only root v1 refused it, in its words:", took)
    console.prose(f"    {escape_message(view.reason)}", indent=4)


def _document(
    plan: rstuf.Plan, report: rstuf.CeremonyReport, view: rstuf.ClientView, *, took: float
) -> dict[str, object]:
    publication = report.publication
    return {
        "rehearsed": True,
        "repository": plan.name,
        "root": {"version": 1, "sha256": hashlib.sha256(report.root or b"").hexdigest()},
        "signed_by": list(plan.root_signers),
        "threshold": plan.root_threshold,
        "bins": plan.bins,
        "delegations": [each.name for each in plan.delegations],
        "timestamp_version": None if publication is None else publication.timestamp_version,
        "client": {"accepted": view.accepted, "reason": view.reason, "versions": dict(view.versions)},
        "seconds": round(took, 3),
        "notes": list(report.notes),
    }


def _step(console: Console, name: str, what: str, took: float | None = None) -> None:
    time = f"{seconds(took):>7}" if took is not None else ""
    first, *rest = folded(what, width=_WIDTH, indent=0)
    console.line(f"  {name:<10}  {pad(first, _WIDTH)}{time}".rstrip())
    for line in rest:
        console.line(f"  {'':<10}  {line}")


def _timed(run: Run, act: Callable[[], T]) -> tuple[T, float]:
    lasted = run.lasted()
    result = act()
    return result, lasted()

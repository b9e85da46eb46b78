"""`rstuf bundle export, import`: what goes from a workspace to key holders who are away, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf.clock import SystemClock
from rstuf.errors import InvalidBundle, InvalidInput, NameTaken, RstufError
from rstuf_cli.behind import first_of
from rstuf_cli.console import Console, escape
from rstuf_cli.event_steps import steps_among
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault, failure_of, show_failure
from rstuf_cli.files import as_argument, read_brought
from rstuf_cli.reports import sign as done_sign
from rstuf_cli.run import run_of
from rstuf_cli.steps import merged, show_steps, steps_document
from rstuf_cli.transcript import Transcript, TranscriptFile
from rstuf_cli.waiting import (
    completion_document,
    error_document,
    event_document,
    exit_of,
    keeps_in_words,
    named,
    reception_document,
    tell_completions,
    tell_leaked,
    tell_waiting,
)
from rstuf_cli.wording import size

EXAMPLES = {
    "bundle export": """
rstuf bundle export root-v4
rstuf bundle export root-v4 -o /media/usb/root-v4.rstuf
rstuf bundle export root-v4 --since 3    for signers who trust root v3
""",
    "bundle import": """
rstuf bundle import root-v4.1f2e3d4c.sig
rstuf bundle import *.sig photo.jpg      in any order, a QR code too
""",
}

# The largest of what is read: pictures.
_MAX_BYTES: Final = 10_000_000
_PICTURES: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_STDOUT: Final = Path("-")


def export(
    ctx: typer.Context,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="What waits for signatures: its name, or its role.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write it, by default EVENT.rstuf; - for stdout."),
    ] = None,
    since: Annotated[
        int, typer.Option("--since", metavar="N", help="The oldest root to pack; 1 by default, for every signer.")
    ] = 1,
) -> None:
    """Write what waits for signatures to a file, for a key holder who is away.

    It holds what is to be signed, the signatures so far and the roots that lead there. It is no secret, and whoever
    signs it believes nothing in it that their own trust does not lead to. No file is overwritten.
    """
    run = run_of(ctx)
    console = run.console
    if console.is_json and output == _STDOUT:
        raise UsageFault("--json writes its document to stdout, and -o - the bundle", hint="name a file: -o FILE")
    with run.open(signing=True) as repository:
        view = repository.events.view(event)
        bundle = repository.events.bundle(view.event.name, since=since)
    data, place = rstuf.render_bundle(bundle), output or Path(f"{bundle.event}.rstuf")
    if place == _STDOUT:
        console.raw(data)
        return
    run.interrupted = f"{place} is whole if it is there, and not there else"
    try:
        rstuf.write_bundle(place, data)
    except NameTaken:
        hint = "move it away, or name another file with -o FILE"
        raise InvalidInput(f"{place} is there already, with other contents", hint=hint) from None
    console.document(
        {
            "event": bundle.event,
            "file": str(place),
            "bytes": len(data),
            "code": bundle.code,
            "missing": [view.name_of(keyid) for keyid in view.asked],
        }
    )
    if view.keeps:
        console.warning(f"{bundle.event}: {keeps_in_words(view)}")
    wanted = view.away or view.asked
    holders = f"for {named(view, wanted, last='or')}" if wanted else "has all its signatures"
    written = f"{escape(str(place))}, {size(len(data))}"
    console.result(f"{done_sign(console, ok=True)} {bundle.event} {holders}: {written}")
    console.result(f"  code  {bundle.code}   every signer must see the same")
    if not wanted:
        return
    console.result("")
    console.result("carry it to them; there, it is signed by")
    console.result(f"  rstuf bundle sign {escape(as_argument(place.name))} --key KEY")
    console.result("and what comes of it is taken in here by")
    console.result("  rstuf bundle import FILE")


@dataclass(frozen=True, slots=True)
class _Brought:
    """What a file holds: signatures, or why none could be read."""

    file: Path
    signatures: tuple[rstuf.DetachedSignature, ...] = ()
    error: RstufError | None = None


def import_(
    ctx: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Signatures, signed bundles, or pictures of their QR codes.")
    ],
    *,
    transcript: TranscriptFile = None,
) -> int:
    """Take signatures in that were made elsewhere.

    In any order, and the same one twice is no harm. Each is verified by itself, and one that is refused keeps none of
    the others out. What has all its signatures is published at once. Exit code 1 says that one was refused, 4 that
    somebody must still sign.
    """
    run = run_of(ctx)
    record = Transcript(run, transcript)
    brought = [_read(file) for file in files]
    sources = [(each.file, signature) for each in brought for signature in each.signatures]
    with run.open(signing=True) as repository:
        desk = repository.events
        run.interrupted = "what was taken in is kept; run it again: the same signature twice is no harm"
        done = desk.receive(signature for _, signature in sources)
        touched = {reception.event for reception in done.receptions}
        views = desk.views()
        waiting = [view for view in views if view.event.name in touched]
        blocked = {each.event.id for each in done.completions if each.obstacle is not None}
        steps = merged(step for view in waiting if view.event.id not in blocked for step in steps_among(view, views))
        steps = first_of(repository, steps) if waiting else steps
    places = [file for file, _ in sources]
    errors = [*(each.error for each in brought), *(each.error for each in done.receptions)]
    first = next((error for error in errors if error is not None), None)
    run.console.document(
        {
            **({"error": error_document(first)} if first is not None else {}),
            "signatures": [
                {"file": str(file), **reception_document(each)}
                for file, each in zip(places, done.receptions, strict=True)
            ],
            "refused": [
                {"file": str(each.file), "error": error_document(each.error)} for each in brought if each.error
            ],
            "completed": [completion_document(each) for each in done.completions],
            "events": [event_document(view) for view in waiting],
            "next_steps": steps_document(steps),
        }
    )
    if not run.console.is_json:
        _tell(run.console, brought, list(zip(places, done.receptions, strict=True)))
    tell_leaked(run.console, done.receptions, done.completions)
    tell_completions(run.console, done.completions)
    tell_waiting(run.console, [view for view in waiting if view.event.id not in blocked])
    show_steps(run.console, steps, now=SystemClock().now())
    if first is not None:
        return record.end(ExitCode.REFUSED)
    return record.end(exit_of(done.completions, waiting))


def _read(file: Path) -> _Brought:
    """The signatures in a file, whatever it is; of one that cannot be read, why."""
    try:
        data = read_brought(file, limit=_MAX_BYTES)
        contents = rstuf.read_picture(file) if data.startswith(_PICTURES) else [data]
        return _Brought(file, tuple(each for content in contents for each in _signatures(content, str(file))))
    except RstufError as error:
        return _Brought(file, error=error)


def _signatures(data: bytes, name: str) -> Iterator[rstuf.DetachedSignature]:
    kind = rstuf.kind_of(data)
    if kind is rstuf.DocumentKind.SIGNATURE:
        yield from rstuf.parse_signatures(data, name=name).signatures
    elif kind is rstuf.DocumentKind.BUNDLE:
        for part in rstuf.parse_bundle(data, name=name).parts:
            for each in part.signatures:
                yield rstuf.DetachedSignature(part.digest, each.keyid, each.sig)
    else:
        raise InvalidBundle(name, "it is neither a signature nor a bundle")


def _tell(console: Console, brought: Sequence[_Brought], received: Sequence[tuple[Path, rstuf.Reception]]) -> None:
    for file, each in received:
        event, who = escape(each.event or ""), escape(each.who)
        if each.outcome is rstuf.Outcome.ADDED:
            console.result(f"{done_sign(console, ok=True)} {event}: taken from {who}  ({escape(str(file))})")
        elif each.outcome is rstuf.Outcome.KNOWN:
            console.result(f"  {event}: the signature of {who} was here already  ({escape(str(file))})")
        elif each.outcome is rstuf.Outcome.NOT_NEEDED:
            console.result(f"  {event}: the signature of {who} is not needed any more  ({escape(str(file))})")
        elif each.error is not None:
            _tell_refused(console, file, each.error)
    for source in brought:
        if source.error is not None:
            _tell_refused(console, source.file, source.error)
        elif not source.signatures:
            console.result(f"  {escape(str(source.file))}: nobody has signed that bundle yet")


def _tell_refused(console: Console, file: Path, error: RstufError) -> None:
    failure: Any = failure_of(error)
    inside = () if str(file) in failure.message else (f"in {file}",)
    show_failure(console, replace(failure, details=(*failure.details, *inside)), data={})

"""`rstuf bundle inspect, sign`: what a key holder does, with no network, no workspace and no trust in the file."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf.clock import SystemClock
from rstuf.errors import AnchorNeeded, RstufError
from rstuf_cli import prompts
from rstuf_cli.console import Console, escape, terminal_width
from rstuf_cli.exits import ExitCode, exit_code_of
from rstuf_cli.failures import UsageFault
from rstuf_cli.files import as_argument, read_brought, read_small
from rstuf_cli.holding import HolderDir, ask_fingerprint, check_code, open_record, show_review, take_down
from rstuf_cli.reports import sign as done_sign
from rstuf_cli.review_document import review_document
from rstuf_cli.review_screen import screen
from rstuf_cli.run import Run, run_of
from rstuf_cli.transcript import Transcript, TranscriptFile
from rstuf_cli.way_out import STDOUT, WayOut, create
from rstuf_cli.wording import fingerprint as grouped
from rstuf_cli.wording import listed

EXAMPLES = {
    "bundle inspect": """
rstuf bundle inspect root-v4.rstuf
rstuf bundle inspect root-v4.rstuf --trusted-root 3.root.json
rstuf bundle inspect root-v4.rstuf --fingerprint 3f9ac21e…   the first time
""",
    "bundle sign": """
rstuf bundle sign root-v4.rstuf --key vault.key
rstuf bundle sign root-v4.rstuf --key vault.key -o /media/usb/vault.sig --qr
rstuf bundle sign root-v4.rstuf --key vault.key --fingerprint 3f9ac21e…
rstuf bundle sign root-v4.rstuf --key ssh-agent:SHA256:…   as ssh-add -l prints it
rstuf bundle sign FILE --key vault.key --yes --code 4F2K-91XX-7Q0D-MB3E
""",
}

_MAX_BYTES: Final = 8_000_000
_MAX_ROOT_BYTES: Final = 512_000
_TWO_YEARS: Final = "730d"

_File = Annotated[Path, typer.Argument(metavar="FILE", help="The bundle.")]
_TrustedRoot = Annotated[
    Path | None,
    typer.Option("--trusted-root", metavar="FILE", help="The last root that you trust; by default your record's."),
]
_Fingerprint = Annotated[
    str | None,
    typer.Option(
        "--fingerprint",
        metavar="TEXT",
        help="The first root's SHA-256, as hex or words, as it was read to you: for the first time.",
    ),
]
_MaxExpiry = Annotated[
    str, typer.Option("--max-expiry", metavar="PERIOD", help="The longest life that you sign for; 730d by default.")
]


def inspect(
    ctx: typer.Context,
    file: _File,
    *,
    trusted_root: _TrustedRoot = None,
    fingerprint: _Fingerprint = None,
    max_expiry: _MaxExpiry = _TWO_YEARS,
    holder_dir: HolderDir = None,
) -> None:
    """Show what a bundle would have you sign.

    All of it is computed from what would be signed and from the root that you trust, never from what the bundle says of
    itself. What is unusual is marked with !. What nobody should sign is refused. Nothing is written.
    """
    run = run_of(ctx)
    record = open_record(run, holder_dir, quiet=True)
    review = _review(
        run, file, trusted_root=trusted_root, fingerprint=fingerprint, max_expiry=max_expiry, record=record
    )
    run.console.document(review_document(review))
    for line in screen(review):
        run.console.line(line.painted(run.console, error=False))


def sign(
    ctx: typer.Context,
    file: _File,
    *,
    key: Annotated[
        str, typer.Option("--key", metavar="URI", help="Your key: its file, or a signer URI as ssh-agent:SHA256:….")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="SIG", help="Where to write the signature; - for stdout alone."),
    ] = None,
    qr: Annotated[bool, typer.Option("--qr", help="Show the signature as a QR code, too.")] = False,
    qr_out: Annotated[
        Path | None, typer.Option("--qr-out", metavar="PNG", help="Write the QR code as a picture, too.")
    ] = None,
    trusted_root: _TrustedRoot = None,
    fingerprint: _Fingerprint = None,
    max_expiry: _MaxExpiry = _TWO_YEARS,
    code: Annotated[
        str | None,
        typer.Option("--code", metavar="CODE", help="The code that the other signers saw; --yes needs it."),
    ] = None,
    holder_dir: HolderDir = None,
    transcript: TranscriptFile = None,
) -> int:
    """Sign a bundle, once you have seen what it changes.

    It needs no workspace and no network. You are shown what signing does, and a code to compare with the other signers,
    and are asked; the answer is no unless you say yes, and only then is your key opened. The small file that comes of
    it goes back to whoever gave you the bundle. What you signed is kept in a record of yours, which the next bundle is
    judged by.
    """
    run = run_of(ctx)
    run.interrupted = run.unsigned = "nothing was signed"
    _check_options(run, code, output)
    kept = Transcript(run, transcript)
    record = open_record(run, holder_dir, quiet=False)
    review = _review(
        run, file, trusted_root=trusted_root, fingerprint=fingerprint, max_expiry=max_expiry, record=record
    )
    check_code(review, code)
    holder_key = rstuf.HolderKey.at(key)
    run.refuse_unknown_keys(lambda: [holder_key.name])
    public = holder_key.look(Path.cwd())
    mine = rstuf.keyids_of(review, public) if public is not None else ()
    if public is not None and not mine:
        raise rstuf.not_listed(holder_key.name, public, review)
    way = WayOut(review, output, qr_out, qr)
    way.check(mine)
    show_review(run, review)
    if not run.options.yes and not _agrees(run, review, holder_key, mine):
        run.console.note("nothing was signed")
        return kept.end_holder(review, None, ExitCode.REFUSED)
    data, recorded = _sign(run, review, holder_key, record, way)
    try:
        _hand_over(run, way, data, recorded=recorded)
    except BaseException as error:
        # It was signed all the same, and whoever asked for a record of that gets it.
        with suppress(RstufError, OSError):
            ended = exit_code_of(error) if isinstance(error, RstufError) else ExitCode.REFUSED
            kept.end_holder(review, rstuf.parse_signatures(data), ended)
        raise
    return kept.end_holder(review, rstuf.parse_signatures(data), ExitCode.DONE)


def _sign(
    run: Run, review: rstuf.Review, key: rstuf.HolderKey, record: rstuf.HolderRecord | None, way: WayOut
) -> tuple[bytes, bool]:
    """Open the key, sign, and take it down: the signature file, and whether it is in the record."""
    signer = key.open(review, run.session().secrets, directory=Path.cwd())
    way.check(rstuf.keyids_signed_by(review, signer))
    data = way.again(rstuf.sign_bundle(review, [signer]))
    # Run again, the same signature is no harm, and one that is there already is left as it is.
    run.interrupted = "it may be signed; run it again, to sign the same"
    # Taken down first: a signature that is out and unknown to its maker could be followed by another.
    signed = rstuf.signed_by(rstuf.parse_signatures(data), review, at=review.now)
    return data, take_down(run, record, review, signed, seen=review.seen)


def _hand_over(run: Run, way: WayOut, data: bytes, *, recorded: bool) -> None:
    console, document = run.console, rstuf.parse_signatures(data)
    place = way.place(document.signatures[0].keyid)
    if place == STDOUT:
        console.raw(data)
    else:
        create(place, lambda: rstuf.write_signatures(place, data))
        run.keeps(f"{way.review.event} is signed, and the signature is {place}")
    if way.picture is not None:
        picture = way.picture
        create(picture, lambda: rstuf.write_qr(data, picture))
    if place != STDOUT:
        console.document(_document(way.review, document, place, recorded=recorded))
        _tell(console, way.review, document, place)
    if way.shows_code:
        _show_qr(console, data, beside=place == STDOUT)


def _check_options(run: Run, code: str | None, output: Path | None) -> None:
    """
    Raises:
        UsageFault: nobody can be asked, and no script says that it has compared the code.
    """
    hint = "--yes --code CODE, with the code that the signers compared; rstuf bundle inspect shows it"
    if run.console.is_json and output == STDOUT:
        raise UsageFault("--json writes its document to stdout, and -o - the signature", hint="name a file: -o FILE")
    if run.options.yes and code is None:
        raise UsageFault("--yes signs only what its --code stands for", hint=hint)
    if not run.options.yes and (run.console.is_json or not prompts.person_is_there()):
        raise UsageFault("there is nobody to ask whether to sign this", hint=hint)


def _review(
    run: Run,
    file: Path,
    *,
    trusted_root: Path | None,
    fingerprint: str | None,
    max_expiry: str,
    record: rstuf.HolderRecord | None,
) -> rstuf.Review:
    clock, longest = SystemClock(), rstuf.parse_duration(max_expiry)
    bundle = _read_bundle(file)
    trusted = read_small(trusted_root, limit=_MAX_ROOT_BYTES) if trusted_root is not None else None
    wanted = rstuf.parse_fingerprint(fingerprint) if fingerprint is not None else None

    def judged(by: str | None) -> rstuf.Review:
        return rstuf.review_bundle(
            bundle, now=clock.now(), trusted=trusted, fingerprint=by, max_expiry=longest, record=record
        )

    try:
        return judged(wanted)
    except AnchorNeeded:
        if wanted is not None or run.console.is_json or not prompts.person_is_there():
            raise
    return judged(ask_fingerprint(run.console))


def _read_bundle(file: Path) -> rstuf.Bundle:
    return rstuf.parse_bundle(read_brought(file, limit=_MAX_BYTES), name=str(file))


def _agrees(run: Run, review: rstuf.Review, key: rstuf.HolderKey, mine: tuple[str, ...]) -> bool:
    label = next((review.names[keyid] for keyid in review.names if keyid in mine), None)
    called = (
        f'"{label}", {grouped(mine[0][:8])} …'
        if label is not None
        else f"{grouped(mine[0][:8])} …"
        if mine
        else key.uri
    )
    with run.pondering():
        return prompts.agrees(f"Sign {_what(review, mine)} with {escape(called)}?")


def _what(review: rstuf.Review, keyids: Collection[str]) -> str:
    """The parts that such keys sign: another may only come with them, to say who signs them."""
    mine = [
        f"{part.role}-v{part.version}"
        for part in review.parts
        if not keyids or any(keyid in keyids for side in part.sides for keyid in side.keyids)
    ]
    return listed(mine)


def _document(
    review: rstuf.Review, document: rstuf.SignatureDocument, place: Path, *, recorded: bool
) -> dict[str, Any]:
    return {
        "event": review.event,
        "code": review.code,
        "file": str(place),
        "recorded": recorded,
        "signatures": [{"digest": each.digest, "keyid": each.keyid, "sig": each.sig} for each in document.signatures],
        "review": review_document(review),
    }


def _tell(console: Console, review: rstuf.Review, document: rstuf.SignatureDocument, place: Path) -> None:
    keyid = document.signatures[0].keyid
    done, by = done_sign(console, ok=True), escape(grouped(keyid[:8]))
    signed = _what(review, {each.keyid for each in document.signatures})
    be = "is" if len({each.digest for each in document.signatures}) == 1 else "are"
    console.result(f"{done} {signed} {be} signed with {by} …: {escape(str(place))}")
    console.result("")
    console.result("carry it back; there, it is taken in by")
    console.result(f"  rstuf bundle import {escape(as_argument(place.name))}")


def _show_qr(console: Console, data: bytes, *, beside: bool) -> None:
    """The signature as light. A terminal that is too small for it has the file."""
    try:
        lines = rstuf.qr_lines(data, columns=terminal_width())
    except RstufError as error:
        console.note(f"note:  no QR code is shown: {escape(error.message)}")
        return
    for line in lines:
        if beside:
            console.error([line])
        else:
            console.line(line)

"""`rstuf delegation prepare`: a delegate makes and signs the next version of their role, on a machine of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import rstuf
from rstuf.clock import SystemClock, iso
from rstuf.errors import InvalidInput, NameTaken
from rstuf_cli import prompts
from rstuf_cli.commands.artifact import custom_of
from rstuf_cli.console import Console, escape
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.files import as_argument, expanded
from rstuf_cli.holding import HolderDir, open_record, show_review, take_down
from rstuf_cli.reports import sign as done_sign
from rstuf_cli.reports import some_paths
from rstuf_cli.review_document import review_document
from rstuf_cli.run import Run, run_of
from rstuf_cli.trusting import TrustDir, only_trusted, open_store
from rstuf_cli.wording import count, listed, number

EXAMPLES = {
    "delegation prepare": """
rstuf trust add acme https://updates.example.org/ --fingerprint 3f9ac21e…   once
rstuf delegation prepare vendor dist/ --prefix vendor --key vera.key
rstuf delegation prepare vendor --remove vendor/old.bin --key vera.key
rstuf delegation prepare vendor --key vera.key       the same, for longer
rstuf delegation prepare vendor app.bin --prefix vendor --key ci.key --yes
"""
}


def prepare(
    ctx: typer.Context,
    *,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="The role that you may sign.")],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Files that it is to list, patterns, directories with all in them."),
    ] = None,
    key: Annotated[
        list[str],
        typer.Option("--key", metavar="URI", help="Your key: its file, or a signer URI; repeatable."),
    ],
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME", help="A trusted repository; by default the only one that is trusted."),
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", metavar="P", help="Begin the path of every file with P.")] = "",
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="PATH", help="A path that it lists no more; repeatable.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Let paths that it lists have another content.")] = False,
    custom: Annotated[
        str | None, typer.Option("--custom", metavar="JSON|@FILE", help="An object that clients read beside each file.")
    ] = None,
    expires: Annotated[
        str, typer.Option("--expires", metavar="PERIOD", help="How long it lives from now on; 365d by default.")
    ] = "365d",
    version: Annotated[
        int | None,
        typer.Option("--version", metavar="N", help="Its version; by default one more than clients see.", min=1),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write it, by default N.ROLE.json.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE", help="Write a bundle, too, for those who must sign it as well."),
    ] = None,
    holder_dir: HolderDir = None,
    trust_dir: TrustDir = None,
) -> int:
    """Make and sign the next version of a role that you may sign, on your own machine.

    It needs no workspace, and the repository needs no key of yours. What clients see of the role is fetched and
    verified from the root that you pinned; with your changes it is shown, and signed when you say yes. What comes of it
    is a plain TUF file, which goes to the repository with the files that are new: there, rstuf delegation accept
    publishes it byte for byte. Without changes it is the same for longer.
    """
    run = run_of(ctx)
    run.interrupted = run.unsigned = "nothing was signed"
    name = rstuf.role_name(role)
    if not run.options.yes and (run.console.is_json or not prompts.person_is_there()):
        raise UsageFault("there is nobody to ask whether to sign this", hint="--yes says that it is meant")
    sources = rstuf.find_files(expanded(paths), prefix=prefix, progress=run.progress) if paths else ()
    change = rstuf.Preparation(
        add=sources,
        remove=tuple(map(rstuf.target_path, remove or ())),
        replace=replace,
        custom=custom_of(custom),
        lives=rstuf.parse_duration(expires),
        version=version,
    )
    keys = [rstuf.HolderKey.at(each) for each in key]
    run.refuse_unknown_keys(lambda: [each.name for each in keys])
    # What is wrong with a passphrase file, or a key, is told before anything is fetched.
    secrets, publics = run.session().secrets, [each.look(Path.cwd()) for each in keys]
    record, store = open_record(run, holder_dir, quiet=False), open_store(run, trust_dir)
    with store.client(rstuf.trust_name(from_) if from_ is not None else only_trusted(store)) as client:
        now = SystemClock().now()
        prepared = rstuf.prepare_role(client, name, change, now=now, record=record, progress=run.progress)
    run.progress.close()
    _refuse_strangers(prepared, keys, publics)
    place = output or Path(prepared.file_name)
    _refuse_taken(*(each for each in (place, bundle) if each is not None))
    show_review(run, prepared.review)
    _show_changes(run, prepared)
    if not run.options.yes and not _agrees(run, prepared):
        run.console.note("nothing was signed")
        return ExitCode.REFUSED
    signatures, recorded = _sign(run, prepared, keys, secrets, record)
    return _write(run, prepared, signatures, place, bundle, recorded=recorded)


def _write(
    run: Run,
    prepared: rstuf.PreparedRole,
    signatures: Sequence[rstuf.SignatureDocument],
    place: Path,
    bundle: Path | None,
    *,
    recorded: bool,
) -> int:
    """Write what was signed, and tell of it."""
    data = rstuf.signed_file(prepared, signatures)
    _create(place, lambda: rstuf.write_role(place, data))
    run.keeps(f"{prepared.role} v{prepared.version} is signed, and is {place}")
    if bundle is not None:
        others = rstuf.render_bundle(rstuf.signed_bundle(prepared, signatures))
        _create(bundle, lambda: rstuf.write_bundle(bundle, others))
    signed = [each.keyid for document in signatures for each in document.signatures]
    run.console.document(_document(prepared, place, bundle, signed, data, recorded=recorded))
    if not run.console.is_json:
        _tell(run.console, prepared, place, bundle, signed)
    return ExitCode.DONE


def _show_changes(run: Run, prepared: rstuf.PreparedRole) -> None:
    """What is others than clients see; the review says what is others than its signer has signed."""
    if run.console.is_json:
        return
    kinds = (("adds", prepared.added), ("replaces", prepared.replaced), ("removes", prepared.removed))
    told = [f"{verb} {some_paths(paths)}" for verb, paths in kinds if paths]
    head = f"{escape(prepared.role)} v{number(prepared.before)}, which clients see"
    changes = f"it {listed(told)}" if told else "it lists the same"
    lines = ["", *run.console.fold(f"Over {head}, {changes}.", indent=0)]
    if prepared.ahead is not None:
        behind = (
            f"! you signed {escape(prepared.role)} v{number(prepared.ahead)} already, and what that changed is not in "
            f"this. If it is published, your mirror is behind: wait until it has it, and prepare this anew without "
            f"--version"
        )
        lines += run.console.fold(behind, indent=2)
    run.console.error(lines)
    if not run.options.yes:
        prompts.show(lines, unless=run.console.error_stream)


def _agrees(run: Run, prepared: rstuf.PreparedRole) -> bool:
    with run.pondering():
        return prompts.agrees(f"Sign {escape(prepared.role)} v{prepared.version}?")


def _refuse_strangers(
    prepared: rstuf.PreparedRole, keys: Sequence[rstuf.HolderKey], publics: Sequence[rstuf.PublicKey | None]
) -> None:
    """See that each key may sign it, as far as that shows without opening it."""
    for key, public in zip(keys, publics, strict=True):
        if public is not None and not rstuf.keyids_of(prepared.review, public):
            raise rstuf.not_listed(key.name, public, prepared.review)


def _sign(
    run: Run,
    prepared: rstuf.PreparedRole,
    keys: Sequence[rstuf.HolderKey],
    secrets: rstuf.Secrets,
    record: rstuf.HolderRecord | None,
) -> tuple[list[rstuf.SignatureDocument], bool]:
    """Sign with each key, and take that down before anything is out."""
    review, documents, recorded = prepared.review, list[rstuf.SignatureDocument](), False
    for key in keys:
        signer = key.open(review, secrets, directory=Path.cwd())
        document = rstuf.parse_signatures(rstuf.sign_bundle(review, [signer]))
        run.interrupted = "it may be signed, and nothing of that is out; run it again"
        recorded = take_down(run, record, review, rstuf.signed_by(document, review, at=review.now))
        documents.append(document)
    return documents, recorded


def _refuse_taken(*places: Path) -> None:
    """See that all can be written, before anything is signed."""
    for place in places:
        if place.exists() or place.is_symlink():
            raise InvalidInput(f"{place} is there already", hint="move it away, or name another file with -o FILE")
        if not place.parent.is_dir():
            raise InvalidInput(f"there is no directory {place.parent}", hint="make it, or name another file")


def _create(place: Path, write: Any) -> None:
    try:
        write()
    except NameTaken:
        raise InvalidInput(f"{place} is there already", hint="move it away, and run it again") from None


def _document(
    prepared: rstuf.PreparedRole,
    place: Path,
    bundle: Path | None,
    signed: Sequence[str],
    data: bytes,
    *,
    recorded: bool,
) -> dict[str, Any]:
    return {
        "role": prepared.role,
        "version": prepared.version,
        "previous": prepared.before,
        "expires": iso(prepared.review.bundle.parts[0].envelope.expires),
        "file": str(place),
        "bytes": len(data),
        "bundle": None if bundle is None else str(bundle),
        "signed_by": list(signed),
        "lacking": _lacking(prepared, signed),
        "added": list(prepared.added),
        "replaced": list(prepared.replaced),
        "removed": list(prepared.removed),
        "signed_ahead": prepared.ahead,
        "recorded": recorded,
        "review": review_document(prepared.review),
    }


def _lacking(prepared: rstuf.PreparedRole, signed: Sequence[str]) -> int:
    return max(0, prepared.threshold - len(set(signed)))


def _tell(
    console: Console, prepared: rstuf.PreparedRole, place: Path, bundle: Path | None, signed: Sequence[str]
) -> None:
    head = f"{escape(prepared.role)} v{number(prepared.version)}"
    console.result(f"{done_sign(console, ok=True)} {head} is signed: {escape(str(place))}")
    lacking = _lacking(prepared, signed)
    if lacking:
        others = "" if bundle is None else f"; they sign {escape(as_argument(bundle.name))}: rstuf bundle sign"
        console.folded_result(f"! it takes {count(lacking, 'more signature')}{others}", indent=2)
    new = [*prepared.added, *prepared.replaced]
    what = f"it, and {count(len(new), 'file')} that it lists anew," if new else "it"
    console.result("")
    console.result(f"bring {what} to the repository; there, it is published by")
    contents = " --contents DIR" if new else ""
    console.result(f"  rstuf delegation accept {escape(as_argument(place.name))}{contents}")

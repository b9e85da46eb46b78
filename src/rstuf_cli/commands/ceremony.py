"""`rstuf ceremony`: a new repository, by questions or from a plan."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from textwrap import indent, wrap
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf_cli.awaiting import tell_waiting_ceremony
from rstuf_cli.console import Console, Style, Verbosity, escape, escape_message, terminal_width
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.plans import SAMPLE
from rstuf_cli.rehearsing import hold_rehearsal
from rstuf_cli.reports import publication_document, sign
from rstuf_cli.review import first_published, plan_document, plan_lines
from rstuf_cli.run import Run, run_of
from rstuf_cli.serving import show_way_to_clients
from rstuf_cli.transcript import Transcript, TranscriptFile, refuse_without_result
from rstuf_cli.wording import count, fingerprint, listed, number, seconds

_WORDS_WIDTH: Final = 72

EXAMPLES = {
    "ceremony": f"""
rstuf ceremony                                 asks, shows all, then makes it
rstuf ceremony --plan plan.toml --dry-run      review a plan; nothing is made
rstuf ceremony --plan plan.toml --rehearse     all of it, with keys to throw away
rstuf ceremony --plan plan.toml                a workspace in this directory
rstuf --repo acme ceremony --plan plan.toml    or in another one
rstuf ceremony --plan plan.toml --out payload.json   for an RSTUF service

a plan to copy into plan.toml:

{indent(SAMPLE, "  ")}"""
}


def ceremony(
    ctx: typer.Context,
    *,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", metavar="FILE", help="The plan, a TOML file; see above. Without one you are asked."),
    ] = None,
    save_plan: Annotated[
        Path | None,
        typer.Option("--save-plan", metavar="FILE", help="Write the accepted plan to a new file too."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be made, and make nothing.")] = False,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Hold it with keys that are thrown away, and keep nothing.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write what bootstraps an RSTUF service instead, and the keys."),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Forget the answers kept from before.")] = False,
    transcript: TranscriptFile = None,
) -> int:
    """Make a repository of your own: asked step by step, or by a plan.

    Without --plan you are asked, one thing at a time; nothing is made before you have seen all of it. Signers who
    are away, known by their public half alone, are waited for: exit 4, and rstuf event list says for whom. Keys that
    are made now are encrypted with a passphrase that you choose, unless the plan says otherwise. A ceremony that was
    interrupted goes on when it is run again.

    With --dry-run everything is checked that the ceremony checks before it writes, but passphrases that were not given:
    nobody is asked for one. With --rehearse the whole ceremony is held with other keys, those of signers who are away
    too; a client verifies what it publishes, and all of it is removed.
    """
    run = run_of(ctx)
    if rehearse and (dry_run or out is not None):
        raise UsageFault("--rehearse goes with neither --dry-run nor --out", hint="one after the other")
    if rehearse or dry_run or out is not None:
        refuse_without_result(run, transcript)
    record = Transcript(run, transcript)
    if plan is not None:
        read: rstuf.Plan | None = rstuf.read_plan_file(plan)
    else:
        read = _asked(run, make=_made(dry_run=dry_run, rehearse=rehearse), restart=restart, here=out is None)
    if read is None:
        return ExitCode.DONE
    run.refuse_unknown_keys(lambda: read.keys)
    if save_plan is not None:
        rstuf.save_plan(read, save_plan, inputs=_inputs(plan))
    if rehearse:
        return hold_rehearsal(run, read, kept="your answers" if plan is None else "nothing")
    if dry_run:
        rehearsed = _rehearse(run, read, plan)
        run.console.document({"dry_run": True, **plan_document(read, run.directory), "notes": list(rehearsed.notes)})
        _show_plan(run.console, read, run.directory)
        _tell_notes(run.console, rehearsed.notes)
        goes_on = "a ceremony of this plan was interrupted here, and goes on; " if rehearsed.goes_on else ""
        run.console.note(f"{goes_on}nothing was made; without --dry-run it is")
        return ExitCode.DONE
    if out is not None:
        _write_payload(run, read, out, inputs=_inputs(plan))
        return ExitCode.DONE
    lasted = run.lasted()
    run.interrupted = run.unsigned = "nothing was made"
    report = _hold(run, read, plan)
    run.interrupted = "what was done is kept"
    # Whichever plan it was: no other ceremony is held here.
    rstuf.forget_draft(run.directory)
    run.progress.close()
    if report.root is None or report.publication is None:
        tell_waiting_ceremony(run, report, where=_where(run))
        _tell_notes(run.console, report.notes)
        return record.end(ExitCode.WAITING)
    run.console.document(_document(report, report.root, report.publication, read, run.directory))
    _show_result(run, report, report.root, report.publication, read, took=seconds(lasted()))
    return record.end(ExitCode.DONE)


def _made(*, dry_run: bool, rehearse: bool) -> str:
    """What accepting the plan does, as a choice of the review says it."""
    if rehearse:
        return "yes; rehearse it, with keys that are thrown away"
    return "yes; show it, and make nothing" if dry_run else "yes, make the repository now"


def _asked(run: Run, *, make: str, restart: bool, here: bool) -> rstuf.Plan | None:
    """The plan that a person's answers make; None where they saved it for later.

    Args:
        here: whether it is for this directory.
    """
    from rstuf_cli.guide.screen import Screen
    from rstuf_cli.guide.session import hold_interview
    from rstuf_cli.prompts import person_is_there

    if not person_is_there():
        raise UsageFault("there is no terminal to ask on; say --plan FILE", hint="rstuf ceremony --help shows a plan")
    if here:
        # A dozen answers would come to nothing.
        rstuf.refuse_repository(run.directory, run.session_that_asks_nobody())
    if restart:
        rstuf.forget_draft(run.directory)
    held = hold_interview(run, Screen(), directory=run.directory.absolute(), make=make)
    if isinstance(held, Path):
        _tell_saved(run, held)
        return None
    return held


def _tell_saved(run: Run, path: Path) -> None:
    here = Path.cwd()
    file = escape(str(path.relative_to(here) if path.is_relative_to(here) else path))
    run.console.document({"saved": True, "plan": str(path)})
    run.console.result(f"{sign(run.console, ok=True)} {file}: the plan is saved, and your answers are kept")
    run.console.result("")
    run.console.result("next")
    run.console.result(f"  rstuf {_where(run)}ceremony --plan {shlex.quote(file)}")


def _write_payload(run: Run, plan: rstuf.Plan, out: Path, *, inputs: Path) -> None:
    """Make the payload for another service, and say what it needs besides."""
    run.interrupted = run.unsigned = "nothing was made"
    payload = rstuf.make_payload(plan, run.directory, _session(run, plan), inputs=inputs, out=out)
    online = payload.online
    run.console.document(
        {
            "out": str(out),
            "signed_by": list(payload.signed_by),
            "missing": payload.missing,
            "online": {"name": online.name, "keyid": online.keyid, "signer": online.signer},
        }
    )
    console = run.console
    more = f"; {count(payload.missing, 'signature')} more must join there" if payload.missing else ""
    console.result(
        f"{sign(console, ok=True)} {escape(str(out))}: root v1, signed by {escape(listed(payload.signed_by))}{more}"
    )
    console.result("")
    console.result("next")
    for each in plan.delegations:
        if (signers := each.people(plan.online)) and not console.is_json:
            who = escape(listed(signers, last="and" if each.threshold == len(signers) else "or"))
            console.folded_result(f"  {escape(each.name)} is signed there too, by {who}", indent=4)
    console.folded_result(f"  put {escape(_file_of(online.signer))} into the service's key directory as", indent=2)
    console.result(f"    {online.keyid}")
    console.result("  POST the payload to the service's /api/v1/bootstrap/")


def _rehearse(run: Run, plan: rstuf.Plan, file: Path | None) -> rstuf.Rehearsal:
    session = run.session_that_asks_nobody()
    if file is not None:
        return rstuf.rehearse_ceremony(file, run.directory, session)
    return rstuf.rehearse_plan(plan, run.directory, session, inputs=_inputs(file))


def _hold(run: Run, plan: rstuf.Plan, file: Path | None) -> rstuf.CeremonyReport:
    """Hold the ceremony of a plan, which is that in `file` unless it was asked for."""
    if file is None:
        run.interrupted = run.unsigned = "nothing was made; your answers are kept, and rstuf ceremony goes on from them"
    try:
        if file is not None:
            return rstuf.make_repository(file, run.directory, _session(run, plan))
        return rstuf.hold_ceremony(plan, run.directory, _session(run, plan), inputs=_inputs(file))
    except KeyboardInterrupt:
        if (run.directory / "rstuf.toml").exists():
            run.interrupted = "run the same ceremony again; it goes on where it stopped"
        raise


def _session(run: Run, plan: rstuf.Plan) -> rstuf.Session:
    """A session that can say how many passphrases there are to choose."""
    options = run.options
    given = {name.casefold() for name in rstuf.keys_named_in([*options.passphrase_file, *options.passphrase_fd])}
    new = [
        key
        for key in plan.keys.values()
        if key.generate is not None
        and key.encrypt
        and key.name.casefold() not in given
        # What an interrupted ceremony made has its passphrase.
        and not (run.directory / _file_of(key.signer)).exists()
    ]
    return run.session(new_keys=len(new))


def _document(
    report: rstuf.CeremonyReport,
    root: bytes,
    publication: rstuf.PublicationReport,
    plan: rstuf.Plan,
    directory: Path,
) -> dict[str, Any]:
    return {
        "repository": report.repository,
        "directory": str(directory),
        "root": {"version": 1, "sha256": hashlib.sha256(root).hexdigest(), "file": _root_file(plan)},
        "keys": [{"name": name, "keyid": entry.keyid, "signer": entry.signer} for name, entry in report.keys.items()],
        "publication": publication_document(publication),
        "notes": list(report.notes),
    }


def _show_plan(console: Console, plan: rstuf.Plan, directory: Path) -> None:
    console.line(
        f"{console.paint(escape(plan.name), Style.STRONG)}: what this ceremony makes in {escape(str(directory))}"
    )
    console.line()
    for line in plan_lines(plan, width=terminal_width() - 2):
        console.line(f"  {line}" if line else "")


def _show_result(
    run: Run,
    report: rstuf.CeremonyReport,
    root: bytes,
    publication: rstuf.PublicationReport,
    plan: rstuf.Plan,
    *,
    took: str,
) -> None:
    console = run.console
    if console.is_json:
        return
    digest = hashlib.sha256(root).hexdigest()
    version = f"timestamp v{number(publication.timestamp_version)}"
    what = listed(["root v1", *first_published(plan)])
    console.result(f"{sign(console, ok=True)} {escape(report.repository)}: {what} published as {version}, {took}")
    console.result("")
    for key in plan.keys.values():
        if key.generate is not None:
            how = "encrypted" if key.encrypt else "not encrypted"
            console.result(f"  key {escape(key.name)}, {how}: {escape(_file_of(key.signer))}")
    _tell_to_move(run, plan)
    console.result(f"  root v1 is what clients begin with: {escape(_root_file(plan))}")
    console.result("  give its SHA-256 to those who will trust it, by another way than the files:")
    for line in (fingerprint(digest)[:39], fingerprint(digest)[40:], *_in_words(digest)):
        console.result(f"    {line}")
    _tell_notes(console, report.notes)
    console.result("")
    console.result("next")
    console.result(f"  rstuf {_where(run)}artifact add FILE...")
    console.result(f"  rstuf {_where(run)}status")
    show_way_to_clients(console, metadata=plan.metadata, artifacts=plan.artifacts, sha256=digest)


def _tell_to_move(run: Run, plan: rstuf.Plan) -> None:
    """Root keys that were made here: whoever takes this machine should find none of them."""
    made = [name for name in plan.root_signers if plan.keys[name].generate is not None]
    if made:
        name, keys = (made[0], f"the root key {made[0]}") if len(made) == 1 else ("NAME", "root keys")
        add = f"rstuf {_where(run)}key add {escape(name)} /media/usb/{escape(name)}.key"
        run.console.result("\n".join(run.console.folded(f"  move {keys} off this machine, then: {add}", indent=4)))


def _file_of(signer: str | None) -> str:
    return (signer or "").removeprefix("file:")


def _where(run: Run) -> str:
    return "" if run.options.repo is None else f"--repo {shlex.quote(escape(run.options.repo))} "


def _in_words(digest: str) -> list[str]:
    return wrap(" ".join(rstuf.fingerprint_words(digest)), _WORDS_WIDTH)


def _tell_notes(console: Console, notes: Sequence[str]) -> None:
    if console.verbosity is not Verbosity.QUIET and not console.is_json:
        for note in notes:
            console.warning(escape_message(note))


def _inputs(plan: Path | None) -> Path:
    """What the files that a plan names are relative to."""
    return Path.cwd() if plan is None else plan.parent


def _root_file(plan: rstuf.Plan) -> str:
    return f"{plan.metadata}/1.root.json"

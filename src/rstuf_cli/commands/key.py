"""`rstuf key …`: keys, what they sign, where they are, and their public halves for others."""

from __future__ import annotations

import shlex
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf.errors import InvalidInput
from rstuf_cli.console import Console, Style, escape, pad, width_of
from rstuf_cli.failures import UsageFault
from rstuf_cli.losses import dropped_in_words, report_document, said_of
from rstuf_cli.reports import sign
from rstuf_cli.run import Run, keep_to_itself, run_of
from rstuf_cli.wording import fingerprint, listed

EXAMPLES = {
    "key add": """
rstuf key add maria maria.pub              her private half stays with her
rstuf key add maria /media/usb/maria.key   it is at hand there, from now on
rstuf key add maria --away                 it is with her again
rstuf key add maria --signer ssh-agent:SHA256:…   it is in the SSH agent here
rstuf key add maria --signer 'hsm:2?label=Maria'   on a token
""",
    "key list": """
rstuf key list
rstuf key list --json
""",
    "key show": """
rstuf key show maria
rstuf key show --file maria.pub   of a file, without a workspace
""",
    "key export": """
rstuf key export maria
rstuf key export maria --format openssh
rstuf key export maria --format tuf   as it stands in metadata
""",
}

_WORDS_WIDTH: Final = 66


Name = Annotated[str, typer.Argument(metavar="NAME", help="What the key is called here.")]


def add(
    ctx: typer.Context,
    *,
    name: Name,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Its public half; or the private key itself, to sign from there."),
    ] = None,
    signer: Annotated[
        str | None, typer.Option("--signer", metavar="URI", help="Where it signs: file:keys/a.key, ssh-agent:SHA256:…")
    ] = None,
    away: Annotated[bool, typer.Option("--away", help="Its private half is with somebody else.")] = False,
) -> None:
    """Let a key be known by a name, or say where it is now.

    A key that comes by its public half can be named in root later; one that comes as a private key signs from where
    that file is. Without FILE, a new key's public half is read from where it signs. Nothing is signed: who may sign is
    in root, and only its signers change that.
    """
    run = run_of(ctx)
    rstuf.check_key_name(name)
    if away and signer is not None:
        raise UsageFault("--away and --signer do not go together", hint="rstuf key add --help")
    with run.open(making=name) as repository:
        view = next((each for each in repository.view_keys() if each.entry.name.lower() == name.lower()), None)
        known = view.entry if view is not None else None
        key, found_at = _key_named(
            repository, name, file, known=known, signer=signer, workspace=rstuf.find_workspace(run.directory)
        )
        place = None if away else signer or found_at
        if place is None and not away and file is None:
            raise UsageFault("say where it is: FILE, --signer URI or --away", hint="rstuf key add --help")
        run.interrupted = "rstuf key list tells whether it is known here"
        change = repository.add_key(name, key, signer=place)
        added = _find(repository, name)
    if away and view is not None and view.status.online:
        run.console.warning(
            f"{escape(name)} is the online key: nothing can be published or renewed here without it, until "
            f"rstuf key add {escape(name)} FILE says where it is"
        )
    if added.suspect and added.entry.report is None:
        told = f"{dropped_in_words(added.entry)}; if it did: rstuf key revoke {name} --leaked"
        run.console.warning(escape(told))
    run.console.document({"change": str(change), "name": name, "keyid": key.keyid, "signer": place})
    if run.console.is_json:
        return
    words = {
        rstuf.KeyChange.ADDED: "is known now",
        rstuf.KeyChange.MOVED: "has moved",
        rstuf.KeyChange.UNCHANGED: "was known like this already",
    }
    where = "its private half is with somebody else" if place is None else f"it signs from {escape(_place(place))}"
    run.console.result(f"{sign(run.console, ok=True)} {escape(name)} {words[change]}; {where}")
    if change is rstuf.KeyChange.ADDED:
        tell_fingerprint(run.console, key.keyid)
        run.console.result("")
        run.console.result("  let its holder read you these words, before anybody lets it sign")


def list_(ctx: typer.Context) -> None:
    """List keys: what each signs, and where it is."""
    run = run_of(ctx)
    with run.open(looking=True) as repository:
        views = repository.view_keys()
    run.console.document({"keys": [_view_document(view) for view in views]})
    if run.console.is_json:
        return
    rows = [(view.entry.name, _signs(view), _where(view)) for view in views]
    names, uses = (max(width_of(escape(row[column])) for row in rows) for column in (0, 1))
    for name, use, where in rows:
        line = f"{pad(escape(name), names)}  {pad(use, uses)}  {escape(where)}"
        run.console.prose(line, indent=names + 2)


def show(
    ctx: typer.Context,
    *,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A key of this repository.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A key's file instead: either half will do.")
    ] = None,
) -> None:
    """Show a key's fingerprint, to compare or read aloud.

    With it stand what the key signs, and where it is.
    """
    run = run_of(ctx)
    if (name is None) == (file is None):
        raise UsageFault("name a key, or a --file: one of the two", hint="rstuf key show --help")
    if file is not None:
        _show_file(run, file)
        return
    with run.open(looking=True) as repository:
        view = _find(repository, name or "")
    run.console.document(_view_document(view))
    if run.console.is_json:
        return
    entry, console = view.entry, run.console
    console.line(f"{console.paint(escape(entry.name), Style.STRONG)}  ·  {entry.key.scheme}")
    console.line()
    console.prose(f"  signs        {_signs(view)}", indent=15)
    console.prose(f"  where        {escape(_where(view))}", indent=15)
    console.line(f"  known since  {entry.added:%Y-%m-%d}")
    console.line()
    _show_fingerprint(console, entry.keyid)


def export(
    ctx: typer.Context,
    *,
    name: Name,
    form: Annotated[
        rstuf.PublicForm, typer.Option("--format", metavar="FORMAT", help="pem, the default; openssh, or tuf (JSON).")
    ] = rstuf.PublicForm.PEM,
) -> None:
    """Write a key's public half, for whoever needs it.

    Private halves are never exported.
    """
    run = run_of(ctx)
    with run.open(looking=True) as repository:
        entry = _find(repository, name).entry
    text = rstuf.render_public(entry.key, form, comment=entry.name)
    run.console.document({"name": entry.name, "keyid": entry.keyid, "form": form.value, "public": text})
    for line in text.splitlines():
        run.console.line(line)


def _find(repository: rstuf.Repository, name: str) -> rstuf.KeyView:
    views = repository.view_keys()
    found = next((view for view in views if view.entry.name.lower() == name.lower()), None)
    if found is None:
        names = listed([view.entry.name for view in views])
        raise InvalidInput(f"no key is called {name}", hint=f"its keys: {names}")
    return found


def _key_named(
    repository: rstuf.Repository,
    name: str,
    file: Path | None,
    *,
    known: rstuf.KeyEntry | None,
    signer: str | None,
    workspace: Path,
) -> tuple[rstuf.PublicKey, str | None]:
    """The public half that is meant, and the signer that a private key in `file` makes.

    Raises:
        UsageFault: no file and no signer is named, and no key has the name.
        RstufError: the file is no key, or what tells the public half stays closed or out of reach.
    """
    if file is None:
        if known is not None:
            return known.key, None
        if signer is None:
            raise UsageFault(f"missing FILE: the public half of {name}", hint="rstuf key add --help")
        return repository.open_public_half(name, signer), None
    public, made = _key_in(file, workspace)
    if public is None:
        # Some private keys are silent about whose they are until their passphrase opens them.
        public = repository.open_public_half(name, made or "")
    return public, made


def _key_in(file: Path, workspace: Path) -> tuple[rstuf.PublicKey | None, str | None]:
    """The public half in a file, and, where it is a private key, the signer that it makes."""
    keep_to_itself()
    found = rstuf.look_at_key(file)
    if not found.private:
        return found.public, None
    place = file.absolute()
    inside = place.relative_to(workspace) if place.is_relative_to(workspace) else place
    return found.public, f"file:{inside}"


def _show_file(run: Run, file: Path) -> None:
    keep_to_itself()
    found = rstuf.look_at_key(file)
    if found.public is None:
        raise InvalidInput(
            f"{file} tells its public half only with its passphrase",
            hint=f"openssl pkey -in {shlex.quote(str(file))} -pubout",
        )
    halves = "private" if found.private else "public"
    run.console.document(
        {
            "keyid": found.keyid,
            "scheme": found.public.scheme,
            "half": halves,
            "encrypted": found.encrypted,
            "words": rstuf.fingerprint_words(found.public.keyid),
        }
    )
    if run.console.is_json:
        return
    how = ", encrypted" if found.encrypted else ", not encrypted" if found.private else ""
    run.console.line(f"{escape(str(file))}  ·  {found.public.scheme}, {halves} half{how}")
    run.console.line()
    _show_fingerprint(run.console, found.public.keyid)


def _signs(view: rstuf.KeyView) -> str:
    """`root (2 of 3)`, `targets, snapshot, timestamp and bins`; behind it what became of a key that is not well."""
    said = said_of(view.entry)
    if said is not None:
        return f"{_roles_of(view) or 'nothing'}; {said}"
    return _roles_of(view) or ("nothing any more" if view.retired else "nothing yet")


def _roles_of(view: rstuf.KeyView) -> str:
    alone = [use.role for use in view.uses if use.keys == 1]
    shared = [f"{use.role} ({use.threshold} of {use.keys})" for use in view.uses if use.keys > 1]
    return listed([*shared, *alone])


def _where(view: rstuf.KeyView) -> str:
    if view.entry.signer is None:
        return "with its holder"
    place = _place(view.entry.signer)
    return place if view.status.fault is None else f"! {view.status.fault}"


def _place(signer: str) -> str:
    return signer.removeprefix("file:")


def _view_document(view: rstuf.KeyView) -> dict[str, Any]:
    document = {**document_of(view.entry, uses=view.uses), **report_document(view.entry)}
    if view.status.fault is not None:
        document["fault"] = view.status.fault
    return document


def document_of(entry: rstuf.KeyEntry, *, uses: tuple[rstuf.KeyUse, ...]) -> dict[str, Any]:
    """A key for scripts."""
    return {
        "name": entry.name,
        "keyid": entry.keyid,
        "keytype": entry.key.keytype,
        "scheme": entry.key.scheme,
        "signer": entry.signer,
        "roles": [{"name": use.role, "threshold": use.threshold, "keys": use.keys} for use in uses],
        "words": rstuf.fingerprint_words(entry.keyid),
    }


def _fingerprint_lines(keyid: str) -> list[str]:
    hexes = fingerprint(keyid)
    return [hexes[:39], hexes[40:], *wrap(" ".join(rstuf.fingerprint_words(keyid)), _WORDS_WIDTH)]


def _show_fingerprint(console: Console, keyid: str) -> None:
    for line in _fingerprint_lines(keyid):
        console.line(f"  {line}")


def tell_fingerprint(console: Console, keyid: str) -> None:
    """A key's fingerprint as part of a result."""
    console.result("")
    for line in _fingerprint_lines(keyid):
        console.result(f"  {line}")

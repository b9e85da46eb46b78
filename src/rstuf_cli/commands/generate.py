"""`rstuf key generate`: a key pair of one's own, in a file or on a token."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import rstuf
from rstuf.errors import InvalidInput, WorkspaceNotFound
from rstuf_cli.commands.key import Name, document_of, tell_fingerprint
from rstuf_cli.console import Console, escape
from rstuf_cli.failures import UsageFault
from rstuf_cli.reports import sign
from rstuf_cli.run import Run, run_of

EXAMPLES = {
    "key generate": """
rstuf key generate maria                   maria.key, encrypted, and maria.pub
rstuf key generate maria --in /media/usb   on another disk
rstuf key generate ci --kind ecdsa --unencrypted
rstuf key generate maria --signer 'hsm:2?label=Maria'   on a token
""",
}


class KeyKind(StrEnum):
    """Kinds of keys that are made."""

    ED25519 = "ed25519"
    ECDSA = "ecdsa"
    RSA = "rsa"


def generate(
    ctx: typer.Context,
    *,
    name: Name,
    kind: Annotated[
        KeyKind | None,
        typer.Option("--kind", metavar="KIND", help="ed25519, the default; ecdsa (P-256) or rsa (3072 bits)."),
    ] = None,
    where: Annotated[
        Path | None,
        typer.Option("--in", metavar="DIR", help="Where to; by default keys/ of the workspace, else here."),
    ] = None,
    unencrypted: Annotated[
        bool, typer.Option("--unencrypted", help="Leave it unencrypted, for what signs without a person.")
    ] = False,
    signer: Annotated[
        str | None,
        typer.Option("--signer", metavar="URI", help="On a token instead, like hsm:2?label=Maria; ecdsa then."),
    ] = None,
) -> None:
    """Make a key pair of your own.

    NAME.key is encrypted with a passphrase that you choose, NAME.pub is for others. In a workspace the key is known by
    its name from then on. It signs nothing before root lists it. A key that is made on a token never leaves it.
    """
    run = run_of(ctx)
    if signer is not None:
        if where is not None or unencrypted:
            other = "--in" if where is not None else "--unencrypted"
            raise UsageFault(f"{other} and --signer do not go together", hint="rstuf key generate --help")
        _generate_in_place(run, name, kind or KeyKind.ECDSA, signer)
        return
    kind = kind or KeyKind.ED25519
    rstuf.check_key_name(name)
    run.interrupted = run.unsigned = "no key was made"
    repository = _here(run, making=name)
    try:
        base = run.directory.absolute() if repository is None else rstuf.find_workspace(run.directory)
        place = _place_for(name, where, base=base, workspace=repository is not None)
        _refuse_known(repository, name)
        # What an interruption left: a key that is not known yet, or one without its public half.
        reuse = repository is not None or not (base / place).with_name(f"{name}.pub").exists()
        run.interrupted = f"run it again: a key that is in {base / place} by then is taken as it is"
        entry = rstuf.make_key(
            base, name, kind=kind.value, encrypt=not unencrypted, place=place, reuse=reuse, session=run.session()
        )
        if repository is not None:
            run.keeps(f"the key, in {base / place}")
            repository.add_key(name, entry.key, signer=entry.signer)
            run.interrupted = "what was done is kept"
    finally:
        if repository is not None:
            repository.close()
    run.console.document({**document_of(entry, uses=()), "file": str(base / place), "encrypted": not unencrypted})
    if not run.console.is_json:
        _tell_made(run.console, entry, base / place, kind=kind, encrypted=not unencrypted)


def _generate_in_place(run: Run, name: str, kind: KeyKind, signer: str) -> None:
    """Make a key where no file is. In a workspace it is known from then on, elsewhere its public half is written."""
    rstuf.check_key_name(name)
    run.interrupted = run.unsigned = "no key was made"
    repository = _here(run, making=name)
    public = Path(f"{name}.pub").absolute() if repository is None else None
    try:
        base = run.directory.absolute() if repository is None else rstuf.find_workspace(run.directory)
        _refuse_known(repository, name)
        run.interrupted = "rstuf key find tells whether it was made"
        entry = rstuf.make_key_in_place(
            base, name, kind=kind.value, signer=signer, public=public, session=run.session()
        )
        place = entry.signer or signer
        if repository is not None:
            run.keeps(f"the key, at {place}")
            repository.add_key(name, entry.key, signer=place)
    finally:
        if repository is not None:
            repository.close()
    run.console.document(document_of(entry, uses=()))
    if run.console.is_json:
        return
    run.console.result(f"{sign(run.console, ok=True)} {escape(name)}: {kind.value}, at {escape(place)}")
    tell_fingerprint(run.console, entry.keyid)
    run.console.result("")
    handed = f"rstuf key export {name}" if public is None else public.name
    run.console.result(f"  give {escape(handed)} to whoever lets it sign, and read them its words;")
    run.console.result("  it signs nothing before root lists it")


def _refuse_known(repository: rstuf.Repository | None, name: str) -> None:
    if repository is not None and any(each.entry.name.lower() == name.lower() for each in repository.view_keys()):
        raise InvalidInput(f"another key is called {name}", hint="choose another name; rstuf key list shows all")


def _place_for(name: str, where: Path | None, *, base: Path, workspace: bool) -> Path:
    """Where a new key lies: as it is named, else in the workspace's directory for keys, else here."""
    if where is not None:
        return (where / f"{name}.key").absolute()
    return Path("keys", f"{name}.key") if workspace else base / f"{name}.key"


def _tell_made(console: Console, entry: rstuf.KeyEntry, place: Path, *, kind: KeyKind, encrypted: bool) -> None:
    how = "encrypted" if encrypted else "not encrypted"
    place = place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place
    public = place.with_name(f"{entry.name}.pub")
    console.result(f"{sign(console, ok=True)} {escape(entry.name)}: {kind.value}, {how}, in {escape(str(place))}")
    tell_fingerprint(console, entry.keyid)
    console.result("")
    console.result(f"  give {escape(str(public))} to whoever lets it sign, and read them its words;")
    console.result("  it signs nothing before root lists it")


def _here(run: Run, *, making: str) -> rstuf.Repository | None:
    """The repository that the person stands in, if they stand in one."""
    try:
        return run.open(making=making)
    except WorkspaceNotFound:
        return None

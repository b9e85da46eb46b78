"""`rstuf key rotate, revoke`: another key in the place of one, in good order or because it must go."""

from __future__ import annotations

from typing import Annotated, Final

import typer

import rstuf
from rstuf_cli.commands.generate import KeyKind
from rstuf_cli.commands.key import Name
from rstuf_cli.failures import UsageFault
from rstuf_cli.losses import Leaked, LetBack, Lost, loss_of, noting_leak
from rstuf_cli.named_keys import find_key
from rstuf_cli.new_online_key import Wish, names_to_come
from rstuf_cli.rotating import DEFAULT_OVERLAP, replace_online_key
from rstuf_cli.run import run_of
from rstuf_cli.taking_out import Removal, take_out, way_with_another
from rstuf_cli.transcript import Transcript, TranscriptFile

EXAMPLES = {
    "key rotate": """
rstuf key rotate online                 makes online-2, and lets it in
rstuf key rotate online --to cloud      a key that is known already
rstuf key rotate online --overlap 3d    for clients that run for days
rstuf key rotate online --no-sign       its root is signed elsewhere
""",
    "key revoke": """
rstuf key revoke bob                    a root key: a root without it
rstuf key revoke bob --leaked           the same, for good
rstuf key revoke bob --threshold 1
rstuf key revoke online --leaked        the online key: another one, at once
rstuf key revoke online --lost --to spare
""",
}

To = Annotated[
    str | None, typer.Option("--to", metavar="NAME", help="A key that is known already; by default one is made.")
]
Kind = Annotated[
    KeyKind | None, typer.Option("--kind", metavar="KIND", help="Of the new key; by default that of the old one.")
]
Unencrypted = Annotated[
    bool, typer.Option("--unencrypted", help="Leave the new key unencrypted; by default it is as the old one.")
]
NoSign = Annotated[bool, typer.Option("--no-sign", help="Sign no root here; rstuf sign does, or bundles do.")]
TargetsThreshold = Annotated[
    int | None,
    typer.Option("--targets-threshold", metavar="N", help="How many must sign targets from then on.", min=1),
]
AT_ONCE: Final = rstuf.parse_duration("1s")


def rotate(
    ctx: typer.Context,
    *,
    name: Name,
    to: To = None,
    kind: Kind = None,
    overlap: Annotated[
        str, typer.Option("--overlap", metavar="PERIOD", help="How long both sign after the new root; 1d by default.")
    ] = DEFAULT_OVERLAP,
    unencrypted: Unencrypted = False,
    let_back: LetBack = False,
    no_sign: NoSign = False,
    transcript: TranscriptFile = None,
) -> int:
    """Let another online key take the place of one, so that no client notices.

    From now on both keys sign. A root that names the new one alone waits for its signers; you see what it changes, and
    the root keys that are here sign it once you agree. Both keys sign on for the overlap, then rstuf renew lets go of
    the old one. --yes answers beforehand. Run again while that goes on, it tells how far it is and does what can be
    done. Of a key that is lost or leaked, see rstuf recover online-key.
    """
    run = run_of(ctx)
    record = Transcript(run, transcript)
    wish = Wish(
        why=rstuf.RotationKind.PLANNED,
        to=to,
        kind=None if kind is None else kind.value,
        overlap=rstuf.parse_duration(overlap),
        unencrypted=unencrypted,
        keys_sign=not no_sign,
        let_back=let_back,
    )
    with run.open(making=names_to_come) as repository:
        code = replace_online_key(run, repository, find_key(repository, name).entry, wish)
    return record.end(code)


def revoke(
    ctx: typer.Context,
    *,
    name: Name,
    threshold: Annotated[
        int | None,
        typer.Option(
            "--threshold", metavar="N", help="How many must sign root from then on, or targets, or below.", min=1
        ),
    ] = None,
    targets_threshold: TargetsThreshold = None,
    lost: Lost = False,
    leaked: Leaked = False,
    to: To = None,
    kind: Kind = None,
    unencrypted: Unencrypted = False,
    let_back: LetBack = False,
    no_sign: NoSign = False,
    transcript: TranscriptFile = None,
) -> int:
    """Let a key sign nothing any more.

    A key of root, of targets or of both goes with one root that does not list it, which waits for its signers. A
    delegate's key goes with a delegation to the others; where too few would be left, you are told what comes first, and
    where it signs several roles, which comes after which. The online key needs another one in its place: say whether it
    is --lost or --leaked, and everything is signed anew as soon as root is. A key that leaked can never be let in
    again. You are asked before; --yes answers beforehand. The log says when it was done.
    """
    run = run_of(ctx)
    loss = loss_of(lost=lost, leaked=leaked)
    record = Transcript(run, transcript)
    with run.open(making=names_to_come) as repository:
        repository.events.catch_up()
        view = find_key(repository, name)
        wish = None
        if view.status.online or _rotates(repository, view.entry):
            wish = Wish(
                why=reason(lost=lost, leaked=leaked),
                to=to,
                kind=None if kind is None else kind.value,
                overlap=AT_ONCE,
                unencrypted=unencrypted,
                keys_sign=not no_sign,
                let_back=let_back,
            )
        removal = Removal(
            threshold=threshold,
            targets_threshold=targets_threshold,
            loss=loss,
            keys_sign=not no_sign,
            let_back=let_back,
        )
        with noting_leak(run, repository, view.entry, leaked=leaked):
            if wish is not None:
                code = replace_online_key(run, repository, view.entry, wish)
            elif to is not None or kind is not None or unencrypted:
                raise UsageFault(
                    f"{name} is no online key, and nothing takes its place here",
                    hint=way_with_another(repository, view, loss),
                )
            else:
                code = take_out(run, repository, view, removal)
    return record.end(code)


def reason(*, lost: bool, leaked: bool) -> rstuf.RotationKind:
    """Why an online key is replaced at once.

    Raises:
        UsageFault: neither of the two is said, or both are.
    """
    if lost == leaked:
        hint = "--leaked if anybody else may have it, else --lost; rstuf key rotate replaces one that is well"
        raise UsageFault("say why the online key is replaced: --lost or --leaked", hint=hint)
    return rstuf.RotationKind.LEAKED if leaked else rstuf.RotationKind.LOST


def _rotates(repository: rstuf.Repository, entry: rstuf.KeyEntry) -> bool:
    rotation = repository.rotations.current()
    return rotation is not None and entry.keyid in {rotation.old, rotation.new}

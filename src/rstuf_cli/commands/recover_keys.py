"""`rstuf recover online-key, root-key, root-keys, root`: what to do when a key is lost, or somebody else has it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import rstuf
from rstuf.clock import SystemClock, iso
from rstuf.errors import InvalidInput
from rstuf_cli.commands.key import Name
from rstuf_cli.commands.renew import renewal_document, tell_renewal
from rstuf_cli.commands.rotate import AT_ONCE, Kind, NoSign, TargetsThreshold, To, Unencrypted, reason
from rstuf_cli.event_steps import steps_of
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.losses import Leaked, LetBack, Lost, loss_of, noting_leak
from rstuf_cli.must_go import leaks_that_stay
from rstuf_cli.named_keys import find_key
from rstuf_cli.new_online_key import Wish, names_to_come
from rstuf_cli.out_of_delegations import delegations_of
from rstuf_cli.root_keys_gone import (
    CAN,
    CANNOT,
    LOST_CAN,
    LOST_CANNOT,
    root_of_others,
    steps_first,
    steps_of_leak,
    tell_root_keys,
    texts_of,
)
from rstuf_cli.rotating import replace_online_key
from rstuf_cli.run import run_of
from rstuf_cli.steps import Step, show_steps, steps_document
from rstuf_cli.taking_out import Removal, no_root_takes_out, take_out, tell_gone
from rstuf_cli.transcript import Transcript, TranscriptFile
from rstuf_cli.wording import both, number, seconds

EXAMPLES = {
    "recover online-key": """
rstuf recover online-key --lost
rstuf recover online-key online --leaked --to spare
rstuf recover online-key online --leaked --unencrypted --yes
rstuf recover online-key online-2 --leaked   of two, the new one
""",
    "recover root-key": """
rstuf recover root-key bob --to bob-2
rstuf recover root-key bob --leaked --to bob-2
rstuf recover root-key bob               without another in its place
""",
    "recover root-keys": """
rstuf recover root-keys
rstuf recover root-keys --out root-to-pin.json
""",
    "recover root": """
rstuf recover root
""",
}


def online_key(
    ctx: typer.Context,
    *,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Which; needed where it leaked, or there are two."),
    ] = None,
    lost: Lost = False,
    leaked: Leaked = False,
    to: To = None,
    kind: Kind = None,
    unencrypted: Unencrypted = False,
    let_back: LetBack = False,
    no_sign: NoSign = False,
    transcript: TranscriptFile = None,
) -> int:
    """Put another key in the place of an online key that is lost or leaked.

    A new root names the new key alone, and right after it everything is signed anew. Clients come along by themselves,
    also those that a thief has shown versions far ahead. Where people sign targets, they must sign that anew as well:
    until then a leaked key can still change contents. The root keys that are needed sign here, or elsewhere by bundles.
    You are asked before; --yes answers beforehand. Run again with the key's name, it goes on, or says which key took
    its place. Where the one that takes its place must go too, name that: a third one then replaces both.
    """
    run = run_of(ctx)
    record = Transcript(run, transcript)
    wish = Wish(
        why=reason(lost=lost, leaked=leaked),
        to=to,
        kind=None if kind is None else kind.value,
        overlap=AT_ONCE,
        unencrypted=unencrypted,
        keys_sign=not no_sign,
        let_back=let_back,
    )
    with run.open(making=names_to_come) as repository:
        repository.events.catch_up()
        old = find_key(repository, name).entry if name is not None else _the_online_key(repository, wish)
        with noting_leak(run, repository, old, leaked=leaked):
            code = replace_online_key(run, repository, old, wish)
    return record.end(code)


def _the_online_key(repository: rstuf.Repository, wish: Wish) -> rstuf.KeyEntry:
    """
    Raises:
        UsageFault: one takes the place of another, and either may be meant: the wrong guess leaves the other in charge.
    """
    rotation, views = repository.rotations.current(), repository.view_keys()
    if rotation is not None:
        called: dict[str, str] = {view.entry.keyid: view.entry.name for view in views}
        old, new = called.get(rotation.old, rotation.old[:12]), called.get(rotation.new, rotation.new[:12])
        raise UsageFault(
            f"which online key? {new} is taking the place of {old}",
            hint=f"rstuf recover online-key {old} --{wish.why}, or {new} if that one must go",
        )
    found = [view.entry for view in views if view.status.online]
    if len(found) != 1:
        names = ", ".join(entry.name for entry in found) or "none"
        raise InvalidInput(f"which online key? there are {names}", hint=f"rstuf recover online-key NAME --{wish.why}")
    if wish.why is rstuf.RotationKind.LEAKED:
        # Run again, it would replace the key that has just taken its place.
        raise UsageFault("which online key leaked?", hint=f"rstuf recover online-key {found[0].name} --leaked")
    return found[0]


def root_key(
    ctx: typer.Context,
    *,
    name: Name,
    to: Annotated[str | None, typer.Option("--to", metavar="NAME", help="The key that takes its place.")] = None,
    threshold: Annotated[
        int | None, typer.Option("--threshold", metavar="N", help="How many must sign from now on.", min=1)
    ] = None,
    targets_threshold: TargetsThreshold = None,
    lost: Lost = False,
    leaked: Leaked = False,
    let_back: LetBack = False,
    no_sign: NoSign = False,
    transcript: TranscriptFile = None,
) -> int:
    """Put another key in the place of a root key that is lost or leaked, while enough others are left.

    Or of a key with which a person signs targets. Where that alone signs it, one root lets the other in first, and you
    are told how to take the old one out after it.

    One new root takes the old key out and lets the new one in, also for targets where the old one signs that. As many
    of the old keys as root asks for must sign it, and so must the new: the lost one is not needed, and the leaked one
    cannot prevent it. You see what it changes, and are asked; --yes answers beforehand. Say --lost or --leaked, and it
    is noted with the key.
    """
    run = run_of(ctx)
    loss = loss_of(lost=lost, leaked=leaked)
    record = Transcript(run, transcript)
    with run.open() as repository:
        repository.events.catch_up()
        old = find_key(repository, name)
        with noting_leak(run, repository, old.entry, leaked=leaked):
            _refuse_others(repository, old, loss, to=to)
            removal = Removal(
                to=None if to is None else find_key(repository, to).entry.name,
                threshold=threshold,
                targets_threshold=targets_threshold,
                loss=loss,
                keys_sign=not no_sign,
                let_back=let_back,
            )
            code = (tell_gone if old.retired else take_out)(run, repository, old, removal)
    return record.end(code)


def _refuse_others(
    repository: rstuf.Repository, old: rstuf.KeyView, loss: rstuf.Loss | None, *, to: str | None
) -> None:
    """
    Raises:
        InvalidInput: the key signs nothing that a root lets people sign, and never did.
    """
    name, roles = old.entry.name, {use.role for use in old.uses}
    if "root" not in roles and old.status.online:
        why = "--lost or --leaked is for that one" if loss is None else f"--{loss.value}"
        raise InvalidInput(f"{name} does not sign root", hint=f"rstuf recover online-key {name} {why}")
    if old.retired or roles & {"root", "targets"}:
        return
    if to is None and delegations_of(repository, old):
        why = "" if loss is None else f" --{loss.value}"
        below = f"rstuf key revoke {name}{why} takes it out of what it signs below targets"
        raise InvalidInput(f"{name} signs neither root nor targets", hint=below)
    if roles:
        raise no_root_takes_out(repository, old, to=to)
    raise InvalidInput(f"{name} signs neither root nor targets", hint="rstuf root show says who does")


def root_keys(
    ctx: typer.Context,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the newest root, for those who pin it anew.")
    ] = None,
) -> None:
    """Say what can be done when too many root keys leaked or are lost, and what cannot.

    That is: as many leaked as root asks for, or fewer are left. With --out it also writes the newest root and shows its
    fingerprint: what clients are to be given again, by a way that whoever has the keys does not control. That is
    refused while another root follows which is not yours. Nothing is signed.
    """
    run = run_of(ctx)
    with run.open() as repository:
        version = repository.visible_versions().root
        data = repository.root(version)
        seen = repository.status()
    theirs = root_of_others(seen)
    if data is None:
        raise InvalidInput(f"there is no root v{version} here", hint="rstuf doctor says what is wrong")
    facts = rstuf.read_root(data)
    if out is not None:
        if theirs is not None and theirs.event is not None:
            raise theirs
        if theirs is not None:
            named = f"{theirs.visible}.root.json"
            raise InvalidInput(
                f"{named} follows root v{version}, rightly signed: who pins v{version} anew follows it, too",
                hint=f"if none of you signed it, move {named} away, sign one that takes its place with "
                "rstuf root update, and write that; rstuf recover root-keys says all of it",
            )
        _write_new(out, data)
    steps = [*steps_first(theirs), *([] if seen.root_lost else steps_of_leak(facts, out))]
    run.console.document(
        {
            "version": version,
            "sha256": facts.pin.sha256,
            "words": rstuf.fingerprint_words(facts.pin.sha256),
            "expires": iso(facts.expires),
            "file": None if out is None else str(out),
            "can": texts_of(CAN),
            "cannot": texts_of(CANNOT),
            "lost": {"can": texts_of(LOST_CAN), "cannot": texts_of(LOST_CANNOT)},
            "next_steps": steps_document(steps),
        }
    )
    if not run.console.is_json:
        tell_root_keys(run.console, facts, out)
        show_steps(run.console, steps, now=SystemClock().now())


def _write_new(place: Path, data: bytes) -> None:
    """
    Raises:
        InvalidInput: something is there already.
    """
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise InvalidInput(f"{place} is there already", hint="move it away, or name another file") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def root(ctx: typer.Context, *, transcript: TranscriptFile = None) -> int:
    """Sign a root that has expired, or soon will, for longer.

    Clients that meet an expired root stop; they go on by themselves once a newer one is published, however old the one
    is that they know. With enough root keys here it is published at once, else it waits in an event for those who are
    away. Nothing but its version and its expiry changes. One that is not due is not signed again.
    """
    run = run_of(ctx)
    lasted, now = run.lasted(), SystemClock().now()
    record = Transcript(run, transcript)
    with run.open() as repository:
        facts = rstuf.read_root(repository.root(repository.visible_versions().root) or b"")
        _refuse_undue(repository, facts)
        tense = "expires" if facts.expires > now else "expired"
        run.console.note(f"root v{number(facts.pin.version)} {tense} {both(facts.expires, now)}")
        run.interrupted = "what clients see is whole; run it again unless rstuf root show has the new root"
        # It is due, so it needs no force: whoever comes second finds it done.
        report = repository.renew()
        leaks = leaks_that_stay(repository, report.leaked)
        waiting = [view for view in repository.events.views() if view.event.role == "root"]
    run.progress.close()
    steps = _steps_of_renewal(waiting)
    run.console.document({**renewal_document(report, leaks), "next_steps": steps_document(steps)})
    tell_renewal(run.console, report, leaks, took=seconds(lasted()))
    show_steps(run.console, steps, now=now)
    return record.end(ExitCode.WAITING if report.waiting or waiting else ExitCode.DONE)


def _refuse_undue(repository: rstuf.Repository, facts: rstuf.RootFacts) -> None:
    """
    Raises:
        InvalidInput: root lives on, and nobody needs another one.
    """
    (seen,) = [role for role in repository.status().roles if role.name == "root"]
    if seen.health == rstuf.Health.HEALTHY:
        now, version = SystemClock().now(), number(facts.pin.version)
        raise InvalidInput(
            f"root v{version} is not due: it expires {both(facts.expires, now)}, and is to be signed again "
            f"{both(seen.sign_by, now)}",
            hint="rstuf renew --force root signs it all the same",
        )


def _steps_of_renewal(waiting: Sequence[rstuf.EventView]) -> list[Step]:
    """What to do about a root that waits, which need not be the renewal that was asked for."""
    steps = []
    for view in waiting:
        if view.event.kind != rstuf.EventKind.RENEWAL:
            why = "it waits already and changes who signs, so no renewal is opened beside it: look before you sign"
            steps.append(Step(f"rstuf event show {view.event.name}", why))
        steps += steps_of(view)
    if waiting:
        steps.append(Step("rstuf recover root-keys", "if keys are gone for good, and too few are left to sign"))
    return steps

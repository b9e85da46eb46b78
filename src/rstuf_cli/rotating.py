"""Another online key: made where the old one lies, let in by a new root, and told of however far it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import rstuf
from rstuf.clock import SystemClock, iso
from rstuf.errors import InvalidInput, InvalidKey
from rstuf_cli import proposing
from rstuf_cli.console import escape
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.reports import sign
from rstuf_cli.review_screen import review_document
from rstuf_cli.run import Run
from rstuf_cli.steps import Step, show_steps, steps_document
from rstuf_cli.wording import day, period

DEFAULT_OVERLAP: Final = "1d"
_MOST: Final = 1000
_FILE: Final = "file:"
_ANSWERS: Final = "--yes says that it is; with --no-sign, rstuf sign signs its root later"
_KINDS: Final = ("rotation", "replacement")
_WHY: Final = {
    rstuf.RotationKind.PLANNED: "both keys sign until clients know the new one; none of them notices",
    rstuf.RotationKind.LOST: "it can sign nothing more: a new root comes first, and everything is signed anew after it",
    rstuf.RotationKind.LEAKED: "a new root names the new key alone, and everything is signed anew: that is what lets "
    "clients forget whatever was signed with the leaked one",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is wanted of a replacement.

    Attributes:
        to: the name of a key that is here already; None for a new one.
        kind: of the new key; None for the old one's.
        unencrypted: whether the new one's file is to be; else as the old one's.
        keys_sign: whether the keys that are here sign its event at once.
    """

    why: rstuf.RotationKind
    to: str | None = None
    kind: str | None = None
    overlap: timedelta
    unencrypted: bool = False
    keys_sign: bool = True


def find_key(repository: rstuf.Repository, name: str) -> rstuf.KeyView:
    """A key by its name.

    Raises:
        InvalidInput: none is called that.
    """
    views = repository.view_keys()
    for view in views:
        if view.entry.name.lower() == name.lower():
            return view
    raise InvalidInput(f"no key is called {name}", hint=f"its keys: {', '.join(view.entry.name for view in views)}")


def replace_online_key(run: Run, repository: rstuf.Repository, old: rstuf.KeyEntry, wish: Wish) -> int:
    """Let another key take the place of an online key, or go on with that; the exit code."""
    going = repository.events.rotation()
    if going is None:
        _begin(run, repository, old, wish)
    else:
        _check_same(repository, going, old, wish)
        if rstuf.RotationKind.PLANNED is going.kind is not wish.why:
            proposing.refuse_unasked(run)
            proposing.ask_typed(run, old.name, to="let go of it at once")
            repository.events.hasten(wish.why)
    return _go_on(run, repository, wish)


def _begin(run: Run, repository: rstuf.Repository, old: rstuf.KeyEntry, wish: Wish) -> None:
    desk, name = repository.events, escape(old.name)
    opened = next((view for view in desk.views() if view.event.role == "root"), None)
    # Refused before a key is made for it.
    _check_online(repository, old)
    if wish.keys_sign or opened is not None or wish.why is not rstuf.RotationKind.PLANNED:
        proposing.refuse_unasked(run, hint=_ANSWERS)
    if wish.to is not None:
        find_key(repository, wish.to)
    run.console.note(f"{name} is to be replaced: {_WHY[wish.why]}")
    if opened is not None:
        proposing.ask_drop(run, repository, opened.event.name, proposing.signed_in(opened))
    if wish.why is not rstuf.RotationKind.PLANNED:
        proposing.ask_typed(run, old.name, to="replace it at once")
    new = wish.to if wish.to is not None else _made(run, repository, old, wish)
    if wish.to is None:
        run.keeps(f"the key {new}")
    run.interrupted = "run it again: it goes on from here"
    desk.rotate(old.name, new, kind=wish.why, overlap=wish.overlap, drop=opened is not None)


def _check_online(repository: rstuf.Repository, old: rstuf.KeyEntry) -> None:
    if not find_key(repository, old.name).status.online:
        hint = "rstuf key list shows which is; rstuf root update changes others"
        raise InvalidInput(f"{old.name} is not an online key", hint=hint)


def _check_same(repository: rstuf.Repository, going: rstuf.Rotation, old: rstuf.KeyEntry, wish: Wish) -> None:
    """
    Raises:
        InvalidInput: another rotation goes on.
    """
    names = _names(repository)
    before, after = names.get(going.old, going.old[:12]), names.get(going.new, going.new[:12])
    if wish.to is not None and wish.to.lower() != after.lower():
        raise InvalidInput(
            f"{after} is taking the place of {before} already", hint=f"rstuf key rotate {before} shows how far"
        )
    if old.keyid == going.new and wish.why is not rstuf.RotationKind.PLANNED:
        # Going on would end with exactly the key that must go.
        back = f"rstuf event cancel root takes it back; then let another take the place of {before}"
        hint = back if going.root_version is None else f"rstuf recover online-key {before} --lost ends that; then again"
        raise InvalidInput(f"{after} is taking the place of {before} now", hint=hint)
    if old.keyid not in {going.old, going.new}:
        raise InvalidInput(f"{after} is taking the place of {before} now", hint="end that first: rstuf renew")


def _go_on(run: Run, repository: rstuf.Repository, wish: Wish) -> int:
    """Sign what waits with the keys that are here, let out what is complete, and tell how far it came."""
    desk = repository.events
    desk.complete()
    views = [view for view in desk.views() if view.event.kind in _KINDS or view.event.role == "targets"]
    document: dict[str, Any] = {}
    standing = proposing.Standing(waiting=tuple(views))
    if wish.keys_sign and any(view.here for view in views):
        proposing.refuse_unasked(run, hint=_ANSWERS)
        reviews = [proposing.review_of(repository, desk.bundle(view.event.name)) for view in views]
        for review in reviews:
            proposing.show_review(run, review)
        document["reviews"] = [review_document(review) for review in reviews]
        names = [view.event.name for view in views]
        if proposing.agrees(run, f"Sign {' and '.join(names)} with the keys that are here?"):
            standing = proposing.sign_here(run, repository, names, keys=True)
    run.progress.close()
    return _tell(run, repository, standing, document)


def _tell(run: Run, repository: rstuf.Repository, standing: proposing.Standing, document: dict[str, Any]) -> int:
    console, now, rotation = run.console, SystemClock().now(), repository.events.rotation()
    steps = proposing.steps_of(standing)
    until = None
    if rotation is not None and rotation.rooted is not None:
        until = rotation.rooted + rotation.overlap
        steps.append(Step("rstuf renew", "then ends it; a timer that runs it does so by itself", by=until))
    console.document(
        {
            **document,
            **proposing.standing_document(standing),
            "rotation": None if rotation is None else _document(rotation, _names(repository)),
            "next_steps": steps_document(steps),
        }
    )
    proposing.tell_standing(console, standing)
    done = sign(console, ok=True)
    if rotation is None:
        console.result(f"{done} the new key signs alone now; nothing names the old one any more")
        steps.append(Step("rstuf verify", "looks at all of it, as clients do"))
    else:
        names = {keyid: escape(name) for keyid, name in _names(repository).items()}
        old, new = names.get(rotation.old, rotation.old[:12]), names.get(rotation.new, rotation.new[:12])
        if until is not None:
            over = until <= now
            told = "what is left is to let go of the old one" if over else f"both sign until {day(until, now)}"
            console.folded_result(f"{done} root v{rotation.root_version} names {new} alone; {told}", indent=2)
        elif rotation.kind is rstuf.RotationKind.PLANNED:
            span = period(rotation.overlap)
            console.folded_result(
                f"{done} {old} and {new} both sign now; once root names {new} alone they go on for {span}", indent=2
            )
        else:
            console.folded_result(f"  {new} signs everything anew as soon as root is signed", indent=2)
    show_steps(console, steps, now=now)
    return ExitCode.WAITING if standing.waiting else standing.exit_code


def _document(rotation: rstuf.Rotation, names: dict[Any, str]) -> dict[str, Any]:
    return {
        "kind": rotation.kind.value,
        "old": {"keyid": rotation.old, "name": names.get(rotation.old)},
        "new": {"keyid": rotation.new, "name": names.get(rotation.new)},
        "root_version": rotation.root_version,
        "until": None if rotation.rooted is None else iso(rotation.rooted + rotation.overlap),
    }


def _names(repository: rstuf.Repository) -> dict[Any, str]:
    return {entry.keyid: entry.name for entry in repository.keys()}


# --- the new key


def _made(run: Run, repository: rstuf.Repository, old: rstuf.KeyEntry, wish: Wish) -> str:
    """The name of a new key in keys/, which is known from here on. What an interruption left is taken as it is."""
    base = rstuf.find_workspace(run.directory)
    if old.signer is not None and not old.signer.startswith(_FILE):
        hint = "make another one there (rstuf key generate NAME --signer URI), then say --to NAME"
        raise UsageFault(f"{old.name} is in no file: {old.signer}", hint=hint)
    planned = wish.why is rstuf.RotationKind.PLANNED
    encrypt = not wish.unencrypted and _is_encrypted(base, old)
    kind = wish.kind or old.key.keytype
    for name in _free_names(old.name):
        known = next((entry for entry in repository.keys() if entry.name.lower() == name.lower()), None)
        place = Path("keys", f"{name}.key")
        if known is not None:
            # An older key beside one that leaked may have leaked with it.
            if planned and known.signer == f"{_FILE}{place}" and _is_idle(repository, known):
                return known.name
            continue
        try:
            entry = rstuf.make_key(
                base, name, kind=kind, encrypt=encrypt, place=place, reuse=planned, session=run.session(new_keys=1)
            )
        except InvalidKey:
            if planned:
                raise
            continue
        run.keeps(f"the key, in {base / place}")
        repository.add_key(name, entry.key, signer=entry.signer)
        run.console.note(f"{escape(name)} is made, in {escape(str(place))}")
        return name
    raise InvalidInput(f"there are too many keys called {old.name}-…", hint="name one that is here: --to NAME")


def _free_names(name: str) -> Sequence[str]:
    """`online-2`, `online-3`, …; behind `online-2`, `online-3`."""
    stem, _, last = name.rpartition("-")
    first = 2
    if stem and last.isascii() and last.isdigit() and len(last) < 5:
        name, first = stem, int(last) + 1
    return [f"{name}-{number}" for number in range(first, first + _MOST)]


def _is_encrypted(base: Path, old: rstuf.KeyEntry) -> bool:
    """Whether the old key's file is; a file that cannot be looked at any more says nothing against it."""
    if old.signer is None:
        return True
    try:
        return rstuf.look_at_key(base / old.signer.removeprefix(_FILE)).encrypted
    except (rstuf.errors.RstufError, OSError):
        return True


def _is_idle(repository: rstuf.Repository, entry: rstuf.KeyEntry) -> bool:
    """Whether no root has ever listed a key."""
    newest = repository.visible_versions().root
    roots = [repository.root(version) or b"" for version in range(1, newest + 1)]
    return not any(entry.keyid.encode() in data for data in roots)

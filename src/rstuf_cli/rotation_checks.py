"""What must be so before another key takes the place of an online key."""

from __future__ import annotations

import rstuf
from rstuf.errors import InvalidInput
from rstuf_cli.failures import UsageFault
from rstuf_cli.named_keys import find_key, names_of
from rstuf_cli.new_online_key import IN_FILE, Wish, is_well
from rstuf_cli.run import Run


def check_new(
    repository: rstuf.Repository, old: rstuf.KeyEntry, wish: Wish, *, like: rstuf.KeyEntry | None = None
) -> None:
    """The key that is to come can take the place of `old`.

    Raises:
        InvalidInput: the key that is named cannot take the place of `old`.
        UsageFault: none is named, and none can be made where `like`, or else the old one, is.
    """
    if wish.to is not None:
        repository.rotations.check_replacement(old.name, find_key(repository, wish.to).entry.name)
        return
    beside = like or old
    if beside.signer is not None and not beside.signer.startswith(IN_FILE):
        where = "make another one there" if wish.why is rstuf.RotationKind.PLANNED else "make another one elsewhere"
        raise UsageFault(
            f"{beside.name} is in no file: {beside.signer}",
            hint=f"{where} (rstuf key generate NAME --signer URI), then say --to NAME",
        )


def check_online(repository: rstuf.Repository, old: rstuf.KeyEntry, wish: Wish) -> None:
    """`old` is an online key.

    Raises:
        InvalidInput: it is none.
    """
    view = find_key(repository, old.name)
    if not view.status.online:
        hint = "rstuf key list shows which is; rstuf root update changes others"
        if wish.why is not rstuf.RotationKind.PLANNED:
            hint = f"rstuf key revoke {old.name} --{wish.why.value}"
        elif not view.uses:
            hint = f"it signs nothing; if it leaked, rstuf key revoke {old.name} --leaked notes that"
        raise InvalidInput(f"{old.name} is not an online key", hint=hint)


def check_lost(run: Run, old: rstuf.KeyEntry, wish: Wish) -> None:
    """A key that is said to be lost is.

    Raises:
        InvalidInput: it is said to be lost, and is here, and signs.
    """
    if wish.why is rstuf.RotationKind.LOST and is_well(run, old):
        raise InvalidInput(
            f"{old.name} is not lost: it is here, and signs",
            hint=f"rstuf key rotate {old.name} replaces a key that is well; if anybody else may have it: "
            f"rstuf recover online-key {old.name} --leaked",
        )


def without_to(name: str, wish: Wish) -> str:
    """What goes on with a key that must go, where another one is to have its place already."""
    return f"rstuf recover online-key {name} --{wish.why.value}, without --to"


def check_same(repository: rstuf.Repository, going: rstuf.Rotation, old: rstuf.KeyEntry, wish: Wish) -> None:
    """What goes on is what is asked for.

    Raises:
        InvalidInput: another rotation goes on.
    """
    names = names_of(repository)
    before, after = names.get(going.old, going.old[:12]), names.get(going.new, going.new[:12])
    if old.keyid in {going.old, going.new}:
        if wish.to is not None and wish.to.lower() != after.lower():
            planned = wish.why is rstuf.RotationKind.PLANNED
            hint = f"rstuf key rotate {before} shows how far" if planned else without_to(before, wish)
            raise InvalidInput(f"{after} is taking the place of {before} already", hint=hint)
        return
    hint = f"rstuf key rotate {before} goes on with that, and shows how far it is"
    if wish.why is not rstuf.RotationKind.PLANNED and not find_key(repository, old.name).status.online:
        hint = (
            f"{old.name} is no online key; rstuf key revoke {old.name} --{wish.why.value} takes it out, or notes that"
        )
    raise InvalidInput(f"{after} is taking the place of {before} now", hint=hint)

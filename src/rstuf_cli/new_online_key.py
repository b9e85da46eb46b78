"""The new online key: what is wanted of it, what it is called, and how it is made where the old one lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import rstuf
from rstuf.errors import InvalidInput, InvalidKey, PassphraseNeeded
from rstuf_cli.console import escape
from rstuf_cli.run import Run

IN_FILE: Final = "file:"
_MOST: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is wanted of a replacement.

    Attributes:
        to: the name of a key that is here already; None for a new one.
        kind: of the new key; None for the old one's.
        unencrypted: whether the new one's file is to be; else as the old one's.
        keys_sign: whether the keys that are here sign its event at once.
        let_back: whether `to` is well, though it was dropped before the state was lost.
    """

    why: rstuf.RotationKind
    to: str | None = None
    kind: str | None = None
    overlap: timedelta
    unencrypted: bool = False
    keys_sign: bool = True
    let_back: bool = False


def made_key(run: Run, repository: rstuf.Repository, old: rstuf.KeyEntry, wish: Wish) -> str:
    """The name of a new key in keys/, which is known from here on. What an interruption left is taken as it is."""
    base = rstuf.find_workspace(run.directory)
    planned = wish.why is rstuf.RotationKind.PLANNED
    was_encrypted = _is_encrypted(base, old)
    # What cannot be looked at says nothing against it.
    encrypt = not wish.unencrypted and was_encrypted is not False
    kind = wish.kind or old.key.keytype
    for name in _free_names(old.name):
        known = next((entry for entry in repository.keys() if entry.name.lower() == name.lower()), None)
        place = Path("keys", f"{name}.key")
        if known is not None:
            # An older key beside one that leaked may have leaked with it.
            if wish.why is not rstuf.RotationKind.LEAKED and _is_unused(repository, known, place):
                return known.name
            continue
        run.interrupted = f"run it again; at most the key {name} is new"
        try:
            entry = rstuf.make_key(
                base, name, kind=kind, encrypt=encrypt, place=place, reuse=planned, session=run.session(new_keys=1)
            )
        except InvalidKey:
            if planned:
                raise
            continue
        except PassphraseNeeded as error:
            if was_encrypted is None:
                error.hint = f"{error.hint}; or --unencrypted, if {old.name} was"
            raise
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


def _is_encrypted(base: Path, old: rstuf.KeyEntry) -> bool | None:
    """Whether the old key's file is; None where it cannot be looked at any more."""
    if old.signer is None:
        return None
    try:
        return rstuf.look_at_key(base / old.signer.removeprefix(IN_FILE)).encrypted
    except (rstuf.errors.RstufError, OSError):
        return None


def _is_unused(repository: rstuf.Repository, entry: rstuf.KeyEntry, place: Path) -> bool:
    """Whether a key is whole where a new one would be, and no root has ever listed it: its use was interrupted."""
    if entry.signer != f"{IN_FILE}{place}" or entry.report is not None:
        return False
    view = next(view for view in repository.view_keys() if view.entry.keyid == entry.keyid)
    newest = repository.visible_versions().root
    roots = [repository.root(version) or b"" for version in range(1, newest + 1)]
    return view.status.fault is None and not any(entry.keyid.encode() in data for data in roots)


def names_to_come(entries: Sequence[rstuf.KeyEntry], base: Path) -> list[str]:
    """What the key would be called that takes the place of one of these, whichever that is."""
    taken = {entry.name.lower() for entry in entries}
    found = []
    for entry in entries:
        for name in _free_names(entry.name):
            found.append(name)
            if name.lower() not in taken and not base.joinpath("keys", f"{name}.key").exists():
                break
    return found


def is_well(run: Run, entry: rstuf.KeyEntry) -> bool:
    """Whether a key's file is here and signs, as far as that shows without asking anybody."""
    if entry.signer is None or not entry.signer.startswith(IN_FILE):
        return False
    search = rstuf.Search.HERE if run.names_workspace else rstuf.Search.UPWARDS
    with rstuf.open_repository(run.directory, run.session_that_asks_nobody(), search=search) as repository:
        return repository.opens(entry)

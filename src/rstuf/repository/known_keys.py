"""The keys that a repository knows: by what name, and which of them are lost or leaked."""

from __future__ import annotations

from datetime import datetime

from rstuf.errors import InvalidInput, nearest
from rstuf.model.keys import KeyEntry, KeyId, Loss, LossReport
from rstuf.repository.interfaces import StateReader, StateTransaction


def names_of(reader: StateReader) -> dict[KeyId, str]:
    """What each key is called here."""
    return {entry.keyid: entry.name for entry in reader.keys()}


def key_named(reader: StateReader, name: str) -> KeyEntry:
    """The key of that name; the case of its letters is no matter.

    Raises:
        InvalidInput: there is none.
    """
    entries = reader.keys()
    for entry in entries:
        if entry.name.casefold() == name.casefold():
            return entry
    meant = nearest(name, [entry.name for entry in entries])
    guess = f"did you mean {meant}? " if meant is not None else ""
    raise InvalidInput(f"no key is called {name}", hint=f"{guess}rstuf key add {name} FILE lets it be known")


def leaked_keys(reader: StateReader) -> dict[KeyId, str]:
    """The keys that leaked, and what each is called here."""
    return {entry.keyid: entry.name for entry in reader.keys() if entry.is_leaked}


def report_loss(state: StateTransaction, keyid: KeyId, loss: Loss, *, at: datetime) -> None:
    """Note that a key is lost or leaked, from when that was said first; that it leaked is never taken back."""
    entry = state.key(keyid)
    if entry is None or entry.is_leaked or (entry.report is not None and entry.report.loss is loss):
        return
    state.report_key(keyid, LossReport(loss, at))
    state.record("key.report", {"key": entry.name, "keyid": keyid, "kind": loss.value}, at=at)


def note_found(state: StateTransaction, keyid: KeyId, *, at: datetime) -> None:
    """A lost key signs again, so somebody has found it."""
    entry = state.key(keyid)
    if entry is not None and entry.is_lost:
        state.report_key(keyid, None)
        state.record("key.found", {"key": entry.name, "keyid": keyid}, at=at)


def refuse_leaked(entry: KeyEntry) -> None:
    """
    Raises:
        InvalidInput: somebody else may have it, so that nothing may let it sign.
    """
    if entry.report is not None and entry.is_leaked:
        raise InvalidInput(
            f"{entry.name} leaked, as was said on {entry.report.at:%Y-%m-%d}: whoever has it could sign again",
            hint="let another one in: rstuf key generate NAME",
        )

"""Keys as the state has them: each in itself, and beside those that root and delegations list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Final
from urllib.parse import urlsplit

from rstuf.errors import shorten
from rstuf.metadata.audit.findings import Findings, Note
from rstuf.metadata.audit.keys import KeyRing, VerifyKey, load_key
from rstuf.model.keys import KeyEntry
from rstuf.model.names import ROOT
from rstuf.repository.bridge import once_online, out_of_place
from rstuf.repository.interfaces import StateReader
from rstuf.repository.verify_complaints import Complaints

_PRIVATE: Final = "PRIVATE KEY"


def check_keys(
    state: StateReader,
    complaints: Complaints,
    *,
    listed: Mapping[bytes, tuple[VerifyKey, str]] | None,
    of_bins: Set[bytes],
) -> None:
    """Compare the keys of the state with those that the visible metadata lists.

    Args:
        listed: by value, each with who lists it; None where root could not be read.
        of_bins: the values of those that are listed for bins.
    """
    values: dict[bytes, KeyEntry] = {}
    for entry in state.keys():
        name = f"the key {shorten(entry.name)}"
        for message in _secrets(entry):
            complaints.damaged(f"{name}: {message}")
        for value in _values(entry, name, complaints):
            if value in values:
                complaints.damaged(f"{name} is {shorten(values[value].name)} under another id")
            values[value] = entry
        if state.key(entry.keyid) != entry:
            complaints.damaged(f"{name} is not found by its id")
    if listed is None:
        return
    for value, (key, by) in listed.items():
        if value not in values:
            complaints.disagree(f"it lists the key {key.keyid}, which the state does not have", role=by)
    leaked = [shorten(entry.name) for value, entry in values.items() if value in listed and entry.is_leaked]
    if leaked:
        complaints.note(Note.LEAKED_KEY, f"keys that leaked, and may sign yet: {', '.join(sorted(leaked))}")
    below = {value: entry for value, entry in values.items() if value in listed and listed[value][1] != ROOT}
    if below and state.rotation() is None:
        # A role that is delegated to by its name has keys of its own, but for those that were online once.
        online = once_online(state)
        stray = [entry for value, entry in below.items() if value in of_bins or entry.keyid in online]
        found = out_of_place(state, [entry.keyid for entry in stray])
        names = ", ".join(sorted(shorten(entry.name) for entry in stray if entry.keyid in found))
        if names:
            complaints.note(Note.STRAY_KEY, f"keys that sign online, though root does not name them: {names}")
    unused = [shorten(entry.name) for value, entry in values.items() if value not in listed]
    if unused:
        complaints.note(Note.UNUSED_KEY, f"keys that no role lists (any more): {', '.join(sorted(unused))}")


def _values(entry: KeyEntry, name: str, complaints: Complaints) -> Iterator[bytes]:
    """The key's value, if it is a key at all and its id is the one that its value makes."""
    findings = Findings()
    key = load_key(entry.keyid, entry.key.to_dict(), where="state", findings=findings, ring=KeyRing())
    for finding in findings.problems:
        complaints.damaged(f"{name}: {finding.message}")
    if key is not None:
        yield key.value


def _secrets(entry: KeyEntry) -> Iterator[str]:
    """What must not be in a state, without quoting it."""
    if any(_PRIVATE in text for text in (entry.name, entry.key.public, entry.signer or "")):
        yield "a private key is in the state; whoever has read it can sign"
    try:
        password = urlsplit(entry.signer or "").password
    except ValueError:
        yield "its signer is no URI"
        return
    if password:
        yield "its signer's URI has a password in it"

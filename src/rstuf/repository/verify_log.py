"""The state's records of what happened: its publications, and the log that tells of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rstuf.clock import iso
from rstuf.metadata.audit.roots import Seen
from rstuf.model.audit import GENESIS, AuditEntry
from rstuf.model.publication import Publication, PublicationPhase
from rstuf.model.roles import RoleState
from rstuf.repository.interfaces import StateReader
from rstuf.repository.verify_complaints import Complaints

_UNFINISHED: Final = frozenset({PublicationPhase.STAGED, PublicationPhase.COMMITTING})
_FINISHED: Final = frozenset({PublicationPhase.DONE, PublicationPhase.ABANDONED})


@dataclass(slots=True)
class _Told:
    """The newest of each kind that the log tells of."""

    publication: int = 0
    root: int = 0
    number: int = 0

    def hear(self, entry: AuditEntry) -> None:
        """Take note of an entry."""
        action, details = entry.action, entry.details
        if action == "state.rebuild":
            self.publication = max(self.publication, _whole(details, "publication"))
            self.root = max(self.root, _whole(details, "version"))
            self.number = max(self.number, _whole(details, "number"))
        elif action == "publish" or action.startswith("publication."):
            self.publication = max(self.publication, _whole(details, "publication"))
        elif action.startswith("root."):
            self.root = max(self.root, _whole(details, "version"))
        elif action.startswith("artifacts."):
            self.number = max(self.number, _whole(details, "number"))


class RecordCheck:
    """Publications and log of one view of the state.

    Attributes:
        checked: how many log entries there are.
        head: the last of them.
        known: the one that has the digest which was sought, by its contents.
    """

    def __init__(self, state: StateReader, complaints: Complaints, *, sought: str | None = None) -> None:
        """
        Args:
            sought: a digest (hex) that an entry had when it was written down elsewhere.
        """
        self._state = state
        self._complaints = complaints
        self._sought = sought
        self._finished = 0
        self.checked = 0
        self.head: AuditEntry | None = None
        self.known: AuditEntry | None = None

    def publications(self, timestamp: RoleState | None, *, newest_number: int) -> None:
        """Each in itself and after the one before; the last that is done brought the visible timestamp."""
        before = done = None
        unfinished = 0
        for publication in self._state.publications():
            self._check_publication(publication, before, newest_number)
            before = publication
            unfinished += publication.phase in _UNFINISHED
            if publication.phase in _FINISHED:
                self._finished = publication.id
            if publication.phase is PublicationPhase.DONE:
                done = publication
        if unfinished > 1:
            self._complaints.damaged(f"{unfinished} publications are unfinished, and only one can be")
        if timestamp is not None:
            self._check_timestamp(timestamp, before, done)

    def _check_publication(self, this: Publication, before: Publication | None, newest_number: int) -> None:
        name = f"publication {this.id}"
        if this.number > newest_number:
            self._complaints.damaged(f"{name} is of change {this.number}, and {newest_number} is the newest")
        if before is not None and this.timestamp_version <= before.timestamp_version:
            self._complaints.damaged(f"{name} has not a newer timestamp than the one before it")
        done = this.phase is PublicationPhase.DONE
        if done is not (this.committed is not None):
            self._complaints.damaged(f"{name} is {this.phase.value}, and its end is {'not ' if done else ''}recorded")
        if this.timestamp is None and (done or this.phase is PublicationPhase.COMMITTING):
            self._complaints.damaged(f"the timestamp of {name} is not recorded")

    def _check_timestamp(self, role: RoleState, newest: Publication | None, done: Publication | None) -> None:
        if newest is not None and newest.timestamp_version > role.version:
            message = f"publication {newest.id} took version {newest.timestamp_version}, and it is at {role.version}"
            self._complaints.damaged(message, role=role.name)
        version = 0 if done is None else done.timestamp_version
        if version != role.visible:
            message = f"clients see version {role.visible}, and the last publication that is done brought {version}"
            self._complaints.damaged(message, role=role.name)
        elif done is not None and done.timestamp is not None and role.file is not None:
            seen = Seen.of(done.timestamp)
            if (seen.length, seen.sha256) != (role.file.length, role.file.sha256):
                message = f"the bytes that publication {done.id} brought are not those that are recorded of it"
                self._complaints.damaged(message, role=role.name)

    def log(self, *, newest_root: int, newest_number: int) -> None:
        """Every entry in its place, and none gone from the end: whatever the state knows to have happened is told.

        Args:
            newest_root, newest_number: of the newest root and of the newest change of a role's artifacts.
        """
        previous, sequence, told = GENESIS, 0, _Told()
        for entry in self._state.audit():
            sequence += 1
            self.checked += 1
            if entry.sequence != sequence:
                self._complaints.broken(f"entry {sequence} is missing; {entry.sequence} follows")
                sequence = entry.sequence
            elif entry.previous != previous:
                self._complaints.broken(f"entry {entry.sequence} does not follow from the one before it")
            digest = _digest(entry)
            if digest != entry.digest:
                self._complaints.broken(f"entry {entry.sequence} is not what was recorded")
            if digest == self._sought:
                self.known = entry
            self.head, previous = entry, entry.digest
            told.hear(entry)
        self._check_end(told, _Told(self._finished, newest_root, newest_number), sequence)
        if self._sought is not None and self.known is None:
            self._complaints.broken(
                f"no entry has the digest {self._sought}: the log was rewritten or cut off, or is another"
            )

    def _check_end(self, told: _Told, known: _Told, last: int) -> None:
        for what, heard, wanted in (
            ("publication", told.publication, known.publication),
            ("root version", told.root, known.root),
            ("change", told.number, known.number),
        ):
            if heard < wanted:
                ending = f"it ends with entry {last}" if last else "it is empty"
                self._complaints.broken(f"the state knows {what} {wanted} and the log does not tell of it: {ending}")


def _whole(details: Mapping[str, Any], name: str) -> int:
    value = details.get(name)
    return value if type(value) is int else 0


def _digest(entry: AuditEntry) -> str:
    """The digest of a log entry: SHA-256 over its fields as compact JSON with sorted keys."""
    fields: dict[str, Any] = {
        "sequence": entry.sequence,
        "at": iso(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "details": entry.details,
        "previous": entry.previous,
    }
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

"""What the state says of what clients see, beside what they see: versions, files, artifacts, roots, and its own log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson

from rstuf.clock import iso
from rstuf.errors import StateError
from rstuf.metadata.audit.findings import Code, Findings, Note
from rstuf.metadata.audit.roots import RootChain, Seen
from rstuf.metadata.audit.walk import Audit, Known, Reading
from rstuf.model.audit import GENESIS, AuditEntry
from rstuf.model.publication import Publication, PublicationPhase
from rstuf.model.roles import FileFacts, RoleKind, RoleState
from rstuf.repository.interfaces import StateReader

_ALL: Final = (0, 2**32 - 1)
_LISTED: Final = frozenset({RoleKind.TARGETS, RoleKind.BIN, RoleKind.DELEGATED})


@dataclass(frozen=True, slots=True)
class _Expected:
    """What clients should see of a role."""

    id: int
    kind: RoleKind
    version: int
    number: int
    file: FileFacts | None


class StateComparison:
    """Compares what the audit reads with one view of the state.

    Attributes:
        behind: whether clients see a newer timestamp than this view of the state knows.
        checked: counts by word.
    """

    def __init__(self, state: StateReader, findings: Findings) -> None:
        self._state = state
        self._findings = findings
        self._roles: dict[str, _Expected] = {}
        self._unfinished: Publication | None = None
        self._known: Known | None = None
        with self._reading("the roles"):
            self._roles = {str(role.name): _expected(role) for role in state.roles()}
            self._unfinished = state.unfinished_publication()
            self._known = self._learn()
        self.behind = False
        self.checked = {"state_roles": 0, "state_artifacts": 0, "log_entries": 0}

    def known(self) -> Known | None:
        """What helps the audit where a file is missing; None if the state itself cannot be read."""
        return self._known

    def _learn(self) -> Known:
        newest = self._state.newest_root()
        snapshot = self._roles.get("snapshot")
        return Known(
            root=newest.version if newest is not None and newest.settled else 0,
            snapshot=0 if snapshot is None else snapshot.version,
            roles={str(name): version for name, version in self._state.snapshot_entries()},
            names=frozenset(self._roles),
            keys={str(entry.keyid): entry.key.to_dict() for entry in self._state.keys()},
        )

    def top(self, audit: Audit) -> None:
        """Compare roots, timestamp and snapshot."""
        if self._known is None:
            return
        self._note_unfinished(audit)
        with self._reading("the roots"):
            if audit.roots is not None:
                self._compare_roots(audit.roots)
        for reading in (audit.timestamp, audit.snapshot):
            if reading is not None:
                self._compare_file(reading)
        if audit.snapshot is not None:
            self._compare_entries(audit)
        expected = self._roles.get("timestamp")
        if audit.timestamp is not None and expected is not None:
            self.behind = (audit.timestamp.version or 0) > expected.version

    def reading(self, reading: Reading) -> None:
        """Compare one targets role, file and artifacts."""
        if self._known is None:
            return
        self._compare_file(reading)
        expected = self._roles.get(reading.name)
        if expected is not None and not reading.shared:
            with self._reading(f"the artifacts of {reading.name}"):
                self._compare_artifacts(reading, expected)

    def finish(self, audit: Audit) -> None:
        """Check the log, once everything else was looked at."""
        with self._reading("the log"):
            self._check_log()
        if audit.timestamp is None and self._expects("timestamp"):
            self._disagree("timestamp", "the state knows a version that clients see, and there is none to see")

    # --- publications ------------------------------------------------------------------------------------

    def _note_unfinished(self, audit: Audit) -> None:
        publication = self._unfinished
        if publication is None:
            return
        self._findings.note(
            Note.UNFINISHED_PUBLICATION, f"publication {publication.id} was interrupted; rstuf publish completes it"
        )
        visible = audit.timestamp is not None and audit.timestamp.data == publication.timestamp
        if publication.phase is PublicationPhase.COMMITTING and visible:
            with self._reading("the publication"):
                self._expect_publication(publication)

    def _expect_publication(self, publication: Publication) -> None:
        """Its timestamp was replaced and the state not settled: clients see what it brings."""
        for planned, file in self._state.publication_roles(publication.id):
            self._roles[str(planned.name)] = _Expected(
                id=planned.id, kind=planned.kind, version=planned.version, number=planned.number, file=file
            )

    def _expects(self, name: str) -> bool:
        expected = self._roles.get(name)
        return expected is not None and expected.version > 0

    # --- files -------------------------------------------------------------------------------------------

    def _compare_roots(self, chain: RootChain) -> None:
        for version, seen in sorted(chain.seen.items()):
            known = self._state.root(version)
            if known is None:
                self._disagree("root", f"{version}.root.json is there and the state does not know it")
            elif Seen.of(known.data) != seen:
                self._disagree("root", f"{version}.root.json has other bytes than the state has for it")
        newest = self._state.newest_root()
        if newest is not None and newest.version not in chain.seen:
            if newest.settled:
                self._disagree("root", f"the state has root version {newest.version} and its file is not there")
            else:
                message = f"root version {newest.version} is signed and its file not there yet; rstuf publish makes it"
                self._findings.note(Note.UNFINISHED_PUBLICATION, message, role="root")

    def _compare_file(self, reading: Reading) -> None:
        self.checked["state_roles"] += 1
        expected = self._roles.get(reading.name)
        if expected is None:
            self._disagree(reading.name, "clients see it and the state does not know it")
            return
        if reading.version is not None and reading.version != expected.version:
            self._disagree(reading.name, f"clients see version {reading.version} and the state says {expected.version}")
        elif expected.file is not None:
            seen = Seen.of(reading.data)
            if (seen.length, seen.sha256) != (expected.file.length, expected.file.sha256):
                self._disagree(reading.name, "its file has other bytes than were published")

    def _compare_entries(self, audit: Audit) -> None:
        listed = {name: entry.version for name, entry in audit.entries.items()}
        expected = {
            name: role.version for name, role in self._roles.items() if role.kind in _LISTED and role.version > 0
        }
        for name in sorted(listed.keys() | expected.keys()):
            if listed.get(name) != expected.get(name):
                found, wanted = listed.get(name, "nothing"), expected.get(name, "nothing")
                self._disagree(name, f"snapshot lists version {found} and the state says {wanted}")

    # --- artifacts ---------------------------------------------------------------------------------------

    def _compare_artifacts(self, reading: Reading, expected: _Expected) -> None:
        holder, (low, high) = expected.id, _ALL
        if reading.place is not None:
            delegator = self._roles.get(reading.place.holder)
            if delegator is None:
                return
            holder, (low, high) = delegator.id, reading.place.slots()
        rows = [
            (path, fragment) for _, path, fragment in self._state.contents(holder, low, high, number=expected.number)
        ]
        self.checked["state_artifacts"] += len(rows)
        rows.sort()
        wanted = b",".join([orjson.dumps(path) + b":" + fragment for path, fragment in rows])
        if orjson.dumps(reading.targets, option=orjson.OPT_SORT_KEYS) != b"{%b}" % wanted:
            self._name_differences(reading, {str(path): fragment for path, fragment in rows})

    def _name_differences(self, reading: Reading, wanted: dict[str, bytes]) -> None:
        for path in sorted(wanted.keys() | reading.targets.keys()):
            if path not in reading.targets:
                message = "the state says that clients see it, and it is not in the metadata"
            elif path not in wanted:
                message = "it is in the metadata, and not in what the state says that clients see"
            elif orjson.dumps(reading.targets[path], option=orjson.OPT_SORT_KEYS) != wanted[path]:
                message = "the metadata and the state have different contents for it"
            else:
                continue
            self._findings.problem(Code.STATE_DISAGREES, message, role=reading.name, path=path)

    # --- the log -----------------------------------------------------------------------------------------

    def _check_log(self) -> None:
        previous, sequence = GENESIS, 0
        for entry in self._state.audit():
            sequence += 1
            self.checked["log_entries"] += 1
            if entry.sequence != sequence:
                self._broken(f"entry {sequence} is missing; {entry.sequence} follows")
                sequence = entry.sequence
            elif entry.previous != previous:
                self._broken(f"entry {entry.sequence} does not follow from the one before it")
            if _log_digest(entry) != entry.digest:
                self._broken(f"entry {entry.sequence} is not what was recorded")
            previous = entry.digest

    def _broken(self, message: str) -> None:
        self._findings.problem(Code.LOG_BROKEN, message)

    # --- helpers -----------------------------------------------------------------------------------------

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """A state that cannot be read is a problem, and no end of the audit.

        What it raises depends on the adapter: where reading is hot, a database's own errors come through.
        """
        try:
            yield
        except StateError as error:
            self._findings.problem(Code.STATE_DISAGREES, f"{what} cannot be compared: {error.message}")
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self._findings.problem(Code.STATE_DISAGREES, f"{what} in the state cannot be read: {reason}")

    def _disagree(self, role: str, message: str) -> None:
        self._findings.problem(Code.STATE_DISAGREES, message, role=role)


def _expected(role: RoleState) -> _Expected:
    return _Expected(id=role.id, kind=role.kind, version=role.visible, number=role.number, file=role.file)


def _log_digest(entry: AuditEntry) -> str:
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

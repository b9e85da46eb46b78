"""Artifacts as the state has them, role by role: every row in itself, what clients see of them, and what is counted.

The common role has one visible row a path. It is judged as a whole: its entries joined are the very bytes that its
`targets` object is made of again. Only where that fails, or rows are waiting or superseded, each is looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import orjson

from rstuf.metadata.audit.document import Fault, check_numbers
from rstuf.metadata.audit.paths import Bin, path_digest, path_fault
from rstuf.metadata.audit.readings import Reading
from rstuf.metadata.audit.targets import entry_fault
from rstuf.model.roles import RoleKind, RoleState
from rstuf.repository.interfaces import StateReader
from rstuf.repository.verify_complaints import Complaints
from rstuf.repository.verify_roles import RoleCheck

_ALL: Final = (0, 2**32 - 1)
_SLOT, _PATH, _NUMBER, _FRAGMENT = map(itemgetter, range(4))

# Slot, path, number, fragment.
_Row = tuple[int, str, int, bytes]


@dataclass(frozen=True, slots=True)
class _Held:
    """What a role's rows come to.

    Attributes:
        rows: all of them, in the order of slot, path and number.
        visible: those that clients should see.
        newest: those that they will see after the next publication; the same where nothing waits.
        entries: the visible ones as the inside of a canonical JSON object.
    """

    rows: list[_Row]
    visible: list[_Row]
    newest: list[_Row]
    entries: bytes

    @property
    def payload(self) -> int:
        """Bytes of the newest entries, each with a comma."""
        if self.newest is self.visible:
            return len(self.entries) + bool(self.entries)
        return sum(map(len, map(_entry, self.newest))) + len(self.newest)


class ArtifactCheck:
    """The artifacts of one view of the state.

    Attributes:
        checked: how many artifacts clients should see.
    """

    def __init__(self, state: StateReader, complaints: Complaints, roles: RoleCheck, *, newest_number: int) -> None:
        self._state = state
        self._complaints = complaints
        self._roles = roles
        self._newest_number = newest_number
        self._done: set[int] = set()
        self.checked = 0

    def compare(self, reading: Reading) -> None:
        """One role's rows and its metadata."""
        role = self._roles.roles.get(reading.name)
        if role is None or reading.shared:
            return
        if self._roles.changing:
            self._compare_coming(reading, role)
            return
        holder, place = role.id, _ALL
        if reading.place is not None:
            delegator = self._roles.roles.get(reading.place.holder)
            if delegator is None:
                return
            holder, place = delegator.id, reading.place.slots()
        with self._complaints.reading(f"the artifacts of {reading.name}"):
            held = self._look(role, holder, place)
            self.checked += len(held.visible)
            agrees = orjson.dumps(reading.targets, option=orjson.OPT_SORT_KEYS) == b"{%b}" % held.entries
            if not agrees:
                self._name_differences(reading, {row[1]: row[3] for row in held.visible})
            if not agrees or held.visible is not held.rows:
                self._check_entries(role.name, held.rows)

    def _compare_coming(self, reading: Reading, role: RoleState) -> None:
        """The same where the state has not settled who lists what: its rows go to other roles yet."""
        place = _ALL if reading.place is None else reading.place.slots()
        with self._complaints.reading(f"the artifacts of {reading.name}"):
            # What was shared out over bins is so yet, also where another role takes these over.
            holder = None if role.bin_bits is not None else role.holder or role.id
            rows = [] if holder is None else self._state.coming_contents(holder, *place, number=role.number)
            wanted: dict[str, bytes] = {path: fragment for _, path, fragment in rows}
            self.checked += len(wanted)
            self._name_differences(reading, wanted)

    def rest(self) -> None:
        """The rows of roles whose metadata could not be looked at, or that clients do not see yet."""
        for role in self._roles.roles.values():
            if role.id in self._done or role.bin_bits is not None or role.retired:
                continue
            holder, place = role.id, _ALL
            if role.kind is RoleKind.BIN:
                delegator = self._roles.named(role.holder)
                bits = None if delegator is None else delegator.bin_bits
                if delegator is None or bits is None or role.index is None or role.index >> bits:
                    continue
                holder, place = delegator.id, Bin(holder=delegator.name, bits=bits, index=role.index).slots()
            elif role.kind not in {RoleKind.TARGETS, RoleKind.DELEGATED}:
                continue
            with self._complaints.reading(f"the artifacts of {role.name}"):
                self._check_entries(role.name, self._look(role, holder, place).rows)

    def _look(self, role: RoleState, holder: int, place: tuple[int, int]) -> _Held:
        """Read a role's rows, and judge what needs no look at what they say."""
        self._done.add(role.id)
        rows: list[_Row] = list(self._state.versions(holder, *place))
        if not set(map(type, map(_FRAGMENT, rows))) <= {bytes}:
            rows = self._as_bytes(role.name, rows)
        self._check_slots(role.name, rows)
        held = _held(rows, role.number)
        self._check_counts(role, held)
        return held

    def _as_bytes(self, role: str, rows: Iterable[_Row]) -> list[_Row]:
        found: list[_Row] = []
        for slot, path, number, fragment in rows:
            if type(fragment) is not bytes:
                self._complaints.damaged("its entry is not kept as bytes", role=role, path=path)
            found.append((slot, path, number, fragment if type(fragment) is bytes else str(fragment).encode()))
        return found

    def _check_slots(self, role: str, rows: list[_Row]) -> None:
        """The slot is what decides in which bin an artifact is: the first 32 bits of SHA-256 of its path."""
        # In line, because this is asked of every artifact there is.
        slots = b"".join([sha256(row[1].encode()).digest()[:4] for row in rows])
        if slots == struct.pack(f">{len(rows)}I", *map(_SLOT, rows)):
            return
        for slot, path, _, _ in rows:
            if slot != int.from_bytes(path_digest(path)[:4], "big"):
                self._complaints.damaged("it is kept where nothing looks for this path", role=role, path=path)

    def _check_entries(self, role: str, rows: Iterable[_Row]) -> None:
        """What no metadata stands beside: waiting changes, superseded ones, and those of files that are gone."""
        for _, path, number, fragment in rows:
            fault = None if fragment == b"" else path_fault(path) or _entry_fault(fragment)
            if fault is not None:
                message = f"what change {number} says of it cannot be published: {fault}"
                self._complaints.damaged(message, role=role, path=path)

    def _check_counts(self, role: RoleState, held: _Held) -> None:
        name, last = role.name, max(map(_NUMBER, held.rows), default=0)
        if last > self._newest_number:
            message = f"it holds an artifact of change {last}, and {self._newest_number} is the newest that there is"
            self._complaints.damaged(message, role=name)
        elif last > role.newest:
            message = f"its newest change is {role.newest} in the state, and it holds an artifact of change {last}"
            self._complaints.damaged(message, role=name)
        elif role.number < role.newest != last:
            message = f"change {role.newest} is still to be published, and no artifact of it is there"
            self._complaints.damaged(message, role=name)
        if (role.artifacts, role.payload) != (len(held.newest), held.payload):
            message = (
                f"the state counts {role.artifacts} artifacts with {role.payload} bytes in it, "
                f"and there are {len(held.newest)} with {held.payload}"
            )
            self._complaints.damaged(message, role=name)

    def _name_differences(self, reading: Reading, wanted: Mapping[str, bytes]) -> None:
        for path in sorted(wanted.keys() | reading.targets.keys()):
            if path not in reading.targets:
                message = "the state says that clients see it, and it is not in the metadata"
            elif path not in wanted:
                message = "it is in the metadata, and not in what the state says that clients see"
            elif orjson.dumps(reading.targets[path], option=orjson.OPT_SORT_KEYS) != wanted[path]:
                message = "the metadata and the state have different contents for it"
            else:
                continue
            self._complaints.disagree(message, role=reading.name, path=path)


def _held(rows: list[_Row], number: int) -> _Held:
    """What a role's rows come to at `number` and at the newest change."""
    plain = all(map(_FRAGMENT, rows)) and max(map(_NUMBER, rows), default=0) <= number
    if plain and len(set(map(_PATH, rows))) == len(rows):
        return _Held(rows, rows, rows, _joined(rows))
    visible: list[_Row] = []
    newest: list[_Row] = []
    for _, versions in groupby(rows, key=_PATH):
        known = list(versions)
        seen = [row for row in known if row[2] <= number]
        visible += [row for row in seen[-1:] if row[3]]
        newest += [row for row in known[-1:] if row[3]]
    return _Held(rows, visible, newest, _joined(visible))


def _joined(rows: list[_Row]) -> bytes:
    return b",".join([_entry(row) for row in sorted(rows, key=_PATH)])


def _entry(row: _Row) -> bytes:
    return orjson.dumps(row[1]) + b":" + row[3]


def _entry_fault(fragment: bytes) -> str | None:
    """Why a fragment is none that can go into metadata as it stands: the canonical JSON of a TargetFile."""
    try:
        entry: Any = orjson.loads(fragment)
        check_numbers(entry)
    except (orjson.JSONDecodeError, Fault):
        return "it is not JSON of ours"
    if orjson.dumps(entry, option=orjson.OPT_SORT_KEYS) != fragment:
        return "it is not canonical JSON"
    return entry_fault(entry)

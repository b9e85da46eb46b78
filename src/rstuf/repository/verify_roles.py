"""Roles as the state has them: each row in itself, beside what clients see of it, and beside its periods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace
from datetime import datetime
from typing import Final

from rstuf.clock import iso
from rstuf.metadata.audit.findings import Note
from rstuf.metadata.audit.readings import Reading
from rstuf.metadata.audit.roots import Seen
from rstuf.model.policy import Periods
from rstuf.model.publication import PlannedRole
from rstuf.model.roles import FileFacts, RoleKind, RoleState
from rstuf.repository.interfaces import StateReader
from rstuf.repository.verify_complaints import Complaints

_TOP: Final = frozenset({RoleKind.ROOT, RoleKind.TARGETS, RoleKind.SNAPSHOT, RoleKind.TIMESTAMP})
_HOLDERS: Final = frozenset({RoleKind.TARGETS, RoleKind.DELEGATED})


class RoleCheck:
    """The roles of one view of the state.

    Attributes:
        roles: what clients should see of each, by name.
        changing: whether clients see other bins or delegations, which the state has not settled: what it says of
            places, counts and periods is of those before.
    """

    def __init__(self, complaints: Complaints, roles: Iterable[RoleState]) -> None:
        self._complaints = complaints
        self.roles: dict[str, RoleState] = {str(role.name): role for role in roles}
        self.changing = False
        self._by_id = {role.id: role for role in self.roles.values()}
        self._periods: Mapping[str, Periods] | None = None
        self._without_periods: set[str] = set()

    def named(self, role: int | None) -> RoleState | None:
        """A role by the state's number for it."""
        return None if role is None else self._by_id.get(role)

    def expect(self, planned: PlannedRole, file: FileFacts | None) -> None:
        """Clients see what a publication brings that the state has not settled; its dates are not known."""
        role = self.roles[planned.name]
        self.roles[planned.name] = replace(
            role, visible=planned.version, number=planned.number, file=file, expires=None, signed_at=None, sign_by=None
        )

    # --- each row in itself ------------------------------------------------------------------------------

    def check_rows(self, *, newest_number: int) -> None:
        """That the rows can be as they are; before anything else is expected of them."""
        for role in self.roles.values():
            for fault in (*_row_faults(role, newest_number), *self._place_faults(role)):
                self._complaints.damaged(fault, role=role.name)
        for kind in _TOP:
            if kind.value not in self.roles:
                self._complaints.damaged(f"it has no role {kind.value}")
        bins: Counter[int] = Counter()
        for role in self.roles.values():
            holder = self.named(role.holder)
            in_use = not role.retired and holder is not None and (role.index or 0) < _bins_of(holder)
            bins[role.holder or 0] += in_use
        for role in self.roles.values():
            if bins[role.id] != _bins_of(role):
                message = f"its artifacts are shared out over {_bins_of(role)} bins, and there are {bins[role.id]}"
                self._complaints.damaged(message, role=role.name)

    def check_delegators(self, state: StateReader) -> None:
        """That what could be put back where a storage lost it is what was published."""
        for role in self.roles.values():
            if role.kind not in _HOLDERS or role.file is None:
                continue
            data = state.delegator(role.name, role.visible)
            seen = None if data is None else Seen.of(data)
            if seen is None:
                message = f"the bytes of version {role.visible} are not recorded, so nothing could put them back"
                self._complaints.damaged(message, role=role.name)
            elif (seen.length, seen.sha256) != (role.file.length, role.file.sha256):
                message = f"the bytes that are recorded of version {role.visible} are not those that were published"
                self._complaints.damaged(message, role=role.name)

    def _place_faults(self, role: RoleState) -> Iterator[str]:
        """A bin that was retired keeps its place."""
        if (role.holder is None) is not (role.index is None):
            yield "its place is known in part only"
        if role.kind is not RoleKind.BIN:
            if role.holder is not None:
                yield f"it is a bin's place, and the kind is {role.kind.value}"
            if role.retired and role.kind is not RoleKind.DELEGATED:
                yield "it is said to be left, and no repository is without it"
        elif role.holder is None:
            yield "it is a bin of no role"
        elif (self.named(role.holder) or role).kind not in _HOLDERS:
            yield "it is a bin of a role that has none"

    # --- beside what clients see -------------------------------------------------------------------------

    def compare(self, reading: Reading) -> None:
        """One role's row and its file."""
        role = self.roles.get(reading.name)
        if role is None:
            self._complaints.disagree("clients see it and the state does not know it", role=reading.name)
            return
        if not self.changing:
            self._compare_place(reading, role)
        if reading.version is not None and reading.version != role.visible:
            message = f"clients see version {reading.version} and the state says {role.visible}"
            self._complaints.disagree(message, role=reading.name)
            return
        seen = Seen.of(reading.data)
        if role.file is not None and (seen.length, seen.sha256) != (role.file.length, role.file.sha256):
            self._complaints.disagree("its file has other bytes than were published", role=reading.name)
        self.compare_expiry(reading.name, reading.common.expires)

    def compare_expiry(self, name: str, expires: datetime | None) -> None:
        """When it expires, where both say so."""
        role = self.roles[name]
        if expires is not None and role.expires is not None and expires != role.expires:
            message = f"clients see that it expires at {iso(expires)} and the state says {iso(role.expires)}"
            self._complaints.disagree(message, role=name)

    def compare_delegated(self, delegated: Set[str]) -> None:
        """That every role that the state has as delegated to is; `delegated` are all that somebody delegates to."""
        for role in () if self.changing else self.roles.values():
            if role.kind is RoleKind.DELEGATED and not role.retired and role.name not in delegated:
                self._complaints.disagree("nobody delegates to it, and in the state somebody does", role=role.name)

    def _compare_place(self, reading: Reading, role: RoleState) -> None:
        place = reading.place
        if role.retired:
            self._complaints.disagree("clients come to it, and in the state nobody delegates to it", role=role.name)
        if place is None:
            kind = RoleKind(reading.name) if reading.name in {top.value for top in _TOP} else RoleKind.DELEGATED
            if role.kind is not kind:
                self._complaints.disagree(f"the state has it as {role.kind.value}, not {kind.value}", role=role.name)
            if reading.shared is not (role.bin_bits is not None):
                message = "the metadata and the state differ in whether it shares its artifacts out over bins"
                self._complaints.disagree(message, role=role.name)
            return
        holder = self.named(role.holder)
        if role.kind is not RoleKind.BIN or holder is None:
            self._complaints.disagree(f"it is a bin of {place.holder}, and in the state it is none", role=role.name)
        elif (holder.name, role.index, holder.bin_bits) != (place.holder, place.index, place.bits):
            message = (
                f"it is bin {place.index} of the {1 << place.bits} of {place.holder}, and in the state "
                f"bin {role.index} of the {_bins_of(holder)} of {holder.name}"
            )
            self._complaints.disagree(message, role=role.name)

    # --- beside the periods ------------------------------------------------------------------------------

    def learn_periods(self, periods: Mapping[str, Periods]) -> None:
        """Take note of the periods by role, those of bins by their prefix."""
        self._periods = periods

    def check_periods(self, name: str, *, bins: str | None = None) -> None:
        """That a role that clients see can be signed again, and in time.

        Args:
            bins: the prefix of its name, where it is one of the bins: they have their periods together.
        """
        role, key = self.roles.get(name), bins or name
        if role is None or self._periods is None or key in self._without_periods or self.changing:
            return
        periods = self._periods.get(key)
        if periods is None:
            self._without_periods.add(key)
            self._complaints.damaged("it has no periods, so it cannot be signed again", role=key)
        elif role.expires is not None and role.signed_at is not None and role.sign_by is not None:
            # They may have been changed since: then the next version follows them.
            if role.expires != role.signed_at + periods.expires:
                message = "it expires earlier or later than its periods say"
                self._complaints.note(Note.PERIODS_DIFFER, message, role=name)
            if role.sign_by > role.expires - periods.renew_before:
                self._complaints.note(Note.PERIODS_DIFFER, "it is due later than its periods say", role=name)

    # --- beside the clock --------------------------------------------------------------------------------

    def check_evidence(self, newest: datetime, *, now: datetime) -> None:
        """The newest evidence is what the next signing instant is never before."""
        signed = [role.signed_at for role in self.roles.values() if role.signed_at is not None]
        if signed and newest < max(signed):
            self._complaints.damaged(
                f"its newest evidence of a signature is of {iso(newest)}, and a role was signed at {iso(max(signed))}"
            )
        elif newest > max([now, *signed]):
            message = f"its newest evidence of a signature is of {iso(newest)}, and nothing was signed then"
            self._complaints.damaged(message)


def _bins_of(role: RoleState) -> int:
    return 0 if role.bin_bits is None else 1 << role.bin_bits


def _row_faults(role: RoleState, newest_number: int) -> Iterator[str]:
    if role.visible > role.version:
        yield f"clients see version {role.visible}, and {role.version} is the highest that there ever was"
    if max(role.number, role.newest) > newest_number:
        yield f"its newest change is {max(role.number, role.newest)}, and {newest_number} is the newest that there is"
    yield from _date_faults(role)
    if (role.kind in _TOP) is not (role.name == role.kind.value):
        yield f"its kind is {role.kind.value}"
    if role.bin_bits is not None and role.kind not in _HOLDERS:
        yield "only a role that holds artifacts can share them out"
    holds = role.kind in {*_HOLDERS, RoleKind.BIN} and role.bin_bits is None and not role.retired
    if not holds and (role.artifacts or role.payload):
        yield f"it holds no artifacts itself, and {role.artifacts} are counted"


def _date_faults(role: RoleState) -> Iterator[str]:
    if role.retired:
        # It is never due again, and nobody fetches it.
        return
    if role.visible > 0 and None in (role.expires, role.signed_at, role.sign_by, role.file):
        yield f"the dates and the file of version {role.visible} are not all recorded"
    if role.expires is None or role.signed_at is None or role.sign_by is None:
        return
    if role.signed_at >= role.expires:
        yield f"it was signed at {iso(role.signed_at)}, and it expires at {iso(role.expires)}"
    if role.sign_by > role.expires:
        yield f"it is due at {iso(role.sign_by)}, and it expires at {iso(role.expires)}"

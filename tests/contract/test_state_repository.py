"""A state's small tables: the repository, its roles, keys, periods, roots, numbers and the audit log."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import orjson
import pytest
from tests.support.state_backends import NOW, SETTINGS, TARGETS, begin, new_roles, role

from rstuf.errors import InvalidKey, InvalidRoleName, StateError
from rstuf.model.audit import GENESIS, entry_digest
from rstuf.model.events import EventKind, EventPart, EventPhase
from rstuf.model.handover import Handover
from rstuf.model.keys import KeyEntry, KeyId, Loss, LossReport, PublicKey
from rstuf.model.names import RoleName
from rstuf.model.policy import Periods
from rstuf.model.publication import RootVersion
from rstuf.model.roles import FileFacts, NewRole, RoleKind
from rstuf.model.rotation import RotationKind
from rstuf.model.settings import Phase
from rstuf.repository.interfaces import StateStore, Totals

DAY = timedelta(days=1)


def key_entry(name: str, public: str = "aa" * 32, signer: str | None = "file:keys/online.key") -> KeyEntry:
    return KeyEntry(name=name, key=PublicKey("ed25519", "ed25519", public), signer=signer, added=NOW)


def test_an_empty_state_says_that_nothing_has_begun(state_store: StateStore) -> None:
    """Before the ceremony every question has an answer, and asking for settings says what to do."""
    with state_store.read() as reader:
        assert not reader.begun()
        with pytest.raises(StateError, match="no ceremony") as refused:
            reader.settings()
        assert "ceremony" in str(refused.value.hint)
        assert [*reader.roles(), *reader.dirty_roles(), *reader.due_roles(NOW), *reader.keys(), *reader.periods()] == []
        assert [reader.next_due(), reader.newest_root(), reader.root(1), reader.key(KeyId("00"))] == [None] * 4
        publications = [reader.unfinished_publication(), reader.last_publication(), reader.publication_of_timestamp(1)]
        assert publications == [None] * 3
        assert reader.totals() == Totals(artifacts=0, pending_roles=0)
        assert [*reader.audit(), *reader.artifacts(), *reader.snapshot_entries()] == []


def test_settings_come_back_as_they_went_in(state_store: StateStore) -> None:
    """Name, phase, dates and plan of a repository survive the round trip."""
    with state_store.transaction(actor="a") as transaction:
        transaction.begin_repository(SETTINGS)
        assert transaction.settings() == SETTINGS
    with state_store.read() as reader:
        assert reader.begun()
        assert reader.settings() == SETTINGS


def test_a_ceremony_begins_once(state_repository: StateStore) -> None:
    """A second beginning is refused and changes nothing."""
    with pytest.raises(StateError), state_repository.transaction(actor="a") as transaction:
        transaction.begin_repository(replace(SETTINGS, name="Other"))
    with state_repository.read() as reader:
        assert reader.settings() == SETTINGS


def test_phase_and_evidence_move_on(state_repository: StateStore) -> None:
    """The phase is what was set; evidence of time never goes back."""
    with state_repository.transaction(actor="a") as transaction:
        transaction.set_phase(Phase.LIVE)
        transaction.note_evidence(NOW + DAY)
        transaction.note_evidence(NOW)
    with state_repository.read() as reader:
        assert reader.settings() == replace(SETTINGS, phase=Phase.LIVE, newest_evidence=NOW + DAY)


@pytest.mark.parametrize("change", ["set_phase", "note_evidence"])
def test_nothing_is_noted_of_a_repository_that_has_not_begun(state_store: StateStore, change: str) -> None:
    """Settings that are not there cannot be changed in silence."""
    values = {"set_phase": Phase.LIVE, "note_evidence": NOW}
    with pytest.raises(StateError), state_store.transaction(actor="a") as transaction:
        getattr(transaction, change)(values[change])


def test_roles_come_back_in_the_order_in_which_they_were_added(state_repository: StateStore) -> None:
    """New roles are at version 0, hold nothing, and are found by name, by kind and in order."""
    with state_repository.read() as reader:
        roles = list(reader.roles())
        assert [each.name for each in roles] == [each.name for each in new_roles(2)]
        assert [each.id for each in roles] == sorted({each.id for each in roles})
        assert [each.index for each in reader.roles(kind=RoleKind.BIN)] == [0, 1, 2, 3]
        targets = reader.role(TARGETS)
        assert {each.holder for each in reader.roles(kind=RoleKind.BIN)} == {targets.id}
        assert (targets.bin_bits, targets.holder, targets.index) == (2, None, None)
        assert not any(each.dirty or each.version or each.visible or each.artifacts for each in roles)
        assert (targets.file, targets.expires, targets.signed_at, targets.sign_by) == (None, None, None, None)


def test_an_unknown_role_is_a_key_error(state_repository: StateStore) -> None:
    """A name is looked up as it is written, case included."""
    with state_repository.read() as reader:
        for name in ("nobody", "Targets", ""):
            with pytest.raises(KeyError):
                reader.role(RoleName(name))


@pytest.mark.parametrize("name", ["targets", "TARGETS", "Bins-0"])
def test_a_role_name_is_taken_forever_whatever_its_case(state_repository: StateStore, name: str) -> None:
    """A name that differs only in case is refused, with all roles of the call."""
    added = [NewRole(RoleName("fresh"), RoleKind.DELEGATED), NewRole(RoleName(name), RoleKind.DELEGATED)]
    with state_repository.transaction(actor="a") as transaction:
        with pytest.raises(InvalidRoleName) as refused:
            transaction.add_roles(added)
        assert refused.value.name == name
    with state_repository.read() as reader, pytest.raises(KeyError):
        reader.role(RoleName("fresh"))


def test_two_new_roles_cannot_share_a_name(state_repository: StateStore) -> None:
    """Names are unique within one call too."""
    twice = [NewRole(RoleName(name), RoleKind.DELEGATED) for name in ("one", "ONE")]
    with pytest.raises(InvalidRoleName), state_repository.transaction(actor="a") as transaction:
        transaction.add_roles(twice)


@pytest.mark.parametrize(
    "bad",
    [
        NewRole(RoleName("bins-x"), RoleKind.BIN),
        NewRole(RoleName("bins-x"), RoleKind.BIN, holder=RoleName("nobody"), index=0),
        NewRole(RoleName("bins-x"), RoleKind.BIN, holder=RoleName("root"), index=0),
        NewRole(RoleName("bins-x"), RoleKind.BIN, holder=TARGETS, index=4),
        NewRole(RoleName("bins-x"), RoleKind.BIN, holder=TARGETS, index=-1),
        NewRole(RoleName("bins-x"), RoleKind.BIN, holder=TARGETS, index=3),
        NewRole(RoleName("other"), RoleKind.DELEGATED, holder=TARGETS, index=0),
        NewRole(RoleName("other"), RoleKind.DELEGATED, holder=TARGETS, index=0, retired=3),
        NewRole(RoleName("bins-x"), RoleKind.BIN, index=0, retired=3),
        NewRole(RoleName("snapshot-2"), RoleKind.SNAPSHOT, retired=3),
    ],
)
def test_a_bin_needs_a_free_place_in_its_holder(state_repository: StateStore, bad: NewRole) -> None:
    """A bin without holder, of a role without bins, or with an index that is taken or too large, is refused."""
    with pytest.raises(StateError), state_repository.transaction(actor="a") as transaction:
        transaction.add_roles([bad])
    with state_repository.read() as reader:
        assert len(list(reader.roles())) == 8


def test_roles_that_have_left_are_added_as_such(state_repository: StateStore) -> None:
    """A role that nobody delegates to and a bin of it are listed at their versions, in use nowhere, and go on later."""
    left = NewRole(RoleName("gone"), RoleKind.DELEGATED, retired=7)
    bins = NewRole(RoleName("gone-bins-9"), RoleKind.BIN, holder=left.name, index=9, retired=5)
    with state_repository.transaction(actor="a") as transaction:
        transaction.add_roles([left, bins])
    with state_repository.read() as reader:
        roles = {each.name: each for each in reader.roles()}
        assert [
            (each.name, each.version, each.visible, each.retired) for each in (roles["gone"], roles[bins.name])
        ] == [
            ("gone", 7, 7, True),
            ("gone-bins-9", 5, 5, True),
        ]
        assert roles[bins.name].holder == roles["gone"].id
        assert [each.name for each in reader.roles(kind=RoleKind.DELEGATED)] == []
        assert {("gone", 7), ("gone-bins-9", 5)} <= set(reader.snapshot_entries())
    with state_repository.transaction(actor="a") as transaction:
        transaction.begin_handover(Handover(joins=(left.name,)))
        assert transaction.role(left.name).version == 7


def test_many_roles_are_added_from_a_stream(state_store: StateStore) -> None:
    """Bins may follow their holder in the same stream, thousands of them."""
    begin(state_store, bits=12)
    with state_store.read() as reader:
        assert sum(1 for _ in reader.roles(kind=RoleKind.BIN)) == 4096


def test_keys_come_back_by_name_and_by_id(state_repository: StateStore) -> None:
    """All fields of a key survive, with and without a signer, sorted by name without regard to case."""
    entries = [
        key_entry("maria", "0a" * 32, None),
        key_entry("Online", "0b" * 32),
        KeyEntry("hsm", PublicKey("rsa", "rsassa-pss-sha256", "-----BEGIN\nPUBLIC"), "hsm:1", NOW),
    ]
    with state_repository.transaction(actor="a") as transaction:
        for entry in entries:
            transaction.add_key(entry)
    with state_repository.read() as reader:
        assert [entry.name for entry in reader.keys()] == ["hsm", "maria", "Online"]
        assert sorted(reader.keys(), key=lambda entry: entry.name) == sorted(entries, key=lambda entry: entry.name)
        assert [reader.key(entry.keyid) for entry in entries] == entries
        assert reader.key(KeyId("ff" * 32)) is None


@pytest.mark.parametrize("taken", [key_entry("ONLINE", "bb" * 32), key_entry("another")])
def test_a_key_is_known_once_by_name_and_by_value(state_repository: StateStore, taken: KeyEntry) -> None:
    """Neither a name in another case nor a key under a second name gets in."""
    with state_repository.transaction(actor="a") as transaction:
        transaction.add_key(key_entry("online"))
    with pytest.raises(InvalidKey, match="online"), state_repository.transaction(actor="a") as transaction:
        transaction.add_key(taken)
    with state_repository.read() as reader:
        assert reader.keys() == [key_entry("online")]


def test_a_key_moves(state_repository: StateStore) -> None:
    """Where a key signs can change, any number of times, and nothing else of it does."""
    entry = key_entry("online", "bb" * 32)
    with state_repository.transaction(actor="a") as transaction:
        transaction.add_key(entry)
        for signer in ("file:elsewhere.key", None, "hsm:1"):
            transaction.move_key(entry.keyid, signer)
            assert transaction.keys() == [replace(entry, signer=signer)]
    with pytest.raises(StateError), state_repository.transaction(actor="a") as transaction:
        transaction.move_key(KeyId("ff" * 32), None)


def test_a_key_is_reported(state_repository: StateStore) -> None:
    """That a key is lost or leaked is kept with it, the last word counts, and it can be taken back."""
    entry = key_entry("online", "bb" * 32)
    report = LossReport(Loss.LOST, NOW)
    with state_repository.transaction(actor="a") as transaction:
        transaction.add_key(entry)
        transaction.report_key(entry.keyid, report)
        transaction.report_key(entry.keyid, replace(report, loss=Loss.LEAKED))
    with state_repository.read() as reader:
        (found,) = reader.keys()
        assert found == reader.key(entry.keyid) == replace(entry, report=LossReport(Loss.LEAKED, NOW))
        assert list(reader.damage()) == []
    with state_repository.transaction(actor="a") as transaction:
        transaction.report_key(entry.keyid, None)
        assert transaction.keys() == [entry]


def test_keys_of_rotations_are_remembered(state_repository: StateStore) -> None:
    """Both keys of each are, whether it goes on, came to its end or was called off."""
    keys = [KeyId(letter * 64) for letter in "abc"]
    with state_repository.transaction(actor="maria") as state:
        assert state.rotated_keys() == frozenset()
        for old, new in pairwise(keys):
            rotation = state.rotation()
            if rotation is not None:
                state.end_rotation(rotation.id, at=NOW)
            state.begin_rotation(kind=RotationKind.PLANNED, old=old, new=new, overlap=DAY, begun=NOW)
    with state_repository.read() as reader:
        assert reader.rotated_keys() == frozenset(keys)


def test_what_was_made_elsewhere_is_known_until_something_else_comes_out(state_repository: StateStore) -> None:
    """The last event of a role that is done says it; what waits, or was cancelled, says nothing."""
    name, other = RoleName("team"), RoleName("ops")

    def come(kind: EventKind, version: int, phase: EventPhase | None, *names: RoleName) -> None:
        with state_repository.transaction(actor="a") as state:
            parts = [EventPart(each, version, b"{}") for each in names or (name,)]
            event = state.open_event(parts, kind=kind, opened=NOW)
            if phase is not None:
                state.close_event(event.id, phase, at=NOW)

    def brought() -> dict[RoleName, int]:
        with state_repository.read() as reader:
            return dict(reader.brought_versions())

    assert brought() == {}
    come(EventKind.BROUGHT, 2, EventPhase.DONE)
    come(EventKind.BROUGHT, 5, EventPhase.DONE, other)
    assert brought() == {name: 2, other: 5}
    come(EventKind.CONTENTS, 3, EventPhase.CANCELLED)
    come(EventKind.BROUGHT, 4, EventPhase.DONE)
    assert brought() == {name: 4, other: 5}
    come(EventKind.DELEGATION, 6, EventPhase.DONE, other, name)
    assert brought() == {}
    come(EventKind.BROUGHT, 7, None)
    assert brought() == {}


def test_periods_are_set_and_set_again(state_repository: StateStore) -> None:
    """Periods are kept by role name; the last ones count."""
    with state_repository.transaction(actor="a") as transaction:
        transaction.set_periods("root", Periods.of(365 * DAY))
        transaction.set_periods("bins", Periods.of(7 * DAY))
        transaction.set_periods("bins", Periods(expires=DAY, renew_before=timedelta(seconds=1)))
    with state_repository.read() as reader:
        assert reader.periods() == {
            "root": Periods.of(365 * DAY),
            "bins": Periods(expires=DAY, renew_before=timedelta(seconds=1)),
        }


def test_numbers_grow_by_one_and_follow_commits(state_repository: StateStore) -> None:
    """A number that was rolled back was never handed out; the next committed one follows the last."""
    taken = []
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), state_repository.transaction(actor="a") as transaction:
            transaction.next_number() / 0
        with state_repository.transaction(actor="a") as transaction:
            taken += [transaction.next_number(), transaction.next_number()]
            assert transaction.newest_number() == taken[-1]
    assert taken == [1, 2, 3, 4, 5, 6]


def test_a_root_is_recorded_with_the_facts_of_its_file(state_repository: StateStore) -> None:
    """Its bytes are kept, its role says what clients see, and settling it is remembered."""
    for version, data in ((1, b"root one"), (2, b"root two")):
        with state_repository.transaction(actor="a") as transaction:
            transaction.record_root(
                version, data, signed_at=NOW, expires=NOW + version * DAY, sign_by=NOW + timedelta(hours=version)
            )
            assert transaction.newest_root() == RootVersion(version, data, settled=False)
            transaction.settle_root(version)
    with state_repository.read() as reader:
        assert reader.root(1) == RootVersion(1, b"root one", settled=True)
        assert reader.newest_root() == RootVersion(2, b"root two", settled=True)
        assert reader.root(3) is None
        state = reader.role(RoleName("root"))
        assert (state.version, state.visible, state.expires) == (2, 2, NOW + 2 * DAY)
        assert (state.signed_at, state.sign_by) == (NOW, NOW + timedelta(hours=2))
        assert state.file == FileFacts(length=8, sha256=hashlib.sha256(b"root two").hexdigest())
        assert reader.due_roles(NOW + timedelta(hours=2)) == [state]
        assert reader.next_due() == NOW + timedelta(hours=2)


def test_a_root_version_has_one_content(state_repository: StateStore) -> None:
    """The same bytes again are fine, other bytes under a known version are not, and an older root changes no role."""

    def record(version: int, data: bytes) -> None:
        with state_repository.transaction(actor="a") as transaction:
            transaction.record_root(version, data, signed_at=NOW, expires=NOW + DAY, sign_by=NOW)

    record(5, b"five")
    record(5, b"five")
    with pytest.raises(StateError, match="5"):
        record(5, b"FIVE")
    record(4, b"four")
    assert role(state_repository, "root").visible == 5
    with state_repository.read() as reader:
        assert reader.newest_root() == RootVersion(5, b"five", settled=False)


def test_an_unknown_root_cannot_be_settled(state_repository: StateStore) -> None:
    """Only what was recorded can be on the storage."""
    with pytest.raises(StateError), state_repository.transaction(actor="a") as transaction:
        transaction.settle_root(1)


def test_audit_entries_are_chained_and_can_be_checked_from_what_is_stored(state_repository: StateStore) -> None:
    """Each entry's digest covers its fields and the entry before, as they are read back."""
    details = [{"z": 1, "a": ["ü", {"deep": None}], "when": NOW}, {}, {"path": "a/b\n\u2028", "ratio": 0.1}]
    for index, each in enumerate(details):
        with state_repository.transaction(actor=f"actor {index}") as transaction:
            transaction.record("thing.done", each, at=NOW + index * DAY)
    with state_repository.read() as reader:
        entries = list(reader.audit())
        assert list(reader.audit(after=2)) == entries[2:]
    assert [entry.sequence for entry in entries] == [1, 2, 3]
    assert [entry.actor for entry in entries] == ["actor 0", "actor 1", "actor 2"]
    assert [entry.details for entry in entries] == [orjson.loads(orjson.dumps(each)) for each in details]
    previous = GENESIS
    for entry in entries:
        assert entry.previous == previous
        previous = entry.digest
        assert entry.digest == entry_digest(
            sequence=entry.sequence,
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            details=entry.details,
            previous=entry.previous,
        )


def test_two_entries_of_one_transaction_are_chained(state_repository: StateStore) -> None:
    """The chain holds within a transaction, and a rolled-back entry leaves no gap."""

    def lose() -> None:
        with state_repository.transaction(actor="a") as transaction:
            transaction.record("lost", {}, at=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lose()
    with state_repository.transaction(actor="a") as transaction:
        transaction.record("one", {}, at=NOW)
        transaction.record("two", {}, at=NOW)
        assert [entry.action for entry in transaction.audit()] == ["one", "two"]
    with state_repository.read() as reader:
        first, second = reader.audit()
        assert (first.sequence, second.sequence, second.previous) == (1, 2, first.digest)


def test_naive_instants_are_refused(state_repository: StateStore) -> None:
    """An instant without a zone never gets into a state."""
    naive = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match="naive"), state_repository.transaction(actor="a") as transaction:
        transaction.note_evidence(naive)

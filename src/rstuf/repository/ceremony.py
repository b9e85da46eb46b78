"""The ceremony: root version 1, the policy, and the first publication.

It is prepared in memory as a whole (keys made or read, root signed by everyone it needs) before anything is written,
so a refused plan or a wrong passphrase leaves nothing behind. Then it is carried out in steps that can each be done
again: an interrupted ceremony goes on when the same plan is run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rstuf.errors import (
    CeremonyUnfinished,
    InvalidPlan,
    WorkspaceExists,
)
from rstuf.metadata.bins import Bins
from rstuf.metadata.render import sign_with
from rstuf.metadata.root import Signatories, first_root, targets_over_bins
from rstuf.metadata.views import Signature
from rstuf.model.keys import KeyEntry, KeyId, PublicKey
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.roles import NewRole, RoleKind
from rstuf.model.settings import Phase, RepositorySettings
from rstuf.repository.ceremony_keys import CeremonyKeys, gather_keys, signatories
from rstuf.repository.interfaces import KeyMaker, NewKey, RoleSigner, SignerSource, StateReader, StateTransaction
from rstuf.repository.mending import lost_roles, put_back
from rstuf.repository.plan import Plan
from rstuf.repository.ports import Ports
from rstuf.repository.recovery import recover
from rstuf.repository.release import bring_out
from rstuf.repository.rendering import Part
from rstuf.repository.reports import PublicationReport, Reason
from rstuf.repository.roots import commit_root, renew_root
from rstuf.repository.visible import is_as_published


@dataclass(frozen=True, slots=True)
class PreparedCeremony:
    """A ceremony that needs nothing more from anybody.

    Attributes:
        entries: the keys, by name.
        made: those of them that are new and not saved yet.
        root: the bytes of root version 1, signed.
        begun: the instant it is dated from, UTC.
        notes: what a person should know about the policy, in words of its roles.
        opened: signers that are open already, by key id.
    """

    plan: Plan
    entries: Mapping[str, KeyEntry]
    made: Sequence[NewKey]
    root: bytes
    begun: datetime
    notes: tuple[str, ...]
    opened: Mapping[KeyId, RoleSigner]


@dataclass(frozen=True, slots=True)
class _AlreadyOpen:
    """A signer source that asks for no passphrase twice."""

    opened: Mapping[KeyId, RoleSigner]
    others: SignerSource

    def open(self, entry: KeyEntry) -> RoleSigner:
        return self.opened.get(entry.keyid) or self.others.open(entry)

    def look(self, entry: KeyEntry) -> bool:
        return entry.keyid in self.opened or self.others.look(entry)

    def public_of(self, name: str, uri: str) -> PublicKey:
        return self.others.public_of(name, uri)


@dataclass(frozen=True, slots=True)
class CeremonyReport:
    """A repository that clients can see.

    Attributes:
        root: the bytes of root version 1, what clients must be given.
        publication: what was published first.
        keys: its keys by name.
        notes: what a person should know about the policy.
    """

    repository: str
    root: bytes
    publication: PublicationReport
    keys: Mapping[str, KeyEntry]
    notes: tuple[str, ...]


def prepare(plan: Plan, *, maker: KeyMaker, signers: SignerSource, now: datetime, reuse: bool) -> PreparedCeremony:
    """Make and read the plan's keys and sign root version 1, in memory.

    Args:
        reuse: an interrupted ceremony goes on: keys that it saved are taken as they are.

    Raises:
        InvalidPlan, InvalidKey: a key cannot be used, or two names stand for one key.
        SigningError: a root signer is not at hand; nothing was written.
    """
    keys = gather_keys(plan, maker=maker, signers=signers, now=now, reuse=reuse)
    root = _sign_root(plan, keys, now=now)
    if plan.online not in keys.opened:
        keys.opened[plan.online] = signers.open(keys.entries[plan.online])
    keys.open_enough(TARGETS, plan.targets_signers, threshold=plan.targets_threshold)
    by_id = {signer.keyid: signer for signer in keys.opened.values()}
    return PreparedCeremony(plan, keys.entries, keys.made, root, now, notes_on(plan), by_id)


def carry_out(ports: Ports, prepared: PreparedCeremony) -> CeremonyReport:
    """Write what was prepared: keys, state, root, first publication. Each step may have been done before.

    Raises:
        WorkspaceExists: a ceremony has ended here.
        CeremonyUnfinished: one of another plan was begun here.
        StorageError, StateError: run the same ceremony again when it is mended.
    """
    plan = prepared.plan
    ports = replace(ports, signers=_AlreadyOpen(prepared.opened, ports.signers))
    with ports.state.read() as reader:
        if reader.begun():
            _refuse_other_keys(reader, prepared)
    for key in prepared.made:
        key.save()
    with ports.state.publication_lock(purpose="ceremony"):
        with ports.state.transaction(actor=ports.actor) as state:
            if not state.begun():
                _begin(state, prepared, at=ports.clock.now())
            settings = state.settings()
            newest = state.newest_root()
        if settings.phase is not Phase.CEREMONY:
            raise WorkspaceExists("this workspace", "a repository whose ceremony has ended")
        if settings.plan_digest != plan.digest:
            raise CeremonyUnfinished("this workspace")
        with ports.state.read() as reader:
            # Refuses a clock that is absurdly far ahead of the ceremony's beginning.
            ports.signing_time(reader)
        recover(ports)
        put_back(ports)
        if newest is None:
            commit_root(ports, prepared.root, signed_at=prepared.begun)
        _renew_expired_root(ports)
        publication = _first_publication(ports, prepared)
        with ports.state.transaction(actor=ports.actor) as state:
            state.set_phase(Phase.LIVE)
            state.record("ceremony.end", {"timestamp": publication.timestamp_version}, at=ports.clock.now())
            first = state.root(1)
    root = first.data if first is not None else prepared.root
    return CeremonyReport(plan.name, root, publication, prepared.entries, prepared.notes)


def _refuse_other_keys(reader: StateReader, prepared: PreparedCeremony) -> None:
    """An interrupted ceremony goes on with the keys that it began with: they are in the state, perhaps in root too."""
    known = {entry.name: entry.keyid for entry in reader.keys()}
    for name, entry in prepared.entries.items():
        if known.get(name) != entry.keyid:
            raise InvalidPlan(
                f"[keys.{name}]",
                "it is another key than the one that this ceremony began with",
                hint="put that key back in its place; or begin anew in another directory",
            )


def _renew_expired_root(ports: Ports) -> None:
    """A ceremony that was interrupted for a year goes on under a root that no client would take."""
    with ports.state.read() as reader:
        expires, now = reader.role(ROOT).expires, ports.signing_time(reader)
    if expires is not None and expires <= now:
        renew_root(ports)


def _begin(state: StateTransaction, prepared: PreparedCeremony, *, at: datetime) -> None:
    """The policy, the roles and the keys, before anything is signed."""
    plan = prepared.plan
    state.begin_repository(RepositorySettings(plan.name, Phase.CEREMONY, prepared.begun, plan.digest, prepared.begun))
    state.add_roles(_roles(plan))
    for entry in prepared.entries.values():
        state.add_key(entry)
    for role, periods in plan.periods.items():
        state.set_periods(role, periods)
    keys = {name: entry.keyid for name, entry in prepared.entries.items()}
    state.record("ceremony.begin", {"name": plan.name, "bins": plan.bins, "keys": keys}, at=at)


def _first_publication(ports: Ports, prepared: PreparedCeremony) -> PublicationReport:
    with ports.state.read() as reader:
        visible = reader.role(TIMESTAMP).visible
        if visible:
            parts = _to_sign_again(ports, reader)
            return bring_out(ports, parts) if parts else PublicationReport(published=True, timestamp_version=visible)
        parts = [Part(reader.role(TARGETS), 0, Reason.CHANGED)]
        parts += [Part(role, 0, Reason.CHANGED) for role in reader.roles(kind=RoleKind.BIN)]
    plan = prepared.plan
    online = Signatories([prepared.entries[plan.online].key], 1)
    proposed = targets_over_bins(Bins(plan.bin_bits), online)
    return bring_out(ports, parts, proposed_targets=proposed)


def _to_sign_again(ports: Ports, reader: StateReader) -> list[Part]:
    """What of the first publication is lost or due, where the ceremony was interrupted between that and its end."""
    due = reader.due_roles(ports.signing_time(reader))
    parts = {role.id: Part(role, role.number, Reason.DUE) for role in due if role.kind is not RoleKind.ROOT}
    lost = lost_roles(ports, reader)
    if not is_as_published(ports):
        lost.append(reader.role(TIMESTAMP))
    return list((parts | {role.id: Part(role, role.number, Reason.DAMAGED) for role in lost}).values())


def _roles(plan: Plan) -> Iterable[NewRole]:
    yield NewRole(ROOT, RoleKind.ROOT)
    yield NewRole(TARGETS, RoleKind.TARGETS, bin_bits=plan.bin_bits)
    yield NewRole(SNAPSHOT, RoleKind.SNAPSHOT)
    yield NewRole(TIMESTAMP, RoleKind.TIMESTAMP)
    bins = Bins(plan.bin_bits)
    for index in range(bins.count):
        yield NewRole(bins.name(index), RoleKind.BIN, holder=TARGETS, index=index)


def _sign_root(plan: Plan, keys: CeremonyKeys, *, now: datetime) -> bytes:
    roles = signatories(plan, {name: entry.key for name, entry in keys.entries.items()})
    unsigned = first_root(roles, expires=now + plan.periods[ROOT].expires)
    present = keys.open_enough(ROOT, plan.root_signers, threshold=plan.root_threshold)
    signers = [keys.opened[name] for name in present]
    return sign_with(unsigned, [Signature(signer.keyid, signer.sign(unsigned.payload)) for signer in signers]).data


def notes_on(plan: Plan) -> tuple[str, ...]:
    """What a person should know about the policy of a plan, in words of its roles."""
    notes = []
    if plan.root_threshold == 1:
        notes.append("one root key alone can change everything; a threshold of 2 or more survives its theft")
    if len(plan.root_signers) == plan.root_threshold:
        notes.append("every root key is needed; losing one of them loses the repository")
    return tuple(notes)

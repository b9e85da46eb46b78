"""The ceremony: root version 1, the policy, and the first publication.

It is prepared in memory as a whole (keys made or read, root signed by everyone it needs) before anything is written,
so a refused plan or a wrong passphrase leaves nothing behind. Then it is carried out in steps that can each be done
again: an interrupted ceremony goes on when the same plan is run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from rstuf.errors import InvalidPlan, OtherCeremony, WorkspaceExists
from rstuf.metadata.render import SignedFile, Unsigned, renewed_part, sign_with
from rstuf.metadata.root import first_root, root_keyids
from rstuf.metadata.views import Signature
from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.keys import KeyEntry, KeyId, PublicKey
from rstuf.model.names import ROOT, TARGETS, RoleName
from rstuf.model.settings import Phase, RepositorySettings
from rstuf.repository.ceremony_end import ceremony_event, finish_ceremony
from rstuf.repository.ceremony_keys import CeremonyKeys, gather_keys, signatories
from rstuf.repository.event_views import EventView
from rstuf.repository.first_roles import Sayings, first_parts, first_roles, first_sayings, keep_first_roles
from rstuf.repository.interfaces import KeyMaker, NewKey, RoleSigner, SignerSource, StateReader, StateTransaction
from rstuf.repository.open_events import has_expired, signers_of, view_events, view_part
from rstuf.repository.plan import Plan
from rstuf.repository.plan_delegations import refuse_absent_signers
from rstuf.repository.plan_notes import notes_on
from rstuf.repository.ports import Ports
from rstuf.repository.recovery import recover
from rstuf.repository.reports import PublicationReport
from rstuf.repository.roots import commit_root
from rstuf.repository.signing_events import open_event, sign_event


@dataclass(frozen=True, slots=True)
class PreparedCeremony:
    """A ceremony that needs nothing more from anybody.

    Attributes:
        entries: the keys, by name.
        made: those of them that are new and not saved yet.
        parts: what people sign: root version 1, and targets where they sign that.
        root: the bytes of root version 1, signed; None where signers are away, and awaited.
        begun: the instant it is dated from, UTC.
        notes: what a person should know about the policy, in words of its roles.
        opened: signers that are open already, by key id.
        said: what roles that delegate say first.
        delegated: the first versions of delegated roles that people sign.
    """

    plan: Plan
    entries: Mapping[str, KeyEntry]
    made: Sequence[NewKey]
    parts: Sequence[Unsigned]
    root: bytes | None
    begun: datetime
    notes: tuple[str, ...]
    opened: Mapping[KeyId, RoleSigner]
    said: Sayings
    delegated: Mapping[RoleName, SignedFile]


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
    """A repository that clients can see; or, where signers are away, one that waits for them.

    Attributes:
        root: the bytes of root version 1, what clients must be given; None while it waits.
        publication: what was published first; None while it waits.
        keys: its keys by name.
        notes: what a person should know about the policy.
        waiting: the event in which root waits for its signers; None where it waits no more.
    """

    repository: str
    root: bytes | None
    publication: PublicationReport | None
    keys: Mapping[str, KeyEntry]
    notes: tuple[str, ...]
    waiting: EventView | None = None


def prepare(plan: Plan, *, maker: KeyMaker, signers: SignerSource, now: datetime, reuse: bool) -> PreparedCeremony:
    """Make and read the plan's keys and sign root version 1, in memory.

    Args:
        reuse: an interrupted ceremony goes on: keys that it saved are taken as they are.

    Raises:
        InvalidPlan, InvalidKey: a key cannot be used, or two names stand for one key.
        SigningError: a signer who is to be here is not, and is needed; nothing was written.
    """
    refuse_absent_signers(plan)
    keys = gather_keys(plan, maker=maker, signers=signers, now=now, reuse=reuse)
    complete = _is_complete(plan, keys)
    publics = {name: entry.key for name, entry in keys.entries.items()}
    said = first_sayings(plan, publics)
    parts = _to_sign(plan, publics, said, now=now)
    if plan.online not in keys.opened:
        keys.opened[plan.online] = signers.open(keys.entries[plan.online])
    by_id = {signer.keyid: signer for signer in keys.opened.values()}
    # Signed before anything is written: whoever does not agree after all leaves nothing behind.
    root = _signed(parts[0], root_keyids(parts[0]), by_id).data if complete else None
    names = {each.name: each.signers for each in plan.delegations}
    delegated = {
        part.name: _signed(part, [publics[name].keyid for name in names[part.name]], by_id)
        for part in first_parts(plan, said, now=now)
    }
    return PreparedCeremony(plan, keys.entries, keys.made, parts, root, now, notes_on(plan), by_id, said, delegated)


def carry_out(ports: Ports, prepared: PreparedCeremony) -> CeremonyReport:
    """Write what was prepared: keys, state, root, first publication. Each step may have been done before.

    Raises:
        WorkspaceExists: a ceremony has ended here.
        OtherCeremony: one of another plan was begun here.
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
            raise OtherCeremony("this workspace")
        with ports.state.read() as reader:
            # Refuses a clock that is absurdly far ahead of the ceremony's beginning.
            ports.signing_time(reader)
        recover(ports)
        with ports.state.read() as reader:
            event = ceremony_event(reader)
        notes = prepared.notes
        if newest is None and event is None and prepared.root is not None:
            commit_root(ports, prepared.root, signed_at=prepared.begun)
        elif newest is None:
            notes = (*_collect(ports, prepared, event), *notes)
        with ports.state.read() as reader:
            waits = reader.newest_root() is None and _waits(reader, now=ports.clock.now())
        publication = None if waits else finish_ceremony(ports)
        with ports.state.read() as reader:
            first = reader.root(1)
    waiting = view_events(ports) if waits else []
    data = first.data if first is not None else None
    return CeremonyReport(
        plan.name, data, publication, prepared.entries, notes, waiting=waiting[0] if waiting else None
    )


def _signed(part: Unsigned, keyids: Iterable[KeyId], opened: Mapping[KeyId, RoleSigner]) -> SignedFile:
    """A role's first version, signed by all of these who are here."""
    signers = [opened[keyid] for keyid in keyids if keyid in opened]
    return sign_with(part, [Signature(signer.keyid, signer.sign(part.payload)) for signer in signers])


def _collect(ports: Ports, prepared: PreparedCeremony, event: SigningEvent | None) -> tuple[str, ...]:
    """Let root wait for its signers, with the signatures of those who are here: perhaps nobody is missing.

    Returns:
        What whoever began it should know: that signatures which came in before are worth nothing any more.
    """
    # Nobody could use what expired while it waited; so its signers are asked anew.
    expired = event is not None and has_expired(event, ports.clock.now())
    dropped: list[str] = []
    if event is not None and expired:
        with ports.state.read() as reader:
            dropped = signers_of(reader, event)
    if event is None or expired:
        event = open_event(ports, prepared.parts, kind=EventKind.CEREMONY, drop=[event] if event is not None else ())
    sign_event(ports, event.name)
    if not expired:
        return ()
    lost = f"; what {' and '.join(dropped)} signed is dropped" if dropped else ""
    return (f"the first root expired before everybody had signed it, so there is a new one to sign{lost}",)


def _waits(reader: StateReader, *, now: datetime) -> bool:
    event = ceremony_event(reader)
    return event is None or not all(view_part(reader, event, part, now=now).ready for part in event.parts)


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


def _begin(state: StateTransaction, prepared: PreparedCeremony, *, at: datetime) -> None:
    """The policy, the roles and the keys, before anything is signed."""
    plan = prepared.plan
    settings = RepositorySettings(plan.name, Phase.CEREMONY, prepared.begun, plan.digest, prepared.begun, plan.layout)
    state.begin_repository(settings)
    state.add_roles(first_roles(plan))
    keep_first_roles(state, prepared.said, prepared.delegated)
    for entry in prepared.entries.values():
        state.add_key(entry)
    for role, periods in plan.periods.items():
        state.set_periods(role, periods)
    keys = {name: entry.keyid for name, entry in prepared.entries.items()}
    details: dict[str, Any] = {"name": plan.name, "bins": plan.bins, "keys": keys}
    if plan.delegations:
        details["delegations"] = [each.name for each in plan.delegations]
    state.record("ceremony.begin", details, at=at)


def _to_sign(plan: Plan, keys: Mapping[str, PublicKey], said: Sayings, *, now: datetime) -> list[Unsigned]:
    """Root, and targets where people sign it."""
    parts = [first_root(signatories(plan, keys), expires=now + plan.periods[ROOT].expires)]
    if plan.targets_signers:
        expires = now + plan.periods[TARGETS].expires
        parts.append(renewed_part(TARGETS, said[TARGETS], version=1, expires=expires))
    return parts


def _is_complete(plan: Plan, keys: CeremonyKeys) -> bool:
    """Open the signers who are here; whether they are enough. Those whose keys were never to be here may be awaited.

    Raises:
        SigningError: a signer who should be here is not, and is needed.
    """
    enough = True
    for role, names, threshold in (
        (ROOT, plan.root_signers, plan.root_threshold),
        (TARGETS, plan.targets_signers, plan.targets_threshold),
    ):
        elsewhere = [name for name in names if keys.entries[name].signer is None]
        present = keys.open_enough(role, names, threshold=threshold - len(elsewhere))
        enough = enough and (not names or len(present) >= threshold)
    for each in plan.delegations:
        # None of these is awaited.
        keys.open_enough(each.name, each.people(plan.online), threshold=each.threshold)
    return enough

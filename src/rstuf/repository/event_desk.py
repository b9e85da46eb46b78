"""What people sign: signing events and proposals of a root, as methods for a face."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson

from rstuf.errors import InvalidInput, ReleaseRefused, RstufError, SigningError, StateBehind, StorageError
from rstuf.metadata.bundle import Bundle, BundlePart, DetachedSignature
from rstuf.metadata.root_changes import RootChanges
from rstuf.metadata.short_codes import code_of
from rstuf.model.events import EventKind, EventPhase, SigningEvent
from rstuf.model.keys import KeyId, Loss
from rstuf.model.names import ROOT, TARGETS, TOP_LEVEL, RoleName
from rstuf.model.policy import Periods
from rstuf.model.rotation import Rotation, RotationKind
from rstuf.model.settings import Phase
from rstuf.repository.authority import ClosedKey
from rstuf.repository.calling_off import call_off
from rstuf.repository.ceremony_end import finish_ceremony
from rstuf.repository.completing import Completion, complete_events, is_ready
from rstuf.repository.dropping import drop_expired, replaced
from rstuf.repository.event_bundles import bundle_of, bundle_with
from rstuf.repository.event_views import EventView
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import key_named, report_loss
from rstuf.repository.open_events import (
    drops_rotation,
    envelope_of,
    find_event,
    is_open,
    proposals_for,
    refuse_expired,
    refuse_leaky,
    view_event,
    view_events,
)
from rstuf.repository.outdated import refuse_outdated
from rstuf.repository.ports import Ports
from rstuf.repository.recovery import recover
from rstuf.repository.reports import DroppedEvent, PublicationReport
from rstuf.repository.root_update import (
    RootProposal,
    RootUpdate,
    changes_between,
    note_losses,
    open_proposal,
    propose_update,
)
from rstuf.repository.rotation import (
    carry_on,
    sign_handback,
)
from rstuf.repository.rotation_desk import recover_for, refuse_behind
from rstuf.repository.signing_events import (
    BroughtSignature,
    Outcome,
    Reception,
    cancel_event,
    receive,
    refuse_changed,
    sign_event,
)
from rstuf.repository.taking_over import LooseRoot, TakenOver, look_at_loose_root, take_over_root
from rstuf.repository.visible import refuse_older_state


@dataclass(frozen=True, slots=True)
class Signed:
    """What became of signatures, and of the events that have all of theirs with them.

    Attributes:
        closed: the keys that were to sign and did not.
    """

    receptions: tuple[Reception, ...]
    completions: tuple[Completion, ...]
    closed: tuple[ClosedKey, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishedRoot:
    """A root in the chain: its version, what it changed over the one before, and whether its file is there."""

    version: int
    changes: RootChanges


class EventDesk:
    """The signing events of one repository."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def views(self, *, ended: bool = False) -> list[EventView]:
        """The events that are open, or all of them, oldest first."""
        return view_events(self._ports, ended=ended)

    def view(self, name: str) -> EventView:
        """The open event of that name; see `signing_events.view_event`."""
        return view_event(self._ports, name)

    def propose(self, update: RootUpdate) -> RootProposal:
        """The root that an update makes; see `root_update.propose_update`. Writes nothing.

        Raises:
            StateBehind: it could not be opened from this state.
        """
        refuse_older_state(self._ports)
        return propose_update(self._ports, update)

    def open(self, proposal: RootProposal, *, drop: bool = False) -> list[EventView]:
        """Let a proposal wait for its signatures; see `root_update.open_proposal`."""
        note_losses(self._ports, proposal)
        with self._ports.state.publication_lock(purpose="root update"):
            recover(self._ports)
            refuse_older_state(self._ports)
            events = open_proposal(self._ports, proposal, drop=drop)
            sign_handback(self._ports)
        return [self.view(event.name) for event in events]

    def replaced(self, shown: Iterable[EventView]) -> list[DroppedEvent]:
        """What another event took the place of, and what is lost with it; see `dropping.replaced`."""
        return replaced(self._ports, shown)

    def sign(self, name: str, *, keyids: Sequence[KeyId] | None = None, shown: Collection[str] | None = None) -> Signed:
        """Sign an event with the keys that are here; see `signing_events.sign_event`. What is complete comes out."""
        receptions, closed = sign_event(self._ports, name, keyids=keyids, shown=shown)
        return replace(self._taken(receptions), closed=closed)

    def receive(self, signatures: Iterable[DetachedSignature]) -> Signed:
        """Take signatures in that were made elsewhere, each judged by itself. What is complete comes out."""
        brought = [BroughtSignature(each.digest, each.keyid, each.sig) for each in signatures]
        return self._taken(receive(self._ports, brought))

    def _rotation(self) -> Rotation | None:
        with self._ports.state.read() as reader:
            return reader.rotation()

    @property
    def interrupted(self) -> bool:
        """Whether clients do not see yet, or not whole, what a command that was interrupted had decided."""
        with self._ports.state.read() as reader:
            return _is_interrupted(reader)

    def catch_up(self) -> None:
        """Bring to its end what an interrupted command began. Waits for nobody where nothing was interrupted.

        A key that is gone keeps it from that, and nobody from replacing the key.
        """
        if self.interrupted:
            with self._ports.state.publication_lock(purpose="sign"), suppress(SigningError):
                self._catch_up()

    def take_up(self) -> None:
        """Go on with a rotation that was cut off before its root waited: what is proposed now is seen to drop it then.

        What keeps it from that keeps nobody from proposing another root.
        """
        with self._ports.state.read() as reader:
            rotation = reader.rotation()
            cut_off = rotation is not None and rotation.root_version is None and is_open(reader, ROOT) is None
        if cut_off:
            kept = suppress(SigningError, StorageError, ReleaseRefused)
            with self._ports.state.publication_lock(purpose="key rotate"), kept:
                recover(self._ports)
                carry_on(self._ports)

    def _catch_up(self) -> None:
        """A root that is in the state gets its file, and what its keys must sign anew is signed."""
        recover(self._ports)
        with self._ports.state.read() as reader:
            open_gap = _needs_signing_anew(reader)
        if open_gap:
            carry_on(self._ports)

    def complete(self) -> Signed:
        """Bring out what everybody has signed, and take a rotation its next step, where its time has come."""
        signed = self._taken([])
        rotation = self._rotation()
        if rotation is not None:
            with self._ports.state.publication_lock(purpose="key rotate"):
                recover_for(self._ports, rotation.kind)
                carry_on(self._ports)
        return signed

    def go_on(self) -> list[DroppedEvent]:
        """`complete`, once what nobody can sign any more is out of its way: what a rotation needs is proposed anew.

        Returns:
            The events that had expired, and what went with them.
        """
        rotation = self._rotation()
        with self._ports.state.publication_lock(purpose="key rotate"):
            if rotation is None:
                recover(self._ports)
            else:
                recover_for(self._ports, rotation.kind)
            dropped = drop_expired(self._ports)
        try:
            self.complete()
        except RstufError as error:
            error.dropped = {each.name: each.signed for each in dropped}
            raise
        return dropped

    def cancel(self, name: str, *, shown: Collection[SigningEvent] | None = None) -> list[SigningEvent]:
        """Drop an open event and what goes with it; see `signing_events.cancel_event`.

        Raises:
            EventChanged: it is not as it was shown; nothing was changed.
            SigningError: it belongs to a rotation whose old key cannot be reached; nothing was changed.
        """
        with self._ports.state.publication_lock(purpose="event cancel"):
            with self._ports.state.read() as reader:
                event, *_ = refuse_changed(self._ports, reader, name, shown=shown)
                ends = drops_rotation(event, reader.rotation())
            if ends:
                recover(self._ports)
                refuse_older_state(self._ports)
                call_off(self._ports)
            gone = cancel_event(self._ports, event.name, shown=shown)
            sign_handback(self._ports)
            return gone

    def loose_root(self) -> LooseRoot:
        """A root that was proposed here and that somebody published; see `taking_over.look_at_loose_root`."""
        return look_at_loose_root(self._ports)

    def take_over(self, loose: LooseRoot) -> TakenOver:
        """Go on from it, and keep the state; see `taking_over.take_over_root`."""
        return take_over_root(self._ports, loose)

    def report_loss(self, name: str, loss: Loss) -> None:
        """Note that a key which nothing names is lost or leaked; see `keys.report_loss`."""
        with self._ports.state.transaction(actor=self._ports.actor) as state:
            report_loss(state, key_named(state, name).keyid, loss, at=self._ports.clock.now())

    def bundle(self, name: str, *, since: int = 1) -> Bundle:
        """An event as one file for another machine, with the chain of roots from version `since` on.

        A root that is proposed beside it, and says who signs it, comes with it.

        Raises:
            EventNotFound: no event of that name is open.
            EventExpired, EventOutdated: nobody can use it any more.
            ProposalRefused: nobody should sign it, for it gives more to a key that leaked than it has.
            InvalidInput: there is no root `since`.
        """
        with self._ports.state.read() as reader:
            event, now = find_event(reader, name), self._ports.clock.now()
            refuse_leaky(reader, event)
            refuse_expired(event, now)
            refuse_outdated(reader, event)
            return bundle_of(reader, event, now=now, since=since)

    def preview(self, proposal: RootProposal) -> list[Bundle]:
        """A proposal as the files that its signers would be given, one an event, before it is opened."""
        root = BundlePart(role=ROOT, signed=orjson.loads(proposal.root.data))
        wanted = [[root]]
        if proposal.targets is not None:
            # As `bundle` has it: the root says who else signs targets.
            wanted.append([BundlePart(role=TARGETS, signed=orjson.loads(proposal.targets.data)), root])
        with self._ports.state.read() as reader:
            return [bundle_with(reader, parts) for parts in wanted]

    def roots(self) -> list[PublishedRoot]:
        """Every root that was published, oldest first, with what it changed."""
        with self._ports.state.read() as reader:
            versions = reader.root_versions()
        return [PublishedRoot(version, self.changes(version)) for version in versions]

    def changes(self, version: int) -> RootChanges:
        """What a published root changed over the one before.

        Raises:
            InvalidInput: there is no such root.
        """
        return self.difference(version - 1, version)

    def difference(self, before: int, after: int) -> RootChanges:
        """What a published root changed over an earlier one; `before` is 0 for the first root.

        Raises:
            InvalidInput: there is no such root, or `before` is not the earlier one.
        """
        return changes_between(self._ports, before, after)

    def periods(self, role: str) -> Periods:
        """How long a role lives, and when it is renewed; of all bins under their prefix.

        Raises:
            InvalidInput: there is no such role.
        """
        with self._ports.state.read() as reader:
            periods = reader.periods()
        if role not in periods:
            raise InvalidInput(f"{role} has no periods", hint=f"the roles: {', '.join(periods)}")
        return periods[RoleName(role)]

    def set_periods(self, role: str, periods: Periods) -> None:
        """Let a role that nobody but the online key signs live for another time, from its next version on.

        Raises:
            InvalidInput: root's are signed with it, in `propose`.
        """
        with self._ports.state.transaction(actor=self._ports.actor) as state:
            if role not in state.periods() or role == TOP_LEVEL[0]:
                raise InvalidInput(
                    f"{role} has no periods that could be set like this",
                    hint="timestamp, snapshot, targets and bins have; rstuf root update --expires changes root's",
                )
            state.set_periods(role, periods)
            spans = {"expires": int(periods.expires.total_seconds())}
            state.record("policy.periods", {"role": role, **spans}, at=self._ports.clock.now())

    def end_ceremony(self) -> PublicationReport | None:
        """Bring a ceremony to its end that was interrupted after its last signature; None where it was not.

        Raises:
            SigningError: the online key cannot be reached; nothing but root was published.
        """
        if not self._lacks_end():
            return None
        with self._ports.state.publication_lock(purpose="sign"):
            # Whoever held the lock meanwhile may have ended it.
            return finish_ceremony(self._ports) if self._lacks_end() else None

    def _lacks_end(self) -> bool:
        with self._ports.state.read() as reader:
            return reader.newest_root() is not None and reader.settings().phase is not Phase.LIVE

    @property
    def repository_name(self) -> str:
        """What the repository is called, also while its ceremony waits."""
        with self._ports.state.read() as reader:
            return reader.settings().name

    def code_of(self, event: SigningEvent) -> str:
        """The short code that the signers of an event compare, also of one that has ended."""
        with self._ports.state.read() as reader:
            now, is_open_yet = self._ports.clock.now(), event.phase is EventPhase.OPEN
            parts = [*event.parts, *(proposals_for(reader, event, now=now) if is_open_yet else ())]
        return code_of([envelope_of(part).payload for part in parts])

    def note_transcript(self, name: str, digest: str) -> None:
        """Note in the log that a record was written for people to keep.

        Args:
            name: of its file.
            digest: SHA-256 of the file, hex: whoever has the log can tell that the record was not changed.
        """
        with self._ports.state.transaction(actor=self._ports.actor) as state:
            state.record("transcript", {"file": name, "sha256": digest}, at=self._ports.clock.now())

    def _taken(self, receptions: list[Reception]) -> Signed:
        with self._ports.state.read() as reader:
            ready = any(is_ready(self._ports, reader, event) for event in reader.open_events())
            interrupted = _is_interrupted(reader)
            replaces = any(event.kind is EventKind.REPLACEMENT for event in reader.open_events())
            first = reader.newest_root() is None
        self.end_ceremony()
        completions: list[Completion] = []
        if ready or interrupted:
            with self._ports.state.publication_lock(purpose="sign"):
                try:
                    self._catch_up()
                    if not first:
                        refuse_behind(self._ports, RotationKind.LOST if replaces else RotationKind.PLANNED)
                except StateBehind as error:
                    completions = self._kept_back(receptions, error)
                else:
                    completions = complete_events(self._ports)
        return Signed(tuple(receptions), tuple(completions))

    def _kept_back(self, receptions: Iterable[Reception], error: StateBehind) -> list[Completion]:
        """The events that everybody has signed, and that cannot come out from here: the signatures are taken already.

        Raises:
            StateBehind: none was; nothing was changed.
        """
        if all(each.outcome is not Outcome.ADDED for each in receptions):
            raise error
        with self._ports.state.read() as reader:
            ready = [event for event in reader.open_events() if is_ready(self._ports, reader, event)]
        obstacle = error.although("what was signed is kept")
        return [Completion(event, obstacle=obstacle) for event in ready]


def _is_interrupted(reader: StateReader) -> bool:
    root = reader.newest_root()
    if root is None or reader.settings().phase is not Phase.LIVE:
        return False
    return not root.settled or reader.unfinished_publication() is not None or _needs_signing_anew(reader)


def _needs_signing_anew(reader: StateReader) -> bool:
    """Whether a key was replaced at once, and its root is out: what clients see may not verify from that yet."""
    rotation = reader.rotation()
    return rotation is not None and rotation.kind is not RotationKind.PLANNED and rotation.root_version is not None

"""The files of what everybody has signed: made before anything of it is written, so that a version has one content.

Who must sign may change before such a file comes out: another root is published, or proposed. A file that lacks their
signatures would never come out, and nobody could join it. So it is made anew once they have signed; where it was
written already, under a name that is written once, the same is proposed again above that.
"""

from __future__ import annotations

from datetime import datetime

from rstuf.metadata.brought_role import take_brought_apart
from rstuf.metadata.limits import TARGETS_BYTES
from rstuf.metadata.render import SignedFile, Unsigned, renewed_part, sign_with, versioned
from rstuf.metadata.views import Signature, open_envelope
from rstuf.model.events import EventKind, EventPart, EventPhase, SigningEvent
from rstuf.model.names import ROOT
from rstuf.repository.authority import signed_enough
from rstuf.repository.brought_roles import refuse_paths
from rstuf.repository.brought_rows import enter_rows
from rstuf.repository.interfaces import StateReader, StateTransaction
from rstuf.repository.open_events import digest_of, envelope_of, file_of, listed_for, sides_of, signers_of
from rstuf.repository.ports import Ports
from rstuf.repository.routing import router_of
from rstuf.repository.visible import found


def whole_file(ports: Ports, event: SigningEvent, part: EventPart) -> SignedFile:
    """The file of a part, with the signatures that were there when it was first made whole."""
    known = file_of(part)
    if known is not None:
        return known
    unsigned = Unsigned(part.role, part.version, envelope_of(part).expires, part.signed)
    with ports.state.read() as reader:
        listed = listed_for(reader, event, part, now=ports.clock.now())
    # Who signed may be listed no more by the time the others have.
    file = sign_with(unsigned, [Signature(each.keyid, each.sig) for each in part.signatures if each.keyid in listed])
    with ports.state.transaction(actor=ports.actor) as state:
        number = part.number
        if event.kind is EventKind.BROUGHT and not number:
            number = _enter(ports, state, event, file)
        state.complete_part(event.id, part.role, file.data, number=number)
    return file


def _enter(ports: Ports, state: StateTransaction, event: SigningEvent, file: SignedFile) -> int:
    """Record what a role lists that was made elsewhere, now that enough have signed it.

    Raises:
        DeliveryRefused: clients look for something of it in another role by now.
    """
    brought = take_brought_apart(file.data, name=event.role, file=event.name)
    refuse_paths(router_of(ports, state), brought)
    return enter_rows(state, event.name, event.role, brought.rows, at=ports.clock.now())


def is_outdated(reader: StateReader, event: SigningEvent, *, now: datetime) -> bool:
    """Whether a file of it was made before other people had to sign it, who have not."""
    if event.kind is EventKind.CEREMONY or event.role == ROOT:
        return False
    return any(_is_outdated(reader, event, part, now=now) for part in event.parts)


def _is_outdated(reader: StateReader, event: SigningEvent, part: EventPart, *, now: datetime) -> bool:
    if part.file is None or reader.role(part.role).visible >= part.version:
        # It came out, where that is so, and the process ended before it could say so.
        return False
    file = open_envelope(part.file, name=versioned(part.role, part.version), kind="targets")
    return not all(signed_enough(file, keys) for _, keys in sides_of(reader, event, part, now=now))


def let_others_join(ports: Ports, state: StateTransaction) -> None:
    """Let those sign what waits who must since its file was made; see the top."""
    now = ports.clock.now()
    for event in [each for each in state.open_events() if is_outdated(state, each, now=now)]:
        names = [versioned(part.role, part.version) for part in event.parts]
        if all(found(ports.metadata, name, limit=TARGETS_BYTES) is None for name in names):
            reopen_event(state, event, kind=event.kind, at=now)
        else:
            _propose_above(state, event, at=now)


def _propose_above(state: StateTransaction, event: SigningEvent, *, at: datetime) -> None:
    state.close_event(event.id, EventPhase.CANCELLED, at=at)
    state.record("event.cancel", {"event": event.name, "signed": signers_of(state, event)}, at=at)
    parts = []
    for part in event.parts:
        opened, version = envelope_of(part), state.role(part.role).version + 1
        again = renewed_part(part.role, opened.signed, version=version, expires=opened.expires)
        state.burn_versions(part.role, 1)
        parts.append(EventPart(part.role, version, again.data, number=part.number))
    note_opened(state, state.open_event(parts, kind=event.kind, opened=at, periods=event.periods), at=at)


def reopen_event(state: StateTransaction, event: SigningEvent, *, kind: EventKind, at: datetime) -> SigningEvent:
    """Let the same bytes wait for another purpose, or for others, with the signatures that they have."""
    state.close_event(event.id, EventPhase.CANCELLED, at=at)
    parts = [EventPart(part.role, part.version, part.signed, number=part.number) for part in event.parts]
    again = state.open_event(parts, kind=kind, opened=event.opened, periods=event.periods)
    for part in event.parts:
        for each in part.signatures:
            state.add_signature(again.id, part.role, keyid=each.keyid, sig=each.sig, at=each.at)
    note_opened(state, again, at=at)
    return again


def note_opened(state: StateTransaction, event: SigningEvent, *, at: datetime) -> None:
    """Note in the log that an event was opened, and what is to be signed."""
    details = {"event": event.name, "kind": event.kind.value, "sha256": [digest_of(part) for part in event.parts]}
    state.record("event.open", details, at=at)

"""Root: never part of a publication, each version a commit of its own."""

from __future__ import annotations

from datetime import datetime

from rstuf.clock import iso
from rstuf.errors import InvalidMetadata, NameTaken, ReleaseRefused
from rstuf.metadata import limits, render
from rstuf.metadata.render import versioned
from rstuf.metadata.views import Envelope, RoleKeys, open_envelope, root_roles
from rstuf.model.events import EventKind, EventPhase, SigningEvent
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.policy import Periods
from rstuf.repository.authority import SigningDesk, current_root, read_visible, signed_enough
from rstuf.repository.interfaces import StateReader, StateTransaction
from rstuf.repository.known_keys import note_found
from rstuf.repository.leaks import leak_in_words, let_in
from rstuf.repository.mending import check_recorded
from rstuf.repository.ports import Ports
from rstuf.repository.recovery import complete_root
from rstuf.repository.signing_anew import check_what_follows
from rstuf.repository.visible import found, is_taken, junk_root

_LIMITS = {
    TIMESTAMP: limits.TIMESTAMP_BYTES,
    SNAPSHOT: limits.SNAPSHOT_WITH_LENGTH_BYTES,
    TARGETS: limits.TARGETS_BYTES,
}


def commit_root(ports: Ports, data: bytes, *, signed_at: datetime, event: SigningEvent | None = None) -> int:
    """Publish a root whose thresholds are met; its version. Under the publication lock, after recovery.

    Its bytes are in the state before its file is created, and from then on it is completed, never abandoned. Clients
    may come in between this and any publication, so what is visible must verify from the root before and from this one.

    Args:
        event: the signing event that it comes from, which ends with it. Where that replaces an online key at once, what
            is visible need not verify: whoever calls this publishes anew right after it, and all of that can be signed.

    Raises:
        ReleaseRefused: it is not the next version, has expired, its thresholds (of the root before, too: TUF §5.3.4)
            are not met, or what is visible does not verify from it.
        InvalidMetadata: a root before it is missing or damaged, so that clients would not come as far as this one.
        SigningError: a key that must sign anew right after it cannot be reached.
        StorageError: its file could not be written; the next command completes it.
    """
    new = open_envelope(data, name="the new root", kind="root")
    with ports.state.read() as reader:
        newest = reader.newest_root()
        check_chain(new, current_root(reader) if newest is not None else None, size=len(data))
        if newest is not None:
            check_recorded(ports, reader)
            _refuse_leaked(reader, new)
            if event is None or event.kind is not EventKind.REPLACEMENT:
                _check_visible_verifies(ports, reader, new)
            else:
                check_what_follows(ports, reader, new)
        if new.expires <= ports.clock.now():
            raise ReleaseRefused(
                [f"the new root expired at {iso(new.expires)}"], hint="propose it again, with a later date"
            )
        periods = (event.periods if event is not None else None) or reader.periods()[ROOT]
        open_events = [each for each in reader.open_events() if each.role == ROOT]
    _check_name_is_free(ports, versioned(ROOT, new.version), data)
    with ports.state.transaction(actor=ports.actor) as state:
        note_revoked(state, new, at=ports.clock.now())
        _note_found(state, new, at=ports.clock.now())
        state.record_root(
            new.version,
            data,
            signed_at=signed_at,
            expires=new.expires,
            sign_by=new.expires - periods.renew_before,
        )
        state.note_evidence(signed_at)
        at = ports.clock.now()
        if event is not None and event.periods is not None:
            state.set_periods(ROOT, event.periods)
        for other in open_events:
            # Whatever else was proposed was proposed over a root that is no longer the newest.
            ended = EventPhase.DONE if event is not None and other.id == event.id else EventPhase.CANCELLED
            state.close_event(other.id, ended, at=at)
        _note_rotation(state, new, at=at)
        state.record("root.sign", {"version": new.version}, at=at)
        root = state.root(new.version)
    if root is not None:
        complete_root(ports, root)
    return new.version


def note_revoked(state: StateTransaction, new: Envelope, *, at: datetime) -> None:
    """Log the keys that people signed with until now, and that root lists no more."""
    if state.newest_root() is None:
        return
    old, listed = root_roles(current_root(state)), {keyid for keys in root_roles(new).values() for keyid in keys.keyids}
    rotation = state.rotation()
    gone = dict.fromkeys(keyid for keys in old.values() for keyid in keys.keyids if keyid not in listed)
    for keyid in gone:
        if rotation is None or keyid != rotation.old:
            # An online key may sign bins yet: the end of its rotation is when it goes.
            entry = state.key(keyid)
            details = {"key": entry.name if entry is not None else keyid[:12], "keyid": keyid}
            if entry is not None and entry.report is not None:
                details["kind"] = entry.report.loss.value
            state.record("key.revoke", details, at=at)


def _refuse_leaked(reader: StateReader, new: Envelope) -> None:
    """A proposal may be older than the news that a key of it leaked.

    Raises:
        ReleaseRefused: it gives more to such a key than it has.
    """
    told = leak_in_words(reader, new)
    if told is not None:
        raise ReleaseRefused([told[0]], hint=told[1])


def _note_found(state: StateTransaction, new: Envelope, *, at: datetime) -> None:
    for keyid in let_in(state, new):
        note_found(state, keyid, at=at)


def _note_rotation(state: StateTransaction, new: Envelope, *, at: datetime) -> None:
    """Whether the root names the new key of a rotation alone: from then on its overlap runs."""
    rotation = state.rotation()
    if rotation is None or rotation.root_version is not None:
        return
    roles = root_roles(new)
    listed = {keyid for name in _LIMITS for keyid in roles[name].keyids}
    if rotation.new in listed and rotation.old not in listed:
        state.note_rooted(rotation.id, version=new.version, at=at)


def renew_root(ports: Ports) -> int:
    """Sign the root again, unchanged but for version and expiry, with the keys at hand; its new version.

    Under the publication lock, after recovery. An expired root does not stand in its own way.

    Raises:
        SigningError: the keys at hand do not meet its threshold; nothing was changed.
    """
    with ports.state.read() as reader:
        old = current_root(reader)
        keys = root_roles(old)[ROOT]
        now = ports.signing_time(reader)
        periods: Periods = reader.periods()[ROOT]
        unsigned = render.renewed_part(ROOT, old.signed, version=old.version + 1, expires=now + periods.expires)
        file = SigningDesk(reader, ports.signers).sign(unsigned, keys)
    return commit_root(ports, file.data, signed_at=now)


def _check_name_is_free(ports: Ports, name: str, data: bytes) -> None:
    """A root that is recorded is completed for good, so no other root may have its name; what is none gives way."""
    there = found(ports.metadata, name, limit=limits.ROOT_BYTES)
    if there is None and is_taken(ports.metadata, name):
        # A directory, or something too large: it cannot give way.
        raise junk_root(name)
    if there is None or there == data:
        return
    try:
        other = open_envelope(there, name=name, kind="root")
        own = root_roles(other)[ROOT]
    except InvalidMetadata:
        return
    if signed_enough(other, own):
        raise NameTaken(name)


def check_chain(new: Envelope, old: Envelope | None, *, size: int) -> None:
    """See that clients would follow one root from another, or begin with it where there is no other (TUF §5.3.4).

    Args:
        size: of its file, in bytes.

    Raises:
        ReleaseRefused: they would not.
    """
    if size > limits.ROOT_BYTES:
        raise ReleaseRefused([f"the new root has {size} bytes and clients read at most {limits.ROOT_BYTES}"])
    expected = old.version + 1 if old is not None else 1
    if new.version != expected:
        raise ReleaseRefused([f"the new root has version {new.version} and must have {expected}"])
    sides: list[tuple[str, RoleKeys]] = [("its own keys", root_roles(new)[ROOT])]
    if old is not None:
        sides.append((f"the keys of root {old.version}", root_roles(old)[ROOT]))
    for side, keys in sides:
        if not signed_enough(new, keys):
            raise ReleaseRefused([f"the new root is not signed by {keys.threshold} of {side}"])


def _check_visible_verifies(ports: Ports, reader: StateReader, new: Envelope) -> None:
    roles = root_roles(new)
    for name, limit in _LIMITS.items():
        role = reader.role(name)
        if role.visible == 0:
            continue
        if name == TIMESTAMP:
            data = ports.metadata.read("timestamp.json", limit=limit)
            visible = open_envelope(data, name="timestamp.json", kind="timestamp")
        else:
            visible = read_visible(role, ports.metadata, kind=name, limit=limit)
        if not signed_enough(visible, roles[name]):
            raise ReleaseRefused(
                [f"the visible {name} does not verify from the new root"],
                hint=f"rstuf renew signs {name} so that it does, or says who must",
            )

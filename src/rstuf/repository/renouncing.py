"""The new key of a rotation that turns out to be lost or in the wrong hands: never is it left in charge.

While root names the old key and that is well, the rotation is called off. Else another key takes the place of the one
that root names, at once, and targets names neither of the two any more: it is a rotation of its own, which begins in
the transaction that ends the first.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from rstuf.errors import InvalidInput
from rstuf.metadata.render import Unsigned
from rstuf.model.events import ROTATING, EventKind, EventPhase, SigningEvent
from rstuf.model.keys import Loss
from rstuf.model.names import TARGETS
from rstuf.model.rotation import Rotation, RotationKind
from rstuf.repository.call_offs import handed_back
from rstuf.repository.calling_off import call_off
from rstuf.repository.interfaces import StateReader, StateTransaction
from rstuf.repository.known_keys import names_of, report_loss
from rstuf.repository.open_events import is_open, signers_of
from rstuf.repository.ports import Ports
from rstuf.repository.rotation import RotationStart, fit_keys, note_loss, start_rotation
from rstuf.repository.signing_events import NewEvent, open_in, refuse_undropped


def renounce_new_key(
    ports: Ports,
    *,
    loss: Loss,
    old: Loss | None = None,
    to: str | None,
    overlap: timedelta,
    drop: Collection[SigningEvent] = (),
) -> RotationStart | None:
    """Go on without the new key of the rotation that goes on. Under the publication lock, after recovery.

    Args:
        loss: what became of the new key.
        old: what became of the old one, where that is said now; what was noted of it before counts as well.
        to: the name of the key that takes the place of both; not needed where the old one stays.
        drop: the open events that are cancelled for it, as whoever says so saw them; see `rotation.in_the_way`.

    Returns:
        The rotation that goes on instead; None where the old key stays.

    Raises:
        InvalidInput: no rotation goes on, or `to` is not fit for it.
        EventOpen: an event of root is open.
        SigningError: a key that must sign now cannot be reached; nothing was changed.
    """
    with ports.state.read() as reader:
        rotation, names = reader.rotation(), names_of(reader)
    if rotation is None:
        raise InvalidInput("no online key is being replaced", hint="rstuf key rotate NAME begins it")
    note_loss(ports, rotation.new, RotationKind(loss.value))
    if old is not None:
        note_loss(ports, rotation.old, RotationKind(old.value))
    with ports.state.read() as reader:
        stays, kind = old is None and old_key_stays(reader, rotation), _kind(reader, rotation, loss)
    if stays:
        _stay(ports, rotation, loss, drop=drop)
        return None
    goes = rotation.old if rotation.root_version is None else rotation.new
    if to is None:
        # It was seen while the old one could still stay: the root that names the new one came out meanwhile.
        raise InvalidInput(
            f"{names[rotation.new]} was to take the place of {names[rotation.old]}, and only another key can now",
            hint=f"run it again: rstuf recover online-key {names[rotation.new]} --{loss.value}",
        )
    with ports.state.read() as reader:
        before, after = fit_keys(reader, old=names[goes], new=to)
    if after.keyid == rotation.new:
        raise InvalidInput(f"{after.name} is the key that must go", hint="make another one: rstuf key generate NAME")
    now = ports.clock.now()
    return start_rotation(
        ports,
        before,
        after,
        kind=kind,
        overlap=overlap,
        drop=drop,
        first=lambda state: _break_off(state, rotation, loss, action="rotation.break", at=now),
    )


def _stay(ports: Ports, rotation: Rotation, loss: Loss, *, drop: Collection[SigningEvent]) -> None:
    """Call the rotation off: where people have handed the bins over, they must hand them back."""
    now = ports.clock.now()
    with ports.state.read() as reader:
        _refuse_other_targets(reader, drop, handed_back(ports, reader))
    call_off(ports)
    with ports.state.transaction(actor=ports.actor) as state:
        back = handed_back(ports, state)
        _refuse_other_targets(state, drop, back)
        _break_off(state, rotation, loss, action="rotation.cancel", at=now)
        if back is not None:
            open_in(state, [NewEvent((back,), EventKind.HANDBACK)], drop=drop, at=now)


def _refuse_other_targets(reader: StateReader, drop: Collection[SigningEvent], back: Unsigned | None) -> None:
    """
    Raises:
        EventOpen: targets waits that is no part of the rotation, in the place of what is to wait, and is not to go.
    """
    waits = is_open(reader, TARGETS)
    if back is not None and waits is not None and waits.kind not in ROTATING:
        refuse_undropped(reader, waits, drop)


def old_key_stays(reader: StateReader, rotation: Rotation) -> bool:
    """Whether nothing but a root that waits names the new key, and the old one is well, as far as anybody said."""
    entry = reader.key(rotation.old)
    leaked = entry is not None and entry.is_leaked
    return rotation.root_version is None and rotation.kind is RotationKind.PLANNED and not leaked


def _kind(reader: StateReader, rotation: Rotation, loss: Loss) -> RotationKind:
    """Why the key goes that root names: where that is the old one, what was said of that one."""
    entry = reader.key(rotation.old)
    if rotation.root_version is not None or entry is None or entry.report is None:
        return RotationKind(loss.value)
    return RotationKind(entry.report.loss.value)


def _break_off(state: StateTransaction, rotation: Rotation, loss: Loss, *, action: str, at: datetime) -> None:
    """End a rotation whose new key must go, with the events that would let that in.

    Args:
        action: what the log calls it.
    """
    for event in state.open_events():
        if event.kind in ROTATING:
            state.close_event(event.id, EventPhase.CANCELLED, at=at)
            state.record("event.cancel", {"event": event.name, "signed": signers_of(state, event)}, at=at)
    report_loss(state, rotation.new, loss, at=at)
    state.end_rotation(rotation.id, at=at)
    names = names_of(state)
    said = {role: names.get(keyid, keyid[:12]) for role, keyid in (("old", rotation.old), ("new", rotation.new))}
    state.record(action, said, at=at)

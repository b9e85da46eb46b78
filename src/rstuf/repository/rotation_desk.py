"""What the faces ask of the rotation of online keys: to begin, go on without a key, or end at once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from rstuf.model.events import SigningEvent
from rstuf.model.keys import KeyId, Loss
from rstuf.model.rotation import Rotation, RotationKind
from rstuf.repository.authority import load_authority
from rstuf.repository.bridge import unlisted_keys
from rstuf.repository.event_views import EventView
from rstuf.repository.known_keys import key_named
from rstuf.repository.letting_go import going
from rstuf.repository.open_events import view_in
from rstuf.repository.ports import Ports
from rstuf.repository.recovery import recover
from rstuf.repository.renouncing import old_key_stays, renounce_new_key
from rstuf.repository.rotation import (
    DEFAULT_OVERLAP,
    RotationStart,
    begin_rotation,
    carry_on,
    fit_keys,
    hasten_rotation,
    in_the_way,
    refuse_leaks_in_good_order,
)
from rstuf.repository.strays import begin_without_strays
from rstuf.repository.visible import check_visible, refuse_newer_root, refuse_older_state


def refuse_behind(ports: Ports, kind: RotationKind) -> None:
    """See that the replacement of an online key can begin or go on from this state. Waits for nobody.

    Raises:
        StateBehind: a root is published that it does not know; or, where a key is replaced that is well, anything.
    """
    if kind is RotationKind.PLANNED:
        refuse_older_state(ports)
    else:
        # Whoever stole a key may have published above everything else: that is what is mended then.
        refuse_newer_root(ports)


def recover_for(ports: Ports, kind: RotationKind) -> None:
    """End what was interrupted, and `refuse_behind`. Under the publication lock."""
    recover(ports)
    refuse_behind(ports, kind)


class RotationDesk:
    """The rotation of the online keys of one repository."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def current(self) -> Rotation | None:
        """The rotation of an online key that goes on, if one does."""
        with self._ports.state.read() as reader:
            return reader.rotation()

    def refuse_behind(self, kind: RotationKind) -> None:
        """See `refuse_behind`."""
        refuse_behind(self._ports, kind)

    def rotate(
        self,
        old: str,
        new: str,
        *,
        kind: RotationKind = RotationKind.PLANNED,
        overlap: timedelta = DEFAULT_OVERLAP,
        drop: Collection[SigningEvent] = (),
    ) -> RotationStart:
        """Let another key take the place of an online key; see `rotation.begin_rotation`."""
        with self._ports.state.publication_lock(purpose="key rotate"):
            recover_for(self._ports, kind)
            if kind is RotationKind.PLANNED:
                check_visible(self._ports)
            return begin_rotation(self._ports, old=old, new=new, kind=kind, overlap=overlap, drop=drop)

    def in_the_way(self, old: str, *, new: KeyId | None = None, kind: RotationKind) -> list[EventView]:
        """What waits and must go for the replacement of an online key; see `rotation.in_the_way`."""
        with self._ports.state.read() as reader:
            events = in_the_way(reader, old=key_named(reader, old).keyid, new=new, kind=kind)
            return [view_in(self._ports, reader, event) for event in events]

    def hasten(self, kind: RotationKind, *, drop: Collection[SigningEvent] = ()) -> None:
        """End a rotation without its old key; see `rotation.hasten_rotation`."""
        with self._ports.state.publication_lock(purpose="key rotate"):
            recover_for(self._ports, kind)
            hasten_rotation(self._ports, kind=kind, drop=drop)

    def propose_anew(self, drop: Collection[SigningEvent]) -> None:
        """Let targets wait that a rotation asks for, in the place of what is in its way; see `rotation.carry_on`."""
        with self._ports.state.publication_lock(purpose="key rotate"):
            recover_for(self._ports, RotationKind.LOST)
            carry_on(self._ports, drop=drop)

    def take_out_stray(self, name: str, *, kind: RotationKind, drop: Collection[SigningEvent] = ()) -> None:
        """Let a key sign no bins any more that root does not name; see `strays.begin_without_strays`.

        Args:
            drop: see `rotation.carry_on`.
        """
        with self._ports.state.publication_lock(purpose="key rotate"):
            recover_for(self._ports, kind)
            if kind is RotationKind.PLANNED:
                check_visible(self._ports)
            begin_without_strays(self._ports, kind=kind, name=name)
            carry_on(self._ports, drop=drop)

    def check_replacement(self, old: str, new: str) -> None:
        """See that one key can take the place of another; see `rotation.fit_keys`. Writes nothing."""
        with self._ports.state.read() as reader:
            fit_keys(reader, old=old, new=new)

    def refuse_leaks_in_good_order(self, old: str) -> None:
        """See that no leaked key signs on; see `rotation.refuse_leaks_in_good_order`. Writes nothing."""
        with self._ports.state.read() as reader:
            refuse_leaks_in_good_order(self._ports, reader, key_named(reader, old))

    def goes_along(self, name: str) -> bool:
        """Whether a key that root does not name goes at the end of the rotation that goes on, beside the old one.

        Raises:
            InvalidInput: no key is called that.
        """
        with self._ports.state.read() as reader:
            rotation, keyid = reader.rotation(), key_named(reader, name).keyid
            if rotation is None or keyid in {rotation.old, rotation.new}:
                return False
            authority = load_authority(reader, self._ports.metadata)
            return keyid in unlisted_keys(authority.top_level, going(reader, authority))

    def old_key_stays(self) -> bool:
        """Whether a rotation without its new key is called off; see `renouncing.old_key_stays`."""
        with self._ports.state.read() as reader:
            rotation = reader.rotation()
            return rotation is not None and old_key_stays(reader, rotation)

    def renounce(
        self,
        loss: Loss,
        *,
        old: Loss | None = None,
        to: str | None = None,
        overlap: timedelta = DEFAULT_OVERLAP,
        drop: Collection[SigningEvent] = (),
    ) -> RotationStart | None:
        """Go on without the new key of a rotation; see `renouncing.renounce_new_key`."""
        with self._ports.state.publication_lock(purpose="key rotate"):
            recover_for(self._ports, RotationKind(loss.value))
            return renounce_new_key(self._ports, loss=loss, old=old, to=to, overlap=overlap, drop=drop)

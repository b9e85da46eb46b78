"""How far a repository has come: whether its ceremony has ended, or waits for signers, or was interrupted."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from rstuf.errors import CeremonyExpired, CeremonyUnfinished, CeremonyWaiting, EventExpired
from rstuf.model.events import EventKind
from rstuf.model.settings import Phase
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports

if TYPE_CHECKING:
    from rstuf.repository.event_views import EventView


class Stage(Enum):
    """From which point of its life on a repository is good for what is to be done."""

    LIVE = "live"
    SIGNING = "signing"
    LOOKING = "looking"


def refuse_unfinished(ports: Ports, *, stage: Stage) -> None:
    """
    Raises:
        CeremonyUnfinished: the ceremony was interrupted, or what waited for signers was cancelled.
        CeremonyWaiting, CeremonyExpired: it waits for signers, or did so in vain, and `stage` wants it to have ended.
    """
    with ports.state.read() as reader:
        if not reader.begun():
            raise CeremonyUnfinished("this workspace")
        if reader.settings().phase is Phase.LIVE:
            return
        waiting = next((event for event in reader.open_events() if event.kind is EventKind.CEREMONY), None)
        # Between the last signature and its end there is no open event, and whoever may sign may end it.
        if stage is not Stage.LIVE and (waiting is not None or reader.newest_root() is not None):
            return
        if stage is Stage.LOOKING and _was_cancelled(reader):
            return
        if waiting is None:
            raise _unfinished(reader)
        # Only here: what views an event takes more than most commands need.
        from rstuf.repository.open_events import refuse_expired, view_part

        now = ports.clock.now()
        try:
            refuse_expired(waiting, now)
        except EventExpired as error:
            raise CeremonyExpired("this workspace", error.event, error.when) from None
        names = {entry.keyid: entry.name for entry in reader.keys()}
        wanted = dict.fromkeys(
            keyid for part in waiting.parts for keyid in view_part(reader, waiting, part, now=now).wanted
        )
        raise CeremonyWaiting(
            "this workspace", waiting.name, missing=[names.get(keyid, keyid[:12]) for keyid in wanted]
        )


def waiting_ceremony(ports: Ports) -> EventView | None:
    """The event in which the first root waits for its signers; None where the ceremony has ended.

    Raises:
        CeremonyUnfinished: the ceremony was interrupted, or what waited was cancelled.
    """
    with ports.state.read() as reader:
        if reader.settings().phase is Phase.LIVE:
            return None
        from rstuf.repository.open_events import views_in

        for view in views_in(ports, reader):
            if view.event.kind is EventKind.CEREMONY:
                return view
        raise _unfinished(reader)


def _unfinished(reader: StateReader) -> CeremonyUnfinished:
    """Why a ceremony that waits for nobody has not ended."""
    signed = reader.newest_root() is not None
    return CeremonyUnfinished("this workspace", signed=signed, cancelled=not signed and _was_cancelled(reader))


def _was_cancelled(reader: StateReader) -> bool:
    """Whether a first root was proposed, where none waits and none is out."""
    return any(event.kind is EventKind.CEREMONY for event in reader.events())

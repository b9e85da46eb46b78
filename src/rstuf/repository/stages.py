"""How far a repository has come: whether its ceremony has ended, or waits for signers, or was interrupted."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from rstuf.errors import CeremonyUnfinished, CeremonyWaiting
from rstuf.model.events import EventKind
from rstuf.model.settings import Phase
from rstuf.repository.ports import Ports

if TYPE_CHECKING:
    from rstuf.repository.event_views import EventView


class Stage(Enum):
    """From which point of its life on a repository is good for what is to be done."""

    LIVE = "live"
    SIGNING = "signing"


def refuse_unfinished(ports: Ports, *, stage: Stage) -> None:
    """
    Raises:
        CeremonyUnfinished: the ceremony was interrupted.
        CeremonyWaiting: it waits for signers, and `stage` wants it to have ended.
    """
    with ports.state.read() as reader:
        if not reader.begun():
            raise CeremonyUnfinished("this workspace")
        if reader.settings().phase is Phase.LIVE:
            return
        waiting = next((event for event in reader.open_events() if event.kind is EventKind.CEREMONY), None)
        # Between the last signature and its end there is no open event, and whoever may sign may end it.
        if stage is Stage.SIGNING and (waiting is not None or reader.newest_root() is not None):
            return
        if waiting is None:
            raise CeremonyUnfinished("this workspace", signed=reader.newest_root() is not None)
        # Only here: what views an event takes more than most commands need.
        from rstuf.repository.open_events import view_part

        names = {entry.keyid: entry.name for entry in reader.keys()}
        wanted = dict.fromkeys(keyid for part in waiting.parts for keyid in view_part(reader, waiting, part).wanted)
        raise CeremonyWaiting(
            "this workspace", waiting.name, missing=[names.get(keyid, keyid[:12]) for keyid in wanted]
        )


def waiting_ceremony(ports: Ports) -> EventView | None:
    """The event in which the first root waits for its signers; None where the ceremony has ended.

    Raises:
        CeremonyUnfinished: the ceremony was interrupted.
    """
    with ports.state.read() as reader:
        if reader.settings().phase is Phase.LIVE:
            return None
        from rstuf.repository.open_events import views_in

        for view in views_in(ports, reader):
            if view.event.kind is EventKind.CEREMONY:
                return view
        raise CeremonyUnfinished("this workspace", signed=reader.newest_root() is not None)

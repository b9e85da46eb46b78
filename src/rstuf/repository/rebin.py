"""Another number of bins, while everybody reads on: one publication brings targets and all new bins.

No artifact is touched: a bin is a range of slots (see `rstuf.state.resizes`). The bins that were there keep their names
in snapshot and their files, so that clients of any age find what they look for.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from rstuf.errors import InvalidInput, InvalidPolicy
from rstuf.metadata.bins import Bins
from rstuf.metadata.render import renewed_part
from rstuf.metadata.root import with_bins
from rstuf.model import policy
from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.names import TARGETS, TIMESTAMP
from rstuf.model.policy import check_bin_count
from rstuf.repository.authority import load_authority, open_online_key
from rstuf.repository.bin_layout import bring_bins, new_names, refuse_large
from rstuf.repository.event_views import EventView
from rstuf.repository.interfaces import StateReader
from rstuf.repository.open_events import is_open, view_in
from rstuf.repository.ports import Ports
from rstuf.repository.publish import get_ready
from rstuf.repository.reports import PublicationReport
from rstuf.repository.signing_events import drop_event, open_event, refuse_undropped


@dataclass(frozen=True, slots=True)
class ResizeReport:
    """What became of a resize.

    Attributes:
        before, after: how many bins there were, and how many are wanted.
        publication: what it published; None where there were as many already, or people have to sign targets first.
        waits: the event in which they do.
    """

    before: int
    after: int
    publication: PublicationReport | None
    waits: EventView | None


def resize_bins(
    ports: Ports, count: int, *, allow_large: bool = False, drop: Collection[SigningEvent] = ()
) -> ResizeReport:
    """Share the artifacts of targets out over another number of bins; what was accepted before comes out with it.

    Args:
        allow_large: also so many that some clients cannot read the snapshot any more.
        drop: an open event of targets that is cancelled for it, as whoever says so saw it.

    Raises:
        InvalidPolicy: there can be no such number, or snapshot would list too many names.
        InvalidInput: targets has no bins.
        LimitExceeded: a bin would be larger than clients read; nothing was changed.
        EventOpen: an event of targets is open.
        SigningError: the online key cannot be reached; nothing was changed.
        StorageError, ReleaseRefused: clients still see what they saw.
    """
    bits = check_bin_count(count, allow_large=allow_large)
    with ports.state.publication_lock(purpose="bins resize"):
        get_ready(ports)
        with ports.state.read() as reader:
            authority, role = load_authority(reader, ports.metadata), reader.role(TARGETS)
            if authority.bins is None or role.bin_bits is None:
                raise InvalidInput("targets shares nothing out over bins", hint="there is nothing to resize")
            before = authority.bins.bins
            if before.bits == bits:
                return ResizeReport(count, count, None, None)
            if not allow_large:
                _refuse_long_listing(reader, Bins(bits, before.prefix))
            open_online_key(reader, ports.signers)
            wanted = with_bins(authority.targets, Bins(bits, before.prefix))
            expires = ports.signing_time(reader) + reader.periods()[TARGETS].expires
            waiting = is_open(reader, TARGETS)
            if waiting is not None:
                refuse_undropped(reader, waiting, drop)
            online = set(authority.top_level[TARGETS].keyids) <= set(authority.top_level[TIMESTAMP].keyids)
            if not online:
                # Nobody should sign what could not come out.
                weights = list(reader.weigh(TARGETS, bits=bits, number=reader.newest_number()))
                refuse_large(weights, Bins(bits, before.prefix))
        if online:
            if waiting is not None:
                with ports.state.transaction(actor=ports.actor) as state:
                    refuse_undropped(state, waiting, drop)
                    drop_event(state, waiting, at=ports.clock.now())
            return ResizeReport(before.count, count, bring_bins(ports, wanted), None)
        unsigned = renewed_part(TARGETS, wanted, version=role.version + 1, expires=expires)
        event = open_event(ports, [unsigned], kind=EventKind.RESIZE, drop=drop)
        with ports.state.read() as reader:
            return ResizeReport(before.count, count, None, view_in(ports, reader, event))


def _refuse_long_listing(reader: StateReader, bins: Bins) -> None:
    """Names of bins that were used stay listed, so that many changes make a snapshot that some clients cannot read."""
    listed = reader.listed_roles() + len(new_names(reader, bins))
    if listed > policy.MAX_LISTED:
        raise InvalidPolicy(
            f"snapshot would list {listed} names, with those of bins that are not used any more; "
            f"at most {policy.MAX_LISTED} are read everywhere",
            hint="another number may have the same names; --allow-large does it nevertheless",
        )

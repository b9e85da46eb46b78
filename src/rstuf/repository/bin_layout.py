"""A publication that brings other bins than there were: targets lets them sign, and each is rendered anew.

The state counts what is accepted meanwhile in the bins that there are and in those to come (`rstuf.state.resizes`).
With the publication these take the place of the others; cut off or refused, nothing comes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from rstuf.errors import LimitExceeded, RstufError
from rstuf.metadata import limits
from rstuf.metadata.bins import Bins
from rstuf.metadata.render import SignedFile
from rstuf.model.names import TARGETS, RoleName
from rstuf.model.roles import BinWeight, NewRole, RoleKind
from rstuf.progress import step
from rstuf.repository.authority import SigningDesk, load_authority
from rstuf.repository.forced import forced_parts
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.release import bring_out
from rstuf.repository.rendering import Part
from rstuf.repository.reports import PublicationReport, Reason


def bring_bins(ports: Ports, targets: Mapping[str, Any], *, signed: SignedFile | None = None) -> PublicationReport:
    """Publish targets as it is to be, and all bins that it delegates to. Under the publication lock, after recovery.

    Args:
        targets: its `signed` object.
        signed: its file, where people have signed it.
    """
    _bring_out_forced(ports)
    succinct = targets["delegations"]["succinct_roles"]
    bins = Bins(succinct["bit_length"], succinct["name_prefix"])
    with ports.state.transaction(actor=ports.actor) as state:
        # Whatever is left of one that was cut off before it was staged counts for nothing.
        state.drop_resize(TARGETS)
        details = {"before": 1 << (state.role(TARGETS).bin_bits or 0), "after": bins.count}
        begun = state.begin_resize(TARGETS, bins.bits, _roles(bins))
        state.record("bins.resize", details, at=ports.clock.now())
    try:
        with ports.state.read() as reader, step(ports.progress, "counting", total=bins.count, unit="bins"):
            weights = list[BinWeight]()
            for weight in reader.weigh(TARGETS, bits=bins.bits, number=begun):
                ports.progress.advance(weight.index + 1 - (weights[-1].index + 1 if weights else 0))
                weights.append(weight)
        refuse_large(weights, bins)
        with ports.state.transaction(actor=ports.actor) as state:
            state.fill_resize(TARGETS, weights)
        with ports.state.read() as reader:
            number, role = reader.newest_number(), reader.role(TARGETS)
            parts = [Part(role, role.number, Reason.RESIZED, signed)]
            parts += [Part(each, number, Reason.RESIZED) for each in reader.coming_bins(TARGETS)]
        return bring_out(ports, parts, proposed_targets=targets, resized=TARGETS)
    except BaseException:
        # One that is committing goes on: only what no publication took along, or gave up, is dropped here.
        with suppress(RstufError), ports.state.transaction(actor=ports.actor) as state:
            resize = state.resize(TARGETS)
            if resize is not None and resize.publication is None:
                state.drop_resize(TARGETS)
        raise


def _bring_out_forced(ports: Ports) -> None:
    """Bins that stay listed as they are must not be listed below what clients may have seen of them."""
    with ports.state.read() as reader:
        desk, authority = SigningDesk(reader, ports.signers), load_authority(reader, ports.metadata)
        forced = forced_parts(reader, desk, authority)
    if forced:
        bring_out(ports, forced)


def _roles(bins: Bins) -> Iterator[NewRole]:
    return (NewRole(bins.name(index), RoleKind.BIN, holder=TARGETS, index=index) for index in range(bins.count))


def refuse_large(weights: Iterable[BinWeight], bins: Bins) -> None:
    """
    Raises:
        LimitExceeded: a bin would hold more than clients read.
    """
    for weight in weights:
        if weight.payload > limits.TARGETS_PAYLOAD_BYTES:
            raise LimitExceeded(bins.name(weight.index), size=weight.payload, limit=limits.TARGETS_PAYLOAD_BYTES)


def new_names(reader: StateReader, bins: Bins) -> set[RoleName]:
    """The names of bins that snapshot does not list yet: it never drops one, so that these are what it grows by."""
    return set(map(bins.name, range(bins.count))) - {name for name, _ in reader.snapshot_entries()}

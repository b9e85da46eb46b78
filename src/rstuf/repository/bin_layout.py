"""A publication that brings other bins than there were: a role lets them sign, and each is rendered anew.

The state counts what is accepted meanwhile in the bins that there are and in those to come (`rstuf.state.resizes`).
With the publication these take the place of the others; cut off or refused, nothing comes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from rstuf.errors import DelegationNotFound, InvalidInput, InvalidMetadata, LimitExceeded, RstufError
from rstuf.metadata import limits
from rstuf.metadata.bins import PREFIX, Bins
from rstuf.metadata.root import Signatories, targets_over_bins, with_bin_signers
from rstuf.metadata.views import Envelope, RoleKeys, bin_delegation
from rstuf.model.names import TARGETS, TIMESTAMP, RoleName
from rstuf.model.roles import BinWeight, NewRole, RoleKind, RoleState
from rstuf.progress import step
from rstuf.repository.authority import SUCCESSOR, Authority, SigningDesk, load_authority
from rstuf.repository.batches import people_sign_bins
from rstuf.repository.forced import forced_parts
from rstuf.repository.interfaces import StateReader
from rstuf.repository.kept_changes import keep_back
from rstuf.repository.ports import Ports
from rstuf.repository.release import bring_out
from rstuf.repository.rendering import Part, Signed
from rstuf.repository.reports import PublicationReport, Reason


def bring_bins(
    ports: Ports, holder: RoleName, said: Mapping[str, Any], *, signed: Mapping[RoleName, Signed] | None = None
) -> PublicationReport:
    """Publish a role as it is to be, and all bins that it delegates to. Under the publication lock, after recovery.

    Args:
        holder: whose artifacts they share out; it may have listed them itself before.
        said: its `signed` object.
        signed: what people have signed of these: its file, and those of bins.
    """
    files = signed or {}
    _bring_out_forced(ports)
    kept = keep_back(ports)
    delegation = bin_delegation(Envelope(name=f"{holder}.json", signed=said, payload=b"", signatures=()))
    if delegation is None:
        raise InvalidMetadata(holder, "it delegates to no bins")
    bins = delegation.bins
    with ports.state.read() as reader:
        before = load_authority(reader, ports.metadata)
        then = load_authority(reader, ports.metadata, proposed={holder: said})
    by_people = people_sign_bins(then, holder)
    others_sign = by_people is not people_sign_bins(before, holder)
    with ports.state.transaction(actor=ports.actor) as state:
        # Whatever is left of one that was cut off before it was staged counts for nothing.
        state.drop_resize(holder)
        bits = state.role(holder).bin_bits
        details = {"before": 0 if bits is None else 1 << bits, "after": bins.count, "role": holder}
        begun = state.begin_resize(holder, bins.bits, new_bins(holder, bins))
        state.record("bins.resize", details, at=ports.clock.now())
        if others_sign:
            # People are asked for them as often as for the role; the online key signs them as it does others.
            periods = state.periods()
            lives = periods[holder] if by_people else periods.get(PREFIX, periods[holder])
            state.set_periods(bins.prefix, lives)
    try:
        with ports.state.read() as reader, step(ports.progress, "counting", total=bins.count, unit="bins"):
            weights = list[BinWeight]()
            for weight in reader.weigh(holder, bits=bins.bits, number=begun):
                ports.progress.advance(weight.index + 1 - (weights[-1].index + 1 if weights else 0))
                weights.append(weight)
        refuse_large(weights, bins)
        with ports.state.transaction(actor=ports.actor) as state:
            state.fill_resize(holder, weights)
        with ports.state.read() as reader:
            number, role = reader.newest_number() if kept is None else kept.number, reader.role(holder)
            parts = [Part(role, role.number, Reason.RESIZED, files[holder].file if holder in files else None)]
            parts += [_part(each, number, files.get(each.name)) for each in reader.coming_bins(holder)]
        return bring_out(ports, parts, proposed={holder: said}, resized=holder)
    except BaseException:
        # One that is committing goes on: only what no publication took along, or gave up, is dropped here.
        with suppress(RstufError), ports.state.transaction(actor=ports.actor) as state:
            resize = state.resize(holder)
            if resize is not None and resize.publication is None:
                state.drop_resize(holder)
        raise


def _part(role: RoleState, number: int, signed: Signed | None) -> Part:
    if signed is None:
        return Part(role, number, Reason.RESIZED)
    return Part(role, signed.number, Reason.RESIZED, signed.file)


def _bring_out_forced(ports: Ports) -> None:
    """Bins that stay listed as they are must not be listed below what clients may have seen of them."""
    with ports.state.read() as reader:
        desk, authority = SigningDesk(reader, ports.signers), load_authority(reader, ports.metadata)
        forced = forced_parts(reader, desk, authority)
    if forced:
        bring_out(ports, forced)


def new_bins(holder: RoleName, bins: Bins) -> Iterator[NewRole]:
    """All bins of a role, as the state enters them."""
    return (NewRole(bins.name(index), RoleKind.BIN, holder=holder, index=index) for index in range(bins.count))


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


def sharing_role(reader: StateReader, authority: Authority, name: RoleName) -> RoleState:
    """The role that shares its artifacts out, or is to.

    Raises:
        DelegationNotFound: there is none.
        InvalidInput: it can have no bins.
    """
    if name == TARGETS and TARGETS not in authority.shared:
        where = f"; those of {SUCCESSOR} are all others'" if SUCCESSOR in authority.named else ""
        raise InvalidInput(f"targets shares nothing out over bins{where}", hint="rstuf delegation list shows who does")
    if name != TARGETS and name not in authority.named:
        raise DelegationNotFound(name)
    if name in authority.tree.delegators and authority.tree.delegators[name].named:
        raise InvalidInput(
            f"{name} delegates by names, and a role has either these or bins", hint="rstuf delegation list shows them"
        )
    return reader.role(name)


def said_over(authority: Authority, holder: RoleName, bins: Bins, who: RoleKeys | None = None) -> dict[str, Any]:
    """What a role says once it shares its artifacts out over bins; the online key signs these, or whoever is named."""
    keys = who or authority.top_level[TIMESTAMP]
    signatories = Signatories([keys.keys[keyid] for keyid in keys.keyids], keys.threshold)
    said = {**authority.delegators.get(holder, {}), **targets_over_bins(bins, signatories)}
    return with_bin_signers(said, keys)

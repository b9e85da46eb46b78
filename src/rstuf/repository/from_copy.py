"""Going on from a copy: a workspace that was put back, with or without what it serves.

Nothing in a copy tells what clients have seen since it was taken. What is published tells some of it: so everything
that can be signed here is signed again, far above what the copy knows of and above all that is rightly signed there.
What was accepted after the copy was taken is not in it, and clients find it no more: that a person decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from rstuf.errors import VersionsUsedUp
from rstuf.metadata.bins import PREFIX
from rstuf.model.names import SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.roles import NewRole, RoleKind
from rstuf.repository.authority import load_authority, open_online_key
from rstuf.repository.dates import next_due
from rstuf.repository.interfaces import StateReader, StateTransaction
from rstuf.repository.mending import put_back, record_again
from rstuf.repository.ports import Ports
from rstuf.repository.recovery import StateAge, recover
from rstuf.repository.release import bring_out
from rstuf.repository.renewal import JUMP, Due, find_due
from rstuf.repository.reports import RenewalReport
from rstuf.repository.seen import lying_above, seen_versions
from rstuf.repository.visible import refuse_junk_root, refuse_newer_root

_ALL: Final = (TARGETS, SNAPSHOT, TIMESTAMP, PREFIX)
# Some clients keep a version in 32 bits. What is published from a copy leaves half of these for what comes after it.
_HIGHEST: Final = 2**30


def publish_from_copy(ports: Ports) -> RenewalReport:
    """Make what this state holds visible, over whatever was published after the copy was taken.

    Roles that people sign stay at the version that the copy has, unless their keys are here: the report names those
    that wait, and clients that have seen a newer one of them wait too. Doing it again does it again, further up.

    Raises:
        StateBehind: a root that the copy does not have is published; who may sign is then not known here.
        VersionsUsedUp: what is published cannot be gone above; only another online key helps.
        ForeignMetadata: another repository is published where this one would be.
        SigningError: an online key cannot be reached; nothing was published, and no version passed over.
    """
    with ports.state.publication_lock(purpose="recover copy"):
        refuse_newer_root(ports)
        refuse_junk_root(ports)
        recover(ports, age=StateAge.COPY)
        recorded = record_again(ports)
        restored = put_back(ports)
        with ports.state.read() as reader:
            due = find_due(ports, reader, _ALL, ())
            # No version is passed over for a key that does not sign the next one.
            open_online_key(reader, ports.signers)
            seen = seen_versions(ports, reader)
            later = _later_bins(ports, reader, seen)
            known = {role.name: role.version for role in reader.roles()} | {each.name: 0 for each in later}
        with ports.state.transaction(actor=ports.actor) as state:
            state.add_roles(later)
            for each in later:
                # Names above what is listed may be taken, too.
                state.burn_versions(each.name, JUMP)
        with ports.state.read() as reader:
            burnt = _versions_to_burn(reader, due, seen)
        with ports.state.transaction(actor=ports.actor) as state:
            for name, count in burnt.items():
                state.burn_versions(name, count)
            # The state that is lost knew them; from here on none of them is needed.
            state.note_superseded(_lying(state, lying_above(ports, known)))
            details = {"roles": len(due.parts), "versions": max(burnt.values())}
            state.record("copy.publish", details, at=ports.clock.now())
        publication = bring_out(ports, due.parts)
        with ports.state.read() as reader:
            return RenewalReport(
                publication.mended(restored=restored, recorded=recorded), tuple(due.waiting), next_due(reader)
            )


def _later_bins(ports: Ports, reader: StateReader, seen: Mapping[str, int]) -> list[NewRole]:
    """Bins that there were after the copy was taken, in another number than the copy has: they stay listed."""
    delegation = load_authority(reader, ports.metadata).bins
    known = {role.name for role in reader.roles()}
    return [
        NewRole(RoleName(name), RoleKind.BIN, holder=TARGETS, index=index, retired=version)
        for name, version in seen.items()
        if name not in known and delegation is not None and (index := delegation.bins.index_in(name)) is not None
    ]


def _lying(state: StateTransaction, files: Mapping[str, Iterable[int]]) -> Iterator[tuple[RoleName, int]]:
    """What lies there of roles that are here, at versions that were used by now."""
    used = {role.name: role.version for role in state.roles() if role.kind is not RoleKind.ROOT}
    for name, versions in files.items():
        role = RoleName(name)
        yield from ((role, version) for version in sorted(versions) if version <= used.get(role, 0))


def _versions_to_burn(reader: StateReader, due: Due, seen: Mapping[str, int]) -> Mapping[RoleName, int]:
    """How many versions of each role are passed over, so that the next one is far above what clients can have met.

    What waits for people goes up as well: once they have signed it, clients that have seen a newer one must take it.

    Raises:
        VersionsUsedUp: a role goes too far up, or is listed and not here, so that nothing could go on from it.
    """
    known = {role.name: role.version for role in reader.roles()}
    for role, version in seen.items():
        if role not in known or version + JUMP > _HIGHEST:
            raise VersionsUsedUp(role, visible=version, known=known.get(RoleName(role), 0))
    # Each file came with a snapshot and a timestamp, and of these perhaps nothing is left.
    together = max(seen.values(), default=0)
    seen = {**seen, SNAPSHOT: together, TIMESTAMP: together}
    names = {part.role.name for part in due.parts}
    names |= {waiting.name for waiting in due.waiting if waiting.event is None}
    return {name: max(seen.get(name, 0) - known[name], 0) + JUMP for name in names}

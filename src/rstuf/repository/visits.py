"""The roles that a client visits for a path, and why it comes to each: the delegations that are for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rstuf.errors import PathsDisputed, PathsNotDelegated, StateDamaged
from rstuf.metadata.bins import Bins
from rstuf.model.artifacts import digest_of, slot_of
from rstuf.model.names import TARGETS, RoleName, TargetPath, target_path
from rstuf.model.patterns import Match, PathPattern, match
from rstuf.model.roles import RoleState
from rstuf.repository.authority import Authority
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.routing import router_of


@dataclass(frozen=True, slots=True)
class BinRange:
    """Which paths a bin is responsible for: those whose SHA-256 begins with something from `first` to `last`.

    Attributes:
        first, last: eight hex digits each.
        bits: how many leading bits decide; there are 2^bits bins.
    """

    first: str
    last: str
    bits: int


@dataclass(frozen=True, slots=True)
class Visit:
    """A role that a client visits for a path.

    Attributes:
        by: who delegates to it; None for targets.
        pattern: the pattern by which that is for the path; None where it goes by hashes.
        prefix: what the SHA-256 of the path begins with, by which it is; None where it goes by patterns. Of what is for
            all paths, "".
        bins: of a bin, its range.
        terminating: whether a client that comes here looks nowhere else.
        disputed: whether clients differ in what the pattern stands for, so that some do not come here.
        version, length: of what clients see of the role; 0 and None before there is anything.
    """

    role: RoleName
    by: RoleName | None
    pattern: PathPattern | None
    prefix: str | None
    bins: BinRange | None
    terminating: bool
    disputed: bool
    version: int
    length: int | None
    signed_at: datetime | None
    expires: datetime | None

    def has_expired(self, now: datetime) -> bool:
        """Whether a client that comes here goes no further."""
        return self.expires is not None and self.expires <= now


class WayFault(StrEnum):
    """Why no role can list a path."""

    NOT_DELEGATED = "not-delegated"
    """No delegation is for it, or it is behind more roles than clients visit."""
    DISPUTED = "disputed"
    """Some clients would look for it in one role, and others in another one."""


@dataclass(frozen=True, slots=True)
class Way:
    """The way of a client to a path.

    Attributes:
        path_sha256: hex.
        chain: the roles on the way to the one that has to list it, targets first.
        search: all that a client visits where it never finds it, in their order.
        fault: why no role can list it; None where the last of `chain` has to.
    """

    path: TargetPath
    path_sha256: str
    chain: tuple[Visit, ...]
    search: tuple[Visit, ...]
    fault: WayFault | None

    @property
    def last(self) -> Visit:
        """The role that has to list it, if one can."""
        return self.chain[-1]

    @property
    def beyond(self) -> tuple[Visit, ...]:
        """Those that a client visits besides, where it does not find it there."""
        return tuple(each for each in self.search if each not in self.chain)


def way_to(ports: Ports, text: str) -> Way:
    """The way of a client to a path, be it here or not. Changes nothing.

    Raises:
        InvalidPath: it cannot be a path of an artifact, so no client asks for it.
    """
    path = target_path(text)
    with ports.state.read() as reader:
        return way_in(ports, reader, path)


def way_in(ports: Ports, reader: StateReader, path: TargetPath) -> Way:
    """The same, for one who is reading."""
    router, fault = router_of(ports, reader), None
    try:
        router.holder(path)
    except PathsNotDelegated:
        fault = WayFault.NOT_DELEGATED
    except PathsDisputed:
        fault = WayFault.DISPUTED
    authority = router.authority
    if authority is None:
        targets = _visit(reader, TARGETS)
        return Way(path, digest_of(path), (targets,), (targets,), fault)
    chain, search = authority.tree.route(path).chain, authority.tree.search(path)
    visits = {name: _visited(reader, authority, name, path) for name in {*chain, *search}}
    return Way(
        path, digest_of(path), tuple(visits[name] for name in chain), tuple(visits[name] for name in search), fault
    )


def _visited(reader: StateReader, authority: Authority, name: RoleName, path: TargetPath) -> Visit:
    parent = authority.tree.parent(name)
    if parent is None:
        return _visit(reader, name) if name == TARGETS else _bin(reader, authority, name, path)
    delegation = next(each for each in authority.tree.delegators[parent].named if each.name == name)
    found = {pattern: match(pattern, path) for pattern in delegation.paths}
    sure = [pattern for pattern, said in found.items() if said is Match.YES]
    maybe = [pattern for pattern, said in found.items() if said is Match.DISPUTED]
    return _visit(
        reader,
        name,
        by=parent,
        pattern=next(iter([*sure, *maybe]), None),
        prefix=_prefix(delegation.prefixes, digest_of(path)),
        terminating=delegation.terminating,
        disputed=bool(maybe) and not sure,
    )


def _prefix(prefixes: tuple[str, ...], digest: str) -> str | None:
    if not prefixes:
        return None
    # By every digit there is, it is for whatever is left.
    return "" if len({each for each in prefixes if len(each) == 1}) == 1 << 4 else _begins(prefixes, digest)


def _begins(prefixes: tuple[str, ...], digest: str) -> str:
    return next(each for each in prefixes if digest.startswith(each))


def _bin(reader: StateReader, authority: Authority, name: RoleName, path: TargetPath) -> Visit:
    holder = next(holder for holder, each in authority.shared.items() if each.bins.index_in(name) is not None)
    return _visit(reader, name, by=holder, bins=_range(authority.shared[holder].bins, path))


def _range(bins: Bins, path: TargetPath) -> BinRange:
    first, last = bins.slots(bins.index_of_slot(slot_of(path)))
    return BinRange(f"{first:08x}", f"{last:08x}", bins.bits)


def _visit(
    reader: StateReader,
    name: RoleName,
    *,
    by: RoleName | None = None,
    pattern: PathPattern | None = None,
    prefix: str | None = None,
    bins: BinRange | None = None,
    terminating: bool = False,
    disputed: bool = False,
) -> Visit:
    role = state_of(reader, name)
    length = None if role.file is None else role.file.length
    return Visit(
        role=name,
        by=by,
        pattern=pattern,
        prefix=prefix,
        bins=bins,
        terminating=terminating,
        disputed=disputed,
        version=role.visible,
        length=length,
        signed_at=role.signed_at,
        expires=role.expires,
    )


def state_of(reader: StateReader, name: RoleName) -> RoleState:
    """A role that somebody delegates to.

    Raises:
        StateDamaged: the state does not have it.
    """
    try:
        return reader.role(name)
    except KeyError:
        raise StateDamaged("of this repository", f"it has no role {name}") from None

"""Who delegates to whom by what is published: read from targets on, each role by the keys that its parent lists.

A delegate's word is not the repository's. So whatever is read here is taken only if rstuf itself could have brought it
out, and refused with a reason if not:

1. a role is delegated to by its name once, from one role, no deeper than clients look, and no two roles differ in the
   case of their letters alone;
2. a role has bins or delegations by names, and lists no artifacts beside bins; bins have the names that rstuf gives
   them;
3. where targets delegates by names and there are bins for all else, `SUCCESSOR` has these and comes last;
4. every such role is listed by snapshot, is the file that it lists, and is signed as its parent says.

Names that snapshot lists and that nobody delegates to are of roles and bins that have left.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from rstuf.errors import InvalidMetadata, InvalidRoleName
from rstuf.metadata.bins import PREFIX
from rstuf.metadata.delegations import Delegation, named_delegations
from rstuf.metadata.tree import MAX_DEPTH
from rstuf.metadata.views import BinDelegation, Envelope, bin_delegation
from rstuf.model.layout import Layout
from rstuf.model.names import TARGETS, RoleName, role_name
from rstuf.model.roles import NewRole, RoleKind
from rstuf.repository.authority import SUCCESSOR, Authority, taken_apart
from rstuf.repository.interfaces import MetadataStorage
from rstuf.repository.published_files import PublishedFile, foreign, read_listed, refused

_MAX_BIN_BITS: Final = 16
_EVERYTHING: Final = tuple("0123456789abcdef")
_HASH_PREFIX: Final = re.compile(r"[0-9a-f]{1,64}", re.ASCII)
_OF_BIN: Final = re.compile(r"(.+)-([0-9a-f]{1,8})", re.ASCII)


def read_tree(
    metadata: MetadataStorage, root: Envelope, targets: PublishedFile, listed: Mapping[str, Mapping[str, Any]]
) -> Authority:
    """Who may sign what, by the newest root and all that is delegated from its targets on.

    Raises:
        InvalidMetadata: a delegated role is missing, forged, or none that rstuf would have brought out.
    """
    said: dict[RoleName, Mapping[str, Any]] = {TARGETS: targets.envelope.signed}
    depth, names = {TARGETS: 0}, {TARGETS.casefold()}
    todo = [(TARGETS, targets.envelope)]
    while todo:
        parent, envelope = todo.pop(0)
        bins, named = _delegations(parent, envelope)
        if bins is not None:
            _claim(names, map(bins.bins.name, range(bins.bins.count)), where=envelope.name)
        _claim(names, (each.name for each in named), where=envelope.name)
        if named and depth[parent] == MAX_DEPTH:
            raise foreign(envelope.name, f"it delegates to {named[0].name}, which lies deeper than clients look")
        for each in named:
            child = read_listed(metadata, each.name, listed, kind=TARGETS, keys=each.keys).envelope
            depth[each.name] = depth[parent] + 1
            if child.signed.get("delegations") is not None:
                said[each.name] = child.signed
                todo.append((each.name, child))
    authority = taken_apart(root, lambda name, _: said.get(name))
    _refuse_other_successor(authority)
    return authority


def layout_of(authority: Authority) -> Layout:
    """How targets hands artifacts on, by what it says: nothing takes the bins away that it had at first."""
    if authority.bins is None:
        return Layout.FLAT
    return Layout.CLASSIC if authority.bins.bins.classic else Layout.SUCCINCT


def _delegations(name: RoleName, envelope: Envelope) -> tuple[BinDelegation | None, tuple[Delegation, ...]]:
    """The bins of a role, or whom it delegates to by names."""
    where, delegations = envelope.name, envelope.signed.get("delegations")
    if delegations is None:
        return None, ()
    if not isinstance(delegations, dict):
        raise foreign(where, "its delegations are not of the form that clients read")
    try:
        bins = bin_delegation(envelope)
        named = named_delegations(envelope.signed, where=where) if bins is None else ()
    except InvalidMetadata as error:
        raise foreign(where, error.reason) from None
    if bins is None:
        for each in named:
            if not all(map(_HASH_PREFIX.fullmatch, each.prefixes)):
                raise foreign(where, f"its delegation to {each.name} goes by what no hash begins with")
        return None, named
    if "succinct_roles" in delegations and delegations.get("roles"):
        raise foreign(where, "it delegates to bins and to roles by their names, of which clients read one alone")
    prefix = PREFIX if name in {TARGETS, SUCCESSOR} else f"{name}-{PREFIX}"
    if bins.bins.prefix != prefix or not 1 <= bins.bins.bits <= _MAX_BIN_BITS:
        raise foreign(where, "its bins have other names or another number than rstuf gives them")
    if envelope.signed.get("targets"):
        raise foreign(where, "it lists artifacts beside its bins, where no client looks for them")
    return bins, ()


def _claim(names: set[str], more: Iterable[RoleName], *, where: str) -> None:
    """Names that no other role has; so nothing is delegated to twice, or by two, or lies below itself."""
    for name in more:
        if name.casefold() in names:
            raise foreign(where, f"it delegates to {name}, which is delegated to already, be it in other letters' case")
        names.add(name.casefold())


def _refuse_other_successor(authority: Authority) -> None:
    """That a role with the name of the one that has the bins is this one: whatever is new goes to it."""
    if SUCCESSOR not in authority.named:
        return
    last = authority.tree.delegators[TARGETS].named[-1:]
    ours = any(each.name == SUCCESSOR and each.prefixes == _EVERYTHING and not each.terminating for each in last)
    if not ours or SUCCESSOR not in authority.shared:
        reason = f"it delegates to {SUCCESSOR}, which is for all that is left, in another way than rstuf does"
        raise foreign(f"{TARGETS}.json", reason)


# --- names that have left --------------------------------------------------------------------------------


def left_names(snapshot: Envelope, authority: Authority, listed: Collection[str]) -> list[RoleName]:
    """The names of roles that nobody delegates to any more, and that snapshot goes on listing.

    Raises:
        InvalidMetadata: one that is delegated to is not listed, or what is listed is no name of a role.
    """
    expected = {f"{name}.json" for name in roles_in_use(authority)}
    dropped = sorted(expected.difference(listed))
    if dropped:
        raise refused(snapshot.name, f"it does not list {dropped[0]}")
    names = [_listed_name(each, where=snapshot.name) for each in sorted(set(listed) - expected)]
    taken = {name.casefold() for name in roles_in_use(authority)}
    _claim_listed(taken, names, where=snapshot.name)
    return names


def roles_in_use(authority: Authority) -> Iterator[RoleName]:
    """Targets, and every role that is delegated to, bins among them."""
    yield TARGETS
    yield from authority.named
    for shared in authority.shared.values():
        yield from map(shared.bins.name, range(shared.bins.count))


def left_roles(
    names: Mapping[RoleName, int], authority: Authority, *, unlisted: Mapping[RoleName, int]
) -> list[NewRole]:
    """What has left, as the state keeps it: roles that were delegated to, then bins of these and of those in use.

    Args:
        names: theirs, with the version at which each is listed.
        unlisted: others that files are called by, and that no snapshot lists, with their highest versions.
    """
    roles, bins = list[NewRole](), list[NewRole]()
    holders = {TARGETS, *authority.named}
    # The name of a bin is longer than its holder's.
    for name, version in sorted({**unlisted, **names}.items(), key=lambda each: (len(each[0]), each[0])):
        place, listed = _place(name, authority, holders), name in names
        if place is not None:
            holder, index = place
            bins.append(NewRole(name, RoleKind.BIN, holder=holder, index=index, retired=version, listed=listed))
        elif listed or _OF_BIN.fullmatch(name) is None:
            holders.add(name)
            roles.append(NewRole(name, RoleKind.DELEGATED, retired=version, listed=listed))
    return [*roles, *bins]


def _place(name: RoleName, authority: Authority, holders: Collection[RoleName]) -> tuple[RoleName, int] | None:
    """Whose bin a name was, and which; None where it was delegated to by its name."""
    found = _OF_BIN.fullmatch(name)
    if found is None:
        return None
    prefix, index = found[1], int(found[2], 16)
    if prefix == PREFIX and authority.bins is not None:
        return authority.catch_all, index
    holder = RoleName(prefix.removesuffix(f"-{PREFIX}"))
    return (holder, index) if holder != prefix and holder in holders and holder != TARGETS else None


def _listed_name(file: str, *, where: str) -> RoleName:
    try:
        if file.endswith(".json"):
            return role_name(file.removesuffix(".json"))
    except InvalidRoleName as error:
        raise foreign(where, f"it lists what no role can be called: {error.message}") from None
    raise foreign(where, "it lists what is no file of a role")


def _claim_listed(taken: set[str], names: Iterable[RoleName], *, where: str) -> None:
    for name in names:
        if name.casefold() in taken:
            raise foreign(where, f"it lists {name} beside a name that differs from it in its letters' case alone")
        taken.add(name.casefold())

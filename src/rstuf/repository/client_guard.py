"""Clients that have to be able to read what is published: told before anything is visible, not found out by them.

What every stock client reads is kept in any case (`release_check`, `LimitExceeded`). A workspace can name more
(`Ports.clients`): what one of these could not read is refused then, before a version is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rstuf.errors import ClientsExcluded, InvalidInput, nearest
from rstuf.metadata.clients import CLIENTS, TUF_JS, ClientKind, Shape, obstacle
from rstuf.metadata.javascript import misreading
from rstuf.model.names import ROOT, RoleName
from rstuf.model.roles import RoleKind
from rstuf.repository.authority import Authority
from rstuf.repository.interfaces import StateReader
from rstuf.repository.rendering import Part

# What stands around the entries of a role, with the signature of one key.
_AROUND: Final = 400


def known_client(name: str) -> ClientKind:
    """The client of that name.

    Raises:
        InvalidInput: none of that name was measured.
    """
    for each in CLIENTS:
        if each.name == name:
            return each
    meant = nearest(name, [each.name for each in CLIENTS])
    known = ", ".join(each.name for each in CLIENTS)
    raise InvalidInput(
        f"no client is called {name[:40]!r}", hint=f"did you mean {meant}?" if meant is not None else f"known: {known}"
    )


def shape_of(
    reader: StateReader,
    authority: Authority,
    parts: Iterable[Part] = (),
    *,
    moved: Mapping[RoleName, int] | None = None,
) -> Shape:
    """What of a repository matters to clients, with those roles that are to come out.

    Args:
        moved: how many artifacts more or less each of them lists than the state says.
    """
    more = moved or {}
    listing = [part.role for part in parts if part.role.kind not in {RoleKind.SNAPSHOT, RoleKind.TIMESTAMP}]
    root = reader.role(ROOT).file
    delegations = [each for delegator in authority.tree.delegators.values() for each in delegator.named]
    everybody = [*authority.top_level.values(), *authority.named.values()]
    everybody += [each.signers for each in authority.shared.values()]
    return Shape(
        bins=max((each.bins.count for each in authority.shared.values() if not each.bins.classic), default=0),
        prefixes=any(each.bins.classic for each in authority.shared.values())
        or any(each.prefixes for each in delegations),
        named=bool(delegations) or any(each.bins.classic for each in authority.shared.values()),
        root=0 if root is None else root.length,
        role=max((role.payload + _AROUND for role in listing), default=0),
        artifacts=max((role.artifacts + more.get(role.name, 0) for role in listing), default=0),
        schemes=frozenset(key.scheme for keys in everybody for key in keys.keys.values()),
    )


def excluded(shape: Shape) -> dict[str, str]:
    """The clients that cannot read a repository of that shape, and why."""
    return {each.name: why for each in CLIENTS if (why := obstacle(each, shape)) is not None}


def refuse_unreadable(names: Sequence[str], shape: Shape) -> None:
    """
    Raises:
        ClientsExcluded: a client that has to be able to read it could not.
    """
    found = {each.name: why for name in names if (why := obstacle(each := known_client(name), shape)) is not None}
    if found:
        raise ClientsExcluded(found)


def refuse_misread(names: Sequence[str], role: RoleName, data: bytes) -> None:
    """Refuse a role that lists artifacts, if a client that has to be able to read it would misread something in it.

    Raises:
        ClientsExcluded: it would.
    """
    why = misreading(role, data) if TUF_JS.name in names else None
    if why is not None:
        raise ClientsExcluded({TUF_JS.name: why})

"""What the clients in use can read, as it was measured with their releases: before anything is published by it.

The audit has such a table of its own: it judges what is published by nothing that made it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rstuf.metadata import limits


@dataclass(frozen=True, slots=True)
class Caps:
    """The most bytes that a client reads of root and of each role that lists artifacts.

    Snapshot is of any size: timestamp names its length, and that lifts every client's cap.
    """

    root: int
    role: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKind:
    """A client, and what it can do.

    Attributes:
        succinct: reads bins of TAP 15. A client that does not fails over the whole repository.
        prefixes: reads delegations by hash prefixes.
        named: reads delegations by path patterns.
        bins, artifacts: of how many (in one role) it turns too slow to be used; None where it does not.
        schemes: the kinds of signatures that it verifies; None where these are all that rstuf makes.
    """

    name: str
    caps: Caps
    succinct: bool = False
    prefixes: bool = True
    named: bool = True
    bins: int | None = None
    artifacts: int | None = None
    schemes: frozenset[str] | None = None
    refused_schemes: frozenset[str] = frozenset()


_STOCK: Final = Caps(root=limits.ROOT_BYTES, role=limits.TARGETS_BYTES)
_FLAT: Final = Caps(root=101_376, role=2_000_000)
_NOT_IN_JAVASCRIPT: Final = frozenset({"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"})

# It compares every bin of a repository, and every artifact of a role, with every other.
TUF_JS: Final = ClientKind(
    name="tuf-js", caps=_STOCK, succinct=True, bins=2048, artifacts=1000, refused_schemes=_NOT_IN_JAVASCRIPT
)
CLIENTS: Final = (
    ClientKind(name="python-tuf", caps=_STOCK, succinct=True),
    TUF_JS,
    ClientKind(name="go-tuf", caps=_STOCK, succinct=True, prefixes=False),
    ClientKind(name="tough", caps=Caps(root=1_048_576, role=10_485_760)),
    ClientKind(name="php-tuf", caps=Caps(root=100_000, role=100_000), schemes=frozenset({"ed25519"})),
    ClientKind(name="sigstore-java", caps=_FLAT, prefixes=False, named=False),
    ClientKind(name="tuf-browser", caps=_FLAT, prefixes=False, named=False),
    ClientKind(name="rust-tuf", caps=_FLAT, prefixes=False, named=False),
)


def client_names() -> list[str]:
    """The clients that were measured."""
    return [each.name for each in CLIENTS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What of a repository matters to clients.

    Attributes:
        bins: how many succinct bins there are; 0 where there are none.
        root, role: bytes of the newest root, and of the largest of targets and the roles below it.
        artifacts: the most in one role.
    """

    bins: int = 0
    prefixes: bool = False
    named: bool = False
    root: int = 0
    role: int = 0
    artifacts: int = 0
    schemes: frozenset[str] = field(default_factory=frozenset)


def obstacle(client: ClientKind, shape: Shape) -> str | None:
    """Why a client cannot read a repository of such a shape, or not in a bearable time; None where it can."""
    if shape.bins and not client.succinct:
        return "it reads no succinct bins"
    if shape.prefixes and not client.prefixes:
        return "it reads no bins by hash prefixes"
    if shape.named and not client.named:
        return "it reads no delegations"
    if client.bins is not None and shape.bins > client.bins:
        return f"with more than {client.bins} bins it takes seconds, or minutes"
    if client.artifacts is not None and shape.artifacts > client.artifacts:
        return f"with more than {client.artifacts} artifacts in one role it takes seconds, or minutes"
    refused = shape.schemes & client.refused_schemes
    if client.schemes is not None:
        refused |= shape.schemes - client.schemes
    if refused:
        return f"it does not verify {min(refused)}"
    for name, size, cap in (("root", shape.root, client.caps.root), ("a role", shape.role, client.caps.role)):
        if size > cap:
            return f"{name} has {size} bytes, and it reads {cap}"
    return None

"""What another tree of delegations means for roles and artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rstuf.model.names import RoleName, TargetPath
from rstuf.model.policy import Periods


@dataclass(frozen=True, slots=True)
class Move:
    """An artifact that goes from one role to another, each by the name of the role that holds it or shares it out."""

    slot: int
    path: TargetPath
    giver: RoleName
    taker: RoleName


@dataclass(frozen=True, slots=True)
class Handover:
    """What becomes of roles with a publication.

    Attributes:
        joins: roles that are delegated to from then on; they may have been before.
        leaves: roles that nobody delegates to any more: snapshot goes on listing them, and nothing else does.
        successor: the one of `joins` that takes over all that targets holds, with its bins.
        periods: how long roles live from then on; of others it stays.
    """

    joins: tuple[RoleName, ...] = ()
    leaves: tuple[RoleName, ...] = ()
    successor: RoleName | None = None
    periods: Mapping[str, Periods] = field(default_factory=dict)

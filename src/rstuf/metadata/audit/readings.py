"""What goes into the audit from elsewhere, and what comes out of it role by role."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rstuf.metadata.audit.paths import Bin
from rstuf.metadata.audit.shapes import TOP_ROLES, Common


@dataclass(frozen=True, slots=True)
class Known:
    """What is known without the metadata, from a state: used where a file is missing, to find the next one.

    Attributes:
        root, snapshot: versions that must exist; 0 if none is known.
        roles: every role that snapshot lists, with its version.
        names: every role that there ever was.
        keys: every key of the repository, by key id, as key objects.
    """

    root: int = 0
    snapshot: int = 0
    roles: Mapping[str, int] = field(default_factory=dict)
    names: Collection[str] = frozenset()
    keys: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Expiries:
    """When what was read expires.

    Attributes:
        top: of each top-level role.
        soonest: the first of all, and whose it is.
    """

    def __init__(self) -> None:
        self.top: dict[str, datetime] = {}
        self.soonest: tuple[datetime, str] | None = None

    def note(self, role: str, common: Common) -> None:
        """Take note of one role."""
        if common.expires is None:
            return
        if role in TOP_ROLES:
            self.top[role] = common.expires
        if self.soonest is None or common.expires < self.soonest[0]:
            self.soonest = (common.expires, role)


@dataclass(frozen=True, slots=True)
class Reading:
    """One file that was read.

    Attributes:
        data: its bytes.
        common: version and expiry, as it says.
        targets: its artifacts, those whose path and entry can be relied on.
        place: which bin it is, if it is one.
        shared: whether it shares its artifacts out over bins.
    """

    name: str
    data: bytes
    common: Common
    targets: Mapping[str, Any]
    place: Bin | None = None
    shared: bool = False

    @property
    def version(self) -> int | None:
        """As it says; None where that is not usable."""
        return self.common.version

"""What the state knows of the repository as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rstuf.model.layout import Layout


class Phase(StrEnum):
    """Where the repository's life stands."""

    CEREMONY = "ceremony"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class RepositorySettings:
    """The repository's name and phase.

    Attributes:
        name: what its people call it; free text, escaped wherever it is shown.
        phase: `CEREMONY` until the first publication is visible.
        created: when the ceremony began, UTC.
        plan_digest: SHA-256 of the plan that the ceremony follows, hex; an interrupted one goes on only with it.
        newest_evidence: the newest instant at which this repository is known to have signed, UTC.
        layout: how targets hands artifacts on; after the ceremony its metadata say it too.
    """

    name: str
    phase: Phase
    created: datetime
    plan_digest: str
    newest_evidence: datetime
    layout: Layout = Layout.SUCCINCT

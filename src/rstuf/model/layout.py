"""How targets hands on what it is responsible for, as a repository is made."""

from __future__ import annotations

from enum import StrEnum


class Layout(StrEnum):
    """The ways."""

    SUCCINCT = "succinct"
    """To bins that one sentence describes (TAP 15), however many there are."""
    CLASSIC = "classic"
    """To bins by hash prefixes, each named (PEP 458), for clients without TAP 15."""
    FLAT = "flat"
    """It lists all artifacts itself, for clients that read no delegations."""

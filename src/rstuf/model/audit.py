"""Audit entries: who did what, chained by hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from rstuf.clock import iso

GENESIS: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry of the log.

    Attributes:
        sequence: 1, 2, 3, …
        at: when, UTC.
        actor: who, as the face that acted says it ("maria@laptop").
        action: a stable word, e.g. "artifacts.add".
        details: JSON object; never a secret.
        previous: hash of the entry before, or 64 zeros.
        digest: `entry_digest` of all of the above.
    """

    sequence: int
    at: datetime
    actor: str
    action: str
    details: Mapping[str, Any]
    previous: str
    digest: str


def entry_digest(
    *, sequence: int, at: datetime, actor: str, action: str, details: Mapping[str, Any], previous: str
) -> str:
    """SHA-256, in hex, over the entry's fields as compact JSON with sorted keys."""
    fields = {
        "action": action,
        "actor": actor,
        "at": iso(at),
        "details": dict(details),
        "previous": previous,
        "sequence": sequence,
    }
    return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()

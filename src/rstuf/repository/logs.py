"""A selection of the log's entries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rstuf.model.audit import AuditEntry


def select(entries: Iterator[AuditEntry], *, since: datetime | None, action: str) -> Iterator[AuditEntry]:
    """Those that are not older than `since`, and whose action is `action` or one of its kind.

    Dates are looked at one by one: a clock that went back left newer entries with older ones.

    Args:
        action: "artifacts.add", or "artifacts" for every action whose first word that is; "" for all.
    """
    kind = f"{action}."
    for entry in entries:
        if since is not None and entry.at < since:
            continue
        if not action or entry.action == action or entry.action.startswith(kind):
            yield entry

"""How faces say which roles a client visits for a path, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import rstuf
from rstuf.clock import iso
from rstuf_cli.console import escape
from rstuf_cli.wording import listed, number

_FEW: Final = 5


def reasons(way: rstuf.Way) -> Iterator[str]:
    """Why clients come to each role of the chain, line by line, and on what they do not agree."""
    if way.fault is rstuf.WayFault.DISPUTED:
        for visit in (each for each in way.search if each.disputed):
            yield f"clients differ in whether {escape(visit.pattern or '')} of {escape(visit.role)} is for it"
        return
    if way.fault is None and len(way.search) == 1:
        yield "one role has all paths"
    for visit in way.chain[1:]:
        if visit.bins is not None:
            yield f"the SHA-256 of its path begins with {way.path_sha256[:8]}, and {escape(visit.role)} has all from"
            yield f"{visit.bins.first} to {visit.bins.last}: 1 of {number(1 << visit.bins.bits)} bins"
        else:
            yield f"{_reason(visit)}{'; clients look nowhere else then' if visit.terminating else ''}"


def beyond_in_words(way: rstuf.Way) -> str | None:
    """Where clients look besides, if they do not find a path; None where that is nowhere."""
    names = [escape(visit.role) for visit in way.beyond] if way.fault is None else []
    if len(names) > _FEW:
        names = [*names[:_FEW], f"{number(len(names) - _FEW)} more"]
    return f"where it is not there, clients also look in {listed(names)}" if names else None


def _reason(visit: rstuf.Visit) -> str:
    by, role = escape(visit.by or ""), escape(visit.role)
    if visit.prefix:
        return f"{by} delegates to {role} what has a SHA-256 that begins with {visit.prefix}"
    if visit.prefix is not None:
        return f"{by} delegates to {role} whatever no other delegation is for"
    return f"{by} delegates {escape(visit.pattern or '')} to {role}"


def way_document(way: rstuf.Way) -> dict[str, Any]:
    """The way to a path as data."""
    return {
        "way": visits_document(way.chain),
        "beyond": visits_document(way.beyond),
        "fault": None if way.fault is None else str(way.fault),
    }


def visits_document(visits: Iterable[rstuf.Visit]) -> list[dict[str, Any]]:
    """Visits as data."""
    return [_visit_document(visit) for visit in visits]


def _visit_document(visit: rstuf.Visit) -> dict[str, Any]:
    document: dict[str, Any] = {
        "role": visit.role,
        "by": visit.by,
        "terminating": visit.terminating,
        "disputed": visit.disputed,
        "version": visit.version,
        "expires": None if visit.expires is None else iso(visit.expires),
    }
    if visit.pattern is not None:
        document["pattern"] = visit.pattern
    if visit.prefix is not None:
        document["path_hash_prefix"] = visit.prefix
    if visit.bins is not None:
        document["bin"] = {"first": visit.bins.first, "last": visit.bins.last, "bits": visit.bins.bits}
    return document

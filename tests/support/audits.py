"""The audit of repositories that `tests.support.tuf_repo` made, and what it finds in them."""

from __future__ import annotations

from typing import Any

from tests.support.tuf_repo import NOW, Keys, Repo, succinct

from rstuf.metadata.audit.findings import Code, Note
from rstuf.metadata.audit.readings import Reading
from rstuf.metadata.audit.walk import Audit

ARTIFACTS = {f"files/{number}.bin": b"%d" % number for number in range(24)}


def audited(repo: Any, *, trusted: bytes | None = None, **options: Any) -> tuple[Audit, list[Reading]]:
    """An audit that went to its end, and every role that it read."""
    audit = Audit(repo, trusted_root=trusted or repo.trusted, now=options.pop("now", NOW), **options)
    audit.begin()
    return audit, list(audit.roles())


def codes_of(repo: Any, **options: Any) -> set[Code | Note]:
    """The kinds of problems."""
    return {finding.code for finding in audited(repo, **options)[0].findings.problems}


def notes_of(repo: Any, **options: Any) -> set[Code | Note]:
    """The kinds of notes."""
    return {finding.code for finding in audited(repo, **options)[0].findings.notes}


def rotated_repo() -> Repo:
    """Four bins, all of them with artifacts, under the third root."""
    repo = succinct(bits=2, artifacts=ARTIFACTS, root=Keys("root-a", "root-b", "root-c", threshold=2))
    repo.rotate_root(Keys("root-b", "root-c", "root-d", threshold=2))
    repo.rotate_root()
    return repo


def names_of(repo: Repo) -> frozenset[str]:
    """Every role that it has."""
    return frozenset(repo.versions)

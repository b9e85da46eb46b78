"""`verify`: the audit of what is published, beside the state, the contents and a stock client.

The audit itself (`rstuf.metadata.audit`) shares no code with what writes metadata, and the client is python-tuf's own:
what either of them refuses is a problem, whatever the other one says.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from enum import IntEnum
from typing import Any, BinaryIO, Protocol

from rstuf.clock import iso
from rstuf.metadata.audit.clients import Survey, judge
from rstuf.metadata.audit.findings import Code, Finding, Findings, Note
from rstuf.metadata.audit.walk import Audit
from rstuf.model.names import TargetPath
from rstuf.progress import Progress, Silent, step
from rstuf.repository.interfaces import ServedSurroundings, StateReader, ignored
from rstuf.repository.reports import Problem, VerifyReport, VisibleVersions
from rstuf.repository.verify_client import ClientReport, Sampler, run_client
from rstuf.repository.verify_contents import ContentCheck, LengthCheck
from rstuf.repository.verify_outside import look_outside
from rstuf.repository.verify_state import StateComparison
from rstuf.repository.verify_view import MetadataSource, StillSource

# A sample for every role would make the client the slowest part by far.
SAMPLE = 50


class Depth(IntEnum):
    """How far a verification goes; each does what the ones before it do.

    `ROLES`: every file of metadata, every artifact's entry, and a client that looks up a sample. `LENGTHS`: also that
    every artifact's content is there with its length. `CONTENTS`: also the bytes of every artifact. `FULL`: also a
    client that visits every role (which takes several times as long).
    """

    ROLES = 1
    LENGTHS = 2
    CONTENTS = 3
    FULL = 4


class ContentSource(Protocol):
    """Where contents are read from."""

    def open(self, path: TargetPath, hashes: Mapping[str, str]) -> AbstractContextManager[BinaryIO]:
        """The content that is stored under the first of `hashes`.

        Raises:
            FileMissing: it is not there.
            StorageError: it cannot be read.
        """


def verify(
    source: MetadataSource,
    *,
    trusted_root: bytes,
    now: datetime,
    contents: ContentSource | None = None,
    state: StateReader | None = None,
    depth: Depth = Depth.ROLES,
    progress: Progress | None = None,
    readers: int = 1,
    published: VisibleVersions | None = None,
    contents_place: str | None = None,
    surroundings: ServedSurroundings | None = None,
) -> VerifyReport:
    """Check everything that clients can reach, and that the state agrees with it.

    Args:
        trusted_root: the root that trust comes from, any version.
        now: an aware instant; what expiry is judged by.
        contents: where the artifacts' bytes are; None where they are served elsewhere.
        state: one view of the state, taken when `source` was (see `verify_view`); None for a foreign repository.
        readers: files that are read at once; more than one suits sources with latency, which must allow it.
        published: what was visible before, where the repository is made: nothing older may be served.
        contents_place: what to call the place of `contents`, where that is not known anyway.
        surroundings: what lies around metadata that is served; None where its directories are looked through.

    Raises:
        InvalidMetadata: `trusted_root` is not a root at all.
        StorageError: nothing can be read, or the storage went away.
    """
    if now.tzinfo is None:
        raise ValueError("verification needs an aware instant")
    still = source if isinstance(source, StillSource) else StillSource(source)
    run = _Run(still, trusted_root=trusted_root, now=now, state=state, depth=depth, readers=readers)
    watcher = Silent() if progress is None else progress
    run.walk(contents, watcher, place=contents_place)
    run.client(contents, watcher)
    run.notice_change()
    if published is not None:
        run.compare(published)
    if surroundings is not None:
        run.look_outside(surroundings)
    return run.report()


class _Run:
    """One verification."""

    def __init__(
        self,
        source: StillSource,
        *,
        trusted_root: bytes,
        now: datetime,
        state: StateReader | None,
        depth: Depth,
        readers: int,
    ) -> None:
        self._source = source
        self._trusted_root = trusted_root
        self._now = now
        self._depth = depth
        self._readers = readers
        self._findings = Findings()
        self._state = None if state is None else StateComparison(state, self._findings, now=now)
        self._audit = Audit(
            source,
            trusted_root=trusted_root,
            now=now,
            known=None if self._state is None else self._state.known(),
            readers=readers,
            findings=self._findings,
        )
        self._sampler = Sampler()
        self._checked: dict[str, int] = {"roots": 0, "roles": 0, "artifacts": 0}
        self._client: ClientReport | None = None
        self._moved_on = False

    def walk(self, contents: ContentSource | None, progress: Progress, *, place: str | None) -> None:
        """The audit, with everything that goes along with it role by role."""
        total = self._audit.begin()
        if self._state is not None:
            self._state.top(self._audit)
        self._sampler = Sampler(every=1 if self._depth is Depth.FULL else max(1, total // SAMPLE))
        content = None
        if self._depth >= Depth.LENGTHS and contents is not None:
            check = ContentCheck if self._depth >= Depth.CONTENTS else LengthCheck
            content = check(contents, self._findings, readers=self._readers, where=place)
        elif self._depth >= Depth.LENGTHS:
            message = "contents are kept elsewhere; their bytes were not looked at"
            self._findings.note(Note.CONTENTS_NOT_CHECKED, message)
        steps = step(progress, "roles", total=total, unit="roles")
        if content is not None and content.reads:
            steps = step(progress, "contents", unit="bytes")
        with steps as watcher:
            self._roles(content, watcher)

    def _roles(self, content: ContentCheck | None, progress: Progress) -> None:
        for reading in self._audit.roles():
            self._checked["roles"] += 1
            self._checked["artifacts"] += len(reading.targets)
            if self._state is not None:
                self._state.reading(reading)
            if content is not None:
                content.check(reading.name, reading.targets, progress.advance if content.reads else ignored)
            if content is None or not content.reads:
                progress.advance()
            self._sampler.take(reading, missing=frozenset() if content is None else content.missing)
        if self._state is not None:
            self._state.finish(self._audit)
            self._checked.update(self._state.checked)
        if content is not None:
            self._checked["contents" if content.reads else "content_lengths"] = content.checked
        self._checked["roots"] = 0 if self._audit.roots is None else self._audit.roots.checked

    def client(self, contents: ContentSource | None, progress: Progress) -> None:
        """A stock client over the same files."""
        if self._audit.snapshot is None:
            return
        downloads = contents if self._depth >= Depth.CONTENTS else None
        samples = self._sampler.samples(self._audit)
        with step(progress, "client", total=len(samples), unit="artifacts") as watcher:
            self._client = run_client(
                self._source,
                trusted_root=self._trusted_root,
                now=self._now,
                samples=samples,
                contents=downloads,
                findings=self._findings,
                progress=watcher,
            )
        self._checked["client_artifacts"] = self._client.looked_up
        self._checked["client_downloads"] = self._client.downloaded

    def report(self) -> VerifyReport:
        """What came of it."""
        known = None if self._state is None else self._state.known()
        return VerifyReport(
            checked=self._checked,
            problems=tuple(as_problem(finding) for finding in self._findings.problems),
            more_problems=self._findings.more_problems,
            facts=self._facts(),
            known_roles=frozenset() if known is None else frozenset(known.names),
        )

    def compare(self, published: VisibleVersions) -> None:
        """That nothing older is served than what was published."""
        audit = self._audit
        both = {
            "root": (None if audit.roots is None else audit.roots.version, published.root),
            "snapshot": (None if audit.snapshot is None else audit.snapshot.version, published.snapshot),
            "timestamp": (None if audit.timestamp is None else audit.timestamp.version, published.timestamp),
        }
        for role, (version, known) in both.items():
            if version is not None and version < known:
                message = f"version {version} is served, and the workspace has published version {known}"
                self._findings.problem(Code.STATE_AHEAD, message, role=role)

    def look_outside(self, surroundings: ServedSurroundings) -> None:
        """That nothing of a workspace is served but metadata and contents."""
        self._checked["asked"] = look_outside(surroundings, self._findings)

    def notice_change(self) -> None:
        """Say what a publication that became visible meanwhile leaves open, or explains."""
        if self._state is not None and self._state.behind:
            # One may have come between the view of the state and the first file; or the state is an old copy.
            self._moved_on = True
            message = "clients see a newer timestamp than this view of the state knows; run it again"
            self._findings.note(Note.MOVED_ON, message)
        elif self._source.moved_on():
            self._moved_on = True
            message = "a newer timestamp became visible meanwhile; all this is about the one before"
            self._findings.note(Note.MOVED_ON, message)

    def _facts(self) -> dict[str, Any]:
        audit, survey = self._audit, self._audit.survey
        clients = judge(survey)
        if self._client is not None and not self._client.accepts:
            clients["python-tuf"] = {"ok": False, "reason": "it refuses what it reads; see the problems"}
        top = {"timestamp": audit.timestamp, "snapshot": audit.snapshot}
        soonest = None
        if audit.expiries.soonest is not None:
            soonest = {"role": audit.expiries.soonest[1], "expires": iso(audit.expiries.soonest[0])}
        return {
            "roots": None if audit.roots is None else {"trusted": audit.roots.trusted, "newest": audit.roots.version},
            "versions": {name: None if reading is None else reading.version for name, reading in top.items()},
            "expires": {name: iso(instant) for name, instant in audit.expiries.top.items()},
            "soonest_expiry": soonest,
            "unseen": audit.unseen,
            "bins": survey.bins,
            "delegated": survey.delegated,
            "sizes": _sizes(survey),
            "most_artifacts_in_a_role": survey.most_artifacts,
            "not_compact": audit.not_compact,
            "moved_on": self._moved_on,
            "clients": clients,
            "notes": [as_data(finding) for finding in self._findings.notes],
            "more_notes": self._findings.more_notes,
        }


def _sizes(survey: Survey) -> dict[str, Any]:
    return {
        "root": survey.root.length,
        "timestamp": survey.timestamp.length,
        "snapshot": survey.snapshot.length,
        "targets": survey.targets.length,
        "largest_role": survey.largest.length,
        "largest_role_name": survey.largest_role,
    }


def as_problem(finding: Finding) -> Problem:
    """A problem as a report has it."""
    return Problem(code=str(finding.code), message=finding.message, role=finding.role, path=finding.path)


def as_data(finding: Finding) -> dict[str, str]:
    """A note as a report has it."""
    data = {"code": str(finding.code), "message": finding.message, "role": finding.role, "path": finding.path}
    return {name: value for name, value in data.items() if value is not None}


def every_code() -> tuple[str, ...]:
    """The codes that a problem may have: part of the interface, for documentation and its test."""
    return tuple(str(code) for code in Code)

"""Verifying a repository where it is made: its files beside its state, in one view of both."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from rstuf.errors import RstufError
from rstuf.metadata.audit.findings import Code, Findings
from rstuf.model.audit import AuditEntry
from rstuf.model.names import TIMESTAMP
from rstuf.repository.ports import Ports
from rstuf.repository.reports import Blocker, Problem, VerifyReport
from rstuf.repository.verify import Depth, as_data, as_problem, verify
from rstuf.repository.verify_around import look_around
from rstuf.repository.verify_complaints import Complaints
from rstuf.repository.verify_log import RecordCheck
from rstuf.repository.verify_view import StillSource, go_together, trusted_root
from rstuf.repository.visible import blockers, newer_than_known

# Publications come and go; a view of the state and of the files that do not belong together is taken again.
_VIEWS: Final = 3


@dataclass(frozen=True, slots=True)
class LogReport:
    """What a check of the log found.

    Attributes:
        entries, publications: how many there are.
        head: the newest entry; None where there is none.
        known: the entry that has the digest which was asked for; None where none was asked for, or none has it.
    """

    entries: int
    publications: int
    head: AuditEntry | None
    known: AuditEntry | None
    problems: tuple[Problem, ...]
    more_problems: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify_own(ports: Ports, *, depth: Depth = Depth.ROLES) -> VerifyReport:
    """Audit what is published, from root version 1, and its agreement with the state.

    Publications that become visible meanwhile change nothing of it.
    """
    views = _VIEWS
    while True:
        views -= 1
        with ports.state.read() as reader:
            source = StillSource(ports.metadata)
            if views > 0 and not go_together(reader, source):
                continue
            in_the_way: tuple[Blocker, ...] = ()
            with suppress(RstufError, KeyError):
                in_the_way = blockers(ports, reader)
            report = verify(
                source,
                trusted_root=trusted_root(reader),
                now=ports.clock.now(),
                contents=ports.artifacts,
                state=reader,
                depth=depth,
                progress=ports.progress,
            )
        return _with_surroundings(ports, replace(report, in_the_way=in_the_way))


def check_log(ports: Ports, *, sought: str | None = None) -> LogReport:
    """Walk the chain of the log, and see whether it tells of all that the state knows to have happened.

    Args:
        sought: the digest (hex) that an entry had once; everything up to it is then as it was.
    """
    findings = Findings()
    complaints = Complaints(findings)
    publications = 0
    with ports.state.read() as reader:
        records = RecordCheck(reader, complaints, sought=sought)
        with complaints.reading("the publications"):
            publications = sum(1 for _ in reader.publications())
            records.publications(reader.role(TIMESTAMP), newest_number=reader.newest_number())
        with complaints.reading("the log"):
            newest_number = max((role.newest for role in reader.roles()), default=0)
            records.log(newest_root=max(reader.root_versions(), default=0), newest_number=newest_number)
    return LogReport(
        entries=records.checked,
        publications=publications,
        head=records.head,
        known=records.known,
        problems=tuple(as_problem(finding) for finding in findings.problems),
        more_problems=findings.more_problems,
    )


def _with_surroundings(ports: Ports, report: VerifyReport) -> VerifyReport:
    """A report, after what concerns more than the publication that it is about."""
    findings = Findings()
    newer = newer_than_known(ports)
    if newer is not None and newer.event is not None:
        findings.problem(Code.LOOSE_ROOT_OUT, newer.message, role=newer.role)
    elif newer is not None:
        findings.problem(
            Code.STATE_BEHIND, f"{newer.message}: it is an old copy, or somebody else has the key", role=newer.role
        )
    served = look_around(ports, findings)
    notes = [*map(as_data, findings.notes), *report.facts["notes"]]
    return replace(
        report,
        checked=report.checked if ports.served is None else {**report.checked, "served": served},
        problems=(*map(as_problem, findings.problems), *report.problems),
        more_problems=findings.more_problems + report.more_problems,
        facts={**report.facts, "notes": notes, "more_notes": findings.more_notes + report.facts["more_notes"]},
    )

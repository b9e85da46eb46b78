"""rstuf, the engine: a TUF repository as a library.

The names below are its public interface, with the modules `rstuf.errors`, `rstuf.clock` and `rstuf.progress`. They are
loaded when they are first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rstuf.metadata.canonical import strict_loads as strict_loads
    from rstuf.model.artifacts import Artifact as Artifact
    from rstuf.model.artifacts import ArtifactState as ArtifactState
    from rstuf.model.artifacts import ListedArtifact as ListedArtifact
    from rstuf.model.audit import AuditEntry as AuditEntry
    from rstuf.model.durations import format_duration as format_duration
    from rstuf.model.durations import parse_duration as parse_duration
    from rstuf.model.keys import KeyEntry as KeyEntry
    from rstuf.model.names import target_path as target_path
    from rstuf.repository.artifacts import Conflict as Conflict
    from rstuf.repository.ceremony import CeremonyReport as CeremonyReport
    from rstuf.repository.interfaces import Secrets as Secrets
    from rstuf.repository.plan import Plan as Plan
    from rstuf.repository.ports import ClockTrust as ClockTrust
    from rstuf.repository.records import RecordFormat as RecordFormat
    from rstuf.repository.reports import AcceptedChange as AcceptedChange
    from rstuf.repository.reports import ClockBehind as ClockBehind
    from rstuf.repository.reports import Health as Health
    from rstuf.repository.reports import KeyStatus as KeyStatus
    from rstuf.repository.reports import Problem as Problem
    from rstuf.repository.reports import PublicationPlan as PublicationPlan
    from rstuf.repository.reports import PublicationReport as PublicationReport
    from rstuf.repository.reports import Reason as Reason
    from rstuf.repository.reports import Recovery as Recovery
    from rstuf.repository.reports import RenewalReport as RenewalReport
    from rstuf.repository.reports import RoleChange as RoleChange
    from rstuf.repository.reports import RoleStatus as RoleStatus
    from rstuf.repository.reports import Status as Status
    from rstuf.repository.reports import VerifyReport as VerifyReport
    from rstuf.repository.reports import VisibleVersions as VisibleVersions
    from rstuf.repository.repository import Repository as Repository
    from rstuf.repository.verify import Depth as Depth
    from rstuf.signing.secrets import keys_named_in as keys_named_in
    from rstuf.signing.secrets import load_secrets as load_secrets
    from rstuf.storage.stock_client import ClientVerdict as ClientVerdict
    from rstuf.wiring import Rehearsal as Rehearsal
    from rstuf.wiring import Search as Search
    from rstuf.wiring import Session as Session
    from rstuf.wiring import find_files as find_files
    from rstuf.wiring import find_listed_files as find_listed_files
    from rstuf.wiring import make_repository as make_repository
    from rstuf.wiring import open_repository as open_repository
    from rstuf.wiring import read_plan_file as read_plan_file
    from rstuf.wiring import rehearse_ceremony as rehearse_ceremony
    from rstuf.wiring import try_stock_client as try_stock_client
    from rstuf.wiring import verify_published as verify_published

_HOMES = {
    "AcceptedChange": "rstuf.repository.reports",
    "Artifact": "rstuf.model.artifacts",
    "ArtifactState": "rstuf.model.artifacts",
    "AuditEntry": "rstuf.model.audit",
    "CeremonyReport": "rstuf.repository.ceremony",
    "ClientVerdict": "rstuf.storage.stock_client",
    "ClockBehind": "rstuf.repository.reports",
    "ClockTrust": "rstuf.repository.ports",
    "Conflict": "rstuf.repository.artifacts",
    "Depth": "rstuf.repository.verify",
    "Health": "rstuf.repository.reports",
    "KeyEntry": "rstuf.model.keys",
    "KeyStatus": "rstuf.repository.reports",
    "ListedArtifact": "rstuf.model.artifacts",
    "Plan": "rstuf.repository.plan",
    "Problem": "rstuf.repository.reports",
    "PublicationPlan": "rstuf.repository.reports",
    "PublicationReport": "rstuf.repository.reports",
    "Reason": "rstuf.repository.reports",
    "RecordFormat": "rstuf.repository.records",
    "Recovery": "rstuf.repository.reports",
    "Rehearsal": "rstuf.wiring",
    "RenewalReport": "rstuf.repository.reports",
    "Repository": "rstuf.repository.repository",
    "RoleChange": "rstuf.repository.reports",
    "RoleStatus": "rstuf.repository.reports",
    "Search": "rstuf.wiring",
    "Secrets": "rstuf.repository.interfaces",
    "Session": "rstuf.wiring",
    "Status": "rstuf.repository.reports",
    "VerifyReport": "rstuf.repository.reports",
    "VisibleVersions": "rstuf.repository.reports",
    "find_files": "rstuf.wiring",
    "find_listed_files": "rstuf.wiring",
    "format_duration": "rstuf.model.durations",
    "keys_named_in": "rstuf.signing.secrets",
    "load_secrets": "rstuf.signing.secrets",
    "make_repository": "rstuf.wiring",
    "open_repository": "rstuf.wiring",
    "parse_duration": "rstuf.model.durations",
    "read_plan_file": "rstuf.wiring",
    "rehearse_ceremony": "rstuf.wiring",
    "strict_loads": "rstuf.metadata.canonical",
    "target_path": "rstuf.model.names",
    "try_stock_client": "rstuf.wiring",
    "verify_published": "rstuf.wiring",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  (a list of names, made from the table above)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'rstuf' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)

"""The engine's public names: what faces and programs may build on."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rstuf

PUBLIC = {
    "AcceptedChange",
    "Ailment",
    "Anchor",
    "Area",
    "Artifact",
    "ArtifactState",
    "AskingSecrets",
    "AuditEntry",
    "BinAdvice",
    "BinChoice",
    "BinRange",
    "Blocker",
    "BootstrapPayload",
    "Bundle",
    "BundlePart",
    "CeremonyReport",
    "Change",
    "Client",
    "ClientCost",
    "ClientVerdict",
    "ClientView",
    "ClockBehind",
    "ClockTrust",
    "ClosedKey",
    "Comparison",
    "Completion",
    "Concern",
    "Conflict",
    "DelegatedRole",
    "Delegation",
    "DelegationChange",
    "DelegationDesk",
    "DelegationPlan",
    "DelegationProposal",
    "DelegationReport",
    "DelegationView",
    "Depth",
    "Destination",
    "DetachedSignature",
    "Diagnosis",
    "Difference",
    "DocumentKind",
    "Download",
    "DownloadState",
    "DropReason",
    "DroppedEvent",
    "EventDesk",
    "EventKind",
    "EventPhase",
    "EventView",
    "Existing",
    "Explanation",
    "ExportForm",
    "Fetched",
    "Finding",
    "FormerKey",
    "FoundKey",
    "Health",
    "HolderKey",
    "HolderRecord",
    "KeyChange",
    "KeyEntry",
    "KeyId",
    "KeyLook",
    "KeyStatus",
    "KeyUse",
    "KeyView",
    "LeakedKey",
    "LeftOut",
    "ListedArtifact",
    "LogReport",
    "LooseRoot",
    "Loss",
    "MapEntry",
    "MapNote",
    "MappedClient",
    "MappedDownload",
    "Memory",
    "MetadataRecovery",
    "Missing",
    "Names",
    "Naming",
    "Obstacle",
    "Offer",
    "Outcome",
    "Outlook",
    "PartReview",
    "PartSide",
    "PartView",
    "Periods",
    "Plan",
    "Practice",
    "Problem",
    "PublicForm",
    "PublicKey",
    "PublicationPlan",
    "PublicationReport",
    "PublishedRoot",
    "Reason",
    "RebuildReport",
    "Reception",
    "RecordFormat",
    "RecordLines",
    "Recovery",
    "Rehearsal",
    "Remembered",
    "RenewalReport",
    "Repository",
    "RepositoryMap",
    "ResizeReport",
    "Review",
    "RoleChange",
    "RoleChanges",
    "RoleName",
    "RoleKind",
    "RoleStatus",
    "RootChanges",
    "RootFacts",
    "RootProposal",
    "RootUpdate",
    "Rotation",
    "RotationKind",
    "RotationStart",
    "Search",
    "Secrets",
    "Session",
    "Severity",
    "Side",
    "SignatureDocument",
    "Signed",
    "SignedBefore",
    "SigningEvent",
    "Stage",
    "StampTrust",
    "StateRebuild",
    "Status",
    "SyncStep",
    "TakenOver",
    "TargetPath",
    "TargetsFacts",
    "TrustSource",
    "TrustStore",
    "Trusted",
    "Unreachable",
    "Upkeep",
    "VerifyReport",
    "View",
    "VisibleVersions",
    "Visit",
    "WaitingRole",
    "Way",
    "WayFault",
    "check_bin_count",
    "check_fingerprint",
    "check_key_name",
    "client_names",
    "checked_map",
    "compare_bins",
    "destination_at",
    "destination_in",
    "examine",
    "fetch_root",
    "find_files",
    "find_keys",
    "find_listed_files",
    "find_workspace",
    "fingerprint_words",
    "forget_draft",
    "format_duration",
    "hold_ceremony",
    "keep_draft",
    "is_signature_of",
    "keyids_of",
    "keyids_signed_by",
    "keys_named_in",
    "kind_of",
    "known_names",
    "load_secrets",
    "look_at_key",
    "make_key",
    "make_key_in_place",
    "make_payload",
    "make_repository",
    "map_pattern",
    "not_listed",
    "notes_on",
    "notes_on_map",
    "open_repository",
    "parse_bundle",
    "parse_duration",
    "path_pattern",
    "parse_fingerprint",
    "parse_signatures",
    "prepare_rebuild",
    "proposed_periods",
    "qr_lines",
    "read_draft",
    "read_map",
    "read_picture",
    "read_plan",
    "read_plan_file",
    "read_root",
    "recommended_bins",
    "record_of",
    "role_name",
    "refuse_repository",
    "refuse_taken_transcript",
    "rehearse_ceremony",
    "rehearse_plan",
    "render_bundle",
    "render_map",
    "render_plan",
    "render_public",
    "render_signatures",
    "review_bundle",
    "save_plan",
    "short_code",
    "shown_place",
    "sign_bundle",
    "signed_by",
    "strict_loads",
    "target_path",
    "tree_of",
    "trust_name",
    "trusted_as",
    "try_stock_client",
    "verify_published",
    "write_bundle",
    "write_map",
    "write_qr",
    "write_signatures",
    "write_transcript",
}


def test_public_names_are_these() -> None:
    """A name joins or leaves the interface on purpose only."""
    assert set(rstuf.__all__) == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_name_is_there_and_documented(name: str) -> None:
    """What is public can be loaded, and says what it is."""
    assert (getattr(rstuf, name).__doc__ or "").strip()


def test_types_and_table_agree() -> None:
    """What type checkers see is what is there."""
    assert rstuf.__file__ is not None
    tree = ast.parse(Path(rstuf.__file__).read_text(encoding="utf-8"))
    typed = {
        alias.asname: f"{node.module}"
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == rstuf._HOMES


def test_unknown_names_are_unknown() -> None:
    """A misspelt name is an AttributeError, as everywhere."""
    with pytest.raises(AttributeError, match="frobnicate"):
        rstuf.frobnicate  # noqa: B018


def test_importing_the_engine_loads_nothing() -> None:
    """The package costs nothing until one of its names is used."""
    script = "import sys; before = set(sys.modules); import rstuf; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"rstuf", "__future__", "typing", "_typing", "abc", "collections.abc"} | {
        name for name in done.stdout.split() if not name.startswith("rstuf")
    }
    assert [name for name in done.stdout.split() if name.startswith("rstuf")] == ["rstuf"]

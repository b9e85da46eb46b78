"""rstuf, the engine: a TUF repository as a library.

The names below are its public interface, with the modules `rstuf.errors`, `rstuf.clock` and `rstuf.progress`. They are
loaded when they are first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rstuf.client.anchors import RootFacts as RootFacts
    from rstuf.client.anchors import check_fingerprint as check_fingerprint
    from rstuf.client.anchors import fetch_root as fetch_root
    from rstuf.client.anchors import read_root as read_root
    from rstuf.client.consensus import Finding as Finding
    from rstuf.client.destination import Destination as Destination
    from rstuf.client.destination import destination_at as destination_at
    from rstuf.client.destination import destination_in as destination_in
    from rstuf.client.download import Download as Download
    from rstuf.client.download import DownloadState as DownloadState
    from rstuf.client.download import Existing as Existing
    from rstuf.client.map_file import checked_map as checked_map
    from rstuf.client.map_file import read_map as read_map
    from rstuf.client.map_file import render_map as render_map
    from rstuf.client.map_file import write_map as write_map
    from rstuf.client.map_notes import MapNote as MapNote
    from rstuf.client.map_notes import notes_on_map as notes_on_map
    from rstuf.client.mapped import MappedClient as MappedClient
    from rstuf.client.mapped import MappedDownload as MappedDownload
    from rstuf.client.mirrored import LeftOut as LeftOut
    from rstuf.client.offers import Offer as Offer
    from rstuf.client.reader import Client as Client
    from rstuf.client.records import Memory as Memory
    from rstuf.client.records import Naming as Naming
    from rstuf.client.records import Trusted as Trusted
    from rstuf.client.store import TrustStore as TrustStore
    from rstuf.config import find_workspace as find_workspace
    from rstuf.drafts import forget_draft as forget_draft
    from rstuf.drafts import keep_draft as keep_draft
    from rstuf.drafts import read_draft as read_draft
    from rstuf.examining import examine as examine
    from rstuf.founding import Rehearsal as Rehearsal
    from rstuf.founding import hold_ceremony as hold_ceremony
    from rstuf.founding import make_payload as make_payload
    from rstuf.founding import make_repository as make_repository
    from rstuf.founding import read_plan_file as read_plan_file
    from rstuf.founding import refuse_repository as refuse_repository
    from rstuf.founding import rehearse_ceremony as rehearse_ceremony
    from rstuf.founding import rehearse_plan as rehearse_plan
    from rstuf.founding import save_plan as save_plan
    from rstuf.glances import Names as Names
    from rstuf.glances import known_names as known_names
    from rstuf.holder.anchors import Anchor as Anchor
    from rstuf.holder.anchors import TrustSource as TrustSource
    from rstuf.holder.contents import ContentsChange as ContentsChange
    from rstuf.holder.record import HolderRecord as HolderRecord
    from rstuf.holder.record import Remembered as Remembered
    from rstuf.holder.record import SignedBefore as SignedBefore
    from rstuf.holder.review import PartReview as PartReview
    from rstuf.holder.review import Review as Review
    from rstuf.holder.review import review_bundle as review_bundle
    from rstuf.holder.sides import Side as Side
    from rstuf.holder.signing import HolderKey as HolderKey
    from rstuf.holder.signing import is_signature_of as is_signature_of
    from rstuf.holder.signing import keyids_of as keyids_of
    from rstuf.holder.signing import keyids_signed_by as keyids_signed_by
    from rstuf.holder.signing import not_listed as not_listed
    from rstuf.holder.signing import sign_bundle as sign_bundle
    from rstuf.holder.signing import signed_by as signed_by
    from rstuf.holder.signing import write_bundle as write_bundle
    from rstuf.holder.signing import write_signatures as write_signatures
    from rstuf.holder.target_concerns import DelegatedRole as DelegatedRole
    from rstuf.holder.targets import TargetsFacts as TargetsFacts
    from rstuf.metadata.brought_role import BroughtRole as BroughtRole
    from rstuf.metadata.brought_role import read_brought as read_brought
    from rstuf.metadata.bundle import Bundle as Bundle
    from rstuf.metadata.bundle import BundlePart as BundlePart
    from rstuf.metadata.bundle import DetachedSignature as DetachedSignature
    from rstuf.metadata.bundle import DocumentKind as DocumentKind
    from rstuf.metadata.bundle import SignatureDocument as SignatureDocument
    from rstuf.metadata.bundle import kind_of as kind_of
    from rstuf.metadata.bundle import parse_bundle as parse_bundle
    from rstuf.metadata.bundle import parse_signatures as parse_signatures
    from rstuf.metadata.bundle import render_bundle as render_bundle
    from rstuf.metadata.bundle import render_signatures as render_signatures
    from rstuf.metadata.canonical import strict_loads as strict_loads
    from rstuf.metadata.clients import client_names as client_names
    from rstuf.metadata.delegations import Delegation as Delegation
    from rstuf.metadata.root_changes import RoleChanges as RoleChanges
    from rstuf.metadata.root_changes import RootChanges as RootChanges
    from rstuf.metadata.root_concerns import Concern as Concern
    from rstuf.metadata.short_codes import short_code as short_code
    from rstuf.model.artifacts import Artifact as Artifact
    from rstuf.model.artifacts import ArtifactState as ArtifactState
    from rstuf.model.artifacts import ListedArtifact as ListedArtifact
    from rstuf.model.artifacts import View as View
    from rstuf.model.audit import AuditEntry as AuditEntry
    from rstuf.model.durations import format_duration as format_duration
    from rstuf.model.durations import parse_duration as parse_duration
    from rstuf.model.events import EventKind as EventKind
    from rstuf.model.events import EventPhase as EventPhase
    from rstuf.model.events import SigningEvent as SigningEvent
    from rstuf.model.fingerprints import fingerprint_words as fingerprint_words
    from rstuf.model.fingerprints import parse_fingerprint as parse_fingerprint
    from rstuf.model.keys import KeyEntry as KeyEntry
    from rstuf.model.keys import KeyId as KeyId
    from rstuf.model.keys import Loss as Loss
    from rstuf.model.keys import PublicKey as PublicKey
    from rstuf.model.keys import check_key_name as check_key_name
    from rstuf.model.maps import MapEntry as MapEntry
    from rstuf.model.maps import RepositoryMap as RepositoryMap
    from rstuf.model.maps import map_pattern as map_pattern
    from rstuf.model.maps import trusted_as as trusted_as
    from rstuf.model.names import RoleName as RoleName
    from rstuf.model.names import TargetPath as TargetPath
    from rstuf.model.names import role_name as role_name
    from rstuf.model.names import target_path as target_path
    from rstuf.model.names import trust_name as trust_name
    from rstuf.model.patterns import path_pattern as path_pattern
    from rstuf.model.policy import BinSigners as BinSigners
    from rstuf.model.policy import Periods as Periods
    from rstuf.model.policy import check_bin_count as check_bin_count
    from rstuf.model.roles import RoleKind as RoleKind
    from rstuf.model.rotation import Rotation as Rotation
    from rstuf.model.rotation import RotationKind as RotationKind
    from rstuf.model.superseded import Retention as Retention
    from rstuf.model.superseded import SupersededFile as SupersededFile
    from rstuf.pictures import qr_lines as qr_lines
    from rstuf.pictures import read_picture as read_picture
    from rstuf.pictures import write_qr as write_qr
    from rstuf.preparing import Preparation as Preparation
    from rstuf.preparing import PreparedRole as PreparedRole
    from rstuf.preparing import prepare_role as prepare_role
    from rstuf.preparing import signed_bundle as signed_bundle
    from rstuf.preparing import signed_file as signed_file
    from rstuf.preparing import write_role as write_role
    from rstuf.rebuilding import FormerKey as FormerKey
    from rstuf.rebuilding import StateRebuild as StateRebuild
    from rstuf.rebuilding import prepare_rebuild as prepare_rebuild
    from rstuf.rehearsing import Practice as Practice
    from rstuf.repository.advice import ClientCost as ClientCost
    from rstuf.repository.advice import Upkeep as Upkeep
    from rstuf.repository.advice import compare_bins as compare_bins
    from rstuf.repository.advice import proposed_periods as proposed_periods
    from rstuf.repository.advice import recommended_bins as recommended_bins
    from rstuf.repository.authority import ClosedKey as ClosedKey
    from rstuf.repository.bin_advice import BinAdvice as BinAdvice
    from rstuf.repository.bin_advice import BinChoice as BinChoice
    from rstuf.repository.brought_roles import Delivery as Delivery
    from rstuf.repository.ceremony import CeremonyReport as CeremonyReport
    from rstuf.repository.completing import Completion as Completion
    from rstuf.repository.delegating import DelegationChange as DelegationChange
    from rstuf.repository.delegating import DelegationPlan as DelegationPlan
    from rstuf.repository.delegating import DelegationProposal as DelegationProposal
    from rstuf.repository.delegating import DelegationReport as DelegationReport
    from rstuf.repository.delegation_desk import DelegationDesk as DelegationDesk
    from rstuf.repository.delegation_views import DelegationView as DelegationView
    from rstuf.repository.deliveries import DeliveryReport as DeliveryReport
    from rstuf.repository.doctor import Ailment as Ailment
    from rstuf.repository.doctor import Area as Area
    from rstuf.repository.doctor import Diagnosis as Diagnosis
    from rstuf.repository.doctor import Severity as Severity
    from rstuf.repository.event_desk import EventDesk as EventDesk
    from rstuf.repository.event_desk import PublishedRoot as PublishedRoot
    from rstuf.repository.event_desk import Signed as Signed
    from rstuf.repository.event_views import EventView as EventView
    from rstuf.repository.event_views import Outdated as Outdated
    from rstuf.repository.event_views import PartSide as PartSide
    from rstuf.repository.event_views import PartView as PartView
    from rstuf.repository.intake import Conflict as Conflict
    from rstuf.repository.interfaces import Secrets as Secrets
    from rstuf.repository.keys import KeyChange as KeyChange
    from rstuf.repository.keys import KeyUse as KeyUse
    from rstuf.repository.keys import KeyView as KeyView
    from rstuf.repository.lost_metadata import MetadataRecovery as MetadataRecovery
    from rstuf.repository.payload import BootstrapPayload as BootstrapPayload
    from rstuf.repository.plan import Plan as Plan
    from rstuf.repository.plan import read_plan as read_plan
    from rstuf.repository.plan_delegations import DelegationTable as DelegationTable
    from rstuf.repository.plan_delegations import delegated_name as delegated_name
    from rstuf.repository.plan_notes import notes_on as notes_on
    from rstuf.repository.plan_text import render_plan as render_plan
    from rstuf.repository.ports import ClockTrust as ClockTrust
    from rstuf.repository.prune import PrunedFile as PrunedFile
    from rstuf.repository.prune import PrunePlan as PrunePlan
    from rstuf.repository.prune import PruneReport as PruneReport
    from rstuf.repository.prune import StayReason as StayReason
    from rstuf.repository.publication_plan import PublicationPlan as PublicationPlan
    from rstuf.repository.rebin import ResizeReport as ResizeReport
    from rstuf.repository.rebuild import RebuildReport as RebuildReport
    from rstuf.repository.record_lines import ExportForm as ExportForm
    from rstuf.repository.record_lines import RecordLines as RecordLines
    from rstuf.repository.record_lines import record_of as record_of
    from rstuf.repository.records import RecordFormat as RecordFormat
    from rstuf.repository.reports import AcceptedChange as AcceptedChange
    from rstuf.repository.reports import Blocker as Blocker
    from rstuf.repository.reports import ClockBehind as ClockBehind
    from rstuf.repository.reports import DroppedEvent as DroppedEvent
    from rstuf.repository.reports import DropReason as DropReason
    from rstuf.repository.reports import Health as Health
    from rstuf.repository.reports import KeyStatus as KeyStatus
    from rstuf.repository.reports import LeakedKey as LeakedKey
    from rstuf.repository.reports import Problem as Problem
    from rstuf.repository.reports import PublicationReport as PublicationReport
    from rstuf.repository.reports import Reason as Reason
    from rstuf.repository.reports import Recovery as Recovery
    from rstuf.repository.reports import RenewalReport as RenewalReport
    from rstuf.repository.reports import RoleChange as RoleChange
    from rstuf.repository.reports import RoleStatus as RoleStatus
    from rstuf.repository.reports import Status as Status
    from rstuf.repository.reports import VerifyReport as VerifyReport
    from rstuf.repository.reports import VisibleVersions as VisibleVersions
    from rstuf.repository.reports import WaitingRole as WaitingRole
    from rstuf.repository.repository import Repository as Repository
    from rstuf.repository.root_update import RootProposal as RootProposal
    from rstuf.repository.root_update import RootUpdate as RootUpdate
    from rstuf.repository.rotation import RotationStart as RotationStart
    from rstuf.repository.rotation_desk import RotationDesk as RotationDesk
    from rstuf.repository.signing_events import Outcome as Outcome
    from rstuf.repository.signing_events import Reception as Reception
    from rstuf.repository.stages import Stage as Stage
    from rstuf.repository.sync import Comparison as Comparison
    from rstuf.repository.sync import Difference as Difference
    from rstuf.repository.sync import Missing as Missing
    from rstuf.repository.sync import Outlook as Outlook
    from rstuf.repository.sync import StampTrust as StampTrust
    from rstuf.repository.sync import SyncStep as SyncStep
    from rstuf.repository.taking_over import LooseRoot as LooseRoot
    from rstuf.repository.taking_over import TakenOver as TakenOver
    from rstuf.repository.verify import Depth as Depth
    from rstuf.repository.verify_own import LogReport as LogReport
    from rstuf.repository.visits import BinRange as BinRange
    from rstuf.repository.visits import Visit as Visit
    from rstuf.repository.visits import Way as Way
    from rstuf.repository.visits import WayFault as WayFault
    from rstuf.repository.wanted_delegations import WantedDelegation as WantedDelegation
    from rstuf.repository.why import Change as Change
    from rstuf.repository.why import Explanation as Explanation
    from rstuf.repository.why import Fetched as Fetched
    from rstuf.repository.why import Obstacle as Obstacle
    from rstuf.signing.finding import Unreachable as Unreachable
    from rstuf.signing.finding import find_keys as find_keys
    from rstuf.signing.looking import KeyLook as KeyLook
    from rstuf.signing.looking import look_at_key as look_at_key
    from rstuf.signing.public_keys import PublicForm as PublicForm
    from rstuf.signing.public_keys import render_public as render_public
    from rstuf.signing.schemes import FoundKey as FoundKey
    from rstuf.signing.secrets import AskingSecrets as AskingSecrets
    from rstuf.signing.secrets import keys_named_in as keys_named_in
    from rstuf.signing.secrets import load_secrets as load_secrets
    from rstuf.storage.locations import shown_place as shown_place
    from rstuf.storage.stock_client import ClientVerdict as ClientVerdict
    from rstuf.storage.stock_client import ClientView as ClientView
    from rstuf.transcripts import refuse_taken_transcript as refuse_taken_transcript
    from rstuf.transcripts import write_transcript as write_transcript
    from rstuf.wiring import Search as Search
    from rstuf.wiring import Session as Session
    from rstuf.wiring import find_files as find_files
    from rstuf.wiring import find_listed_files as find_listed_files
    from rstuf.wiring import make_key as make_key
    from rstuf.wiring import make_key_in_place as make_key_in_place
    from rstuf.wiring import open_repository as open_repository
    from rstuf.wiring import tree_of as tree_of
    from rstuf.wiring import try_stock_client as try_stock_client
    from rstuf.wiring import verify_published as verify_published

_HOMES = {
    "AcceptedChange": "rstuf.repository.reports",
    "Ailment": "rstuf.repository.doctor",
    "Anchor": "rstuf.holder.anchors",
    "Area": "rstuf.repository.doctor",
    "Artifact": "rstuf.model.artifacts",
    "ArtifactState": "rstuf.model.artifacts",
    "AskingSecrets": "rstuf.signing.secrets",
    "AuditEntry": "rstuf.model.audit",
    "BinAdvice": "rstuf.repository.bin_advice",
    "BinChoice": "rstuf.repository.bin_advice",
    "BinRange": "rstuf.repository.visits",
    "BinSigners": "rstuf.model.policy",
    "Blocker": "rstuf.repository.reports",
    "BootstrapPayload": "rstuf.repository.payload",
    "BroughtRole": "rstuf.metadata.brought_role",
    "Bundle": "rstuf.metadata.bundle",
    "BundlePart": "rstuf.metadata.bundle",
    "CeremonyReport": "rstuf.repository.ceremony",
    "Change": "rstuf.repository.why",
    "Client": "rstuf.client.reader",
    "ClientCost": "rstuf.repository.advice",
    "ClientVerdict": "rstuf.storage.stock_client",
    "ClientView": "rstuf.storage.stock_client",
    "ClockBehind": "rstuf.repository.reports",
    "ClockTrust": "rstuf.repository.ports",
    "ClosedKey": "rstuf.repository.authority",
    "Comparison": "rstuf.repository.sync",
    "Completion": "rstuf.repository.completing",
    "Concern": "rstuf.metadata.root_concerns",
    "Conflict": "rstuf.repository.intake",
    "ContentsChange": "rstuf.holder.contents",
    "DelegatedRole": "rstuf.holder.target_concerns",
    "Delegation": "rstuf.metadata.delegations",
    "DelegationChange": "rstuf.repository.delegating",
    "DelegationDesk": "rstuf.repository.delegation_desk",
    "DelegationPlan": "rstuf.repository.delegating",
    "DelegationProposal": "rstuf.repository.delegating",
    "DelegationReport": "rstuf.repository.delegating",
    "Delivery": "rstuf.repository.brought_roles",
    "DeliveryReport": "rstuf.repository.deliveries",
    "DelegationTable": "rstuf.repository.plan_delegations",
    "DelegationView": "rstuf.repository.delegation_views",
    "Depth": "rstuf.repository.verify",
    "Destination": "rstuf.client.destination",
    "DetachedSignature": "rstuf.metadata.bundle",
    "Diagnosis": "rstuf.repository.doctor",
    "Difference": "rstuf.repository.sync",
    "DocumentKind": "rstuf.metadata.bundle",
    "Download": "rstuf.client.download",
    "DownloadState": "rstuf.client.download",
    "DropReason": "rstuf.repository.reports",
    "DroppedEvent": "rstuf.repository.reports",
    "EventDesk": "rstuf.repository.event_desk",
    "EventKind": "rstuf.model.events",
    "EventPhase": "rstuf.model.events",
    "EventView": "rstuf.repository.event_views",
    "Existing": "rstuf.client.download",
    "Explanation": "rstuf.repository.why",
    "ExportForm": "rstuf.repository.record_lines",
    "Fetched": "rstuf.repository.why",
    "Finding": "rstuf.client.consensus",
    "FormerKey": "rstuf.rebuilding",
    "FoundKey": "rstuf.signing.schemes",
    "Health": "rstuf.repository.reports",
    "HolderKey": "rstuf.holder.signing",
    "HolderRecord": "rstuf.holder.record",
    "KeyChange": "rstuf.repository.keys",
    "KeyEntry": "rstuf.model.keys",
    "KeyId": "rstuf.model.keys",
    "KeyLook": "rstuf.signing.looking",
    "KeyStatus": "rstuf.repository.reports",
    "KeyUse": "rstuf.repository.keys",
    "KeyView": "rstuf.repository.keys",
    "LeakedKey": "rstuf.repository.reports",
    "LeftOut": "rstuf.client.mirrored",
    "ListedArtifact": "rstuf.model.artifacts",
    "LogReport": "rstuf.repository.verify_own",
    "LooseRoot": "rstuf.repository.taking_over",
    "Loss": "rstuf.model.keys",
    "MapEntry": "rstuf.model.maps",
    "MapNote": "rstuf.client.map_notes",
    "MappedClient": "rstuf.client.mapped",
    "MappedDownload": "rstuf.client.mapped",
    "Memory": "rstuf.client.records",
    "MetadataRecovery": "rstuf.repository.lost_metadata",
    "Missing": "rstuf.repository.sync",
    "Names": "rstuf.glances",
    "Naming": "rstuf.client.records",
    "Obstacle": "rstuf.repository.why",
    "Offer": "rstuf.client.offers",
    "Outcome": "rstuf.repository.signing_events",
    "Outlook": "rstuf.repository.sync",
    "PartReview": "rstuf.holder.review",
    "PartSide": "rstuf.repository.event_views",
    "PartView": "rstuf.repository.event_views",
    "Periods": "rstuf.model.policy",
    "Plan": "rstuf.repository.plan",
    "Practice": "rstuf.rehearsing",
    "Preparation": "rstuf.preparing",
    "PreparedRole": "rstuf.preparing",
    "Problem": "rstuf.repository.reports",
    "PrunePlan": "rstuf.repository.prune",
    "PruneReport": "rstuf.repository.prune",
    "PrunedFile": "rstuf.repository.prune",
    "PublicForm": "rstuf.signing.public_keys",
    "PublicKey": "rstuf.model.keys",
    "PublicationPlan": "rstuf.repository.publication_plan",
    "PublicationReport": "rstuf.repository.reports",
    "PublishedRoot": "rstuf.repository.event_desk",
    "Reason": "rstuf.repository.reports",
    "RebuildReport": "rstuf.repository.rebuild",
    "Reception": "rstuf.repository.signing_events",
    "RecordFormat": "rstuf.repository.records",
    "RecordLines": "rstuf.repository.record_lines",
    "Recovery": "rstuf.repository.reports",
    "Rehearsal": "rstuf.founding",
    "Remembered": "rstuf.holder.record",
    "RenewalReport": "rstuf.repository.reports",
    "Repository": "rstuf.repository.repository",
    "RepositoryMap": "rstuf.model.maps",
    "Outdated": "rstuf.repository.event_views",
    "ResizeReport": "rstuf.repository.rebin",
    "Retention": "rstuf.model.superseded",
    "Review": "rstuf.holder.review",
    "RoleChange": "rstuf.repository.reports",
    "RoleChanges": "rstuf.metadata.root_changes",
    "RoleKind": "rstuf.model.roles",
    "RoleName": "rstuf.model.names",
    "RoleStatus": "rstuf.repository.reports",
    "RootChanges": "rstuf.metadata.root_changes",
    "RootFacts": "rstuf.client.anchors",
    "RootProposal": "rstuf.repository.root_update",
    "RootUpdate": "rstuf.repository.root_update",
    "Rotation": "rstuf.model.rotation",
    "RotationDesk": "rstuf.repository.rotation_desk",
    "RotationKind": "rstuf.model.rotation",
    "RotationStart": "rstuf.repository.rotation",
    "Search": "rstuf.wiring",
    "Secrets": "rstuf.repository.interfaces",
    "Session": "rstuf.wiring",
    "Severity": "rstuf.repository.doctor",
    "Side": "rstuf.holder.sides",
    "SignatureDocument": "rstuf.metadata.bundle",
    "Signed": "rstuf.repository.event_desk",
    "SignedBefore": "rstuf.holder.record",
    "SigningEvent": "rstuf.model.events",
    "Stage": "rstuf.repository.stages",
    "StampTrust": "rstuf.repository.sync",
    "StateRebuild": "rstuf.rebuilding",
    "Status": "rstuf.repository.reports",
    "StayReason": "rstuf.repository.prune",
    "SupersededFile": "rstuf.model.superseded",
    "SyncStep": "rstuf.repository.sync",
    "TakenOver": "rstuf.repository.taking_over",
    "TargetPath": "rstuf.model.names",
    "TargetsFacts": "rstuf.holder.targets",
    "TrustSource": "rstuf.holder.anchors",
    "TrustStore": "rstuf.client.store",
    "Trusted": "rstuf.client.records",
    "Unreachable": "rstuf.signing.finding",
    "Upkeep": "rstuf.repository.advice",
    "VerifyReport": "rstuf.repository.reports",
    "View": "rstuf.model.artifacts",
    "VisibleVersions": "rstuf.repository.reports",
    "Visit": "rstuf.repository.visits",
    "WaitingRole": "rstuf.repository.reports",
    "WantedDelegation": "rstuf.repository.wanted_delegations",
    "Way": "rstuf.repository.visits",
    "WayFault": "rstuf.repository.visits",
    "check_bin_count": "rstuf.model.policy",
    "check_fingerprint": "rstuf.client.anchors",
    "check_key_name": "rstuf.model.keys",
    "checked_map": "rstuf.client.map_file",
    "client_names": "rstuf.metadata.clients",
    "compare_bins": "rstuf.repository.advice",
    "delegated_name": "rstuf.repository.plan_delegations",
    "destination_at": "rstuf.client.destination",
    "destination_in": "rstuf.client.destination",
    "examine": "rstuf.examining",
    "fetch_root": "rstuf.client.anchors",
    "find_files": "rstuf.wiring",
    "find_keys": "rstuf.signing.finding",
    "find_listed_files": "rstuf.wiring",
    "find_workspace": "rstuf.config",
    "fingerprint_words": "rstuf.model.fingerprints",
    "forget_draft": "rstuf.drafts",
    "format_duration": "rstuf.model.durations",
    "hold_ceremony": "rstuf.founding",
    "is_signature_of": "rstuf.holder.signing",
    "keep_draft": "rstuf.drafts",
    "keyids_of": "rstuf.holder.signing",
    "keyids_signed_by": "rstuf.holder.signing",
    "keys_named_in": "rstuf.signing.secrets",
    "kind_of": "rstuf.metadata.bundle",
    "known_names": "rstuf.glances",
    "load_secrets": "rstuf.signing.secrets",
    "look_at_key": "rstuf.signing.looking",
    "make_key": "rstuf.wiring",
    "make_key_in_place": "rstuf.wiring",
    "make_payload": "rstuf.founding",
    "make_repository": "rstuf.founding",
    "map_pattern": "rstuf.model.maps",
    "not_listed": "rstuf.holder.signing",
    "notes_on": "rstuf.repository.plan_notes",
    "notes_on_map": "rstuf.client.map_notes",
    "open_repository": "rstuf.wiring",
    "parse_bundle": "rstuf.metadata.bundle",
    "parse_duration": "rstuf.model.durations",
    "parse_fingerprint": "rstuf.model.fingerprints",
    "parse_signatures": "rstuf.metadata.bundle",
    "path_pattern": "rstuf.model.patterns",
    "prepare_rebuild": "rstuf.rebuilding",
    "prepare_role": "rstuf.preparing",
    "proposed_periods": "rstuf.repository.advice",
    "qr_lines": "rstuf.pictures",
    "read_brought": "rstuf.metadata.brought_role",
    "read_draft": "rstuf.drafts",
    "read_map": "rstuf.client.map_file",
    "read_picture": "rstuf.pictures",
    "read_plan": "rstuf.repository.plan",
    "read_plan_file": "rstuf.founding",
    "read_root": "rstuf.client.anchors",
    "recommended_bins": "rstuf.repository.advice",
    "record_of": "rstuf.repository.record_lines",
    "refuse_repository": "rstuf.founding",
    "refuse_taken_transcript": "rstuf.transcripts",
    "rehearse_ceremony": "rstuf.founding",
    "rehearse_plan": "rstuf.founding",
    "render_bundle": "rstuf.metadata.bundle",
    "render_map": "rstuf.client.map_file",
    "render_plan": "rstuf.repository.plan_text",
    "render_public": "rstuf.signing.public_keys",
    "render_signatures": "rstuf.metadata.bundle",
    "review_bundle": "rstuf.holder.review",
    "role_name": "rstuf.model.names",
    "save_plan": "rstuf.founding",
    "short_code": "rstuf.metadata.short_codes",
    "shown_place": "rstuf.storage.locations",
    "sign_bundle": "rstuf.holder.signing",
    "signed_bundle": "rstuf.preparing",
    "signed_by": "rstuf.holder.signing",
    "signed_file": "rstuf.preparing",
    "strict_loads": "rstuf.metadata.canonical",
    "target_path": "rstuf.model.names",
    "tree_of": "rstuf.wiring",
    "trust_name": "rstuf.model.names",
    "trusted_as": "rstuf.model.maps",
    "try_stock_client": "rstuf.wiring",
    "verify_published": "rstuf.wiring",
    "write_bundle": "rstuf.holder.signing",
    "write_map": "rstuf.client.map_file",
    "write_qr": "rstuf.pictures",
    "write_role": "rstuf.preparing",
    "write_signatures": "rstuf.holder.signing",
    "write_transcript": "rstuf.transcripts",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  (a list of names, made from the table above)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'rstuf' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)

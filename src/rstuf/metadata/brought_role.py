"""A role that somebody signed elsewhere, with whatever tool, taken apart: what it must be to come out as it is.

Its bytes are published as they came, and its artifacts are kept as rows. So it may say only what rows hold, and what
goes with the role whoever renders it: a field that would be lost the next time is refused, and not dropped in silence.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any, Final

import orjson

from rstuf.clock import iso
from rstuf.errors import DeliveryRefused, InvalidArtifact, InvalidMetadata, InvalidPath, LimitExceeded, shorten
from rstuf.metadata.audit.clients import Survey
from rstuf.metadata.audit.document import MAX_SIGNATURES, Fault, read_document
from rstuf.metadata.audit.findings import Findings
from rstuf.metadata.audit.keys import KeyRing
from rstuf.metadata.audit.shapes import Shape
from rstuf.metadata.audit.targets import check_targets
from rstuf.metadata.bundle import MAX_BUNDLE_BYTES, Bundle, BundlePart, DocumentKind, kind_of, parse_bundle
from rstuf.metadata.canonical import compact
from rstuf.metadata.delegations import named_delegations
from rstuf.metadata.fragments import row_of
from rstuf.metadata.limits import TARGETS_BYTES
from rstuf.metadata.render import part_of, sign_with
from rstuf.metadata.thresholds import SignatureResult, check_signatures
from rstuf.metadata.views import Envelope, RoleKeys, Signature, bin_delegation, open_envelope
from rstuf.model.artifacts import Artifact, ArtifactRow
from rstuf.model.keys import KeyId
from rstuf.model.names import TOP_LEVEL, RoleName, role_name, target_path

_FILE_NAME: Final = re.compile(r"(?:([1-9][0-9]{0,15})\.)?(.+)\.json", re.ASCII | re.DOTALL)
_SPEC_VERSION: Final = re.compile(r"1\.[0-9]{1,4}(\.[0-9]{1,4})?", re.ASCII)
_OUTER: Final = frozenset({"signatures", "signed"})
_SIGNATURE: Final = frozenset({"keyid", "sig"})
_ENTRY: Final = frozenset({"custom", "hashes", "length"})


@dataclass(frozen=True, slots=True)
class BroughtRole:
    """A role's file as it was brought.

    Attributes:
        file: what it was called, for messages.
        data: its exact bytes.
        signed: its `signed` object; `compact` is that as compact JSON with sorted keys.
        payload: the canonical bytes that its signatures are made over; `digest` is their SHA-256, hex.
        rows: its artifacts, sorted by slot, then path.
    """

    name: RoleName
    file: str
    data: bytes
    version: int
    expires: datetime
    signed: Mapping[str, Any]
    compact: bytes
    payload: bytes
    digest: str
    signatures: tuple[Signature, ...]
    rows: tuple[ArtifactRow, ...]

    @property
    def delegations(self) -> Any:
        """What it says of others; None where it says nothing."""
        return self.signed.get("delegations")


def role_in_file_name(name: str) -> tuple[RoleName, int | None] | None:
    """The role and the version that a file's name says (`3.team.json`, `team.json`); None where it says none.

    Raises:
        InvalidRoleName: it says one that no delegation can have.
    """
    found = _FILE_NAME.fullmatch(name)
    if found is None:
        return None
    return role_name(found[2]), None if found[1] is None else int(found[1])


def read_brought(data: bytes, *, file: str, name: RoleName | None = None) -> BroughtRole:
    """What a file holds that was brought for a role: the role's own file, as any tool writes it, or a signed bundle.

    Args:
        file: where it lies; its last segment says which role it is of, as `3.team.json`.
        name: the role, where that is said otherwise.

    Raises:
        DeliveryRefused: see `take_brought_apart`; or nothing says which role it is of.
        InvalidBundle: it is a bundle, and not of the form that it must have.
        InvalidRoleName: its name says a role that no delegation can have.
    """
    kind = kind_of(data) if len(data) <= MAX_BUNDLE_BYTES else DocumentKind.NEITHER
    if kind is DocumentKind.SIGNATURE:
        hint = f"rstuf bundle import {file}"
        raise DeliveryRefused(file, "form", "it is a signature, and not what is signed", hint=hint)
    if kind is DocumentKind.BUNDLE:
        part = _part_of(parse_bundle(data, name=file), file, name)
        unsigned = part_of(part.role, part.signed, expires=part.envelope.expires)
        return take_brought_apart(sign_with(unsigned, part.signatures).data, name=part.role, file=file)
    said = role_in_file_name(PurePath(file).name) if name is None else (name, None)
    if said is None:
        hint = "call it as the role's file is called, 3.team.json; or say it: --role NAME"
        raise DeliveryRefused(file, "name", "nothing in it, nor its name, says which role it is of", hint=hint)
    return take_brought_apart(data, name=said[0], file=file, version=said[1])


def _part_of(bundle: Bundle, file: str, name: RoleName | None) -> BundlePart:
    """The one role of a bundle."""
    if len(bundle.parts) != 1 or bundle.parts[0].role in TOP_LEVEL:
        reason = f"it is the bundle of {shorten(bundle.event)}, which was made here"
        raise DeliveryRefused(file, "form", reason, hint=f"rstuf bundle import {file} takes the signatures in it")
    (part,) = bundle.parts
    if name is not None and name != part.role:
        raise DeliveryRefused(file, "name", f"it is of {part.role}, and not of {shorten(name)}")
    return part


def take_brought_apart(data: bytes, *, name: RoleName, file: str, version: int | None = None) -> BroughtRole:
    """What was brought for a role, strictly.

    Args:
        file: what to call it in messages.
        version: the one that its file name says.

    Raises:
        DeliveryRefused: it is none that could come out as it is; with the rule that it breaks.
    """
    if len(data) > TARGETS_BYTES:
        raise DeliveryRefused(file, "size", f"it has {len(data)} bytes, and clients read {TARGETS_BYTES} at most")
    try:
        opened = open_envelope(data, name=file, kind="targets")
    except InvalidMetadata as error:
        raise DeliveryRefused(file, "form", error.reason) from None
    _refuse_unsigned_fields(data, file)
    _refuse_names(opened, file, version)
    _refuse_delegations(opened, file)
    signed = dict(opened.signed)
    text = compact(signed)
    rows = tuple(sorted(_rows(signed.get("targets"), file)))
    _refuse_what_an_audit_refuses(data, file, name)
    return BroughtRole(
        name=name,
        file=file,
        data=data,
        version=opened.version,
        expires=opened.expires,
        signed=signed,
        compact=text,
        payload=opened.payload,
        digest=hashlib.sha256(opened.payload).hexdigest(),
        signatures=opened.signatures,
        rows=rows,
    )


def _refuse_names(opened: Envelope, file: str, version: int | None) -> None:
    signed = opened.signed
    if version is not None and version != opened.version:
        raise DeliveryRefused(file, "version", f"its name says version {version}, and it is version {opened.version}")
    spec = signed.get("spec_version")
    if not isinstance(spec, str) or _SPEC_VERSION.fullmatch(spec) is None:
        raise DeliveryRefused(file, "spec-version", "it does not follow version 1 of the TUF specification")
    if signed["expires"] != iso(opened.expires):
        raise DeliveryRefused(file, "expires", "its expiry is not written as 2026-11-20T16:00:00Z is")


def _refuse_delegations(opened: Envelope, file: str) -> None:
    """Whatever is published is read for its delegations by all that comes after: what cannot be stops everything."""
    if "delegations" in opened.signed and opened.signed["delegations"] is None:
        hint = "where a role does not delegate, the field is left out"
        raise DeliveryRefused(file, "delegations", "its delegations are null, which clients cannot read", hint=hint)
    try:
        bin_delegation(opened)
        named_delegations(opened.signed, where=file)
    except InvalidMetadata as error:
        raise DeliveryRefused(file, "delegations", error.reason) from None


def _refuse_what_an_audit_refuses(data: bytes, file: str, name: RoleName) -> None:
    """The audit of all that is published reads these bytes by rules of its own: it must find nothing in them.

    Raises:
        DeliveryRefused: it does.
    """
    whole = orjson.loads(data)
    if len(whole["signatures"]) > MAX_SIGNATURES:
        # Far fewer keys can be listed for one role, and each costs a verification.
        reason = f"it has {len(whole['signatures'])} signatures, more than any role has keys"
        raise DeliveryRefused(file, "signatures", reason)
    findings = Findings()
    try:
        view = Shape(name, findings=findings, ring=KeyRing()).targets(read_document(data).signed)
    except Fault as fault:
        raise DeliveryRefused(file, "form", str(fault)) from None
    check_targets(view.targets, role=name, place=None, findings=findings, survey=Survey())
    if findings.problems:
        raise DeliveryRefused(file, "form", findings.problems[0].message)


def _refuse_unsigned_fields(data: bytes, file: str) -> None:
    """Whatever stands beside what is signed could have been put there by anybody."""
    whole = orjson.loads(data)
    others = whole.keys() - _OUTER
    others |= {field for each in whole["signatures"] for field in each.keys() - _SIGNATURE}
    if others:
        told = shorten(min(others))
        raise DeliveryRefused(file, "unsigned-field", f"nobody has signed its field {told!r}: leave that out")


def _rows(targets: object, file: str) -> Iterator[ArtifactRow]:
    if not isinstance(targets, dict):
        raise DeliveryRefused(file, "form", "its targets are not an object")
    for path, entry in targets.items():
        try:
            yield row_of(_artifact(path, entry))
        except (InvalidPath, InvalidArtifact, LimitExceeded) as error:
            raise DeliveryRefused(file, "artifact", error.message) from None


def _artifact(path: str, entry: object) -> Artifact:
    if not isinstance(entry, dict):
        raise InvalidArtifact(path, "entry", "is not an object")
    foreign = entry.keys() - _ENTRY
    if foreign:
        reason = "is none that TUF has, and would be lost the next time: custom is the place for it"
        raise InvalidArtifact(path, repr(shorten(min(foreign))), reason)
    custom = entry.get("custom")
    if "custom" in entry and not isinstance(custom, dict):
        raise InvalidArtifact(path, "custom", "is not a JSON object")
    return Artifact(target_path(path), entry.get("length"), entry.get("hashes"), custom)  # type: ignore[arg-type]


def check_brought_signatures(brought: BroughtRole, keys: RoleKeys, *, called: Mapping[KeyId, str]) -> SignatureResult:
    """Whose signatures it has: every one of them is by a key that may sign the role, once, and verifies.

    Args:
        called: names of keys, for messages.

    Raises:
        DeliveryRefused: one is not, or there is none.
    """
    result = check_signatures(
        brought.payload, brought.signatures, keys=keys.keys, keyids=keys.keyids, threshold=keys.threshold
    )

    def named(keyids: Iterable[KeyId]) -> str:
        return ", ".join(called.get(keyid) or shorten(keyid[:12]) for keyid in keyids)

    if result.foreign:
        reason = f"it is signed by {named(result.foreign)}, which may not sign {brought.name}"
        raise DeliveryRefused(
            brought.file, "signer", reason, hint=f"rstuf delegation list says who may sign {brought.name}"
        )
    given = {each.keyid for each in brought.signatures}
    twice = result.duplicates or tuple(each for each in result.repeated if each in given)
    if twice:
        reason = f"{named(twice)} has signed it twice, which counts once and makes clients refuse it"
        raise DeliveryRefused(brought.file, "signed-twice", reason)
    if result.invalid:
        reason = f"the signature of {named(result.invalid)} does not verify"
        hint = "it may be damaged on its way, or be over other bytes: have it signed once more"
        raise DeliveryRefused(brought.file, "signature", reason, hint=hint)
    if not result.signed:
        raise DeliveryRefused(brought.file, "unsigned", "nobody has signed it")
    return result

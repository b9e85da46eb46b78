"""Bundles and signatures: what goes to a key holder who is away, and what comes back.

Each is one JSON document with a single spelling: compact, keys sorted, UTF-8, no escape that JSON does not ask for, at
most one line end behind it. What is read is written again and compared, so that nothing can hide between two readers:
no duplicate key, no other spelling of a text or a number, no blank. It is OLPC canonical JSON as far as that is JSON;
below U+0020 the escapes of JSON stay, or no JSON reader could open a bundle that has a PEM key in it.

Nothing in a bundle is believed here; `rstuf.holder` checks it against what its signer trusts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from rstuf.errors import InvalidJson, InvalidKey, InvalidMetadata, InvalidRoleName
from rstuf.metadata.canonical import canonical, compact, strict_loads
from rstuf.metadata.limits import ROOT_BYTES, ROOT_ROTATIONS
from rstuf.metadata.one_spelling import FORMAT_VERSION, DocumentReader
from rstuf.metadata.short_codes import code_of
from rstuf.metadata.views import Envelope, Signature, open_envelope
from rstuf.model.artifacts import MAX_INTEGER
from rstuf.model.keys import KeyId, check_key_name
from rstuf.model.names import ROOT, TARGETS, TOP_LEVEL, RoleName, role_name
from rstuf.model.policy import MAX_BINS_BY_PEOPLE

BUNDLE_FORMAT: Final = "rstuf-bundle"
SIGNATURE_FORMAT: Final = "rstuf-signature"
MAX_BUNDLE_BYTES: Final = 8_000_000
MAX_SIGNATURE_BYTES: Final = 524_288
# As many bins as people sign together, and what comes out beside them.
MAX_PARTS: Final = 2 * MAX_BINS_BY_PEOPLE + 16
MAX_DELEGATORS: Final = 32
MAX_SIGNATURES: Final = 64
# In a file that came back: of each part, by several keys.
MAX_BROUGHT: Final = 4 * MAX_PARTS
MAX_NAMES: Final = 1024
MAX_REPOSITORY_NAME: Final = 200

_BUNDLE_FIELDS: Final = frozenset({"format", "version", "event", "repository", "chain", "parts", "names"})
_PART_FIELDS: Final = frozenset({"signed", "signatures"})
_SIGNATURE_FIELDS: Final = frozenset({"format", "version", "signatures"})
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
# Adopted repositories have key ids of other forms than a digest.
_KEYID: Final = re.compile(r"[!-~]{1,128}", re.ASCII)
_SIG: Final = re.compile(r"(?:[0-9a-f]{2}){1,2048}", re.ASCII)
_ROLES: Final = {"root": ROOT, "targets": TARGETS}


class DocumentKind(Enum):
    """What a file says that it is."""

    BUNDLE = "bundle"
    SIGNATURE = "signature"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundlePart:
    """What is to be signed of one role.

    Attributes:
        signed: the `signed` object.
        signatures: those that were collected so far; nobody has verified them.
        payload: the canonical bytes that signatures are made over.
    """

    role: RoleName
    signed: Mapping[str, Any]
    signatures: tuple[Signature, ...] = ()
    payload: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Made from what is shown, so that nothing else can be signed.
        object.__setattr__(self, "payload", canonical(compact(dict(self.signed))))

    @property
    def version(self) -> int:
        """The version that its metadata would have."""
        return int(self.signed["version"])

    @property
    def digest(self) -> str:
        """SHA-256 of the payload, hex."""
        return hashlib.sha256(self.payload).hexdigest()

    @property
    def envelope(self) -> Envelope:
        """The part as metadata, with the signatures that came with it."""
        return Envelope(name=self.role, signed=self.signed, payload=self.payload, signatures=self.signatures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Metadata that waits for signatures, with all that its signers need to judge it.

    Attributes:
        repository: what its makers call the repository.
        first_root: SHA-256 of the file of root version 1, hex; None where that is still to be signed.
        chain: files of roots, byte for byte, of consecutive versions up to the one in force; empty for a first root.
        parts: what is to be signed, each role once; the event is named for the first.
        delegators: roles that say who signs parts, as they are published: targets first, each before those below it.
        names: what its makers call keys, by key id. Labels, and no more.
    """

    repository: str
    first_root: str | None
    chain: tuple[bytes, ...]
    parts: tuple[BundlePart, ...]
    names: Mapping[KeyId, str]
    delegators: tuple[BundlePart, ...] = ()

    @property
    def event(self) -> str:
        """What people call it: "root-v4"."""
        return f"{self.parts[0].role}-v{self.parts[0].version}"

    @property
    def code(self) -> str:
        """The short code that its signers compare by voice: of all that they would sign, and of nothing else."""
        return code_of([part.payload for part in self.parts])

    def roots(self) -> tuple[Envelope, ...]:
        """The chain, taken apart.

        Raises:
            InvalidMetadata: a file in it is no root.
        """
        return tuple(
            open_envelope(data, name=f"root {place} of the chain", kind="root")
            for place, data in enumerate(self.chain, 1)
        )


@dataclass(frozen=True, slots=True)
class DetachedSignature:
    """A signature without what it signs: the SHA-256 of the payload in hex, whose it is, and itself in hex."""

    digest: str
    keyid: KeyId
    sig: str


@dataclass(frozen=True, slots=True)
class SignatureDocument:
    """What a signer sends back."""

    signatures: tuple[DetachedSignature, ...]


def parse_bundle(data: bytes, *, name: str = "the bundle") -> Bundle:
    """A bundle from its bytes. Its form is checked, and nothing of it is believed yet.

    Args:
        name: what to call it in messages.

    Raises:
        InvalidBundle: it is not of that form, to the byte.
    """
    return _BundleReader(name).read(data)


def render_bundle(bundle: Bundle) -> bytes:
    """The inverse of `parse_bundle`, with a line end behind it.

    Raises:
        InvalidBundle: it is none that `parse_bundle` would read.
    """
    document = {
        "format": BUNDLE_FORMAT,
        "version": FORMAT_VERSION,
        "event": bundle.event,
        "repository": {"name": bundle.repository, "first_root": bundle.first_root},
        "chain": [base64.b64encode(root).decode() for root in bundle.chain],
        "parts": [_part_document(part) for part in bundle.parts],
        "names": dict(bundle.names),
    }
    if bundle.delegators:
        document["delegators"] = [_part_document(part) for part in bundle.delegators]
    data = compact(document) + b"\n"
    parse_bundle(data)
    return data


def _part_document(part: BundlePart) -> dict[str, Any]:
    """What is signed does not say which role below targets it is of, so that is said beside it."""
    role = {} if part.role in {ROOT, TARGETS} else {"role": part.role}
    signatures = [{"keyid": each.keyid, "sig": each.sig} for each in part.signatures]
    return {**role, "signed": dict(part.signed), "signatures": signatures}


def parse_signatures(data: bytes, *, name: str = "the signature") -> SignatureDocument:
    """The signatures in a file that came back. None of them is verified yet.

    Raises:
        InvalidBundle: it is not of that form, to the byte.
    """
    return _SignatureReader(name).read(data)


def render_signatures(document: SignatureDocument) -> bytes:
    """The inverse of `parse_signatures`, with a line end behind it.

    Raises:
        InvalidBundle: it is none that `parse_signatures` would read.
    """
    entries = [{"digest": each.digest, "keyid": each.keyid, "sig": each.sig} for each in document.signatures]
    data = compact({"format": SIGNATURE_FORMAT, "version": FORMAT_VERSION, "signatures": entries}) + b"\n"
    parse_signatures(data)
    return data


def kind_of(data: bytes) -> DocumentKind:
    """What a file says that it is; whether that is so, its own parser tells."""
    if len(data) > MAX_BUNDLE_BYTES + 1:
        return DocumentKind.NEITHER
    try:
        document = strict_loads(data, what="it")
    except InvalidJson:
        return DocumentKind.NEITHER
    said = document.get("format") if isinstance(document, dict) else None
    kinds = {BUNDLE_FORMAT: DocumentKind.BUNDLE, SIGNATURE_FORMAT: DocumentKind.SIGNATURE}
    return kinds.get(said, DocumentKind.NEITHER) if isinstance(said, str) else DocumentKind.NEITHER


class _SignatureReader(DocumentReader):
    def read(self, data: bytes) -> SignatureDocument:
        document = self.document(data, form=SIGNATURE_FORMAT, fields=_SIGNATURE_FIELDS, limit=MAX_SIGNATURE_BYTES)
        entries = self.list_of(document["signatures"], "signatures", least=1, most=MAX_BROUGHT)
        found = []
        for each in entries:
            digest, keyid, sig = self.texts(each, "a signature", digest=_DIGEST, keyid=_KEYID, sig=_SIG)
            found.append(DetachedSignature(digest, KeyId(keyid), sig))
        if len({(each.digest, each.keyid) for each in found}) != len(found):
            raise self.refuse("a key signed the same twice")
        return SignatureDocument(tuple(found))


class _BundleReader(DocumentReader):
    def read(self, data: bytes) -> Bundle:
        document = self.document(
            data, form=BUNDLE_FORMAT, fields=_BUNDLE_FIELDS, limit=MAX_BUNDLE_BYTES, optional={"delegators"}
        )
        repository = self.exactly(document["repository"], {"name", "first_root"}, "repository")
        parts = self.list_of(document["parts"], "parts", least=1, most=MAX_PARTS)
        bundle = Bundle(
            repository=self._repository_name(repository["name"]),
            first_root=self._first_root(repository["first_root"]),
            chain=self._chain(document["chain"]),
            parts=tuple(map(self._part, parts)),
            names=self._names(document["names"]),
            delegators=self._delegators(document),
        )
        if len({part.role for part in bundle.parts}) != len(bundle.parts):
            raise self.refuse("two of its parts are of one role")
        if document["event"] != bundle.event:
            raise self.refuse(f"its event is not {bundle.event}, as its first part is")
        self._check_chain(bundle)
        return bundle

    def _repository_name(self, name: Any) -> str:
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_REPOSITORY_NAME or not name.isprintable():
            raise self.refuse(f"the repository's name is not 1 to {MAX_REPOSITORY_NAME} printable characters")
        return name

    def _first_root(self, digest: Any) -> str | None:
        if digest is None or (isinstance(digest, str) and _DIGEST.fullmatch(digest)):
            return digest
        raise self.refuse("first_root is neither a SHA-256 in hex nor null")

    def _chain(self, chain: Any) -> tuple[bytes, ...]:
        return tuple(map(self._file, self.list_of(chain, "chain", least=0, most=ROOT_ROTATIONS + 1)))

    def _file(self, text: Any) -> bytes:
        try:
            data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
        except (binascii.Error, ValueError):
            data = b""
        # Base64 has several spellings of most texts, and this one is what we write.
        if not data or base64.b64encode(data).decode() != text:
            raise self.refuse("a root of its chain is not in base64 as it must be")
        if len(data) > ROOT_BYTES:
            raise self.refuse(f"a root of its chain has more than {ROOT_BYTES} bytes")
        return data

    def _delegators(self, document: Mapping[str, Any]) -> tuple[BundlePart, ...]:
        if "delegators" not in document:
            return ()
        found = self.list_of(document["delegators"], "delegators", least=1, most=MAX_DELEGATORS)
        delegators = tuple(map(self._part, found))
        roles = [part.role for part in delegators]
        if ROOT in roles or len(set(roles)) != len(roles):
            raise self.refuse("its delegators are not one of each role below root")
        return delegators

    def _part(self, value: Any) -> BundlePart:
        named = isinstance(value, dict) and "role" in value
        part = self.exactly(value, _PART_FIELDS | ({"role"} if named else set()), "a part")
        signed = part["signed"]
        kind = signed.get("_type") if isinstance(signed, dict) else None
        role = _ROLES.get(kind) if isinstance(kind, str) else None
        if role is None:
            raise self.refuse("a part is neither root nor targets metadata")
        if named:
            role = self._below_targets(part["role"], role)
        version = signed.get("version")
        if type(version) is not int or not 1 <= version <= MAX_INTEGER:
            raise self.refuse(f"the version of {role} is not a whole number from 1 on")
        signatures = []
        for each in self.list_of(part["signatures"], f"signatures of {role}", least=0, most=MAX_SIGNATURES):
            keyid, sig = self.texts(each, f"a signature of {role}", keyid=_KEYID, sig=_SIG)
            signatures.append(Signature(KeyId(keyid), sig))
        return BundlePart(role=role, signed=signed, signatures=tuple(signatures))

    def _below_targets(self, name: Any, kind: RoleName) -> RoleName:
        """The role that a part says it is of: none that has its name from what is signed."""
        try:
            found = role_name(name if isinstance(name, str) else "")
        except InvalidRoleName:
            found = ROOT
        if kind != TARGETS or found in TOP_LEVEL:
            raise self.refuse("a part says that it is of a role that it cannot be of")
        return found

    def _names(self, names: Any) -> dict[KeyId, str]:
        if not isinstance(names, dict) or len(names) > MAX_NAMES:
            raise self.refuse(f"names is not an object of {MAX_NAMES} names at most")
        for keyid, label in names.items():
            if _KEYID.fullmatch(keyid) is None:
                raise self.refuse("names has a key id that is none")
            try:
                check_key_name(label if isinstance(label, str) else "")
            except InvalidKey as error:
                raise self.refuse(f"no key can be called {ascii(label)[:80]}: {error.reason}") from None
        return names

    def _check_chain(self, bundle: Bundle) -> None:
        first = any(part.role == ROOT and part.version == 1 for part in bundle.parts)
        if bundle.chain and bundle.first_root is None:
            raise self.refuse("it does not say which first root its chain comes from")
        if not bundle.chain and not (first and bundle.first_root is None):
            raise self.refuse("only a first root comes without the root in force, and without a first root before it")
        try:
            versions = [root.version for root in bundle.roots()]
        except InvalidMetadata as error:
            raise self.refuse(f"{error.name}: {error.reason}") from None
        if versions != list(range(versions[0], versions[0] + len(versions)) if versions else ()):
            raise self.refuse("the versions of its chain do not follow one another")

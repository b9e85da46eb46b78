"""The chain of roots: from the trusted one to the newest that exists (TUF §5.3), and back to the oldest kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from rstuf.errors import InvalidMetadata
from rstuf.metadata.audit.clients import PYTHON_TUF
from rstuf.metadata.audit.document import Document, Fault, read_document
from rstuf.metadata.audit.files import Shelf
from rstuf.metadata.audit.findings import Code, Findings, Note
from rstuf.metadata.audit.keys import KeyRing, check_signatures
from rstuf.metadata.audit.shapes import RootView, Shape

ROLE: Final = "root"
READ_LIMIT: Final = 2 * 1024 * 1024
# A chain with a hole is found by looking a little further than its end.
LOOK_AHEAD: Final = 3
MAX_DAMAGED: Final = 8
MAX_STEPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """Facts of one file: bytes and SHA-256 in hexadecimal."""

    length: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Seen:
        """The facts of `data`."""
        return cls(length=len(data), sha256=hashlib.sha256(data).hexdigest())


@dataclass(slots=True)
class RootChain:
    """What was found.

    Attributes:
        trusted: the version that the walk began with.
        version: the newest version that is signed by its own keys, at least; what follows is judged by it.
        view: that root.
        checked: how many roots were looked at.
        seen: facts of the files on the storage, by version.
    """

    trusted: int
    version: int
    view: RootView
    size: int
    checked: int = 1
    seen: dict[int, Seen] = field(default_factory=dict)


def walk_roots(
    trusted: bytes, *, shelf: Shelf, now: datetime, newest_known: int, findings: Findings, ring: KeyRing
) -> RootChain:
    """Check every root that can be reached.

    Args:
        trusted: the root that trust comes from.
        newest_known: a version that must exist, by other knowledge; 0 if there is none.

    Raises:
        InvalidMetadata: `trusted` is not a root at all.
    """
    walk = _Walk(shelf=shelf, findings=findings, ring=ring)
    chain, root = walk.begin(trusted)
    walk.backward(chain, root, trusted)
    walk.forward(chain, newest_known)
    expires = chain.view.common.expires
    if expires is not None and expires <= now:
        findings.problem(
            Code.EXPIRED, f"version {chain.version}, the newest, expired at {expires:%Y-%m-%d %H:%M} UTC", role=ROLE
        )
    if chain.version - min(chain.seen, default=chain.version) >= PYTHON_TUF.root_steps:
        findings.note(
            Note.LONG_ROOT_CHAIN, f"clients follow at most {PYTHON_TUF.root_steps} roots in one refresh", role=ROLE
        )
    _note_shared_keys(chain.view, findings)
    return chain


@dataclass(frozen=True, slots=True)
class _Root:
    """One root of the chain; without its document, only to judge others by."""

    version: int
    document: Document | None
    view: RootView


class _Walk:
    def __init__(self, *, shelf: Shelf, findings: Findings, ring: KeyRing) -> None:
        self._shelf = shelf
        self._findings = findings
        self._ring = ring

    def begin(self, data: bytes) -> tuple[RootChain, _Root]:
        try:
            document = read_document(data)
        except Fault as fault:
            raise _unusable(str(fault)) from None
        if document.signed.get("_type") != ROLE:
            raise _unusable("it is not a root")
        with self._findings.within("the trusted root"):
            view = self._shape().root(document.signed)
        version = view.common.version
        if version is None:
            raise _unusable("it has no usable version")
        chain = RootChain(trusted=version, version=version, view=view, size=len(data))
        return chain, _Root(version, document, view)

    def forward(self, chain: RootChain, newest_known: int) -> None:
        """From the trusted root to the newest; a damaged or missing one does not end the walk."""
        version, damaged, missing = chain.version, 0, list[int]()
        while damaged < MAX_DAMAGED and version < chain.trusted + MAX_STEPS:
            version += 1
            data, exists = self._read(version)
            if not exists:
                missing.append(version)
                if version >= max(newest_known, missing[0] + LOOK_AHEAD - 1):
                    break
                continue
            self._report_hole(missing)
            missing = []
            damaged = 0 if self._newer(chain, version, data) else damaged + 1
        if missing and missing[0] <= newest_known:
            self._report_hole([number for number in missing if number <= newest_known])

    def backward(self, chain: RootChain, root: _Root, trusted: bytes) -> None:
        """From the trusted root to the oldest that is kept, which clients that were installed long ago start with."""
        data, exists = self._read(chain.trusted)
        if data is not None:
            chain.seen[chain.trusted] = Seen.of(data)
            if data != trusted:
                message = f"{chain.trusted}.root.json is not the trusted root of that version"
                self._findings.problem(Code.ROOT_DIFFERS, message, role=ROLE)
        while root.version > 1 and chain.trusted - root.version < MAX_STEPS:
            older = self._older(chain, root.version - 1, newer_exists=exists)
            self._check_signed(root, older)
            if older is None:
                return
            root, exists = older, True
        self._check_signed(root, None)
        if not exists:
            self._findings.note(Note.ROOT_ABSENT, f"{chain.trusted}.root.json is not there", role=ROLE)

    def _older(self, chain: RootChain, version: int, *, newer_exists: bool) -> _Root | None:
        data, exists = self._read(version)
        if not exists:
            self._findings.note(Note.ROOT_ABSENT, f"{version}.root.json and older ones are not kept", role=ROLE)
        elif not newer_exists:
            self._report_hole([version + 1])
        if data is None:
            return None
        chain.seen[version] = Seen.of(data)
        chain.checked += 1
        return self._parse(data, version)

    def _newer(self, chain: RootChain, version: int, data: bytes | None) -> bool:
        """Judge a newer root; whether it is sound enough to judge by."""
        if data is None:
            return False
        chain.seen[version] = Seen.of(data)
        chain.checked += 1
        root = self._parse(data, version)
        if root is None or not self._check_signed(root, _Root(chain.version, None, chain.view)):
            return False
        chain.version, chain.view, chain.size = version, root.view, len(data)
        return True

    def _parse(self, data: bytes, version: int) -> _Root | None:
        with self._findings.within(f"version {version}"):
            if len(data) > PYTHON_TUF.root:
                message = f"it has {len(data)} bytes and clients read at most {PYTHON_TUF.root}"
                self._findings.problem(Code.OVERSIZE, message, role=ROLE)
            try:
                document = read_document(data)
            except Fault as fault:
                self._findings.problem(Code.MALFORMED_JSON, str(fault), role=ROLE)
                return None
            view = self._shape().root(document.signed)
            if view.common.version is not None and view.common.version != version:
                message = f"{version}.root.json holds version {view.common.version}"
                self._findings.problem(Code.VERSION_MISMATCH, message, role=ROLE)
            return _Root(version, document, view)

    def _check_signed(self, root: _Root, before: _Root | None) -> bool:
        """A root is signed by itself and by the one before; whether it is by itself, at least."""
        own, old = root.view.authorities.get(ROLE), before.view.authorities.get(ROLE) if before is not None else None
        authorities = []
        if own is not None:
            authorities.append(("itself", own))
        if before is not None and old is not None:
            authorities.append((f"version {before.version}", old))
        if root.document is None or not authorities:
            return False
        with self._findings.within(f"version {root.version}"):
            met = check_signatures(root.document, authorities, role=ROLE, findings=self._findings, ring=self._ring)
        return own is not None and met[0]

    def _read(self, version: int) -> tuple[bytes | None, bool]:
        return self._shelf.optional(f"{version}.root.json", role=ROLE, limit=READ_LIMIT)

    def _report_hole(self, versions: list[int]) -> None:
        for version in versions:
            self._findings.problem(
                Code.MISSING_FILE, f"{version}.root.json does not exist though newer ones do", role=ROLE
            )

    def _shape(self) -> Shape:
        return Shape(ROLE, findings=self._findings, ring=self._ring)


def _unusable(reason: str) -> InvalidMetadata:
    return InvalidMetadata("the trusted root", reason, hint="hand in the root that clients start with")


def _note_shared_keys(view: RootView, findings: Findings) -> None:
    root = view.authorities.get(ROLE)
    if root is None:
        return
    values = {key.value for key in root.keys.values()}
    for name in ("timestamp", "snapshot"):
        authority = view.authorities.get(name)
        if authority is not None and any(key.value in values for key in authority.keys.values()):
            findings.note(Note.SHARED_KEY, f"a key of {name}, which is used online, may sign root too", role=ROLE)

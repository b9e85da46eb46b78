"""A repository as its key holders know it, and bundles for them: honest ones, and whatever else.

Keys are numbers: 0, 1 and 2 sign root, 3 is online, 4 to 8 are nobody's yet.
"""

from __future__ import annotations

import base64
import copy
import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.unit.metadata import roots
from tests.unit.signing import keyring

from rstuf.clock import iso
from rstuf.holder.record import HolderRecord, Remembered
from rstuf.metadata.bundle import Bundle, parse_bundle
from rstuf.metadata.canonical import canonical, compact
from rstuf.model.keys import KeyId

Document = dict[str, Any]
DAY = timedelta(days=1)
NAMES = {0: "laptop", 1: "yubikey", 2: "vault", 3: "online"}
PASSPHRASE = b"correct horse battery staple"


def sig(signed: Document, number: int) -> Document:
    """A signature of a key, as metadata has it."""
    made = keyring.private("ed25519", number).sign(canonical(compact(signed)))
    return {"keyid": roots.keyid(number), "sig": made.hex()}


def file_of(signed: Document, *numbers: int) -> bytes:
    """A metadata file that these keys signed."""
    return compact({"signatures": [sig(signed, number) for number in numbers], "signed": signed})


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class World:
    """Roots 1 to 3 are published; what comes next is asked of the holders."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.roots = [roots.root(version=version, expires=now + (version * 20) * DAY) for version in (1, 2, 3)]
        self.files = [file_of(signed, 0, 1) for signed in self.roots]
        self.first_root = sha256(self.files[0])

    @property
    def next_root(self) -> Document:
        """Root 4: the same for another year."""
        return {**copy.deepcopy(self.roots[-1]), "version": 4, "expires": iso(self.now + 365 * DAY)}

    @property
    def targets(self) -> Document:
        """A targets role that delegates to bins, which the online key signs."""
        online = roots.keyid(3)
        bins = {"bit_length": 8, "keyids": [online], "name_prefix": "bins", "threshold": 1}
        return {
            "_type": "targets",
            "delegations": {"keys": {online: roots.key(3).to_dict()}, "succinct_roles": bins},
            "expires": iso(self.now + 365 * DAY),
            "spec_version": "1.0.31",
            "targets": {},
            "version": 2,
        }

    def document(self, *parts: Document, signed_by: Iterable[int] = (), chain: list[bytes] | None = None) -> Document:
        """A bundle of these parts, root 4 by default, as the object that it is."""
        found = list(parts) or [self.next_root]
        return {
            "format": "rstuf-bundle",
            "version": 1,
            "event": f"{found[0].get('_type')}-v{found[0].get('version')}" if isinstance(found[0], dict) else "",
            "repository": {"name": "acme", "first_root": self.first_root},
            "chain": [base64.b64encode(each).decode() for each in (self.files if chain is None else chain)],
            "parts": [{"signed": part, "signatures": [sig(part, each) for each in signed_by]} for part in found],
            "names": {roots.keyid(number): name for number, name in NAMES.items()},
        }

    def first(self) -> Document:
        """A bundle with the first root of a repository."""
        document = self.document({**roots.root(version=1, expires=self.now + 365 * DAY)}, chain=[])
        document["repository"]["first_root"] = None
        return document

    def record(self, directory: Path, **changes: Any) -> HolderRecord:
        """The record of a holder who signed root 3."""
        record = HolderRecord(directory)
        known = {
            "first_root": self.first_root,
            "checked": True,
            "repository": "acme",
            "root": self.files[-1],
            "names": {KeyId(roots.keyid(number)): name for number, name in NAMES.items()},
        }
        record.add(Remembered(**{**known, **changes}))
        return record


def encode(document: Document) -> bytes:
    """The one spelling of a document."""
    return compact(document) + b"\n"


def bundle(document: Document) -> Bundle:
    return parse_bundle(encode(document))

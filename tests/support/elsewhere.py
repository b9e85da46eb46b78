"""A delegate elsewhere: roles made and signed with python-tuf, or with nothing but JSON, to be brought to a repository.

file = made(engine, "team", 2, {"team/one": b"one"}, by=["tara"])     # bytes, as python-tuf writes them
file = signed_json(engine, {...}, by=["tara"])                         # whatever `signed` says
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner
from tests.support.engine import Engine
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.api.serialization.json import JSONSerializer

from rstuf.metadata.bundle import Bundle, DetachedSignature, SignatureDocument, render_signatures
from rstuf.model.keys import KeyId


def made(
    engine: Engine,
    name: str,
    version: int,
    contents: Mapping[str, bytes],
    *,
    by: Sequence[str],
    expires: datetime | None = None,
    custom: Mapping[str, Any] | None = None,
    compact: bool = False,
) -> bytes:
    """A role's file, by python-tuf's own hands. `name` is what a person calls it; it stands nowhere in the file."""
    del name
    targets = {path: TargetFile.from_data(path, data, ["sha256"]) for path, data in contents.items()}
    if custom is not None:
        for each in targets.values():
            each.unrecognized_fields["custom"] = custom
    ends = expires or engine.clock.now() + timedelta(days=300)
    metadata = Metadata(Targets(version=version, expires=ends, targets=targets))
    for key in by:
        metadata.sign(engine.keys.made[key].signer.signer, append=True)
    return metadata.to_bytes(JSONSerializer(compact=compact))


def said(
    engine: Engine, version: int, contents: Mapping[str, bytes], *, expires: datetime | None = None, **more: Any
) -> dict[str, Any]:
    """A `signed` object, to be changed at will."""
    ends = expires or engine.clock.now() + timedelta(days=300)
    return {
        "_type": "targets",
        "expires": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "spec_version": "1.0.31",
        "targets": {path: entry(data) for path, data in contents.items()},
        "version": version,
        **more,
    }


def entry(data: bytes) -> dict[str, Any]:
    """What is signed of a content."""
    return {"hashes": {"sha256": hashlib.sha256(data).hexdigest()}, "length": len(data)}


def signatures(engine: Engine, signed: Mapping[str, Any], *, by: Sequence[str]) -> list[dict[str, str]]:
    """Signatures over the canonical form of what `signed` says."""
    payload = encode_canonical(signed)
    assert payload is not None
    signers = [engine.keys.made[key].signer for key in by]
    return [{"keyid": each.keyid, "sig": each.sign(payload.encode())} for each in signers]


def signed_json(engine: Engine, signed: Mapping[str, Any], *, by: Sequence[str], **form: Any) -> bytes:
    """A file that says just that, in any form that JSON has: `form` goes to `json.dumps`."""
    return json.dumps({"signed": signed, "signatures": signatures(engine, signed, by=by)}, **form).encode()


class Delegate:
    """Somebody with a machine, a key and python-tuf of their own; the repository never has more than `public`."""

    def __init__(self, home: Path, name: str) -> None:
        home.mkdir()
        self.home, self.name = home, name
        self.signer = CryptoSigner.generate_ed25519()
        self.public = home / f"{name}.pub"
        self.public.write_text(json.dumps(self.signer.public_key.to_dict()))

    def keep_key(self, place: Path) -> None:
        """The private half in a file, as PKCS #8."""
        place.touch(mode=0o600)
        place.write_bytes(self.signer.private_bytes)

    def signs(
        self,
        role: str,
        version: int,
        contents: Mapping[str, bytes],
        *,
        now: datetime,
        days: int = 300,
        others: Sequence[Delegate] = (),
    ) -> Path:
        """The file of a role, under the name that TUF gives it; the contents lie below `contents` beside it."""
        targets = {path: TargetFile.from_data(path, data, ["sha256"]) for path, data in contents.items()}
        expires = (now + timedelta(days=days)).replace(microsecond=0)
        metadata = Metadata(Targets(version=version, expires=expires, targets=targets))
        for each in (self, *others):
            metadata.sign(each.signer, append=True)
        for path, data in contents.items():
            place = self.home / "contents" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        file = self.home / f"{version}.{role}.json"
        metadata.to_file(str(file), serializer=JSONSerializer())
        return file

    def detached(self, bundle: Bundle, role: str) -> bytes:
        """A signature file for one role of a bundle, as `bundle sign` writes it."""
        part = next(part for part in bundle.parts if part.role == role)
        made = self.signer.sign(part.payload)
        return render_signatures(
            SignatureDocument((DetachedSignature(part.digest, KeyId(made.keyid), made.signature),))
        )

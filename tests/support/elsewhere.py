"""A delegate elsewhere: roles made and signed with python-tuf, or with nothing but JSON, to be brought to a repository.

file = made(engine, "team", 2, {"team/one": b"one"}, by=["tara"])     # bytes, as python-tuf writes them
file = signed_json(engine, {...}, by=["tara"])                         # whatever `signed` says
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from securesystemslib.formats import encode_canonical
from tests.support.engine import Engine
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.api.serialization.json import JSONSerializer


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

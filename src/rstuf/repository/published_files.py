"""Files as they are published, each read and verified as a client would, where there is no state to tell what it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rstuf.errors import FileMissing, FileTooLarge, InvalidMetadata, NotAFile
from rstuf.metadata import limits
from rstuf.metadata.render import versioned
from rstuf.metadata.views import Envelope, RoleKeys, open_envelope
from rstuf.model.artifacts import MAX_INTEGER
from rstuf.model.names import SNAPSHOT, RoleName
from rstuf.repository.authority import signed_enough
from rstuf.repository.interfaces import MetadataStorage

BACK: Final = "put it back from a mirror, or from a copy of the workspace; then run this again"

_VERSIONED: Final = re.compile(r"([1-9][0-9]{0,15})\.(.+)\.json", re.ASCII)
# Numbers above leave no room to go on above them: nobody but a vandal has used one.
_LAST_BELIEVED: Final = MAX_INTEGER >> 4
_FORGED: Final = "nothing was rebuilt: put back what you published, from a mirror or a copy; then run this again"
_FOREIGN: Final = "nothing was rebuilt: this rstuf keeps a state only of repositories as it makes them"


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One file that was found to be good: its bytes, and what they say."""

    data: bytes
    envelope: Envelope


def refused(name: str, reason: str) -> InvalidMetadata:
    """What to raise for a file that nobody can have published like that."""
    return InvalidMetadata(name, reason, hint=_FORGED)


def foreign(name: str, reason: str) -> InvalidMetadata:
    """What to raise for a file that is well, and of a repository that rstuf did not make."""
    return InvalidMetadata(name, reason, hint=_FOREIGN)


def unsigned(name: str, keys: RoleKeys) -> InvalidMetadata:
    """What to raise for a file that its signers have not signed."""
    return refused(name, f"it is not signed by {keys.threshold} of the keys that must sign it")


def read_file(metadata: MetadataStorage, name: str, *, kind: str, limit: int) -> PublishedFile:
    """A file, whoever signed it.

    Raises:
        InvalidMetadata: it is missing, too large or misshapen.
    """
    try:
        data = metadata.read(name, limit=limit)
    except FileMissing:
        raise InvalidMetadata(name, "it is missing", hint=BACK) from None
    except (FileTooLarge, NotAFile) as error:
        raise refused(name, error.message) from None
    try:
        return PublishedFile(data, open_envelope(data, name=name, kind=kind))
    except InvalidMetadata as error:
        raise refused(name, error.reason) from None


def read_listed(
    metadata: MetadataStorage,
    role: RoleName,
    listed: Mapping[str, Mapping[str, Any]],
    *,
    kind: str,
    keys: RoleKeys,
) -> PublishedFile:
    """A file at the version that another one lists, as long and with the hashes that this one says, signed by `keys`.

    Raises:
        InvalidMetadata: it is not, or is not listed.
    """
    entry = listed.get(f"{role}.json")
    if entry is None:
        raise foreign(f"{role}.json", "snapshot does not list it")
    name = versioned(role, entry["version"])
    limit = limits.SNAPSHOT_WITH_LENGTH_BYTES if role == SNAPSHOT else limits.TARGETS_BYTES
    file = read_file(metadata, name, kind=kind, limit=limit)
    if not signed_enough(file.envelope, keys):
        raise unsigned(name, keys)
    if file.envelope.version != entry["version"]:
        raise refused(name, f"it says that it is version {file.envelope.version}")
    if entry.get("length", len(file.data)) != len(file.data) or not _hashes_match(file.data, entry.get("hashes", {})):
        raise refused(name, "it is not the file that was published")
    return file


def entries_of(envelope: Envelope) -> dict[str, dict[str, Any]]:
    """What a timestamp or a snapshot lists, by file.

    Raises:
        InvalidMetadata: it is not of the form that clients read.
    """
    meta = envelope.signed.get("meta")
    if not isinstance(meta, dict):
        raise foreign(envelope.name, "it lists nothing")
    for entry in meta.values():
        if not isinstance(entry, dict) or type(entry.get("version")) is not int or entry["version"] < 1:
            raise foreign(envelope.name, "it lists a file without its version")
    return meta


def _hashes_match(data: bytes, hashes: object) -> bool:
    """A client takes what has each of the hashes that it knows."""
    if not isinstance(hashes, Mapping) or not hashes.keys() <= {"sha256", "sha512"}:
        return False
    return all(hashlib.new(algorithm, data).hexdigest() == digest for algorithm, digest in hashes.items())


# --- names of files --------------------------------------------------------------------------------------


def highest_versions(names: Iterable[str]) -> dict[str, int]:
    """The highest version of each role that any file has, published or not, by role name."""
    highest: dict[str, int] = {}
    for role, version in versions_in(names):
        highest[role] = max(highest.get(role, 0), version)
    return highest


def versions_in(names: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Role and version of each file name that says so, in their order."""
    for name in names:
        found = _VERSIONED.fullmatch(name)
        if found is not None and int(found[1]) <= _LAST_BELIEVED:
            yield found[2], int(found[1])


def named_versions(names: Iterable[str], role: RoleName) -> list[int]:
    """The versions of a role that files are called by, whatever is in them; without those that only a vandal uses."""
    return sorted(version for name, version in versions_in(names) if name == role)

"""What is published, read and verified as a client would, where there is no state to tell what it should be.

The rules, in the order of TUF §5.3 to §5.6; only that something expired is no reason to refuse it here:

1. the roots follow each other from the first one on, each signed by the keys before it and by its own;
2. timestamp, snapshot and targets are signed as the newest root says, and each is the one that its forerunner names
   (version; length and hashes where these are given). Where an online key was replaced at once, its root comes out
   before anything is signed anew: what lies there then is signed as an earlier root says, which is told, since it is
   what the key that went may have signed in other hands;
3. targets shares its artifacts out over bins, and snapshot lists these and nothing else;
4. every bin is there, is the one that snapshot lists, and is signed as targets says.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rstuf.errors import FileMissing, FileTooLarge, InvalidArtifact, InvalidInput, InvalidMetadata, NotAFile
from rstuf.metadata import limits
from rstuf.metadata.bins import PREFIX, Bins
from rstuf.metadata.fragments import row_of
from rstuf.metadata.render import versioned
from rstuf.metadata.views import BinDelegation, Envelope, RoleKeys, bin_delegation, open_envelope, root_roles
from rstuf.model.artifacts import MAX_INTEGER, Artifact, ArtifactRow
from rstuf.model.keys import PublicKey
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName, target_path
from rstuf.repository.authority import signed_enough
from rstuf.repository.interfaces import MetadataStorage
from rstuf.repository.visible import TIMESTAMP_FILE, junk_root

_MAX_BIN_BITS: Final = 16
_ENTRY: Final = frozenset({"length", "hashes", "custom"})
_VERSIONED: Final = re.compile(r"([1-9][0-9]{0,15})\.(.+)\.json", re.ASCII)
# Numbers above leave no room to go on above them: nobody but a vandal has used one.
_LAST_BELIEVED: Final = MAX_INTEGER >> 4
_NAMED: Final = 3
_BACK: Final = "put it back from a mirror, or from a copy of the workspace; then run this again"
_FORGED: Final = "nothing was rebuilt: put back what you published, from a mirror or a copy; then run this again"
_FOREIGN: Final = "nothing was rebuilt: this rstuf keeps a state only of repositories as its ceremony makes them"


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One file that was found to be good: its bytes, and what they say."""

    data: bytes
    envelope: Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """All that is published but the bins, which are read one by one.

    Attributes:
        roots: every root, the first one first.
        top_level: who signs what, by the newest of them.
        verifies_from: the newest root by whose keys what is published is signed; an earlier one than the newest only
            where an online key was replaced and nothing is signed anew yet.
        delegation: the bins, and who signs them.
        listed: what snapshot says of each file.
        retired: the names of bins that there were before their number was changed, which are listed yet.
    """

    roots: Sequence[PublishedFile]
    timestamp: PublishedFile
    snapshot: PublishedFile
    targets: PublishedFile
    top_level: Mapping[RoleName, RoleKeys]
    verifies_from: PublishedFile
    delegation: BinDelegation
    listed: Mapping[str, Mapping[str, Any]]
    retired: tuple[RoleName, ...] = ()

    @property
    def root(self) -> PublishedFile:
        """The newest root."""
        return self.roots[-1]

    @property
    def former_key(self) -> PublicKey | None:
        """The key that signs what is published though the newest root does not name it; None in good order."""
        keys = root_roles(self.verifies_from.envelope)[TIMESTAMP]
        gone = [keyid for keyid in keys.keyids if keyid not in self.top_level[TIMESTAMP].keyids]
        return keys.keys.get(gone[0]) if gone and self.verifies_from is not self.root else None

    @property
    def bins(self) -> Bins:
        """The bins."""
        return self.delegation.bins

    def version_of(self, name: RoleName) -> int:
        """The version of a role that snapshot lists."""
        return int(self.listed[f"{name}.json"]["version"])


def read_published(metadata: MetadataStorage, *, trusted: bytes | None = None) -> Published:
    """Read and verify everything but the bins.

    Args:
        trusted: a root that is trusted already, of any version; else whoever asks has to make sure of the first.

    Raises:
        InvalidMetadata: something is missing, forged, or of a form that no ceremony of rstuf makes.
        StorageError: the storage fails.
    """
    roots = _read_roots(metadata, trusted)
    timestamp = _open(metadata, TIMESTAMP_FILE, kind=TIMESTAMP, limit=limits.TIMESTAMP_BYTES)
    verifies_from = _root_of(timestamp, roots)
    keys = root_roles(verifies_from.envelope)
    named = _listed(timestamp.envelope)
    if set(named) != {f"{SNAPSHOT}.json"}:
        raise _foreign(TIMESTAMP_FILE, "it names other files than a snapshot")
    snapshot = _read_listed(metadata, SNAPSHOT, named, kind=SNAPSHOT, keys=keys[SNAPSHOT])
    listed = _listed(snapshot.envelope)
    targets = _read_listed(metadata, TARGETS, listed, kind=TARGETS, keys=keys[TARGETS])
    delegation = _delegation(targets.envelope)
    retired = _retired(snapshot.envelope, delegation.bins, listed)
    return Published(
        roots=roots,
        timestamp=timestamp,
        snapshot=snapshot,
        targets=targets,
        top_level=root_roles(roots[-1].envelope),
        verifies_from=verifies_from,
        delegation=delegation,
        listed=listed,
        retired=retired,
    )


def refuse_missing_bins(metadata: MetadataStorage, published: Published) -> None:
    """Refuse where bins are not there, and say which: nothing else tells what was in them.

    Raises:
        InvalidMetadata: some are missing.
    """
    names = [published.bins.name(index) for index in range(published.bins.count)]
    files = [versioned(name, published.version_of(name)) for name in names]
    missing = [file for file, length in zip(files, metadata.lengths(files), strict=True) if length is None]
    if missing:
        more = len(missing) - _NAMED
        others = "".join(f", {file}" for file in missing[1:_NAMED]) + (f" and {more} more" if more > 0 else "")
        with_others = f"so are{others.replace(',', '', 1)}; " if others else ""
        raise InvalidMetadata(missing[0], f"it is missing; {with_others}nothing else says what was in it", hint=_BACK)


def read_bin(metadata: MetadataStorage, published: Published, index: int) -> PublishedFile:
    """One bin, verified.

    Raises:
        InvalidMetadata: it is not the one that is published.
    """
    name = published.bins.name(index)
    file = _read_listed(metadata, name, published.listed, kind="targets", keys=published.delegation.signers)
    if file.envelope.signed.get("delegations") is not None:
        raise _foreign(file.envelope.name, "it is a bin that delegates further")
    return file


def rows_of(file: PublishedFile, bins: Bins, index: int) -> list[ArtifactRow]:
    """The artifacts of a bin as the state keeps them, by slot, then path.

    Raises:
        InvalidMetadata: an entry is none that rstuf would sign, or no client would look for it here.
    """
    name, targets = file.envelope.name, file.envelope.signed.get("targets")
    if not isinstance(targets, dict):
        raise _foreign(name, "it has no targets")
    rows = []
    for path, entry in targets.items():
        if not isinstance(entry, dict) or not entry.keys() <= _ENTRY or not entry.keys() >= {"length", "hashes"}:
            raise _foreign(name, "an entry has fields that rstuf does not keep")
        try:
            row = row_of(Artifact(target_path(path), entry["length"], entry["hashes"], entry.get("custom")))
        except (InvalidArtifact, InvalidInput) as error:
            raise _foreign(name, error.message) from None
        if bins.index_of_slot(row.slot) != index:
            raise _foreign(name, "it lists a path that belongs into another bin, where no client looks for it")
        rows.append(row)
    return sorted(rows)


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
    found = filter(None, map(_VERSIONED.fullmatch, names))
    return sorted(int(each[1]) for each in found if each[2] == role and int(each[1]) <= _LAST_BELIEVED)


def refuse_root_gap(published: Published, highest: Mapping[str, int]) -> None:
    """
    Raises:
        InvalidMetadata: a root lies there beyond one that is missing, so that the newest is not known.
    """
    newest = published.root.envelope.version
    if highest.get(ROOT, 0) > newest:
        reason = f"it is missing, and {versioned(ROOT, highest[ROOT])} is there"
        raise InvalidMetadata(versioned(ROOT, newest + 1), reason, hint=_BACK)


def _read_roots(metadata: MetadataStorage, trusted: bytes | None) -> list[PublishedFile]:
    roots: list[PublishedFile] = []
    keys: RoleKeys | None = None
    for data in _root_files(metadata):
        version = len(roots) + 1
        name = versioned(ROOT, version)
        try:
            envelope = open_envelope(data, name=name, kind=ROOT)
            own = root_roles(envelope)[ROOT]
        except InvalidMetadata:
            raise junk_root(name) if roots else _refused(name, "it is no root") from None
        signed = all(signed_enough(envelope, each) for each in (own, keys or own))
        if envelope.version != version or not signed:
            raise _refused(name, "it is not signed by the keys that must sign it, or is of another version")
        keys = own
        roots.append(PublishedFile(data, envelope))
    if not roots:
        raise InvalidMetadata(versioned(ROOT, 1), "it is missing: what clients trust begins with it", hint=_BACK)
    if trusted is not None:
        _refuse_other_than(trusted, roots)
    newest = roots[-1].envelope
    if newest.signed.get("consistent_snapshot") is not True:
        raise _foreign(newest.name, "its repository has no consistent snapshots")
    return roots


def _root_files(metadata: MetadataStorage) -> Iterator[bytes]:
    version = 1
    while True:
        try:
            yield metadata.read(versioned(ROOT, version), limit=limits.ROOT_BYTES)
        except FileMissing:
            return
        except (FileTooLarge, NotAFile):
            raise junk_root(versioned(ROOT, version)) from None
        version += 1


def _refuse_other_than(trusted: bytes, roots: Sequence[PublishedFile]) -> None:
    """That a trusted root is one of the chain: so all of it is of the same repository, and what follows is trusted."""
    root = open_envelope(trusted, name="the trusted root", kind=ROOT)
    same = [each for each in roots if each.envelope.payload == root.payload]
    if not same:
        reason = f"it is not the root v{root.version} that is published here"
        raise InvalidMetadata("the trusted root", reason, hint="make sure which repository this is, and which root")


def _read_listed(
    metadata: MetadataStorage,
    role: RoleName,
    listed: Mapping[str, Mapping[str, Any]],
    *,
    kind: str,
    keys: RoleKeys,
) -> PublishedFile:
    """A file at the version that another one lists, and as long and with the hashes that this one says."""
    entry = listed.get(f"{role}.json")
    if entry is None:
        raise _foreign(f"{role}.json", "snapshot does not list it")
    name = versioned(role, entry["version"])
    limit = limits.SNAPSHOT_WITH_LENGTH_BYTES if role == SNAPSHOT else limits.TARGETS_BYTES
    file = _read(metadata, name, kind=kind, keys=keys, limit=limit)
    if file.envelope.version != entry["version"]:
        raise _refused(name, f"it says that it is version {file.envelope.version}")
    if entry.get("length", len(file.data)) != len(file.data) or not _hashes_match(file.data, entry.get("hashes", {})):
        raise _refused(name, "it is not the file that was published")
    return file


def _hashes_match(data: bytes, hashes: object) -> bool:
    """A client takes what has each of the hashes that it knows."""
    if not isinstance(hashes, Mapping) or not hashes.keys() <= {"sha256", "sha512"}:
        return False
    return all(hashlib.new(algorithm, data).hexdigest() == digest for algorithm, digest in hashes.items())


def _root_of(timestamp: PublishedFile, roots: Sequence[PublishedFile]) -> PublishedFile:
    """The newest root whose keys have signed a timestamp."""
    for root in reversed(roots):
        if signed_enough(timestamp.envelope, root_roles(root.envelope)[TIMESTAMP]):
            return root
    raise _unsigned(TIMESTAMP_FILE, root_roles(roots[-1].envelope)[TIMESTAMP])


def _read(metadata: MetadataStorage, name: str, *, kind: str, keys: RoleKeys, limit: int) -> PublishedFile:
    file = _open(metadata, name, kind=kind, limit=limit)
    if not signed_enough(file.envelope, keys):
        raise _unsigned(name, keys)
    return file


def _open(metadata: MetadataStorage, name: str, *, kind: str, limit: int) -> PublishedFile:
    try:
        data = metadata.read(name, limit=limit)
    except FileMissing:
        raise InvalidMetadata(name, "it is missing", hint=_BACK) from None
    except (FileTooLarge, NotAFile) as error:
        raise _refused(name, error.message) from None
    try:
        return PublishedFile(data, open_envelope(data, name=name, kind=kind))
    except InvalidMetadata as error:
        raise _refused(name, error.reason) from None


def _listed(envelope: Envelope) -> dict[str, dict[str, Any]]:
    meta = envelope.signed.get("meta")
    if not isinstance(meta, dict):
        raise _foreign(envelope.name, "it lists nothing")
    for entry in meta.values():
        if not isinstance(entry, dict) or type(entry.get("version")) is not int or entry["version"] < 1:
            raise _foreign(envelope.name, "it lists a file without its version")
    return meta


def _delegation(targets: Envelope) -> BinDelegation:
    """How targets shares its artifacts out.

    Raises:
        InvalidMetadata: in no way that this rstuf makes.
    """
    delegations = targets.signed.get("delegations")
    if isinstance(delegations, dict) and delegations.get("roles"):
        raise _foreign(targets.name, "it delegates to roles by their names, which is not supported yet")
    delegation = bin_delegation(targets)
    if delegation is None or targets.signed.get("targets"):
        raise _foreign(targets.name, "it holds artifacts itself, which is not supported yet")
    if delegation.bins.prefix != PREFIX or not 1 <= delegation.bins.bits <= _MAX_BIN_BITS:
        raise _foreign(targets.name, "its bins have other names or another number than rstuf gives them")
    return delegation


def _retired(snapshot: Envelope, bins: Bins, listed: Mapping[str, object]) -> tuple[RoleName, ...]:
    """The names of bins that are none any more; no other role that nothing delegates to may be listed."""
    expected = {f"{TARGETS}.json", *(f"{bins.name(index)}.json" for index in range(bins.count))}
    dropped, others = sorted(expected - listed.keys()), sorted(listed.keys() - expected)
    if dropped:
        raise _refused(snapshot.name, f"it does not list {dropped[0]}")
    names = [RoleName(each.removesuffix(".json")) for each in others]
    strange = [name for name in names if bins.index_in(name) is None]
    if strange:
        raise _foreign(snapshot.name, f"it lists {strange[0]}, which is no bin of targets; that is not supported yet")
    return tuple(names)


def _unsigned(name: str, keys: RoleKeys) -> InvalidMetadata:
    return _refused(name, f"it is not signed by {keys.threshold} of the keys that must sign it")


def _refused(name: str, reason: str) -> InvalidMetadata:
    return InvalidMetadata(name, reason, hint=_FORGED)


def _foreign(name: str, reason: str) -> InvalidMetadata:
    return InvalidMetadata(name, reason, hint=_FOREIGN)

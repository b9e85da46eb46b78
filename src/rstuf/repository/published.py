"""What is published, read and verified as a client would, where there is no state to tell what it should be.

The rules, in the order of TUF §5.3 to §5.6; only that something expired is no reason to refuse it here:

1. the roots follow each other from the first one on, each signed by the keys before it and by its own;
2. timestamp, snapshot and targets are signed as the newest root says, and each is the one that its forerunner names
   (version; length and hashes where these are given). Where an online key was replaced at once, its root comes out
   before anything is signed anew: what lies there then is signed as an earlier root says, which is told, since it is
   what the key that went may have signed in other hands;
3. targets hands its artifacts on to bins, or to roles by their names, which do the same, or lists them itself
   (`published_tree`);
4. every role that is delegated to is there, bins with them, is the one that snapshot lists, and is signed as the role
   says that delegates to it;
5. an artifact is listed by the one role that clients look into first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from rstuf.errors import (
    FileMissing,
    FileTooLarge,
    InvalidArtifact,
    InvalidInput,
    InvalidMetadata,
    NotAFile,
    PathsDisputed,
    PathsNotDelegated,
)
from rstuf.metadata import limits
from rstuf.metadata.fragments import row_of
from rstuf.metadata.render import versioned
from rstuf.metadata.views import RoleKeys, bin_delegation, open_envelope, root_roles
from rstuf.model.artifacts import Artifact, ArtifactRow
from rstuf.model.keys import PublicKey
from rstuf.model.layout import Layout
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName, TargetPath, target_path
from rstuf.repository.authority import Authority, signed_enough
from rstuf.repository.interfaces import MetadataStorage
from rstuf.repository.published_files import (
    BACK,
    PublishedFile,
    entries_of,
    foreign,
    read_file,
    read_listed,
    refused,
    unsigned,
)
from rstuf.repository.published_tree import layout_of, left_names, read_tree, roles_in_use
from rstuf.repository.routing import Router
from rstuf.repository.visible import TIMESTAMP_FILE, junk_root

_ENTRY: Final = frozenset({"length", "hashes", "custom"})
_NAMED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """All that is published but the artifacts, whose roles are read one by one.

    Attributes:
        roots: every root, the first one first.
        verifies_from: the newest root by whose keys what is published is signed; an earlier one than the newest only
            where an online key was replaced and nothing is signed anew yet.
        authority: who signs what by the newest root and the published targets.
        listed: what snapshot says of each file.
        left: the names of roles and bins that nobody delegates to any more, which are listed yet.
    """

    roots: Sequence[PublishedFile]
    timestamp: PublishedFile
    snapshot: PublishedFile
    targets: PublishedFile
    verifies_from: PublishedFile
    authority: Authority
    listed: Mapping[str, Mapping[str, Any]]
    left: tuple[RoleName, ...] = ()

    @property
    def root(self) -> PublishedFile:
        """The newest root."""
        return self.roots[-1]

    @property
    def top_level(self) -> Mapping[RoleName, RoleKeys]:
        """Who signs the top-level roles, by the newest root."""
        return self.authority.top_level

    @property
    def layout(self) -> Layout:
        """How targets hands artifacts on."""
        return layout_of(self.authority)

    @property
    def may_be_of_names_alone(self) -> bool:
        """Whether there are no bins, and targets lists nothing; whether it may, only a plan tells."""
        return self.authority.bins is None and not self.targets.envelope.signed.get("targets")

    @property
    def former_key(self) -> PublicKey | None:
        """The key that signs what is published though the newest root does not name it; None in good order."""
        keys = root_roles(self.verifies_from.envelope)[TIMESTAMP]
        gone = [keyid for keyid in keys.keyids if keyid not in self.top_level[TIMESTAMP].keyids]
        return keys.keys.get(gone[0]) if gone and self.verifies_from is not self.root else None

    @property
    def bins(self) -> int:
        """How many bins there are for what no named delegation is for."""
        return 0 if self.authority.bins is None else self.authority.bins.bins.count

    def version_of(self, name: RoleName) -> int:
        """The version of a role that snapshot lists."""
        return int(self.listed[f"{name}.json"]["version"])


def read_published(metadata: MetadataStorage, *, trusted: bytes | None = None) -> Published:
    """Read and verify everything but what artifacts there are.

    Args:
        trusted: a root that is trusted already, of any version; else whoever asks has to make sure of the first.

    Raises:
        InvalidMetadata: something is missing, forged, or of a form that rstuf does not make.
        StorageError: the storage fails.
    """
    roots = _read_roots(metadata, trusted)
    timestamp = read_file(metadata, TIMESTAMP_FILE, kind=TIMESTAMP, limit=limits.TIMESTAMP_BYTES)
    verifies_from = _root_of(timestamp, roots)
    keys = root_roles(verifies_from.envelope)
    named = entries_of(timestamp.envelope)
    if set(named) != {f"{SNAPSHOT}.json"}:
        raise foreign(TIMESTAMP_FILE, "it names other files than a snapshot")
    snapshot = read_listed(metadata, SNAPSHOT, named, kind=SNAPSHOT, keys=keys[SNAPSHOT])
    listed = entries_of(snapshot.envelope)
    targets = read_listed(metadata, TARGETS, listed, kind=TARGETS, keys=keys[TARGETS])
    authority = read_tree(metadata, roots[-1].envelope, targets, listed)
    return Published(
        roots=roots,
        timestamp=timestamp,
        snapshot=snapshot,
        targets=targets,
        verifies_from=verifies_from,
        authority=authority,
        listed=listed,
        left=tuple(left_names(snapshot.envelope, authority, listed)),
    )


def refuse_missing_roles(metadata: MetadataStorage, published: Published) -> None:
    """Refuse where bins or other delegated roles are not there, and say which: nothing else tells what was in them.

    Raises:
        InvalidMetadata: some are missing.
    """
    files = [versioned(name, published.version_of(name)) for name in roles_in_use(published.authority)]
    missing = [file for file, length in zip(files, metadata.lengths(files), strict=True) if length is None]
    if missing:
        more = len(missing) - _NAMED
        others = "".join(f", {file}" for file in missing[1:_NAMED]) + (f" and {more} more" if more > 0 else "")
        with_others = f"so are{others.replace(',', '', 1)}; " if others else ""
        raise InvalidMetadata(missing[0], f"it is missing; {with_others}nothing else says what was in it", hint=BACK)


def bins_so_far(metadata: MetadataStorage, published: Published) -> frozenset[int]:
    """How many bins there are, and how many the first targets had, as far as that lies there; empty where bins have
    left, so that there were others, and nothing tells how many."""
    bins = published.authority.bins
    if bins is None:
        return frozenset({0})
    first = None
    with suppress(InvalidMetadata):
        first = bin_delegation(
            read_file(metadata, versioned(TARGETS, 1), kind=TARGETS, limit=limits.TARGETS_BYTES).envelope
        )
    if first is None and any(bins.bins.index_in(name) is not None for name in published.left):
        return frozenset()
    return frozenset({bins.bins.count, bins.bins.count if first is None else first.bins.count})


def holders(published: Published) -> tuple[RoleName, ...]:
    """Every role that artifacts are kept under: targets, and those that are delegated to by their names."""
    return TARGETS, *published.authority.named


def read_holder(metadata: MetadataStorage, published: Published, holder: RoleName) -> PublishedFile:
    """Such a role, verified.

    Raises:
        InvalidMetadata: it is not the one that is published.
    """
    if holder == TARGETS:
        return published.targets
    keys = published.authority.named[holder]
    file = read_listed(metadata, holder, published.listed, kind=TARGETS, keys=keys)
    if file.envelope.signed.get("delegations") != published.authority.delegators.get(holder, {}).get("delegations"):
        raise refused(file.envelope.name, "it was replaced meanwhile")
    return file


def read_bins(metadata: MetadataStorage, published: Published, holder: RoleName) -> Iterator[PublishedFile]:
    """The bins of such a role, in their order, each verified; none where it has none.

    Raises:
        InvalidMetadata: one is not the one that is published.
    """
    shared = published.authority.shared.get(holder)
    for index in range(0 if shared is None else shared.bins.count):
        assert shared is not None  # noqa: S101 - it has bins
        name = shared.bins.name(index)
        file = read_listed(metadata, name, published.listed, kind=TARGETS, keys=shared.signers)
        if file.envelope.signed.get("delegations") is not None:
            raise foreign(file.envelope.name, "it is a bin that delegates further")
        yield file


@dataclass(frozen=True, slots=True)
class Entries:
    """Takes roles apart into artifacts, each where clients look for it."""

    published: Published
    _router: Router

    @classmethod
    def of(cls, published: Published) -> Entries:
        """By what is published."""
        return cls(published, Router(published.authority, published.layout))

    def rows_of(self, file: PublishedFile, holder: RoleName, index: int | None = None) -> list[ArtifactRow]:
        """The artifacts of a role, or of a bin of it, as the state keeps them, by slot, then path.

        Raises:
            InvalidMetadata: an entry is none that rstuf would sign, or no client would look for it here.
        """
        name, targets = file.envelope.name, file.envelope.signed.get("targets")
        if not isinstance(targets, dict):
            raise foreign(name, "it has no targets")
        shared, rows = self.published.authority.shared.get(holder), []
        for path, entry in targets.items():
            if not isinstance(entry, dict) or not entry.keys() <= _ENTRY or not entry.keys() >= {"length", "hashes"}:
                raise foreign(name, "an entry has fields that rstuf does not keep")
            try:
                row = row_of(Artifact(target_path(path), entry["length"], entry["hashes"], entry.get("custom")))
            except (InvalidArtifact, InvalidInput) as error:
                raise foreign(name, error.message) from None
            if index is not None and shared is not None and shared.bins.index_of_slot(row.slot) != index:
                raise foreign(name, "it lists a path that belongs into another bin, where no client looks for it")
            self._refuse_misplaced(name, row.path, holder)
            rows.append(row)
        return sorted(rows)

    def _refuse_misplaced(self, name: str, path: TargetPath, holder: RoleName) -> None:
        try:
            right = self._router.holder(path)
        except (PathsNotDelegated, PathsDisputed) as error:
            raise foreign(name, error.message) from None
        if right != holder:
            raise foreign(name, f"it lists {path}, which clients look for in {right}")


def refuse_root_gap(published: Published, highest: Mapping[str, int]) -> None:
    """
    Raises:
        InvalidMetadata: a root lies there beyond one that is missing, so that the newest is not known.
    """
    newest = published.root.envelope.version
    if highest.get(ROOT, 0) > newest:
        reason = f"it is missing, and {versioned(ROOT, highest[ROOT])} is there"
        raise InvalidMetadata(versioned(ROOT, newest + 1), reason, hint=BACK)


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
            raise junk_root(name) if roots else refused(name, "it is no root") from None
        signed = all(signed_enough(envelope, each) for each in (own, keys or own))
        if envelope.version != version or not signed:
            raise refused(name, "it is not signed by the keys that must sign it, or is of another version")
        keys = own
        roots.append(PublishedFile(data, envelope))
    if not roots:
        raise InvalidMetadata(versioned(ROOT, 1), "it is missing: what clients trust begins with it", hint=BACK)
    if trusted is not None:
        _refuse_other_than(trusted, roots)
    newest = roots[-1].envelope
    if newest.signed.get("consistent_snapshot") is not True:
        raise foreign(newest.name, "its repository has no consistent snapshots")
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


def _root_of(timestamp: PublishedFile, roots: Sequence[PublishedFile]) -> PublishedFile:
    """The newest root whose keys have signed a timestamp."""
    for root in reversed(roots):
        if signed_enough(timestamp.envelope, root_roles(root.envelope)[TIMESTAMP]):
            return root
    raise unsigned(TIMESTAMP_FILE, root_roles(roots[-1].envelope)[TIMESTAMP])

"""What clients reach now, by the bytes that they fetch: the visible timestamp, its snapshot, and what that lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from rstuf.errors import InvalidMetadata
from rstuf.metadata import limits
from rstuf.metadata.bins import Bins
from rstuf.metadata.listing import Listing
from rstuf.metadata.render import versioned
from rstuf.metadata.views import Envelope, bin_delegation, open_envelope
from rstuf.model.names import SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.roles import RoleKind
from rstuf.model.superseded import SupersededFile
from rstuf.repository.interfaces import MetadataStorage
from rstuf.repository.visible import TIMESTAMP_FILE, found

_MENDED: Final = "nothing was removed; rstuf renew mends what clients see, then run this again"
_DELEGATES: Final = b'"delegations"'
_ESCAPE: Final = b"\\u"
"""What a name could be spelled with instead, in a file that another program wrote."""


@dataclass(frozen=True, slots=True)
class Reachable:
    """What the visible timestamp leads to.

    Attributes:
        snapshot: the version of the snapshot that it names.
        listed: the entries of that snapshot, by file name.
        tree: the roles that targets leads to.
    """

    snapshot: int
    listed: Mapping[str, Mapping[str, Any]]
    tree: _Tree

    def has(self, file: SupersededFile) -> bool:
        """Whether some client asks for a file: for every root, and for none of a role that is only listed yet.

        Raises:
            InvalidMetadata: a role that delegates is missing or damaged, so that nothing tells what is below it.
            StorageError: the storage fails.
        """
        if file.kind in {RoleKind.ROOT, RoleKind.TIMESTAMP}:
            return True
        if file.kind is RoleKind.SNAPSHOT:
            return file.version == self.snapshot
        entry = self.listed.get(f"{file.name}.json")
        if entry is None or entry.get("version") != file.version:
            return False
        return not file.retired or self.tree.leads_to(file.name)


class _Tree:
    """The roles that targets leads to, by the visible files. These are read when somebody asks for a role that the
    state says is in none of them."""

    def __init__(self, metadata: MetadataStorage, listed: Mapping[str, Mapping[str, Any]], targets: Envelope) -> None:
        self._metadata, self._listed = metadata, listed
        self._named = set[str]()
        self._bins: list[Bins] = []
        self._unread: list[str] = []
        self._take(targets)

    def leads_to(self, name: RoleName) -> bool:
        """Whether targets, or a role below it, delegates to a role of this name."""
        while self._unread:
            role = self._unread.pop()
            data = self._read(role)
            # Most roles delegate to none: only what might is taken apart.
            if data is not None and (_DELEGATES in data or _ESCAPE in data):
                self._take(open_envelope(data, name=role, kind=TARGETS))
        return name in self._named or any(_is_in(name, bins) for bins in self._bins)

    def _take(self, envelope: Envelope) -> None:
        bins = bin_delegation(envelope)
        if bins is not None:
            self._bins.append(bins.bins)
            return
        delegations = envelope.signed.get("delegations")
        roles = delegations.get("roles") if isinstance(delegations, dict) else None
        names = {str(role.get("name")) for role in roles or () if isinstance(role, dict)}
        self._unread += sorted(names - self._named)
        self._named |= names

    def _read(self, name: str) -> bytes | None:
        """A role's visible file; None where the snapshot doesn't list it, so that no client asks for it."""
        entry = self._listed.get(f"{name}.json")
        if entry is None:
            return None
        return _read(self._metadata, versioned(RoleName(name), entry["version"]), limit=limits.TARGETS_BYTES)


def _is_in(name: RoleName, bins: Bins) -> bool:
    index = bins.index_in(name)
    return index is not None and index < bins.count and bins.name(index) == name


def read_reachable(metadata: MetadataStorage) -> Reachable:
    """Follow the visible timestamp. Who signed it is not asked: see `visible.check_visible`.

    Raises:
        InvalidMetadata: it, its snapshot or its targets is missing or damaged, so that nothing tells what clients need.
        StorageError: the storage fails.
    """
    timestamp = _open(metadata, TIMESTAMP_FILE, kind=TIMESTAMP, limit=limits.TIMESTAMP_BYTES)
    named = _entry(timestamp.signed.get("meta"), SNAPSHOT, timestamp.name)
    name = versioned(SNAPSHOT, named["version"])
    data = _read(metadata, name, limit=limits.SNAPSHOT_WITH_LENGTH_BYTES)
    if named.get("hashes", {}).get("sha256", "") != sha256(data).hexdigest():
        raise InvalidMetadata(name, "it is not the file that timestamp names", hint=_MENDED)
    listing = Listing.in_file(data)
    # One that another program wrote may have another form.
    listed = open_envelope(data, name=name, kind=SNAPSHOT).signed.get("meta") if listing is None else listing.entries()
    version = _entry(listed, TARGETS, name)["version"]
    targets = _open(metadata, versioned(TARGETS, version), kind=TARGETS, limit=limits.TARGETS_BYTES)
    return Reachable(named["version"], listed or {}, _Tree(metadata, listed or {}, targets))


def _open(metadata: MetadataStorage, name: str, *, kind: str, limit: int) -> Envelope:
    data = _read(metadata, name, limit=limit)
    try:
        return open_envelope(data, name=name, kind=kind)
    except InvalidMetadata as error:
        error.hint = _MENDED
        raise


def _read(metadata: MetadataStorage, name: str, *, limit: int) -> bytes:
    data = found(metadata, name, limit=limit)
    if data is None:
        raise InvalidMetadata(name, "clients need it, and it is not there", hint=_MENDED)
    return data


def _entry(meta: object, role: RoleName, name: str) -> Mapping[str, Any]:
    entry = meta.get(f"{role}.json") if isinstance(meta, dict) else None
    if not isinstance(entry, dict) or type(entry.get("version")) is not int:
        raise InvalidMetadata(name, f"it does not list {role}", hint=_MENDED)
    return entry

"""Who may sign what, read from the metadata that is in force, and the signers of those keys that can be reached."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rstuf.errors import (
    InvalidMetadata,
    NotEnoughSigners,
    RstufError,
    SignerUnavailable,
    SigningError,
    StateDamaged,
    StateError,
    UnsafeDirectory,
)
from rstuf.metadata.render import SignedFile, Unsigned, sign_with, versioned
from rstuf.metadata.thresholds import check_signatures
from rstuf.metadata.views import (
    BinDelegation,
    Envelope,
    RoleKeys,
    Signature,
    bin_delegation,
    open_envelope,
    root_roles,
)
from rstuf.model.keys import KeyId
from rstuf.model.names import TARGETS, RoleName
from rstuf.model.roles import RoleKind, RoleState
from rstuf.repository.interfaces import MetadataStorage, RoleSigner, SignerSource, StateReader


@dataclass(frozen=True, slots=True)
class Authority:
    """The root and the targets metadata in force, taken apart.

    Attributes:
        root: the newest root.
        top_level: its roles.
        targets: the `signed` object that targets publishes (or will, before the first publication).
        bins: its succinct delegation, if any.
    """

    root: Envelope
    top_level: Mapping[RoleName, RoleKeys]
    targets: Mapping[str, Any]
    bins: BinDelegation | None

    def role_keys(self, name: RoleName, kind: RoleKind) -> RoleKeys:
        """Who may sign a role."""
        if kind is RoleKind.BIN:
            if self.bins is None:
                raise InvalidMetadata("targets", f"it does not delegate to {name}")
            return self.bins.signers
        return self.top_level[name]


def current_root(reader: StateReader) -> Envelope:
    """The newest root whose thresholds were met.

    Raises:
        StateError: there is none yet.
    """
    newest = reader.newest_root()
    if newest is None:
        raise StateError("this repository has no root yet", hint="run the same rstuf ceremony again; it goes on")
    return open_envelope(newest.data, name=versioned(RoleName("root"), newest.version), kind="root")


def load_authority(reader: StateReader, *, proposed: Mapping[str, Any] | None = None) -> Authority:
    """Read who may sign what, as the state recorded it; `proposed` stands in for targets before there is any.

    Not from the storage: what repairs a damaged file must not depend on it.

    Raises:
        StateError: targets is not recorded.
        StateDamaged: it is not what was published.
    """
    root = current_root(reader)
    if proposed is not None:
        undated = Envelope(name="targets.json", signed=proposed, payload=b"", signatures=())
        return Authority(root, root_roles(root), proposed, bin_delegation(undated))
    role = reader.role(TARGETS)
    data = reader.delegator(TARGETS, role.visible)
    if data is None or role.file is None:
        raise StateError("this repository has no targets metadata yet", hint="run the same rstuf ceremony again")
    if hashlib.sha256(data).hexdigest() != role.file.sha256:
        raise StateDamaged("of this repository", "its targets metadata is not what was published")
    targets = open_envelope(data, name=versioned(TARGETS, role.visible), kind="targets")
    return Authority(root, root_roles(root), targets.signed, bin_delegation(targets))


def read_visible(role: RoleState, metadata: MetadataStorage, *, kind: str, limit: int) -> Envelope:
    """A role's visible file, compared with what is recorded of it.

    Raises:
        InvalidMetadata: it is not byte for byte what was published.
    """
    name = versioned(role.name, role.visible)
    data = metadata.read(name, limit=limit)
    if role.file is None or hashlib.sha256(data).hexdigest() != role.file.sha256:
        raise InvalidMetadata(name, "it is not what was published")
    return open_envelope(data, name=name, kind=kind)


@dataclass(slots=True)
class SigningDesk:
    """Opens each key once, and signs roles with all of their keys that can be reached."""

    reader: StateReader
    source: SignerSource
    _open: dict[KeyId, RoleSigner] = field(default_factory=dict)
    _met: dict[tuple[tuple[KeyId, ...], int], list[RoleSigner]] = field(default_factory=dict)
    _closed: dict[KeyId, RstufError] = field(default_factory=dict)

    def signers(self, role: RoleName, keys: RoleKeys) -> list[RoleSigner]:
        """Signers of distinct keys that meet the role's threshold.

        Raises:
            NotEnoughSigners: too few of its keys can be reached; with the reason for each.
            SigningError: what keeps the only missing key closed.
        """
        met = self._met.get((keys.keyids, keys.threshold))
        if met is not None:
            return met
        opened = [signer for signer in map(self._signer, keys.keyids) if signer is not None]
        if len({signer.keyid for signer in opened}) < keys.threshold:
            closed = [self._closed[keyid] for keyid in keys.keyids if keyid in self._closed]
            if len(closed) == 1:
                raise closed[0]
            raise NotEnoughSigners(role, available=len(opened), threshold=keys.threshold, reasons=self.reasons(keys))
        self._met[keys.keyids, keys.threshold] = opened
        return opened

    def reasons(self, keys: RoleKeys) -> dict[str, str]:
        """For each key of a role that cannot sign here: its name and why."""
        found = {}
        for keyid in keys.keyids:
            if keyid in self._closed:
                entry = self.reader.key(keyid)
                error = self._closed[keyid]
                found[entry.name if entry else keyid[:12]] = getattr(error, "reason", error.message)
        return found

    def sign(self, unsigned: Unsigned, keys: RoleKeys) -> SignedFile:
        """The role's file, signed by all of its keys that can be reached."""
        payload = unsigned.payload
        signers = self.signers(unsigned.name, keys)
        return sign_with(unsigned, [Signature(signer.keyid, signer.sign(payload)) for signer in signers])

    def _signer(self, keyid: KeyId) -> RoleSigner | None:
        if keyid in self._open:
            return self._open[keyid]
        if keyid in self._closed:
            return None
        entry = self.reader.key(keyid)
        try:
            if entry is None:
                raise SignerUnavailable(keyid[:12], "it has no name here and no signer")
            self._open[keyid] = self.source.open(entry)
        except (SigningError, UnsafeDirectory) as error:
            self._closed[keyid] = error
            return None
        return self._open[keyid]


def signed_enough(envelope: Envelope, keys: RoleKeys) -> bool:
    """Whether a file's signatures meet a role's threshold by distinct keys."""
    return check_signatures(
        envelope.payload, envelope.signatures, keys=keys.keys, keyids=keys.keyids, threshold=keys.threshold
    ).ok

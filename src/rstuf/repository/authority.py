"""Who may sign what, read from the metadata that is in force, and the signers of those keys that can be reached."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rstuf.errors import (
    FileMissing,
    FileTooLarge,
    InvalidMetadata,
    NotAFile,
    NotEnoughSigners,
    PassphraseNeeded,
    RstufError,
    SignerUnavailable,
    SigningError,
    StateDamaged,
    StateError,
    UnsafeDirectory,
    WrongPassphrase,
)
from rstuf.metadata.bins import PREFIX
from rstuf.metadata.delegations import named_delegations
from rstuf.metadata.limits import TARGETS_BYTES
from rstuf.metadata.render import SignedFile, Unsigned, sign_with, versioned
from rstuf.metadata.thresholds import check_signatures
from rstuf.metadata.tree import Delegator, Tree
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
from rstuf.model.names import TARGETS, TIMESTAMP, RoleName
from rstuf.model.roles import RoleKind, RoleState
from rstuf.model.rotation import RotationKind
from rstuf.model.settings import Phase
from rstuf.repository.interfaces import MetadataStorage, RoleSigner, SignerSource, StateReader

SUCCESSOR: Final = RoleName(PREFIX)
"""The role that has the bins once targets delegates by names too (PEP 458 calls it so)."""

_REPLACE: Final = "rstuf recover online-key {name} --lost"


@dataclass(frozen=True, slots=True)
class Authority:
    """The root and all metadata in force that says who may sign others, taken apart.

    Attributes:
        root: the newest root.
        top_level: its roles.
        delegators: the `signed` object that each role that delegates publishes (or will), targets first.
        named: by the role, who may sign it: every role that is delegated to by its name.
        shared: by the role that shares them out, its bins and who may sign these.
        tree: the same, for the way to a path.
    """

    root: Envelope
    top_level: Mapping[RoleName, RoleKeys]
    delegators: Mapping[RoleName, Mapping[str, Any]]
    named: Mapping[RoleName, RoleKeys]
    shared: Mapping[RoleName, BinDelegation]
    tree: Tree

    @property
    def targets(self) -> Mapping[str, Any]:
        """What targets says."""
        return self.delegators[TARGETS]

    @property
    def bins(self) -> BinDelegation | None:
        """The bins that share out whatever no named delegation takes, if there are any."""
        return self.shared.get(self.catch_all)

    @property
    def catch_all(self) -> RoleName:
        """The role that shares these out: targets, or the one that took over from it."""
        return SUCCESSOR if SUCCESSOR in self.named else TARGETS

    def role_keys(self, name: RoleName, kind: RoleKind) -> RoleKeys:
        """Who may sign a role.

        Raises:
            InvalidMetadata: nobody delegates to it.
        """
        if kind is RoleKind.BIN:
            return self.bins_with(name).signers
        if kind is RoleKind.DELEGATED:
            if name not in self.named:
                raise InvalidMetadata("targets", f"nobody delegates to {name}")
            return self.named[name]
        return self.top_level[name]

    def bins_with(self, name: RoleName) -> BinDelegation:
        """The bins that one of them, by its name, is of.

        Raises:
            InvalidMetadata: nobody delegates to it.
        """
        for each in self.shared.values():
            if each.bins.index_in(name) is not None:
                return each
        raise InvalidMetadata("targets", f"it does not delegate to {name}")

    def holder_of(self, name: RoleName) -> RoleName | None:
        """The role that shares out what a bin of this name lists; None where there is no such bin."""
        if name in self.named:
            return None
        return next((holder for holder, each in self.shared.items() if each.bins.has(name)), None)

    def signers_of(self, name: RoleName) -> RoleKeys | None:
        """Who may sign targets, a role below it, or a bin; None where nobody delegates to it."""
        if name == TARGETS:
            return self.top_level[TARGETS]
        if name in self.named:
            return self.named[name]
        holder = self.holder_of(name)
        return None if holder is None else self.shared[holder].signers

    def is_online(self, keys: RoleKeys) -> bool:
        """Whether the online key alone signs what has these signers."""
        return set(keys.keyids) <= set(self.top_level[TIMESTAMP].keyids)


def current_root(reader: StateReader) -> Envelope:
    """The newest root whose thresholds were met.

    Raises:
        StateError: there is none yet.
    """
    newest = reader.newest_root()
    if newest is None:
        raise StateError("this repository has no root yet", hint="run the same rstuf ceremony again; it goes on")
    return open_envelope(newest.data, name=versioned(RoleName("root"), newest.version), kind="root")


def load_authority(
    reader: StateReader, metadata: MetadataStorage, *, proposed: Mapping[RoleName, Mapping[str, Any]] | None = None
) -> Authority:
    """Read who may sign what, as the state recorded it.

    Args:
        proposed: the `signed` objects of roles that are to say something else, or for the first time.

    Raises:
        StateError: there is no targets metadata yet.
        StateDamaged: what is recorded of a role is not what was published, and the storage has it no more.
    """
    root, proposed = current_root(reader), proposed or {}
    if TARGETS not in proposed and reader.role(TARGETS).visible == 0:
        raise StateError("this repository has no targets metadata yet", hint="run the same rstuf ceremony again")
    delegating = reader.delegating_roles()

    def said(name: RoleName, keys: RoleKeys) -> Mapping[str, Any] | None:
        if name in proposed:
            return proposed[name]
        if name != TARGETS and name not in delegating:
            return None
        return _visible_delegator(reader, metadata, name, keys=keys).signed

    return taken_apart(root, said)


def taken_apart(root: Envelope, said: Callable[[RoleName, RoleKeys], Mapping[str, Any] | None]) -> Authority:
    """Who may sign what, from targets on.

    Args:
        said: what a role that has these signers says, if it delegates.

    Raises:
        InvalidMetadata: a delegation is misshapen.
    """
    roles = root_roles(root)
    delegators, named = dict[RoleName, Mapping[str, Any]](), dict[RoleName, RoleKeys]()
    tree, shared = dict[RoleName, Delegator](), dict[RoleName, BinDelegation]()
    todo = [(TARGETS, roles[TARGETS])]
    while todo:
        name, keys = todo.pop(0)
        signed = said(name, keys)
        if signed is None:
            continue
        bins = bin_delegation(Envelope(name=f"{name}.json", signed=signed, payload=b"", signatures=()))
        below = named_delegations(signed, where=f"{name}.json") if bins is None else ()
        delegators[name], tree[name] = signed, Delegator(below, None if bins is None else bins.bins)
        if bins is not None:
            shared[name] = bins
        # A role that two delegate to would be visited twice, and one that delegates to itself for ever.
        new = {each.name: each.keys for each in below if each.name not in named and each.name != TARGETS}
        named |= new
        todo += new.items()
    return Authority(root, roles, delegators, named, shared, Tree(tree))


def _visible_delegator(reader: StateReader, metadata: MetadataStorage, name: RoleName, *, keys: RoleKeys) -> Envelope:
    role = reader.role(name)
    data = delegator_bytes(role, reader, metadata, keys=keys)
    if data is None:
        raise StateDamaged("of this repository", f"its {name} metadata is not what was published")
    return open_envelope(data, name=versioned(name, role.visible), kind="targets")


def delegator_bytes(role: RoleState, reader: StateReader, metadata: MetadataStorage, *, keys: RoleKeys) -> bytes | None:
    """The bytes of a role that delegates, as its visible version was published; None where they are lost.

    As they are recorded: what repairs a damaged file must not depend on it. Where it is the record that is damaged, as
    the storage has them, if they are the file that was published, and `keys` have signed it.
    """
    recorded = reader.delegator(role.name, role.visible)
    if is_recorded_file(role, recorded):
        return recorded
    name = versioned(role.name, role.visible)
    try:
        there = metadata.read(name, limit=TARGETS_BYTES)
        if is_recorded_file(role, there) and signed_enough(open_envelope(there, name=name, kind="targets"), keys):
            return there
    except (FileMissing, FileTooLarge, NotAFile, InvalidMetadata):
        return None
    return None


def is_recorded_file(role: RoleState, data: bytes | None) -> bool:
    """Whether these bytes are the file that a role's visible version was published as."""
    return data is not None and role.file is not None and hashlib.sha256(data).hexdigest() == role.file.sha256


def read_visible(role: RoleState, metadata: MetadataStorage, *, kind: str, limit: int) -> Envelope:
    """A role's visible file, compared with what is recorded of it.

    Raises:
        InvalidMetadata: it is not byte for byte what was published.
    """
    name = versioned(role.name, role.visible)
    data = metadata.read(name, limit=limit)
    if not is_recorded_file(role, data):
        raise InvalidMetadata(name, "it is not what was published")
    return open_envelope(data, name=name, kind=kind)


@dataclass(frozen=True, slots=True)
class ClosedKey:
    """A key that could not sign: what it is called here, and why."""

    name: str
    keyid: KeyId
    error: RstufError

    @property
    def reason(self) -> str:
        """Why, without its name."""
        return str(getattr(self.error, "reason", self.error.message))


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
                error = closed[0]
                error.hint = hint_of_closed(self.reader, keys, error)
                raise error
            raise NotEnoughSigners(role, available=len(opened), threshold=keys.threshold, reasons=self.reasons(keys))
        self._met[keys.keyids, keys.threshold] = opened
        return opened

    def reasons(self, keys: RoleKeys) -> dict[str, str]:
        """For each key of a role that cannot sign here: its name and why."""
        return {each.name: each.reason for each in self.closed if each.keyid in keys.keyids}

    @property
    def closed(self) -> tuple[ClosedKey, ...]:
        """Every key that was asked for and could not sign."""
        names = {keyid: entry.name if (entry := self.reader.key(keyid)) else keyid[:12] for keyid in self._closed}
        return tuple(ClosedKey(names[keyid], keyid, error) for keyid, error in self._closed.items())

    def sign(self, unsigned: Unsigned, keys: RoleKeys, *, also: RoleKeys | None = None) -> SignedFile:
        """The role's file, signed by all of its keys that can be reached; without those that leaked if they suffice.

        Args:
            also: who else must sign it, because another root names them.
        """
        payload = unsigned.payload
        signers = {signer.keyid: signer for signer in self._well(unsigned.name, keys)}
        if also is not None:
            signers |= {signer.keyid: signer for signer in self._well(unsigned.name, also)}
        return sign_with(unsigned, [Signature(signer.keyid, signer.sign(payload)) for signer in signers.values()])

    def _well(self, role: RoleName, keys: RoleKeys) -> list[RoleSigner]:
        signers = self.signers(role, keys)
        if len(signers) == 1:
            return signers
        well = [each for each in signers if (entry := self.reader.key(each.keyid)) is None or not entry.is_leaked]
        return well if len({each.keyid for each in well}) >= keys.threshold else signers

    def signatures(self, payload: bytes, keyids: Iterable[KeyId]) -> list[Signature]:
        """The signatures of those of some keys that can be opened here and sign; the others are `closed`."""
        made = []
        for keyid in keyids:
            signer = self._signer(keyid)
            if signer is None:
                continue
            try:
                made.append(Signature(signer.keyid, signer.sign(payload)))
            except SigningError as error:
                # One that refuses keeps nobody else from signing.
                del self._open[keyid]
                self._closed[keyid] = error
        return made

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


def hint_of_closed(reader: StateReader, keys: RoleKeys, error: RstufError) -> str | None:
    """What helps where the only key of a role does not sign: of an online key, also what to do if it is gone for good.

    One that root names no more goes with targets that wait for people, or with the next renewal.
    """
    newest, entry = reader.newest_root(), reader.key(keys.keyids[0])
    if isinstance(error, UnsafeDirectory):
        # It is there; who else can get at it is what is wrong.
        return error.hint
    if newest is None or entry is None or reader.settings().phase is not Phase.LIVE:
        return error.hint
    roles = root_roles(current_root(reader))
    if entry.keyid not in roles[TIMESTAMP].keyids:
        if any(entry.keyid in each.keyids for each in roles.values()):
            return error.hint
        waits = [event.name for event in reader.open_events() if event.role == TARGETS]
        without = f"bins go on without {entry.name} once"
        told = f"{without} {waits[0]} is signed: rstuf sign {waits[0]}" if waits else error.hint
        rotation = reader.rotation()
        bridged = rotation is not None and rotation.kind is RotationKind.PLANNED
        if rotation is None or not bridged or entry.keyid not in {rotation.old, rotation.new}:
            return told
        # Both keys of a rotation sign what comes out, whatever root names.
        return f"{told}; {_way_without(entry.name, error)}" if told else _way_without(entry.name, error)
    way = _way_without(entry.name, error)
    first = "try again" if type(error) is WrongPassphrase else error.hint
    return way if first is None or way in first else f"{first}; {way}"


def _way_without(name: str, error: RstufError) -> str:
    closed = isinstance(error, PassphraseNeeded | WrongPassphrase)
    return f"{'if its passphrase is lost' if closed else 'if it is gone for good'}: {_REPLACE.format(name=name)}"


def open_online_key(reader: StateReader, source: SignerSource) -> None:
    """Open what signs every publication, before something begins that cannot end without it.

    Raises:
        SigningError: it cannot be reached.
    """
    SigningDesk(reader, source).signers(TIMESTAMP, root_roles(current_root(reader))[TIMESTAMP])


def signed_enough(envelope: Envelope, keys: RoleKeys) -> bool:
    """Whether a file's signatures meet a role's threshold by distinct keys."""
    return check_signatures(
        envelope.payload, envelope.signatures, keys=keys.keys, keyids=keys.keyids, threshold=keys.threshold
    ).ok

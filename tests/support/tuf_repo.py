"""Repositories made with python-tuf's own Metadata API, in memory: what the audit and other readers are tried on.

    repo = succinct(bits=2, artifacts={"a.txt": b"a"})      # targets -> 4 bins
    repo = classic([Delegation("team", paths=["team/*"], artifacts={"team/x": b"x"})])
    repo.rotate_root(Keys("root-b"))                        # root v2, signed by both sides
    repo.edit("bins-0", lambda signed: signed.update(version=7))    # change and sign again, in place
    repo.files["timestamp.json"]                            # every file by name; contents by hash-prefixed name
    repo.read("timestamp.json", limit=100)                  # a metadata source; repo.open(...) is a content source

Keys come from their names, so that the same test always makes the same bytes.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Key,
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)

from rstuf.errors import FileMissing, FileTooLarge

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LIFE = timedelta(days=30)
Style = str  # "compact", "python-tuf" (ASCII, escaped) or "indented"


@dataclass(frozen=True)
class Keys:
    """Names of keys and how many must sign; a name that starts with "p256" or "p384" makes an ECDSA key."""

    names: tuple[str, ...]
    threshold: int

    def __init__(self, *names: str, threshold: int = 1) -> None:
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "threshold", threshold)

    @property
    def signers(self) -> list[Signer]:
        return [signer(name) for name in self.names]

    @property
    def keys(self) -> list[Key]:
        return [one.public_key for one in self.signers]


def signer(name: str) -> Signer:
    """The signer whose key is derived from `name`."""
    seed = hashlib.sha256(f"test key {name}".encode()).digest()
    number = int.from_bytes(seed, "big") % (2**255)
    if name.startswith("p256"):
        return CryptoSigner(ec.derive_private_key(number, ec.SECP256R1()))
    if name.startswith("p384"):
        return CryptoSigner(ec.derive_private_key(number, ec.SECP384R1()))
    return CryptoSigner(ed25519.Ed25519PrivateKey.from_private_bytes(seed))


@dataclass
class Delegation:
    """A classic delegation: patterns, or hash prefixes, and what the role holds."""

    name: str
    paths: Sequence[str] | None = None
    prefixes: Sequence[str] | None = None
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    keys: Keys = field(default_factory=lambda: Keys("online"))
    terminating: bool = False
    children: Sequence[Delegation] = ()
    bits: int | None = None


class Repo:
    """A repository in two dictionaries, with what is needed to change and sign any file again."""

    def __init__(self, *, style: Style = "compact", root: Keys = Keys("root-a"), online: Keys = Keys("online")) -> None:
        self.style = style
        self.online = online
        self.files: dict[str, bytes] = {}
        self.contents: dict[str, bytes] = {}
        self.versions: dict[str, int] = {}
        self.signers: dict[str, list[Signer]] = {}
        self.life = LIFE
        self.snapshot_extra: dict[str, MetaFile] = {}
        self.list_facts = False
        self._root_keys = root
        self._write_root(1, root.signers)

    # --- sources ---------------------------------------------------------------------------------------

    def read(self, name: str, *, limit: int) -> bytes:
        if name not in self.files:
            raise FileMissing(name)
        if len(self.files[name]) > limit:
            raise FileTooLarge(name, limit=limit)
        return self.files[name]

    @contextmanager
    def open(self, path: str, hashes: Mapping[str, str]) -> Iterator[BinaryIO]:
        directory, slash, name = path.rpartition("/")
        stored = f"{directory}{slash}{next(iter(hashes.values()))}.{name}"
        if stored not in self.contents:
            raise FileMissing(stored)
        yield io.BytesIO(self.contents[stored])

    def save(self, metadata: Path, targets: Path | None = None) -> None:
        """Write everything into directories."""
        for base, files in ((metadata, self.files), (targets, self.contents)):
            for name, data in files.items() if base is not None else ():
                file = base / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)

    @property
    def trusted(self) -> bytes:
        return self.files["1.root.json"]

    def copy(self) -> Repo:
        return copy.deepcopy(self)

    # --- making ----------------------------------------------------------------------------------------

    def rotate_root(self, new: Keys | None = None, *, online: Keys | None = None) -> None:
        """The next root, with new root keys or new online keys; signed by the old and the new ones."""
        old = self._root_keys
        self._root_keys = new or old
        self.online = online or self.online
        names = dict.fromkeys((*old.names, *self._root_keys.names))
        self._write_root(self.versions["root"] + 1, [signer(name) for name in names])

    def put(self, role: str, targets: Targets, signers: Sequence[Signer]) -> None:
        """Write a targets role at its next version."""
        targets.version = self.versions.get(role, 0) + 1
        targets.expires = NOW + self.life
        self._store(role, targets, signers)

    def release(self) -> None:
        """A new snapshot of everything, and a new timestamp."""
        meta = {f"{role}.json": self._facts(role) for role in self.versions if role not in _TOP}
        meta.update(self.snapshot_extra)
        self._store("snapshot", Snapshot(meta=meta, **self._common("snapshot")), self.online.signers)
        entry = self._facts("snapshot", always=True)
        timestamp = Timestamp(snapshot_meta=entry, **self._common("timestamp"))
        self._store("timestamp", timestamp, self.online.signers)

    def target(self, path: str, content: bytes, algorithms: Sequence[str] = ("sha256",)) -> TargetFile:
        """A TargetFile whose content is stored."""
        found = TargetFile.from_data(path, content, list(algorithms))
        for stored in found.get_prefixed_paths():
            self.contents[stored] = content
        return found

    # --- changing --------------------------------------------------------------------------------------

    def name_of(self, role: str, version: int | None = None) -> str:
        return "timestamp.json" if role == "timestamp" else f"{version or self.versions[role]}.{role}.json"

    def load(self, role: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.files[self.name_of(role)])
        return found

    def edit(
        self, role: str, change: Callable[[dict[str, Any]], object], *, signers: Sequence[Signer] | None = None
    ) -> None:
        """Change what a file says and sign it again, under the same name."""
        signed = self.load(role)["signed"]
        change(signed)
        self.write(role, signed, self.signers[role] if signers is None else signers)

    def write(self, role: str, signed: dict[str, Any], signers: Sequence[Signer]) -> None:
        payload = (encode_canonical(signed) or "").encode()
        signatures = [one.sign(payload).to_dict() for one in signers]
        self.files[self.name_of(role)] = dump({"signatures": signatures, "signed": signed}, self.style)

    def resettle(self) -> None:
        """After `edit`: make snapshot and timestamp fit again, at the same versions."""
        if self.list_facts:
            for role in self.versions:
                if role not in _TOP:
                    entry = self._facts(role).to_dict()
                    self.edit(
                        "snapshot",
                        lambda signed, role=role, entry=entry: signed["meta"].update({f"{role}.json": entry}),
                    )
        entry = self._facts("snapshot", always=True).to_dict()
        self.edit("timestamp", lambda signed: signed["meta"].update({"snapshot.json": entry}))

    # --- inside ----------------------------------------------------------------------------------------

    def _common(self, role: str) -> dict[str, Any]:
        return {"version": self.versions.get(role, 0) + 1, "expires": NOW + self.life}

    def _facts(self, role: str, *, always: bool = False) -> MetaFile:
        version = self.versions[role]
        if not (always or self.list_facts):
            return MetaFile(version)
        return MetaFile.from_data(version, self.files[self.name_of(role)], ["sha256"])

    def _write_root(self, version: int, signers: Sequence[Signer]) -> None:
        root = Root(version=version, expires=NOW + 12 * self.life)
        for role, keys in _top_keys(self._root_keys, self.online).items():
            for key in keys.keys:
                root.add_key(key, role)
            root.roles[role].threshold = keys.threshold
        self._store("root", root, signers)

    def _store(self, role: str, signed: Signed, signers: Sequence[Signer]) -> None:
        metadata: Metadata[Any] = Metadata(signed)
        for one in signers:
            metadata.sign(one, append=True)
        self.versions[role] = signed.version
        self.signers[role] = list(signers)
        self.files[self.name_of(role)] = dump(metadata.to_dict(), self.style)


_TOP = frozenset({"root", "snapshot", "timestamp"})


def _top_keys(root: Keys, online: Keys) -> dict[str, Keys]:
    return {"root": root, "targets": online, "snapshot": online, "timestamp": online}


def dump(value: Mapping[str, Any], style: Style) -> bytes:
    """JSON in one of the styles that repositories are found in."""
    if style == "indented":
        return json.dumps(value, indent=1).encode()
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=style == "python-tuf").encode()


def succinct(
    *,
    bits: int = 2,
    artifacts: Mapping[str, bytes] | None = None,
    prefix: str = "bins",
    bin_keys: Keys = Keys("online"),
    algorithms: Sequence[str] = ("sha256",),
    custom: Mapping[str, Any] | None = None,
    list_facts: bool = False,
    **options: Any,
) -> Repo:
    """targets delegates to 2^bits bins (TAP 15), which hold `artifacts`."""
    repo = Repo(**options)
    repo.list_facts = list_facts
    _put_bins(repo, "targets", bits, prefix, bin_keys, repo.online.signers, artifacts or {}, algorithms, custom)
    repo.release()
    return repo


def classic(
    delegations: Sequence[Delegation],
    *,
    artifacts: Mapping[str, bytes] | None = None,
    list_facts: bool = False,
    **options: Any,
) -> Repo:
    """targets holds `artifacts` and delegates by name, to any depth."""
    repo = Repo(**options)
    repo.list_facts = list_facts
    _put_delegator(repo, "targets", repo.online, artifacts or {}, delegations)
    repo.release()
    return repo


def flat(artifacts: Mapping[str, bytes] | None = None, **options: Any) -> Repo:
    """A repository without delegations."""
    repo = Repo(**options)
    repo.put("targets", _targets(repo, artifacts or {}), repo.online.signers)
    repo.release()
    return repo


def _targets(repo: Repo, artifacts: Mapping[str, bytes]) -> Targets:
    return Targets(targets={path: repo.target(path, content) for path, content in artifacts.items()})


def _put_delegator(
    repo: Repo, name: str, keys: Keys, artifacts: Mapping[str, bytes], delegations: Sequence[Delegation]
) -> None:
    targets = _targets(repo, artifacts)
    if delegations:
        roles, public = {}, {}
        for one in delegations:
            public.update({key.keyid: key for key in one.keys.keys})
            roles[one.name] = DelegatedRole(
                one.name,
                [key.keyid for key in one.keys.keys],
                one.keys.threshold,
                one.terminating,
                paths=None if one.paths is None else list(one.paths),
                path_hash_prefixes=None if one.prefixes is None else list(one.prefixes),
            )
        targets.delegations = Delegations(public, roles=roles)
    repo.put(name, targets, keys.signers)
    for one in delegations:
        if one.bits is not None:
            _put_bins(repo, one.name, one.bits, f"{one.name}-bins", Keys("online"), one.keys.signers, one.artifacts)
        else:
            _put_delegator(repo, one.name, one.keys, one.artifacts, one.children)


def _put_bins(
    repo: Repo,
    holder: str,
    bits: int,
    prefix: str,
    keys: Keys,
    holder_signers: Sequence[Signer],
    artifacts: Mapping[str, bytes],
    algorithms: Sequence[str] = ("sha256",),
    custom: Mapping[str, Any] | None = None,
) -> None:
    roles = SuccinctRoles([key.keyid for key in keys.keys], keys.threshold, bits, prefix)
    delegations = Delegations({key.keyid: key for key in keys.keys}, succinct_roles=roles)
    repo.put(holder, Targets(delegations=delegations), holder_signers)
    held: dict[str, dict[str, TargetFile]] = {name: {} for name in roles.get_roles()}
    for path, content in artifacts.items():
        found = repo.target(path, content, algorithms)
        if custom is not None:
            found.unrecognized_fields["custom"] = dict(custom)
        held[roles.get_role_for_target(path)][path] = found
    for name, targets in held.items():
        repo.put(name, Targets(targets=targets), keys.signers)

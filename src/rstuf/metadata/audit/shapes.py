"""The shapes of the roles' metadata (TUF §4.3 to §4.6, TAP 15), checked field by field.

Each function reports every fault it sees and returns what can still be used, so that one wrong field hides nothing.
What must be right for a client to read the file at all, and isn't, is `malformed`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from rstuf.metadata.audit.document import MAX_INTEGER
from rstuf.metadata.audit.findings import Code, Findings, Note
from rstuf.metadata.audit.keys import Authority, KeyRing, VerifyKey, load_key
from rstuf.metadata.audit.paths import Pattern, bin_name, is_hex, role_name_fault
from rstuf.metadata.audit.targets import hashes_fault

TOP_ROLES: Final = ("root", "timestamp", "snapshot", "targets")
# TAP 15 allows up to 32; a snapshot that lists more than 2^20 names is read by nobody.
MAX_BITS: Final = 32
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_SPEC: Final = re.compile(r"1\.[0-9]{1,5}(\.[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Common:
    """What every role has; None where it is not usable."""

    version: int | None
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What a parent says of a metadata file."""

    version: int
    length: int | None = None
    hashes: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class RootView:
    """A root: who signs the top-level roles."""

    common: Common
    consistent: bool
    authorities: Mapping[str, Authority]


@dataclass(frozen=True, slots=True)
class Edge:
    """One named delegation: to whom, and for which paths (patterns, or prefixes of SHA-256 in hexadecimal)."""

    name: str
    authority: Authority
    terminating: bool
    patterns: tuple[Pattern, ...] | None
    prefixes: tuple[str, ...] | None

    def matches(self, path: str, digest: str) -> bool:
        """Whether the delegation is for `path`, whose SHA-256 is `digest`."""
        if self.prefixes is not None:
            return digest.startswith(self.prefixes)
        return any(pattern.matches(path) for pattern in self.patterns or ())

    def is_disputed_for(self, path: str) -> bool:
        """Whether some clients hold it to be for `path`, and others not."""
        matching = [pattern for pattern in self.patterns or () if pattern.matches(path)]
        return bool(matching) and all(pattern.is_disputed_for(path) for pattern in matching)


@dataclass(frozen=True, slots=True)
class Succinct:
    """A delegation to 2^`bits` bins (TAP 15)."""

    prefix: str
    bits: int
    authority: Authority


@dataclass(frozen=True, slots=True)
class TargetsView:
    """A targets role: its artifacts as they stand, and to whom it delegates."""

    common: Common
    targets: Mapping[str, Any]
    edges: tuple[Edge, ...]
    succinct: Succinct | None

    @property
    def classic_bits(self) -> int | None:
        """Where its delegations are 2^bits bins by hash prefixes, and nothing else: these bits (PEP 458)."""
        bits = len(self.edges).bit_length() - 1
        if bits < 1 or len(self.edges) != 1 << bits:
            return None
        first = self.edges[0]
        prefix, digits = first.name.rpartition("-")[0], -(-bits // 4)
        each = 1 << (4 * digits - bits)
        for index, edge in enumerate(self.edges):
            beginnings = tuple(f"{index * each + more:0{digits}x}" for more in range(each))
            if (edge.name, edge.prefixes) != (bin_name(prefix, bits, index), beginnings) or edge.terminating:
                return None
            if edge.authority != first.authority:
                return None
        return bits if prefix else None


class Shape:
    """Checks the shape of one file. `role` is what findings are about."""

    def __init__(self, role: str, *, findings: Findings, ring: KeyRing) -> None:
        self.role = role
        self._findings = findings
        self._ring = ring

    def fault(self, message: str) -> None:
        """Something has the wrong shape."""
        self._findings.problem(Code.MALFORMED, message, role=self.role)

    def common(self, signed: Mapping[str, Any], kind: str) -> Common:
        """Type, version, expiry and spec version; a version out of bounds is none."""
        if signed.get("_type") != kind:
            found = str(signed.get("_type"))[:40]
            self._findings.problem(Code.WRONG_TYPE, f"its type is {found!r}, not {kind!r}", role=self.role)
        spec = signed.get("spec_version")
        if type(spec) is not str or _SPEC.fullmatch(spec) is None:
            self.fault("its spec_version is not one of 1.x")
        version = signed.get("version")
        if not _is_version(version):
            self.fault("its version is not a whole number from 1 to 2^53 - 1")
            version = None
        expires = _instant(signed.get("expires"))
        if expires is None:
            self.fault("its expiry is not an instant like 2030-01-02T03:04:05Z")
        return Common(version=version, expires=expires)

    def root(self, signed: Mapping[str, Any]) -> RootView:
        """Root (TUF §4.3)."""
        common = self.common(signed, "root")
        consistent = signed.get("consistent_snapshot")
        if consistent is not True:
            self._findings.problem(
                Code.NOT_CONSISTENT,
                "its consistent_snapshot is not true: clients may see half of a publication",
                role=self.role,
            )
        keys = self._keys(signed.get("keys"))
        roles = signed.get("roles")
        authorities = {}
        if type(roles) is not dict:
            self.fault("its roles are not an object")
            roles = {}
        for name in TOP_ROLES:
            authority = self._authority(roles.get(name), keys, f"the role {name}")
            if authority is not None:
                authorities[name] = authority
        for name in sorted(set(roles) - set(TOP_ROLES))[:3]:
            self.fault(f"it lists the role {name[:80]!r}, which is not a top-level one; clients refuse that")
        return RootView(common=common, consistent=consistent is True, authorities=authorities)

    def timestamp(self, signed: Mapping[str, Any]) -> tuple[Common, FileEntry | None]:
        """Timestamp (TUF §4.6): itself, and what it says of snapshot."""
        common = self.common(signed, "timestamp")
        meta = signed.get("meta")
        if type(meta) is not dict or "snapshot.json" not in meta:
            self.fault("its meta says nothing of snapshot.json")
            return common, None
        if len(meta) != 1:
            self.fault("its meta names more files than snapshot.json; some clients then fail to verify it")
        return common, self._file_entry(meta["snapshot.json"], "snapshot.json")

    def snapshot(self, signed: Mapping[str, Any]) -> tuple[Common, dict[str, FileEntry]]:
        """Snapshot (TUF §4.4): itself, and by role name what it says of each."""
        common = self.common(signed, "snapshot")
        meta = signed.get("meta")
        if type(meta) is not dict:
            self.fault("its meta is not an object")
            return common, {}
        entries: dict[str, FileEntry] = {}
        folded: set[str] = set()
        for file, value in meta.items():
            name = file[:-5] if file.endswith(".json") else ""
            fault = None if name == "targets" else role_name_fault(name)
            if fault is not None:
                self._findings.problem(
                    Code.ROLE_NAME, f"it lists {file[:200]!r}, which is not read: {fault}", role=self.role
                )
                continue
            if name.lower() in folded:
                self._findings.problem(
                    Code.ROLE_NAME, f"it lists {file!r} and another name that differs only in case", role=self.role
                )
            folded.add(name.lower())
            entry = self._file_entry(value, file)
            if entry is not None:
                entries[name] = entry
        return common, entries

    def targets(self, signed: Mapping[str, Any]) -> TargetsView:
        """A targets role (TUF §4.5)."""
        common = self.common(signed, "targets")
        targets = signed.get("targets")
        if type(targets) is not dict:
            self.fault("its targets are not an object")
            targets = {}
        edges: tuple[Edge, ...] = ()
        succinct = None
        if "delegations" in signed:
            edges, succinct = self._delegations(signed["delegations"])
        return TargetsView(common=common, targets=targets, edges=edges, succinct=succinct)

    def _delegations(self, delegations: object) -> tuple[tuple[Edge, ...], Succinct | None]:
        if not isinstance(delegations, dict):
            self.fault("its delegations are not an object")
            return (), None
        keys = self._keys(delegations.get("keys"))
        if ("roles" in delegations) == ("succinct_roles" in delegations):
            self.fault("its delegations have both roles and succinct_roles, or neither")
        succinct = None
        if "succinct_roles" in delegations:
            succinct = self._succinct(delegations["succinct_roles"], keys)
        roles = delegations.get("roles", [])
        if type(roles) is not list:
            self.fault("its delegated roles are not a list")
            roles = []
        edges: dict[str, Edge] = {}
        for role in roles:
            edge = self._edge(role, keys)
            if edge is None:
                continue
            if edge.name in edges:
                self.fault(f"it delegates to {edge.name!r} twice")
            edges.setdefault(edge.name, edge)
        return tuple(edges.values()), succinct

    def _succinct(self, value: object, keys: Mapping[str, VerifyKey | None]) -> Succinct | None:
        if not isinstance(value, dict):
            self.fault("its succinct_roles are not an object")
            return None
        authority = self._authority(value, keys, "the bins")
        bits, prefix = value.get("bit_length"), value.get("name_prefix")
        if type(bits) is not int or not 1 <= bits <= MAX_BITS:
            self.fault(f"the bit_length of its bins is not a whole number from 1 to {MAX_BITS}")
            return None
        fault = role_name_fault(prefix) if type(prefix) is str else "it is not text"
        if type(prefix) is not str or fault is not None:
            self._findings.problem(
                Code.ROLE_NAME, f"the name_prefix of its bins cannot be used: {fault}", role=self.role
            )
            return None
        return None if authority is None else Succinct(prefix=prefix, bits=bits, authority=authority)

    def _edge(self, value: object, keys: Mapping[str, VerifyKey | None]) -> Edge | None:
        if not isinstance(value, dict) or type(value.get("name")) is not str:
            self.fault("a delegated role is not an object with a name")
            return None
        name: str = value["name"]
        fault = role_name_fault(name)
        if fault is not None:
            self._findings.problem(
                Code.ROLE_NAME, f"it delegates to {name[:200]!r}, which is not read: {fault}", role=self.role
            )
            return None
        authority = self._authority(value, keys, f"the delegation to {name}")
        terminating = value.get("terminating")
        if type(terminating) is not bool:
            self.fault(f"the delegation to {name} does not say whether it is terminating")
        patterns, prefixes = self._places(value, name)
        if authority is None:
            return None
        return Edge(name, authority, terminating is True, patterns, prefixes)

    def _places(self, value: Mapping[str, Any], name: str) -> tuple[tuple[Pattern, ...] | None, tuple[str, ...] | None]:
        if ("paths" in value) == ("path_hash_prefixes" in value):
            self.fault(f"the delegation to {name} has both paths and path_hash_prefixes, or neither")
        kind = "path_hash_prefixes" if "path_hash_prefixes" in value else "paths"
        places = value.get(kind, [])
        if type(places) is not list or not all(type(place) is str for place in places):
            self.fault(f"the {kind} of the delegation to {name} are not a list of text")
            places = []
        if kind == "path_hash_prefixes":
            if not all(place and len(place) <= 64 and is_hex(place) for place in places):
                self.fault(f"a path_hash_prefix of the delegation to {name} is not lower-case hexadecimal")
            return None, tuple(places)
        patterns = tuple(map(Pattern, places))
        special = next((pattern.special for pattern in patterns if pattern.special), None)
        if special is not None:
            self._findings.note(
                Note.GLOB_CLASS,
                f"a path of the delegation to {name} uses {special}, which clients read differently",
                role=self.role,
            )
        return patterns, None

    def _keys(self, keys: object) -> Mapping[str, VerifyKey | None]:
        if not isinstance(keys, dict):
            self.fault("its keys are not an object")
            return {}
        return {
            keyid: load_key(keyid, key, where=self.role, findings=self._findings, ring=self._ring)
            for keyid, key in keys.items()
        }

    def _authority(self, value: object, keys: Mapping[str, VerifyKey | None], what: str) -> Authority | None:
        """Key ids and threshold; the threshold lies within 1 and the number of distinct keys."""
        if not isinstance(value, dict):
            self.fault(f"{what} is not there or not an object")
            return None
        keyids, threshold = value.get("keyids"), value.get("threshold")
        if type(keyids) is not list or not all(type(keyid) is str for keyid in keyids):
            self.fault(f"the keyids of {what} are not a list of text")
            keyids = []
        usable, values = self._usable(keyids, keys, what)
        if type(threshold) is not int or not 1 <= threshold <= len(values):
            self._findings.problem(
                Code.BAD_THRESHOLD,
                f"{what} has the threshold {str(threshold)[:20]} and {len(values)} distinct usable keys",
                role=self.role,
            )
        if type(threshold) is not int or threshold < 1:
            threshold = max(1, len(values))
        return Authority(keys=usable, threshold=threshold)

    def _usable(
        self, keyids: list[str], keys: Mapping[str, VerifyKey | None], what: str
    ) -> tuple[dict[str, VerifyKey], dict[bytes, str]]:
        usable: dict[str, VerifyKey] = {}
        values: dict[bytes, str] = {}
        if len(set(keyids)) != len(keyids):
            self.fault(f"{what} lists a key id twice")
        for keyid in dict.fromkeys(keyids):
            key = keys.get(keyid)
            if keyid not in keys:
                self._findings.problem(
                    Code.KEY_MISSING, f"{what} lists the key {keyid[:80]}, which is not there", role=self.role
                )
            if key is None:
                continue
            if key.value in values:
                self._findings.problem(
                    Code.KEY_TWICE,
                    f"{what} lists one key under two key ids, {values[key.value][:80]} and {keyid[:80]}: "
                    "clients may count it twice",
                    role=self.role,
                )
            values.setdefault(key.value, keyid)
            usable[keyid] = key
        return usable, values

    def _file_entry(self, value: object, file: str) -> FileEntry | None:
        if not isinstance(value, dict) or not _is_version(value.get("version")):
            self.fault(f"what it says of {file} has no version from 1 to 2^53 - 1")
            return None
        length, hashes = value.get("length"), value.get("hashes")
        if "length" in value and (type(length) is not int or not 0 <= length <= MAX_INTEGER):
            self.fault(f"the length of {file} is not a whole number from 0 to 2^53 - 1")
            length = None
        if "hashes" in value:
            fault = hashes_fault(hashes) if isinstance(hashes, dict) and hashes else "it has no hashes"
            if fault is not None:
                self.fault(f"of {file}: {fault}")
                hashes = None
        return FileEntry(version=value["version"], length=length, hashes=hashes)


def _is_version(value: object) -> bool:
    return type(value) is int and 1 <= value <= MAX_INTEGER


def _instant(value: object) -> datetime | None:
    return _parse_instant(value) if type(value) is str else None


@lru_cache(maxsize=256)
def _parse_instant(value: str) -> datetime | None:
    if _INSTANT.fullmatch(value) is None:
        return None
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None

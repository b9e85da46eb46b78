"""What a snapshot lists, kept as the bytes of its `meta` object, so that a few new versions cost a few.

Only versions stand in it (TUF §4.4), compact and sorted by name: there is one way to write it, whoever makes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

import orjson

from rstuf.errors import InvalidMetadata
from rstuf.metadata.views import split_signed
from rstuf.model.names import RoleName

_SUFFIX: Final = ".json"
_SNAPSHOT: Final = re.compile(
    rb'\{"_type":"snapshot","expires":"[^"]*","meta":(\{.*\}),"spec_version":"[^"]*","version":\d+\}', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Listing:
    """The roles that a snapshot lists, with their versions.

    Attributes:
        meta: the `meta` object.
    """

    meta: bytes

    @classmethod
    def of(cls, versions: Iterable[tuple[RoleName, int]]) -> Self:
        """A listing of these roles and versions, in any order."""
        lines = sorted([(name + _SUFFIX, version) for name, version in versions])
        inside = ",".join([f'"{name}":{{"version":{version}}}' for name, version in lines])
        return cls(f"{{{inside}}}".encode())

    @classmethod
    def in_file(cls, data: bytes) -> Self | None:
        """What a snapshot file lists; None where it is not in the form that rstuf writes."""
        try:
            found = _SNAPSHOT.fullmatch(split_signed(data))
        except InvalidMetadata:
            return None
        if found is None:
            return None
        meta = found[1]
        # Each entry is one object with one field, so commas stand between entries only.
        listing = cls(meta)
        plain = meta.count(b"{") == listing.count + 1 and meta.count(b",") == max(0, listing.count - 1)
        return listing if plain and b"\\" not in meta else None

    @property
    def count(self) -> int:
        """How many roles it lists."""
        return self.meta.count(b'.json":{"version":')

    def entries(self) -> dict[str, dict[str, int]]:
        """What clients read: file names, each with a `version`."""
        entries: dict[str, dict[str, int]] = orjson.loads(self.meta)
        return entries

    def entries_apart(self, other: Listing | None) -> dict[str, int]:
        """The file names that are not listed in `other` at the same version, with their versions here."""
        if other is None:
            return {name: entry["version"] for name, entry in self.entries().items()}
        apart = set(self.meta[1:-1].split(b",")) - set(other.meta[1:-1].split(b","))
        return Listing(b"{%b}" % b",".join(apart)).entries_apart(None)

    def with_versions(self, versions: Mapping[RoleName, int]) -> Listing:
        """The same with these versions, and with roles that were not listed."""
        pieces: list[bytes] = []
        position = 0
        for name, version in sorted((name + _SUFFIX, version) for name, version in versions.items()):
            start = self.meta.find(b'"%b":{"version":' % name.encode(), position)
            if start < 0:
                return self._with_new(versions)
            following = self.meta.index(b"}", start)
            pieces += (self.meta[position:start], b'"%b":{"version":%d' % (name.encode(), version))
            position = following
        return Listing(b"".join([*pieces, self.meta[position:]]))

    def _with_new(self, versions: Mapping[RoleName, int]) -> Listing:
        known = {RoleName(name.removesuffix(_SUFFIX)): entry["version"] for name, entry in self.entries().items()}
        return Listing.of({**known, **versions}.items())

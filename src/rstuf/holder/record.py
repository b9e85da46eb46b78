"""A key holder's own record: the newest root that they trust of each repository, and all that they signed.

    DIGEST.json          of the repository whose first root has this SHA-256
    first-roots.json     what was signed before there was a first root
    .record.lock         held by who changes any of this

Each file is replaced as a whole, so an interruption leaves what was there or what should be there. Nothing in it comes
from a bundle that its holder has not signed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rstuf.clock import iso, parse_iso
from rstuf.durable import SECRET_DIRECTORY, SECRET_FILE, How, make_directory, storage_error, write_file
from rstuf.errors import InvalidJson, ProposalRefused, RecordDamaged
from rstuf.holder.contents import SignedContents
from rstuf.locks import FileLock
from rstuf.metadata.canonical import compact, strict_loads
from rstuf.model.keys import KeyId
from rstuf.model.names import RoleName
from rstuf.permissions import Kind, Place, refuse_unsafe

FORMAT: Final = 1
_MAX_BYTES: Final = 16_000_000
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FIRST_ROOTS: Final = "first-roots"
_WAIT: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class SignedBefore:
    """Something that the holder signed: what it was, with which key, and when (UTC)."""

    role: RoleName
    version: int
    digest: str
    keyid: KeyId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the holder knows of a repository.

    Attributes:
        first_root: SHA-256 of its first root's file; None for what was signed before there was one.
        checked: whether that is known from a root that they trust, and not only said by a bundle.
        repository: what its makers called it last.
        root: the newest root that the holder trusts, its file byte for byte; None before the first.
        names: what keys were called when the holder last signed.
        signed: what they signed, oldest first.
        contents: what they signed last of roles below targets.
        delegators: the newest versions that they saw of roles which delegate to these.
    """

    first_root: str | None
    checked: bool = False
    repository: str = ""
    root: bytes | None = None
    names: Mapping[KeyId, str] = field(default_factory=dict)
    signed: tuple[SignedBefore, ...] = ()
    contents: Mapping[RoleName, SignedContents] = field(default_factory=dict)
    delegators: Mapping[RoleName, int] = field(default_factory=dict)


class HolderRecord:
    """The record in a directory, which is made when something is first signed."""

    def __init__(self, directory: Path, *, purpose: str = "rstuf") -> None:
        """
        Args:
            purpose: what a process that waits for this one is told ("rstuf bundle sign").

        Raises:
            UnsafeDirectory: others can write there, and so change what is trusted.
            StorageError: it cannot be looked at.
        """
        self.directory = directory.absolute()
        self._purpose = purpose
        refuse_unsafe([Place(self.directory, Kind.TRUST)])

    def get(self, first_root: str | None) -> Remembered:
        """What is known of the repository with this first root; nothing, where it is new.

        Raises:
            RecordDamaged: what is there cannot be relied on.
            UnsafeDirectory, StorageError: as of the directory.
        """
        place = self._place(first_root)
        refuse_unsafe([Place(place, Kind.TRUST)])
        data = _read(place)
        if data is None:
            return Remembered(first_root=first_root)
        try:
            return _remembered(data, first_root)
        except ValueError as error:
            raise RecordDamaged(str(place), str(error)) from None

    def all(self) -> Sequence[Remembered]:
        """What is known of every repository, by the digest of its first root.

        Raises:
            RecordDamaged, UnsafeDirectory, StorageError: as `get` says.
        """
        try:
            names = sorted(each.stem for each in self.directory.iterdir() if each.suffix == ".json")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise storage_error("read", str(self.directory), error) from error
        return [self.get(name) for name in names if _DIGEST.fullmatch(name)]

    def add(self, known: Remembered, *, seen: Collection[SignedBefore] | None = None) -> None:
        """Take down what was signed now, and what is trusted and called how since.

        Args:
            known: `signed` joins what is there; the rest takes its place. A root never goes back to an older version:
                `review_bundle` refuses what would lead there.
            seen: what the holder had signed by their record when they were asked. Where something else of the same
                role and version joined meanwhile, what they were shown did not say so, and this is refused.

        Raises:
            ProposalRefused: something was signed meanwhile that they were not told of. Nothing was taken down.
            RecordDamaged, UnsafeDirectory, StorageError, Locked: nothing was taken down.
        """
        make_directory(self.directory, mode=SECRET_DIRECTORY)
        refuse_unsafe([Place(self.directory, Kind.TRUST)])
        lock = FileLock(self.directory / ".record.lock", label="record")
        with lock.hold(wait=_WAIT, purpose=self._purpose):
            before = self.get(known.first_root)
            if seen is not None:
                _refuse_unseen(known, [*before.signed, *(each for one in self.all() for each in one.signed)], seen)
            # The same again was signed then, and is no other thing to remember.
            old = {(each.role, each.version, each.digest, each.keyid) for each in before.signed}
            new = [each for each in known.signed if (each.role, each.version, each.digest, each.keyid) not in old]
            joined = replace(
                known,
                checked=known.checked or before.checked,
                names={**before.names, **known.names},
                signed=(*before.signed, *new),
                contents={**before.contents, **known.contents},
                delegators=_newest(before.delegators, known.delegators),
            )
            data = compact(_document(joined))
            write_file(self._place(known.first_root), data, mode=SECRET_FILE, how=How.REPLACE)

    def _place(self, first_root: str | None) -> Path:
        return self.directory / f"{first_root or _FIRST_ROOTS}.json"


def _refuse_unseen(known: Remembered, recorded: Sequence[SignedBefore], seen: Collection[SignedBefore]) -> None:
    for each in known.signed:
        for other in recorded:
            if (other.role, other.version, other.keyid) != (each.role, each.version, each.keyid):
                continue
            if other.digest != each.digest and other not in seen:
                reason = f"another {each.role} v{each.version} was signed with the same key while you were asked"
                raise ProposalRefused(f"{each.role}-v{each.version}", "signed-meanwhile", reason)


def _newest(before: Mapping[RoleName, int], now: Mapping[RoleName, int]) -> dict[RoleName, int]:
    return {role: max(before.get(role, 0), now.get(role, 0)) for role in {**before, **now}}


def _read(place: Path) -> bytes | None:
    try:
        with place.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise storage_error("read", str(place), error) from error
    if len(data) > _MAX_BYTES:
        raise RecordDamaged(str(place), f"it has more than {_MAX_BYTES} bytes")
    return data


def _document(known: Remembered) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "first_root": known.first_root,
        "checked": known.checked,
        "repository": known.repository,
        "root": None if known.root is None else base64.b64encode(known.root).decode(),
        "names": dict(known.names),
        "signed": [
            {
                "role": each.role,
                "version": each.version,
                "digest": each.digest,
                "keyid": each.keyid,
                "at": iso(each.at),
            }
            for each in known.signed
        ],
        "contents": {
            role: {"version": each.version, "artifacts": dict(each.artifacts)} for role, each in known.contents.items()
        },
        "delegators": dict(known.delegators),
    }


def _remembered(data: bytes, first_root: str | None) -> Remembered:
    """The inverse of `_document`.

    Raises:
        ValueError: it is not of that form, or of another repository.
    """
    try:
        document = strict_loads(data, what="it")
    except InvalidJson as error:
        raise ValueError(error.message) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError("it is not of a format that this rstuf knows")
    try:
        if document["first_root"] != first_root:
            raise ValueError("it is of another repository than its name says")
        return Remembered(
            first_root=first_root,
            checked=document["checked"] is True,
            repository=_text(document["repository"]),
            root=None if document["root"] is None else base64.b64decode(document["root"], validate=True),
            names={KeyId(keyid): _text(name) for keyid, name in document["names"].items()},
            signed=tuple(map(_signed, document["signed"])),
            # Records of before there were any lack these.
            contents={RoleName(role): _contents(each) for role, each in document.get("contents", {}).items()},
            delegators={RoleName(role): int(each) for role, each in document.get("delegators", {}).items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("it lacks something") from error


def _signed(entry: Mapping[str, Any]) -> SignedBefore:
    return SignedBefore(
        role=RoleName(_text(entry["role"])),
        version=int(entry["version"]),
        digest=_text(entry["digest"]),
        keyid=KeyId(_text(entry["keyid"])),
        at=parse_iso(entry["at"]),
    )


def _contents(entry: Mapping[str, Any]) -> SignedContents:
    return SignedContents(int(entry["version"]), {path: _text(digest) for path, digest in entry["artifacts"].items()})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value

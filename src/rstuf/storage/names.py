"""Under which names things lie on a storage, the same for every kind of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from rstuf.errors import InvalidInput, InvalidPath, shorten
from rstuf.model.artifacts import HASH_HEX_LENGTH, check_hashes
from rstuf.model.names import MAX_SEGMENT_BYTES, TargetPath, path_key

STAGING: Final = ".staging"
_NO_SEGMENTS: Final = frozenset({"", ".", ".."})


def check_metadata_name(name: str) -> str:
    """`name` if it is one plain file name, which can lead nowhere else.

    Raises:
        InvalidInput: it is empty, too long, hidden, or has a separator or a character that is not plain.
    """
    plain = name.isascii() and name.isprintable() and "/" not in name and "\\" not in name
    if plain and 0 < len(name) <= MAX_SEGMENT_BYTES and not name.startswith("."):
        return name
    raise InvalidInput(f"{shorten(name)!r} cannot be the name of a metadata file")


def check_replaceable(name: str) -> str:
    """`name` if it may be replaced: names that carry a version are written once (TUF §7.2).

    Raises:
        InvalidInput: it may not.
    """
    if check_metadata_name(name).partition(".")[0].isdecimal():
        raise InvalidInput(f"{shorten(name)!r} carries a version and is never replaced")
    return name


def check_discardable(name: str) -> str:
    """`name` if its file may go some day: it carries a version, and is no root, which clients of any age ask for.

    Raises:
        InvalidInput: it may not.
    """
    version, _, role = check_metadata_name(name).partition(".")
    if version.isdecimal() and role != "root.json":
        return name
    raise InvalidInput(f"{shorten(name)!r} is a file that is never let go")


def check_content_path(path: TargetPath, algorithms: Iterable[str]) -> None:
    """See that contents of `path` can be kept under the names that they will have.

    Raises:
        InvalidPath: its last segment is too long for these hashes, or it leads to where unfinished files are kept or
            out of the storage.
    """
    _check_inside(path)
    first, slash, _ = path.partition("/")
    if slash and path_key(TargetPath(first)) == STAGING:
        raise InvalidPath(path, f"unfinished files are kept in {STAGING}")
    room = MAX_SEGMENT_BYTES - 1 - max(HASH_HEX_LENGTH[algorithm] for algorithm in algorithms)
    if len(path.rpartition("/")[2].encode()) > room:
        raise InvalidPath(path, f"its last segment has more than {room} bytes, too long beside its hash")


def content_names(path: TargetPath, hashes: Mapping[str, str]) -> list[str]:
    """Where a content lies, once for each of its hashes, in their order: `<directories>/<hash>.<last segment>`.

    Raises:
        InvalidPath: it would lie outside the storage.
        InvalidArtifact: a hash is not of the right form.
    """
    _check_inside(path)
    directories, slash, last = path.rpartition("/")
    return [f"{directories}{slash}{digest}.{last}" for digest in check_hashes(path, hashes).values()]


def _check_inside(path: TargetPath) -> None:
    if "\0" in path or not _NO_SEGMENTS.isdisjoint(path.split("/")):
        raise InvalidPath(path, "it leads out of where contents are kept")

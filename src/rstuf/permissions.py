"""Who else could change what a workspace stands on; looked at before anything of it is read or written.

The rule: the workspace, its configuration, its state, its keys and what it serves belong to whoever runs rstuf, or to
root, and nobody else can write there. Reading is no matter of this rule: what is served is there to be read, and
private keys are judged where they are opened.

It holds for commands that only look, too: whoever can write `rstuf.toml` chooses which files are opened by them.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from rstuf.durable import storage_error
from rstuf.errors import UnsafeDirectory

_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH
_STAGING: Final = ".staging"
_SIDE_FILES: Final = ("", "-wal", "-shm", "-journal")
_LOCKS: Final = ("write.lock", "publish.lock")


class Kind(Enum):
    """What should be at a place.

    `SERVED` and `KEYS` may be reached through a link, which its owner made to have them elsewhere; the others may not:
    a state that is known by two names would have two sets of locks.
    """

    WORKSPACE = "the keys, the state and what is published"
    KEYS = "your keys"
    SERVED = "what is published"
    CONFIG = "the places that it names"
    STATE = "the state"


@dataclass(frozen=True, slots=True)
class Place:
    """A place that must be safe if there is anything."""

    path: Path
    kind: Kind


def place_of(directory: Path) -> list[Place]:
    """The workspace itself, before its configuration can be read."""
    return [Place(directory, Kind.WORKSPACE), Place(directory / "rstuf.toml", Kind.CONFIG)]


def parts_of(directory: Path, *, state: Path, metadata: Path, artifacts: Path | None) -> list[Place]:
    """All that a workspace stands on beside `place_of`."""
    found = [Place(Path(f"{state}{suffix}"), Kind.STATE) for suffix in _SIDE_FILES]
    found += [Place(state.parent / name, Kind.STATE) for name in _LOCKS]
    if state.parent != directory:
        found.append(Place(state.parent, Kind.WORKSPACE))
    found.append(Place(directory / "keys", Kind.KEYS))
    for served in (metadata, artifacts):
        if served is not None:
            found += [Place(served, Kind.SERVED), Place(served / _STAGING, Kind.SERVED)]
    return found


def refuse_unsafe(places: Iterable[Place]) -> None:
    """
    Raises:
        UnsafeDirectory: one of them is not safe. Where a chmod mends it, the hint has all that is needed, at once.
        StorageError: one cannot be looked at.
    """
    wide = [(place, found.st_mode) for place in places if (found := _look(place)) is not None and _is_wide(found)]
    if wide:
        raise _too_wide([place for place, _ in wide], wide[0][1])


def find_loose(places: Iterable[Place]) -> Sequence[Path]:
    """Those that only a umask of 002 left open: the ceremony may close them.

    They belong to whoever runs this, and their own main group can write; a directory that was shared on purpose has
    another group, hands its group on, or is open to everybody.

    Raises:
        UnsafeDirectory, StorageError: as `refuse_unsafe` says, of all others.
    """
    loose, others = list[Path](), list[Place]()
    for place in places:
        found = _look(place)
        if found is None or not _is_wide(found):
            continue
        ours = found.st_uid == os.geteuid() and found.st_gid == os.getegid()
        if ours and stat.S_ISDIR(found.st_mode) and not found.st_mode & (stat.S_IWOTH | stat.S_ISGID):
            loose.append(place.path)
        else:
            others.append(place)
    refuse_unsafe(others)
    return loose


def tighten(paths: Iterable[Path]) -> None:
    """Let nobody but the owner write there.

    Raises:
        StorageError: the file system does not let us.
    """
    for path in paths:
        try:
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_WRITABLE)
        except OSError as error:
            raise storage_error("change the permissions of", str(path), error) from None


def _look(place: Place) -> os.stat_result | None:
    """What is there, if anything; judged but for its permission bits."""
    path = place.path
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) and place.kind in {Kind.SERVED, Kind.KEYS}:
            _refuse_foreign(place, found)
            found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise storage_error("look at", str(path), error) from None
    if stat.S_ISLNK(found.st_mode):
        hint = "name the directory itself" if place.kind is Kind.WORKSPACE else "put the file itself in its place"
        raise UnsafeDirectory(str(path), "it is a symbolic link", hint=hint)
    if place.kind in {Kind.CONFIG, Kind.STATE} and not stat.S_ISREG(found.st_mode):
        raise UnsafeDirectory(str(path), "it is not a regular file", hint="put the file itself in its place")
    _refuse_foreign(place, found)
    return found


def _refuse_foreign(place: Place, found: os.stat_result) -> None:
    if not hasattr(os, "geteuid") or found.st_uid in {os.geteuid(), 0}:
        return
    owner, path = _user(found.st_uid), str(place.path)
    raise UnsafeDirectory(
        path,
        f"it belongs to another user ({owner}), who can change {place.kind.value}",
        hint=f"run it as {owner}, or take it over: chown -R {_user(os.geteuid())} {shlex.quote(path)}",
    )


def _is_wide(found: os.stat_result) -> bool:
    return os.name == "posix" and bool(found.st_mode & _WRITABLE)


def _too_wide(places: Sequence[Place], mode: int) -> UnsafeDirectory:
    first = places[0]
    who = "everybody" if mode & stat.S_IWOTH else "its group"
    others = len(places) - 1
    more = f" (and {others} more {'place' if others == 1 else 'places'})" if others else ""
    names = " ".join(shlex.quote(str(place.path)) for place in places)
    return UnsafeDirectory(
        str(first.path), f"{who} can write to it, and so change {first.kind.value}{more}", hint=f"chmod go-w {names}"
    )


def _user(uid: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return f"uid {uid}"

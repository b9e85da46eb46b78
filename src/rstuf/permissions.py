"""Who else could change what a workspace stands on; looked at before anything of it is read or written.

The rule: the workspace, its configuration, its state, its keys and what it serves belong to whoever runs rstuf, or to
root, and nobody else can write there, nor change the way to them (`ways`). Reading is no matter of this rule: what is
served is there to be read, and private keys are judged where they are opened, directories below what is served where
something is put there.

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
from rstuf.ways import Ways, is_open_to_others, is_ours, stranger_on

_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH
_STAGING: Final = ".staging"
_SIDE_FILES: Final = ("", "-wal", "-shm", "-journal")
_LOCKS: Final = ("write.lock", "publish.lock")
_CACHES: Final = ("stamps.db", "stamps.db-journal")


class Kind(Enum):
    """What should be at a place.

    `WAY` is a directory on the way to the others. `SERVED`, `KEYS` and `TRUST` may be reached through a link, which its
    owner made to have them elsewhere; the others may not: a state that is known by two names would have two sets of
    locks.
    """

    WORKSPACE = "the keys, the state and what is published"
    KEYS = "your keys"
    SERVED = "what is published"
    CONFIG = "the places that it names"
    STATE = "the state"
    WAY = "what lies below it"
    TRUST = "what you trust"


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
    found += [Place(state.parent / name, Kind.STATE) for name in (*_LOCKS, *_CACHES)]
    if state.parent != directory:
        found.append(Place(state.parent, Kind.WORKSPACE))
    found.append(Place(directory / "keys", Kind.KEYS))
    for served in (metadata, artifacts):
        if served is not None:
            found += [Place(served, Kind.SERVED), Place(served / _STAGING, Kind.SERVED)]
    return found


def refuse_unsafe(places: Sequence[Place]) -> None:
    """
    Raises:
        UnsafeDirectory: one of them, or the way to it, is not safe. Where a chmod mends it, the hint is all of it.
        StorageError: one cannot be looked at.
    """
    looked = [(place, found) for place in places if (found := _look(place)) is not None]
    wide = [(place, found) for place, found in looked if _is_wide(found)]
    wide += _open_ways(places, themselves=[found for _, found in looked])
    if wide:
        raise _too_wide(wide, _hint(wide))


def refuse_unsafe_way(path: Path) -> None:
    """That nobody else can put something else in the place of what is at `path`, which itself is not looked at.

    Raises:
        UnsafeDirectory, StorageError: as `refuse_unsafe` says.
    """
    wide = _open_ways([Place(path, Kind.WAY)])
    if wide:
        raise _too_wide(wide, _hint(wide))


def refuse_shared(directory: int, served: Path, below: Iterable[bytes]) -> None:
    """That nobody else can write to a directory that lies in one that is served.

    Args:
        directory: its descriptor.
        served: the one that is served.
        below: the names that lead from there to it.

    Raises:
        UnsafeDirectory: others can. The hint mends whatever else was left open there, too.
    """
    found, place = os.fstat(directory), Place(served.joinpath(*map(os.fsdecode, below)), Kind.SERVED)
    _refuse_foreign(place, found)
    if _is_wide(found):
        raise _too_wide([(place, found)], _mending([Place(served, Kind.SERVED)]))


def find_loose(places: Sequence[Place]) -> Sequence[Path]:
    """Those that only a umask of 002 left open: the ceremony may close them.

    They belong to whoever runs this, and their own main group can write; a directory that was shared on purpose has
    another group, hands its group on, or is open to everybody.

    Raises:
        UnsafeDirectory, StorageError: as `refuse_unsafe` says, of all others.
    """
    loose, others = list[Path](), list[tuple[Place, os.stat_result]]()
    looked = [(place, found) for place in places if (found := _look(place)) is not None]
    for place, found in looked:
        if not _is_wide(found):
            continue
        ours = found.st_uid == os.geteuid() and found.st_gid == os.getegid()
        if ours and stat.S_ISDIR(found.st_mode) and not found.st_mode & (stat.S_IWOTH | stat.S_ISGID):
            loose.append(place.path)
        else:
            others.append((place, found))
    others += _open_ways(places, themselves=[found for _, found in looked])
    if others:
        raise _too_wide(others, f"chmod go-w {_quoted(place.path for place, _ in others)}")
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
        if stat.S_ISLNK(found.st_mode) and place.kind in {Kind.SERVED, Kind.KEYS, Kind.TRUST}:
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
    if is_ours(found):
        return
    owner, path = user_name(found.st_uid), str(place.path)
    raise UnsafeDirectory(
        path,
        f"it belongs to another user ({owner}), who can change {place.kind.value}",
        hint=f"run it as {owner}, or take it over: chown -R {user_name(os.geteuid())} {shlex.quote(path)}",
    )


def _is_wide(found: os.stat_result) -> bool:
    return os.name == "posix" and bool(found.st_mode & _WRITABLE)


def _open_ways(
    places: Sequence[Place], *, themselves: Iterable[os.stat_result] = ()
) -> list[tuple[Place, os.stat_result]]:
    """Directories on the way to the places that others can write to, but for those that are places `themselves`."""
    ways, judged = Ways(), {(found.st_dev, found.st_ino) for found in themselves}
    wide = dict[Path, os.stat_result]()
    for place in places:
        for step in ways.to(place.path):
            if (step.about.st_dev, step.about.st_ino) in judged:
                continue
            stranger = stranger_on(step)
            if stranger is not None:
                path, uid = stranger
                raise UnsafeDirectory(
                    str(path),
                    f"it belongs to another user ({user_name(uid)}), who can change {Kind.WAY.value}",
                    hint="keep it where every directory above it is yours or root's",
                )
            if is_open_to_others(step):
                wide.setdefault(step.directory, step.about)
    return [(Place(path, Kind.WAY), about) for path, about in wide.items()]


def _too_wide(wide: Sequence[tuple[Place, os.stat_result]], hint: str) -> UnsafeDirectory:
    first, about = wide[0]
    who = "everybody" if about.st_mode & stat.S_IWOTH else "its group"
    others = len(wide) - 1
    more = f" (and {others} more {'place' if others == 1 else 'places'})" if others else ""
    return UnsafeDirectory(str(first.path), f"{who} can write to it, and so change {first.kind.value}{more}", hint=hint)


def _hint(wide: Sequence[tuple[Place, os.stat_result]]) -> str:
    """What closes them; where a directory above is not ours to close, to be elsewhere."""
    if os.geteuid() != 0 and any(place.kind is Kind.WAY and about.st_uid != os.geteuid() for place, about in wide):
        return "keep it where nobody else can write to a directory above it"
    return _mending([place for place, _ in wide])


def _mending(places: Sequence[Place]) -> str:
    """One command that closes them, with all that is in those which are rstuf's: what left them open left that, too.

    Of a workspace that others could write to it is the whole of it, since its configuration cannot be believed yet.
    """
    ways = [place.path for place in places if place.kind is Kind.WAY]
    tops = [
        place.path.parent if place.kind is Kind.CONFIG else place.path for place in places if place.kind is not Kind.WAY
    ]
    parts = [path for path in dict.fromkeys(tops) if not any(above in tops for above in path.parents)]
    commands = [f"chmod go-w {_quoted(ways)}"] * bool(ways) + [f"chmod -R go-w {_quoted(parts)}"] * bool(parts)
    return " && ".join(commands)


def _quoted(paths: Iterable[Path]) -> str:
    return " ".join(shlex.quote(str(path)) for path in paths)


def user_name(uid: int) -> str:
    """What a user is called here."""
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return f"uid {uid}"

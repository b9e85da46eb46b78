"""What is around a workspace on this machine: file systems, locks, and what killed commands left."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rstuf.config import Config
from rstuf.drafts import FILE_NAME as DRAFT
from rstuf.durable import TEMPORARY_NAME, there
from rstuf.locks import PUBLISH_LOCK, WRITE_LOCK, FileLock
from rstuf.repository.doctor import Disk, Leftover, Remnant, StateFacts

if TYPE_CHECKING:
    from rstuf.repository.doctor import Surroundings

_MOUNTS: Final = Path("/proc/self/mountinfo")
_SIDE_FILES: Final = ("-wal", "-shm", "-journal")
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


class LocalSurroundings:
    """`Surroundings` of a workspace whose configuration is known, or of which only the directory is."""

    def __init__(
        self,
        directory: Path,
        config: Config | None,
        *,
        look: Callable[[Path], StateFacts | None],
        rooms: Callable[[Path], Sequence[Path]],
    ) -> None:
        """
        Args:
            look: what tells how the state at a path is kept.
            rooms: what finds in a storage directory what dead writers left there.
        """
        self._directory = directory
        self._look, self._rooms = look, rooms
        self._state = None if config is None else config.path_of(config.state)
        self._metadata = None if config is None else config.path_of(config.metadata)
        self._artifacts = None if config is None or not config.artifacts else config.path_of(config.artifacts)

    def disks(self) -> Sequence[Disk]:
        """See `Surroundings.disks`."""
        places = [self._directory, self._metadata, self._artifacts]
        if self._state is not None:
            places.insert(1, self._state.parent)
        mounts = _read_mounts()
        found: dict[int, Disk] = {}
        for place in places:
            if place is not None and there(place) is not None:
                found.setdefault(place.stat().st_dev, _disk_at(place, mounts))
        return tuple(found.values())

    def leftovers(self) -> Sequence[Leftover]:
        """See `Surroundings.leftovers`."""
        return tuple(Leftover(what, tuple(map(str, paths))) for what, paths in self._left() if paths)

    def holders(self) -> Mapping[str, str]:
        """See `Surroundings.holders`."""
        home = self._directory if self._state is None else self._state.parent
        locks = {"write": home / WRITE_LOCK, "publication": home / PUBLISH_LOCK}
        held = {label: FileLock(path, label=label).held_by() for label, path in locks.items()}
        return {label: holder for label, holder in held.items() if holder is not None}

    def state(self) -> StateFacts | None:
        """See `Surroundings.state`."""
        return None if self._state is None else self._look(self._state)

    def published(self) -> bool:
        """See `Surroundings.published`."""
        return self._metadata is not None and there(self._metadata / "timestamp.json") is not None

    def _left(self) -> Iterator[tuple[Remnant, Sequence[Path]]]:
        state = self._state
        if state is not None and "write" not in self.holders():
            yield Remnant.LOG, _present(Path(f"{state}{suffix}") for suffix in _SIDE_FILES)
            draft = state.with_name(f".{state.name}.new")
            yield Remnant.STATE_DRAFT, _present(Path(f"{draft}{suffix}") for suffix in ("", *_SIDE_FILES))
        yield Remnant.CEREMONY_DRAFT, _present([self._directory / DRAFT])
        yield Remnant.TEMPORARY, [*_temporary(self._directory), *_temporary(self._directory / "keys")]
        if self._metadata is not None:
            yield Remnant.METADATA_ROOMS, self._rooms(self._metadata)
        if self._artifacts is not None:
            yield Remnant.CONTENT_ROOMS, self._rooms(self._artifacts)


def versions() -> Mapping[str, str]:
    """Versions of what a repository is made with."""
    found = {"rstuf": "unknown", "python": platform.python_version(), "tuf": "unknown"}
    for name in ("rstuf", "tuf"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return {**found, "sqlite": sqlite3.sqlite_version}


def kind_of(path: str, device: str, mounts: str) -> str | None:
    """The kind of the file system that `path`, without links, is on; None where the table does not tell.

    Args:
        device: "major:minor" of what is at `path`.
        mounts: the text of /proc/self/mountinfo, as proc_pid_mountinfo(5) describes it.
    """
    best, length = None, -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")[0]
        if len(fields) < 5 or not kind:
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]).rstrip("/")
        holds = path == point or path.startswith(point + "/")
        # The number decides where the table has it; some file systems give their files others.
        rank = len(point) + (1 << 16 if fields[2] == device else 0)
        if holds and rank >= length:
            best, length = kind, rank
    return best


def _disk_at(place: Path, mounts: str) -> Disk:
    real = Path(os.path.realpath(place))
    about, room = real.stat().st_dev, os.statvfs(real)
    return Disk(
        path=str(place),
        kind=kind_of(str(real), f"{os.major(about)}:{os.minor(about)}", mounts),
        free=room.f_bavail * room.f_frsize,
        # Those that have no table of files say 0 of both.
        files=room.f_favail if room.f_files else None,
    )


def _read_mounts() -> str:
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _present(paths: Iterator[Path] | Sequence[Path]) -> list[Path]:
    return [path for path in paths if there(path) is not None]


def _temporary(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if TEMPORARY_NAME.fullmatch(path.name))
    except OSError:
        return []


if TYPE_CHECKING:
    _checked: type[Surroundings] = LocalSurroundings

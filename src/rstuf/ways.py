"""The way to a place: every directory that a name is looked up in, links followed as the kernel follows them.

Whoever can rename what is in one of these directories decides what is found at the end. So each of them must belong to
whoever runs rstuf, or to root, and nobody else may write there; but for directories like `/tmp`, where the sticky bit
leaves each entry to its owner, if the entry on the way is theirs. Root may work in another user's directory: a build
job does so that runs in a container, on a checkout of whoever started it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rstuf.durable import storage_error

_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH
# As many as Linux follows.
_MOST_LINKS: Final = 40


@dataclass(frozen=True, slots=True)
class Step:
    """One name that is looked up on the way.

    Attributes:
        directory: where it is looked up; no name in this path is a link.
        about: what that directory is like.
        name: the name.
        found: what has it, itself where it is a link; None where nothing has.
    """

    directory: Path
    about: os.stat_result
    name: str
    found: os.stat_result | None


@dataclass(slots=True)
class Ways:
    """Walks ways, each directory on them once."""

    _known: dict[Path, os.stat_result | None] = field(default_factory=dict)
    _told: set[Path] = field(default_factory=set)

    def to(self, place: Path) -> Iterator[Step]:
        """The steps to a place that no way before it took, as far as there is anything.

        Raises:
            StorageError: something on the way cannot be looked at.
        """
        place = place.absolute()
        here, names, links = Path(place.anchor), _names(place), 0
        while names:
            name = names.pop()
            if name == "..":
                here = here.parent
                continue
            about, found = self._look(here), self._look(here / name)
            if about is None or not stat.S_ISDIR(about.st_mode):
                return
            if here / name not in self._told:
                self._told.add(here / name)
                yield Step(here, about, name, found)
            if found is None:
                return
            if not stat.S_ISLNK(found.st_mode):
                here /= name
                continue
            links += 1
            if links > _MOST_LINKS:
                loop = OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                raise storage_error("look at", str(place), loop)
            target = _read_link(here / name)
            here, names = (Path(target.anchor) if target.anchor else here), [*names, *_names(target)]

    def _look(self, path: Path) -> os.stat_result | None:
        if path not in self._known:
            try:
                self._known[path] = path.lstat()
            except (FileNotFoundError, NotADirectoryError):
                self._known[path] = None
            except OSError as error:
                raise storage_error("look at", str(path), error) from None
        return self._known[path]


def is_ours(found: os.stat_result) -> bool:
    """Whether something belongs to whoever runs this, or to root; where there are no owners, it does."""
    return not hasattr(os, "geteuid") or found.st_uid in {os.geteuid(), 0}


def stranger_on(step: Step) -> tuple[Path, int] | None:
    """What somebody else owns who could so change what has the step's name, and the uid; None where nobody does."""
    if not is_ours(step.about) and not _is_root():
        return step.directory, step.about.st_uid
    if step.found is not None and step.about.st_mode & stat.S_ISVTX and not is_ours(step.found):
        return step.directory / step.name, step.found.st_uid
    return None


def is_open_to_others(step: Step) -> bool:
    """Whether its permissions let somebody else change what has the step's name."""
    mode = step.about.st_mode
    if os.name != "posix" or not mode & _WRITABLE or mode & stat.S_ISVTX:
        return False
    return bool(mode & stat.S_IWOTH) or not (_is_own_group(step.about) or _is_lent_to_root(step.about))


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _is_lent_to_root(found: os.stat_result) -> bool:
    """Whether root is in a directory of another user, whose group is no more a stranger there than its owner is."""
    return _is_root() and found.st_uid != 0


def _is_own_group(found: os.stat_result) -> bool:
    """Whether the group of our own directory is the one that our user has to itself, as far as can be told.

    Where users have groups of their own their umask is often 002, and nothing above a workspace is rstuf's to change.
    """
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(found.st_gid)
    except KeyError:
        # In a container that does not know its user there is nobody else in the group either.
        return found.st_uid == os.geteuid() and found.st_gid == os.getegid()
    alone = group.gr_name == user.pw_name and not set(group.gr_mem) - {user.pw_name}
    return found.st_uid == user.pw_uid and found.st_gid == user.pw_gid and alone


def _names(path: Path) -> list[str]:
    """The names in a path, the first one last."""
    return list(reversed([name for name in path.parts if name != path.anchor]))


def _read_link(path: Path) -> Path:
    try:
        return path.readlink()
    except OSError as error:
        raise storage_error("look at", str(path), error) from None

"""`rstuf.toml`: where the parts of a workspace are. Policy is not here; it is in the state, with what is signed."""

from __future__ import annotations

import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rstuf.durable import storage_error, there
from rstuf.errors import InvalidConfig, WorkspaceNotFound, nearest

FILE_NAME: Final = "rstuf.toml"
STAMPS: Final = "stamps.db"
FORMAT: Final = 1
_MAX_BYTES: Final = 65536
_MAX_REASON: Final = 200


@dataclass(frozen=True, slots=True)
class Config:
    """A workspace's configuration.

    Attributes:
        directory: the workspace.
        state, metadata, artifacts: paths relative to it; `artifacts` is "" where contents are served from elsewhere.
        clients: names of clients that have to be able to read what is published.
    """

    directory: Path
    state: str
    metadata: str
    artifacts: str
    clients: tuple[str, ...] = ()

    @property
    def stamps(self) -> str:
        """Where hashed files are remembered: beside the state."""
        return str(Path(self.state).with_name(STAMPS))

    def path_of(self, location: str) -> Path:
        """A place in the file system, as `location` names it from the workspace."""
        return self.directory / location


def find_workspace(start: Path) -> Path:
    """The nearest directory, from `start` up, that holds `rstuf.toml`.

    Raises:
        WorkspaceNotFound: none does.
        StorageError: one of them cannot be looked at.
    """
    start = start.absolute()
    for directory in (start, *start.parents):
        found = there(directory / FILE_NAME)
        if found is not None and stat.S_ISREG(found.st_mode):
            return directory
    raise WorkspaceNotFound(str(start))


def read_document(path: Path) -> dict[str, Any]:
    """A TOML file of at most 64 KiB.

    Raises:
        StorageError: it cannot be read.
        InvalidConfig: it is not TOML; with the place where it stops to be.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except IsADirectoryError:
        raise InvalidConfig(str(path), "it is a directory") from None
    except OSError as error:
        raise storage_error("read", str(path), error) from error
    if len(data) > _MAX_BYTES:
        raise InvalidConfig(str(path), f"it is longer than {_MAX_BYTES} bytes")
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        before = data[: error.start]
        place = f"line {before.count(10) + 1}, column {error.start - before.rfind(10)}"
        raise InvalidConfig(str(path), f"{place}: this is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        reason, at, place = str(error).rpartition(" (at ")
        where = f"{place.removesuffix(')')}: " if at else ""
        reason = (reason if at else place)[:_MAX_REASON]
        raise InvalidConfig(str(path), f"{where}this is not TOML: {reason[:1].lower()}{reason[1:]}") from None
    except ValueError:
        # What the language refuses to turn into a number, the library lets through as it comes.
        raise InvalidConfig(str(path), "this is not TOML that anybody wrote: a number has too many digits") from None
    except RecursionError:
        raise InvalidConfig(str(path), "this is not TOML that anybody wrote: it is nested too deeply") from None


def read_config(directory: Path) -> Config:
    """The configuration of a workspace.

    Raises:
        InvalidConfig: a value is missing, misplaced or unknown, or it was written by a newer rstuf.
    """
    path = directory / FILE_NAME
    document = read_document(path)
    version = document.pop("format", None)
    if type(version) is not int or version < 1:
        raise InvalidConfig(str(path), "it has no format number")
    if version > FORMAT:
        raise InvalidConfig(str(path), f"it has format {version}; this rstuf knows formats up to {FORMAT}")
    places = {name: document.pop(name, default) for name, default in _PLACES.items()}
    clients = document.pop("clients", [])
    if not isinstance(clients, list) or not all(isinstance(each, str) for each in clients):
        raise InvalidConfig(str(path), "clients must be a list of names")
    if document:
        unknown = sorted(document)[0]
        meant = nearest(unknown, ("format", "clients", *_PLACES))
        guess = f"; did you mean {meant}?" if meant is not None else ""
        raise InvalidConfig(str(path), f"rstuf does not know the key {unknown[:60]!r}{guess}")
    for name, value in places.items():
        if not isinstance(value, str) or "\0" in value or (not value and name != "artifacts"):
            raise InvalidConfig(str(path), f"{name} must be a path or a URL")
        if "://" in value:
            raise InvalidConfig(str(path), f"{name}: this rstuf keeps it in a directory, not at a URL")
    return Config(directory=directory, clients=tuple(clients), **places)


def meets_private(served: str, directory: Path, *, state: str) -> bool:
    """Whether a place that is served, links followed, holds what is private to a workspace, or lies in it.

    Args:
        served, state: paths from the workspace, which is `directory`.
    """
    root = _real(directory)
    private = {root / "keys", _real(directory / "keys"), root / FILE_NAME, _real(directory / state)}
    place = _real(directory / served)
    return any(place == each or place in each.parents or each in place.parents for each in private)


def meets_artifacts(metadata: str, artifacts: str, directory: Path) -> bool:
    """Whether names of artifacts, which others may choose, could become names of metadata: it lies among them.

    Artifacts may lie in the directory of metadata.
    """
    place, among = _real(directory / metadata), _real(directory / artifacts)
    return artifacts != "" and (place == among or among in place.parents)


def _real(path: Path) -> Path:
    """A path without links, as far as it leads anywhere."""
    return Path(os.path.realpath(path))


_PLACES: Final = {"state": "state.db", "metadata": "metadata", "artifacts": "targets"}


def render_config(*, state: str, metadata: str, artifacts: str) -> str:
    """The text of a new `rstuf.toml`."""
    return (
        "# Where this rstuf workspace keeps its parts: paths from here.\n"
        f"format = {FORMAT}\n"
        f"state = {_quoted(state)}\n"
        f"metadata = {_quoted(metadata)}      # what clients fetch\n"
        f"artifacts = {_quoted(artifacts)}     # contents; empty where they are served from elsewhere\n"
        'clients = []              # those that have to be able to read it, such as "tuf-js"\n'
    )


def _quoted(text: str) -> str:
    if not text.isprintable():
        raise InvalidConfig(FILE_NAME, f"{text[:60]!r} cannot be a path here")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

"""A workspace's own files, which are no artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rstuf.config import FILE_NAME, Config, find_workspace, read_config
from rstuf.errors import InvalidConfig, InvalidInput, WorkspaceNotFound


@dataclass(frozen=True, slots=True)
class _Own:
    """A workspace and where its own files are, links resolved.

    Attributes:
        beside: what the names of all files of the state begin with.
    """

    directory: Path
    places: frozenset[Path]
    beside: Path

    @classmethod
    def of(cls, config: Config) -> _Own:
        own = (
            *(FILE_NAME, "keys", config.state, config.metadata, config.artifacts, "write.lock", "publish.lock"),
            *(config.stamps, f"{config.stamps}-journal"),
        )
        places = frozenset(config.path_of(each).resolve() for each in own if each)
        return cls(config.directory, places, config.path_of(config.state).resolve())

    def has(self, real: Path) -> bool:
        if real.parent == self.beside.parent and real.name.startswith(self.beside.name):
            return True
        return real in self.places or not self.places.isdisjoint(real.parents)


class OwnFiles:
    """Keeps a workspace's own files (keys, state, what it serves) from becoming artifacts, however they are named."""

    def __init__(self) -> None:
        """Nothing is known of any workspace yet."""
        # By directory, and by workspace: there may be very many files in both.
        self._known: dict[Path, _Own | None] = {}
        self._read: dict[Path, _Own | None] = {}
        self._real: dict[Path, Path] = {}

    def refuse(self, place: Path) -> None:
        """Refuse a file of a workspace's own.

        Raises:
            InvalidInput: `place` belongs to the workspace that it lies in.
        """
        real = self._resolved(place)
        if real.parent not in self._known:
            self._known[real.parent] = self._look(real.parent)
        own = self._known[real.parent]
        if own is not None and own.has(real):
            raise InvalidInput(
                f"{place} belongs to the workspace {own.directory}",
                hint="name the files that you publish; the workspace's own are none of them",
            )

    def _resolved(self, place: Path) -> Path:
        """`place` without links; directories, which hold many files, are resolved once."""
        if place.is_symlink():
            return place.resolve()
        if place.parent not in self._real:
            self._real[place.parent] = place.parent.resolve()
        return self._real[place.parent] / place.name

    def _look(self, directory: Path) -> _Own | None:
        try:
            workspace = find_workspace(directory)
        except WorkspaceNotFound:
            return None
        if workspace not in self._read:
            try:
                self._read[workspace] = _Own.of(read_config(workspace))
            except InvalidConfig:
                self._read[workspace] = None
        return self._read[workspace]

"""A workspace's own files, which nobody publishes by mistake."""

from __future__ import annotations

from pathlib import Path

from rstuf.config import FILE_NAME, Config, find_workspace, read_config
from rstuf.errors import InvalidConfig, InvalidInput, WorkspaceNotFound


class OwnFiles:
    """Keeps a workspace's own files (keys, state, what it serves) from becoming artifacts, however they are named."""

    def __init__(self) -> None:
        self._known: dict[Path, Config | None] = {}

    def refuse(self, place: Path) -> None:
        """
        Raises:
            InvalidInput: `place` belongs to the workspace that it lies in.
        """
        real = place.resolve()
        config = self._workspace_of(real.parent)
        if config is None:
            return
        for own in (FILE_NAME, "keys", config.state, config.metadata, config.artifacts, "write.lock", "publish.lock"):
            root = config.path_of(own).resolve()
            beside = own == config.state and real.parent == root.parent and real.name.startswith(root.name)
            if own and (real == root or root in real.parents or beside):
                raise InvalidInput(
                    f"{place} belongs to the workspace {config.directory}",
                    hint="name the files that you publish; the workspace's own are none of them",
                )

    def _workspace_of(self, directory: Path) -> Config | None:
        if directory not in self._known:
            try:
                self._known[directory] = read_config(find_workspace(directory))
            except (WorkspaceNotFound, InvalidConfig):
                self._known[directory] = None
        return self._known[directory]

"""Artifacts that are refused, or that are not here."""

from __future__ import annotations

from rstuf.errors.base import RstufError, shorten


class ArtifactConflict(RstufError):
    """A known path is offered with another content and replacing was not asked for."""

    code = "artifact-conflict"

    def __init__(self, path: str, *, signed: str, offered: str) -> None:
        self.path, self.signed, self.offered = path, signed, offered
        super().__init__(
            f"{shorten(path)} is already here with another content: {signed}, offered {offered}",
            hint="publish it under another name, or replace it on purpose with --replace",
        )


class PathTwin(RstufError):
    """Two paths that many file systems hold to be one (case, trailing dots and spaces)."""

    code = "path-twin"

    def __init__(self, path: str, existing: str) -> None:
        self.path, self.existing = path, existing
        super().__init__(
            f"{shorten(path)!r} differs from {shorten(existing)!r} only in ways that many file systems ignore",
            hint="choose another name, or remove the first one and publish before adding this one",
        )


class ArtifactNotFound(RstufError):
    """No such artifact in this repository."""

    code = "artifact-not-found"

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"there is no artifact {shorten(path)!r}", hint="rstuf artifact list shows what there is")


class LimitExceeded(RstufError):
    """A metadata file would be larger than clients read."""

    code = "limit-exceeded"

    def __init__(self, role: str, *, size: int, limit: int) -> None:
        self.role, self.size, self.limit = role, size, limit
        super().__init__(
            f"the metadata of {role} would be {size} bytes and clients read at most {limit}",
            hint="more bins make each of them smaller",
        )

"""Artifacts that are refused, or that are not here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from rstuf.errors.base import Lines, RstufError, shorten


class ArtifactConflict(RstufError):
    """A known path is offered with another content and replacing was not asked for."""

    code = "artifact-conflict"

    def __init__(self, path: str, *, signed: str, offered: str, lines: Lines | None = None) -> None:
        self.path, self.signed, self.offered, self.lines = path, signed, offered, lines
        super().__init__(
            f"{_before(lines)}{shorten(path)} is already here with another content: {signed}, offered {offered}",
            hint="publish it under another name, or replace it on purpose with --replace",
        )

    def at(self, lines: Lines) -> ArtifactConflict:
        """The same, and where it was offered."""
        return ArtifactConflict(self.path, signed=self.signed, offered=self.offered, lines=lines)


class PathRepeated(RstufError):
    """One input gives two different contents for one path. Nothing was changed."""

    code = "path-repeated"

    def __init__(self, path: str, *, first: str, second: str, lines: Lines | None = None) -> None:
        self.path, self.first, self.second, self.lines = path, first, second, lines
        super().__init__(
            f"{_before(lines)}two different contents for {shorten(path)}: {first}, and {second}",
            hint="nothing was taken; keep the one that is right (--replace does not choose) and run it again",
        )

    def at(self, lines: Lines) -> PathRepeated:
        """The same, and where both stand."""
        return PathRepeated(self.path, first=self.first, second=self.second, lines=lines)


class PathTwin(RstufError):
    """Two paths that many file systems hold to be one (case, trailing dots and spaces)."""

    code = "path-twin"

    def __init__(self, path: str, existing: str, *, lines: Lines | None = None) -> None:
        self.path, self.existing, self.lines = path, existing, lines
        super().__init__(
            f"{_before(lines)}{shorten(path)!r} differs from {shorten(existing)!r} only in ways that many file systems "
            "ignore",
            hint="choose another name, or remove the first one and publish before adding this one",
        )

    def at(self, lines: Lines) -> PathTwin:
        """The same, and where those of both stand that were offered."""
        return PathTwin(self.path, self.existing, lines=lines)


class HashMismatch(RstufError):
    """A file does not hash to what a listing says. Nothing was changed."""

    code = "hash-mismatch"

    def __init__(self, path: str, *, algorithm: str, listed: str, found: str, lines: Lines) -> None:
        self.path, self.algorithm, self.listed, self.found, self.lines = path, algorithm, listed, found, lines
        super().__init__(
            f"{lines}: {shorten(path)} does not hash to what is listed: {algorithm} {listed}, and it is {found}",
            hint="nothing was taken; a listing cannot list itself: leave that line out"
            if path == PurePath(lines.source).name
            else "nothing was taken; the file or the listing is damaged or old: make whichever it is anew",
        )


class ArtifactNotFound(RstufError):
    """No such artifact in this repository."""

    code = "artifact-not-found"

    def __init__(self, path: str, *, hint: str = "rstuf artifact list shows what there is") -> None:
        self.path = path
        super().__init__(f"there is no artifact {shorten(path)!r}", hint=hint)


class LimitExceeded(RstufError):
    """A metadata file would be larger than clients read."""

    code = "limit-exceeded"

    def __init__(self, role: str, *, size: int, limit: int) -> None:
        self.role, self.size, self.limit = role, size, limit
        super().__init__(
            f"the metadata of {role} would be {size} bytes and clients read at most {limit}",
            hint="more bins make each of them smaller: rstuf bins advise, then rstuf bins resize COUNT",
        )


def _before(lines: Lines | None) -> str:
    return "" if lines is None else f"{lines}: "


class PathsNotDelegated(RstufError):
    """Artifacts that no delegation is for, so that no client would find them."""

    code = "paths-not-delegated"

    def __init__(self, paths: Sequence[str], *, more: int = 0, hint: str) -> None:
        self.paths, self.more = tuple(paths), more
        named = ", ".join(shorten(path) for path in paths)
        further = f" and {more} more" if more else ""
        super().__init__(f"no delegation is for {named}{further}: no client would find that", hint=hint)


class PathsDisputed(RstufError):
    """Artifacts that some clients would look for in one role, and others in another one."""

    code = "paths-disputed"

    def __init__(self, paths: Sequence[str], *, more: int = 0, role: str, pattern: str) -> None:
        self.paths, self.more, self.role, self.pattern = tuple(paths), more, role, pattern
        named = ", ".join(shorten(path) for path in paths)
        further = f" and {more} more" if more else ""
        super().__init__(
            f"clients do not agree on whether {shorten(pattern)} of {role} is for {named}{further}",
            hint="a wildcard should stand for no dot that a segment begins with, and ? for no character beyond U+FFFF",
        )


class ClientsExcluded(RstufError):
    """A client that a workspace names could not read what is to be published."""

    code = "clients-excluded"

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        told = "; ".join(f"{name}: {why}" for name, why in self.reasons.items())
        super().__init__(
            f"a client that has to read this could not: {told}",
            hint="nothing was published; clients in rstuf.toml, and --compat, say which have to",
        )

"""Texts that hypothesis makes up, and which of them are paths of artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rstuf.errors import InvalidPath
from rstuf.model.names import TargetPath, target_path


def is_path(text: str) -> bool:
    """Whether the grammar of paths has it."""
    return bool(paths_among([text]))


def paths_among(texts: Iterable[str]) -> list[TargetPath]:
    """Those of the texts that are paths."""
    return list(_paths(texts))


def _paths(texts: Iterable[str]) -> Iterator[TargetPath]:
    for text in texts:
        try:
            yield target_path(text)
        except InvalidPath:
            continue

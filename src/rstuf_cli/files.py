"""Files that a command line names: patterns that no shell has expanded, and small ones read whole, within bounds."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from rstuf.errors import FileTooLarge, InputMissing, InvalidInput, StorageError


def read_small(path: Path, *, limit: int) -> bytes:
    """A file's bytes.

    Raises:
        InputMissing: it is not there.
        FileTooLarge: it has more than `limit` bytes.
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise InputMissing(str(path)) from None
    except OSError as error:
        raise StorageError("read", str(path), (error.strerror or "it cannot be read").lower()) from None
    if len(data) > limit:
        raise FileTooLarge(str(path), limit=limit)
    return data


def expanded(paths: Iterable[Path]) -> list[Path]:
    """`paths` with every pattern (`*`, `?`, `[…]`, `**` for directories) replaced by what matches it, sorted.

    A quoted pattern comes here as it is, and every one from a shell that expands none. What has such a name is meant
    itself.

    Raises:
        InvalidInput: nothing matches a pattern.
    """
    found = []
    for path in paths:
        if not glob.has_magic(str(path)) or os.path.lexists(path):
            found.append(path)
            continue
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  (hidden files are left out, as by shells)
        if not matches:
            raise InvalidInput(
                f"nothing matches {path}",
                hint="nothing was taken; look at the names: a pattern starts from the current directory",
            )
        found += map(Path, matches)
    return found

"""Small files that a command line names, read whole and within bounds."""

from __future__ import annotations

from pathlib import Path

from rstuf.errors import FileMissing, FileTooLarge, StorageError


def read_small(path: Path, *, limit: int) -> bytes:
    """A file's bytes.

    Raises:
        FileMissing: it is not there.
        FileTooLarge: it has more than `limit` bytes.
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise FileMissing(str(path)) from None
    except OSError as error:
        raise StorageError("read", str(path), (error.strerror or "it cannot be read").lower()) from None
    if len(data) > limit:
        raise FileTooLarge(str(path), limit=limit)
    return data

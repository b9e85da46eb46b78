"""Which form an import has, and who takes it in."""

from __future__ import annotations

import re
import sys
from enum import Enum, StrEnum, auto
from pathlib import Path
from typing import Any, BinaryIO, Final

import rstuf
from rstuf.errors import FileMissing, InvalidInput, StorageError
from rstuf_cli.failures import UsageFault

_HEAD_BYTES: Final = 4096
_CHECKSUM: Final = re.compile(rb"[0-9A-Fa-f]{64} [ *]")
_CSV: Final = re.compile(rb"[^;\r\n]+;[0-9]+;[A-Za-z0-9-]+;[0-9A-Fa-f]+\s")
_SUFFIXES: Final = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".sha256": "sha256sums"}


class ImportFormat(StrEnum):
    """What an import may be."""

    NDJSON = "ndjson"
    CSV = "csv"
    SHA256SUMS = "sha256sums"


class Contents(Enum):
    """Whether the bytes of artifacts came along, or only what is known of them."""

    TAKEN = auto()
    ELSEWHERE = auto()


def take_in(
    repository: rstuf.Repository,
    file: Path,
    *,
    form: ImportFormat | None,
    base: Path | None,
    conflict: rstuf.Conflict,
) -> tuple[rstuf.AcceptedChange, Contents]:
    """Accept what a file (`-`: stdin) lists; the change, and where its contents are.

    Raises:
        InvalidInput: its form is not clear, or a line cannot be read; nothing was taken.
        StorageError: it cannot be read.
    """
    try:
        with _opened(file) as stream:
            form = form or _form_of(file, stream)
            if form is not ImportFormat.SHA256SUMS:
                if base is not None:
                    raise UsageFault(f"--base is for sha256sums, and this is {form}")
                records = rstuf.RecordFormat(str(form))
                change = repository.import_records(stream, form=records, source=str(file), conflict=conflict)
                return change, Contents.ELSEWHERE
    except FileNotFoundError:
        raise FileMissing(str(file)) from None
    except IsADirectoryError:
        raise InvalidInput(f"{file} is a directory", hint="rstuf artifact add takes directories") from None
    except PermissionError as error:
        raise StorageError("read", str(file), (error.strerror or "it cannot be read").lower()) from None
    return repository.add_files(_listed(file, base), conflict=conflict), Contents.TAKEN


def guess(name: str, head: bytes) -> ImportFormat | None:
    """The form that a file's name, else its first bytes, speak for; None where neither does."""
    path = Path(name.lower())
    if path.name.startswith("sha256sum"):
        return ImportFormat.SHA256SUMS
    if path.suffix in _SUFFIXES:
        return ImportFormat(_SUFFIXES[path.suffix])
    head = head.lstrip()
    if head.startswith(b"{"):
        return ImportFormat.NDJSON
    if _CHECKSUM.match(head):
        return ImportFormat.SHA256SUMS
    return ImportFormat.CSV if _CSV.match(head) else None


def _opened(file: Path) -> BinaryIO:
    if str(file) != "-":
        return file.open("rb", buffering=1 << 20)
    # A descriptor of its own: closing it leaves stdin as it was.
    return open(sys.stdin.fileno(), "rb", buffering=1 << 20, closefd=False)


def _form_of(file: Path, stream: BinaryIO) -> ImportFormat:
    head = stream.peek(_HEAD_BYTES)[:_HEAD_BYTES]  # type: ignore[attr-defined]
    found = guess("" if str(file) == "-" else file.name, head)
    if found is None:
        raise InvalidInput(
            f"neither the name nor the beginning of {file} says what it is",
            hint="say it: --format ndjson, csv or sha256sums",
        )
    if found is ImportFormat.SHA256SUMS and str(file) == "-":
        raise InvalidInput("a SHA256SUMS listing comes in on stdin", hint="say so beforehand: --format sha256sums")
    return found


def _listed(file: Path, base: Path | None) -> Any:
    if str(file) != "-":
        return rstuf.find_listed_files(file, base=base)
    return rstuf.find_listed_files(Path("/dev/stdin"), base=base or Path.cwd())

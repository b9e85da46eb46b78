"""Which form an import has, and who takes it in."""

from __future__ import annotations

import re
import sys
from enum import Enum, StrEnum, auto
from pathlib import Path
from typing import BinaryIO, Final

import rstuf
from rstuf.errors import InputMissing, InvalidInput, StorageError
from rstuf_cli.failures import UsageFault
from rstuf_cli.files import open_steady

_HEAD_BYTES: Final = 4096
_CHECKSUM: Final = re.compile(
    rb"\\?([0-9A-Fa-f]{64}|[0-9A-Fa-f]{128}) [ *]|\\?SHA(2-)?(256|512) ?\(|Algorithm +(:|Hash)"
)
_CSV: Final = re.compile(rb"[^\r\n]+[;,][0-9]+[;,][A-Za-z0-9-]+[;,]\"?[0-9A-Fa-f]+\"?\s")
_CSV_HEADER: Final = re.compile(rb"(?i)\"?(path|length|size|sha256|sha512|algorithm|hash([-_ ]type)?|digest)\"?[;,]")
# Byte-order marks, as Windows tools write them.
_MARK: Final = b"\xef\xbb\xbf"
# How other things begin than text in UTF-8: none of the forms, and the reader of any says why.
_NO_TEXT: Final = (b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")
_SUFFIXES: Final = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".csv": "csv",
    ".sha256": "sha256sums",
    ".sha512": "sha256sums",
}


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
        InputMissing, StorageError: it is not there, or cannot be read.
    """
    source = "stdin" if _is_stdin(file) else str(file)
    try:
        with _opened(file) as stream:
            form = form or _form_of(file, stream, source)
            if form is not ImportFormat.SHA256SUMS:
                if base is not None:
                    hint = "leave --base out; what records name is served from elsewhere"
                    raise UsageFault(f"--base is for sha256sums, and this is {form}", hint=hint)
                records = rstuf.RecordFormat(str(form))
                change = repository.import_records(stream, form=records, source=source, conflict=conflict)
                return change, Contents.ELSEWHERE
            # Where a listing says nothing of it, its names mean what they mean to sha256sum.
            beside = Path.cwd() if _is_stdin(file) else file.absolute().parent
            listed = rstuf.find_listed_files(stream, source=source, base=base or beside)
    except (FileNotFoundError, NotADirectoryError):
        raise InputMissing(source) from None
    except IsADirectoryError:
        raise InvalidInput(f"{source} is a directory", hint="rstuf artifact add takes directories") from None
    except OSError as error:
        raise StorageError("read", source, (error.strerror or "it cannot be read").lower()) from None
    return repository.add_files(listed, conflict=conflict), Contents.TAKEN


def guess(name: str, head: bytes) -> ImportFormat | None:
    """The form that a file's name, else its first bytes, speak for; None where neither does."""
    path = Path(name.lower())
    if path.name.startswith(("sha256sum", "sha512sum")):
        return ImportFormat.SHA256SUMS
    if path.suffix in _SUFFIXES:
        return ImportFormat(_SUFFIXES[path.suffix])
    head = head.removeprefix(_MARK).lstrip()
    if head.startswith((b"{", b"[")):
        return ImportFormat.NDJSON
    if _CHECKSUM.match(head):
        return ImportFormat.SHA256SUMS
    return ImportFormat.CSV if _CSV.match(head) or _CSV_HEADER.match(head) else None


def _is_stdin(file: Path) -> bool:
    return str(file) == "-"


def _opened(file: Path) -> BinaryIO:
    return open_steady(sys.stdin.fileno() if _is_stdin(file) else file)


def _form_of(file: Path, stream: BinaryIO, source: str) -> ImportFormat:
    head = stream.peek(_HEAD_BYTES)[:_HEAD_BYTES]  # type: ignore[attr-defined]
    name = "" if _is_stdin(file) else file.name
    if head.startswith(_NO_TEXT):
        return guess(name, b"") or ImportFormat.NDJSON
    found = guess(name, head)
    if found is None and not head:
        raise InvalidInput(
            f"{source} is empty", hint="nothing was taken; where no records at all are meant, say --format"
        )
    if found is None:
        raise InvalidInput(
            f"neither the name nor the beginning of {source} says what it is",
            hint="say it: --format ndjson, csv or sha256sums",
        )
    return found

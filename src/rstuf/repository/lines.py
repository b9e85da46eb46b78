"""Text that others wrote, line by line: never more than one line in memory, and whatever is no such text refused.

Lines end with LF or CR LF. A byte-order mark is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from rstuf.errors import InvalidInput, InvalidRecord

MAX_LINE_BYTES: Final = 1 << 20
# What Windows tools write at the start of a text: U+FEFF in UTF-8, which says nothing, and in UTF-16.
_MARK: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
# How files begin that hold a text, but are none, and what brings it out.
_PACKED: Final = (
    (b"\x1f\x8b", "gzip", "gunzip -c"),
    (b"BZh", "bzip2", "bunzip2 -c"),
    (b"\xfd7zXZ\x00", "xz", "xz -dc"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd -dc"),
    (b"PK\x03\x04", "zip", "unzip -p"),
)


class LineStream(Protocol):
    """Bytes that can be read line by line, as of a binary file."""

    def readline(self, size: int, /) -> bytes:
        """The next line with its end, or `size` bytes of it; b"" at the end of the stream."""


def numbered_lines(stream: LineStream, *, source: str, strip: bytes) -> Iterator[tuple[int, bytes]]:
    """Each line that is not empty, with its number from 1.

    Args:
        source: what to call the stream in messages.
        strip: bytes that say nothing at either end of a line.

    Raises:
        InvalidRecord: a line is too long.
        InvalidInput: it is no UTF-8 text at all.
    """
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            line = _unmarked(line, source)
        if len(line) > MAX_LINE_BYTES:
            raise refused_line(source, number, line, f"the line is longer than {MAX_LINE_BYTES} bytes")
        line = line.strip(strip)
        if line:
            yield number, line


def refused_line(source: str, number: int, line: bytes, reason: str, *, hint: str | None = None) -> InvalidRecord:
    """Why a line is refused. Where line ends of old Macs made many lines one, that is the reason."""
    # What has NUL bytes is no text, and has every other byte too.
    if b"\r" in line.rstrip(b"\r\n") and b"\0" not in line:
        reason = "a CR stands within the line; lines end with LF or CR LF"
        hint = "nothing of this import was taken; if CR ends its lines, tr '\\r' '\\n' makes them LF"
    return InvalidRecord(source, number, reason, hint=hint)


def _unmarked(start: bytes, source: str) -> bytes:
    """The first line without a byte-order mark."""
    if start.startswith(_UTF_16) or b"\0" in start[:2]:
        raise InvalidInput(
            f"{source} cannot be read: it is UTF-16 text, or none at all, and not UTF-8",
            hint="nothing was taken; write it again as UTF-8 (PowerShell: Set-Content -Encoding utf8)",
        )
    for magic, name, unpack in _PACKED:
        if start.startswith(magic):
            raise InvalidInput(
                f"{source} cannot be read: it is packed with {name}",
                hint=f"nothing was taken; unpack it first ({unpack}), into a file or through a pipe to import -",
            )
    return start.removeprefix(_MARK)

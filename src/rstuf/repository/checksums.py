"""Checksum listings (SHA256SUMS and their like): files, and what each must hash to.

Read are the forms of GNU coreutils (`HASH  NAME`, `HASH *NAME`), of BSD and `--tag` (`SHA256 (NAME) = HASH`) and of
OpenSSL (`SHA2-256(NAME)= HASH`). What PowerShell prints is refused: it cuts names off where the screen ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from rstuf.errors import InvalidInput, InvalidPath, InvalidRecord
from rstuf.model.artifacts import HASH_HEX_LENGTH, ListedHash
from rstuf.model.names import TargetPath, target_path
from rstuf.repository.lines import LineStream, numbered_lines, refused_line

_PLAIN: Final = re.compile(r"(?P<escaped>\\?)(?P<hash>[0-9A-Fa-f]+) [ *](?P<path>.+)", re.DOTALL)
_TAGGED: Final = re.compile(
    r"(?P<escaped>\\?)(?P<algorithm>[A-Z0-9-]+) ?\((?P<path>.+)\) ?= (?P<hash>[0-9A-Fa-f]+)", re.DOTALL
)
_ALGORITHMS: Final[Mapping[str, str]] = {
    "SHA256": "sha256",
    "SHA2-256": "sha256",
    "SHA512": "sha512",
    "SHA2-512": "sha512",
}
# Of a bare hash its length tells; all who write such listings mean these.
_BY_LENGTH: Final[Mapping[int, str]] = {HASH_HEX_LENGTH[name]: name for name in ("sha256", "sha512")}
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPES: Final[Mapping[str, str]] = {"\\": "\\", "n": "\n", "r": "\r"}
_POWERSHELL: Final = re.compile(r"Algorithm *:|Algorithm +Hash +Path")
_FOR_POWERSHELL: Final = (
    "nothing was taken; let PowerShell write it so: Get-ChildItem -File | Get-FileHash | "
    'ForEach-Object { "$($_.Hash)  $(Split-Path $_.Path -Leaf)" } | Set-Content -Encoding utf8 SHA256SUMS'
)


@dataclass(frozen=True, slots=True)
class Checksum:
    """A line of a listing: a file beside it, and what it must hash to."""

    path: TargetPath
    listed: ListedHash


def read_checksums(stream: LineStream, *, source: str) -> Iterator[Checksum]:
    """The lines of a listing; one leading `./` is what `sha256sum ./*` writes, and `#` begins a comment.

    Args:
        source: what to call the listing in messages.

    Raises:
        InvalidRecord: a line is not of one of those forms.
        InvalidInput: it is no UTF-8 at all.
    """
    for number, line in numbered_lines(stream, source=source, strip=b"\r\n"):
        if line.startswith(b"#") or line.isspace():
            continue
        try:
            path, algorithm, digest = _read(line)
        except InvalidInput as error:
            raise _refused(source, number, line, error) from None
        yield Checksum(path, ListedHash(algorithm=algorithm, digest=digest, source=source, line=number))


def _refused(source: str, number: int, line: bytes, error: InvalidInput) -> InvalidRecord:
    hint = None if isinstance(error, InvalidPath) else error.hint
    return refused_line(source, number, line, error.message, hint=hint)


def _read(line: bytes) -> tuple[TargetPath, str, str]:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise InvalidInput("it is not UTF-8") from None
    match = _PLAIN.fullmatch(text) or _TAGGED.fullmatch(text)
    if match is None:
        if _POWERSHELL.match(text):
            raise InvalidInput("it is what PowerShell shows on the screen, which is no listing", hint=_FOR_POWERSHELL)
        if text.startswith("-----BEGIN PGP"):
            hint = "nothing was taken; take the listing out of its signature: gpg --output SHA256SUMS --decrypt FILE"
            raise InvalidInput("it is signed by PGP", hint=hint)
        raise InvalidInput("neither 'HASH  PATH' nor 'SHA256 (PATH) = HASH'")
    digest, path = match["hash"].lower(), match["path"]
    algorithm = _algorithm(match.groupdict().get("algorithm"), digest)
    if match["escaped"]:
        path = _ESCAPE.sub(_unescape, path)
    return target_path(path.removeprefix("./")), algorithm, digest


def _algorithm(name: str | None, digest: str) -> str:
    algorithm = _BY_LENGTH.get(len(digest)) if name is None else _ALGORITHMS.get(name)
    if name is not None and algorithm is None:
        raise InvalidInput(f"it lists {name}; SHA256 and SHA512 are read")
    if algorithm is None or len(digest) != HASH_HEX_LENGTH[algorithm]:
        raise InvalidInput(f"a hash of {len(digest)} hex digits; SHA-256 has 64 and SHA-512 has 128")
    return algorithm


def _unescape(match: re.Match[str]) -> str:
    if match[1] not in _ESCAPES:
        raise InvalidInput(f"the name has the unknown escape {match[0]!r}")
    return _ESCAPES[match[1]]

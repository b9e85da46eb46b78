"""Metadata and contents over HTTP, read only: a repository as its clients see it.

The one module that imports httpx, and only when a source is made. A server is not trusted with anything: not with the
size of an answer, not with how long it takes, and not with where it sends us.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Final, cast
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from rstuf.errors import FileMissing, FileTooLarge, InvalidInput, StorageError, shorten
from rstuf.model.names import TargetPath
from rstuf.storage.mirrors import Piece

if TYPE_CHECKING:
    import httpx
    from _typeshed import WriteableBuffer

MAX_REDIRECTS: Final = 5
TRIES: Final = 2
CONNECT_TIMEOUT: Final = 10.0
READ_TIMEOUT: Final = 30.0
# A metadata file has a few megabytes at most; one that takes longer is being held back. So is a content whose answer
# does not begin by then; how long it takes after that is its reader's matter.
METADATA_DEADLINE: Final = 120.0
# No repository has it: whoever answers with it answers everything.
_ABSENT: Final = "rstuf-verify-absent/"
# What may stand in a URL's path as it is; the rest of a target path is escaped.
_SAFE: Final = "/~!$&'()*+,;=:@"
_TRY_AGAIN: Final = "check the URL and the connection to its server, then run the same command again"
_ASK: Final = "check the URL; if it is right, ask its publisher about it"
_ERRNO: Final = re.compile(r"\A\[Errno -?\d+\] ")
# Statuses that python-tuf takes for "there is no such file".
_MISSING: Final = frozenset({403, 404})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OK: Final = 200
_PART: Final = 206
# What may come of asking for a part: the part, the whole, or "there is no such part".
_OF_PARTS: Final = frozenset({_OK, _PART, 416})
_RANGE: Final = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", re.ASCII)


class _WebSource:
    """One base URL and the connections to it. Usable from several threads; a context manager."""

    def __init__(self, url: str, *, timeout: float = READ_TIMEOUT) -> None:
        """Nothing is asked of the server yet.

        Args:
            url: `http` or `https`, with or without a slash at its end; what is read lies below it.
            timeout: seconds of silence after which a read has failed.

        Raises:
            InvalidInput: it is no such URL.
        """
        import httpx

        from rstuf.storage.deadlines import Deadline, bound

        parts = _parts(url)
        # A name and password go into a header of requests to this very place, and nowhere else.
        self._auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._origin = parts.scheme, _place(parts)
        self.shown = self._base = urlunsplit((*self._origin, parts.path, "", ""))
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout)),
            # What is read is compared with hashes and signatures: it is wanted as it is stored.
            headers={"Accept-Encoding": "identity", "User-Agent": "rstuf"},
            follow_redirects=False,
        )
        self._deadline = Deadline()
        bound(self._client, self._deadline)

    def __enter__(self) -> _WebSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    @contextmanager
    def _get(self, name: str, *, start: int = 0, total: int | None = None) -> Iterator[httpx.Response]:
        """The answer for a name below the base, its body not read yet.

        Args:
            start: the byte from which on it is asked for; then the answer may be for a part of it, or for none.
            total: how long it should be; it tells a compressed answer from a compressed file.
        """
        import httpx

        url = self._base + quote(name, safe=_SAFE)
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            with self._deadline.within(METADATA_DEADLINE):
                response = self._follow(url, name, headers)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise StorageError("read", self._show(name), _reason(error), hint=_TRY_AGAIN) from error
        try:
            self._check(response, name, good=_OF_PARTS if start else {_OK})
            self._check_encoding(response, name, total)
            yield response
        finally:
            response.close()

    def _follow(self, url: str, name: str, headers: Mapping[str, str]) -> httpx.Response:
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(url, headers)
            if response.status_code not in _REDIRECTS or "location" not in response.headers:
                return response
            response.close()
            following = urljoin(url, response.headers["location"])
            if urlsplit(following).scheme != urlsplit(url).scheme:
                where = f"{urlsplit(following).scheme[:20]}://{(urlsplit(following).hostname or '')[:80]}"
                raise StorageError(
                    "read",
                    self._show(name),
                    f"the server redirects to {where}",
                    hint="use that URL if it is the right one",
                )
            url = following
        raise StorageError("read", self._show(name), f"the server redirects more than {MAX_REDIRECTS} times", hint=_ASK)

    def _send(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        """One request, tried again if the connection fails before there is an answer."""
        import httpx

        parts = urlsplit(url)
        auth = self._auth if (parts.scheme, _place(parts)) == self._origin else None
        for remaining in range(TRIES - 1, -1, -1):
            try:
                request = self._client.build_request("GET", url, headers=dict(headers))
                return self._client.send(request, stream=True, auth=auth)
            except (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError):
                if not remaining:
                    raise
        raise AssertionError("a try returns or raises")

    def _check(self, response: httpx.Response, name: str, *, good: Collection[int]) -> None:
        if response.status_code in _MISSING:
            raise FileMissing(self._show(name), hint="check the URL: clients find no such file there")
        if response.status_code not in good:
            raise StorageError("read", self._show(name), f"the server answers {response.status_code}", hint=_TRY_AGAIN)

    def _check_encoding(self, response: httpx.Response, name: str, total: int | None) -> None:
        if response.headers.get("content-encoding", "identity").strip().lower() in {"", "identity"}:
            return
        # Many servers say so of a file that is a .gz itself: then its bytes are those that were signed, and as many.
        part = _part_of(response)
        if total is None or total != (part[1] if part else _declared(response)):
            reason = "the server sends it compressed though that was not asked for"
            raise StorageError("read", self._show(name), reason, hint=_ASK)

    def _show(self, name: str) -> str:
        return f"{self.shown}{shorten(name)}"


class WebMetadataSource(_WebSource):
    """Metadata below a URL, as clients fetch it."""

    def __enter__(self) -> WebMetadataSource:
        return self

    def read(self, name: str, *, limit: int) -> bytes:
        """A file's bytes.

        Raises:
            FileMissing: the server answers 404 or 403, which clients take for the same.
            FileTooLarge: it is longer than `limit` bytes.
            StorageError: any other answer, or none.
        """
        found = bytearray()
        with self._deadline.within(METADATA_DEADLINE), self._get(name) as response:
            if int(_digits(response.headers.get("content-length"))) > limit:
                raise FileTooLarge(self._show(name), limit=limit)
            for chunk in self._chunks(response, name):
                found += chunk
                if len(found) > limit:
                    raise FileTooLarge(self._show(name), limit=limit)
        return bytes(found)

    def head(self, name: str, *, size: int) -> bytes | None:
        """The first `size` bytes of a file, or all that it has; None where the server has none of this very name.

        Raises:
            StorageError: the server does not answer.
        """
        with self._deadline.within(READ_TIMEOUT):
            return self._head(name, size)

    def _head(self, name: str, size: int) -> bytes | None:
        import httpx

        try:
            response = self._follow(self._base + quote(name, safe=_SAFE), name, {})
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise StorageError("read", self._show(name), _reason(error), hint=_TRY_AGAIN) from error
        try:
            # Led elsewhere, as to a page to log in on, one does not have it.
            if response.status_code != _OK or not response.url.path.endswith(f"/{name}"):
                return None
            found = bytearray()
            for chunk in self._chunks(response, name):
                found += chunk
                if len(found) >= size:
                    break
            return bytes(found[:size])
        finally:
            response.close()

    def has_directory(self, name: str) -> bool:
        """Whether the server has something to say of a directory, and not of every other one as well.

        Raises:
            StorageError: the server does not answer.
        """
        return self.head(f"{name}/", size=1) is not None and self.head(_ABSENT, size=1) is None

    def _chunks(self, response: httpx.Response, name: str) -> Iterator[bytes]:
        import httpx

        try:
            yield from response.iter_raw()
        except httpx.HTTPError as error:
            raise StorageError("read", self._show(name), _reason(error), hint=_TRY_AGAIN) from error


class WebContentSource(_WebSource):
    """Contents below a URL, under the names that clients ask for: the hash before the last segment (TUF §7.2)."""

    def __enter__(self) -> WebContentSource:
        return self

    @contextmanager
    def open(self, path: TargetPath, hashes: Mapping[str, str]) -> Iterator[BinaryIO]:
        """The content that is stored under the first of `hashes`; its reader decides how much of it is read.

        Raises:
            FileMissing: the server answers 404 or 403.
            StorageError: any other answer, or none; also while it is read.
        """
        directory, slash, last = path.rpartition("/")
        name = f"{directory}{slash}{next(iter(hashes.values()))}.{last}"
        with self._get(name) as response, _Body(response, self._show(name)) as body:
            yield cast(BinaryIO, body)

    @contextmanager
    def open_piece(self, name: str, *, start: int, total: int) -> Iterator[Piece]:
        """The content of this name, from byte `start` on where the server can; `total` is how long it should be.

        Raises:
            FileMissing: the server answers 404 or 403.
            StorageError: any other answer, or none; also while it is read.
        """
        if start:
            with self._get(name, start=start, total=total) as response:
                # A part of another content, or another part, is no use: then the whole is asked for.
                if response.status_code == _OK or _part_of(response) == (start, total):
                    with _Body(response, self._show(name)) as body:
                        yield Piece(0 if response.status_code == _OK else start, _declared(response), body)
                    return
        with self._get(name, total=total) as response, _Body(response, self._show(name)) as body:
            yield Piece(0, _declared(response), body)


class _Body(io.RawIOBase):
    """An answer's body as a file."""

    def __init__(self, response: httpx.Response, shown: str) -> None:
        self._chunks = response.iter_raw()
        self._shown = shown
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        import httpx

        while not self._rest:
            try:
                self._rest = memoryview(next(self._chunks))
            except StopIteration:
                return 0
            except httpx.HTTPError as error:
                raise StorageError("read", self._shown, _reason(error), hint=_TRY_AGAIN) from error
        wanted = memoryview(buffer).cast("B")
        count = min(len(wanted), len(self._rest))
        wanted[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _parts(url: str) -> SplitResult:
    """A base URL, its path with a slash at its end."""
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        raise InvalidInput("the URL cannot be read", hint="write it like https://example.org/metadata/") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidInput("it is not an http or https URL", hint="for a directory, give its path without a scheme")
    if parts.query or parts.fragment:
        raise InvalidInput("a base URL has no ? and no #", hint="give the URL that metadata lies below")
    return parts if parts.path.endswith("/") else parts._replace(path=f"{parts.path}/")


def _place(parts: SplitResult) -> str:
    """Host and port, without a name and password."""
    host = parts.hostname or ""
    place = f"[{host}]" if ":" in host else host
    return place if parts.port is None else f"{place}:{parts.port}"


def _declared(response: httpx.Response) -> int | None:
    """How many bytes an answer says it has."""
    value = response.headers.get("content-length")
    return int(_digits(value)) if value is not None else None


def _part_of(response: httpx.Response) -> tuple[int, int] | None:
    """Where the part begins that an answer says it is, and how long the whole is; None where it says nothing sound."""
    found = _RANGE.fullmatch(response.headers.get("content-range", "").strip())
    if response.status_code != _PART or found is None:
        return None
    first, last, whole = map(int, found.groups())
    return (first, whole) if last == whole - 1 else None


def _digits(value: str | None) -> str:
    return value if value is not None and value.isascii() and value.isdigit() and len(value) < 16 else "0"


def _reason(error: Exception) -> str:
    """What went wrong; httpx leaves some of its messages empty, and begins others with the system's number."""
    text = _ERRNO.sub("", str(error)) or type(error).__name__
    return text[:1].lower() + text[1:] if text[1:2].islower() else text

"""Repositories over HTTP, from real servers on this machine: friendly ones, broken ones and hostile ones."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn

import pytest
from tests.support.servers import running
from tests.support.tuf_repo import NOW, Keys, Repo, succinct

from rstuf.errors import FileMissing, FileTooLarge, InvalidInput, StorageError
from rstuf.model.names import target_path
from rstuf.repository.verify import Depth, verify
from rstuf.storage.web import WebContentSource, WebMetadataSource

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def _server(answer: Answer) -> Iterator[str]:
    """A server on a free port that answers every GET by `answer`; its base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer waits 40 ms for a client to acknowledge its head

        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with running(server) as url:
        yield f"{url}repo"


def _send(handler: BaseHTTPRequestHandler, data: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content_Length": str(len(data)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


def _endless(handler: BaseHTTPRequestHandler) -> None:
    """A body that goes on until nobody reads it."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x" * 65536)
    except OSError:
        handler.close_connection = True


def _serve(repo: Repo, seen: list[Any] | None = None) -> Answer:
    """What a plain web server does with a directory, `/repo/` for metadata and `/repo/targets/` for contents."""
    from urllib.parse import unquote

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if seen is not None:
            seen.append((handler.path, dict(handler.headers)))
        name = unquote(handler.path.removeprefix("/repo/"))
        data = repo.contents.get(name.removeprefix("targets/")) if "/" in name else repo.files.get(name)
        _send(handler, b"nothing here" if data is None else data, 404 if data is None else 200)

    return answer


@pytest.mark.parametrize("readers", [1, 8])
def test_a_repository_is_verified_over_http(readers: int) -> None:
    """Everything is checked through a URL as through a directory, one file at a time or several."""
    paths = ["plain.txt", "with space/ünï.bin", "a;b=c@d/e+f&g.txt", "~tilde/x'y(z)!.bin"]
    repo = succinct(bits=3, artifacts={path: path.encode() for path in paths}, root=Keys("a", "b", threshold=2))
    repo.rotate_root()
    seen: list[Any] = []
    with (
        _server(_serve(repo, seen)) as url,
        WebMetadataSource(url) as source,
        WebContentSource(f"{url}/targets/") as contents,
    ):
        report = verify(
            source,
            trusted_root=repo.trusted,
            now=NOW,
            contents=contents,
            depth=Depth.FULL,
            readers=readers,
        )
    assert report.problems == ()
    assert report.checked["contents"] == 4
    assert report.checked["client_downloads"] == 3  # two of them share a bin
    assert {headers["Accept-Encoding"] for _, headers in seen} == {"identity"}


def test_damage_is_found_over_http() -> None:
    """What is missing or changed on the server is a problem as anywhere else."""
    repo = succinct(bits=2, artifacts={"a": b"1", "b": b"2", "c": b"3"})
    del repo.files["1.bins-2.json"]
    repo.contents[next(iter(repo.contents))] = b"x"
    with _server(_serve(repo)) as url, WebMetadataSource(url) as source, WebContentSource(f"{url}/targets") as contents:
        report = verify(source, trusted_root=repo.trusted, now=NOW, contents=contents, depth=Depth.CONTENTS)
    assert {problem.code for problem in report.problems} >= {"missing-file", "content-mismatch"}


def _read(answer: Answer, *, limit: int = 100, **options: Any) -> bytes:
    with _server(answer) as url, WebMetadataSource(url, **options) as source:
        return source.read("timestamp.json", limit=limit)


@pytest.mark.parametrize("status", [403, 404])
def test_what_clients_take_for_missing_is_missing(status: int) -> None:
    """404, and 403 as object storages answer, mean that there is no such file."""
    with pytest.raises(FileMissing, match="timestamp"):
        _read(lambda handler: _send(handler, b"", status))


@pytest.mark.parametrize("status", [204, 206, 400, 401, 410, 429, 500, 503])
def test_other_answers_are_errors(status: int) -> None:
    """Nothing else than 200 is content, and nothing else than 403 and 404 is absence."""
    with pytest.raises(StorageError, match=str(status)) as caught:
        _read(lambda handler: _send(handler, b"", status))
    assert not isinstance(caught.value, FileMissing)


def test_sizes_are_bounded_while_streaming() -> None:
    """A length that is too large, an endless body and one that lies about its length end at the limit."""
    assert _read(lambda handler: _send(handler, b"x" * 100)) == b"x" * 100
    with pytest.raises(FileTooLarge):
        _read(lambda handler: _send(handler, b"x" * 101))
    with pytest.raises(FileTooLarge):
        _read(_endless)
    with pytest.raises(FileTooLarge):
        _read(lambda handler: _send(handler, b"", Content_Length="99999999999"))


def test_a_body_that_ends_early_is_an_error() -> None:
    """Half a file is never taken for a file."""

    def short(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        _send(handler, b"half", Content_Length="50")

    with pytest.raises(StorageError):
        _read(short)


def test_compressed_answers_are_refused() -> None:
    """What was not asked for is not unpacked: a few bytes can become gigabytes."""
    with pytest.raises(StorageError, match="compressed") as caught:
        _read(lambda handler: _send(handler, b"\x1f\x8b", Content_Encoding="gzip"))
    assert "ask its publisher" in (caught.value.hint or "")


def test_silence_and_slowness_end() -> None:
    """A server that says nothing, or a byte now and then, does not hold us."""
    with pytest.raises(StorageError, match=r"timed out|Timeout"):
        _read(lambda handler: time.sleep(1), timeout=0.2)


def _dripping(begin: bytes, drop: bytes) -> Answer:
    """An answer that begins like this, and then goes on by one drop after another, each of them in time."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(begin)
        with suppress(OSError):
            for _ in range(100):
                handler.wfile.write(drop)
                time.sleep(0.05)

    return answer


def _circling(handler: BaseHTTPRequestHandler) -> None:
    """A redirect to the same place, after a while."""
    time.sleep(0.2)
    with suppress(OSError):
        _send(handler, b"", 302, Location="x")


_DRIPS = {
    "interim answers": _dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "headers": _dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "body": _dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"x"),
    "frames": _dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "redirects": _circling,
}


@pytest.mark.parametrize("drip", _DRIPS.values(), ids=_DRIPS)
def test_dripping_has_a_deadline(drip: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte in time, all of them too late: the file as a whole has a deadline, from the request on."""
    monkeypatch.setattr("rstuf.storage.web.METADATA_DEADLINE", 0.3)
    began = time.monotonic()
    with pytest.raises(StorageError, match="it took more than"):
        _read(drip)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("start", [0, 3])
@pytest.mark.parametrize("drip", ["interim answers", "headers", "redirects"])
def test_a_content_has_a_deadline_until_it_begins(drip: str, start: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A content whose answer never begins is given up as well."""
    monkeypatch.setattr("rstuf.storage.web.METADATA_DEADLINE", 0.3)
    with (
        _server(_DRIPS[drip]) as url,
        WebContentSource(url) as source,
        pytest.raises(StorageError, match="it took more than"),
        source.open_piece("x", start=start, total=9),
    ):
        pass


def test_a_content_may_take_long_once_it_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline is of its headers; large files come for hours."""
    monkeypatch.setattr("rstuf.storage.web.METADATA_DEADLINE", 0.3)
    drip = _dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", b"x")
    with _server(drip) as url, WebContentSource(url) as source, source.open_piece("x", start=0, total=12) as piece:
        assert b"".join(iter(lambda: piece.body.read(100), b"")) == b"x" * 12


def test_a_name_of_many_addresses_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each address in time, all of them in vain: a name cannot hold us by how many it stands for."""

    def silent(*_: object, **__: object) -> NoReturn:
        time.sleep(0.1)
        raise TimeoutError("timed out")

    monkeypatch.setattr("rstuf.storage.web.METADATA_DEADLINE", 0.3)
    many = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 9))] * 50
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: many)
    monkeypatch.setattr("socket.create_connection", silent)
    with WebMetadataSource("http://many.invalid/") as source, pytest.raises(StorageError, match="it took more than"):
        source.read("timestamp.json", limit=10)


def test_a_deadline_binds_proxies_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes through a proxy is bounded in the same way."""
    monkeypatch.setattr("rstuf.storage.web.METADATA_DEADLINE", 0.3)
    with _server(_DRIPS["headers"]) as url:
        monkeypatch.setenv("http_proxy", url)
        with WebMetadataSource("http://x.invalid/") as source, pytest.raises(StorageError, match="it took more than"):
            source.read("timestamp.json", limit=10)


def test_redirects_stay_with_their_scheme() -> None:
    """A redirect within http is followed; to another scheme, in a circle or to nonsense it is not."""

    def redirect(location: str) -> Answer:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            if handler.path == "/elsewhere":
                _send(handler, b"here")
            else:
                _send(handler, b"", 302, Location=location)

        return answer

    assert _read(redirect("/elsewhere")) == b"here"
    for location, reason in (
        ("https://example.invalid/x", "redirects to https://example.invalid"),
        ("file:///etc/passwd", "redirects to file://"),
        ("ftp://example.invalid/", "redirects to ftp://"),
        ("", "redirects more than"),
        ("timestamp.json", "redirects more than"),
        ("http://[bad/", "cannot read"),
    ):
        with pytest.raises(StorageError, match=reason) as caught:
            _read(redirect(location))
        assert "storage" not in (caught.value.hint or "")


def test_a_password_goes_to_its_own_server_only() -> None:
    """Name and password of the URL are sent to that place, never to where it redirects, and shown nowhere."""
    seen: list[dict[str, str]] = []

    def target(handler: BaseHTTPRequestHandler) -> None:
        seen.append(dict(handler.headers))
        _send(handler, b"", 500)

    with _server(target) as elsewhere:

        def answer(handler: BaseHTTPRequestHandler) -> None:
            seen.append(dict(handler.headers))
            _send(handler, b"", 302, Location=f"{elsewhere}/x")

        with _server(answer) as url:
            secret = url.replace("http://", "http://maria:s%40cret@")
            with WebMetadataSource(secret) as source, pytest.raises(StorageError) as caught:
                source.read("timestamp.json", limit=10)
    assert [headers.get("Authorization") for headers in seen] == ["Basic bWFyaWE6c0BjcmV0", None]
    assert "cret" not in f"{caught.value} {caught.value.__cause__} {source.shown}"


def test_a_connection_that_breaks_is_tried_again() -> None:
    """One lost connection is no reason to stop; a server that is not there is."""
    tries = 0

    def answer(handler: BaseHTTPRequestHandler) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        else:
            _send(handler, b"here")

    assert _read(answer) == b"here"
    with _server(answer) as url:
        pass
    with WebMetadataSource(url) as source, pytest.raises(StorageError, match="refused"):
        source.read("timestamp.json", limit=10)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "/a/directory",
        "file:///etc",
        "ftp://x/",
        "http://",
        "http://x/?a=b",
        "http://x/#f",
        "http://[x",
        "http://x:99999/",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    """Only http and https, without query or fragment."""
    with pytest.raises(InvalidInput):
        WebMetadataSource(url)


def test_a_content_is_read_as_far_as_its_reader_wants() -> None:
    """Contents stream: an endless one costs only what is read of it, and a broken one says so."""
    hashes = {"sha256": "0" * 64}
    with (
        _server(_endless) as url,
        WebContentSource(url) as source,
        source.open(target_path("dir/file"), hashes) as file,
    ):
        assert file.read(3) == b"xxx"
        assert len(file.read(1000)) > 0
    with (
        _server(lambda handler: _send(handler, b"", 404)) as url,
        WebContentSource(url) as source,
        pytest.raises(FileMissing, match="dir/0000"),
        source.open(target_path("dir/file"), hashes),
    ):
        pass

    def short(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        _send(handler, b"half", Content_Length="50")

    with _server(short) as url, WebContentSource(url) as source, source.open(target_path("dir/file"), hashes) as file:
        assert file.read(10) == b"half"
        with pytest.raises(StorageError):
            file.read(10)

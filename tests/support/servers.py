"""A web server on this machine for tests of clients: it serves a site from memory, as well or as badly as it is told.

with serving(site) as url: ...
site.files["timestamp.json"] = b"..."         # what stands at /timestamp.json, now
site.manners["targets/x"] = ignores_range     # how it answers for one name; None for all of them
site.asked                                    # (name, Range header or None), in order
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


@dataclass
class Asked:
    """One request, and the file that it asks for.

    Attributes:
        start: the first byte that is wanted.
        times: how often this name was asked for before.
    """

    handler: BaseHTTPRequestHandler
    data: bytes
    start: int
    times: int

    def send(self, status: int, body: bytes = b"", **headers: object) -> None:
        """An answer with these headers; `Content_Length` is that of the body unless given, and left out if None."""
        given = {"Content_Length": len(body), **headers}
        self.handler.send_response(status)
        for name, value in given.items():
            if value is not None:
                self.handler.send_header(name.replace("_", "-"), str(value))
        if given["Content_Length"] != len(body):
            self.handler.close_connection = True
        self.handler.end_headers()
        self.handler.wfile.write(body)

    def part(self, start: int | None = None, *, whole: int | None = None, body: bytes | None = None) -> None:
        """206 from `start` on; `whole` is how long the content is said to be."""
        start = self.start if start is None else start
        whole = len(self.data) if whole is None else whole
        body = self.data[start:] if body is None else body
        self.send(206, body, Content_Range=f"bytes {start}-{whole - 1}/{whole}")


Manner = Callable[[Asked], None]


def well(asked: Asked) -> None:
    """As a good server does, with ranges."""
    if asked.start >= len(asked.data) > 0:
        asked.send(416, Content_Range=f"bytes */{len(asked.data)}")
    elif asked.start:
        asked.part()
    else:
        asked.send(200, asked.data)


def ignores_range(asked: Asked) -> None:
    """The whole, whatever was asked for."""
    asked.send(200, asked.data)


def knows_no_such_range(asked: Asked) -> None:
    """416 for every range."""
    asked.send(416) if asked.start else asked.send(200, asked.data)


def lies_in_range(asked: Asked) -> None:
    """Another part than the one that was asked for."""
    asked.part(asked.start - 1) if asked.start else asked.send(200, asked.data)


def says_another_total(asked: Asked) -> None:
    """A part of a content that is said to be longer."""
    asked.part(whole=len(asked.data) + 7) if asked.start else asked.send(200, asked.data)


def sends_a_short_part(asked: Asked) -> None:
    """A part that ends before the end, as it says."""
    if not asked.start:
        asked.send(200, asked.data)
        return
    few = asked.data[asked.start : asked.start + 10]
    asked.send(206, few, Content_Range=f"bytes {asked.start}-{asked.start + len(few) - 1}/{len(asked.data)}")


def sends_another_part(asked: Asked) -> None:
    """The right Content-Range, and other bytes."""
    asked.part(body=bytes(len(asked.data) - asked.start)) if asked.start else asked.send(200, asked.data)


def sends_too_much(asked: Asked) -> None:
    """More bytes than there are, without saying how many."""
    asked.send(200, asked.data + b"more", Content_Length=None)


def says_too_much(asked: Asked) -> None:
    """More bytes than there are, and says so."""
    asked.send(200, asked.data + b"more")


def sends_too_little(asked: Asked) -> None:
    """A content that lacks its end, and says so."""
    asked.send(200, asked.data[:-1])


def compresses(asked: Asked) -> None:
    """Compressed, though nobody asked for that."""
    asked.send(200, gzip.compress(asked.data), Content_Encoding="gzip")


def calls_it_compressed(asked: Asked) -> None:
    """The file as it is, with the header that many servers have for files called .gz."""
    asked.send(200, asked.data, Content_Encoding="x-gzip")


def breaks_off(after: int, *, times: int) -> Manner:
    """The connection ends `after` bytes of an answer, the first `times` times."""

    def manner(asked: Asked) -> None:
        rest = asked.data[asked.start :]
        if asked.times >= times:
            well(asked)
        elif asked.start:
            asked.send(
                206,
                rest[:after],
                Content_Length=len(rest),
                Content_Range=f"bytes {asked.start}-{len(asked.data) - 1}/{len(asked.data)}",
            )
        else:
            asked.send(200, rest[:after], Content_Length=len(rest))

    return manner


def stalls(event: threading.Event) -> Manner:
    """Half of it, and then nothing until `event`."""

    def manner(asked: Asked) -> None:
        asked.send(200, asked.data[: len(asked.data) // 2], Content_Length=len(asked.data))
        asked.handler.wfile.flush()
        event.wait(60)

    return manner


def redirects(to: str) -> Manner:
    """Elsewhere."""

    def manner(asked: Asked) -> None:
        asked.send(302, Location=to)

    return manner


@dataclass
class Site:
    """What a server has, and how it behaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    manners: dict[str | None, Manner] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    @classmethod
    def of(cls, metadata: Mapping[str, bytes], contents: Mapping[str, bytes]) -> Site:
        """Metadata as `/`, contents as `/targets/`."""
        return cls({**metadata, **{f"targets/{name}": data for name, data in contents.items()}})

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one GET."""
        name, ranged = unquote(handler.path.removeprefix("/")), handler.headers.get("Range")
        times = sum(each == name for each, _ in self.asked)
        self.asked.append((name, ranged))
        data = self.files.get(name)
        start = int(ranged.removeprefix("bytes=").rstrip("-")) if ranged else 0
        asked = Asked(handler, data or b"", start, times)
        if data is None:
            asked.send(404)
            return
        self.manners.get(name, self.manners.get(None, well))(asked)

    def ranges(self) -> list[str]:
        """The ranges that were asked for."""
        return [ranged for _, ranged in self.asked if ranged is not None]


@contextmanager
def serving(site: Site) -> Iterator[str]:
    """A server on a free port; its URL, with a slash at its end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer waits 40 ms for a client to acknowledge its head

        def do_GET(self) -> None:
            try:
                site.answer(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that has left is no error of the server."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with running(server) as url:
        yield url


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[str]:
    """A server at work in a thread of its own until the block is left; its URL."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

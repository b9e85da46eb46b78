"""A web server for directories, as plain as there are: a name is a file or a 404."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.support.servers import running


@dataclass(slots=True)
class Places:
    """What a server has: `metadata` as `/`, `artifacts` as `/targets/`; both may change while it runs."""

    metadata: Path
    artifacts: Path

    def file(self, path: str) -> Path:
        """Where that is what a request asks for."""
        name = unquote(path.removeprefix("/"), errors="surrogateescape")
        below = name.removeprefix("targets/")
        return self.metadata / name if below == name else self.artifacts / below


@contextmanager
def serving(places: Places) -> Iterator[str]:
    """A server on a free port; its URL, with a slash at its end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer waits 40 ms for a client to acknowledge its head

        def do_GET(self) -> None:
            try:
                data = places.file(self.path).read_bytes()
            except (OSError, ValueError):
                self.send_response(404)
                data = b""
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with running(server) as url:
        yield url

"""Text from servers, configurations and metadata: no control byte of it reaches a terminal; documents stay JSON."""

from __future__ import annotations

import json
import shutil
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.cli.test_injection import NASTY, assert_clean

from rstuf_cli.console import MAX_MESSAGE

Serve = Callable[[bytes], str]
KINDS = ("esc", "osc52", "c1", "newline", "bidi", "markup", "long-nasty")
TEXTS = {name: NASTY[name] for name in KINDS}


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server that gives one answer, byte for byte, to whatever it is asked; its URL."""
    servers: list[socketserver.TCPServer] = []

    def answering(answer: bytes) -> str:
        class Answer(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(answer)

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield answering
    for server in servers:
        server.shutdown()
        server.server_close()


def body(data: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data)


def nasty_answers(text: str) -> Iterator[bytes]:
    """Ways in which a server can say `text`."""
    raw = text.encode("utf-8", "replace")
    inner = json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")
    yield b"HTTP/1.1 500 " + raw + b"\r\nContent-Length: 0\r\n\r\n"
    yield b"HTTP/1.1 " + raw + b"\r\n\r\n"
    yield b"HTTP/1.1 302 Found\r\nLocation: " + raw + b"\r\nContent-Length: 0\r\n\r\n"
    yield b"HTTP/1.1 302 Found\r\nLocation: gopher://" + raw + b"/\r\nContent-Length: 0\r\n\r\n"
    yield b"HTTP/1.1 200 OK\r\nContent-Encoding: " + raw + b"\r\nContent-Length: 0\r\n\r\n"
    yield b"HTTP/1.1 200 OK\r\nContent-Length: " + raw + b"\r\n\r\n"
    yield body(raw)
    yield body(b'{"signed": ' + inner + b', "signatures": []}')
    yield body(b'{"signed": {"_type": ' + inner + b', "version": 1}, "signatures": [{"keyid": ' + inner + b"}]}")
    yield body(b'{"' + inner[1:-1] + b'": 1}')


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_servers(text: str, cli: Cli, filled: Path, serve: Serve) -> None:
    """Status lines, headers, redirects and bodies come back escaped, shortened, or not at all."""
    for answer in nasty_answers(text):
        url = serve(answer)
        for form in (["-v", "-v"], ["--json"]):
            done = cli("verify", "--url", url, *form)
            assert done.code in {3, 6}, (answer, done.err)
            assert_clean(done)
            assert "defect" not in done.err
            if form == ["--json"]:
                assert json.loads(done.out)


def _signed(text: str, where: str) -> Callable[[dict[str, object]], None]:
    """Puts `text` in one place of a metadata file."""

    def change(document: dict[str, object]) -> None:
        inside: dict[str, object] = document["signed"]  # type: ignore[assignment]
        if where == "keyid":
            document["signatures"] = [{"keyid": text, "sig": text}]
        elif where == "role" and isinstance(inside.get("roles"), dict):
            inside["roles"][text] = {"keyids": [text], "threshold": 1}  # type: ignore[index]
        elif where == "meta" and isinstance(inside.get("meta"), dict):
            inside["meta"][text] = {"version": 1}  # type: ignore[index]
        else:
            inside[where] = text

    return change


@pytest.mark.parametrize("where", ["keyid", "role", "meta", "expires", "spec_version", "_type", "x-field"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_metadata(text: str, where: str, cli: Cli, filled: Path, tmp_path: Path) -> None:
    """Whatever stands in served files, an audit and a publication speak of it safely."""
    shutil.copytree(filled / "metadata", tmp_path / "kept")
    for name in ("timestamp.json", "1.root.json", "2.snapshot.json"):
        place = filled / "metadata" / name
        document = json.loads(place.read_bytes())
        _signed(text, where)(document)
        place.write_text(json.dumps(document))
        for argv in (["verify", "-v", "-v"], ["verify", "--json"], ["renew", "--force", "snapshot", "-v", "-v"]):
            done = cli(*argv)
            assert_clean(done)
            assert "defect" not in done.err, (name, argv)
            assert max(map(len, done.err.splitlines()), default=0) <= MAX_MESSAGE + 100
        shutil.copy(tmp_path / "kept" / name, place)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("key", ["state", "metadata", "artifacts", "format", "{}"])
def test_configurations(key: str, text: str, cli: Cli, filled: Path) -> None:
    """Values and keys of rstuf.toml are outside text, however they were written."""
    value = "".join(f"\\U{ord(character):08x}" for character in text)
    config = filled / "rstuf.toml"
    lines = [line for line in config.read_text().splitlines() if not line.startswith(f"{key} ")]
    name = f'"{value}"' if key == "{}" else key
    config.write_text("\n".join([*lines, f'{name} = "{value}"']))
    for argv in (["status"], ["status", "--json"], ["artifact", "add", "rstuf.toml"]):
        done = cli(*argv)
        assert_clean(done)
        assert "defect" not in done.err, argv


@pytest.mark.parametrize("text", [*TEXTS.values(), "a" * 300], ids=[*TEXTS, "too long"])
def test_holders_of_locks(text: str, cli: Cli, filled: Path) -> None:
    """What a lock file says of its holder was written by another process."""
    import fcntl

    with (filled / "publish.lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(json.dumps({"pid": 4711, "command": text, "since": "2026-11-20T16:00:00Z"}))
        held.flush()
        for form in ([], ["--json"]):
            done = cli("publish", "--wait", 0, *form)
            assert done.code == 5
            assert_clean(done)

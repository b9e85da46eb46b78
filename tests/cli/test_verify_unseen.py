"""`rstuf verify` where something cannot be seen: it ticks nothing of that, and says what to do."""

from __future__ import annotations

import shlex
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Result


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a directory; its URL."""
    servers = []

    def begin(directory: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory)))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/"

    yield begin
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def marks(done: Result) -> dict[str, str]:
    """The mark of each part of the audit."""
    found = {}
    for line in done.out.splitlines():
        mark, _, rest = line.partition(" ")
        if mark in {"✓", "✗", "!"}:
            found.setdefault(rest.split()[0], mark)
    return found


def lose(workspace: Path, pattern: str) -> None:
    for path in (workspace / "metadata").glob(pattern):
        path.unlink()


@pytest.mark.parametrize(
    ("pattern", "seen", "unseen"),
    [
        ("*.bins-*.json", {"root", "served"}, {"artifacts", "contents", "state", "expiry"}),
        ("*.bins-1.json", {"root", "served"}, {"artifacts", "contents", "state", "expiry"}),
        ("*.targets.json", {"root", "served"}, {"artifacts", "contents", "state", "expiry"}),
        ("*.snapshot.json", {"root", "served", "artifacts", "contents", "state"}, {"client", "expiry"}),
        ("timestamp.json", {"root", "served", "artifacts", "contents"}, {"expiry"}),
        ("*.json", {"root", "served"}, {"artifacts", "contents", "client", "expiry"}),
    ],
)
def test_what_was_not_seen_is_not_ticked(
    pattern: str, seen: set[str], unseen: set[str], cli: Cli, filled: Path
) -> None:
    """Nor is it a problem of its own; and the commands that follow mend all of it."""
    lose(filled, pattern)
    done = cli("verify", "--artifacts")
    found = marks(done)
    assert done.code == 3
    assert {name for name in found if found[name] == "✓"} - {"client"} == seen
    assert {name for name in found if found[name] == "!"} - {"note"} == unseen
    assert done.out.count("not checked: ") == len(unseen - {"expiry"})
    steps = cli("verify", "--json").document["next_steps"]
    assert "next\n" in done.out
    for step in steps:
        assert f"  {step['command']}  " in done.out
        words = shlex.split(step["command"])
        assert words[:2] == ["rstuf", "renew"]
        assert cli(*words[1:]).code == 0
    again = cli("verify", "--artifacts")
    assert (again.code, "next" in again.out, "not checked" in again.out) == (0, False, False)


def test_how_much_was_not_seen_is_told(cli: Cli, filled: Path) -> None:
    """A bin alone, or all that targets would lead to."""
    assert cli("verify", "--json").document["facts"]["unseen"] == 0
    lose(filled, "*.bins-1.json")
    assert cli("verify", "--json").document["facts"]["unseen"] == 1
    assert "not all was checked: a role could not be read" in cli("verify").out
    lose(filled, "*.targets.json")
    assert cli("verify", "--json").document["facts"]["unseen"] == 5
    assert "! artifacts   not checked: no role could be read" in cli("verify").out


def test_contents_have_a_next_command(cli: Cli, filled: Path, tmp_path: Path) -> None:
    """A content that is lost comes back with its file."""
    (place,) = filled.glob("targets/*.a.txt")
    place.unlink()
    done = cli("verify", "--artifacts")
    assert (done.code, "\n  rstuf artifact add FILE  " in done.out) == (3, True)
    assert cli("artifact", "add", tmp_path / "files" / "a.txt").code == 0
    assert cli("verify", "--artifacts").code == 0


def test_a_server_that_is_behind_is_told(serve: Callable[[Path], str], cli: Cli, filled: Path, tmp_path: Path) -> None:
    """A mirror of yesterday is sound in itself: only the workspace knows that there is something newer."""
    mirror = tmp_path / "mirror"
    shutil.copytree(filled / "metadata", mirror)
    url = serve(mirror)
    assert cli("verify", "--url", url).code == 0
    assert cli("renew", "--force", "timestamp", "--force", "snapshot", "--force", "root").code == 0
    done = cli("verify", "--url", url)
    assert done.code == 3
    text = " ".join(done.out.split())
    for role in ("root: version 1", "snapshot: version 2", "timestamp: version 2"):
        assert f"state-ahead {role} is served, and the workspace has published version " in text
    assert "next rstuf verify in the workspace: if nothing is wrong there, a mirror or a cache is behind" in text
    root = filled / "metadata" / "1.root.json"
    assert cli("verify", "--url", url, "--trusted-root", root).code == 0
    for path in (filled / "metadata").glob("*.json"):
        shutil.copy(path, mirror)
    assert cli("verify", "--url", url).code == 0

"""`rstuf verify`: exit 3 and the reasons, or nothing wrong."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, bin_in_sight, tree

from rstuf_cli.commands import verify
from rstuf_cli.console import Console, Form


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def served(filled: Path) -> Iterator[str]:
    """What a web server makes of a workspace: metadata at /metadata/, contents at /targets/."""
    (filled / "metadata" / "targets").symlink_to(filled / "targets")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(filled / "metadata")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("option", [None, "--artifacts", "--full"])
def test_a_healthy_workspace(option: str | None, cli: Cli, filled: Path) -> None:
    """Nothing is wrong, nothing is changed, and contents are counted where they were read."""
    options = [option] if option else []
    before = tree(filled)
    done = cli("verify", *options)
    assert (done.code, "nothing is wrong" in done.out, "✗" in done.out) == (0, True, False)
    assert ("2 read and hashed" in done.out) is (option is not None)
    document = cli("verify", "--json", *options).document
    assert (document["ok"], document["problems"], document["checked"]["artifacts"]) == (True, [], 2)
    assert tree(filled) == before


def test_damage_is_exit_3(cli: Cli, filled: Path) -> None:
    """A changed byte of metadata is a problem of roles, in words and as data."""
    place = bin_in_sight(filled)
    place.chmod(0o600)
    data = bytearray(place.read_bytes())
    data[40] ^= 1
    place.write_bytes(data)
    done = cli("verify")
    assert done.code == 3
    assert "✗ roles" in done.out
    assert "problem" in done.out.splitlines()[-1]
    document = cli("verify", "--json").document
    assert document["ok"] is False
    assert {"code", "message"} <= document["problems"][0].keys()


def test_changed_content_is_found_when_contents_are_read(cli: Cli, filled: Path) -> None:
    """Contents are read on demand: then a changed byte is a problem of contents."""
    (place,) = filled.glob("targets/*.a.txt")
    place.chmod(0o600)
    place.write_bytes(b"alphA\n")
    assert cli("verify").code == 0
    done = cli("verify", "--artifacts")
    assert (done.code, "✗ contents" in done.out) == (3, True)


def test_a_web_server_from_inside_and_outside(
    cli: Cli, served: str, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a workspace its own root is trusted; elsewhere a root must be named; a foreign one is refused."""
    root = filled / "metadata" / "1.root.json"
    assert cli("verify", "--url", served, "--full").code == 0
    monkeypatch.chdir(tmp_path)
    lost = cli("verify", "--url", served)
    assert (lost.code, "--trusted-root FILE" in lost.err) == (2, True)
    done = cli("verify", "--url", served, "--trusted-root", root, "--json")
    assert (done.code, done.document["checked"]["artifacts"]) == (0, 2)
    (tmp_path / "plan.toml").write_text(PLAN)
    assert cli("--repo", tmp_path / "other", "ceremony", "--plan", tmp_path / "plan.toml").code == 0
    foreign = tmp_path / "other" / "metadata" / "1.root.json"
    assert cli("verify", "--url", served, "--trusted-root", foreign).code == 3


def test_nothing_to_fetch(cli: Cli, filled: Path) -> None:
    """A server that does not answer is a storage problem, not a failed verification."""
    done = cli("verify", "--url", "http://127.0.0.1:1/")
    assert (done.code, done.out) == (6, "")


def test_a_root_that_is_none(cli: Cli, served: str, tmp_path: Path) -> None:
    """Trust cannot begin with something that is no root."""
    (tmp_path / "root.json").write_text("{}")
    assert cli("verify", "--url", served, "--trusted-root", tmp_path / "root.json").code == 3
    assert cli("verify", "--url", served, "--trusted-root", tmp_path / "nowhere").code == 1
    (tmp_path / "root.json").write_bytes(b" " * 600_000)
    assert cli("verify", "--url", served, "--trusted-root", tmp_path / "root.json").code == 6


def test_what_should_not_be_served_is_a_problem(cli: Cli, filled: Path) -> None:
    """A key beside the metadata and a file that others can change are told; a link is a note; all else is counted."""
    assert "✓ served" in cli("verify").out
    shutil.copy(filled / "keys" / "online.key", filled / "metadata" / "backup.txt")
    (filled / "metadata" / "timestamp.json").chmod(0o664)
    (filled / "targets" / "link").symlink_to("/nowhere")
    done = cli("verify")
    assert (done.code, "✗ served      2 problems" in done.out) == (3, True)
    assert "metadata/backup.txt is private" in " ".join(done.out.split())
    assert "note" in done.out
    codes = [problem["code"] for problem in cli("verify", "--json").document["problems"]]
    assert sorted(codes) == ["served-private", "served-shared"]


def test_a_note_that_is_true_of_many_roles_stands_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Where every bin is also signed by a key that is known no more, they share a line; other notes have their own."""
    also = [{"role": f"bins-{index:x}", "message": "it is also signed by 1f2e"} for index in range(16)]
    with_files = [*also, {"role": "root", "message": "1.root.json is not there"}, {"message": "a key is nobody's"}]
    console = Console(out=sys.stdout, err=sys.stderr, form=Form.TEXT)
    verify.show_notes(console, with_files)
    console.flush()
    assert capsys.readouterr().out.splitlines() == [
        "! note        bins-0, bins-1, bins-2 and 13 more: it is also signed by 1f2e",
        "! note        root: 1.root.json is not there",
        "! note        a key is nobody's",
    ]

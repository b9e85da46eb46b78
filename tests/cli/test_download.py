"""`rstuf download`: files that are what was signed, or none; and what a person is told of both."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Shop, tree
from tests.cli.test_injection import NASTY, assert_clean
from tests.support import servers
from tests.support.terminals import Terminal, on_terminal

RSTUF = [sys.executable, "-m", "rstuf_cli"]
DATA = bytes(range(256)) * 20


@pytest.fixture
def acme(shop: Shop, cli: Cli) -> Shop:
    """The shop, trusted."""
    assert cli("trust", "add", "acme", shop.url, "--root", shop.root).code == 0
    return shop


def here() -> dict[str, str]:
    """What is in the current directory."""
    return tree(Path())


# --- it works --------------------------------------------------------------------------------------------


def test_downloads(acme: Shop, cli: Cli) -> None:
    """Each file is where its path says, below this directory; again, it is there already."""
    done = cli("download", "a.txt", "data/b.bin")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[:2] == [
        "✓ a.txt           6 B  downloaded, signatures and hash verified",
        "✓ data/b.bin   5.1 kB  downloaded, signatures and hash verified",
    ]
    assert lines[2].startswith("  2 files, 5.1 kB, ")
    assert (Path("a.txt").read_bytes(), Path("data/b.bin").read_bytes()) == (b"alpha\n", DATA)
    again = cli("download", "a.txt")
    assert (again.code, again.out) == (0, "✓ a.txt      6 B  already here, verified\n")
    assert set(here()) == {"a.txt", "data/b.bin"}


@pytest.mark.parametrize("what", ["directory", "hard link", "another file"])
def test_what_nothing_goes_on_from_is_not_kept(what: str, acme: Shop, cli: Cli) -> None:
    """What has the name of a part, or stays in the way, is not said to be the beginning of a download."""
    part = Path("a.txt.part")
    if what == "directory":
        part.mkdir()
    elif what == "hard link":
        Path("mine").write_bytes(b"alp")
        part.hardlink_to("mine")
    else:
        part.write_bytes(b"alp")
        Path("a.txt").write_bytes(b"mine")
    done = cli("download", "a.txt")
    assert done.code != 0
    assert "kept:" not in done.err
    assert "goes on" not in done.err


@pytest.mark.parametrize("output", ["new/", "new/.", "./"])
def test_a_directory_is_no_output(output: str, acme: Shop, cli: Cli) -> None:
    """A slash at the end means a directory, also one that is not there; `-o` makes none and writes no file."""
    done = cli("download", "a.txt", "-o", output)
    assert (done.code, here()) == (1, {})
    assert f"{output} cannot be the name of a file" in done.err
    assert "--dir DIR" in done.err


def test_as_data(acme: Shop, cli: Cli) -> None:
    """One document, with the state of each file."""
    Path("data").mkdir()
    Path("data/b.bin.part").write_bytes(DATA[:1000])
    Path("a.txt").write_bytes(b"alpha\n")
    done = cli("download", "a.txt", "data/b.bin", "--json")
    assert (done.code, done.err) == (0, "")
    assert (done.document["from"], done.document["timestamp_version"]) == ("acme", 2)
    first, second = done.document["downloads"]
    assert (first["state"], first["path"], first["length"]) == ("present", "a.txt", 6)
    assert (second["state"], second["file"], second["resumed_from"]) == ("downloaded", "data/b.bin", 1000)


def test_where_it_goes(acme: Shop, cli: Cli, tmp_path: Path) -> None:
    """`--dir` is where paths begin, `-o` is the file itself; the same path twice is one download."""
    assert cli("download", "data/b.bin", "data/b.bin", "--dir", tmp_path / "new").code == 0
    assert set(tree(tmp_path / "new")) == {"data/b.bin"}
    assert cli("download", "data/b.bin", "-o", tmp_path / "b").code == 0
    assert (tmp_path / "b").read_bytes() == DATA
    assert here() == {}
    assert cli("download", "a.txt", "-q").out == ""


def test_to_stdout(acme: Shop, cli: Cli) -> None:
    """The bytes as they are, and nothing beside them; nothing at all where they are wrong."""
    done = cli("download", "data/b.bin", "-o", "-")
    assert (done.code, done.out_bytes, done.err) == (0, DATA, "")
    acme.site.files[acme.served("b.bin")] = DATA[:-1] + b"x"
    done = cli("download", "data/b.bin", "-o", "-")
    assert (done.code, done.out_bytes) == (3, b"")
    assert here() == {}
    assert cli("download", "a.txt", "-o", "-", "--json").code == 2


def test_stdout_is_no_terminal(acme: Shop, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A content could do anything to a terminal: it is sent to none."""
    monkeypatch.setattr("rstuf_cli.commands.download.is_terminal", lambda _: True)
    done = cli("download", "a.txt", "-o", "-")
    assert (done.code, done.out, "a pipe" in done.err) == (2, "", True)


def test_which_repository(acme: Shop, cli: Cli) -> None:
    """The only one is meant; of several, one has to be named."""
    assert cli("download", "a.txt").code == 0
    cli("trust", "add", "lab", acme.url, "--root", acme.root)
    done = cli("download", "data/b.bin")
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("hint:  say which: --from acme or lab\n")
    assert cli("download", "data/b.bin", "--from", "lab").code == 0


def test_a_mirror_on_a_disk(acme: Shop, cli: Cli) -> None:
    """A directory is as good as a server."""
    contents = ["--artifacts", acme.workspace / "targets"]
    assert cli("trust", "add", "acme", acme.workspace / "metadata", "--root", acme.root, *contents).code == 0
    asked = len(acme.site.asked)
    assert cli("download", "data/b.bin").code == 0
    assert len(acme.site.asked) == asked


def test_over_a_renewed_root(acme: Shop, cli: Cli) -> None:
    """The pinned root stays, and what it leads to is followed."""
    assert cli("download", "a.txt").code == 0
    for _ in range(2):
        assert cli("--repo", acme.workspace, "renew", "--force", "root").code == 0
    acme.settle()
    Path("a.txt").unlink()
    assert cli("download", "a.txt").code == 0
    shown = cli("trust", "show", "acme", "--json").document
    assert (shown["pinned"]["version"], shown["seen"]["roles"][0]["version"]) == (1, 3)


# --- it is refused, and no file comes of it --------------------------------------------------------------


def test_nothing_is_trusted(shop: Shop, cli: Cli) -> None:
    """Without a pinned root there is no download, and nobody is asked for anything."""
    done = cli("download", "a.txt")
    assert (done.code, done.out) == (1, "")
    assert "rstuf trust add NAME URL --root FILE" in done.err
    assert (shop.site.asked, here()) == ([], {})


def test_what_was_not_signed(acme: Shop, cli: Cli) -> None:
    """A content that was changed on its way is exit 3, told as that, and not there."""
    acme.site.files[acme.served("a.txt")] = b"alphA\n"
    done = cli("download", "a.txt")
    assert (done.code, done.out) == (3, "")
    assert "what the server has for a.txt is not what was signed: sha256 of its 6 bytes differs" in done.err
    assert cli("download", "a.txt", "--json").document["error"]["code"] == "content-refused"
    assert here() == {}


def test_no_such_path(acme: Shop, cli: Cli) -> None:
    """One path that nobody signed, and nothing of the others is downloaded."""
    done = cli("download", "a.txt", "b.txt")
    assert (done.code, done.out, here()) == (1, "", {})
    assert done.err == "error: there is no artifact 'b.txt'\nhint:  acme signs no such path; look at its spelling\n"


def test_expired(acme: Shop, cli: Cli, later: Callable[[timedelta], None]) -> None:
    """How long ago, by which clock, and what to do."""
    later(timedelta(days=40))
    done = cli("download", "a.txt")
    assert (done.code, done.out, here()) == (3, "", {})
    assert "timestamp of acme expired 26 days ago, at " in done.err
    assert "see that this machine's clock is right" in done.err
    error = cli("download", "a.txt", "--json").document["error"]
    assert (error["code"], error["role"], error["reason"]) == ("repository-refused", "timestamp", "expired")


def test_rolled_back(acme: Shop, cli: Cli) -> None:
    """A server that goes back behind what was seen is refused, whichever process saw it."""
    old = acme.site.files["timestamp.json"]
    assert cli("--repo", acme.workspace, "renew", "--force", "timestamp").code == 0
    acme.settle()
    assert cli("download", "a.txt").code == 0
    acme.site.files["timestamp.json"] = old
    done = cli("download", "data/b.bin")
    assert (done.code, set(here())) == (3, {"a.txt"})
    assert "offers version 2 of timestamp, and 3 was seen before (rollback)" in done.err


def test_no_server(acme: Shop, cli: Cli) -> None:
    """A network that fails is exit 6."""
    cli("trust", "add", "acme", "http://127.0.0.1:1/", "--root", acme.root)
    done = cli("download", "a.txt")
    assert (done.code, done.out, here()) == (6, "", {})


def test_another_file_is_in_its_place(acme: Shop, cli: Cli) -> None:
    """It stays unless --force says that it may go."""
    Path("a.txt").write_bytes(b"mine\n")
    done = cli("download", "a.txt")
    assert (done.code, done.out, Path("a.txt").read_bytes()) == (1, "", b"mine\n")
    assert "--force replaces it" in done.err
    assert cli("download", "a.txt", "--force").code == 0
    assert Path("a.txt").read_bytes() == b"alpha\n"


def test_a_failure_in_the_middle_keeps_what_is_done(acme: Shop, cli: Cli) -> None:
    """Files that are complete stay and are told of."""
    del acme.site.files[acme.served("b.bin")]
    done = cli("download", "a.txt", "data/b.bin")
    assert (done.code, set(here())) == (6, {"a.txt"})
    assert "kept:  1 file complete" in done.err
    Path("a.txt").unlink()
    document = cli("download", "a.txt", "data/b.bin", "--json").document
    assert [each["path"] for each in document["downloads"]] == ["a.txt"]


def test_a_connection_that_ends(acme: Shop, cli: Cli) -> None:
    """What came is kept and said to be, and the same command goes on."""
    acme.site.manners[acme.served("b.bin")] = servers.breaks_off(1000, times=4)
    done = cli("download", "data/b.bin")
    assert done.code == 6
    assert "kept:  4.0 kB of 5.1 kB in data/b.bin.part; the same command goes on from there" in done.err
    done = cli("download", "data/b.bin")
    assert (done.code, done.out) == (0, "✓ data/b.bin   5.1 kB  resumed at 4.0 kB, signatures and hash verified\n")


@pytest.mark.parametrize("text", [NASTY["markup"], "日本語", "$(touch evil)`id`"])
def test_names_that_could_mean_something(text: str, acme: Shop, cli: Cli, tmp_path: Path) -> None:
    """A strange but legal path is a file of that name, and is shown as it is."""
    name = text.replace("/[", "[").replace("[/", "[").replace("//", "").replace("://", "").strip("/")
    (tmp_path / "source").write_bytes(b"strange\n")
    digest = hashlib.sha256(b"strange\n").hexdigest()
    described = ["--path", name, "--length", 8, "--hash", f"sha256:{digest}"]
    assert cli("--repo", acme.workspace, "artifact", "add", *described).code == 0
    acme.settle()
    directory, slash, last = name.rpartition("/")
    acme.site.files[f"targets/{directory}{slash}{digest}.{last}"] = b"strange\n"
    done = cli("download", name)
    assert done.code == 0, done.err
    assert name in done.out
    assert Path(name).read_bytes() == b"strange\n"
    assert_clean(done)


@pytest.mark.parametrize("text", [NASTY["esc"], NASTY["osc52"], NASTY["bidi"], NASTY["long-nasty"]])
def test_what_a_server_says(text: str, acme: Shop, cli: Cli) -> None:
    """Text of a server reaches the terminal escaped, or not at all."""
    evil = json.dumps({"signed": {"_type": text, "version": text, "expires": text}, "signatures": []})
    for body in (text.encode("utf-8", "replace"), evil.encode()):
        acme.site.files["timestamp.json"] = body
        for form in (["-v", "-v"], ["--json"]):
            done = cli("download", "a.txt", *form)
            assert done.code == 3
            assert_clean(done)
            assert "defect" not in done.err
    assert here() == {}


# --- true processes --------------------------------------------------------------------------------------


def _half(event: threading.Event) -> servers.Manner:
    def manner(asked: servers.Asked) -> None:
        if asked.times:
            servers.well(asked)
            return
        asked.handler.send_response(200)
        asked.handler.send_header("Content-Length", str(len(asked.data)))
        asked.handler.end_headers()
        asked.handler.wfile.write(asked.data[:2000])
        asked.handler.wfile.flush()
        event.wait(30)
        asked.handler.close_connection = True

    return manner


def test_ctrl_c(acme: Shop, cli: Cli) -> None:
    """It says what is kept, and the same command goes on from there."""
    event, part = threading.Event(), Path("data/b.bin.part")
    acme.site.manners[acme.served("b.bin")] = _half(event)
    # A shell starts what runs in its background with SIGINT ignored, which children inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*RSTUF, "download", "data/b.bin"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 30
    while not part.exists() or part.stat().st_size < 2000:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    event.set()
    assert (process.returncode, out) == (130, b"")
    assert err.decode().splitlines() == [
        "error: interrupted; not everything is downloaded",
        "kept:  2.0 kB of 5.1 kB in data/b.bin.part; the same command goes on from there",
    ]
    assert cli("download", "data/b.bin", "--json").document["downloads"][0]["resumed_from"] == 2000


def test_a_bar_on_a_terminal(acme: Shop) -> None:
    """A download that lasts shows how far it is, on stderr; the terminal is clean at its end."""
    event = threading.Event()
    name = acme.served("b.bin")
    acme.site.manners[name] = _half(event)

    def person(terminal: Terminal) -> None:
        terminal.until(b"2.0 of 5.1 kB")
        event.set()

    patient = "import rstuf_cli.progress as p, sys; p._PATIENCE = 0.0; from rstuf_cli.app import main; sys.exit(main())"
    command = [sys.executable, "-c", patient, "download", "data/b.bin"]
    code, out, _ = on_terminal(command, person, env=os.environ)
    assert code == 0
    assert out.decode().startswith("✓ data/b.bin   5.1 kB  downloaded")


def test_a_reader_of_stdout_that_leaves(acme: Shop) -> None:
    """`-o - | head -c 1` ends quietly; a disk that is full does not."""
    script = f"{sys.executable} -m rstuf_cli download data/b.bin -o - | head -c 1 | wc -c; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["1", "0"], "")
    with open("/dev/full", "wb") as full:
        failed = subprocess.run(
            [*RSTUF, "download", "data/b.bin", "-o", "-"], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert failed.returncode == 6

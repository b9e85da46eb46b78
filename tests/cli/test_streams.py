"""Processes: pipes that close, disks that are full, Ctrl-C, and no terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import PLAN, Cli, bin_in_sight

RSTUF = [sys.executable, "-m", "rstuf_cli"]


def rstuf(*argv: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """A true process, away from any terminal."""
    command = [*RSTUF, *map(str, argv)]
    settings: dict[str, Any] = {"capture_output": True, "start_new_session": True, "stdin": subprocess.DEVNULL}
    return subprocess.run(command, check=False, timeout=60, **{**settings, **options})


@pytest.fixture
def many(workspace: Path, cli: Cli, tmp_path: Path) -> Path:
    """A workspace with more artifacts than a pipe holds."""
    records = tmp_path / "records.ndjson"
    line = '{{"path": "many/{:05}", "length": 1, "hashes": {{"sha256": "' + "0" * 64 + '"}}}}\n'
    records.write_text("".join(line.format(number) for number in range(3000)))
    assert cli("artifact", "import", records).code == 0
    return workspace


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_leaves(options: list[str], many: Path) -> None:
    """`| head -1` ends the command quietly and well."""
    script = f"{sys.executable} -m rstuf_cli artifact list {' '.join(options)} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False, timeout=60)
    assert done.stdout.splitlines()[-1] == b"0"
    assert done.stderr in {b"", b"3 000 artifacts\n"}


def test_a_reader_that_leaves_changes_no_verdict(filled: Path) -> None:
    """A verification that fails exits 3, whether or not somebody reads it."""
    bin_in_sight(filled).unlink()
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = rstuf("verify", capture_output=False, stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (3, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("buffered", [True, False], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "argv",
    [
        ["status"],
        ["status", "--json"],
        ["artifact", "list"],
        ["artifact", "list", "--json"],
        ["artifact", "show", "a.txt"],
        ["artifact", "remove", "a.txt"],
        ["publish", "--dry-run"],
        ["publish"],
        ["renew", "--force", "timestamp"],
        ["verify"],
        ["demo", "new"],
        ["--help"],
        ["artifact", "add", "--help"],
        ["--version"],
    ],
    ids=" ".join,
)
def test_data_that_cannot_be_written_is_no_success(argv: list[str], buffered: bool, filled: Path) -> None:
    """What was not written was not said: exit 6, once, and why; what the command did is not broken off."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
    with open("/dev/full", "wb") as full:
        done = rstuf(*argv, capture_output=False, stdout=full, stderr=subprocess.PIPE, env=environment)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 6
    assert lines[0] == "error: cannot write to stdout: no space left on device"
    assert lines[-1] == "hint:  let it go to a file or a terminal that takes it"
    assert lines[1:-1] in ([], ["kept:  all that the command did; only its answer is lost"])
    if argv[0] == "demo":
        assert Path("new/metadata/timestamp.json").exists()
    if argv[1:] == ["remove", "a.txt"]:
        assert b"a.txt" not in rstuf("artifact", "list").stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_verdict_outlives_its_words(filled: Path) -> None:
    """An exit code that says something is wrong stays, and that its reasons are lost is said."""
    bin_in_sight(filled).unlink()
    with open("/dev/full", "wb") as full:
        done = rstuf("verify", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert done.stderr.startswith(b"error: cannot write to stdout: no space left on device\n")


def test_nothing_comes_in_from_a_closed_stdin(filled: Path) -> None:
    """A command that reads a closed stdin finds it empty."""
    script = f"exec {sys.executable} -m rstuf_cli artifact import - --format ndjson <&-"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False, timeout=60)
    assert (done.returncode, b"Traceback" in done.stderr, b"defect" in done.stderr) == (0, False, False)


def test_closed_descriptors(filled: Path) -> None:
    """Without stdin, stdout and stderr a command does its work, and no file of ours gets their numbers."""
    Path("c.txt").write_bytes(b"c\n")
    script = f"exec {sys.executable} -m rstuf_cli artifact add c.txt <&- >&- 2>&-"
    done = subprocess.run(["bash", "-c", script], check=False, timeout=60)
    assert done.returncode == 1
    assert json.loads(rstuf("artifact", "show", "c.txt", "--json").stdout)["state"] == "published"
    assert rstuf("verify", "--artifacts").returncode == 0


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        ("status", 1),
        ("status --json", 1),
        ("artifact list", 1),
        ("artifact list --json", 1),
        ("publish", 1),
        ("publish --quiet", 0),
        ("--help", 1),
        ("--version", 1),
        ("status --nope", 2),
        ("artifact show nothing", 1),
    ],
)
def test_an_answer_to_a_closed_stdout_is_no_success(argv: str, code: int, filled: Path) -> None:
    """What went nowhere was not said: exit 1 and why, as cat does; who has nothing to say is not concerned."""
    script = f"exec {sys.executable} -m rstuf_cli {argv} >&-"
    done = subprocess.run(["bash", "-c", script], stderr=subprocess.PIPE, check=False, timeout=60)
    assert done.returncode == code
    if argv in {"status --nope", "artifact show nothing"}:
        assert b"stdout" not in done.stderr
    elif code:
        assert done.stderr.startswith(b"error: cannot write to stdout: bad file descriptor\n")
        assert b"hint:  open it; what nobody should read can go to /dev/null\n" in done.stderr
    else:
        assert done.stderr == b""


def test_no_terminal_never_waits(workspace: Path, tmp_path: Path) -> None:
    """A key that needs a passphrase is an error at once where nobody can be asked."""
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.replace("encrypt = false\n", "", 1))
    started = time.monotonic()
    done = rstuf("--repo", tmp_path / "new", "ceremony", "--plan", plan)
    assert done.returncode == 1
    assert b"--passphrase-file alice=FILE" in done.stderr
    assert time.monotonic() - started < 30
    assert not (tmp_path / "new").exists()


def test_ctrl_c(workspace: Path) -> None:
    """SIGINT in the middle of an import is exit 130, one line that says what is kept, and nothing taken."""
    record = json.dumps({"path": "p/{}", "length": 1, "hashes": {"sha256": "0" * 64}}) + "\n"
    command = [*RSTUF, "artifact", "import", "-", "--format", "ndjson"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A shell starts what runs in its background with SIGINT ignored, which children inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, start_new_session=True, **pipes)  # type: ignore[call-overload]
    signal.signal(signal.SIGINT, before)
    with process:
        # More than pipe and buffers hold: when this has been taken, the import is under way.
        process.stdin.write("".join(record.replace("{}", str(number), 1) for number in range(30_000)).encode())
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        process.wait(30)
        out, err = process.stdout.read(), process.stderr.read()
    assert (process.returncode, out, err) == (130, b"", b"error: interrupted; nothing was taken\n")
    assert json.loads(rstuf("artifact", "list", "--json").stdout) == {"artifacts": []}


def test_an_encoding_without_our_signs(filled: Path) -> None:
    """An ASCII locale gets ASCII, on both streams."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "NO_COLOR": "1"}
    done = rstuf("status", env=environment)
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert b"####" in done.stdout


def test_installed_command(filled: Path) -> None:
    """The console script is the same program."""
    script = Path(sys.executable).parent / "rstuf"
    if not script.exists():
        pytest.skip("the package is not installed as a command here")
    done = subprocess.run([script, "status", "--json"], capture_output=True, check=False, timeout=60)
    assert json.loads(done.stdout)["repository"] == "acme"

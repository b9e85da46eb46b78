"""A planted passphrase, and then a hunt for it: in what is shown, kept, or to be seen of a process by others."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN

SECRET, OTHER = "Planted-7f3a9c-Secret", "Wrong-1b2d4e-Secret"
RSTUF = [sys.executable, "-m", "rstuf_cli"]
LOOKING = [["status"], ["status", "--json"], ["artifact", "list"], ["artifact", "show", "a.txt"], ["verify", "--full"]]
WORKING = [
    ["artifact", "add", "a.txt"],
    ["artifact", "import", "records.ndjson"],
    ["artifact", "remove", "r/1"],
    ["publish", "--dry-run"],
    ["renew", "--force", "timestamp"],
    ["renew", "--force", "root"],
    ["renew", "--force", "nobody"],
    ["artifact", "add", "nowhere"],
    ["artifact", "list", "--limit", "x"],
    ["demo", "demo"],
    ["ceremony", "--plan", "plan.toml"],
]
FAILING = [["renew", "--force", "root"], ["artifact", "add", "b.txt"], ["publish"]]


def needles() -> list[bytes]:
    """The passphrases in the forms in which they could be shown."""
    forms = [SECRET.encode(), OTHER.encode()]
    return [*forms, *(form.hex().encode() for form in forms), *(base64.b64encode(form)[:24] for form in forms)]


def hunt(data: bytes) -> list[bytes]:
    return [needle for needle in needles() if needle in data]


def secret_file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.touch(mode)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the commands run, and, beside it, the files that are allowed to hold the passphrase."""
    (tmp_path / "secrets").mkdir(mode=0o700)
    secret_file(tmp_path / "secrets" / "right", SECRET + "\n")
    secret_file(tmp_path / "secrets" / "wrong", OTHER + "\n")
    secret_file(tmp_path / "secrets" / "wide", SECRET, 0o644)
    secret_file(tmp_path / "secrets" / "lines", f"{SECRET}\n{SECRET}\n")
    secret_file(tmp_path / "secrets" / "long", SECRET * 1000)
    home = tmp_path / "home"
    home.mkdir()
    (home / "plan.toml").write_text(PLAN.replace("encrypt = false\n", ""))
    for name in ("a.txt", "b.txt"):
        (home / name).write_text(name)
    record = '{"path": "r/1", "length": 1, "hashes": {"sha256": "' + "0" * 64 + '"}}\n'
    (home / "records.ndjson").write_text(record)
    return home


def command(home: Path, *argv: str, given: str = "right") -> list[str]:
    option = ["--passphrase-file", str(home.parent / "secrets" / given)]
    return [*RSTUF, "-v", "-v", "--repo", "acme", *option, *argv]


def outputs(home: Path) -> Iterator[tuple[list[str], bytes]]:
    """What every command says, done and refused, with all that there is to say."""
    runs = [(["ceremony", "--plan", "plan.toml"], "right")]
    runs += [(argv, "right") for argv in [*WORKING, *LOOKING]]
    runs += [(argv, "wrong") for argv in FAILING]
    runs += [(["publish"], given) for given in ("wide", "lines", "long")]
    for argv, given in runs:
        done = subprocess.run(
            command(home, *argv, given=given), cwd=home, capture_output=True, check=False, timeout=120
        )
        yield [*argv, given], done.stdout + done.stderr
    with open(home.parent / "secrets" / "lines", "rb") as secrets:
        fd = str(secrets.fileno())
        asked = [*RSTUF, "-v", "-v", "--repo", "acme", "--passphrase-fd", fd, "renew", "--force", "timestamp"]
        done = subprocess.run(asked, cwd=home, capture_output=True, check=False, pass_fds=[int(fd)], timeout=120)
        assert done.returncode == 0, done.stderr
        yield asked, done.stdout + done.stderr


def test_no_passphrase_is_shown_or_kept(home: Path) -> None:
    """Not on stdout, not on stderr with tracebacks, not in any file that the commands leave."""
    seen = 0
    for argv, output in outputs(home):
        assert hunt(output) == [], argv
        seen += len(output)
    assert seen > 2000
    files = [path for path in home.rglob("*") if path.is_file()]
    assert (home / "acme" / "state.db") in files
    for path in files:
        assert hunt(path.read_bytes()) == [], path


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_nobody_sees_it_in_the_process(home: Path) -> None:
    """What others see of a process that has read a passphrase: neither its arguments nor its environment hold it."""
    made = subprocess.run(command(home, "ceremony", "--plan", "plan.toml"), cwd=home, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    waiting = command(home, "artifact", "import", "-", "--format", "ndjson")
    with subprocess.Popen(waiting, cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        # It has been read before this is asked for: more than a pipe and its reader's buffer hold.
        process.stdin.write(b'{"path": "p", "length": 1, "hashes": {"sha256": "' + b"0" * 64 + b'"}}\n')
        process.stdin.write(b"\n" * 3_000_000)
        process.stdin.flush()
        place = Path("/proc", str(process.pid))
        # What belongs to root there, nobody else can look at: neither its environment nor its memory.
        assert (place / "environ").stat().st_uid == 0
        for name in ("cmdline", "environ"):
            if os.access(place / name, os.R_OK):
                assert hunt((place / name).read_bytes()) == []
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        process.stdin.close()
        process.wait(60)
    # Nor would a crash leave it in a file.
    assert next(line.split()[4] for line in limits.splitlines() if line.startswith("Max core")) == "0"


def test_the_hunt_finds_what_is_planted(home: Path) -> None:
    """Where the passphrase stands in the open, it is found."""
    assert hunt((home.parent / "secrets" / "right").read_bytes())
    assert hunt(f"x{OTHER.encode().hex()}".encode())


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
@pytest.mark.parametrize(("argv", "dumpable"), [(["status"], 0), (["artifact", "list"], 1)])
def test_no_other_process_looks_into_one_that_has_keys(workspace: Path, argv: list[str], dumpable: int) -> None:
    """What has looked at keys is closed to other processes of the same user; what has not, spends no time on that."""
    script = (
        f"import sys\nfrom rstuf_cli.app import main\nassert main({argv!r}) == 0\n"
        "loaded = 'ctypes' in sys.modules\nimport ctypes\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), loaded, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=workspace, capture_output=True, text=True, check=False)
    assert done.stderr.endswith(f"{dumpable} {not dumpable}\n")

"""Bad input: a clear error, the right exit code, and a tree that is byte for byte what it was."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rstuf_cli.app import main

HASH = "a" * 64
PLAN = """
[repository]
name = "bad"
[root]
threshold = 2
signers = ["one", "two", "three"]
[keys.one]
generate = "ed25519"
signer = "file:keys/one.key"
[keys.two]
generate = "ecdsa"
encrypt = false
signer = "file:keys/two.key"
[keys.three]
generate = "ed25519"
encrypt = false
signer = "file:keys/three.key"
[keys.online]
generate = "ed25519"
encrypt = false
signer = "file:keys/online.key"
[online]
key = "online"
[bins]
count = 4
"""


def tree(directory: Path) -> dict[str, str]:
    """Every file and directory below `directory`, with what it holds."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "directory"
        for path in sorted(directory.rglob("*"))
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a few artifacts, made once."""
    home = tmp_path_factory.mktemp("made")
    (home / "plan.toml").write_text(PLAN)
    (home / "passphrase").touch(mode=0o600)
    (home / "passphrase").write_text("open sesame\n")
    workspace = home / "workspace"
    plan, secret = str(home / "plan.toml"), str(home / "passphrase")
    assert main(["--repo", str(workspace), "-q", "ceremony", "--plan", plan, "--passphrase-file", secret]) == 0
    for name in ("README", "dir/a.txt"):
        file = home / "files" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    assert main(["--repo", str(workspace), "-q", "artifact", "add", str(home / "files")]) == 0
    return workspace


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    shutil.copytree(made, tmp_path / "workspace", symlinks=True)
    return tmp_path / "workspace"


class Refusal:
    """Runs commands that must fail, and looks at what they leave and say."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, workspace: Path, *arguments: str, codes: tuple[int, ...] = (1,)) -> str:
        before = tree(workspace.parent)
        self._capfd.readouterr()
        code = main(["--repo", str(workspace), "--wait", "1", *arguments])
        out, err = self._capfd.readouterr()
        assert code in codes, (code, err)
        assert out == ""
        assert err.startswith("error: "), err
        assert "Traceback" not in err
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", err)
        assert tree(workspace.parent) == before
        return err


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Refusal:
    return Refusal(capfd)


PATHS = [
    "",
    "/etc/passwd",
    "../../etc/passwd",
    "..",
    ".",
    "...",
    " ",
    "a/. ./b",
    "a/../b",
    "a/./b",
    "./a",
    "a//b",
    "a/",
    "//a",
    "a\\b",
    "..\\..\\a",
    "C:\\a",
    "a\x00b",
    "a\nb",
    "a\rb",
    "a\tb",
    "a\x1b[31m",
    "a\x7f",
    "a\x85b",
    "a\u202eb",
    "a\u200bb",
    "\ufeffa",
    "a\u2028b",
    "a#b",
    "a?b",
    "a%41",
    "a%2e%2e",
    "cafe\u0301",
    "\ue000",
    "\U000fffff",
    "\u0378",
    "x" * 191,
    "y/" + "x" * 256 + "/z",
    "/".join(["x" * 100] * 11),
    "\udc80",
    "a\ud800",
]


@pytest.mark.parametrize("path", PATHS, ids=ascii)
def test_paths_are_refused_in_records(made: Path, tmp_path: Path, refused: Refusal, path: str) -> None:
    """Each path of the list is refused in an import, with the line it stands in."""
    records = tmp_path / "records.ndjson"
    good = {"path": "good.txt", "length": 1, "hashes": {"sha256": HASH}}
    bad = good | {"path": path}
    records.write_text(json.dumps(good) + "\n" + json.dumps(bad) + "\n")
    assert "line 2" in refused(made, "artifact", "import", str(records))


@pytest.mark.parametrize("path", [path for path in PATHS if "\0" not in path], ids=ascii)
def test_paths_are_refused_on_the_command_line(made: Path, refused: Refusal, path: str) -> None:
    """Each path of the list is refused when it is added by hash, and when it should be removed."""
    by_hash = ("--length", "1", "--hash", f"sha256:{HASH}")
    refused(made, "artifact", "add", f"--path={path}", *by_hash, codes=(1, 2))
    refused(made, "artifact", "remove", "--", path, codes=(1, 2))


@pytest.mark.parametrize("name", ["readme", "Readme", "README.", "README ", "dir /a.txt", "DIR/A.TXT", "dir./a.txt"])
def test_twins_are_refused(made: Path, refused: Refusal, name: str) -> None:
    """A path that many file systems hold to be a known one is refused, naming that one."""
    options = ("--length", "1", "--hash", f"sha256:{HASH}")
    error = refused(made, "artifact", "add", "--path", name, *options)
    assert ("dir/a.txt" if "/" in name else "README") in error


@pytest.mark.parametrize(
    "change",
    [
        {"length": -1},
        {"length": 2**63},
        {"length": 2**53},
        {"length": 10**400},
        {"length": 1.5},
        {"length": 1.0},
        {"length": True},
        {"length": "1"},
        {"length": None},
        {"hashes": {}},
        {"hashes": None},
        {"hashes": []},
        {"hashes": {"sha256": ""}},
        {"hashes": {"sha256": "a" * 63}},
        {"hashes": {"sha256": "a" * 65}},
        {"hashes": {"sha256": "g" * 64}},
        {"hashes": {"sha256": "A" * 64}},
        {"hashes": {"sha256": 5}},
        {"hashes": {"md5": "a" * 32}},
        {"hashes": {"sha1": "a" * 40}},
        {"hashes": {"SHA256": HASH}},
        {"hashes": {"sha256": HASH, "blake2b-256": HASH}},
        {"hashes": {"": HASH}},
        {"path": 5},
        {"path": None},
        {"custom": []},
        {"custom": "x"},
        {"custom": {"a": 1.5}},
        {"custom": {"a": float("nan")}},
        {"custom": {"a": float("inf")}},
        {"custom": {"a": 2**53}},
        {"custom": {"a": "\ud800"}},
        {"custom": {"a": "x" * 70_000}},
        {"surprise": 1},
    ],
    ids=lambda change: ascii(change)[:60],
)
def test_records_are_refused(made: Path, tmp_path: Path, refused: Refusal, change: dict[str, object]) -> None:
    """Lengths, hashes and custom data outside their bounds are refused, with the line."""
    record = {"path": "a.txt", "length": 1, "hashes": {"sha256": HASH}} | change
    (tmp_path / "records.ndjson").write_text(json.dumps(record) + "\n")
    assert "line 1" in refused(made, "artifact", "import", str(tmp_path / "records.ndjson"))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"null",
        b'{"path":"a","path":"b","length":1,"hashes":{"sha256":"%b"}}' % HASH.encode(),
        b'{"path":"a","length":1,"length":1,"hashes":{"sha256":"%b"}}' % HASH.encode(),
        b'{"path":"a","length":1,"hashes":{"sha256":"%b","sha256":"%b"}}' % (HASH.encode(), HASH.encode()),
        b'{"path":"a","\\u0070ath":"b","length":1,"hashes":{"sha256":"%b"}}' % HASH.encode(),
        b'{"path":"a","length":1,"hashes":{"sha256":"%b"},"custom":{"x":1,"x":2}}' % HASH.encode(),
        b'{"path":"a","length":1,"hashes":{"sha256":"%b"},"custom":{"x":NaN}}' % HASH.encode(),
        b'{"path":"a","length":1,"hashes":{"sha256":"%b"},"custom":{"x":%b%b}}'
        % (HASH.encode(), b"[" * 20_000, b"]" * 20_000),
        b'{"path":"a\xff","length":1,"hashes":{"sha256":"%b"}}' % HASH.encode(),
        b'{"path":"a","length":1,"hashes":{"sha256":"%b"}} trailing' % HASH.encode(),
        b'\xef\xbb\xbf{"path":"a","length":1,"hashes":{"sha256":"%b"}}' % HASH.encode(),
        b"\x00" * 100,
        b"x" * (2 << 20),
    ],
    ids=lambda line: ascii(line)[:50],
)
def test_lines_are_refused(made: Path, tmp_path: Path, refused: Refusal, line: bytes) -> None:
    """Text that is not one strict JSON object a line is refused, duplicate keys among it; nothing is taken."""
    good = b'{"path":"good.txt","length":1,"hashes":{"sha256":"%b"}}\n' % HASH.encode()
    (tmp_path / "records.ndjson").write_bytes(good * 2 + line + b"\n" + (b"{" if not line else b""))
    error = refused(made, "artifact", "import", "--format", "ndjson", str(tmp_path / "records.ndjson"))
    assert re.search(r"line [34]", error)


def test_fifty_megabytes_of_custom_data_are_refused(made: Path, tmp_path: Path, refused: Refusal) -> None:
    """A record of 50 MB is refused without being read to its end."""
    with (tmp_path / "records.ndjson").open("wb") as file:
        file.write(b'{"path":"a","length":1,"hashes":{"sha256":"%b"},"custom":{"x":"' % HASH.encode())
        for _ in range(50):
            file.write(b"x" * 1_000_000)
        file.write(b'"}}\n')
    assert "line 1" in refused(made, "artifact", "import", str(tmp_path / "records.ndjson"))


@pytest.mark.parametrize(
    "line",
    [
        "a;1;sha256",
        "a;-1;sha256;" + HASH,
        "a;1.5;sha256;" + HASH,
        "a;1;md5;" + HASH,
        "a;1;sha256;zz",
        "a;;sha256;x",
        "../a;1;sha256;" + HASH,
        ";1;sha256;" + HASH,
        "a;1;sha256;" + HASH + ";x",
        "a;٣;sha256;" + HASH,
    ],
)
def test_csv_lines_are_refused(made: Path, tmp_path: Path, refused: Refusal, line: str) -> None:
    """A line of RSTUF's CSV with a field too few, too many or out of bounds is refused with its number."""
    (tmp_path / "records.csv").write_text(f"good;1;sha256;{HASH}\n{line}\n")
    assert "line 2" in refused(made, "artifact", "import", "--format", "csv", str(tmp_path / "records.csv"))


@pytest.mark.parametrize(
    "text",
    [
        f"{HASH}  ../up\n",
        f"{HASH}  /abs\n",
        f"{HASH} a\n",
        "nonsense\n",
        f"\\{HASH}  a\\nb\n",
        f"{HASH}  missing\n",
        f"{HASH}  there\n",
        f"{HASH[:-1]}  there\n",
    ],
)
def test_checksum_listings_are_refused(made: Path, tmp_path: Path, refused: Refusal, text: str) -> None:
    """A listing with a bad line, a missing file, or a file that hashes to something else is refused."""
    (tmp_path / "there").write_text("there")
    (tmp_path / "SHA256SUMS").write_text(text)
    refused(made, "artifact", "import", str(tmp_path / "SHA256SUMS"), codes=(1, 6))


def test_conflicts_are_refused(made: Path, tmp_path: Path, refused: Refusal) -> None:
    """Another content for a known path is refused unless it is meant, and so is the same path twice in an import."""
    (tmp_path / "README").write_text("another")
    assert "another content" in refused(made, "artifact", "add", str(tmp_path / "README"))
    record = {"path": "b.txt", "length": 1, "hashes": {"sha256": HASH}}
    (tmp_path / "twice.ndjson").write_text(json.dumps(record) + "\n" + json.dumps(record | {"length": 2}) + "\n")
    refused(made, "artifact", "import", str(tmp_path / "twice.ndjson"))
    refused(made, "artifact", "remove", "README", "no-such-file")


def test_files_that_are_none_are_refused(made: Path, tmp_path: Path, refused: Refusal) -> None:
    """FIFOs, devices, links in a directory, missing and unreadable names, and names that are no paths."""
    os.mkfifo(tmp_path / "fifo")
    refused(made, "artifact", "add", str(tmp_path / "fifo"), codes=(1, 6))
    refused(made, "artifact", "add", "/dev/zero", codes=(1, 6))
    refused(made, "artifact", "add", str(tmp_path / "missing"), codes=(1, 6))
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "passwd").symlink_to("/etc/passwd")
    refused(made, "artifact", "add", str(tmp_path / "links"), codes=(1, 6))
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "a%41").write_text("x")
    refused(made, "artifact", "add", str(tmp_path / "odd"))
    (tmp_path / "odd2").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "odd2") + b"/\xff")).write_text("x")
    refused(made, "artifact", "add", str(tmp_path / "odd2"))


READING = [["status"], ["artifact", "list"], ["publish"], ["renew"], ["artifact", "remove", "README"]]


@pytest.mark.parametrize("command", READING, ids=" ".join)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "format = 2",
        "format = 'x'",
        "x = 1",
        "format = 1\nstate = 5",
        "\x00",
        "format = 1\nunknown = 1",
        "[" * 5000,
        "format = 1\nmetadata = ''",
        "format = 1\nmetadata = 'http://x/'",
        "format = 1\nformat = 1",
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_a_damaged_configuration_is_refused(workspace: Path, refused: Refusal, command: list[str], text: str) -> None:
    """Every command names the file and what is wrong with it."""
    (workspace / "rstuf.toml").write_text(text)
    assert "rstuf.toml" in refused(workspace, *command)


@pytest.mark.parametrize("command", READING, ids=" ".join)
@pytest.mark.parametrize("damage", ["empty", "noise", "torn", "missing", "foreign", "newer", "zeroed"])
def test_a_damaged_state_is_refused(workspace: Path, refused: Refusal, command: list[str], damage: str) -> None:
    """Every command says that the state cannot be used; nothing is written into it or beside it."""
    state = workspace / "state.db"
    for suffix in ("-wal", "-shm"):
        Path(f"{state}{suffix}").unlink(missing_ok=True)
    data = state.read_bytes()
    if damage == "empty":
        state.write_bytes(b"")
    elif damage == "noise":
        state.write_bytes(os.urandom(8192))
    elif damage == "torn":
        state.write_bytes(data[: len(data) // 3])
    elif damage == "missing":
        state.unlink()
    elif damage == "zeroed":
        state.write_bytes(data[:4096] + bytes(len(data) - 4096))
    else:
        if damage == "foreign":
            state.unlink()
        with sqlite3.connect(state) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("CREATE TABLE x (y)" if damage == "foreign" else "PRAGMA user_version=999")
        connection.close()
    error = refused(workspace, *command, codes=(1, 6))
    if damage == "newer":
        assert "999" in error


@pytest.mark.parametrize("command", [["publish"], ["renew"]], ids=" ".join)
@pytest.mark.parametrize("damage", [b"", b"{", b"null", b'{"signatures":[],"signed":{}}', None], ids=ascii)
@pytest.mark.parametrize("name", ["timestamp.json", "1.targets.json"])
def test_damaged_metadata_is_refused(
    workspace: Path, refused: Refusal, command: list[str], damage: bytes | None, name: str
) -> None:
    """Publishing and renewing stop before anything is written when what is visible is not what was published."""
    assert main(["--repo", str(workspace), "-q", "artifact", "remove", "README", "--no-publish"]) == 0
    place = workspace / "metadata" / name
    if damage is None:
        place.unlink()
    else:
        place.write_bytes(damage)
    assert name in refused(workspace, *command, codes=(3, 6))


def test_a_damaged_bin_is_found_by_verify(workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Every single file of the visible metadata, damaged by one byte, is found, with exit code 3 and no change."""
    timestamp = json.loads((workspace / "metadata/timestamp.json").read_bytes())
    assert timestamp["signed"]["version"] == 2
    for place in sorted((workspace / "metadata").glob("*.json")):
        data = place.read_bytes()
        if place.name in {"1.snapshot.json", "1.timestamp.json"} or _is_superseded(workspace, place.name):
            continue
        place.write_bytes(data[:-40] + bytes([data[-40] ^ 1]) + data[-39:])
        assert main(["--repo", str(workspace), "verify"]) == 3, place.name
        place.write_bytes(data)
    capfd.readouterr()
    assert main(["--repo", str(workspace), "verify", "--full"]) == 0


def _is_superseded(workspace: Path, name: str) -> bool:
    version, rest = name.split(".", 1)
    return (
        rest != "root.json" and (workspace / "metadata" / f"{int(version) + 1}.{rest}").exists()
        if version.isdigit()
        else False
    )


def test_no_space_is_told_and_mended(workspace: Path, tmp_path: Path) -> None:
    """Where files cannot grow any more, adding fails with a storage error, and works when there is room again."""
    file = tmp_path / "big.bin"
    file.write_bytes(os.urandom(300_000))
    command = [sys.executable, "-m", "rstuf_cli", "--repo", str(workspace), "artifact", "add", str(file)]

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    metadata = tree(workspace / "metadata")
    done = subprocess.run(command, preexec_fn=no_room, capture_output=True, text=True, check=False)
    assert done.returncode == 6, done.stderr
    assert done.stderr.startswith("error: ")
    assert tree(workspace / "metadata") == metadata
    assert not any("big.bin" in name for name in tree(workspace))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs a user that permissions bind")
def test_a_read_only_workspace_can_be_read_and_not_written(workspace: Path, tmp_path: Path) -> None:
    """Without permission to write, looking works, changing is a storage error, and nothing is changed."""
    file = tmp_path / "new.txt"
    file.write_text("new")
    for place in [workspace, *workspace.rglob("*")]:
        place.chmod(0o500 if place.is_dir() else 0o400)
    try:
        before = tree(workspace)
        run = [sys.executable, "-c", _AS_NOBODY, str(workspace)]
        looked = subprocess.run([*run, "status"], capture_output=True, text=True, check=False)
        added = subprocess.run([*run, "artifact", "add", str(file)], capture_output=True, text=True, check=False)
        assert looked.returncode == 0, looked.stderr
        assert added.returncode == 6, added.stderr
        assert tree(workspace) == before
    finally:
        for place in [workspace, *workspace.rglob("*")]:
            place.chmod(0o700 if place.is_dir() else 0o600)


# Root may write everywhere; without that capability it is bound by permissions like everybody else.
_AS_NOBODY = """
import ctypes, os, sys
if os.geteuid() == 0:
    libc = ctypes.CDLL(None)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    assert libc.capset(header, data) == 0
from rstuf_cli.app import main
sys.exit(main(["--repo", *sys.argv[1:]]))
"""


def test_a_wrong_passphrase_makes_nothing(tmp_path: Path, refused: Refusal) -> None:
    """A ceremony whose key does not open leaves no file; so does one whose passphrase is missing."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "plan.toml").write_text(PLAN)
    error = refused(tmp_path / "work" / "new", "ceremony", "--plan", str(tmp_path / "work" / "plan.toml"))
    assert "--passphrase-file" in error


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "bad"', 'name = ""'),
        ('name = "bad"', 'name = "a\\nb"'),
        ('name = "bad"', "name = 5"),
        ("threshold = 2", "threshold = 0"),
        ("threshold = 2", "threshold = -1"),
        ("threshold = 2", "threshold = 4"),
        ("threshold = 2", "threshold = true"),
        ("threshold = 2", 'threshold = "2"'),
        ("threshold = 2", "threshold = 2.0"),
        ('"three"]', '"online"]'),
        ('"three"]', '"two"]'),
        ('"three"]', '"four"]'),
        ("count = 4", "count = 0"),
        ("count = 4", "count = 1"),
        ("count = 4", "count = 3"),
        ("count = 4", "count = 32768"),
        ("count = 4", "count = -4"),
        ("count = 4", 'count = 4\nexpires = "0d"'),
        ("count = 4", 'count = 4\nexpires = "1000y"'),
        ("count = 4", 'count = 4\nexpires = "soon"'),
        ("count = 4", 'count = 4\nexpires = "1d"\nrenew_before = "2d"'),
        ("count = 4", "count = 4\nsurprise = 1"),
        ('generate = "ecdsa"', 'generate = "dsa"'),
        ('signer = "file:keys/three.key"', 'signer = "file:keys/two.key"'),
        ('signer = "file:keys/three.key"', 'signer = "http://x/key"'),
        ('signer = "file:keys/three.key"', 'signer = "nonsense"'),
        ("[online]", "[[delegations]]\nname = 'x'\n[online]"),
        ('key = "online"', 'key = "one"'),
        ("[bins]", "[bins"),
        ("[bins]", "[repository]"),
        ('name = "bad"', 'name = "bad"\nmetadata = ""'),
        ('name = "bad"', 'name = "bad"\nmetadata = "s3://bucket/"'),
    ],
    ids=lambda text: text.replace("\n", " ")[:40],
)
def test_plans_that_do_not_hold_together_are_refused(tmp_path: Path, refused: Refusal, old: str, new: str) -> None:
    """Each fault is named and nothing is made."""
    assert PLAN.count(old) == 1
    (tmp_path / "plan.toml").write_text(PLAN.replace(old, new))
    refused(tmp_path / "new", "ceremony", "--plan", str(tmp_path / "plan.toml"))
    assert not (tmp_path / "new").exists()


def test_a_workspace_is_not_made_where_one_is(made: Path, refused: Refusal) -> None:
    """The ceremony refuses a workspace, and a directory with a state or metadata of somebody else."""
    plan = str(made.parent / "plan.toml")
    secret = str(made.parent / "passphrase")
    refused(made, "ceremony", "--plan", plan, "--passphrase-file", secret)


def test_unsafe_directories_are_refused(workspace: Path, refused: Refusal, tmp_path: Path) -> None:
    """A workspace into which others can write, or that is reached through a link, is refused."""
    workspace.chmod(0o770)
    assert "chmod" in refused(workspace, "status")
    workspace.chmod(0o700)
    (tmp_path / "link").symlink_to(workspace)
    refused(tmp_path / "link", "status")


@pytest.mark.parametrize(
    "name", [".", "keys", "keys/online.key", "keys/one.key.pub", "state.db", "rstuf.toml", "metadata"]
)
def test_a_workspaces_own_files_are_no_artifacts(made: Path, refused: Refusal, name: str) -> None:
    """Keys, state and what is served are refused, by name, in a directory, and through a link."""
    place = made / name.replace("one.key.pub", "one.pub")
    assert "belongs to the workspace" in refused(made, "artifact", "add", str(place))


def test_private_keys_are_no_artifacts(made: Path, tmp_path: Path, refused: Refusal) -> None:
    """A private key is not published by accident, wherever it is, nor the workspace's own through a link."""
    shutil.copy(made / "keys" / "online.key", tmp_path / "copy.txt")
    assert "private key" in refused(made, "artifact", "add", str(tmp_path / "copy.txt"))
    (tmp_path / "link").symlink_to(made / "state.db")
    assert "belongs to the workspace" in refused(made, "artifact", "add", str(tmp_path / "link"))


@pytest.mark.parametrize("name", ["typo", "keys", "metadata/x"])
def test_a_named_directory_is_the_workspace_or_none(made: Path, refused: Refusal, name: str) -> None:
    """A mistyped --repo never acts on the workspace around it."""
    assert "holds no rstuf.toml" in refused(made / name, "renew", "--force", "timestamp")


@pytest.mark.parametrize("place", [".", "keys", "keys/served", "..", "state.db", "sub/../keys"])
@pytest.mark.parametrize("what", ["metadata", "artifacts"])
def test_what_is_served_never_holds_keys(tmp_path: Path, refused: Refusal, place: str, what: str) -> None:
    """A plan that would serve the workspace, its keys or its state is refused."""
    (tmp_path / "plan.toml").write_text(PLAN.replace('name = "bad"', f'name = "bad"\n{what} = "{place}"'))
    refused(tmp_path / "new", "ceremony", "--plan", str(tmp_path / "plan.toml"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("where", ["new", "beside"])
def test_metadata_of_others_is_not_published_over(made: Path, tmp_path: Path, refused: Refusal, where: str) -> None:
    """A plan whose metadata directory is in use is refused before anything is made, wherever that directory is."""
    served = made / "metadata" if where == "beside" else tmp_path / "served"
    served.mkdir(exist_ok=True)
    (served / "timestamp.json").touch()
    (tmp_path / "plan.toml").write_text(PLAN.replace('name = "bad"', f'name = "bad"\nmetadata = "{served}"'))
    refused(tmp_path / "new", "ceremony", "--plan", str(tmp_path / "plan.toml"))
    assert not (tmp_path / "new").exists()

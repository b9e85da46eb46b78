"""Workspaces that are damaged, full, unsafe or not there: a clear error, the right exit code, and no change."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.refusals import Refusal, tree

from rstuf_cli.app import main

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
        "format = " + "1" * 5000,
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
def test_a_damaged_timestamp_is_refused(
    workspace: Path, refused: Refusal, command: list[str], damage: bytes | None
) -> None:
    """Publishing and renewing stop before anything is written when what is visible is not what was published."""
    assert main(["--repo", str(workspace), "-q", "artifact", "remove", "README", "--no-publish"]) == 0
    place = workspace / "metadata" / "timestamp.json"
    if damage is None:
        place.unlink()
    else:
        place.write_bytes(damage)
    assert "timestamp.json" in refused(workspace, *command, codes=(3,))


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


def test_unsafe_directories_are_refused(workspace: Path, refused: Refusal, tmp_path: Path) -> None:
    """A workspace into which others can write, or that is reached through a link, is refused."""
    workspace.chmod(0o770)
    assert "chmod" in refused(workspace, "status")
    workspace.chmod(0o700)
    (tmp_path / "link").symlink_to(workspace)
    refused(tmp_path / "link", "status")


@pytest.mark.parametrize("name", ["typo", "keys", "metadata/x"])
def test_a_named_directory_is_the_workspace_or_none(made: Path, refused: Refusal, name: str) -> None:
    """A mistyped --repo never acts on the workspace around it."""
    assert "holds no rstuf.toml" in refused(made / name, "renew", "--force", "timestamp")

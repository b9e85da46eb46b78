"""What lies in directories that are served: found wherever it is, judged by name, content, owner and mode."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rstuf.repository.interfaces import ServedFault
from rstuf.storage.served import ServedDirectories

_HASH = "ab" * 32
_KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A workspace with something private, and what is served one in the other."""
    for name in ("keys", "public/targets/deep/er", "public/.staging", "public/targets/.staging"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "keys" / "online.key").write_bytes(_KEY)
    for path in (tmp_path / "public").rglob("*"):
        path.chmod(0o755)
    return tmp_path


def served(place: Path, artifacts: str | None = "public/targets") -> ServedDirectories:
    inside = None if artifacts is None else place / artifacts
    return ServedDirectories(place / "public", inside, private=[place / "keys", place / "state.db"])


def faults(place: Path, artifacts: str | None = "public/targets") -> dict[str, set[ServedFault]]:
    """What is wrong, by the place below the workspace; and that each place is told once."""
    entries = list(served(place, artifacts).walk())
    assert len({entry.shown for entry in entries}) == len(entries)
    return {os.path.relpath(entry.shown, place): set(entry.faults) for entry in entries if entry.faults}


def put(path: Path, data: bytes = b"x") -> None:
    path.write_bytes(data)
    path.chmod(0o644)


@pytest.mark.parametrize("artifacts", ["public/targets", "public/../public/targets", None])
@pytest.mark.parametrize(
    "name", ["timestamp.json", "17.bins-2a.json", f"{_HASH}.app.key", f"{_HASH}.env", "index.html"]
)
def test_what_belongs_there_is_fine(place: Path, name: str, artifacts: str | None) -> None:
    """What rstuf makes, whatever it is called behind its hash, and what is plainly public."""
    put(place / "public" / name)
    put(place / "public" / "targets" / "deep" / name)
    put(place / "public" / ".staging" / "unfinished", _KEY)
    assert faults(place, artifacts) == {}


@pytest.mark.parametrize("name", [".env", ".env.production", "rstuf.toml", "state.db", "state.db-wal", "id_ed25519"])
@pytest.mark.parametrize("where", ["public", "public/targets/deep/er"])
def test_private_names_are_found(place: Path, where: str, name: str) -> None:
    """However deep they lie."""
    put(place / where / name)
    assert faults(place) == {f"{where}/{name}": {ServedFault.PRIVATE}}


@pytest.mark.parametrize(
    "data",
    [
        _KEY,
        b"-----BEGIN PRIVATE KEY-----\n",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
        b"Bag Attributes\n-----BEGIN RSA PRIVATE KEY-----\n",
        b"SQLite format 3\0" + bytes(52) + b"rstu",
    ],
)
def test_private_contents_are_found(place: Path, data: bytes) -> None:
    """A key or a state under another name."""
    put(place / "public" / "backup", data)
    put(place / "public" / "public.pem", b"-----BEGIN PUBLIC KEY-----\n")
    put(place / "public" / "other.db", b"SQLite format 3\0" + bytes(60))
    assert faults(place) == {"public/backup": {ServedFault.PRIVATE}}


def test_a_repository_of_sources_is_found(place: Path) -> None:
    """A directory that holds all that ever was in it."""
    (place / "public" / ".git").mkdir(mode=0o755)
    assert faults(place) == {"public/.git": {ServedFault.PRIVATE}}


def test_links_are_found_and_not_followed(place: Path) -> None:
    """One that leads to what is private, to it in the end, or to what holds it is private itself."""
    (place / "elsewhere").mkdir()
    (place / "hop").symlink_to("keys")
    links = {"a": "../keys/online.key", "b": "../hop", "c": "..", "d": "../elsewhere", "e": "nowhere", "f": "f"}
    for name, end in links.items():
        (place / "public" / name).symlink_to(end)
    found = faults(place)
    private = {name for name, found_there in found.items() if found_there == {ServedFault.PRIVATE}}
    assert private == {"public/a", "public/b", "public/c"}
    assert {name for name, found_there in found.items() if found_there == {ServedFault.LINK}} == {
        "public/d",
        "public/e",
        "public/f",
    }


@pytest.mark.parametrize("bits", [0o020, 0o002])
@pytest.mark.parametrize("where", ["public/timestamp.json", "public/targets/deep", f"public/targets/deep/{_HASH}.x"])
def test_what_others_can_change_is_found(place: Path, where: str, bits: int) -> None:
    """Files of metadata, contents and directories alike."""
    if where != "public/targets/deep":
        put(place / where)
    (place / where).chmod((place / where).stat().st_mode | bits)
    assert faults(place) == {where: {ServedFault.SHARED}}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give files away")
def test_what_belongs_to_somebody_else_is_found(place: Path) -> None:
    """Whatever its mode."""
    put(place / "public" / "timestamp.json")
    os.chown(place / "public" / "timestamp.json", 12345, -1)
    assert faults(place) == {"public/timestamp.json": {ServedFault.SHARED}}


def test_names_of_metadata_are_those_in_its_place(place: Path) -> None:
    """A name below it, or among contents, is no file of metadata."""
    put(place / "public" / "3.bins-1.json")
    put(place / "public" / "targets" / "4.bins-1.json")
    names = {entry.metadata for entry in served(place).walk()}
    assert names == {"3.bins-1.json", "targets", None}


def test_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    """A place that nobody made yet, or that was taken away, holds nothing."""
    assert list(ServedDirectories(tmp_path / "a", tmp_path / "b", private=[]).walk()) == []


def test_a_file_in_place_of_a_directory_is_told(tmp_path: Path) -> None:
    """It cannot be looked through."""
    put(tmp_path / "a")
    (entry,) = ServedDirectories(tmp_path / "a", None, private=[]).walk()
    assert entry.faults == (ServedFault.UNREADABLE,)

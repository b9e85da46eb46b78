"""Where keys may be made: never over anything, never where others can write, and whole or not at all."""

from __future__ import annotations

import os
import stat

import pytest
from tests.unit.signing.keys_made import Asked, files, make

from rstuf.errors import InvalidKey, StorageError, UnsafeDirectory
from rstuf.signing import keyfiles


def test_nothing_is_ever_overwritten(workspace):
    """A file, a directory, a dangling link or a public half in the place: refused before a passphrase is asked."""
    (workspace / "file.key").write_bytes(b"kept")
    (workspace / "dir.key").mkdir()
    (workspace / "link.key").symlink_to("nowhere")
    (workspace / "half.pub").write_bytes(b"kept")
    before = files(workspace)
    secrets = Asked()
    for name in ("file", "dir", "link", "half"):
        with pytest.raises(InvalidKey, match="taken"):
            make(workspace, secrets, uri=f"file:{name}.key", encrypt=True)
    assert secrets.asked == []
    assert files(workspace) == before
    assert (workspace / "file.key").read_bytes() == (workspace / "half.pub").read_bytes() == b"kept"


@pytest.mark.parametrize("name", ["maria.key", "maria.pub"])
def test_a_place_that_is_taken_meanwhile_is_not_overwritten(workspace, name):
    """Between making and saving, someone else was faster: their file stays, and ours is not written."""
    made = make(workspace)
    (workspace / "keys").mkdir(mode=0o700)
    (workspace / "keys" / name).write_bytes(b"theirs")
    with pytest.raises(InvalidKey, match="taken"):
        made.save()
    assert os.listdir(workspace / "keys") == [name]
    assert (workspace / "keys" / name).read_bytes() == b"theirs"


def test_the_last_moment_race_is_lost_without_harm(workspace, monkeypatch):
    """Even a file that appears after the look stays as it is."""
    made = make(workspace)
    (workspace / "keys").mkdir(mode=0o700)
    (workspace / "keys" / "maria.key").write_bytes(b"theirs")
    monkeypatch.setattr(keyfiles, "is_taken", lambda path: False)
    with pytest.raises(InvalidKey, match="taken"):
        made.save()
    assert os.listdir(workspace / "keys") == ["maria.key"]
    assert (workspace / "keys" / "maria.key").read_bytes() == b"theirs"


@pytest.mark.parametrize("uri", ["file:maria.pub", "file:keys/", "file:.", "file:/"])
def test_places_that_are_not_for_private_keys(workspace, uri):
    """Names of public halves and of directories."""
    with pytest.raises(InvalidKey):
        make(workspace, uri=uri).save()


def test_a_directory_that_is_none_is_refused(workspace):
    """A file where the directory should be."""
    (workspace / "keys").write_bytes(b"")
    with pytest.raises(InvalidKey):
        make(workspace)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_directory_that_others_can_write_to_is_refused(workspace, mode):
    """Whoever can write there can put another key in place; the hint mends it."""
    (workspace / "keys").mkdir()
    (workspace / "keys").chmod(mode)
    with pytest.raises(UnsafeDirectory) as caught:
        make(workspace)
    assert caught.value.hint == f"chmod go-w {workspace / 'keys'}"
    made = _saved_elsewhere(workspace)
    with pytest.raises(UnsafeDirectory):
        made.save()
    assert os.listdir(workspace / "keys") == []


def _saved_elsewhere(workspace):
    """A key whose directory became unsafe after it was made."""
    mode = (workspace / "keys").stat().st_mode
    (workspace / "keys").chmod(0o700)
    made = make(workspace)
    (workspace / "keys").chmod(stat.S_IMODE(mode))
    return made


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_refused(workspace):
    """Its owner could put another key in place."""
    (workspace / "keys").mkdir(mode=0o700)
    os.chown(workspace / "keys", 12345, 12345)
    with pytest.raises(UnsafeDirectory, match="another user"):
        make(workspace)


def test_a_key_that_cannot_be_written_leaves_nothing(workspace, monkeypatch):
    """No space: the error says so, and no part of the key is left."""
    made = make(workspace)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError):
        made.save()
    assert [name for name in files(workspace) if name != "keys"] == []

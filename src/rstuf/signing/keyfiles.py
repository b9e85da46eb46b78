"""Key files on disk: read with care, written once, private.

A private key is readable by its owner alone, never overwritten, and has its final name only when all of it is durable;
its public half lies beside it for whoever needs to be given it.
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path
from typing import Final

from rstuf.durable import (
    PUBLIC_FILE,
    SECRET_DIRECTORY,
    SECRET_FILE,
    How,
    is_failing,
    make_directory,
    storage_error,
    write_file,
)
from rstuf.errors import InvalidKey, NameTaken, UnsafeDirectory
from rstuf.permissions import refuse_unsafe_way, user_name
from rstuf.signing.containers import Container, parse_container
from rstuf.ways import is_ours

MAX_KEY_FILE_BYTES: Final = 65536
_THERE: Final = "put the key there, or name the file that it is in"
_NAMED: Final = "name the file that the key is in"


def public_path(private: Path) -> Path:
    """Where the public half of the key in `private` lies: `NAME.pub` for `NAME` or `NAME.key`."""
    return private.with_name(private.name.removesuffix(".key") + ".pub")


def read_key_file(path: Path) -> tuple[bytes, os.stat_result]:
    """The bytes of a file that should hold a key, and what the file is like. Symbolic links are followed.

    Raises:
        InvalidKey: there is none, it is no regular file, or it is longer than 64 KiB.
        StorageError: the disk fails: that says nothing about the key.
    """
    try:
        # Not to wait for the writer of a FIFO.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise InvalidKey(str(path), "there is no such file", hint=_THERE) from None
    except OSError as error:
        if is_failing(error):
            raise storage_error("read", str(path), error) from error
        look = f"ls -ld {shlex.quote(str(path))} shows who may"
        raise InvalidKey(str(path), f"it cannot be opened: {error.strerror}", hint=look) from None
    except ValueError:
        raise InvalidKey(repr(str(path)), "no file can have this name", hint=_NAMED) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidKey(str(path), "it is not a regular file", hint=_NAMED)
        data = bytearray()
        while len(data) <= MAX_KEY_FILE_BYTES and (chunk := os.read(descriptor, MAX_KEY_FILE_BYTES)):
            data += chunk
    except OSError as error:
        raise storage_error("read", str(path), error) from error
    finally:
        os.close(descriptor)
    if len(data) > MAX_KEY_FILE_BYTES:
        reason = f"it is longer than {MAX_KEY_FILE_BYTES} bytes: no key"
        raise InvalidKey(str(path), reason, hint=_NAMED)
    return bytes(data), status


def read_private(path: Path) -> Container:
    """The private key in a file, still closed.

    Raises:
        InvalidKey: there is none, or it cannot be used.
        UnsafeDirectory: it is not encrypted, and others can read it; or it is somebody else's, or others can put
            another in its place.
    """
    data, status = read_key_file(path)
    container = parse_container(data, where=str(path))
    if not is_ours(status):
        owner = user_name(status.st_uid)
        raise UnsafeDirectory(
            str(path),
            f"it is a private key that belongs to another user ({owner})",
            hint=f"run it as {owner}, or take it over: chown {user_name(os.geteuid())} {shlex.quote(str(path))}",
        )
    refuse_unsafe_way(path)
    if not container.encrypted and os.name == "posix" and status.st_mode & 0o077:
        raise UnsafeDirectory(
            str(path),
            "it is an unencrypted private key that others can read",
            hint=f"chmod 600 {shlex.quote(str(path))}",
        )
    return container


def check_place(path: Path) -> None:
    """Whether a private key can be kept at `path`: its directory, and the way there, is changed by its owner alone.

    Raises:
        InvalidKey: the name is not one for a private key, or what should be a directory is something else.
        UnsafeDirectory: others could put another file in its place.
    """
    if path.suffix == ".pub" or not path.name:
        raise InvalidKey(str(path), "this name is not one for a private key", hint="choose one like keys/NAME.key")
    try:
        status = path.parent.stat()
    except FileNotFoundError:
        refuse_unsafe_way(path)
        return
    except OSError as error:
        look = f"ls -ld {shlex.quote(str(path.parent))} shows who may"
        raise InvalidKey(str(path), f"its directory cannot be used: {error.strerror}", hint=look) from None
    if not stat.S_ISDIR(status.st_mode):
        raise InvalidKey(str(path), f"{path.parent} is not a directory", hint="choose a name like keys/NAME.key")
    if os.name != "posix":
        return
    if status.st_uid not in {0, os.geteuid()}:
        reason, hint = "it belongs to another user, who could put another key in place of ours", None
    elif status.st_mode & 0o022:
        reason, hint = (
            "others can write to it, and put another key in place of ours",
            f"chmod go-w {shlex.quote(str(path.parent))}",
        )
    else:
        refuse_unsafe_way(path)
        return
    raise UnsafeDirectory(str(path.parent), reason, hint=hint)


def is_taken(path: Path) -> bool:
    """Whether anything at all has this name."""
    return os.path.lexists(path)


def create_key_pair(path: Path, *, private: bytes, public: bytes) -> None:
    """Write both halves of a new key, durably; the private one first, neither over anything.

    Raises:
        InvalidKey: something has one of the names already.
        UnsafeDirectory: see `check_place`.
        StorageError: they cannot be written.
    """
    check_place(path)
    for place in (path, public_path(path)):
        if is_taken(place):
            raise taken(place)
    make_directory(path.parent, mode=SECRET_DIRECTORY)
    _create(path, private, mode=SECRET_FILE)
    create_public(path, public)


def create_public(path: Path, public: bytes) -> None:
    """Write the public half of the private key at `path` beside it.

    Raises:
        InvalidKey, StorageError: as `create_key_pair` says.
    """
    create_public_at(public_path(path), public)


def create_public_at(path: Path, public: bytes) -> None:
    """Write a public half to a new file.

    Raises:
        InvalidKey, StorageError: as `create_key_pair` says.
    """
    _create(path, public, mode=PUBLIC_FILE)


def refuse_taken(path: Path) -> None:
    """
    Raises:
        InvalidKey: something has this name already.
    """
    if is_taken(path):
        raise taken(path)


def taken(path: Path) -> InvalidKey:
    """The error for a place that is not free."""
    return InvalidKey(str(path), "this place is taken, and rstuf never overwrites a key", hint="choose another name")


def _create(path: Path, data: bytes, *, mode: int) -> None:
    try:
        write_file(path, data, mode=mode, how=How.CREATE)
    except NameTaken:
        raise taken(path) from None

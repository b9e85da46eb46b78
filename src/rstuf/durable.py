"""The one place that makes files.

A file comes to be in one order, so that neither a kill nor a power cut leaves half of it under its name: written
under a temporary name, flushed, closed, given its final name, and then its directory flushed. `write_file` does all of
it for one file; `storage.staging` does the same for many, out of the parts that stand here.

Nothing here is ever tried again after a failed flush: the kernel may have dropped the bytes it could not write, and
would call the second attempt a success.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rstuf.errors import FileMissing, NameTaken, StorageError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    import ctypes

PUBLIC_FILE: Final = 0o644
SECRET_FILE: Final = 0o600
PUBLIC_DIRECTORY: Final = 0o755
SECRET_DIRECTORY: Final = 0o700

TEMPORARY_NAME: Final = re.compile(r"\.rstuf-[0-9a-f]{16}\.tmp", re.ASCII)
_CHUNK: Final = 1 << 20
# Absent on Windows, where the signing side of the command line also writes files.
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_CLOEXEC: Final = getattr(os, "O_CLOEXEC", 0)
NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _CLOEXEC | getattr(os, "O_BINARY", 0)
# A FIFO must not block the open that finds out that it is one.
OLD_FILE: Final = os.O_RDONLY | _NOFOLLOW | _CLOEXEC | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
DIRECTORY: Final = os.O_RDONLY | _CLOEXEC | getattr(os, "O_DIRECTORY", 0)

_UNSUPPORTED: Final = frozenset({errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_NO_LOCKS: Final = frozenset({errno.EBADF, errno.ENOLCK, *_UNSUPPORTED})
_RENAME_NOREPLACE: Final = 1
_AT_FDCWD: Final = -100

_MOVE_AWAY: Final = "move it away, then run the same command again"
_FAILING: Final = frozenset({errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOLCK, errno.EINTR})
_REASONS: Final = {
    errno.ENOSPC: ("no space left on the disk", "make room, then run the same command again"),
    errno.EDQUOT: ("the disk quota is used up", "make room, then run the same command again"),
    errno.EROFS: ("the file system is read-only", None),
    errno.EACCES: ("permission denied", "look at who owns the directory, then run the same command again"),
    errno.EPERM: ("permission denied", "look at who owns the directory, then run the same command again"),
    errno.EIO: ("the disk reports an error", "look after the disk; then run the same command again"),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n), then run the same command again"),
    errno.ENFILE: ("too many files are open on this machine", None),
    errno.EFBIG: ("it is larger than files may be here", None),
    errno.ENAMETOOLONG: ("its name is too long for this file system", None),
    errno.ELOOP: ("a symbolic link stands in its way", _MOVE_AWAY),
    errno.ENOTDIR: ("a file or a symbolic link stands where a directory should be", _MOVE_AWAY),
    errno.EISDIR: ("a directory stands in its place", _MOVE_AWAY),
    errno.ENOENT: ("a directory on the way to it does not exist", None),
    errno.EXDEV: ("it lies on another file system than its temporary files", "keep the whole directory on one"),
}


class How(Enum):
    """What may stand under the final name before: nothing (or equal bytes), or anything."""

    CREATE = "create"
    REPLACE = "replace"


def storage_error(action: str, name: str, error: OSError) -> StorageError:
    """The error that says in plain words why `action` on `name` failed."""
    if error.errno == errno.EEXIST:
        return NameTaken(name)
    if error.errno == errno.ENOENT and action == "read":
        return FileMissing(name)
    number = error.errno or 0
    reason, hint = _REASONS.get(number, (os.strerror(number).lower() if number else str(error), None))
    return StorageError(action, name, reason, hint=hint)


def there(path: Path) -> os.stat_result | None:
    """What has a name, through links; None where nothing has.

    Raises:
        StorageError: it cannot be told: a failing disk is no missing file.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise storage_error("look at", str(path), error) from error


def is_failing(error: OSError) -> bool:
    """Whether an error speaks of the disk or the machine, and not of the file that was asked for."""
    return error.errno in _FAILING


def write_file(
    path: Path, data: bytes, *, mode: int, how: How, staging: Path | None = None, name: str | None = None
) -> None:
    """Write one file, atomically and durably: a reader sees all of it or what was there before.

    Args:
        mode: its permission bits, whatever the umask; it is never wider, not even while it is written.
        how: `CREATE` leaves a file with equal bytes as it is and touches no other; `REPLACE` takes its place.
        staging: an existing directory for the temporary file, on the same file system; by default the file's own.
        name: what errors call it; by default its path.

    Raises:
        NameTaken: to be created, and there with other bytes.
        StorageError: it cannot be written. Only after a failed flush of the directory can it be visible nevertheless.
    """
    place = path.parent if staging is None else staging
    temporary = place / f".rstuf-{secrets.token_hex(8)}.tmp"
    try:
        with opened_directory(path.parent) as directory, _swept(place):
            try:
                _write_temporary(temporary, data, mode)
                give_name(temporary, path, how)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise
            if directory is not None:
                flush_directory(directory)
    except OSError as error:
        raise storage_error("write", str(path) if name is None else name, error) from error


def _write_temporary(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, NEW_FILE, SECRET_FILE)
    try:
        write_all(descriptor, data)
        if sys.platform != "win32":
            os.fchmod(descriptor, mode)
        flush(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, *, mode: int) -> None:
    """Make a directory and those missing above it, durably, with these permission bits whatever the umask.

    One that exists is left as it is.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        missing = [directory for directory in (path, *path.parents) if not directory.is_dir()]
        for directory in reversed(missing):
            try:
                directory.mkdir(mode=SECRET_DIRECTORY)
            except FileExistsError:
                if not directory.is_dir():
                    raise NotADirectoryError(errno.ENOTDIR, "not a directory") from None
                continue
            directory.chmod(mode)
            with opened_directory(directory.parent) as parent:
                if parent is not None:
                    flush_directory(parent)
    except OSError as error:
        raise storage_error("make the directory", str(path), error) from error


# --- parts: bytes ----------------------------------------------------------------------------------------


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """Write every byte; a short write is continued."""
    written = os.write(descriptor, data)
    if written < len(data):
        rest = memoryview(data)[written:]
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def equal_bytes(first: int, second: int) -> bool:
    """Whether two regular files, both open at their start, hold the same bytes."""
    if os.fstat(first).st_size != os.fstat(second).st_size:
        return False
    with os.fdopen(first, "rb", closefd=False) as one, os.fdopen(second, "rb", closefd=False) as other:
        while chunk := one.read(_CHUNK):
            if chunk != other.read(_CHUNK):
                return False
        return not other.read(1)


@contextmanager
def opened_directory(path: Path) -> Iterator[int | None]:
    """A descriptor of a directory; None on Windows, which has none."""
    if sys.platform == "win32":
        yield None
        return
    descriptor = os.open(path, DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


# --- parts: names ----------------------------------------------------------------------------------------


def give_name(
    source: Path | bytes,
    target: Path | bytes,
    how: How,
    *,
    source_dir: int | None = None,
    target_dir: int | None = None,
) -> None:
    """Move a finished, flushed file to its final name. The names are relative to the directories, where given.

    Raises:
        FileExistsError: to be created, and there with other bytes.
    """
    if how is How.REPLACE:
        os.replace(source, target, src_dir_fd=source_dir, dst_dir_fd=target_dir)
        return
    try:
        os.link(source, target, src_dir_fd=source_dir, dst_dir_fd=target_dir)
    except FileExistsError:
        settle(source, target, source_dir=source_dir, target_dir=target_dir)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename_to_free_name(source, target, source_dir, target_dir, error)
        return
    os.unlink(source, dir_fd=source_dir)


def settle(
    source: Path | bytes, target: Path | bytes, *, source_dir: int | None = None, target_dir: int | None = None
) -> None:
    """Make sure that what has the name already is the same regular file, byte for byte, and durable.

    Raises:
        FileExistsError: it is anything else.
    """
    with _opened(source, source_dir) as ours, _opened(target, target_dir) as theirs:
        if ours is None or theirs is None or not equal_bytes(ours, theirs):
            raise FileExistsError(errno.EEXIST, "it exists with other bytes")
        if sys.platform != "win32":  # where it takes a writable descriptor
            flush(theirs)


@contextmanager
def _opened(name: Path | bytes, directory: int | None) -> Iterator[int | None]:
    """A regular file, open for reading; None if it is anything else."""
    try:
        descriptor = os.open(name, OLD_FILE, dir_fd=directory)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENXIO, errno.EISDIR}:
            raise
        yield None
        return
    try:
        yield descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)


def _rename_to_free_name(
    source: Path | bytes, target: Path | bytes, source_dir: int | None, target_dir: int | None, cause: OSError
) -> None:
    """For file systems without hard links: renameat2(2), which checks and renames in one step."""
    if sys.platform == "win32":
        os.rename(source, target)  # noqa: PTH104  (fails on Windows if the name is taken)
        return
    libc = system_library()
    if not hasattr(libc, "renameat2"):
        raise cause
    import ctypes

    result = libc.renameat2(
        ctypes.c_int(_AT_FDCWD if source_dir is None else source_dir),
        os.fsencode(source),
        ctypes.c_int(_AT_FDCWD if target_dir is None else target_dir),
        os.fsencode(target),
        ctypes.c_uint(_RENAME_NOREPLACE),
    )
    number = ctypes.get_errno()
    if result == 0:
        return
    if number in _UNSUPPORTED:
        raise cause
    if number != errno.EEXIST:
        raise OSError(number, os.strerror(number))
    settle(source, target, source_dir=source_dir, target_dir=target_dir)
    os.unlink(source, dir_fd=source_dir)


def system_library() -> ctypes.CDLL:
    """The C library, for the calls that Python has no name for."""
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


# --- parts: durability -----------------------------------------------------------------------------------


def flush(descriptor: int) -> None:
    """Make a file's bytes durable."""
    os.fsync(descriptor)
    if sys.platform == "darwin":
        # There, fsync(2) ends at the drive's cache; this goes on to the medium.
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise


def flush_directory(descriptor: int) -> None:
    """Make the names in a directory durable. A file system without that operation is taken at its word."""
    try:
        flush(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


# --- parts: leftovers ------------------------------------------------------------------------------------


def lock_alone(descriptor: int) -> bool:
    """Hold a directory alone, without waiting; False if anyone else holds it or the file system knows no locks."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES} or error.errno in _NO_LOCKS:
            return False
        raise
    return True


def lock_shared(descriptor: int) -> None:
    """Hold a directory beside others; waits while someone clears it, which is short."""
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


@contextmanager
def held(descriptor: int) -> Iterator[None]:
    """Hold a directory beside others for the length of a block."""
    lock_shared(descriptor)
    try:
        yield
    finally:
        if sys.platform != "win32":
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def _swept(directory: Path) -> Iterator[None]:
    """Hold a directory while a temporary file stands in it; what killed writers left there goes first."""
    with opened_directory(directory) as descriptor:
        if descriptor is None:
            yield
            return
        if lock_alone(descriptor):
            clear_temporary(descriptor)
        with held(descriptor):
            yield


def clear_temporary(directory: int) -> None:
    """Remove temporary files of writers that were killed. Only for who holds the directory alone."""
    for name in os.listdir(directory):
        if TEMPORARY_NAME.fullmatch(name) is not None:
            with suppress(OSError):
                os.unlink(name, dir_fd=directory)

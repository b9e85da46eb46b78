"""Signatures of a release of many files, checked by a second process while this one still makes them.

The second process is this module, run by itself. It reads on its standard input who must have signed (nothing of it is
a secret) and then the files, and answers at the end how many there were, all rightly signed. If one isn't, if it dies
or cannot be started, or for files that it had no room for, nothing is said, and the publisher checks for itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import orjson

from rstuf.errors import ReleaseRefused
from rstuf.metadata.release_check import check_signed
from rstuf.metadata.render import SignedFile
from rstuf.metadata.views import RoleKeys
from rstuf.model.keys import KeyId, PublicKey
from rstuf.repository.ports import UNWATCHED

if TYPE_CHECKING:
    from rstuf.repository.interfaces import Watch, Witness

# Below this, starting a process costs more than what it takes over.
MANY: Final = 2000
_PIPE_BYTES: Final = 1 << 20
# So much is sent at a time: were each file sent by itself, two processes would change places on a busy core for each.
_BLOCK_BYTES: Final = 1 << 18
_SIZE_BYTES: Final = 4


class SecondProcess:
    """A `Witness` on another core."""

    def watching(self, keys: RoleKeys, *, files: int) -> AbstractContextManager[Watch]:
        """See `Witness.watching`."""
        if files < MANY or (os.cpu_count() or 1) < 2:
            return nullcontext(UNWATCHED)
        return _watching(keys)


@contextmanager
def _watching(keys: RoleKeys) -> Iterator[Watch]:
    command = [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = {_paths()!r}; import {__name__} as w; w.main()"]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0, close_fds=True
        )
    except OSError:
        yield UNWATCHED
        return
    try:
        yield _Watch(process, keys)
    finally:
        if process.poll() is None:
            process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        process.wait()


class _Watch:
    """What the second process was shown, and the part of it that is still to be sent."""

    def __init__(self, process: subprocess.Popen[bytes], keys: RoleKeys) -> None:
        assert process.stdin is not None  # noqa: S101 - it was asked for
        assert process.stdout is not None  # noqa: S101
        self._to, self._answers = process.stdin.fileno(), process.stdout
        # Empty bins are equal files.
        self._shown: set[str] = set()
        self._count = 0
        self._alive = True
        self._rest = bytearray(_frame(_said(keys)))
        _widen(self._to)
        os.set_blocking(self._to, False)
        self._send()

    def show(self, file: SignedFile) -> None:
        """See `Watch.show`."""
        if len(self._rest) >= _BLOCK_BYTES:
            self._send()
        if len(self._rest) < _BLOCK_BYTES and self._alive:
            self._rest += _frame(file.data)
            self._shown.add(file.facts.sha256)
            self._count += 1

    def found_good(self) -> Set[str]:
        """See `Watch.found_good`."""
        os.set_blocking(self._to, True)
        self._rest += _frame(b"")
        self._send()
        good = self._alive and self._answers.read() == b"%d" % self._count
        return self._shown if good else frozenset()

    def _send(self) -> None:
        """Send what the pipe takes; when it may block, all."""
        try:
            while self._rest and self._alive:
                del self._rest[: os.write(self._to, self._rest)]
        except BlockingIOError:
            return
        except OSError:
            self._alive = False


def _frame(data: bytes) -> bytes:
    return len(data).to_bytes(_SIZE_BYTES, "big") + data


def _widen(pipe: int) -> None:
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _paths() -> list[str]:
    """Where this very rstuf and its libraries are, for an interpreter that takes nothing from its surroundings."""
    return [path for path in sys.path if path and Path(path).is_dir()]


def _said(keys: RoleKeys) -> bytes:
    return orjson.dumps(
        {
            "keyids": keys.keyids,
            "threshold": keys.threshold,
            "keys": {keyid: key.to_dict() for keyid, key in keys.keys.items()},
        }
    )


def _heard(data: bytes) -> RoleKeys:
    said = orjson.loads(data)
    return RoleKeys(
        keyids=tuple(map(KeyId, said["keyids"])),
        threshold=said["threshold"],
        keys={KeyId(keyid): PublicKey.from_dict(key) for keyid, key in said["keys"].items()},
    )


def _frames(stream: IO[bytes]) -> Iterator[bytes]:
    """Frames up to the empty one that ends them.

    Raises:
        EOFError: whoever sends them is gone.
    """
    while True:
        size = int.from_bytes(_read(stream, _SIZE_BYTES), "big")
        if not size:
            return
        yield _read(stream, size)


def _read(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def main() -> None:
    """The second process."""
    with os.fdopen(sys.stdin.fileno(), "rb", buffering=_PIPE_BYTES, closefd=False) as stream:
        frames, count = _frames(stream), 0
        try:
            keys = _heard(next(frames))
            for data in frames:
                check_signed("metadata", data, keys=keys)
                count += 1
        except (EOFError, ReleaseRefused):
            sys.exit(1)
    sys.stdout.buffer.write(b"%d" % count)


if TYPE_CHECKING:
    _checked: type[Witness] = SecondProcess

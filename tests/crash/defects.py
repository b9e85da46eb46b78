"""More defects that are put in on purpose (see `faults`): in reading and writing bytes, in locks, in dates."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Any

from tests.crash.patching import replace_everywhere, replace_method


def short_writes_end() -> None:
    """One write(2) is taken for the whole."""
    from rstuf import durable

    def write_all(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data)

    replace_everywhere(durable.write_all, write_all)


def full_disk_ignored() -> None:
    """What does not fit on the disk is left out."""
    from rstuf import durable

    real = durable.write_all

    def write_all(descriptor: int, data: bytes) -> None:
        try:
            real(descriptor, data)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise

    replace_everywhere(real, write_all)


def read_errors_end() -> None:
    """A file that cannot be read any further is taken to end there."""
    from rstuf.storage import contents

    real = contents.take_in

    class Lenient:
        def __init__(self, source: Any) -> None:
            self._source = source

        def read(self, size: int) -> bytes:
            with suppress(OSError):
                return bytes(self._source.read(size))
            return b""

        def __getattr__(self, name: str) -> Any:
            return getattr(self._source, name)

    def take_in(path: Any, source: Any, **options: Any) -> Any:
        lenient: Any = Lenient(source)
        return real(path, lenient, **options)

    replace_everywhere(real, take_in)


def clock_believed() -> None:
    """New metadata is dated by the clock alone, whatever was signed before."""
    from rstuf.repository.ports import Ports

    replace_method(Ports, "signing_time", lambda self, reader: self.clock.now())


def no_lock() -> None:
    """Everybody holds every lock."""
    from rstuf import locks

    replace_everywhere(locks._flock, lambda descriptor, path: True)

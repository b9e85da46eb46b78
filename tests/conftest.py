"""What holds for every test."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("rstuf", deadline=None)
settings.load_profile("rstuf")

_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30


def _lies_in_memory() -> bool:
    """Whether scratch can: each test makes whole repositories, and flushes all that it writes."""
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return False
    return not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC and shutil.disk_usage(_MEMORY).free >= _ROOM


if _lies_in_memory():
    # Of whatever tests start, too.
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None


def pytest_collection_finish() -> None:
    """Leave the modules and the tests themselves out of every collection of garbage: nobody lets go of them."""
    gc.collect()
    gc.freeze()

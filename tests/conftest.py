"""What holds for every test."""

from __future__ import annotations

import gc
import inspect
import os
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType

import pytest
from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("rstuf", deadline=None)
settings.load_profile("rstuf")

_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30
_NO_LETTER = re.compile(r"\W")


def _has_room() -> bool:
    if not os.access(_MEMORY, os.W_OK) or os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC:
        return False
    return shutil.disk_usage(_MEMORY).free >= _ROOM


@pytest.fixture(scope="session")
def place_in_memory() -> Iterator[Path | None]:
    """A directory that costs nothing to flush; None where there is not enough of that."""
    if not _has_room():
        yield None
        return
    place = mkdtemp(prefix="rstuf-tests-", dir=_MEMORY)
    yield Path(place)
    shutil.rmtree(place, ignore_errors=True)


@cache
def _asks_the_doctor(module: ModuleType) -> bool:
    return "doctor" in inspect.getsource(module)


@pytest.fixture
def tmp_path(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, place_in_memory: Path | None
) -> Iterator[Path]:
    """Scratch in memory, where that can be: tests make whole repositories, and flush every file of them.

    On a disk where the doctor is asked: he warns of a workspace that is in memory.
    """
    name = _NO_LETTER.sub("_", request.node.name)[:30]
    if place_in_memory is None or _asks_the_doctor(request.module) or "doctor" in request.node.name:
        yield tmp_path_factory.mktemp(name, numbered=True)
        return
    place = mkdtemp(prefix=name, dir=place_in_memory)
    yield Path(place)
    shutil.rmtree(place, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest ones: at the end nobody is to wait for one of them."""
    items.sort(key=lambda item: "property" not in item.path.parts)


def pytest_collection_finish() -> None:
    """Leave the modules and the tests themselves out of every collection of garbage: nobody lets go of them."""
    gc.collect()
    gc.freeze()

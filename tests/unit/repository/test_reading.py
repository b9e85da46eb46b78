"""Files on their way in: in their order, whole, large ones on all cores, and stopped when nobody waits any more."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

import pytest
from tests.support.engine import MemorySource

from rstuf.errors import HashMismatch, SourceChanged
from rstuf.model.artifacts import ListedHash
from rstuf.model.names import target_path
from rstuf.progress import Silent
from rstuf.repository import reading
from rstuf.repository.reading import LARGE, HashOnly, Reading


@dataclass
class Told(Silent):
    """Progress that remembers what it was told, and by which threads."""

    amount: int = 0
    threads: set[str] = field(default_factory=set)

    def advance(self, amount: int = 1) -> None:
        self.amount += amount
        self.threads.add(threading.current_thread().name)


@dataclass(frozen=True)
class Watched(MemorySource):
    """A file that notes which thread opens it; `wait` keeps its reader waiting, `fails` changes it meanwhile."""

    opened: list[str] = field(default_factory=list)
    wait: threading.Event | None = None
    fails: bool = False

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        self.opened.append(threading.current_thread().name)
        if self.wait is not None:
            self.wait.wait(30)
        yield io.BytesIO(self.data)
        if self.fails:
            raise SourceChanged(self.path)


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four, whatever this machine has."""
    monkeypatch.setattr(reading, "_cores", lambda: 4)


def content(index: int, *, large: bool) -> bytes:
    return b"%06d" % index + bytes(LARGE if large else 10)


def files(count: int, *, large: int) -> list[Watched]:
    """So many, of which every `large`th is large."""
    return [Watched(target_path(f"f{index:03}"), content(index, large=index % large == 0)) for index in range(count)]


@pytest.mark.parametrize("large", [1, 2, 7, 1000])
def test_files_come_in_their_order_with_their_hashes(large: int) -> None:
    """However large and small ones are mixed, and more than are looked at ahead."""
    sources = files(300, large=large)
    told = Told()
    with Reading(HashOnly(), told) as read:
        offers = list(read.each(iter(sources)))
    assert [each.source for each in offers] == sources
    for source, artifact, _ in offers:
        assert (artifact.path, artifact.length) == (source.path, source.size)
        assert artifact.hashes == {"sha256": hashlib.sha256(source.data).hexdigest()}
    assert told.amount == sum(source.size for source in sources)
    assert told.threads == {"MainThread"}


def test_only_large_files_are_read_by_other_threads() -> None:
    """Small ones gain nothing by it."""
    sources = files(20, large=3)
    with Reading(HashOnly(), Silent()) as read:
        list(read.each(sources))
    assert [source.opened[0].startswith("rstuf-read") for source in sources] == [index % 3 == 0 for index in range(20)]


def test_large_files_are_read_side_by_side() -> None:
    """A file whose bytes are slow to come keeps none of those behind it from being read; all come in their order."""
    gate = threading.Event()
    slow = Watched(target_path("a"), content(0, large=True), wait=gate)
    sources = [slow, *files(5, large=1)]
    with Reading(HashOnly(), Silent()) as read:
        offers = read.each(sources)
        threading.Timer(5, gate.set).start()
        opened = threading.Thread(target=lambda: _wait_for(lambda: all(each.opened for each in sources), gate))
        opened.start()
        assert [each.source for each in offers] == sources
        opened.join()
    assert all(each.opened for each in sources)


def _wait_for(condition: object, gate: threading.Event) -> None:
    while not condition():  # type: ignore[operator]
        time.sleep(0.01)
    gate.set()


@pytest.mark.parametrize("large", [True, False])
def test_the_first_fault_is_the_one_that_is_told(large: bool) -> None:
    """Whatever is read ahead: of two files that cannot be taken it is the one that comes first."""
    sources = [
        Watched(target_path("good"), content(0, large=large)),
        Watched(target_path("first"), content(1, large=large), fails=True),
        Watched(target_path("second"), content(2, large=not large), fails=True),
    ]
    with Reading(HashOnly(), Silent()) as read:
        offers = read.each(sources)
        assert next(offers).source.path == "good"
        with pytest.raises(SourceChanged) as caught:
            next(offers)
    assert "first" in str(caught.value)


def test_a_large_file_is_held_against_its_listing() -> None:
    """Read by another thread too, and under another algorithm."""
    listed = ListedHash("sha512", "0" * 128, "SHA512SUMS", 3)
    source = Watched(target_path("f"), content(0, large=True), listed)
    with Reading(HashOnly(), Silent()) as read, pytest.raises(HashMismatch):
        list(read.each([source]))


def test_who_leaves_waits_for_no_file_to_end() -> None:
    """What was begun ahead stops at its next bytes; nothing is read afterwards."""

    class Endless(io.RawIOBase):
        pieces = 0

        def read(self, size: int = -1) -> bytes:
            type(self).pieces += 1
            time.sleep(0.001)
            return bytes(1000)

    class Forever(Watched):
        @contextmanager
        def open(self) -> Iterator[BinaryIO]:
            yield Endless()  # type: ignore[misc]

    sources = [Watched(target_path("a"), b"small"), *(Forever(target_path(f"{n}"), bytes(LARGE)) for n in range(9))]
    with Reading(HashOnly(), Silent()) as read:
        next(read.each(sources))
        while not Endless.pieces:
            time.sleep(0.01)
    before = Endless.pieces
    time.sleep(0.05)
    assert Endless.pieces == before
    assert not [each for each in threading.enumerate() if each.name.startswith("rstuf-read")]

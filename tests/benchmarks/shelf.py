"""Where the sides keep what they made during one run, so that nothing is made twice."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.benchmarks import keys, ours, records
from tests.benchmarks.checks import Published, look
from tests.benchmarks.frame import Sample, in_child, sample_of
from tests.benchmarks.sizes import Sizes


class Shelf:
    """The places of one run, all with the same number of bins, below one scratch directory."""

    def __init__(self, scratch: Path, sizes: Sizes) -> None:
        self._scratch = scratch
        self.sizes = sizes

    def records(self, count: int) -> Path:
        """`count` records as NDJSON."""
        path = self._scratch / f"{count}.ndjson"
        return path if path.exists() else records.write_records(path, count)

    def fresh(self, side: str, count: int) -> Path:
        """An empty place for a side and `count` artifacts; what was there is out of the way."""
        empty = self._scratch / f"{side}-empty"
        if not empty.exists():
            in_child("make", side=side, place=empty, bits=self.sizes.bits)
        place = self._place(side, count)
        if place.exists():
            place.rename(self.attic())
        shutil.copytree(empty, place)
        return place

    def imported(self, side: str, count: int) -> Sample:
        """Import `count` artifacts into a fresh place: what it took. The place stays."""
        place = self.fresh(side, count)
        tell(f"{side}: import {count:,}")
        taken = sample_of(in_child("import_and_publish", side=side, place=place, records=self.records(count)))
        (place / "whole").touch()
        return taken

    def filled(self, side: str, count: int) -> Path:
        """A place of a side with `count` artifacts, or a few more."""
        place = self._place(side, count)
        if not (place / "whole").exists():
            self.imported(side, count)
        return place

    def attic(self) -> Path:
        """A new name, out of the way."""
        above = self._scratch / "attic"
        above.mkdir(exist_ok=True)
        return above / f"{len(list(above.iterdir()))}"

    def _place(self, side: str, count: int) -> Path:
        return self._scratch / f"{side}-{count}"


def public_key(side: str, place: Path) -> bytes:
    """The online key of a place, raw."""
    return ours.public_key(place) if side == "ours" else keys.load_key(place).public_key().public_bytes_raw()


def published(side: str, place: Path) -> Published:
    """What clients find in a place."""
    return look(place / "metadata", public_key(side, place))


def tell(words: str) -> None:
    """Say on stderr what is going on."""
    print(f"  {words}", file=sys.stderr, flush=True)

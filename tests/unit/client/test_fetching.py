"""What python-tuf's updater fetches through."""

from __future__ import annotations

import pytest
from tuf.api.exceptions import DownloadHTTPError

from rstuf.client.reader import _BASE, _fetcher
from rstuf.errors import FileMissing


class One:
    """A source of one file, which remembers the bound that it was asked with."""

    limit = 0

    def read(self, name: str, *, limit: int) -> bytes:
        self.limit = limit
        if name != "1.root.json":
            raise FileMissing(name)
        return b"{}"


def test_both_ways_of_asking_answer_the_same_within_a_bound() -> None:
    """The bound of the updater reaches the source; whoever names none gets a bound as well, and the same bytes."""
    source = One()
    seen: dict[str, bytes] = {}
    fetcher = _fetcher(source, seen)
    assert fetcher.download_bytes(f"{_BASE}1.root.json", 512) == b"{}"
    assert source.limit == 512
    assert b"".join(fetcher.fetch(f"{_BASE}1.root.json")) == b"{}"
    assert source.limit == 8_000_000
    assert seen == {"1.root.json": b"{}"}
    with pytest.raises(DownloadHTTPError):
        fetcher.download_bytes(f"{_BASE}2.root.json", 512)

"""A content that several repositories agree on: it comes from whoever of them has it."""

from __future__ import annotations

import errno
import hashlib

import pytest
from tests.support.servers import sends_too_much
from tests.support.towns import EVIL, GOOD, Town, agreed, entry

from rstuf.client import reader
from rstuf.client.download import Existing
from rstuf.client.mapped import MappedClient
from rstuf.durable import storage_error
from rstuf.errors import (
    ContentRefused,
    DestinationTaken,
    FileMissing,
    StorageError,
)
from rstuf.model.names import target_path

TWO = entry("abc", 2)


def _content(town: Town, name: str) -> str:
    return next(each for each in town.sites[name].files if each.endswith(".app"))


def test_a_content_that_is_missing_or_wrong(town: Town) -> None:
    """Others of those who agree have it; who did not is told."""
    del town.sites["a"].files[_content(town, "a")]
    town.sites["b"].files[_content(town, "b")] = EVIL
    done = town.get(entry("abc", 3))
    assert (done.source, (town.here / "app").read_bytes()) == ("c", GOOD)
    assert [(str(each), type(each.error)) for each in town.told] == [("a", FileMissing), ("b", ContentRefused)]


def test_a_content_that_one_mirror_lacks(town: Town) -> None:
    """The next mirror of the same repository has it, be its metadata good or not."""
    town.sites["b"].files = dict(town.sites["a"].files)
    town.sites["b"].files["timestamp.json"] = b"{}"
    del town.sites["a"].files[_content(town, "a")]
    done = town.get(entry("a", 1), a=[town.urls["a"], town.urls["b"]])
    assert (done.source, (town.here / "app").read_bytes()) == ("a", GOOD)
    assert [str(each) for each in town.told] == [f"a at {town.urls['a']}"]


def test_a_file_that_cannot_be_read(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong on this machine is said of nobody else, and nobody else is asked for the content."""

    def fails(*_: object, **__: object) -> None:
        raise storage_error("read", str(town.here / "app"), PermissionError(errno.EACCES, "Permission denied"))

    monkeypatch.setattr(reader, "save", fails)
    with pytest.raises(StorageError, match="permission denied"):
        town.get(TWO)
    assert town.told == []


def test_a_content_that_nobody_has(town: Town) -> None:
    """A wrong one tells more than a missing one; no file comes of it."""
    del town.sites["a"].files[_content(town, "a")]
    town.sites["b"].files[_content(town, "b")] = EVIL
    with pytest.raises(ContentRefused):
        town.get(TWO)
    assert [str(each) for each in town.told] == ["a"]
    assert list(town.here.iterdir()) == []


def test_a_content_goes_on_from_where_another_one_stopped(town: Town) -> None:
    """What one of them sent is not fetched again from the next."""
    place = _content(town, "a")
    town.sites["a"].manners[place] = lambda asked: (
        asked.send(500) if asked.times else asked.send(200, asked.data[:100], Content_Length=len(asked.data))
    )
    done = town.get(TWO)
    assert (done.source, done.download.resumed_from) == ("b", 100)
    assert (town.here / "app").read_bytes() == GOOD


def test_another_file_is_in_its_place(town: Town) -> None:
    """It stays, whoever agrees on what; with leave it is replaced."""
    (town.here / "app").write_bytes(b"mine")
    with pytest.raises(DestinationTaken):
        town.get(TWO)
    assert (town.here / "app").read_bytes() == b"mine"
    town.get(TWO, existing=Existing.REPLACE)
    assert (town.here / "app").read_bytes() == GOOD


def test_a_disk_that_cannot_be_written(town: Town) -> None:
    """That is nobody's fault, and nobody else is asked for the content."""
    (town.here / "app.part").mkdir()
    with pytest.raises(StorageError, match=r"app\.part"):
        town.get(TWO)
    assert town.told == []


def test_to_a_stream(town: Town) -> None:
    """The content comes from whoever has it, verified before its first byte."""
    town.sites["a"].manners[_content(town, "a")] = sends_too_much
    with MappedClient(town.store, town.chart(TWO), left_out=town.told.append) as client:
        (finding,) = client.look_up([target_path("app")])
        with client.spool(finding) as content:
            assert content.read() == GOOD
    assert [str(each) for each in town.told] == ["a"]


def test_hashes_of_which_one_is_false(town: Town) -> None:
    """What only one of them says of a content is not what they agree on, and keeps nobody from it."""
    right = {"sha256": hashlib.sha256(GOOD).hexdigest()}
    town.say("a", {**right, "sha512": "0" * 128})
    done = town.get(TWO)
    assert (agreed(done.finding), (town.here / "app").read_bytes()) == ("ab", GOOD)
    assert done.finding.offer.hashes == right

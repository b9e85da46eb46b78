"""What an artifact's row weighs and says."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st
from tests.support.paths import paths_among
from tests.support.state_backends import fragment

from rstuf.state import entries

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(paths=st.lists(TEXT, min_size=1, max_size=8))
def test_payload_is_what_a_canonical_object_grows_by(paths: list[str]) -> None:
    """For every path of the grammar the payload is the bytes between two entries of the written object."""
    known = paths_among(paths)
    values = [fragment(index) for index in range(len(known))]
    written = [orjson.dumps(path) + b":" + value + b"," for path, value in zip(known, values, strict=True)]
    sizes = [len(each) for each in written]
    assert [entries.payload(*each) for each in zip(known, values, strict=True)] == sizes
    assert list(entries.payloads(known, values, text="\n".join(known))) == sizes


def test_an_artifact_is_read_from_its_fragment() -> None:
    """Length, hashes and custom data come back."""
    found = entries.artifact("a", b'{"custom":{"x":1},"hashes":{"sha512":"' + b"ab" * 64 + b'"},"length":5}')
    assert (found.path, found.length, found.custom) == ("a", 5, {"x": 1})
    assert found.hashes == {"sha512": "ab" * 64}


def said(*, sha256: str | None = None, length: int = 1, **more: object) -> bytes:
    hashes = {} if sha256 is None else {"sha256": sha256}
    return orjson.dumps({"hashes": hashes, "length": length, **more})


def test_differences_are_short_and_differ() -> None:
    """Hashes are shortened as long as the two texts differ; else they are written out, or the difference is named."""
    one, two = "1b0c" + "0" * 58 + "e1", "9f00" + "0" * 58 + "07"
    assert entries.differences(said(sha256=one, length=4211774), said(sha256=two)) == (
        "sha256 1b0c…e1, 4211774 B",
        "sha256 9f00…07, 1 B",
    )
    alike = one[:30] + "5" + one[31:]
    assert entries.differences(said(sha256=one), said(sha256=alike)) == (f"sha256 {one}, 1 B", f"sha256 {alike}, 1 B")
    same, other = entries.differences(said(sha256=one), said(sha256=one, custom={}))
    assert same != other
    assert same == f"sha256 {one}, 1 B"


@given(first=st.binary(max_size=30), second=st.binary(max_size=30))
def test_differences_of_damaged_fragments_can_be_told(first: bytes, second: bytes) -> None:
    """Whatever bytes stand in a fragment, there are two texts, and they differ."""
    texts = entries.differences(first, second)
    assert texts[0] != texts[1]

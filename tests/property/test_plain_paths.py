"""Plain paths are told at a glance, by one pattern that reading records uses too: it says what the rules say."""

from __future__ import annotations

import io
import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from rstuf.errors import InvalidRecord
from rstuf.model.names import _PLAIN_PATH, MAX_LAST_SEGMENT_BYTES, _path_fault
from rstuf.repository.records import RecordFormat, read_records

texts = st.one_of(
    st.text(alphabet="ab/. ~", max_size=12),
    st.text(alphabet=st.characters(max_codepoint=0x7F), max_size=12),
    st.text(max_size=6),
    st.integers(180, 200).map("a".__mul__),
    st.integers(180, 200).map(lambda size: f"d/{'a' * size}"),
)


@given(texts)
@example("a//b")
@example("a/./b")
@example("a/ /b")
@example("a/")
@example("/a")
@example("a\n")
@settings(max_examples=1000, deadline=None)
def test_a_plain_path_breaks_no_rule(text: str) -> None:
    """What the pattern lets pass, the rules let pass."""
    if len(text) <= MAX_LAST_SEGMENT_BYTES and _PLAIN_PATH.fullmatch(text):
        assert _path_fault(text) is None


@given(texts, st.integers(0, 2**53), st.sampled_from([0, 1]))
@example("a//b", 1, 0)
@example("a" * 191, 1, 0)
@settings(max_examples=500, deadline=None)
def test_records_are_read_alike_in_either_way(text: str, length: int, spaces: int) -> None:
    """A record that is read at a glance says what it says when it is read as any JSON, fields in another order."""
    fields = {"path": text, "length": length, "hashes": {"sha256": "0a" * 32}}
    separators = (", ", ": ") if spaces else (",", ":")
    outcomes = set()
    for each in (fields, dict(reversed(fields.items()))):
        line = json.dumps(each, separators=separators, ensure_ascii=False).encode(errors="surrogatepass")
        try:
            outcomes.update(read_records(io.BytesIO(line), form=RecordFormat.NDJSON, source="it"))
        except InvalidRecord as error:
            outcomes.add(error.reason.partition(" (line")[0])
    assert len(outcomes) == 1

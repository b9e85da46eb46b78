"""What is exported and imported again is what it was."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.engine import Engine

from rstuf.errors import InvalidInput
from rstuf.metadata.fragments import row_of
from rstuf.model.artifacts import HASH_HEX_LENGTH, Artifact, View
from rstuf.model.names import path_key, target_path
from rstuf.repository.artifacts import add_artifacts, remove_artifacts
from rstuf.repository.checksums import read_checksums
from rstuf.repository.imports import import_records
from rstuf.repository.intake import Conflict
from rstuf.repository.publish import publish
from rstuf.repository.record_lines import ExportForm, RecordLines
from rstuf.repository.records import RecordFormat, read_records
from rstuf.repository.repository import Repository


def digests(name: str) -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=HASH_HEX_LENGTH[name], max_size=HASH_HEX_LENGTH[name])


def _is_path(text: str) -> bool:
    try:
        return target_path(text) == text
    except InvalidInput:
        return False


PATHS = st.text(
    st.one_of(st.sampled_from("ab/.-_ ,;\"'=+@()*&漢é"), st.characters(categories=("L", "N", "P", "S"))),
    min_size=1,
    max_size=12,
).filter(_is_path)
HASHES = st.one_of(
    st.fixed_dictionaries({"sha256": digests("sha256")}, optional={"sha512": digests("sha512")}),
    st.fixed_dictionaries({"sha512": digests("sha512")}),
    st.fixed_dictionaries({"blake2b-256": digests("blake2b-256")}),
)
CUSTOM: st.SearchStrategy[Any] = st.none() | st.dictionaries(
    st.text(max_size=4),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=4,
    ),
    max_size=3,
)
ARTIFACTS = st.lists(
    st.builds(Artifact, path=PATHS.map(target_path), length=st.integers(0, 2**53 - 1), hashes=HASHES, custom=CUSTOM),
    max_size=6,
    unique_by=lambda each: path_key(each.path),
)


def written(artifacts: Sequence[Artifact], form: ExportForm) -> bytes:
    lines = RecordLines(form)
    return (lines.head + "".join(map(lines.line, artifacts))).encode()


@settings(max_examples=300)
@given(ARTIFACTS)
@example([Artifact(target_path('a";,b'), 1, {"sha512": "ab" * 64})])
def test_records_are_read_as_they_were_written(artifacts: list[Artifact]) -> None:
    """NDJSON gives back every artifact to the byte of its metadata, CSV all but custom data."""
    rows = [row_of(each) for each in artifacts]
    found = read_records(io.BytesIO(written(artifacts, ExportForm.NDJSON)), form=RecordFormat.NDJSON, source="x")
    assert list(found) == rows
    plain = [row_of(Artifact(each.path, each.length, each.hashes)) for each in artifacts]
    found = read_records(io.BytesIO(written(artifacts, ExportForm.CSV)), form=RecordFormat.CSV, source="x")
    assert list(found) == plain


@settings(max_examples=300)
@given(ARTIFACTS)
def test_listings_are_read_as_they_were_written(artifacts: list[Artifact]) -> None:
    """A listing names each artifact that has a SHA-256 with that; the others are counted."""
    lines = RecordLines(ExportForm.SHA256SUMS)
    text = "".join(map(lines.line, artifacts)).encode()
    with_sha256 = [each for each in artifacts if "sha256" in each.hashes]
    assert [(line.path, line.listed.digest) for line in read_checksums(io.BytesIO(text), source="x")] == [
        (each.path, each.hashes["sha256"]) for each in with_sha256
    ]
    assert lines.left_out == len(artifacts) - len(with_sha256)
    assert lines.without_custom == sum(each.custom is not None for each in with_sha256)


@settings(max_examples=20)
@given(ARTIFACTS)
def test_another_repository_becomes_the_same(artifacts: list[Artifact]) -> None:
    """Exported from one repository and imported into another, and exported there: the same bytes."""
    with TemporaryDirectory() as scratch:
        one, two = (Engine.live(Path(scratch) / name) for name in ("one", "two"))
        add_artifacts(one.ports, map(row_of, artifacts))
        texts = []
        for engine in (one, two):
            found = list(Repository(engine.ports).exported(view=View.ACCEPTED))
            texts.append(written(found, ExportForm.NDJSON))
            if engine is one:
                import_records(two.ports, io.BytesIO(texts[0]), form=RecordFormat.NDJSON, source="x")
            engine.ports.state.close()
        assert texts[0] == texts[1]
        assert texts[0].count(b"\n") == len(artifacts)


@pytest.mark.parametrize("view", View)
def test_what_waits_is_told_apart(tmp_path: Path, view: View) -> None:
    """What clients see comes with the content that they see; what was accepted is as if it were published."""
    engine = Engine.live(tmp_path)
    for path in ("same", "replaced", "removed"):
        engine.add(path, b"old")
    publish(engine.ports)
    engine.add("replaced", b"newer", conflict=Conflict.REPLACE)
    engine.add("pending", b"x")
    remove_artifacts(engine.ports, [target_path("removed")])
    found = {str(each.path): each.length for each in Repository(engine.ports).exported(view=view)}
    visible = {"same": 3, "replaced": 3, "removed": 3}
    assert found == (visible if view is View.VISIBLE else {"same": 3, "replaced": 5, "pending": 1})

"""Names on a storage, by rule."""

from __future__ import annotations

import posixpath
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rstuf.errors import InvalidInput, InvalidPath
from rstuf.model.names import TargetPath, target_path
from rstuf.storage.names import check_content_path, check_metadata_name, check_replaceable, content_names

DIGEST = "0123456789abcdef" * 4


@given(st.text())
def test_a_metadata_name_is_one_plain_segment(text: str) -> None:
    """What passes as a metadata name is one visible segment of printable ASCII; everything else is refused."""
    try:
        name = check_metadata_name(text)
    except InvalidInput:
        assert not text or set(text) - set(string.printable[:95]) or {"/", "\\"} & set(text) or text[0] == "."
    else:
        assert name == text
        assert posixpath.normpath(posixpath.join("/root", name)) == f"/root/{name}"


@given(st.lists(st.text(alphabet=".a/\\\0é", max_size=6), max_size=5).map("/".join))
def test_a_content_never_leaves_the_storage(path: str) -> None:
    """Whatever is handed in as a path, checked before or not, its name stays inside or is refused."""
    try:
        (name,) = content_names(TargetPath(path), {"sha256": DIGEST})
    except InvalidPath:
        return
    assert posixpath.normpath(posixpath.join("/root", name)) == f"/root/{name}"
    assert posixpath.basename(name).startswith(f"{DIGEST}.")
    assert "\0" not in name


@given(st.text(max_size=300))
def test_every_path_of_the_grammar_can_be_kept(text: str) -> None:
    """A target path that is accepted can be stored under its sha256, unless it names our own place."""
    try:
        path = target_path(text)
    except InvalidPath:
        return
    if not path.lower().startswith(".staging"):
        check_content_path(path, ("sha256",))
    (name,) = content_names(path, {"sha256": DIGEST})
    assert all(len(segment.encode()) <= 255 for segment in name.split("/"))
    assert name.replace(f"{DIGEST}.", "", 1) == path


@pytest.mark.parametrize("name", ["1.root.json", "12.x.json", "007.targets.json"])
def test_versioned_names_are_written_once(name: str) -> None:
    """A name that begins with a version is never one to replace."""
    with pytest.raises(InvalidInput):
        check_replaceable(name)


@pytest.mark.parametrize("name", ["timestamp.json", "1x.json", "root.json"])
def test_other_names_may_be_replaced(name: str) -> None:
    """A name without a version may be."""
    assert check_replaceable(name) == name

"""Where contents are, by where metadata is: one rule for all who look."""

from __future__ import annotations

from pathlib import Path

import pytest

from rstuf.storage.locations import above, contents_of, metadata_below, place_of


@pytest.mark.parametrize(
    ("metadata", "contents"),
    [
        ("https://x.example/", "https://x.example/targets/"),
        ("https://x.example/metadata", "https://x.example/targets/"),
        ("https://x.example/metadata/", "https://x.example/targets/"),
        ("https://x.example/metadata//", "https://x.example/targets/"),
        ("https://x.example/tuf/metadata/", "https://x.example/tuf/targets/"),
        ("https://me:pw@x.example:8443/metadata/", "https://me:pw@x.example:8443/targets/"),
        ("https://metadata/", "https://metadata/targets/"),
        ("https://metadata", "https://metadata/targets/"),
        ("https://x.example/metadata/repo/", "https://x.example/metadata/repo/targets/"),
        ("https://x.example/old-metadata/", "https://x.example/old-metadata/targets/"),
        ("/srv/acme/metadata", "/srv/acme/targets/"),
        ("file:///srv/acme/metadata", "/srv/acme/targets/"),
        ("/metadata/", "/targets/"),
        ("/srv/public", "/srv/public/targets/"),
        ("/", "/targets/"),
    ],
)
def test_contents_are_below_or_beside(metadata: str, contents: str) -> None:
    """They are at `targets/` below, and beside what is called `metadata` itself, be it a URL or a directory."""
    assert contents_of(place_of(metadata)) == contents


def test_a_directory_is_called_as_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path says the same as the absolute one, the directory that one stands in too."""
    (tmp_path / "metadata").mkdir()
    monkeypatch.chdir(tmp_path)
    assert contents_of(place_of("metadata")) == f"{tmp_path}/targets/"
    monkeypatch.chdir(tmp_path / "metadata")
    assert contents_of(place_of(".")) == f"{tmp_path}/targets/"


def test_what_lies_around() -> None:
    """Above is known of `metadata/` alone, and what is called so needs no other guess."""
    assert (above("https://x.example/metadata/"), above("https://x.example/")) == ("https://x.example/", None)
    assert metadata_below("https://x.example") == "https://x.example/metadata/"
    assert metadata_below("https://x.example/metadata") is None

"""A snapshot's listing is the same bytes, whether a few versions are changed in it or all of it is written anew."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rstuf.metadata import render
from rstuf.metadata.listing import Listing
from rstuf.metadata.views import Signature
from rstuf.model.keys import KeyId
from rstuf.model.names import RoleName

EXPIRES = datetime(2030, 1, 1, tzinfo=UTC)
SIGNATURE = Signature(KeyId("ab" * 32), "cd" * 64)

# Names of which one begins like the other, or looks like a file's, are what could be mistaken.
names = st.one_of(
    st.sampled_from(["targets", "a", "a-b", "a.json", "a.json.json", "bins-0", "bins-00", "json", "A"]),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,6}[A-Za-z0-9]", fullmatch=True).filter(lambda name: name[0].isalpha()),
).map(RoleName)
listings = st.dictionaries(names, st.integers(1, 2**53 - 1), max_size=30)


def in_file(listing: Listing) -> Listing | None:
    part = render.snapshot_part(version=3, expires=EXPIRES, listing=listing)
    return Listing.in_file(render.sign_with(part, [SIGNATURE]).data)


@given(listings, listings, st.data())
@example({RoleName("a"): 1, RoleName("a-b"): 1, RoleName("a.json"): 1}, {}, None)
@settings(max_examples=500, deadline=None)
def test_changed_bytes_are_the_bytes_of_all_written_anew(
    before: dict[RoleName, int], new: dict[RoleName, int], data: st.DataObject | None
) -> None:
    """However few or many versions change, and whatever roles are new, only the result matters."""
    some = data.draw(st.sets(st.sampled_from(sorted(before)))) if data is not None and before else set(before)
    changes = {name: before[name] + 1 for name in some}
    for each in (changes, {**changes, **new}):
        changed = Listing.of(before.items()).with_versions(each)
        assert changed == Listing.of({**before, **each}.items())
        assert {name: entry["version"] for name, entry in changed.entries().items()} == {
            f"{name}.json": version for name, version in {**before, **each}.items()
        }


@given(listings)
@settings(max_examples=200, deadline=None)
def test_a_listing_is_found_again_in_its_file(versions: dict[RoleName, int]) -> None:
    """What was written is what is read, to the byte."""
    listing = Listing.of(versions.items())
    assert in_file(listing) == listing


@given(listings, listings, st.data())
@settings(max_examples=300, deadline=None)
def test_what_differs_is_told_apart(before: dict[RoleName, int], new: dict[RoleName, int], data: st.DataObject) -> None:
    """Every entry that another listing lacks, or has at another version, and no other; as read and as written."""
    kept = data.draw(st.sets(st.sampled_from(sorted(before)))) if before else set()
    after = {**new, **{name: before[name] for name in kept}}
    expected = {f"{name}.json": version for name, version in before.items() if after.get(name) != version}
    apart = Listing.of(before.items()).entries_apart(in_file(Listing.of(after.items())))
    assert apart == expected
    assert Listing.of(before.items()).entries_apart(None) == {f"{name}.json": before[name] for name in before}


def test_other_forms_are_not_taken() -> None:
    """A snapshot that says more, or says it otherwise, is none that versions can be changed in."""
    for meta in (
        {"targets.json": {"version": 1, "x": 1}},
        {"targets.json": {"hashes": {"sha256": "00"}, "length": 1, "version": 1}},
        {"targets.json": {"length": 1, "version": 1}, "a.json": {"version": 1}},
        {"targets.txt": {"version": 1}},
        {"\\.json": {"version": 1}},
    ):
        assert in_file(Listing(orjson.dumps(meta, option=orjson.OPT_SORT_KEYS))) is None, meta
    sound = render.sign_with(
        render.snapshot_part(version=3, expires=EXPIRES, listing=Listing.of([(RoleName("targets"), 1)])), [SIGNATURE]
    ).data
    assert Listing.in_file(sound) is not None
    for data in (
        b"",
        b"{}",
        sound[:-1],
        sound.replace(b"snapshot", b"targets"),
        sound.replace(b'"spec', b'"a":1,"spec'),
    ):
        assert Listing.in_file(data) is None, data

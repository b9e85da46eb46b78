"""Our bytes are the library's bytes: rendering by fragments against python-tuf's own objects."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.formats import encode_canonical
from tests.support.paths import is_path
from tuf.api.metadata import Metadata, Snapshot, Targets, Timestamp

from rstuf.errors import InvalidArtifact, InvalidJson, InvalidRecord
from rstuf.metadata import canonical, fragments, render
from rstuf.metadata.bins import Bins
from rstuf.metadata.listing import Listing
from rstuf.metadata.views import Signature, open_envelope, read_signatures, split_signed
from rstuf.model.artifacts import MAX_INTEGER, Artifact, slot_of
from rstuf.model.keys import KeyId
from rstuf.model.names import RoleName, _path_fault, path_key, target_path
from rstuf.model.roles import FileFacts
from rstuf.repository.records import RecordFormat, read_records

EXPIRES = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


paths = st.one_of(
    st.text(alphabet="abcXYZ019-_.+~@ /'\"!", min_size=1, max_size=40),
    st.text(min_size=1, max_size=30),
).filter(is_path)
hashes = st.one_of(
    st.fixed_dictionaries({"sha256": st.text("0123456789abcdef", min_size=64, max_size=64)}),
    st.fixed_dictionaries({"sha512": st.text("0123456789abcdef", min_size=128, max_size=128)}),
    st.fixed_dictionaries(
        {
            "sha256": st.text("0123456789abcdef", min_size=64, max_size=64),
            "sha512": st.text("0123456789abcdef", min_size=128, max_size=128),
        }
    ),
    st.fixed_dictionaries({"blake2b-256": st.text("0123456789abcdef", min_size=64, max_size=64)}),
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-MAX_INTEGER, MAX_INTEGER), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
customs = st.one_of(st.none(), st.dictionaries(texts, json_values, max_size=3))


@st.composite
def artifacts(draw: st.DrawFn) -> Artifact:
    return Artifact(
        path=target_path(draw(paths)),
        length=draw(st.integers(0, MAX_INTEGER)),
        hashes=draw(hashes),
        custom=draw(customs),
    )


def _file(unsigned: render.Unsigned) -> bytes:
    return render.sign_with(unsigned, [Signature(KeyId("ab" * 32), "cd" * 64)]).data


@given(st.lists(artifacts(), max_size=8, unique_by=lambda each: each.path), st.integers(1, MAX_INTEGER))
@settings(max_examples=300, deadline=None)
def test_a_bin_is_what_the_library_would_sign(batch: list[Artifact], version: int) -> None:
    """Whatever the artifacts: the payload is encode_canonical of the file's content, and python-tuf reads them back."""
    entries = [(each.path, fragments.fragment_of(each)) for each in batch]
    unsigned = render.bin_part(RoleName("bins-0"), version=version, expires=EXPIRES, entries=entries)
    file = _file(unsigned)

    assert unsigned.payload == encode_canonical(json.loads(file)["signed"]).encode()
    read = Metadata[Targets].from_bytes(file)
    assert read.signed_bytes == unsigned.payload
    assert read.signed.version == version
    assert read.signed.expires == EXPIRES
    found = {
        path: (info.length, dict(info.hashes), info.unrecognized_fields.get("custom"))
        for path, info in read.signed.targets.items()
    }
    assert found == {each.path: (each.length, dict(each.hashes), each.custom) for each in batch}


@given(st.lists(artifacts(), max_size=5, unique_by=lambda each: each.path))
@settings(max_examples=100, deadline=None)
def test_a_file_of_ours_comes_apart_again(batch: list[Artifact]) -> None:
    """A reader of our own finds the signed part, the signatures and the canonical bytes in what was written."""
    entries = [(each.path, fragments.fragment_of(each)) for each in batch]
    unsigned = render.bin_part(RoleName("bins-0"), version=3, expires=EXPIRES, entries=entries)
    file = _file(unsigned)

    assert split_signed(file) == unsigned.data
    assert [each.sig for each in read_signatures(file)] == ["cd" * 64]
    envelope = open_envelope(file, name="3.bins-0.json", kind="targets")
    assert envelope.payload == unsigned.payload
    assert envelope.version == 3
    assert [fragments.artifact_of(target_path(path), text) for path, text in entries] == batch


@given(json_values)
@settings(max_examples=300, deadline=None)
def test_canonical_is_the_librarys(value: object) -> None:
    """Compact JSON turned canonical equals encode_canonical for every value that we let in."""
    assert canonical.canonical(canonical.compact(value)) == (encode_canonical(value) or "").encode()


@given(json_values)
@settings(max_examples=200, deadline=None)
def test_strict_reading_keeps_every_value(value: object) -> None:
    """What Python's writer writes, however it is spaced or escaped, is read as the same value."""
    for text in (json.dumps(value), json.dumps(value, indent=1, ensure_ascii=False), canonical.compact(value).decode()):
        assert canonical.strict_loads(text.encode(), what="it") == value


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"c":2,"b":3}}',
        b'[{"a":1}, {"x":1, "\\u0078":2}]',
        b"NaN",
        b"[Infinity]",
        b'{"a":1.0}',
        b'{"a":1e3}',
        b"9007199254740992",
        b"-9007199254740992",
        b"123456789012345678901234567890",
        b'"\\ud800"',
        b'{"a":"\xff"}',
        b"",
        b"{",
        b"{} {}",
        b"[" * 70 + b"]" * 70,
        b"[" * 20_000 + b"]" * 20_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b'"a\nb"',
        b"\xef\xbb\xbf{}",
    ],
)
def test_ambiguous_json_is_refused(text: bytes) -> None:
    """Text that two readers could understand differently, or that no client reads, is refused."""
    with pytest.raises(InvalidJson):
        canonical.strict_loads(text, what="it")


@given(st.integers(1, 16), paths)
@settings(max_examples=200, deadline=None)
def test_bins_are_those_of_the_library(bits: int, path: str) -> None:
    """Names of bins, and the bin of a path, are python-tuf's for every number of bins."""
    from tuf.api.metadata import SuccinctRoles

    theirs = SuccinctRoles(keyids=[], threshold=1, bit_length=bits, name_prefix="bins")
    ours = Bins(bits)
    index = ours.index_of_slot(slot_of(path))
    assert ours.name(index) == theirs.get_role_for_target(path)
    low, high = ours.slots(index)
    assert low <= slot_of(path) <= high
    if bits <= 8:
        assert [ours.name(each) for each in range(ours.count)] == list(theirs.get_roles())


@given(st.dictionaries(st.integers(0, 255), st.integers(1, MAX_INTEGER), max_size=20))
@settings(max_examples=100, deadline=None)
def test_snapshot_and_timestamp_are_what_the_library_would_sign(versions: dict[int, int]) -> None:
    """Snapshot and timestamp parse with python-tuf, and their payload is its canonical form."""
    names = [(Bins(8).name(index), version) for index, version in versions.items()] + [(RoleName("targets"), 7)]
    unsigned = render.snapshot_part(version=5, expires=EXPIRES, listing=Listing.of(names))
    snapshot = Metadata[Snapshot].from_bytes(_file(unsigned))
    assert snapshot.signed_bytes == unsigned.payload
    assert {name: meta.version for name, meta in snapshot.signed.meta.items()} == {
        f"{name}.json": version for name, version in names
    }
    facts = FileFacts(length=123, sha256="ef" * 32)
    unsigned = render.timestamp_part(version=9, expires=EXPIRES, snapshot_version=5, snapshot=facts)
    timestamp = Metadata[Timestamp].from_bytes(_file(unsigned))
    assert timestamp.signed_bytes == unsigned.payload
    assert (timestamp.signed.snapshot_meta.version, timestamp.signed.snapshot_meta.length) == (5, 123)


@given(paths)
@settings(max_examples=300, deadline=None)
def test_a_path_key_is_a_path_and_its_own_key(path: str) -> None:
    """The key under which twins meet is stable: the key of a key is the key."""
    key = path_key(target_path(path))
    assert path_key(target_path(key)) == key if is_path(key) else True
    if path.isascii():
        assert path_key(target_path(path.upper())) == key


def test_custom_data_have_bounds() -> None:
    """Fractions, NaN, huge numbers, deep nesting, lone surrogates and 64 KiB are refused, each with its reason."""
    deep: object = 1
    for _ in range(40):
        deep = [deep]
    for custom in ({"a": 1.5}, {"a": float("nan")}, {"a": 2**53}, {"a": deep}, {"a": "\ud800"}, {1: 2}, [1], "x"):
        with pytest.raises(InvalidArtifact):
            Artifact(target_path("a"), 1, {"sha256": "0" * 64}, custom)  # type: ignore[arg-type]
    big = Artifact(target_path("a"), 1, {"sha256": "0" * 64}, {"a": "x" * 65_536})
    with pytest.raises(InvalidArtifact):
        fragments.fragment_of(big)


@given(st.text(alphabet="ab./ %#?\\\"'é~!", max_size=9))
@settings(max_examples=1500, deadline=None)
def test_the_common_path_is_decided_like_the_others(text: str) -> None:
    """The one match that lets most paths in agrees with the rules that are asked one by one."""
    assert is_path(text) == (_path_fault(text) is None)


@given(
    st.one_of(paths, st.text("ab/. ", max_size=5)), st.integers(-1, 10**17), st.sampled_from(["a" * 64, "A" * 64, "a"])
)
@settings(max_examples=500, deadline=None)
def test_the_common_record_is_read_like_the_others(path: str, length: int, digest: str) -> None:
    """A record in its usual spelling and the same one in another spelling give the same row or are both refused."""
    record = {"path": path, "length": length, "hashes": {"sha256": digest}}
    spellings = [json.dumps(record), json.dumps(record, separators=(",", ":")), json.dumps(record, sort_keys=True)]
    outcomes = set()
    for text in spellings:
        try:
            outcomes.update(read_records(io.BytesIO(text.encode()), form=RecordFormat.NDJSON, source="it"))
        except InvalidRecord as error:
            outcomes.add(error.reason)
    assert len(outcomes) == 1

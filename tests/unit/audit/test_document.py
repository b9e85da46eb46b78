"""Strict reading of metadata files, and the shortcut for files in canonical form."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.formats import encode_canonical

from rstuf.metadata.audit.document import MAX_DEPTH, Fault, check_numbers, read_document

_SIGNED = '{"_type":"targets","targets":{},"version":1}'


def _file(signed: str, signatures: str = '[{"keyid":"k","sig":"00ff"}]') -> bytes:
    return f'{{"signatures":{signatures},"signed":{signed}}}'.encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"not json", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"\xff{}", "not UTF-8"),
        (b"\xef\xbb\xbf" + _file(_SIGNED), "not JSON"),
        (_file(_SIGNED)[:-1], "not JSON"),
        (_file(_SIGNED) + b"{}", "not JSON"),
        (_file('{"a":1,"a":1}'), "twice"),
        (_file('{"a":{"b":[{"c":1,"c":2}]}}'), "twice"),
        (_file('{"a":1,"\\u0061":1}'), "twice"),
        (b'{"signatures":[],"signed":{},"signed":{}}', "twice"),
        (_file('{"a":NaN}'), "NaN"),
        (_file('{"a":Infinity}'), "Infinity"),
        (_file('{"a":-Infinity}'), "Infinity"),
        (_file('{"a":1.5}'), "fraction"),
        (_file('{"a":1.0}'), "fraction"),
        (_file('{"a":1e3}'), "fraction"),
        (_file('{"a":9007199254740992}'), "2^53"),
        (_file('{"a":-9007199254740992}'), "2^53"),
        (_file('{"a":' + "9" * 5000 + "}"), "2^53"),
        (_file('{"a":"\\ud800"}'), "surrogate"),
        (_file('{"\\udfff":1}'), "surrogate"),
        (_file('{"a":' + "[" * 60 + "]" * 60 + "}"), "nested"),
        (b"[" * 200_000, "nested"),
        (_file('{"a":01}'), "not JSON"),
        (_file('{"a":1,}'), "not JSON"),
        (_file('{"a":"\n"}'), "not JSON"),
        (_file("[]"), "`signed` is not an object"),
        (b'{"signatures":[]}', "`signed` is not an object"),
        (b'{"signed":{}}', "`signatures` is not a list"),
        (_file(_SIGNED, "{}"), "`signatures` is not a list"),
        (_file(_SIGNED, "[1]"), "not an object with `keyid` and `sig`"),
        (_file(_SIGNED, '[{"keyid":"k"}]'), "not an object with `keyid` and `sig`"),
        (_file(_SIGNED, '[{"keyid":1,"sig":"00"}]'), "not an object with `keyid` and `sig`"),
        (_file(_SIGNED, '[{"keyid":"k","sig":"0"}]'), "not hexadecimal"),
        (_file(_SIGNED, '[{"keyid":"k","sig":"FF"}]'), "not lower-case hexadecimal"),
        (_file(_SIGNED, '[{"keyid":"k","sig":"0 0"}]'), "hexadecimal"),
        (_file(_SIGNED, "[" + ",".join(['{"keyid":"k","sig":"00"}'] * 300) + "]"), "300 signatures"),
    ],
)
def test_refuses_what_no_client_should_read(data: bytes, reason: str) -> None:
    """Damaged, ambiguous or oversized JSON is refused, with the reason in words."""
    with pytest.raises(Fault, match=r".*") as caught:
        read_document(data)
    assert reason in str(caught.value)


def test_reads_the_parts_of_an_envelope() -> None:
    """Signed object, signatures and payload come out as they stand in the file."""
    document = read_document(_file(_SIGNED))
    assert document.signed == json.loads(_SIGNED)
    assert document.signatures == (("k", b"\x00\xff"),)
    assert document.payload == _SIGNED.encode()
    assert document.compact


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(json.loads(_file(_SIGNED)), indent=1).encode(),
        _file('{"version":1,"_type":"targets","targets":{}}'),
        _file(_SIGNED) + b"\n",
        _file(_SIGNED, '[{"sig":"00ff","keyid":"k"}]'),
        b'{"extra":1,' + _file(_SIGNED)[1:],
        _file('{"_type":"targets","targets":{},"version":1,"x":"\\u0041"}'),
        _file('{"_type":"targets","targets":{},"version":1,"x":"\\/"}'),
    ],
)
def test_other_spellings_have_the_same_payload_as_for_a_client(data: bytes) -> None:
    """Indented, unsorted or otherwise spelled files are read, and their payload is the reference encoder's."""
    document = read_document(data)
    assert not document.compact
    assert document.payload == (encode_canonical(json.loads(data)["signed"]) or "").encode()


def test_fields_that_no_signature_protects_are_named() -> None:
    """Whatever stands beside what is signed may have been put there by anyone."""
    assert read_document(_file(_SIGNED)).strays == ()
    assert read_document(b'{"extra":1,' + _file(_SIGNED)[1:]).strays == ("extra",)
    assert read_document(_file(_SIGNED, '[{"keyid":"k","note":1,"sig":"00"}]')).strays == ("note",)


def test_both_orders_of_the_envelope_are_compact() -> None:
    """A file that begins with what is signed is in compact form just as well."""
    data = f'{{"signed":{_SIGNED},"signatures":[]}}'.encode()
    assert read_document(data).compact


def test_control_characters_take_the_slow_way() -> None:
    """JSON escapes a newline and canonical JSON does not: the payload must be the latter."""
    data = _file('{"pem":"a\\nb\\u0001"}')
    document = read_document(data)
    assert document.payload == b'{"pem":"a\nb\x01"}'
    assert not document.compact


_TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ['"', "\\", "\\\\", '\\"', "\\n", "\n", "\x00", "\x1f", "\x7f", "é", "\U0001f600", "\\u0041", "\ufffd", "\ue000"]
)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(signed=st.dictionaries(_TEXT, _JSON, max_size=6))
def test_payload_is_always_the_reference_encoders(signed: dict[str, Any]) -> None:
    """Whichever way a file is read, what signatures are checked over is what securesystemslib would sign."""
    reference = (encode_canonical(signed) or "").encode()
    for data in (
        orjson.dumps({"signatures": [], "signed": signed}, option=orjson.OPT_SORT_KEYS),
        json.dumps({"signatures": [], "signed": signed}, indent=2).encode(),
        json.dumps({"signed": signed, "signatures": []}, ensure_ascii=False).encode(),
    ):
        assert read_document(data).payload == reference


@given(
    signed=st.dictionaries(_TEXT.filter(lambda key: key != "targets"), _JSON, min_size=1, max_size=4),
    odd=st.sampled_from([1.5, -0.0, 1e300, 2**53, -(2**53), 2**70]),
    data=st.data(),
)
def test_fractions_and_huge_numbers_never_pass(signed: dict[str, Any], odd: float, data: st.DataObject) -> None:
    """A number that canonical JSON or a client cannot hold is refused wherever it stands outside of targets."""
    signed[data.draw(st.sampled_from(sorted(signed)))] = [{"deep": odd}]
    for text in (
        json.dumps({"signatures": [], "signed": signed}, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
        json.dumps({"signatures": [], "signed": signed}, indent=1),
    ):
        with pytest.raises(Fault):
            read_document(text.encode())


@given(
    first=_JSON,
    second=_JSON,
    key=st.sampled_from(["a", "é", "\\"]),
    depth=st.integers(0, 5),
    spaces=st.sampled_from(["", " "]),
)
def test_duplicate_names_never_pass(first: object, second: object, key: str, depth: int, spaces: str) -> None:
    """An object with a name twice is refused at any depth, even with equal values and even where it sorts right."""
    name = json.dumps(key, ensure_ascii=False)
    one, two = (json.dumps(value, separators=(",", ":"), ensure_ascii=False) for value in (first, second))
    text = f"{{{name}:{one},{spaces}{name}:{two}}}"
    for _ in range(depth):
        text = f'{{"b":[{text}]}}'
    with pytest.raises(Fault):
        read_document(_file(text))


def test_depth_is_bounded_in_numbers_too() -> None:
    """Looking through values ends at a depth of our choice, not of the file's."""
    value: Any = 1
    for _ in range(MAX_DEPTH - 2):
        value = [value]
    check_numbers(value)
    with pytest.raises(Fault, match="nested"):
        check_numbers([[[value]]])

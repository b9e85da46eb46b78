"""Bundles and signature files: one spelling each, and nothing else is read."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.bundles import Document, World, encode
from tests.unit.metadata.roots import NOW, key, keyid
from tests.unit.signing import keyring

from rstuf.errors import InvalidBundle
from rstuf.metadata import bundle as module
from rstuf.metadata.bundle import (
    MAX_BROUGHT,
    MAX_BUNDLE_BYTES,
    MAX_SIGNATURE_BYTES,
    DetachedSignature,
    DocumentKind,
    SignatureDocument,
    kind_of,
    parse_bundle,
    parse_signatures,
    render_bundle,
    render_signatures,
)
from rstuf.metadata.short_codes import code_of, short_code
from rstuf.model.keys import KeyId

WORLD = World(NOW)
SIGNATURES = {
    "format": "rstuf-signature",
    "version": 1,
    "signatures": [{"digest": "ab" * 32, "keyid": keyid(0), "sig": "cd" * 64}],
}


@pytest.mark.parametrize("document", [WORLD.document(signed_by=(0,)), WORLD.document(WORLD.targets), WORLD.first()])
def test_a_bundle_reads_as_it_is_written(document: Document) -> None:
    """Parsing and writing are inverses, to the byte, with and without a line end."""
    data = encode(document)
    found = parse_bundle(data)
    assert render_bundle(found) == data
    assert parse_bundle(data.removesuffix(b"\n")) == found
    assert found.event == document["event"]


def test_keys_in_pem_are_read_too() -> None:
    """A PEM key has line ends in it, which JSON escapes: such a bundle is still JSON, and what is signed canonical."""
    pem, root = keyring.public("ecdsa", 0), WORLD.next_root
    root["keys"][pem.keyid] = pem.to_dict()
    data = encode(WORLD.document(root))
    part = parse_bundle(data).parts[0]
    assert json.loads(data)["parts"][0]["signed"] == part.signed
    assert b"\\n" not in part.payload
    assert pem.public.encode() in part.payload


def test_signatures_read_as_they_are_written() -> None:
    """A signature file is written and read without loss."""
    document = SignatureDocument((DetachedSignature("ab" * 32, KeyId(keyid(0)), "cd" * 64),))
    data = render_signatures(document)
    assert data == encode(SIGNATURES)
    assert parse_signatures(data) == document


def _set(*path: object, to: object):
    def change(document: Document) -> None:
        node: object = document
        for step in path[:-1]:
            node = node[step]  # type: ignore[index]
        node[path[-1]] = to  # type: ignore[index]

    return change


def _drop(*path: object):
    def change(document: Document) -> None:
        node: object = document
        for step in path[:-1]:
            node = node[step]  # type: ignore[index]
        del node[path[-1]]  # type: ignore[attr-defined]

    return change


ENTRY = SIGNATURES["signatures"][0]  # type: ignore[index]
BAD_SIGNATURES = {
    "another format": _set("format", to="rstuf-bundle"),
    "a later version": _set("version", to=2),
    "true for 1": _set("version", to=True),
    "a field more": _set("note", to="x"),
    "a field less": _drop("signatures"),
    "none": _set("signatures", to=[]),
    "too many": _set("signatures", to=[{**ENTRY, "keyid": f"{number:064x}"} for number in range(MAX_BROUGHT + 1)]),
    "the same twice": _set("signatures", to=[ENTRY, ENTRY]),
    "a digest in capitals": _set("signatures", 0, "digest", to="AB" * 32),
    "a short digest": _set("signatures", 0, "digest", to="ab"),
    "a signature of odd length": _set("signatures", 0, "sig", to="abc"),
    "no hex": _set("signatures", 0, "sig", to="zz"),
    "an empty signature": _set("signatures", 0, "sig", to=""),
    "a huge one": _set("signatures", 0, "sig", to="ab" * 2049),
    "a key id of control characters": _set("signatures", 0, "keyid", to="\x1b[2J"),
    "a list of texts": _set("signatures", 0, to="x"),
    "a method beside": _set("signatures", 0, "method", to="x"),
}


@pytest.mark.parametrize("name", BAD_SIGNATURES)
def test_signature_files_of_another_form_are_refused(name: str) -> None:
    """Whatever is not exactly a signature file is none."""
    document = copy.deepcopy(SIGNATURES)
    BAD_SIGNATURES[name](document)
    with pytest.raises(InvalidBundle):
        parse_signatures(encode(document))


def test_sizes_are_bounded() -> None:
    """What is too long is refused before it is read."""
    with pytest.raises(InvalidBundle, match="more than 8000000 bytes"):
        parse_bundle(b" " * (MAX_BUNDLE_BYTES + 1))
    with pytest.raises(InvalidBundle, match="more than 524288 bytes"):
        parse_signatures(b" " * (MAX_SIGNATURE_BYTES + 1))


@given(st.data())
def test_any_other_byte_is_another_bundle_or_none(data: st.DataObject) -> None:
    """One changed byte never leaves what was read as it was: no two files are read alike."""
    whole = encode(WORLD.document(signed_by=(0,))).removesuffix(b"\n")
    found = parse_bundle(whole)
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    changed = whole[:at] + bytes([byte]) + whole[at + 1 :]
    try:
        other = parse_bundle(changed)
    except InvalidBundle:
        return
    assert other != found
    assert render_bundle(other).removesuffix(b"\n") == changed


@given(st.binary(max_size=200))
def test_noise_is_no_bundle(data: bytes) -> None:
    """Nothing but the declared error comes of bytes that are anything."""
    for parse in (parse_bundle, parse_signatures):
        with pytest.raises(InvalidBundle):
            parse(data)


def test_kinds() -> None:
    """A file says what it is, also where it is damaged otherwise."""
    assert kind_of(encode(WORLD.document())) is DocumentKind.BUNDLE
    assert kind_of(json.dumps(WORLD.document(), indent=1).encode()) is DocumentKind.BUNDLE
    assert kind_of(encode(SIGNATURES)) is DocumentKind.SIGNATURE
    for other in (b"", b"{}", b"[]", b'{"format":"x"}', b'{"format":1}', b"\xff", WORLD.files[0], b" " * 9_000_000):
        assert kind_of(other) is DocumentKind.NEITHER


def test_codes() -> None:
    """A code is sixteen characters that can be read aloud; it stands for the payloads, their number and their order."""
    assert short_code(b"one") == short_code(b"one") != short_code(b"two")
    groups = short_code(b"one").split("-")
    assert [len(group) for group in groups] == [4, 4, 4, 4]
    assert not set("".join(groups)) & set("ILOU")
    assert len({code_of([b"a", b"b"]), code_of([b"b", b"a"]), code_of([b"a"]), code_of([b"ab"])}) == 4


def test_the_code_is_this_one() -> None:
    """Signers with different versions of rstuf see the same code."""
    assert short_code(b'{"_type":"root"}') == "DHAP-KW6H-BX3D-5RBM"


def test_what_is_written_is_checked() -> None:
    """A bundle that its readers would refuse is not written."""
    found = parse_bundle(encode(WORLD.document()))
    wrong = module.Bundle(
        repository="acme\x1b", first_root=found.first_root, chain=found.chain, parts=found.parts, names=found.names
    )
    with pytest.raises(InvalidBundle, match="printable"):
        render_bundle(wrong)
    assert key(0).keyid in found.names

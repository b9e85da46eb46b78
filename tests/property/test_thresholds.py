"""Thresholds count distinct keys, and nothing else makes them met."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.signer import Signature as LibrarySignature
from securesystemslib.signer import SSlibKey
from tests.unit.signing import keyring
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Role, Root

from rstuf.metadata import thresholds
from rstuf.metadata.thresholds import check_signatures
from rstuf.model.keys import KeyId, PublicKey

PAYLOAD = b"what is signed"
_SIGNED: dict[tuple[str, int], str] = {}


def _sig(kind: str, number: int) -> str:
    made = _SIGNED.get((kind, number))
    if made is None:
        made = keyring.sign(keyring.public(kind, number), keyring.private(kind, number), PAYLOAD)
        _SIGNED[kind, number] = made
    return made


def _groupings(count: int) -> Iterator[tuple[int, ...]]:
    """Every way in which `count` key ids can stand for key values: (0, 0, 1) are two ids of one value and one more."""
    for values in itertools.product(range(count), repeat=count):
        if all(value <= max(values[:at], default=-1) + 1 for at, value in enumerate(values)):
            yield values


def _spelt(value: int, at: int) -> PublicKey:
    """The key of that number, spelt differently at each place."""
    key = keyring.public("ed25519", value)
    return PublicKey(key.keytype, key.scheme, key.public[:at] + key.public[at:].upper())


def test_every_small_role():
    """Thresholds 0 to n + 1, every way of 1 to 4 key ids to stand for values, every set of signers: no miscount."""
    cases = 0
    for count in range(1, 5):
        for values in _groupings(count):
            keyids = [KeyId(f"id-{at}") for at in range(count)]
            keys = {keyid: _spelt(value, at) for at, (keyid, value) in enumerate(zip(keyids, values, strict=True))}
            for signers in itertools.product((False, True), repeat=count):
                signatures = [
                    keyring.signature(keyid, _sig("ed25519", value))
                    for keyid, value, signs in zip(keyids, values, signers, strict=True)
                    if signs
                ]
                distinct = len({value for value, signs in zip(values, signers, strict=True) if signs})
                for threshold in range(count + 2):
                    cases += 1
                    result = check_signatures(PAYLOAD, signatures, keys=keys, keyids=keyids, threshold=threshold)
                    assert result.ok is (1 <= threshold <= distinct)
                    assert bool(result) is result.ok
                    assert result.distinct == distinct
                    assert result.missing == max(0, threshold - distinct)
                    _assert_complete(result, keyids)
    assert cases == 2 * 3 + 2 * 4 * 4 + 5 * 8 * 5 + 15 * 16 * 6


def _assert_complete(result, keyids: Sequence[KeyId]) -> None:
    parts = result.signed + result.repeated + result.unsigned + result.unusable
    assert sorted(parts) == sorted(set(keyids))
    assert set(result.invalid) <= set(result.unsigned)


@pytest.mark.parametrize("threshold", [0, -1, True, False, 1.0, "1", None, 10**30])
def test_what_is_no_threshold_is_never_met(threshold):
    """Zero, a negative number, a truth value, a fraction, text or nothing: no signature is enough for it."""
    keyids, keys = [KeyId("a")], {KeyId("a"): keyring.public("ed25519")}
    signatures = [keyring.signature("a", _sig("ed25519", 0))]
    result = check_signatures(PAYLOAD, signatures, keys=keys, keyids=keyids, threshold=threshold)
    assert result.signed == ("a",)
    assert not result.ok


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_one_key_in_hundreds_of_spellings_counts_once(kind):
    """Each spelling is listed under its own key id with a good signature; they never meet a threshold of two."""
    spellings = _verifiable(kind)
    keys = {key.keyid: key for key, _ in spellings}
    signatures = [keyring.signature(key.keyid, sig) for key, sig in spellings]
    assert len(keys) == len(spellings) >= {"ed25519": 15, "ecdsa": 90, "rsa": 190}[kind]
    result = check_signatures(PAYLOAD, signatures, keys=keys, keyids=list(keys), threshold=2)
    assert (result.distinct, result.ok, len(result.repeated)) == (1, False, len(keys) - 1)
    first, first_sig = spellings[0]
    for key, sig in spellings[1:]:
        pair = {first.keyid: first, key.keyid: key}
        both = [keyring.signature(first.keyid, first_sig), keyring.signature(key.keyid, sig)]
        for order in (list(pair), list(pair)[::-1]):
            assert not check_signatures(PAYLOAD, both, keys=pair, keyids=order, threshold=2).ok
            assert check_signatures(PAYLOAD, both, keys=pair, keyids=order, threshold=1).signed == (order[0],)


def test_the_spellings_would_pass_a_count_of_key_ids():
    """The library counts key ids, and two spellings of one key meet its threshold of two: the test above bites."""
    for kind in ("ed25519", "ecdsa", "rsa"):
        (one, sig_one), *_, (two, sig_two) = _verifiable(kind)
        root = _library_root({one.keyid: one, two.keyid: two}, [one.keyid, two.keyid], threshold=2)
        signatures = {key.keyid: LibrarySignature(key.keyid, sig) for key, sig in ((one, sig_one), (two, sig_two))}
        root.verify_delegate("timestamp", PAYLOAD, signatures)


def _verifiable(kind: str) -> list[tuple[PublicKey, str]]:
    """The spellings that a client could verify with, each with a good signature by its own scheme."""
    secret = {"ed25519": keyring.ed25519_key, "ecdsa": keyring.ec_key, "rsa": keyring.rsa_key}[kind]()
    scheme_of = {"ed25519": {"ed25519"}, "ecdsa": {"ecdsa-sha2-nistp256"}, "rsa": {*keyring.PSS, *keyring.PKCS1}}[kind]
    found: list[tuple[PublicKey, str]] = []
    made: dict[str, str] = {}
    for key in keyring.spellings(kind):
        if key.scheme in scheme_of:
            if key.scheme not in made:
                made[key.scheme] = keyring.sign(key, secret, PAYLOAD)
            found.append((key, made[key.scheme]))
    return found


ENTRY = st.tuples(st.integers(0, 7), st.sampled_from(["good", "other", "garbage", "empty"]))


@given(
    listed=st.lists(st.integers(0, 5), min_size=1, max_size=6, unique=True),
    entries=st.lists(ENTRY, max_size=8, unique_by=lambda entry: entry[0]),
    threshold=st.integers(1, 7),
)
@settings(max_examples=300, deadline=None)
def test_agreement_with_the_library(listed, entries, threshold):
    """Where every value has one key id and every key id one signature, python-tuf says the same of each key."""
    keyids = [keyring.public("ed25519", number).keyid for number in listed]
    keys = {keyring.public("ed25519", number).keyid: keyring.public("ed25519", number) for number in range(6)}
    signatures = [
        keyring.signature(keyring.public("ed25519", number).keyid, _made(number, what)) for number, what in entries
    ]
    ours = check_signatures(PAYLOAD, signatures, keys=keys, keyids=keyids, threshold=threshold)
    root = _library_root(keys, keyids, threshold=threshold)
    offered = {each.keyid: LibrarySignature(each.keyid, each.sig) for each in signatures}
    theirs = root.get_verification_result("timestamp", PAYLOAD, offered)
    assert ours.ok is theirs.verified
    assert ours.missing == theirs.missing
    assert set(ours.signed) == set(theirs.signed)
    assert set(ours.unsigned) == set(theirs.unsigned)
    assert set(ours.foreign) == set(offered) - set(keyids)
    try:
        root.verify_delegate("timestamp", PAYLOAD, offered)
    except UnsignedMetadataError:
        assert not ours.ok
    else:
        assert ours.ok


def _made(number: int, what: str) -> str:
    return {
        "good": _sig("ed25519", number),
        "other": _sig("ed25519", number + 1),
        "garbage": "00" * 64,
        "empty": "",
    }[what]


def _library_root(keys: dict[KeyId, PublicKey], keyids: Sequence[KeyId], *, threshold: int) -> Root:
    root = Root()
    root.keys = {keyid: SSlibKey(keyid, key.keytype, key.scheme, {"public": key.public}) for keyid, key in keys.items()}
    root.roles["timestamp"] = Role(list(keyids), threshold)
    return root


pytestmark = pytest.mark.filterwarnings("ignore:keytype:DeprecationWarning")


@given(
    entries=st.lists(
        st.one_of(
            st.dictionaries(st.text(max_size=8), st.one_of(st.none(), st.text(max_size=8), st.integers())),
            st.fixed_dictionaries(
                {
                    "keyid": st.one_of(
                        st.none(), st.integers(), st.sampled_from(["a", "b", "zz"]), st.lists(st.text())
                    ),
                    "sig": st.one_of(st.none(), st.booleans(), st.text(), st.lists(st.text())),
                }
            ),
        ),
        max_size=10,
    )
)
@settings(max_examples=200, deadline=None)
def test_signatures_of_any_shape_are_survived(entries):
    """Entries as they stand in a hostile file: nothing raises, nothing counts."""
    keys = {KeyId("a"): keyring.public("ed25519"), KeyId("b"): keyring.public("ecdsa")}
    result = check_signatures(PAYLOAD, entries, keys=keys, keyids=list(keys), threshold=1)
    assert not result
    assert result.signed == ()


def test_the_result_explains_every_signature():
    """Signed, repeated, unsigned, invalid, unusable, foreign and duplicate: each key id is in its place."""
    keys = {
        KeyId("good"): keyring.public("ed25519", 0),
        KeyId("twin"): _spelt(0, 3),
        KeyId("bad"): keyring.public("ed25519", 1),
        KeyId("silent"): keyring.public("ed25519", 2),
        KeyId("broken"): PublicKey("ed25519", "ed25519", "not hex"),
        KeyId("unlisted"): keyring.public("ed25519", 3),
    }
    entries = [
        ("stranger", _sig("ed25519", 4)),
        ("good", _sig("ed25519", 0)),
        ("good", "00"),
        ("twin", _sig("ed25519", 0)),
        ("bad", _sig("ed25519", 0)),
        ("broken", _sig("ed25519", 0)),
        ("unlisted", _sig("ed25519", 3)),
        ("stranger", "11"),
        ("absent", _sig("ed25519", 0)),
    ]
    keyids = [KeyId(name) for name in ("good", "twin", "bad", "silent", "broken", "absent", "good")]
    result = check_signatures(
        PAYLOAD, [{"keyid": keyid, "sig": sig} for keyid, sig in entries], keys=keys, keyids=keyids, threshold=2
    )
    assert result.signed == ("good",)
    assert result.repeated == ("twin",)
    assert result.unsigned == ("bad", "silent")
    assert result.invalid == ("bad",)
    assert result.unusable == ("broken", "absent")
    assert result.foreign == ("stranger", "unlisted")
    assert result.duplicates == ("good",)
    assert (result.distinct, result.missing, result.ok) == (1, 1, False)


def test_a_twin_with_a_bad_signature_does_not_hide_the_good_one():
    """Two key ids of one value, the first with a signature that does not hold: the second counts."""
    keys = {KeyId("one"): _spelt(0, 0), KeyId("two"): _spelt(0, 9)}
    signatures = [keyring.signature("one", "00" * 64), keyring.signature("two", _sig("ed25519", 0))]
    result = check_signatures(PAYLOAD, signatures, keys=keys, keyids=list(keys), threshold=1)
    assert (result.ok, result.signed, result.repeated, result.invalid) == (True, ("two",), ("one",), ())


def test_thousands_of_signatures_cost_one_check_a_key(monkeypatch):
    """However many signatures a file brings, each listed key is asked once, and a foreign one never."""
    asked: list[str] = []

    def counting(key: PublicKey, signature: str, payload: bytes) -> bool:
        asked.append(key.keyid)
        return real(key, signature, payload)

    real = thresholds.verify_signature
    monkeypatch.setattr(thresholds, "verify_signature", counting)
    keys = {keyring.public("ed25519", number).keyid: keyring.public("ed25519", number) for number in range(4)}
    listed = list(keys)[:3]
    signatures = [
        keyring.signature(keyid, "00" * 64) for _ in range(2000) for keyid in (*keys, KeyId("stranger"), KeyId("other"))
    ]
    result = check_signatures(PAYLOAD, signatures, keys=keys, keyids=listed, threshold=1)
    assert sorted(asked) == sorted(listed)
    assert len(result.foreign) == 3
    assert set(result.duplicates) == set(listed)


def test_a_result_does_not_change():
    """What was found of a file's signatures cannot be altered afterwards."""
    result = check_signatures(PAYLOAD, [], keys={}, keyids=[], threshold=1)
    with pytest.raises(AttributeError):
        result.threshold = 0
    assert not result.ok

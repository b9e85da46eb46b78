"""Proposed roots that nobody should sign are refused, each by the rule that it breaks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.unit.metadata.roots import NOW, Signed, add_key, compare, envelope, following, key, keyid, root
from tests.unit.signing import keyring

from rstuf.clock import iso
from rstuf.errors import InvalidMetadata, ProposalRefused
from rstuf.metadata.root_changes import compare_roots
from rstuf.metadata.views import Envelope
from rstuf.model.keys import PublicKey
from rstuf.model.names import TOP_LEVEL

Change = Callable[[Signed], object]


def field(name: str, value: object) -> Change:
    return lambda signed: signed.update({name: value})


def without(name: str) -> Change:
    return lambda signed: signed.pop(name)


def role(name: str, **fields: object) -> Change:
    return lambda signed: signed["roles"][name].update(fields)


def in_days(days: float) -> Change:
    return field("expires", iso(NOW + timedelta(days=days)))


def written(scheme: str, kind: str = "rsa") -> PublicKey:
    made = keyring.public(kind)
    return PublicKey(made.keytype, scheme, made.public)


def added(new: PublicKey, *roles: str, keyid: str | None = None) -> Change:
    return lambda signed: add_key(signed, new, *roles, keyid=keyid)


def swapped(signed: Signed) -> None:
    keys = signed["keys"]
    keys[keyid(0)], keys[keyid(1)] = keys[keyid(1)], keys[keyid(0)]


REFUSED: dict[str, tuple[Change, str]] = {
    "the same version again": (field("version", 3), "version"),
    "an older version": (field("version", 2), "version"),
    "a version left out": (field("version", 5), "version"),
    "version zero": (field("version", 0), "version"),
    "a negative version": (field("version", -4), "version"),
    "a version of 2^53": (field("version", 2**53), "version"),
    "a version that is true": (field("version", True), "version"),
    "a version in text": (field("version", "4"), "version"),
    "no version": (without("version"), "version"),
    "another type": (field("_type", "targets"), "type"),
    "a type in capitals": (field("_type", "Root"), "type"),
    "no type": (without("_type"), "type"),
    "expired yesterday": (in_days(-1), "expires"),
    "expires this second": (in_days(0), "expires"),
    "expires later than the signer allows": (in_days(800), "expires"),
    "no expiry": (without("expires"), "expires"),
    "an expiry that is a number": (field("expires", 1800000000), "expires"),
    "an expiry with an offset": (field("expires", "2027-11-20T09:00:00+00:00"), "expires"),
    "an expiry with a short month": (field("expires", "2027-1-20T09:00:00Z"), "expires"),
    "an expiry in lower case": (field("expires", "2027-11-20t09:00:00z"), "expires"),
    "an expiry in other digits": (field("expires", "2027-11-2\u0660T09:00:00Z"), "expires"),
    "no specification": (without("spec_version"), "spec-version"),
    "the next specification": (field("spec_version", "2.0.0"), "spec-version"),
    "a specification with a tail": (field("spec_version", "1.0.31\n"), "spec-version"),
    "a specification that is a number": (field("spec_version", 1), "spec-version"),
    "no word on snapshots": (without("consistent_snapshot"), "consistent-snapshot"),
    "inconsistent snapshots": (field("consistent_snapshot", False), "consistent-snapshot"),
    "snapshots consistent by number": (field("consistent_snapshot", 1), "consistent-snapshot"),
    "no roles": (without("roles"), "roles"),
    "roles in a list": (field("roles", []), "roles"),
    "no timestamp role": (lambda signed: signed["roles"].pop("timestamp"), "roles"),
    "a role more": (lambda signed: signed["roles"].update(mirrors=signed["roles"]["targets"]), "roles"),
    "a role that is a list": (lambda signed: signed["roles"].update(targets=[]), "form"),
    "no keys": (without("keys"), "form"),
    "keys in a list": (field("keys", []), "form"),
    "a key that is text": (lambda signed: signed["keys"].update(a="b"), "form"),
    "a threshold of zero": (role("root", threshold=0), "threshold"),
    "a negative threshold": (role("root", threshold=-1), "threshold"),
    "a threshold that is true": (role("timestamp", threshold=True), "form"),
    "a threshold in text": (role("timestamp", threshold="1"), "form"),
    "a threshold above the keys": (role("root", threshold=4), "threshold"),
    "a huge threshold": (role("targets", threshold=2**53 - 1), "threshold"),
    "no key ids": (role("snapshot", keyids=[]), "threshold"),
    "key ids in one text": (role("snapshot", keyids=keyid(3)), "form"),
    "a key id that is a number": (role("snapshot", keyids=[3]), "form"),
    "a key id twice": (role("root", keyids=[keyid(0), keyid(1), keyid(0)]), "key-repeated"),
    "a key id without its key": (role("root", keyids=[keyid(0), keyid(1), keyid(9)]), "key-missing"),
    "a key id cut short": (role("root", keyids=[keyid(0), keyid(1)[:8]]), "key-missing"),
    "a key that is gone": (lambda signed: signed["keys"].pop(keyid(2)), "key-missing"),
    "another key under a known id": (
        lambda signed: signed["keys"].update({keyid(0): key(9).to_dict()}),
        "key-replaced",
    ),
    "two keys that swap their ids": (swapped, "key-replaced"),
    "another scheme for a known key": (
        lambda signed: signed["keys"][keyid(0)].update(scheme="ed25519ph"),
        "key-replaced",
    ),
    "a known key in capitals": (
        lambda signed: signed["keys"][keyid(0)]["keyval"].update(public=key(0).public.upper()),
        "key-replaced",
    ),
    "a known key that loses its value": (
        lambda signed: signed["keys"][keyid(0)].update(keyval={"identity": "maria@example.org"}),
        "key-replaced",
    ),
    "a key under an id of its own choice": (added(key(9), "root", keyid="maria"), "key-id"),
    "a key under another's hash": (added(key(9), "root", keyid=keyid(8)), "key-id"),
    "a key id in capitals": (added(key(9), "root", keyid=keyid(9).upper()), "key-id"),
    "a new key of P-384": (added(keyring.public("p384"), "root"), "key"),
    "a new key of P-521": (added(keyring.public("p521"), "timestamp"), "key"),
    "a new key of a kind to come": (added(PublicKey("ml-dsa", "ml-dsa-65/1", "00"), "root"), "key"),
    "a new key with a scheme not its own": (added(PublicKey("ed25519", "ed25519ph", key(9).public), "root"), "key"),
    "a new key of low order": (added(PublicKey("ed25519", "ed25519", "01" + "00" * 31), "root"), "key"),
    "a new key that no role uses and none can read": (added(PublicKey("ed25519", "ed25519", "abc")), "key"),
    "a new identity in place of a key": (
        lambda signed: signed["keys"].update(a={"keytype": "sigstore-oidc", "scheme": "Fulcio", "keyval": {}}),
        "key",
    ),
    "one key twice in capitals": (
        added(PublicKey("ed25519", "ed25519", key(0).public.upper()), "root"),
        "key-repeated",
    ),
    "one new key by two schemes": (
        lambda signed: [add_key(signed, written(f"rsassa-pss-sha{bits}"), "root") for bits in (256, 512)],
        "key-repeated",
    ),
    "a comment that nobody can read": (field("comment", "a" * 20_000), "foreign"),
    "a thousand fields": (
        lambda signed: signed.update({f"x-{number}": "word" * 4 for number in range(1000)}),
        "foreign",
    ),
    "ten megabytes of comment": (field("comment", "a" * 10_000_000), "size"),
}


@pytest.mark.parametrize(("change", "rule"), REFUSED.values(), ids=REFUSED.keys())
def test_a_root_that_breaks_a_rule_is_refused(change: Change, rule: str) -> None:
    """Each hand-made root is refused, and the error says which rule it breaks."""
    trusted = root()
    proposed = following(trusted)
    compare(trusted, proposed, max_expiry=timedelta(days=400))
    change(proposed)
    with pytest.raises(ProposalRefused) as caught:
        compare(trusted, proposed, max_expiry=timedelta(days=400))
    assert caught.value.rule == rule
    assert caught.value.name == "root"
    assert caught.value.hint


@pytest.mark.parametrize("version", [0, 2, 3, 2**53 - 1, 2**53])
def test_a_first_root_is_version_one(version: int) -> None:
    """Where nothing is trusted yet, no other version than 1 is signed."""
    compare(None, root(version=1))
    with pytest.raises(ProposalRefused) as caught:
        compare(None, root(version=version))
    assert caught.value.rule == "version"


def test_no_version_follows_the_last_one() -> None:
    """After version 2^53 - 1 nothing can be signed: other readers of JSON would see another number."""
    trusted = root(version=2**53 - 1)
    with pytest.raises(ProposalRefused) as caught:
        compare(trusted, following(trusted))
    assert caught.value.rule == "version"


def test_what_is_signed_is_what_is_shown() -> None:
    """A root whose bytes to sign say something else than what was read of it is refused."""
    trusted = root()
    shown, signed = following(trusted), following(trusted, roles={**root()["roles"]})
    signed["roles"]["root"] = {**signed["roles"]["root"], "threshold": 1}
    proposed = Envelope(name="root", signed=shown, payload=envelope(signed).payload, signatures=())
    with pytest.raises(ProposalRefused) as caught:
        compare_roots(envelope(trusted), proposed, now=NOW)
    assert caught.value.rule == "bytes"


def test_what_cannot_be_written_is_refused() -> None:
    """A value that is no JSON, which no file can bring, is refused and not a crash."""
    trusted = root()
    proposed = envelope(following(trusted))
    odd = Envelope(name="root", signed={**proposed.signed, "x": 2**70}, payload=proposed.payload, signatures=())
    with pytest.raises(ProposalRefused) as caught:
        compare_roots(envelope(trusted), odd, now=NOW)
    assert caught.value.rule == "bytes"


def test_the_longest_life_is_counted_from_now() -> None:
    """Exactly as long as the signer allows is allowed, a second more is not; without a bound any date is."""
    trusted = root()
    proposed = following(trusted)
    compare(trusted, proposed, max_expiry=timedelta(days=365))
    with pytest.raises(ProposalRefused, match="you sign for 8759h at most"):
        compare(trusted, proposed, max_expiry=timedelta(days=365, hours=-1))
    compare(trusted, following(trusted, expires="9999-12-31T23:59:59Z"))


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_every_pair_of_threshold_and_keys(name: str) -> None:
    """Of 0 to 6 signatures by 0 to 6 keys, exactly those from 1 to the number of keys are let through."""
    for keys in range(7):
        for threshold in range(7):
            trusted = root()
            proposed = following(trusted)
            for number in range(4, 4 + keys):
                proposed["keys"][keyid(number)] = key(number).to_dict()
            proposed["roles"][name] = {"keyids": [keyid(4 + at) for at in range(keys)], "threshold": threshold}
            if 1 <= threshold <= keys:
                assert compare(trusted, proposed).roles[name].threshold == threshold  # type: ignore[index]
                continue
            with pytest.raises(ProposalRefused) as caught:
                compare(trusted, proposed)
            assert caught.value.rule == "threshold"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
@pytest.mark.parametrize("name", TOP_LEVEL)
def test_one_key_in_two_spellings_never_counts_twice(kind: str, name: str) -> None:
    """Even where the trusted root lists both spellings, no role may have them; two roles that do are told of."""
    plain, *others = keyring.spellings(kind)
    assert len(others) >= 50
    for other in others:
        trusted = root()
        for each in (plain, other):
            add_key(trusted, each)
        proposed = following(trusted)
        proposed["roles"][name] = {"keyids": [plain.keyid, other.keyid], "threshold": 2}
        with pytest.raises(ProposalRefused) as caught:
            compare(trusted, proposed)
        assert caught.value.rule == "key-repeated"
        proposed["roles"][name] = {"keyids": [plain.keyid, keyid(2)], "threshold": 2}
        beside = next(each for each in TOP_LEVEL if each != name)
        proposed["roles"][beside] = {"keyids": [other.keyid, keyid(1)], "threshold": 1}
        found = compare(trusted, proposed).concerns
        assert any(each.code == "key-twice" and each.grave for each in found)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_one_key_in_two_spellings_is_not_two_new_ones(kind: str) -> None:
    """A first root that lists two spellings of one key is refused, whatever the two are."""
    plain, *others = keyring.spellings(kind)
    for other in others:
        proposed = root(version=1)
        for each in (plain, other):
            add_key(proposed, each, "root")
        with pytest.raises(ProposalRefused) as caught:
            compare(None, proposed)
        assert caught.value.rule in {"key", "key-repeated"}


def test_a_key_that_cannot_be_read_does_not_count() -> None:
    """An identity in place of a key, which the trusted root has, may stay, and no threshold rests on it."""
    trusted = root()
    trusted["keys"]["maria"] = {"keytype": "sigstore-oidc", "scheme": "Fulcio", "keyval": {"identity": "a@b.org"}}
    trusted["roles"]["root"]["keyids"].append("maria")
    proposed = following(trusted)
    compare(trusted, proposed)
    proposed["roles"]["root"]["threshold"] = 4
    with pytest.raises(ProposalRefused, match="asks for 4 signatures, and has 3 keys that can sign"):
        compare(trusted, proposed)


def test_an_identity_that_changes_is_another_key() -> None:
    """What cannot be read must stay as it is to the byte."""
    trusted = root()
    trusted["keys"]["maria"] = {"keytype": "sigstore-oidc", "scheme": "Fulcio", "keyval": {"identity": "a@b.org"}}
    trusted["roles"]["root"]["keyids"].append("maria")
    proposed = following(trusted)
    proposed["keys"]["maria"]["keyval"]["identity"] = "a@c.org"
    with pytest.raises(ProposalRefused) as caught:
        compare(trusted, proposed)
    assert caught.value.rule == "key-replaced"


@pytest.mark.parametrize("change", [without("keys"), without("roles"), role("root", keyids="a")])
def test_a_trusted_root_that_is_damaged_is_no_fault_of_the_proposal(change: Change) -> None:
    """The signer's own copy in pieces is told apart from a proposal that is refused."""
    trusted = root()
    proposed = following(trusted)
    change(trusted)
    with pytest.raises(InvalidMetadata):
        compare(trusted, proposed)


def test_refusals_stay_in_ascii() -> None:
    """What a hostile root names itself cannot turn the text of its refusal around."""
    trusted = root()
    proposed = following(trusted)
    name = "\u202emaria\u0430"
    proposed["keys"][name] = {"keytype": name, "scheme": name, "keyval": {"public": name}}
    with pytest.raises(ProposalRefused) as caught:
        compare(trusted, proposed)
    assert "\u202e" not in caught.value.message

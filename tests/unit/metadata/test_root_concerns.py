"""What is unusual in a proposed root is told, and what is dangerous stands in front."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.unit.metadata.roots import NOW, YEAR, Signed, add_key, codes, compare, following, key, keyid, root
from tests.unit.signing import keyring

from rstuf.clock import iso
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP

Change = Callable[[Signed], object]


def field(name: str, value: object) -> Change:
    return lambda signed: signed.update({name: value})


def role(name: str, **fields: object) -> Change:
    return lambda signed: signed["roles"][name].update(fields)


def in_days(days: float) -> Change:
    return field("expires", iso(NOW + timedelta(days=days)))


def added(new: PublicKey, *roles: str) -> Change:
    return lambda signed: add_key(signed, new, *roles)


def also(number: int, name: str) -> Change:
    return lambda signed: signed["roles"][name]["keyids"].append(keyid(number))


def root_keys(*numbers: int, threshold: int = 2) -> Change:
    def change(signed: Signed) -> None:
        for number in (0, 1, 2):
            del signed["keys"][keyid(number)]
        signed["roles"]["root"] = {"keyids": [], "threshold": threshold}
        for number in numbers:
            add_key(signed, key(number), "root")

    return change


def both(*changes: Change) -> Change:
    return lambda signed: [change(signed) for change in changes]


def in_key(number: int, **fields: object) -> Change:
    return lambda signed: signed["keys"][keyid(number)].update(fields)


PKCS1 = PublicKey("rsa", "rsa-pkcs1v15-sha256", keyring.public("rsa").public)
PEM_WITH_WORDS = PublicKey("ecdsa", "ecdsa-sha2-nistp256", "sign this\n" + keyring.public("ecdsa").public)

GRAVE: dict[str, tuple[Change, set[str]]] = {
    "root's threshold lowered": (
        role("root", threshold=1),
        {"threshold-lowered", "root-threshold-one"},
    ),
    "root's threshold at all keys": (role("root", threshold=3), {"all-must-sign"}),
    "a key more for root": (added(key(9), "root"), {"keys-added"}),
    "a key more for root that suffices": (
        both(added(key(9), "root"), role("root", threshold=1)),
        {"keys-added", "threshold-lowered", "root-threshold-one", "added-keys-suffice"},
    ),
    "a key more for timestamp": (added(key(9), "timestamp"), {"keys-added"}),
    "a key less for root": (root_keys(0, 1), {"keys-removed", "all-must-sign"}),
    "one key of root replaced": (root_keys(0, 1, 9), {"keys-added"}),
    "two keys of root replaced": (root_keys(0, 8, 9), {"keys-added", "few-root-keys-kept", "added-keys-suffice"}),
    "all keys of root replaced": (root_keys(7, 8, 9), {"keys-added", "root-keys-replaced", "added-keys-suffice"}),
    "all replaced, and all must sign": (
        root_keys(7, 8, 9, threshold=3),
        {"keys-added", "root-keys-replaced", "added-keys-suffice", "all-must-sign"},
    ),
    "root shrinks to one key": (
        root_keys(0, threshold=1),
        {"keys-removed", "threshold-lowered", "root-threshold-one", "all-must-sign", "few-root-keys-kept"},
    ),
    "the online key in root": (also(3, "root"), {"keys-added", "key-moved", "root-key-online"}),
    "a root key in timestamp": (also(0, "timestamp"), {"keys-added", "key-moved", "root-key-online"}),
    "a root key in snapshot": (also(0, "snapshot"), {"keys-added", "key-moved", "root-key-online"}),
    "a root key in targets": (also(0, "targets"), {"keys-added", "key-moved", "root-key-in-targets"}),
    "a root key instead of the online key": (
        role("timestamp", keyids=[keyid(0)]),
        {"keys-added", "key-moved", "root-key-online"},
    ),
    "two must sign timestamp, of two": (
        both(added(key(9), "timestamp"), role("timestamp", threshold=2)),
        {"keys-added", "all-must-sign"},
    ),
    "expires in three years": (in_days(3 * 365), {"expires-far"}),
    "expires in a thousand years": (field("expires", "3026-01-01T00:00:00Z"), {"expires-far"}),
    "expires in six days": (in_days(6), {"expires-soon", "expires-sooner"}),
    "expires sooner than the last": (in_days(19), {"expires-sooner"}),
    "another specification": (field("spec_version", "1.0.30"), {"spec-version"}),
    "a short specification": (field("spec_version", "1.0"), {"spec-version"}),
    "a field at the top": (field("x-note", "urgent"), {"foreign-added"}),
    "a field that is empty": (field("", None), {"foreign-added"}),
    "a field in a role": (role("root", paths=["*"]), {"foreign-added"}),
    "a field in a key": (in_key(0, comment="a"), {"foreign-added"}),
    "a field in a key's value": (
        lambda signed: signed["keys"][keyid(0)]["keyval"].update(private="00"),
        {"foreign-added"},
    ),
    "a name in a key": (in_key(0, **{"x-rstuf-key-name": "vault"}), {"foreign-added"}),
    "one name at two keys": (
        both(in_key(0, **{"x-rstuf-key-name": "vault"}), in_key(1, **{"x-rstuf-key-name": "vault"})),
        {"foreign-added", "label-moved"},
    ),
    "one name at two keys, in wide letters": (
        both(in_key(0, **{"x-rstuf-key-name": "vault"}), in_key(1, **{"x-rstuf-key-name": "\uff36ault"})),
        {"foreign-added", "label-moved"},
    ),
    "a key that no role uses": (added(key(9)), {"unused-keys"}),
    "a removed key that is still listed": (
        role("root", keyids=[keyid(0), keyid(1)]),
        {"keys-removed", "all-must-sign", "unused-keys"},
    ),
    "a new key by PKCS#1": (added(PKCS1, "root"), {"keys-added", "key-not-for-all"}),
    "a new key by SHA-512": (
        added(PublicKey("rsa", "rsassa-pss-sha512", PKCS1.public), "root"),
        {"keys-added", "key-not-for-all"},
    ),
    "a new key with words around it": (added(PEM_WITH_WORDS, "root"), {"keys-added", "key-spelling"}),
    "a known key in capitals, beside itself": (
        added(PublicKey("ed25519", "ed25519", key(0).public.upper()), "timestamp"),
        {"keys-added", "key-moved", "key-twice", "root-key-online", "key-spelling"},
    ),
    "a known key in capitals, in place of itself": (
        both(root_keys(1, 2), added(PublicKey("ed25519", "ed25519", key(0).public.upper()), "root")),
        {"key-respelt", "key-spelling"},
    ),
}


@pytest.mark.parametrize(("change", "expected"), GRAVE.values(), ids=GRAVE.keys())
def test_what_is_dangerous_is_grave(change: Change, expected: set[str]) -> None:
    """Each hand-made root raises exactly the grave concerns that a person would have to know of."""
    trusted = root()
    proposed = following(trusted)
    assert codes(compare(trusted, proposed), grave=True) == set()
    change(proposed)
    changes = compare(trusted, proposed)
    assert codes(changes, grave=True) == expected


MILD: dict[str, tuple[Change, Change, set[str]]] = {
    "root's threshold raised": (role("root", threshold=1), role("root", threshold=2), {"threshold-raised"}),
    "the online key replaced": (
        role("root"),
        lambda signed: [
            signed["keys"].pop(keyid(3)),
            signed["keys"].update({keyid(9): key(9).to_dict()}),
            *(signed["roles"][name].update(keyids=[keyid(9)]) for name in ("timestamp", "snapshot", "targets")),
        ],
        {"keys-removed"},
    ),
    "all must sign, as before": (role("root", threshold=3), role("root"), {"all-must-sign"}),
    "a root key in targets, as before": (also(0, "targets"), role("root"), {"root-key-in-targets"}),
    "a field, as before": (field("x-note", "a"), role("root"), {"foreign-kept"}),
    "a key that no role uses, as before": (added(key(9)), role("root"), {"unused-keys"}),
    "a key of P-384, as before": (added(keyring.public("p384"), "root"), role("root"), {"key-not-let-in"}),
    "a key by PKCS#1, as before": (added(PKCS1, "root"), role("root"), {"key-not-for-all"}),
    "a key under another's id, as before": (
        lambda signed: add_key(signed, key(9), "root", keyid="maria"),
        role("root"),
        {"foreign-key-id"},
    ),
    "an identity, as before": (
        lambda signed: [
            signed["keys"].update(m={"keytype": "sigstore-oidc", "scheme": "Fulcio", "keyval": {"identity": "m"}}),
            also_id(signed, "m"),
        ],
        role("root"),
        {"key-unreadable", "foreign-kept"},
    ),
    "the trusted root has expired": (in_days(-30), role("root"), {"trusted-expired"}),
}


def also_id(signed: Signed, called: str) -> None:
    signed["roles"]["root"]["keyids"].append(called)


@pytest.mark.parametrize(("earlier", "change", "expected"), MILD.values(), ids=MILD.keys())
def test_what_is_no_danger_is_told_all_the_same(earlier: Change, change: Change, expected: set[str]) -> None:
    """What makes a root safer, or was so before, is told without alarm."""
    trusted = root()
    earlier(trusted)
    proposed = following(trusted)
    change(proposed)
    changes = compare(trusted, proposed)
    assert codes(changes, grave=False) == expected
    assert codes(changes, grave=True) <= {"keys-added"}


def test_one_signature_for_root_stays_grave() -> None:
    """A root that one key can sign is told of at each signing, and so is one that shares a key with timestamp."""
    trusted = root(threshold=1)
    also(0, "timestamp")(trusted)
    assert codes(compare(trusted, following(trusted)), grave=True) == {"root-threshold-one", "root-key-online"}


def test_a_key_of_p384_that_gets_more_to_sign_is_grave() -> None:
    """What may stay where it is does not spread to other roles quietly."""
    trusted = root()
    odd = keyring.public("p384")
    add_key(trusted, odd, "root")
    proposed = following(trusted)
    proposed["roles"]["timestamp"]["keyids"].append(odd.keyid)
    assert "key-not-let-in" in codes(compare(trusted, proposed), grave=True)


def test_snapshots_that_become_consistent_are_told() -> None:
    """Clients look for other file names from then on."""
    trusted = root()
    for earlier in (False, None):
        trusted["consistent_snapshot"] = earlier
        changes = compare(trusted, following(trusted, consistent_snapshot=True))
        assert codes(changes, grave=True) == {"consistent-snapshot"}
        assert (changes.consistent_snapshot_before, changes.consistent_snapshot) == (earlier, True)


def test_a_name_that_moves_to_a_new_key_is_told() -> None:
    """The new key is called what the removed one was called: both are named, and the field is quoted."""
    trusted = root()
    in_key(0, **{"x-rstuf-key-name": "yubikey"})(trusted)
    proposed = following(trusted)
    root_keys(1, 2, 9)(proposed)
    in_key(9, **{"x-rstuf-key-name": "YubiKey"})(proposed)
    concern = next(each for each in compare(trusted, proposed).concerns if each.code == "label-moved")
    assert concern.grave
    assert set(concern.keyids) == {keyid(0), keyid(9)}
    assert 'x-rstuf-key-name = "YubiKey"' in concern.message


def test_fields_that_change_or_go_are_told_with_what_they_were() -> None:
    """Changed and removed foreign fields are grave too; those of a removed key go with it."""
    trusted = root()
    trusted |= {"x-a": 1, "x-b": 2}
    in_key(0, **{"x-rstuf-key-name": "laptop"})(trusted)
    proposed = following(trusted)
    del proposed["x-a"]
    proposed["x-b"] = {"deep": [True, None]}
    root_keys(1, 2, 9)(proposed)
    told = {each.code: each.message for each in compare(trusted, proposed).concerns}
    assert told["foreign-removed"] == "what TUF does not know is removed: x-a = 1"
    assert told["foreign-changed"] == 'what TUF does not know is changed: x-b = {"deep":[true,null]}, was 2'
    assert "foreign-added" not in told


def test_a_first_root_is_told_to_be_one() -> None:
    """Nothing is compared, so all of it is to be looked at, and nothing counts as added."""
    changes = compare(None, root(version=1))
    assert codes(changes, grave=True) == {"first-root"}
    assert changes.old_version is None
    assert changes.expires_before is None
    assert changes.roles[ROOT].threshold_before is None
    assert changes.roles[ROOT].added == tuple(map(keyid, (0, 1, 2)))
    assert changes.power == "it lets any 2 of 3 keys decide everything in this repository, from its first root on"


def test_what_changes_is_told_as_values() -> None:
    """Versions, dates, days, thresholds, keys added, removed and kept, by role."""
    trusted = root()
    proposed = following(trusted)
    root_keys(2, 9, 0)(proposed)
    changes = compare(trusted, proposed)
    assert (changes.old_version, changes.new_version) == (3, 4)
    assert (changes.expires_before, changes.expires, changes.days) == (NOW + timedelta(days=20), NOW + YEAR, 365)
    role_changes = changes.roles[ROOT]
    assert (role_changes.threshold_before, role_changes.threshold) == (2, 2)
    assert role_changes.keyids == tuple(map(keyid, (2, 9, 0)))
    assert role_changes.added == (keyid(9),)
    assert role_changes.removed == (keyid(1),)
    assert role_changes.kept == (keyid(2), keyid(0))
    assert set(changes.keys) == {keyid(number) for number in (0, 1, 2, 3, 9)}
    assert changes.keys[KeyId(keyid(9))] == key(9)
    assert set(changes.roles) == {ROOT, TARGETS, SNAPSHOT, TIMESTAMP}


DECIDE = "can sign every later root"
ALONE = "2 of 3; the new one alone suffices"
POWER: dict[str, tuple[Change, str]] = {
    "nothing": (role("root"), f"it leaves root with the same keys: any 2 of 3 keys {DECIDE}"),
    "one for one": (root_keys(0, 1, 9), f"it lets the new key sign root in place of the old: any 2 of 3 keys {DECIDE}"),
    "one more": (added(key(9), "root"), f"it lets 1 more key sign root: any 2 of 4 keys {DECIDE}"),
    "one less": (root_keys(0, 1), f"it takes 1 key from root: all 2 keys {DECIDE}"),
    "lowered": (
        role("root", threshold=1),
        f"it leaves root with the same keys: any 1 of 3 keys {DECIDE}, where it took 2 of 3",
    ),
    "a majority": (
        root_keys(0, 8, 9),
        f"it lets 2 new keys sign root in place of 2 old ones: any 2 of 3 keys {DECIDE}; the new alone suffice",
    ),
    "one for all": (
        root_keys(9, threshold=1),
        f"it lets 1 new key sign root in place of 3 old ones: the one key of root {DECIDE}, where it took {ALONE}",
    ),
    "timestamp": (
        added(key(9), "timestamp"),
        f"it leaves root with the same keys: any 2 of 3 keys {DECIDE}; timestamp can be signed by others than before",
    ),
}


@pytest.mark.parametrize(("change", "expected"), POWER.values(), ids=POWER.keys())
def test_what_a_signature_lets_the_new_keys_do(change: Change, expected: str) -> None:
    """One line says what the power over the repository becomes."""
    trusted = root()
    proposed = following(trusted)
    change(proposed)
    assert compare(trusted, proposed).power == expected


def test_grave_concerns_come_first() -> None:
    """Whoever reads only the beginning reads what matters."""
    trusted = root(expires=NOW - timedelta(days=2))
    proposed = following(trusted, **{"x-note": "a"})
    role("root", threshold=1)(proposed)
    grave = [each.grave for each in compare(trusted, proposed).concerns]
    assert grave == sorted(grave, reverse=True)
    assert set(grave) == {True, False}


def test_messages_are_one_line_of_ascii_with_short_key_ids() -> None:
    """Whatever a root calls its fields, no message of any concern breaks a line, turns it around or is endless."""
    wild = "\u202e\u0430\n\x1b[31m" + "a" * 3000
    for change, _ in GRAVE.values():
        trusted = root()
        trusted["keys"][wild] = {"keytype": wild, "scheme": wild, "keyval": {"public": wild}}
        trusted["roles"]["targets"]["keyids"].append(wild)
        proposed = following(trusted, **{wild[:50]: wild})
        change(proposed)
        for concern in compare(trusted, proposed).concerns:
            text = concern.message.replace("…", "")
            assert text.isascii(), concern
            assert text.isprintable(), concern
            assert len(text) < 1000, concern
            assert not any(each in text for each in concern.keyids)

"""A bundle is judged by what its signer trusts, and signed as it was reviewed."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.bundles import DAY, World, bundle, file_of
from tests.unit.metadata import roots
from tests.unit.metadata.roots import NOW
from tests.unit.signing import keyring

from rstuf.clock import iso
from rstuf.errors import AnchorNeeded, InvalidMetadata, ProposalRefused, SignerMismatch, SigningError
from rstuf.holder.anchors import TrustSource
from rstuf.holder.record import HolderRecord, Remembered, SignedBefore
from rstuf.holder.review import Review, review_bundle
from rstuf.holder.signing import sign_bundle
from rstuf.metadata.bundle import parse_signatures
from rstuf.metadata.key_identity import verify_signature
from rstuf.model.keys import KeyId
from rstuf.model.names import ROOT, TARGETS

WORLD = World(NOW)


class Signer:
    """A key that signs; or that signs something else."""

    def __init__(self, number: int, *, other: bytes | None = None) -> None:
        self._number, self._other = number, other
        self.keyid = KeyId(roots.keyid(number))
        self.seen: list[bytes] = []

    def sign(self, payload: bytes) -> str:
        self.seen.append(payload)
        return keyring.private("ed25519", self._number).sign(self._other or payload).hex()


def reviewed(document: dict[str, object] | None = None, **options: object) -> Review:
    found = bundle(WORLD.document(signed_by=(0,)) if document is None else document)
    return review_bundle(found, **{"now": NOW, "trusted": WORLD.files[2], **options})  # type: ignore[arg-type]


def test_sides_of_a_root() -> None:
    """A root needs its own keys and those before it; who signed is verified for both."""
    signed = WORLD.next_root
    signed["roles"]["root"]["keyids"].remove(roots.keyid(0))
    del signed["keys"][roots.keyid(0)]
    (part,) = reviewed(WORLD.document(signed, signed_by=(0, 1))).parts
    assert [(side.label, side.missing, len(side.signed)) for side in part.sides] == [
        ("root v3", 0, 2),
        ("root v4", 1, 1),
    ]


def test_targets_are_signed_by_the_root_beside_them_too() -> None:
    """Where a root comes with targets, both it and the root in force say who signs them."""
    root = WORLD.next_root
    root["roles"]["targets"]["keyids"] = [roots.add_key(root, roots.key(5))]
    alone, beside = reviewed(WORLD.document(WORLD.targets)), reviewed(WORLD.document(root, WORLD.targets))
    assert [side.keyids for side in alone.parts[0].sides] == [(roots.keyid(3),)]
    assert [side.keyids for side in beside.parts[1].sides] == [(roots.keyid(3),), (roots.keyid(5),)]
    assert beside.code not in {alone.code, reviewed(WORLD.document(root)).code}


def test_the_newest_of_what_is_trusted_counts(tmp_path: Path) -> None:
    """An old root in a file does not lead past what the record knows."""
    record = WORLD.record(tmp_path / "record")
    found = reviewed(trusted=WORLD.files[0], record=record)
    assert (found.anchor.source, found.anchor.checked) == (TrustSource.FILE, True)
    old = WORLD.document({**WORLD.next_root, "version": 3}, chain=WORLD.files[:2])
    with pytest.raises(ProposalRefused, match="you trust root 3"):
        reviewed(old, trusted=WORLD.files[0], record=record)


def test_a_chain_may_begin_later() -> None:
    """A chain that begins right after the trusted root is enough; one that begins later leaves a gap."""
    late = WORLD.document(chain=WORLD.files[2:])
    assert reviewed(late, trusted=WORLD.files[1]).anchor.version == 2
    with pytest.raises(ProposalRefused, match="begin with version 3"):
        reviewed(late, trusted=WORLD.files[0])
    with pytest.raises(AnchorNeeded, match="did not come with it"):
        reviewed(late, trusted=None, fingerprint=WORLD.first_root)


def test_a_trusted_root_is_a_root(tmp_path: Path) -> None:
    """What the signer names as trusted is a root that its own keys signed."""
    for data in (b"{}", file_of(WORLD.targets, 3), file_of(WORLD.roots[2], 0), file_of(WORLD.roots[2], 4, 5)):
        with pytest.raises(InvalidMetadata):
            reviewed(trusted=data)


def test_a_root_that_is_recorded_for_another_repository(tmp_path: Path) -> None:
    """A bundle cannot take a trusted root for another first root than the record knows it to come from."""
    record = WORLD.record(tmp_path / "record")
    document = WORLD.document(chain=WORLD.files[1:])
    document["repository"]["first_root"] = "cd" * 32
    with pytest.raises(ProposalRefused, match="another repository"):
        reviewed(document, record=record)


def _forged(signed: dict[str, object], chain: list[bytes]) -> dict[str, object]:
    document = WORLD.document(signed, chain=chain)
    document["repository"]["first_root"] = "cd" * 32
    return document


def test_another_first_root_hides_nothing_that_was_signed(tmp_path: Path) -> None:
    """A bundle that says another first root is held against what was signed by the same keys all the same."""
    record, chain = HolderRecord(tmp_path / "record"), WORLD.files[2:]
    first = reviewed(WORLD.document(chain=chain), record=record)
    part = first.parts[0]
    record.add(first.remember([SignedBefore(part.role, 4, part.digest, KeyId(roots.keyid(0)), NOW)]))
    other = {**WORLD.next_root, "expires": iso(NOW + 300 * DAY)}
    found = {each.code for each in reviewed(_forged(other, chain), record=record).grave}
    assert {"signed-another", "first-root-differs"} <= found
    assert "signed-another" in {each.code for each in reviewed(WORLD.document(other, chain=chain), record=record).grave}


def test_another_first_root_is_refused_where_the_right_one_is_known(tmp_path: Path) -> None:
    """A root that the record knows to come from elsewhere may stand anywhere on the way, not only where trust began."""
    record = WORLD.record(tmp_path / "record")
    with pytest.raises(ProposalRefused, match="another repository"):
        reviewed(_forged(WORLD.next_root, WORLD.files[1:]), trusted=WORLD.files[1], record=record)


def test_keys_that_sign_in_two_known_repositories(tmp_path: Path) -> None:
    """Where both first roots are known, what was signed in one says nothing of the other."""
    record = HolderRecord(tmp_path / "record")
    one = SignedBefore(ROOT, 4, "ab" * 32, KeyId(roots.keyid(0)), NOW)
    record.add(Remembered(first_root="cd" * 32, checked=True, signed=(one,)))
    assert reviewed(trusted=WORLD.files[0], record=record).anchor.checked
    assert "signed-another" not in {each.code for each in reviewed(trusted=WORLD.files[0], record=record).grave}


def _targets_codes(record: HolderRecord | None = None, **changes: object) -> dict[str, bool]:
    found = reviewed(WORLD.document({**WORLD.targets, **changes}), record=record)
    return {
        each.code: each.grave for each in found.concerns if each.code not in {"names-unknown", "first-root-claimed"}
    }


def test_usual_targets_are_nothing_unusual() -> None:
    """Bins that the online key of root signs, or one that the root beside them lists, are as they should be."""
    assert _targets_codes() == {}
    root, added = WORLD.next_root, roots.key(5)
    roots.add_key(root, added, "timestamp")
    targets = WORLD.targets
    targets["delegations"]["keys"][added.keyid] = added.to_dict()
    targets["delegations"]["succinct_roles"]["keyids"].append(added.keyid)
    assert "delegated-to-new-keys" not in {each.code for each in reviewed(WORLD.document(root, targets)).concerns}
    assert "delegated-to-new-keys" in {each.code for each in reviewed(WORLD.document(targets)).grave}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (3, {}),
        (4, {"version-jump": False}),
        (13, {"version-jump": False}),
        (14, {"version-jump": True}),
        (2**53 - 1, {"version-jump": True, "version-high": True}),
    ],
)
def test_versions_of_targets_that_jump(version: int, expected: dict[str, bool], tmp_path: Path) -> None:
    """A version far from what its signer signed last is grave; a few that others signed are only told."""
    before = SignedBefore(TARGETS, 2, "ab" * 32, KeyId(roots.keyid(3)), NOW)
    record = WORLD.record(tmp_path / "record", signed=(before,))
    assert _targets_codes(record, version=version) == expected


def test_delegations_that_no_client_could_follow() -> None:
    """No delegation, names that are no plain file names, and more bins than there can be are grave."""
    delegations = WORLD.targets["delegations"]

    def bins(**changes: object) -> dict[str, object]:
        return {**delegations, "succinct_roles": {**delegations["succinct_roles"], **changes}}

    role = {"keyids": [roots.keyid(3)], "threshold": 1, "name": "../x", "paths": ["*"], "terminating": False}
    assert _targets_codes(delegations={"keys": {}}) == {"no-delegation": True}
    assert _targets_codes(delegations=bins(name_prefix="../../x")) == {"odd-name": True}
    assert _targets_codes(delegations=bins(name_prefix=".bins")) == {"odd-name": True}
    assert _targets_codes(delegations={**delegations, "roles": [role]}) == {"odd-name": True}
    assert _targets_codes(delegations=bins(bit_length=16)) == {}
    assert _targets_codes(delegations=bins(bit_length=17)) == {"many-bins": True}


def test_expired_roots_do_not_stand_in_the_way() -> None:
    """The chain may have expired: the next root is what mends that."""
    later = NOW + 200 * DAY
    signed = {**WORLD.next_root, "expires": iso(later + 100 * DAY)}
    found = reviewed(WORLD.document(signed), now=later)
    assert "trusted-expired" in {concern.code for concern in found.concerns}


def test_signatures_are_over_what_was_reviewed() -> None:
    """Each part is signed by those that may sign it, and the signatures are of the very bytes that were shown."""
    found = reviewed(WORLD.document(WORLD.next_root, WORLD.targets))
    root_signer, online = Signer(1), Signer(3)
    document = parse_signatures(sign_bundle(found, [root_signer, online]))
    payloads = [part.payload for part in found.bundle.parts]
    assert (root_signer.seen, online.seen) == (payloads[:1], payloads[1:])
    for made, number, payload in zip(document.signatures, (1, 3), payloads, strict=True):
        assert made.keyid == roots.keyid(number)
        assert verify_signature(roots.key(number), made.sig, payload)


def test_strangers_sign_nothing() -> None:
    """A key that no side lists is asked for nothing."""
    stranger = Signer(5)
    with pytest.raises(SignerMismatch):
        sign_bundle(reviewed(), [stranger])
    assert stranger.seen == []


def test_a_wrong_signature_is_not_handed_over() -> None:
    """What a defective token made is found before anybody gets it."""
    with pytest.raises(SigningError, match="is not its signature"):
        sign_bundle(reviewed(), [Signer(1, other=b"something else")])


def test_a_key_under_a_foreign_id_signs_under_it() -> None:
    """Adopted roots name keys by other ids than their hash: the signature bears the listed one."""
    adopted = copy.deepcopy(WORLD.roots[2])
    adopted["keys"]["ab" * 32] = adopted["keys"].pop(roots.keyid(1))
    adopted["roles"]["root"]["keyids"][1] = "ab" * 32
    data = file_of(adopted, 0, 2)
    signed = {**copy.deepcopy(adopted), "version": 4, "expires": iso(NOW + 365 * DAY)}
    found = reviewed(WORLD.document(signed, chain=[data]), trusted=data)
    (made,) = parse_signatures(sign_bundle(found, [Signer(1)])).signatures
    assert made.keyid == "ab" * 32
    assert verify_signature(roots.key(1), made.sig, found.bundle.parts[0].payload)


def test_a_review_holds_its_bundle() -> None:
    """A review is a value: nobody puts other bytes under one that was shown."""
    found = reviewed()
    with pytest.raises(AttributeError):
        found.code = "x"  # type: ignore[misc]
    assert replace(found).bundle is found.bundle

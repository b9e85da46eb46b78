"""The holder's own record: what they trust and signed, kept for them alone, and never half."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.bundles import World
from tests.unit.metadata import roots
from tests.unit.metadata.roots import NOW

from rstuf.errors import ProposalRefused, RecordDamaged, UnsafeDirectory
from rstuf.holder.record import HolderRecord, Remembered, SignedBefore
from rstuf.model.keys import KeyId
from rstuf.model.names import ROOT

WORLD = World(NOW)
ONE = SignedBefore(ROOT, 3, "ab" * 32, KeyId(roots.keyid(0)), NOW)


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    """All of it comes back as it was, by the digest of the first root, and from all repositories."""
    record = WORLD.record(tmp_path / "record", signed=(ONE,))
    known = HolderRecord(tmp_path / "record").get(WORLD.first_root)
    assert (known.root, known.checked, known.repository, known.signed) == (WORLD.files[-1], True, "acme", (ONE,))
    assert known.names[KeyId(roots.keyid(2))] == "vault"
    assert list(record.all()) == [known]
    assert record.get("cd" * 32) == Remembered(first_root="cd" * 32)
    for path in (tmp_path / "record").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_that_was_signed_is_forgotten(tmp_path: Path) -> None:
    """What is signed joins what was; the same again is once there; and a repository once checked stays so."""
    record = WORLD.record(tmp_path / "record", signed=(ONE,))
    two = SignedBefore(ROOT, 4, "cd" * 32, KeyId(roots.keyid(0)), NOW)
    WORLD.record(tmp_path / "record", signed=(ONE, two), checked=False, names={KeyId("x"): "maria"})
    known = record.get(WORLD.first_root)
    assert known.signed == (ONE, two)
    assert known.checked
    assert known.names[KeyId("x")] == "maria"
    assert len(known.names) == 5


@pytest.mark.parametrize("first_root", [WORLD.first_root, "cd" * 32], ids=["the same", "another"])
def test_what_was_signed_meanwhile_is_not_passed_over(first_root: str, tmp_path: Path) -> None:
    """Another signature of the same role and version that its holder was not told of stops the one that came later."""
    record = WORLD.record(tmp_path / "record")
    record.add(Remembered(first_root=first_root, signed=(ONE,)), seen=())
    other = Remembered(first_root=WORLD.first_root, signed=(replace(ONE, digest="cd" * 32),))
    with pytest.raises(ProposalRefused, match="another root v3 was signed with the same key while you were asked"):
        record.add(other, seen=())
    assert record.get(first_root).signed == (ONE,)
    record.add(other, seen=(ONE,))
    assert other.signed[0] in record.get(WORLD.first_root).signed


def test_first_roots_are_kept_apart(tmp_path: Path) -> None:
    """What was signed before there is a first root belongs to no repository yet."""
    record = HolderRecord(tmp_path / "record")
    record.add(Remembered(first_root=None, signed=(ONE,)))
    assert record.get(None).signed == (ONE,)
    assert list(record.all()) == []


def test_an_absent_record_is_empty(tmp_path: Path) -> None:
    """Looking makes nothing."""
    record = HolderRecord(tmp_path / "record")
    assert list(record.all()) == []
    assert record.get(None) == Remembered(first_root=None)
    assert not (tmp_path / "record").exists()


def test_the_record_of_another_repository(tmp_path: Path) -> None:
    """A file that was renamed to stand for another repository is not believed."""
    record = WORLD.record(tmp_path / "record")
    place = tmp_path / "record" / f"{WORLD.first_root}.json"
    place.rename(place.with_name(f"{'cd' * 32}.json"))
    with pytest.raises(RecordDamaged, match="of another repository"):
        record.get("cd" * 32)


def test_others_may_not_write_it(tmp_path: Path) -> None:
    """A record that others can write to is refused, whole or in part."""
    record = WORLD.record(tmp_path / "record")
    place = tmp_path / "record" / f"{WORLD.first_root}.json"
    place.chmod(0o666)
    with pytest.raises(UnsafeDirectory):
        record.get(WORLD.first_root)
    (tmp_path / "record").chmod(0o770)
    with pytest.raises(UnsafeDirectory):
        HolderRecord(tmp_path / "record")

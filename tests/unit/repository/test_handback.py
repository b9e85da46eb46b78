"""Targets that hands the bins back to the online key that stays waits for people: never does it outlive that key."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.engine import Engine, check_client
from tests.support.thieves import publish_loose
from tests.unit.repository.test_rotation import HOUR, delegated_to

from rstuf.errors import EventOpen, InvalidInput, ProposalRefused, SigningError
from rstuf.model.events import EventKind
from rstuf.model.keys import Loss
from rstuf.model.rotation import RotationKind


@pytest.fixture
def waits(by_people: Engine) -> Engine:
    """People let the new key sign the bins, and the rotation was called off: what hands them back waits."""
    events = by_people.events
    by_people.rotations.rotate("online", "online-2", overlap=HOUR)
    events.sign("targets-v2")
    events.cancel("root-v2")
    assert (kinds(by_people), delegated_to(by_people)) == ({"targets-v3": EventKind.HANDBACK}, {"online-2"})
    return by_people


def kinds(engine: Engine) -> dict[str, EventKind]:
    return {view.event.name: view.event.kind for view in engine.events.views()}


def test_the_rotation_begun_again_drops_it(waits: Engine, tmp_path: Path) -> None:
    """The key that bins were to go back to goes: nobody is asked to sign that, and who did it signed for nothing."""
    brought = waits.signature("targets-v3", "two")
    with pytest.raises(EventOpen):
        waits.rotations.rotate("online", "online-2", overlap=HOUR)
    in_the_way = [view.event for view in waits.rotations.in_the_way("online", kind=RotationKind.PLANNED)]
    waits.rotations.rotate("online", "online-2", overlap=HOUR, drop=in_the_way)
    assert kinds(waits) == {"root-v2": EventKind.ROTATION}
    waits.events.sign("root-v2")
    waits.rotations.hasten(RotationKind.LEAKED)
    waits.events.go_on()
    assert waits.events.receive([brought]).completions == ()
    assert (kinds(waits), delegated_to(waits), waits.rotations.current()) == ({}, {"online-2"}, None)
    check_client(waits, tmp_path / "client")


def test_nobody_signs_what_hands_them_to_a_leaked_key(waits: Engine, tmp_path: Path) -> None:
    """That it leaked is known once that waits: it is not signed, and with all signatures it does not come out."""
    brought = waits.signature("targets-v3", "two")
    waits.events.report_loss("online", Loss.LEAKED)
    with pytest.raises(ProposalRefused, match="lets online sign bins, and that key leaked"):
        waits.events.sign("targets-v3")
    with pytest.raises(ProposalRefused):
        waits.events.bundle("targets-v3")
    waits.events.receive([brought])
    waits.events.complete()
    assert delegated_to(waits) == {"online-2"}
    (view,) = waits.events.views()
    assert [view.name_of(keyid) for keyid in view.leaks] == ["online"]
    check_client(waits, tmp_path / "client")


@pytest.mark.parametrize("loss", Loss)
def test_a_key_that_is_gone_is_given_nothing_back(by_people: Engine, tmp_path: Path, loss: Loss) -> None:
    """Called off after the old key turned out to be gone, the bins stay with the new one until another rotation."""
    events = by_people.events
    by_people.rotations.rotate("online", "online-2", overlap=HOUR)
    events.sign("targets-v2")
    by_people.rotations.hasten(RotationKind(loss.value))
    events.cancel("root-v2")
    events.complete()
    assert (kinds(by_people), delegated_to(by_people)) == ({}, {"online-2"})
    by_people.keys.away.add("online")
    with pytest.raises(InvalidInput if loss is Loss.LEAKED else SigningError) as refused:
        by_people.rotations.take_out_stray("online-2", kind=RotationKind.LEAKED)
    assert f"rstuf recover online-key online --{loss.value}" in str(refused.value.hint)
    by_people.make_key("online-3")
    by_people.rotations.rotate("online", "online-3", kind=RotationKind(loss.value))
    for name in ("root-v2", "targets-v3"):
        events.sign(name)
    assert (kinds(by_people), delegated_to(by_people), by_people.rotations.current()) == ({}, {"online-3"}, None)
    check_client(by_people, tmp_path / "client")


def test_a_root_that_is_out_after_all_ends_it(by_people: Engine, tmp_path: Path) -> None:
    """Somebody published the root of the rotation that was called off: the key that bins were to go back to is out."""
    events = by_people.events
    by_people.rotations.rotate("online", "online-2", overlap=HOUR)
    events.sign("targets-v2")
    root = events.bundle("root-v2")
    signatures = [by_people.signature("root-v2", name) for name in ("one", "two")]
    events.cancel("root-v2")
    assert kinds(by_people) == {"targets-v3": EventKind.HANDBACK}
    publish_loose(by_people, root, *signatures)
    taken = events.take_over(events.loose_root())
    assert [each.name for each in taken.dropped] == ["targets-v3"]
    assert (kinds(by_people), delegated_to(by_people), by_people.rotations.current()) == ({}, {"online-2"}, None)
    check_client(by_people, tmp_path / "client")

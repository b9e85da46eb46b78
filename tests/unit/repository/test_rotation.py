"""The rotation of an online key: in steps where it is there, at once where it is lost or in the wrong hands."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clients import Client
from tests.support.engine import Engine, check_client, plan_document

from rstuf.errors import InvalidInput, SigningError
from rstuf.metadata.views import open_envelope, root_roles
from rstuf.model.events import EventKind
from rstuf.model.names import SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.policy import Periods
from rstuf.model.rotation import RotationKind
from rstuf.repository.authority import load_authority
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.root_update import RootUpdate

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def filled(engine: Engine) -> Engine:
    engine.add("a.txt", b"first")
    publish(engine.ports)
    return engine


def signed_by(engine: Engine, name: str) -> set[str]:
    """The names of those whose signatures a visible file has."""
    opened = open_envelope(engine.metadata.files[name], name=name, kind=name.split(".")[-2])
    names = {key.entry.keyid: each for each, key in engine.keys.made.items()}
    return {names[each.keyid] for each in opened.signatures}


def test_both_keys_sign_until_nobody_can_miss_the_new_one(filled: Engine, tmp_path: Path) -> None:
    """Timestamp has both signatures before root changes and for the overlap after it, then the new one alone."""
    filled.make_key("online-2")
    assert signed_by(filled, "timestamp.json") == {"online"}
    start = filled.rotations.rotate("online", "online-2", overlap=HOUR)
    assert signed_by(filled, "timestamp.json") == {"online", "online-2"}
    assert [event.name for event in start.events] == ["root-v2"]
    filled.add("b.txt", b"meanwhile")
    publish(filled.ports)
    assert signed_by(filled, "timestamp.json") == {"online", "online-2"}
    done = filled.events.sign("root-v2")
    assert [each.event.name for each in done.completions] == ["root-v2"]
    roles = root_roles(open_envelope(filled.root(2), name="2.root.json", kind="root"))
    new = filled.keys.made["online-2"].entry.keyid
    assert all(roles[name].keyids == (new,) for name in (TIMESTAMP, SNAPSHOT, TARGETS))
    filled.add("c.txt", b"in the overlap")
    publish(filled.ports)
    assert signed_by(filled, "timestamp.json") == {"online", "online-2"}
    check_client(filled, tmp_path / "overlap")
    rotation = filled.rotations.current()
    assert rotation is not None
    assert renew(filled.ports).next_due == rotation.until
    filled.moved_on(hours=2)
    renew(filled.ports)
    assert signed_by(filled, "timestamp.json") == {"online-2"}
    assert filled.rotations.current() is None
    filled.keys.away.add("online")
    filled.add("d.txt", b"afterwards")
    publish(filled.ports)
    check_client(filled, tmp_path / "after")


def test_a_rotation_that_is_cancelled_leaves_the_old_key(filled: Engine, tmp_path: Path) -> None:
    """Dropping the root that names the new key ends the rotation; what is published is signed by the old key again."""
    filled.make_key("online-2")
    filled.rotations.rotate("online", "online-2", overlap=HOUR)
    filled.events.cancel("root-v2")
    assert filled.rotations.current() is None
    filled.keys.away.add("online-2")
    filled.add("b.txt", b"again")
    publish(filled.ports)
    assert signed_by(filled, "timestamp.json") == {"online"}
    check_client(filled, tmp_path / "client")


@pytest.mark.parametrize("kind", [RotationKind.LOST, RotationKind.LEAKED])
def test_a_key_that_is_gone_is_replaced_at_once(filled: Engine, tmp_path: Path, kind: RotationKind) -> None:
    """Without the old key: root, then everything signed anew; clients of before and new ones find all of it."""
    warm = Client.fresh(tmp_path / "warm", filled.site(), root=filled.root(), now=filled.clock.now())
    warm.refresh()
    filled.keys.away.add("online")
    filled.make_key("online-2")
    start = filled.rotations.rotate("online", "online-2", kind=kind)
    filled.events.sign(start.events[0].name)
    assert signed_by(filled, "timestamp.json") == {"online-2"}
    assert filled.rotations.current() is None
    check_client(filled, tmp_path / "fresh")
    later = warm.copy(tmp_path / "later", read=filled.site())
    later.refresh()
    assert later.download("a.txt") == b"first"
    filled.add("b.txt", b"second")
    publish(filled.ports)
    check_client(filled, tmp_path / "again")


def test_only_an_online_key_is_rotated(filled: Engine) -> None:
    """A root key, an unknown key and a key that signs already are refused before anything is changed."""
    filled.make_key("online-2")
    for old, new in (("one", "online-2"), ("online", "nobody"), ("online", "one"), ("online", "online")):
        with pytest.raises(InvalidInput):
            filled.rotations.rotate(old, new)
    assert filled.rotations.current() is None
    assert filled.events.views() == []


def test_targets_that_people_sign_wait_for_them(by_people: Engine, tmp_path: Path) -> None:
    """Where people sign targets, the new key signs bins once they have signed targets too, all in one publication."""
    start = by_people.rotations.rotate("online", "online-2", overlap=HOUR)
    assert [event.name for event in start.events] == ["root-v2", "targets-v2"]
    by_people.events.sign("root-v2")
    check_client(by_people, tmp_path / "between")
    by_people.add("b.txt", b"second")
    publish(by_people.ports)
    check_client(by_people, tmp_path / "between-2")
    by_people.events.sign("targets-v2")
    check_client(by_people, tmp_path / "signed")
    by_people.moved_on(hours=2)
    renew(by_people.ports, force=["timestamp"])
    assert by_people.rotations.current() is None
    by_people.keys.away.add("online")
    by_people.add("c.txt", b"third")
    publish(by_people.ports)
    check_client(by_people, tmp_path / "after")


def delegated_to(engine: Engine) -> set[str]:
    """The names of those who may sign the bins, by the visible targets."""
    with engine.ports.state.read() as reader:
        bins = load_authority(reader, engine.metadata).bins
    assert bins is not None
    names = {key.entry.keyid: each for each, key in engine.keys.made.items()}
    return {names[keyid] for keyid in bins.signers.keyids}


def test_a_rotation_that_is_called_off_takes_the_new_key_out_again(filled: Engine, tmp_path: Path) -> None:
    """Cancelled, or dropped for another root: bins know the old key alone, and clients of every age go on."""
    warm = Client.fresh(tmp_path / "warm", filled.site(), root=filled.root(), now=filled.clock.now())
    warm.refresh()
    for number, drop in enumerate((False, True)):
        new = filled.make_key(f"online-{number + 2}").name
        filled.rotations.rotate("online", new, overlap=HOUR)
        filled.add("b.txt", b"signed by both %d" % number)
        publish(filled.ports)
        between = Client.fresh(tmp_path / new, filled.site(), root=filled.root(), now=filled.clock.now())
        between.refresh()
        assert delegated_to(filled) == {"online", new}
        if drop:
            proposal = filled.events.propose(RootUpdate(periods=Periods(10 * DAY, DAY)))
            assert [view.event.kind for view in filled.events.open(proposal, drop=True)] == [EventKind.UPDATE]
        else:
            filled.events.cancel("root-v2")
        assert filled.rotations.current() is None
        assert delegated_to(filled) == {"online"}
        assert signed_by(filled, "timestamp.json") == {"online"}
        filled.keys.away.add(new)
        check_client(filled, tmp_path / f"fresh-{number}")
        for client in (warm, between):
            later = client.copy(tmp_path / f"later-{number}-{client is warm}", read=filled.site())
            later.refresh()
            assert later.download("b.txt") == b"signed by both %d" % number


def test_a_rotation_whose_old_key_is_gone_is_not_called_off(filled: Engine) -> None:
    """Nothing could be signed without the new key: it is refused, and all goes on as it was."""
    filled.make_key("online-2")
    filled.rotations.rotate("online", "online-2", overlap=HOUR)
    filled.keys.away.add("online")
    with pytest.raises(SigningError):
        filled.events.cancel("root-v2")
    assert filled.rotations.current() is not None
    assert [view.event.name for view in filled.events.views()] == ["root-v2"]


def test_a_key_that_is_lost_while_root_waits(tmp_path: Path) -> None:
    """What its root has of signatures stays; as soon as it is signed the new key signs everything, without overlap."""
    root = {"signers": ["one", "two"], "threshold": 2, "expires": "365d"}
    filled = Engine.live(tmp_path / "repository", document=plan_document(root=root))
    filled.add("a.txt", b"first")
    publish(filled.ports)
    filled.make_key("online-2")
    filled.rotations.rotate("online", "online-2", overlap=HOUR)
    filled.events.receive([filled.signature("root-v2", "one")])
    filled.keys.away.add("online")
    filled.rotations.hasten(RotationKind.LOST)
    (view,) = filled.events.views()
    assert (view.event.kind, len(view.signed)) == (EventKind.REPLACEMENT, 1)
    filled.events.sign("root-v2")
    assert filled.rotations.current() is None
    assert signed_by(filled, "timestamp.json") == {"online-2"}
    check_client(filled, tmp_path / "client")


def test_people_are_asked_to_take_a_new_key_out_of_targets_again(by_people: Engine, tmp_path: Path) -> None:
    """Where they let the new key sign the bins before its root was dropped, the old one is proposed to them again."""
    by_people.rotations.rotate("online", "online-2", overlap=HOUR)
    by_people.events.sign("targets-v2")
    assert delegated_to(by_people) == {"online-2"}
    by_people.events.cancel("root-v2")
    assert [view.event.name for view in by_people.events.views()] == ["targets-v3"]
    by_people.events.sign("targets-v3")
    assert delegated_to(by_people) == {"online"}
    by_people.keys.away.add("online-2")
    by_people.add("b.txt", b"second")
    publish(by_people.ports)
    check_client(by_people, tmp_path / "client")


def test_targets_that_a_rotation_needs_are_proposed_again(by_people: Engine, tmp_path: Path) -> None:
    """Whoever drops them once root is out does not keep the rotation from ever ending."""
    by_people.rotations.rotate("online", "online-2", overlap=HOUR)
    by_people.events.sign("root-v2")
    by_people.events.cancel("targets-v2")
    by_people.moved_on(hours=2)
    renew(by_people.ports, force=["timestamp"])
    (view,) = by_people.events.views()
    by_people.events.sign(view.event.name)
    renew(by_people.ports, force=["timestamp"])
    assert by_people.rotations.current() is None
    assert delegated_to(by_people) == {"online-2"}
    check_client(by_people, tmp_path / "client")


def test_who_signs_targets_changes_while_a_rotation_waits_for_targets(tmp_path: Path) -> None:
    """The root before the rotation has no say about targets that people sign: who signs no more is not missed."""
    people = {"signers": ["one", "two"], "threshold": 2, "expires": "365d"}
    engine = Engine.live(tmp_path / "repository", document=plan_document(targets=people))
    engine.make_key("una")
    engine.make_key("online-2")
    engine.rotations.rotate("online", "online-2", overlap=DAY)
    engine.events.sign("root-v2")
    engine.events.open(engine.events.propose(RootUpdate(role=TARGETS, add=("una",), remove=("one",))), drop=True)
    engine.events.sign("targets-v3")
    engine.events.sign("root-v3")
    assert [view.event.name for view in engine.events.views()] == ["targets-v4"]
    engine.keys.away.add("one")
    done = engine.events.sign("targets-v4")
    assert [(each.event.name, each.obstacle) for each in done.completions] == [("targets-v4", None)]
    assert delegated_to(engine) == {"online-2"}
    check_client(engine, tmp_path / "overlap")
    engine.moved_on(hours=25)
    renew(engine.ports, force=["timestamp"])
    assert engine.rotations.current() is None
    check_client(engine, tmp_path / "after")


def test_targets_that_people_sign_with_an_online_key_in_the_overlap(filled: Engine, tmp_path: Path) -> None:
    """Both online keys are asked to sign it beside them, as the release asks: what is ready comes out."""
    filled.make_key("una")
    filled.make_key("online-2")
    filled.rotations.rotate("online", "online-2", overlap=DAY)
    filled.events.sign("root-v2")
    filled.events.open(filled.events.propose(RootUpdate(role=TARGETS, add=("una",), threshold=2)))
    filled.events.sign("root-v3")
    (targets,) = (view for view in filled.events.views() if view.event.role == TARGETS)
    name = targets.event.name
    done = filled.events.sign(name, keyids=[filled.keys.made[key].entry.keyid for key in ("una", "online-2")])
    assert (done.completions, filled.events.view(name).ready) == ((), False)
    done = filled.events.sign(name)
    assert [(each.event.name, each.obstacle) for each in done.completions] == [(name, None), ("root-v3", None)]
    assert signed_by(filled, name.replace("targets-v", "") + ".targets.json") == {"online", "online-2", "una"}
    check_client(filled, tmp_path / "client")

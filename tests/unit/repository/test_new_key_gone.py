"""The new online key of a rotation turns out to be lost or in the wrong hands, before its root is out or after."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clients import Client
from tests.support.engine import Engine, check_client, client_of, plan_document
from tests.unit.repository.test_rotation import delegated_to, signed_by

from rstuf.errors import EventOpen, InvalidInput, ProposalRefused, ReleaseRefused, SigningError
from rstuf.metadata.views import open_envelope, root_roles
from rstuf.model.keys import Loss
from rstuf.model.names import SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.rotation import RotationKind
from rstuf.repository.publish import publish
from rstuf.repository.root_update import RootUpdate

HOUR = timedelta(hours=1)
PEOPLE = {"signers": ["one", "two"], "threshold": 1, "expires": "365d"}


class Watched:
    """An engine, and clients that keep what they saw at several instants."""

    def __init__(self, engine: Engine, memories: Path) -> None:
        self.engine, self._memories = engine, memories
        self.clients: dict[str, Client] = {}

    def look(self, name: str) -> None:
        """A client that begins now, and is asked again at the end."""
        client = client_of(self.engine, self._memories / name)
        client.refresh()
        client.walk()
        self.clients[name] = client

    def check(self) -> None:
        """All of them, and a new one, find everything, and it lists no key that is gone."""
        check_client(self.engine, self._memories / "fresh")
        for name, client in self.clients.items():
            later = client.copy(self._memories / f"{name}-later", read=self.engine.site())
            later.refresh()
            later.walk()
            for path, data in self.engine.contents.items():
                assert later.download(path) == data


def watched(tmp_path: Path, **tables: object) -> Watched:
    """A repository with an artifact, and a client that has seen it."""
    engine = Engine.live(tmp_path / "repository", document=plan_document(**tables))
    engine.add("a.txt", b"first")
    publish(engine.ports)
    for name in ("online-2", "online-3"):
        engine.make_key(name)
    found = Watched(engine, tmp_path)
    found.look("warm")
    return found


def listed(engine: Engine, version: int) -> set[str]:
    """The names of those whom a root lets sign timestamp, snapshot and targets."""
    roles = root_roles(open_envelope(engine.root(version), name="root", kind="root"))
    names = {key.entry.keyid: each for each, key in engine.keys.made.items()}
    return {names[keyid] for role in (TIMESTAMP, SNAPSHOT, TARGETS) for keyid in roles[role].keyids}


def reported(engine: Engine) -> dict[str, str]:
    """What is noted of which key."""
    with engine.ports.state.read() as reader:
        return {entry.name: entry.report.loss.value for entry in reader.keys() if entry.report is not None}


@pytest.mark.parametrize("loss", Loss)
def test_in_the_overlap_a_third_key_takes_the_place_of_both(tmp_path: Path, loss: Loss) -> None:
    """Nothing names the new key any more that must go, nor the old one; clients of every age come along."""
    seen = watched(tmp_path)
    engine = seen.engine
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    seen.look("bridge")
    engine.events.sign("root-v2")
    seen.look("overlap")
    start = engine.rotations.renounce(loss, to="online-3")
    assert start is not None
    assert (start.rotation.kind.value, [event.name for event in start.events]) == (loss.value, ["root-v3"])
    engine.add("b.txt", b"while root waits")
    publish(engine.ports)
    engine.events.sign("root-v3")
    assert (listed(engine, 3), delegated_to(engine)) == ({"online-3"}, {"online-3"})
    assert signed_by(engine, "timestamp.json") == {"online-3"}
    assert engine.rotations.current() is None
    assert reported(engine) == {"online-2": loss.value}
    engine.keys.away |= {"online", "online-2"}
    seen.check()


def test_before_its_root_is_out_the_old_key_stays(tmp_path: Path) -> None:
    """A rotation in good order is called off: root names the old key as before, and targets does again."""
    seen = watched(tmp_path)
    engine = seen.engine
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    seen.look("bridge")
    assert engine.rotations.renounce(Loss.LEAKED) is None
    assert (engine.rotations.current(), engine.events.views()) == (None, [])
    assert delegated_to(engine) == {"online"}
    assert signed_by(engine, "timestamp.json") == {"online"}
    assert reported(engine) == {"online-2": "leaked"}
    engine.keys.away.add("online-2")
    engine.add("b.txt", b"second")
    publish(engine.ports)
    seen.check()


def test_its_root_came_out_while_that_was_asked(tmp_path: Path) -> None:
    """Whoever was told that the old key stays is told to name another one, with the command."""
    engine = watched(tmp_path).engine
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    engine.events.sign("root-v2")
    with pytest.raises(InvalidInput, match="online-2 was to take the place of online, and only another key") as told:
        engine.rotations.renounce(Loss.LEAKED)
    assert told.value.hint == "run it again: rstuf recover online-key online-2 --leaked"


@pytest.mark.parametrize("hastened", [False, True])
@pytest.mark.parametrize("loss", Loss)
def test_where_the_old_key_is_gone_too_another_root_takes_the_place(tmp_path: Path, hastened: bool, loss: Loss) -> None:
    """The root that would let the leaked replacement in is dropped; a third key replaces the old one, and both go."""
    seen = watched(tmp_path)
    engine = seen.engine
    if hastened:
        engine.rotations.rotate("online", "online-2", overlap=HOUR)
        seen.look("bridge")
        engine.rotations.hasten(RotationKind.LEAKED)
    else:
        engine.rotations.rotate("online", "online-2", kind=RotationKind.LEAKED)
    start = engine.rotations.renounce(loss, to="online-3", drop=[view.event for view in engine.events.views()])
    assert start is not None
    # That the first one leaked is not forgotten where the second is only lost.
    assert start.rotation.kind is RotationKind.LEAKED
    engine.keys.away |= {"online", "online-2"}
    engine.events.sign("root-v2")
    assert (listed(engine, 2), delegated_to(engine)) == ({"online-3"}, {"online-3"})
    assert engine.rotations.current() is None
    assert reported(engine) == {"online": "leaked", "online-2": loss.value}
    seen.check()


def test_the_old_key_then_the_new_one(tmp_path: Path) -> None:
    """In the overlap the old one is let go of at once, and then the one that signs alone is replaced, too."""
    seen = watched(tmp_path)
    engine = seen.engine
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    engine.events.sign("root-v2")
    seen.look("overlap")
    engine.rotations.hasten(RotationKind.LEAKED)
    assert delegated_to(engine) == {"online-2"}
    engine.rotations.rotate("online-2", "online-3", kind=RotationKind.LEAKED)
    engine.events.sign("root-v3")
    assert (listed(engine, 3), delegated_to(engine)) == ({"online-3"}, {"online-3"})
    assert reported(engine) == {"online": "leaked", "online-2": "leaked"}
    seen.check()


@pytest.mark.parametrize("signed_first", ["root-v2", "targets-v2"])
def test_people_take_it_out_of_targets(tmp_path: Path, signed_first: str) -> None:
    """Where people sign targets, nothing is over before what they sign names none of the keys that go."""
    seen = watched(tmp_path, targets=PEOPLE)
    engine = seen.engine
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    engine.events.sign(signed_first)
    seen.look("between")
    if signed_first == "root-v2":
        # What people sign of targets goes with it, and so with their signatures: nobody drops it unasked.
        with pytest.raises(EventOpen, match="targets-v2"):
            engine.rotations.renounce(Loss.LEAKED, to="online-3")
        engine.rotations.renounce(Loss.LEAKED, to="online-3", drop=[view.event for view in engine.events.views()])
        assert [view.event.name for view in engine.events.views()] == ["root-v3", "targets-v3"]
        engine.events.sign("root-v3")
        assert engine.rotations.current() is not None
        engine.events.sign("targets-v3")
        engine.events.complete()
        assert delegated_to(engine) == {"online-3"}
    else:
        engine.rotations.renounce(Loss.LEAKED)
        assert [view.event.name for view in engine.events.views()] == ["targets-v3"]
        engine.events.sign("targets-v3")
        assert delegated_to(engine) == {"online"}
    assert engine.rotations.current() is None
    engine.keys.away.add("online-2")
    engine.add("b.txt", b"second")
    publish(engine.ports)
    seen.check()


def test_a_leaked_key_is_never_let_in_again(tmp_path: Path) -> None:
    """Not as an online key, not as a root key, and not by a proposal that is older than the news."""
    engine = watched(tmp_path).engine
    engine.make_key("three")
    engine.events.open(engine.events.propose(RootUpdate(add=("three",))))
    made_before = [engine.signature("root-v2", name) for name in ("one", "two")]
    for name in ("online-2", "three"):
        engine.events.report_loss(name, Loss.LEAKED)
    with pytest.raises(InvalidInput, match="online-2 leaked"):
        engine.rotations.rotate("online", "online-2", drop=[view.event for view in engine.events.views()])
    with pytest.raises(InvalidInput, match="three leaked"):
        engine.events.propose(RootUpdate(add=("three",)))
    for use in (engine.events.sign, engine.events.bundle):
        with pytest.raises(ProposalRefused, match="lets three sign root, and that key leaked"):
            use("root-v2")
    (done,) = engine.events.receive(made_before).completions
    assert isinstance(done.obstacle, ReleaseRefused)
    assert "2.root.json" not in engine.metadata.files


def test_a_lost_key_that_signs_again_is_found(tmp_path: Path) -> None:
    """It may come back; that it was lost is then no news any more. That a key leaked is never taken back."""
    engine = watched(tmp_path).engine
    engine.events.report_loss("online-2", Loss.LOST)
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    engine.events.sign("root-v2")
    assert reported(engine) == {}
    engine.events.report_loss("online-3", Loss.LEAKED)
    engine.events.report_loss("online-3", Loss.LOST)
    assert reported(engine) == {"online-3": "leaked"}


@pytest.mark.parametrize("loss", [None, Loss.LEAKED])
def test_one_root_takes_a_key_out_of_every_role(tmp_path: Path, loss: Loss | None) -> None:
    """A key of root and targets goes from both at once; targets that it alone had signed is signed anew before."""
    document = plan_document(targets=PEOPLE)
    engine = Engine.new(tmp_path / "repository", document=document)
    engine.ceremony()
    engine.add("a.txt", b"first")
    publish(engine.ports)
    warm = client_of(engine, tmp_path / "warm")
    warm.refresh()
    engine.keys.away.add("two")
    targets = RootUpdate(role=TARGETS, remove=("two",), loss=loss)
    update = RootUpdate(remove=("two",), others=(targets,), loss=loss)
    events = engine.events.open(engine.events.propose(update))
    for view in events[::-1]:
        engine.events.sign(view.event.name)
    roles = root_roles(open_envelope(engine.root(2), name="root", kind="root"))
    two = engine.keys.made["two"].entry.keyid
    assert all(two not in role.keyids for role in roles.values())
    with engine.ports.state.read() as reader:
        (entry,) = [entry for entry in reader.audit() if entry.action == "key.revoke"]
    assert (entry.details["key"], entry.details.get("kind")) == ("two", loss)
    check_client(engine, tmp_path / "fresh")
    later = warm.copy(tmp_path / "later", read=engine.site())
    assert later.refresh().root == 2


def test_a_root_waits_for_a_key_that_can_sign_after_it(tmp_path: Path) -> None:
    """The new key of a replacement is gone before its root is out: that stays back, for no client would get past it."""
    engine = Engine.live(tmp_path / "repository")
    engine.add("a.txt", b"first")
    publish(engine.ports)
    engine.make_key("online-2")
    engine.rotations.rotate("online", "online-2", kind=RotationKind.LEAKED)
    engine.keys.away.add("online-2")
    (completion,) = engine.events.sign("root-v2").completions
    assert isinstance(completion.obstacle, SigningError)
    assert "rstuf recover online-key online-2 --lost" in str(completion.obstacle.hint)
    assert "2.root.json" not in engine.metadata.files
    check_client(engine, tmp_path / "waiting")
    engine.keys.away.clear()
    engine.events.complete()
    assert engine.rotations.current() is None
    check_client(engine, tmp_path / "after")


def test_targets_come_after_the_root_without_which_nothing_is_signed(by_people: Engine, tmp_path: Path) -> None:
    """A lost online key where people sign targets: whatever is signed first, root comes out first."""
    by_people.keys.away.add("online")
    by_people.rotations.rotate("online", "online-2", kind=RotationKind.LOST)
    assert by_people.events.sign("targets-v2").completions == ()
    assert by_people.events.view("targets-v2").after == "root-v2"
    done = by_people.events.sign("root-v2")
    assert [(each.event.name, each.obstacle) for each in done.completions] == [("root-v2", None), ("targets-v2", None)]
    by_people.events.complete()
    assert by_people.rotations.current() is None
    check_client(by_people, tmp_path / "after")

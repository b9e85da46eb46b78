"""Targets that the online key signs beside people: whose signatures it takes, and how that key is replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clients import Client
from tests.support.engine import Engine, check_client, client_of, plan_document
from tests.support.faulty import Power, made_faulty
from tests.support.thieves import Depth, Thief
from tuf.api.exceptions import RepositoryError

from rstuf.errors import ReleaseRefused, SigningError
from rstuf.metadata.bundle import DetachedSignature
from rstuf.metadata.views import RoleKeys, open_envelope, root_roles
from rstuf.model.events import EventPhase
from rstuf.model.keys import Loss
from rstuf.model.names import TARGETS, TIMESTAMP
from rstuf.model.rotation import RotationKind
from rstuf.repository import roots
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.renewal import renew
from rstuf.repository.targets_signers import people_sign
from rstuf.repository.whole_files import whole_file

HOUR = timedelta(hours=1)
AWAY = ("bob", "tara", "tom")


def mixed(directory: Path, signers: Sequence[str] = ("tara", "online"), threshold: int = 2) -> Engine:
    """A repository whose targets these sign; one artifact is out. All people but alice are away, with their keys."""
    root = {"signers": ["alice", "bob"], "threshold": 2, "expires": "365d"}
    targets = {"signers": [*signers], "threshold": threshold, "expires": "365d"}
    keys = {
        name: {"generate": "ed25519", "encrypt": False, "signer": f"file:keys/{name}.key"}
        for name in dict.fromkeys(["alice", "bob", *signers, "online"])
    }
    engine = Engine.live(directory, document=plan_document(root=root, targets=targets, keys=keys))
    engine.add("a.txt", b"first")
    publish(engine.ports)
    engine.keys.away.update(AWAY)
    engine.make_key("online-2")
    return engine


@dataclass
class Onlookers:
    """Stock clients: fresh ones at every look, and each of those again at every later one, with what it remembers."""

    engine: Engine
    directory: Path
    seen: list[Client] = field(default_factory=list)

    def look(self) -> None:
        """Everybody finds exactly what is published."""
        number = len(self.seen)
        check_client(self.engine, self.directory / f"fresh-{number}")
        for index, client in enumerate(self.seen):
            later = client.copy(self.directory / f"later-{number}-{index}", read=self.engine.site())
            later.refresh()
            later.walk()
            for path, data in self.engine.contents.items():
                assert later.download(path) == data
        self.seen.append(client_of(self.engine, self.directory / f"warm-{number}"))
        self.seen[-1].refresh()

    def change(self) -> None:
        """What is accepted comes out, and is found."""
        self.engine.add("b.txt", b"change %d" % len(self.seen))
        publish(self.engine.ports)
        self.look()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Targets takes both: tara, who is away, and the online key."""
    return mixed(tmp_path / "repository")


@pytest.fixture
def onlookers(engine: Engine, tmp_path: Path) -> Onlookers:
    clients = Onlookers(engine, tmp_path)
    clients.look()
    return clients


def names(engine: Engine) -> list[str]:
    """The events that wait."""
    return [view.event.name for view in engine.events.views()]


def missing(engine: Engine, name: str) -> set[str]:
    """Whose signatures an event lacks."""
    view = engine.events.view(name)
    return {view.name_of(keyid) for keyid in view.wanted}


def bring(engine: Engine, event: str, key: str) -> list[str]:
    """What comes out with the signature of one who is away, brought by a bundle."""
    done = engine.events.receive([signature(engine, event, key)])
    assert [each.obstacle for each in done.completions] == [None] * len(done.completions)
    return [each.event.name for each in done.completions]


def signature(engine: Engine, event: str, key: str) -> DetachedSignature:
    part = engine.events.bundle(event).parts[0]
    signer = engine.keys.made[key].signer
    return DetachedSignature(part.digest, signer.keyid, signer.sign(part.payload))


def root_is_signed(engine: Engine, name: str = "root-v2") -> list[str]:
    """What comes out once alice, who is here, and bob, who is not, have signed a root."""
    engine.events.sign(name)
    return bring(engine, name, "bob")


def signed_by(engine: Engine, name: str) -> set[str]:
    opened = open_envelope(engine.metadata.files[name], name=name, kind=name.split(".")[-2])
    known = {key.entry.keyid: each for each, key in engine.keys.made.items()}
    return {known[each.keyid] for each in opened.signatures}


def test_people_sign_where_the_online_keys_do_not_suffice(tmp_path: Path) -> None:
    """Of the keys of targets those count that sign timestamp, too: where these are too few it takes people."""
    engine = mixed(tmp_path / "repository")
    roles = root_roles(open_envelope(engine.root(), name="1.root.json", kind="root"))
    made = {name: engine.keys.made[name].entry for name in ("online", "online-2", "tara")}

    def signed(*signers: str, threshold: int, online: Sequence[str] = ("online",)) -> bool:
        def keys(who: Sequence[str], number: int) -> RoleKeys:
            entries = [made[name] for name in who]
            return RoleKeys(tuple(each.keyid for each in entries), number, {each.keyid: each.key for each in entries})

        return people_sign({**roles, TARGETS: keys(signers, threshold), TIMESTAMP: keys(online, 1)})

    assert not signed("online", threshold=1)
    assert not signed("online", "tara", threshold=1)
    assert not signed("online", "online-2", threshold=2, online=("online", "online-2"))
    assert signed("tara", threshold=1)
    assert signed("online", "tara", threshold=2)
    assert signed("online", "online-2", threshold=2)


def test_the_rotation_waits_for_targets_that_people_sign_beside_the_key(engine: Engine, onlookers: Onlookers) -> None:
    """Both online keys sign targets at once, tara by bundle; only then root comes out. No client is ever disturbed."""
    start = engine.rotations.rotate("online", "online-2", overlap=HOUR)
    assert [event.name for event in start.events] == ["root-v2", "targets-v2"]
    assert missing(engine, "targets-v2") == {"tara"}
    assert signed_by(engine, "timestamp.json") == {"online", "online-2"}
    onlookers.change()
    assert root_is_signed(engine) == []
    assert engine.events.view("root-v2").after == "targets-v2"
    onlookers.change()
    assert bring(engine, "targets-v2", "tara") == ["targets-v2", "root-v2"]
    assert signed_by(engine, "2.targets.json") == {"online", "online-2", "tara"}
    onlookers.change()
    engine.moved_on(hours=2)
    renew(engine.ports)
    assert engine.rotations.current() is None
    engine.keys.away.add("online")
    onlookers.change()
    assert signed_by(engine, "timestamp.json") == {"online-2"}


def test_targets_of_a_rotation_may_be_signed_first(engine: Engine, onlookers: Onlookers) -> None:
    """They come out under the root in force, for the next one, too; all goes on as before until that is signed."""
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    assert bring(engine, "targets-v2", "tara") == ["targets-v2"]
    onlookers.change()
    assert root_is_signed(engine) == ["root-v2"]
    onlookers.change()
    engine.moved_on(hours=2)
    renew(engine.ports)
    assert engine.rotations.current() is None
    onlookers.change()


def test_a_rotation_that_waits_for_targets_is_called_off(engine: Engine, onlookers: Onlookers) -> None:
    """Before tara has signed nothing has to be handed back: the old key goes on alone, and it may begin again."""
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    engine.events.cancel("root-v2")
    assert (names(engine), engine.rotations.current()) == ([], None)
    engine.keys.away.add("online-2")
    onlookers.change()
    assert signed_by(engine, "timestamp.json") == {"online"}
    engine.keys.away.discard("online-2")
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    assert bring(engine, "targets-v3", "tara") == ["targets-v3"]
    assert root_is_signed(engine) == ["root-v2"]
    onlookers.change()


def test_targets_that_let_the_new_key_in_are_handed_back(engine: Engine, onlookers: Onlookers) -> None:
    """Called off once tara has signed: the online key signs what hands the bins back at once, and tara by bundle."""
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    bring(engine, "targets-v2", "tara")
    engine.events.cancel("root-v2")
    assert (names(engine), engine.rotations.current()) == (["targets-v3"], None)
    assert missing(engine, "targets-v3") == {"tara"}
    onlookers.change()
    assert bring(engine, "targets-v3", "tara") == ["targets-v3"]
    engine.keys.away.add("online-2")
    onlookers.change()


def test_targets_of_a_rotation_are_proposed_again(engine: Engine, onlookers: Onlookers) -> None:
    """Whoever drops them drops nothing else: root waits on with its signatures, and tara is asked again."""
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    root_is_signed(engine)
    assert [event.name for event in engine.events.cancel("targets-v2")] == ["targets-v2"]
    assert engine.events.view("root-v2").lacks_targets
    renew(engine.ports)
    assert names(engine) == ["root-v2", "targets-v3"]
    assert bring(engine, "targets-v3", "tara") == ["targets-v3", "root-v2"]
    onlookers.change()


@pytest.mark.parametrize("kind", [RotationKind.LOST, RotationKind.LEAKED])
@pytest.mark.parametrize("targets_first", [True, False])
def test_no_root_comes_out_before_its_targets_are_signed(
    engine: Engine, onlookers: Onlookers, kind: RotationKind, targets_first: bool
) -> None:
    """A key that must go at once: targets waits for tara and the new key alone, and comes out right after its root."""
    start = engine.rotations.rotate("online", "online-2", kind=kind)
    engine.keys.away.add("online")
    assert [event.name for event in start.events] == ["root-v2", "targets-v2"]
    assert missing(engine, "targets-v2") == {"tara"}
    if targets_first:
        assert bring(engine, "targets-v2", "tara") == []
    onlookers.look()
    assert root_is_signed(engine) == (["root-v2"] if targets_first else [])
    if not targets_first:
        assert engine.events.view("root-v2").after == "targets-v2"
        assert 2 not in [root.version for root in engine.events.roots()]
        onlookers.look()
        assert bring(engine, "targets-v2", "tara") == ["root-v2"]
    assert (names(engine), engine.rotations.current()) == ([], None)
    assert signed_by(engine, "2.targets.json") == {"online-2", "tara"}
    phases = {view.event.name: view.event.phase for view in engine.events.views(ended=True)}
    assert phases["targets-v2"] is EventPhase.DONE
    onlookers.change()


@pytest.mark.parametrize("at", ["2.root.json", "2.targets.json", "3.snapshot.json", "timestamp.json"])
def test_what_follows_a_root_follows_an_interruption_too(engine: Engine, tmp_path: Path, at: str) -> None:
    """Cut off anywhere between the two, targets comes out as tara signed it, by whatever is done next."""
    engine, faulty = made_faulty(engine)
    onlookers = Onlookers(engine, tmp_path)
    onlookers.look()
    engine.rotations.rotate("online", "online-2", kind=RotationKind.LEAKED)
    bring(engine, "targets-v2", "tara")
    engine.events.sign("root-v2")
    faulty.at = lambda name: name == at
    with pytest.raises(Power):
        engine.events.receive([signature(engine, "root-v2", "bob")])
    engine.keys.away.add("online")
    engine.events.complete()
    assert (names(engine), engine.rotations.current()) == ([], None)
    assert signed_by(engine, "2.targets.json") == {"online-2", "tara"}
    onlookers.change()


@pytest.mark.parametrize("depth", [Depth.TIMESTAMP, Depth.SNAPSHOT])
def test_poisoned_clients_come_back(engine: Engine, tmp_path: Path, depth: Depth) -> None:
    """Whoever has the online key alone shows no other targets, and takes no name from what tara is asked to sign."""
    client = client_of(engine, tmp_path / "client")
    client.refresh()
    thief = Thief(engine)
    thief.takes_names(3)
    thief.publishes(depth)
    client.refresh()
    engine.rotations.rotate("online", "online-2", kind=RotationKind.LEAKED)
    bring(engine, "targets-v102", "tara")
    assert root_is_signed(engine) == ["root-v2"]
    later = client.copy(tmp_path / "later", read=engine.site())
    later.refresh()
    later.walk()
    assert later.download("a.txt") == b"first"
    check_client(engine, tmp_path / "fresh")


@pytest.mark.parametrize("kind", [RotationKind.LOST, RotationKind.LEAKED])
@pytest.mark.parametrize("signed", [(), ("tara",), ("tara", "out")])
def test_a_key_that_goes_while_its_rotation_waits(
    engine: Engine, onlookers: Onlookers, kind: RotationKind, signed: Sequence[str]
) -> None:
    """What tara has signed by then stays; without the old key her targets follow the root, or are out already."""
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    if "out" in signed:
        bring(engine, "targets-v2", "tara")
    elif signed:
        engine.keys.away.add("online")
    engine.rotations.hasten(kind)
    engine.keys.away.add("online")
    if "out" not in signed:
        assert missing(engine, "targets-v2") == {"tara"}
        assert bring(engine, "targets-v2", "tara") == []
    onlookers.look()
    assert root_is_signed(engine) == ["root-v2"]
    assert (names(engine), engine.rotations.current()) == ([], None)
    onlookers.change()


def test_the_new_key_leaks_while_tara_is_asked(engine: Engine, onlookers: Onlookers) -> None:
    """It is not let in; and once root names it, a third one takes its place, with targets that tara signs for that."""
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    bring(engine, "targets-v2", "tara")
    root_is_signed(engine)
    onlookers.change()
    engine.make_key("online-3")
    engine.rotations.renounce(Loss.LEAKED, to="online-3", overlap=HOUR)
    assert names(engine) == ["root-v3", "targets-v3"]
    assert root_is_signed(engine, "root-v3") == []
    assert bring(engine, "targets-v3", "tara") == ["root-v3"]
    engine.keys.away.update(["online", "online-2"])
    assert (names(engine), engine.rotations.current()) == ([], None)
    onlookers.change()


def test_a_rotation_that_cannot_go_on_does_not_begin(engine: Engine) -> None:
    """Each key that must sign at once is opened before: without one of them nothing is changed."""
    before = dict(engine.metadata.files)
    for away, kind in (("online", RotationKind.PLANNED), ("online-2", RotationKind.LOST)):
        engine.keys.away.add(away)
        with pytest.raises(SigningError):
            engine.rotations.rotate("online", "online-2", kind=kind)
        engine.keys.away.discard(away)
    assert (names(engine), engine.rotations.current(), engine.metadata.files) == ([], None, before)


def test_the_new_key_is_needed_before_the_root_comes_out(engine: Engine, onlookers: Onlookers) -> None:
    """Gone by then, it keeps everything as it was, and why is said; put back, all of it comes out."""
    engine.rotations.rotate("online", "online-2", kind=RotationKind.LOST)
    bring(engine, "targets-v2", "tara")
    engine.events.sign("root-v2")
    engine.keys.away.add("online-2")
    (done,) = engine.events.receive([signature(engine, "root-v2", "bob")]).completions
    assert isinstance(done.obstacle, SigningError)
    assert done.obstacle.hint is not None
    assert "rstuf recover online-key online-2 --lost" in done.obstacle.hint
    onlookers.look()
    engine.keys.away.discard("online-2")
    assert [each.event.name for each in engine.events.sign("root-v2").completions] == ["root-v2"]
    onlookers.change()


def test_something_under_the_name_of_targets_keeps_root_back(engine: Engine, onlookers: Onlookers) -> None:
    """Written once, such a name is not to be had: root stays until targets is proposed above it, and signed."""
    engine.rotations.rotate("online", "online-2", kind=RotationKind.LEAKED)
    bring(engine, "targets-v2", "tara")
    engine.metadata.show("2.targets.json", b"junk")
    engine.events.sign("root-v2")
    (done,) = engine.events.receive([signature(engine, "root-v2", "bob")]).completions
    assert isinstance(done.obstacle, ReleaseRefused)
    onlookers.look()
    engine.events.cancel("targets-v2")
    renew(engine.ports)
    assert bring(engine, "targets-v3", "tara") == ["root-v2"]
    onlookers.change()


def test_a_replacement_that_an_older_version_began(engine: Engine, onlookers: Onlookers) -> None:
    """Root waits without targets, or nothing waits at all: the next renewal asks for what is missing."""
    engine.rotations.rotate("online", "online-2", kind=RotationKind.LEAKED)
    engine.events.cancel("targets-v2")
    assert root_is_signed(engine) == []
    assert engine.events.view("root-v2").lacks_targets
    onlookers.look()
    renew(engine.ports)
    assert bring(engine, "targets-v3", "tara") == ["root-v2"]
    onlookers.change()


def test_a_rotation_that_an_older_version_began(engine: Engine, onlookers: Onlookers) -> None:
    """It could not go on, and kept everything else from going on: now it does both, or is called off."""
    old, new = (engine.keys.made[name].entry.keyid for name in ("online", "online-2"))
    now = engine.clock.now()
    for version in (2, 3):
        with engine.ports.state.transaction(actor="test") as state:
            state.begin_rotation(kind=RotationKind.PLANNED, old=old, new=new, overlap=HOUR, begun=now)
        onlookers.change()
        assert names(engine) == ["root-v2", f"targets-v{version}"]
        if version == 2:
            engine.events.cancel("root-v2")
            onlookers.change()
    assert bring(engine, "targets-v3", "tara") == ["targets-v3"]
    assert root_is_signed(engine) == ["root-v2"]
    onlookers.change()


def test_a_root_that_came_out_too_early_gets_its_targets(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an older version left it no client gets further; tara is asked by the next command, and brings them back."""
    warm = client_of(engine, tmp_path / "warm")
    warm.refresh()
    engine.rotations.rotate("online", "online-2", kind=RotationKind.LEAKED)
    engine.keys.away.add("online")
    engine.events.cancel("targets-v2")
    root_is_signed(engine)
    with monkeypatch.context() as patched, engine.ports.state.publication_lock(purpose="test"):
        patched.setattr(roots, "check_what_follows", lambda *_: None)
        (event,) = (view.event for view in engine.events.views())
        data = whole_file(engine.ports, event, event.parts[0]).data
        roots.commit_root(engine.ports, data, signed_at=event.opened, event=event)
    with pytest.raises(RepositoryError):
        check_client(engine, tmp_path / "broken")
    renew(engine.ports)
    assert missing(engine, "targets-v3") == {"tara"}
    assert bring(engine, "targets-v3", "tara") == ["targets-v3"]
    assert engine.rotations.current() is None
    check_client(engine, tmp_path / "fresh")
    later = warm.copy(tmp_path / "later", read=engine.site())
    later.refresh()
    assert later.download("a.txt") == b"first"


def test_a_renewal_waits_for_tara_alone(engine: Engine, onlookers: Onlookers) -> None:
    """The online key has signed it by then; publications go on."""
    renew(engine.ports, force=["targets"])
    assert missing(engine, "targets-v2") == {"tara"}
    onlookers.change()
    assert bring(engine, "targets-v2", "tara") == ["targets-v2"]
    onlookers.change()


def test_a_renewal_in_the_overlap_is_signed_by_both(engine: Engine, onlookers: Onlookers) -> None:
    """Root v1 has its say until the overlap is over, and is asked at once."""
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    bring(engine, "targets-v2", "tara")
    root_is_signed(engine)
    renew(engine.ports, force=["targets"])
    assert missing(engine, "targets-v3") == {"tara"}
    bring(engine, "targets-v3", "tara")
    assert signed_by(engine, "3.targets.json") == {"online", "online-2", "tara"}
    onlookers.change()


def test_a_resize_that_waits_goes_with_a_rotation_that_must_be_quick(engine: Engine, onlookers: Onlookers) -> None:
    """It asks the key that goes to sign: it is in the way, and dropped by whoever was shown it."""
    resize_bins(engine.ports, 8)
    (waits,) = (view.event for view in engine.events.views())
    assert [view.event for view in engine.rotations.in_the_way("online", kind=RotationKind.LEAKED)] == [waits]
    engine.rotations.rotate("online", "online-2", kind=RotationKind.LEAKED, drop=[waits])
    assert names(engine) == ["root-v2", "targets-v3"]
    bring(engine, "targets-v3", "tara")
    assert root_is_signed(engine) == ["root-v2"]
    onlookers.change()


def test_a_resize_that_waits_comes_before_a_planned_rotation(engine: Engine, onlookers: Onlookers) -> None:
    """Signed for both roots it comes out, and targets is proposed again that hands the bins over."""
    resize_bins(engine.ports, 8)
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    assert names(engine) == ["targets-v2", "root-v2"]
    engine.events.sign("targets-v2")
    assert bring(engine, "targets-v2", "tara") == ["targets-v2"]
    onlookers.change()
    root_is_signed(engine)
    onlookers.change()
    assert names(engine) == ["targets-v3"]
    bring(engine, "targets-v3", "tara")
    onlookers.change()
    engine.moved_on(hours=2)
    renew(engine.ports)
    assert engine.rotations.current() is None
    onlookers.change()


@pytest.mark.parametrize("kind", RotationKind)
def test_people_who_only_may_sign_are_not_asked(tmp_path: Path, kind: RotationKind) -> None:
    """One of two suffices, so the online key signs alone, whatever is replaced, renewed or shared out."""
    engine = mixed(tmp_path / "repository", threshold=1)
    onlookers = Onlookers(engine, tmp_path)
    onlookers.look()
    assert resize_bins(engine.ports, 8).publication is not None
    onlookers.change()
    start = engine.rotations.rotate("online", "online-2", kind=kind, overlap=HOUR)
    assert [event.name for event in start.events] == ["root-v2"]
    if kind is not RotationKind.PLANNED:
        engine.keys.away.add("online")
    onlookers.look()
    assert root_is_signed(engine) == ["root-v2"]
    onlookers.change()
    engine.moved_on(hours=2)
    renew(engine.ports, force=["targets"])
    assert (names(engine), engine.rotations.current()) == ([], None)
    engine.keys.away.add("online")
    onlookers.change()


def test_two_people_who_suffice_beside_the_key(tmp_path: Path) -> None:
    """What they signed without the key that goes is good under the next root, which waits for nothing else."""
    engine = mixed(tmp_path / "repository", ("tara", "tom", "online"))
    onlookers = Onlookers(engine, tmp_path)
    onlookers.look()
    engine.rotations.rotate("online", "online-2", kind=RotationKind.LOST)
    assert missing(engine, "targets-v2") == {"tara", "tom"}
    assert root_is_signed(engine) == ["root-v2"]
    onlookers.look()
    assert bring(engine, "targets-v2", "tom") == ["targets-v2"]
    assert engine.rotations.current() is None
    onlookers.change()

"""Publications that clients may have seen and that cannot be completed: what comes after them is never older."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.engine import Engine, check_client, client_of, plan_document
from tests.support.faulty import leave_committing

from rstuf.errors import InvalidMetadata, NotEnoughSigners, ReleaseRefused, RstufError, SigningError
from rstuf.metadata.render import versioned
from rstuf.model.artifacts import ArtifactState
from rstuf.model.names import SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.roles import RoleKind
from rstuf.repository.ports import Ports
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.reports import Recovery
from rstuf.repository.verify import Depth
from rstuf.repository.verify_own import verify_own
from rstuf.state.transaction import SqliteTransaction

BY_PEOPLE = plan_document(targets={"expires": "365d", "threshold": 1, "signers": ["one"]})


def force_targets(ports: Ports) -> object:
    return renew(ports, force=["targets"])


def show(engine: Engine, timestamp: bytes | None) -> None:
    """Let clients see a timestamp."""
    assert timestamp is not None
    engine.metadata.replace("timestamp.json", timestamp)


def lose(engine: Engine, kind: RoleKind) -> None:
    """Delete what the unfinished publication brought of one kind."""
    with engine.ports.state.read() as reader:
        unfinished = reader.unfinished_publication()
        assert unfinished is not None
        for planned, _ in reader.publication_roles(unfinished.id):
            if planned.kind is kind:
                engine.metadata.remove(versioned(planned.name, planned.version))


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("why", ["expired", "targets lost", "snapshot lost"])
def test_targets_of_people_who_are_away_are_carried_over(tmp_path: Path, why: str, seen: bool) -> None:
    """Targets that people signed into a publication that came to nothing are listed by the next one, without them."""
    engine = Engine.live(tmp_path / "repository", document=BY_PEOPLE)
    unfinished = leave_committing(engine, force_targets)
    if seen:
        show(engine, unfinished.timestamp)
        assert check_client(engine, tmp_path / "client").targets == 2
    if why == "expired":
        engine.moved_on(days=2)
    else:
        lose(engine, RoleKind.TARGETS if why == "targets lost" else RoleKind.SNAPSHOT)
    engine.keys.away = {"one", "two"}
    report = renew(engine.ports)
    assert report.publication.published
    assert report.publication.recovery is (Recovery.COMPLETED if why == "targets lost" else Recovery.REDONE)
    assert check_client(engine, tmp_path / "client").targets == 2
    assert check_client(engine, tmp_path / "fresh").targets == 2
    engine.add("a.txt", b"one")
    publish(engine.ports)
    check_client(engine, tmp_path / "client")


def test_targets_that_are_lost_altogether_wait_for_their_signers(tmp_path: Path) -> None:
    """With neither file nor record of what clients may have seen, nothing is published below it until they sign."""
    engine = Engine.live(tmp_path / "repository", document=BY_PEOPLE)
    unfinished = leave_committing(engine, force_targets)
    show(engine, unfinished.timestamp)
    check_client(engine, tmp_path / "client")
    lose(engine, RoleKind.TARGETS)
    with engine.ports.state.transaction(actor="test") as state:
        state.record_delegator(TARGETS, 2, b"rotten")
    engine.keys.away = {"one"}
    engine.add("a.txt", b"one")
    before = dict(engine.metadata.files)
    for act in (publish, renew):
        with pytest.raises(SigningError):
            act(engine.ports)
        assert engine.metadata.files == before
    engine.keys.away = set()
    publish(engine.ports)
    assert check_client(engine, tmp_path / "client").targets == 3


@pytest.mark.parametrize("killed", [False, True])
def test_a_renewal_publishes_no_pending_change(engine: Engine, tmp_path: Path, killed: bool) -> None:
    """What was accepted after a publication that is done again stays pending; what that one had shown stays shown."""
    engine.add("a.txt", b"one")
    unfinished = leave_committing(engine)
    show(engine, unfinished.timestamp)
    check_client(engine, tmp_path / "client")
    for number in range(8):
        engine.add(f"pending-{number}.txt", b"later")
        engine.contents.pop(f"pending-{number}.txt")
    lose(engine, RoleKind.SNAPSHOT)
    if killed:
        with engine.ports.state.transaction(actor="test") as state:
            state.abandon_publication(unfinished.id)
    assert renew(engine.ports).publication.published
    check_client(engine, tmp_path / "client")
    check_client(engine, tmp_path / "fresh")
    with engine.ports.state.read() as reader:
        states = {listed.artifact.path: listed.state for listed in reader.artifacts()}
    assert states.pop("a.txt") is ArtifactState.PUBLISHED
    assert set(states.values()) == {ArtifactState.PENDING}


@pytest.mark.parametrize("first", ["snapshot", "bins", "targets", "root"])
@pytest.mark.parametrize("act", [publish, renew], ids=["publish", "renew"])
def test_nothing_is_completed_that_has_expired(tmp_path: Path, first: str, act: Callable[[Ports], Any]) -> None:
    """Whichever role expires first, what is called published afterwards is what clients accept."""
    periods = dict.fromkeys(("snapshot", "timestamp", "bins", "targets", "root"), "60d") | {first: "7d"}
    plan = plan_document()
    tables = {name: {**plan.get(name, {}), "expires": period} for name, period in periods.items()}
    engine = Engine.live(tmp_path / "repository", document=plan | tables)
    engine.add("a.txt", b"one")
    leave_committing(engine)
    engine.moved_on(days=8)
    if (first, act) == ("root", publish):
        with pytest.raises(ReleaseRefused, match="root expired"):
            act(engine.ports)
        return
    act(engine.ports)
    judge = client_of(engine, tmp_path / "client")
    judge.refresh()
    assert judge.download("a.txt") == b"one"


def test_dates_never_go_back_below_what_was_shown(engine: Engine, tmp_path: Path) -> None:
    """A clock that was ahead when clients saw a publication, and is right again, dates nothing before it."""
    engine.moved_on(days=100)
    renew(engine.ports)
    engine.add("a.txt", b"one")
    unfinished = leave_committing(engine)
    show(engine, unfinished.timestamp)
    lose(engine, RoleKind.SNAPSHOT)
    with engine.ports.state.read() as reader:
        shown = reader.first_expiry(unfinished.id)
    engine.moved_on(days=-100)
    publish(engine.ports)
    with engine.ports.state.read() as reader:
        assert shown is not None
        assert all((reader.role(name).expires or shown) >= shown for name in (SNAPSHOT, TIMESTAMP))


def test_a_commit_whose_timestamp_was_lost_is_no_guess(engine: Engine, tmp_path: Path) -> None:
    """No kill and no power cut takes a timestamp away: where it is gone, a person decides, and clients go on."""
    engine.add("a.txt", b"one")
    publish(engine.ports)
    view = check_client(engine, tmp_path / "client")
    engine.add("b.txt", b"two")
    leave_committing(engine)
    engine.metadata.remove("timestamp.json")
    with pytest.raises(InvalidMetadata):
        publish(engine.ports)
    assert "timestamp.json" not in engine.metadata.files
    renew(engine.ports, force=["timestamp"])
    after = check_client(engine, tmp_path / "client")
    assert after.timestamp > view.timestamp + 9_000


def test_a_signer_who_is_not_enough_is_named(tmp_path: Path) -> None:
    """Where what clients may have seen must be signed again by people, the error says who is missing."""
    document = plan_document(targets={"expires": "365d", "threshold": 2, "signers": ["one", "two"]})
    engine = Engine.live(tmp_path / "repository", document=document)
    leave_committing(engine, force_targets)
    lose(engine, RoleKind.TARGETS)
    with engine.ports.state.transaction(actor="test") as state:
        state.record_delegator(TARGETS, 2, b"rotten")
    engine.keys.away = {"one", "two"}
    with pytest.raises(NotEnoughSigners) as refused:
        renew(engine.ports)
    assert set(refused.value.reasons) == {"one", "two"}
    assert isinstance(refused.value, RstufError)


def test_a_damaged_record_is_made_good_by_the_file(tmp_path: Path) -> None:
    """Where the record of targets that people signed is rotten, their file is carried over in its place."""
    engine = Engine.live(tmp_path / "repository", document=BY_PEOPLE)
    unfinished = leave_committing(engine, force_targets)
    show(engine, unfinished.timestamp)
    check_client(engine, tmp_path / "client")
    with engine.ports.state.transaction(actor="test") as state:
        state.record_delegator(TARGETS, 2, b"rotten")
    engine.moved_on(days=2)
    engine.keys.away = {"one", "two"}
    renew(engine.ports)
    assert check_client(engine, tmp_path / "client").targets == 2
    with engine.ports.state.read() as reader:
        assert reader.delegator(TARGETS, 2) == engine.metadata.files["2.targets.json"]


@pytest.mark.parametrize("seen", [False, True])
def test_a_kill_after_giving_up_looks_like_no_damage(tmp_path: Path, seen: bool) -> None:
    """Between giving up and the next publication nobody is sent to a backup, and the same command goes on."""
    engine = Engine.live(tmp_path / "repository", document=BY_PEOPLE)
    unfinished = leave_committing(engine, force_targets)
    if seen:
        show(engine, unfinished.timestamp)
    engine.moved_on(days=2)

    class Killed(Exception):
        pass

    stage = SqliteTransaction.stage_publication

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteTransaction, "stage_publication", killed)
        with pytest.raises(Killed):
            renew(engine.ports)
    assert SqliteTransaction.stage_publication is stage
    damage = {problem.code for problem in verify_own(engine.ports, depth=Depth.ROLES).problems}
    assert "state-damaged" not in damage
    renew(engine.ports)
    check_client(engine, tmp_path / "client")

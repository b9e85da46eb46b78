"""Bins of a role that its own people sign, who are elsewhere: the whole batch waits in one signing event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.support.delegated import delegate, where
from tests.support.engine import Engine, check_client, client_of
from tests.support.rebuilding import rebuilt, roles_of
from tests.support.wishes import rotate

from rstuf.errors import EventOpen, InvalidInput, InvalidPolicy, RstufError
from rstuf.metadata.bundle import DetachedSignature
from rstuf.metadata.canonical import canonical
from rstuf.model.artifacts import ArtifactState
from rstuf.model.names import RoleName
from rstuf.model.policy import BinSigners
from rstuf.model.superseded import Retention
from rstuf.repository import rebin
from rstuf.repository.prune import prune
from rstuf.repository.publish import publish
from rstuf.repository.rebin import ResizeReport, bin_signers, resize_bins
from rstuf.repository.renewal import renew
from rstuf.repository.reports import WaitingRole
from rstuf.repository.signing_events import Outcome
from rstuf.repository.verify import Depth
from rstuf.repository.verify_own import verify_own

PAY = RoleName("pay")
PATHS = tuple(f"pay/{number}" for number in range(8))
"""They are in all of four bins."""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """pay, signed by tara and tom, who are away; eight artifacts of it, and one in other bins."""
    engine = Engine.live(tmp_path / "repository")
    for path in ("a.txt", *PATHS):
        engine.add(path, path.encode())
    publish(engine.ports)
    for name in ("tara", "tom"):
        engine.make_key(name)
    delegate(engine, "pay", "pay/*", signers=("tara", "tom"), threshold=2)
    engine.keys.away.update(["tara", "tom"])
    return engine


def split(engine: Engine, bins: int = 4, signers: BinSigners | None = BinSigners.ROLE, **more: object) -> ResizeReport:
    """Share the artifacts of pay out, over bins that its people sign."""
    return resize_bins(engine.ports, bins, role=PAY, signers=signers, **more)  # type: ignore[arg-type]


def signatures(engine: Engine, event: str, *names: str) -> list[DetachedSignature]:
    """What holders of keys send back for all parts of an event that are theirs to sign, each digest once."""
    view, found = engine.events.view(event), {}
    for name in names:
        signer = engine.keys.made[name].signer
        for part in view.parts:
            if any(signer.keyid in side.keyids for side in part.sides):
                sig = signer.sign(canonical(part.part.signed))
                found[part.digest, name] = DetachedSignature(part.digest, signer.keyid, sig)
    return list(found.values())


def signed(engine: Engine, event: str, names: Sequence[str] = ("tara", "tom")) -> list[tuple[str, RstufError | None]]:
    """Holders sign all of an event; what became of those that were complete then."""
    done = engine.events.receive(signatures(engine, event, *names))
    assert all(each.outcome is not Outcome.REFUSED for each in done.receptions)
    return [(each.event.name, each.obstacle) for each in done.completions]


@pytest.fixture
def away(engine: Engine) -> Engine:
    """The same over four bins that tara and tom sign."""
    report = split(engine)
    assert report.waits is not None
    assert signed(engine, report.waits.event.name) == [(report.waits.event.name, None)]
    return engine


def waits(engine: Engine) -> WaitingRole:
    """What a publication leaves behind: the bins of pay, together."""
    (waiting,) = publish(engine.ports).waiting
    return waiting


def finds(engine: Engine, directory: Path, contents: Mapping[str, bytes | None]) -> None:
    """A client finds just these contents of pay, and walks through all there is; None is nothing."""
    client = client_of(engine, directory)
    client.refresh()
    client.walk()
    for path, content in contents.items():
        assert client.download(path) == content if content is not None else client.find(path) is None


def published(engine: Engine) -> set[str]:
    """The paths of pay that clients see."""
    return {path for path, state in where(engine).items() if path.startswith("pay/") and state.endswith("published")}


def test_bins_and_role_come_out_together(engine: Engine, tmp_path: Path) -> None:
    """Over four bins that two people sign: role and bins are one event, and one publication once both have signed."""
    report = split(engine)
    assert report.publication is None
    assert report.waits is not None
    event = report.waits.event
    assert [part.role for part in event.parts] == ["pay", *(f"pay-bins-{index}" for index in range(4))]
    before = check_client(engine, tmp_path / "client")
    assert signed(engine, event.name, ["tara"]) == []
    assert check_client(engine, tmp_path / "client").roles == before.roles
    assert signed(engine, event.name, ["tom"]) == [(event.name, None)]
    view = check_client(engine, tmp_path / "client")
    assert {name for name in view.roles if name.startswith("pay")} >= {"pay"}
    check_client(engine, tmp_path / "fresh")
    assert published(engine) == set(PATHS)
    assert not publish(engine.ports).published
    assert renew(engine.ports).waiting == ()


def test_a_batch_waits_in_one_event(away: Engine, tmp_path: Path) -> None:
    """Added, replaced and removed in several bins: all of them wait together, and come out in one publication."""
    away.add("pay/new", b"new")
    away.add("pay/0", b"another")
    away.remove("pay/1")
    waiting = waits(away)
    assert (waiting.name, waiting.lacking, sorted(waiting.missing)) == ("pay-bins", 2, ["tara", "tom"])
    assert waiting.event is not None
    (view,) = away.events.views()
    assert tuple(part.part.role for part in view.parts) == waiting.bins
    assert len(waiting.bins) > 1
    assert where(away)["pay/new"].endswith(f" {ArtifactState.AWAITING}")
    finds(away, tmp_path / "client", {"pay/new": None, "pay/0": b"pay/0", "pay/1": b"pay/1"})
    assert signed(away, waiting.event) == [(waiting.event, None)]
    assert where(away)["pay/new"].endswith("published")
    assert "pay/1" not in where(away)
    for client in ("client", "fresh"):
        finds(away, tmp_path / client, {"pay/new": b"new", "pay/0": b"another", "pay/1": None})
    check_client(away, tmp_path / "client")
    assert not publish(away.ports).waiting


def test_below_the_threshold_nothing_is_visible(away: Engine, tmp_path: Path) -> None:
    """One of two has signed: nothing moves, later changes come behind it, and other roles are published meanwhile."""
    away.add("pay/new", b"new")
    event = waits(away).event
    assert event is not None
    assert signed(away, event, ["tara"]) == []
    away.add("pay/0", b"another")
    away.add("b.txt", b"beside")
    report = publish(away.ports)
    assert report.published
    (waiting,) = report.waiting
    assert (waiting.event, waiting.behind) == (event, True)
    finds(away, tmp_path / "client", {"pay/new": None, "pay/0": b"pay/0"})
    assert signed(away, event, ["tom"]) == [(event, None)]
    finds(away, tmp_path / "client", {"pay/new": b"new", "pay/0": b"pay/0"})
    waiting = waits(away)
    assert not waiting.behind
    assert waiting.event is not None
    assert signed(away, waiting.event) == [(waiting.event, None)]
    check_client(away, tmp_path / "client")
    assert all(state.endswith("published") for state in where(away).values())


def test_cancelled_contents_are_pending_again(away: Engine) -> None:
    """What was to come out with an event that is cancelled is pending, and waits in the next one."""
    away.add("pay/new", b"new")
    event = waits(away).event
    assert event is not None
    away.events.cancel(event)
    assert where(away)["pay/new"].endswith(f" {ArtifactState.PENDING}")
    again = waits(away).event
    assert again not in {None, event}
    assert signed(away, str(again)) == [(again, None)]
    assert where(away)["pay/new"].endswith("published")


def resized(engine: Engine, bins: int, signers: BinSigners | None = None) -> None:
    """Other bins, once both have signed them."""
    report = split(engine, bins, signers)
    assert report.waits is not None
    name = report.waits.event.name
    assert signed(engine, name) == [(name, None)]


def test_more_fewer_and_back(away: Engine, tmp_path: Path) -> None:
    """Four to eight to two, signed by the same people, then back to the online key: clients of any age find all."""
    check_client(away, tmp_path / "old")
    for bins, signers in ((8, None), (2, BinSigners.ROLE), (2, BinSigners.ONLINE)):
        resized(away, bins, signers)
        for client in ("old", f"fresh-{bins}-{signers}"):
            check_client(away, tmp_path / client)
        assert renew(away.ports).waiting == ()
        assert prune(away.ports, retention=Retention(publications=1, days=0)).left == ()
        check_client(away, tmp_path / f"fresh-{bins}-{signers}")
    away.add("pay/new", b"new")
    assert publish(away.ports).waiting == ()
    check_client(away, tmp_path / "old")


def test_the_people_take_over_from_the_online_key(engine: Engine, tmp_path: Path) -> None:
    """Bins that the online key signs become theirs, as many as there are, and wait for nobody else before."""
    split(engine, 4, BinSigners.ONLINE)
    assert signed(engine, "pay-v2") == [("pay-v2", None)]
    engine.add("pay/new", b"new")
    assert publish(engine.ports).waiting == ()
    check_client(engine, tmp_path / "client")
    report = split(engine)
    assert report.waits is not None
    engine.add("pay/0", b"another")
    (waiting,) = publish(engine.ports).waiting
    assert (waiting.event, waiting.behind, waiting.name) == ("pay-v3", True, "pay-bins")
    assert signed(engine, "pay-v3") == [("pay-v3", None)]
    finds(engine, tmp_path / "client", {"pay/new": b"new", "pay/0": b"pay/0"})
    again = waits(engine).event
    assert signed(engine, str(again)) == [(again, None)]
    check_client(engine, tmp_path / "client")
    check_client(engine, tmp_path / "fresh")


def test_what_was_removed_while_others_signed_is_not_lost(engine: Engine, tmp_path: Path) -> None:
    """What is removed after bins were proposed with it comes out with them, and goes with the next event."""
    report = split(engine)
    engine.remove("pay/3")
    publish(engine.ports)
    assert report.waits is not None
    name = report.waits.event.name
    assert signed(engine, name) == [(name, None)]
    finds(engine, tmp_path / "client", {"pay/3": b"pay/3"})
    again = waits(engine).event
    assert signed(engine, str(again)) == [(again, None)]
    finds(engine, tmp_path / "client", {"pay/3": None})
    check_client(engine, tmp_path / "client")


def test_renewal_asks_once_for_all_bins(away: Engine, tmp_path: Path) -> None:
    """All bins of the role are renewed in one event, pending changes left aside; asked again, nothing is new."""
    away.moved_on(days=330)
    renew(away.ports)
    away.add("pay/new", b"new")
    for _ in range(2):
        waiting = {each.name: each for each in renew(away.ports).waiting}
        assert set(waiting) == {"pay", "pay-bins"}
        assert len(waiting["pay-bins"].bins) == 4
    assert len(away.events.views()) == 2
    for name in ("pay", "pay-bins"):
        event = waiting[name].event
        assert signed(away, str(event)) == [(event, None)]
    finds(away, tmp_path / "client", {"pay/new": None, "pay/0": b"pay/0"})
    away.moved_on(days=300)
    renew(away.ports)
    finds(away, tmp_path / "client", {"pay/new": None, "pay/0": b"pay/0"})


def test_an_event_that_expired_is_proposed_anew(away: Engine, tmp_path: Path) -> None:
    """Nobody signed it for so long that it expired: the next publication lets the same wait again, and bins live on."""
    away.add("pay/new", b"new")
    event = waits(away).event
    away.moved_on(days=400)
    renew(away.ports)
    (waiting,) = publish(away.ports).waiting
    assert (waiting.name, waiting.event != event) == ("pay-bins", True)
    renew(away.ports)
    for _ in range(2):
        for view in away.events.views():
            assert signed(away, view.event.name) == [(view.event.name, None)]
        publish(away.ports)
    assert away.events.views() == []
    check_client(away, tmp_path / "fresh")


def test_what_a_storage_lost_is_put_back(away: Engine, tmp_path: Path) -> None:
    """A bin whose file is gone comes back byte for byte, though its people are away."""
    name = next(each for each in away.metadata.files if "pay-bins-2" in each)
    data = away.metadata.files[name]
    away.metadata.remove(name)
    assert name in renew(away.ports).publication.restored
    assert away.metadata.files[name] == data
    check_client(away, tmp_path / "client")


@pytest.mark.parametrize("signers", [BinSigners.ROLE, BinSigners.ONLINE])
def test_nobody_signs_bins_who_may_not(engine: Engine, signers: BinSigners) -> None:
    """Bins for all other artifacts, and of a role that the online key signs, are its own; so are too many."""
    delegate(engine, "open", "open/*")
    if signers is BinSigners.ONLINE:
        assert resize_bins(engine.ports, 4, role=RoleName("open"), signers=signers).publication is not None
        return
    for role in (None, RoleName("open")):
        with pytest.raises(InvalidInput):
            resize_bins(engine.ports, 4, role=role, signers=signers)
    with pytest.raises(InvalidPolicy, match="64 bins together at most"):
        split(engine, 128)


def test_what_waits_gives_its_place_to_other_bins(away: Engine) -> None:
    """A batch that has a signature is not dropped for other bins unless whoever resizes was shown it."""
    away.add("pay/new", b"new")
    event = waits(away).event
    signed(away, str(event), ["tara"])
    with pytest.raises(EventOpen):
        split(away, 2)
    (view,) = away.events.views()
    report = split(away, 2, drop=[view.event])
    assert report.waits is not None
    assert [each.event.name for each in away.events.views()] == [report.waits.event.name]
    assert signed(away, report.waits.event.name) == [(report.waits.event.name, None)]
    assert where(away)["pay/new"].endswith("published")


def test_a_state_made_anew_leaves_them_to_their_people(away: Engine, tmp_path: Path) -> None:
    """What is published tells who signs bins: the online key signs none of these, and changes wait for them."""
    check_client(away, tmp_path / "old")
    again, report = rebuilt(away, tmp_path / "new")
    assert report.strays == ()
    assert roles_of(again) == roles_of(away)
    assert bin_signers(again.ports, PAY) is BinSigners.ROLE
    renewed = renew(again.ports)
    assert renewed.waiting == ()
    assert not any(role.name.startswith("pay") for role in renewed.publication.roles)
    again.keys.away.update(["tara", "tom"])
    again.add("pay/new", b"new")
    (waiting,) = publish(again.ports).waiting
    assert waiting.name == "pay-bins"
    assert signed(again, str(waiting.event)) == [(waiting.event, None)]
    check_client(again, tmp_path / "old")
    assert verify_own(again.ports, depth=Depth.FULL).problems == ()


def test_another_online_key_leaves_them_alone(away: Engine, tmp_path: Path) -> None:
    """The online key is replaced from root to bins; those of pay stay as their people signed them."""
    away.make_key("spare-1")
    check_client(away, tmp_path / "old")
    rotate(away.ports, "spare-1")
    away.moved_on(hours=2)
    renew(away.ports)
    with away.ports.state.read() as reader:
        assert reader.rotation() is None
        assert {reader.role(RoleName(f"pay-bins-{index}")).visible for index in range(4)} == {1}
    for client in ("old", "fresh"):
        check_client(away, tmp_path / client)


def test_bins_that_run_out_do_not_wait_for_others(engine: Engine, tmp_path: Path) -> None:
    """While people are to take over bins that expire, the online key renews these, and what was signed is told."""
    split(engine, 4, BinSigners.ONLINE)
    assert signed(engine, "pay-v2") == [("pay-v2", None)]
    report = split(engine)
    assert report.waits is not None
    name = report.waits.event.name
    signed(engine, name, ["tara"])
    with engine.ports.state.read() as reader:
        due = reader.role(RoleName("pay-bins-0")).expires
    assert due is not None
    engine.moved_on(seconds=int((due - engine.clock.now()).total_seconds()) - 3600)
    renew(engine.ports)
    (dropped,) = renew(engine.ports).dropped
    assert (dropped.name, dropped.signed, dropped.bins, dropped.signers) == (name, ("tara",), 4, BinSigners.ROLE)
    check_client(engine, tmp_path / "client")


def test_a_full_batch_of_the_most_bins(engine: Engine, tmp_path: Path) -> None:
    """Sixty-four bins, most of which list nothing and are alike, come out once each of both has signed all of them."""
    resized(engine, 64, BinSigners.ROLE)
    check_client(engine, tmp_path / "client")
    for path in PATHS:
        engine.add(path, b"another " + path.encode())
    event = waits(engine).event
    assert signed(engine, str(event)) == [(event, None)]
    check_client(engine, tmp_path / "client")


def test_other_bins_that_are_called_off_leave_no_trace(away: Engine, tmp_path: Path) -> None:
    """Cancelled, what was to bring other bins has taken versions and nothing else; what it held back comes out."""
    report = split(away, 8)
    assert report.waits is not None
    away.add("pay/new", b"new")
    assert waits(away).event == report.waits.event.name
    away.events.cancel(report.waits.event.name)
    assert verify_own(away.ports, depth=Depth.FULL).problems == ()
    event = waits(away).event
    assert signed(away, str(event)) == [(event, None)]
    check_client(away, tmp_path / "client")
    resized(away, 8)
    check_client(away, tmp_path / "client")
    assert verify_own(away.ports, depth=Depth.FULL).problems == ()


def test_other_bins_that_nobody_signs_in_time_are_told_of(away: Engine) -> None:
    """What expired before it was signed is dropped by a renewal, which says how many bins it was to bring."""
    report = split(away, 8)
    assert report.waits is not None
    away.moved_on(days=400)
    dropped = {each.name: each for each in renew(away.ports).dropped}
    assert dropped[report.waits.event.name].bins == 8


def test_who_signs_all_at_once_here_waits_for_nobody(away: Engine, tmp_path: Path) -> None:
    """With both keys here a change of several bins is published at once, and a renewal signs only what is due."""
    away.keys.away.clear()
    for path in PATHS:
        away.add(path, b"another " + path.encode())
    assert publish(away.ports).waiting == ()
    check_client(away, tmp_path / "client")
    away.moved_on(days=300)
    renew(away.ports)
    assert renew(away.ports).waiting == ()
    check_client(away, tmp_path / "client")


def test_more_than_a_bundle_carries_is_for_the_online_key(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody could be sent is not proposed; the online key signs as much as clients read."""
    monkeypatch.setattr(rebin, "_MOST_TOGETHER", 500)
    with pytest.raises(InvalidPolicy, match="people sign 500 at most at once"):
        split(engine)
    assert engine.events.views() == []
    assert split(engine, 4, BinSigners.ONLINE).waits is not None

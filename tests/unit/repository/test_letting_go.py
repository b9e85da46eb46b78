"""Online keys that go, and roles that people sign and that let them sign below: no such key stays for good."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clients import Client
from tests.support.delegated import delegate
from tests.support.engine import Engine, check_client

from rstuf.metadata.render import versioned
from rstuf.metadata.views import open_envelope
from rstuf.model.names import RoleName
from rstuf.model.rotation import RotationKind
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.renewal import renew

HOUR = timedelta(hours=1)
KINDS = list(RotationKind)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """vip, signed by vera; below it sub, which the online key signs, and low below that."""
    engine = Engine.live(tmp_path / "repository")
    engine.add("a.txt", b"first")
    publish(engine.ports)
    engine.make_key("vera")
    engine.make_key("online-2")
    delegate(engine, "vip", "vip/*", "vip/*/*", "vip/*/*/*", signers=("vera",))
    delegate(engine, "sub", "vip/sub/*", "vip/sub/*/*", parent="vip")
    delegate(engine, "low", "vip/sub/low/*", parent="sub")
    for path in ("vip/one", "vip/sub/two", "vip/sub/low/three"):
        engine.add(path, path.encode())
    publish(engine.ports)
    return engine


def signers(engine: Engine, role: str) -> set[str]:
    """The names of those whose signatures the visible file of a role below targets has."""
    with engine.ports.state.read() as reader:
        name = versioned(RoleName(role), reader.role(RoleName(role)).visible)
    opened = open_envelope(engine.metadata.files[name], name=name, kind="targets")
    names = {key.entry.keyid: each for each, key in engine.keys.made.items()}
    return {names[each.keyid] for each in opened.signatures}


def replace_online(engine: Engine, kind: RotationKind) -> None:
    """Let online-2 take the place of the online key, whose root is signed, and whose time is over."""
    engine.rotations.rotate("online", "online-2", kind=kind, overlap=HOUR)
    engine.events.sign("root-v2")
    if kind is RotationKind.PLANNED:
        engine.moved_on(hours=2)
        renew(engine.ports)


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_signed_here_lets_go_at_once(engine: Engine, tmp_path: Path, kind: RotationKind) -> None:
    """Where vera's key is here the old key signs nothing any more, however deep, and clients of before go on."""
    warm = Client.fresh(tmp_path / "warm", engine.site(), root=engine.root(), now=engine.clock.now())
    warm.refresh()
    assert warm.download("vip/sub/two") == b"vip/sub/two"
    replace_online(engine, kind)
    assert engine.rotations.current() is None
    assert {role: signers(engine, role) for role in ("vip", "sub", "low")} == {
        "vip": {"vera"},
        "sub": {"online-2"},
        "low": {"online-2"},
    }
    check_client(engine, tmp_path / "fresh")
    later = warm.copy(tmp_path / "later", read=engine.site())
    later.refresh()
    assert later.download("vip/sub/low/three") == b"vip/sub/low/three"
    assert renew(engine.ports).waiting == ()


@pytest.mark.parametrize("kind", KINDS)
def test_what_somebody_elsewhere_signs_waits_for_that(engine: Engine, tmp_path: Path, kind: RotationKind) -> None:
    """Where vera is away it is said, each time, that she must sign vip; what she brings ends it, and clients go on."""
    engine.keys.away.add("vera")
    replace_online(engine, kind)
    for _ in range(2):
        (waiting,) = renew(engine.ports).waiting
        assert (waiting.name, waiting.lacking, list(waiting.missing)) == ("vip", 1, ["vera"])
    check_client(engine, tmp_path / "between")
    done = engine.events.receive([engine.signature(waiting.event or "", "vera")])
    assert [each.obstacle for each in done.completions] == [None]
    assert engine.rotations.current() is None
    assert (signers(engine, "sub"), signers(engine, "low")) == ({"online-2"}, {"online-2"})
    engine.keys.away.add("online")
    engine.add("vip/sub/two", b"afterwards")
    publish(engine.ports)
    check_client(engine, tmp_path / "after")


def test_people_elsewhere_have_the_time_in_which_both_keys_sign(engine: Engine, tmp_path: Path) -> None:
    """vip waits for vera as soon as root is out, so that nothing is late; back here, a renewal signs it unasked."""
    engine.keys.away.add("vera")
    engine.rotations.rotate("online", "online-2", overlap=HOUR)
    assert [view.event.name for view in engine.events.views()] == ["root-v2"]
    engine.events.sign("root-v2")
    assert [view.event.role for view in engine.events.views()] == ["vip"]
    engine.keys.away.remove("vera")
    assert renew(engine.ports).waiting == ()
    check_client(engine, tmp_path / "overlap")
    assert signers(engine, "sub") == {"online-2"}
    engine.moved_on(hours=2)
    renew(engine.ports)
    assert engine.rotations.current() is None
    check_client(engine, tmp_path / "after")


def test_a_cancelled_event_is_proposed_anew(engine: Engine) -> None:
    """Whoever drops what vera was to sign is told of it again, with the next renewal."""
    engine.keys.away.add("vera")
    replace_online(engine, RotationKind.LEAKED)
    (view,) = engine.events.views()
    engine.events.cancel(view.event.name)
    (waiting,) = renew(engine.ports).waiting
    assert waiting.event not in {None, view.event.name}


def test_a_key_that_leaks_in_its_turn_goes_with_the_first(engine: Engine, tmp_path: Path) -> None:
    """What waits for vera names the new key: that leaked as well, so she is asked for one that names the third."""
    from rstuf.model.keys import Loss

    engine.keys.away.add("vera")
    replace_online(engine, RotationKind.LEAKED)
    engine.make_key("online-3")
    engine.rotations.renounce(Loss.LEAKED, to="online-3")
    engine.events.sign("root-v3")
    (waiting,) = renew(engine.ports).waiting
    engine.events.receive([engine.signature(waiting.event or "", "vera")])
    assert engine.rotations.current() is None
    assert (signers(engine, "sub"), signers(engine, "low")) == ({"online-3"}, {"online-3"})
    check_client(engine, tmp_path / "client")


@pytest.mark.parametrize("away", [False, True])
def test_bins_below_a_role_that_people_sign_change_hands(tmp_path: Path, away: bool) -> None:
    """So it is with bins, which the online key signs and vera's role lists."""
    engine = Engine.live(tmp_path / "repository")
    engine.make_key("vera")
    engine.make_key("online-2")
    delegate(engine, "vip", "vip/*", signers=("vera",))
    resized = resize_bins(engine.ports, 2, role=RoleName("vip"))
    assert resized.waits is not None
    engine.events.sign(resized.waits.event.name)
    for number in range(4):
        engine.add(f"vip/{number}", b"here")
    publish(engine.ports)
    if away:
        engine.keys.away.add("vera")
    replace_online(engine, RotationKind.LEAKED)
    if away:
        (waiting,) = renew(engine.ports).waiting
        engine.events.receive([engine.signature(waiting.event or "", "vera")])
    assert engine.rotations.current() is None
    assert {name for index in range(2) for name in signers(engine, f"vip-bins-{index}")} == {"online-2"}
    check_client(engine, tmp_path / "client")

"""What a state that is made anew knows of the keys of delegated roles, and what people sign of these."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.audited import copy_of
from tests.support.delegated import delegate, delegated, undelegate
from tests.support.engine import Engine, check_client, client_of
from tests.support.rebuilding import rebuilt

from rstuf.errors import InvalidMetadata
from rstuf.model.keys import KeyId
from rstuf.model.names import RoleName
from rstuf.model.roles import RoleKind
from rstuf.model.rotation import RotationKind
from rstuf.repository.delegating import DelegationChange, bring_proposal, propose_change
from rstuf.repository.former_signers import former_signers
from rstuf.repository.keys import view_keys
from rstuf.repository.publish import publish
from rstuf.repository.published import read_published
from rstuf.repository.renewal import JUMP, renew
from rstuf.repository.status import Health, look
from rstuf.repository.verify import Depth
from rstuf.repository.verify_own import verify_own

TEAM = RoleName("team")
SIGNED = (RoleKind.TARGETS, RoleKind.DELEGATED, RoleKind.BIN)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return delegated(tmp_path_factory.mktemp("delegated") / "repository")


@pytest.fixture
def engine(made: Engine, tmp_path: Path) -> Engine:
    """Keys are made for one test alone."""
    engine = copy_of(made, tmp_path)
    known, away = dict(engine.keys.made), set(engine.keys.away)
    yield engine
    engine.keys.made, engine.keys.away = known, away


def change(engine: Engine, name: RoleName, **changes: Any) -> None:
    bring_proposal(engine.ports, propose_change(engine.ports, name, DelegationChange(**changes)))


def suspects(engine: Engine) -> set[str]:
    return {view.entry.name for view in view_keys(engine.ports) if view.suspect}


def named(engine: Engine) -> dict[KeyId, str]:
    return {made.entry.keyid: name for name, made in engine.keys.made.items()}


def lists(engine: Engine, role: str) -> set[str]:
    """The names of the keys that a role lists, and the online key alone where it has bins."""
    with engine.ports.state.read() as reader:
        file = f"{reader.role(RoleName(role)).visible}.{role}.json"
    keys = json.loads(engine.metadata.files[file])["signed"]["delegations"]["keys"]
    return {named(engine)[KeyId(keyid)] for keyid in keys}


def test_roles_that_people_sign_wait_for_them(engine: Engine, tmp_path: Path) -> None:
    """All else goes on without them, and they sign above what clients have seen once they are here."""
    check_client(engine, tmp_path / "old")
    engine.keys.away = {"tara"}
    again, report = rebuilt(engine, tmp_path / "new")
    assert report.older == ()
    renew(again.ports)
    assert look(again.ports).health is Health.HEALTHY
    again.add("vendor/new", b"new")
    publish(again.ports)
    waits = renew(again.ports, force=["team"])
    assert [each.name for each in waits.waiting] == ["team"]
    check_client(again, tmp_path / "old")
    engine.keys.away = set()
    renew(again.ports, force=["team"])
    with again.ports.state.read() as reader:
        assert reader.role(TEAM).visible > JUMP
    check_client(again, tmp_path / "old")
    check_client(again, tmp_path / "fresh")
    assert verify_own(again.ports, depth=Depth.FULL).problems == ()


def test_a_newer_version_that_people_signed_is_gone_above_by_them(engine: Engine, tmp_path: Path) -> None:
    """Where an older timestamp was put back it is named, and clients that saw it follow what is signed above."""
    before = engine.metadata.files["timestamp.json"]
    engine.add("team/late", b"late")
    engine.add("ops/late", b"late")
    publish(engine.ports)
    check_client(engine, tmp_path / "warm")
    engine.metadata.show("timestamp.json", before)
    with pytest.raises(InvalidMetadata, match="newer"):
        rebuilt(engine, tmp_path / "refused")
    again, report = rebuilt(engine, tmp_path / "new", passed_over=10**9)
    assert report.older == ("team",)
    del again.contents["team/late"], again.contents["ops/late"]
    renew(again.ports, force=["team"])
    check_client(again, tmp_path / "warm")
    check_client(again, tmp_path / "fresh")


def test_roles_that_only_newer_snapshots_list_stay_listed(engine: Engine, tmp_path: Path) -> None:
    """A delegation that came after the timestamp that was put back: its name is taken, and clients go on."""
    before = engine.metadata.files["timestamp.json"]
    delegate(engine, "late", "late/*")
    client_of(engine, tmp_path / "warm").refresh()
    engine.metadata.show("timestamp.json", before)
    again, _ = rebuilt(engine, tmp_path / "new", passed_over=10**9)
    renew(again.ports)
    check_client(again, tmp_path / "warm")
    delegate(again, "late", "late/*")
    again.add("late/x", b"again")
    publish(again.ports)
    check_client(again, tmp_path / "warm")
    with again.ports.state.read() as reader:
        assert reader.role(RoleName("late")).visible > 1


def test_keys_that_earlier_delegations_listed_are_not_let_back_unasked(engine: Engine, tmp_path: Path) -> None:
    """Whether another one took its place, deeper down, too, or its role has left."""
    for name in ("tom", "dora", "greta"):
        engine.make_key(name)
    delegate(engine, "guests", "guests/*", signers=("greta",))
    change(engine, RoleName("inner"), signers=("dora",))
    change(engine, RoleName("inner"), signers=("tom",))
    undelegate(engine, "guests")
    again, report = rebuilt(engine, tmp_path / "new")
    assert sorted(filter(None, report.dropped.values())) == ["dora", "greta"]
    assert suspects(again) == {"dora", "greta"}
    _, report = rebuilt(engine, tmp_path / "nameless", keys=[])
    assert sorted(filter(None, report.dropped.values())) == ["former-guests-1", "former-inner-1"]
    assert {"team-1", "inner-1", "online", "root-1", "root-2"} <= {key.name for key in report.keys}


def rotating(engine: Engine, *, rooted: bool = True) -> None:
    """The online key is on its way out, and signs all that is delegated; `rooted`: root names another one already."""
    change(engine, TEAM, signers=())
    engine.make_key("online-2")
    engine.rotations.rotate("online", "online-2", kind=RotationKind.PLANNED, overlap=DAY)
    renew(engine.ports)
    for view in engine.events.views():
        if rooted:
            engine.events.sign(view.event.name)
    renew(engine.ports)


@pytest.mark.parametrize("rooted", [True, False])
def test_a_rotation_that_was_cut_off_is_brought_to_its_end(engine: Engine, tmp_path: Path, *, rooted: bool) -> None:
    """The key that root does not name goes out of every role that lets it sign, bins of delegated roles with them."""
    check_client(engine, tmp_path / "old")
    rotating(engine, rooted=rooted)
    goes, stays = ("online", "online-2") if rooted else ("online-2", "online")
    old = engine.keys.made["online"].entry.keyid
    again, report = rebuilt(engine, tmp_path / "new", answered=frozenset({old}) if rooted else frozenset())
    assert report.strays == (goes,)
    renew(again.ports)
    for role in ("targets", "team", "vendor", "bins"):
        assert lists(again, role) == {stays}, role
    assert verify_own(again.ports, depth=Depth.FULL).problems == ()
    assert look(again.ports).health is Health.HEALTHY
    check_client(again, tmp_path / "old")
    check_client(again, tmp_path / "fresh")


def test_roles_that_a_former_key_alone_signed_are_asked_about(engine: Engine, tmp_path: Path) -> None:
    """A delegated role that is signed online, or a bin of one, may have been put there by whoever has the old key."""
    old = engine.keys.made["online"].entry.keyid
    rotating(engine)

    def asked() -> tuple[KeyId, ...]:
        return former_signers(engine.metadata, read_published(engine.metadata), engine.metadata.files)

    assert asked() == (old,)
    with engine.ports.state.read() as reader:
        visible = {role.name: f"{role.visible}.{role.name}.json" for role in reader.roles() if role.kind in SIGNED}
    for name in visible.values():
        engine.metadata.show(name, signed_by(engine, engine.metadata.files[name], "online", "online-2"))
    assert asked() == ()
    for role in ("ops", "inner", "vendor", "bins", "vendor-bins-1", "bins-2"):
        whole = engine.metadata.files[visible[role]]
        engine.metadata.show(visible[role], signed_by(engine, whole, "online"))
        assert asked() == (old,), role
        with pytest.raises(InvalidMetadata, match="a key signed it that root does not name"):
            rebuilt(engine, tmp_path / f"refused-{role}")
        rebuilt(engine, tmp_path / f"answered-{role}", answered=frozenset({old}))
        engine.metadata.show(visible[role], whole)


def signed_by(engine: Engine, data: bytes, *names: str) -> bytes:
    """A file with the signatures of these keys."""
    signed, keys = json.loads(data)["signed"], [engine.keys.made[name] for name in names]
    payload = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    signatures = [{"keyid": key.entry.keyid, "sig": key.signer.sign(payload)} for key in keys]
    return json.dumps({"signatures": signatures, "signed": signed}).encode()

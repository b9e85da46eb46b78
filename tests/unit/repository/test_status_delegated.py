"""One look at a repository that delegates by names: each role stands there, and no key of one is left over."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.audited import copy_of, tamper
from tests.support.delegated import delegate, delegated
from tests.support.engine import Engine

from rstuf.errors import StateDamaged
from rstuf.model.layout import Layout
from rstuf.model.names import RoleName
from rstuf.model.policy import Periods
from rstuf.model.roles import RoleKind
from rstuf.repository.keys import view_keys
from rstuf.repository.renewal import renew
from rstuf.repository.reports import Health, RoleStatus, Status
from rstuf.repository.status import look


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A repository that delegates. Made once; tests take copies."""
    return delegated(tmp_path_factory.mktemp("made"))


@pytest.fixture
def engine(made: Engine, tmp_path: Path) -> Engine:
    """A copy to do as one likes with; its state is in `tmp_path`."""
    return copy_of(made, tmp_path)


def role(seen: Status, name: str, kind: RoleKind = RoleKind.DELEGATED) -> RoleStatus:
    (found,) = [each for each in seen.roles if (each.name, each.kind) == (name, kind)]
    return found


def test_every_role_is_seen_where_clients_meet_it(engine: Engine) -> None:
    """Root, targets, then each delegation before those below it with its bins, and the last two."""
    seen = look(engine.ports)
    assert [(each.name, each.kind.value, each.parent, each.depth, each.count) for each in seen.roles] == [
        ("root", "root", None, 0, 1),
        ("targets", "targets", None, 0, 1),
        ("team", "delegated", "targets", 0, 1),
        ("inner", "delegated", "team", 1, 1),
        ("ops", "delegated", "targets", 0, 1),
        ("vendor", "delegated", "targets", 0, 1),
        ("vendor-bins", "bin", "vendor", 1, 4),
        ("bins", "delegated", "targets", 0, 1),
        ("bins", "bin", "bins", 1, 4),
        ("snapshot", "snapshot", None, 0, 1),
        ("timestamp", "timestamp", None, 0, 1),
    ]
    assert (seen.health, seen.bins, seen.artifacts) == (Health.HEALTHY, 8, 18)
    tara = engine.keys.made["tara"].entry.keyid
    team = role(seen, "team")
    assert (team.threshold, team.keyids, team.signed_by) == (1, (tara,), (tara,))
    assert role(seen, "ops").keyids == role(seen, "timestamp", RoleKind.TIMESTAMP).keyids


@pytest.mark.parametrize("layout", [Layout.CLASSIC, Layout.FLAT])
def test_other_layouts_are_seen_too(tmp_path: Path, layout: Layout) -> None:
    """Bins by hash prefixes stand together like succinct ones, and where there are none, none are told."""
    seen = look(delegated(tmp_path, layout).ports)
    bins = [(each.name, each.count) for each in seen.roles if each.kind is RoleKind.BIN]
    assert bins == [("vendor-bins", 4), *([("bins", 4)] if layout is Layout.CLASSIC else [])]
    assert seen.health is Health.HEALTHY


def test_each_role_has_its_own_dates(engine: Engine) -> None:
    """A role that lives shorter than the others is due, and overdue, alone."""
    delegate(engine, "short", "short/*", periods=Periods.of(timedelta(hours=12)))
    engine.moved_on(hours=11)
    seen = look(engine.ports)
    assert (seen.health, role(seen, "short").health, role(seen, "ops").health) == (
        Health.DUE,
        Health.DUE,
        Health.HEALTHY,
    )
    engine.moved_on(hours=2)
    assert role(look(engine.ports), "short").health is Health.OVERDUE
    renew(engine.ports)
    assert look(engine.ports).health is Health.HEALTHY


@pytest.mark.parametrize(("file", "name"), [("team", "team"), ("inner", "inner"), ("vendor", "vendor")])
@pytest.mark.parametrize("how", ["gone", "other"])
def test_a_file_that_clients_cannot_read_is_damage(engine: Engine, file: str, name: str, how: str) -> None:
    """A delegated role whose file is missing or changed is named, and a renewal puts it back as it was signed."""
    version = role(look(engine.ports), name).version
    data = engine.metadata.files[f"{version}.{file}.json"]
    engine.metadata.remove(f"{version}.{file}.json")
    if how == "other":
        engine.metadata.show(f"{version}.{file}.json", data + b" ")
    seen = look(engine.ports)
    assert [each.name for each in seen.roles if each.health is Health.DAMAGED] == [name]
    renew(engine.ports)
    assert look(engine.ports).health is Health.HEALTHY
    assert engine.metadata.files[f"{version}.{file}.json"] == data


def test_bins_of_a_delegated_role_are_looked_for(engine: Engine) -> None:
    """A bin that is lost is told with those of its role, and not with others."""
    (name,) = [name for name in engine.metadata.files if name.endswith(".vendor-bins-2.json")][-1:]
    engine.metadata.remove(name)
    seen = look(engine.ports)
    assert role(seen, "vendor-bins", RoleKind.BIN).lost == ("vendor-bins-2",)
    assert role(seen, "bins", RoleKind.BIN).lost == ()


def test_keys_of_delegated_roles_are_used(engine: Engine, tmp_path: Path) -> None:
    """What a key signs is told role by role; one that only a delegated role lists is needed, and is no stray."""
    uses = {
        view.entry.name: [(use.role, use.threshold, use.keys) for use in view.uses] for view in view_keys(engine.ports)
    }
    online = ["targets", "snapshot", "timestamp", "inner", "ops", "vendor", "vendor-bins", "bins"]
    assert uses == {
        "one": [("root", 1, 2)],
        "two": [("root", 1, 2)],
        "online": [(name, 1, 1) for name in online],
        "tara": [("team", 1, 1)],
    }
    seen = {key.name: (key.needed, key.stray, key.online, key.leaked_in) for key in look(engine.ports).keys}
    assert seen["tara"] == (True, False, False, ())
    assert seen["online"] == (True, False, True, ())
    assert tamper(tmp_path, "INSERT INTO key_loss SELECT keyid, 'leaked', 1 FROM key WHERE name = 'tara'")
    after = look(engine.ports)
    assert [(key.name, key.leaked_in) for key in after.keys if key.leaked_in] == [("tara", ("team",))]
    assert (after.health, [key.stray for key in after.keys]) == (Health.DUE, [False] * 4)


def test_a_state_without_a_delegated_role_is_damaged(engine: Engine, tmp_path: Path) -> None:
    """A row that is gone is an error that says so."""
    assert tamper(tmp_path, "DELETE FROM role WHERE name = 'ops'")
    with pytest.raises(StateDamaged, match="it has no role ops"):
        look(engine.ports)


def test_a_role_that_left_is_not_seen(made: Engine) -> None:
    """Nobody has to sign it again."""
    assert RoleName("gone") not in {each.name for each in look(made.ports).roles}

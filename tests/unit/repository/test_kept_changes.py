"""Changes that are kept back for what others have signed: it comes out whoever holds them, and nothing brings them
before."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.delegated import delegate, where
from tests.support.engine import Engine, check_client
from tests.unit.repository.test_delegated_events import whole

from rstuf.model.names import RoleName
from rstuf.repository.publish import publish
from rstuf.repository.reports import PublicationReport


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """ops, which tara and tom sign, has an artifact; they are away, as are vic and vera, who sign nothing yet."""
    engine = Engine.live(tmp_path / "repository")
    for path in ("a.txt", "ops/a"):
        engine.add(path, path.encode())
    publish(engine.ports)
    for name in ("tara", "tom", "vic", "vera"):
        engine.make_key(name)
    delegate(engine, "ops", "ops/*", signers=("tara", "tom"), threshold=2)
    engine.keys.away.update(["tara", "tom", "vic", "vera"])
    return engine


@pytest.fixture
def signed(engine: Engine) -> Engine:
    """docs, which is for some of what ops is for, waits as docs-v1; vera has signed it, and vic has not."""
    delegate(engine, "docs", "ops/d*", signers=("vic", "vera"), threshold=2, before=RoleName("ops"))
    assert whole(engine, "docs-v1", docs="vera") == []
    return engine


def waiting(report: PublicationReport) -> list[tuple[str, str | None, bool]]:
    """The roles that wait, in which event, and whether more was accepted for them since."""
    return [(each.name, each.event, each.behind) for each in report.waiting]


def names(engine: Engine) -> list[str]:
    """The events that wait."""
    return [view.event.name for view in engine.events.views()]


def test_a_role_of_others_loses_what_nobody_saw_without_them(signed: Engine, tmp_path: Path) -> None:
    """What goes was never in the list of ops: docs comes out without its people, and the change with docs' next
    version."""
    signed.add("ops/dn", b"new")
    assert waiting(publish(signed.ports)) == [("docs", "docs-v1", True)]
    assert names(signed) == ["docs-v1"]
    clients_see = {path: data for path, data in signed.contents.items() if path != "ops/dn"}
    accepted, signed.contents = dict(signed.contents), clients_see
    assert whole(signed, "docs-v1", docs="vic") == [("docs-v1", None)]
    view = check_client(signed, tmp_path / "client")
    assert (view.roles["docs"], view.roles["ops"]) == (1, 1)
    assert where(signed)["ops/dn"] == "docs pending"
    assert waiting(publish(signed.ports)) == [("docs", "docs-v2", False)]
    assert whole(signed, "docs-v2", docs="vera") == []
    assert whole(signed, "docs-v2", docs="vic") == [("docs-v2", None)]
    signed.contents = accepted
    check_client(signed, tmp_path / "client")
    assert names(signed) == []


def test_what_goes_while_it_is_removed_is_in_one_list(engine: Engine, tmp_path: Path) -> None:
    """Removed and kept back, it goes to the role that was signed with it, and its bin lists it no more."""
    engine.add("solo/x", b"x")
    publish(engine.ports)
    delegate(engine, "solo", "solo/*", signers=("vic", "vera"), threshold=2)
    assert whole(engine, "solo-v1", solo="vera") == []
    home = where(engine)["solo/x"].split()[0]
    engine.remove("solo/x")
    assert waiting(publish(engine.ports)) == [("solo", "solo-v1", True)]
    engine.contents["solo/x"] = b"x"
    assert whole(engine, "solo-v1", solo="vic") == [("solo-v1", None)]
    check_client(engine, tmp_path / "client")
    assert where(engine)["solo/x"] == "solo removing"
    with engine.ports.state.read() as reader:
        version = reader.role(RoleName(home)).visible
    assert b"solo/x" not in engine.ports.metadata.read(f"{version}.{home}.json", limit=100_000)

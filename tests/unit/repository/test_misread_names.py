"""Names and orders that clients in JavaScript take for something else: refused where they spoil all, told elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.delegated import delegate
from tests.support.engine import Engine, check_client, plan_document

from rstuf.errors import ClientsExcluded, InvalidRoleName
from rstuf.model.artifacts import Artifact
from rstuf.model.names import target_path
from rstuf.repository.artifacts import add_described
from rstuf.repository.publish import publish


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine.live(tmp_path / "repository", document=plan_document(bins=2))


@pytest.mark.parametrize("name", ["7", "0", "2024", "4294967296", "constructor", "toString", "valueOf"])
def test_roles_that_cannot_be_called_so(engine: Engine, name: str) -> None:
    """Such a name would take the whole repository, or the role, from tuf-js: nobody can delegate to it."""
    before = dict(engine.metadata.files)
    with pytest.raises(InvalidRoleName, match="clients in JavaScript"):
        delegate(engine, name, "team/*")
    assert dict(engine.metadata.files) == before


@pytest.mark.parametrize("name", ["01", "7up", "v7", "7-7", "Constructor", "tostring"])
def test_roles_that_only_look_like_it(engine: Engine, name: str) -> None:
    """Names that no client takes for something else are let in."""
    engine.add("team/x", b"x")
    assert delegate(engine, name, "team/*").moved == 1


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("constructor", "something of their own"),
        ("__proto__", "something of their own"),
        ("a/x ", "ends with a space"),
        ("a/constructor", None),
        ("a /x", None),
        ("Constructor", None),
    ],
)
def test_a_path_that_some_do_not_find_is_told(engine: Engine, path: str, said: str | None) -> None:
    """It is accepted, with a warning, by its content as by its record."""
    offered = Artifact(target_path(path), 1, {"sha256": "0" * 64})
    change = add_described(engine.ports, offered)
    assert [(each.code, each.path) for each in change.warnings] == ([("misread-path", path)] if said else [])
    assert not said or said in change.warnings[0].message


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["constructor"], "does not find 'constructor'"),
        (["x "], "x ': it ends with a space"),
        (["a/\uff21", "a/\U0001f600"], "in another order"),
    ],
)
def test_tuf_js_is_kept_from_what_it_would_misread(
    engine: Engine, tmp_path: Path, paths: list[str], reason: str
) -> None:
    """Where tuf-js has to read a repository, it is refused before anybody sees it; without that, others find it."""
    for number in range(40):
        # With so many, two of them share a bin.
        for path in paths:
            engine.add(path if number == 0 else f"{number}{path}", b"x")
    guarded = engine.with_ports(clients=("tuf-js",))
    before = engine.metadata.files["timestamp.json"]
    with pytest.raises(ClientsExcluded, match=f"tuf-js: it .*{reason}"):
        publish(guarded.ports)
    assert engine.metadata.files["timestamp.json"] == before
    publish(engine.ports)
    check_client(engine, tmp_path / "client")


def test_what_all_read_alike_is_no_obstacle(engine: Engine, tmp_path: Path) -> None:
    """Letters of either kind alone, and names that only look so, come out for tuf-js, too."""
    engine.add("a/\U0001f600", b"x")
    engine.add("a/constructor", b"x")
    engine.add(' ":{', b"x")
    publish(engine.with_ports(clients=("tuf-js",)).ports)
    check_client(engine, tmp_path / "client")

"""What a renewal or a publication tells of itself is all that clients see new because of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.clients import Client
from tests.support.engine import Engine, check_client

from rstuf.model.rotation import RotationKind
from rstuf.repository import completing
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.reports import PublicationReport, Reason, RoleChange
from rstuf.repository.together import together


class Killed(BaseException):
    """The process ends here."""


def visible(engine: Engine) -> dict[str, int]:
    """The versions of all roles but root that clients see."""
    with engine.ports.state.read() as reader:
        return {str(role.name): role.visible for role in reader.roles() if role.name != "root"}


def cut_off(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The online key is replaced at once, and nothing is signed anew yet: the process ended once root was out."""

    def stops(_: object) -> None:
        raise Killed

    engine.add("a.txt", b"first")
    publish(engine.ports)
    engine.make_key("online-2")
    engine.rotations.rotate("online", "online-2", kind=RotationKind.LOST)
    with monkeypatch.context() as patched:
        patched.setattr(completing, "publish_under_new_root", stops)
        with pytest.raises(Killed):
            engine.events.sign("root-v2")


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize(
    "command",
    [
        lambda engine, more: renew(engine.ports, force=["bins"] if more else []).publication,
        lambda engine, more: publish(engine.ports),
    ],
    ids=["renew", "publish"],
)
def test_what_a_replacement_left_to_sign_is_told(
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[[Engine, bool], PublicationReport],
    more: bool,
) -> None:
    """Both the publication that ends it and what comes out beside it, each role once, over what was seen before."""
    cut_off(engine, monkeypatch)
    if more:
        engine.add("b.txt", b"second")
    client = Client.fresh(tmp_path / "client", engine.site(), root=engine.root(), now=engine.clock.now())
    with pytest.raises(Exception, match="signed by 0/1 keys"):
        client.refresh()
    before = visible(engine)
    told, after = command(engine, more), visible(engine)
    assert told.published
    assert told.timestamp_version == after["timestamp"]
    changed = {name: (before[name], version) for name, version in after.items() if version != before[name]}
    assert {str(each.name): (each.previous, each.version) for each in told.roles} == changed
    assert {"targets", "bins-0", "snapshot", "timestamp"} <= changed.keys()
    assert [each.name for each in told.roles][-1] == "timestamp"
    publish(engine.ports)
    check_client(engine, tmp_path / "after")


def report(version: int, **roles: tuple[int, int]) -> PublicationReport:
    """A publication of these roles: what was seen before, and what is now."""
    changes = [RoleChange(name, *versions, Reason.DUE) for name, versions in roles.items()]  # type: ignore[arg-type]
    return PublicationReport(published=True, timestamp_version=version, roles=tuple(changes), length=version)


def test_publications_are_told_as_one() -> None:
    """A role that came out twice stands once, from the first before to the last after; nothing is left out."""
    first, second = report(7, bins=(1, 2), timestamp=(6, 7)), report(8, snapshot=(3, 4), timestamp=(7, 8))
    told = together(None, first, None, second)
    assert told is not None
    assert [(each.name, each.previous, each.version) for each in told.roles] == [
        ("bins", 1, 2),
        ("snapshot", 3, 4),
        ("timestamp", 6, 8),
    ]
    assert (told.published, told.timestamp_version, told.length) == (True, 8, 15)
    nothing = PublicationReport(published=False, timestamp_version=8)
    last = together(first, nothing)
    assert last is not None
    assert (last.published, last.roles) == (True, first.roles)
    assert (together(), together(None), together(first)) == (None, None, first)

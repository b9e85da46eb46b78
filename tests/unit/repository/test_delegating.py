"""Named delegations come, change and go: what clients of any age find, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.engine import Engine, check_client, plan_document

from rstuf.errors import (
    DelegationNotFound,
    InvalidInput,
    InvalidPolicy,
    InvalidRoleName,
    PathsDisputed,
    ReleaseRefused,
    RstufError,
)
from rstuf.model.artifacts import View
from rstuf.model.names import TARGETS, RoleName, TargetPath
from rstuf.model.patterns import path_pattern
from rstuf.model.rotation import RotationKind
from rstuf.repository import handing_over
from rstuf.repository.authority import load_authority
from rstuf.repository.delegating import (
    DelegationChange,
    DelegationPlan,
    DelegationReport,
    bring_proposal,
    propose_addition,
    propose_change,
    propose_removal,
)
from rstuf.repository.delegation_views import list_delegations
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.renewal import renew

TEAM, DEEP = RoleName("team"), RoleName("deep")
PATHS = ("a.txt", "b.txt", "team/one.txt", "team/two.txt", "team/deep/three.txt", "team/deep/four.txt")


def live(tmp_path: Path, **options: Any) -> Engine:
    engine = Engine.live(tmp_path / "repository", **options)
    for path in PATHS:
        engine.add(path, path.encode())
    publish(engine.ports)
    return engine


def with_people(tmp_path: Path) -> Engine:
    """The same, where tara signs targets; she is here."""
    document = plan_document(targets={"threshold": 1, "signers": ["tara"], "expires": "365d"})
    document["keys"] = {**document["keys"], "tara": {**document["keys"]["online"], "signer": "file:keys/tara.key"}}
    return live(tmp_path, document=document)


@pytest.fixture
def filled(tmp_path: Path) -> Engine:
    return live(tmp_path)


def add(engine: Engine, name: str, *paths: str, **more: Any) -> DelegationReport:
    plan = DelegationPlan(name=RoleName(name), paths=tuple(map(path_pattern, paths)), **more)
    return bring_proposal(engine.ports, propose_addition(engine.ports, plan))


def change(engine: Engine, name: str, **what: Any) -> DelegationReport:
    return bring_proposal(engine.ports, propose_change(engine.ports, RoleName(name), DelegationChange(**what)))


def remove(engine: Engine, name: str) -> DelegationReport:
    return bring_proposal(engine.ports, propose_removal(engine.ports, RoleName(name)))


def roles(engine: Engine, *, view: View = View.ACCEPTED) -> dict[str, str]:
    """Which role has each artifact; bins by what they begin with."""
    with engine.ports.state.read() as reader:
        return {each.artifact.path: each.role.partition("-")[0] for each in reader.artifacts(view=view)}


def is_sound(engine: Engine) -> bool:
    """Whether the state agrees with itself, and counts what there is."""
    with engine.ports.state.read() as reader:
        counted = reader.totals().artifacts
        return not list(reader.damage()) and counted == len(list(reader.artifacts())) == len(engine.contents)


def test_a_delegation_comes_and_goes(filled: Engine, tmp_path: Path) -> None:
    """Artifacts go to the role that is for them and back again, and no client misses one, whatever it remembers."""
    check_client(filled, tmp_path / "first")
    report = add(filled, "team", "team/*")
    assert (report.moved, report.publication.published) == (2, True)
    assert roles(filled)["team/one.txt"] == "team"
    assert roles(filled)["team/deep/three.txt"] == "bins"
    for memory in ("first", "second"):
        check_client(filled, tmp_path / memory)
    filled.add("team/later.txt", b"later")
    filled.add("c.txt", b"c")
    publish(filled.ports)
    assert roles(filled)["team/later.txt"] == "team"
    for memory in ("first", "second"):
        check_client(filled, tmp_path / memory)
    assert remove(filled, "team").moved == 3
    assert set(roles(filled).values()) == {"bins"}
    for memory in ("first", "second", "third"):
        check_client(filled, tmp_path / memory)
    assert is_sound(filled)


def test_three_deep_in_any_order(filled: Engine, tmp_path: Path) -> None:
    """A role may delegate part of what it has; what it delegates goes deeper, and what it keeps stays."""
    add(filled, "team", "team/*", "team/*/*")
    check_client(filled, tmp_path / "first")
    assert add(filled, "deep", "team/deep/*", parent=TEAM).moved == 2
    assert add(filled, "deepest", "team/deep/four*", parent=DEEP, terminating=True).moved == 1
    assert roles(filled) == {
        "a.txt": "bins",
        "b.txt": "bins",
        "team/one.txt": "team",
        "team/two.txt": "team",
        "team/deep/three.txt": "deep",
        "team/deep/four.txt": "deepest",
    }
    views = {view.delegation.name: (view.parent, view.depth, view.artifacts) for view in list_delegations(filled.ports)}
    assert views == {
        "team": ("targets", 0, 2),
        "deep": ("team", 1, 1),
        "deepest": ("deep", 2, 1),
        "bins": ("targets", 0, 2),
    }
    for memory in ("first", "second"):
        check_client(filled, tmp_path / memory)
    with pytest.raises(InvalidInput, match="team delegates to deep"):
        remove(filled, "team")
    filled.moved_on(days=40)
    renew(filled.ports)
    for name in ("deepest", "deep", "team"):
        remove(filled, name)
    for memory in ("first", "third"):
        check_client(filled, tmp_path / memory)
    assert is_sound(filled)


def test_the_order_decides(filled: Engine, tmp_path: Path) -> None:
    """Of two that are for a path the first has it; another order moves it."""
    add(filled, "every", "team/*")
    add(filled, "ones", "team/one*")
    assert roles(filled)["team/one.txt"] == "every"
    assert change(filled, "ones", before=RoleName("every")).moved == 1
    assert roles(filled)["team/one.txt"] == "ones"
    check_client(filled, tmp_path / "first")
    assert add(filled, "zero", "team/one.txt", before=RoleName("ones")).moved == 1
    check_client(filled, tmp_path / "first")
    assert is_sound(filled)


def test_other_paths_move_what_they_concern(filled: Engine, tmp_path: Path) -> None:
    """What it is not for any more goes back, and what it is for now comes."""
    add(filled, "team", "team/*")
    assert change(filled, "team", paths=(path_pattern("team/one*"), path_pattern("a*"))).moved == 2
    assert {path for path, role in roles(filled).items() if role == "team"} == {"team/one.txt", "a.txt"}
    check_client(filled, tmp_path / "first")
    with pytest.raises(InvalidInput, match="that is what team is already"):
        change(filled, "team", paths=(path_pattern("team/one*"), path_pattern("a*")))


def test_a_name_can_be_used_again(filled: Engine, tmp_path: Path) -> None:
    """Its versions go on, for whoever remembers what it was."""
    add(filled, "team", "team/*")
    check_client(filled, tmp_path / "first")
    filled.add("team/x", b"x")
    publish(filled.ports)
    with filled.ports.state.read() as reader:
        before = reader.role(TEAM).version
    remove(filled, "team")
    add(filled, "team", "a*")
    with filled.ports.state.read() as reader:
        assert reader.role(TEAM).version > before
    for memory in ("first", "second"):
        check_client(filled, tmp_path / memory)


def test_bins_under_a_delegation(filled: Engine, tmp_path: Path) -> None:
    """A delegated role is split into bins, resized, and goes with them."""
    add(filled, "team", "team/*", "team/*/*")
    check_client(filled, tmp_path / "first")
    for count in (8, 2, 4):
        assert resize_bins(filled.ports, count, role=TEAM).after == count
        check_client(filled, tmp_path / "first")
        filled.add(f"team/{count}", b"another")
        publish(filled.ports)
        check_client(filled, tmp_path / "first")
    assert resize_bins(filled.ports, 16).before == 4
    assert remove(filled, "team").moved == 7
    for memory in ("first", "second"):
        check_client(filled, tmp_path / memory)
    assert is_sound(filled)


@pytest.mark.parametrize(
    ("plan", "refusal", "reason"),
    [
        ({"name": "bins", "paths": ["x/*"]}, InvalidRoleName, "kept for bins"),
        ({"name": "Bins", "paths": ["x/*"]}, InvalidRoleName, "kept for bins"),
        ({"name": "bins-0", "paths": ["x/*"]}, InvalidRoleName, "kept for bins"),
        ({"name": "Bins-3f", "paths": ["x/*"]}, InvalidRoleName, "kept for bins"),
        ({"name": "team", "paths": []}, InvalidInput, "for no path"),
        ({"name": "team", "paths": ["x/*"], "parent": "nobody"}, DelegationNotFound, "nobody"),
        ({"name": "team", "paths": ["x/*"], "before": "nobody"}, DelegationNotFound, "nobody"),
        ({"name": "team", "paths": ["x/*"], "signers": ("nobody",)}, InvalidInput, "no key is called nobody"),
        ({"name": "team", "paths": ["x/*"], "threshold": 2}, InvalidPolicy, "the online key makes one"),
        (
            {"name": "team", "paths": ["x/*"], "signers": ("online", "mia")},
            InvalidInput,
            "the online key and by people",
        ),
        ({"name": "team", "paths": ["x/*"], "signers": ("mia",), "threshold": 2}, InvalidPolicy, "asks for 2"),
        ({"name": "team", "paths": ["?.txt"]}, None, ""),
        ({"name": "team", "paths": ["*/one.txt"]}, None, ""),
    ],
)
def test_what_cannot_be(
    filled: Engine, tmp_path: Path, plan: dict[str, Any], refusal: type[RstufError] | None, reason: str
) -> None:
    """What clients would not read alike, or nobody could sign, is refused, and nothing is changed by it."""
    plan = dict(plan)
    name, paths = plan.pop("name"), plan.pop("paths")
    filled.make_key("mia")
    before = dict(filled.metadata.files)
    if refusal is None:
        add(filled, name, *paths, **plan)
    else:
        with pytest.raises(refusal, match=reason):
            add(filled, name, *paths, **plan)
        assert dict(filled.metadata.files) == before
    check_client(filled, tmp_path / "client")
    assert is_sound(filled)


def test_a_disputed_path_is_named(filled: Engine, tmp_path: Path) -> None:
    """Some clients let a wildcard stand for a dot that a segment begins with: there is no right place for it."""
    filled.add("team/.hidden", b"hidden")
    publish(filled.ports)
    with pytest.raises(PathsDisputed, match=r"team/\.hidden"):
        add(filled, "team", "team/*")
    add(filled, "team", "team/o*")
    with pytest.raises(PathsDisputed):
        change(filled, "team", paths=(path_pattern("team/*"),))
    filled.remove("team/.hidden")
    publish(filled.ports)
    change(filled, "team", paths=(path_pattern("team/*"),))
    with pytest.raises(PathsDisputed):
        filled.add("team/.again", b"again")
    filled.contents.pop("team/.again", None)
    check_client(filled, tmp_path / "client")


def test_what_waits_moves_too(filled: Engine, tmp_path: Path) -> None:
    """What was accepted and not published goes with it, and comes out with it; what was removed stays away."""
    filled.add("team/new.txt", b"new")
    filled.add("a.txt", b"another a")
    filled.remove("team/two.txt")
    assert add(filled, "team", "team/*").moved == 2
    publish(filled.ports)
    check_client(filled, tmp_path / "client")
    assert is_sound(filled)


def test_what_comes_meanwhile_goes_where_it_belongs(
    filled: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is accepted between the look at all artifacts and the end of the publication is in its role afterwards."""
    true = handing_over.bring_out

    def bring_out(*args: Any, **options: Any) -> Any:
        filled.add("team/meanwhile.txt", b"meanwhile")
        filled.add("team/one.txt", b"another one")
        filled.remove("team/two.txt")
        return true(*args, **options)

    monkeypatch.setattr(handing_over, "bring_out", bring_out)
    add(filled, "team", "team/*")
    assert roles(filled)["team/meanwhile.txt"] == "team"
    publish(filled.ports)
    check_client(filled, tmp_path / "client")
    assert is_sound(filled)


def test_a_refused_publication_leaves_everything(
    filled: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing comes of it, each artifact is where it was, and the next one succeeds."""

    def refuse(*_: Any, **__: Any) -> None:
        raise ReleaseRefused(["on purpose"], hint="")

    where = roles(filled)
    with monkeypatch.context() as patch:
        patch.setattr("rstuf.repository.release._check", refuse)
        with pytest.raises(ReleaseRefused):
            add(filled, "team", "team/*")
    assert roles(filled) == where
    check_client(filled, tmp_path / "client")
    add(filled, "team", "team/*")
    check_client(filled, tmp_path / "client")
    assert is_sound(filled)


def test_a_proposal_that_is_outdated_is_refused(filled: Engine) -> None:
    """Whoever agreed to other delegations than those that are there is asked again."""
    plan = DelegationPlan(name=TEAM, paths=(path_pattern("team/*"),))
    proposal = propose_addition(filled.ports, plan)
    add(filled, "other", "b*")
    with pytest.raises(InvalidInput, match="published anew meanwhile"):
        bring_proposal(filled.ports, proposal)


def test_no_row_is_written_when_bins_are_taken_over(filled: Engine) -> None:
    """The bins go on under a role of their own: their files and every artifact's row stay as they are."""
    with filled.ports.state.read() as reader:
        before = list(reader.versions(reader.role(TARGETS).id, 0, 2**32 - 1))
        files = {role.name: role.visible for role in reader.roles() if role.index is not None}
    add(filled, "nobody", "nowhere/*")
    with filled.ports.state.read() as reader:
        assert list(reader.versions(reader.role(RoleName("bins")).id, 0, 2**32 - 1)) == before
        assert {role.name: role.visible for role in reader.roles() if role.index is not None} == files
        assert reader.artifact(TargetPath("a.txt")) is not None


def signers_below(engine: Engine) -> set[str]:
    """The names of the keys that sign anything below targets, by what delegates now."""
    with engine.ports.state.read() as reader:
        authority = load_authority(reader, engine.ports.metadata)
        names = {entry.keyid: entry.name for entry in reader.keys()}
    keys = [*authority.named.values(), *(each.signers for each in authority.shared.values())]
    return {names[keyid] for each in keys for keyid in each.keyids}


@pytest.mark.parametrize("kind", list(RotationKind))
@pytest.mark.parametrize("people", [False, True])
def test_the_online_key_is_replaced_below_every_delegation(tmp_path: Path, kind: RotationKind, *, people: bool) -> None:
    """It reaches roles of every depth and their bins, and clients of any age read on at each step of a planned one."""
    filled = with_people(tmp_path) if people else live(tmp_path)
    add(filled, "team", "team/*", "team/*/*")
    add(filled, "deep", "team/deep/*", parent=TEAM)
    resize_bins(filled.ports, 4, role=DEEP)
    check_client(filled, tmp_path / "first")
    filled.make_key("online-2")
    filled.rotations.rotate("online", "online-2", kind=kind, overlap=timedelta(days=1))
    if kind is RotationKind.PLANNED:
        check_client(filled, tmp_path / "first")
    if kind is RotationKind.LOST:
        filled.keys.made.pop("online")
    for _ in range(3):
        for view in filled.events.views():
            filled.events.sign(view.event.name)
        renew(filled.ports)
    check_client(filled, tmp_path / "second")
    filled.moved_on(hours=30)
    for _ in range(2):
        renew(filled.ports)
        for view in filled.events.views():
            filled.events.sign(view.event.name)
    assert signers_below(filled) == {"online-2"}
    with filled.ports.state.read() as reader:
        assert reader.rotation() is None
    filled.keys.made.pop("online", None)
    filled.add("team/deep/after.txt", b"after")
    publish(filled.ports)
    filled.moved_on(days=25)
    renew(filled.ports)
    for memory in ("first", "second", "third"):
        check_client(filled, tmp_path / memory)

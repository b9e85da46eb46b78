"""Named delegations from the first publication on: what a plan may say of them, and that clients find them at once."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.delegated import delegate, undelegate, where
from tests.support.engine import START, Engine, Keys, check_client, client_of, plan_document

from rstuf.errors import InvalidPlan, PathsNotDelegated, SignerUnavailable
from rstuf.metadata.bundle import DetachedSignature
from rstuf.metadata.views import open_envelope
from rstuf.model.names import RoleName
from rstuf.model.settings import Phase
from rstuf.repository.ceremony import prepare
from rstuf.repository.ceremony_end import finish_ceremony, proposed_authority
from rstuf.repository.plan import read_plan
from rstuf.repository.plan_notes import notes_on
from rstuf.repository.plan_text import render_plan
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.renewal import renew

TEAM = {"name": "team", "paths": ["team/*", "team/inner/*"]}
INNER = {"name": "inner", "paths": ["team/inner/*"], "parent": "team", "signers": ["vera"], "expires": "30d"}
OPS = {"name": "ops", "paths": ["team/a", "ops/*"], "terminating": True}
KEPT = ("team/a", "team/b", "team/inner/c", "ops/d")


def document(*tables: dict[str, Any], bins: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A plan with these delegations, with the keys that they name, and perhaps with bins."""
    plan = plan_document(delegations=list(tables), **more)
    del plan["bins"]
    signers = {name for each in tables for name in each.get("signers", ()) if isinstance(name, str)}
    for name in sorted(signers - {"online", "one", "nobody"}):
        plan["keys"].setdefault(name, {"generate": "ed25519", "signer": f"file:keys/{name}.key", "encrypt": False})
    return plan if bins is None else {**plan, "bins": bins}


@pytest.mark.parametrize(
    ("bins", "rest"),
    [
        ({"count": 4, "expires": "30d"}, True),
        ({"count": 4, "layout": "classic", "expires": "30d"}, True),
        ({"layout": "flat"}, True),
        (None, False),
    ],
)
def test_clients_find_all_of_it_at_once(tmp_path: Path, bins: dict[str, Any] | None, *, rest: bool) -> None:
    """Each role is there with the first timestamp, clients find artifacts by the order of the tables, now and later."""
    engine = Engine.live(tmp_path / "repository", document=document(OPS, TEAM, INNER, bins=bins))
    files = set(engine.metadata.files)
    assert {"1.targets.json", "1.team.json", "1.inner.json", "1.ops.json", "timestamp.json"} <= files
    client = client_of(engine, tmp_path / "early")
    client.refresh()
    for path in KEPT:
        engine.add(path, path.encode())
    if rest:
        engine.add("rest/e", b"e")
    publish(engine.ports)
    for memory in ("early", "late"):
        check_client(engine, tmp_path / memory)
    found = {path: state.partition(" ")[0] for path, state in where(engine).items()}
    assert [found[path] for path in KEPT] == ["ops", "team", "inner", "ops"]
    if not rest:
        with pytest.raises(PathsNotDelegated, match="rest/e"):
            engine.add("rest/e", b"e")
        engine.contents.pop("rest/e")
    engine.moved_on(days=25)
    renew(engine.ports)
    delegate(engine, "later", "team/b")
    undelegate(engine, "inner")
    if bins is not None and "count" in bins:
        resize_bins(engine.ports, 8)
    for memory in ("early", "late", "new"):
        check_client(engine, tmp_path / memory)
    with engine.ports.state.read() as reader:
        assert list(reader.damage()) == []


def test_the_last_delegation_goes_without_artifacts_alone(tmp_path: Path) -> None:
    """Where there is nothing but delegations, targets lists nothing, also when the last one is to go."""
    engine = Engine.live(tmp_path / "repository", document=document(TEAM))
    engine.add("team/a", b"a")
    publish(engine.ports)
    with pytest.raises(PathsNotDelegated, match="team/a"):
        undelegate(engine, "team")
    engine.remove("team/a")
    publish(engine.ports)
    undelegate(engine, "team")
    with pytest.raises(PathsNotDelegated, match="team/a"):
        engine.add("team/a", b"a")
    engine.contents.clear()
    delegate(engine, "all", "*/*")
    engine.add("team/a", b"a")
    publish(engine.ports)
    check_client(engine, tmp_path / "client")


@pytest.mark.parametrize(
    ("tables", "where_", "reason"),
    [
        ([{"paths": ["x/*"]}], "#1 name", "missing"),
        ([TEAM, {"name": "x"}], "#2 paths", "missing"),
        ([{"name": "x", "path": ["x/*"]}], "#1 paths", "but path is there"),
        ([{**TEAM, "paths": []}], "#1 paths", "list of patterns"),
        ([{**TEAM, "paths": ["a/**"]}], "#1 paths", r"\*\* is no more than"),
        ([{**TEAM, "paths": ["a/[bc]"]}], "#1 paths", "do not read alike"),
        ([{**TEAM, "name": "Targets"}], "#1 name", "top-level roles"),
        ([{**TEAM, "name": "bins"}], "#1 name", "kept for bins"),
        ([{**TEAM, "name": "BINS-3f"}], "#1 name", "kept for bins"),
        ([{**TEAM, "name": "../x"}], "#1 name", "file-name segment"),
        ([{**TEAM, "name": "7"}], "#1 name", "JavaScript"),
        ([TEAM, {**OPS, "name": "team"}], "#2 name", "#1 is called, too"),
        ([TEAM, {**OPS, "name": "TEAM"}], "#2 name", "#1 in case"),
        ([{**TEAM, "parent": "taem"}, {**OPS, "name": "other"}], "#1 parent", "taem"),
        ([{**TEAM, "parent": "team"}], "#1 parent", "below itself"),
        ([{**TEAM, "parent": "ops"}, {**OPS, "parent": "team"}], "#[12] parent", "below itself"),
        ([{**TEAM, "threshold": 2}], "#1 threshold", "online key"),
        ([{**TEAM, "signers": ["vera"], "threshold": 2}], "#1 threshold", "2 signatures of 1"),
        ([{**TEAM, "signers": ["vera"], "threshold": 0}], "#1 threshold", "0 signatures"),
        ([{**TEAM, "signers": ["vera"], "threshold": "1"}], "#1 threshold", "whole number"),
        ([{**TEAM, "signers": ["vera", "vera"]}], "#1 signers", "twice"),
        ([{**TEAM, "signers": ["nobody"]}], "#1 signers", r"no \[keys.nobody\]"),
        ([{**TEAM, "signers": ["one"]}], "#1 signers", "signs root"),
        ([{**TEAM, "signers": ["vera", "online"]}], "#1 signers", "and by people"),
        ([{**TEAM, "terminating": "yes"}], "#1 terminating", "true or false"),
        ([{**TEAM, "expires": "soon"}], "#1 expires", "period"),
        ([{**TEAM, "renew_before": "999d"}], "#1 renew_before", "shorter"),
        ([{**TEAM, "frobnicate": 1}], "#1 frobnicate", "does not know this key"),
    ],
)
def test_what_a_plan_cannot_say(tables: list[dict[str, Any]], where_: str, reason: str) -> None:
    """Each fault names its table by the number, its field, and what is wrong."""
    with pytest.raises(InvalidPlan, match=rf"\[\[delegations\]\] {where_}: .*{reason}"):
        read_plan(document(*tables))


@pytest.mark.parametrize(
    ("value", "reason"), [({"name": "x"}, "double brackets"), ("x", "must be tables"), ([1], "must")]
)
def test_delegations_that_are_no_tables(value: object, reason: str) -> None:
    """Single brackets, and whatever else is not tables, are told from what was meant."""
    with pytest.raises(InvalidPlan, match=reason):
        read_plan({**plan_document(), "delegations": value})


def test_a_deep_chain_is_refused() -> None:
    """No role lies deeper than clients look."""
    names = [f"level-{depth}" for depth in range(18)]
    tables = [
        {"name": name, "paths": ["a/*"], "parent": above}
        for above, name in zip(["targets", *names], names, strict=False)
    ]
    assert read_plan(document(*tables[:16])).delegations[-1].name == "level-15"
    with pytest.raises(InvalidPlan, match=r"#17 parent: level-16 would lie deeper"):
        read_plan(document(*tables))


@pytest.mark.parametrize("bins", [None, {"count": 4}, {"layout": "flat"}])
def test_saving_and_reading_is_the_identity(bins: dict[str, Any] | None) -> None:
    """What a plan says of delegations, its saved form says too; what it does not say is as targets has it."""
    plan = read_plan(document(TEAM, INNER, {**OPS, "renew_before": "3d"}, bins=bins))
    again = read_plan(tomllib.loads(render_plan(plan)))
    assert replace(again, digest=plan.digest) == plan
    assert plan.periods["team"] == plan.periods["targets"]


def test_an_empty_list_of_delegations_means_none() -> None:
    """Then bins are as they are by default, and have to be asked for."""
    with pytest.raises(InvalidPlan, match="table is missing"):
        read_plan(document())


def test_who_cannot_sign_here_comes_later() -> None:
    """A delegation that too few can sign here is refused before anything is made, with what adds it afterwards."""
    plan = document({**INNER, "parent": "targets", "signers": ["vera", "victor"], "threshold": 2})
    plan["keys"]["victor"] = {"public": "victor.pub"}
    keys = Keys()
    with pytest.raises(InvalidPlan, match=r"#1 signers: victor cannot sign here") as refused:
        prepare(read_plan(plan), maker=keys, signers=keys, now=START, reuse=False)
    assert refused.value.hint is not None
    assert refused.value.hint.endswith(
        "rstuf key generate vera; rstuf key add victor victor.pub; rstuf delegation add inner --path 'team/inner/*' "
        "--signer vera --signer victor --threshold 2"
    )
    assert keys.made == {}
    plan["delegations"][0]["threshold"] = 1
    keys.generate("victor.pub", "ed25519", "", encrypt=False, reuse=False, added=START)
    prepared = prepare(read_plan(plan), maker=keys, signers=keys, now=START, reuse=False)
    assert list(prepared.delegated) == ["inner"]


def test_who_should_be_here_and_is_not_keeps_it_from_beginning(tmp_path: Path) -> None:
    """A key that a delegation needs and that stays closed leaves nothing behind: nobody would end that ceremony."""
    plan = document(TEAM, INNER)
    plan["keys"]["vera"] = {"public": "vera", "signer": "file:vera.key"}
    engine = Engine.new(tmp_path / "repository", document=plan)
    engine.keys.generate("vera", "ed25519", "", encrypt=False, reuse=False, added=engine.clock.now())
    engine.keys.away.add("vera")
    with pytest.raises(SignerUnavailable):
        engine.ceremony()
    assert engine.metadata.files == {}


def _waiting(tmp_path: Path, *, targets: bool = False) -> Engine:
    """A ceremony that waits for a signer of root, and whose other people have gone home meanwhile."""
    plan = document(TEAM, INNER, bins={"count": 4, "expires": "30d"})
    plan["root"]["threshold"] = 2
    plan["keys"]["two"] = {"public": "two"}
    if targets:
        plan["targets"] = {"signers": ["two"], "expires": "365d"}
    engine = Engine.new(tmp_path / "repository", document=plan)
    engine.keys.generate("two", "ed25519", "", encrypt=False, reuse=False, added=engine.clock.now())
    engine.keys.away.add("two")
    assert engine.ceremony().waiting is not None
    engine.keys.away = {"one", "two", "vera"}
    with engine.ports.state.read() as reader:
        authority = proposed_authority(reader)
    assert list(authority.named) == ["team", "bins", "inner"]
    return engine


@pytest.mark.parametrize("targets", [False, True])
def test_a_ceremony_that_waits_needs_its_delegates_no_more(tmp_path: Path, *, targets: bool) -> None:
    """They sign when it begins; whoever brings the last signature ends it, and what they signed comes out then."""
    engine = _waiting(tmp_path, targets=targets)
    engine.moved_on(days=10)
    name = engine.events.views()[0].event.name
    signer = engine.keys.made["two"].signer
    parts = engine.events.bundle(name).parts
    signatures = [DetachedSignature(part.digest, signer.keyid, signer.sign(part.payload)) for part in parts]
    engine.events.receive(signatures)
    finish_ceremony(engine.ports)
    check_client(engine, tmp_path / "client")
    inner = open_envelope(engine.metadata.files["1.inner.json"], name="1.inner.json", kind="targets")
    assert (inner.expires - START).days == 30
    with engine.ports.state.read() as reader:
        role = reader.role(RoleName("inner"))
        assert role.signed_at == START
        assert reader.settings().phase is Phase.LIVE


def test_what_expired_while_it_waited_is_signed_anew(tmp_path: Path) -> None:
    """Its version is another one then, and until its signer is here nothing but root comes out."""
    engine = _waiting(tmp_path)
    engine.moved_on(days=40)
    name = engine.events.views()[0].event.name
    engine.events.receive([engine.signature(name, "two")])
    with pytest.raises(SignerUnavailable):
        finish_ceremony(engine.ports)
    assert set(engine.metadata.files) == {"1.root.json"}
    engine.keys.away.clear()
    finish_ceremony(engine.ports)
    assert "2.inner.json" in engine.metadata.files
    check_client(engine, tmp_path / "client")


def test_a_ceremony_that_is_cut_off_goes_on(tmp_path: Path) -> None:
    """Wherever writing ends, the same ceremony goes on there, and no client sees a delegation without its role."""
    plan, steps = document(TEAM, INNER, bins={"count": 2, "expires": "30d"}), 0
    while True:
        left = [steps]

        def change(_name: str, _data: bytes | None, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt

        engine = Engine.new(tmp_path / f"repository-{steps}", document=plan, on_change=change)
        try:
            engine.ceremony()
            break
        except KeyboardInterrupt:
            left[0] = 10**6
        if "timestamp.json" in engine.metadata.files:
            check_client(engine, tmp_path / f"between-{steps}")
        engine.ceremony()
        check_client(engine, tmp_path / f"client-{steps}")
        steps += 1
    assert steps > 3


def test_clients_that_cannot_read_it_are_named() -> None:
    """A plan says whom delegations cost, and nothing where that is nobody."""
    assert (
        notes_on(read_plan(document(TEAM, bins={"count": 4}, root={"threshold": 2, "signers": ["one", "two"]})))[-1]
        == "go-tuf cannot read it with delegations: it reads no bins by hash prefixes"
    )
    assert not any("delegations" in note for note in notes_on(read_plan(plan_document())))

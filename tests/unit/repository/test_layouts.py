"""Repositories for clients without TAP 15: bins by hash prefixes, and none at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.engine import Engine, check_client, plan_document

from rstuf.errors import ClientsExcluded, InvalidInput, InvalidPlan
from rstuf.metadata.bins import Bins
from rstuf.model.artifacts import slot_of
from rstuf.model.layout import Layout
from rstuf.model.names import TARGETS, RoleName, TargetPath
from rstuf.model.patterns import path_pattern
from rstuf.repository.authority import load_authority
from rstuf.repository.delegating import DelegationPlan, bring_proposal, propose_addition, propose_removal
from rstuf.repository.plan import read_plan
from rstuf.repository.plan_text import render_plan
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.renewal import renew

PATHS = [f"{directory}/{number}.bin" for directory in ("a", "team") for number in range(12)]


def live(tmp_path: Path, layout: Layout, *, bins: int = 4) -> Engine:
    table = {"layout": layout.value} | ({"count": bins} if layout is not Layout.FLAT else {})
    document = plan_document()
    document["bins"] = table
    engine = Engine.live(tmp_path / "repository", document=document)
    for path in PATHS:
        engine.add(path, path.encode())
    publish(engine.ports)
    return engine


@pytest.mark.parametrize("bits", range(1, 10))
def test_hash_prefixes_are_the_bins_of_slots(bits: int) -> None:
    """A path is in the bin by whose prefixes its hash begins, and the prefixes of all bins are every beginning once."""
    bins = Bins(bits, classic=True)
    every = [prefix for index in range(bins.count) for prefix in bins.hash_prefixes(index)]
    assert len(every) == len(set(every)) == 16 ** len(every[0])
    for path in PATHS:
        digits = f"{slot_of(path):08x}"
        assert digits.startswith(bins.hash_prefixes(bins.index_of_slot(slot_of(path))))


@pytest.mark.parametrize("layout", [Layout.CLASSIC, Layout.FLAT])
def test_clients_find_everything(tmp_path: Path, layout: Layout) -> None:
    """A stock client finds each artifact, after changes, renewals and delegations, whatever it remembers."""
    engine = live(tmp_path, layout)
    check_client(engine, tmp_path / "first")
    engine.remove(PATHS[0])
    engine.add("later", b"later")
    publish(engine.ports)
    check_client(engine, tmp_path / "first")
    engine.moved_on(days=30)
    renew(engine.ports)
    plan = DelegationPlan(name=RoleName("team"), paths=(path_pattern("team/*"),))
    assert bring_proposal(engine.ports, propose_addition(engine.ports, plan)).moved == 12
    for memory in ("first", "second"):
        check_client(engine, tmp_path / memory)
    engine.add("team/later", b"later")
    publish(engine.ports)
    assert bring_proposal(engine.ports, propose_removal(engine.ports, RoleName("team"))).moved == 13
    for memory in ("first", "second", "third"):
        check_client(engine, tmp_path / memory)
    with engine.ports.state.read() as reader:
        assert list(reader.damage()) == []


def test_classic_bins_can_change(tmp_path: Path) -> None:
    """Another number of them are named in targets, and clients of any age read on."""
    engine = live(tmp_path, Layout.CLASSIC, bins=2)
    for count in (16, 4, 32):
        resize_bins(engine.ports, count)
        check_client(engine, tmp_path / "first")
        check_client(engine, tmp_path / f"client-{count}")
    with engine.ports.state.read() as reader:
        shared = load_authority(reader, engine.ports.metadata).shared[TARGETS]
    assert (shared.bins.count, shared.bins.classic) == (32, True)


def test_a_flat_repository_has_one_role(tmp_path: Path) -> None:
    """Targets lists everything itself, and there is nothing to share out."""
    engine = live(tmp_path, Layout.FLAT)
    with engine.ports.state.read() as reader:
        listed = reader.artifact(TargetPath(PATHS[0]))
        assert listed is not None
        assert listed.role == TARGETS
        assert reader.listed_roles() == 1
    with pytest.raises(InvalidInput, match="shares nothing out"):
        resize_bins(engine.ports, 4)


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"layout": "flat", "count": 4}, "lists all artifacts itself"),
        ({"layout": "classic", "count": 8192}, "at most 4096"),
        ({"layout": "clasic"}, "not one of"),
        ({"layout": 1}, "must be text"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(table: dict[str, object], fault: str) -> None:
    """The layout and the number of bins have to go together."""
    with pytest.raises(InvalidPlan, match=fault):
        read_plan({**plan_document(), "bins": table})


@pytest.mark.parametrize("table", [{"layout": "flat"}, {"layout": "classic", "count": 64}, {"count": 8}])
def test_a_plan_is_written_as_it_is_read(table: dict[str, object]) -> None:
    """What is saved of a plan makes the same repository."""
    import tomllib

    plan = read_plan({**plan_document(), "bins": table})
    again = read_plan(tomllib.loads(render_plan(plan)))
    assert replace(again, digest="") == replace(plan, digest="")


def test_a_client_that_has_to_read_it_keeps_it_readable(tmp_path: Path) -> None:
    """What it could not read is refused before anything is published, and no version is taken."""
    engine = live(tmp_path, Layout.SUCCINCT)
    guarded = engine.with_ports(clients=("go-tuf",))
    before = dict(engine.metadata.files)
    plan = DelegationPlan(name=RoleName("team"), paths=(path_pattern("team/*"),))
    with pytest.raises(ClientsExcluded, match="go-tuf: it reads no bins by hash prefixes"):
        propose_addition(guarded.ports, plan)
    bring_proposal(engine.ports, propose_addition(engine.ports, plan))
    engine.add("team/one more", b"one more")
    after = dict(engine.metadata.files)
    assert after != before
    with pytest.raises(ClientsExcluded):
        publish(guarded.ports)
    assert dict(engine.metadata.files) == after
    publish(engine.ports)
    check_client(engine, tmp_path / "client")

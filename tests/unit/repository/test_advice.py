"""What a number of bins costs, and what is proposed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.audited import verified
from tests.support.clients import Client
from tests.support.delegated import delegate, delegated
from tests.support.engine import Engine, plan_document

from rstuf.errors import DelegationNotFound, InvalidInput, InvalidPolicy
from rstuf.metadata.render import versioned
from rstuf.model.layout import Layout
from rstuf.model.names import SNAPSHOT, RoleName
from rstuf.model.policy import BinSigners
from rstuf.model.roles import RoleKind
from rstuf.repository.advice import (
    OFFERED_BINS,
    Upkeep,
    client_cost,
    compare_bins,
    proposed_periods,
    recommended_bins,
)
from rstuf.repository.bin_advice import advise_bins
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins


@pytest.mark.parametrize(
    ("artifacts", "bins"), [(0, 16), (100, 16), (5_000, 256), (200_000, 2048), (1_000_000, 2048), (20_000_000, 16384)]
)
def test_what_is_recommended_grows_with_the_repository(artifacts: int, bins: int) -> None:
    """Few files need few bins; clients in JavaScript are kept as long as any choice keeps them."""
    assert recommended_bins(artifacts) == bins


@given(artifacts=st.integers(0, 10**9))
def test_what_is_recommended_is_offered(artifacts: int) -> None:
    """There is always a choice, and the advice is one of them."""
    offered = [cost.bins for cost in compare_bins(artifacts)]
    assert recommended_bins(artifacts) in offered
    assert offered == sorted(offered)
    assert set(offered) <= set(OFFERED_BINS)


def test_a_bin_that_no_client_reads_is_not_offered() -> None:
    """20 million files in 256 bins would be 16 MB each, and clients stop at 5."""
    assert client_cost(256, artifacts=20_000_000).too_large
    assert [cost.bins for cost in compare_bins(20_000_000)] == [2048, 16384]


def test_the_estimate_is_near_what_is_published(tmp_path: Path) -> None:
    """What a client of a real repository reads for its first artifact is what the advice had said, within a third."""
    engine = Engine.live(tmp_path / "repository", document=plan_document(bins=16))
    for number in range(400):
        engine.add(f"releases/1.{number}/application-{number}.tar.gz", b"content %d" % number)
    publish(engine.ports)
    files = engine.ports.metadata
    names = ["1.root.json", "timestamp.json", "1.targets.json"]
    with engine.ports.state.read() as reader:
        names.append(versioned(SNAPSHOT, reader.role(SNAPSHOT).visible))
        bins = [versioned(role.name, role.visible) for role in reader.roles(kind=RoleKind.BIN)]
    read = sum(len(files.read(name, limit=10**6)) for name in names)
    read += sum(len(files.read(name, limit=10**6)) for name in bins) // 16
    assert client_cost(16, artifacts=400).first == pytest.approx(read, rel=0.33)


def test_who_renews_says_how_long_things_live() -> None:
    """The more reliable who renews, the shorter a server can hold clients at an old state."""
    lives = [proposed_periods(upkeep)["timestamp"].expires for upkeep in (Upkeep.DAEMON, Upkeep.TIMER, Upkeep.PERSON)]
    assert lives == sorted(lives)
    assert len(set(lives)) == 3


def counting(engine: Engine, directory: Path) -> tuple[Client, list[int]]:
    """A client that is up to date, and the lengths of all that it reads."""
    sizes: list[int] = []
    site = engine.site()

    def read(name: str) -> bytes:
        data = site(name)
        sizes.append(len(data))
        return data

    client = Client(directory, read, root=engine.root(), now=engine.clock.now())
    client.refresh()
    return client, sizes


@pytest.mark.parametrize("layout", [Layout.SUCCINCT, Layout.CLASSIC])
def test_what_is_told_of_bins_below_delegations_is_what_clients_read(tmp_path: Path, layout: Layout) -> None:
    """Where named delegations come before the bins: bytes as a client reads them, and clients as lint names them."""
    engine = delegated(tmp_path / "repository", layout)
    for number in range(200):
        engine.add(f"releases/1.{number}/application-{number}.tar.gz", b"content %d" % number)
    publish(engine.ports)
    client, sizes = counting(engine, tmp_path / "client")
    assert client.find("releases/1.7/application-7.tar.gz") is not None
    advice = advise_bins(engine.ports, (16, 64))
    (current,) = [choice for choice in advice.choices if choice.current]
    assert (current.bins, advice.artifacts) == (4, 208)
    # The root is what the client had before; the last is the bin, and bins differ.
    assert len(engine.root()) + sum(sizes[:-1]) == current.first - current.more
    assert current.more / 2 < sizes[-1] < current.largest * 1.1
    clients = verified(engine).facts["clients"]
    assert {name for name, _ in current.excluded} == {name for name, said in clients.items() if not said["ok"]}
    assert "go-tuf" in dict(current.excluded)


@pytest.mark.parametrize("bins", [None, 16])
def test_what_is_told_of_a_role_is_what_clients_read(tmp_path: Path, bins: int | None) -> None:
    """Three deep, while it lists its artifacts itself, and what it was to be over bins once it is."""
    engine = delegated(tmp_path / "repository")
    role = RoleName("inner")
    paths = [f"team/inner/application-1.{number}.tar.gz" for number in range(200)]
    for path in paths:
        engine.add(path, path.encode())
    publish(engine.ports)
    before = advise_bins(engine.ports, (16,), role=role)
    assert [(each.bins, each.current) for each in before.choices] == [(1, True), (16, False)]
    assert (before.role, before.artifacts, before.advised) == ("inner", 202, 16)
    told = before.choices[0]
    if bins is not None:
        resize_bins(engine.ports, bins, role=role)
        (told,) = advise_bins(engine.ports, (16,), role=role).choices
        assert told.current
        assert before.choices[1].first == pytest.approx(told.first, rel=0.1)
        assert before.choices[1].more == told.more
    client, sizes = counting(engine, tmp_path / "client")
    assert client.find(paths[7]) is not None
    assert len(engine.root()) + sum(sizes) == pytest.approx(told.first, rel=0.1)
    assert told.largest == pytest.approx(sizes[-1], rel=0.5 if bins else 0.05)
    there = len(sizes)
    assert client.find(paths[8]) is not None
    assert (len(sizes) == there) is (bins is None) is (told.more == 0)


def test_what_no_role_can_have_is_not_compared(tmp_path: Path) -> None:
    """A role that delegates by names, one that is not there, and more bins than people sign."""
    engine = delegated(tmp_path)
    with pytest.raises(InvalidInput, match="delegates by names"):
        advise_bins(engine.ports, role=RoleName("team"))
    with pytest.raises(DelegationNotFound):
        advise_bins(engine.ports, role=RoleName("gone"))
    delegate(engine, "mine", "mine/*", signers=("tara",))
    report = resize_bins(engine.ports, 4, role=RoleName("mine"), signers=BinSigners.ROLE)
    assert report.waits is not None
    engine.events.sign(report.waits.event.name)
    assert [each.bins for each in advise_bins(engine.ports, role=RoleName("mine")).choices] == [4, 16, 64]
    with pytest.raises(InvalidPolicy, match="64 bins together at most"):
        advise_bins(engine.ports, (128,), role=RoleName("mine"))


def test_where_there_are_no_bins_there_is_nothing_to_compare(tmp_path: Path) -> None:
    """A flat repository shares nothing out, whatever roles of it do."""
    with pytest.raises(InvalidInput, match="shares nothing out"):
        advise_bins(delegated(tmp_path, Layout.FLAT).ports)

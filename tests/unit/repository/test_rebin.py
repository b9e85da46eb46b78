"""Another number of bins: everybody reads on, whatever is in their caches, and what is cut off is made up for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.clients import Client
from tests.support.engine import Engine, plan_document

from rstuf.errors import EventOpen, InvalidPolicy, LimitExceeded, SigningError
from rstuf.model.names import TARGETS
from rstuf.model.roles import RoleKind
from rstuf.repository import bin_layout
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.renewal import renew
from rstuf.repository.root_update import RootUpdate

NAMES = [f"dist/{number}.tar.gz" for number in range(30)]


@pytest.fixture
def filled(engine: Engine) -> Engine:
    for name in NAMES:
        engine.add(name, name.encode())
    publish(engine.ports)
    return engine


def client(engine: Engine, memory: Path) -> Client:
    return Client.fresh(memory, engine.site(), root=engine.root(), now=engine.clock.now())


def check(engine: Engine, *clients: Client) -> None:
    """Each of them finds everything, and nothing older than it had."""
    for each in clients:
        before = each.refresh()
        for name, data in engine.contents.items():
            assert each.download(name) == data
        assert each.refresh().older_than(before) == []


def layout(engine: Engine) -> int:
    with engine.ports.state.read() as reader:
        return len(list(reader.roles(kind=RoleKind.BIN)))


def test_clients_of_every_age_read_on(filled: Engine, tmp_path: Path) -> None:
    """Up and down, and back to numbers that were there before, with changes in between."""
    clients = [client(filled, tmp_path / "first")]
    check(filled, *clients)
    for step, count in enumerate([16, 2, 64, 4, 16]):
        filled.add(f"new/{step}", b"comes out with it")
        filled.remove(NAMES[step])
        report = resize_bins(filled.ports, count)
        assert (report.after, layout(filled)) == (count, count)
        assert report.publication is not None
        clients.append(client(filled, tmp_path / f"client-{step}"))
        check(filled, *clients)
        filled.add(f"after/{step}", b"in one of the new bins")
        assert len(publish(filled.ports).roles) == 3
        check(filled, *clients)
        filled.moved_on(days=25)
        renew(filled.ports)
        for each in clients:
            each.now = filled.clock.now()
        check(filled, *clients)


def test_no_row_is_written(filled: Engine) -> None:
    """Every artifact is kept as it was, under the number that it had."""
    with filled.ports.state.read() as reader:
        before = list(reader.versions(reader.role(TARGETS).id, 0, 2**32 - 1))
    resize_bins(filled.ports, 64)
    with filled.ports.state.read() as reader:
        assert list(reader.versions(reader.role(TARGETS).id, 0, 2**32 - 1)) == before


@pytest.mark.parametrize("count", [3, 1, 32768])
def test_numbers_that_cannot_be(filled: Engine, count: int) -> None:
    """Nothing is published."""
    before = dict(filled.metadata.files)
    with pytest.raises(InvalidPolicy):
        resize_bins(filled.ports, count)
    assert filled.metadata.files == before


def test_as_many_as_there_are_is_nothing_to_do(filled: Engine) -> None:
    """So a script can say it again."""
    before = dict(filled.metadata.files)
    report = resize_bins(filled.ports, 4)
    assert (report.before, report.after, report.publication, report.waits) == (4, 4, None, None)
    assert filled.metadata.files == before


def test_bins_that_nobody_could_read_are_refused(filled: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is begun."""
    monkeypatch.setattr("rstuf.metadata.limits.TARGETS_PAYLOAD_BYTES", 1200)
    before = dict(filled.metadata.files)
    with pytest.raises(LimitExceeded, match="bins-"):
        resize_bins(filled.ports, 2)
    assert filled.metadata.files == before
    with filled.ports.state.read() as reader:
        assert reader.resize(TARGETS) is None


def test_names_that_were_used_count(filled: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that would list too many of them is refused, unless somebody says that it may."""
    resize_bins(filled.ports, 32)
    monkeypatch.setattr("rstuf.model.policy.MAX_LISTED", 500)
    with pytest.raises(InvalidPolicy, match="549 names"):
        resize_bins(filled.ports, 512)
    resize_bins(filled.ports, 16)
    assert resize_bins(filled.ports, 512, allow_large=True).after == 512


def test_without_the_online_key_nothing_begins(filled: Engine) -> None:
    """What has to sign all of it is opened first."""
    filled.keys.away.add("online")
    before = dict(filled.metadata.files)
    with pytest.raises(SigningError):
        resize_bins(filled.ports, 8)
    assert filled.metadata.files == before


def test_what_was_cut_off_before_it_was_staged_counts_for_nothing(filled: Engine, tmp_path: Path) -> None:
    """The next one begins anew; until then changes go into the bins that there are."""
    with filled.ports.state.transaction(actor="test") as state:
        state.begin_resize(TARGETS, 3, bin_layout.new_bins(TARGETS, bin_layout.Bins(3)))
    filled.add("meanwhile", b"into the old bins")
    publish(filled.ports)
    check(filled, client(filled, tmp_path / "one"))
    resize_bins(filled.ports, 8)
    check(filled, client(filled, tmp_path / "two"))
    filled.add("afterwards", b"into the new ones")
    publish(filled.ports)
    check(filled, client(filled, tmp_path / "two"))


def test_where_people_sign_targets_they_sign_first(tmp_path: Path) -> None:
    """Until then nothing changes; with the last signature all bins come out."""
    document = plan_document(targets={"expires": "365d", "threshold": 2, "signers": ["one", "two"]})
    engine = Engine.live(tmp_path / "state", document=document)
    for name in NAMES:
        engine.add(name, name.encode())
    publish(engine.ports)
    old = client(engine, tmp_path / "old")
    check(engine, old)
    report = resize_bins(engine.ports, 16)
    assert report.publication is None
    assert report.waits is not None
    assert (report.waits.event.name, layout(engine)) == ("targets-v2", 4)
    with pytest.raises(EventOpen):
        resize_bins(engine.ports, 32)
    again = resize_bins(engine.ports, 32, drop=[report.waits.event])
    assert again.waits is not None
    engine.add("meanwhile", b"in the old bins")
    publish(engine.ports)
    check(engine, old)
    done = engine.events.sign(again.waits.event.name)
    assert [each.event.name for each in done.completions] == ["targets-v3"]
    assert layout(engine) == 32
    check(engine, old, client(engine, tmp_path / "new"))


def test_targets_that_wait_give_way(filled: Engine, tmp_path: Path) -> None:
    """What was proposed for other signers says the old number; dropped as it was shown, it is proposed anew."""
    filled.make_key("tia")
    update = RootUpdate(role=TARGETS, add=("tia",), remove=("online",))
    root, targets = filled.events.open(filled.events.propose(update))
    with pytest.raises(EventOpen):
        resize_bins(filled.ports, 16)
    resize_bins(filled.ports, 16, drop=[targets.event])
    assert [view.event.name for view in filled.events.views()] == [root.event.name]
    check(filled, client(filled, tmp_path / "one"))
    renew(filled.ports)
    filled.events.sign("root-v2")
    for view in filled.events.views():
        filled.events.sign(view.event.name)
    assert (filled.events.views(), layout(filled)) == ([], 16)
    check(filled, client(filled, tmp_path / "one"), client(filled, tmp_path / "two"))


def test_a_rotation_goes_on_over_it(filled: Engine, tmp_path: Path) -> None:
    """The new bins are signed by whoever may sign, and retired ones by nobody again."""
    old = client(filled, tmp_path / "old")
    check(filled, old)
    filled.make_key("online-2")
    filled.rotations.rotate("online", "online-2")
    resize_bins(filled.ports, 16)
    filled.events.sign("root-v2")
    check(filled, old, client(filled, tmp_path / "one"))
    resize_bins(filled.ports, 8)
    filled.moved_on(days=2)
    renew(filled.ports)
    for each in (old,):
        each.now = filled.clock.now()
    assert filled.rotations.current() is None
    check(filled, old, client(filled, tmp_path / "two"))

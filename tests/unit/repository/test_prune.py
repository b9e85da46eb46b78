"""Superseded metadata goes when the policy lets it, and nothing else ever does."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.audited import copy_of, said, verified
from tests.support.clients import Client
from tests.support.engine import Engine, check_client, client_of, plan_document, site_of
from tests.support.faulty import Power, faulty_engine, leave_committing
from tests.support.pruning import NOTHING, prune_as_planned, publish_often, reachable_names, unknown_files
from tuf.api.exceptions import DownloadHTTPError

from rstuf.errors import StorageError
from rstuf.locks import _LONGEST_PAUSE
from rstuf.model.names import RoleName
from rstuf.model.superseded import Retention
from rstuf.repository.prune import plan_prune, prune, prune_some, set_retention
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.renewal import renew
from rstuf.repository.reports import Recovery
from rstuf.repository.status import Health, look
from rstuf.storage.memory import MemoryMetadataStorage


def read_all(client: Client) -> int:
    """Every role and an artifact, in one session; how many bins there are."""
    client.refresh()
    client.download("a.txt")
    return client.walk()


def left_of(engine: Engine, role: str) -> list[str]:
    return sorted(name for name in engine.metadata.files if name.endswith(f".{role}.json"))


def test_both_must_have_passed(engine: Engine) -> None:
    """Five publications or thirty days alone let nothing go; what five publications brought stays whole beyond both."""
    publish_often(engine, 10)
    assert prune_as_planned(engine).removed == 0
    engine.moved_on(days=29, hours=23)
    assert prune_as_planned(engine).removed == 0
    engine.moved_on(hours=1)
    report = prune_as_planned(engine)
    # The ceremony's publication was the first of eleven: of six that are gone, each brought a snapshot and a bin.
    assert left_of(engine, "snapshot") == [f"{version}.snapshot.json" for version in (10, 11, 7, 8, 9)]
    assert (report.removed, report.kept) == (12, 8)
    assert prune_as_planned(engine).removed == 0


def test_it_counts_from_when_another_took_the_place(engine: Engine) -> None:
    """A file that clients read for a year stays for thirty days after that."""
    engine.moved_on(days=300)
    renew(engine.ports)
    publish_often(engine, 6)
    prune_as_planned(engine)
    assert "1.bins-0.json" in engine.metadata.files
    engine.moved_on(days=30)
    prune_as_planned(engine)
    assert "1.bins-0.json" not in engine.metadata.files


def test_only_what_clients_reach_is_left(engine: Engine, tmp_path: Path) -> None:
    """Where nothing is to be kept, roots and what is visible is all that lies there; clients of any age read on."""
    clients = []
    for step in range(4):
        clients.append(client_of(engine, tmp_path / f"client-{step}"))
        check_client(engine, tmp_path / f"client-{step}")
        publish_often(engine, 2)
        renew(engine.ports, force=["root", "targets", "bins"][: step + 1])
    prune_as_planned(engine, NOTHING)
    assert set(engine.metadata.files) == reachable_names(engine)
    assert left_of(engine, "root") == [f"{version}.root.json" for version in range(1, 6)]
    for step in range(4):
        check_client(engine, tmp_path / f"client-{step}")
    check_client(engine, tmp_path / "fresh")
    assert said(verified(engine)) == ""
    assert look(engine.ports).health is Health.HEALTHY


def test_bins_that_are_no_more_need_no_file(engine: Engine, tmp_path: Path) -> None:
    """Their last files stay for as long as the policy says and go then; snapshot lists them yet, and they come back."""
    engine.add("a.txt", b"one")
    resize_bins(engine.ports, 16)
    memory = check_client(engine, tmp_path / "client")
    resize_bins(engine.ports, 2)
    retired = {f"{memory.roles[f'bins-{index:x}']}.bins-{index:x}.json" for index in range(2, 16)}
    prune_as_planned(engine)
    assert retired <= set(engine.metadata.files)
    engine.moved_on(days=30)
    prune_as_planned(engine, Retention(publications=2, days=30))
    assert retired <= set(engine.metadata.files)
    publish_often(engine, 1)
    prune_as_planned(engine, Retention(publications=2, days=30))
    assert not retired & set(engine.metadata.files)
    renew(engine.ports)
    assert check_client(engine, tmp_path / "client").roles["bins-f"] == memory.roles["bins-f"]
    assert (said(verified(engine)), look(engine.ports).health) == ("", Health.HEALTHY)
    resize_bins(engine.ports, 16)
    assert check_client(engine, tmp_path / "client").roles["bins-f"] > memory.roles["bins-f"]
    assert prune_as_planned(engine, NOTHING).missing == 0
    assert set(engine.metadata.files) == reachable_names(engine)


@pytest.mark.parametrize("at", ["bins-0", "snapshot", "targets"])
def test_what_a_publication_left_that_was_given_up_goes(tmp_path: Path, at: str) -> None:
    """Files that no release ever had are superseded with the next one, whatever is known of them."""
    engine, faulty = faulty_engine(tmp_path / "repository")
    faulty.at = lambda name: at in name
    faulty.after = True
    with pytest.raises(Power):
        renew(engine.ports, force=["targets", "bins"])
    given_up = [name for name in engine.metadata.files if name.startswith("2.")]
    assert given_up
    prune_as_planned(engine, NOTHING)
    assert set(given_up) <= set(engine.metadata.files)
    publish_often(engine, 1)
    assert unknown_files(engine) == set()
    report = prune_as_planned(engine, NOTHING)
    assert set(engine.metadata.files) == reachable_names(engine)
    assert report.removed > 0
    assert said(verified(engine)) == ""


@pytest.mark.parametrize("shown", [False, True])
def test_what_clients_may_have_seen_stays_until_another_is_there(engine: Engine, tmp_path: Path, shown: bool) -> None:
    """A publication that was committed and then given up is superseded by the next one, and not before."""
    engine.add("a.txt", b"one")
    publish(engine.ports)
    engine.add("a.txt", b"two")
    unfinished = leave_committing(engine, lambda ports: renew(ports, force=["targets", "bins"]))
    assert unfinished.timestamp is not None
    if shown:
        engine.metadata.replace("timestamp.json", unfinished.timestamp)
    engine.moved_on(days=8)
    seen = dict(engine.metadata.files)
    report = prune(engine.ports, retention=NOTHING)
    assert report.recovery is Recovery.REDONE
    needed = reachable_names(engine)
    assert needed <= set(engine.metadata.files)
    assert {name for name in seen if name not in engine.metadata.files} <= {"1.snapshot.json", "1.bins-0.json"} | {
        name for name in seen if name.startswith("1.bins-")
    }
    renew(engine.ports)
    assert unknown_files(engine) == set()
    prune_as_planned(engine, NOTHING)
    assert set(engine.metadata.files) == reachable_names(engine)
    engine.contents.clear()
    check_client(engine, tmp_path / "client")
    assert said(verified(engine)) == ""


def test_an_interrupted_publication_is_brought_to_its_end_first(engine: Engine) -> None:
    """Nothing goes while it is open what clients see."""
    engine.add("a.txt", b"one")
    leave_committing(engine)
    assert prune(engine.ports, retention=NOTHING).recovery is Recovery.COMPLETED
    assert set(engine.metadata.files) == reachable_names(engine)


@pytest.mark.parametrize("pruned", [False, True])
def test_what_people_signed_comes_out_later(by_people: Engine, tmp_path: Path, pruned: bool) -> None:
    """Written by a publication that was given up, it is noted; it comes out all the same, pruned or not, and stays."""
    engine = by_people
    engine.keys.away = {"one", "two"}
    event = renew(engine.ports, force=["targets"]).waiting[0].event
    assert event is not None
    signature = engine.signature(event, "one")

    class Failing(MemoryMetadataStorage):
        def show(self, name: str, data: bytes) -> None:
            if "snapshot" in name:
                raise StorageError("write", name, "no space left on the disk")
            super().show(name, data)

    failing = Failing()
    failing._files = engine.metadata._files
    with pytest.raises(StorageError):
        engine.with_ports(metadata=failing).events.receive([signature])
    assert "2.targets.json" in engine.metadata.files
    if pruned:
        with engine.ports.state.transaction(actor="test") as state:
            state._connection.execute("UPDATE superseded_file SET since = 1, place = 1")  # type: ignore[attr-defined]
            state._connection.execute("UPDATE retention SET settled = 9")  # type: ignore[attr-defined]
        assert prune_some(engine.ports, limit=100).removed > 0
        assert "2.targets.json" not in engine.metadata.files
    publish(engine.ports)
    assert check_client(engine, tmp_path / "client").targets == 2
    assert unknown_files(engine) == set()
    prune_as_planned(engine, NOTHING)
    assert set(engine.metadata.files) == reachable_names(engine)
    assert check_client(engine, tmp_path / "client").targets == 2
    assert said(verified(engine)) == ""


class Cut(MemoryMetadataStorage):
    """A storage where the power goes after so many files are removed."""

    def __init__(self, files: Mapping[str, bytes], after: int) -> None:
        super().__init__()
        self._files, self.left = dict(files), after

    def remove(self, name: str) -> None:
        super().remove(name)
        self.left -= 1
        if self.left == 0:
            raise Power


def test_a_kill_between_a_file_and_its_note_is_made_up_for(tmp_path: Path) -> None:
    """Cut off after any file, before any note: the same again removes the rest, and lets every note go."""
    made = Engine.live(tmp_path / "made")
    publish_often(made, 3)
    total = len(plan_prune(made.ports, retention=NOTHING).files)
    assert total > 4
    for after in range(1, total + 1):
        (tmp_path / str(after)).mkdir()
        engine = copy_of(made, tmp_path / str(after))
        cut = Cut(engine.metadata.files, after)
        with pytest.raises(Power):
            prune(engine.with_ports(metadata=cut).ports, retention=NOTHING)
        assert len(cut.files) == len(engine.metadata.files) - after
        report = prune(engine.with_ports(metadata=cut).ports, retention=NOTHING)
        assert (report.removed, report.missing) == (total - after, after)
        with engine.ports.state.read() as reader:
            assert reader.noted_files() == 0
        assert set(cut.files) == reachable_names(made)


def test_a_call_does_a_bounded_part(engine: Engine) -> None:
    """Some files at a time, whoever publishes in between; one that must stay keeps no other one waiting."""
    set_retention(engine.ports, NOTHING)
    publish_often(engine, 5)
    engine.metadata.show("1.snapshot.json", b"something else")
    total = len(plan_prune(engine.ports).files)
    after, removed, calls = None, 0, 0
    while True:
        report = prune_some(engine.ports, limit=2, after=after)
        assert report.removed <= 2
        removed, calls, after = removed + report.removed, calls + 1, report.last
        if after is None:
            break
        if calls == 2:
            publish_often(engine, 1)
    assert removed >= total
    assert set(engine.metadata.files) == reachable_names(engine) | {"1.snapshot.json"}


def test_of_a_great_many_others_publish_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is free after each part, for longer than somebody who waits for it sleeps between two looks."""
    engine = Engine.live(tmp_path / "repository", document=plan_document(bins=512))
    for _ in range(3):
        renew(engine.ports, force=["bins"])
    pauses: list[timedelta] = []

    def meanwhile(duration: timedelta) -> None:
        pauses.append(duration)
        publish_often(engine, 1)

    monkeypatch.setattr(engine.clock, "sleep", meanwhile)
    assert prune(engine.ports, retention=NOTHING).removed >= 1539
    assert [pause.total_seconds() > _LONGEST_PAUSE for pause in pauses] == [True]
    assert unknown_files(engine) == set()
    check_client(engine, tmp_path / "client")


def test_it_waits_for_a_publisher_and_for_nobody_else(engine: Engine) -> None:
    """While somebody publishes nothing is removed; accepting goes on meanwhile, and a plan waits for nobody."""
    publish_often(engine, 3)
    done = threading.Event()
    removing = threading.Thread(target=lambda: (prune(engine.ports, retention=NOTHING), done.set()))
    with engine.ports.state.publication_lock(purpose="test"):
        before = dict(engine.metadata.files)
        removing.start()
        assert not done.wait(0.2)
        assert plan_prune(engine.ports, retention=NOTHING).files
        assert engine.metadata.files == before
    removing.join(5)
    assert done.is_set()
    assert set(engine.metadata.files) == reachable_names(engine)


def test_a_client_in_the_middle_of_the_last_publications_reads_on(engine: Engine, tmp_path: Path) -> None:
    """Whoever holds the timestamp of one of the last five finds all of that release; before that, only a new one."""
    ages: list[dict[str, bytes]] = []
    for _ in range(8):
        publish_often(engine, 1)
        ages.append(dict(engine.metadata.files))
    prune_as_planned(engine, Retention(publications=5, days=0))
    for age, then in enumerate(reversed(ages)):
        top = {"timestamp.json": then["timestamp.json"]}
        site = site_of({**engine.metadata.files, **top}, engine.artifacts.files)
        client = Client.fresh(tmp_path / "client", site, root=engine.root(), now=engine.clock.now())
        if age < 5:
            assert read_all(client) == 4
        else:
            with pytest.raises(DownloadHTTPError):
                read_all(client)


def test_the_policy_is_in_the_state_and_changes_by_a_command(engine: Engine) -> None:
    """It has a default, holds for every later run, and each change is in the log, once."""
    with engine.ports.state.read() as reader:
        assert reader.retention() == Retention(publications=5, days=30)
    assert set_retention(engine.ports, Retention(publications=2, days=0)) == Retention(publications=5, days=30)
    set_retention(engine.ports, Retention(publications=2, days=0))
    publish_often(engine, 3)
    report = prune_as_planned(engine)
    assert report.retention == Retention(publications=2, days=0)
    assert left_of(engine, "snapshot") == ["3.snapshot.json", "4.snapshot.json"]
    with engine.ports.state.read() as reader:
        told = [(entry.action, entry.details) for entry in reader.audit() if "publi" not in entry.action]
    assert [each for each in told if each[0] in {"policy.retention", "metadata.prune"}] == [
        ("policy.retention", {"publications": 2, "days": 0}),
        ("metadata.prune", {"files": report.removed, "bytes": report.length, "missing": 0}),
    ]


def test_status_counts_what_may_go(engine: Engine) -> None:
    """By the state alone, as the policy says."""
    publish_often(engine, 6)
    assert look(engine.ports).prunable == 0
    set_retention(engine.ports, NOTHING)
    plan, seen = plan_prune(engine.ports), look(engine.ports)
    assert (seen.prunable, seen.prunable_length) == (len(plan.files), plan.length)
    prune(engine.ports)
    assert look(engine.ports).prunable == 0


def test_a_role_that_is_not_here_is_not_noted(engine: Engine) -> None:
    """Names that no role has, and notes that are there already, count for nothing."""
    publish_often(engine, 2)
    with engine.ports.state.transaction(actor="test") as state:
        before = state.noted_files()
        state.note_superseded([(RoleName("snapshot"), 1), (RoleName("nobody"), 1), (RoleName("SNAPSHOT"), 2)])
        assert state.noted_files() == before

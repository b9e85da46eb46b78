"""Publishing with real state and signatures: what reaches clients, judged by stock ones, and what does not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.support import plans
from tests.support.engine import Engine, check_client, client_of, plan_document

from rstuf.errors import ArtifactNotFound, ReleaseRefused, SignerUnavailable
from rstuf.metadata.bundle import DetachedSignature
from rstuf.model.names import TIMESTAMP, target_path
from rstuf.repository.artifacts import remove_artifacts
from rstuf.repository.publication_plan import plan_publication
from rstuf.repository.publish import Spacing, publish
from rstuf.repository.renewal import renew
from rstuf.repository.reports import Reason


def test_a_ceremony_ends_in_a_repository_that_a_client_trusts(engine: Engine, tmp_path: Path) -> None:
    """After the ceremony every role is there at version 1 and a client can refresh and look up."""
    view = check_client(engine, tmp_path / "client")
    assert (view.root, view.timestamp, view.snapshot, view.targets) == (1, 1, 1, 1)
    assert len(view.roles) == 5


def test_nothing_is_visible_before_publishing(engine: Engine, tmp_path: Path) -> None:
    """An accepted artifact is durable in the state and invisible to clients until it is published."""
    change = engine.add("a.txt", b"one")
    assert (change.number, change.added, change.length) == (1, 1, 3)
    judge = client_of(engine, tmp_path / "client")
    judge.refresh()
    assert judge.find("a.txt") is None

    report = publish(engine.ports)
    assert report.published
    assert [role.reason for role in report.roles] == [Reason.CHANGED, Reason.FOLLOWS, Reason.FOLLOWS]
    assert report.length == sum(role.length or 0 for role in report.roles)
    check_client(engine, tmp_path / "client")


def test_publishing_nothing_writes_nothing(engine: Engine) -> None:
    """With nothing changed there is no publication, and no file and no version is touched."""
    before = dict(engine.metadata.files)
    report = publish(engine.ports)
    assert (report.published, report.timestamp_version) == (False, 1)
    assert dict(engine.metadata.files) == before
    engine.add("a.txt", b"one")
    publish(engine.ports)
    assert engine.add("a.txt", b"one").number == 0
    assert not publish(engine.ports).published


def test_a_plan_says_what_will_be_published_and_writes_nothing(engine: Engine) -> None:
    """The dry run names the very roles and versions that publishing then brings."""
    engine.add("a.txt", b"one")
    before = dict(engine.metadata.files)
    plan = plan_publication(engine.ports)
    assert dict(engine.metadata.files) == before
    report = publish(engine.ports)
    assert [(role.name, role.version) for role in plan.roles] == [(role.name, role.version) for role in report.roles]


def test_adding_replacing_and_removing_reach_clients(engine: Engine, tmp_path: Path) -> None:
    """A client that remembers every earlier state follows through a hundred changes."""
    for number in range(30):
        engine.add(f"dir/{number}.bin", bytes([number]) * 10)
        if number % 3 == 0:
            engine.add(f"dir/{number // 2}.bin", b"again")
        if number % 5 == 4:
            engine.remove(f"dir/{number - 1}.bin")
        publish(engine.ports)
        if number % 10 == 0:
            check_client(engine, tmp_path / "client")
    view = check_client(engine, tmp_path / "client")
    judge = client_of(engine, tmp_path / "client")
    judge.refresh()
    assert judge.find("dir/28.bin") is None
    assert view.timestamp == 31


def test_a_key_that_is_away_stops_before_anything_is_staged(engine: Engine) -> None:
    """No version is taken and no file written when the online key cannot sign."""
    engine.add("a.txt", b"one")
    before = dict(engine.metadata.files)
    engine.keys.away = {"online"}
    with pytest.raises(SignerUnavailable):
        publish(engine.ports)
    assert dict(engine.metadata.files) == before
    with engine.ports.state.read() as reader:
        assert reader.role(TIMESTAMP).version == 1
        assert reader.unfinished_publication() is None


def test_publications_of_many_bins_keep_a_distance(tmp_path: Path) -> None:
    """With 4 096 bins a second publication within the same second waits, so that close changes share one."""
    engine = Engine.live(tmp_path / "repository", document=plan_document(bins=4096))
    begun = engine.clock.now()
    engine.add("a.txt", b"one")
    publish(engine.ports, spacing=Spacing.GROUPED)
    assert engine.clock.now() - begun == timedelta(seconds=1)


def test_audit_entries_are_chained(engine: Engine) -> None:
    """Every act leaves its entry, and each entry holds the hash of the one before."""
    engine.add("a.txt", b"one")
    publish(engine.ports)
    engine.remove("a.txt")
    publish(engine.ports)
    renew(engine.ports, force=["root"])
    with engine.ports.state.read() as reader:
        entries = list(reader.audit())
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    assert [one.digest for one in entries[:-1]] == [two.previous for two in entries[1:]]
    actions = [entry.action for entry in entries]
    assert actions[0] == "ceremony.begin"
    for action in ("ceremony.end", "artifacts.add", "artifacts.remove", "publish", "root.sign", "root.publish"):
        assert action in actions


def test_a_ceremony_needs_no_more_signers_than_its_thresholds(tmp_path: Path) -> None:
    """Of three targets signers two sign; the third may be away. Below the threshold the ceremony waits for them."""
    document = plan_document(
        keys=plans.plan_data(signers=("one", "two", "red", "green"))["keys"] | {"blue": {"public": "blue"}},
        targets={"expires": "365d", "threshold": 2, "signers": ["red", "green", "blue"]},
    )
    engine = Engine.new(tmp_path / "repository", document=document)
    engine.keys.generate("blue", "ed25519", "", encrypt=False, reuse=False, added=engine.clock.now())
    engine.keys.away = {"blue"}
    engine.ceremony()
    check_client(engine, tmp_path / "client")
    few = Engine.new(tmp_path / "few", document=document | {"targets": document["targets"] | {"threshold": 3}})
    few.keys.made["blue"] = engine.keys.made["blue"]
    few.keys.away = {"blue"}
    report = few.ceremony()
    assert report.publication is None
    assert not few.metadata.files
    assert report.waiting is not None
    assert [part.ready for part in report.waiting.parts] == [True, False]
    _, targets = few.events.bundle("root-v1").parts
    blue = few.keys.made["blue"].signer
    with few.ports.state.read() as reader:
        assert not reader.root_versions()
    done = few.events.receive([DetachedSignature(targets.digest, blue.keyid, blue.sign(targets.payload))])
    assert [each.event.name for each in done.completions] == ["root-v1"]
    check_client(few, tmp_path / "few-client")


def test_a_signer_who_should_be_here_is_no_absentee(tmp_path: Path) -> None:
    """A key whose place is named and that cannot be opened ends the ceremony before anything is made."""
    document = {**plan_document()["keys"], "two": {"public": "two", "signer": "file:two.key"}}
    engine = Engine.new(
        tmp_path / "other", document=plan_document(keys=document, root={"threshold": 2, "signers": ["one", "two"]})
    )
    engine.keys.generate("two", "ed25519", "", encrypt=False, reuse=False, added=engine.clock.now())
    engine.keys.away = {"two"}
    with pytest.raises(SignerUnavailable):
        engine.ceremony()
    assert not engine.metadata.files


def test_an_accepted_removal_can_be_asked_for_again(engine: Engine, tmp_path: Path) -> None:
    """A removal that is not visible yet is no error and no change the second time; a visible one is not found."""
    engine.add("a.txt", b"one")
    publish(engine.ports)
    assert engine.remove("a.txt").removed == 1
    again = remove_artifacts(engine.ports, [target_path("a.txt")])
    assert (again.number, again.removed) == (0, 0)
    publish(engine.ports)
    check_client(engine, tmp_path / "client")
    with pytest.raises(ArtifactNotFound):
        remove_artifacts(engine.ports, [target_path("a.txt")])


def test_published_means_that_a_client_sees_it(tmp_path: Path) -> None:
    """Expired targets are signed again with a publication; under an expired root nothing is called published."""
    tables = {"targets": {"expires": "60d"}, "bins": {"count": 2, "expires": "900d"}}
    engine = Engine.live(tmp_path / "repository", document=plan_document() | tables)
    engine.moved_on(days=100)
    engine.add("a.txt", b"one")
    report = publish(engine.ports)
    assert {role.name for role in report.roles} >= {"targets", "snapshot", "timestamp"}
    judge = client_of(engine, tmp_path / "client")
    judge.refresh()
    assert judge.download("a.txt") == b"one"
    engine.moved_on(days=300)
    engine.add("b.txt", b"two")
    with pytest.raises(ReleaseRefused, match="root expired"):
        publish(engine.ports)
    renew(engine.ports)
    publish(engine.ports)
    check_client(engine, tmp_path / "client")

"""Publishing, recovery and renewal, with real state and signatures, judged by stock clients."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clients import Client, View
from tests.support.engine import Engine, plan_document

from rstuf.errors import (
    ArtifactNotFound,
    ClockSuspicious,
    InvalidMetadata,
    InvalidRoleName,
    NameTaken,
    ReleaseRefused,
    RstufError,
    SignerUnavailable,
    StateBehind,
    StorageError,
)
from rstuf.model.names import SNAPSHOT, TIMESTAMP, target_path
from rstuf.model.publication import PublicationPhase
from rstuf.repository.artifacts import remove_artifacts
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import ClockTrust
from rstuf.repository.publish import Spacing, plan_publication, publish
from rstuf.repository.renewal import renew
from rstuf.repository.reports import Health, Reason, Recovery
from rstuf.repository.status import look
from rstuf.state.sqlite import SqliteStateStore
from rstuf.storage.memory import MemoryMetadataStorage


class Power(Exception):
    """The process ends here."""


class Faulty(MemoryMetadataStorage):
    """A storage that fails, once, at the change that `at` names."""

    def __init__(self) -> None:
        super().__init__()
        self.at: Callable[[str], bool] = lambda name: False
        self.error: Exception = Power()
        self.after = False

    def show(self, name: str, data: bytes) -> None:
        fails = self.at(name)
        if fails:
            self.at = lambda name: False
        if fails and not self.after:
            raise self.error
        super().show(name, data)
        if fails:
            raise self.error


def client(engine: Engine, directory: Path) -> Client:
    return Client(directory, engine.site(), root=engine.root(), now=engine.clock.now())


def check_client(engine: Engine, directory: Path) -> View:
    """A client sees exactly the contents that were published."""
    judge = client(engine, directory)
    view = judge.refresh()
    judge.walk()
    for path, data in engine.contents.items():
        assert judge.download(path) == data
    return view


def read(engine: Engine) -> StateReader:
    return engine.ports.state.read().__enter__()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine.live(tmp_path / "repository")


def test_a_ceremony_ends_in_a_repository_that_a_client_trusts(engine: Engine, tmp_path: Path) -> None:
    """After the ceremony every role is there at version 1 and a client can refresh and look up."""
    view = check_client(engine, tmp_path / "client")
    assert (view.root, view.timestamp, view.snapshot, view.targets) == (1, 1, 1, 1)
    assert len(view.roles) == 5


def test_nothing_is_visible_before_publishing(engine: Engine, tmp_path: Path) -> None:
    """An accepted artifact is durable in the state and invisible to clients until it is published."""
    change = engine.add("a.txt", b"one")
    assert (change.number, change.added, change.length) == (1, 1, 3)
    judge = client(engine, tmp_path / "client")
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
    judge = client(engine, tmp_path / "client")
    judge.refresh()
    assert judge.find("dir/28.bin") is None
    assert view.timestamp == 31


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["bins", "snapshot.json", "timestamp.json"])
def test_an_interrupted_publication_is_brought_to_its_end(tmp_path: Path, name: str, after: bool) -> None:
    """Wherever the storage stops it, clients stay well, and publishing again makes every accepted artifact visible."""
    engine = Engine.live(tmp_path / "repository")
    faulty = Faulty()
    for file, data in engine.metadata.files.items():
        faulty.show(file, data)
    engine = engine.with_ports(metadata=faulty)
    engine.metadata = faulty
    old = check_client(engine, tmp_path / "old")
    engine.add("a.txt", b"one")
    faulty.at, faulty.after = (lambda file: name in file), after
    with pytest.raises(Power):
        publish(engine.ports)
    seen = client(engine, tmp_path / "old").refresh()
    assert not seen.older_than(old)

    report = publish(engine.ports)
    assert report.published
    view = check_client(engine, tmp_path / "old")
    assert not view.older_than(seen)
    check_client(engine, tmp_path / "fresh")
    assert not publish(engine.ports).published
    # A failure before the commit point burns the versions; after it the publication is completed as it was.
    assert view.timestamp == (2 if name == "timestamp.json" else 3)


def _committing(engine: Engine) -> None:
    """Leave a publication that was committed in the state and whose timestamp was never replaced."""

    class Stuck(MemoryMetadataStorage):
        def replace(self, name: str, data: bytes) -> None:
            raise Power

    stuck = Stuck()
    stuck._files = engine.metadata._files
    with pytest.raises(Power):
        publish(engine.with_ports(metadata=stuck).ports)
    with engine.ports.state.read() as reader:
        unfinished = reader.unfinished_publication()
    assert unfinished is not None
    assert unfinished.phase is PublicationPhase.COMMITTING


def test_a_committed_publication_is_completed_byte_for_byte(engine: Engine, tmp_path: Path) -> None:
    """What was committed becomes visible with the very bytes that were recorded; nothing is signed for it."""
    engine.add("a.txt", b"one")
    _committing(engine)
    files = dict(engine.metadata.files)
    engine.keys.away = {"online"}
    report = publish(engine.ports)
    assert (report.recovery, report.published) == (Recovery.COMPLETED, True)
    assert set(engine.metadata.files) == set(files)
    with engine.ports.state.read() as reader:
        last = reader.last_publication()
    assert last is not None
    assert engine.metadata.files["timestamp.json"] == last.timestamp
    check_client(engine, tmp_path / "client")


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("damage", ["missing", "torn", "expired"])
def test_a_damaged_committed_publication_is_done_again_above_its_versions(
    engine: Engine, tmp_path: Path, damage: str, seen: bool
) -> None:
    """If its files were damaged or expired, each of its roles comes again with a higher version; a client that had seen
    its timestamp already goes on."""
    engine.add("a.txt", b"one")
    publish(engine.ports)
    engine.add("a.txt", b"two")
    _committing(engine)
    with engine.ports.state.read() as reader:
        unfinished = reader.unfinished_publication()
        assert unfinished is not None
        assert unfinished.timestamp is not None
        (name,) = [
            f"{role.version}.{role.name}.json"
            for role, _ in reader.publication_roles(unfinished.id)
            if role.name not in {SNAPSHOT, TIMESTAMP}
        ]
    if seen:
        engine.metadata.replace("timestamp.json", unfinished.timestamp)
        check_client(engine, tmp_path / "client")
    if damage == "missing":
        engine.metadata.remove(name)
    elif damage == "torn":
        engine.metadata.show(name, engine.metadata.files[name][:-7])
    else:
        engine.moved_on(days=2)
    report = publish(engine.ports)
    assert (report.recovery, report.published, report.timestamp_version) == (Recovery.REDONE, True, 4)
    check_client(engine, tmp_path / "client")
    check_client(engine, tmp_path / "fresh")


def test_a_damaged_publication_is_done_again_even_if_killed_in_between(engine: Engine, tmp_path: Path) -> None:
    """The abandoned timestamp that clients may have seen is known for what it is at the next start."""
    engine.add("a.txt", b"one")
    _committing(engine)
    with engine.ports.state.read() as reader:
        unfinished = reader.unfinished_publication()
    assert unfinished is not None
    assert unfinished.timestamp is not None
    engine.metadata.replace("timestamp.json", unfinished.timestamp)
    with engine.ports.state.transaction(actor="test") as state:
        state.abandon_publication(unfinished.id)
    report = publish(engine.ports)
    assert (report.published, report.timestamp_version) == (True, 3)
    assert {role.reason for role in report.roles} == {Reason.FORCED}
    check_client(engine, tmp_path / "client")


def test_a_version_never_has_two_contents(tmp_path: Path) -> None:
    """Through failures and retries, no name under which clients fetch ever has two byte strings."""
    seen: dict[str, bytes] = {}

    def on_change(name: str, data: bytes | None) -> None:
        assert data is not None
        if name != "timestamp.json":
            assert seen.setdefault(name, data) == data

    engine = Engine.live(tmp_path / "repository", on_change=on_change)
    for number in range(6):
        engine.add("a.txt", bytes([number]))
        engine.keys.away = {"online"} if number % 2 else set()
        if number % 2:
            with pytest.raises(SignerUnavailable):
                publish(engine.ports)
        else:
            publish(engine.ports)
    engine.keys.away = set()
    publish(engine.ports)
    renew(engine.ports, force=["bins"])
    check_client(engine, tmp_path / "client")


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


def test_a_storage_that_lies_is_found_out_before_clients_see_it(engine: Engine, tmp_path: Path) -> None:
    """A bin that the storage holds with other bytes than were signed stops the release; clients keep the old state."""

    class Lying(MemoryMetadataStorage):
        def read(self, name: str, *, limit: int) -> bytes:
            data = super().read(name, limit=limit)
            return data.replace(b'"length":3', b'"length":4') if "bins" in name else data

    lying = Lying()
    lying._files = engine.metadata._files
    engine.add("a.txt", b"one")
    with pytest.raises(ReleaseRefused):
        publish(engine.with_ports(metadata=lying).ports)
    assert client(engine, tmp_path / "client").refresh().timestamp == 1
    assert publish(engine.ports).timestamp_version == 3
    check_client(engine, tmp_path / "client")


def test_an_old_state_does_not_publish_over_a_newer_one(engine: Engine, tmp_path: Path) -> None:
    """A state that is put back from an old copy is refused, whatever is asked of it, and clients see no change."""
    engine.ports.state.close()
    shutil.copytree(tmp_path / "repository", tmp_path / "copy")
    engine.add("a.txt", b"one")
    publish(engine.ports)
    files = dict(engine.metadata.files)
    store = SqliteStateStore.open(tmp_path / "copy" / "state.db", wait=timedelta(seconds=5), purpose="test")
    old = engine.with_ports(state=store)
    old.add("b.txt", b"two")
    acts = (publish, renew, lambda ports: renew(ports, force=["timestamp"]), lambda ports: renew(ports, force=["root"]))
    for act in acts:
        with pytest.raises(StateBehind):
            act(old.ports)
    assert dict(engine.metadata.files) == files


@pytest.mark.parametrize(
    "damage",
    [
        None,
        b"",
        b"{}",
        b'{"signatures":[],"signed":{"_type":"timestamp"}}',
        b'{"signatures":[],"signed":{"_type":"timestamp","version":99,"expires":"2030-01-01T00:00:00Z"}}',
    ],
)
def test_a_damaged_timestamp_is_refused_until_it_is_renewed_on_purpose(
    engine: Engine, tmp_path: Path, damage: bytes | None
) -> None:
    """Missing or damaged, the visible timestamp stops publishing with a clear error, and a forced renewal mends it."""
    view = check_client(engine, tmp_path / "client")
    if damage is None:
        engine.metadata.remove("timestamp.json")
    else:
        engine.metadata.show("timestamp.json", damage)
    before = dict(engine.metadata.files)
    engine.add("a.txt", b"one")
    with pytest.raises(InvalidMetadata) as refused:
        publish(engine.ports)
    assert "renew --force timestamp" in (refused.value.hint or "")
    assert dict(engine.metadata.files) == before
    renew(engine.ports, force=["timestamp"])
    assert client(engine, tmp_path / "client").refresh().timestamp > view.timestamp
    publish(engine.ports)
    check_client(engine, tmp_path / "client")


def test_renewal_signs_what_is_due_and_nothing_else(engine: Engine, tmp_path: Path) -> None:
    """Each role comes when its own date comes; again right away does nothing."""
    assert not renew(engine.ports).publication.published
    engine.moved_on(hours=17)
    report = renew(engine.ports)
    assert [role.name for role in report.publication.roles] == [TIMESTAMP]
    assert not renew(engine.ports).publication.published
    check_client(engine, tmp_path / "client")
    engine.moved_on(days=5)
    report = renew(engine.ports)
    assert [role.name for role in report.publication.roles] == [SNAPSHOT, TIMESTAMP]
    check_client(engine, tmp_path / "client")


def test_bins_signed_together_are_not_due_together(tmp_path: Path) -> None:
    """Days on which bins are due spread over a part of their life, and all come before their sign-by period."""
    engine = Engine.live(tmp_path / "repository", document=plan_document(bins=64))
    with engine.ports.state.read() as reader:
        bins = [role for role in reader.roles() if role.name.startswith("bins")]
    due = sorted(role.sign_by for role in bins if role.sign_by is not None)
    assert len(set(due)) == 64
    assert due[-1] - due[0] > timedelta(days=5)
    assert all(
        role.expires is not None and role.expires - day >= timedelta(days=10)
        for role, day in zip(bins, due, strict=True)
    )


def test_a_repository_that_slept_is_renewed_at_once(engine: Engine, tmp_path: Path) -> None:
    """After months everything but root has expired; one renewal repairs it, for old and new clients."""
    engine.add("a.txt", b"one")
    publish(engine.ports)
    check_client(engine, tmp_path / "old")
    engine.moved_on(days=200)
    assert renew(engine.ports).publication.published
    check_client(engine, tmp_path / "old")
    check_client(engine, tmp_path / "new")


def test_an_expired_root_does_not_stand_in_the_way(engine: Engine, tmp_path: Path) -> None:
    """After more than a year root itself is renewed with the keys at hand, and clients follow."""
    check_client(engine, tmp_path / "old")
    engine.moved_on(days=400)
    report = renew(engine.ports)
    assert (report.root_version, report.waiting) == (2, ())
    assert check_client(engine, tmp_path / "old").root == 2


def test_a_root_whose_signers_are_away_waits(engine: Engine) -> None:
    """A due root that cannot be signed here is reported with who is missing and why; the rest is renewed."""
    engine.moved_on(days=300)
    engine.keys.away = {"one", "two"}
    report = renew(engine.ports)
    assert report.publication.published
    assert [(role.name, set(role.missing)) for role in report.waiting] == [("root", {"one", "two"})]
    assert "2.root.json" not in engine.metadata.files


def test_a_renewal_leaves_pending_changes_pending(engine: Engine, tmp_path: Path) -> None:
    """A bin that is renewed says what clients see, not what waits to be published."""
    engine.add("a.txt", b"one")
    renew(engine.ports, force=["bins"])
    judge = client(engine, tmp_path / "client")
    judge.refresh()
    assert judge.find("a.txt") is None
    publish(engine.ports)
    check_client(engine, tmp_path / "client")


def test_an_unknown_role_cannot_be_forced(engine: Engine) -> None:
    """The name is refused and nothing is renewed."""
    before = dict(engine.metadata.files)
    with pytest.raises(InvalidRoleName):
        renew(engine.ports, force=["bins-99"])
    assert dict(engine.metadata.files) == before


def test_a_clock_that_went_back_never_shortens_what_clients_hold(engine: Engine, tmp_path: Path) -> None:
    """Metadata signed after the clock was set back does not expire before what was signed earlier."""
    engine.moved_on(days=3)
    renew(engine.ports, force=["timestamp"])
    with engine.ports.state.read() as reader:
        before = reader.role(TIMESTAMP).expires
    engine.moved_on(days=-3)
    renew(engine.ports, force=["timestamp"])
    with engine.ports.state.read() as reader:
        after = reader.role(TIMESTAMP).expires
    assert before is not None
    assert after is not None
    assert after >= before
    check_client(engine, tmp_path / "client")


def test_a_clock_far_ahead_is_not_believed_without_a_word(engine: Engine) -> None:
    """A clock decades ahead is refused; a person can vouch for it."""
    engine.moved_on(days=365 * 12)
    with pytest.raises(ClockSuspicious):
        renew(engine.ports)
    report = renew(engine.with_ports(clock_trust=ClockTrust.ACCEPTED).ports)
    assert report.publication.published


def test_publications_of_many_bins_keep_a_distance(tmp_path: Path) -> None:
    """With 4 096 bins a second publication within the same second waits, so that close changes share one."""
    engine = Engine.live(tmp_path / "repository", document=plan_document(bins=4096))
    begun = engine.clock.now()
    engine.add("a.txt", b"one")
    publish(engine.ports, spacing=Spacing.GROUPED)
    assert engine.clock.now() - begun == timedelta(seconds=1)


def test_a_root_commit_is_completed_after_a_failure(tmp_path: Path) -> None:
    """A root whose thresholds were met is never given up: the next command creates its file with the same bytes."""
    engine = Engine.live(tmp_path / "repository")
    faulty = Faulty()
    for file, data in engine.metadata.files.items():
        faulty.show(file, data)
    engine = engine.with_ports(metadata=faulty)
    engine.metadata = faulty
    faulty.at = lambda name: name == "2.root.json"
    with pytest.raises(Power):
        renew(engine.ports, force=["root"])
    engine.keys.away = {"one", "two"}
    publish(engine.ports)
    with engine.ports.state.read() as reader:
        root = reader.newest_root()
    assert root is not None
    assert (root.version, root.settled) == (2, True)
    assert engine.metadata.files["2.root.json"] == root.data
    assert check_client(engine, tmp_path / "client").root == 2


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


def test_errors_of_the_storage_leave_the_old_state_visible(tmp_path: Path) -> None:
    """A full disk while new files are written: an error, the old state, and success when it is run again."""
    engine = Engine.live(tmp_path / "repository")
    faulty = Faulty()
    for file, data in engine.metadata.files.items():
        faulty.show(file, data)
    engine = engine.with_ports(metadata=faulty)
    engine.metadata = faulty
    engine.add("a.txt", b"one")
    faulty.error = StorageError("write", "2.bins-1.json", "no space left on the disk")
    faulty.at = lambda name: "bins" in name
    with pytest.raises(StorageError):
        publish(engine.ports)
    with engine.ports.state.read() as reader:
        assert reader.unfinished_publication() is None
    assert client(engine, tmp_path / "client").refresh().timestamp == 1
    publish(engine.ports)
    check_client(engine, tmp_path / "client")


def test_errors_are_ours(engine: Engine, tmp_path: Path) -> None:
    """Whatever is wrong with the visible timestamp, publishing fails with an error of the engine, and no other."""
    engine.add("a.txt", b"one")
    original = engine.metadata.files["timestamp.json"]
    for damage in (b"", b"{", b"[]", b"null", b'{"signed":1}', original[:-3], original + b"x"):
        engine.metadata.show("timestamp.json", damage)
        with pytest.raises(RstufError):
            publish(engine.ports)
    engine.metadata.show("timestamp.json", original)
    publish(engine.ports)
    check_client(engine, tmp_path / "client")


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.root.json"])
@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_look_sees_damage(engine: Engine, name: str, damage: str) -> None:
    """A top-level file that is missing or not what was published makes the repository damaged at a glance."""
    assert look(engine.ports).health is Health.HEALTHY
    if damage == "missing":
        engine.metadata.remove(name)
    else:
        engine.metadata.show(name, engine.metadata.files[name] + b" ")
    assert look(engine.ports).health is Health.DAMAGED


def test_a_ceremony_needs_no_more_signers_than_its_thresholds(tmp_path: Path) -> None:
    """Of three targets signers two sign; the third may be away. Below the threshold nothing is made."""
    keys = {
        name: {"generate": "ed25519", "encrypt": False, "signer": f"file:{name}.key"}
        for name in ("one", "two", "online", "red", "green")
    }
    document = plan_document(
        keys=keys | {"blue": {"public": "blue"}},
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
    with pytest.raises(SignerUnavailable):
        few.ceremony()
    assert not few.metadata.files


def test_an_old_state_does_not_fork_root(engine: Engine, tmp_path: Path) -> None:
    """A state from before a root was signed never signs another root of that version."""
    engine.ports.state.close()
    shutil.copytree(tmp_path / "repository", tmp_path / "copy")
    renew(engine.ports, force=["root"])
    files = dict(engine.metadata.files)
    store = SqliteStateStore.open(tmp_path / "copy" / "state.db", wait=timedelta(seconds=5), purpose="test")
    old = engine.with_ports(state=store)
    old.add("b.txt", b"two")
    for act in (publish, renew, lambda ports: renew(ports, force=["root"])):
        with pytest.raises(StateBehind):
            act(old.ports)
    with store.read() as reader:
        assert reader.root(2) is None
    assert dict(engine.metadata.files) == files


def test_a_root_whose_name_is_taken_is_not_recorded(engine: Engine, tmp_path: Path) -> None:
    """A foreign file in the place of the next root stops it before it is final; without it the root is signed."""
    engine.metadata.show("2.root.json", b"not a root")
    with pytest.raises(NameTaken):
        renew(engine.ports, force=["root"])
    engine.metadata.remove("2.root.json")
    renew(engine.ports, force=["root"])
    assert check_client(engine, tmp_path / "client").root == 2


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
    judge = client(engine, tmp_path / "client")
    judge.refresh()
    assert judge.download("a.txt") == b"one"
    engine.moved_on(days=300)
    engine.add("b.txt", b"two")
    with pytest.raises(ReleaseRefused, match="root expired"):
        publish(engine.ports)
    renew(engine.ports)
    publish(engine.ports)
    check_client(engine, tmp_path / "client")

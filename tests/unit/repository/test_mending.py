"""What a storage lost comes back: put back as it was signed, or signed again above its versions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.engine import Engine, check_client, plan_document

from rstuf.errors import ForeignMetadata, InvalidMetadata, StateBehind, StateDamaged
from rstuf.metadata.render import sign_with
from rstuf.metadata.root import Signatories, first_root
from rstuf.metadata.views import Signature
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.repository.authority import load_authority
from rstuf.repository.mending import recorded_files
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.reports import Health, Reason
from rstuf.repository.status import look
from rstuf.state.sqlite import SqliteStateStore

Damage = Callable[[bytes], bytes | None]
DAMAGES: dict[str, Damage] = {
    "missing": lambda data: None,
    "empty": lambda data: b"",
    "torn": lambda data: data[: len(data) // 2],
    "longer": lambda data: data + b" ",
    "huge": lambda data: data * 6000,
    "unsigned": lambda data: b'{"signatures":[],' + data[data.index(b'"signed"') :],
    "nested": lambda data: b"[" * 100_000,
}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A repository of two root versions and two artifacts that a client has seen."""
    engine = Engine.live(tmp_path / "repository")
    engine.add("a.txt", b"one")
    publish(engine.ports)
    renew(engine.ports, force=["root", "targets"])
    return engine


def do_damage(engine: Engine, name: str, damage: str) -> None:
    changed = DAMAGES[damage](engine.metadata.files[name])
    if changed is None:
        engine.metadata.remove(name)
    else:
        engine.metadata.show(name, changed)


@pytest.mark.parametrize("damage", sorted(DAMAGES))
@pytest.mark.parametrize("name", ["1.root.json", "2.root.json", "2.targets.json"])
@pytest.mark.parametrize("act", [publish, renew], ids=["publish", "renew"])
def test_what_cannot_be_rendered_is_put_back(
    engine: Engine, tmp_path: Path, name: str, damage: str, act: Callable[..., object]
) -> None:
    """A lost root or targets file comes back byte for byte with the next command, though its signers are away."""
    original = engine.metadata.files[name]
    engine.keys.away = {"one", "two"}
    do_damage(engine, name, damage)
    assert look(engine.ports).health is Health.DAMAGED
    report = act(engine.ports)
    assert engine.metadata.files[name] == original
    assert getattr(report, "publication", report).restored == (name,)
    check_client(engine, tmp_path / "client")
    with engine.ports.state.read() as reader:
        last = list(reader.audit())[-1]
    assert (last.action, last.details) == ("metadata.restore", {"files": [name]})


def test_targets_signed_by_people_who_are_away_are_put_back(tmp_path: Path) -> None:
    """Targets that only people can sign are not lost with their file."""
    document = plan_document(targets={"expires": "365d", "threshold": 1, "signers": ["one"]})
    engine = Engine.live(tmp_path / "repository", document=document)
    engine.keys.away = {"one", "two"}
    engine.metadata.remove("1.targets.json")
    engine.add("a.txt", b"one")
    assert publish(engine.ports).restored == ("1.targets.json",)
    check_client(engine, tmp_path / "client")


def test_a_mended_storage_is_left_alone(engine: Engine) -> None:
    """Where nothing is lost nothing is put back, and no file is touched."""
    before = dict(engine.metadata.files)
    assert renew(engine.ports).publication.restored == ()
    assert dict(engine.metadata.files) == before


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_a_lost_snapshot_is_signed_again(engine: Engine, tmp_path: Path, damage: str) -> None:
    """A renewal that nobody had to force brings a new snapshot where the visible one is missing or damaged."""
    before = check_client(engine, tmp_path / "client")
    do_damage(engine, f"{before.snapshot}.snapshot.json", damage)
    assert look(engine.ports).health is Health.DAMAGED
    report = renew(engine.ports)
    assert {role.name: role.reason for role in report.publication.roles} == {
        SNAPSHOT: Reason.DAMAGED,
        TIMESTAMP: Reason.FOLLOWS,
    }
    assert look(engine.ports).health is Health.HEALTHY
    check_client(engine, tmp_path / "client")
    check_client(engine, tmp_path / "fresh")


def test_a_due_root_waits_for_no_mended_snapshot(engine: Engine, tmp_path: Path) -> None:
    """Root is due and the snapshot lost: one renewal does both, whichever stands in the other's way."""
    engine.metadata.remove(f"{check_client(engine, tmp_path / 'client').snapshot}.snapshot.json")
    report = renew(engine.ports, force=["root"])
    assert report.root_version == 3
    assert check_client(engine, tmp_path / "client").root == 3


def test_an_old_tree_that_was_put_back_is_mended_with_one_command(engine: Engine, tmp_path: Path) -> None:
    """The metadata directory is set back to an old copy: a forced timestamp brings back all that is missing."""
    old = dict(engine.metadata.files)
    for index in range(8):
        engine.add(f"{index}.txt", b"%d" % index)
    publish(engine.ports)
    renew(engine.ports, force=["bins", "targets", "root"])
    remembering = check_client(engine, tmp_path / "client")
    for name in set(engine.metadata.files) - set(old):
        engine.metadata.remove(name)
    engine.metadata.show("timestamp.json", old["timestamp.json"])
    with pytest.raises(InvalidMetadata, match=r"timestamp\.json") as refused:
        renew(engine.ports)
    assert "renew --force timestamp" in (refused.value.hint or "")
    report = renew(engine.ports, force=["timestamp"])
    assert report.publication.restored == ("3.root.json", "3.targets.json")
    assert not check_client(engine, tmp_path / "client").older_than(remembering)
    check_client(engine, tmp_path / "fresh")
    assert look(engine.ports).health is Health.HEALTHY


@pytest.mark.parametrize(("age", "mended"), [(0, {"bins-0"}), (1, set())], ids=["visible", "older"])
def test_a_forced_timestamp_over_damage_looks_after_every_bin(
    engine: Engine, tmp_path: Path, age: int, mended: set[str]
) -> None:
    """Timestamp and bins are lost together: the bins whose visible files are gone are signed again, no others."""
    renew(engine.ports, force=["bins-0"])
    with engine.ports.state.read() as reader:
        visible = reader.role(RoleName("bins-0")).visible
    engine.metadata.remove("timestamp.json")
    engine.metadata.remove(f"{visible - age}.bins-0.json")
    report = renew(engine.ports, force=["timestamp"])
    assert {role.name for role in report.publication.roles if role.reason is Reason.DAMAGED} == mended
    check_client(engine, tmp_path / "client")


def test_an_old_state_is_told_by_snapshots_it_does_not_know(engine: Engine, tmp_path: Path) -> None:
    """An old state, and no timestamp to tell: a newer snapshot keeps it from using versions for a second time."""
    engine.ports.state.close()
    shutil.copytree(tmp_path / "repository", tmp_path / "copy")
    for content in (b"two", b"three"):
        engine.add("a.txt", content)
        publish(engine.ports)
    engine.metadata.remove("timestamp.json")
    engine.metadata.remove("3.snapshot.json")
    files = dict(engine.metadata.files)
    store = SqliteStateStore.open(tmp_path / "copy" / "state.db", wait=timedelta(seconds=5), purpose="test")
    old = engine.with_ports(state=store)
    with pytest.raises(StateBehind, match="snapshot version 4"):
        renew(old.ports, force=["timestamp"])
    assert dict(engine.metadata.files) == files


def rival_root(engine: Engine, version: int) -> bytes:
    """A root that the repository's own signer signed, with something else in it."""
    one = engine.keys.made["one"]
    keys = Signatories([one.entry.key], 1)
    unsigned = first_root(
        dict.fromkeys((ROOT, TARGETS, SNAPSHOT, TIMESTAMP), keys), expires=engine.clock.now() + timedelta(days=9)
    )
    if version == 1:
        return sign_with(unsigned, [Signature(one.entry.keyid, one.signer.sign(unsigned.payload))]).data
    signed = json.loads(engine.metadata.files[f"{version}.root.json"])["signed"]
    signed["expires"] = "2031-01-01T00:00:00Z"
    return signed_by(engine, "one", signed)


def signed_by(engine: Engine, key: str, signed: object) -> bytes:
    made = engine.keys.made[key]
    payload = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    signature = {"keyid": made.entry.keyid, "sig": made.signer.sign(payload)}
    return json.dumps({"signatures": [signature], "signed": signed}).encode()


@pytest.mark.parametrize("version", [1, 2])
def test_another_root_is_no_damage(engine: Engine, version: int) -> None:
    """Another root of a version of ours, rightly signed, is never overwritten: somebody must look at it."""
    engine.metadata.show(f"{version}.root.json", rival_root(engine, version))
    before = dict(engine.metadata.files)
    for act in (publish, renew, lambda ports: renew(ports, force=["root", "targets", "timestamp"])):
        with pytest.raises(ForeignMetadata, match=f"{version}.root.json"):
            act(engine.ports)
    assert dict(engine.metadata.files) == before


def test_another_file_of_the_online_key_in_the_place_of_targets_is_damage(engine: Engine, tmp_path: Path) -> None:
    """A bin under the name of targets, or other targets signed by a stolen key, gives way to what was published."""
    original = engine.metadata.files["2.targets.json"]
    other = json.loads(original)["signed"] | {"expires": "2031-01-01T00:00:00Z"}
    for data in (engine.metadata.files["1.bins-0.json"], signed_by(engine, "online", other)):
        engine.metadata.show("2.targets.json", data)
        assert publish(engine.ports).restored == ("2.targets.json",)
        assert engine.metadata.files["2.targets.json"] == original
    check_client(engine, tmp_path / "client")


@pytest.mark.parametrize("act", [publish, renew, lambda ports: renew(ports, force=["timestamp"])])
@pytest.mark.parametrize("interrupted", [None, "timestamp.json", "3.root.json"])
def test_another_repository_is_left_alone(
    engine: Engine, tmp_path: Path, act: Callable[..., object], interrupted: str | None
) -> None:
    """The wrong directory is mounted: nothing is written there, whatever was interrupted and whatever is forced."""
    if interrupted is not None:
        shown = engine.metadata

        def stop(name: str, data: bytes | None) -> None:
            if name == interrupted:
                shown._files.pop(name)
                raise KeyboardInterrupt

        shown._on_change = stop
        with pytest.raises(KeyboardInterrupt):
            renew(engine.ports, force=["timestamp" if interrupted == "timestamp.json" else "root"])
    other = Engine.live(tmp_path / "other")
    other.add("b.txt", b"other")
    publish(other.ports)
    before = dict(other.metadata.files)
    lost = engine.with_ports(metadata=other.metadata)
    with pytest.raises(ForeignMetadata):
        act(lost.ports)
    assert dict(other.metadata.files) == before


def test_signatures_that_joined_a_root_stay(engine: Engine) -> None:
    """A root on the storage with a signature more than was recorded is left as it is."""
    root = json.loads(engine.metadata.files["2.root.json"])
    root["signatures"].append({"keyid": "00" * 32, "sig": "00" * 64})
    more = json.dumps(root).encode()
    engine.metadata.show("2.root.json", more)
    assert publish(engine.ports).restored == ()
    assert engine.metadata.files["2.root.json"] == more


@pytest.mark.parametrize("lost", [False, True])
def test_a_damaged_record_of_a_root_is_never_written(engine: Engine, tmp_path: Path, lost: bool) -> None:
    """Bits of the state rot: what is rightly signed on the storage stays, and what is not is not put there."""
    store = engine.ports.state
    assert isinstance(store, SqliteStateStore)
    with store.transaction(actor="test") as state:
        rotten = json.loads(engine.metadata.files["2.root.json"])
        for signature in rotten["signatures"]:
            signature["sig"] = signature["sig"][::-1]
        state._connection.execute(  # type: ignore[attr-defined]
            "UPDATE root SET data = ? WHERE version = 2", (json.dumps(rotten, separators=(",", ":")).encode(),)
        )
    if lost:
        engine.metadata.remove("2.root.json")
    before = dict(engine.metadata.files)
    if lost:
        with pytest.raises(StateDamaged):
            publish(engine.ports)
    else:
        publish(engine.ports)
        check_client(engine, tmp_path / "client")
    assert dict(engine.metadata.files) == before


def test_a_state_and_a_timestamp_of_old_are_told_by_what_was_written_since(engine: Engine, tmp_path: Path) -> None:
    """A backup copied over a newer tree: what it does not know of keeps it from publishing anything."""
    engine.ports.state.close()
    shutil.copytree(tmp_path / "repository", tmp_path / "copy")
    old = engine.metadata.files["timestamp.json"]
    engine.add("a.txt", b"two")
    publish(engine.ports)
    engine.metadata.show("timestamp.json", old)
    files = dict(engine.metadata.files)
    store = SqliteStateStore.open(tmp_path / "copy" / "state.db", wait=timedelta(seconds=5), purpose="test")
    back = engine.with_ports(state=store)
    for act in (publish, renew, lambda ports: renew(ports, force=["timestamp"])):
        with pytest.raises(StateBehind, match="snapshot"):
            act(back.ports)
    assert dict(engine.metadata.files) == files


def test_a_gap_in_the_roots_hides_no_newer_one(engine: Engine, tmp_path: Path) -> None:
    """An old state and a root that is missing on the way: the one behind it is seen."""
    engine.ports.state.close()
    shutil.copytree(tmp_path / "repository", tmp_path / "copy")
    for _ in range(2):
        renew(engine.ports, force=["root"])
    engine.metadata.remove("3.root.json")
    store = SqliteStateStore.open(tmp_path / "copy" / "state.db", wait=timedelta(seconds=5), purpose="test")
    with pytest.raises(StateBehind, match="root version 4"):
        renew(engine.with_ports(state=store).ports, force=["root"])


def test_a_lost_timestamp_is_followed_by_one_far_above(engine: Engine, tmp_path: Path) -> None:
    """Nothing tells which timestamp clients saw last, of a state that may be a copy: the next one is above them all."""
    engine.ports.state.close()
    shutil.copytree(tmp_path / "repository", tmp_path / "copy")
    for _ in range(5):
        renew(engine.ports, force=["timestamp"])
    check_client(engine, tmp_path / "client")
    engine.metadata.remove("timestamp.json")
    store = SqliteStateStore.open(tmp_path / "copy" / "state.db", wait=timedelta(seconds=5), purpose="test")
    back = replace(engine, ports=replace(engine.ports, state=store))
    renew(back.ports, force=["timestamp"])
    check_client(back, tmp_path / "client")


def test_a_targets_file_that_was_only_written_otherwise_is_put_back(engine: Engine) -> None:
    """The same content, spaced out by some tool, is the same version: its own bytes come back."""
    original = engine.metadata.files["2.targets.json"]
    engine.metadata.show("2.targets.json", json.dumps(json.loads(original), indent=1).encode())
    renew(engine.ports)
    assert engine.metadata.files["2.targets.json"] == original


def test_an_interrupted_root_commit_is_completed_over_damage(engine: Engine, tmp_path: Path) -> None:
    """A root was recorded, its process killed, and garbage stands in its place: it is completed all the same."""
    renew(engine.ports, force=["root"])
    with engine.ports.state.transaction(actor="test") as state:
        root = state.root(3)
    assert root is not None
    store = engine.ports.state
    assert isinstance(store, SqliteStateStore)
    with store.transaction(actor="test") as state:
        state._connection.execute("UPDATE root SET settled = 0 WHERE version = 3")  # type: ignore[attr-defined]
    engine.metadata.show("3.root.json", b"garbage")
    publish(engine.ports)
    assert engine.metadata.files["3.root.json"] == root.data
    assert check_client(engine, tmp_path / "client").root == 3


def test_an_interrupted_ceremony_gets_its_root_back(tmp_path: Path) -> None:
    """Root is there and then lost before the first publication: the same ceremony run again ends well."""

    def stop(name: str, data: bytes | None) -> None:
        if name == "1.snapshot.json" and data is not None:
            raise KeyboardInterrupt

    engine = Engine.new(tmp_path / "repository", on_change=stop)
    with pytest.raises(KeyboardInterrupt):
        engine.ceremony()
    engine.metadata.remove("1.root.json")
    engine.ceremony()
    check_client(engine, tmp_path / "client")


def test_targets_of_older_versions_are_not_kept(engine: Engine) -> None:
    """The state keeps the bytes of the visible targets, not of every one there ever was."""
    for _ in range(3):
        renew(engine.ports, force=["targets"])
    with engine.ports.state.read() as reader:
        visible = reader.role(TARGETS).visible
        kept = [version for version in range(1, visible + 2) if reader.delegator(TARGETS, version) is not None]
        assert reader.delegator(TARGETS, visible) == engine.metadata.files[f"{visible}.targets.json"]
    assert kept == [visible]


@pytest.mark.parametrize("last", ["1.root.json", "1.snapshot.json", "timestamp.json"])
def test_a_ceremony_that_goes_on_after_a_year_ends_in_what_clients_take(tmp_path: Path, last: str) -> None:
    """What it had signed has expired meanwhile, root included: it is signed again before anything is called done."""

    def stop(name: str, data: bytes | None) -> None:
        if name == last:
            raise KeyboardInterrupt

    engine = Engine.new(tmp_path / "repository", on_change=stop)
    with pytest.raises(KeyboardInterrupt):
        engine.ceremony()
    engine.metadata._on_change = None
    engine.moved_on(days=400)
    report = engine.ceremony()
    assert report.root == engine.root()
    check_client(engine, tmp_path / "client")


def test_a_recorded_root_needs_the_keys_before_it_and_its_own(engine: Engine) -> None:
    """What only one of the two sides signed would convince no client (TUF §5.3.4), so it is never put back."""
    with engine.ports.state.read() as reader:
        root = next(file for file in recorded_files(reader, engine.metadata) if file.name == "2.root.json")
        online = load_authority(reader, engine.metadata).top_level[TIMESTAMP]
    assert len(root.signers) == 2
    assert root.is_rightly_signed()
    assert not replace(root, signers=(root.signers[0], online)).is_rightly_signed()
    assert not replace(root, signers=(online, root.signers[1])).is_rightly_signed()

"""A state made anew from what is published: the same repository, which clients of any age go on with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.engine import Engine, check_client, client_of, plan_document
from tests.support.rebuilding import exported, rebuilt

from rstuf.errors import InvalidMetadata
from rstuf.metadata.fragments import row_of
from rstuf.model.artifacts import Artifact, ArtifactState
from rstuf.model.names import TIMESTAMP, RoleName, target_path
from rstuf.model.settings import Phase
from rstuf.repository.former_signers import former_signers
from rstuf.repository.publish import publish
from rstuf.repository.published import read_published
from rstuf.repository.rebin import resize_bins
from rstuf.repository.renewal import JUMP, renew
from rstuf.repository.status import Health, look
from rstuf.repository.strays import strays
from rstuf.repository.verify import Depth
from rstuf.repository.verify_own import verify_own
from rstuf.state.sqlite import SqliteStateStore

COUNT = 5_000
UNUSUAL = ("a b/c (1).txt", "ünïcödé/日本.bin", 'quo"te.txt', "deep/" * 20 + "x", "UP.TXT", "x=1&y;z/+@,~.bin", "x/🎈")


def filled(tmp_path: Path, **options: Any) -> Engine:
    engine = Engine.live(tmp_path / "repository", **options)
    for number in range(6):
        engine.add(f"{number}.txt", b"content %d" % number)
    publish(engine.ports)
    return engine


def rows(count: int) -> list[Artifact]:
    paths = [f"dir-{number % 7}/file-{number}.bin" for number in range(count - len(UNUSUAL))]
    return [
        Artifact(
            target_path(path),
            number,
            {"sha512": hashlib.sha512(path.encode()).hexdigest(), "sha256": hashlib.sha256(path.encode()).hexdigest()},
            {"n": number, "nested": {"ü": [None, True, '\\ " \n']}} if number % 3 else None,
        )
        for number, path in enumerate([*UNUSUAL, *paths])
    ]


def test_clients_of_any_age_go_on(tmp_path: Path) -> None:
    """A remembering client and a fresh one follow what the new state publishes, and nothing is found wrong."""
    engine = filled(tmp_path)
    before = check_client(engine, tmp_path / "old")
    again, report = rebuilt(engine, tmp_path / "new")
    assert (report.artifacts, report.bins, report.root, report.guessed) == (6, 4, 1, ())
    assert exported(again) == exported(engine)
    assert verify_own(again.ports, depth=Depth.FULL).problems == ()
    assert look(again.ports).health is Health.DUE
    again.add("new.txt", b"goes on")
    publish(again.ports)
    assert look(again.ports).health is Health.HEALTHY
    renew(again.ports, force=["root", "targets", "bins"])
    after = check_client(again, tmp_path / "old")
    assert after.older_than(before) == []
    assert after.timestamp > before.timestamp + JUMP
    check_client(again, tmp_path / "fresh")
    assert verify_own(again.ports, depth=Depth.FULL).problems == ()


def test_five_thousand_artifacts_come_back_exactly(tmp_path: Path) -> None:
    """Custom data, several hashes and unusual paths are the same to the byte, over sixteen bins and three roots."""
    engine = Engine.live(tmp_path / "repository", document=plan_document(bins=16))
    with engine.ports.state.spool() as spool:
        spool.extend(row_of(each) for each in rows(COUNT))
        with engine.ports.state.transaction(actor="test") as state:
            state.put_artifacts(
                RoleName("targets"), spool, number=state.next_number(), replace=False, role_limit=5_000_000
            )
    publish(engine.ports)
    renew(engine.ports, force=["root"])
    renew(engine.ports, force=["root"])
    again, report = rebuilt(engine, tmp_path / "new")
    assert (report.artifacts, report.bins, report.root) == (COUNT, 16, 3)
    found = exported(again)
    assert len(found) == COUNT
    assert found == exported(engine)
    assert {state for state, _, _ in found} == {ArtifactState.PUBLISHED}
    with engine.ports.state.read() as old, again.ports.state.read() as new:
        assert [(each.name, each.artifacts, each.payload) for each in new.roles()] == [
            (each.name, each.artifacts, each.payload) for each in old.roles()
        ]
    renew(again.ports, force=["bins"])
    client_of(again, tmp_path / "fresh").walk()
    assert verify_own(again.ports, depth=Depth.ROLES).problems == ()


def test_the_log_begins_anew_with_what_was_read(tmp_path: Path) -> None:
    """The first entry names the digests of the first root and of what was visible; the repository is live."""
    engine = filled(tmp_path)
    again, _ = rebuilt(engine, tmp_path / "new")
    with again.ports.state.read() as reader:
        (entry,) = reader.audit()
        assert (reader.settings().name, reader.settings().phase) == ("again", Phase.LIVE)
    files = engine.metadata.files
    assert entry.action == "state.rebuild"
    assert entry.details["root"] == hashlib.sha256(files["1.root.json"]).hexdigest()
    assert entry.details["timestamp"] == hashlib.sha256(files["timestamp.json"]).hexdigest()


def test_versions_go_above_every_file_that_lies_there(tmp_path: Path) -> None:
    """A file of a publication that was given up keeps its version for itself; a vandal's number is not believed."""
    engine = filled(tmp_path)
    files = [*engine.metadata.files, "70000.bins-2.json", "9007199254740991.bins-3.json"]
    again, _ = rebuilt(engine, tmp_path / "new", files=files)
    with again.ports.state.read() as reader:
        assert reader.role(RoleName("bins-2")).version == 70_000 + JUMP
        assert reader.role(RoleName("bins-3")).version < 2 * JUMP
        assert reader.role(TIMESTAMP).version > JUMP


def test_periods_that_nobody_remembers_are_guessed(tmp_path: Path) -> None:
    """A role lives as long as is usual, or longer where its file does; the next renewal goes by that."""
    expires = {"root": "365d", "timestamp": "1d", "snapshot": "7d", "targets": "800d", "bins": "30d"}
    engine = filled(tmp_path, document=plan_document(targets={"expires": expires["targets"]}))
    again, report = rebuilt(engine, tmp_path / "new", periods={})
    assert report.guessed == ("root", "targets", "snapshot", "timestamp", "bins")
    assert report.periods["timestamp"].expires == timedelta(days=14)
    assert timedelta(days=800) <= report.periods["targets"].expires <= timedelta(days=801)
    renew(again.ports)
    check_client(again, tmp_path / "client")
    assert verify_own(again.ports, depth=Depth.ROLES).problems == ()


def test_expired_metadata_is_rebuilt_and_then_renewed(tmp_path: Path) -> None:
    """The state is missed a year later: that everything has expired is no reason to lose it."""
    engine = filled(tmp_path)
    engine.moved_on(days=500)
    again, report = rebuilt(engine, tmp_path / "new")
    assert report.artifacts == 6
    renew(again.ports)
    check_client(again, tmp_path / "fresh")


def test_keys_without_a_name_get_one(tmp_path: Path) -> None:
    """A key that no file and no plan names is called by what it signs, and has no signer."""
    engine = filled(tmp_path)
    _, report = rebuilt(engine, tmp_path / "new", keys=[engine.keys.made["one"].entry])
    assert {key.name: key.signer is None for key in report.keys} == {"one": False, "online": True, "root-1": True}


def test_a_trusted_root_must_be_one_of_the_chain(tmp_path: Path) -> None:
    """Any root of the chain will do; one of another repository refuses all."""
    engine = filled(tmp_path)
    renew(engine.ports, force=["root"])
    rebuilt(engine, tmp_path / "new", trusted=engine.root(2))
    other = Engine.live(tmp_path / "other")
    with pytest.raises(InvalidMetadata, match="the trusted root"):
        read_published(engine.metadata, trusted=other.root())


def _tampered(data: bytes) -> bytes:
    document = json.loads(data)
    document["signed"]["expires"] = "2031-01-01T00:00:00Z"
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _unsigned(data: bytes) -> bytes:
    return json.dumps({**json.loads(data), "signatures": []}).encode()


@pytest.mark.parametrize("damage", [_tampered, _unsigned, lambda data: data[:-9], lambda data: b""])
@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets", "bins-1"])
def test_what_is_not_signed_is_refused(tmp_path: Path, role: str, damage: Callable[[bytes], bytes]) -> None:
    """A file that was changed, of whichever role, is named, and no state has anything in it."""
    engine = filled(tmp_path)
    with engine.ports.state.read() as reader:
        version = reader.role(RoleName(role)).visible
    name = "timestamp.json" if role == "timestamp" else f"{version}.{role}.json"
    engine.metadata.show(name, damage(engine.metadata.files[name]))
    with pytest.raises(InvalidMetadata, match=name):
        rebuilt(engine, tmp_path / "new")
    store = SqliteStateStore.create(tmp_path / "state.db", wait=timedelta(seconds=5), purpose="test")
    with store.read() as reader:
        assert not reader.begun()


def test_another_repository_s_bin_is_refused(tmp_path: Path) -> None:
    """A rightly signed bin of another repository is no bin of this one."""
    engine, other = filled(tmp_path), filled(tmp_path / "other")
    engine.metadata.show("2.bins-2.json", other.metadata.files["2.bins-2.json"])
    with pytest.raises(InvalidMetadata, match=r"2\.bins-2\.json"):
        rebuilt(engine, tmp_path / "new")


def test_an_older_bin_under_a_newer_name_is_refused(tmp_path: Path) -> None:
    """The version inside a file must be the one that snapshot lists."""
    engine = filled(tmp_path)
    engine.metadata.show("2.bins-2.json", engine.metadata.files["1.bins-2.json"])
    with pytest.raises(InvalidMetadata, match="version 1"):
        rebuilt(engine, tmp_path / "new")


def test_missing_bins_are_named(tmp_path: Path) -> None:
    """Nothing else says what was in them, so nothing is made without them."""
    engine = filled(tmp_path)
    for index in (0, 2):
        engine.metadata.remove(f"2.bins-{index}.json")
    with pytest.raises(InvalidMetadata, match=r"2\.bins-0\.json.*2\.bins-2\.json") as refused:
        rebuilt(engine, tmp_path / "new")
    assert "mirror" in (refused.value.hint or "")


@pytest.mark.parametrize("name", ["1.root.json", "2.root.json", "timestamp.json", "1.targets.json"])
def test_anything_missing_is_named(tmp_path: Path, name: str) -> None:
    """A root in the middle or at the beginning, timestamp, targets: without any of them nothing is made."""
    engine = filled(tmp_path)
    for _ in range(2):
        renew(engine.ports, force=["root"])
    engine.metadata.remove(name)
    with pytest.raises(InvalidMetadata, match=name):
        rebuilt(engine, tmp_path / "new")


def _signed_again(engine: Engine, name: str, key: str, **changes: Any) -> None:
    document = json.loads(engine.metadata.files[name])
    signed: Mapping[str, Any] = document["signed"] | changes
    payload = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    made = engine.keys.made[key]
    signatures = [{"keyid": made.entry.keyid, "sig": made.signer.sign(payload)}]
    engine.metadata.show(name, json.dumps({"signatures": signatures, "signed": signed}).encode())


@pytest.mark.parametrize(
    ("targets", "reason"),
    [
        ({"x": {"length": 1, "hashes": {"sha256": "00" * 32}}}, "another bin"),
        ({"0.txt": {"length": 1, "hashes": {"sha256": "00" * 32}, "extra": 1}}, "does not keep"),
        ({"0.txt": {"length": -1, "hashes": {"sha256": "00" * 32}}}, "negative"),
        ({"../up": {"length": 1, "hashes": {"sha256": "00" * 32}}}, "up"),
    ],
)
def test_entries_that_rstuf_would_not_sign_are_refused(tmp_path: Path, targets: Any, reason: str) -> None:
    """A path in another bin, foreign fields, or an impossible path: the state would not be what is published."""
    engine = filled(tmp_path)
    for index in range(4):
        _signed_again(engine, f"{_visible(engine, f'bins-{index}')}.bins-{index}.json", "online", targets=targets)
    with pytest.raises(InvalidMetadata, match=reason):
        rebuilt(engine, tmp_path / "new")


def _visible(engine: Engine, role: str) -> int:
    with engine.ports.state.read() as reader:
        return reader.role(RoleName(role)).visible


def test_what_was_accepted_and_not_published_is_gone(tmp_path: Path) -> None:
    """Nothing but what clients see is in the new state; adding it again brings it."""
    engine = filled(tmp_path)
    engine.add("late.txt", b"never published")
    again, report = rebuilt(engine, tmp_path / "new")
    assert report.artifacts == 6
    again.add("late.txt", b"never published")
    publish(again.ports)
    check_client(again, tmp_path / "client")


def test_targets_that_people_sign_stay_theirs(tmp_path: Path) -> None:
    """The new state has targets as they signed it, and publishes without them."""
    engine = filled(tmp_path, document=plan_document(targets={"expires": "365d", "threshold": 1, "signers": ["one"]}))
    again, _ = rebuilt(engine, tmp_path / "new")
    again.keys.away = {"one", "two"}
    again.add("new.txt", b"without them")
    publish(again.ports)
    check_client(again, tmp_path / "client")
    engine.keys.away = set()


def test_a_lost_directory_after_a_rebuild_is_mended_from_the_new_state(tmp_path: Path) -> None:
    """The new state has what it takes to put roots and targets back, too."""
    engine = filled(tmp_path)
    again, _ = rebuilt(engine, tmp_path / "new")
    root = again.root()
    for name in list(again.metadata.files):
        again.metadata.remove(name)
    renew(again.ports, force=["timestamp"])
    assert again.root() == root
    check_client(again, tmp_path / "fresh")


@pytest.mark.parametrize("count", [2, 16])
def test_bins_that_are_not_used_any_more_stay_listed(tmp_path: Path, count: int) -> None:
    """Their names are known to be taken, and go on above what clients have seen of them when they come back."""
    engine = filled(tmp_path)
    check_client(engine, tmp_path / "old")
    resize_bins(engine.ports, count)
    check_client(engine, tmp_path / "middle")
    again, report = rebuilt(engine, tmp_path / "again")
    assert (report.bins, report.artifacts) == (count, 6)
    assert verify_own(again.ports, depth=Depth.ROLES).problems == ()
    again.add("new.txt", b"goes on")
    publish(again.ports)
    for name in ("old", "middle", "fresh"):
        check_client(again, tmp_path / name)
    resize_bins(again.ports, 4)
    assert verify_own(again.ports, depth=Depth.ROLES).problems == ()
    for name in ("old", "middle", "fresh", "another"):
        check_client(again, tmp_path / name)


def _with_keys_of_their_own(tmp_path: Path) -> Engine:
    """A repository whose first targets lets a key sign the bins that root does not name, as other tools make them."""
    engine = filled(tmp_path)
    own = engine.make_key("own")
    delegations = json.loads(engine.metadata.files["1.targets.json"])["signed"]["delegations"]
    succinct = {**delegations["succinct_roles"], "keyids": [own.keyid]}
    delegations |= {"keys": {own.keyid: own.key.to_dict()}, "succinct_roles": succinct}
    _signed_again(engine, "1.targets.json", "online", delegations=delegations)
    for index in range(4):
        _signed_again(engine, f"{_visible(engine, f'bins-{index}')}.bins-{index}.json", "own")
    return engine


def _asked_about(engine: Engine) -> tuple[str, ...]:
    """The names of the keys that somebody has to answer for."""
    published = read_published(engine.metadata)
    names = {made.entry.keyid: name for name, made in engine.keys.made.items()}
    return tuple(names[keyid] for keyid in former_signers(engine.metadata, published, engine.metadata.files))


def test_bins_that_had_keys_of_their_own_from_the_beginning_keep_these(tmp_path: Path) -> None:
    """The first targets tells, also once there are later ones; without it, or changed, somebody has to answer."""
    engine = _with_keys_of_their_own(tmp_path)
    assert _asked_about(engine) == ()
    first = engine.metadata.files["1.targets.json"]
    _signed_again(engine, "1.targets.json", "online", version=2)
    engine.metadata.show("2.targets.json", engine.metadata.files["1.targets.json"])
    snapshot = json.loads(engine.metadata.files["timestamp.json"])["signed"]["meta"]["snapshot.json"]["version"]
    meta = json.loads(engine.metadata.files[f"{snapshot}.snapshot.json"])["signed"]["meta"]
    _signed_again(engine, f"{snapshot}.snapshot.json", "online", meta={**meta, "targets.json": {"version": 2}})
    _signed_again(engine, "timestamp.json", "online", meta={"snapshot.json": {"version": snapshot}})
    engine.metadata.show("1.targets.json", first)
    assert _asked_about(engine) == ()
    again, _ = rebuilt(engine, tmp_path / "again")
    with again.ports.state.read() as reader:
        assert strays(again.ports, reader) == []
    for other in (engine.metadata.files["2.targets.json"], _tampered(first), None):
        engine.metadata.remove("1.targets.json")
        if other is not None:
            engine.metadata.show("1.targets.json", other)
        assert _asked_about(engine) == ("own",)

"""The audit beside a real state: they agree after everything that the engine does, and every difference is found."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.support.engine import Engine
from tests.support.tuf_repo import NOW, Repo, flat
from tuf.api.metadata import Metadata, Targets

from rstuf.clock import ManualClock
from rstuf.model.artifacts import slot_of
from rstuf.model.audit import AuditEntry, entry_digest
from rstuf.model.names import RoleName, TargetPath
from rstuf.model.publication import RootVersion
from rstuf.model.roles import FileFacts, RoleKind, RoleState
from rstuf.repository.interfaces import StateReader
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.reports import VerifyReport
from rstuf.repository.verify import Depth, verify
from rstuf.state.sqlite import SqliteStateStore
from rstuf.storage.memory import MemoryArtifactStorage, MemoryMetadataStorage


@contextmanager
def _view(engine: Engine, wrap: Callable[[StateReader], Any] = lambda reader: reader) -> Iterator[StateReader]:
    with engine.ports.state.read() as reader:
        yield wrap(reader)


def _verify(engine: Engine, *, wrap: Callable[[StateReader], Any] = lambda reader: reader) -> VerifyReport:
    with _view(engine, wrap) as reader:
        return verify(
            engine.metadata,
            trusted_root=engine.root(),
            now=engine.clock.now(),
            contents=engine.artifacts,
            state=reader,
            depth=Depth.FULL,
        )


def _codes(report: VerifyReport) -> set[str]:
    return {problem.code for problem in report.problems}


def _notes(report: VerifyReport) -> set[str]:
    return {note["code"] for note in report.facts["notes"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A repository with some history: replaced, removed and renewed. Made once; tests take copies."""
    engine = Engine.live(tmp_path_factory.mktemp("made"))
    for number in range(12):
        engine.add(f"files/{number}.bin", b"%d" % number)
    publish(engine.ports)
    engine.add("files/1.bin", b"another")
    engine.add("ünï/cödé.bin", b"u")
    engine.remove("files/2.bin")
    publish(engine.ports)
    return engine


@pytest.fixture
def engine(made: Engine, tmp_path: Path) -> Engine:
    """A copy to do as one likes with; its state is in `tmp_path`."""
    state = made.ports.state
    assert isinstance(state, SqliteStateStore)
    with closing(sqlite3.connect(state._path)) as source, closing(sqlite3.connect(tmp_path / "state.db")) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=WAL")
    metadata, artifacts = MemoryMetadataStorage(), MemoryArtifactStorage()
    for storage, original in ((metadata, made.metadata), (artifacts, made.artifacts)):
        for name, data in original.files.items():
            storage.show(name, data)
    store = SqliteStateStore.open(tmp_path / "state.db", wait=timedelta(seconds=5), purpose="test")
    clock = ManualClock(made.clock.now())
    copied = made.with_ports(state=store, metadata=metadata, artifacts=artifacts, clock=clock)
    return replace(copied, metadata=metadata, artifacts=artifacts, clock=clock, contents=dict(made.contents))


def test_they_agree_after_everything_that_the_engine_does(engine: Engine) -> None:
    """Adding, replacing, removing, waiting changes and renewals leave nothing to complain of."""
    report = _verify(engine)
    assert report.problems == ()
    assert report.checked["artifacts"] == report.checked["state_artifacts"] == report.checked["contents"] == 12
    assert report.checked["state_roles"] == 7
    assert report.checked["log_entries"] > 3
    engine.add("files/waiting.bin", b"w")
    engine.remove("files/3.bin")
    engine.add("files/4.bin", b"not yet")
    assert _verify(engine).problems == ()
    engine.moved_on(days=20)
    renew(engine.ports)
    assert _verify(engine).problems == ()
    publish(engine.ports)
    report = _verify(engine)
    assert (report.problems, report.facts["notes"]) == ((), [])


class _FlatState:
    """What a state would say of a repository without bins that python-tuf made."""

    def __init__(self, repo: Repo, fragments: dict[str, bytes]) -> None:
        self._repo = repo
        self._fragments = fragments

    def roles(self) -> Iterator[RoleState]:
        for number, name in enumerate(("root", "targets", "snapshot", "timestamp")):
            data = self._repo.files[self._repo.name_of(name)]
            yield RoleState(
                id=number, name=RoleName(name), kind=RoleKind(name), holder=None, index=None, bin_bits=None, version=1,
                visible=1, number=7, newest=9, forced=False, expires=None, signed_at=None, sign_by=None, artifacts=0,
                payload=0, file=FileFacts(len(data), hashlib.sha256(data).hexdigest()),
            )  # fmt: skip

    def contents(self, holder: int, low: int, high: int, *, number: int) -> Iterator[tuple[int, TargetPath, bytes]]:
        assert (holder, low, high, number) == (1, 0, 2**32 - 1, 7)
        return ((slot_of(path), TargetPath(path), fragment) for path, fragment in self._fragments.items())

    def root(self, version: int) -> RootVersion:
        return RootVersion(version, self._repo.trusted, settled=True)

    def newest_root(self) -> RootVersion:
        return self.root(1)

    def snapshot_entries(self) -> list[tuple[str, int]]:
        return [("targets", 1)]

    def unfinished_publication(self) -> None:
        return None

    def keys(self) -> list[Any]:
        return []

    def audit(self) -> Iterator[AuditEntry]:
        return iter(())


def test_where_targets_holds_the_artifacts_itself_they_are_compared_with_it() -> None:
    """Without bins, everything that the holder has is compared with the one role."""
    repo = flat({"b": b"1", "a/c": b"22"})
    targets = Metadata[Targets].from_bytes(repo.files["1.targets.json"]).signed.targets
    fragments = {path: orjson.dumps(target.to_dict(), option=orjson.OPT_SORT_KEYS) for path, target in targets.items()}
    state: Any = _FlatState(repo, fragments)
    report = verify(repo, trusted_root=repo.trusted, now=NOW, state=state)
    assert report.problems == ()
    assert report.checked["state_artifacts"] == 2
    state = _FlatState(repo, {"b": fragments["b"], "d": fragments["b"]})
    report = verify(repo, trusted_root=repo.trusted, now=NOW, state=state)
    assert {(problem.code, problem.path) for problem in report.problems} == {
        ("state-disagrees", "a/c"),
        ("state-disagrees", "d"),
    }


class _Power(Exception):
    """The process ends here."""


@pytest.mark.parametrize("name", ["snapshot.json", "timestamp.json"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupted_publication_is_a_note(engine: Engine, name: str, when: str) -> None:
    """Whether clients see it already or not, what they see agrees with what the state knows of it."""
    visible = engine.metadata.files["timestamp.json"]
    show = engine.metadata.show

    def fail(file: str, data: bytes) -> None:
        if not file.endswith(name):
            show(file, data)
            return
        if when == "after":
            show(file, data)
        raise _Power

    engine.add("files/new.bin", b"n")
    engine.metadata.show = fail  # type: ignore[method-assign]
    with pytest.raises(_Power):
        publish(engine.ports)
    engine.metadata.show = show  # type: ignore[method-assign]
    report = _verify(engine)
    assert report.problems == ()
    # One that failed before its commit point was given up at once.
    assert _notes(report) == ({"unfinished-publication"} if name == "timestamp.json" else set())
    assert (engine.metadata.files["timestamp.json"] != visible) is ((name, when) == ("timestamp.json", "after"))
    publish(engine.ports)
    report = _verify(engine)
    assert (report.problems, _notes(report)) == ((), set())


def test_a_publication_that_died_while_it_was_written_is_a_note(engine: Engine) -> None:
    """A staged publication has taken versions that nobody sees: nothing disagrees."""
    engine.add("files/new.bin", b"n")
    with engine.ports.state.transaction(actor="test") as transaction:
        roles = [(role, 99) for role in transaction.roles() if role.kind is not RoleKind.ROOT]
        transaction.stage_publication(roles, begun=engine.clock.now())
    report = _verify(engine)
    assert (report.problems, _notes(report)) == ((), {"unfinished-publication"})


def test_an_older_repository_under_a_newer_state_is_found(engine: Engine) -> None:
    """Every file properly signed and not expired, and yet not what was published last: only the state can tell."""
    before = dict(engine.metadata.files)
    engine.add("files/new.bin", b"n")
    publish(engine.ports)
    with _view(engine) as reader:
        engine.metadata.show("timestamp.json", before["timestamp.json"])
        report = verify(engine.metadata, trusted_root=engine.root(), now=engine.clock.now(), state=reader)
    assert _codes(report) == {"state-disagrees"}
    assert {problem.role for problem in report.problems} >= {"timestamp", "snapshot"}
    assert verify(engine.metadata, trusted_root=engine.root(), now=engine.clock.now()).ok


def test_a_view_of_the_state_from_before_a_publication_is_said(engine: Engine) -> None:
    """What was published after the view was taken disagrees with it, and the report says to look again."""
    engine.add("files/new.bin", b"n")
    with _view(engine) as reader:
        publish(engine.ports)
        report = verify(engine.metadata, trusted_root=engine.root(), now=engine.clock.now(), state=reader)
    assert _codes(report) == {"state-disagrees"}
    assert report.facts["moved_on"] is True
    assert _notes(report) == {"moved-on"}
    assert _verify(engine).facts["moved_on"] is False


def test_a_bin_replaced_by_an_older_one_of_the_same_version_is_found(engine: Engine) -> None:
    """The same version with other bytes, properly signed by a thief of the key, differs from what was published."""
    name = next(name for name in engine.metadata.files if name.startswith("2.bins-"))
    signed = orjson.loads(engine.metadata.files[name])["signed"]
    path = next(iter(signed["targets"]))
    signed["targets"][path]["length"] += 1
    payload = orjson.dumps(signed, option=orjson.OPT_SORT_KEYS)
    online = engine.keys.made["online"].signer
    file = {"signatures": [{"keyid": online.keyid, "sig": online.sign(payload)}], "signed": signed}
    engine.metadata.show(name, orjson.dumps(file, option=orjson.OPT_SORT_KEYS))
    with _view(engine) as reader:
        report = verify(engine.metadata, trusted_root=engine.root(), now=engine.clock.now(), state=reader)
    assert [(problem.code, problem.path) for problem in report.problems] == [
        ("state-disagrees", None),
        ("state-disagrees", path),
    ]


def test_a_signature_by_an_unknown_key_is_out_of_place(engine: Engine) -> None:
    """With a state every key is known: another one's signature was put there by someone."""
    file = orjson.loads(engine.metadata.files["timestamp.json"])
    file["signatures"].append({"keyid": "00" * 32, "sig": "00" * 64})
    engine.metadata.show("timestamp.json", orjson.dumps(file, option=orjson.OPT_SORT_KEYS))
    assert "signature-foreign" in _codes(_verify(engine))


def test_gone_files_are_found_by_what_the_state_knows(engine: Engine) -> None:
    """Without timestamp and snapshot the roles are still checked, one by one."""
    for name in [name for name in engine.metadata.files if "snapshot" in name or "timestamp" in name]:
        engine.metadata.remove(name)
    report = _verify(engine)
    assert report.checked["roles"] == 5
    assert _codes(report) == {"missing-file", "state-disagrees"}


def test_another_root_than_the_states_is_found(engine: Engine) -> None:
    """The bytes of every root are those that were recorded when its thresholds were met."""

    def other(reader: StateReader, version: int) -> RootVersion | None:
        found = reader.root(version)
        return None if found is None else replace(found, data=found.data + b"\n")

    report = _verify(engine, wrap=_alter(root=other))
    assert [(problem.code, problem.role) for problem in report.problems] == [("state-disagrees", "root")]
    report = _verify(engine, wrap=_alter(root=lambda reader, version: None))
    assert [(problem.code, problem.role) for problem in report.problems] == [("state-disagrees", "root")]


@pytest.mark.parametrize("settled", [True, False])
def test_a_newest_root_without_a_file_is_found(engine: Engine, *, settled: bool) -> None:
    """One whose file is known to have been there is missed; one that was only signed is still to be made."""
    newest = RootVersion(2, b"{}", settled)
    report = _verify(engine, wrap=_alter(newest_root=lambda reader: newest))
    assert _codes(report) == ({"missing-file", "state-disagrees"} if settled else set())
    assert _notes(report) == (set() if settled else {"unfinished-publication"})


def test_a_retired_name_that_snapshot_dropped_is_found(engine: Engine) -> None:
    """Clients refuse a snapshot that drops a name it listed, though nobody reads that role any more."""

    def with_retired(reader: StateReader) -> Iterator[RoleState]:
        roles = list(reader.roles())
        yield from roles
        last = next(role for role in reversed(roles) if role.kind is RoleKind.BIN)
        yield replace(last, id=999, name=RoleName("bins-ff"), index=255, visible=3, version=3)

    report = _verify(engine, wrap=_alter(roles=with_retired))
    assert [(problem.code, problem.role) for problem in report.problems] == [("state-disagrees", "bins-ff")]


class _Altered:
    """A view of the state in which one thing is different."""

    def __init__(self, reader: StateReader, **methods: Any) -> None:
        self._reader = reader
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name, getattr(self._reader, name))


def _alter(**methods: Callable[..., Any]) -> Callable[[StateReader], Any]:
    """Each method gets the true reader first, then what it is called with."""

    def wrap(reader: StateReader) -> Any:
        bound = {
            name: (lambda *args, method=method, **named: method(reader, *args, **named))
            for name, method in methods.items()
        }
        return _Altered(reader, **bound)

    return wrap


def _lost(reader: StateReader, *args: Any, **named: Any) -> Iterator[tuple[int, TargetPath, bytes]]:
    return (row for row in reader.contents(*args, **named) if row[1] != "files/5.bin")


def _grown(reader: StateReader, *args: Any, **named: Any) -> Iterator[tuple[int, TargetPath, bytes]]:
    for slot, path, fragment in reader.contents(*args, **named):
        yield slot, path, fragment.replace(b'"length":1', b'"length":12') if path == "files/5.bin" else fragment


def _doubled(reader: StateReader, *args: Any, **named: Any) -> Iterator[tuple[int, TargetPath, bytes]]:
    for slot, path, fragment in reader.contents(*args, **named):
        yield slot, path, fragment
        if path == "files/5.bin":
            yield slot, TargetPath("files/5.bin2"), fragment


@pytest.mark.parametrize(
    ("contents", "path"), [(_lost, "files/5.bin"), (_grown, "files/5.bin"), (_doubled, "files/5.bin2")]
)
def test_each_difference_of_one_artifact_is_named(engine: Engine, contents: Any, path: str) -> None:
    """An artifact that the state lacks, has otherwise or has in addition is found by its path."""
    report = _verify(engine, wrap=_alter(contents=contents))
    assert [(problem.code, problem.path) for problem in report.problems] == [("state-disagrees", path)]


def _forged(entry: AuditEntry, **fields: Any) -> AuditEntry:
    values = {name: getattr(entry, name) for name in ("sequence", "at", "actor", "action", "details", "previous")}
    values.update(fields)
    return AuditEntry(**values, digest=entry_digest(**values))


@pytest.mark.parametrize(
    "change",
    [
        lambda log: log[:1] + log[2:],
        lambda log: log[1:],
        lambda log: [*log[:2], _forged(log[2], actor="somebody else"), *log[3:]],
        lambda log: [*log[:2], AuditEntry(**{**_fields(log[2]), "action": "nothing"}), *log[3:]],
        lambda log: [log[1], log[0], *log[2:]],
        lambda log: [*log, log[-1]],
        lambda log: [log[0], _forged(log[1], sequence=9), *log[2:]],
        lambda log: [*log, _forged(log[-1], sequence=99, previous=log[-1].digest)],
    ],
    ids=[
        "one gone",
        "first gone",
        "forged with its digest",
        "changed",
        "out of order",
        "repeated",
        "renumbered",
        "gap",
    ],
)
def test_a_log_that_was_tampered_with_is_found(engine: Engine, change: Callable[[list[AuditEntry]], Any]) -> None:
    """An entry that is removed, changed, forged or moved breaks the chain."""
    report = _verify(engine, wrap=_alter(audit=lambda reader: iter(change(list(reader.audit())))))
    assert _codes(report) == {"log-broken"}


def _fields(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in AuditEntry.__slots__}


def _fails(reader: StateReader, *args: Any, **named: Any) -> Any:
    raise sqlite3.DatabaseError("database disk image is malformed")


@pytest.mark.parametrize("method", ["roles", "contents", "audit", "root", "keys", "snapshot_entries"])
def test_a_state_that_cannot_be_read_does_not_end_the_audit(engine: Engine, method: str) -> None:
    """A damaged database is a problem, and what is published is checked all the same."""
    report = _verify(engine, wrap=_alter(**{method: _fails}))
    assert _codes(report) == {"state-disagrees"}
    assert report.checked["contents"] == 12


_DAMAGE = [
    "UPDATE artifact SET fragment = CAST(replace(fragment, 'length', 'lenght') AS BLOB) WHERE path = 'files/7.bin'",
    "DELETE FROM artifact WHERE path = 'files/7.bin'",
    "UPDATE artifact SET number = 999 WHERE path = 'files/7.bin'",
    "UPDATE role SET visible = visible - 1 WHERE name = 'timestamp'",
    "UPDATE role SET visible = 0 WHERE name = 'bins-1'",
    "UPDATE role SET sha256 = replace(sha256, substr(sha256, 1, 1), 'x') WHERE name = 'bins-2'",
    "UPDATE role SET length = length + 1 WHERE name = 'snapshot'",
    "UPDATE role SET number = 0 WHERE kind = 'bin'",
    "UPDATE root SET data = data || ' '",
    "DELETE FROM root",
    "DELETE FROM audit WHERE sequence = 2",
    "UPDATE audit SET actor = 'nobody' WHERE sequence = 1",
]


@pytest.mark.parametrize("statement", _DAMAGE)
def test_damage_to_the_database_is_found(engine: Engine, tmp_path: Path, statement: str) -> None:
    """Rows changed behind the engine's back: every one of them is seen in what clients see."""
    with closing(sqlite3.connect(tmp_path / "state.db")) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        changed = database.execute(statement).rowcount
        database.commit()
    assert changed > 0, tables
    report = _verify(engine)
    assert _codes(report) & {"state-disagrees", "log-broken"}

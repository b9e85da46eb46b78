"""The audit beside a real state: they agree after everything that the engine does, and every difference is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.support.audited import altered, codes, notes, tamper, verified
from tests.support.engine import Engine

from rstuf.model.names import RoleName, TargetPath
from rstuf.model.publication import RootVersion
from rstuf.model.roles import RoleKind, RoleState
from rstuf.repository.interfaces import StateReader
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.verify import verify


def test_they_agree_after_everything_that_the_engine_does(engine: Engine) -> None:
    """Adding, replacing, removing, waiting changes and renewals leave nothing to complain of."""
    report = verified(engine)
    assert report.problems == ()
    assert report.checked["artifacts"] == report.checked["state_artifacts"] == report.checked["contents"] == 12
    assert report.checked["state_roles"] == 7
    assert report.checked["log_entries"] > 3
    engine.add("files/waiting.bin", b"w")
    engine.remove("files/3.bin")
    engine.add("files/4.bin", b"not yet")
    assert verified(engine).problems == ()
    engine.moved_on(days=20)
    renew(engine.ports)
    assert verified(engine).problems == ()
    publish(engine.ports)
    report = verified(engine)
    assert (report.problems, report.facts["notes"]) == ((), [])


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
    report = verified(engine)
    assert report.problems == ()
    # One that failed before its commit point was given up at once.
    assert notes(report) == ({"unfinished-publication"} if name == "timestamp.json" else set())
    assert (engine.metadata.files["timestamp.json"] != visible) is ((name, when) == ("timestamp.json", "after"))
    publish(engine.ports)
    report = verified(engine)
    assert (report.problems, notes(report)) == ((), set())


def test_a_publication_that_died_while_it_was_written_is_a_note(engine: Engine) -> None:
    """A staged publication has taken versions that nobody sees: nothing disagrees."""
    engine.add("files/new.bin", b"n")
    with engine.ports.state.transaction(actor="test") as transaction:
        newest = transaction.newest_number()
        roles = [(role, newest) for role in transaction.roles() if role.kind is not RoleKind.ROOT]
        transaction.stage_publication(roles, begun=engine.clock.now())
    report = verified(engine)
    assert (report.problems, notes(report)) == ((), {"unfinished-publication"})


def test_an_older_repository_under_a_newer_state_is_found(engine: Engine) -> None:
    """Every file properly signed and not expired, and yet not what was published last: only the state can tell."""
    before = dict(engine.metadata.files)
    engine.add("files/new.bin", b"n")
    publish(engine.ports)
    with engine.ports.state.read() as reader:
        engine.metadata.show("timestamp.json", before["timestamp.json"])
        report = verify(engine.metadata, trusted_root=engine.root(), now=engine.clock.now(), state=reader)
    assert codes(report) == {"state-disagrees"}
    assert {problem.role for problem in report.problems} >= {"timestamp", "snapshot"}
    assert verify(engine.metadata, trusted_root=engine.root(), now=engine.clock.now()).ok


def test_a_view_of_the_state_from_before_a_publication_is_said(engine: Engine) -> None:
    """What was published after the view was taken disagrees with it, and the report says to look again."""
    engine.add("files/new.bin", b"n")
    with engine.ports.state.read() as reader:
        publish(engine.ports)
        report = verify(engine.metadata, trusted_root=engine.root(), now=engine.clock.now(), state=reader)
    assert codes(report) == {"state-disagrees"}
    assert report.facts["moved_on"] is True
    assert notes(report) == {"moved-on"}
    assert verified(engine).facts["moved_on"] is False


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
    with engine.ports.state.read() as reader:
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
    assert "signature-foreign" in codes(verified(engine))


def test_gone_files_are_found_by_what_the_state_knows(engine: Engine) -> None:
    """Without timestamp and snapshot the roles are still checked, one by one."""
    for name in [name for name in engine.metadata.files if "snapshot" in name or "timestamp" in name]:
        engine.metadata.remove(name)
    report = verified(engine)
    assert report.checked["roles"] == 5
    assert codes(report) == {"missing-file", "state-disagrees"}


def test_where_nobody_can_be_asked_who_delegates_no_name_is_called_retired(engine: Engine) -> None:
    """Without targets nothing is known of who delegates, so the bins are not said to be left over."""
    engine.metadata.remove("1.targets.json")
    assert notes(verified(engine)) == set()


def test_another_root_than_the_states_is_found(engine: Engine) -> None:
    """The bytes of every root are those that were recorded when its thresholds were met."""

    def other(reader: StateReader, version: int) -> RootVersion | None:
        found = reader.root(version)
        return None if found is None else replace(found, data=found.data + b"\n")

    report = verified(engine, wrap=altered(root=other))
    assert [(problem.code, problem.role) for problem in report.problems] == [("state-disagrees", "root")]
    report = verified(engine, wrap=altered(root=lambda reader, version: None))
    assert [(problem.code, problem.role) for problem in report.problems] == [("state-disagrees", "root")]


@pytest.mark.parametrize("settled", [True, False])
def test_a_newest_root_without_a_file_is_found(engine: Engine, tmp_path: Path, *, settled: bool) -> None:
    """One whose file is known to have been there is missed; one that was only signed is still to be made."""
    renew(engine.ports, force=["root"])
    engine.metadata.remove("2.root.json")
    if not settled:
        tamper(tmp_path, "UPDATE root SET settled = 0 WHERE version = 2")
    report = verified(engine)
    assert codes(report) == ({"missing-file", "state-disagrees"} if settled else set())
    assert notes(report) == (set() if settled else {"unfinished-publication"})


def test_every_root_that_the_state_knows_must_be_there(engine: Engine) -> None:
    """Clients that were given an older root than the newest need each of those between, the first one too."""
    renew(engine.ports, force=["root"])
    renew(engine.ports, force=["root"])
    assert verified(engine).problems == ()
    first = engine.root()
    for version, kinds in ((1, {"state-disagrees"}), (2, {"missing-file", "state-disagrees", "signature-missing"})):
        kept = engine.metadata.files[f"{version}.root.json"]
        engine.metadata.remove(f"{version}.root.json")
        report = verified(engine, trusted=first)
        assert {"state-disagrees"} <= codes(report) <= kinds
        assert any(f"{version}.root.json" in problem.message for problem in report.problems)
        engine.metadata.show(f"{version}.root.json", kept)


def test_a_retired_name_that_snapshot_dropped_is_found(engine: Engine) -> None:
    """Clients refuse a snapshot that drops a name it listed, though nobody reads that role any more."""

    def with_retired(reader: StateReader) -> Iterator[RoleState]:
        roles = list(reader.roles())
        yield from roles
        last = next(role for role in reversed(roles) if role.kind is RoleKind.BIN)
        facts = {"visible": 3, "version": 3, "artifacts": 0, "payload": 0, "newest": 0}
        yield replace(last, id=999, name=RoleName("bins-ff"), index=255, **facts)

    report = verified(engine, wrap=altered(roles=with_retired))
    assert [(problem.code, problem.role) for problem in report.problems] == [("state-disagrees", "bins-ff")]


def _lost(reader: StateReader, *args: Any, **named: Any) -> Iterator[tuple[int, TargetPath, int, bytes]]:
    return (row for row in reader.versions(*args, **named) if row[1] != "files/5.bin")


def _grown(reader: StateReader, *args: Any, **named: Any) -> Iterator[tuple[int, TargetPath, int, bytes]]:
    for *where, fragment in reader.versions(*args, **named):
        yield *where, fragment.replace(b'"length":1', b'"length":2') if "files/5.bin" in where else fragment


def _doubled(reader: StateReader, *args: Any, **named: Any) -> Iterator[tuple[int, TargetPath, int, bytes]]:
    for row in reader.versions(*args, **named):
        yield row
        if row[1] == "files/5.bin":
            yield row[0], TargetPath("files/5.bin2"), *row[2:]


@pytest.mark.parametrize(
    ("versions", "path"), [(_lost, "files/5.bin"), (_grown, "files/5.bin"), (_doubled, "files/5.bin2")]
)
def test_each_difference_of_one_artifact_is_named(engine: Engine, versions: Any, path: str) -> None:
    """An artifact that the state lacks, has otherwise or has in addition is found by its path."""
    report = verified(engine, wrap=altered(versions=versions))
    found = [(problem.code, problem.path) for problem in report.problems if problem.code == "state-disagrees"]
    assert found == [("state-disagrees", path)]


def _fails(reader: StateReader, *args: Any, **named: Any) -> Any:
    raise sqlite3.DatabaseError("database disk image is malformed")


_QUESTIONS = (
    "roles versions audit root newest_root keys key snapshot_entries periods settings publications newest_number "
    "damage root_versions unfinished_publication delegator"
)


@pytest.mark.parametrize("method", _QUESTIONS.split())
def test_a_state_that_cannot_be_read_does_not_end_the_audit(engine: Engine, method: str) -> None:
    """A damaged database is a problem, and what is published is checked all the same."""
    report = verified(engine, wrap=altered(**{method: _fails}))
    assert codes(report) == {"state-damaged"}
    assert report.checked["contents"] == 12

"""The audit beside a real state: they agree after everything that the engine does, and every difference is found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from tests.support.audited_engine import altered, notes_of, problems_of, verified, view_of
from tests.support.engine import Engine
from tests.support.faulty import Power
from tests.support.tuf_repo import NOW, Repo, flat
from tuf.api.metadata import Metadata, Targets

from rstuf.model.artifacts import slot_of
from rstuf.model.audit import AuditEntry
from rstuf.model.names import RoleName, TargetPath
from rstuf.model.publication import RootVersion
from rstuf.model.roles import FileFacts, RoleKind, RoleState
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
        raise Power

    engine.add("files/new.bin", b"n")
    engine.metadata.show = fail  # type: ignore[method-assign]
    with pytest.raises(Power):
        publish(engine.ports)
    engine.metadata.show = show  # type: ignore[method-assign]
    report = verified(engine)
    assert report.problems == ()
    # One that failed before its commit point was given up at once.
    assert notes_of(report) == ({"unfinished-publication"} if name == "timestamp.json" else set())
    assert (engine.metadata.files["timestamp.json"] != visible) is ((name, when) == ("timestamp.json", "after"))
    publish(engine.ports)
    report = verified(engine)
    assert (report.problems, notes_of(report)) == ((), set())


def test_a_publication_that_died_while_it_was_written_is_a_note(engine: Engine) -> None:
    """A staged publication has taken versions that nobody sees: nothing disagrees."""
    engine.add("files/new.bin", b"n")
    with engine.ports.state.transaction(actor="test") as transaction:
        roles = [(role, 99) for role in transaction.roles() if role.kind is not RoleKind.ROOT]
        transaction.stage_publication(roles, begun=engine.clock.now())
    report = verified(engine)
    assert (report.problems, notes_of(report)) == ((), {"unfinished-publication"})


def test_an_older_repository_under_a_newer_state_is_found(engine: Engine) -> None:
    """Every file properly signed and not expired, and yet not what was published last: only the state can tell."""
    before = dict(engine.metadata.files)
    engine.add("files/new.bin", b"n")
    publish(engine.ports)
    with view_of(engine) as reader:
        engine.metadata.show("timestamp.json", before["timestamp.json"])
        report = verify(engine.metadata, trusted_root=engine.root(), now=engine.clock.now(), state=reader)
    assert problems_of(report) == {"state-disagrees"}
    assert {problem.role for problem in report.problems} >= {"timestamp", "snapshot"}
    assert verify(engine.metadata, trusted_root=engine.root(), now=engine.clock.now()).ok


def test_a_view_of_the_state_from_before_a_publication_is_said(engine: Engine) -> None:
    """What was published after the view was taken disagrees with it, and the report says to look again."""
    engine.add("files/new.bin", b"n")
    with view_of(engine) as reader:
        publish(engine.ports)
        report = verify(engine.metadata, trusted_root=engine.root(), now=engine.clock.now(), state=reader)
    assert problems_of(report) == {"state-disagrees"}
    assert report.facts["moved_on"] is True
    assert notes_of(report) == {"moved-on"}
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
    with view_of(engine) as reader:
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
    assert "signature-foreign" in problems_of(verified(engine))


def test_gone_files_are_found_by_what_the_state_knows(engine: Engine) -> None:
    """Without timestamp and snapshot the roles are still checked, one by one."""
    for name in [name for name in engine.metadata.files if "snapshot" in name or "timestamp" in name]:
        engine.metadata.remove(name)
    report = verified(engine)
    assert report.checked["roles"] == 5
    assert problems_of(report) == {"missing-file", "state-disagrees"}


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
def test_a_newest_root_without_a_file_is_found(engine: Engine, *, settled: bool) -> None:
    """One whose file is known to have been there is missed; one that was only signed is still to be made."""
    newest = RootVersion(2, b"{}", settled)
    report = verified(engine, wrap=altered(newest_root=lambda reader: newest))
    assert problems_of(report) == ({"missing-file", "state-disagrees"} if settled else set())
    assert notes_of(report) == (set() if settled else {"unfinished-publication"})


def test_a_retired_name_that_snapshot_dropped_is_found(engine: Engine) -> None:
    """Clients refuse a snapshot that drops a name it listed, though nobody reads that role any more."""

    def with_retired(reader: StateReader) -> Iterator[RoleState]:
        roles = list(reader.roles())
        yield from roles
        last = next(role for role in reversed(roles) if role.kind is RoleKind.BIN)
        yield replace(last, id=999, name=RoleName("bins-ff"), index=255, visible=3, version=3)

    report = verified(engine, wrap=altered(roles=with_retired))
    assert [(problem.code, problem.role) for problem in report.problems] == [("state-disagrees", "bins-ff")]

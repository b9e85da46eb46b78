"""Verify beside the state of a repository that delegates by names: it is sound, and no change of it goes unnoticed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.support.audited import codes, notes, said, tamper, verified
from tests.support.delegated import delegate, delegated
from tests.support.engine import Engine, check_client

from rstuf.model.names import RoleName
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A repository that delegates, and some more that waits. Made once; tests take copies."""
    engine = delegated(tmp_path_factory.mktemp("made"))
    engine.add("team/later", b"l")
    engine.add("vendor/2", b"not yet")
    engine.remove("team/inner/b")
    return engine


def test_it_is_sound(engine: Engine, tmp_path: Path) -> None:
    """Named, nested, terminating, split into bins, beside bins, and left: nothing is wrong, before and after more."""
    report = verified(engine)
    assert (said(report), notes(report)) == ("", {"retired-role"})
    # Root, timestamp, snapshot, targets, team, inner, ops, vendor with 4 bins, and bins with 4: one has left.
    assert (report.checked["roles"], report.checked["state_roles"], report.facts["bins"]) == (14, 16, 8)
    assert report.checked["artifacts"] == report.checked["state_artifacts"] == report.checked["contents"] == 18
    publish(engine.ports)
    delegate(engine, "gone", "files/*")
    renew(engine.ports, force=["targets", "bins", "snapshot"])
    report = verified(engine)
    assert (said(report), notes(report)) == ("", set())
    check_client(engine, tmp_path / "client")


def test_the_client_comes_to_every_role(engine: Engine) -> None:
    """Where a role lists nothing, a path is looked for that it would list: the client reads its file, too."""
    delegate(engine, "empty", "empty/*/x?")
    reads = Counter[str]()
    read = engine.metadata.read

    def counted(name: str, *, limit: int) -> bytes:
        reads[name] += 1
        return read(name, limit=limit)

    engine.metadata.read = counted  # type: ignore[method-assign]
    report = verified(engine)
    assert said(report) == ""
    with engine.ports.state.read() as reader:
        listed = {f"{role.visible}.{role.name}.json" for role in reader.roles() if role.index is not None}
        listed |= {f"{reader.role(RoleName(name)).visible}.{name}.json" for name in ("team", "inner", "ops", "empty")}
    # Once by the audit, and once by the client.
    assert {name for name in listed if reads[name] < 2} == set()
    assert (len(listed), report.checked["client_artifacts"]) == (12, 14)


_ID = "(SELECT id FROM role WHERE name = '{}')"
_TEAM, _OPS, _GONE = (_ID.format(name) for name in ("team", "ops", "gone"))

DISAGREES = [
    ("UPDATE role SET visible = visible - 1 WHERE name = 'team'", "team -: clients see version"),
    ("UPDATE role SET sha256 = printf('%064d', 0) WHERE name = 'inner'", "inner -: its file has other bytes"),
    ("UPDATE role SET expires = expires + 1 WHERE name = 'ops'", "ops -: clients see that it expires"),
    ("DELETE FROM role WHERE name = 'ops'", "ops -: clients see it and the state does not know it"),
    ("UPDATE role SET kind = 'targets' WHERE name = 'ops'", "ops -: the state has it as targets, not delegated"),
    ("UPDATE role SET retired = 1 WHERE name = 'ops'", "ops -: clients come to it, and in the state nobody"),
    ("UPDATE role SET retired = 1 WHERE name = 'vendor'", "vendor -: clients come to it, and in the state nobody"),
    ("UPDATE role SET retired = 1 WHERE name = 'bins'", "bins -: clients come to it, and in the state nobody"),
    ("UPDATE role SET retired = 0 WHERE name = 'gone'", "gone -: nobody delegates to it, and in the state somebody"),
    ("UPDATE role SET visible = 0 WHERE name = 'gone'", "gone -: snapshot lists version"),
    ("UPDATE role SET bin_bits = 2 WHERE name = 'team'", "team -: the metadata and the state differ in whether"),
    ("UPDATE role SET bin_bits = NULL WHERE name = 'vendor'", "vendor -: the metadata and the state differ in"),
    ("UPDATE role SET bin_bits = 2 WHERE name = 'targets'", "targets -: the metadata and the state differ in whether"),
    ("UPDATE role SET bin_bits = 3 WHERE name = 'bins'", "it is bin 0 of the 4 of bins, and in the state bin 0 of"),
    (
        f"UPDATE role SET holder = {_OPS} WHERE name = 'vendor-bins-1'",
        "it is bin 1 of the 4 of vendor, and in the state bin 1 of the 0 of ops",
    ),
    ("UPDATE role SET number = 0 WHERE name = 'team'", "team team/one: it is in the metadata, and not in what"),
    ("DELETE FROM artifact WHERE path = 'team/inner/a'", "inner team/inner/a: it is in the metadata, and not in what"),
    (f"UPDATE artifact SET holder = {_TEAM} WHERE path = 'ops/x'", "ops ops/x: it is in the metadata, and not in what"),
    (f"UPDATE artifact SET holder = {_TEAM} WHERE path = 'ops/x'", "team ops/x: the state says that clients see it"),
    (f"UPDATE role SET space = {_OPS} + 1000 WHERE name = 'bins'", "bins-0 files/4.bin: it is in the metadata, and"),
    ("DELETE FROM key WHERE name = 'tara'", "targets -: it lists the key"),
]

DAMAGED = [
    ("UPDATE role SET retired = 1 WHERE name = 'targets'", "targets -: it is said to be left, and no repository"),
    ("UPDATE role SET kind = 'bin' WHERE name = 'gone'", "gone -: it is a bin of no role"),
    ("UPDATE role SET holder = NULL, bin_index = NULL WHERE name = 'vendor-bins-1'", "it is a bin of no role"),
    ("UPDATE role SET bin_bits = 3 WHERE name = 'vendor'", "over 8 bins, and there are 4"),
    ("UPDATE role SET artifacts = artifacts + 1 WHERE name = 'inner'", "inner -: the state counts 2 artifacts"),
    ("UPDATE role SET payload = 7 WHERE name = 'team'", "team -: the state counts 2 artifacts with 7 bytes"),
    ("UPDATE role SET newest = number WHERE name = 'team'", "team -: its newest change is"),
    ("UPDATE role SET space = 999 WHERE name = 'targets'", "roles keep their artifacts where none can (1)"),
    ("UPDATE role SET space = id WHERE name = 'bins-1'", "roles keep their artifacts where none can (1)"),
    (f"UPDATE artifact SET holder = {_GONE} WHERE path = 'ops/x'", "roles that nobody delegates to hold artifacts"),
    ("DELETE FROM periods WHERE role = 'inner'", "inner -: it has no periods, so it cannot be signed again"),
    ("DELETE FROM periods WHERE role = 'vendor-bins'", "vendor-bins -: it has no periods"),
    (f"DELETE FROM delegator WHERE role = {_TEAM}", "team -: the bytes of version"),
    (f"UPDATE delegator SET data = x'7b7d' WHERE role = {_OPS}", "ops -: the bytes that are recorded of version"),
    (f"UPDATE delegator SET delegates = 0 WHERE role = {_TEAM}", "team delegates, and is noted as if it did not"),
    (
        f"INSERT INTO handover (role, what, number, publication) VALUES ({_TEAM}, 'joins', 1, NULL)",
        "being changed in ways that there are not (1)",
    ),
    (
        f"INSERT INTO handover (role, what, number, publication) VALUES ({_GONE}, 'leaves', 1, NULL)",
        "being changed in ways that there are not (1)",
    ),
    (
        f"INSERT INTO handover (role, what, number, publication) VALUES ({_TEAM}, 'flies', 1, NULL)",
        "being changed in ways that there are not (1)",
    ),
    (
        f"INSERT INTO handover (role, what, number, publication) VALUES ({_TEAM}, 'leaves', 1, 1)",
        "being changed by publications that are over (1)",
    ),
    (f"INSERT INTO resize VALUES ({_TEAM}, 2, 1, 1)", "being changed by publications that are over (1)"),
    (f"INSERT INTO move VALUES (1, 'a', {_TEAM}, {_OPS})", "artifacts are to move, and nothing is begun (1)"),
]


@pytest.mark.parametrize(("statement", "message"), [*DISAGREES, *DAMAGED])
def test_every_change_of_a_row_is_found(engine: Engine, tmp_path: Path, statement: str, message: str) -> None:
    """A row that says something else than what clients see, or that contradicts another one, is named."""
    assert tamper(tmp_path, statement) > 0
    report = verified(engine)
    assert message in said(report)
    kind = "state-disagrees" if (statement, message) in DISAGREES else "state-damaged"
    assert kind in codes(report)


def test_keys_of_delegated_roles_are_not_left_over(engine: Engine, tmp_path: Path) -> None:
    """A key that only a delegated role lists is used, and is no stray, be it lost; that it leaked is said."""
    assert notes(verified(engine)) == {"retired-role"}
    lost = "INSERT INTO key_loss SELECT keyid, '{}', 1 FROM key WHERE name = 'tara'"
    assert tamper(tmp_path, lost.format("lost"))
    assert notes(verified(engine)) == {"retired-role"}
    assert tamper(tmp_path, "DELETE FROM key_loss", lost.format("leaked")) == 2
    assert notes(verified(engine)) == {"retired-role", "leaked-key"}

"""`rstuf verify` beside a state that was changed, damaged, in use, or cannot be written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, tree


def _state(workspace: Path) -> sqlite3.Connection:
    return sqlite3.connect(workspace / "state.db", isolation_level=None)


def test_a_changed_row_is_exit_3(cli: Cli, filled: Path) -> None:
    """What no client sees is a problem of the state all the same, in words and as data."""
    with closing(_state(filled)) as database:
        database.execute("UPDATE role SET payload = payload + 1 WHERE name = 'bins-1'")
    done = cli("verify")
    assert (done.code, "✗ state" in done.out, "✗ roles" in done.out) == (3, True, False)
    assert "state-damaged  bins-1: the state counts" in done.out
    (problem,) = cli("verify", "--json").document["problems"]
    assert (problem["code"], problem["role"]) == ("state-damaged", "bins-1")


def test_a_damaged_page_is_exit_3(cli: Cli, filled: Path) -> None:
    """Where the state can still be opened the rest is checked too, and what the database says of it stays short."""
    with closing(_state(filled)) as database:
        page = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'role_due'").fetchone()[0]
        size = database.execute("PRAGMA page_size").fetchone()[0]
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    place = filled / "state.db"
    data = place.read_bytes()
    place.write_bytes(data[: (page - 1) * size] + b"\xa5" * size + data[page * size :])
    done = cli("verify")
    assert (done.code, done.err) == (3, "")
    assert "a page is damaged (" in done.out
    assert "✓ artifacts" in done.out


@pytest.mark.parametrize("version", [1, 2])
def test_a_root_that_is_gone_is_exit_3(cli: Cli, filled: Path, version: int) -> None:
    """The first one too, though clients that were given a newer one do without."""
    assert cli("renew", "--force", "root").code == 0
    assert cli("verify").code == 0
    place = filled / "metadata" / f"{version}.root.json"
    place.unlink()
    done = cli("verify")
    assert done.code == 3
    assert f"the state has root version {version}, and {version}.root.json cannot be read" in done.out


def test_a_state_in_use_is_read(cli: Cli, filled: Path) -> None:
    """A writer in the middle of its work neither stops an audit nor is seen by it."""
    with closing(_state(filled)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE counter SET value = value + 1")
        assert cli("verify").code == 0
        database.execute("ROLLBACK")


def test_an_unfinished_ceremony_is_refused(cli: Cli, filled: Path) -> None:
    """There is nothing to verify yet, and the message says how it goes on."""
    with closing(_state(filled)) as database:
        database.execute("UPDATE repository SET phase = 'ceremony'")
    done = cli("verify")
    assert (done.code, done.out) == (1, "")
    assert "so does the same rstuf ceremony" in done.err


def test_a_state_without_roots_is_no_unfinished_ceremony(cli: Cli, filled: Path) -> None:
    """Trust has nowhere to begin: the state is to be replaced, not the ceremony repeated."""
    with closing(_state(filled)) as database:
        database.execute("DELETE FROM root")
    done = cli("verify")
    assert (done.code, done.out) == (6, "")
    assert "put a backup of the state in its place" in done.err


def test_a_state_without_settings_is_no_unfinished_ceremony(cli: Cli, filled: Path, tmp_path: Path) -> None:
    """Neither a look nor the same ceremony again takes it for one that was interrupted."""
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    with closing(_state(filled)) as database:
        database.execute("DELETE FROM repository")
    for argv in (["status"], ["verify"], ["renew"], ["ceremony", "--plan", plan]):
        done = cli("--repo", filled, *argv)
        assert (done.code, done.out) == (6, ""), argv
        assert "its settings are gone" in done.err
        assert "put a backup of the state in its place" in done.err


def test_a_record_that_is_taken_again_is_told(cli: Cli, filled: Path) -> None:
    """The state's own copy of targets was damaged: renewal takes what is published, says so, and verify is content."""
    with closing(_state(filled)) as database:
        database.execute("UPDATE delegator SET data = x'00'")
    assert cli("verify").code == 3
    done = cli("renew")
    assert done.code == 0
    assert "note:  the state's own copy of 1.targets.json was damaged, taken again from what is published" in done.err
    assert cli("verify").code == 0
    with closing(_state(filled)) as database:
        database.execute("DELETE FROM delegator")
    assert cli("publish", "--json").document["recorded"] == ["1.targets.json"]


def test_nothing_is_left_behind(cli: Cli, filled: Path) -> None:
    """An audit of a state that is wrong changes as little as one of a sound state."""
    with closing(_state(filled)) as database:
        database.execute("UPDATE role SET payload = payload + 1 WHERE name = 'bins-1'")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    before = tree(filled)
    assert cli("verify", "--full").code == 3
    assert tree(filled) == before

"""`rstuf doctor`: in a workspace that is well, and in those that every other command refuses."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import PLAN, Cli, tree
from tests.cli.test_status import interrupt

import rstuf_cli
from rstuf.storage.staging import room
from rstuf_cli.diagnosis import MEANINGS

Later = Callable[[timedelta], None]


def found(cli: Cli) -> dict[str, dict[str, Any]]:
    """What it finds, by code."""
    return {each["code"]: each for each in cli("doctor", "--json").document["findings"]}


def test_nothing_is_wrong(cli: Cli, filled: Path) -> None:
    """Every area is looked at, exit 0, and no file came or went or changed."""
    before, names = tree(filled), sorted(os.listdir(filled))
    done = cli("doctor")
    assert (done.code, done.err) == (0, "")
    assert "nothing needs you" in done.out
    document = cli("doctor", "--json").document
    assert (document["ok"], document["findings"], document["not_examined"]) == (True, [], {})
    assert "contents by length" in done.out
    assert document["contents"] == {"compared": 2, "by": "length"}
    assert len(document["examined"]) == 8
    assert set(document["versions"]) == {"rstuf", "python", "tuf", "sqlite"}
    assert document["disks"][0]["free"] > 0
    assert (tree(filled), sorted(os.listdir(filled))) == (before, names)


def _write_toml(place: Path) -> None:
    (place / "rstuf.toml").write_text("this is no TOML")


def _newer_toml(place: Path) -> None:
    (place / "rstuf.toml").write_text("format = 9\n")


def _serve_keys(place: Path) -> None:
    (place / "rstuf.toml").write_text('format = 1\nmetadata = "keys"\n')


def _no_toml_places(place: Path) -> None:
    _write_toml(place)
    (place / "state.db").rename(place / "elsewhere.db")


def _open_to_all(place: Path) -> None:
    place.chmod(0o777)


def _open_state(place: Path) -> None:
    (place / "state.db").chmod(0o660)


def _garbage(place: Path) -> None:
    (place / "state.db").write_bytes(b"not a database" * 999)


def _no_state(place: Path) -> None:
    (place / "state.db").unlink()


def _sql(*statements: str) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        with closing(sqlite3.connect(place / "state.db")) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    return change


REFUSED = {
    "damaged rstuf.toml": (_write_toml, "invalid-config", "echo 'format = 1' > {}/rstuf.toml", 1),
    "damaged rstuf.toml of other places": (_no_toml_places, "invalid-config", "correct the file", 1),
    "newer rstuf.toml": (_newer_toml, "invalid-config", "correct the file", 1),
    "keys are served": (_serve_keys, "invalid-config", "correct the file", 1),
    "unsafe workspace": (_open_to_all, "unsafe-permissions", "chmod -R go-w {}", 1),
    "unsafe state": (_open_state, "unsafe-permissions", "chmod -R go-w {}/state.db", 1),
    "damaged state": (_garbage, "state-damaged", "put a backup of the state in its place", 1),
    "no state": (_no_state, "state-damaged", "put a backup of the state in its place", 1),
    "newer state": (_sql("PRAGMA user_version=99"), "state-newer", "the newer rstuf", 1),
    "other program's state": (_sql("PRAGMA application_id=1"), "state-damaged", "put a backup", 1),
    "unfinished ceremony": (
        _sql("UPDATE repository SET phase = 'ceremony'"),
        "ceremony-unfinished",
        "rstuf ceremony",
        1,
    ),
    "state without settings": (_sql("DELETE FROM repository"), "state-damaged", "put a backup", 1),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_workspace_that_every_other_command_refuses(what: str, cli: Cli, filled: Path) -> None:
    """It says what is wrong, what that means and what helps; it changes nothing; status is refused for the same."""
    spoil, code, mend, exit_code = REFUSED[what]
    spoil(filled)
    refused = cli("status", "--json")
    assert refused.code not in {0, 2}
    before = tree(filled)
    done = cli("doctor")
    assert (done.code, done.err) == (exit_code, "")
    assert "Traceback" not in done.out
    finding = found(cli)[code]
    assert refused.document["error"]["code"] == code
    assert finding["severity"] == "problem"
    assert mend.format(filled) in finding["mend"]
    assert finding["meaning"]
    assert finding["message"] in done.out
    assert tree(filled) == before


@pytest.mark.parametrize("what", ["damaged rstuf.toml", "unsafe workspace", "unsafe state"])
def test_the_command_that_it_gives_mends(what: str, cli: Cli, filled: Path) -> None:
    """Where it gives a command, a shell that runs it is all that is needed."""
    spoil, code, *_ = REFUSED[what]
    spoil(filled)
    mend = found(cli)[code]["mend"]
    assert os.system(mend) == 0
    assert cli("doctor").code == 0
    assert cli("status").code == 0


def test_what_others_could_have_written_is_not_read(cli: Cli, filled: Path) -> None:
    """Where somebody else can write to rstuf.toml, nothing that it names is opened, and the report says so."""
    (filled / "rstuf.toml").write_text('format = 1\nstate = "/nowhere/state.db"\n')
    filled.chmod(0o777)
    document = cli("doctor", "--json").document
    assert {"configuration", "state", "status", "published"} <= document["not_examined"].keys()
    assert "nowhere" not in str(document)


def test_a_ceremony_that_made_no_state(cli: Cli, tmp_path: Path, filled: Path) -> None:
    """Interrupted before there was anything but rstuf.toml, it is no damage."""
    place = tmp_path / "begun"
    place.mkdir(mode=0o700)
    shutil.copy(filled / "rstuf.toml", place)
    done = cli("--repo", place, "doctor", "--json")
    (finding,) = done.document["findings"]
    assert (done.code, finding["code"]) == (1, "ceremony-unfinished")
    assert "rstuf ceremony" in finding["mend"]


def test_outside_of_a_workspace(cli: Cli, tmp_path: Path) -> None:
    """It is refused as every command; but answers that a ceremony kept are told."""
    assert cli("doctor", "--json").document["error"]["code"] == "no-workspace"
    Path("ceremony-draft.json").write_text("{}")
    done = cli("doctor", "--json")
    (finding,) = done.document["findings"]
    assert (done.code, finding["code"], finding["mend"]) == (0, "ceremony-draft", "rstuf ceremony")


def test_a_published_file_that_is_lost(cli: Cli, filled: Path) -> None:
    """What is published is compared with the state: exit 3, once, with the command that mends it."""
    next((filled / "metadata").glob("*.snapshot.json")).parent.joinpath("1.root.json").unlink()
    done = cli("doctor")
    assert done.code == 3
    findings = cli("doctor", "--json").document["findings"]
    assert {each["area"] for each in findings} == {"published"}
    assert "rstuf renew" in [each["mend"] for each in findings]
    assert cli("renew").code == 0
    assert cli("doctor").code == 0


def test_roles_that_are_not_here_are_named_in_no_command(cli: Cli, filled: Path) -> None:
    """What a changed snapshot lists cannot be renewed by its name; the command that is given mends the snapshot."""
    (snapshot,) = (filled / "metadata").glob("2.snapshot.json")
    snapshot.write_bytes(snapshot.read_bytes().replace(b"bins-0", b"bins-9"))
    findings = found(cli)
    assert findings["extra-role"]["mend"] == "rstuf renew"
    assert not any("bins-9" in each["mend"] for each in findings.values())
    assert cli("renew").code == 0
    assert found(cli) == {}


@pytest.mark.parametrize("spoil", [timedelta(days=40), "content"])
def test_status_never_says_otherwise_than_what_is_published(
    spoil: timedelta | str, cli: Cli, filled: Path, later: Later
) -> None:
    """Where something that is published is wrong, nothing is called in order that depends on it."""
    if isinstance(spoil, timedelta):
        later(spoil)
    else:
        next((filled / "targets").glob("*.a.txt")).unlink()
    done = cli("doctor")
    assert done.code == 3
    assert "nothing is due" not in done.out


def test_contents_that_are_lost_or_changed(cli: Cli, filled: Path) -> None:
    """Each is told with the command that puts it back, and the good files do."""
    (lost,), (longer,) = (filled / "targets").glob("*.a.txt"), (filled / "targets" / "data").glob("*.b.bin")
    lost.unlink()
    longer.write_bytes(longer.read_bytes() + b"more")
    assert cli("doctor").code == 3
    findings = found(cli)
    assert findings.keys() == {"content-missing", "content-mismatch"}
    assert {each["mend"] for each in findings.values()} == {"rstuf artifact add FILE"}
    assert cli("artifact", "add", "../files").code == 0
    assert found(cli) == {}


def test_rows_that_no_rstuf_wrote(cli: Cli, filled: Path) -> None:
    """Whatever stands in the state, it is a finding and never a traceback."""
    _sql("UPDATE role SET expires = 'soon', sign_by = 'x' WHERE name = 'timestamp'")(filled)
    done = cli("doctor")
    assert (done.code in {1, 3}, done.err) == (True, "")
    assert "✗" in done.out


def test_what_status_knows(cli: Cli, filled: Path, later: Later, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, dates, the clock, interrupted and waiting publications, each with the command that helps."""
    assert cli("artifact", "remove", "--no-publish", "a.txt").code == 0
    done = cli("doctor")
    assert done.code == 0
    assert (found(cli)["pending"]["severity"], found(cli)["pending"]["mend"]) == ("note", "rstuf publish")
    (filled / "keys" / "online.key").rename(filled.parent / "away")
    assert (found(cli)["key-away"]["mend"], cli("doctor").code) == ("put back keys/online.key", 1)
    (filled.parent / "away").rename(filled / "keys" / "online.key")
    later(timedelta(days=-3))
    assert (found(cli)["clock-behind"]["mend"], cli("doctor").code) == ("set the clock", 1)
    later(timedelta(days=11))
    assert (found(cli)["due"]["mend"], cli("doctor").code) == ("rstuf renew", 1)
    assert cli("renew").code == 0
    interrupt(cli, monkeypatch, visible=False)
    assert found(cli)["interrupted"]["mend"] == "rstuf publish"
    assert cli("publish").code == 0
    assert cli("doctor").code == 0


def test_what_waits_for_signatures(waiting: Path, cli: Cli) -> None:
    """An event that is open is a note, with the command that goes on with it, and everything else is looked at."""
    document = cli("doctor", "--json").document
    assert document["not_examined"] == {}
    events = [each for each in document["findings"] if each["code"] == "event"]
    noted = [(each["severity"], each["mend"]) for each in events]
    assert events[0]["message"].startswith("root v2 waits for 2 more signatures")
    assert noted == [("note", "rstuf sign root-v2; or rstuf bundle export root-v2")]
    assert cli("doctor").err == ""


def test_the_end_of_a_rotation(workspace: Path, cli: Cli, later: Later) -> None:
    """Once the time of both online keys is over, it is told that the old one is still let in, and what ends that."""
    assert cli("key", "rotate", "online", "--yes").code == 0
    assert "rotation" not in found(cli)
    later(timedelta(days=2))
    ends = found(cli)["rotation"]
    assert (ends["severity"], ends["mend"]) == ("warning", "rstuf renew")


def test_every_step_has_a_meaning() -> None:
    """Whatever a step of `status` may be about, doctor knows what it means and how grave it is, and docs list it."""
    source = Path(rstuf_cli.__file__).parent
    written = "".join(path.read_text(encoding="utf-8") for path in source.rglob("*.py"))
    about = set(re.findall(r'\babout="([^"]+)"', written))
    assert {"event", "rotation", "due"} <= about
    assert about <= MEANINGS.keys()
    formats = Path(__file__).parents[2].joinpath("docs", "formats.md").read_text(encoding="utf-8")
    assert {each for each in about if f"`{each}`" not in formats.partition("## What doctor finds")[2]} == set()


def test_a_clock_that_cannot_be_right(cli: Cli, filled: Path, later: Later) -> None:
    """It is told beside what it makes of the dates."""
    later(timedelta(days=4000))
    assert "set the clock" in found(cli)["clock-suspicious"]["mend"]
    (first, *_) = cli("status", "--json").document["next_steps"]
    assert (first["command"], "--accept-clock" in first["why"]) == ("set the clock", True)
    assert cli("--accept-clock", "renew").code == 0
    assert found(cli) == {}


def test_leftovers(cli: Cli, filled: Path) -> None:
    """What killed commands left is told, that of living ones not; the commands that it names take it away."""
    for storage in ("metadata", "targets"):
        (filled / storage / ".staging" / "0123456789abcdef").mkdir(mode=0o700)
    draft, temporary = filled / ".state.db.new", filled / ".rstuf-0123456789abcdef.tmp"
    draft.touch()
    temporary.touch()
    codes = {"metadata-staging", "content-staging", "state-draft", "temporary-files"}
    with room(filled / "targets"):
        findings = found(cli)
        assert (findings.keys(), cli("doctor").code) == (codes, 0)
        assert " more: " not in findings["content-staging"]["message"]
    for code in ("state-draft", "temporary-files", "metadata-staging"):
        mend = findings[code]["mend"]
        if mend.startswith("rm "):
            assert os.system(mend) == 0
        else:
            assert cli(*mend.split()[1:]).code == 0
    Path("../new.txt").write_text("new")
    assert cli("artifact", "add", "../new.txt").code == 0
    assert found(cli) == {}


def test_a_log_beside_a_closed_state(cli: Cli, filled: Path, tmp_path: Path) -> None:
    """What a killed writer left beside the state is told and stays, with its commits; any other command takes it in."""
    with closing(sqlite3.connect(filled / "state.db")) as writer:
        writer.execute("UPDATE repository SET name = 'renamed'")
        writer.commit()
        shutil.copytree(filled, tmp_path / "killed")
    os.chdir(tmp_path / "killed")
    before = [Path(name).read_bytes() for name in ("state.db", "state.db-wal")]
    finding = found(cli)["log-left"]
    assert [Path(name).read_bytes() for name in ("state.db", "state.db-wal")] == before
    assert (finding["severity"], finding["mend"]) == ("note", "rstuf status")
    assert cli("status", "--json").document["repository"] == "renamed"
    assert found(cli) == {}


def test_who_works_here(cli: Cli, filled: Path) -> None:
    """A lock that is held is told with its holder, and is nothing that needs anybody."""
    with (filled / "publish.lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write('{"pid": 4711, "command": "rstuf publish", "since": "2026-11-20T16:00:00Z"}')
        held.flush()
        assert "pid 4711 (rstuf publish)" in found(cli)["lock-held"]["message"]
        assert cli("doctor").code == 0


def test_a_state_that_another_program_set_otherwise(cli: Cli, filled: Path) -> None:
    """Its journal is another than rstuf writes with; the command that is named sets it back."""
    _sql("PRAGMA journal_mode=delete")(filled)
    finding = found(cli)["state-settings"]
    assert (finding["severity"], "delete" in finding["message"]) == ("problem", True)
    assert os.system(finding["mend"]) == 0
    assert cli("renew", "--force", "timestamp").code == 0
    assert found(cli) == {}


def test_an_older_state_is_not_brought_up_to_date(cli: Cli, filled: Path) -> None:
    """That is left to commands that may change something."""
    tables = (
        "handover",
        "move",
        "superseded_file",
        "retention",
        "resize_bin",
        "resize",
        "event_signature",
        "event_part",
        "event",
    )
    tables += ("rotation", "key_loss")
    newer = [*(f"DROP TABLE {table}" for table in tables), "DROP INDEX role_place", "DROP INDEX role_space"]
    columns = [f"ALTER TABLE role DROP COLUMN {column}" for column in ("retired", "shown", "space")]
    columns += ["ALTER TABLE repository DROP COLUMN layout", "ALTER TABLE delegator DROP COLUMN delegates"]
    place = "CREATE UNIQUE INDEX role_place ON role (holder, bin_index) WHERE holder IS NOT NULL"
    _sql(*newer, *columns, place, "PRAGMA user_version=1")(filled)
    before = tree(filled)
    done = cli("doctor", "--json")
    assert (done.code, done.document["findings"][0]["code"]) == (0, "state-older")
    assert tree(filled) == before
    assert cli("status").code == 0
    assert found(cli) == {}


def test_a_ceremony_can_be_prepared_for(cli: Cli, tmp_path: Path) -> None:
    """A workspace that was just made is well."""
    (tmp_path / "plan.toml").write_text(PLAN)
    assert cli("--repo", tmp_path / "made", "ceremony", "--plan", tmp_path / "plan.toml").code == 0
    assert cli("--repo", tmp_path / "made", "doctor").code == 0

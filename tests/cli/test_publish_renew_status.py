"""`rstuf publish`, `renew` and `status`: what would change, what is due, what to do next."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree

Later = Callable[[timedelta], None]


def test_dry_run_writes_nothing(cli: Cli, filled: Path) -> None:
    """A dry run shows the roles and versions that the publication then has."""
    Path("c.txt").write_bytes(b"c\n")
    cli("artifact", "add", "--no-publish", "c.txt")
    before = tree(filled)
    shown = cli("publish", "--dry-run")
    planned = cli("publish", "--dry-run", "--json").document
    assert tree(filled) == before
    assert (planned["published"], planned["dry_run"], planned["timestamp_version"]) == (False, True, 3)
    assert "would publish as timestamp v3" in shown.out
    assert re.search(r"^  timestamp +v2 → v3 +follows$", shown.out, re.MULTILINE)
    done = cli("publish", "--json").document
    assert [(role["name"], role["version"]) for role in done["roles"]] == [
        (role["name"], role["version"]) for role in planned["roles"]
    ]


def test_nothing_to_publish(cli: Cli, filled: Path) -> None:
    """Publishing twice changes nothing the second time."""
    before = tree(filled / "metadata")
    done = cli("publish")
    assert (done.code, done.out) == (0, "nothing to publish; clients see timestamp v2\n")
    assert cli("publish", "--json").document["published"] is False
    assert cli("publish", "-q").out == ""
    assert tree(filled / "metadata") == before


def test_renewal_of_what_is_due(cli: Cli, filled: Path, later: Later) -> None:
    """A role that is due is signed again, once."""
    assert cli("renew").out.startswith("nothing is due\n  the next renewal is due in ")
    later(timedelta(days=10))
    assert cli("status", "--check").code == 7
    done = cli("renew")
    assert done.code == 0
    assert re.match(r"✓ timestamp signed again and published as timestamp v3; \d+ B of metadata, ", done.out)
    assert cli("status", "--check").code == 0
    assert cli("renew", "--json").document["published"] is False


def test_renewal_by_name(cli: Cli, filled: Path) -> None:
    """A role that is named is signed whether or not it is due; an unknown one is refused."""
    done = cli("renew", "--force", "bins", "--force", "timestamp", "--json")
    assert {role["name"] for role in done.document["roles"]} == {
        *(f"bins-{index}" for index in range(4)),
        "snapshot",
        "timestamp",
    }
    unknown = cli("renew", "--force", "nobody")
    assert unknown.code == 1
    assert unknown.err.splitlines() == [
        "error: there is no role 'nobody' here",
        "hint:  its roles: root, targets, snapshot, timestamp, bins (all of them)",
    ]


def test_renewal_that_waits_for_people(cli: Cli, filled: Path, later: Later) -> None:
    """Root is due and its keys are away: everything else is renewed, and the exit code says that somebody is needed."""
    for name in ("alice", "bob"):
        (filled / "keys" / f"{name}.key").rename(filled / f"{name}.away")
    later(timedelta(days=300))
    done = cli("renew")
    assert done.code == 4
    assert "✓ 4 bins, targets, snapshot and timestamp signed again" in done.out
    assert done.err.startswith("! root is due and waits for 1 of the keys alice and bob; it expires in 65 days")
    assert "    alice: " in done.err
    again = cli("renew", "--json")
    assert (again.code, again.document["waiting"][0]["role"]) == (4, "root")
    assert again.document["waiting"][0]["reason"] == "due"
    assert again.document["waiting"][0]["lacking"] == 1
    assert set(again.document["waiting"][0]["missing"]) == {"alice", "bob"}


def test_what_was_asked_for_and_waits_is_not_called_due(cli: Cli, filled: Path) -> None:
    """Root is named, not due, and its keys are away: what is said is that they are missing, and whose they are."""
    for name in ("alice", "bob"):
        (filled / "keys" / f"{name}.key").rename(filled / f"{name}.away")
    done = cli("renew", "--force", "root")
    assert done.code == 4
    assert done.err.startswith("! root waits for 1 of the keys alice and bob; it expires in 365 days")
    assert "due" not in done.err
    assert cli("renew", "--force", "root", "--json").document["waiting"][0]["reason"] == "forced"


def test_status(cli: Cli, filled: Path) -> None:
    """The screen: what it is, how it is, one line a role."""
    lines = cli("status").out.splitlines()
    assert lines[0] == "acme  ·  2 artifacts in 4 bins  ·  healthy"
    roles = [line.split() for line in lines[2:7]]
    assert [role[0] for role in roles] == ["root", "targets", "soonest", "snapshot", "timestamp"]
    assert roles[0][1:5] == ["v1", "1", "of", "2"]
    assert roles[4][1:3] == ["v2", "online"]
    assert all("█" * 20 in line for line in lines[2:7])
    assert max(map(len, lines)) <= 80
    assert not any(line.startswith("next") for line in lines)


def test_status_as_data(cli: Cli, filled: Path) -> None:
    """The shape that scripts rely on."""
    document = cli("status", "--json").document
    assert {"repository", "state", "roles", "pending", "events", "next_steps"} <= document.keys()
    assert (document["repository"], document["state"], document["next_steps"]) == ("acme", "healthy", [])
    for role in document["roles"]:
        assert {"name", "version", "expires", "sign_by", "threshold", "keyids", "signed_by"} <= role.keys()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", role["expires"])
    names = {document["keys"][keyid] for keyid in document["roles"][0]["keyids"]}
    assert names == {"alice", "bob"}


@pytest.mark.parametrize(
    ("days", "code", "state", "words"),
    [
        (0, 0, "healthy", "·  healthy"),
        (10, 7, "due", "·  time to renew, one thing to do"),
        (15, 8, "overdue", "·  expired, one thing to do"),
    ],
)
def test_status_when_time_goes_by(
    days: int, code: int, state: str, words: str, cli: Cli, filled: Path, later: Later
) -> None:
    """Due and overdue are said in words, marked in front, told as exit codes, and lead to the command that helps."""
    later(timedelta(days=days))
    done = cli("status", "--check")
    assert (done.code, words in done.out) == (code, True)
    assert cli("status").code == 0
    document = cli("status", "--json").document
    assert document["state"] == state
    marks = {line[0] for line in done.out.splitlines()[2:7]}
    assert marks == {0: {" "}, 7: {" ", "!"}, 8: {" ", "✗"}}[code]
    assert [step["command"] for step in document["next_steps"]] == (["rstuf renew"] if code else [])


def test_status_says_what_waits(cli: Cli, filled: Path) -> None:
    """Changes that clients do not see yet lead to the command that shows them."""
    Path("c.txt").write_bytes(b"c\n")
    cli("artifact", "add", "--no-publish", "c.txt")
    done = cli("status")
    assert "healthy, one thing to do" in done.out
    assert done.out.endswith("next\n  rstuf publish  changes in 1 role are not visible yet\n")


def test_a_clock_that_is_absurd(cli: Cli, filled: Path, later: Later) -> None:
    """A clock years ahead is taken for wrong, unless a person vouches for it."""
    later(timedelta(days=10 * 365))
    refused = cli("renew")
    assert (refused.code, "--accept-clock" in refused.err) == (1, True)
    assert cli("renew", "--accept-clock").code == 0


def test_a_held_lock(cli: Cli, filled: Path) -> None:
    """Another process publishes: after the wait, exit 5 and who it is."""
    import fcntl

    with (filled / "publish.lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write('{"pid": 4711, "command": "rstuf \\u001b[31mpublish", "since": "2026-11-20T16:00:00Z"}')
        held.flush()
        done = cli("publish", "--wait", 0)
        assert cli("status").code == 0
    assert done.code == 5
    assert "4711" in done.err
    assert "--wait" in done.err
    assert "\x1b" not in done.err


def test_a_mistyped_role_is_told_whatever_else_is_wrong(cli: Cli, filled: Path) -> None:
    """The name is what the person can mend at once, so it comes before the damage that they came for."""
    (filled / "metadata" / "timestamp.json").unlink()
    done = cli("renew", "--force", "timestmap")
    assert done.code == 1
    assert "there is no role 'timestmap' here" in done.err


def test_status_fits_the_narrowest_terminal(cli: Cli, filled: Path) -> None:
    """After a lost timestamp its version is long: the bars give way, and no line is wider than 80 columns."""
    (filled / "metadata" / "timestamp.json").unlink()
    assert "nothing to do" not in cli("status").out
    assert cli("renew", "--force", "timestamp").code == 0
    roles = [line for line in cli("status").out.splitlines() if "online" in line]
    assert any("v10 00" in line for line in roles)
    assert max(map(len, roles)) < 80

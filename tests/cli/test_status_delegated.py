"""`rstuf status`, `key list` and `verify` where roles are delegated to by their names."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.conftest import Cli


def delegated(cli: Cli) -> None:
    """data (signed by dana; → deep, split into bins) before the bins."""
    assert cli("key", "generate", "dana", "--unencrypted").code == 0
    for argv in (
        ["delegation", "add", "data", "--path", "data/*", "--signer", "dana"],
        ["delegation", "add", "deep", "--path", "data/deep/*", "--parent", "data", "--terminating"],
        ["bins", "resize", "4", "--role", "deep"],
    ):
        done = cli(*argv, "--yes")
        assert done.code == 0, done.err


def test_each_delegated_role_has_its_line(filled: Path, cli: Cli) -> None:
    """Where clients meet it, those below others further in; who signs it, and until when it lives."""
    delegated(cli)
    done = cli("status")
    assert done.code == 0
    lines = [re.sub(r" {2,}", "  ", line.rstrip()) for line in done.out.splitlines()[2:12]]
    assert [re.split(r"  [█▒░▏▎▍▌▋▊▉#.=-]", line)[0] for line in lines] == [
        "  root  v1  1 of 2 keys",
        "  targets  v2  online",
        "  data  v2  1 of 1 key",
        "  deep  v2  online",
        "  deep-bins-*  online",
        "  bins  v1  online",
        "  bins-*  online",
        "  snapshot  v5  online",
        "  timestamp  v5  online",
        "",
    ]
    document = cli("status", "--json").document
    assert [(role["name"], role["kind"], role.get("delegated_by")) for role in document["roles"]][1:7] == [
        ("targets", "targets", None),
        ("data", "delegated", "targets"),
        ("deep", "delegated", "data"),
        ("deep-bins", "bin", "deep"),
        ("bins", "delegated", "targets"),
        ("bins", "bin", "bins"),
    ]
    assert (document["bins"], document["state"], document["next_steps"]) == (8, "healthy", [])


def test_many_delegated_roles_are_counted(filled: Path, cli: Cli) -> None:
    """Of those that are healthy the first are shown; as data all of them are."""
    for number in range(24):
        assert cli("delegation", "add", f"role-{number}", "--path", f"r{number}/*", "--yes").code == 0
    shown = cli("status").out
    assert "  role-19 " in shown
    assert "  role-20 " not in shown
    assert "  and 6 delegated roles more, healthy; --json lists them\n" in shown
    assert len(cli("status", "--json").document["roles"]) == 30


def test_keys_of_delegated_roles_are_listed_with_them(filled: Path, cli: Cli) -> None:
    """What each key signs, and nothing is said to be left over."""
    delegated(cli)
    shown = cli("key", "list", "--json").document
    (dana,) = [key for key in shown["keys"] if key["name"] == "dana"]
    assert [role["name"] for role in dana["roles"]] == ["data"]
    done = cli("verify", "--full")
    assert (done.code, "unused" in done.out, "stray" in done.out) == (0, False, False)
    assert "where clients look for it" in done.out
    assert cli("doctor").code == 0


def test_a_leaked_key_of_a_delegated_role_is_to_go(filled: Path, cli: Cli) -> None:
    """What is told takes it out of that role, whoever else signs it stays, and nothing is left to do then."""
    for name in ("dana", "dirk", "dora"):
        assert cli("key", "generate", name, "--unencrypted").code == 0
    signers = ["--signer", "dana", "--signer", "dirk", "--threshold", "2"]
    assert cli("delegation", "add", "data", "--path", "data/*", *signers, "--yes").code == 0
    with closing(sqlite3.connect(filled / "state.db")) as database, database:
        database.execute("INSERT INTO key_loss SELECT keyid, 'leaked', 1 FROM key WHERE name = 'dana'")
    (step,) = cli("status", "--json").document["next_steps"]
    assert step["command"] == "rstuf delegation update data --signer dirk --signer NEW"
    assert step["why"] == "dana leaked, and may sign data yet"
    done = cli(*step["command"].replace("NEW", "dora").split()[1:], "--yes")
    assert done.code == 0, done.err
    document = cli("status", "--json").document
    assert (document["state"], document["next_steps"]) == ("healthy", [])
    (data,) = [role for role in document["roles"] if role["name"] == "data"]
    assert (data["threshold"], len(data["signed_by"])) == (2, 2)

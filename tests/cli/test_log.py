"""`rstuf log`: entries in words, selections of them, and whether any was changed."""

from __future__ import annotations

import ast
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli, tree

import rstuf
from rstuf_cli.actions import WORDS, in_words

SOURCE = Path(rstuf.__file__).parent
_ACTION = re.compile(r"[a-z]+(\.[a-z]+)*")


def recorded() -> Iterator[str]:
    """Every action that the engine's source records.

    It is the first argument of `.record`; where that is a name, the values that it can have are those of parameters
    called `action`, and the first argument of `.accept`.
    """
    for file in SOURCE.rglob("*.py"):
        in_core = file.parent.name == "repository"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                arguments = node.args
                pairs = [*zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
                given: list[ast.expr | None] = [value for name, value in pairs if name.arg == "action"]
            elif isinstance(node, ast.Call):
                method = getattr(node.func, "attr", "")
                given = [word.value for word in node.keywords if word.arg == "action" and in_core]
                if node.args and (method == "record" or (method == "accept" and in_core)):
                    given.append(node.args[0])
            else:
                continue
            for value in filter(None, given):
                yield from _strings(value, place=f"{file.name}:{node.lineno}")


def _strings(value: ast.expr, *, place: str) -> Iterator[str]:
    if isinstance(value, ast.IfExp):
        yield from _strings(value.body, place=place)
        yield from _strings(value.orelse, place=place)
    elif isinstance(value, ast.Constant):
        if _ACTION.fullmatch(str(value.value)):
            yield str(value.value)
    else:
        assert getattr(value, "id", None) == "action", f"{place}: an action that this test cannot follow"


def test_every_action_has_words() -> None:
    """An action that the engine records and people could not read, or words for one that it does not, is found here."""
    found = set(recorded())
    assert {"publish", "key.move", "artifacts.import", "artifacts.sync", "artifacts.add"} <= found
    assert found == set(WORDS)


def test_a_repository_tells_its_life(cli: Cli, filled: Path) -> None:
    """Each thing that was done is one line: number, date, how long ago, who, and what; the newest last."""
    assert cli("artifact", "remove", "a.txt").code == 0
    assert cli("key", "add", "alice", "--away").code == 0
    done = cli("log")
    lines = done.out.splitlines()
    assert [int(line.split()[0]) for line in lines] == list(range(1, len(lines) + 1))
    told = [re.split(r" {2,}", line.strip())[4] for line in lines]
    assert told[0] == "ceremony of acme begun: 4 bins, 3 keys"
    assert told[6:9] == [told[6], "1 artifact removed (change 2): a.txt", told[8]]
    assert told[8].startswith("published as timestamp v3: ")
    assert told[-1].startswith("key moved: alice (")
    assert told[-1].endswith("…), kept by somebody else")
    assert all(re.match(r" *\d+  \d{4}-\d\d-\d\d \d\d:\d\d  (just now|\d+ s ago) +\S+@", line) for line in lines)
    assert done.err == f"{len(lines)} entries\n"
    entries = cli("log", "--json").document["entries"]
    assert [(each["sequence"], each["action"]) for each in entries][:2] == [(1, "ceremony.begin"), (2, "root.sign")]
    assert all(before["digest"] == after["previous"] for before, after in pairwise(entries))


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"added": 2}, "2 artifacts added"),
        ({"replaced": 1}, "1 artifact replaced"),
        ({"added": 1200, "replaced": 1, "removed": 3}, "1 200 artifacts added, 1 replaced, 3 removed"),
        ({"removed": 1}, "1 artifact removed"),
    ],
)
def test_changes_of_all_kinds(counts: dict[str, int], words: str) -> None:
    """A change that adds, replaces and removes is told in one breath."""
    details = {"added": 0, "replaced": 0, **counts, "number": 7}
    assert (
        in_words(rstuf.AuditEntry(1, datetime.now(UTC), "a", "artifacts.add", details, "", "")) == f"{words} (change 7)"
    )


def test_selections(cli: Cli, filled: Path) -> None:
    """The newest, a page, one kind, or what is not older than a date; a page tells where the next one begins."""

    def numbers(*options: object) -> list[int]:
        return [each["sequence"] for each in cli("log", "--json", *options).document["entries"]]

    every = numbers()
    last = every[-1]
    assert numbers("--limit", 2) == [last - 1, last]
    assert numbers("--limit", 99) == every
    assert numbers("--after", last) == []
    page = cli("log", "--json", "--after", 1, "--limit", 2).document
    assert ([each["sequence"] for each in page["entries"]], page["next"]) == ([2, 3], 3)
    assert "next" not in cli("log", "--json", "--after", last - 2, "--limit", 2).document
    assert cli("log", "--after", 1, "--limit", 2).err == "there are more: --after 3\n"
    assert numbers("--action", "artifacts.add") == numbers("--action", "artifacts") == [6]
    assert numbers("--action", "publish") == [4, 7]
    assert cli("log", "--action", "timestamp.jump").err == "there are no such entries\n"
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    assert (numbers("--since", "2026-01-01"), numbers("--since", tomorrow), numbers("--since", "1h")) == (
        every,
        [],
        every,
    )


def test_a_log_in_groups_is_one_document(cli: Cli, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written a piece at a time, and is what it would be at once."""
    whole, lines = cli("log", "--json").document, cli("log").out
    monkeypatch.setattr("rstuf_cli.commands.log._GROUP", 2)
    assert cli("log", "--json").document == whole
    assert cli("log").out.count("\n") == lines.count("\n")


def tamper(workspace: Path, sql: str) -> None:
    """Change the state behind rstuf's back."""
    with closing(sqlite3.connect(workspace / "state.db")) as connection:
        connection.execute(sql)
        connection.commit()


def test_a_sound_log_shows_its_head(cli: Cli, filled: Path) -> None:
    """The digest is shown to be written down, and found again later, in hex or in words; nothing is changed."""
    before = tree(filled)
    first = cli("log", "--verify", "--json").document
    assert (first["ok"], first["problems"]) == (True, [])
    digest = first["head"]["digest"]
    shown = cli("log", "--verify").out
    assert digest in shown.replace(" ", "").replace("\n", "")
    assert tree(filled) == before
    assert cli("artifact", "remove", "a.txt").code == 0
    for written in (digest, " ".join(rstuf.fingerprint_words(digest))):
        done = cli("log", "--verify", "--head", written, "--json")
        assert (done.code, done.document["known"]) == (0, first["head"])
    assert "; 2 entries since" in cli("log", "--verify", "--head", digest).out


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("UPDATE audit SET actor = 'nobody' WHERE sequence = 3", "entry 3 is not what was recorded"),
        ("DELETE FROM audit WHERE sequence = 3", "entry 3 is missing"),
        ("DELETE FROM audit WHERE sequence > 5", "the log does not tell of it"),
        ("UPDATE publication SET number = 99", "is of change 99"),
    ],
    ids=["changed", "missing", "cut off", "other records"],
)
def test_a_log_that_was_changed(sql: str, why: str, cli: Cli, filled: Path) -> None:
    """Exit 3, and what is wrong, with what to do; no digest is offered to be written down."""
    tamper(filled, sql)
    done = cli("log", "--verify")
    assert done.code == 3
    assert why in done.out
    assert "put the newest copy that is sound" in done.out
    assert "Write it down" not in done.out
    assert cli("log", "--verify", "--json").document["ok"] is False


@pytest.mark.parametrize("column", ["actor", "action", "previous", "digest", "details", "at"])
def test_a_row_that_is_no_entry(column: str, cli: Cli, filled: Path) -> None:
    """Bytes where text is are damage of the state, in each form of the log."""
    tamper(filled, f"UPDATE audit SET {column} = x'ff00fe' WHERE sequence = 2")
    for options in ((), ("--json",), ("--verify",), ("--verify", "--json"), ("--action", "publish")):
        done = cli("log", *options)
        assert "unexpected" not in done.err + done.out
        if "--verify" not in options:
            assert done.code == 6
    assert "state-damaged" in cli("log", "--json").out
    assert cli("log", "--verify").code in {3, 6}


def test_a_log_that_was_written_anew(cli: Cli, filled: Path, made_once: Path) -> None:
    """A chain that is whole, and not the one whose digest was written down, is found by that alone."""
    digest = cli("log", "--verify", "--json").document["head"]["digest"]
    assert cli("--repo", made_once, "log", "--verify").code == 0
    done = cli("--repo", made_once, "log", "--verify", "--head", digest)
    assert done.code == 3
    assert f"no entry has the digest {digest}" in done.out
    assert "Compare the digest" in done.out
    document = cli("--repo", made_once, "log", "--verify", "--head", digest, "--json").document
    assert (document["known"], [each["code"] for each in document["problems"]]) == (None, ["log-broken"])


@pytest.mark.parametrize("details", [{}, {"number": "x", "added": None}, [], "text", None], ids=str)
@pytest.mark.parametrize("action", [*WORDS, "unheard.of"])
def test_details_that_are_not_as_they_should_be(action: str, details: Any) -> None:
    """Whatever stands in a log that somebody changed, its words are the action's name."""
    now = datetime.now(UTC)
    assert in_words(rstuf.AuditEntry(1, now, "a", action, details, "", "")) == action


def test_what_others_wrote_is_escaped(cli: Cli, filled: Path) -> None:
    """Neither who nor what of an entry can move a cursor."""
    hostile = "char(27) || '[2J' || char(8238)"
    tamper(filled, f"UPDATE audit SET actor = {hostile}, action = {hostile}")
    done = cli("log")
    assert done.code == 0
    assert "\\x1b[2J\\u202e" in done.out
    assert "\x1b" not in done.out

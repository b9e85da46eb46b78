"""`rstuf artifact sync`: what it says before it removes, what it does, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree
from tests.support.person import ENTER, Person


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The directory that the workspace's two artifacts came from, changed: one new, one changed, one gone."""
    place = tmp_path / "files"
    (place / "a.txt").write_bytes(b"another alpha\n")
    (place / "data" / "b.bin").unlink()
    (place / "new.txt").write_bytes(b"new\n")
    return place


def paths(cli: Cli) -> list[str]:
    return [each["path"] for each in cli("artifact", "list", "--json").document["artifacts"]]


@pytest.mark.parametrize("answer", ["--delete", "--yes"])
def test_artifacts_become_what_the_directory_holds(filled: Path, files: Path, cli: Cli, answer: str) -> None:
    """One change adds, replaces and removes; it is published, and a second run has nothing to do."""
    done = cli("artifact", "sync", files, answer)
    assert done.code == 0, done.err
    assert done.out.startswith("✓ 2 artifacts (18 B) and 1 removal; signed into ")
    assert "  1 of them replaces another content\n" in done.out
    assert paths(cli) == ["a.txt", "new.txt"]
    assert cli("verify", "--artifacts").code == 0
    again = cli("artifact", "sync", files)
    assert (again.code, again.out) == (0, "nothing new: 2 artifacts are as here already\n")


def test_the_answer_as_data(filled: Path, files: Path, cli: Cli) -> None:
    """The document is that of every change."""
    document = cli("artifact", "sync", files, "--delete", "--json").document
    assert {name: document[name] for name in ("added", "replaced", "removed", "unchanged")} == {
        "added": 1,
        "replaced": 1,
        "removed": 1,
        "unchanged": 0,
    }
    assert document["publication"]["published"] is True


def test_nobody_to_ask(filled: Path, files: Path, cli: Cli) -> None:
    """Where something is to be removed and nobody can say yes, nothing is done, and the options are named."""
    before = tree(filled)
    done = cli("artifact", "sync", files)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"error: 1 artifact is not in {files}, and nobody can be asked whether to remove it\n"
        "hint:  nothing was changed; --delete removes it, --keep leaves it, --dry-run shows more\n"
    )
    assert tree(filled) == before
    (files / "data" / "b.bin").write_bytes(b"is there again")
    assert cli("artifact", "sync", files).code == 0


def test_keep_leaves_what_is_missing(filled: Path, files: Path, cli: Cli) -> None:
    """Nobody is asked, and nothing is removed, whatever else was answered."""
    done = cli("artifact", "sync", files, "--keep", "--yes")
    assert done.code == 0, done.err
    assert paths(cli) == ["a.txt", "data/b.bin", "new.txt"]


def test_a_dry_run_shows_each_step_and_writes_nothing(filled: Path, files: Path, cli: Cli) -> None:
    """What would come, be replaced and go, as lines and as data; it needs no answer and leaves no trace."""
    before = tree(filled)
    done = cli("artifact", "sync", "--dry-run", files)
    assert (done.code, done.out) == (
        0,
        "~ a.txt  14 B\n+ new.txt  4 B\n- data/b.bin  5.1 kB\nwould add 1, replace 1, remove 1\n",
    )
    assert done.err == "0 as here already; nothing was written\n"
    document = cli("artifact", "sync", "--dry-run", "--keep", files, "--json").document
    assert document == {
        "dry_run": True,
        "added": 1,
        "replaced": 1,
        "removed": 0,
        "unchanged": 0,
        "steps": [
            {"step": "replace", "path": "a.txt", "length": 14},
            {"step": "add", "path": "new.txt", "length": 4},
        ],
        "more_steps": 0,
    }
    assert tree(filled) == before


def test_what_waits_is_published_later(filled: Path, files: Path, cli: Cli) -> None:
    """With --no-publish it is accepted, and said how it becomes visible."""
    done = cli("artifact", "sync", "--delete", "--no-publish", files)
    assert "2 artifacts (18 B) and 1 removal accepted; rstuf publish makes them visible" in done.out
    assert cli("artifact", "show", "data/b.bin", "--json").document["state"] == "removing"
    assert cli("publish").code == 0
    assert paths(cli) == ["a.txt", "new.txt"]


def test_only_what_changed_is_read(
    filled: Path, files: Path, cli: Cli, later: Callable[[timedelta], None], tmp_path: Path
) -> None:
    """Of many files that were added, a sync reads the one that changed; --checksum reads them all."""
    later(timedelta(minutes=1))
    many = tmp_path / "many"
    many.mkdir()
    for number in range(50):
        (many / f"{number:02d}.bin").write_bytes(b"x" * 1000)
    assert cli("artifact", "add", "--prefix", "many", many).code == 0
    (many / "07.bin").write_bytes(b"y" * 1000)
    done = cli("artifact", "sync", "-v", "--prefix", "many", many)
    assert "comparing: 50 files" in done.err
    assert "hashing: 1.0 kB" in done.err
    assert "keeping: 1 files" in done.err
    assert "  49 were as here already\n" in done.out
    assert "hashing: 50.0 kB" in cli("artifact", "sync", "-v", "--checksum", "--prefix", "many", many).err


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["{empty}", "--delete"], 1, "holds no files"),
        (["{files}/a.txt", "--delete"], 1, "is a file"),
        (["{files}/nothing", "--delete"], 1, "does not exist"),
        ([".", "--delete"], 1, "belongs to the workspace"),
        (["{files}", "--delete", "--keep"], 2, "do not go together"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_directories_that_are_refused(
    filled: Path, files: Path, cli: Cli, argv: list[str], code: int, said: str, tmp_path: Path
) -> None:
    """What no sensible person means removes nothing."""
    (tmp_path / "empty").mkdir()
    before = tree(filled)
    done = cli("artifact", "sync", *(word.format(empty=tmp_path / "empty", files=files) for word in argv))
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert tree(filled) == before


@pytest.mark.parametrize("answer", ["y", "", "no"])
def test_a_person_is_asked(filled: Path, files: Path, cli: Cli, answer: str) -> None:
    """The number and the names are on the screen before the question; only a yes removes, and nothing else is done."""
    for number in range(13):
        assert cli("artifact", "add", "--path", f"old/{number:02d}", "--length", 1, "--hash", "sha256:" + "ab" * 32)
    with Person.running("artifact", "sync", files, cwd=filled) as person:
        screen = person.sees("remove them? [y/N]")
        assert "2 files to read (18 B), 0 as before\n14 artifacts are not in\n" in screen
        assert "  - data/b.bin\n  - old/00\n" in screen
        assert "  - old/08\n    and 4 more\n" in screen
        person.presses(answer, ENTER)
        code = person.ends()
    if answer == "y":
        assert code == 0
        assert paths(cli) == ["a.txt", "new.txt"]
    else:
        assert code == 2
        assert "not confirmed; nothing was changed" in person.screen
        assert len(paths(cli)) == 15

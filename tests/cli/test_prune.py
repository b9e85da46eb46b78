"""`rstuf prune`: what it says, asks and leaves, and where other commands tell of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, as_person, tree
from tests.support.clients import Client, directory_site
from tests.support.person import ENTER, Person

from rstuf.storage.filesystem import FilesystemMetadataStorage

NOTHING = ("--keep", "1", "--days", "0")
Later = Callable[[timedelta], None]


@pytest.fixture
def grown(filled: Path, cli: Cli) -> Path:
    """The workspace after some more publications."""
    for _ in range(6):
        assert cli("renew", "--force", "bins").code == 0
    return filled


def names(workspace: Path) -> set[str]:
    return {path.name for path in workspace.glob("metadata/*.json")}


def test_what_a_dry_run_names_is_what_goes(grown: Path, cli: Cli, tmp_path: Path) -> None:
    """Names and bytes are those of the files that are gone afterwards, and a client of any age reads on."""
    site = directory_site(grown / "metadata", grown / "targets")
    root = (grown / "metadata/1.root.json").read_bytes()
    old = Client.fresh(tmp_path / "old", site, root=root)
    old.refresh()
    before = tree(grown / "metadata")
    plan = cli("prune", *NOTHING, "--dry-run", "--json").document
    assert tree(grown / "metadata") == before
    sizes = {path.name: path.stat().st_size for path in grown.glob("metadata/*.json")}
    done = cli("prune", *NOTHING, "--yes", "--json").document
    assert {each["name"]: each["bytes"] for each in plan["files"]} == {
        name: size for name, size in sizes.items() if name not in names(grown)
    }
    assert (done["count"], done["bytes"]) == (plan["count"], plan["bytes"]) == (32, sum_of(plan))
    for client in (old, Client.fresh(tmp_path / "fresh", site, root=root)):
        client.refresh()
        client.walk()
        assert client.download("a.txt") == b"alpha\n"
    assert cli("verify", "--full").code == 0
    assert cli("status", "--check").code == 0


def sum_of(plan: dict[str, list[dict[str, int]]]) -> int:
    return sum(each["bytes"] for each in plan["files"])


def test_a_long_plan_is_short_on_a_screen(grown: Path, cli: Cli) -> None:
    """Twenty names and how many more there are; the document has all of them."""
    done = cli("prune", *NOTHING, "--dry-run")
    lines = [line.split()[0] for line in done.out.splitlines() if line.startswith("  ") and line.endswith("B")]
    assert (len(lines), "and 12 more; --json names all of them" in done.out) == (20, True)
    assert [each["name"] for each in cli("prune", *NOTHING, "--dry-run", "--json").document["files"][:20]] == lines


@pytest.mark.parametrize("agrees", [True, False])
def test_a_person_is_asked(grown: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, agrees: bool) -> None:
    """They see how much would go; no leaves everything, the policy too. Where nothing may go, nobody is asked."""
    asked, before = as_person(monkeypatch, says=agrees), names(grown)
    assert cli("prune").code == 0
    assert asked == []
    done = cli("prune", *NOTHING, "--save")
    assert asked == ["remove them?"]
    assert "32 files, " in done.err
    assert (done.code, names(grown) == before) == ((0, False) if agrees else (2, True))
    saved = cli("prune", "--dry-run", "--json").document["policy"]
    assert saved == ({"publications": 1, "days": 0} if agrees else {"publications": 5, "days": 30})


def test_at_a_terminal(grown: Path) -> None:
    """The question stands below what it is about; Ctrl-C there changes nothing."""
    before = names(grown)
    with Person.running("prune", *NOTHING, cwd=grown) as person:
        screen = person.sees("remove them? [y/N]")
        assert "no part of what is published" in screen
        person.presses("\x03")
        assert person.ends() == 130
    assert names(grown) == before
    with Person.running("prune", *NOTHING, cwd=grown) as person:
        person.sees("remove them? [y/N]")
        person.presses("y", ENTER)
        person.sees("32 files removed")
        assert person.ends() == 0
    assert names(grown) != before


def test_a_saved_policy_holds(grown: Path, cli: Cli) -> None:
    """What is not named of it stays as it was; without --save it holds for one run."""
    assert cli("prune", "--keep", "2", "--days", "0", "--dry-run", "--json").document["count"] == 27
    assert cli("prune", "--dry-run", "--json").document["count"] == 0
    cli("prune", "--days", "0", "--save", "--yes")
    assert cli("prune", "--dry-run", "--json").document["policy"] == {"publications": 5, "days": 0}
    assert "stays for 5 publications and 0 days from now on" in cli("log", "--action", "policy.retention").out


def test_what_is_left_is_told_and_is_no_success(grown: Path, cli: Cli) -> None:
    """A file that is not what was written stays, with its name and what to do; everything else goes."""
    for version in range(1, 8):
        (grown / f"metadata/{version}.snapshot.json").write_bytes(b"something else")
    plan = cli("prune", *NOTHING, "--dry-run")
    assert plan.code == 1
    done = cli("prune", *NOTHING, "--yes")
    assert done.code == 1
    assert "25 files removed" in done.out
    assert "1.snapshot.json stays: it is not what was written under that name; move it away" in done.err
    assert "and 2 more files like that" in done.err
    again = cli("prune", *NOTHING, "--yes", "--json")
    assert (again.code, again.document["count"], len(again.document["left"])) == (1, 0, 7)
    assert again.document["left"][0] == {"name": "1.snapshot.json", "why": "different"}
    for version in range(1, 8):
        (grown / f"metadata/{version}.snapshot.json").unlink()
    assert cli("prune", *NOTHING, "--yes", "--json").document["missing"] == 7
    assert cli("prune", *NOTHING, "--yes").code == 0


def test_what_was_removed_before_it_fails_is_gone(grown: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that does not let a file go is told as what it is; the same again removes the rest."""
    unlink, left = os.unlink, 5

    def failing(name: object, **options: object) -> None:
        nonlocal left
        left -= isinstance(name, str) and name.endswith(".json")
        if left < 0:
            raise OSError(5, "Input/output error")
        unlink(name, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", failing)
        done = cli("prune", *NOTHING, "--yes")
    assert (done.code, "cannot remove" in done.err) == (6, True)
    document = cli("prune", *NOTHING, "--yes", "--json").document
    assert (document["count"], document["missing"]) == (27, 5)
    assert cli("verify").code == 0


def test_ctrl_c_says_what_is_so(grown: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted between two files, nothing that anybody needs is gone, and it goes on."""
    discard = FilesystemMetadataStorage.discard

    def interrupted(storage: FilesystemMetadataStorage, files: object) -> None:
        discard(storage, list(files)[:3])  # type: ignore[call-overload]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FilesystemMetadataStorage, "discard", interrupted)
        done = cli("prune", *NOTHING, "--yes")
    assert (done.code, "rstuf prune removes the rest" in done.err) == (130, True)
    assert cli("prune", *NOTHING, "--yes", "--json").document["missing"] == 3


def test_status_and_doctor_tell_of_it_where_it_is_much(
    grown: Path, cli: Cli, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some files are nobody's trouble; a thousand of them, or many bytes, are a thing to do, and a note."""
    assert cli("prune", *NOTHING, "--save", "--yes").code == 0
    cli("renew", "--force", "bins")
    seen = cli("status", "--json").document
    assert (seen["prunable"]["files"], seen["next_steps"]) == (5, [])
    monkeypatch.setattr("rstuf_cli.commands.status._MANY_FILES", 5)
    seen = cli("status")
    assert "rstuf prune" in seen.out
    assert "5 metadata files, " in seen.out
    assert cli("status", "--check").code == 0
    found = {each["code"]: each for each in cli("doctor", "--json").document["findings"]}
    assert (found["prunable"]["severity"], found["prunable"]["mend"]) == ("note", "rstuf prune")
    assert cli("doctor").code == 0


def test_a_new_state_says_what_lies_there(grown: Path, cli: Cli) -> None:
    """A state that is made anew notes the older files, and says that they go in time."""
    (grown / "state.db").unlink()
    done = cli("recover", "state", "--yes")
    assert done.code == 0, done.err
    assert "32 other metadata files lie there, which rstuf prune removes in time" in " ".join(done.out.split())
    assert cli("prune", *NOTHING, "--dry-run", "--json").document["count"] == 32


def test_a_publication_that_was_cut_off_is_brought_to_its_end_first(
    grown: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said; what it wrote that nobody needs goes with the rest, once another one is published."""
    (grown.parent / "c.txt").write_text("c")
    with monkeypatch.context() as patch:

        def power(storage: FilesystemMetadataStorage, name: str, data: bytes) -> None:
            raise KeyboardInterrupt

        patch.setattr(FilesystemMetadataStorage, "replace", power)
        assert cli("artifact", "add", grown.parent / "c.txt").code == 130
    done = cli("prune", *NOTHING, "--yes")
    assert "an interrupted publication was brought to its end first" in done.err
    assert cli("verify").code == 0
    shown = json.loads((grown / "metadata/timestamp.json").read_text())["signed"]["version"]
    assert cli("status", "--json").document["timestamp_version"] == shown

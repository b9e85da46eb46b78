"""A file that somebody names and that is not there: one exit code and one word, wherever it is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, tree

NAMED = [
    ["artifact", "add", "nowhere"],
    ["artifact", "add", "rstuf.toml/nowhere"],
    ["artifact", "add", "nowhere/"],
    ["artifact", "add", "../a.txt", "--custom", "@nowhere"],
    ["artifact", "import", "nowhere.csv"],
    ["artifact", "import", "../SHA256SUMS"],
    ["--repo", "../new", "ceremony", "--plan", "nowhere"],
    ["--repo", "../new", "ceremony", "--plan", "nowhere", "--dry-run"],
    ["verify", "--url", "http://localhost:9/", "--trusted-root", "nowhere"],
    ["renew", "--passphrase-file", "nowhere"],
    ["renew", "--passphrase-file", "alice=nowhere"],
]


@pytest.mark.parametrize("argv", NAMED, ids=" ".join)
def test_a_named_file_that_is_not_there(argv: list[str], cli: Cli, filled: Path) -> None:
    """It is refused input, exit 1, with a hint; and nothing is done."""
    (filled.parent / "a.txt").write_text("a")
    (filled.parent / "SHA256SUMS").write_text(f"{'0' * 64}  nowhere\n")
    before = tree(filled.parent)
    done = cli(*argv)
    assert (done.code, done.out) == (1, "")
    assert "nowhere" in done.err
    assert "\nhint:  " in done.err
    assert cli(*argv, "--json").document["error"]["code"] == "input-missing"
    assert tree(filled.parent) == before


def test_a_key_file_of_a_plan(cli: Cli, tmp_path: Path) -> None:
    """A plan's key is named by the plan: exit 1 as well."""
    plan = tmp_path / "plan.toml"
    made = 'generate = "ed25519"\nencrypt = false\nsigner = "file:keys/alice.key"'
    plan.write_text(PLAN.replace(made, 'public = "nowhere.pub"'))
    done = cli("ceremony", "--plan", plan)
    assert (done.code, "nowhere.pub" in done.err) == (1, True)


def test_what_a_workspace_should_have_is_another_matter(cli: Cli, filled: Path) -> None:
    """Its state that is gone is a failing storage: exit 6."""
    (filled / "state.db").unlink()
    assert cli("status").code == 6

"""A word that is not known: what was most likely meant, and where to look."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Cli

MEANT = {
    "add FILE": "rstuf artifact add",
    "list": "rstuf artifact list",
    "remove FILE": "rstuf artifact remove",
    "import FILE": "rstuf artifact import",
    "show FILE": "rstuf artifact show",
    "statsu": "rstuf status",
    "Publish": "rstuf publish",
    "artifcat add": "rstuf artifact",
    "artifact ad": "rstuf artifact add",
    "artifact status": "rstuf status",
    "status --chek": "--check",
    "artifact add --prefx a b": "--prefix",
    "artifact add --lenght=3": "--length",
    "publish --dryrun": "--dry-run",
    "roots": "rstuf root",
    "init": "rstuf ceremony",
    "create acme": "rstuf ceremony",
    "new": "rstuf ceremony",
    "Setup": "rstuf ceremony",
    "--jsno": "--json",
}


@pytest.mark.parametrize("words", MEANT)
def test_what_was_meant(words: str, cli: Cli) -> None:
    """A verb without its noun, or behind another, and a typing error in a command or option lead to the right one."""
    done = cli(*words.split())
    assert (done.code, done.out) == (2, "")
    error, hint = done.err.splitlines()
    assert error.startswith("error: there is no ")
    assert hint.startswith(f"hint:  did you mean {MEANT[words]}? rstuf ")


@pytest.mark.parametrize("words", ["xyzzy", "artifact xyzzy", "status --xyzzy", "status -x"])
def test_what_is_like_nothing(words: str, cli: Cli) -> None:
    """Nothing is guessed, and the help that lists what there is, is named."""
    done = cli(*words.split())
    path = " ".join(word for word in words.split() if word in {"artifact", "status"})
    assert done.code == 2
    assert done.err.splitlines()[1] == " ".join(f"hint:  rstuf {path} --help".split()).replace("hint: ", "hint:  ")


@pytest.mark.parametrize("words", ["renew --force", "artifact list --limit", "--repo", "artifact list --limit x"])
def test_every_usage_error_names_the_help_that_helps(words: str, cli: Cli) -> None:
    """However far the parser came."""
    path = " ".join(word for word in words.split() if not word.startswith("-") and word != "x")
    assert cli(*words.split()).err.splitlines()[1].split() == ["hint:", "rstuf", *path.split(), "--help"]


def test_a_hostile_word_is_only_a_word(cli: Cli) -> None:
    """It is quoted, escaped and short."""
    done = cli("\x1b[31m" + "a" * 100_000)
    assert done.code == 2
    assert "\x1b" not in done.err
    assert len(done.err) < 400

"""Failures: said once, on the right stream, with the right code, and without a trace on the disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree

from rstuf.errors import every_error
from rstuf_cli.console import Console, Form
from rstuf_cli.failures import failure_of
from rstuf_cli.run import Run

OUTSIDE = [
    ["status"],
    ["status", "--check"],
    ["publish"],
    ["publish", "--dry-run"],
    ["renew"],
    ["verify"],
    ["artifact", "list"],
    ["artifact", "show", "x"],
    ["artifact", "remove", "x"],
    ["artifact", "add", "."],
    ["artifact", "import", "x.ndjson"],
]
INSIDE = [
    ["artifact", "show", "x"],
    ["artifact", "remove", "x"],
    ["artifact", "remove", "../x"],
    ["artifact", "add", "/nowhere/x"],
    ["artifact", "add", "rstuf.toml", "--prefix", "../.."],
    ["artifact", "add", "rstuf.toml", "--custom", "{"],
    ["artifact", "add", "rstuf.toml", "--custom", "@/nowhere"],
    ["artifact", "add", "--path", "x", "--length", "1", "--hash", "md5:00"],
    ["artifact", "import", "/nowhere/x.csv"],
    ["artifact", "import", "rstuf.toml", "--format", "csv"],
    ["renew", "--force", "nobody"],
    ["ceremony", "--plan", "rstuf.toml"],
    ["verify", "--url", "ftp://example.org/"],
    ["status", "--passphrase-file", "/nowhere"],
    ["publish", "--passphrase-fd", "99"],
    ["demo", "keys"],
]


@pytest.mark.parametrize("argv", OUTSIDE, ids=" ".join)
def test_outside_of_a_workspace(argv: list[str], cli: Cli) -> None:
    """Every command that needs a workspace says that there is none, and makes nothing."""
    done = cli(*argv)
    assert (done.code, done.out) == (1, "")
    assert "is not in an rstuf workspace" in done.err
    # Step by step first: nobody has a plan yet.
    assert done.err.endswith("or make one: rstuf ceremony\n")
    assert done.err.count("\n") == 2
    as_data = cli(*argv, "--json")
    assert (as_data.code, as_data.err) == (1, "")
    assert as_data.document["error"]["code"] == "no-workspace"
    assert tree(Path.cwd()) == {}


@pytest.mark.parametrize("argv", INSIDE, ids=" ".join)
def test_in_a_workspace(argv: list[str], cli: Cli, filled: Path) -> None:
    """A command that fails says why in both forms, in one line each, and no file changes or appears."""
    before = tree(filled)
    done = cli(*argv)
    assert done.code not in {0, 2}
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    as_data = cli(*argv, "--json")
    assert (as_data.code, as_data.err) == (done.code, "")
    assert as_data.document["error"]["message"]
    assert {path: data for path, data in tree(filled).items() if path != "state.db"} == {
        path: data for path, data in before.items() if path != "state.db"
    }


def test_hints_name_commands_that_exist(cli: Cli, filled: Path) -> None:
    """An error's hint can be followed as it stands."""
    assert "rstuf artifact list" in cli("artifact", "show", "x").err
    assert cli("artifact", "list").code == 0


def test_a_defect_is_no_traceback(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is told as a defect; its traceback comes to those who ask, escaped, without values."""

    def broken(_self: Run, **_: object) -> None:
        secret = "hunter2"  # noqa: F841
        raise ValueError("odd \x1b[31m thing")

    monkeypatch.setattr(Run, "open", broken)
    done = cli("status")
    assert done.code == 1
    assert done.err == (
        "error: unexpected ValueError: odd \\x1b[31m thing\n"
        "hint:  this is a defect of rstuf; run it again with -v -v to see where\n"
    )
    traced = cli("status", "-v", "-v")
    assert "Traceback" in traced.err
    assert "\x1b" not in traced.err
    assert "hunter2\n" not in traced.err
    assert cli("status", "--json").document["error"]["code"] == "unexpected"


def test_problems_of_the_system_are_storage_problems(
    cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An OSError that reaches the face is exit 6, with the file's name."""

    def broken(_self: Run, **_: object) -> None:
        raise PermissionError(13, "Permission denied", "some/file")

    monkeypatch.setattr(Run, "open", broken)
    done = cli("status")
    assert (done.code, done.err) == (6, "error: some/file: permission denied\n")


@pytest.mark.parametrize("argv", [["status"], ["publish"], ["log", "--verify"]], ids=" ".join)
def test_a_directory_that_is_gone(argv: list[str], tmp_path: Path) -> None:
    """Whoever stands in a directory that was removed is told that, and to go elsewhere."""
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"rmdir {gone}; exec {sys.executable} -m rstuf_cli {' '.join(argv)}"
    done = subprocess.run(["sh", "-c", script], cwd=gone, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 6
    assert done.stderr.startswith("error: the current directory is not there any more\nhint:  go to a directory")


def test_codes_are_words() -> None:
    """Error codes are short words, each used by one class alone."""
    codes = [kind.code for kind in every_error() if kind.__module__.startswith("rstuf.")]
    assert len(set(codes)) == len(codes)
    assert all(code.replace("-", "").isalpha() and code.islower() for code in codes)


def test_every_problem_of_a_failed_verification_is_told() -> None:
    """A refused release lists its problems, in words up to a number and as data all of them."""
    from rstuf.errors import ReleaseRefused

    failure = failure_of(ReleaseRefused([f"problem {number}" for number in range(30)]))
    assert failure.message == "30 things are wrong"
    assert len(failure.details) == 21
    assert failure.details[-1] == "and 10 more"
    assert len(failure.data["problems"]) == 30


def test_missing_signers_are_listed() -> None:
    """Who is missing, and why, stands on lines of their own."""
    from rstuf.errors import NotEnoughSigners

    failure = failure_of(NotEnoughSigners("root", available=1, threshold=2, reasons={"vault": "away", "x": "gone"}))
    assert failure.details == ("vault: away", "x: gone")


def test_quiet_still_says_errors(cli: Cli) -> None:
    """Quiet is about notes, never about failures."""
    assert cli("status", "-q").err.startswith("error: ")


def test_the_form_is_that_of_the_parsed_option(cli: Cli, filled: Path) -> None:
    """`--json` as another option's value asks for no document."""
    done = cli("artifact", "list", "--prefix", "--json")
    assert (done.code, done.out, done.err) == (0, "", "there are no artifacts\n")


def test_a_document_is_written_once() -> None:
    """Text and document never mix on stdout."""
    import io

    out, err = io.StringIO(), io.StringIO()
    console = Console(out=out, err=err, form=Form.JSON)
    console.line("for people")
    console.result("for people")
    console.document({"a": 1})
    assert json.loads(out.getvalue()) == {"a": 1}
    assert err.getvalue() == ""

"""`rstuf artifact export`: records on stdout, and nothing but records."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Cli


def test_records_are_the_default(filled: Path, cli: Cli) -> None:
    """One object a line, sorted by path; how many there are is said aside."""
    done = cli("artifact", "export")
    assert (done.code, done.err) == (0, "2 artifacts\n")
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [list(record) for record in records] == [["path", "length", "hashes"]] * 2
    assert [record["path"] for record in records] == ["a.txt", "data/b.bin"]
    assert cli("artifact", "export", "--json").document == {"artifacts": records}


@pytest.mark.parametrize("form", ["ndjson", "csv", "sha256sums"])
def test_what_was_exported_can_be_imported(filled: Path, cli: Cli, tmp_path: Path, form: str) -> None:
    """Each form, through a file without a name that tells, is recognised and changes nothing where it came from."""
    done = cli("artifact", "export", "--format", form)
    (tmp_path / "files" / "listing").write_bytes(done.out_bytes)
    again = cli("artifact", "import", tmp_path / "files" / "listing")
    assert again.code == 0, again.err
    assert again.out == "nothing new: 2 artifacts are already here with the same content\n"


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_pages_together_are_the_whole(form: str, workspace: Path, cli: Cli, tmp_path: Path) -> None:
    """Each page is a file that import reads, the next begins where --json says, and the last says nothing of a next."""
    for name in ("a", "b/1", "b/2", "c"):
        (tmp_path / "dist" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dist" / name).write_text(name)
    assert cli("artifact", "add", tmp_path / "dist").code == 0
    head, *whole = ["", *cli("artifact", "export", "--format", form).out.splitlines()][form == "csv" :]
    lines, after = list[str](), ""
    for _ in range(4):
        page = ("artifact", "export", "--limit", 1, "--after", after)
        first, *line = ["", *cli(*page, "--format", form).out.splitlines()][form == "csv" :]
        assert first == head
        lines += line
        document = cli(*page, "--json").document
        after = document.get("next", "")
    assert lines == whole
    assert len(lines) == 4
    assert list(document) == ["artifacts"]


def test_sha256sum_understands_the_listing(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """The tool that such listings come from checks the files with it."""
    done = cli("artifact", "export", "--format", "sha256sums")
    (tmp_path / "SUMS").write_bytes(done.out_bytes)
    subprocess.run(["sha256sum", "--strict", "-c", tmp_path / "SUMS"], cwd=tmp_path / "files", check=True)


def test_what_a_form_cannot_say_is_told(filled: Path, cli: Cli) -> None:
    """Custom data and artifacts that a form leaves out are counted on stderr, however quiet."""
    custom = ("--custom", '{"channel": "beta"}')
    cli("artifact", "add", "--path", "c", "--length", 1, "--hash", "sha512:" + "ab" * 64, *custom)
    done = cli("artifact", "export", "-q", "--format", "csv")
    assert done.out.splitlines()[0] == "path,length,sha256,sha512,blake2b-256"
    assert done.out.splitlines()[2] == f"c,1,,{'ab' * 64},"
    assert done.err == "! custom data of 1 artifact left out; --format ndjson has them\n"
    done = cli("artifact", "export", "-q", "--format", "sha256sums", "--prefix", "c")
    assert (done.out, done.err) == ("", "! 1 artifact without SHA-256 left out; --format ndjson has all\n")


def test_published_is_what_clients_see(filled: Path, cli: Cli) -> None:
    """What waits is there with --state all, and what is to be removed is not."""
    cli("artifact", "remove", "--no-publish", "a.txt")
    assert '"a.txt"' in cli("artifact", "export").out
    assert '"a.txt"' not in cli("artifact", "export", "--state", "all").out


def test_a_form_beside_json_is_refused(filled: Path, cli: Cli) -> None:
    """A program that asks for both would get one of them."""
    assert cli("artifact", "export", "--json", "--format", "csv").document["error"]["code"] == "usage"


def test_a_reader_may_leave(filled: Path, tmp_path: Path) -> None:
    """A pipe that ends early is no failure."""
    command = f"{sys.executable} -m rstuf_cli artifact export | head -c 5"
    done = subprocess.run(["sh", "-c", command], cwd=filled, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ('{"pat', 0)

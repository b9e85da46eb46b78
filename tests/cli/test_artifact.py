"""`rstuf artifact …`: in, out, and what there is; accepted first, published then."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree
from tests.support.person import ENTER, Person

import rstuf
from rstuf_cli.imports import ImportFormat, guess
from rstuf_cli.run import Run

DIGEST = hashlib.sha256(b"elsewhere").hexdigest()


def test_add_publishes(cli: Cli, workspace: Path) -> None:
    """Adding files ends with what clients see of them."""
    Path("one.txt").write_bytes(b"one\n")
    Path("dir/deep").mkdir(parents=True)
    Path("dir/deep/two.txt").write_bytes(b"two\n")
    done = cli("artifact", "add", "one.txt", "dir", "--prefix", "v1")
    assert done.code == 0
    assert re.fullmatch(
        r"✓ 2 artifacts \(8 B\) signed into [12] bins? and published as timestamp v2, \d\.\d s\n", done.out
    )
    listed = cli("artifact", "list", "--json").document["artifacts"]
    assert [(each["path"], each["state"]) for each in listed] == [
        ("v1/deep/two.txt", "published"),
        ("v1/one.txt", "published"),
    ]
    assert list((workspace / "targets").rglob("*.one.txt"))


def test_add_as_data(cli: Cli, workspace: Path) -> None:
    """The document has the change, and the publication that made it visible."""
    Path("one.txt").write_bytes(b"one\n")
    document = cli("artifact", "add", "one.txt", "--json").document
    assert (document["added"], document["bytes"]) == (1, 4)
    assert document["publication"]["published"] is True
    assert document["publication"]["roles"][-1]["name"] == "timestamp"
    again = cli("artifact", "add", "one.txt", "--json").document
    assert (again["added"], again["unchanged"], again["publication"]["published"]) == (0, 1, False)


def test_same_content_is_no_change(cli: Cli, filled: Path, tmp_path: Path) -> None:
    """Adding what is there says so, and publishes nothing."""
    done = cli("artifact", "add", tmp_path / "files")
    assert (done.code, done.out) == (0, "nothing new: 2 artifacts are already here with the same content\n")


def test_another_content_needs_replace(cli: Cli, filled: Path, tmp_path: Path) -> None:
    """A known path with another content is refused with both contents; --replace replaces it."""
    (tmp_path / "files" / "a.txt").write_bytes(b"ALPHA!\n")
    before = tree(filled / "metadata")
    done = cli("artifact", "add", tmp_path / "files")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[0] == "error: a.txt is already here with another content"
    assert re.fullmatch(r"       here     sha256 [0-9a-f]{8}…[0-9a-f]{4}, 6 B", done.err.splitlines()[1])
    assert "--replace" in done.err
    assert tree(filled / "metadata") == before
    replaced = cli("artifact", "add", "--replace", tmp_path / "files")
    assert (replaced.code, replaced.out.startswith("✓ 1 artifact (7 B) signed into 1 bin")) == (0, True)
    assert "  1 was already here with the same content" in replaced.out


def test_no_publish_waits(cli: Cli, workspace: Path) -> None:
    """What is accepted only is listed as pending, and says how it becomes visible."""
    Path("one.txt").write_bytes(b"one\n")
    done = cli("artifact", "add", "--no-publish", "one.txt")
    assert done.out.startswith("✓ 1 artifact (4 B) accepted; rstuf publish makes it visible, ")
    assert cli("artifact", "show", "one.txt", "--json").document["state"] == "pending"
    assert cli("publish").code == 0
    assert cli("artifact", "show", "one.txt", "--json").document["state"] == "published"


def test_accepted_is_kept_when_publishing_fails(cli: Cli, workspace: Path) -> None:
    """If the online key is away, the artifacts are accepted nevertheless, and the error says so in both forms."""
    Path("one.txt").write_bytes(b"one\n")
    Path("two.txt").write_bytes(b"two\n")
    key = workspace / "keys" / "online.key"
    key.rename(workspace / "away.key")
    done = cli("artifact", "add", "one.txt")
    assert (done.code, done.out) == (1, "")
    assert "kept:  1 artifact accepted; rstuf publish makes it visible to clients\n" in done.err
    as_data = cli("artifact", "add", "two.txt", "--json")
    assert (as_data.code, as_data.err) == (1, "")
    assert as_data.document["error"]["code"] == "signer-unavailable"
    assert as_data.document["accepted"]["added"] == 1
    (workspace / "away.key").rename(key)
    assert cli("publish").code == 0
    states = {each["path"]: each["state"] for each in cli("artifact", "list", "--json").document["artifacts"]}
    assert states == {"one.txt": "published", "two.txt": "published"}


def test_an_artifact_without_its_file(cli: Cli, workspace: Path) -> None:
    """What is served elsewhere is added by what is known of it."""
    done = cli("artifact", "add", "--path", "far/x.iso", "--length", 9, "--hash", f"sha256:{DIGEST}", "--prefix", "v2")
    assert done.code == 0
    document = cli("artifact", "show", "v2/far/x.iso", "--json").document
    assert (document["length"], document["hashes"]) == (9, {"sha256": DIGEST})


def test_an_empty_artifact_without_its_file(cli: Cli, workspace: Path) -> None:
    """A length of 0 is a length."""
    digest = hashlib.sha256(b"").hexdigest()
    done = cli("artifact", "add", "--path", "empty", "--length", 0, "--hash", f"sha256:{digest}")
    assert (done.code, cli("artifact", "show", "empty", "--json").document["length"]) == (0, 0)


def test_custom_data(cli: Cli, workspace: Path) -> None:
    """A publisher's own data is taken from the argument or a file, and shown."""
    Path("one.txt").write_bytes(b"one\n")
    Path("two.txt").write_bytes(b"two\n")
    Path("custom.json").write_text('{"channel": "beta", "n": [1, 2]}')
    assert cli("artifact", "add", "one.txt", "--custom", '{"channel": "beta"}').code == 0
    assert cli("artifact", "add", "two.txt", "--custom", "@custom.json").code == 0
    assert cli("artifact", "show", "two.txt", "--json").document["custom"] == {"channel": "beta", "n": [1, 2]}
    assert '  custom  {"channel": "beta"}' in cli("artifact", "show", "one.txt").out


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": 1.5}', "{", '{"a": "\\ud800"}', "\udcff"])
def test_custom_data_is_strict(text: str, cli: Cli, workspace: Path) -> None:
    """Data that two readers could understand differently is refused, before anything is taken."""
    Path("one.txt").write_bytes(b"one\n")
    done = cli("artifact", "add", "one.txt", "--custom", text)
    assert (done.code, done.out) == (1, "")
    assert cli("artifact", "list", "--json").document == {"artifacts": []}


def test_show(cli: Cli, filled: Path) -> None:
    """One artifact, all that is signed of it."""
    digest = hashlib.sha256(b"alpha\n").hexdigest()
    lines = cli("artifact", "show", "a.txt").out.splitlines()
    assert lines[:3] == ["a.txt", "  length  6 B", f"  sha256  {digest}"]
    assert lines[4] == "  state   published"


def test_list(cli: Cli, filled: Path) -> None:
    """A line each: length, state, path; how many there are is no data."""
    done = cli("artifact", "list")
    assert done.out.splitlines() == [
        "            6 B  published  a.txt",
        "        5 120 B  published  data/b.bin",
    ]
    assert done.err == "2 artifacts\n"
    assert cli("artifact", "list", "-q").err == ""


def test_list_by_pages(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """Pages follow each other by `next`, and the last one has none."""
    records = tmp_path / "records.ndjson"
    names = [f"p/{number:04}" for number in range(1100)]
    lines = [json.dumps({"path": name, "length": 1, "hashes": {"sha256": DIGEST}}) for name in names]
    records.write_text("\n".join(lines))
    assert cli("artifact", "import", records).code == 0
    seen: list[str] = []
    after = ""
    for _ in range(4):
        page = cli("artifact", "list", "--json", "--limit", 400, "--after", after).document
        seen += [each["path"] for each in page["artifacts"]]
        if "next" not in page:
            break
        after = page["next"]
    assert seen == names
    assert cli("artifact", "list", "--json", "--limit", 1100).document.get("next") is None
    assert len(cli("artifact", "list").out.splitlines()) == 1100
    assert cli("artifact", "list", "--limit", 1).err == "there are more: --after p/0000\n"
    assert len(cli("artifact", "list", "--prefix", "p/00", "--json").document["artifacts"]) == 100


def test_remove(cli: Cli, filled: Path) -> None:
    """A removed artifact is gone for clients; an unknown one is refused and removes nothing."""
    refused = cli("artifact", "remove", "a.txt", "nowhere")
    assert (refused.code, refused.out) == (1, "")
    assert cli("artifact", "show", "a.txt").code == 0
    done = cli("artifact", "remove", "a.txt")
    assert re.fullmatch(r"✓ 1 artifact removed; published as timestamp v3, \d\.\d s\n", done.out)
    assert cli("artifact", "show", "a.txt").code == 1
    waiting = cli("artifact", "remove", "--no-publish", "data/b.bin")
    assert re.fullmatch(r"✓ 1 removal accepted; rstuf publish makes it visible, \d\.\d s\n", waiting.out)
    again = cli("artifact", "remove", "--no-publish", "data/b.bin")
    assert (again.code, again.out) == (0, "nothing new: 1 artifact is already removed\n")
    assert cli("artifact", "remove", "--no-publish", "data/b.bin", "--json").document["unchanged"] == 1
    assert cli("artifact", "remove", "a.txt").err.splitlines()[1] == "hint:  rstuf artifact list shows what there is"


def test_all_that_begin_alike_are_removed(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """What list --prefix shows is what goes, in one publication; the rest stays, and an empty beginning is refused."""
    for name in ("n/1", "n/2", "n/3/4", "nn", "o"):
        (tmp_path / "dist" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dist" / name).write_text(name)
    assert cli("artifact", "add", tmp_path / "dist").code == 0
    before = tree(workspace)
    assert (cli("artifact", "remove", "--prefix", "n/").code, cli("artifact", "remove", "--prefix", "").code) == (2, 2)
    assert cli("artifact", "remove", "--prefix", "x", "--yes").code == 1
    assert tree(workspace) == before
    done = cli("artifact", "remove", "--prefix", "n/", "--yes", "--json").document
    assert (done["removed"], done["publication"]["timestamp_version"]) == (3, 3)
    assert [each["path"] for each in cli("artifact", "list", "--json").document["artifacts"]] == ["nn", "o"]


def test_what_is_going_is_not_asked_about(cli: Cli, filled: Path) -> None:
    """A removal of all that begin alike, run again before it is published, asks nobody: nothing is to be confirmed."""
    assert cli("artifact", "remove", "--prefix", "data/", "--yes", "--no-publish").code == 0
    again = cli("artifact", "remove", "--prefix", "data/", "--no-publish")
    assert (again.code, again.out) == (0, "nothing new: 1 artifact is already removed\n")
    assert "1 artifact begins with a" in cli("artifact", "remove", "--prefix", "a").err


@pytest.mark.parametrize(("answer", "left"), [("y", 1), ("", 2), ("n", 2), ("no way", 2)])
def test_a_person_is_asked_about_all_that_begin_alike(answer: str, left: int, cli: Cli, filled: Path) -> None:
    """The number and the names are shown; anything but yes leaves everything."""
    with Person.running("artifact", "remove", "--prefix", "data", cwd=filled) as person:
        screen = person.sees("remove it? [y/N]")
        assert "1 artifact begins with data:" in screen
        assert "- data/b.bin" in screen
        person.presses(answer, ENTER)
        assert person.ends() == (0 if left == 1 else 2)
    assert len(cli("artifact", "list", "--json").document["artifacts"]) == left


def test_import_by_name_and_by_content(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """Records are recognised by their file's name, or by how they begin."""
    (tmp_path / "records.csv").write_text(f"csv.bin;9;sha256;{DIGEST}\n")
    (tmp_path / "unnamed").write_text(json.dumps({"path": "json.bin", "length": 9, "hashes": {"sha256": DIGEST}}))
    for name in ("records.csv", "unnamed"):
        done = cli("artifact", "import", tmp_path / name)
        assert (done.code, done.err) == (
            0,
            "note:  these contents were not copied here; serve them under their hash-prefixed names\n",
        )
    assert [each["path"] for each in cli("artifact", "list", "--json").document["artifacts"]] == ["csv.bin", "json.bin"]


@pytest.mark.parametrize(
    ("name", "head", "form"),
    [
        ("x.jsonl", b"", ImportFormat.NDJSON),
        ("X.CSV", b"{", ImportFormat.CSV),
        ("SHA256SUMS", b"", ImportFormat.SHA256SUMS),
        ("x.sha256", b"", ImportFormat.SHA256SUMS),
        ("x", b' {"path"', ImportFormat.NDJSON),
        ("x", DIGEST.encode() + b"  a", ImportFormat.SHA256SUMS),
        ("x", b"a b;12;blake2b-256;00ff\n", ImportFormat.CSV),
        ("x", b"a b,12,sha256,00ff\n", ImportFormat.CSV),
        ("x", b"a,b;12;sha256;00ff\n", ImportFormat.CSV),
        ("x", b'"Path","Size","SHA256"\r\n', ImportFormat.CSV),
        ("x", b"SHA512SUMS", None),
        ("SHA512SUMS", b"", ImportFormat.SHA256SUMS),
        ("x", b"SHA256 (a) = 00", ImportFormat.SHA256SUMS),
        ("x", b"SHA2-512(a)= 00", ImportFormat.SHA256SUMS),
        ("x", (DIGEST * 2).encode() + b" *a", ImportFormat.SHA256SUMS),
        ("x", b"\\" + DIGEST.encode() + b"  a", ImportFormat.SHA256SUMS),
        ("x", b"\r\nAlgorithm       Hash       Path", ImportFormat.SHA256SUMS),
        ("x", b"hello, world", None),
        ("x", b"hello", None),
        ("x.zip", b"PK", None),
        ("", b"", None),
    ],
)
def test_guesses(name: str, head: bytes, form: ImportFormat | None) -> None:
    """The name counts first, then the first bytes; what is not clear is not guessed."""
    assert guess(name, head) is form


def test_import_of_checksums_takes_the_files(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """SHA256SUMS adds the files that it names, and refuses one that hashes to something else."""
    place = tmp_path / "dist"
    place.mkdir()
    (place / "good.bin").write_bytes(b"good")
    digest = hashlib.sha256(b"good").hexdigest()
    (place / "SHA256SUMS").write_text(f"{digest}  good.bin\n")
    assert cli("artifact", "import", place / "SHA256SUMS").out.startswith("✓ 1 artifact (4 B)")
    (place / "bad.bin").write_bytes(b"bad")
    (place / "SHA256SUMS").write_text(f"{digest}  good.bin\n{digest}  bad.bin\n")
    done = cli("artifact", "import", place / "SHA256SUMS")
    assert (done.code, "does not hash to" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"path": "a", "length": 1}', "line 1"),
        (f'{{"path": "a", "length": 1, "hashes": {{"sha256": "{DIGEST}"}}}}\n{{"path": "../b"}}', "line 2"),
        ("what is this", "--format"),
    ],
)
def test_import_is_all_or_nothing(text: str, word: str, cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """A line that cannot be read is named, and nothing of the import is taken."""
    (tmp_path / "records").write_text(text)
    done = cli("artifact", "import", tmp_path / "records")
    assert (done.code, done.out) == (1, "")
    assert word in done.err
    assert cli("artifact", "list", "--json").document == {"artifacts": []}


def test_import_of_what_is_no_file(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """A directory or nothing at all cannot be imported."""
    assert cli("artifact", "import", tmp_path).code == 1
    assert cli("artifact", "import", tmp_path / "nowhere").code == 1
    assert cli("artifact", "add", tmp_path / "nowhere").code == 1


def test_import_from_stdin(workspace: Path) -> None:
    """A pipe of records is read to its end."""
    record = json.dumps({"path": "piped", "length": 9, "hashes": {"sha256": DIGEST}})
    command = [sys.executable, "-m", "rstuf_cli", "artifact", "import", "-", "--json"]
    done = subprocess.run(command, input=record.encode(), capture_output=True, check=False, start_new_session=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["added"] == 1


@pytest.mark.parametrize("options", [[], ["--format", "sha256sums"], ["--base", "."]])
@pytest.mark.parametrize("how", ["pipe", "file"])
def test_checksums_from_stdin(workspace: Path, options: list[str], how: str) -> None:
    """A listing on stdin adds the files that it names, from the current directory or `--base`."""
    Path("one.txt").write_bytes(b"one\n")
    digest = hashlib.sha256(b"one\n").hexdigest()
    listing = f"{digest}  one.txt\n".encode()
    command = [sys.executable, "-m", "rstuf_cli", "artifact", "import", "-", "--json", *options]
    if how == "pipe":
        done = subprocess.run(command, input=listing, capture_output=True, check=False, start_new_session=True)
    else:
        Path("listing").write_bytes(listing)
        with Path("listing").open("rb") as file:
            done = subprocess.run(command, stdin=file, capture_output=True, check=False, start_new_session=True)
    assert (done.returncode, json.loads(done.stdout)["bytes"]) == (0, 4)


def test_a_listing_whose_files_are_elsewhere(workspace: Path, cli: Cli, tmp_path: Path) -> None:
    """A file that a listing names and that is not there is named, with where it was looked for."""
    (tmp_path / "SHA256SUMS").write_text(f"{DIGEST}  gone.bin\n")
    done = cli("artifact", "import", tmp_path / "SHA256SUMS")
    assert (done.code, done.out) == (1, "")
    assert f"gone.bin, which {tmp_path}/SHA256SUMS, line 1 names: it does not exist" in done.err
    assert f"hint:  the listing names files below {tmp_path}; --base DIR says where they are\n" in done.err


def test_interrupted_before_and_after_accepting(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C says what is kept: nothing before, the accepted artifacts after."""
    Path("one.txt").write_bytes(b"one\n")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "open", interrupt)
        done = cli("artifact", "add", "one.txt")
    assert (done.code, done.err) == (130, "error: interrupted; nothing was taken\n")
    with monkeypatch.context() as patch:
        patch.setattr(rstuf.Repository, "publish", interrupt)
        done = cli("artifact", "add", "one.txt")
    assert done.code == 130
    assert "kept:  1 artifact accepted; rstuf publish makes it visible to clients\n" in done.err
    assert cli("artifact", "show", "one.txt", "--json").document["state"] == "pending"


def test_a_pipe_in_place_of_a_file(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """What is no regular file is refused and never waited for."""
    os.mkfifo(tmp_path / "pipe")
    done = cli("artifact", "add", tmp_path / "pipe")
    assert done.code != 0
    assert done.err.startswith("error: ")
    assert io.StringIO(done.out).read() == ""

"""`rstuf artifact add` and `import`: which files are meant, what is mended, and what is said of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree
from tests.support.clients import Client, directory_site

ALPHA = hashlib.sha256(b"alpha\n").hexdigest()


def paths_of(cli: Cli) -> list[str]:
    return [each["path"] for each in cli("artifact", "list", "--json").document["artifacts"]]


# --- kept contents ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["missing", "cut", "other", "link", "directories"])
def test_adding_the_good_file_again_heals(cli: Cli, filled: Path, tmp_path: Path, damage: str) -> None:
    """Whatever became of a kept copy, adding the good file puts it back and says so; verify finds nothing any more."""
    copy = filled / "targets" / f"{ALPHA}.a.txt"
    copy.unlink()
    if damage == "cut":
        copy.write_bytes(b"")
    elif damage == "other":
        copy.write_bytes(b"ALPHA\n")
    elif damage == "link":
        copy.symlink_to(tmp_path / "files" / "a.txt")
    elif damage == "directories":
        os.rename(filled / "targets", filled / "gone")
    assert cli("verify", "--artifacts").code == 3
    metadata = tree(filled / "metadata")
    done = cli("artifact", "add", tmp_path / "files")
    copies = "2 kept copies restored, which were" if damage == "directories" else "1 kept copy restored, which was"
    assert (done.code, done.err, done.out) == (
        0,
        "",
        f"✓ {copies} missing or damaged\nnothing new: 2 artifacts are already here with the same content\n",
    )
    assert tree(filled / "metadata") == metadata
    assert cli("verify", "--artifacts").code == 0
    again = cli("artifact", "add", tmp_path / "files", "--json").document
    assert (again["restored"], again["unchanged"]) == (0, 2)


def test_restored_beside_what_is_new(cli: Cli, filled: Path, tmp_path: Path) -> None:
    """What was mended is told beside what was added, in both forms, and by a listing's import too."""
    files = tmp_path / "files"
    (filled / "targets" / f"{ALPHA}.a.txt").write_bytes(b"damage")
    (files / "new.txt").write_bytes(b"new\n")
    lines = cli("artifact", "add", files).out.splitlines()
    assert lines[0].startswith("✓ 1 artifact (4 B) signed into 1 bin and published")
    assert lines[1:] == [
        "  1 kept copy restored, which was missing or damaged",
        "  2 were already here with the same content",
    ]
    (filled / "targets" / f"{ALPHA}.a.txt").unlink()
    (files / "SHA256SUMS").write_text(f"{ALPHA}  a.txt\n")
    document = cli("artifact", "import", files / "SHA256SUMS", "--json").document
    assert (document["restored"], document["bytes"], document["number"]) == (1, 0, 0)


def test_what_was_restored_stays_when_publishing_fails(cli: Cli, filled: Path, tmp_path: Path) -> None:
    """A failing publication tells what is kept: restored copies, and what was accepted."""
    (filled / "targets" / f"{ALPHA}.a.txt").write_bytes(b"damage")
    (tmp_path / "files" / "new.txt").write_bytes(b"new\n")
    (filled / "keys" / "online.key").rename(filled / "away.key")
    done = cli("artifact", "add", tmp_path / "files")
    assert (done.code, done.out) == (1, "")
    assert (
        "kept:  1 kept copy restored, which was missing or damaged; 1 artifact accepted; rstuf publish makes it "
        "visible to clients\n" in done.err
    )


def test_a_directory_in_the_place_of_a_copy(cli: Cli, filled: Path, tmp_path: Path) -> None:
    """What cannot be replaced in one step is left, and the error says what to do."""
    copy = filled / "targets" / f"{ALPHA}.a.txt"
    copy.unlink()
    copy.mkdir()
    done = cli("artifact", "add", tmp_path / "files")
    assert (done.code, done.out) == (6, "")
    assert done.err == (
        f"error: cannot restore {ALPHA}.a.txt: a directory stands in its place\n"
        "hint:  move it away, then run the same command again\n"
    )


def test_custom_data_stay(cli: Cli, filled: Path, tmp_path: Path) -> None:
    """The same file again, without --custom, is no change; other custom data need --replace."""
    add = ("artifact", "add", tmp_path / "files" / "a.txt")
    assert cli(*add, "--replace", "--custom", '{"channel": "beta"}').code == 0
    assert cli(*add).out == "nothing new: 1 artifact is already here with the same content\n"
    assert cli("artifact", "show", "a.txt", "--json").document["custom"] == {"channel": "beta"}
    refused = cli(*add, "--custom", '{"channel": "stable"}')
    assert (refused.code, "--replace" in refused.err) == (1, True)
    assert refused.err.startswith("error: a.txt is already here with other custom data or hashes\n")


# --- which files -----------------------------------------------------------------------------------------


@pytest.fixture
def dist(workspace: Path) -> Path:
    """A directory with files to choose from, in the current one."""
    place = workspace / "dist"
    (place / "sub").mkdir(parents=True)
    for name in ("b.whl", "a.whl", "c.tar.gz", ".hidden.whl", "sub/d.whl", "[x].whl"):
        (place / name).write_bytes(name.encode())
    return place


@pytest.mark.parametrize(
    ("patterns", "taken"),
    [
        (["dist/*.whl"], ["[x].whl", "a.whl", "b.whl"]),
        (["dist/?.whl", "dist/a.whl"], ["a.whl", "b.whl"]),
        (["dist/[ac].*"], ["a.whl", "c.tar.gz"]),
        (["dist/**/*.whl"], ["[x].whl", "a.whl", "b.whl", "d.whl"]),
        (["dist/[x].whl"], ["[x].whl"]),
        (["d*t"], [".hidden.whl", "[x].whl", "a.whl", "b.whl", "c.tar.gz", "sub/d.whl"]),
    ],
)
def test_patterns_that_no_shell_expanded(cli: Cli, dist: Path, patterns: list[str], taken: list[str]) -> None:
    """A quoted pattern means what a shell would make of it; what has such a name is meant itself."""
    done = cli("artifact", "add", *patterns)
    assert done.code == 0, done.err
    assert paths_of(cli) == taken


def test_a_pattern_that_matches_nothing(cli: Cli, dist: Path) -> None:
    """Nothing is taken, of the others neither."""
    done = cli("artifact", "add", "dist/a.whl", "dist/*.exe")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: nothing matches dist/*.exe\nhint:  nothing was taken; ")
    assert paths_of(cli) == []
    as_data = cli("artifact", "add", "*/nothing", "--json")
    assert (as_data.code, as_data.document["error"]["code"]) == (1, "invalid-input")


@pytest.mark.parametrize("deep", [False, True])
def test_a_directory_without_files(cli: Cli, dist: Path, deep: bool) -> None:
    """A build that made nothing is not published as if it had: refused, whatever else is named."""
    empty = dist.parent / "empty"
    (empty / "sub" if deep else empty).mkdir(parents=True)
    done = cli("artifact", "add", "dist", "empty")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: the directory empty holds no files\nhint:  nothing was taken; ")
    assert paths_of(cli) == []


def test_each_step_is_told(cli: Cli, dist: Path) -> None:
    """Files are looked for, hashed, compared and recorded, and each of these tells how far it is."""
    done = cli("artifact", "add", "dist", "-v")
    steps = re.findall(r"^(finding|hashing|comparing|recording): (\S+) ", done.err, re.MULTILINE)
    assert steps == [("finding", "6"), ("hashing", "45"), ("comparing", "6"), ("recording", "6")]


def test_a_file_by_several_names(cli: Cli, dist: Path) -> None:
    """However it is named, it is one file; two files for one artifact path are refused."""
    (dist.parent / "link.whl").symlink_to(dist / "a.whl")
    done = cli("artifact", "add", "dist/a.whl", "./dist/../dist/a.whl", dist / "a.whl", "dist/a*.whl", "--json")
    assert done.document["added"] == 1
    other = dist.parent / "other"
    other.mkdir()
    (other / "b.whl").write_bytes(b"b.whl")
    refused = cli("artifact", "add", "dist/b.whl", "other/b.whl")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("error: b.whl would be both dist/b.whl and other/b.whl\n")


@pytest.mark.parametrize("kind", ["socket", "fifo"])
@pytest.mark.parametrize("where", ["dist", "dist/sub/odd"])
def test_what_is_neither_a_file_nor_a_directory(cli: Cli, dist: Path, kind: str, where: str) -> None:
    """It is named, alone or in a directory, with what to do, and nothing is taken of the others."""
    if kind == "fifo":
        os.mkfifo("dist/sub/odd")
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("dist/sub/odd")
    done = cli("artifact", "add", where)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: dist/sub/odd is neither a file nor a directory\nhint:  nothing was taken; ")
    assert paths_of(cli) == []


def test_a_directory_that_is_deeper_than_any_path(cli: Cli, workspace: Path) -> None:
    """Directories within directories without end are refused by name: no path of an artifact could lead there."""
    Path("deep").mkdir()
    below = os.open("deep", os.O_RDONLY)
    for _ in range(500):
        os.mkdir("dd", dir_fd=below)
        inner = os.open("dd", os.O_RDONLY, dir_fd=below)
        os.close(below)
        below = inner
    os.close(below)
    done = cli("artifact", "add", "deep")
    assert (done.code, done.out) == (1, "")
    assert re.match(
        r"error: 'dd/dd/.*' cannot be an artifact path: no path below it has at most 1024 bytes\n", done.err
    )


def test_an_import_of_nothing_says_so(cli: Cli, workspace: Path) -> None:
    """No records are no error where the form is clear."""
    Path("none.ndjson").write_text("\n\n")
    done = cli("artifact", "import", "none.ndjson")
    assert (done.code, done.out) == (0, "nothing new: no artifact was named\n")
    Path("unnamed").write_text("")
    unclear = cli("artifact", "import", "unnamed")
    assert (unclear.code, unclear.err.splitlines()[0]) == (1, "error: unnamed is empty")
    assert cli("artifact", "import", "unnamed", "--format", "csv").code == 0


# --- what clients make of it -----------------------------------------------------------------------------


def test_a_file_and_a_directory_of_one_name(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """`dd` and `dd/x` are two artifacts: both are kept, served, and downloaded by a stock client into one directory."""
    contents = {"dd": b"a file", "dd/x": b"in a directory", "dd/x/y": b"deeper"}
    for number, (path, data) in enumerate(contents.items()):
        place = tmp_path / str(number) / Path(path).name
        place.parent.mkdir()
        place.write_bytes(data)
        prefix = ["--prefix", path.rpartition("/")[0]] if "/" in path else []
        assert cli("artifact", "add", place, *prefix).code == 0
    assert cli("verify", "--full", "--artifacts").code == 0
    site = directory_site(workspace / "metadata", workspace / "targets")
    client = Client.fresh(tmp_path / "client", site, root=(workspace / "metadata/1.root.json").read_bytes())
    (tmp_path / "client/downloads").mkdir()
    assert {path: client.download(path) for path in contents} == contents
    assert len(list((tmp_path / "client/downloads").iterdir())) == 3


def test_a_path_that_clients_cannot_save(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """It is accepted with a note on stderr, or in the document; a stock client indeed fails without a file name."""
    path = "é" * 60 + ".bin"
    Path(path).write_bytes(b"x")
    done = cli("artifact", "add", path)
    assert (done.code, done.out.startswith("✓ 1 artifact")) == (0, True)
    assert re.fullmatch(rf"note:  {path}: as a file name, URL-quoted, it has 364 bytes, .*\n", done.err)
    as_data = cli("artifact", "add", path, "--json")
    assert as_data.err == ""
    (warning,) = as_data.document["warnings"]
    assert (warning["path"], warning["code"], as_data.document["more_warnings"]) == (path, "long-file-name", 0)
    site = directory_site(workspace / "metadata", workspace / "targets")
    client = Client.fresh(tmp_path / "client", site, root=(workspace / "metadata/1.root.json").read_bytes())
    with pytest.raises(OSError, match="too long"):
        client.download(path)


@pytest.mark.parametrize("form", ["records.ndjson", "records.csv", "unnamed", "-"])
def test_text_from_windows(cli: Cli, workspace: Path, form: str) -> None:
    """A byte-order mark does not hide what a text is; UTF-16 is refused by name."""
    record = json.dumps({"path": "a", "length": 6, "hashes": {"sha256": ALPHA}})
    text = f"a;6;sha256;{ALPHA}\r\n" if form.endswith("csv") else record + "\r\n"
    for encoding, code in (("utf-16", 1), ("utf-8-sig", 0)):
        data = text.encode(encoding)
        if form == "-":
            command = [sys.executable, "-m", "rstuf_cli", "artifact", "import", "-"]
            ran = subprocess.run(command, input=data, capture_output=True, check=False, start_new_session=True)
            found, err = ran.returncode, ran.stderr.decode()
        else:
            Path(form).write_bytes(data)
            result = cli("artifact", "import", form)
            found, err = result.code, result.err
        assert found == code, err
        if code:
            name = "stdin" if form == "-" else form
            assert err.startswith(f"error: {name} cannot be read: it is UTF-16 text, or none at all, and not UTF-8\n")

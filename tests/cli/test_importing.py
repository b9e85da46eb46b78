"""`rstuf artifact import`: what it says of records that repeat, contradict or cannot be read, and of listings."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pytest
from tests.cli.conftest import Cli

from rstuf.errors import SourceChanged
from rstuf_cli import imports
from rstuf_cli.files import open_steady

ALPHA = hashlib.sha256(b"alpha\n").hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()
IMPORT = [sys.executable, "-m", "rstuf_cli", "artifact", "import"]


def record(path: str, *, length: int = 6, digest: str = ALPHA) -> str:
    return f'{{"path": "{path}", "length": {length}, "hashes": {{"sha256": "{digest}"}}}}\n'


def shown(cli: Cli, path: str) -> tuple[int, dict[str, str]]:
    document = cli("artifact", "show", path, "--json").document
    return document["length"], document["hashes"]


# --- records that meet each other ------------------------------------------------------------------------


def test_repeats_are_told(cli: Cli, workspace: Path) -> None:
    """The same record twice is one artifact and a repeat, and never said to have been here."""
    Path("it.ndjson").write_text(record("a") + record("b") + record("a"))
    lines = cli("artifact", "import", "it.ndjson").out.splitlines()
    assert lines[0].startswith("✓ 2 artifacts signed into ")
    assert lines[1:] == ["  1 repeat in the same input counted for nothing"]
    document = cli("artifact", "import", "it.ndjson", "--json").document
    assert (document["unchanged"], document["repeated"]) == (2, 1)


@pytest.mark.parametrize("replace", [[], ["--replace"]])
def test_contradictions_name_both_lines(cli: Cli, workspace: Path, replace: Sequence[str]) -> None:
    """Two contents for one path are refused with both lines and both contents, and --replace does not choose."""
    Path("it.ndjson").write_text(record("a") + record("b") + record("a", length=7, digest=OTHER))
    done = cli("artifact", "import", "it.ndjson", *replace)
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        "error: it.ndjson, lines 1 and 3: two different contents for a",
        f"       sha256 {ALPHA[:4]}…{ALPHA[-2:]}, 6 B",
        f"       sha256 {OTHER[:4]}…{OTHER[-2:]}, 7 B",
        "hint:  nothing was taken; keep the one that is right (--replace does not choose) and run it again",
    ]
    assert cli("artifact", "list", "--json").document == {"artifacts": []}
    with Path("it.ndjson").open("rb") as file:
        ran = subprocess.run([*IMPORT, "-"], stdin=file, capture_output=True, check=False, start_new_session=True)
    assert ran.stderr.startswith(b"error: stdin, lines 1 and 3: two different contents for a\n")


def test_a_conflict_with_what_is_here_names_its_line(cli: Cli, filled: Path) -> None:
    """A record for a known path with another content is refused with its line."""
    Path("it.ndjson").write_text(record("new") + record("a.txt", digest=OTHER))
    done = cli("artifact", "import", "it.ndjson")
    assert (done.code, done.err.splitlines()[0]) == (
        1,
        "error: it.ndjson, line 2: a.txt is already here with another content",
    )


def test_a_listing_may_name_a_file_twice(cli: Cli, workspace: Path) -> None:
    """The file is taken once, and its bytes are counted once."""
    Path("a.txt").write_bytes(b"alpha\n")
    Path("SHA256SUMS").write_text(f"{ALPHA}  a.txt\n{ALPHA} *./a.txt\n")
    document = cli("artifact", "import", "SHA256SUMS", "--json").document
    assert (document["added"], document["repeated"], document["bytes"]) == (1, 1, 6)


# --- listings --------------------------------------------------------------------------------------------


def test_a_mismatch_names_line_and_both_hashes(cli: Cli, workspace: Path) -> None:
    """A file that is not what its listing says is named with the line, the hash that is listed and the one found."""
    Path("a.txt").write_bytes(b"alpha\n")
    Path("b.txt").write_bytes(b"beta\n")
    for name, line in (("SHA256SUMS", f"{ALPHA}  b.txt"), ("SHA512SUMS", f"SHA512 (b.txt) = {'0' * 128}")):
        Path(name).write_text(f"{ALPHA}  a.txt\n\n{line}\n")
        done = cli("artifact", "import", name)
        algorithm, listed = ("sha256", ALPHA) if name == "SHA256SUMS" else ("sha512", "0" * 128)
        found = hashlib.new(algorithm, b"beta\n").hexdigest()
        assert (done.code, done.out) == (1, "")
        assert done.err.splitlines() == [
            f"error: {name}, line 3: b.txt does not hash to what is listed",
            f"       listed  {algorithm} {listed}",
            f"       found   {algorithm} {found}",
            "hint:  nothing was taken; the file or the listing is damaged or old: make whichever it is anew",
        ]
    assert cli("artifact", "list", "--json").document == {"artifacts": []}
    assert {place.name for place in Path("targets").iterdir()} <= {".staging"}


@pytest.mark.parametrize("keeps", [True, False])
def test_sha512_listings_are_checked(cli: Cli, workspace: Path, keeps: bool) -> None:
    """The listing is held against the files, whether contents are kept here; what is signed is SHA-256 as ever."""
    if not keeps:
        config = Path("rstuf.toml").read_text()
        Path("rstuf.toml").write_text(config.replace('artifacts = "targets"', 'artifacts = ""'))
    Path("a.txt").write_bytes(b"alpha\n")
    Path("SHA512SUMS").write_text(f"{hashlib.sha512(b'alpha' + bytes([10])).hexdigest()}  a.txt\n")
    assert cli("artifact", "import", "SHA512SUMS").code == 0
    assert shown(cli, "a.txt") == (6, {"sha256": ALPHA})


def test_what_the_tools_of_this_machine_write(cli: Cli, workspace: Path) -> None:
    """`sha256sum`, with and without `--tag`, and `sha512sum` are read as they come."""
    Path("dist").mkdir()
    for name in ("a b.txt", "ü.bin"):
        Path("dist", name).write_bytes(name.encode())
    for number, command in enumerate(("sha256sum *", "sha256sum --tag -- *", "sha512sum -b ./*")):
        listing = subprocess.run(["bash", "-c", command], cwd="dist", capture_output=True, check=True).stdout
        Path("listing").write_bytes(listing)
        document = cli("artifact", "import", "listing", "--base", "dist", "--json").document
        assert (document["added"], document["unchanged"]) == ((2, 0) if number == 0 else (0, 2))


@pytest.mark.parametrize("what", ["directory", "fifo", "key", "missing", "itself"])
def test_what_a_listing_cannot_name(cli: Cli, workspace: Path, what: str) -> None:
    """A name that leads to no file, to a file of the workspace or to the listing itself is refused with its line."""
    Path("directory").mkdir()
    os.mkfifo("fifo")
    name = {"key": "keys/online.key", "itself": "SHA256SUMS"}.get(what, what)
    Path("a.txt").write_bytes(b"alpha\n")
    Path("SHA256SUMS").write_text(f"{ALPHA}  a.txt\n{ALPHA}  {name}\n")
    done = cli("artifact", "import", "SHA256SUMS")
    assert (done.code, done.out) == (6 if what in {"directory", "fifo"} else 1, "")
    error, *others = done.err.splitlines()
    assert "SHA256SUMS, line 2" in error
    words = {
        "directory": "it is not a regular file",
        "fifo": "it is not a regular file",
        "key": "belongs to the workspace",
        "missing": "it does not exist",
        "itself": "does not hash to what is listed",
    }
    assert words[what] in error
    assert (
        what != "itself" or others[-1] == "hint:  nothing was taken; a listing cannot list itself: leave that line out"
    )
    assert cli("artifact", "list", "--json").document == {"artifacts": []}


# --- what cannot be read ---------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 119_999])
def test_a_bad_line_among_very_many(cli: Cli, workspace: Path, at: int) -> None:
    """It is named, and nothing of all the others is taken, nor left beside the state: more than memory should hold."""
    lines = [record(f"p/{number}") for number in range(120_000)]
    lines[at] = record("../up")
    Path("it.ndjson").write_text("".join(lines))
    before = sorted(place.name for place in workspace.iterdir())
    done = cli("artifact", "import", "it.ndjson")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: it.ndjson, line {at + 1}: '../up' cannot be an artifact path: ")
    assert cli("artifact", "list", "--json").document == {"artifacts": []}
    assert sorted(place.name for place in workspace.iterdir()) == before


def meddle(place: Path, change: str) -> None:
    with place.open("r+b") as file:
        if change == "grows":
            file.seek(0, 2)
            file.write(record("more").encode())
        elif change == "is cut":
            file.truncate(len(record("p/0")))
        else:
            file.write(record("q/0").encode())


@pytest.mark.parametrize("change", ["grows", "is cut", "is written over"])
def test_a_file_that_changes_while_it_is_read(
    cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Records that somebody is still writing are refused, and nothing of them is taken."""
    Path("it.ndjson").write_text("".join(record(f"p/{number}") for number in range(10)))

    def opened(file: int | Path) -> BinaryIO:
        stream = open_steady(file)
        meddle(Path("it.ndjson"), change)
        return stream

    monkeypatch.setattr(imports, "open_steady", opened)
    done = cli("artifact", "import", "it.ndjson")
    assert (done.code, done.out) == (6, "")
    assert done.err.startswith("error: cannot take it.ndjson: it changed while it was read\n")
    assert cli("artifact", "list", "--json").document == {"artifacts": []}


def test_a_file_that_grows_is_not_read_without_end(tmp_path: Path) -> None:
    """Whoever writes as fast as it is read does not keep the reader: the first look at the longer file ends it."""
    place = tmp_path / "it.ndjson"
    place.write_bytes(b"x\n" * 1_000_000)
    with open_steady(place) as stream:
        assert stream.readline() == b"x\n"
        meddle(place, "grows")
        lines = iter(stream)
        with pytest.raises(SourceChanged):
            deque(lines, maxlen=0)


def test_a_file_that_stays_as_it_is(tmp_path: Path) -> None:
    """It is read to its end, more than once, and looked at little."""
    place = tmp_path / "it.ndjson"
    place.write_bytes(b"x\n" * 2_000_000)
    with open_steady(place) as stream:
        for _ in range(2):
            stream.seek(0)
            assert sum(1 for _ in stream) == 2_000_000

"""`rstuf artifact import`: what it says of records that repeat, contradict or cannot be read, and of listings."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.cli.conftest import Cli

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

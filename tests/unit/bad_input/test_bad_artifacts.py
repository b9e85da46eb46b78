"""Bad artifacts: a clear error, the right exit code, and a tree that is byte for byte what it was."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from tests.support.refusals import Refusal

HASH = "a" * 64


PATHS = [
    "",
    "/etc/passwd",
    "../../etc/passwd",
    "..",
    ".",
    "...",
    " ",
    "a/. ./b",
    "a/../b",
    "a/./b",
    "./a",
    "a//b",
    "a/",
    "//a",
    "a\\b",
    "..\\..\\a",
    "C:\\a",
    "a\x00b",
    "a\nb",
    "a\rb",
    "a\tb",
    "a\x1b[31m",
    "a\x7f",
    "a\x85b",
    "a\u202eb",
    "a\u200bb",
    "\ufeffa",
    "a\u2028b",
    "a#b",
    "a?b",
    "a%41",
    "a%2e%2e",
    "cafe\u0301",
    "\ue000",
    "\U000fffff",
    "\u0378",
    "x" * 191,
    "y/" + "x" * 256 + "/z",
    "/".join(["x" * 100] * 11),
    "\udc80",
    "a\ud800",
]


@pytest.mark.parametrize("path", PATHS, ids=ascii)
def test_paths_are_refused_in_records(made: Path, tmp_path: Path, refused: Refusal, path: str) -> None:
    """Each path of the list is refused in an import, with the line it stands in."""
    records = tmp_path / "records.ndjson"
    good = {"path": "good.txt", "length": 1, "hashes": {"sha256": HASH}}
    bad = good | {"path": path}
    records.write_text(json.dumps(good) + "\n" + json.dumps(bad) + "\n")
    assert "line 2" in refused(made, "artifact", "import", str(records))


@pytest.mark.parametrize("path", [path for path in PATHS if "\0" not in path], ids=ascii)
def test_paths_are_refused_on_the_command_line(made: Path, refused: Refusal, path: str) -> None:
    """Each path of the list is refused when it is added by hash, and when it should be removed."""
    by_hash = ("--length", "1", "--hash", f"sha256:{HASH}")
    refused(made, "artifact", "add", f"--path={path}", *by_hash, codes=(1, 2))
    refused(made, "artifact", "remove", "--", path, codes=(1, 2))


@pytest.mark.parametrize("name", ["readme", "Readme", "README.", "README ", "dir /a.txt", "DIR/A.TXT", "dir./a.txt"])
def test_twins_are_refused(made: Path, refused: Refusal, name: str) -> None:
    """A path that many file systems hold to be a known one is refused, naming that one."""
    options = ("--length", "1", "--hash", f"sha256:{HASH}")
    error = refused(made, "artifact", "add", "--path", name, *options)
    assert ("dir/a.txt" if "/" in name else "README") in error


@pytest.mark.parametrize(
    "change",
    [
        {"length": -1},
        {"length": 2**63},
        {"length": 2**53},
        {"length": 10**400},
        {"length": 1.5},
        {"length": 1.0},
        {"length": True},
        {"length": "1"},
        {"length": None},
        {"hashes": {}},
        {"hashes": None},
        {"hashes": []},
        {"hashes": {"sha256": ""}},
        {"hashes": {"sha256": "a" * 63}},
        {"hashes": {"sha256": "a" * 65}},
        {"hashes": {"sha256": "g" * 64}},
        {"hashes": {"sha256": "A" * 64}},
        {"hashes": {"sha256": 5}},
        {"hashes": {"md5": "a" * 32}},
        {"hashes": {"sha1": "a" * 40}},
        {"hashes": {"SHA256": HASH}},
        {"hashes": {"sha256": HASH, "blake2b-256": HASH}},
        {"hashes": {"": HASH}},
        {"path": 5},
        {"path": None},
        {"custom": []},
        {"custom": "x"},
        {"custom": {"a": 1.5}},
        {"custom": {"a": float("nan")}},
        {"custom": {"a": float("inf")}},
        {"custom": {"a": 2**53}},
        {"custom": {"a": "\ud800"}},
        {"custom": {"a": "x" * 70_000}},
        {"surprise": 1},
    ],
    ids=lambda change: ascii(change)[:60],
)
def test_records_are_refused(made: Path, tmp_path: Path, refused: Refusal, change: dict[str, object]) -> None:
    """Lengths, hashes and custom data outside their bounds are refused, with the line."""
    record = {"path": "a.txt", "length": 1, "hashes": {"sha256": HASH}} | change
    (tmp_path / "records.ndjson").write_text(json.dumps(record) + "\n")
    assert "line 1" in refused(made, "artifact", "import", str(tmp_path / "records.ndjson"))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"null",
        b'{"path":"a","path":"b","length":1,"hashes":{"sha256":"%b"}}' % HASH.encode(),
        b'{"path":"a","length":1,"length":1,"hashes":{"sha256":"%b"}}' % HASH.encode(),
        b'{"path":"a","length":1,"hashes":{"sha256":"%b","sha256":"%b"}}' % (HASH.encode(), HASH.encode()),
        b'{"path":"a","\\u0070ath":"b","length":1,"hashes":{"sha256":"%b"}}' % HASH.encode(),
        b'{"path":"a","length":1,"hashes":{"sha256":"%b"},"custom":{"x":1,"x":2}}' % HASH.encode(),
        b'{"path":"a","length":1,"hashes":{"sha256":"%b"},"custom":{"x":NaN}}' % HASH.encode(),
        b'{"path":"a","length":1,"hashes":{"sha256":"%b"},"custom":{"x":%b%b}}'
        % (HASH.encode(), b"[" * 20_000, b"]" * 20_000),
        b'{"path":"a\xff","length":1,"hashes":{"sha256":"%b"}}' % HASH.encode(),
        b'{"path":"a","length":1,"hashes":{"sha256":"%b"}} trailing' % HASH.encode(),
        b'\xef\xbb\xbf{"path":"a","length":1,"hashes":{"sha256":"%b"}}' % HASH.encode(),
        b"\x00" * 100,
        b"x" * (2 << 20),
    ],
    ids=lambda line: ascii(line)[:50],
)
def test_lines_are_refused(made: Path, tmp_path: Path, refused: Refusal, line: bytes) -> None:
    """Text that is not one strict JSON object a line is refused, duplicate keys among it; nothing is taken."""
    good = b'{"path":"good.txt","length":1,"hashes":{"sha256":"%b"}}\n' % HASH.encode()
    (tmp_path / "records.ndjson").write_bytes(good * 2 + line + b"\n" + (b"{" if not line else b""))
    error = refused(made, "artifact", "import", "--format", "ndjson", str(tmp_path / "records.ndjson"))
    assert re.search(r"line [34]", error)


def test_fifty_megabytes_of_custom_data_are_refused(made: Path, tmp_path: Path, refused: Refusal) -> None:
    """A record of 50 MB is refused without being read to its end."""
    with (tmp_path / "records.ndjson").open("wb") as file:
        file.write(b'{"path":"a","length":1,"hashes":{"sha256":"%b"},"custom":{"x":"' % HASH.encode())
        for _ in range(50):
            file.write(b"x" * 1_000_000)
        file.write(b'"}}\n')
    assert "line 1" in refused(made, "artifact", "import", str(tmp_path / "records.ndjson"))


@pytest.mark.parametrize(
    "line",
    [
        "a;1;sha256",
        "a;-1;sha256;" + HASH,
        "a;1.5;sha256;" + HASH,
        "a;1;md5;" + HASH,
        "a;1;sha256;zz",
        "a;;sha256;x",
        "../a;1;sha256;" + HASH,
        ";1;sha256;" + HASH,
        "a;1;sha256;" + HASH + ";x",
        "a;٣;sha256;" + HASH,
    ],
)
def test_csv_lines_are_refused(made: Path, tmp_path: Path, refused: Refusal, line: str) -> None:
    """A line of RSTUF's CSV with a field too few, too many or out of bounds is refused with its number."""
    (tmp_path / "records.csv").write_text(f"good;1;sha256;{HASH}\n{line}\n")
    assert "line 2" in refused(made, "artifact", "import", "--format", "csv", str(tmp_path / "records.csv"))


@pytest.mark.parametrize(
    "text",
    [
        f"{HASH}  ../up\n",
        f"{HASH}  /abs\n",
        f"{HASH} a\n",
        "nonsense\n",
        f"\\{HASH}  a\\nb\n",
        f"{HASH}  missing\n",
        f"{HASH}  there\n",
        f"{HASH[:-1]}  there\n",
    ],
)
def test_checksum_listings_are_refused(made: Path, tmp_path: Path, refused: Refusal, text: str) -> None:
    """A listing with a bad line, a missing file, or a file that hashes to something else is refused."""
    (tmp_path / "there").write_text("there")
    (tmp_path / "SHA256SUMS").write_text(text)
    refused(made, "artifact", "import", str(tmp_path / "SHA256SUMS"), codes=(1, 6))


def test_conflicts_are_refused(made: Path, tmp_path: Path, refused: Refusal) -> None:
    """Another content for a known path is refused unless it is meant, and so is the same path twice in an import."""
    (tmp_path / "README").write_text("another")
    assert "another content" in refused(made, "artifact", "add", str(tmp_path / "README"))
    record = {"path": "b.txt", "length": 1, "hashes": {"sha256": HASH}}
    (tmp_path / "twice.ndjson").write_text(json.dumps(record) + "\n" + json.dumps(record | {"length": 2}) + "\n")
    refused(made, "artifact", "import", str(tmp_path / "twice.ndjson"))
    refused(made, "artifact", "remove", "README", "no-such-file")


def test_files_that_are_none_are_refused(made: Path, tmp_path: Path, refused: Refusal) -> None:
    """FIFOs, devices, links in a directory, missing and unreadable names, and names that are no paths."""
    os.mkfifo(tmp_path / "fifo")
    refused(made, "artifact", "add", str(tmp_path / "fifo"), codes=(1, 6))
    refused(made, "artifact", "add", "/dev/zero", codes=(1, 6))
    refused(made, "artifact", "add", str(tmp_path / "missing"), codes=(1, 6))
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "passwd").symlink_to("/etc/passwd")
    refused(made, "artifact", "add", str(tmp_path / "links"), codes=(1, 6))
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "a%41").write_text("x")
    refused(made, "artifact", "add", str(tmp_path / "odd"))
    (tmp_path / "odd2").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "odd2") + b"/\xff")).write_text("x")
    refused(made, "artifact", "add", str(tmp_path / "odd2"))


@pytest.mark.parametrize(
    "name", [".", "keys", "keys/online.key", "keys/one.key.pub", "state.db", "rstuf.toml", "metadata"]
)
def test_a_workspaces_own_files_are_no_artifacts(made: Path, refused: Refusal, name: str) -> None:
    """Keys, state and what is served are refused, by name, in a directory, and through a link."""
    place = made / name.replace("one.key.pub", "one.pub")
    assert "belongs to the workspace" in refused(made, "artifact", "add", str(place))


def test_private_keys_are_no_artifacts(made: Path, tmp_path: Path, refused: Refusal) -> None:
    """A private key is not published by accident, wherever it is, nor the workspace's own through a link."""
    shutil.copy(made / "keys" / "online.key", tmp_path / "copy.txt")
    assert "private key" in refused(made, "artifact", "add", str(tmp_path / "copy.txt"))
    (tmp_path / "link").symlink_to(made / "state.db")
    assert "belongs to the workspace" in refused(made, "artifact", "add", str(tmp_path / "link"))

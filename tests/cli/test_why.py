"""`rstuf artifact why` on the screen and as data."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.cli.conftest import Cli


def test_an_artifact_that_clients_find(filled: Path, cli: Cli) -> None:
    """The whole answer, but for dates, hashes and versions."""
    done = cli("artifact", "why", "data/b.bin")
    assert (done.code, done.err) == (0, "")
    text = re.sub(r"[0-9a-f]{64}", "HASH", done.out)
    assert re.fullmatch(
        r"data/b\.bin\n"
        r"  clients  ✓ find it\n"
        r"  state    published: 5 120 B, sha256 [0-9a-f]{8}…[0-9a-f]{4}\n"
        r"  changed  .* by \S+ \(change 1\)\n"
        r"           the next publication was timestamp v2\n"
        r"  role     bins-[0-9a-f]+ v2, expires in \d+ days, \S+\n"
        r"  because  the SHA-256 of its path begins with [0-9a-f]{8}, and bins-[0-9a-f]+ has all from\n"
        r"           [0-9a-f]{8} to [0-9a-f]{8}: 1 of \d+ bins\n"
        r"\n"
        r"a client fetches\n"
        r" +\d+ B  timestamp\.json\n"
        r" +\S+ k?B  2\.snapshot\.json\n"
        r" +\d+ B  1\.targets\.json\n"
        r" +\d+ B  2\.bins-[0-9a-f]+\.json\n"
        r" +5\.1 kB  data/HASH\.b\.bin\n",
        text,
    ), text


def test_one_that_is_not_here(filled: Path, cli: Cli) -> None:
    """Why not, and what may have been meant; exit 0, since the question was answered."""
    done = cli("artifact", "why", "data/B.bin")
    assert done.code == 0
    assert "  clients  ✗ there is no such artifact\n" in done.out
    assert "did you mean\n  data/b.bin\n" in done.out
    assert "a client would fetch\n" in done.out


def test_one_that_waits(filled: Path, cli: Cli) -> None:
    """What to do next follows from what stands in the way."""
    Path("../c.txt").write_text("c")
    cli("artifact", "add", "--no-publish", "../c.txt")
    done = cli("artifact", "why", "c.txt")
    assert "  clients  ✗ it waits for a publication\n" in done.out
    assert "next\n  rstuf publish  let clients see what was accepted\n" in done.out
    document = cli("artifact", "why", "c.txt", "--json").document
    assert (document["found"], document["obstacles"], document["state"]) == (False, ["waiting"], "pending")
    assert document["artifact"]["path"] == "c.txt"
    assert "visible" not in document
    assert document["changed"]["next_timestamp_version"] is None


def test_the_files_are_those_that_are_served(filled: Path, cli: Cli) -> None:
    """Each name that a client is said to fetch is a file of that size."""
    document = cli("artifact", "why", "a.txt", "--json").document
    places = [filled / "metadata"] * (len(document["fetched"]) - 1) + [filled / "targets"]
    sizes = [(place / each["name"]).stat().st_size for place, each in zip(places, document["fetched"], strict=True)]
    assert sizes == [each["bytes"] for each in document["fetched"]]
    bin_file = filled / "metadata" / document["fetched"][-2]["name"]
    assert "a.txt" in json.loads(bin_file.read_bytes())["signed"]["targets"]


def test_one_whose_content_is_gone(filled: Path, cli: Cli) -> None:
    """The command that puts a content back gives it the path that it had, directories and all."""
    for path in (filled / "targets").rglob("*.bin"):
        path.unlink()
    document = cli("artifact", "why", "data/b.bin", "--json").document
    assert document["obstacles"] == ["no-content"]
    (step,) = document["next_steps"]
    again = step["command"].replace("FILE", str(filled.parent / "files" / "data" / "b.bin")).split()[1:]
    assert cli(*again).code == 0
    assert cli("artifact", "why", "data/b.bin", "--json").document["found"]

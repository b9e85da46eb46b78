"""`rstuf map`: maps are written as clients read them, shown as they are, and refused where they cannot be relied on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli, Shop, tree
from tests.cli.test_injection import NASTY, assert_clean

from rstuf.client.map_file import read_map

ACME, BETA = "acme=https://acme.example/", "beta=https://beta.example/"


def read(file: str = "map.json") -> dict[str, Any]:
    """A map file, which clients take."""
    data = Path(file).read_bytes()
    read_map(data, what=file)
    document = json.loads(data)
    assert isinstance(document, dict)
    return document


def test_made_mapping_by_mapping(cli: Cli) -> None:
    """Mappings stand in the order in which they were added, with all repositories that they name."""
    first = cli(
        "map", "make", "-o", "map.json", "--repository", ACME, "--repository", BETA, "--path", "fw/a", "--path", "b"
    )
    assert (first.code, first.err) == (0, "")
    assert first.out.splitlines()[0] == "✓ map.json, mapping 1: fw/a, b from 2 of acme and beta; else nothing"
    more = ("--append", "--repository", "beta", "--repository", "beta=https://mirror.example/", "--not-terminating")
    assert cli("map", "make", "-o", "map.json", *more).code == 0
    assert read() == {
        "repositories": {
            "acme": ["https://acme.example/"],
            "beta": ["https://beta.example/", "https://mirror.example/"],
        },
        "mapping": [
            {"paths": ["fw/a", "b"], "repositories": ["acme", "beta"], "threshold": 2, "terminating": True},
            {"paths": ["*"], "repositories": ["beta"], "threshold": 1, "terminating": False},
        ],
    }


def test_this_workspace_by_its_name(filled: Path, cli: Cli) -> None:
    """`--url` says where it is served, and it is asked first; without it a workspace is not in the map."""
    urls = ("--url", "https://a.example/", "--url", "https://b.example/")
    assert cli("map", "make", "-o", "map.json", "--repository", BETA, *urls).code == 0
    assert read()["repositories"]["acme"] == ["https://a.example/", "https://b.example/"]
    assert read()["mapping"][0]["repositories"] == ["acme", "beta"]
    assert cli("map", "make", "-o", "other.json", "--repository", BETA).code == 0
    assert "acme" not in read("other.json")["repositories"]


def test_no_workspace_to_name(cli: Cli) -> None:
    """Whoever names one by `--url` stands in it."""
    done = cli("map", "make", "-o", "map.json", "--url", "https://a.example/")
    assert (done.code, "no workspace" in done.err or "rstuf.toml" in done.err) == (1, True)
    assert tree(Path()) == {}


def test_to_stdout(cli: Cli) -> None:
    """Without a file the map itself is what stdout has, and nothing beside it."""
    for output in ((), ("-o", "-")):
        done = cli("map", "make", "--repository", ACME, *output)
        assert read_map(done.out_bytes, what="stdout").repositories == {"acme": ("https://acme.example/",)}
    assert cli("map", "make", "--repository", ACME, "--json").code == 2


def test_nothing_is_written_over(cli: Cli) -> None:
    """Another file of the name stays; the same map again is no harm, and a map is added to in one step."""
    Path("map.json").write_text("mine")
    for more in ((), ("--append",)):
        assert cli("map", "make", "-o", "map.json", "--repository", ACME, *more).code == 1
        assert Path("map.json").read_text() == "mine"
    Path("map.json").unlink()
    for _ in range(2):
        assert cli("map", "make", "-o", "map.json", "--repository", ACME).code == 0
    Path("link.json").symlink_to("map.json")
    assert cli("map", "make", "-o", "link.json", "--append", "--repository", BETA).code == 0
    assert len(read()["mapping"]) == 2
    assert Path("link.json").is_symlink()
    assert set(tree(Path())) == {"map.json", "link.json"}


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["--repository", "=https://a.example/"], 2, "does not name a repository"),
        (["--repository", "acme="], 2, "does not name a repository"),
        (["--repository", "acme"], 2, "nothing says where acme is"),
        (["--repository", ACME, "--threshold", "2"], 1, "threshold 2 cannot be met"),
        (["--repository", ACME, "--threshold", "0"], 2, "threshold"),
        (["--repository", ACME, "--path", "/fw"], 1, "starts with /"),
        (["--repository", ACME, "--path", "**"], 1, "**"),
        (["--repository", ACME, "--path", "[a]"], 1, "do not read alike"),
        (["--repository", "Ac me=https://a.example/"], 1, "'Ac me'"),
        (["--repository", "acme=https://a.example/?x"], 1, "no ? and no #"),
        (["--repository", "acme=/srv/acme"], 1, "no http or https URL"),
        (["--repository", ACME, "--repository", "beta=https://acme.example"], 1, "which have one URL and are one"),
        (["--repository", ACME, "--repository", "ACME=https://b.example/"], 1, "nothing but case"),
    ],
)
def test_maps_that_are_not_made(argv: list[str], code: int, words: str, cli: Cli) -> None:
    """Whatever clients would refuse, or read differently, is refused when it is written."""
    done = cli("map", "make", "-o", "map.json", *argv)
    assert (done.code, words in done.err) == (code, True), done.err
    assert tree(Path()) == {}


def test_what_a_map_names(shop: Shop, cli: Cli) -> None:
    """Each repository with whether its root is pinned here, and mappings in their order; a password is not shown."""
    cli("trust", "add", "acme", shop.url, "--root", shop.root)
    cli("map", "make", "-o", "map.json", "--repository", ACME, "--repository", "beta=https://me:secret@b.example/x")
    done = cli("map", "show", "map.json")
    assert done.out.splitlines() == [
        "acme  pinned  https://acme.example/",
        "beta  not pinned here  https://b.example/x",
        "",
        "  1  *  2 of acme and beta; else nothing",
    ]
    document = cli("map", "show", "map.json", "--json").document
    assert [(each["name"], each["trusted"]) for each in document["repositories"]] == [("acme", True), ("beta", False)]
    for argv in (
        ("show", "map.json"),
        ("check", "map.json"),
        ("make", "-o", "map.json", "--append", "--repository", "beta"),
    ):
        for form in ((), ("--json",)):
            done = cli("map", *argv, *form)
            assert (done.code, "secret" in done.out + done.err) == (0, False)


def test_a_map_of_others(cli: Cli) -> None:
    """go-tuf's example names one repository twice and lets two of them agree: that is refused, and said why."""
    url = ["https://tuf-repo-cdn.sigstore.dev"]
    document: dict[str, Any] = {
        "repositories": {"sigstore-tuf-root": url, "staging": url},
        "mapping": [
            {"paths": ["fulcio*", "*.json"], "repositories": ["staging"], "threshold": 1, "terminating": True},
            {
                "paths": ["*.pub"],
                "repositories": ["sigstore-tuf-root", "staging"],
                "threshold": 2,
                "terminating": False,
            },
            {"paths": ["*"], "repositories": ["sigstore-tuf-root"], "terminating": True, "threshold": 1},
        ],
    }
    Path("map.json").write_text(json.dumps(document))
    done = cli("map", "check", "map.json")
    assert done.code == 1
    assert "mapping 2: threshold 2 cannot be met by 'sigstore-tuf-root' and 'staging', which have one URL" in done.err
    document["mapping"][1]["threshold"] = 1
    Path("map.json").write_text(json.dumps(document))
    notes = cli("map", "check", "map.json", "--json").document["notes"]
    assert [note["code"] for note in notes] == ["same-url", "wildcards", "any-one"]


HOSTILE = {
    "huge": b'{"repositories": {' + b" " * 300_000,
    "deep": b"[" * 100_000,
    "duplicate keys": b'{"repositories": {"a": ["https://a/"], "a": ["https://b/"]}, "mapping": []}',
    "no text": bytes(range(256)),
    "empty": b"",
    "many": json.dumps(
        {"repositories": {f"a{n}": ["http://a/"] for n in range(5000)}, "mapping": [{}] * 5000}
    ).encode(),
    "nasty": json.dumps(
        {
            "repositories": {text: [text] for text in NASTY.values()},
            "mapping": [{"paths": [text], "repositories": [text], "threshold": text} for text in NASTY.values()],
        }
    ).encode("utf-8", "replace"),
}


@pytest.mark.parametrize("what", [*HOSTILE, "directory", "pipe", "device"])
@pytest.mark.parametrize("argv", [["map", "check"], ["map", "show"], ["download", "a.txt", "--map"]], ids=" ".join)
def test_hostile_maps(argv: list[str], what: str, cli: Cli, tmp_path: Path) -> None:
    """They are refused in short, with nothing that a terminal would obey, and nobody is asked for anything."""
    file = tmp_path / "map.json"
    if what == "directory":
        file.mkdir()
    elif what == "pipe":
        os.mkfifo(file)
    elif what == "device":
        file = Path("/dev/zero")
    else:
        file.write_bytes(HOSTILE[what])
    for form in ((), ("--json",), ("-v", "-v")):
        done = cli(*argv, file, *form)
        assert done.code == 1, done.err
        assert len(done.out + done.err) < 20_000
        assert "Traceback" not in done.err or form == ("-v", "-v")
        assert_clean(done)
    assert cli(*argv, file, "--json").document["error"]["code"] == "invalid-map"
    assert tree(Path()) == {}


def test_names_that_could_mean_something(cli: Cli) -> None:
    """What a map says is escaped before it is shown."""
    nasty = "a\u202eb"
    document = {
        "repositories": {"acme": ["https://acme.example/"]},
        "mapping": [{"paths": ["*"], "repositories": ["acme"], "threshold": 1, "terminating": True, nasty: nasty}],
        nasty: "\x1b[31m",
    }
    Path("map.json").write_text(json.dumps(document))
    for verb in ("show", "check"):
        done = cli("map", verb, "map.json")
        assert done.code == 0
        assert_clean(done)

"""Names from outside: whatever they hold, no control byte reaches a terminal and the document stays JSON."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, Result

NASTY = {
    "esc": "\x1b[31mred\x1b[0m",
    "osc8": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "osc52": "\x1b]52;c;ZXZpbA==\x07",
    "c1": "\x9b31mred",
    "cr": "good\rerror: evil",
    "newline": "good\nerror: evil",
    "bidi": "a\u202etxt.exe",
    "isolate": "a\u2066b",
    "zero-width": "a\u200bb",
    "line-separator": "a\u2028b",
    "markup": "[/red][bold]x[/bold] [link=file:///etc/passwd]y[/link]",
    "surrogate": "a\udcffb",
    "private": "a\ue000b",
    "nul-like": "a\x7fb\x08\x08",
    "long": "x" * 10_000,
    "long-nasty": "\x1b[2J" * 2_500,
    "format": "%s%n{0}{x!r}$(touch evil)`id`",
}
UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def assert_clean(done: Result) -> None:
    """Neither stream holds a character that a terminal would obey, but line ends of our own."""
    for stream in (done.out, done.err):
        for line in stream.split("\n"):
            assert not {unicodedata.category(character) for character in line} & UNSAFE, line


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY.keys())
@pytest.mark.parametrize(
    "argv",
    [
        ["artifact", "show", "{}"],
        ["artifact", "why", "{}"],
        ["artifact", "remove", "{}"],
        ["artifact", "add", "{}"],
        ["artifact", "add", "rstuf.toml", "--prefix", "{}"],
        ["artifact", "add", "rstuf.toml", "--custom", "{}"],
        ["artifact", "add", "--path", "{}", "--length", "1", "--hash", "sha256:{}"],
        ["artifact", "sync", "{}"],
        ["artifact", "sync", "../files", "--delete", "--prefix", "{}"],
        ["artifact", "export", "--format", "{}", "--prefix", "{}"],
        ["artifact", "import", "{}"],
        ["artifact", "import", "rstuf.toml", "--format", "{}"],
        ["artifact", "list", "--prefix", "{}", "--after", "{}"],
        ["renew", "--force", "{}"],
        ["completion", "{}"],
        ["log", "--since", "{}"],
        ["log", "--action", "{}"],
        ["log", "--verify", "--head", "{}"],
        ["ceremony", "--plan", "{}"],
        ["verify", "--url", "{}"],
        ["verify", "--url", "http://127.0.0.1:1/{}"],
        ["key", "generate", "{}"],
        ["key", "add", "{}", "keys/alice.pub"],
        ["key", "add", "maria", "{}"],
        ["key", "add", "alice", "--signer", "{}"],
        ["key", "show", "{}"],
        ["key", "show", "--file", "{}"],
        ["key", "export", "{}"],
        ["trust", "add", "{}", "http://127.0.0.1:1/", "--root", "metadata/1.root.json"],
        ["trust", "add", "acme", "{}", "--root", "metadata/1.root.json"],
        ["trust", "add", "acme", "/x", "--root", "{}"],
        ["trust", "add", "acme", "http://127.0.0.1:1/{}", "--fingerprint", "{}"],
        ["trust", "show", "{}"],
        ["trust", "remove", "{}", "--yes"],
        ["trust", "list", "--trust-dir", "{}"],
        ["download", "{}"],
        ["download", "x", "--from", "{}"],
        ["download", "x", "--dir", "{}"],
        ["download", "x", "-o", "{}"],
        ["status", "--repo", "{}"],
        ["doctor", "--repo", "{}"],
        ["status", "--wait", "{}"],
        ["status", "--passphrase-file", "{}"],
        ["{}"],
        ["status", "{}"],
        ["--{}"],
    ],
    ids=lambda argv: " ".join(argv).replace("{}", "X"),
)
def test_arguments(text: str, argv: list[str], cli: Cli, workspace: Path) -> None:
    """A nasty argument in any place comes back escaped, or not at all."""
    words = [word.replace("{}", text) for word in argv]
    done = cli(*words)
    assert_clean(done)
    assert "Traceback" not in done.err
    assert max(map(len, done.err.splitlines()), default=0) <= 2_100
    as_data = cli("--json", *words)
    assert as_data.code == done.code
    assert as_data.out_bytes.isascii()
    assert_clean(as_data)
    assert len(json.loads(as_data.out).get("error", {}).get("message", "")) <= 2_000


@pytest.mark.parametrize("text", [NASTY["markup"], NASTY["format"].replace("%", ""), "日本語", "é" * 80])
def test_names_that_are_allowed(text: str, cli: Cli, workspace: Path) -> None:
    """A strange but legal path goes in and comes out as it is, and is never taken for markup."""
    digest = "0" * 64
    name = f"dir/{text}".replace("/[", "[").replace("[/", "[").replace("//", "").replace("://", "").strip("/")
    done = cli("artifact", "add", "--path", name, "--length", 1, "--hash", f"sha256:{digest}")
    assert done.code == 0, done.err
    assert name in cli("artifact", "list").out
    assert cli("artifact", "show", "--json", name).document["path"] == name


def test_text_from_files(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """Custom data, records, plans and key files are outside text too."""
    Path("one.txt").write_bytes(b"one")
    custom = json.dumps({"\u202e": "\x1b[31m\x9b\u200b"}, ensure_ascii=False)
    assert cli("artifact", "add", "one.txt", "--custom", custom).code == 0
    assert_clean(cli("artifact", "show", "one.txt"))
    assert cli("artifact", "show", "one.txt", "--json").out_bytes.isascii()
    for content in ('{"path": "a\\u001b[31m\\u202e"}', '{"a\x1b": 1}', "a\x9b;1;sha256;00\n", "{\x00"):
        (tmp_path / "records.ndjson").write_text(content)
        done = cli("artifact", "import", tmp_path / "records.ndjson")
        assert done.code == 1
        assert_clean(done)
    for content in (
        PLAN.replace('"acme"', '"\\u001b[31macme"'),
        PLAN.replace('signer = "file:keys/alice.key"', 'signer = "file:keys/\\u001b[31m.key"'),
        PLAN.replace('["alice", "bob"]', '["al\\u202eice"]'),
        PLAN + '\n["\\u001b[2J"]\n',
        "\x1b[31m",
    ):
        (tmp_path / "plan.toml").write_text(content)
        for option in ([], ["--dry-run"]):
            assert_clean(cli("--repo", tmp_path / "new", "ceremony", "--plan", tmp_path / "plan.toml", *option))


def test_names_of_files(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """A file whose name is no text, or hides something, is refused by its escaped name."""
    import os

    for name in (b"a\xff.bin", b"a\x1b[31m.bin", "a\u202etxt.exe".encode(), b"a\nb"):
        place = tmp_path / "odd"
        place.mkdir(exist_ok=True)
        for old in place.iterdir():
            old.unlink()
        with open(os.fsencode(place) + b"/" + name, "wb") as file:
            file.write(b"x")
        done = cli("artifact", "add", place)
        assert done.code != 0
        assert_clean(done)


def test_a_workspace_with_a_nasty_name(cli: Cli, tmp_path: Path) -> None:
    """Where a workspace lies is outside text as well."""
    place = tmp_path / "a\x1b[31m\u202eb"
    (tmp_path / "plan.toml").write_text(PLAN)
    for argv in (
        ["ceremony", "--plan", str(tmp_path / "plan.toml"), "--dry-run"],
        ["ceremony", "--plan", str(tmp_path / "plan.toml")],
        ["ceremony", "--plan", str(tmp_path / "plan.toml")],
        ["status"],
        ["doctor"],
        ["artifact", "show", "x"],
    ):
        assert_clean(cli("--repo", place, *argv))
        assert_clean(cli("--repo", place, *argv, "--json"))
    assert_clean(cli("demo", tmp_path / "d\x1b[31m"))

"""`rstuf trust`: trust begins with what a person had from elsewhere, and never with what a server sends."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, Shop, tree
from tests.support.terminals import Terminal, on_terminal

import rstuf
from rstuf_cli import prompts

Typing = Callable[..., list[str]]


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Typing:
    """A person is there and types these answers; what they were asked."""

    def is_there(*answers: str) -> list[str]:
        questions, left = list[str](), list(answers)

        def ask(question: str) -> str:
            questions.append(question)
            return left.pop(0)

        monkeypatch.setattr(prompts, "ask", ask)
        monkeypatch.setattr(prompts, "person_is_there", lambda: True)
        return questions

    return is_there


def trusted(tmp_path: Path) -> dict[str, str]:
    """What is kept where a user's data is."""
    return tree(tmp_path / "data") if (tmp_path / "data").exists() else {}


def words_of(fingerprint: str) -> str:
    return " ".join(rstuf.fingerprint_words(fingerprint))


def test_a_root_in_a_file(cli: Cli, shop: Shop, tmp_path: Path) -> None:
    """The root is pinned, and what it says is shown to be compared; nothing is fetched for it."""
    done = cli("trust", "add", "acme", shop.url, "--root", shop.root)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "✓ acme is trusted, from root version 1 on"
    assert lines[-2:] == ["try next", "  rstuf download PATH --from acme"]
    hexed = "".join(re.findall(r"\b[0-9a-f]{4}\b", "".join(lines[2:4])))
    assert hexed == shop.fingerprint
    assert words_of(shop.fingerprint) in re.sub(r"\s+", " ", done.out)
    assert f"  metadata     {shop.url}" in lines
    assert max(map(len, lines)) <= 80
    assert shop.site.asked == []
    assert (tmp_path / "data" / "rstuf" / "trust" / "acme" / "root.json").read_bytes() == shop.root.read_bytes()


@pytest.mark.parametrize("form", ["hex", "words", "HEX:with:colons"])
def test_a_root_by_its_fingerprint(form: str, cli: Cli, shop: Shop) -> None:
    """The root is fetched, and is trusted because it has the fingerprint that was given, in any form."""
    text = {"hex": shop.fingerprint, "words": words_of(shop.fingerprint)}.get(form, "")
    text = text or ":".join(re.findall("..", shop.fingerprint.upper()))
    done = cli("trust", "add", "acme", shop.url, "--fingerprint", text)
    assert done.code == 0, done.err
    assert [name for name, _ in shop.site.asked] == ["1.root.json"]
    assert cli("download", "a.txt").code == 0


def test_a_later_root_by_its_version(cli: Cli, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust may begin with any root that is served."""
    assert cli("--repo", shop.workspace, "renew", "--force", "root").code == 0
    shop.settle()
    second = shop.workspace / "metadata" / "2.root.json"
    digest = hashlib.sha256(second.read_bytes()).hexdigest()
    done = cli("trust", "add", "acme", shop.url, "--fingerprint", digest, "--root-version", 2, "--json")
    assert (done.code, done.document["pinned"]) == (0, {"version": 2, "sha256": digest})


def test_as_data(cli: Cli, shop: Shop) -> None:
    """One document for each command, with the same words for the same things."""
    added = cli("trust", "add", "acme", shop.url, "--root", shop.root, "--json")
    assert (added.code, added.err) == (0, "")
    assert added.document["root"]["sha256"] == shop.fingerprint
    assert added.document["root"]["words"] == rstuf.fingerprint_words(shop.fingerprint)
    assert added.document["seen"] is None
    assert cli("download", "a.txt").code == 0
    shown = cli("trust", "show", "acme", "--json").document
    assert [role["name"] for role in shown["seen"]["roles"]] == ["root", "targets", "snapshot", "timestamp"]
    assert shown["pinned"] == added.document["pinned"]
    listed = cli("trust", "list", "--json").document["repositories"]
    assert listed == [{name: value for name, value in shown.items() if name != "root"}]
    assert cli("trust", "remove", "acme", "--yes", "--json").document == {"name": "acme", "removed": True}
    assert cli("trust", "list", "--json").document == {"repositories": []}


def test_another_place_quietly(cli: Cli, shop: Shop) -> None:
    """With --quiet nothing is said of what was done, the places before and after no more than the rest."""
    assert cli("trust", "add", "acme", shop.url, "--root", shop.root).code == 0
    done = cli("trust", "add", "acme", shop.workspace, "--quiet")
    assert (done.code, done.out) == (0, "")
    assert cli("trust", "show", "acme", "--json").document["url"] != shop.url


def test_what_is_trusted(cli: Cli, shop: Shop) -> None:
    """List has a line for each repository, show all that is known, with and without a look."""
    assert cli("trust", "list").err == "nothing is trusted yet: rstuf trust add NAME URL --root FILE\n"
    cli("trust", "add", "acme", shop.url, "--root", shop.root)
    cli("trust", "add", "lab", shop.workspace, "--root", shop.root, "--plain-names")
    lines = cli("trust", "list").out.splitlines()
    assert lines[0] == f"acme  root v1  {shop.url}  not seen yet"
    assert lines[1].startswith(f"lab   root v1  {shop.workspace}/  ")
    assert "seen         nothing yet; the first download looks" in cli("trust", "show", "acme").out
    assert "under plain names" in cli("trust", "show", "lab").out
    assert cli("download", "a.txt", "--from", "acme").code == 0
    assert re.search(r"^  seen  +just now", cli("trust", "show", "acme").out, re.MULTILINE)
    assert re.search(r"^ +timestamp  v2, expires in ", cli("trust", "show", "acme").out, re.MULTILINE)


def test_a_password_in_a_url_is_not_shown(cli: Cli, shop: Shop) -> None:
    """It is for the server alone: no answer of any command has it."""
    url = shop.url.replace("http://", "http://me:hunter2@")
    for argv in (
        ["trust", "add", "acme", url, "--root", shop.root],
        ["trust", "show", "acme"],
        ["trust", "list"],
        ["download", "a.txt"],
    ):
        for form in ([], ["--json"]):
            done = cli(*argv, *form)
            assert (done.code, "hunter2" in done.out + done.err) == (0, False)


# --- what is refused -------------------------------------------------------------------------------------


def test_nobody_to_ask(cli: Cli, shop: Shop, tmp_path: Path) -> None:
    """Without a terminal, a root or a fingerprint, nothing is asked of the server and nothing is trusted."""
    done = cli("trust", "add", "acme", shop.url)
    assert (done.code, done.out) == (2, "")
    assert "--root FILE" in done.err
    assert "--fingerprint TEXT" in done.err
    assert shop.site.asked == []
    assert trusted(tmp_path) == {}
    cli("trust", "add", "acme", shop.url, "--root", shop.root)
    before = trusted(tmp_path)
    done = cli("trust", "remove", "acme")
    assert (done.code, "--yes" in done.err) == (2, True)
    assert trusted(tmp_path) == before


def test_a_fingerprint_of_another_root(cli: Cli, shop: Shop, tmp_path: Path) -> None:
    """It is exit 3, does not show the one that was found, and leaves nothing."""
    for option in ([], ["--root", shop.root]):
        done = cli("trust", "add", "acme", shop.url, "--fingerprint", "0" * 64, *option)
        assert (done.code, done.out) == (3, "")
        assert "is not the root with this fingerprint" in done.err
        assert "nothing was trusted" in done.err
        assert shop.fingerprint[:8] not in done.err
        as_data = cli("trust", "add", "acme", shop.url, "--fingerprint", "0" * 64, *option, "--json")
        assert as_data.document["error"]["code"] == "fingerprint-differs"
    assert trusted(tmp_path) == {}


@pytest.mark.parametrize("text", ["3f9a", "", "aardvark absurd", "x" * 64])
def test_half_a_fingerprint(text: str, cli: Cli, shop: Shop, tmp_path: Path) -> None:
    """A part of one is none: an attacker chooses the rest."""
    done = cli("trust", "add", "acme", shop.url, "--fingerprint", text)
    assert (done.code, done.out) == (1, "")
    assert "64 hex digits or as 32 words" in done.err
    assert (shop.site.asked, trusted(tmp_path)) == ([], {})


def test_a_root_that_is_none(cli: Cli, shop: Shop, tmp_path: Path) -> None:
    """Neither a missing file nor any other file is a beginning."""
    (tmp_path / "x.json").write_text("{}")
    for file, code in ((tmp_path / "x.json", 3), (shop.workspace / "metadata" / "timestamp.json", 3), ("nowhere", 1)):
        done = cli("trust", "add", "acme", shop.url, "--root", file)
        assert (done.code, done.out) == (code, "")
    assert trusted(tmp_path) == {}


def test_another_root_under_the_same_name(cli: Cli, shop: Shop, tmp_path: Path) -> None:
    """A name does not move to another root by accident."""
    cli("trust", "add", "acme", shop.url, "--root", shop.root)
    (tmp_path / "plan.toml").write_text(PLAN)
    assert cli("--repo", tmp_path / "other", "ceremony", "--plan", tmp_path / "plan.toml").code == 0
    before = trusted(tmp_path)
    done = cli("trust", "add", "acme", shop.url, "--root", tmp_path / "other" / "metadata" / "1.root.json")
    assert (done.code, done.out) == (1, "")
    assert "rstuf trust remove acme" in done.err
    assert trusted(tmp_path) == before


def test_names_that_nobody_knows(cli: Cli, shop: Shop) -> None:
    """What is not trusted is said to be that, with what is."""
    cli("trust", "add", "acme", shop.url, "--root", shop.root)
    for argv in (
        ["trust", "show", "acne"],
        ["trust", "remove", "acne", "--yes"],
        ["download", "a.txt", "--from", "acne"],
    ):
        done = cli(*argv)
        assert (done.code, done.out) == (1, "")
        assert done.err.endswith("hint:  trusted are: acme\n")


# --- a person at a terminal ------------------------------------------------------------------------------


def test_a_person_types_the_fingerprint(typing: Typing, cli: Cli, shop: Shop) -> None:
    """They are asked before anything of the root is shown, so that nothing can be copied from the screen."""
    questions = typing(words_of(shop.fingerprint))
    done = cli("trust", "add", "acme", shop.url)
    assert (done.code, questions) == (0, ["fingerprint, as hex or words:"])
    assert "Its publisher gives its fingerprint elsewhere" in done.err
    assert shop.fingerprint[:4] not in done.err
    assert "✓ acme is trusted" in done.out


def test_a_person_mistypes(typing: Typing, cli: Cli, shop: Shop) -> None:
    """Enter alone, half of it and a slip are asked again, each with the reason."""
    slip = shop.fingerprint[:-1] + ("0" if shop.fingerprint[-1] != "0" else "1")
    questions = typing("", slip, shop.fingerprint)
    done = cli("trust", "add", "acme", shop.url)
    assert (done.code, len(questions)) == (0, 3)
    notes = done.err.splitlines()
    assert notes[-2:] == [
        "! this is not a fingerprint: it is empty; try again",
        f"! the fingerprint is nearly that of root version 1 at {shop.url}, but not in byte 32 of 32; try again",
    ]
    questions = typing("", "", "")
    assert cli("trust", "add", "other", shop.url).code == 1
    assert len(questions) == 3


def test_a_person_meets_another_root(typing: Typing, cli: Cli, shop: Shop, tmp_path: Path) -> None:
    """A fingerprint that is far off is not asked for again: the root is not the publisher's."""
    questions = typing("ab" * 32, shop.fingerprint)
    done = cli("trust", "add", "acme", shop.url)
    assert (done.code, len(questions), done.out) == (3, 1, "")
    assert trusted(tmp_path) == {}


def test_a_person_removes_what_they_name(typing: Typing, cli: Cli, shop: Shop, tmp_path: Path) -> None:
    """The name has to be typed; anything else, Enter too, removes nothing."""
    cli("trust", "add", "acme", shop.url, "--root", shop.root)
    for answer in ("", "acm", "yes"):
        questions = typing(answer)
        assert cli("trust", "remove", "acme").code == 2
        assert questions == ["type acme to trust it no more:"]
    assert cli("trust", "list").out.startswith("acme")
    typing("acme")
    done = cli("trust", "remove", "acme")
    assert (done.code, done.out) == (0, "✓ acme is trusted no more\n")
    assert trusted(tmp_path) == {}


def test_a_true_terminal(shop: Shop, tmp_path: Path) -> None:
    """On a terminal the fingerprint may be pasted in several lines, and stdout stays data."""
    words = rstuf.fingerprint_words(shop.fingerprint)
    pasted = "\n".join(" ".join(words[start : start + 6]) for start in range(0, 32, 6))
    environment = {**os.environ, "RSTUF_TRUST_DIR": str(tmp_path / "trust")}
    command = [sys.executable, "-m", "rstuf_cli", "trust", "add", "acme", shop.url, "--json"]

    def person(terminal: Terminal) -> None:
        terminal.until(b"fingerprint, as hex or words:")
        terminal.type(f"\x1b[200~{pasted}\x1b[201~\r".encode())

    code, out, _ = on_terminal(command, person, env=environment)
    assert (code, out[:16]) == (0, b'{"name": "acme",')


# --- where it is kept ------------------------------------------------------------------------------------


def test_where_trust_is_kept(cli: Cli, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--trust-dir`, then RSTUF_TRUST_DIR, then the user's data directory, which a relative path does not move."""
    add = ["trust", "add", "acme", shop.url, "--root", shop.root]
    cli(*add, "--trust-dir", tmp_path / "one")
    assert (tmp_path / "one" / "acme" / "trust.json").exists()
    assert cli("trust", "list", "--json").document == {"repositories": []}
    monkeypatch.setenv("RSTUF_TRUST_DIR", str(tmp_path / "two"))
    cli(*add)
    assert (tmp_path / "two" / "acme" / "trust.json").exists()
    monkeypatch.delenv("RSTUF_TRUST_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    cli(*add)
    assert (tmp_path / "home" / ".local" / "share" / "rstuf" / "trust" / "acme" / "trust.json").exists()
    assert not Path("relative").exists()


def test_no_person_in_a_true_process(shop: Shop, tmp_path: Path) -> None:
    """A process without a terminal does not wait for one."""
    command = [sys.executable, "-m", "rstuf_cli", "trust", "add", "acme", shop.url, "--trust-dir", tmp_path / "trust"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, start_new_session=True, timeout=60, check=False
    )
    assert (done.returncode, (tmp_path / "trust").exists()) == (2, False)

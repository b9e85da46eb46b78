"""What is wrong with a plan: in which file, in which table, at which key, and what was most likely meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli

Refused = tuple[Path, Callable[[str | bytes], list[str]]]
GENERAL = "rstuf ceremony --help shows a plan that holds together"


@pytest.fixture
def refused(cli: Cli, tmp_path: Path) -> Refused:
    """Holds the ceremony of a plan that is refused; what is said of it, line by line."""
    plan = tmp_path / "plan.toml"

    def hold(text: str | bytes) -> list[str]:
        plan.write_bytes(text if isinstance(text, bytes) else text.encode())
        done = cli("--repo", tmp_path / "new", "ceremony", "--plan", plan)
        assert (done.code, done.out) == (1, "")
        assert not (tmp_path / "new").exists()
        return done.err.splitlines()

    return plan, hold


@pytest.mark.parametrize(
    ("old", "new", "where", "what", "meant"),
    [
        ("[bins]", "[bins]\nexpire = '9d'", "[bins] expire", "rstuf does not know this key", "expires"),
        ("[bins]", "[bins]\nfrobnicate = 1", "[bins] frobnicate", "rstuf does not know this key", None),
        ("[bins]", "[snapshto]\n[bins]", "[snapshto]", "rstuf does not know this table", "snapshot"),
        ("[online]", "[onlien]", "[online]", "this table is missing, but onlien is there", "online"),
        ("threshold", "treshold", "[root] threshold", "it is missing, but treshold is there", "threshold"),
        ("signers", "singers", "[root] signers", "it is missing, but singers is there", "signers"),
        ("[bins]", "", "[bins]", "this table is missing", None),
        ('"alice", "bob"]', '"alcie", "bob"]', "[root] signers", "there is no [keys.alcie]", "alice"),
        ('"ed25519"', '"ed2519"', "[keys.alice] generate", "'ed2519' is not one of ed25519, ecdsa, rsa", "ed25519"),
        ("encrypt", "encrpyt", "[keys.alice] encrpyt", "rstuf does not know this key", "encrypt"),
        ("[repository]", '[repository]\nmetadata = "keys"', "[repository] metadata", None, None),
    ],
)
def test_a_fault_has_its_place(
    old: str, new: str, where: str, what: str | None, meant: str | None, refused: Refused
) -> None:
    """File, table and key are named; where a word is like one that is known, that one is too."""
    plan, hold = refused
    text = PLAN.replace(old, new, 1)
    assert text != PLAN
    error, hint = hold(text)
    assert error.startswith(f"error: {plan}, {where}: {what or ''}")
    assert hint == f"hint:  {f'did you mean {meant}? ' if meant else ''}{GENERAL}"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[repository]\nname = "acme\n[root]\n', "line 2, column 13: this is not TOML: "),
        ("[repository]\n[repository]\n", "line 2, column 12: this is not TOML: "),
        ("[repository]\nname =", "end of document"),
        (b"[repository]\n# caf\xe9\n", "line 2, column 6: this is not UTF-8 text"),
        (b"\xff", "line 1, column 1: this is not UTF-8 text"),
        ("a = " + "[" * 5000, "nested too deeply"),
        ("a = " + "9" * 5000, "a number has too many digits"),
    ],
)
def test_text_that_is_no_toml(text: str | bytes, place: str, refused: Refused) -> None:
    """The file, the line and the column are named."""
    plan, hold = refused
    error, hint = hold(text)
    assert error.startswith(f"error: {plan}: ")
    assert place in error
    assert hint == "hint:  correct the file, then run the same command again"


def test_a_directory_is_no_plan(cli: Cli, tmp_path: Path) -> None:
    """It is not to be moved away: another name was meant."""
    done = cli("ceremony", "--plan", tmp_path)
    assert (done.code, done.err.splitlines()[0]) == (1, f"error: {tmp_path}: it is a directory")


def test_a_key_that_the_configuration_does_not_have(cli: Cli, workspace: Path) -> None:
    """rstuf.toml is read as strictly."""
    config = workspace / "rstuf.toml"
    config.write_text(config.read_text() + 'metdata = "x"\n')
    done = cli("status")
    assert (done.code, "does not know the key 'metdata'; did you mean metadata?" in done.err) == (1, True)

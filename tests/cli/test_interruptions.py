"""Ctrl-C: exit 130, and what is said of the work is true, from the first moment on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, tree

from rstuf.signing import source
from rstuf_cli import prompts

ENCRYPTED = PLAN.replace("encrypt = false\n", "", 1)
PASSPHRASE = "horse battery staple"

# Presses Ctrl-C when the module named first is imported, in whatever way swallows exceptions.
PRESSED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Press:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except BaseException:
                pass
module = sys.argv.pop(1)
sys.meta_path.insert(0, Press())
from rstuf_cli.entry import main
sys.exit(main())
"""


@pytest.mark.parametrize("module", ["rstuf_cli.app", "typer", "orjson.orjson"])
@pytest.mark.parametrize("argv", [["status"], ["status", "--json"], ["--json", "--nope"], ["x", "--", "--json"]])
def test_while_the_program_is_loaded(module: str, argv: list[str]) -> None:
    """Exactly one document or one line, exit 130, and no traceback, though nothing is loaded that could write them."""
    command = [sys.executable, "-c", PRESSED, module, *argv]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 130
    if "--json" in argv and "--" not in argv:
        assert json.loads(done.stdout) == {
            "error": {"code": "interrupted", "message": "interrupted; nothing was changed"}
        }
        assert done.stderr == b""
    else:
        assert (done.stdout, done.stderr) == (b"", b"error: interrupted; nothing was changed\n")


def test_whoever_ignores_it_goes_on_ignoring_it(filled: Path) -> None:
    """A command that a shell put into the background with SIGINT ignored is not interrupted while it is loaded."""
    script = PRESSED.replace("signal.default_int_handler)", "signal.SIG_IGN)")
    done = subprocess.run(
        [sys.executable, "-c", script, "typer", "status", "--json"], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["repository"] == "acme"


@pytest.fixture
def pressing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person is there, and presses Ctrl-C instead of answering."""

    def pressed(_question: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(prompts, "ask_hidden", pressed)
    monkeypatch.setattr(prompts, "person_is_there", lambda: True)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    place = tmp_path / "secret"
    place.write_text(PASSPHRASE)
    place.chmod(0o600)
    return place


@pytest.mark.usefixtures("pressing")
def test_at_a_prompt_of_the_ceremony(cli: Cli, tmp_path: Path) -> None:
    """Nothing was made yet, so nothing is promised to go on."""
    plan = tmp_path / "plan.toml"
    plan.write_text(ENCRYPTED)
    done = cli("ceremony", "--plan", plan)
    assert (done.code, done.err) == (130, "error: interrupted; nothing was made\n")
    assert tree(Path.cwd()) == {}


@pytest.mark.usefixtures("pressing")
def test_at_a_prompt_of_what_signs(cli: Cli, tmp_path: Path, secret: Path) -> None:
    """Nothing was signed yet, and that is said."""
    plan = tmp_path / "plan.toml"
    plan.write_text(ENCRYPTED.replace("[online]", '[targets]\nsigners = ["alice"]\n\n[online]'))
    assert cli("ceremony", "--plan", plan, "--passphrase-file", secret).code == 0
    before = tree(Path("metadata"))
    done = cli("renew", "--force", "targets")
    assert (done.code, done.err) == (130, "error: interrupted; nothing was signed\n")
    assert tree(Path("metadata")) == before


def test_between_two_prompts_of_the_ceremony(
    cli: Cli, tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a key is made in memory nothing is there; as soon as something is, the ceremony is said to go on."""
    plan = tmp_path / "plan.toml"
    plan.write_text(ENCRYPTED)
    given = ("ceremony", "--plan", plan, "--passphrase-file", secret)

    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(source, "write_container", pressed)
        assert cli(*given).err == "error: interrupted; nothing was made\n"
    with monkeypatch.context() as patch:
        patch.setattr(source, "create_key_pair", pressed)
        done = cli(*given)
    assert done.err == "error: interrupted; run the same ceremony again; it goes on where it stopped\n"
    assert cli(*given).code == 0

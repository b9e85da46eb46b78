"""The commands, plans, programs and outputs in the documentation are tried, `rstuf doctor` among them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.pages import PAGES, README, ROOT, Block, blocks_of, name_of
from tests.docs.shell import Shell
from tests.support.plans import plan_text

NEED_NETWORK = 2
"""The README's first two blocks install from a package index; whatever checks a change runs them as they stand."""


def _commands(page: Path) -> list[Block]:
    blocks = blocks_of(page)
    if page == README:
        first = [block for block in blocks if block.language == "sh"][:NEED_NETWORK]
        blocks = [block for block in blocks if block not in first]
    return [block for block in blocks if block.directive != "not run"]


PAGES_WITH_COMMANDS = [page for page in PAGES if any(block.language == "sh" for block in _commands(page))]


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=name_of)
def test_commands_work(page: Path, tmp_path: Path) -> None:
    """Whoever types what a page says, in its order, gets through it without an error."""
    with Shell(tmp_path) as shell:
        if page.name == "formats.md":
            _prepare_formats(shell)
        for block in _commands(page):
            if block.directive == "file":
                shell.write(block.argument, block.text)
            elif block.directive == "background":
                shell.serve(block.text)
            elif block.language == "sh":
                shell.run(block.text)


def test_the_output_of_the_demo_is_what_it_prints(tmp_path: Path) -> None:
    """What the README shows of the demo is what the demo prints, but for times and digests."""
    (shown,) = [block for block in blocks_of(README) if block.directive == "output of"]
    with Shell(tmp_path) as shell:
        assert _settled(shell.run(shown.argument)) == _settled(shown.text)


def test_screens_are_those_of_a_real_terminal() -> None:
    """A screen that a page shows is what the tests of the guided ceremony see, where they press through all of it."""
    shown = [block for page in PAGES for block in blocks_of(page) if block.directive == "screen"]
    assert shown
    for block in shown:
        assert block.text == (ROOT / "tests/cli/guide/screens" / f"{block.argument}.txt").read_text(encoding="utf-8")


def _settled(text: str) -> str:
    text = re.sub(r" +\d+\.\d s$", " # s", text, flags=re.MULTILINE)
    return re.sub(r"[0-9a-f]{8}\.\.\.[0-9a-f]{4}", "#", text)


def test_the_readme_opens_with_two_commands() -> None:
    """Its first two blocks are the installation with the demo and the tests, each in one line."""
    install, test = blocks_of(README)[:2]
    for block in (install, test):
        assert block.language == "sh"
        assert block.text.count("\n") == 1
    assert install.text.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert install.text.endswith(" && .venv/bin/rstuf demo\n")
    assert " && .venv/bin/pytest" in test.text


def test_what_is_not_run_says_why() -> None:
    """A block of commands is left out only with a reason."""
    for page in PAGES:
        for block in blocks_of(page):
            if block.directive == "not run":
                assert len(block.argument) > 10, f"{name_of(page)}:{block.line}"


def _prepare_formats(shell: Shell) -> None:
    """The page on formats shows each of them; the workspace that its commands work in is not its subject."""
    shell.write("simple.toml", plan_text(name="simple", signers=("ana", "ben")))

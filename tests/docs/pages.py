"""The pages as the tests read them: fenced blocks, and what a comment before a block says to do with it.

    <!-- file: NAME -->        the block is a file of this name; it is written
    <!-- background -->        a server: it is started, and stays until the end of the page
    <!-- not run: REASON -->   a block of commands that needs something that no test has
    <!-- output of: COMMAND --> what the command prints, up to times and digests
    <!-- screen: NAME -->      what a person sees of the guided ceremony, as its own tests see it in a terminal

Every other `sh` block is run, block by block, in one scratch directory a page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_DIRECTIVE = re.compile(r"<!-- (file|background|not run|output of|screen)(?:: (.*?))? -->\n\Z")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        language: what stands behind the fence.
        directive, argument: from the comment before it; empty where there is none.
        line: of the fence, from 1.
    """

    language: str
    text: str
    directive: str
    argument: str
    line: int


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        before = text[: fence.start()]
        directive = _DIRECTIVE.search(before)
        said = (directive[1], directive[2] or "") if directive else ("", "")
        found.append(Block(fence[1], fence[2], *said, line=before.count("\n") + 1))
    return found


def prose_of(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def name_of(page: Path) -> str:
    """A page's path from the root."""
    return str(page.relative_to(ROOT))

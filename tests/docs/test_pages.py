"""Pages agree with the code they describe, with each other, and with what is there."""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from tests.docs.pages import PAGES, README, ROOT, name_of, prose_of

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))


def _maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_made_from_the_code_is_current() -> None:
    """Commands, errors, exit codes, public names and the list of decisions are what `python docs/make.py` writes."""
    for page, wanted in _maker().pages().items():
        assert page.read_text(encoding="utf-8") == wanted, f"{name_of(page)} is old: run python docs/make.py"


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual renderers make them."""
    headings = _HEADING.findall(prose_of(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link within the project leads to a file that exists and a heading that is in it."""
    for link in _LINK.findall(prose_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), f"{name_of(page)}: {link}"
        assert not anchor or anchor in _anchors(place), f"{name_of(page)}: {link}"


def test_every_page_is_in_the_index() -> None:
    """The index names every page of the documentation."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in PAGES:
        name = page.relative_to(ROOT / "docs").as_posix() if page.is_relative_to(ROOT / "docs") else f"../{page.name}"
        assert name == "index.md" or f"]({name})" in index, name


def test_decisions_are_numbered_and_complete() -> None:
    """Each decision has its number, context, decision and consequences; no number is missing or twice."""
    assert DECISIONS
    for number, page in enumerate(DECISIONS, 1):
        text = page.read_text(encoding="utf-8")
        assert page.name.startswith(f"{number:04d}-")
        assert text.startswith(f"# {number:04d} ")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"], page.name
        assert len(text.splitlines()) < 70, f"{page.name} is more than a page"


def test_sessions_and_tests_that_pages_name_exist() -> None:
    """`nox -s NAME` names a session, and a path below tests/ or examples/ is there."""
    program = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    sessions = {node.name for node in program.body if isinstance(node, ast.FunctionDef) and node.decorator_list}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"nox -s (\w+)", text)) <= sessions, name_of(page)
        for name in re.findall(r"`((?:tests|examples)/[\w/.-]+)`", text):
            assert (ROOT / name).exists(), f"{name_of(page)}: {name}"


def test_the_changelog_knows_this_version() -> None:
    """The newest entry of the changelog is of the version that is built, and the README links to it."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[?([^\]\s]+)\]?", changelog, re.MULTILINE)[0] == version
    assert "(CHANGELOG.md)" in README.read_text(encoding="utf-8")

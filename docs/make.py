"""Writes the parts of this documentation that the code already says: `python docs/make.py`.

    commands.md      all of it, from `--help`
    formats.md       the table of errors and the exit codes
    library.md       the table of public names
    index.md         the list of decisions

What it writes stands between `<!-- made: NAME -->` and `<!-- end -->`; the rest of a page is written by hand. The tests
fail while a page is not what would be written.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest import mock

DOCS = Path(__file__).resolve().parent
_ABOUT_COMMANDS = """\
What `rstuf --help` and the help of each command say. The [formats](formats.md) of what they read and write, and the
exit codes, stand on a page of their own. This page is written by `python docs/make.py`."""
_ROOMS = tuple(
    f"rstuf.errors.{room}"
    for room in ("base", "input", "artifacts", "state", "storage", "signing", "verification", "client")
)
"""Where errors are, in the order in which the table lists them."""

_REGION = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> dict[Path, str]:
    """Every page that holds something made, as it should be."""
    found = {DOCS / "commands.md": _commands()}
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if _REGION.search(text):
            found[page] = _REGION.sub(lambda match: f"{match[1]}\n{_REGIONS[match[2]]()}\n{match[3]}", text)
    return found


def _commands() -> str:
    from rstuf_cli.app import VERBS

    parts = [
        "# Commands",
        _ABOUT_COMMANDS,
        "## rstuf",
        _help(),
    ]
    for verb in VERBS:
        parts += [f"## rstuf {verb.path}", _help(*verb.path.split())]
    return "\n\n".join(parts) + "\n"


def _help(*words: str) -> str:
    from rstuf_cli.app import main

    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with mock.patch.dict(os.environ, {"COLUMNS": "81", "LINES": "24"}), contextlib.redirect_stdout(out):
        code = main([*words, "--help"])
    out.flush()
    text = out.buffer.getvalue().decode()
    if code or not text:
        raise SystemExit(f"rstuf {' '.join(words)} --help ended with {code}")
    return f"```text\n{text.rstrip()}\n```"


def _errors() -> str:
    from rstuf.errors import every_error
    from rstuf_cli.exits import exit_code_of

    def place(kind: type) -> tuple[int, int]:
        return _ROOMS.index(kind.__module__), inspect.getsourcelines(kind)[1]

    rows = []
    for kind in sorted((kind for kind in every_error() if kind.__module__.startswith("rstuf.")), key=place):
        meaning = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0]
        code = int(exit_code_of(kind.__new__(kind)))
        rows.append((f"`{kind.code}`", str(code), f"`{kind.__name__}`", " ".join(meaning.split())))
    rows += [
        ("`usage`", "2", "", "The command line cannot be understood."),
        ("`unexpected`", "1", "", "A defect of rstuf."),
    ]
    return _table(("code", "exit", "class", "meaning"), rows)


def _exits() -> str:
    from rstuf_cli.exits import ExitCode

    meanings = {
        ExitCode.DONE: "done",
        ExitCode.REFUSED: "refused or failed, as where a file that you name is not there; "
        "what was asked for did not happen",
        ExitCode.USAGE: "the command line cannot be understood",
        ExitCode.UNVERIFIED: "something is not what a client would accept",
        ExitCode.WAITING: "a role is due, and the keys that may sign it are not at hand",
        ExitCode.LOCKED: "another process holds a lock and kept it for longer than `--wait`",
        ExitCode.STORAGE: "the state, a disk or the network failed, as where a file of the workspace is gone",
        ExitCode.DUE: "`status --check` alone: a role is within its renewal period, or the online key cannot sign",
        ExitCode.OVERDUE: "`status --check` alone: a role has expired or is damaged",
        ExitCode.INTERRUPTED: "Ctrl-C",
    }
    return _table(("exit", "meaning"), [(str(int(code)), meanings[code]) for code in ExitCode])


def _names() -> str:
    import rstuf

    rows = []
    for name in rstuf.__all__:
        meant = getattr(rstuf, name)
        if (plain := getattr(meant, "__supertype__", None)) is not None:
            # What Python itself says of such a type differs from one release to the next.
            rows.append((f"`{name}`", f"A `{plain.__name__}` that was checked where it came in."))
            continue
        doc = inspect.cleandoc(meant.__doc__ or "").split("\n\n")[0]
        rows.append((f"`{name}`", " ".join(doc.split())))
    return _table(("name", "what it is"), rows)


def _decisions() -> str:
    lines = []
    for page in sorted((DOCS / "adr").glob("[0-9]*.md")):
        title = page.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("# ")
        lines.append(f"- [{title}](adr/{page.name})")
    return "\n".join(lines) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"


_REGIONS: dict[str, Callable[[], str]] = {
    "errors": _errors,
    "exits": _exits,
    "names": _names,
    "decisions": _decisions,
}


if __name__ == "__main__":
    for path, wanted in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != wanted:
            path.write_text(wanted, encoding="utf-8")
            print(f"wrote {path.relative_to(DOCS.parent)}", file=sys.stderr)

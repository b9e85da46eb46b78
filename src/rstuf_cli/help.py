"""Help for people: one line of purpose, then examples, then every option, at the width of the terminal."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Final

from rstuf_cli.console import folded

if TYPE_CHECKING:
    import typer

BEGIN, DAILY, CARE, CLIENT = "begin", "every day", "look after it", "download from any TUF repository"
PANELS: Final = (BEGIN, DAILY, CARE, CLIENT)
"""What verbs are for, in the order in which the program's help shows them."""

# What must be given stands bare, and what need not be in one pair of brackets.
_BRACES: Final = re.compile(r"\{(\w+)\}|\[(\[\w+\])\]")
# A line to copy, and what is said of it.
_REMARK: Final = re.compile(r"( *\S(?:.*?\S)?)(?: {2,}| +(?=# ))(\S.*)")
_GAP = 2
_LONGEST_TERM = 26


def command_help(ctx: typer.Context, params: Sequence[Any]) -> str:
    """The help of one verb."""
    command = ctx.command
    lines = _introduction(ctx)
    if command.epilog:
        lines += ["", "examples"]
        for line in cleandoc(command.epilog).splitlines():
            lines += _example("  " + line if line else "")
    arguments = [_record(param) for param in params if param.param_type_name == "argument" and param.help]
    options = [_record(param) for param in params if param.param_type_name == "option" and not param.hidden]
    lines += _section("arguments", arguments)
    lines += _section("options", options)
    common = "--repo, --json, --quiet and the other options of every command: rstuf --help"
    lines += ["", *folded(common, width=_width(), indent=2)]
    return "\n".join(lines)


def group_help(ctx: typer.Context, params: Sequence[Any]) -> str:
    """The help of a noun, or of the whole program: its verbs by what they are for."""
    lines = _introduction(ctx)
    verbs = list(verbs_of(ctx.command))
    for panel in PANELS:
        rows = [(name, _first_line(verb.help)) for name, verb in verbs if verb.rich_help_panel == panel]
        lines += _section(panel, rows)
    if ctx.parent is None:
        common = [_record(param) for param in params if param.param_type_name == "option" and not param.hidden]
        lines += _section("options of every command, before or after its name", common)
    if ctx.command.epilog:
        head, gap, text = re.split(r"( {2,})", " ".join(ctx.command.epilog.strip().split("\n")), maxsplit=1)
        room = len(head + gap)
        lines += ["", *folded(head + gap + " ".join(text.split()), width=_width(), indent=room)]
    return "\n".join(lines)


def verbs_of(group: Any, before: str = "") -> Iterable[tuple[str, Any]]:
    """Every verb below a noun, or below the whole program, by its words from there; in the program's own order."""
    return sorted(_below(group, before), key=lambda found: found[1].place)


def _below(group: Any, before: str) -> Iterable[tuple[str, Any]]:
    nouns = {name: command for name, command in group.commands.items() if hasattr(command, "commands")}
    for name, noun in nouns.items():
        yield from _below(noun, f"{before}{name} ")
    for name, command in group.commands.items():
        if name not in nouns and not command.hidden:
            yield before + name, command


def _introduction(ctx: typer.Context) -> list[str]:
    pieces = ctx.command.collect_usage_pieces(ctx)
    usage = [f"usage: {ctx.command_path}", *(_BRACES.sub(_bare, piece) for piece in pieces)]
    purpose, *rest = cleandoc(ctx.command.help or "").split("\n\n")
    lines = folded(f"{ctx.command_path}: {_lower(purpose)}", width=_width(), indent=2)
    for paragraph in rest:
        lines += ["", *textwrap.wrap(" ".join(paragraph.split()), _width())]
    return [*lines, "", *textwrap.wrap(" ".join(usage), _width(), subsequent_indent="         ")]


def _bare(found: re.Match[str]) -> str:
    return found[1] or found[2]


def _example(line: str) -> list[str]:
    """A line to copy. A remark that has no room behind it stands below, or in a file above, where it still is one."""
    found = _REMARK.fullmatch(line)
    if len(line) <= _width() or found is None:
        return [line]
    room = " " * (len(line) - len(line.lstrip()))
    if found[2].startswith("#"):
        return [room + found[2], found[1]]
    return [found[1], *textwrap.wrap(found[2], _width(), initial_indent=room + "  ", subsequent_indent=room + "  ")]


def _section(title: str, rows: Sequence[tuple[str, str]]) -> list[str]:
    if not rows:
        return []
    column = min(_LONGEST_TERM, max(len(term) for term, _ in rows)) + _GAP
    lines = ["", title]
    for term, text in rows:
        wrapped = textwrap.wrap(text, _width() - column - _GAP) or [""]
        if len(term) + _GAP > column:
            lines.append(f"  {term}")
        else:
            lines.append(f"  {term:<{column}}{wrapped.pop(0)}".rstrip())
        lines += [" " * (column + _GAP) + each for each in wrapped]
    return lines


def _record(param: Any) -> tuple[str, str]:
    """What a parameter is called, with its value, and what it does."""
    if param.param_type_name == "argument":
        return param.metavar or param.name.upper(), param.help or ""
    if param.name == "help":
        return "-h, --help", "Show this."
    names = ", ".join(sorted(param.opts, key=len))
    value = "" if param.is_flag or param.count else " " + (param.metavar or param.name.upper().replace("_", "-"))
    return names + value, param.help or ""


def _first_line(text: str | None) -> str:
    return _lower(cleandoc(text or "").split("\n", 1)[0])


def _lower(text: str) -> str:
    """A docstring's first sentence as a phrase: "Sign again" → "sign again"."""
    text = " ".join(text.split()).removesuffix(".")
    return text[:1].lower() + text[1:] if not text[1:2].isupper() else text


def _width() -> int:
    return max(50, min(shutil.get_terminal_size().columns, 100) - 1)

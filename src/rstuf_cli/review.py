"""A plan as people review it before anything is made: who signs what, for how long, and where the keys are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

import rstuf
from rstuf_cli.console import escape, folded, pad, width_of
from rstuf_cli.wording import number, period

# Each role under the one that says who may sign it: the branch before its name, and what goes on below it.
_TREE: Final = (
    ("root", "", "│ "),
    ("timestamp", "├ ", "│ "),
    ("snapshot", "├ ", "│ "),
    ("targets", "└ ", "  │ "),
    ("bins", "  └ ", "    "),
)
_HEADS: Final = ("who trusts whom", "signed by", "lives", "again with")
_GAP: Final = "  "


def plan_document(plan: rstuf.Plan, directory: Path) -> dict[str, Any]:
    """The review as data."""
    return {
        "repository": plan.name,
        "directory": str(directory),
        "bins": plan.bins,
        "roles": {
            role: {
                "threshold": threshold,
                "signers": list(signers),
                "expires": rstuf.format_duration(plan.periods[role].expires),
                "renew_before": rstuf.format_duration(plan.periods[role].renew_before),
            }
            for role, (threshold, signers) in _signers(plan).items()
        },
    }


def plan_lines(plan: rstuf.Plan, *, width: int, most: int | None = None) -> list[str]:
    """The review as lines, safe to show: places, the tree of trust, and the keys.

    Args:
        width: columns that there are; a name or path that is wider by itself stays whole.
        most: lines that there are; where they are too few, some names and keys are only counted.
    """
    contents = f"contents in {plan.artifacts}/" if plan.artifacts else "contents are served from elsewhere"
    places = folded(escape(f"metadata in {plan.metadata}/, {contents}"), width=width, indent=2)
    keys = _key_lines(plan, width)
    whole = [*places, "", *_role_lines(plan, width), "", *(line for lines in keys for line in lines)]
    if most is None or len(whole) <= most:
        return whole
    roles = _role_lines(plan, width, most_below=1)
    short = [*places, "", *roles, "", *_some(keys, most - len(places) - len(roles) - 2)]
    return short if len(short) <= most else [line for line in short if line]


def _role_lines(plan: rstuf.Plan, width: int, *, most_below: int | None = None) -> list[str]:
    """The tree. Signers who have no room beside their role stand below it, in at most so many lines."""
    signers = _signers(plan)
    rows = [_role_row(plan, role, branch) for role, branch, _ in _TREE]
    room = width - sum(max(width_of(row[column]) for row in (_HEADS, *rows)) + len(_GAP) for column in (0, 2, 3))
    below: list[list[str]] = [[]]
    for place, (role, _, stem) in enumerate(_TREE):
        names, lines = signers[role][1], []
        if width_of(rows[place][1]) > room:
            name, _, *periods = rows[place]
            rows[place] = (name, f"{signers[role][0]} of {len(names)}", *periods)
            lines = [f"{stem}  {line}" for line in _names(names, width - len(stem) - 2, most=most_below)]
        below.append(lines)
    return [line for row, lines in zip(_in_columns([_HEADS, *rows]), below, strict=True) for line in (row, *lines)]


def _role_row(plan: rstuf.Plan, role: str, branch: str) -> Sequence[str]:
    threshold, names = _signers(plan)[role]
    who = names[0] if len(names) == 1 else f"{threshold} of {', '.join(names)}"
    name = role if role != "bins" else f"{number(plan.bins)} bins"
    periods = plan.periods[role]
    return (branch + name, who, period(periods.expires), f"{period(periods.renew_before)} left")


def _names(names: Sequence[str], width: int, *, most: int | None) -> list[str]:
    """Names as lines that are broken between them; of so many, the last says how many more there are."""
    lines: list[str] = []
    for shown in range(len(names), 0, -1):
        rest = [f"and {len(names) - shown} more"] if shown < len(names) else []
        text = ", ".join(map(escape, [*names[:shown], *rest]))
        lines = wrap(text, width, break_long_words=False, break_on_hyphens=False)
        if most is None or len(lines) <= most:
            break
    return lines


def _key_lines(plan: rstuf.Plan, width: int) -> list[list[str]]:
    """Each key's lines. Where it is stands below what it is, if they have no room beside each other."""
    rows = _key_rows(plan)
    heads = _in_columns([row[:2] for row in rows])
    column = max(map(width_of, heads))
    keys = []
    for head, (*_, place) in zip(heads, rows, strict=True):
        line = f"{pad(head, column)}{_GAP}{escape(place)}".rstrip()
        if width_of(line) <= width:
            keys.append([line])
        else:
            keys.append([*folded(head, width=width, indent=4), f"    {escape(place)}".rstrip()])
    return keys


def _some(keys: Sequence[list[str]], most: int) -> list[str]:
    """The first keys and the last, which is the online one, in about so many lines; of the others, how many."""
    if sum(map(len, keys)) <= most:
        return [line for key in keys for line in key]
    *others, last = keys
    shown: list[list[str]] = []
    while len(shown) < len(others) and sum(map(len, (*shown, others[len(shown)], last))) < most:
        shown.append(others[len(shown)])
    return [*(line for key in shown for line in key), f"and {len(others) - len(shown)} more (? shows all)", *last]


def _key_rows(plan: rstuf.Plan) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for name, key in plan.keys.items():
        place = (key.signer or "").removeprefix("file:")
        if key.generate is not None:
            kept = "encrypted" if key.encrypt else "! not encrypted"
            rows.append((name, f"{key.generate}, made now, {kept}", place))
        elif key.signer is not None:
            rows.append((name, "is there", place))
        else:
            rows.append((name, "signs elsewhere", key.public or ""))
    return rows


def _signers(plan: rstuf.Plan) -> Mapping[str, tuple[int, Sequence[str]]]:
    """For each role, how many must sign and who may."""
    online: tuple[int, Sequence[str]] = (1, (plan.online,))
    targets = (plan.targets_threshold, plan.targets_signers) if plan.targets_signers else online
    return {
        "root": (plan.root_threshold, plan.root_signers),
        "targets": targets,
        "bins": online,
        "snapshot": online,
        "timestamp": online,
    }


def _in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[escape(cell) for cell in row] for row in rows]
    widths = [max(width_of(row[column]) for row in cells) for column in range(len(cells[0]))]
    return [_GAP.join(pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]

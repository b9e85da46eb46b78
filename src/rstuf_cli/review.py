"""A plan as people review it before anything is made: who signs what, for how long, and where the keys are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

import rstuf
from rstuf_cli.console import escape, folded, pad, width_of
from rstuf_cli.wording import count, number, period

_HEADS: Final = ("who trusts whom", "signed by", "lives", "again with")
_GAP: Final = "  "
_BINS: Final = "bins"


def plan_document(plan: rstuf.Plan, directory: Path) -> dict[str, Any]:
    """The review as data."""
    return {
        "repository": plan.name,
        "directory": str(directory),
        "bins": plan.bins,
        "delegations": [
            {"name": each.name, "parent": each.parent, "paths": list(each.paths), "terminating": each.terminating}
            for each in plan.delegations
        ],
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
    short = whole
    for shown, with_paths, gap in product(range(len(plan.delegations), -1, -1), (True, False), ([""], [])):
        roles = _role_lines(plan, width, most_below=1, shown=shown, with_paths=with_paths)
        room = most - len(places) - len(roles) - 2 * len(gap)
        short = [*places, *gap, *roles, *gap, *_some(keys, room)]
        if len(short) <= most:
            break
    return short


@dataclass(frozen=True, slots=True)
class _Branch:
    """A role in the tree, under the one that says who may sign it.

    Attributes:
        mark: the branch before its name; `stem`: what goes on below it.
    """

    role: str
    mark: str
    stem: str


def _branches(plan: rstuf.Plan) -> list[_Branch]:
    """The tree, each role above those below it; delegations in the order in which clients look."""
    top = [_Branch("root", "", "│ "), _Branch("timestamp", "├ ", "│ "), _Branch("snapshot", "├ ", "│ ")]
    return [*top, _Branch("targets", "└ ", "  │ "), *_below(plan, "targets", "  ")]


def _below(plan: rstuf.Plan, parent: str, margin: str) -> Iterator[_Branch]:
    names: list[str] = [each.name for each in plan.delegations if each.parent == parent]
    if parent == "targets" and plan.bins:
        names.append(_BINS)
    for name in names:
        is_last = name == names[-1]
        inner = margin + ("  " if is_last else "│ ")
        below = list(_below(plan, name, inner)) if name != _BINS else []
        yield _Branch(name, margin + ("└ " if is_last else "├ "), inner + ("│ " if below else ""))
        yield from below


def first_published(plan: rstuf.Plan) -> list[str]:
    """What comes with the first publication, counted: delegations, bins."""
    kinds = ((len(plan.delegations), "delegation"), (plan.bins, "bin"))
    return [count(amount, what) for amount, what in kinds if amount]


def _role_lines(
    plan: rstuf.Plan,
    width: int,
    *,
    most_below: int | None = None,
    shown: int | None = None,
    with_paths: bool = True,
) -> list[str]:
    """The tree. Signers who have no room beside their role stand below it, as paths do, in at most so many lines.

    Args:
        shown: how many delegations there is room for; of the others it is said how many there are.
        with_paths: whether it is said what these are for.
    """
    signers, paths = _signers(plan), {str(each.name): _paths_of(each) for each in plan.delegations}
    branches, hidden = _pruned(_branches(plan), paths, shown)
    rows = [_role_row(plan, branch) for branch in branches]
    room = width - sum(max(width_of(row[column]) for row in (_HEADS, *rows)) + len(_GAP) for column in (0, 2, 3))
    below: list[list[str]] = [[]]
    for place, branch in enumerate(branches):
        names, texts = signers[branch.role][1], []
        if width_of(rows[place][1]) > room:
            name, _, *periods = rows[place]
            rows[place] = (name, f"{signers[branch.role][0]} of {len(names)}", *periods)
            texts += _names(names, width - len(branch.stem) - 2, most=most_below)
        if with_paths and branch.role in paths:
            texts += _names(paths[branch.role], width - len(branch.stem) - 2, most=most_below)
        below.append([f"{branch.stem}  {line}" for line in texts])
    if hidden:
        # Before the bins, which come last.
        below[-2 if plan.bins else -1].append(f"  {'├' if plan.bins else '└'} and {hidden} more (? shows all)")
    return [line for row, lines in zip(_in_columns([_HEADS, *rows]), below, strict=True) for line in (row, *lines)]


def _pruned(branches: list[_Branch], delegated: Collection[str], shown: int | None) -> tuple[list[_Branch], int]:
    """The tree with so many of its delegations, and how many there are besides."""
    names = [branch.role for branch in branches if branch.role in delegated]
    hidden = set(names if shown == 0 else names[shown:] if shown is not None else [])
    return [branch for branch in branches if branch.role not in hidden], len(hidden)


def _role_row(plan: rstuf.Plan, branch: _Branch) -> Sequence[str]:
    threshold, names = _signers(plan)[branch.role]
    who = names[0] if len(names) == 1 else f"{threshold} of {', '.join(names)}"
    name = branch.role if branch.role != _BINS else f"{number(plan.bins)} bins"
    periods = plan.periods[branch.role]
    return (branch.mark + name, who, period(periods.expires), f"{period(periods.renew_before)} left")


def _paths_of(delegation: rstuf.DelegationTable) -> Sequence[str]:
    """What a delegation is for, in parts between which a line may be broken."""
    first, *others = delegation.paths
    return [f"for {first}", *others, *(["clients look nowhere else"] if delegation.terminating else [])]


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
    named: dict[str, tuple[int, Sequence[str]]] = {
        each.name: (each.threshold, each.signers) if each.signers else online for each in plan.delegations
    }
    bins = {_BINS: online} if plan.bins else {}
    return {
        "root": (plan.root_threshold, plan.root_signers),
        "targets": targets,
        **named,
        **bins,
        "snapshot": online,
        "timestamp": online,
    }


def _in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[escape(cell) for cell in row] for row in rows]
    widths = [max(width_of(row[column]) for row in cells) for column in range(len(cells[0]))]
    return [_GAP.join(pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]

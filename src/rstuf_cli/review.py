"""A plan as people review it before anything is made: who signs what, for how long, and where the keys are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rstuf
from rstuf_cli.console import escape, pad, width_of
from rstuf_cli.wording import number, period

# Each role under the one that says who may sign it.
_TREE = (("root", ""), ("timestamp", "├ "), ("snapshot", "├ "), ("targets", "└ "), ("bins", "  └ "))


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


def plan_lines(plan: rstuf.Plan) -> list[str]:
    """The review as lines, safe to show: places, the tree of trust, and the keys."""
    contents = f"contents in {plan.artifacts}/" if plan.artifacts else "contents are served from elsewhere"
    return [
        escape(f"metadata in {plan.metadata}/, {contents}"),
        "",
        *_in_columns([("who trusts whom", "signed by", "lives", "again with"), *_role_rows(plan)]),
        "",
        *_in_columns(_key_rows(plan)),
    ]


def _role_rows(plan: rstuf.Plan) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    signers = _signers(plan)
    for role, branch in _TREE:
        threshold, names = signers[role]
        who = names[0] if len(names) == 1 else f"{threshold} of {', '.join(names)}"
        name = role if role != "bins" else f"{number(plan.bins)} bins"
        periods = plan.periods[role]
        rows.append((branch + name, who, period(periods.expires), f"{period(periods.renew_before)} left"))
    return rows


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
    return ["  ".join(pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]

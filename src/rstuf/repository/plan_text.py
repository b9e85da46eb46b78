"""A plan as the TOML that `read_plan` reads: what is saved for later, or for somebody else's eyes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rstuf.metadata.bins import PREFIX
from rstuf.model.durations import format_duration
from rstuf.model.layout import Layout
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.policy import Periods
from rstuf.repository.plan import KeyPlan, Plan
from rstuf.repository.plan_delegations import TABLES, delegations_as_tables

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
# What a TOML string may not hold as it is.
_ESCAPED: Final = re.compile(r'[\x00-\x1f\x7f"\\]')


def render_plan(plan: Plan) -> str:
    """The text of a plan; reading it again gives a plan that differs in nothing but its digest."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    yield from _table("repository", {"name": plan.name, "metadata": plan.metadata, "artifacts": plan.artifacts})
    yield ""
    root: dict[str, Any] = {"threshold": plan.root_threshold, "signers": plan.root_signers}
    yield from _table("root", {**root, **_periods(plan.periods[ROOT])})
    for key in plan.keys.values():
        yield ""
        yield from _table(f"keys.{_name(key.name)}", _key(key))
    yield ""
    yield from _table("online", {"key": plan.online})
    targets: dict[str, Any] = {}
    if plan.targets_signers:
        targets = {"threshold": plan.targets_threshold, "signers": plan.targets_signers}
    bins: dict[str, Any] = {} if plan.layout is Layout.SUCCINCT else {"layout": plan.layout.value}
    if plan.bins:
        bins["count"] = plan.bins
    # Without bins, and targets not listing the rest itself, delegations are all there is.
    has_bins = bool(bins) or not plan.delegations
    others: Mapping[str, tuple[str, Mapping[str, Any]]] = {
        TIMESTAMP: ("timestamp", {}),
        SNAPSHOT: ("snapshot", {}),
        TARGETS: ("targets", targets),
        **({PREFIX: ("bins", bins)} if has_bins else {}),
    }
    for role, (table, fields) in others.items():
        yield ""
        yield from _table(table, {**fields, **_periods(plan.periods[role])})
    for each in delegations_as_tables(plan):
        yield ""
        yield from _table(f"[{TABLES}]", {**each, **_periods(plan.periods[each["name"]])})


def _periods(periods: Periods) -> dict[str, str]:
    expires = {"expires": format_duration(periods.expires)}
    if periods == Periods.of(periods.expires):
        # What it is by itself would be an odd number of hours, and go no further with another life.
        return expires
    return {**expires, "renew_before": format_duration(periods.renew_before)}


def _key(key: KeyPlan) -> dict[str, Any]:
    fields: dict[str, Any] = {"public": key.public, "generate": key.generate, "signer": key.signer}
    if key.generate is not None:
        fields["encrypt"] = key.encrypt
    return {name: value for name, value in fields.items() if value is not None}


def _table(name: str, fields: Mapping[str, str | bool | int | Sequence[str]]) -> Iterator[str]:
    yield f"[{name}]"
    for key, value in fields.items():
        yield f"{key} = {_value(value)}"


def _value(value: str | bool | int | Sequence[str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    return f"[{', '.join(map(_text, value))}]"


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    return '"' + _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + '"'

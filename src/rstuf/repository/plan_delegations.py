"""The `[[delegations]]` tables of a plan: roles with paths, and perhaps keys, of their own from the very first on.

They keep the rules of `repository.delegating`, by which delegations come later. A fault names the table by its number.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rstuf.errors import InvalidPattern, InvalidPlan, InvalidPolicy, InvalidRoleName, nearest, shorten
from rstuf.metadata.bins import is_of_bins
from rstuf.metadata.delegations import Delegation
from rstuf.metadata.tree import Delegator, Fault, Tree
from rstuf.metadata.views import RoleKeys
from rstuf.model.durations import format_duration
from rstuf.model.names import TARGETS, RoleName, misread_name, role_name
from rstuf.model.patterns import PathPattern, path_pattern
from rstuf.model.policy import Periods, check_threshold
from rstuf.repository.plan_tables import Table, read_periods

if TYPE_CHECKING:
    from rstuf.repository.plan import KeyPlan, Plan

TABLES: Final = "delegations"


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationTable:
    """One `[[delegations]]` table of a plan. Clients look through those of one parent in the order of the tables.

    Attributes:
        paths: the patterns of the paths that it is for.
        signers: names of the keys that may sign it; none for the online key.
        parent: who delegates to it: targets, or another of these.
    """

    name: RoleName
    paths: tuple[PathPattern, ...]
    signers: tuple[str, ...] = ()
    threshold: int = 1
    terminating: bool = False
    parent: RoleName = TARGETS

    def people(self, online: str) -> tuple[str, ...]:
        """Those of its signers who are not the online key; they sign it by themselves then."""
        return tuple(name for name in self.signers if name != online)


def read_delegations(top: Table, targets: Periods) -> tuple[tuple[DelegationTable, ...], dict[str, Periods]]:
    """The tables of a plan, and how long these roles live: as targets does, where they do not say it.

    Raises:
        InvalidPlan: a table is not of the form that it has to have.
    """
    found, periods = list[DelegationTable](), dict[str, Periods]()
    for table in top.tables(TABLES):
        delegation = _read_one(table)
        says = {"expires", "renew_before"} & table.document.keys()
        lives = read_periods(table, format_duration(targets.expires))
        periods[delegation.name] = lives if says else targets
        table.refuse_unknown()
        found.append(delegation)
    return tuple(found), periods


def check_delegations(plan: Plan) -> None:
    """What each table says has to fit the others, the keys and the top-level roles.

    Raises:
        InvalidPlan: it does not; with the table's number and field.
    """
    seen: dict[str, int] = {}
    for number, each in enumerate(plan.delegations, 1):
        first = seen.setdefault(each.name.casefold(), number)
        if first != number:
            same = plan.delegations[first - 1].name == each.name
            said = (
                f"is what {_where(first)} is called, too" if same else f"differs from that of {_where(first)} in case"
            )
            raise InvalidPlan(f"{_where(number)} name", f"{each.name} {said}; each role has one place and one name")
        _check_signers(plan, each, number)
    names = [TARGETS, *(each.name for each in plan.delegations)]
    for number, each in enumerate(plan.delegations, 1):
        if each.parent not in names:
            raise InvalidPlan(
                f"{_where(number)} parent",
                f"no delegation of this plan is called {shorten(each.parent)}",
                meant=nearest(each.parent, names),
            )
    _refuse_faults(plan)


def refuse_absent_signers(plan: Plan) -> None:
    """What is delegated to has to be signed before clients can see who delegates to it.

    Raises:
        InvalidPlan: too few signers of a delegation can sign here; with what adds it later.
    """
    for number, each in enumerate(plan.delegations, 1):
        away = [name for name in each.signers if plan.keys[name].is_elsewhere]
        if len(each.signers) - len(away) < each.threshold and away:
            raise InvalidPlan(
                f"{_where(number)} signers",
                f"{', '.join(away)} cannot sign here, and {each.name} has to be signed before clients may see it",
                hint=f"leave out the table and its keys; it waits for them after the ceremony: {_later(plan, each)}",
            )


def _later(plan: Plan, table: DelegationTable) -> str:
    """The commands that make after the ceremony what a table would have made."""
    commands = [_knows(plan.keys[name]) for name in table.signers]
    words = ["rstuf delegation add", table.name, *(f"--path '{pattern}'" for pattern in table.paths)]
    words += [f"--signer {name}" for name in table.signers]
    words += [f"--threshold {table.threshold}"] if table.threshold != 1 else []
    words += ["--terminating"] if table.terminating else []
    words += [f"--parent {table.parent}"] if table.parent != TARGETS else []
    return "; ".join([*commands, " ".join(words)])


def _knows(key: KeyPlan) -> str:
    if key.generate is not None:
        return f"rstuf key generate {key.name}"
    where = key.public or (key.signer or "").removeprefix("file:")
    return f"rstuf key add {key.name} {shlex.quote(where)}"


def _read_one(table: Table) -> DelegationTable:
    signers = table.texts("signers", optional=True)
    delegation = DelegationTable(
        name=_name(table),
        paths=_paths(table),
        signers=signers,
        threshold=table.whole("threshold", default=1),
        terminating=table.truth("terminating", default=False),
        parent=RoleName(table.text("parent", default=TARGETS)),
    )
    if not signers and delegation.threshold != 1:
        raise InvalidPlan(
            f"{table.where} threshold",
            f"without signers the online key signs it, which makes one signature and not {delegation.threshold}",
        )
    return delegation


def _name(table: Table) -> RoleName:
    text = table.text("name")
    try:
        return delegated_name(text)
    except InvalidRoleName as error:
        raise InvalidPlan(f"{table.where} name", error.message) from None


def delegated_name(text: str) -> RoleName:
    """`text` as the name of a role that is delegated to.

    Raises:
        InvalidRoleName: with the rule that it breaks.
    """
    name = role_name(text)
    if is_of_bins(name):
        raise InvalidRoleName(name, "it is kept for bins, and for the role that has them")
    why = misread_name(name)
    if why is not None:
        raise InvalidRoleName(name, why)
    return name


def _paths(table: Table) -> tuple[PathPattern, ...]:
    try:
        return tuple(path_pattern(text) for text in table.texts("paths", of="patterns"))
    except InvalidPattern as error:
        raise InvalidPlan(f"{table.where} paths", error.message) from None


def _check_signers(plan: Plan, table: DelegationTable, number: int) -> None:
    where = f"{_where(number)} signers"
    for name in table.signers:
        if name not in plan.keys:
            raise InvalidPlan(where, f"there is no [keys.{shorten(name)}]", meant=nearest(name, plan.keys))
        if name in plan.root_signers:
            raise InvalidPlan(where, f"{name} signs root, and a root key should sign nothing else")
    if len(set(table.signers)) != len(table.signers):
        raise InvalidPlan(where, "a key is named twice")
    if plan.online in table.signers and len(table.signers) > 1:
        raise InvalidPlan(where, f"{table.name} would be signed by the online key {plan.online} and by people")
    if table.signers:
        try:
            check_threshold(table.name, threshold=table.threshold, distinct_keys=len(table.signers))
        except InvalidPolicy as error:
            raise InvalidPlan(f"{_where(number)} threshold", error.message) from None


def _refuse_faults(plan: Plan) -> None:
    """
    Raises:
        InvalidPlan: a role would lie below itself, or deeper than clients look.
    """
    below: dict[RoleName, tuple[Delegation, ...]] = {}
    for each in plan.delegations:
        named = Delegation(name=each.name, keys=RoleKeys((), 1, {}), paths=each.paths)
        below[each.parent] = (*below.get(each.parent, ()), named)
    tree = Tree({parent: Delegator(named) for parent, named in below.items()})
    numbers: Mapping[str, int] = {each.name: number for number, each in enumerate(plan.delegations, 1)}
    for fault, name in tree.faults():
        said = {
            Fault.CYCLE: f"{name} would lie below itself",
            Fault.TOO_DEEP: f"{name} would lie deeper than clients look",
        }
        raise InvalidPlan(f"{_where(numbers[name])} parent", said[fault])


def _where(number: int) -> str:
    return Table.numbered(TABLES, number)


def delegations_as_tables(plan: Plan) -> list[dict[str, Any]]:
    """The tables that say what a plan has, but for how long these roles live."""
    return [_as_table(each) for each in plan.delegations]


def _as_table(each: DelegationTable) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": each.name, "paths": each.paths}
    if each.signers:
        fields |= {"signers": each.signers, "threshold": each.threshold}
    if each.terminating:
        fields["terminating"] = True
    return fields if each.parent == TARGETS else {**fields, "parent": each.parent}

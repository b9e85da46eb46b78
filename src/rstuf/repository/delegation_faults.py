"""Delegations about which clients would not agree: none such are proposed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rstuf.errors import InvalidInput
from rstuf.metadata.tree import Fault
from rstuf.model.names import RoleName
from rstuf.repository.authority import Authority, taken_apart

_FAULTS: Final = {
    Fault.TWO_PARENTS: "two roles would delegate to {}, and clients differ in whose keys it has to have",
    Fault.CYCLE: "{} would lie below itself",
    Fault.CASE_TWINS: "{} would differ from another role in the case of its letters alone",
    Fault.TWICE: "{} is delegated to already",
    Fault.TOO_DEEP: "{} would lie deeper than clients look",
}


def refuse_faults(authority: Authority, proposed: Mapping[RoleName, Mapping[str, Any]]) -> None:
    """
    Raises:
        InvalidInput: clients would not agree on the tree.
    """
    tree = taken_apart(authority.root, lambda name, _: proposed.get(name) or authority.delegators.get(name)).tree
    for fault, name in tree.faults():
        raise InvalidInput(_FAULTS[fault].format(name), hint="rstuf delegation list shows all delegations")

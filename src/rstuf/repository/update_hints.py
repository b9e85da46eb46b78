"""What to say where an update would leave a role that does not hold together: the commands by which it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rstuf.metadata.views import RoleKeys
from rstuf.model.names import ROOT, RoleName

if TYPE_CHECKING:
    from rstuf.repository.root_update import RootUpdate


def way_to_hold(update: RootUpdate, *, left: int) -> str:
    """What lets a role hold together: another threshold, or, where no key is left, one in the place of the last."""
    if left and (update.loss is None or not update.remove):
        return "say --threshold N too, or keep more keys"
    last = update.remove[-1]
    if update.loss is not None:
        return f"let another one in: rstuf recover root-key {last} --{update.loss.value} --to NEW"
    role = "" if update.role == ROOT else f" --role {update.role}"
    return f"let another one in with it: rstuf root update{role} --add NEW --remove {last}"


def taking_out(roles: Mapping[RoleName, RoleKeys], updates: tuple[RootUpdate, ...]) -> str | None:
    """The command that takes a key out which is lost or leaked, with every threshold that has to be lower without it.

    None where nothing is lost, or a role would be left without keys.
    """
    lost = {(name, each.loss.value) for each in updates if each.loss is not None for name in each.remove}
    if len(lost) != 1:
        return None
    options = []
    for each in updates:
        keys = roles[each.role]
        left, wanted = len(keys.keyids) - len(each.remove), each.threshold or keys.threshold
        if left < 1:
            return None
        if each.threshold is not None or left < wanted:
            option = "--threshold" if each.role == ROOT else "--targets-threshold"
            options.append(f"{option} {min(left, wanted)}")
    ((name, why),) = lost
    way = " ".join([f"rstuf key revoke {name} --{why}", *options])
    if len(updates) == 1 and updates[0].role == ROOT and not updates[0].add:
        return f"rstuf recover root-key {name} --{why} --to NEW lets another one in for it; or {way}"
    return way

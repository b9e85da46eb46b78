"""What to say where an update would leave a role that does not hold together: the commands by which it does."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from rstuf.errors import InvalidInput
from rstuf.metadata.views import RoleKeys
from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.keys import KeyId
from rstuf.model.names import ROOT, RoleName
from rstuf.repository.beyond_reach import left_of
from rstuf.repository.interfaces import StateReader
from rstuf.repository.wanted_delegations import wanted_by

if TYPE_CHECKING:
    from rstuf.repository.root_update import RootUpdate


def as_it_is(reader: StateReader, told: str, role: RoleName, *, hint: str) -> InvalidInput:
    """The error of a wish for what is so already: where a change of it waits, that is what is in its way.

    Args:
        told: what is as it was wished for.
        role: root, or the role that is delegated to.
        hint: what helps where nothing waits.
    """
    event = next((event for event in reader.open_events() if _changes(reader, event, role)), None)
    if event is None:
        return InvalidInput(f"{told} already", hint=hint)
    message = f"{told} now, and {event.name} waits to change that"
    return InvalidInput(message, hint=f"rstuf event cancel {event.name} leaves it as it is")


def _changes(reader: StateReader, event: SigningEvent, role: RoleName) -> bool:
    if role == ROOT:
        return event.role == ROOT and event.kind is EventKind.UPDATE
    wanted = wanted_by(reader, event)
    return wanted is not None and wanted.name == role


def way_to_hold(update: RootUpdate, *, left: int) -> str:
    """What lets a role hold together: another threshold, or, where no key is left, one in the place of the last."""
    if left and (update.loss is None or not update.remove):
        return "say --threshold N too, or keep more keys"
    last = update.remove[-1]
    if update.loss is not None:
        return f"let another one in: rstuf recover root-key {last} --{update.loss.value} --to NEW"
    role = "" if update.role == ROOT else f" --role {update.role}"
    return f"let another one in with it: rstuf root update{role} --add NEW --remove {last}"


def taking_out(
    roles: Mapping[RoleName, RoleKeys], updates: tuple[RootUpdate, ...], *, gone: Collection[KeyId]
) -> str | None:
    """The command that takes a key out which is lost or leaked, with every threshold that has to be lower without it.

    None where nothing is, or a role would be left without keys.

    Args:
        gone: all that are, and those that it takes out.
    """
    said = {(name, each.loss.value) for each in updates if each.loss is not None for name in each.remove}
    if len(said) != 1:
        return None
    ((name, why),) = said
    options = []
    for each in updates:
        keys = roles[each.role]
        left, wanted = left_of(keys, gone), each.threshold or keys.threshold
        if left < 1:
            return None
        if each.threshold is not None or left < wanted:
            option = "--threshold" if each.role == ROOT else "--targets-threshold"
            options.append(f"{option} {min(left, wanted)}")
    way = " ".join([f"rstuf key revoke {name} --{why}", *options])
    if len(updates) == 1 and updates[0].role == ROOT and not updates[0].add:
        return f"rstuf recover root-key {name} --{why} --to NEW lets another one in for it; or {way}"
    return way

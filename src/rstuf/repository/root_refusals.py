"""Roots that nobody should propose: nobody could sign them, or they leave a role to keys that leaked or are lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from rstuf.errors import InvalidPolicy, RootKeysLost
from rstuf.metadata.views import RoleKeys
from rstuf.model.keys import KeyId, Loss
from rstuf.model.names import ROOT, RoleName
from rstuf.repository.beyond_reach import is_left_to_lost, left_of, let_in_first, lost_of, way_back
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import names_of
from rstuf.repository.leaks import is_left_to
from rstuf.repository.update_hints import taking_out

if TYPE_CHECKING:
    from rstuf.repository.root_update import RootUpdate


def refuse_beyond_reach(reader: StateReader, keys: RoleKeys, lost: Collection[KeyId], said: Collection[KeyId]) -> None:
    """
    Args:
        keys: of the root in force.
        said: the keys that are said to be lost with the update.

    Raises:
        RootKeysLost: too few are left to sign any root, without those.
    """
    gone = lost_of(keys, lost) if any(keyid in keys.keyids for keyid in said) else ()
    if gone:
        names = names_of(reader)
        called = [names.get(keyid, keyid) for keyid in gone]
        raise RootKeysLost(called, left=len(keys.keyids) - len(gone), threshold=keys.threshold)


def refuse_left_to_lost(
    reader: StateReader,
    roles: Mapping[RoleName, RoleKeys],
    changed: Mapping[RoleName, RoleKeys],
    updates: tuple[RootUpdate, ...],
    *,
    lost: Collection[KeyId],
    going: Collection[KeyId],
) -> None:
    """See that no role is left to fewer keys than must sign it, because others of them are lost.

    Args:
        going: the keys that are lost or leaked, as is said with the update.

    Raises:
        InvalidPolicy: nobody could sign it.
    """
    names = names_of(reader)
    for each in updates:
        before, after = roles[each.role], changed[each.role]
        # Whoever is let in was found.
        gone = [keyid for keyid in after.keyids if keyid in lost and keyid in before.keyids]
        if not is_left_to_lost(after, gone, before=before):
            continue
        told, left = " and ".join(names[keyid] for keyid in gone), left_of(after, gone)
        hint = taking_out(roles, updates, gone={*lost, *going}) or _way_without(reader, each, before, gone)
        raise InvalidPolicy(
            f"{each.role} would need {after.threshold} of its keys, and without {told}, "
            f"{'which is' if len(gone) == 1 else 'which are'} lost, {left or 'none'} would be left",
            hint=hint,
        )


def _way_without(reader: StateReader, update: RootUpdate, before: RoleKeys, lost: Collection[KeyId]) -> str:
    """What has to be done about the keys that are lost before a role is changed."""
    if lost_of(before, lost):
        return f"first: {way_back(update.role, before, lost, known=reader.keys())}"
    if update.loss is not None and update.role == ROOT and update.remove:
        return f"let another one in for it: rstuf recover root-key {update.remove[-1]} --{update.loss.value} --to NEW"
    if update.loss is not None:
        return f"let another one in first: {let_in_first(before, left=left_of(before, lost))}"
    name = names_of(reader)[next(iter(lost))]
    return f"put another in its place first: rstuf recover root-key {name} --lost --to NEW"


def refuse_unsignable(
    reader: StateReader, before: RoleKeys, after: RoleKeys, updates: tuple[RootUpdate, ...], lost: Collection[KeyId]
) -> None:
    """Targets that is signed anew needs as many of those who sign it now, too: where too few are left, in two steps.

    Raises:
        InvalidPolicy: none of those who go can be asked, nor those who are lost, and the others are too few.
    """
    names = names_of(reader)
    said = {name: each.loss for each in updates if each.loss is not None for name in each.remove}
    gone = [keyid for keyid in before.keyids if keyid in lost or names.get(keyid) in said]
    if not gone or left_of(before, gone) >= before.threshold:
        return
    name = next((name for name in said), names[gone[0]])
    loss = said.get(name) or Loss.LOST
    both = [keyid for keyid in after.keyids if keyid in before.keyids]
    left = left_of(after, {*after.keyids} - {*both} | {*gone})
    let_in = "rstuf root update --role targets --add NEW" if left else let_in_first(before, left=left_of(before, lost))
    out = f"rstuf key revoke {name} --{loss.value}"
    hint = f"first take it out: {out} --targets-threshold {left}; then let another one in: {let_in}"
    if not left:
        hint = f"first let another one in: {let_in}; then take it out: {out}"
    told = " and ".join(names.get(keyid, keyid[:12]) for keyid in gone)
    raise InvalidPolicy(f"without {told} too few are left to sign the targets that another key could join", hint=hint)


def refuse_left_to_leaked(
    reader: StateReader, roles: Mapping[RoleName, RoleKeys], changed: Mapping[RoleName, RoleKeys], gone: Collection[str]
) -> None:
    """See that no role is left to keys that leaked more than it was; see `leaks.is_left_to`.

    Args:
        gone: the ids of keys that leaked, as is said with the update.

    Raises:
        InvalidPolicy: those that are well would not suffice to sign it.
    """
    leaked = {entry.keyid: entry.name for entry in reader.keys() if entry.is_leaked or entry.keyid in gone}
    for name, after in changed.items():
        if not is_left_to(leaked, after, before=roles[name]):
            continue
        left = [leaked[keyid] for keyid in after.keyids if keyid in leaked]
        role = "" if name == ROOT else f" --role {name}"
        way = f"let another one in first: rstuf root update{role} --add NEW"
        if after.threshold < roles[name].threshold:
            way = f"take that out first: rstuf key revoke {left[0]} --leaked"
        raise InvalidPolicy(
            f"{name} would be left to {' and '.join(left)}, and whoever has what leaked could sign it alone or keep it "
            "from you",
            hint=way,
        )

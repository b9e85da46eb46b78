"""Keys in the wrong hands: what lists them yet, and what would let them in again, or leave a role to them.

That a key leaked may be known only after something was proposed that does: then nobody should sign that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rstuf.errors import ProposalRefused
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.views import Envelope, RoleKeys, open_envelope, root_roles
from rstuf.model.keys import KeyId
from rstuf.model.names import ROOT, RoleName
from rstuf.repository.authority import Authority, current_root, load_authority
from rstuf.repository.bridge import delegated_keys
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import leaked_keys
from rstuf.repository.ports import Ports
from rstuf.repository.reports import LeakedKey
from rstuf.repository.who_signs import top_level_first


def let_in(reader: StateReader, root: Envelope) -> dict[KeyId, RoleName]:
    """The keys that a root lets sign what they may not sign yet, each with one such role. The first root lets in none.

    Args:
        root: one that follows the newest.
    """
    if reader.newest_root() is None:
        return {}
    old, new = root_roles(current_root(reader)), root_roles(root)
    return {keyid: name for name, keys in new.items() for keyid in keys.keyids if keyid not in old[name].keyids}


def leaks_let_in(reader: StateReader, root: Envelope) -> dict[KeyId, RoleName]:
    """Those of them that leaked."""
    leaked = leaked_keys(reader)
    return {keyid: role for keyid, role in let_in(reader, root).items() if keyid in leaked}


def roles_left_to_leaks(reader: StateReader, root: Envelope) -> dict[RoleName, tuple[KeyId, ...]]:
    """The roles that a root would leave to keys that leaked and sign it already, each with these; see `is_left_to`.

    Args:
        root: one that follows the newest.
    """
    leaked = leaked_keys(reader)
    if not leaked or reader.newest_root() is None:
        return {}
    old, new = root_roles(current_root(reader)), root_roles(root)
    left = {name: keys for name, keys in new.items() if is_left_to(leaked, keys, before=old[name])}
    known = {name: [keyid for keyid in old[name].keyids if keyid in leaked] for name in left}
    return {
        name: tuple(keyid for keyid in keys.keyids if keyid in leaked)
        for name, keys in left.items()
        if any(keyid in known[name] for keyid in keys.keyids)
    }


def is_left_to(leaked: Collection[str], keys: RoleKeys, *, before: RoleKeys) -> bool:
    """Whether a role is left to keys that leaked more than it was before: others have it, or can keep it from you.

    That is: as many of them as must sign are listed, or fewer that are well. It takes no key that is let in: a lower
    threshold does it, and so does taking out who is well.
    """
    return _held(keys, leaked) > max(-1, _held(before, leaked)) or _well(keys, leaked) < min(0, _well(before, leaked))


def _held(keys: RoleKeys, leaked: Collection[str]) -> int:
    """How many more of a role's keys leaked than must sign it."""
    return len({key_identity(key) for keyid, key in keys.keys.items() if keyid in leaked}) - keys.threshold


def _well(keys: RoleKeys, leaked: Collection[str]) -> int:
    """How many more of them are well than must sign it."""
    return len({key_identity(key) for keyid, key in keys.keys.items() if keyid not in leaked}) - keys.threshold


def gaining_leaks(reader: StateReader, root: Envelope) -> tuple[KeyId, ...]:
    """The keys that leaked and that a root gives more than they have: such a one never comes out."""
    left = roles_left_to_leaks(reader, root).values()
    return tuple(dict.fromkeys([*leaks_let_in(reader, root), *(keyid for keyids in left for keyid in keyids)]))


def leaks_let_in_below(reader: StateReader, role: RoleName, proposed: Envelope) -> dict[KeyId, RoleName]:
    """The keys that leaked and that a role would let sign below it what it does not let them sign now, each with one.

    Where nothing of it is visible, whatever it lets a leaked key sign counts.
    """
    leaked = leaked_keys(reader)
    if not leaked:
        return {}
    before = delegated_now(reader, role)
    return {
        keyid: name
        for name, keyids in delegated_keys(proposed.signed).items()
        for keyid in keyids
        if keyid in leaked and keyid not in before.get(name, ())
    }


def delegated_now(reader: StateReader, role: RoleName) -> dict[RoleName, tuple[KeyId, ...]]:
    """The keys that a role lets sign each that it delegates to, by what of it is visible."""
    data = reader.delegator(role, reader.role(role).visible)
    return {} if data is None else delegated_keys(open_envelope(data, name=role, kind="targets").signed)


def leak_below_in_words(
    reader: StateReader, role: RoleName, version: int, proposed: Envelope
) -> tuple[str, str] | None:
    """Why nobody should sign a role, and what is to be done, where it lets a key that leaked sign more than it may."""
    names, event = leaked_keys(reader), f"{role}-v{version}"
    for keyid, below in leaks_let_in_below(reader, role, proposed).items():
        told = f"{event} lets {names[keyid]} sign {below}, and that key leaked"
        return told, f"rstuf event cancel {event}; rstuf status says what is to be done then"
    return None


def leak_in_words(reader: StateReader, root: Envelope) -> tuple[str, str] | None:
    """Why nobody should sign a root, and what is to be done, where it gives more to a key that leaked than it has."""
    names, cancel = leaked_keys(reader), f"rstuf event cancel root-v{root.version}; then propose it again,"
    for keyid, role in leaks_let_in(reader, root).items():
        return f"the new root lets {names[keyid]} sign {role}, and that key leaked", f"{cancel} without that key"
    for role, keyids in roles_left_to_leaks(reader, root).items():
        told = " and ".join(names[keyid] for keyid in keyids)
        return f"the new root leaves {role} to {told}, which leaked", f"{cancel} so that others sign {role}"
    return None


def refuse_to_sign(reader: StateReader, role: RoleName, proposed: Envelope) -> None:
    """
    Raises:
        ProposalRefused: what is proposed of a role gives more to a key that leaked than it has.
    """
    version = proposed.version
    told = leak_in_words(reader, proposed) if role == ROOT else leak_below_in_words(reader, role, version, proposed)
    if told is not None:
        error = ProposalRefused(f"{role}-v{version}", "leaked", told[0])
        error.hint = told[1]
        raise error


def listed_leaks(reader: StateReader, authority: Authority) -> Mapping[KeyId, tuple[str, ...]]:
    """The keys that leaked and may sign yet, each with the roles that list it; bins under their prefix."""
    leaked, found = leaked_keys(reader), dict[KeyId, tuple[str, ...]]()
    for role in top_level_first(authority) if leaked else ():
        for keyid in role.keys.keyids:
            if keyid in leaked and role.name not in found.get(keyid, ()):
                found[keyid] = (*found.get(keyid, ()), role.name)
    return found


def unrevoked(ports: Ports, reader: StateReader) -> tuple[LeakedKey, ...]:
    """The keys that leaked and that any role lists yet, each with these roles."""
    if not leaked_keys(reader):
        return ()
    listed = listed_leaks(reader, load_authority(reader, ports.metadata))
    return tuple(LeakedKey(each.name, each.keyid, listed[each.keyid]) for each in reader.keys() if each.keyid in listed)

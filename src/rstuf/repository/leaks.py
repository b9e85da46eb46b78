"""Keys in the wrong hands: what lists them yet, and what would let them in again.

That a key leaked may be known only after something was proposed that lists it: then nobody should sign that.
"""

from __future__ import annotations

from collections.abc import Mapping

from rstuf.errors import ProposalRefused
from rstuf.metadata.views import Envelope, root_roles
from rstuf.model.keys import KeyId
from rstuf.model.names import TOP_LEVEL, RoleName
from rstuf.repository.authority import Authority, current_root
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import leaked_keys
from rstuf.repository.reports import LeakedKey


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
    """Those of them that leaked: such a root never comes out."""
    leaked = leaked_keys(reader)
    return {keyid: role for keyid, role in let_in(reader, root).items() if keyid in leaked}


def leak_in_words(reader: StateReader, root: Envelope) -> tuple[str, str] | None:
    """Why nobody should sign a root, and what is to be done, where it lets a key in that leaked."""
    names = leaked_keys(reader)
    for keyid, role in leaks_let_in(reader, root).items():
        reason = f"the new root lets {names[keyid]} sign {role}, and that key leaked"
        return reason, f"rstuf event cancel root-v{root.version}; then propose it again, without that key"
    return None


def refuse_to_sign(reader: StateReader, root: Envelope) -> None:
    """
    Raises:
        ProposalRefused: the root that is proposed lets a key in that leaked.
    """
    told = leak_in_words(reader, root)
    if told is not None:
        error = ProposalRefused(f"root-v{root.version}", "leaked", told[0])
        error.hint = told[1]
        raise error


def listed_leaks(reader: StateReader, authority: Authority) -> Mapping[KeyId, tuple[str, ...]]:
    """The keys that leaked and may sign yet, each with the roles that list it; bins under their prefix."""
    leaked, found = leaked_keys(reader), dict[KeyId, tuple[str, ...]]()
    roles = [(str(name), authority.top_level[name].keyids) for name in TOP_LEVEL]
    if authority.bins is not None:
        roles.append((authority.bins.bins.prefix, authority.bins.signers.keyids))
    for role, keyids in roles:
        for keyid in keyids:
            if keyid in leaked:
                found[keyid] = (*found.get(keyid, ()), role)
    return found


def unrevoked(reader: StateReader, proposed: Envelope | None) -> tuple[LeakedKey, ...]:
    """The keys that leaked and that the newest root lists, and so does the one that is proposed, if one is."""
    roles, found = root_roles(current_root(reader)), []
    after = None if proposed is None else {keyid for keys in root_roles(proposed).values() for keyid in keys.keyids}
    for entry in reader.keys():
        listed = tuple(str(name) for name in TOP_LEVEL if entry.keyid in roles[name].keyids)
        if entry.is_leaked and listed and (after is None or entry.keyid in after):
            found.append(LeakedKey(entry.name, entry.keyid, listed))
    return tuple(found)

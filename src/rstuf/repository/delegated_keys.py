"""Who is to sign a role that is delegated to: people by the names of their keys, or the online key."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from rstuf.errors import InvalidInput, InvalidPolicy
from rstuf.metadata.delegations import Delegation
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.views import RoleKeys
from rstuf.model.keys import KeyId
from rstuf.model.names import ROOT, TIMESTAMP, RoleName
from rstuf.model.policy import check_threshold
from rstuf.repository.authority import Authority
from rstuf.repository.beyond_reach import is_left_to_lost, left_of, way_back
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import key_named, names_of, refuse_leaked


def keys_of(
    reader: StateReader, authority: Authority, signers: Sequence[str], *, threshold: int, role: RoleName
) -> RoleKeys:
    """Who is to sign a role."""
    if not signers:
        online = authority.top_level[TIMESTAMP]
        if threshold != 1:
            raise InvalidPolicy(
                f"{role} asks for {threshold} signatures, and the online key makes one",
                hint="name its signers: --signer KEY",
            )
        return RoleKeys(online.keyids, 1, online.keys)
    entries = [key_named(reader, name) for name in signers]
    roots = {key_identity(key) for key in authority.top_level[ROOT].keys.values()}
    online_values = {key_identity(key) for key in authority.top_level[TIMESTAMP].keys.values()}
    for entry in entries:
        refuse_leaked(entry)
        if key_identity(entry.key) in roots:
            raise InvalidInput(
                "a root key should sign nothing but root", hint="make a key for it: rstuf key generate NAME"
            )
    keys = {entry.keyid: entry.key for entry in entries}
    if len(keys) > 1 and online_values.intersection(map(key_identity, keys.values())):
        raise InvalidInput(
            f"{role} would be signed by the online key and by people",
            hint="name people alone, or nobody: the online key signs it then",
        )
    check_threshold(role, threshold=threshold, distinct_keys=len({key_identity(key) for key in keys.values()}))
    return RoleKeys(tuple(keys), threshold, keys)


def changed_keys(
    reader: StateReader,
    authority: Authority,
    old: Delegation,
    signers: Sequence[str] | None,
    *,
    threshold: int | None,
    lost: Collection[KeyId],
) -> RoleKeys:
    """Who is to sign a role from then on.

    Args:
        signers, threshold: None where that stays.
        lost: the keys that are lost; whoever is let in was found.

    Raises:
        InvalidPolicy: too few of them are left who could.
    """
    wanted = old.keys.threshold if threshold is None else threshold
    if signers is not None:
        keys = keys_of(reader, authority, signers, threshold=wanted, role=old.name)
    else:
        keys = old.keys if threshold is None else _with_threshold(old.keys, wanted, role=old.name)
    gone = [keyid for keyid in keys.keyids if keyid in lost and keyid in old.keys.keyids]
    if is_left_to_lost(keys, gone, before=old.keys):
        names = names_of(reader)
        told = " and ".join(names[keyid] for keyid in gone)
        raise InvalidPolicy(
            f"{old.name} would need {keys.threshold} of its keys, and without {told}, "
            f"{'which is' if len(gone) == 1 else 'which are'} lost, {left_of(keys, gone) or 'none'} would be left",
            hint=f"{way_back(old.name, keys, gone, known=reader.keys())} --threshold {keys.threshold}",
        )
    return keys


def _with_threshold(keys: RoleKeys, threshold: int, *, role: RoleName) -> RoleKeys:
    check_threshold(role, threshold=threshold, distinct_keys=len({key_identity(key) for key in keys.keys.values()}))
    return replace(keys, threshold=threshold)

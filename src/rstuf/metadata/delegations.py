"""Named delegations (TUF §4.5): what a role says of them, and that said anew with one more, another or one less.

Fields that are not TUF's stay as they are, in the delegations of a role and in each of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rstuf.errors import InvalidMetadata, InvalidPattern, InvalidRoleName
from rstuf.metadata.views import RoleKeys, delegated_keys, role_keys_of
from rstuf.model.names import RoleName, role_name
from rstuf.model.patterns import PathPattern, path_pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """One named delegation.

    Attributes:
        keys: who may sign the role.
        terminating: whether a client that comes here for a path looks no further.
        paths: the patterns of the paths that it is for; empty where it goes by `prefixes`.
        prefixes: what the SHA-256 of its paths begins with, in hex; empty where it goes by `paths`.
    """

    name: RoleName
    keys: RoleKeys
    terminating: bool = False
    paths: tuple[PathPattern, ...] = ()
    prefixes: tuple[str, ...] = ()


def named_delegations(signed: Mapping[str, Any], *, where: str) -> tuple[Delegation, ...]:
    """The named delegations of a targets role, in their order; none where it delegates to bins, or not at all.

    Args:
        where: the file's name, for messages.

    Raises:
        InvalidMetadata: one is misshapen, or none that rstuf would make: see `role_name` and `path_pattern`.
    """
    delegations = signed.get("delegations")
    if delegations is None:
        return ()
    roles = delegations.get("roles") if isinstance(delegations, dict) else None
    if roles is None:
        return ()
    if not isinstance(roles, list):
        raise InvalidMetadata(where, "its delegations are no list")
    keys = delegated_keys(signed, where=where)
    return tuple(_delegation(role, keys=keys, where=where) for role in roles)


def with_delegations(signed: Mapping[str, Any], wanted: Iterable[Delegation]) -> dict[str, Any]:
    """What a role says once it delegates to these, in this order, and to nothing else.

    Keys that none of them lists go. Objects of keys that stay are kept as they are: their key ids may depend on that.
    """
    wanted = tuple(wanted)
    before = signed.get("delegations") or {}
    known = {role["name"]: role for role in before.get("roles") or ()}
    listed = {keyid: key.to_dict() for each in wanted for keyid, key in each.keys.keys.items()}
    keys = {keyid: before.get("keys", {}).get(keyid, key) for keyid, key in listed.items()}
    roles = [_role_object(each, known.get(each.name, {})) for each in wanted]
    others = {field: value for field, value in before.items() if field not in {"keys", "roles", "succinct_roles"}}
    without = {field: value for field, value in signed.items() if field != "delegations"}
    return {**without, "delegations": {**others, "keys": keys, "roles": roles}} if wanted else without


def _delegation(role: object, *, keys: Mapping[Any, Any], where: str) -> Delegation:
    name = role.get("name") if isinstance(role, dict) else None
    if not isinstance(role, dict) or not isinstance(name, str):
        raise InvalidMetadata(where, "one of its delegations has no name")
    paths, prefixes = role.get("paths"), role.get("path_hash_prefixes")
    if (paths is None) == (prefixes is None) or not _are_texts(prefixes if paths is None else paths):
        raise InvalidMetadata(where, f"its delegation to {name} goes neither by paths nor by hash prefixes, or by both")
    terminating = role.get("terminating")
    if type(terminating) is not bool:
        raise InvalidMetadata(where, f"its delegation to {name} does not say whether it is terminating")
    try:
        return Delegation(
            name=role_name(name),
            keys=role_keys_of(role, name, keys, where=where),
            terminating=terminating,
            paths=tuple(map(path_pattern, paths or ())),
            prefixes=tuple(prefixes or ()),
        )
    except (InvalidPattern, InvalidRoleName) as error:
        raise InvalidMetadata(where, error.message) from None


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _role_object(delegation: Delegation, before: Mapping[str, Any]) -> dict[str, Any]:
    kept = {field: value for field, value in before.items() if field not in {"paths", "path_hash_prefixes"}}
    by = {"path_hash_prefixes": list(delegation.prefixes)} if delegation.prefixes else {"paths": list(delegation.paths)}
    return {
        **kept,
        **by,
        "name": delegation.name,
        "keyids": list(delegation.keys.keyids),
        "threshold": delegation.keys.threshold,
        "terminating": delegation.terminating,
    }

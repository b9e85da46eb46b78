"""What targets and the roles below it say first, and which roles a new repository has.

A ceremony may end long after its plan is gone, so the state keeps what each role that delegates is to say: as that
role's version 0. The first versions of roles that people sign are signed when the ceremony begins, when these people
are here, and wait in the state for the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import orjson

from rstuf.errors import StateDamaged
from rstuf.metadata.bins import EVERY_HASH, Bins
from rstuf.metadata.canonical import compact
from rstuf.metadata.delegations import Delegation, with_delegations
from rstuf.metadata.render import SignedFile, Unsigned, renewed_part, versioned
from rstuf.metadata.root import Signatories, plain_targets, targets_over_bins
from rstuf.metadata.views import RoleKeys, open_envelope
from rstuf.model.keys import PublicKey
from rstuf.model.layout import Layout
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.roles import FileFacts, NewRole, RoleKind, RoleState
from rstuf.repository.authority import SUCCESSOR
from rstuf.repository.interfaces import StateReader, StateTransaction
from rstuf.repository.plan import Plan

_UNSIGNED: Final = 0
_FIRST: Final = 1

Sayings = Mapping[RoleName, Mapping[str, Any]]
"""The `signed` objects of roles that delegate, undated and unversioned; targets is always among them."""


def first_roles(plan: Plan) -> Iterator[NewRole]:
    """The roles of a new repository."""
    named = bool(plan.delegations)
    yield NewRole(ROOT, RoleKind.ROOT)
    yield NewRole(TARGETS, RoleKind.TARGETS, bin_bits=None if named else plan.bin_bits)
    yield NewRole(SNAPSHOT, RoleKind.SNAPSHOT)
    yield NewRole(TIMESTAMP, RoleKind.TIMESTAMP)
    for each in plan.delegations:
        yield NewRole(each.name, RoleKind.DELEGATED)
    if plan.bin_bits is None:
        return
    holder = SUCCESSOR if named else TARGETS
    if named:
        yield NewRole(SUCCESSOR, RoleKind.DELEGATED, bin_bits=plan.bin_bits)
    bins = Bins(plan.bin_bits)
    for index in range(bins.count):
        yield NewRole(bins.name(index), RoleKind.BIN, holder=holder, index=index)


def first_sayings(plan: Plan, keys: Mapping[str, PublicKey]) -> Sayings:
    """What roles that delegate say first: targets, by names or to bins; where by names, whoever else does.

    Bins are for whatever no delegation is for, so that the role that has them comes last.

    Args:
        keys: those of the plan, by name.
    """
    online = keys[plan.online]
    over_bins = _over_bins(plan, online)
    if not plan.delegations:
        return {TARGETS: over_bins}
    below: dict[RoleName, list[Delegation]] = {TARGETS: []}
    for each in plan.delegations:
        signers = [keys[name] for name in each.signers] or [online]
        delegation = Delegation(
            name=each.name,
            keys=_role_keys(signers, each.threshold),
            terminating=each.terminating,
            paths=each.paths,
        )
        below.setdefault(each.parent, []).append(delegation)
    said: dict[RoleName, Mapping[str, Any]] = {}
    if plan.bins:
        below[TARGETS].append(Delegation(name=SUCCESSOR, keys=_role_keys([online], 1), prefixes=EVERY_HASH))
        said[SUCCESSOR] = over_bins
    return said | {parent: with_delegations(plain_targets(), wanted) for parent, wanted in below.items()}


def first_parts(plan: Plan, said: Sayings, *, now: datetime) -> list[Unsigned]:
    """The first versions of delegated roles that people sign."""
    return [
        renewed_part(
            each.name,
            said.get(each.name, plain_targets()),
            version=_FIRST,
            expires=now + plan.periods[each.name].expires,
        )
        for each in plan.delegations
        if each.people(plan.online)
    ]


def keep_first_roles(state: StateTransaction, said: Sayings, signed: Mapping[RoleName, SignedFile]) -> None:
    """Keep what is to be said, and what is signed already, until the ceremony ends."""
    for name, each in said.items():
        state.record_delegator(name, _UNSIGNED, compact(dict(each)))
    for name, file in signed.items():
        # Whatever is signed in its place has another version.
        state.burn_versions(name, file.version)
        state.record_delegator(name, file.version, file.data)


def kept_sayings(reader: StateReader) -> Sayings:
    """What roles that delegate are to say first, as it was kept.

    Raises:
        StateDamaged: it is not there.
    """
    roles = [reader.role(TARGETS), *reader.roles(kind=RoleKind.DELEGATED)]
    kept = {role.name: data for role in roles if (data := reader.delegator(role.name, _UNSIGNED)) is not None}
    if TARGETS not in kept:
        raise StateDamaged("of this ceremony", "it has not kept what targets is to say")
    return {name: orjson.loads(data) for name, data in kept.items()}


def kept_file(reader: StateReader, role: RoleState, *, now: datetime) -> SignedFile | None:
    """A role's first version as people signed it when the ceremony began; None where none did, or it has expired."""
    data = reader.delegator(role.name, _FIRST)
    if data is None:
        return None
    expires = open_envelope(data, name=versioned(role.name, _FIRST), kind="targets").expires
    facts = FileFacts(length=len(data), sha256=sha256(data).hexdigest())
    return SignedFile(role.name, _FIRST, expires, data, facts) if expires > now else None


def _over_bins(plan: Plan, online: PublicKey) -> dict[str, Any]:
    """Who has bins says nothing else; where there are none, targets lists artifacts itself, or nothing."""
    if plan.bin_bits is None:
        return plain_targets()
    return targets_over_bins(Bins(plan.bin_bits, classic=plan.layout is Layout.CLASSIC), Signatories([online], 1))


def _role_keys(keys: list[PublicKey], threshold: int) -> RoleKeys:
    by_id = {key.keyid: key for key in keys}
    return RoleKeys(tuple(by_id), threshold, by_id)

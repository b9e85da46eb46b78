"""A ceremony for somebody else's service: the payload with which RSTUF's API is bootstrapped.

Its root carries what RSTUF's own tools read in key objects: names of keys, and where the service finds the online key.
A key's id is that of the plain key, as RSTUF computes it, before these fields join.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from rstuf.clock import iso
from rstuf.errors import InvalidPlan
from rstuf.metadata.bins import PREFIX
from rstuf.metadata.canonical import compact
from rstuf.metadata.render import SPEC_VERSION, part_of
from rstuf.model.keys import KeyEntry
from rstuf.model.layout import Layout
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.repository.ceremony_keys import CeremonyKeys, gather_keys, signatories
from rstuf.repository.interfaces import KeyMaker, NewKey, SignerSource
from rstuf.repository.plan import Plan
from rstuf.repository.plan_delegations import TABLES
from rstuf.repository.plan_tables import Table

NAME_FIELD: Final = "x-rstuf-key-name"
URI_FIELD: Final = "x-rstuf-online-key-uri"
EXPIRY_FIELD: Final = "x-rstuf-expire-policy"
_TIMEOUT_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class BootstrapPayload:
    """A payload, and what else its service needs.

    Attributes:
        data: the JSON document.
        made: new keys, not saved yet.
        signed_by: names of the root keys that signed.
        missing: how many more must sign, in the service, before root is valid.
        online: the online key; its private half must be where the service looks for `fn:` keys, named by the key's id.
    """

    data: bytes
    made: Sequence[NewKey]
    signed_by: tuple[str, ...]
    missing: int
    online: KeyEntry


def prepare_payload(plan: Plan, *, maker: KeyMaker, signers: SignerSource, now: datetime) -> BootstrapPayload:
    """The payload of a plan: root version 1, signed by everyone who is here, and the settings. Nothing is written.

    Raises:
        InvalidPlan: a period is not in whole days, which is all that RSTUF knows; targets has signers of its own; it
            has both bins and delegations, or one below another; or the online key is to be encrypted.
        InvalidKey, SigningError: a key cannot be used, or nobody who may sign root is here.
    """
    if plan.targets_signers:
        raise InvalidPlan("[targets] signers", "RSTUF's bootstrap knows no signers for targets but the online key")
    online = plan.keys[plan.online]
    if online.generate is not None and online.encrypt:
        raise InvalidPlan(
            f"[keys.{online.name}] encrypt",
            "an RSTUF service opens its online key without a passphrase",
            hint="write encrypt = false; or, where you are asked, choose a key without a passphrase",
        )
    roles = _settings(plan)
    keys = gather_keys(plan, maker=maker, signers=signers, now=now, reuse=False)
    if plan.delegations:
        roles |= {"bins": None, "delegations": _delegations(plan, keys)}
    present, _ = keys.open_present(plan.root_signers)
    if not present:
        keys.open_enough(ROOT, plan.root_signers, threshold=1)
    signed = _root(plan, keys, expires=now + plan.periods[ROOT].expires)
    unsigned = part_of(ROOT, signed, expires=now + plan.periods[ROOT].expires)
    openers = [keys.opened[name] for name in present]
    signatures = [{"keyid": signer.keyid, "sig": signer.sign(unsigned.payload)} for signer in openers]
    root = {"signatures": signatures, "signed": signed}
    document = {"metadata": {"root": root}, "settings": {"roles": roles}, "timeout": _TIMEOUT_SECONDS}
    missing = max(0, plan.root_threshold - len(present))
    return BootstrapPayload(compact(document) + b"\n", keys.made, tuple(present), missing, keys.entries[plan.online])


def _settings(plan: Plan) -> dict[str, Any]:
    """What RSTUF has to know of each role; of delegations only once their keys are known."""
    roles: dict[str, Any] = {role: {"expiration": _days(plan, role)} for role in (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)}
    if plan.layout is not Layout.SUCCINCT:
        raise InvalidPlan("[bins] layout", f"RSTUF knows no {plan.layout.value} layout")
    if plan.delegations:
        _refuse_unknown_to_rstuf(plan)
        return roles
    return {**roles, "bins": {"expiration": _days(plan, PREFIX), "number_of_delegated_bins": plan.bins}}


def _refuse_unknown_to_rstuf(plan: Plan) -> None:
    """
    Raises:
        InvalidPlan: RSTUF's bootstrap has no place for delegations like these.
    """
    if plan.bins:
        raise InvalidPlan(
            "[bins]", "RSTUF's bootstrap takes bins or delegations, and not both", hint="leave out one of the two"
        )
    for number, each in enumerate(plan.delegations, 1):
        if each.parent != TARGETS:
            where = f"{Table.numbered(TABLES, number)} parent"
            raise InvalidPlan(where, "RSTUF's bootstrap knows no delegations but those of targets")
        _days(plan, each.name, where=Table.numbered(TABLES, number))


def _delegations(plan: Plan, keys: CeremonyKeys) -> dict[str, Any]:
    """The delegations in the order in which clients look; a role without key ids is signed by the online key."""
    entries = {name: keys.entries[name] for each in plan.delegations for name in each.people(plan.online)}
    roles = [
        {
            "name": each.name,
            "terminating": each.terminating,
            "keyids": [entries[name].keyid for name in each.people(plan.online)],
            "threshold": each.threshold,
            "paths": list(each.paths),
            EXPIRY_FIELD: _days(plan, each.name),
        }
        for each in plan.delegations
    ]
    objects = {entry.keyid: {**entry.key.to_dict(), NAME_FIELD: name} for name, entry in entries.items()}
    return {"keys": objects, "roles": roles}


def _days(plan: Plan, role: str, *, where: str | None = None) -> int:
    whole, rest = divmod(plan.periods[role].expires, timedelta(days=1))
    if rest:
        raise InvalidPlan(f"{where or f'[{role}]'} expires", "RSTUF knows whole days only")
    return whole


def _root(plan: Plan, keys: CeremonyKeys, *, expires: datetime) -> Mapping[str, Any]:
    roles = signatories(plan, {name: entry.key for name, entry in keys.entries.items()})
    objects: dict[str, Any] = {}
    for name in (*plan.root_signers, plan.online):
        entry = keys.entries[name]
        objects[entry.keyid] = {**entry.key.to_dict(), NAME_FIELD: name}
    online = keys.entries[plan.online]
    objects[online.keyid][URI_FIELD] = f"fn:{online.keyid}"
    return {
        "_type": "root",
        "consistent_snapshot": True,
        "expires": iso(expires),
        "keys": objects,
        "roles": {name: roles[name].role() for name in (ROOT, SNAPSHOT, TARGETS, TIMESTAMP)},
        "spec_version": SPEC_VERSION,
        "version": 1,
    }

"""A ceremony's plan: everything a new repository is, as one value. Read from TOML, checked as a whole, before anything
is made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from rstuf.errors import InvalidKey, InvalidPlan, InvalidPolicy, nearest, shorten
from rstuf.metadata.bins import PREFIX
from rstuf.model.durations import parse_duration
from rstuf.model.keys import check_key_name
from rstuf.model.layout import Layout
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.policy import MAX_CLASSIC_BINS, Periods, check_bin_count, check_threshold
from rstuf.repository.plan_delegations import TABLES, DelegationTable, check_delegations, read_delegations
from rstuf.repository.plan_tables import Table, read_periods

_SCHEMES: Final = ("ed25519", "ecdsa", "rsa")
_MAX_NAME: Final = 200
_DEFAULTS: Final[Mapping[str, str]] = {
    ROOT: "365d",
    TARGETS: "365d",
    SNAPSHOT: "30d",
    TIMESTAMP: "14d",
    PREFIX: "90d",
}
USUAL_PERIODS: Final[Mapping[str, Periods]] = {
    role: Periods.of(parse_duration(expires)) for role, expires in _DEFAULTS.items()
}
"""How long roles live where a plan does not say it; bins under their prefix."""


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """A key of the plan: made now (`generate`), or known by its public half, by its signer, or both.

    Attributes:
        public: file of the public half, as the plan names it; None where it is made now or read from its signer.
        generate: "ed25519", "ecdsa" or "rsa", or None.
        signer: signer URI of the private half, or None where it is elsewhere.
        encrypt: whether a key made now is protected by a passphrase.
    """

    name: str
    public: str | None
    generate: str | None
    signer: str | None
    encrypt: bool

    @property
    def is_elsewhere(self) -> bool:
        """Whether nothing here could sign with it: its public half alone is known."""
        return self.generate is None and self.signer is None


@dataclass(frozen=True, slots=True)
class Plan:
    """A new repository: names, places, keys, thresholds, periods, bins, delegations.

    Attributes:
        metadata: directory or URL, as written in the plan.
        artifacts: likewise; "" where contents are served from elsewhere.
        root_signers, targets_signers: key names; no targets signers means that the online key signs targets.
        online: the key that signs timestamp, snapshot and bins.
        layout: how targets hands artifacts on.
        bins: how many bins there are, for whatever no delegation is for; 0 where there are none.
        periods: by role name; bins under their prefix.
        digest: SHA-256 of the plan's content, hex.
        delegations: roles that are delegated to by their names, in the order of the tables.
    """

    name: str
    metadata: str
    artifacts: str
    keys: Mapping[str, KeyPlan]
    root_signers: tuple[str, ...]
    root_threshold: int
    targets_signers: tuple[str, ...]
    targets_threshold: int
    online: str
    bins: int
    periods: Mapping[str, Periods]
    digest: str
    layout: Layout = Layout.SUCCINCT
    delegations: tuple[DelegationTable, ...] = ()

    @property
    def is_of_names_alone(self) -> bool:
        """Whether delegations are all there is: what none of them is for has no place."""
        return not self.bins and self.layout is not Layout.FLAT

    @property
    def bin_bits(self) -> int | None:
        """log2 of the number of bins; None where there are none."""
        return self.bins.bit_length() - 1 if self.bins else None


def read_plan(document: Mapping[str, Any]) -> Plan:
    """A plan from its TOML document.

    Raises:
        InvalidPlan: with the table and key that is wrong.
    """
    top = Table("", document)
    repository = top.table("repository")
    # Delegations may be all there is: then nothing else has a place.
    bins = top.table("bins", optional=bool(document.get(TABLES)))
    root, online = top.table("root"), top.table("online")
    targets = top.table("targets", optional=True)
    keys = {name: _read_key(top.table("keys"), name) for name in top.table("keys").document}
    tables = {ROOT: root, TARGETS: targets, PREFIX: bins}
    tables |= {role: top.table(role, optional=True) for role in (SNAPSHOT, TIMESTAMP)}
    periods = {role: read_periods(table, _DEFAULTS[role]) for role, table in tables.items()}
    delegations, lives = read_delegations(top, periods[TARGETS])
    layout, has_bins = _layout(bins), "bins" in document or not delegations
    plan = Plan(
        name=_repository_name(repository),
        metadata=repository.text("metadata", default="metadata"),
        artifacts=repository.text("artifacts", default="targets"),
        keys=keys,
        root_signers=root.texts("signers"),
        root_threshold=root.whole("threshold"),
        targets_signers=targets.texts("signers", optional=True),
        targets_threshold=targets.whole("threshold", default=1),
        online=online.text("key"),
        bins=_bin_count(bins, layout) if has_bins else 0,
        layout=layout,
        periods={**periods, **lives},
        delegations=delegations,
        digest=hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest(),
    )
    for table in (repository, online, *tables.values(), top):
        table.refuse_unknown()
    _check_whole(plan)
    return plan


def _check_whole(plan: Plan) -> None:
    if not plan.metadata:
        raise InvalidPlan("[repository] metadata", "it is empty; metadata must have a place")
    for where, names in (
        ("[root] signers", plan.root_signers),
        ("[targets] signers", plan.targets_signers),
        ("[online] key", (plan.online,)),
    ):
        for name in names:
            if name not in plan.keys:
                raise InvalidPlan(where, f"there is no [keys.{shorten(name)}]", meant=nearest(name, plan.keys))
        if len(set(names)) != len(names):
            raise InvalidPlan(where, "a key is named twice")
    check_delegations(plan)
    if plan.online in plan.root_signers:
        raise InvalidPlan("[root] signers", f"the online key {plan.online} may not sign root")
    delegated = {name for each in plan.delegations for name in each.signers}
    unused = plan.keys.keys() - {*plan.root_signers, *plan.targets_signers, plan.online, *delegated}
    if unused:
        raise InvalidPlan(f"[keys.{sorted(unused)[0]}]", "no role uses this key")
    for where, threshold, names in (
        ("[root]", plan.root_threshold, plan.root_signers),
        ("[targets]", plan.targets_threshold, plan.targets_signers or (plan.online,)),
    ):
        try:
            check_threshold(where, threshold=threshold, distinct_keys=len(names))
        except InvalidPolicy as error:
            raise InvalidPlan(f"{where} threshold", error.message) from None
    folded = [name.casefold() for name in plan.keys]
    if len(set(folded)) != len(folded):
        raise InvalidPlan("[keys]", "two names differ only in case")
    # A key and its public half are NAME or NAME.key and NAME.pub, so two keys may not share NAME.
    places = [(key.signer or "").removesuffix(".key") for key in plan.keys.values() if key.generate is not None]
    if len(set(places)) != len(places):
        raise InvalidPlan("[keys]", "two keys that are made now have the same place")


def _repository_name(table: Table) -> str:
    name: str = table.text("name")
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise InvalidPlan("[repository] name", f"it must be 1 to {_MAX_NAME} printable characters")
    return name


def _layout(table: Table) -> Layout:
    text = table.text("layout", default=Layout.SUCCINCT.value)
    try:
        return Layout(text)
    except ValueError:
        known = [each.value for each in Layout]
        raise InvalidPlan(
            "[bins] layout", f"{text[:40]!r} is not one of {', '.join(known)}", meant=nearest(text, known)
        ) from None


def _bin_count(table: Table, layout: Layout) -> int:
    count = table.whole("count", default=0 if layout is Layout.FLAT else 256)
    if layout is Layout.FLAT:
        if count:
            raise InvalidPlan(
                "[bins] count", "with a flat layout targets lists all artifacts itself, so there are none"
            )
        return 0
    if layout is Layout.CLASSIC and count > MAX_CLASSIC_BINS:
        raise InvalidPlan(
            "[bins] count", f"each of them is named in targets, so at most {MAX_CLASSIC_BINS} make sense; not {count}"
        )
    try:
        check_bin_count(count)
    except InvalidPolicy as error:
        raise InvalidPlan("[bins] count", error.message) from None
    return count


def _read_key(keys: Table, name: str) -> KeyPlan:
    table = keys.table(name)
    try:
        check_key_name(name)
    except InvalidKey as error:
        raise InvalidPlan(f"[keys.{name[:70]}]", error.reason) from None
    key = KeyPlan(
        name=name,
        public=table.text("public", optional=True),
        generate=table.text("generate", optional=True),
        signer=table.text("signer", optional=True),
        encrypt=table.truth("encrypt", default=True),
    )
    table.refuse_unknown()
    if key.generate is not None:
        if key.generate not in _SCHEMES:
            reason = f"{key.generate[:40]!r} is not one of {', '.join(_SCHEMES)}"
            raise InvalidPlan(f"[keys.{name}] generate", reason, meant=nearest(key.generate, _SCHEMES))
        if key.signer is None or key.public is not None:
            raise InvalidPlan(f"[keys.{name}]", "a key that is made now needs a signer for its place, and no public")
    elif key.public is None and key.signer is None:
        raise InvalidPlan(f"[keys.{name}]", "it needs one of public, signer or generate")
    return key

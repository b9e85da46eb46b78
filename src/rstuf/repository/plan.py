"""A ceremony's plan: everything a new repository is, as one value. Read from TOML, checked as a whole, before anything
is made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import orjson

from rstuf.errors import InvalidDuration, InvalidKey, InvalidPlan, InvalidPolicy, nearest, shorten
from rstuf.metadata.bins import PREFIX
from rstuf.model.durations import parse_duration
from rstuf.model.keys import check_key_name
from rstuf.model.layout import Layout
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.policy import MAX_CLASSIC_BINS, Periods, check_bin_count, check_threshold

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


@dataclass(frozen=True, slots=True)
class Plan:
    """A new repository: names, places, keys, thresholds, periods, bins.

    Attributes:
        metadata: directory or URL, as written in the plan.
        artifacts: likewise; "" where contents are served from elsewhere.
        root_signers, targets_signers: key names; no targets signers means that the online key signs targets.
        online: the key that signs timestamp, snapshot and bins.
        layout: how targets hands artifacts on.
        bins: over how many bins; 0 where it hands none on.
        periods: by role name; bins under their prefix.
        digest: SHA-256 of the plan's content, hex.
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

    @property
    def bin_bits(self) -> int | None:
        """log2 of the number of bins; None where there are none."""
        return self.bins.bit_length() - 1 if self.bins else None


def read_plan(document: Mapping[str, Any]) -> Plan:
    """A plan from its TOML document.

    Raises:
        InvalidPlan: with the table and key that is wrong.
    """
    top = _Table("", document)
    repository = top.table("repository")
    root, online, bins = top.table("root"), top.table("online"), top.table("bins")
    targets = top.table("targets", optional=True)
    keys = {name: _read_key(top.table("keys"), name) for name in top.table("keys").document}
    tables = {ROOT: root, TARGETS: targets, PREFIX: bins}
    tables |= {role: top.table(role, optional=True) for role in (SNAPSHOT, TIMESTAMP)}
    periods = {role: _read_periods(table, _DEFAULTS[role]) for role, table in tables.items()}
    layout = _layout(bins)
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
        bins=_bin_count(bins, layout),
        layout=layout,
        periods=periods,
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
    if plan.online in plan.root_signers:
        raise InvalidPlan("[root] signers", f"the online key {plan.online} may not sign root")
    unused = plan.keys.keys() - {*plan.root_signers, *plan.targets_signers, plan.online}
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


def _repository_name(table: _Table) -> str:
    name: str = table.text("name")
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise InvalidPlan("[repository] name", f"it must be 1 to {_MAX_NAME} printable characters")
    return name


def _layout(table: _Table) -> Layout:
    text = table.text("layout", default=Layout.SUCCINCT.value)
    try:
        return Layout(text)
    except ValueError:
        known = [each.value for each in Layout]
        raise InvalidPlan(
            "[bins] layout", f"{text[:40]!r} is not one of {', '.join(known)}", meant=nearest(text, known)
        ) from None


def _bin_count(table: _Table, layout: Layout) -> int:
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


def _read_key(keys: _Table, name: str) -> KeyPlan:
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


def _read_periods(table: _Table, default: str) -> Periods:
    expires = table.period("expires", default=default)
    renew_before = table.period("renew_before", default="")
    try:
        return Periods.of(expires or timedelta(0), renew_before)
    except InvalidPolicy as error:
        raise InvalidPlan(f"{table.where} renew_before", error.message) from None


class _Table:
    """A TOML table that knows where it stands and which of its keys were asked for."""

    def __init__(self, where: str, document: Mapping[str, Any]) -> None:
        self.where, self.document = where, document
        self._asked: set[str] = set()

    def _get(self, key: str) -> Any:
        self._asked.add(key)
        return self.document.get(key)

    def _fault(self, key: str, reason: str) -> InvalidPlan:
        return InvalidPlan(f"{self.where} {shorten(key)}".strip(), reason)

    def _missing(self, key: str, where: str, reason: str) -> InvalidPlan:
        """The error for `key`, which is not there; perhaps it is, mistyped."""
        unknown = self.document.keys() - self._asked
        alike = next((each for each in sorted(unknown) if nearest(each, [key, *self._asked]) == key), None)
        if alike is None:
            return InvalidPlan(where, reason)
        return InvalidPlan(where, f"{reason}, but {shorten(alike)} is there", meant=key)

    def table(self, key: str, *, optional: bool = False) -> _Table:
        value = self._get(key)
        if value is None and optional:
            value = {}
        if value is None:
            raise self._missing(key, f"[{key}]", "this table is missing")
        if not isinstance(value, Mapping):
            raise InvalidPlan(f"[{key}]", "this must be a table")
        prefix = self.where.strip("[]")
        return _Table(f"[{prefix}.{key}]" if prefix else f"[{key}]", value)

    def text(self, key: str, *, default: str | None = None, optional: bool = False) -> Any:
        value = self._get(key)
        if value is None:
            if default is None and not optional:
                raise self._missing(key, f"{self.where} {key}", "it is missing")
            return default
        if not isinstance(value, str):
            raise self._fault(key, "it must be text")
        return value

    def texts(self, key: str, *, optional: bool = False) -> tuple[str, ...]:
        value = self._get(key)
        if value is None and optional:
            return ()
        if value is None:
            raise self._missing(key, f"{self.where} {key}", "it is missing")
        if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
            raise self._fault(key, "it must be a list of names")
        return tuple(value)

    def whole(self, key: str, *, default: int | None = None) -> int:
        value = self._get(key)
        if value is None and default is not None:
            return default
        if value is None:
            raise self._missing(key, f"{self.where} {key}", "it is missing")
        if type(value) is not int:
            raise self._fault(key, "it must be a whole number")
        return value

    def truth(self, key: str, *, default: bool) -> bool:
        value = self._get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._fault(key, "it must be true or false")
        return value

    def period(self, key: str, *, default: str) -> timedelta | None:
        text = self.text(key, default=default)
        if not text:
            return None
        try:
            return parse_duration(text)
        except InvalidDuration as error:
            raise self._fault(key, error.message) from None

    def refuse_unknown(self) -> None:
        unknown = self.document.keys() - self._asked
        if unknown:
            name = sorted(unknown)[0]
            what = "table" if isinstance(self.document[name], Mapping) and not self.where else "key"
            where = f"[{shorten(name)}]" if what == "table" else f"{self.where} {shorten(name)}".strip()
            raise InvalidPlan(where, f"rstuf does not know this {what}", meant=nearest(name, self._asked))

"""The tables of a plan, read strictly: each fault names its table and key, and what was most likely meant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from rstuf.errors import InvalidDuration, InvalidPlan, InvalidPolicy, nearest, shorten
from rstuf.model.durations import parse_duration
from rstuf.model.policy import Periods


class Table:
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

    def table(self, key: str, *, optional: bool = False) -> Table:
        value = self._get(key)
        if value is None and optional:
            value = {}
        if value is None:
            raise self._missing(key, f"[{key}]", "this table is missing")
        if not isinstance(value, Mapping):
            raise InvalidPlan(f"[{key}]", "this must be a table")
        prefix = self.where.strip("[]")
        return Table(f"[{prefix}.{key}]" if prefix else f"[{key}]", value)

    def text(self, key: str, *, default: str | None = None, optional: bool = False) -> Any:
        value = self._get(key)
        if value is None:
            if default is None and not optional:
                raise self._missing(key, f"{self.where} {key}", "it is missing")
            return default
        if not isinstance(value, str):
            raise self._fault(key, "it must be text")
        return value

    @staticmethod
    def numbered(key: str, number: int) -> str:
        """Where one of several tables stands."""
        return f"[[{key}]] #{number}"

    def tables(self, key: str) -> list[Table]:
        """Every table of an array of them; none where there is no such array."""
        value = self._get(key)
        if isinstance(value, Mapping):
            raise InvalidPlan(f"[{key}]", f"write [[{key}]], in double brackets, once for each")
        if value is not None and not (isinstance(value, list) and all(isinstance(each, Mapping) for each in value)):
            raise InvalidPlan(f"[[{key}]]", "this must be tables, each below a line [[" + key + "]]")
        return [Table(self.numbered(key, number), each) for number, each in enumerate(value or (), 1)]

    def texts(self, key: str, *, optional: bool = False, of: str = "names") -> tuple[str, ...]:
        value = self._get(key)
        if value is None and optional:
            return ()
        if value is None:
            raise self._missing(key, f"{self.where} {key}", "it is missing")
        if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
            raise self._fault(key, f"it must be a list of {of}")
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


def read_periods(table: Table, default: str) -> Periods:
    expires = table.period("expires", default=default)
    renew_before = table.period("renew_before", default="")
    try:
        return Periods.of(expires or timedelta(0), renew_before)
    except InvalidPolicy as error:
        raise InvalidPlan(f"{table.where} renew_before", error.message) from None

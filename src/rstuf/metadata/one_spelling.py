"""JSON documents that have a single spelling: what is read is written again and compared, so that nothing can hide."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from rstuf.errors import InvalidBundle, InvalidJson
from rstuf.metadata.canonical import compact, strict_loads

FORMAT_VERSION: Final = 1


class DocumentReader:
    """Checks the form of a document; `name` is what it is called."""

    def __init__(self, name: str) -> None:
        self._name = name

    def refuse(self, reason: str) -> InvalidBundle:
        """The error that says so."""
        return InvalidBundle(self._name, reason)

    def document(
        self, data: bytes, *, form: str, fields: frozenset[str], limit: int, optional: Collection[str] = ()
    ) -> dict[str, Any]:
        """The one JSON object that `data` spells."""
        if len(data) > limit:
            raise self.refuse(f"it has more than {limit} bytes")
        text = data.removesuffix(b"\n")
        try:
            document = strict_loads(text, what=self._name)
        except InvalidJson as error:
            raise self.refuse(f"it is not acceptable JSON: {error.reason}") from None
        if not isinstance(document, dict) or document.get("format") != form:
            raise self.refuse(f"it does not say that it is an {form}")
        if type(document.get("version")) is not int or document["version"] != FORMAT_VERSION:
            raise self.refuse("it is of a version of the format that this rstuf does not know")
        self.exactly(document, fields | document.keys() & set(optional), "it")
        if compact(document) != text:
            raise self.refuse("it is not written in the one way that such a document is written in")
        return document

    def exactly(self, value: Any, fields: frozenset[str] | set[str], where: str) -> dict[str, Any]:
        """`value`, an object that has these fields and no other."""
        if not isinstance(value, dict):
            raise self.refuse(f"{where} is not an object")
        strange = sorted(set(value) - fields)
        if strange:
            raise self.refuse(f"{where} has a field that does not belong there: {ascii(strange[0])[:80]}")
        lacking = sorted(fields - set(value))
        if lacking:
            raise self.refuse(f"{where} lacks {lacking[0]}")
        return value

    def texts(self, value: Any, where: str, **patterns: re.Pattern[str]) -> list[str]:
        """The fields of an object, texts of these forms, in the order in which they are named here."""
        entry = self.exactly(value, set(patterns), where)
        for name, pattern in patterns.items():
            if not isinstance(entry[name], str) or pattern.fullmatch(entry[name]) is None:
                raise self.refuse(f"{where}: its {name} is not of the form it must have")
        return [entry[name] for name in patterns]

    def list_of(self, value: Any, where: str, *, least: int, most: int) -> list[Any]:
        """`value`, a list of so many."""
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise self.refuse(f"{where} is not a list of {least} to {most}")
        return value

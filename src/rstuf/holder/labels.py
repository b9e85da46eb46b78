"""What a bundle calls keys, held against what they were called before: names are labels, and prove nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from rstuf.metadata.root_concerns import Concern
from rstuf.metadata.root_parts import short_id, short_ids
from rstuf.model.keys import KeyId

# Names are ASCII; these are what people take for one another in them.
_ALIKE: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"), ("8", "b"))
_BETWEEN: Final = re.compile(r"[._@+-]+", re.ASCII)


def concerns_of_labels(
    names: Mapping[KeyId, str], *, known: Mapping[KeyId, str], shown: Iterable[KeyId]
) -> Iterator[Concern]:
    """What is to be said of names.

    Args:
        names: what the bundle calls keys.
        known: what they were called when the holder last signed.
        shown: the keys that the bundle is about.
    """
    about = dict.fromkeys(shown)
    called = {keyid: names[keyid] for keyid in about if keyid in names}
    if called and not known:
        message = (
            "what keys are called here is only what the bundle says: you have signed nothing for this repository yet"
        )
        yield Concern("names-unknown", True, message)
    for keyid, name in called.items():
        if keyid in known and known[keyid] != name:
            was = f'was called "{known[keyid]}" when you last signed'
            message = f'the key {short_id(keyid)} {was}, and is called "{name}" now'
            yield Concern("label-changed", True, message, (keyid,))
    holders: dict[str, dict[KeyId, str]] = {}
    for keyid, name in [*known.items(), *called.items()]:
        holders.setdefault(_looks(name), {})[keyid] = name
    for holding in holders.values():
        new = [keyid for keyid in holding if keyid in called and known.get(keyid) != called[keyid]]
        if len(holding) > 1 and new:
            yield _moved(holding, new[0], was_there=any(keyid in known for keyid in holding if keyid != new[0]))


def _moved(holding: Mapping[KeyId, str], new: KeyId, *, was_there: bool) -> Concern:
    others = tuple(keyid for keyid in holding if keyid != new)
    name, other = holding[new], holding[others[0]]
    alike = "" if name == other else f', which looks like "{other}"'
    what = "is the name of another key" if was_there else "is the name of two keys"
    message = f'the name "{name}"{alike}, {what}' if alike else f'the name "{name}" {what}'
    return Concern("label-moved", True, f"{message}: {short_ids((new, *others))}", (new, *others))


def _looks(name: str) -> str:
    """The same for names that people take for one another."""
    text = _BETWEEN.sub("", name.casefold())
    for one, other in _ALIKE:
        text = text.replace(one, other)
    return text

"""What a person should know of single keys in a proposed root, and of what TUF does not know in it."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

from rstuf.errors import InvalidKey, shorten
from rstuf.metadata.key_identity import check_key, same_form
from rstuf.metadata.root_concerns import Concern
from rstuf.metadata.root_parts import RootParts, count, path_of, short_id, short_ids, some
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, TOP_LEVEL

# Some client leaves out every other scheme.
_READ_BY_ALL: Final = frozenset({"ed25519", "ecdsa-sha2-nistp256", "rsassa-pss-sha256"})
_KEY_FIELD: Final = re.compile(r'(keys\.(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"))\.(.+)', re.ASCII)
_LONGEST_FIELD: Final = 120


def concerns_of_keys(before: RootParts | None, after: RootParts) -> Iterator[Concern]:
    """What is to be said of keys and foreign fields. `before` is the trusted root, None where there is none."""
    for keyid, key in after.keys.items():
        yield from _kind(before, after, keyid, key)
    yield from _twice(after)
    yield from _shared(before, after)
    if before is not None:
        yield from _moved(before, after)
    yield from _unused(before, after)
    yield from _foreign({} if before is None else _remaining(before, after), after)
    yield from _labels(before, after)


def _kind(before: RootParts | None, after: RootParts, keyid: KeyId, key: PublicKey | None) -> Iterator[Concern]:
    new = before is None or keyid not in before.keys or not _entrusted(after, keyid) <= _entrusted(before, keyid)
    called = f"the key {short_id(keyid)}"
    if key is None:
        yield Concern("key-unreadable", new, f"{called} is of a form that rstuf does not read", (keyid,))
        return
    try:
        check_key(key, where=called)
        written = same_form(key, where=called)
    except InvalidKey as error:
        reason = error.reason.encode("ascii", "backslashreplace").decode()
        yield Concern("key-not-let-in", new, f"{called} would not be let in today: {reason}", (keyid,))
        return
    if key.scheme not in _READ_BY_ALL:
        yield Concern(
            "key-not-for-all", new, f"{called} signs by {key.scheme}, which some clients do not read", (keyid,)
        )
    if key.public != written.public or key.keytype != written.keytype:
        yield Concern("key-spelling", new, f"{called} is not written in the usual form", (keyid,))
    if key.keyid != keyid:
        yield Concern("foreign-key-id", new, f"the key id {short_id(keyid)} is not the hash of its key", (keyid,))


def _entrusted(root: RootParts, keyid: KeyId) -> set[str]:
    return {name for name, role in root.roles.items() if keyid in role.keyids}


def _twice(after: RootParts) -> Iterator[Concern]:
    by_value: dict[bytes, list[KeyId]] = {}
    for keyid in after.keys:
        value = after.value(keyid)
        if value is not None:
            by_value.setdefault(value, []).append(keyid)
    for same in by_value.values():
        if len(same) > 1:
            message = f"{' and '.join(map(short_id, same[:2]))} are one key under two key ids"
            yield Concern("key-twice", True, message, tuple(same))


def _shared(before: RootParts | None, after: RootParts) -> Iterator[Concern]:
    root = after.values(ROOT)
    online = after.values(TIMESTAMP).keys() | after.values(SNAPSHOT).keys()
    both = tuple(keyid for value, keyid in root.items() if value in online)
    if both:
        message = f"root shares {short_ids(both)} with timestamp or snapshot, whose keys are online as a rule"
        yield Concern("root-key-online", True, message, both)
    targets = after.values(TARGETS).keys() - online
    known = frozenset() if before is None else before.values(ROOT).keys() & before.values(TARGETS).keys()
    with_targets = {value: keyid for value, keyid in root.items() if value in targets}
    if with_targets:
        keyids = tuple(with_targets.values())
        new = not with_targets.keys() <= known
        yield Concern("root-key-in-targets", new, f"root shares {short_ids(keyids)} with targets", keyids)


def _moved(before: RootParts, after: RootParts) -> Iterator[Concern]:
    earlier = {name: before.values(name) for name in TOP_LEVEL}
    for name in TOP_LEVEL:
        for value, keyid in after.values(name).items():
            others = [other for other in TOP_LEVEL if other != name and value in earlier[other]]
            if others and value not in earlier[name]:
                message = f"{short_id(keyid)} signs {' and '.join(others)} until now, and would sign {name}"
                yield Concern("key-moved", True, message, (keyid,))


def _unused(before: RootParts | None, after: RootParts) -> Iterator[Concern]:
    unused = after.unused
    if unused:
        new = before is None or not set(unused) <= set(before.unused)
        yield Concern("unused-keys", new, f"it lists {short_ids(unused)}, which no role uses", unused)


def _remaining(before: RootParts, after: RootParts) -> Mapping[str, str]:
    """Foreign fields of the trusted root, without those that go with their key."""
    gone = {path_of("keys", keyid) for keyid in before.keys if keyid not in after.keys}
    fields = {path: _KEY_FIELD.fullmatch(path) for path in before.foreign}
    return {
        path: before.foreign[path]
        for path, match in fields.items()
        if path not in gone and (match is None or match[1] not in gone)
    }


def _foreign(earlier: Mapping[str, str], after: RootParts) -> Iterator[Concern]:
    later = after.foreign
    added = [f"{path} = {value}" for path, value in later.items() if path not in earlier]
    changed = [
        f"{path} = {value}, was {earlier[path]}"
        for path, value in later.items()
        if path in earlier and earlier[path] != value
    ]
    removed = [f"{path} = {value}" for path, value in earlier.items() if path not in later]
    for code, fields in (("added", added), ("changed", changed), ("removed", removed)):
        if fields:
            told = some(shorten(field, limit=_LONGEST_FIELD) for field in fields)
            yield Concern(f"foreign-{code}", True, f"what TUF does not know is {code}: {told}")
    kept = sum(earlier.get(path) == value for path, value in later.items())
    if kept:
        yield Concern("foreign-kept", False, f"it carries {count(kept, 'field')} that TUF does not know, as before")


def _labels(before: RootParts | None, after: RootParts) -> Iterator[Concern]:
    """A text that is new to its key, and that another key has or had in the same field: a name that moves."""
    earlier = {} if before is None else before.foreign
    holders: dict[tuple[str, str], dict[str, str]] = {}
    for path, value in [*earlier.items(), *after.foreign.items()]:
        match = _KEY_FIELD.fullmatch(path)
        if match is not None and value.startswith('"'):
            holders.setdefault((match[2], _folded(value)), {})[match[1]] = value
    names = {path_of("keys", keyid): keyid for root in (before, after) if root is not None for keyid in root.keys}
    for (name, _), holding in holders.items():
        new = [where for where, value in holding.items() if earlier.get(f"{where}.{name}") != value]
        if len(holding) > 1 and new:
            where = tuple(names[each] for each in holding)
            text = shorten(f"{name} = {holding[new[0]]}", limit=_LONGEST_FIELD)
            yield Concern(
                "label-moved", True, f"{text} stands or stood at more than one key: {short_ids(where)}", where
            )


def _folded(value: str) -> str:
    return unicodedata.normalize("NFKC", json.loads(value)).casefold()

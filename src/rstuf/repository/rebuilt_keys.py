"""The keys of a state that is made anew: what each is called, by what is left of its name, else by what it signs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from rstuf.errors import InvalidMetadata
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.views import RoleKeys, root_roles
from rstuf.model.keys import KeyEntry, KeyId, PublicKey
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.repository.dropped_keys import DroppedKeys, online_ever
from rstuf.repository.earlier_places import places_of
from rstuf.repository.published import Published

_ONLINE: Final = "online"
# Names of keys are as long as those of roles.
_LONGEST: Final = 56
_FOREIGN: Final = "nothing was rebuilt: this rstuf keeps a state only of keys as it writes them"


def name_keys(
    published: Published, known: Sequence[KeyEntry], earlier: DroppedKeys, *, now: datetime
) -> list[KeyEntry]:
    """An entry for every key that signs something now, or did before: that one leaked can be noted again then, and
    none comes back under another name or spelling."""
    by_id = {entry.keyid: entry for entry in known}
    found: dict[KeyId, KeyEntry] = {}
    taken = {entry.name.casefold() for entry in known}
    for stem, where, keys in _signers(published):
        for keyid in keys.keyids:
            if keyid not in found:
                key = _own_key(keys, keyid, where=where)
                found[keyid] = by_id.get(keyid) or KeyEntry(_free_name(stem, taken), key, None, now)
    there = {key_identity(entry.key) for entry in found.values()}
    for keyid, each in earlier.dropped.items():
        if each.key is not None and key_identity(each.key) not in there:
            there.add(key_identity(each.key))
            entry = by_id.get(keyid) or KeyEntry(_free_name(f"former-{each.role}", taken), each.key, None, now)
            found[entry.keyid] = entry
    return sorted(found.values(), key=lambda entry: entry.name)


def _signers(published: Published) -> Iterator[tuple[str, str, RoleKeys]]:
    """What the keys of each role are called, the file that lists them, and who they are; online keys come first."""
    root, online = published.root.envelope.name, online_ever(published)
    yield ROOT, root, published.top_level[ROOT]
    for role in (TIMESTAMP, SNAPSHOT):
        yield _ONLINE, root, published.top_level[role]
    places = list(places_of(published.authority))
    yield from ((_ONLINE, f"{place.parent}.json", place.keys) for place in places if place.is_online(online))
    yield TARGETS, root, published.top_level[TARGETS]
    yield from ((str(place.name), f"{place.parent}.json", place.keys) for place in places)
    if published.former_key is not None:
        yield _ONLINE, root, root_roles(published.verifies_from.envelope)[TIMESTAMP]


def _own_key(keys: RoleKeys, keyid: KeyId, *, where: str) -> PublicKey:
    key = keys.keys.get(keyid)
    if key is None or key.keyid != keyid:
        reason = f"it lists the key {keyid[:16]} in a form that is not rstuf's, which is not supported yet"
        raise InvalidMetadata(where, reason, hint=_FOREIGN)
    return key


def _free_name(stem: str, taken: set[str]) -> str:
    """`online`, then `online-2`; keys of root, targets and of whom these delegate to are counted from the first on."""
    number = 1
    while True:
        name = stem if stem == _ONLINE and number == 1 else f"{stem[:_LONGEST]}-{number}"
        if name.casefold() not in taken:
            taken.add(name.casefold())
            return name
        number += 1

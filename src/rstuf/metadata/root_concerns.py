"""What a person should know of a proposed root before they sign it: its dates, thresholds, and who may sign what.

Nothing here is forbidden; that is for `root_rules`. A concern is grave where a signer who overlooks it could hand the
repository, or power over it, to somebody else, or lock its clients out. What was so in the trusted root already is
told too, and grave only where it should not stay so. `root_key_concerns` has what there is to say of single keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rstuf.clock import iso
from rstuf.metadata.root_parts import RootParts, count, short_ids
from rstuf.model.keys import KeyId
from rstuf.model.names import ROOT, TOP_LEVEL, RoleName

FAR: Final = timedelta(days=730)
SOON: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that whoever is to sign a root is told.

    Attributes:
        code: a stable word for it.
        grave: whether it is to be shown in red, before the question.
        message: one sentence, no final stop. Key ids in it are cut, and what it quotes from the root is in ASCII.
        keyids: the key ids that it is about, whole, for whoever knows their names.
    """

    code: str
    grave: bool
    message: str
    keyids: tuple[KeyId, ...] = ()


def concerns_of_roles(before: RootParts | None, after: RootParts, *, now: datetime) -> Iterator[Concern]:
    """What is to be said of dates, form and roles. `before` is the trusted root, None where there is none."""
    if before is None:
        yield Concern("first-root", True, "no root is trusted here yet: everything in this one stands on its own word")
    yield from _dates(before, after, now)
    yield from _form(before, after)
    for name in TOP_LEVEL:
        yield from _threshold(before, after, name)
        if before is not None:
            yield from _keys(before, after, name)
    if before is not None:
        yield from _power_over_root(before, after)


def _dates(before: RootParts | None, after: RootParts, now: datetime) -> Iterator[Concern]:
    left = after.expires - now
    expires = f"root would expire on {iso(after.expires)}, {count(left.days, 'day')} from this machine's date"
    if left > FAR:
        yield Concern("expires-far", True, f"{expires}, and more than two years is long to trust the same keys")
    if left < SOON:
        yield Concern("expires-soon", True, f"{expires}: without another root by then, every client stops")
    if before is None:
        return
    if after.expires < before.expires:
        sooner = count((before.expires - after.expires).days, "day")
        yield Concern("expires-sooner", True, f"{expires}, which is {sooner} sooner than the root you trust")
    if before.expires <= now:
        yield Concern(
            "trusted-expired",
            False,
            f"the root you trust expired {count((now - before.expires).days, 'day')} ago by this machine's clock: "
            "this one is late, or the clock is ahead",
        )


def _form(before: RootParts | None, after: RootParts) -> Iterator[Concern]:
    if before is None:
        return
    if before.spec_version != after.spec_version:
        changed = f"from {before.spec_version or 'none'!a} to {after.spec_version!a}"
        yield Concern("spec-version", True, f"the version of the specification changes {changed}")
    if before.consistent_snapshot != after.consistent_snapshot:
        yield Concern(
            "consistent-snapshot", True, "consistent snapshots are turned on: clients ask for files by other names"
        )


def _threshold(before: RootParts | None, after: RootParts, name: RoleName) -> Iterator[Concern]:
    threshold, keys = after.roles[name].threshold, after.countable(name)
    earlier = None if before is None else before.roles[name].threshold
    if earlier is not None and threshold != earlier:
        lowered = threshold < earlier
        yield Concern(
            "threshold-lowered" if lowered else "threshold-raised",
            lowered,
            f"{name} asks for {count(threshold, 'signature')} instead of {earlier}",
        )
    if name == ROOT and threshold == 1:
        yield Concern(
            "root-threshold-one", True, "one signature is enough for root: whoever gets one key has the repository"
        )
    if threshold == keys and (name == ROOT or keys > 1):
        new = before is None or threshold != earlier or before.countable(name) != keys
        lost = "clients can never get another root" if name == ROOT else "it waits until root names other keys"
        each = "its one key" if keys == 1 else f"each of its {count(keys, 'key')}"
        yield Concern("all-must-sign", new, f"{name} needs {each}: with {'it' if keys == 1 else 'one'} lost, {lost}")


def _keys(before: RootParts, after: RootParts, name: RoleName) -> Iterator[Concern]:
    old, new = before.values(name), after.values(name)
    added = tuple(keyid for value, keyid in new.items() if value not in old)
    removed = tuple(keyid for value, keyid in old.items() if value not in new)
    if added:
        yield Concern("keys-added", True, f"{name} gets {short_ids(added)}, which may not sign it until now", added)
    if removed:
        fewer = len(new) < len(old)
        left = f": {count(len(new), 'key')} left of {len(old)}" if fewer else ""
        yield Concern("keys-removed", fewer, f"{name} loses {short_ids(removed)}{left}", removed)
    listed = before.roles[name].keyids
    respelt = tuple(keyid for value, keyid in new.items() if value in old and keyid not in listed)
    if respelt:
        yield Concern(
            "key-respelt", True, f"{name} has keys under other key ids than before: {short_ids(respelt)}", respelt
        )


def _power_over_root(before: RootParts, after: RootParts) -> Iterator[Concern]:
    old, new = before.values(ROOT), after.values(ROOT)
    kept = [keyid for value, keyid in new.items() if value in old]
    added = tuple(keyid for value, keyid in new.items() if value not in old)
    needed = before.roles[ROOT].threshold
    if not kept:
        yield Concern("root-keys-replaced", True, "no key of root stays: all power over the repository moves", added)
    elif len(kept) < needed:
        stay = f"only {count(len(kept), 'key')} of root stay{'s' if len(kept) == 1 else ''}"
        yield Concern(
            "few-root-keys-kept",
            True,
            f"{stay}, and it took {needed} until now: these alone could not have decided this",
        )
    if added and len(added) >= after.roles[ROOT].threshold:
        which = "the key that root gets is" if len(added) == 1 else f"the {len(added)} keys that root gets are"
        yield Concern("added-keys-suffice", True, f"{which} enough to sign every later root alone", added)

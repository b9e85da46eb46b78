"""Keys that must sign nothing any more and may yet: what of all that waits takes them out, and what else would.

That is keys which leaked, and keys which sign bins though root does not name them; and those that a root would let in
again, or leave a role to, which was signed, and whose number no other root has taken yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import rstuf
from rstuf_cli.console import Console, escape
from rstuf_cli.steps import Step
from rstuf_cli.turns import is_usable, out_of_delegation, out_of_people, roles_listing, steps_in_turn_of
from rstuf_cli.waiting import ROTATING, gives_in_words, out_of_in_words
from rstuf_cli.wording import listed

LOOSE: Final = "loose-root"
ENOUGH: Final = "leaked-enough"
USABLE: Final = "whoever has its signatures can use them until another root takes its number"
_RENEW: Final = "rstuf renew"
_ROOT_KEYS: Final = "rstuf recover root-keys"
_DELEGATED: Final = rstuf.RoleKind.DELEGATED
_OF_ROOT: Final = frozenset({"root", "targets", "snapshot", "timestamp"})


@dataclass(frozen=True, slots=True)
class LeakThatStays:
    """A key that leaked and that nothing takes out which waits.

    Attributes:
        why: that it is so, in words.
        way: the command that takes it out; None where what waits must come out before any does.
    """

    key: rstuf.KeyStatus
    why: str
    way: str | None


def steps_of_keys_that_must_go(seen: rstuf.Status) -> list[Step]:
    """What takes such keys out where nothing that waits does."""
    without = _way_without_strays(seen)
    strays = [key.name for key in seen.keys if key.stray and _way(seen, key) == without.command]
    if any(key.leaked_in and _is_online(key) for key in seen.keys):
        # What takes that out takes these out, too; and while root names it, nothing else can be published for good.
        strays = []
    steps = []
    if strays:
        names = listed([escape(name) for name in strays])
        why = f"root does not name {names}, and targets lets bins be signed with it"
        steps.append(replace(without, why=f"{why}{without.why}"))
    for key in seen.keys:
        way = _way(seen, key)
        if way is not None and not _by_root(key) and not (key.stray and way == without.command):
            steps.append(Step(way, leaked_in_words(key), about="leaked-key"))
    # What has a root to itself can wait for nothing; the next one would drop that root, and the signatures of it.
    if _first_root(seen) is not None:
        return steps
    loose = "".join(f"; {_takes_number(view)}" for view in _ended(seen))
    return [*(replace(step, why=f"{step.why}{loose}") for step in _by_roots(seen)[:1]), *steps]


def is_of_thief(seen: rstuf.Status) -> bool:
    """Whether an online key leaked, and clients see what that may have signed: what takes it out is what helps."""
    behind = seen.old_copy
    return behind is not None and behind.role != "root" and any(behind.role in key.leaked_in for key in seen.keys)


def steps_where_enough_leaked(seen: rstuf.Status) -> list[Step]:
    """What else there is to know where as many keys leaked as must sign a role that people sign."""
    return [
        Step(
            _ROOT_KEYS if role == "root" else _out_of(seen, role),
            enough_in_words(role, names),
            about=ENOUGH,
        )
        for role, names in _enough(seen)
    ]


def steps_where_root_leaked(seen: rstuf.Status | None) -> list[Step]:
    """Of these those that are about root, where there was a look at all."""
    steps = [] if seen is None else steps_where_enough_leaked(seen)
    return [step for step in steps if step.command == _ROOT_KEYS]


def _out_of(seen: rstuf.Status, role: str) -> str:
    """What takes the keys that leaked out of a role, or the command that shows it."""
    keys = [key for key in seen.keys if role in key.leaked_in]
    ways = [way for key in keys if (way := _way(seen, key)) is not None]
    waiting = [f"rstuf event show {view.event.name}" for key in keys for view in _takers(seen, key)]
    return [*ways, *waiting, "rstuf root show"][0]


def enough_leaked(seen: rstuf.Status) -> list[str]:
    """The same, for people: a sentence for each role."""
    return [enough_in_words(role, names) for role, names in _enough(seen)]


def enough_in_words(role: str, names: Sequence[str]) -> str:
    """`alice and bob leaked, as many as must sign root: …`."""
    what = "let in whomever they want, and clients follow" if role == "root" else "sign it in your place"
    return f"{listed(names)} leaked, as many as must sign {role}: whoever has them can {what}, until they are out"


def _enough(seen: rstuf.Status) -> Iterator[tuple[str, list[str]]]:
    """The roles that people sign and whose leaked keys suffice for it, with the names of these."""
    online = next((role.keyids for role in seen.roles if role.name == "timestamp"), ())
    for role in seen.roles:
        names = [escape(key.name) for key in seen.keys if key.keyid in role.keyids and role.name in key.leaked_in]
        if role.name in {"root", "targets"} and role.keyids != online and len(names) >= role.threshold:
            yield role.name, names


def steps_in_turn(seen: rstuf.Status) -> list[Step]:
    """What takes out keys that leaked once the root is out that takes out others: each root is signed before the next.

    Proposed before, it would drop that root and its signatures, and leave the others in.
    """
    first, roots, below = _first_root(seen), _by_roots(seen), _below_in_turn(seen)
    once, behind = "the root before it", roots[1:]
    if first is not None:
        once, behind = first.event.name, roots
    return [*(replace(step, why=f"{step.why}; once {once} is out, which it would drop") for step in behind), *below]


def _below_in_turn(seen: rstuf.Status) -> list[Step]:
    return [step for key in seen.keys if _is_of_delegates(seen, key) for step in steps_in_turn_of(seen, key)]


def steps_of_leaks_left(repository: rstuf.Repository) -> list[Step]:
    """What is to be done about keys that leaked and that a root must take out which does not wait yet."""
    if not any(entry.is_leaked for entry in repository.keys()):
        return []
    seen = repository.status()
    now = [] if _first_root(seen) is not None else _by_roots(seen)[:1]
    return [*now, *steps_in_turn(seen), *steps_where_enough_leaked(seen)]


def leaks_that_stay(repository: rstuf.Repository, leaked: Collection[rstuf.LeakedKey]) -> list[LeakThatStays]:
    """Those of some keys that leaked which nothing takes out that waits, as `rstuf status` tells of them."""
    if not leaked:
        return []
    seen = repository.status()
    first, found = _first_root(seen), list[LeakThatStays]()
    for key in seen.keys:
        way = _way(seen, key)
        if not key.leaked_in or (way is None and _goes_with_what_waits(seen, key)):
            continue
        partly = "out of all of these" if _takers(seen, key) else "out"
        why = f"{leaked_in_words(key)}; nothing that waits takes it {partly}"
        if first is not None and way is not None and _by_root(key):
            why += f". Its turn comes once {first.event.name} is out, which would be dropped for it"
        found.append(LeakThatStays(key, why, way))
    return found


def _goes_with_what_waits(seen: rstuf.Status, key: rstuf.KeyStatus) -> bool:
    """Whether what waits takes a key out of all that it signs: a delegate's may sign several roles."""
    left = _is_of_delegates(seen, key) and any(True for _ in roles_listing(seen, key))
    return bool(_takers(seen, key)) and not left


def steps_of_loose_roots(seen: rstuf.Status) -> list[Step]:
    """What takes the numbers of such roots, where nothing that waits does, and they wait no more themselves."""
    if _usable(seen, "root") or _by_roots(seen):
        # Whatever takes out a key that leaked takes the number with it.
        return []
    return [step_to_take_number(view) for view in _ended(seen)]


def _ended(seen: rstuf.Status) -> list[rstuf.EventView]:
    """Such roots that wait no more."""
    waiting = {view.event.id for view in seen.events}
    return [view for view in seen.loose_roots if view.event.id not in waiting]


def step_to_take_number(view: rstuf.EventView) -> Step:
    """What keeps a root that is cancelled from being used with the signatures that it had."""
    lets = f"{view.event.name} {gives_in_words(view, s='s')}, and was signed: " if view.leaks else ""
    why = f"{lets}another root takes the number of {view.event.name}: whoever has its signatures cannot use them then"
    return Step("rstuf renew --force root", why, about=LOOSE)


def loose_in_words(view: rstuf.EventView) -> str:
    """What cancelling such a root does not do."""
    return f"{view.event.name} {gives_in_words(view, s='s')}, and was signed: {USABLE}"


def takes_out(seen: rstuf.Status, view: rstuf.EventView, key: rstuf.KeyStatus) -> bool:
    """Whether such a key goes with an event that waits."""
    return view.event.id in {each.event.id for each in _takers(seen, key)}


def warn_of_left(
    console: Console, seen: rstuf.Status, dropped: Iterable[rstuf.EventView], *, going: Collection[str] = ()
) -> list[rstuf.KeyStatus]:
    """Say which keys that leaked stay where events are dropped with what goes with them; those keys.

    Args:
        going: the ids of keys that what takes their place takes out, too.
    """
    found = dict[str, rstuf.KeyStatus]()
    for view in dropped:
        gone = {view.event.id, *(each.id for each in view.companions)}
        views = [each for each in seen.events if each.event.id in gone]
        for key in seen.keys:
            stays = key.leaked_in and key.keyid not in {*going, *found}
            if stays and any(takes_out(seen, each, key) for each in views):
                console.warning(f"{leaked_in_words(key)}; without {escape(view.event.name)} it stays")
                found[key.keyid] = key
    return list(found.values())


def leaked_in_words(key: rstuf.KeyStatus | rstuf.LeakedKey) -> str:
    """`r1 leaked, and may sign root and targets yet`."""
    return f"{escape(key.name)} leaked, and may sign {listed([escape(role) for role in key.leaked_in])} yet"


def leaks_document(keys: Iterable[rstuf.KeyStatus | rstuf.LeakedKey]) -> list[dict[str, object]]:
    """Keys that leaked and may sign yet, as data."""
    return [{"key": key.name, "keyid": key.keyid, "roles": list(key.leaked_in)} for key in keys if key.leaked_in]


def loose_roots_document(seen: rstuf.Status) -> list[dict[str, object]]:
    """Roots that were signed and let leaked keys in, or leave roles to them, as data."""
    return [
        {
            "event": view.event.name,
            "signed": [view.name_of(keyid) for keyid in view.signed],
            "leaks": [{"keyid": keyid, "key": view.name_of(keyid)} for keyid in view.leaks],
            "leaves": list(view.leaves),
        }
        for view in seen.loose_roots
    ]


def marked(seen: rstuf.Status, view: rstuf.EventView, steps: Sequence[Step]) -> list[Step]:
    """The steps of an event that waits; where it takes such a key out, they are about that."""
    taken = taken_out_by(seen, view)
    if taken is None:
        return list(steps)
    about, told = taken
    if view.beyond is not None:
        # What takes its place does not do that by itself.
        told = f"until then it waits in vain: {told}"
    return [replace(step, about=about, why=f"{step.why}; {told}") for step in steps]


def taken_out_by(seen: rstuf.Status, view: rstuf.EventView) -> tuple[str, str] | None:
    """What an event is about that takes such keys out, or comes before what does, and that it does, in words; else
    None."""
    gone = [key for key in seen.keys if takes_out(seen, view, key)]
    partly = [key for key in gone if key.leaked_in and view.lists(key.keyid)]
    wholly = [key for key in gone if key not in partly]
    leaked, others = ([escape(key.name) for key in wholly if bool(key.leaked_in) is so] for so in (True, False))
    told = [f"it takes out {listed(others)}"] if others else []
    told += [f"it takes out {listed(leaked)}, which leaked"] if leaked else []
    told += [f"it takes {out_of_in_words(view, key.keyid)}" for key in partly]
    kept = _kept_by(seen, view)
    told += [f"one without {listed([escape(key.name) for key in kept])} comes after it"] if kept else []
    loose = [each for each in seen.loose_roots if view in _usable(seen, "root")]
    told += [_takes_number(each) for each in loose]
    if not told:
        return None
    abouts = ["leaked-key"] if kept or any(key.leaked_in for key in gone) else []
    abouts += [LOOSE] if loose else ["stray-key"]
    return abouts[0], "; ".join(told)


def _kept_by(seen: rstuf.Status, view: rstuf.EventView) -> list[rstuf.KeyStatus]:
    """The keys that leaked, that go at the end of a rotation, and that what holds this up lets sign on; not those which
    a command takes out before."""
    if view.event.name not in seen.holding_up:
        return []
    kept = [key for key in seen.keys if key.leaked_in and key.keyid in seen.going and view.lists(key.keyid)]
    return [key for key in kept if _way(seen, key) is None]


def _takes_number(view: rstuf.EventView) -> str:
    return f"it takes the number of one that {gives_in_words(view, s='s')}"


def _first_root(seen: rstuf.Status) -> rstuf.EventView | None:
    """The root that waits and takes out a key which leaked."""
    return next((view for key in seen.keys if _by_root(key) for view in _takers(seen, key)), None)


def _by_roots(seen: rstuf.Status) -> list[Step]:
    """What takes out keys that leaked, each by a root of its own; first those with which a thief can publish."""
    keys = sorted((key for key in seen.keys if _by_root(key)), key=lambda key: not _is_online(key))
    ways = ((key, _way(seen, key)) for key in keys)
    return [
        Step(way, f"{leaked_in_words(key)}{_too(seen, key)}", about="leaked-key")
        for key, way in ways
        if way is not None
    ]


def _too(seen: rstuf.Status, key: rstuf.KeyStatus) -> str:
    """Which keys go with an online key because root does not name them; nothing of one that people have."""
    strays = [escape(each.name) for each in seen.keys if each.stray] if _is_online(key) else []
    return f"; what takes it out takes out {listed(strays)}, too" if strays else ""


def _by_root(key: rstuf.KeyStatus) -> bool:
    """Whether a key leaked, and root lists it."""
    return any(role in _OF_ROOT for role in key.leaked_in)


def _is_online(key: rstuf.KeyStatus) -> bool:
    return bool({"snapshot", "timestamp"} & set(key.leaked_in))


def _way(seen: rstuf.Status, key: rstuf.KeyStatus) -> str | None:
    """The command that takes a key out; None where something does that waits, or it need not go."""
    if not (key.leaked_in or key.stray):
        return None
    if _is_of_delegates(seen, key):
        return out_of_delegation(seen, key)
    if _takers(seen, key):
        return None
    name = escape(key.name)
    if _by_root(key):
        if not _is_online(key) and any(
            role.keyids == (key.keyid,) for role in seen.roles if role.name in key.leaked_in
        ):
            # Nothing can do without a key before it has another.
            return f"rstuf recover root-key {name} --leaked --to NEW"
        return f"rstuf recover online-key {name} --leaked" if _is_online(key) else out_of_people(seen, key)
    if key.leaked_in and _is_handed_on(seen, key):
        return f"rstuf recover online-key {name} --leaked"
    if key.stray:
        return _way_without_strays(seen).command
    if seen.rotation is not None and seen.rotation.new != key.keyid and not _signs_on(seen, key):
        # What ends it, once that is due, is a step of its own.
        return None if seen.rotation.is_over(seen.now) or seen.events else _RENEW
    return f"rstuf recover online-key {name} --leaked"


def _is_of_delegates(seen: rstuf.Status, key: rstuf.KeyStatus) -> bool:
    """Whether a key leaked with which a person signs roles below targets, and which signs nothing else."""
    if not key.leaked_in or _by_root(key) or key.stray or key.online or _is_handed_on(seen, key):
        return False
    return any(role.kind == _DELEGATED and key.keyid in role.keyids for role in seen.roles)


def _is_handed_on(seen: rstuf.Status, key: rstuf.KeyStatus) -> bool:
    """Whether targets that wait for another reason than other delegations let a key sign something."""
    handed = [view for view in _usable(seen, "targets") if view.event.kind is not rstuf.EventKind.DELEGATION]
    return any(view.lists(key.keyid) for view in handed)


def _way_without_strays(seen: rstuf.Status) -> Step:
    """What takes out keys that sign bins and that root does not name; where these would go to one that is lost, first
    another must come in its place."""
    named = next((role.keyids for role in seen.roles if role.name == "timestamp"), ())
    for key in seen.keys:
        if key.keyid in named and key.lost and key.fault is not None:
            name = escape(key.name)
            why = f"; they would go to {name}, which is lost: another key first takes its place"
            return Step(f"rstuf recover online-key {name} --lost", why, about="stray-key")
    return Step(_RENEW, "", about="stray-key")


def _takers(seen: rstuf.Status, key: rstuf.KeyStatus) -> list[rstuf.EventView]:
    """What waits without which the key stays, and with which it goes: of root, or else of roles that delegate to it.

    A delegate's key may sign several roles, and goes out of one after the other.
    """
    if not (key.leaked_in or key.stray):
        return []
    if _is_of_delegates(seen, key):
        return [view for view in seen.events if is_usable(view) and view.out_of(key.keyid)]
    if _goes_with_root(seen, key):
        return [view for view in _usable(seen, "root") if view.event.kind in ROTATING]
    roles = {"root"} if _by_root(key) else {"targets", *_delegating_to(seen, key)}
    views = [view for role in sorted(roles) for view in _usable(seen, role) if not view.lists(key.keyid)]
    return [view for view in views if view.event.kind != rstuf.EventKind.ROTATION or not _signs_on(seen, key)]


def _goes_with_root(seen: rstuf.Status, key: rstuf.KeyStatus) -> bool:
    """Whether the root that a rotation waits for takes a key out which it does not name itself: right after it, all is
    signed anew without that key, and no person signs any of what lists it."""
    if seen.rotation is None or seen.rotation.root_version is not None or _by_root(key) or key.keyid not in seen.going:
        return False
    online = {*seen.going, *next((role.keyids for role in seen.roles if role.name == "timestamp"), ())}
    delegating = [role for role in seen.roles if role.name in _delegating_to(seen, key)]
    return all(len(online.intersection(role.keyids)) >= role.threshold for role in delegating)


def _signs_on(seen: rstuf.Status, key: rstuf.KeyStatus) -> bool:
    """Whether a key leaked that goes in good order: it signs until clients know the new one, unless it goes at once."""
    rotation = seen.rotation
    if rotation is None or rotation.old != key.keyid or not key.leaked_in:
        return False
    return rotation.kind is rstuf.RotationKind.PLANNED and not rotation.is_over(seen.now)


def _delegating_to(seen: rstuf.Status, key: rstuf.KeyStatus) -> set[str]:
    """The roles that let a key sign something below them."""
    return {role.parent for role in seen.roles if role.parent is not None and key.keyid in role.keyids}


def _usable(seen: rstuf.Status, role: str) -> list[rstuf.EventView]:
    """What waits of a role, and can still come out."""
    return [view for view in seen.events if is_usable(view) and any(part.role == role for part in view.event.parts)]

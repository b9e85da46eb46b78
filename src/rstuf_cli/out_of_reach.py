"""Roles of which so many keys are lost that nobody can sign them any more."""

from __future__ import annotations

from collections.abc import Iterator

import rstuf
from rstuf_cli.console import escape
from rstuf_cli.steps import Step
from rstuf_cli.turns import is_usable
from rstuf_cli.wording import listed, number


def steps_of_lost_roles(seen: rstuf.Status) -> list[Step]:
    """What lets others sign such a role; of root, what says how it can go on: nothing helps but to find the keys.

    What waits and does that already is told as that.
    """
    beyond = {role.name for role in seen.roles if role.beyond is not None}
    # What a role delegates is said by a new version of it: first it has to have one.
    return [step for role in seen.roles if role.parent not in beyond for step in _steps_of(seen, role)]


def lost_in_words(seen: rstuf.Status) -> str | None:
    """`vendor cannot be signed`, at a glance; None where every role can."""
    names = [escape(role.name) for role in seen.roles if role.beyond is not None]
    return f"{listed(names)} cannot be signed" if names else None


def _steps_of(seen: rstuf.Status, role: rstuf.RoleStatus) -> Iterator[Step]:
    beyond = role.beyond
    if beyond is None:
        return
    called, name = {key.keyid: escape(key.name) for key in seen.keys}, escape(role.name)
    lost = listed([called.get(keyid, keyid[:12]) for keyid in beyond.lost])
    why = (
        f"{lost} {'is' if len(beyond.lost) == 1 else 'are'} lost, and {number(beyond.left)} of the "
        f"{number(role.threshold)} keys that must sign {name} {'is' if beyond.left == 1 else 'are'} left"
    )
    if role.name == "root":
        then = "no root can come out any more; clients stop once this one expires, unless one is found"
        yield Step(beyond.way, f"{why}: {then}", by=role.expires, about="root-keys-lost")
        return
    before = _first(seen, role)
    if before is not None and _lets_others(seen, before, role):
        return
    once = "" if before is None else f"; once {before.event.name} is out, which it would drop"
    told = f"{why}: nobody can sign it, and clients refuse it once it expires; lets others sign it{once}"
    yield Step(beyond.way, told, by=role.expires, about="keys-lost")


def _first(seen: rstuf.Status, role: rstuf.RoleStatus) -> rstuf.EventView | None:
    """What waits and can come out, of those who say who signs a role: to say that anew drops it."""
    says = "root" if role.parent is None else role.parent
    views = (view for view in seen.events if is_usable(view) and view.beyond is None)
    return next((view for view in views if any(part.role == says for part in view.event.parts)), None)


def _lets_others(seen: rstuf.Status, view: rstuf.EventView, role: rstuf.RoleStatus) -> bool:
    """Whether the role can be signed once it is out: enough of those who may then are left."""
    lost = {key.keyid for key in seen.keys if key.gone}
    return any(
        name == role.name and len({*keyids} - lost) >= part.needs.get(name, 1)
        for part in view.parts
        for name, keyids in part.lists.items()
    )

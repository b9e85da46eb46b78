"""What takes a key out of a role; and what waits that this would drop: then one comes after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import rstuf
from rstuf_cli.console import escape
from rstuf_cli.steps import Step


def goes_before(
    views: Iterable[rstuf.EventView], role: str, parent: str, *, gone: Collection[str]
) -> rstuf.EventView | None:
    """What waits that takes a key out of another role, and that taking one out of this role would drop.

    Both would change what the same role says: one comes after the other, so that no signature is lost.

    Args:
        parent: that delegates to the role.
        gone: the ids of keys that must go.
    """
    for view in views:
        elsewhere = any(other != role for keyid in gone for other in view.out_of(keyid))
        if is_usable(view) and elsewhere and any(part.role in {role, parent} for part in view.event.parts):
            return view
    return None


def is_usable(view: rstuf.EventView) -> bool:
    """Whether what waits can still come out."""
    return not view.is_void and not view.leaks


def out_of_delegation(seen: rstuf.Status, key: rstuf.KeyStatus) -> str | None:
    """The command that takes a key out of a role that nothing takes it out of, nor must come after what waits.

    The first that can do without it, else the first; None where there is none such.
    """
    ways = list[tuple[int, str]]()
    well = [each for each in seen.keys if not (each.leaked_in or each.lost)]
    for role, before in roles_listing(seen, key):
        if before is None:
            others = [each.name for each in well if each.keyid in role.keyids]
            signers = [*others, *["NEW"] * (role.threshold - len(others))]
            words = " ".join(f"--signer {escape(each)}" for each in signers)
            ways.append((signers.count("NEW"), f"rstuf delegation update {escape(role.name)} {words}"))
    return min(ways, key=lambda way: way[0] > 0, default=(0, None))[1]


def out_of_people(seen: rstuf.Status, key: rstuf.KeyStatus) -> str:
    """The command that takes a key out of what people sign, with whatever lets the roles hold together without it.

    Who is lost holds none together.
    """
    name, gone = escape(key.name), {each.keyid for each in seen.keys if each.gone}
    roles = [role for role in seen.roles if role.name in key.leaked_in]
    left = {role.name: len({*role.keyids} - gone - {key.keyid}) for role in roles}
    short = {role.name: left[role.name] for role in roles if left[role.name] < role.threshold}
    if "targets" not in short:
        # Whoever is let in has to sign nothing before it.
        return f"rstuf {f'recover root-key {name} --leaked --to NEW' if short else f'key revoke {name} --leaked'}"
    if not short["targets"]:
        return "rstuf root update --role targets --add NEW"
    of_root = f" --threshold {short['root']}" if short.get("root") else ""
    return f"rstuf key revoke {name} --leaked{of_root} --targets-threshold {short['targets']}"


def steps_in_turn_of(seen: rstuf.Status, key: rstuf.KeyStatus) -> Iterator[Step]:
    """What takes a key out of roles once what waits is out, which proposing it now would drop."""
    name = escape(key.name)
    for role, before in roles_listing(seen, key):
        if before is not None:
            why = f"{name} leaked, and may sign {escape(role.name)} yet; once {before.event.name} is out, which it"
            yield Step(f"rstuf key revoke {name} --leaked", f"{why} would drop", about="leaked-key")


def roles_listing(
    seen: rstuf.Status, key: rstuf.KeyStatus
) -> Iterator[tuple[rstuf.RoleStatus, rstuf.EventView | None]]:
    """The delegated roles that list a key and that nothing takes it out of, each with what must be out before that."""
    gone = [each.keyid for each in seen.keys if each.leaked_in]
    views = [view for view in seen.events if is_usable(view)]
    for role in seen.roles:
        if role.kind != rstuf.RoleKind.DELEGATED or role.parent is None or key.keyid not in role.keyids:
            continue
        if not any(role.name in view.out_of(key.keyid) for view in views):
            yield role, goes_before(views, role.name, role.parent, gone=gone)

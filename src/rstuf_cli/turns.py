"""What waits and what would drop it: one of two changes to what the same role says comes after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import rstuf


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

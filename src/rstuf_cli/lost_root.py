"""Root keys that are lost, so many that nobody can sign a root any more."""

from __future__ import annotations

import rstuf
from rstuf_cli.console import escape
from rstuf_cli.steps import Step
from rstuf_cli.wording import listed, number


def steps_of_lost_root(seen: rstuf.Status) -> list[Step]:
    """What says how it can go on; nothing helps but to find the keys."""
    if not seen.root_lost:
        return []
    root = next(role for role in seen.roles if role.name == "root")
    left = len(root.keyids) - len(seen.root_lost)
    names = listed([escape(name) for name in seen.root_lost])
    why = (
        f"{names} {'is' if len(seen.root_lost) == 1 else 'are'} lost, and {number(left)} of the "
        f"{number(root.threshold)} keys that must sign root {'is' if left == 1 else 'are'} left: no root can come out "
        "any more; clients stop once this one expires, unless one is found"
    )
    return [Step("rstuf recover root-keys", why, by=root.expires, about="root-keys-lost")]

"""How a repository is, in a word or two."""

from __future__ import annotations

import rstuf
from rstuf_cli.console import Style
from rstuf_cli.out_of_reach import lost_in_words


def health_in_words(seen: rstuf.Status) -> tuple[str, Style]:
    """How it is at a glance, and how that is shown."""
    if seen.old_copy is not None:
        return "behind what is published", Style.BAD
    if seen.health == rstuf.Health.DAMAGED:
        return "damaged", Style.BAD
    if seen.health == rstuf.Health.OVERDUE:
        return "refused by clients" if seen.unsigned_targets else "expired", Style.BAD
    if any(key.leaked_in for key in seen.keys):
        return "somebody else may sign", Style.BAD
    if (lost := lost_in_words(seen)) is not None:
        return lost, Style.BAD
    return ("time to renew", Style.WARN) if seen.health == rstuf.Health.DUE else ("healthy", Style.GOOD)

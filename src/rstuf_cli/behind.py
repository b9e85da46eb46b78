"""What to do where something newer is published than the state knows: that comes before whatever else waits."""

from __future__ import annotations

from collections.abc import Sequence

import rstuf
from rstuf_cli.commands.status import next_steps
from rstuf_cli.must_go import is_of_thief
from rstuf_cli.steps import Step


def first_of(repository: rstuf.Repository, steps: Sequence[Step]) -> list[Step]:
    """What `status` says there; else `steps`, which are about events: none of these could come out before that."""
    if repository.waiting_ceremony() is not None:
        return list(steps)
    seen = repository.status()
    behind = seen.old_copy is not None and not is_of_thief(seen)
    return next_steps(seen) if behind else list(steps)

"""What a role is to list once other delegations are in force: found by looking at each artifact that comes once."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from rstuf.state.handovers import COMING
from rstuf.state.schema import migrate


def test_each_artifact_that_comes_is_looked_up_by_its_path() -> None:
    """Not by a walk through all slots of the role that gives it: that is one look at everything for each that moves."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        migrate(database, found=0)
        where = {"holder": 1, "space": 1, "low": 0, "high": 9, "number": 1}
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {COMING}", where)]
    _, coming = plan[: plan.index("UNION ALL")], plan[plan.index("UNION ALL") :]
    (found,) = [each for each in coming if each.startswith("SEARCH artifact")]
    assert "holder=? AND slot=? AND path=?" in found

"""What a prune does to an engine under test, and what must be there of its files whatever was pruned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from tests.support.engine import Engine
from tuf.api.metadata import SuccinctRoles

from rstuf.model.superseded import Retention
from rstuf.repository.prune import PruneReport, plan_prune, prune
from rstuf.repository.publish import publish

NOTHING = Retention(publications=1, days=0)
"""The policy that keeps nothing but what is visible."""


def prune_as_planned(engine: Engine, retention: Retention | None = None) -> PruneReport:
    """Prune, and see that exactly what a dry run said is gone."""
    plan = plan_prune(engine.ports, retention=retention)
    before = dict(engine.metadata.files)
    report = prune(engine.ports, retention=retention)
    gone = {name: len(data) for name, data in before.items() if name not in engine.metadata.files}
    assert {file.name: file.length for file in plan.files} == gone
    assert (report.removed, report.length) == (len(plan.files), plan.length)
    assert (report.left, report.kept) == (plan.left, plan.kept)
    return report


def reachable_names(engine: Engine) -> set[str]:
    """Every file of an engine that a client may ask for now."""
    return reachable_in(engine.metadata.files)


def reachable_in(files: Mapping[str, bytes]) -> set[str]:
    """The names that a client may ask for now, roots and all: read off the files, as a client would."""
    names = {"timestamp.json", *(name for name in files if name.endswith(".root.json"))}
    snapshot = f"{orjson.loads(files['timestamp.json'])['signed']['meta']['snapshot.json']['version']}.snapshot.json"
    listed = orjson.loads(files[snapshot])["signed"]["meta"]
    return names | {snapshot} | {f"{listed[f'{name}.json']['version']}.{name}.json" for name in _roles(files, listed)}


def _roles(files: Mapping[str, bytes], listed: Mapping[str, Any]) -> set[str]:
    """targets, and every role that it or one below it delegates to."""
    found, left = set[str](), ["targets"]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        file = f"{listed[f'{name}.json']['version']}.{name}.json"
        delegations = orjson.loads(files[file])["signed"].get("delegations", {})
        left += [role["name"] for role in delegations.get("roles", ())]
        if (bins := delegations.get("succinct_roles")) is not None:
            succinct = SuccinctRoles.from_dict(dict(bins))
            # A bin delegates no further.
            found.update(succinct.get_roles())
    return found


def unknown_files(engine: Engine) -> set[str]:
    """Files that lie there, that no client needs, and that the state has not noted: nothing would ever remove them."""
    state = engine.ports.state
    with state.read() as reader:
        names = {role.id: role.name for role in reader.roles()}
        rows = reader._connection.execute("SELECT role, version FROM superseded_file").fetchall()  # type: ignore[attr-defined]
    noted = {f"{version}.{names[role]}.json" for role, version in rows}
    return set(engine.metadata.files) - reachable_names(engine) - noted


def publish_often(engine: Engine, times: int, **apart: int) -> None:
    """Publish another edition of `a.txt` so often; `apart` is how much time passes after each."""
    for number in range(times):
        engine.add("a.txt", b"edition %d of %d" % (number, len(engine.metadata.files)))
        publish(engine.ports)
        engine.moved_on(**apart)

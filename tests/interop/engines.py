"""Delegations at random, made by the engine as its commands make them: clients get what rstuf delegation why says.

Artifacts are there before, so that they move as delegations come; roles are split into bins, and some delegations go.
What the engine refuses is left out, whatever it is.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.interop.clients import GO_TUF, RunningClient
from tests.interop.graphs import Graph, draw
from tests.interop.serving import Places
from tests.support.engine import START, Engine, plan_document

from rstuf.clock import SystemClock
from rstuf.errors import RstufError
from rstuf.model.names import RoleName, TargetPath
from rstuf.repository.authority import load_authority
from rstuf.repository.client_guard import excluded, shape_of
from rstuf.repository.delegating import DelegationPlan, bring_proposal, propose_addition, propose_removal
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.visits import way_to


@dataclass
class Tally:
    """What came out.

    Attributes:
        changes: delegations that came or went, and roles that were split; `refused` others were not let in.
        artifacts: that were published, each by the role that is said to list it; `kept_out` others have no place.
        downloads: by all clients that can read a repository, each verified.
        misread: artifacts that go-tuf does not find where it is known to misread hash prefixes.
    """

    repositories: int = 0
    changes: int = 0
    refused: int = 0
    artifacts: int = 0
    kept_out: int = 0
    downloads: int = 0
    misread: int = 0
    failures: list[str] = field(default_factory=list)


def play(clients: Sequence[RunningClient], places: Places, url: str, scratch: Path, *, seed: int, tally: Tally) -> None:
    """One repository."""
    random = Random(seed)
    graph, layout = draw(random), random.choice(("succinct", "succinct", "flat", "classic"))
    engine = _founded(scratch / "engine", layout)
    _change(engine, graph, random, tally)
    _write(engine, scratch / "site")
    places.metadata, places.artifacts = scratch / "site" / "metadata", scratch / "site" / "targets"
    where = f"seed {seed}, {layout}"
    _compare_roles(engine, where, tally)
    with engine.ports.state.read() as reader:
        unable = excluded(shape_of(reader, load_authority(reader, engine.ports.metadata)))
    asked = [path for path in graph.paths if path not in engine.contents]
    for client in clients:
        memory = scratch / client.kind.name
        paths = [*engine.contents, *asked]
        root = places.metadata / "1.root.json"
        said = client.session(url, root=root, memory=memory, paths=paths, download=True)
        digests = {path: hashlib.sha256(data).hexdigest() for path, data in engine.contents.items()}
        wrong = [f"{path}: {each}" for path, each in said.answers.items() if each.bytes != digests.get(path)]
        wrong += [said.error] if said.error is not None else []
        if client.kind == GO_TUF and GO_TUF.name in unable:
            tally.misread += len(wrong)
            continue
        tally.downloads += len(engine.contents)
        tally.failures += [f"{where}: {client.kind.name}: {each}" for each in wrong]
    engine.ports.state.close()
    tally.repositories += 1
    for each in scratch.iterdir():
        shutil.rmtree(each)


def _founded(place: Path, layout: str) -> Engine:
    bins: dict[str, Any] = {"layout": layout} if layout == "flat" else {"layout": layout, "count": 4}
    engine = Engine.new(place, document={**plan_document(), "bins": bins})
    engine.clock.advance(SystemClock().now() - START)
    engine.ceremony()
    engine.make_key("tara")
    return engine


def _change(engine: Engine, graph: Graph, random: Random, tally: Tally) -> None:
    """Let artifacts and delegations come, and some of them go."""
    kept = {path for path in graph.paths if _add(engine, path)}
    publish(engine.ports)
    wanted = [(parent, each) for parent, below in graph.delegations.items() for each in below if each.paths]
    online = list[RoleName]()
    for parent, each in wanted:
        signers = ("tara",) if random.random() < 0.3 else ()
        with _Refusable(tally):
            plan = DelegationPlan(
                name=each.name,
                paths=each.paths,
                parent=RoleName(parent),
                terminating=each.terminating,
                signers=signers,
            )
            bring_proposal(engine.ports, propose_addition(engine.ports, plan))
            # Where people sign a role, they sign first that it gets bins; that is no matter of clients.
            online += [] if signers else [each.name]
    for name in random.sample([each.name for _, each in wanted], k=len(wanted) // 4):
        with _Refusable(tally):
            if name in online and random.random() < 0.5:
                resize_bins(engine.ports, random.choice((2, 4)), role=name)
            else:
                bring_proposal(engine.ports, propose_removal(engine.ports, name))
    kept |= {path for path in graph.paths if path not in kept and _add(engine, path)}
    for path in random.sample(sorted(kept), k=len(kept) // 4):
        _add(engine, path, again=True)
    publish(engine.ports)
    tally.kept_out += len(graph.paths) - len(kept)


class _Refusable:
    """A change that the engine may refuse."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        self._tally.changes += error is None
        self._tally.refused += isinstance(error, RstufError)
        return isinstance(error, RstufError)


def _add(engine: Engine, path: str, *, again: bool = False) -> bool:
    before = engine.contents.get(path)
    try:
        engine.add(path, f"{path}{' again' if again else ''}".encode())
    except RstufError:
        if before is None:
            engine.contents.pop(path, None)
        return False
    return True


def _compare_roles(engine: Engine, where: str, tally: Tally) -> None:
    """Each artifact is listed by the role that has to list it."""
    listed: dict[str, list[str]] = {}
    files = engine.metadata.files
    entry = json.loads(files["timestamp.json"])["signed"]["meta"]["snapshot.json"]
    for name, each in json.loads(files[f"{entry['version']}.snapshot.json"])["signed"]["meta"].items():
        role = name.removesuffix(".json")
        with engine.ports.state.read() as reader:
            is_used = reader.role(RoleName(role)).visible == each["version"]
        signed = json.loads(files[f"{each['version']}.{name}"])["signed"] if is_used else {}
        for path in signed.get("targets", ()):
            listed.setdefault(path, []).append(role)
    for path in engine.contents:
        tally.artifacts += 1
        role = way_to(engine.ports, TargetPath(path)).last.role
        if role not in listed.get(path, ()):
            tally.failures.append(f"{where}: {path} is to be in {role}, and is in {listed.get(path)}")


def _write(engine: Engine, place: Path) -> None:
    for base, files in (("metadata", engine.metadata.files), ("targets", engine.artifacts.files)):
        for name, data in files.items():
            file = place / base / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

"""What must be true of a workspace after something went wrong: clients decide."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.crash.operations import FOREIGN, Bins, Digests, Trust, View, digest
from tests.crash.worlds import World
from tests.support.clients import Client, NotListed, Site
from tests.support.clients import View as Versions


@dataclass(frozen=True, slots=True)
class Failure:
    """A client that could not do its work, and why."""

    client: str
    error: Exception


class Judge:
    """A fresh client and those that remember earlier instants of a world; all go on with what they see."""

    def __init__(self, world: World, place: Path) -> None:
        """Clients at the start of `world`; `place` is the judge's own directory and is emptied."""
        shutil.rmtree(place, ignore_errors=True)
        self._world, self._place = world, place
        self._memories = {f"client from instant {index}": memory for index, memory in enumerate(world.memories)}
        self._versions: dict[str, Versions] = {}
        self._count = 0

    def add_memory(self, name: str, memory: Path) -> None:
        """One more client that remembers."""
        self._memories[name] = memory

    def look(
        self,
        site: Site,
        allowed: Sequence[View | None],
        when: str,
        *,
        shift: float,
        excused: Callable[[Failure], bool] = lambda failure: False,
    ) -> list[str]:
        """All clients visit the site; what is wrong.

        Args:
            allowed: what they may find; None allows that nothing is published.
            when: words for the report.
            shift: seconds that their clocks are ahead.
            excused: which failures are not counted as wrong.
        """
        root = self._world.root or _read(site, "1.root.json")
        if _read(site, "timestamp.json") is None:
            return [] if None in allowed else [f"L2 {when}: there is no timestamp.json"]
        if root is None:
            return [f"L2 {when}: there is a timestamp and no root"]
        self._count += 1
        now = datetime.now(UTC) + timedelta(seconds=shift)
        fresh = "fresh client"
        wrong = []
        for name, memory in {**self._memories, fresh: None}.items():
            place = self._place / f"{self._count}-{name.replace(' ', '-')}"
            if memory is not None:
                shutil.copytree(memory, place, symlinks=True)
            client = Client(place, site, root=root, now=now)
            wrong += [f"{found} ({name}, {when})" for found in self._visit(name, client, allowed, excused)]
            # The first fresh one comes back, with what it remembers.
            self._memories[name if name != fresh else f"client since {when}"] = place
        return wrong

    def _visit(
        self, name: str, client: Client, allowed: Sequence[View | None], excused: Callable[[Failure], bool]
    ) -> list[str]:
        wrong = []
        try:
            versions = client.refresh()
            client.walk()
            found = View(self._contents(client), self._trust(client))
        except Exception as error:  # whatever a client stumbles over is what we look for
            return [] if excused(Failure(name, error)) else [f"L2: {type(error).__name__}: {error}"]
        if found not in allowed:
            wrong.append(_difference(found, allowed))
        if name in self._versions and (back := versions.older_than(self._versions[name])):
            wrong.append(f"L3: {', '.join(back)} went back")
        self._versions[name] = versions
        return wrong

    def _trust(self, client: Client) -> Trust | None:
        """Whom a client trusts, where that is looked at."""
        if not self._world.operation.trusts:
            return None
        signers = client.signers()
        bins, online = signers.bins, signers.online
        return Trust(signers.root, Bins.ALIKE if bins == online else Bins.MORE if bins > online else Bins.OTHERS)

    def _contents(self, client: Client) -> Digests:
        """What a client finds of all paths that this world knows, downloaded and verified where contents are here."""
        found = {}
        for path in {**self._world.before.artifacts, **self._world.after.later().artifacts}:
            if path in FOREIGN:
                target = client.find(path)
                if target is not None:
                    found[path] = target.hashes["sha256"]
                continue
            try:
                found[path] = digest(client.download(path))
            except NotListed:
                continue
        return found


def _read(site: Site, name: str) -> bytes | None:
    try:
        return site(name)
    except FileNotFoundError:
        return None


def _difference(found: View, allowed: Sequence[View | None]) -> str:
    """What keeps `found` from being the last of the states that are allowed."""
    last = next((view for view in reversed(allowed) if view is not None), View({}))
    has, wanted = found.artifacts, last.artifacts
    kinds = {
        "missing": sorted(wanted.keys() - has.keys()),
        "still there": sorted(has.keys() - wanted.keys()),
        "other bytes": sorted(path for path in wanted.keys() & has.keys() if wanted[path] != has[path]),
    }
    shown = "; ".join(f"{what}: {', '.join(paths[:4])}" for what, paths in kinds.items() if paths)
    if found.trust != last.trust:
        shown = f"{shown}; {_in_words(found.trust)} and not {_in_words(last.trust)}"
    return f"L1: neither the old nor the new state: {shown}"


def _in_words(trust: Trust | None) -> str:
    return "any trust" if trust is None else f"root v{trust.root} with bins {trust.bins.name}"

"""Several repositories behind web servers, each with keys of its own, and somebody who trusts all of them.

with towns(tmp_path) as town: ...
town.publish("a", {"app": b"..."})          # what a signs from now on
town.find(entry("abc", 2), paths=["app"])   # a map of one mapping: a, b and c, two of whom must agree
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.servers import Site, serving
from tests.support.tuf_repo import NOW, Keys, Repo, flat

from rstuf.client.consensus import Finding
from rstuf.client.destination import destination_in
from rstuf.client.download import Existing
from rstuf.client.map_file import checked_map
from rstuf.client.mapped import MappedClient, MappedDownload
from rstuf.client.mirrored import LeftOut
from rstuf.client.store import TrustStore
from rstuf.clock import ManualClock
from rstuf.model.maps import MapEntry, RepositoryMap, map_pattern
from rstuf.model.names import target_path, trust_name

GOOD, EVIL = b"good\n" * 100, b"evil\n" * 100
NAMES = ("a", "b", "c")


@dataclass
class Town:
    """Repositories, their servers, and somebody who trusts all of them."""

    store: TrustStore
    clock: ManualClock
    here: Path
    repos: dict[str, Repo] = field(default_factory=dict)
    sites: dict[str, Site] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    told: list[LeftOut] = field(default_factory=list)

    def publish(
        self, name: str, artifacts: Mapping[str, bytes], *, make: Callable[..., Repo] = flat, **how: Any
    ) -> None:
        """A repository of its own keys that signs these artifacts; it is trusted from the first time on."""
        repo = make(artifacts=artifacts, root=Keys(f"root-{name}"), online=Keys(f"online-{name}"), **how)
        self.repos[name] = repo
        self.sites.setdefault(name, Site()).files = Site.of(repo.files, repo.contents).files
        self.store.add(trust_name(name), self.urls[name], root=repo.trusted)

    def settle(self, name: str) -> None:
        """Serve a repository as it is now."""
        self.sites[name].files = Site.of(self.repos[name].files, self.repos[name].contents).files

    def say(self, name: str, hashes: Mapping[str, str]) -> None:
        """Let a repository sign these hashes of app."""
        repo = self.repos[name]
        repo.edit("targets", lambda signed: signed["targets"]["app"].update(hashes=dict(hashes)))
        repo.resettle()
        self.settle(name)

    def chart(self, *entries: MapEntry, **urls: Sequence[str]) -> RepositoryMap:
        repositories = {name: tuple(urls.get(name, (self.urls[name],))) for name in {*self.repos, *urls}}
        return checked_map(RepositoryMap(repositories, entries), what="map.json")

    def find(self, *entries: MapEntry, paths: Sequence[str] = ("app",), **urls: Sequence[str]) -> list[Finding]:
        chart = self.chart(*entries, **urls)
        with MappedClient(self.store, chart, left_out=self.told.append) as client:
            return list(client.look_up([target_path(path) for path in paths]))

    def get(
        self, *entries: MapEntry, path: str = "app", existing: Existing = Existing.KEEP, **urls: Sequence[str]
    ) -> MappedDownload:
        chart = self.chart(*entries, **urls)
        with MappedClient(self.store, chart, left_out=self.told.append) as client:
            (finding,) = client.look_up([target_path(path)])
            return client.save(finding, destination_in(self.here, finding.path), existing=existing)

    def asked(self) -> str:
        """Who was asked anything."""
        return "".join(name for name in NAMES if self.sites[name].asked)


@contextmanager
def towns(directory: Path) -> Iterator[Town]:
    """Three servers, and nothing on them."""
    clock = ManualClock(NOW)
    town = Town(TrustStore(directory / "trust", clock=clock), clock, directory / "here")
    town.here.mkdir()
    with ExitStack() as stack:
        for name in NAMES:
            town.sites[name] = Site()
            town.urls[name] = stack.enter_context(serving(town.sites[name]))
        yield town


def entry(names: str, threshold: int, *paths: str, terminating: bool = True) -> MapEntry:
    return MapEntry(tuple(map(map_pattern, paths or ("*",))), tuple(names), threshold, terminating)


def agreed(finding: Finding) -> str:
    return "".join(each.repository for each in finding.agreed)

"""A repository behind a web server, and somebody who trusts it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.servers import Site, serving
from tests.support.towns import GOOD, NAMES, Town, towns
from tests.support.tuf_repo import NOW, Repo, succinct

from rstuf.client.destination import destination_in
from rstuf.client.download import Download, Existing
from rstuf.client.reader import Look
from rstuf.client.records import Trusted
from rstuf.client.store import TrustStore
from rstuf.clock import ManualClock
from rstuf.model.names import target_path, trust_name

NAME = trust_name("acme")
CONTENT = bytes(range(256)) * 40
FILES = {"app.bin": CONTENT, "docs/read me.txt": b"read me\n", "empty": b""}


@dataclass
class World:
    """A repository, its server, and a client's store; all of them live."""

    repo: Repo
    site: Site
    url: str
    store: TrustStore
    clock: ManualClock
    here: Path

    def settle(self) -> None:
        """Serve the repository as it is now."""
        self.site.files.clear()
        self.site.files.update(Site.of(self.repo.files, self.repo.contents).files)

    def trust(self) -> Trusted:
        """Pin its first root."""
        return self.store.add(NAME, self.url, root=self.repo.trusted)

    def look(self, *paths: str) -> Look:
        """What is in force, and what is signed of these paths."""
        with self.store.client(NAME) as client:
            return client.look_up([target_path(path) for path in paths])

    def get(self, path: str = "app.bin", *, existing: Existing = Existing.KEEP) -> Download:
        """Download into `here`."""
        with self.store.client(NAME) as client:
            (offer,) = client.look_up([target_path(path)]).offers
            return client.save(offer, destination_in(self.here, offer.path), existing=existing)

    def served(self, path: str) -> str:
        """The name under which a content is served."""
        (name,) = [name for name in self.site.files if name.startswith("targets/") and name.endswith(f".{path}")]
        return name


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A repository of three files in four bins, trusted from its first root."""
    repo = succinct(bits=2, artifacts=FILES)
    site, clock = Site.of(repo.files, repo.contents), ManualClock(NOW)
    here = tmp_path / "here"
    here.mkdir()
    with serving(site) as url:
        world = World(repo, site, url, TrustStore(tmp_path / "trust", clock=clock), clock, here)
        world.trust()
        yield world


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Town]:
    """Three servers, and nothing on them."""
    with towns(tmp_path) as town:
        yield town


@pytest.fixture
def town(bare: Town) -> Town:
    """a, b and c all sign the same content."""
    for name in NAMES:
        bare.publish(name, {"app": GOOD, f"{name}.txt": b"own\n"})
    return bare

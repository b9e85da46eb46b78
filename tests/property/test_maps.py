"""Whatever repositories say, a map finds what stock clients of each of them find, put together as TAP 4 says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.clients import Client as StockClient
from tests.support.servers import Site
from tests.support.towns import EVIL, GOOD, NAMES, Town, entry, towns
from tests.support.tuf_repo import NOW
from tuf.api.exceptions import DownloadError, RepositoryError

from rstuf.errors import ArtifactNotFound, NotAgreed, TooFewReached
from rstuf.model.maps import MapEntry


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Three servers, and nothing on them."""
    with towns(tmp_path) as town:
        yield town


_PATHS = ("app", "lib/x")
# What a repository may say of a path; None where it does not sign it.
_CONTENTS = st.sampled_from([GOOD, GOOD, EVIL, None])
_STATES = st.sampled_from(["well", "well", "well", "down", "changed"])
_WORLD = st.fixed_dictionaries(
    {name: st.tuples(_STATES, st.fixed_dictionaries(dict.fromkeys(_PATHS, _CONTENTS))) for name in NAMES}
)
_ENTRY = st.permutations(NAMES).flatmap(
    lambda names: st.integers(1, 3).flatmap(
        lambda count: st.builds(
            lambda threshold, pattern, terminating: entry(
                "".join(names[:count]), threshold, pattern, terminating=terminating
            ),
            st.integers(1, count),
            st.sampled_from(["*", "app", "lib/*", "*x"]),
            st.booleans(),
        )
    )
)


def _by_stock_clients(town: Town, place: Path, entries: Sequence[MapEntry], path: str) -> bytes | None:
    """What TAP 4 comes to, where each repository is asked by a stock client: the digest, or None."""
    for each in entries:
        if not any(fnmatch(path, pattern) for pattern in each.paths):
            continue
        heard: list[tuple[int, str]] = []
        for name in each.repositories:
            shutil.rmtree(place, ignore_errors=True)
            site = town.sites[name]

            def fetch(asked: str, site: Site = site) -> bytes:
                if None in site.manners or asked not in site.files:
                    raise FileNotFoundError(asked)
                return site.files[asked]

            client = StockClient.fresh(place, fetch, root=town.repos[name].trusted, now=NOW)
            try:
                client.refresh()
                found = client.find(path)
            except (RepositoryError, DownloadError):
                continue
            if found is not None:
                heard.append((found.length, found.hashes["sha256"]))
                if heard.count(heard[-1]) >= each.threshold:
                    return bytes.fromhex(heard[-1][1])
        if each.terminating:
            return None
    return None


@given(world=_WORLD, entries=st.lists(_ENTRY, min_size=1, max_size=3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stock_clients_and_tap_4_come_to_the_same(
    town: Town, tmp_path: Path, world: Mapping[str, tuple[str, Mapping[str, bytes | None]]], entries: list[MapEntry]
) -> None:
    """Whatever repositories say and are: found is what stock clients of each of them, put together by the TAP, find."""
    for name, (state, contents) in world.items():
        town.publish(name, {path: content for path, content in contents.items() if content is not None})
        shutil.rmtree(town.store.directory / name / "metadata", ignore_errors=True)
        (town.store.directory / name / "metadata").mkdir()
        (town.store.directory / name / "memory.json").unlink(missing_ok=True)
        town.sites[name].manners = {None: lambda asked: asked.send(500)} if state == "down" else {}
        if state == "changed":
            town.sites[name].files["timestamp.json"] += b" x"
    for path in _PATHS:
        wanted = _by_stock_clients(town, tmp_path / "stock", entries, path)
        try:
            (finding,) = town.find(*entries, paths=[path])
        except (NotAgreed, TooFewReached, ArtifactNotFound):
            found = None
        else:
            found = bytes.fromhex(finding.offer.hashes["sha256"])
        assert found == wanted

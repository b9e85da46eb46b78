"""Whatever is published, a stock client finds exactly that."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.clients import Client
from tests.support.engine import Engine, plan_document
from tests.support.paths import is_path

from rstuf.model.names import path_key, target_path
from rstuf.repository.publish import publish

# A client writes downloads under the path's quoted form, whose segments its own file system limits.
LONGEST = 60


paths = st.one_of(
    st.text(alphabet="abcXYZ019-_.+~@: /'\"!&=,;()[]{}$^*<>|", min_size=1, max_size=LONGEST),
    st.text(min_size=1, max_size=12),
).filter(is_path)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine.live(tmp_path_factory.mktemp("engine"), document=plan_document(bins=16))


@given(st.dictionaries(paths, st.binary(max_size=40), min_size=1, max_size=8), paths)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_client_finds_exactly_what_is_published(
    engine: Engine, tmp_path: Path, contents: dict[str, bytes], other: str
) -> None:
    """Each path of the grammar is found with its bytes, nothing else is found, and removed ones are gone."""
    wanted = {path_key(target_path(path)): path for path in contents}
    for path in wanted.values():
        engine.add(path, contents[path])
    publish(engine.ports)
    client = Client.fresh(tmp_path / "client", engine.site(), root=engine.root(), now=engine.clock.now())
    client.refresh()
    for path in wanted.values():
        assert client.download(path) == contents[path]
    if other not in wanted.values():
        assert client.find(other) is None
    for path in wanted.values():
        engine.remove(path)
    publish(engine.ports)
    client.refresh()
    assert all(client.find(path) is None for path in wanted.values())

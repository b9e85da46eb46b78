"""An engine after its ceremony."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.engine import Engine, plan_document

from rstuf.repository.publish import publish


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine.live(tmp_path / "repository")


@pytest.fixture
def by_people(tmp_path: Path) -> Engine:
    """Where two people sign targets, one of them is enough; a key is here that may become the online key."""
    document = plan_document(targets={"signers": ["one", "two"], "threshold": 1, "expires": "365d"})
    engine = Engine.live(tmp_path / "repository", document=document)
    engine.add("a.txt", b"first")
    publish(engine.ports)
    engine.make_key("online-2")
    return engine

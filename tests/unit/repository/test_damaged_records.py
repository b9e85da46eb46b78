"""The state's own copy of what says who may sign is damaged: what is published stands in for it, if it is right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.engine import Engine, check_client, plan_document

from rstuf.errors import StateDamaged
from rstuf.model.names import TARGETS
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.reports import Health
from rstuf.repository.repository import Repository
from rstuf.repository.status import look

_DAMAGES = {
    "gone": "DELETE FROM delegator",
    "other": "UPDATE delegator SET data = x'7b7d'",
    "of another version": "UPDATE delegator SET version = version + 7",
}
_FILE = "1.targets.json"
_each_act = pytest.mark.parametrize("act", [publish, renew, lambda ports: renew(ports, force=["timestamp", "root"])])


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A repository whose targets only people sign, who are away, and with a change that waits."""
    document = plan_document(targets={"expires": "365d", "threshold": 1, "signers": ["one"]})
    engine = Engine.live(tmp_path / "repository", document=document)
    engine.add("a.txt", b"one")
    return engine


def tampered(engine: Engine, statement: str, *values: object) -> None:
    """Change the state behind rstuf's back."""
    with engine.ports.state.transaction(actor="test") as state:
        state._connection.execute(statement, values)  # type: ignore[attr-defined]


@_each_act
@pytest.mark.parametrize("damage", sorted(_DAMAGES))
def test_what_is_published_is_recorded_again(
    engine: Engine, tmp_path: Path, damage: str, act: Callable[..., object]
) -> None:
    """Its signers are not needed, the report and the log say so, and another look finds nothing wrong."""
    original = engine.metadata.files[_FILE]
    tampered(engine, _DAMAGES[damage])
    assert look(engine.ports).health is Health.HEALTHY
    engine.keys.away = set() if act not in {publish, renew} else {"one", "two"}
    report = act(engine.ports)
    assert getattr(report, "publication", report).recorded == (_FILE,)
    with engine.ports.state.read() as reader:
        assert reader.delegator(TARGETS, 1) == original == engine.metadata.files[_FILE]
        assert ("state.restore", {"files": [_FILE]}) in [(entry.action, entry.details) for entry in reader.audit()]
    again = publish(engine.ports)
    assert again.recorded == ()
    check_client(engine, tmp_path / "client")
    if damage != "of another version":
        assert Repository(engine.ports).verify().problems == ()


def other_targets(engine: Engine, key: str) -> bytes:
    """Targets with something else in it, signed by a key of the repository."""
    signed = json.loads(engine.metadata.files[_FILE])["signed"] | {"expires": "2031-01-01T00:00:00Z"}
    made = engine.keys.made[key]
    payload = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    signature = {"keyid": made.entry.keyid, "sig": made.signer.sign(payload)}
    return json.dumps({"signatures": [signature], "signed": signed}).encode()


@_each_act
@pytest.mark.parametrize("there", ["nothing", "torn", "other"])
def test_what_is_not_what_was_published_is_not_believed(engine: Engine, there: str, act: Callable[..., object]) -> None:
    """Neither a file that is missing or damaged, nor another one that is rightly signed."""
    original = engine.metadata.files[_FILE]
    tampered(engine, _DAMAGES["gone"])
    if there == "nothing":
        engine.metadata.remove(_FILE)
    else:
        engine.metadata.show(_FILE, original[:-9] if there == "torn" else other_targets(engine, "one"))
    before = dict(engine.metadata.files)
    with pytest.raises(StateDamaged, match="targets"):
        act(engine.ports)
    with pytest.raises(StateDamaged, match="targets"):
        look(engine.ports)
    assert dict(engine.metadata.files) == before


@_each_act
def test_a_hash_in_the_state_makes_nobody_a_signer(engine: Engine, act: Callable[..., object]) -> None:
    """A file that the state calls the published one, and that others than the keys of targets have signed."""
    forged = other_targets(engine, "online")
    engine.metadata.show(_FILE, forged)
    facts = (len(forged), hashlib.sha256(forged).hexdigest())
    tampered(engine, "UPDATE role SET length = ?, sha256 = ? WHERE name = 'targets'", *facts)
    with pytest.raises(StateDamaged, match="targets"):
        act(engine.ports)

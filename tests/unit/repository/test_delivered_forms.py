"""What is accepted of a role that was made elsewhere can be read by all that comes after, in every form it may have."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.delegated import delegate
from tests.support.elsewhere import entry, said, signatures, signed_json
from tests.support.engine import Engine, check_client

from rstuf.errors import DeliveryRefused, RstufError
from rstuf.metadata.audit.findings import Code
from rstuf.metadata.brought_role import take_brought_apart
from rstuf.model.names import RoleName
from rstuf.repository.brought_roles import look_at_delivery
from rstuf.repository.deliveries import take_delivery
from rstuf.repository.publish import publish
from rstuf.repository.verify import Depth
from rstuf.repository.verify_own import verify_own

# They are served from elsewhere, here.
_CONTENTS = {Code.CONTENT_MISSING, Code.CONTENT_MISMATCH}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """team, signed by tara, which delegates to inner."""
    engine = Engine.live(tmp_path_factory.mktemp("forms") / "repository")
    engine.add("a.txt", b"first")
    publish(engine.ports)
    engine.make_key("tara")
    delegate(engine, "team", "team/*", "team/inner/*", signers=("tara",))
    delegate(engine, "inner", "team/inner/*", parent="team")
    engine.keys.away.add("tara")
    return engine


def good(engine: Engine) -> dict[str, Any]:
    """What the next version of team may say."""
    with engine.ports.state.read() as reader:
        role = reader.role(RoleName("team"))
    seen = json.loads(engine.metadata.files[f"{role.visible}.team.json"])["signed"]
    return said(engine, role.version + 1, {"team/a": b"a"}, delegations=seen["delegations"])


def accept(engine: Engine, data: bytes) -> None:
    """Accept a file; contents are served from elsewhere."""
    shown = look_at_delivery(engine.ports, take_brought_apart(data, name=RoleName("team"), file="team.json"))
    take_delivery(engine.ports, shown, elsewhere=True)


def sound(engine: Engine, directory: Path) -> None:
    """A stock client reads all of it, the audit finds nothing, and all that follows goes on."""
    check_client(engine, directory)
    problems = [each for each in verify_own(engine.ports, depth=Depth.FULL).problems if each.code not in _CONTENTS]
    assert problems == []
    publish(engine.ports)


def refused(engine: Engine, data: bytes, rule: str, directory: Path) -> DeliveryRefused:
    """A file that is refused for a rule, after which all goes on."""
    with pytest.raises(DeliveryRefused) as caught:
        accept(engine, data)
    assert caught.value.rule == rule
    sound(engine, directory)
    return caught.value


@pytest.mark.parametrize(
    ("field", "value"), [("terminating", 0), ("terminating", 1), ("threshold", True), ("threshold", 1.0)]
)
def test_delegations_that_python_takes_to_be_equal_are_others(
    engine: Engine, tmp_path: Path, field: str, value: object
) -> None:
    """1 is not true: whoever reads it later refuses it, and with it all that is published."""
    signed = copy.deepcopy(good(engine))
    signed["delegations"]["roles"][0][field] = value
    if isinstance(value, float):
        data = json.dumps({"signatures": [], "signed": signed}).encode()
        refused(engine, data, "form", tmp_path)
    else:
        refused(engine, signed_json(engine, signed, by=["tara"]), "delegations", tmp_path)


def test_null_is_not_the_same_as_nothing(engine: Engine, tmp_path: Path) -> None:
    """Stock clients fail at it; a role that does not delegate leaves the field out."""
    signed = {**good(engine), "delegations": None}
    assert "null" in refused(engine, signed_json(engine, signed, by=["tara"]), "delegations", tmp_path).message


def test_what_the_audit_refuses_is_refused_before(engine: Engine, tmp_path: Path) -> None:
    """Levels beyond what it reads, and signatures in upper case: else they would be found once they are out."""
    deep: list[Any] = []
    for _ in range(50):
        deep = [deep]
    data = signed_json(engine, {**good(engine), "x-deep": deep}, by=["tara"])
    assert "nested deeper" in refused(engine, data, "form", tmp_path).message
    signed = good(engine)
    (sig,) = signatures(engine, signed, by=["tara"])
    data = json.dumps({"signed": signed, "signatures": [{**sig, "sig": sig["sig"].upper()}]}).encode()
    assert "lower-case" in refused(engine, data, "form", tmp_path).message


NAMES = ["a", "x", "custom", "é", "paths", "delegations", "succinct_roles"]
PLAIN = [None, True, False, 0, 1, -1, 2, 2**53 - 1, "", "1", "team/*", "ab" * 32, "\u2028\x01é", [], {}]
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(PLAIN),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
    max_leaves=4,
)
FORMS: list[dict[str, Any]] = [{}, {"indent": 1}, {"separators": (",", ":"), "sort_keys": True}]


def places(value: object, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every value within a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, each in pairs for place in ((*way, key), *places(each, (*way, key)))]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_accepted_is_read_by_clients_and_the_audit(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever becomes of one value of a good file, or is put beside it: it is refused, or sound for everybody."""
    signed = copy.deepcopy(good(engine))
    signed["targets"]["team/b"] = {**entry(b"b"), "custom": {"by": ["vera", 1, True]}}
    *way, last = data.draw(st.sampled_from(places(signed)), label="place")
    parent: Any = signed
    for step in way:
        parent = parent[step]
    match data.draw(st.sampled_from(["change", "swap", "add", "leave out"]), label="what"):
        case "change":
            parent[last] = data.draw(VALUES, label="value")
        case "swap":
            parent[last] = _alike(parent[last])
        case "add" if isinstance(parent, dict):
            parent[data.draw(st.sampled_from(NAMES), label="name")] = data.draw(VALUES)
        case _:
            del parent[last]
    form = data.draw(st.sampled_from(FORMS))
    before = dict(engine.metadata.files)
    try:
        accept(engine, signed_json(engine, signed, by=["tara"], **form))
    except RstufError:
        assert engine.metadata.files == before
        with engine.ports.state.read() as reader:
            assert list(reader.open_events()) == []
        return
    sound(engine, tmp_path_factory.mktemp("client"))


def _alike(value: object) -> object:
    """Another value that Python takes to be equal, where there is one."""
    if isinstance(value, bool):
        return int(value)
    return bool(value) if isinstance(value, int) else 0

"""What lies around a publication: roles ahead of the state that nothing points to, and what should not be served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.audited import codes, copy_of, notes, said
from tests.support.delegated import delegated
from tests.support.engine import Engine

from rstuf.errors import StorageError
from rstuf.repository.interfaces import ServedEntry, ServedFault
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.repository import Repository


def signed_anew(engine: Engine, role: str, *, ahead: int, key: str = "online") -> str:
    """Put a further version of a role there, signed by a key of the repository; its file's name."""
    with engine.ports.state.read() as reader:
        state = next(each for each in reader.roles() if each.name == role)
    data = json.loads(engine.metadata.files[f"{state.visible}.{role}.json"])
    signed = data["signed"] | {"version": state.version + ahead}
    made = engine.keys.made[key]
    payload = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    signature = {"keyid": made.entry.keyid, "sig": made.signer.sign(payload)}
    name = f"{state.version + ahead}.{role}.json"
    engine.metadata.show(name, json.dumps({"signatures": [signature], "signed": signed}).encode())
    return name


class _Listing:
    """What lies there, for those who ask."""

    def __init__(self, *entries: ServedEntry) -> None:
        self._entries = entries

    def walk(self) -> Iterator[ServedEntry]:
        yield from self._entries


def test_a_delegated_role_ahead_of_the_state_is_told(tmp_path: Path) -> None:
    """One whose own keys signed it, or the online key; of one that left nobody asks."""
    engine = delegated(tmp_path)
    assert Repository(engine.ports).verify().ok
    for role, key in (("team", "tara"), ("ops", "online"), ("vendor-bins-1", "online")):
        name = signed_anew(engine, role, ahead=1, key=key)
        report = Repository(engine.ports).verify()
        assert [(problem.code, problem.role) for problem in report.problems] == [("state-behind", role)]
        engine.metadata.remove(name)
    signed_anew(engine, "team", ahead=1, key="online")
    signed_anew(engine, "gone", ahead=1)
    assert Repository(engine.ports).verify().ok


@pytest.mark.parametrize("ahead", [1, 4])
@pytest.mark.parametrize("role", ["bins-2", "targets"])
def test_a_role_ahead_of_the_state_is_told(engine: Engine, role: str, ahead: int) -> None:
    """A file that nothing points to yet, rightly signed: somebody else has the key, and works from another state."""
    assert Repository(engine.ports).verify().ok
    name = signed_anew(engine, role, ahead=ahead)
    report = Repository(engine.ports).verify()
    assert codes(report) == {"state-behind"}
    assert f"state-behind {role} -: {name} is rightly signed, and above every version" in said(report)


def test_a_role_far_ahead_is_told_where_files_are_listed(engine: Engine) -> None:
    """Further ahead than names are asked for, a listing shows it; it is believed of nothing but a name to look at."""
    name = signed_anew(engine, "bins-2", ahead=900)
    assert Repository(engine.ports).verify().ok
    entries = [
        ServedEntry(f"metadata/{each}", each, ()) for each in (name, "9.bins-1.json", "1.other.json", "x", "٣.a.json")
    ]
    listed = engine.with_ports(served=_Listing(*entries))
    report = Repository(listed.ports).verify()
    assert [problem.role for problem in report.problems] == ["bins-2"]
    assert report.checked["served"] == 5


@pytest.mark.parametrize("key", ["one", "two"])
def test_what_is_not_rightly_signed_is_nobody_ahead(engine: Engine, key: str) -> None:
    """Anybody who can write there can make such a name; the key of another role signs no bin."""
    signed_anew(engine, "bins-2", ahead=1, key=key)
    engine.metadata.show("99.bins-1.json", b"{}")
    engine.metadata.show("7.bins-1.json", engine.metadata.files["1.bins-1.json"])
    assert Repository(engine.ports).verify().ok


def test_a_publication_meanwhile_is_nobody_ahead(engine: Engine) -> None:
    """What this very state publishes while files are looked at is known to it by then."""
    read, left = engine.metadata.read, 3

    def meanwhile(name: str, *, limit: int) -> bytes:
        nonlocal left
        with engine.ports.state.read() as reader:
            ahead = any(
                name == f"{role.version + 1}.{role.name}.json" for role in reader.roles() if "bins" in role.name
            )
        if ahead and left:
            left -= 1
            renew(engine.ports, force=["bins"])
        return read(name, limit=limit)

    engine.metadata.read = meanwhile  # type: ignore[method-assign]
    report = Repository(engine.ports).verify()
    assert (left, said(report)) == (0, "")


def test_another_copy_of_the_state_that_was_stopped_is_told(made: Engine, tmp_path: Path) -> None:
    """A second copy began a publication here and was killed before its timestamp: its bins give it away."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    engine, other = copy_of(made, tmp_path / "one"), copy_of(made, tmp_path / "two")
    other.add("files/1.bin", b"from the other copy")
    publish(other.ports)
    for name, data in other.metadata.files.items():
        if ".bins-" in name:
            engine.metadata.show(name, data)
    assert codes(Repository(engine.ports).verify()) == {"state-behind"}


def test_what_should_not_be_served_is_told(engine: Engine) -> None:
    """Each by its code; what is only odd is a note."""
    faults = {fault: ServedEntry(f"targets/{fault.name}", None, (fault,)) for fault in ServedFault}
    report = Repository(engine.with_ports(served=_Listing(*faults.values())).ports).verify()
    assert codes(report) == {"served-private", "served-shared"}
    assert {"served-link", "served-not-listed"} <= notes(report)
    text = said(report) + json.dumps(report.facts["notes"])
    assert all(f"targets/{fault.name}" in text for fault in ServedFault)


class _Failing(_Listing):
    def walk(self) -> Iterator[ServedEntry]:
        yield ServedEntry("targets/x", None, (ServedFault.PRIVATE,))
        raise StorageError("look through", "targets", "the disk fails")


def test_a_listing_that_fails_ends_nothing(engine: Engine) -> None:
    """What was seen until then is told, and that the rest was not seen."""
    report = Repository(engine.with_ports(served=_Failing()).ports).verify()
    assert codes(report) == {"served-private"}
    assert "served-not-listed" in notes(report)

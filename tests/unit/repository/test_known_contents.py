"""Files that are added again: what is kept of them is mended, and what is said of them stays."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.engine import Engine, MemorySource
from tests.support.storages import stored

from rstuf.errors import (
    ArtifactConflict,
    InvalidInput,
    InvalidPath,
    InvalidRecord,
    LimitExceeded,
    PathRepeated,
    PathTwin,
)
from rstuf.metadata.fragments import row_of
from rstuf.model.artifacts import Artifact, ListedHash, slot_of
from rstuf.model.names import RoleName, target_path
from rstuf.repository import intake
from rstuf.repository.artifacts import add_artifacts, add_described, add_files, remove_artifacts
from rstuf.repository.checksums import read_checksums
from rstuf.repository.intake import Conflict
from rstuf.repository.publish import publish
from rstuf.repository.records import RecordFormat, read_records
from rstuf.repository.reports import AcceptedChange

BETA = {"channel": "beta"}


def bin_of(path: str) -> RoleName:
    """The one of four bins that a path is in."""
    return RoleName(f"bins-{slot_of(path) >> 30}")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A repository with two published artifacts."""
    engine = Engine.live(tmp_path)
    engine.add("a.txt", b"alpha")
    engine.add("d/b.bin", b"beta")
    publish(engine.ports)
    return engine


def add(
    engine: Engine, contents: Mapping[str, bytes], *, custom: Any = None, conflict: Conflict = Conflict.REFUSE
) -> AcceptedChange:
    sources = [MemorySource(target_path(path), data) for path, data in contents.items()]
    return add_files(engine.ports, sources, conflict=conflict, custom=custom)


def custom_of(engine: Engine, path: str) -> Any:
    with engine.ports.state.read() as reader:
        listed = reader.artifact(target_path(path))
    assert listed is not None
    return listed.artifact.custom


def actions(engine: Engine) -> list[tuple[str, Any]]:
    with engine.ports.state.read() as reader:
        return [(entry.action, entry.details) for entry in reader.audit()]


# --- what is kept ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [None, b"", b"alph", b"ALPHA", b"alpha and more"])
def test_adding_the_good_file_mends_what_is_kept(engine: Engine, damage: bytes | None) -> None:
    """A copy that is missing, cut short or has other bytes is whole afterwards; nothing else has changed."""
    name = stored("a.txt", b"alpha")
    if damage is None:
        engine.artifacts.remove(name)
    else:
        engine.artifacts.show(name, damage)
    before = len(actions(engine))
    change = add(engine, {"a.txt": b"alpha", "d/b.bin": b"beta"})
    assert change == AcceptedChange(number=0, unchanged=2, restored=1)
    assert engine.artifacts.files[name] == b"alpha"
    assert actions(engine)[before:] == [("artifacts.restore", {"restored": 1})]
    assert add(engine, {"a.txt": b"alpha"}) == AcceptedChange(number=0, unchanged=1)
    assert publish(engine.ports).published is False


def test_what_is_whole_is_not_touched(engine: Engine) -> None:
    """Adding what is there changes no file and writes no entry."""
    files, entries = dict(engine.artifacts.files), actions(engine)
    assert add(engine, {"a.txt": b"alpha"}).restored == 0
    assert (dict(engine.artifacts.files), actions(engine)) == (files, entries)


def test_a_new_record_mends_damage_under_its_name(engine: Engine) -> None:
    """An artifact that comes back finds its old copy damaged: that is mended, and told."""
    remove_artifacts(engine.ports, [target_path("a.txt")])
    publish(engine.ports)
    engine.artifacts.show(stored("a.txt", b"alpha"), b"damage")
    change = add(engine, {"a.txt": b"alpha", "new": b"new"})
    assert (change.added, change.restored, change.length) == (2, 1, 8)
    assert engine.artifacts.files[stored("a.txt", b"alpha")] == b"alpha"


def test_a_refused_batch_mends_nothing(engine: Engine) -> None:
    """All or nothing: with a conflict among them, not even damage is touched."""
    engine.artifacts.show(stored("a.txt", b"alpha"), b"damage")
    with pytest.raises(ArtifactConflict):
        add(engine, {"a.txt": b"alpha", "d/b.bin": b"another"})
    assert engine.artifacts.files[stored("a.txt", b"alpha")] == b"damage"


@pytest.mark.parametrize("paths", [("README", "readme"), ("readme", "README"), ("D/b.bin",), ("d/B.bin", "new")])
def test_twins_leave_no_contents(engine: Engine, paths: tuple[str, ...]) -> None:
    """Names that many file systems hold to be one are refused before any content is kept, in a batch and beside it."""
    files = dict(engine.artifacts.files)
    with pytest.raises(PathTwin):
        add(engine, {path: path.encode() for path in paths})
    assert engine.artifacts.files == files


def test_what_is_too_much_leaves_no_contents(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files whose metadata no client would read are refused before any content is kept, and nothing is recorded."""
    files, entries = dict(engine.artifacts.files), actions(engine)
    monkeypatch.setattr(intake, "TARGETS_PAYLOAD_BYTES", 2000)
    with pytest.raises(LimitExceeded):
        add(engine, {f"new/{index}": b"x" for index in range(100)})
    assert (dict(engine.artifacts.files), actions(engine)) == (files, entries)
    assert add(engine, {"new/1": b"x"}).number == 3


@pytest.mark.parametrize("conflict", Conflict)
def test_two_files_for_one_path_leave_no_contents(engine: Engine, conflict: Conflict) -> None:
    """Of two contents for one path none is chosen, and none is kept."""
    files = dict(engine.artifacts.files)
    sources = [MemorySource(target_path("new"), data) for data in (b"one", b"two")]
    with pytest.raises(PathRepeated, match="two different contents for new"):
        add_files(engine.ports, sources, conflict=conflict)
    assert engine.artifacts.files == files


def test_a_record_gets_its_content(engine: Engine) -> None:
    """A file whose record was imported without its content is kept once it is added."""
    artifact = Artifact(target_path("far"), 3, {"sha256": hashlib.sha256(b"far").hexdigest()})
    add_artifacts(engine.ports, [row_of(artifact)])
    unseen = frozenset({bin_of("far")})
    assert add(engine, {"far": b"far"}) == AcceptedChange(number=0, unchanged=1, restored=1, unseen=unseen)
    assert engine.artifacts.files[stored("far", b"far")] == b"far"


def test_the_same_file_twice_is_mended_once(engine: Engine) -> None:
    """A listing may name a file twice."""
    engine.artifacts.show(stored("a.txt", b"alpha"), b"damage")
    digest = hashlib.sha256(b"alpha").hexdigest()
    sources = [
        MemorySource(target_path("a.txt"), b"alpha", ListedHash("sha256", digest, "SHA256SUMS", line))
        for line in (1, 2)
    ]
    assert add_files(engine.ports, sources).restored == 1
    assert add_files(engine.ports, sources).restored == 0


def test_contents_elsewhere_are_nobodys_copies(engine: Engine) -> None:
    """Where no contents are kept, there is nothing to mend."""
    elsewhere = engine.with_ports(artifacts=None)
    engine.artifacts.remove(stored("a.txt", b"alpha"))
    assert add(elsewhere, {"a.txt": b"alpha"}) == AcceptedChange(number=0, unchanged=1)


# --- custom data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("conflict", Conflict)
@pytest.mark.parametrize("published", [True, False])
def test_custom_data_stay_beside_the_same_content(engine: Engine, conflict: Conflict, published: bool) -> None:
    """Adding the same file without a word about custom data is no change and keeps them."""
    add(engine, {"c": b"c"}, custom=BETA)
    if published:
        publish(engine.ports)
    unseen = frozenset() if published else frozenset({bin_of("c")})
    assert add(engine, {"c": b"c"}, conflict=conflict) == AcceptedChange(number=0, unchanged=1, unseen=unseen)
    assert custom_of(engine, "c") == BETA


@pytest.mark.parametrize("conflict", Conflict)
def test_custom_data_stay_beside_what_is_described(engine: Engine, conflict: Conflict) -> None:
    """Without its file too; a record of an import says all, and one without them is another one."""
    add(engine, {"c": b"c"}, custom=BETA)
    described = Artifact(target_path("c"), 1, {"sha256": hashlib.sha256(b"c").hexdigest()})
    again = add_described(engine.ports, described, conflict=conflict)
    assert again == AcceptedChange(number=0, unchanged=1, unseen=frozenset({bin_of("c")}))
    assert custom_of(engine, "c") == BETA
    with pytest.raises(ArtifactConflict):
        add_artifacts(engine.ports, [row_of(described)])
    assert add_artifacts(engine.ports, [row_of(described)], conflict=Conflict.REPLACE).replaced == 1
    assert add_described(engine.ports, replace(described, custom=BETA), conflict=Conflict.REPLACE).replaced == 1


def test_further_hashes_stay_beside_the_same_content(engine: Engine) -> None:
    """A file whose record has another hash beside ours is no other content; replacing brings what was computed."""
    both = {"sha256": hashlib.sha256(b"far").hexdigest(), "sha512": "0" * 128}
    add_artifacts(engine.ports, [row_of(Artifact(target_path("far"), 3, both, BETA))])
    unseen = frozenset({bin_of("far")})
    assert add(engine, {"far": b"far"}) == AcceptedChange(number=0, unchanged=1, restored=1, unseen=unseen)
    with pytest.raises(ArtifactConflict):
        add(engine, {"far": b"fax"})
    with pytest.raises(ArtifactConflict):
        add(engine, {"far": b"far"}, custom={})
    assert add(engine, {"far": b"far"}, conflict=Conflict.REPLACE).replaced == 1
    with engine.ports.state.read() as reader:
        listed = reader.artifact(target_path("far"))
    assert listed is not None
    assert (listed.artifact.hashes, listed.artifact.custom) == ({"sha256": both["sha256"]}, BETA)


def test_other_custom_data_are_a_replacement(engine: Engine) -> None:
    """Custom data that differ need to be meant, and the refusal says that it is they that differ."""
    add(engine, {"c": b"c"}, custom=BETA)
    with pytest.raises(ArtifactConflict) as caught:
        add(engine, {"c": b"c"}, custom={"channel": "stable"})
    assert caught.value.offered == caught.value.signed + " with other custom data or hashes"
    assert add(engine, {"c": b"c"}, custom={}, conflict=Conflict.REPLACE).replaced == 1
    assert custom_of(engine, "c") == {}
    assert add(engine, {"c": b"c"}, custom={}).unchanged == 1


def test_another_content_does_not_inherit_custom_data(engine: Engine) -> None:
    """What was said of one content is not said of the next."""
    add(engine, {"c": b"c"}, custom=BETA)
    add(engine, {"c": b"other"}, conflict=Conflict.REPLACE)
    assert custom_of(engine, "c") is None


def test_what_was_removed_leaves_no_custom_data(engine: Engine) -> None:
    """An artifact that is on its way out and comes back is a new one."""
    add(engine, {"c": b"c"}, custom=BETA)
    publish(engine.ports)
    remove_artifacts(engine.ports, [target_path("c")])
    assert add(engine, {"c": b"c"}).added == 1
    assert custom_of(engine, "c") is None


# --- what clients cannot do ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "quoted"),
    [
        ("x" * 190, None),
        ("d/" * 31 + "x" * 131, None),  # 31 * 4 + 131 = 255
        ("d/" * 31 + "x" * 132, 256),
        ("é" * 42 + "xxx", None),  # 42 * 6 + 3 = 255
        ("é" * 43, 258),
        ("a/" + "\U0001f600" * 20 + "xxxxxxxxxxx", None),  # 4 + 20 * 12 + 11 = 255
        ("a/" + "\U0001f600" * 21, 256),
        ("-._~" * 40, None),
    ],
)
def test_paths_that_clients_cannot_save(engine: Engine, path: str, quoted: int | None) -> None:
    """A path whose URL-quoted form is no file name is accepted, with a warning that says so."""
    change = add(engine, {path: b"x"})
    assert change.added == 1
    assert [(each.code, each.path) for each in change.warnings] == ([("long-file-name", path)] if quoted else [])
    assert not quoted or f"{quoted} bytes" in change.warnings[0].message


def test_warnings_are_not_without_end(engine: Engine) -> None:
    """The first are told, the others counted, of records too."""
    hashes = {"sha256": hashlib.sha256(b"").hexdigest()}
    rows = [row_of(Artifact(target_path(f"{'é' * 50}{index}"), 0, hashes)) for index in range(25)]
    change = add_artifacts(engine.ports, rows)
    assert (change.added, len(change.warnings), change.more_warnings) == (25, 20, 5)


# --- texts from Windows ----------------------------------------------------------------------------------

_HASH = hashlib.sha256(b"").hexdigest()
_TEXTS = {
    "ndjson": f'{{"path": "a", "length": 0, "hashes": {{"sha256": "{_HASH}"}}}}',
    "csv": f"a;0;sha256;{_HASH}",
    "sums": f"{_HASH}  a",
}


def read(form: str, data: bytes) -> list[str]:
    stream = io.BytesIO(data)
    if form == "sums":
        return [line.path for line in read_checksums(stream, source="it")]
    return [row.path for row in read_records(stream, form=RecordFormat(form), source="it")]


@pytest.mark.parametrize("form", _TEXTS)
def test_a_byte_order_mark_says_nothing(form: str) -> None:
    """U+FEFF at the start of a text is passed over, there alone and once; line ends may be Windows'."""
    text = _TEXTS[form]
    assert read(form, f"\ufeff{text}\r\n{text}\r\n".encode()) == ["a", "a"]
    assert read(form, "\ufeff\r\n".encode()) == []
    for wrong in (f"{text}\n\ufeff{text}\n", f"\ufeff\ufeff{text}\n"):
        with pytest.raises((InvalidRecord, InvalidPath)):
            read(form, wrong.encode())


@pytest.mark.parametrize("form", _TEXTS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_refused_by_name(form: str, encoding: str) -> None:
    """Text of another width is refused with what to do."""
    with pytest.raises(InvalidInput, match="it is UTF-16") as caught:
        read(form, _TEXTS[form].encode(encoding))
    assert "utf8" in (caught.value.hint or "")

"""Records that are refused only when they meet others: what is said of them names their lines."""

from __future__ import annotations

import io
from functools import partial

import pytest
from tests.support.engine import Engine

from rstuf.errors import ArtifactConflict, Lines, PathRepeated, PathTwin
from rstuf.repository.imports import import_records
from rstuf.repository.intake import Conflict
from rstuf.repository.records import RecordFormat
from rstuf.repository.reports import AcceptedChange
from rstuf.state import spool
from rstuf.state.spool import FileSpool


class Piped(io.BytesIO):
    """Bytes that come once."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError("a pipe")


def record(path: str, content: int = 1) -> str:
    return f'{{"path": "{path}", "length": {content}, "hashes": {{"sha256": "{content:064x}"}}}}\n'


def taken(engine: Engine, text: str, *, conflict: Conflict = Conflict.REFUSE, piped: bool = False) -> AcceptedChange:
    stream = Piped(text.encode()) if piped else io.BytesIO(text.encode())
    return import_records(engine.ports, stream, form=RecordFormat.NDJSON, source="it", conflict=conflict)


def paths(engine: Engine) -> list[str]:
    with engine.ports.state.read() as reader:
        return [each.artifact.path for each in reader.artifacts()]


def test_the_same_record_again_is_a_repeat(engine: Engine) -> None:
    """However often and however it is written, a record counts once, and its repeats are counted apart."""
    spaced = record("a").replace(": ", ":").replace(", ", " , ")
    change = taken(engine, record("a") + record("b") + spaced + record("a"))
    assert (change.added, change.unchanged, change.repeated) == (2, 0, 2)
    again = taken(engine, record("a") + record("a"))
    assert (again.number, again.added, again.unchanged, again.repeated) == (0, 0, 1, 1)


@pytest.mark.parametrize("conflict", Conflict)
@pytest.mark.parametrize("known", [False, True])
def test_two_contents_for_one_path_are_refused(engine: Engine, conflict: Conflict, known: bool) -> None:
    """Whether or not the path is here, and also where replacing is meant, both lines are named and nothing is taken."""
    if known:
        taken(engine, record("a", 1))
    text = record("b") + "\n" + record("a", 1) + record("c") + record("a", 1) + record("a", 2) + record("a", 3)
    before = paths(engine)
    with pytest.raises(PathRepeated) as refused:
        taken(engine, text, conflict=conflict)
    assert refused.value.lines == Lines("it", (3, 6))
    assert str(refused.value) == (
        "it, lines 3 and 6: two different contents for a: sha256 0000…01, 1 B, and sha256 0000…02, 2 B"
    )
    assert paths(engine) == before


def test_lines_are_found_among_many_records(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where records were sorted through the scratch file, and nobody has kept their order."""
    monkeypatch.setattr(spool, "FileSpool", partial(FileSpool, memory_bound=100_000))
    many = [record(f"p/{index}") for index in range(5000)]
    many[4321:4321] = [record("p/77", 2)]
    with pytest.raises(PathRepeated) as refused:
        taken(engine, "".join(many), conflict=Conflict.REPLACE)
    assert refused.value.lines == Lines("it", (78, 4322))


def test_a_conflict_with_what_is_here_names_its_line(engine: Engine) -> None:
    """Another content for a known path is refused with the first line that offers it."""
    taken(engine, record("a", 1))
    with pytest.raises(ArtifactConflict, match=r"^it, line 2: a is already here") as refused:
        taken(engine, record("b") + record("a", 2) + record("a", 2))
    assert refused.value.lines == Lines("it", (2,))
    assert paths(engine) == ["a"]


@pytest.mark.parametrize(("text", "lines"), [(["b", "A", "b"], (2,)), (["C", "b", "c"], (1, 3))])
def test_twins_name_their_lines(engine: Engine, text: list[str], lines: tuple[int, ...]) -> None:
    """Of two paths that many file systems hold to be one, those are named that stand in the import."""
    taken(engine, record("a", 1))
    with pytest.raises(PathTwin) as refused:
        taken(engine, "".join(map(record, text)))
    assert refused.value.lines == Lines("it", lines)


def test_a_pipe_is_named_alone(engine: Engine) -> None:
    """What cannot be read again has no lines, and still says which path it is and what differs."""
    with pytest.raises(PathRepeated) as refused:
        taken(engine, record("a", 1) + record("a", 2), piped=True)
    assert str(refused.value).startswith("it: two different contents for a: sha256 0000…01, 1 B, and ")
    assert refused.value.lines == Lines("it")

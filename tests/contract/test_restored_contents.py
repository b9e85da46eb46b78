"""What every artifact storage guarantees about contents whose kept copies were lost or damaged."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from tests.support.storages import ARTIFACTS, Artifacts

from rstuf.model.names import TargetPath, target_path
from rstuf.repository.interfaces import Kept

A = target_path("a.txt")
DEEP = target_path("dists/stable/b.bin")
GOOD = b"the good bytes"
DAMAGES = {"empty": b"", "cut": GOOD[:-1], "longer": GOOD + b"!", "flipped": b"the g00d bytes"}
BOTH = ("sha256", "sha512")


@pytest.fixture(params=sorted(ARTIFACTS))
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    """An empty storage of each kind."""
    made = ARTIFACTS[request.param](tmp_path / "targets")
    made.storage.prepare()
    return made


def name_of(path: TargetPath, data: bytes = GOOD, algorithm: str = "sha256") -> str:
    directories, slash, last = path.rpartition("/")
    return f"{directories}{slash}{hashlib.new(algorithm, data).hexdigest()}.{last}"


def restore(
    artifacts: Artifacts, *paths: TargetPath, data: bytes = GOOD, algorithms: tuple[str, ...] = ("sha256",)
) -> list[Kept]:
    """Offer the good bytes for each path; what was found."""
    with artifacts.storage.batch(algorithms) as batch:
        found = [batch.receive(path, io.BytesIO(data), lambda _: None).kept for path in paths]
        batch.commit()
    return found


def test_what_is_whole_stays(artifacts: Artifacts) -> None:
    """A content that has its hash is found whole, and kept."""
    assert restore(artifacts, A) == [Kept.MISSING]
    assert restore(artifacts, A) == [Kept.WHOLE]
    assert artifacts.visible() == {name_of(A): GOOD}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("path", [A, DEEP])
def test_damage_is_replaced_by_the_good_bytes(artifacts: Artifacts, damage: bytes, path: TargetPath) -> None:
    """Whatever bytes stand under a content's name without having its hash go when the good ones come."""
    artifacts.put(name_of(path), damage)
    assert restore(artifacts, path) == [Kept.DAMAGED]
    assert artifacts.visible() == {name_of(path): GOOD}
    assert restore(artifacts, path) == [Kept.WHOLE]


def test_nothing_is_replaced_before_the_commit(artifacts: Artifacts) -> None:
    """Looking changes nothing, and a batch that is left restores nothing."""
    artifacts.put(name_of(A), b"damage")
    with artifacts.storage.batch() as batch:
        assert batch.receive(A, io.BytesIO(GOOD), lambda _: None).kept is Kept.DAMAGED
        assert artifacts.visible() == {name_of(A): b"damage"}
    assert artifacts.visible() == {name_of(A): b"damage"}


def test_other_bytes_never_come_under_the_name(artifacts: Artifacts) -> None:
    """A second content of a path gets its own name."""
    artifacts.put(name_of(A), b"damage")
    with artifacts.storage.batch() as batch:
        assert batch.receive(A, io.BytesIO(GOOD), lambda _: None).kept is Kept.DAMAGED
        batch.receive(A, io.BytesIO(b"other"), lambda _: None)
        batch.commit()
    assert artifacts.visible() == {name_of(A): GOOD, name_of(A, b"other"): b"other"}


@pytest.mark.parametrize("broken", [("sha256",), ("sha512",), BOTH])
@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_each_name_of_a_content_is_looked_at(artifacts: Artifacts, broken: tuple[str, ...], how: str) -> None:
    """A content is whole only under all of its names, and those that are not become so."""
    for algorithm in BOTH:
        if algorithm not in broken:
            artifacts.put(name_of(A, algorithm=algorithm), GOOD)
        elif how == "damaged":
            artifacts.put(name_of(A, algorithm=algorithm), b"damage")
    assert restore(artifacts, A, algorithms=BOTH) == [Kept.DAMAGED if how == "damaged" else Kept.MISSING]
    assert artifacts.visible() == {name_of(A): GOOD, name_of(A, algorithm="sha512"): GOOD}


def test_damage_counts_more_than_absence(artifacts: Artifacts) -> None:
    """A content with one name damaged and one missing is damaged, and gets both."""
    artifacts.put(name_of(A, algorithm="sha512"), b"damage")
    assert restore(artifacts, A, algorithms=BOTH) == [Kept.DAMAGED]
    assert set(artifacts.visible().values()) == {GOOD}


def test_the_length_alone_is_not_believed(artifacts: Artifacts) -> None:
    """An empty content is whole when it is empty."""
    assert restore(artifacts, A, data=b"") == [Kept.MISSING]
    assert restore(artifacts, A, data=b"") == [Kept.WHOLE]
    artifacts.put(name_of(A, b""), b"x")
    assert restore(artifacts, A, data=b"") == [Kept.DAMAGED]


def test_what_is_whole_may_be_offered_twice(artifacts: Artifacts) -> None:
    """Both are let go of, and one stays."""
    restore(artifacts, A)
    assert restore(artifacts, A, A) == [Kept.WHOLE, Kept.WHOLE]
    assert artifacts.visible() == {name_of(A): GOOD}


@pytest.mark.parametrize("count", [33, 70])
def test_many_at_once(artifacts: Artifacts, count: int) -> None:
    """Whole, missing and damaged ones, more than are flushed one by one, all are whole in the end."""
    paths = [target_path(f"d{index % 7}/f{index}") for index in range(count)]
    for index, path in enumerate(paths):
        if index % 3:
            artifacts.put(name_of(path), GOOD if index % 3 == 1 else b"damage")
    wanted = [(Kept.MISSING, Kept.WHOLE, Kept.DAMAGED)[index % 3] for index in range(count)]
    assert restore(artifacts, *paths) == wanted
    assert artifacts.visible() == {name_of(path): GOOD for path in paths}

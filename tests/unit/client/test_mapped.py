"""Several repositories behind web servers, each judged by a stock client; what a map makes of it is TAP 4's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.towns import EVIL, GOOD, NAMES, Town, agreed, entry
from tests.support.tuf_repo import succinct

from rstuf.client.download import DownloadState
from rstuf.errors import (
    ArtifactNotFound,
    NotAgreed,
    RepositoryRefused,
    RstufError,
    StorageError,
    TooFewReached,
    TrustNotFound,
)
from rstuf.model.names import trust_name

TWO = entry("abc", 2)


# --- enough agree ----------------------------------------------------------------------------------------


def test_what_two_agree_on(town: Town) -> None:
    """The content is taken from one of them, and nobody is asked who need not be."""
    done = town.get(TWO)
    assert (town.here / "app").read_bytes() == GOOD
    assert (agreed(done.finding), done.source, done.download.state) == ("ab", "a", DownloadState.DOWNLOADED)
    assert (town.asked(), town.told) == ("ab", [])
    again = town.get(TWO)
    assert (again.source, again.download.state) == (None, DownloadState.PRESENT)


def test_each_is_verified_from_its_own_root(town: Town) -> None:
    """A server that has another repository's metadata, rightly signed, says nothing."""
    town.sites["a"].files = dict(town.sites["b"].files)
    (finding,) = town.find(TWO)
    assert agreed(finding) == "bc"
    (said,) = finding.said_besides
    assert (said.repository, type(said.problem)) == ("a", RepositoryRefused)


def _is_down(town: Town) -> None:
    town.urls["a"] = "http://127.0.0.1:1/"


def _has_expired(town: Town) -> None:
    town.repos["a"].edit("timestamp", lambda signed: signed.update(expires="2029-12-31T00:00:00Z"))
    town.settle("a")


def _lies(town: Town) -> None:
    town.publish("a", {"app": EVIL})


def _was_changed(town: Town) -> None:
    site = town.sites["a"]
    site.files["timestamp.json"] = site.files["timestamp.json"].replace(b'"version":1', b'"version":2')


def _goes_back(town: Town) -> None:
    old = town.sites["a"].files["timestamp.json"]
    town.repos["a"].release()
    town.settle("a")
    town.find(entry("a", 1))
    town.sites["a"].files["timestamp.json"] = old


def _does_not_sign(town: Town) -> None:
    town.publish("a", {"other": GOOD})


def _is_not_pinned(town: Town) -> None:
    town.store.remove(trust_name("a"))


def _was_damaged(town: Town) -> None:
    (town.store.directory / "a" / "root.json").write_bytes(b"{}")


def _has_weak_hashes(town: Town) -> None:
    town.say("a", {"md5": hashlib.md5(GOOD).hexdigest()})


FAULTS = [
    _is_down,
    _has_expired,
    _lies,
    _was_changed,
    _goes_back,
    _does_not_sign,
    _is_not_pinned,
    _was_damaged,
    _has_weak_hashes,
]


@pytest.mark.parametrize("fault", FAULTS)
def test_one_that_cannot_be_relied_on(fault: Callable[[Town], None], town: Town) -> None:
    """Two others agree: their content is taken, and what is wrong with the first is told."""
    fault(town)
    done = town.get(TWO)
    assert (agreed(done.finding), (town.here / "app").read_bytes()) == ("bc", GOOD)
    besides = {said.repository: said for said in done.finding.said_besides}
    assert besides.keys() == (set() if fault is _does_not_sign else {"a"})
    if fault is _lies:
        assert besides["a"].hashes == {"sha256": hashlib.sha256(EVIL).hexdigest()}
    elif besides:
        assert besides["a"].problem is not None


@pytest.mark.parametrize("fault", FAULTS)
def test_one_too_few(fault: Callable[[Town], None], town: Town) -> None:
    """All three are needed: nothing is taken, and it is said what each of them said."""
    fault(town)
    with pytest.raises(RstufError) as refused:
        town.get(entry("abc", 3))
    assert isinstance(refused.value, TooFewReached if fault is _is_down else NotAgreed)
    assert [said.repository for said in refused.value.said] == ["a", "b", "c"]
    assert list(town.here.iterdir()) == []


def test_a_root_that_is_not_pinned_is_asked_for(town: Town) -> None:
    """Where that is what is missing, the hint is how to pin it."""
    _is_not_pinned(town)
    with pytest.raises(NotAgreed) as refused:
        town.find(entry("ab", 2))
    assert isinstance(refused.value.said[0].problem, TrustNotFound)
    assert str(refused.value.hint).startswith("pin the root of a first: rstuf trust add a URL")


def test_nobody_signs_it(town: Town) -> None:
    """That is no alarm: there is no such artifact; nor is there one for which the map has no mapping."""
    with pytest.raises(ArtifactNotFound, match="nothing"):
        town.find(TWO, paths=["nothing"])
    with pytest.raises(ArtifactNotFound) as refused:
        town.find(entry("a", 1, "other"))
    assert "the map has no mapping for it" in str(refused.value.hint)


def test_all_are_down(town: Town) -> None:
    """That is the network, not an attack."""
    town.urls = dict.fromkeys(town.urls, "http://127.0.0.1:1/")
    with pytest.raises(TooFewReached):
        town.find(entry("a", 1))


def test_one_is_down_and_the_others_differ(town: Town) -> None:
    """Where somebody says otherwise, that is what counts."""
    _lies(town)
    town.urls["c"] = "http://127.0.0.1:1/"
    with pytest.raises(NotAgreed):
        town.find(TWO)


def test_one_repository_under_two_names(town: Town) -> None:
    """It is known by its roots, whichever of them was pinned and wherever it is: its word counts once."""
    town.repos["a"].rotate_root()
    town.settle("a")
    town.sites["b"].files = dict(town.sites["a"].files)
    town.store.remove(trust_name("b"))
    town.store.add(trust_name("b"), town.urls["b"], root=town.repos["a"].files["2.root.json"])
    (finding,) = town.find(TWO)
    assert agreed(finding) == "ac"
    (said,) = finding.said_besides
    assert (said.repository, said.twin) == ("b", "a")
    with pytest.raises(NotAgreed):
        town.find(entry("ab", 2))


# --- mappings --------------------------------------------------------------------------------------------


def test_a_mapping_that_is_not_terminating(town: Town) -> None:
    """The next one decides, and what the first one heard is told nevertheless."""
    _lies(town)
    (finding,) = town.find(entry("ab", 2, terminating=False), entry("c", 1))
    assert (agreed(finding), finding.rounds[-1].number) == ("c", 2)
    assert [said.repository for said in finding.said_besides] == ["a", "b"]
    with pytest.raises(NotAgreed):
        town.find(entry("ab", 2), entry("c", 1))


def test_nobody_hears_of_what_others_are_asked(town: Town) -> None:
    """A repository is asked for the paths that come to it, and for no others."""
    findings = town.find(entry("a", 1, "a.txt"), entry("b", 1), paths=["a.txt", "b.txt", "app"])
    assert [agreed(each) for each in findings] == ["a", "b", "b"]
    assert [name for name, _ in town.sites["a"].asked].count("timestamp.json") == 1
    assert [name for name, _ in town.sites["b"].asked].count("timestamp.json") == 1
    assert town.asked() == "ab"


def test_a_repository_that_is_down_is_not_asked_for_every_path(town: Town) -> None:
    """It is left out of all that follows."""
    town.sites["a"].manners[None] = lambda asked: asked.send(500)
    findings = town.find(TWO, paths=["app"])
    asked = len(town.sites["a"].asked)
    findings = town.find(TWO, entry("a", 1), paths=["app"])
    assert agreed(findings[0]) == "bc"
    assert len(town.sites["a"].asked) == 2 * asked


def test_one_path_that_cannot_be_judged(bare: Town) -> None:
    """A role below that is damaged keeps a repository from saying something of its paths, and of no others."""
    for name in NAMES:
        bare.publish(name, {f"{number}.bin": b"x" for number in range(8)}, make=succinct)
    broken = next(name for name in bare.sites["a"].files if name.endswith("bins-0.json"))
    bare.sites["a"].files[broken] = b"{}"
    findings = bare.find(TWO, paths=[f"{number}.bin" for number in range(8)])
    assert {agreed(each) for each in findings} == {"ab", "bc"}


# --- where repositories are ------------------------------------------------------------------------------


def test_mirrors_are_asked_in_their_order(town: Town) -> None:
    """Where one is down or wrong the next one is asked, and that is told; the root is the pinned one for all."""
    places = ["http://127.0.0.1:1/", town.urls["b"], town.urls["a"]]
    done = town.get(entry("a", 1), a=places)
    assert done.source == "a"
    assert [(str(each), type(each.error)) for each in town.told] == [
        (f"a at {places[0]}", StorageError),
        (f"a at {places[1]}", RepositoryRefused),
    ]


def test_what_is_wrong_with_mirrors_that_all_fail(town: Town) -> None:
    """Who answers wrongly is told of first."""
    with pytest.raises(NotAgreed) as refused:
        town.find(entry("a", 1), a=["http://127.0.0.1:1/", town.urls["b"]])
    assert isinstance(refused.value.said[0].problem, RepositoryRefused)
    assert [str(each) for each in town.told] == ["a at http://127.0.0.1:1/"]


def test_a_mirror_that_lacks_a_role(bare: Town) -> None:
    """What it cannot say of some paths the next one says; for all others the first one is enough."""
    bare.publish("a", {f"{number}.bin": b"x" for number in range(8)}, make=succinct)
    bare.sites["b"].files = dict(bare.sites["a"].files)
    del bare.sites["a"].files[next(name for name in bare.sites["a"].files if name.endswith("bins-0.json"))]
    paths = [f"{number}.bin" for number in range(8)]
    findings = bare.find(entry("a", 1), paths=paths, a=[bare.urls["a"], bare.urls["b"]])
    assert [agreed(each) for each in findings] == ["a"] * 8
    bins = [name for name, _ in bare.sites["b"].asked if "bins" in name]
    assert len(bins) == 1


def test_metadata_below_a_url(town: Town) -> None:
    """A URL may be that of `metadata/` and `targets/`, as for TAP 4's reference implementation."""
    repo, site = town.repos["a"], town.sites["a"]
    site.files = {f"metadata/{name}": data for name, data in repo.files.items()}
    site.files |= {f"targets/{name}": data for name, data in repo.contents.items()}
    assert town.get(entry("a", 1)).source == "a"


def test_contents_where_the_pin_says(town: Town, tmp_path: Path) -> None:
    """At the URL that was trusted contents are where they were said to be."""
    (tmp_path / "contents").mkdir()
    town.repos["a"].save(tmp_path / "unused", tmp_path / "contents")
    town.store.add(trust_name("a"), town.urls["a"], root=town.repos["a"].trusted, artifacts=str(tmp_path / "contents"))
    town.sites["a"].files = dict(town.repos["a"].files)
    assert town.get(entry("a", 1)).source == "a"

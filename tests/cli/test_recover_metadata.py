"""`rstuf recover metadata`: whatever is lost of metadata/ comes back, and clients of any age follow."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree
from tests.support.clients import Client, View, directory_site
from tests.support.person import ENTER, Person


class Clients:
    """A client that remembers what was published before, and fresh ones."""

    def __init__(self, place: Path, memory: Path) -> None:
        self._site = directory_site(place / "metadata", place / "targets")
        self._root = (place / "metadata" / "1.root.json").read_bytes()
        self._memory, self._count = memory, 0
        self.old = self.fresh()
        self.before = self.old.refresh()

    def fresh(self) -> Client:
        self._count += 1
        memory = self._memory / str(self._count)
        return Client.fresh(memory, self._site, root=self._root, now=datetime.now(UTC))

    def follow(self) -> View:
        """Both see everything, and the old one nothing older than before."""
        for client in (self.old, self.fresh()):
            view = client.refresh()
            client.walk()
            assert view.older_than(self.before) == []
        return view


@pytest.fixture
def clients(filled: Path, cli: Cli, tmp_path: Path) -> Clients:
    """Clients of a workspace with two roots."""
    assert cli("renew", "--force", "root").code == 0
    return Clients(filled, tmp_path / "clients")


def whole(cli: Cli) -> None:
    """Nothing is wrong with what is published."""
    verified = cli("verify", "--full")
    assert verified.code == 0, verified.out + verified.err


def test_the_whole_directory_is_lost(filled: Path, cli: Cli, clients: Clients) -> None:
    """Roots are the same bytes again, all else is far above, and a second run finds nothing to do."""
    roots = {path.name: path.read_bytes() for path in filled.glob("metadata/*.root.json")}
    shutil.rmtree(filled / "metadata")
    done = cli("recover", "metadata", "--yes", "--json")
    assert done.code == 0, done.err
    assert {path.name: path.read_bytes() for path in filled.glob("metadata/*.root.json")} == roots
    assert {"1.root.json", "2.root.json"} < set(done.document["restored"])
    assert done.document["missing_contents"] == 0
    assert {"snapshot", "timestamp"} < set(done.document["lost"])
    view = clients.follow()
    assert view.timestamp > 10_000
    assert min(view.roles[name] for name in view.roles if name.startswith("bins")) > 10_000
    assert clients.fresh().download("a.txt") == b"alpha\n"
    whole(cli)
    again = cli("recover", "metadata", "--yes", "--json")
    assert (again.code, again.document["lost"], again.document["published"]) == (0, [], False)


def test_half_of_the_bins_are_lost(filled: Path, cli: Cli, clients: Clients) -> None:
    """Those are signed again and no others; nothing had to be put back."""
    bins = sorted(filled.glob("metadata/*.bins-*.json"))
    for path in bins[::2]:
        path.unlink()
    done = cli("recover", "metadata", "--yes", "--json")
    assert done.code == 0, done.err
    assert "restored" not in done.document
    lost = set(done.document["lost"])
    assert lost
    assert all(name.startswith("bins-") for name in lost)
    view = clients.follow()
    assert {name for name, version in view.roles.items() if version > 10_000} == lost
    whole(cli)


def test_only_the_roots_are_lost(filled: Path, cli: Cli, clients: Clients) -> None:
    """They are put back, and nothing is signed."""
    for path in filled.glob("metadata/*.root.json"):
        path.unlink()
    done = cli("recover", "metadata", "--yes", "--json")
    assert done.code == 0, done.err
    assert done.document["restored"] == ["1.root.json", "2.root.json"]
    assert (done.document["published"], done.document["roles"]) == (False, [])
    assert clients.follow().timestamp == clients.before.timestamp
    whole(cli)


def test_what_was_pending_stays_pending(filled: Path, cli: Cli, clients: Clients, tmp_path: Path) -> None:
    """The directory is emptied while an artifact waits: clients see it after publish, not before."""
    (tmp_path / "late.txt").write_text("later")
    assert cli("artifact", "add", tmp_path / "late.txt", "--no-publish").code == 0
    for path in filled.glob("metadata/*.json"):
        path.unlink()
    done = cli("recover", "metadata", "--yes", "--json")
    assert (done.code, done.document["pending"]) == (0, 1), done.err
    assert "rstuf publish" in [step["command"] for step in done.document["next_steps"]]
    clients.follow()
    assert '"late.txt"' not in cli("artifact", "export").out
    assert cli("publish").code == 0
    clients.follow()
    assert clients.fresh().download("late.txt") == b"later"
    whole(cli)


def test_contents_that_are_lost_too_are_counted(filled: Path, cli: Cli, clients: Clients, tmp_path: Path) -> None:
    """The report says how many there are and which command brings them back; it does."""
    shutil.rmtree(filled / "metadata")
    shutil.rmtree(filled / "targets")
    done = cli("recover", "metadata", "--yes")
    assert done.code == 0, done.err
    assert "rstuf artifact add FILE" in done.out
    assert "2 contents missing" in done.out
    assert cli("artifact", "add", tmp_path / "files").code == 0
    clients.follow()
    whole(cli)


def test_without_the_online_key_it_says_what_is_back(filled: Path, cli: Cli, clients: Clients) -> None:
    """What was put back is told, and so is the command for a key that is gone; after it all comes back."""
    shutil.rmtree(filled / "metadata")
    (filled / "keys/online.key").unlink()
    refused = cli("recover", "metadata", "--yes")
    assert refused.code == 1
    assert "1.root.json, 2.root.json" in refused.err
    assert "rstuf recover online-key --lost" in refused.err
    cli("recover", "online-key", "--lost", "--unencrypted", "--yes")
    assert cli("recover", "metadata", "--yes").code == 0
    whole(cli)
    clients.follow()


def test_nobody_is_asked_only_with_yes(filled: Path, cli: Cli) -> None:
    """A script without --yes changes nothing."""
    shutil.rmtree(filled / "metadata")
    before = tree(filled)
    refused = cli("recover", "metadata")
    assert (refused.code, refused.out) == (2, "")
    assert tree(filled) == before


def test_a_person_is_asked(filled: Path) -> None:
    """Whoever says no changes nothing; y brings it back."""
    (filled / "metadata" / "timestamp.json").unlink()
    before = tree(filled)
    for answer, code in (("n", 2), ("y", 0)):
        with Person.running("recover", "metadata", cwd=filled) as person:
            person.sees("sign again what is lost of acme?")
            person.presses(answer, ENTER)
            assert person.ends() == code
        assert (tree(filled) == before) is (code == 2)


def test_another_repository_is_left_alone(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """A wrong mount is no loss: nothing is written into another repository's directory."""
    shutil.rmtree(filled / "metadata")
    assert cli("--repo", tmp_path / "other", "demo", tmp_path / "other").code == 0
    shutil.copytree(tmp_path / "other" / "metadata", filled / "metadata")
    before = tree(filled)
    refused = cli("recover", "metadata", "--yes")
    assert refused.code != 0
    assert "another repository" in refused.err
    assert tree(filled) == before


def test_both_recoveries_follow_each_other(filled: Path, cli: Cli, clients: Clients) -> None:
    """A state that was made anew brings lost metadata back as the old one did."""
    for path in filled.glob("state.db*"):
        path.unlink()
    assert cli("recover", "state", "--yes").code == 0
    shutil.rmtree(filled / "metadata")
    assert cli("recover", "metadata", "--yes").code == 0
    clients.follow()
    whole(cli)

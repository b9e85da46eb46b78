"""`rstuf sign`: what waits for keys that are here is shown, asked about, signed and published."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, as_person, opened

import rstuf
from rstuf.errors import InvalidInput
from rstuf_cli import prompts

Later = Callable[[timedelta], None]


def test_one_of_two_signs_and_the_other_is_named(waiting: Path, cli: Cli) -> None:
    """The key that is here signs; who is missing is told with the command for them, and the exit code says so."""
    done = cli("sign", "--yes")
    assert done.code == 4, done.err
    assert "✓ root-v2 is signed with alice\n" in done.out
    assert "! root v2 waits for 1 more signature (signed: alice; missing: bob or cleo)\n" in done.out
    assert "  rstuf bundle export root-v2 -o root-v2.rstuf\n      for bob or cleo\n" in done.out
    assert not (waiting / "metadata" / "2.root.json").exists()
    again = cli("sign")
    assert (again.code, again.err) == (4, "")
    assert "rstuf bundle export root-v2 -o root-v2.rstuf" in again.out


def test_the_last_signature_publishes(waiting: Path, tmp_path: Path, cli: Cli) -> None:
    """With the last key that is needed root comes out at once; after that nothing waits."""
    cli("sign", "root-v2", "--yes")
    (tmp_path / "bob" / "bob.key").rename(waiting / "keys" / "bob.key")
    done = cli("sign", "root", "--yes")
    assert done.code == 0, done.err
    assert "✓ root v2 has all its signatures, and is published\n" in done.out
    assert (waiting / "metadata" / "2.root.json").exists()
    nothing = cli("sign")
    assert (nothing.code, nothing.out, nothing.err) == (0, "nothing waits for a signature\n", "")
    assert cli("verify").code == 0


def test_a_person_is_shown_it_and_asked(waiting: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The screen of a review comes before the question, trust begins with the workspace, and no is no."""
    asked = as_person(monkeypatch, says=False)
    declined = cli("sign")
    assert declined.code == 1
    assert asked == ["Sign root-v2 with alice?"]
    assert "you trust    root v1, by this workspace" in declined.err
    assert "  code         " in declined.err
    assert "root-v2 was not signed\n" in declined.err
    assert cli("event", "show", "root-v2", "--json").document["signatures"] == []
    as_person(monkeypatch, says=True)
    assert "✓ root-v2 is signed with alice" in cli("sign").out


def test_keys_are_opened_after_the_question(team: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever says no is asked for no passphrase, and a key that stays closed signs nothing and is named."""
    (team / "secret").write_text("correct horse battery staple")
    (team / "secret").chmod(0o600)
    assert cli("key", "generate", "dora", "--passphrase-file", "secret").code == 0
    with opened(team) as repository:
        proposal = repository.events.propose(rstuf.RootUpdate(add=("dora",)))
        repository.events.open(proposal)
    as_person(monkeypatch, says=False)
    monkeypatch.setattr(prompts, "ask_hidden", pytest.fail)
    assert cli("sign", "--key", "dora").code == 1
    monkeypatch.setattr(prompts, "person_is_there", lambda: False)
    closed = cli("sign", "--key", "dora", "--yes")
    assert closed.code == 1
    assert "error: the key dora is encrypted and there is no passphrase for it" in closed.err
    assert "--passphrase-file dora=FILE" in closed.err
    assert cli("sign", "--key", "dora", "--yes", "--json").document["error"]["code"] == "passphrase-needed"
    done = cli("sign", "--key", "dora", "--yes", "--passphrase-file", "secret")
    assert (done.code, "✓ root-v2 is signed with dora\n" in done.out) == (4, True)


def test_nobody_to_ask(waiting: Path, cli: Cli) -> None:
    """Without a terminal the option that answers is named, and nothing is signed."""
    for argv in (["sign"], ["sign", "root-v2"], ["sign", "--json"]):
        done = cli(*argv)
        told = done.document["error"]["hint"] if "--json" in argv else done.err
        assert (done.code, "--yes says that it is meant" in told) == (2, True)
    assert cli("event", "show", "root-v2", "--json").document["signatures"] == []


def test_names_that_are_not_known(waiting: Path, cli: Cli) -> None:
    """An event that is not open and a key that nobody knows are refused with what there is."""
    unknown = cli("sign", "root-v3", "--yes")
    assert (unknown.code, unknown.err) == (1, "error: no signing event root-v3 is open\nhint:  open now: root-v2\n")
    nobody = cli("sign", "--key", "alise", "--yes")
    assert (nobody.code, nobody.err) == (1, "error: no key is called alise\nhint:  did you mean alice?\n")
    elsewhere_now = cli("sign", "--key", "bob", "--yes")
    assert (elsewhere_now.code, "bob.key: there is no such file" in elsewhere_now.err) == (1, True)
    no_signer_of_it = cli("sign", "--key", "online", "--yes")
    assert (no_signer_of_it.code, "it may not sign root-v2" in no_signer_of_it.err) == (1, True)


def test_one_after_the_other(team: Path, tmp_path: Path, cli: Cli) -> None:
    """All that waits is signed in one go, each with its own review, and each that is complete comes out."""
    (tmp_path / "bob" / "bob.key").rename(team / "keys" / "bob.key")
    with opened(team) as repository:
        update = rstuf.RootUpdate(role="targets", add=("alice",), remove=("online",))
        with pytest.raises(InvalidInput):
            repository.events.propose(update)
    assert cli("key", "generate", "dora", "--unencrypted").code == 0
    with opened(team) as repository:
        update = rstuf.RootUpdate(role="targets", add=("dora",), remove=("online",))
        views = repository.events.open(repository.events.propose(update))
    assert [view.event.name for view in views] == ["root-v2", "targets-v2"]
    done = cli("sign", "--yes", "--json")
    assert done.code == 0, done.out
    assert [review["event"] for review in done.document["reviews"]] == ["targets-v2", "root-v2"]
    assert [(each["event"], each["published"]) for each in done.document["completed"]] == [
        ("targets-v2", True),
        ("root-v2", True),
    ]
    assert done.document["events"] == []
    assert cli("verify").code == 0


def test_what_was_signed_is_remembered(waiting: Path, cli: Cli) -> None:
    """Another root v2, proposed after the first was dropped, is shown with a warning to whoever signed the first."""
    assert cli("sign", "--yes").code == 4
    assert "you signed another root" not in cli("sign", "--yes").err
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    with opened(waiting) as repository:
        repository.events.open(repository.events.propose(rstuf.RootUpdate(threshold=1)))
    done = cli("sign", "--yes")
    assert "! you signed another root v2 with " in done.err


def test_a_record_that_is_damaged_is_left_out(waiting: Path, tmp_path: Path, cli: Cli) -> None:
    """Signing in the workspace goes on without the signer's record, which is said, and the record stays as it is."""
    record = tmp_path / "record"
    assert cli("sign", "--yes", "--holder-dir", record).code == 4
    (kept,) = record.glob("*.json")
    kept.write_text("{}")
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    with opened(waiting) as repository:
        repository.events.open(repository.events.propose(rstuf.RootUpdate(threshold=1)))
    done = cli("sign", "--yes", "--holder-dir", record)
    assert "! your record of what you signed is left out: " in done.err
    assert "✓ root-v2 is signed with alice" in done.out
    assert kept.read_text() == "{}"


def test_a_renewal_that_waits_names_what_to_do(team: Path, cli: Cli, later: Later) -> None:
    """`rstuf renew` opens an event, signs it with the key that is here, and says how the others sign."""
    later(timedelta(days=300))
    done = cli("renew")
    assert done.code == 4
    assert "    it waits as root-v2: rstuf sign root-v2 where such a key is" in done.err
    assert "rstuf bundle export root-v2\n" in done.err
    document = cli("renew", "--json").document
    assert [each["event"] for each in document["waiting"]] == ["root-v2"]


def test_a_script_signs_what_its_code_stands_for(waiting: Path, cli: Cli) -> None:
    """The code that people compared, however it is written; another one, or one for all that waits, signs nothing."""
    code = cli("event", "show", "root-v2", "--json").document["code"]
    assert cli("sign", "--yes", "--code", code).code == 2
    other = cli("sign", "root-v2", "--yes", "--code", code[::-1])
    assert (other.code, code in other.err + other.out) == (3, False)
    assert cli("event", "show", "root-v2", "--json").document["signatures"] == []
    assert cli("sign", "root-v2", "--yes", "--code", code.lower().replace("-", " ")).code == 4
    assert len(cli("event", "show", "root-v2", "--json").document["signatures"]) == 1

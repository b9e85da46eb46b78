"""`rstuf key rotate`: another online key, made, let in by a new root, and followed by clients that notice nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree
from tests.cli.test_root import away, refreshed
from tests.support.person import ENTER, Person

from rstuf.clock import SystemClock

Later = Callable[[timedelta], None]


def keys_of(cli: Cli) -> dict[str, list[str]]:
    """What each key signs."""
    return {
        key["name"]: [role["name"] for role in key["roles"]] for key in cli("key", "list", "--json").document["keys"]
    }


def test_a_new_key_is_made_and_takes_the_place(filled: Path, cli: Cli, later: Later, tmp_path: Path) -> None:
    """One command makes it, signs its root and says until when both sign; renew ends it."""
    client = refreshed(filled, tmp_path)
    done = cli("key", "rotate", "online", "--yes")
    assert done.code == 0, done.err
    assert "✓ root v2 is signed and published" in done.out
    assert "root v2 names online-2 alone; both sign until 20" in done.out
    assert "rstuf renew" in done.out
    assert (filled / "keys/online-2.key").stat().st_mode & 0o777 == 0o600
    client.refresh()
    client.walk()
    later(timedelta(days=2))
    assert cli("renew").code == 0
    assert keys_of(cli)["online"] == []
    assert keys_of(cli)["online-2"] == ["targets", "snapshot", "timestamp", "bins"]
    (filled / "keys/online.key").unlink()
    assert "online    nothing any more" in cli("key", "list").out
    assert "not here" not in cli("status").out
    assert [each["code"] for each in cli("doctor", "--json").document["findings"]] == []
    assert cli("renew", "--force", "bins").code == 0
    at = client.copy(tmp_path / "later", now=SystemClock().now())
    at.refresh()
    at.walk()
    assert cli("verify").code == 0


def test_it_goes_on_where_it_stands(filled: Path, cli: Cli, later: Later) -> None:
    """Run again it makes no other key and is no error: it tells how far it is, and ends it once its time has come."""
    assert cli("key", "rotate", "online", "--yes").code == 0
    again = cli("key", "rotate", "online")
    assert again.code == 0, again.err
    assert "root v2 names online-2 alone" in again.out
    assert sorted(keys_of(cli)) == ["alice", "bob", "online", "online-2"]
    later(timedelta(days=2))
    ended = cli("key", "rotate", "online", "--json")
    assert (ended.code, ended.document["rotation"]) == (0, None)
    over = cli("key", "rotate", "online", "--yes")
    assert (over.code, "online is not an online key" in over.err) == (1, True)
    assert cli("key", "rotate", "online-2", "--yes").code == 0
    assert "online-3" in keys_of(cli)


def test_root_signers_who_are_away(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """Its root waits for them, both keys sign meanwhile, and whoever comes back goes on with the same command."""
    for name in ("alice", "bob"):
        away(filled, name, tmp_path)
    waits = cli("key", "rotate", "online", "--yes", "--json")
    assert waits.code == 4, waits.err
    assert [each["event"] for each in waits.document["waiting"]] == ["root-v2"]
    assert waits.document["rotation"]["new"]["name"] == "online-2"
    assert "both sign now" in cli("key", "rotate", "online").out
    refreshed(filled, tmp_path)
    shutil.move(tmp_path / "bob.key", filled / "keys/bob.key")
    unasked = cli("key", "rotate", "online")
    assert (unasked.code, "nobody to ask" in unasked.err) == (2, True)
    done = cli("key", "rotate", "online", "--yes")
    assert (done.code, "✓ root v2 is signed and published" in done.out) == (0, True)


def test_no_sign_asks_nobody(filled: Path, cli: Cli) -> None:
    """With --no-sign it begins without a question, and its root waits."""
    done = cli("key", "rotate", "online", "--no-sign")
    assert (done.code, "root v2 waits for 1 more signature" in done.out) == (4, True)


def test_a_person_sees_the_root_before_it_is_signed(filled: Path) -> None:
    """The review comes before the question; whoever says no leaves it waiting."""
    with Person.running("key", "rotate", "online", cwd=filled) as person:
        shown = person.sees("Sign root-v2 with the keys that are here?")
        person.presses(ENTER)
        assert person.ends() == 4
        assert '"online-2"' in person.scrolled + shown


def test_nobody_to_ask_makes_no_key(filled: Path, cli: Cli) -> None:
    """A script that did not say --yes or --no-sign finds everything as it was."""
    before = tree(filled)
    done = cli("key", "rotate", "online")
    assert (done.code, done.out) == (2, "")
    assert "--yes" in done.err
    assert "--no-sign" in done.err
    assert tree(filled) == before


def test_a_key_that_is_here_already(filled: Path, cli: Cli) -> None:
    """--to names it, and the same rotation goes on with or without saying so; another one is refused meanwhile."""
    for name in ("spare", "other"):
        assert cli("key", "generate", name, "--unencrypted", "--kind", "ecdsa").code == 0
    assert cli("key", "rotate", "online", "--to", "spare", "--overlap", "3d", "--yes").code == 0
    assert cli("key", "rotate", "online", "--to", "spare", "--yes").code == 0
    other = cli("key", "rotate", "online", "--to", "other", "--yes")
    assert (other.code, "spare is taking the place of online already" in other.err) == (1, True)
    assert cli("key", "rotate", "alice", "--yes").code == 1


def test_what_an_interruption_left_is_taken(filled: Path, cli: Cli) -> None:
    """A key that was made and known before the rotation began is the one that is used, not another one beside it."""
    assert cli("key", "generate", "online-2", "--unencrypted").code == 0
    assert cli("key", "rotate", "online", "--yes").code == 0
    assert keys_of(cli)["online-2"]
    assert "online-3" not in keys_of(cli)


def test_a_file_that_is_not_known_yet_is_taken(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """So is a key whose file was written when the command was killed."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert cli("--repo", elsewhere, "key", "generate", "online-2", "--unencrypted").code == 0
    for end in ("key", "pub"):
        shutil.move(elsewhere / f"online-2.{end}", filled / f"keys/online-2.{end}")
    made = cli("key", "show", "--file", filled / "keys/online-2.key", "--json").document["keyid"]
    assert cli("key", "rotate", "online", "--yes").code == 0
    assert cli("key", "show", "online-2", "--json").document["keyid"] == made


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_only_an_online_key_is_rotated(filled: Path, cli: Cli, name: str) -> None:
    """A root key and an unknown one are refused before a key is made."""
    before = tree(filled)
    assert cli("key", "rotate", name, "--yes").code == 1
    assert tree(filled) == before


def test_another_root_that_waits_is_dropped_only_by_name(filled: Path, cli: Cli) -> None:
    """An open event of root gives way where that is said, and its loss is told."""
    assert cli("root", "update", "--threshold", "2", "--no-sign", "--yes").code == 4
    refused = cli("key", "rotate", "online", "--no-sign")
    assert refused.code == 2
    done = cli("key", "rotate", "online", "--yes")
    assert (done.code, "root-v2 waits already" in done.err) == (0, True)


def test_an_encrypted_key_is_followed_by_an_encrypted_one(cli: Cli, filled: Path, tmp_path: Path, later: Later) -> None:
    """The new key is as the old one, unless --unencrypted says otherwise."""
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple\n")
    secret.chmod(0o600)
    given = ("--yes", "--passphrase-file", secret)
    assert cli("key", "generate", "closed", *given[1:]).code == 0
    assert cli("key", "rotate", "online", "--to", "closed", *given).code == 0
    later(timedelta(days=2))
    assert cli("renew", *given[1:]).code == 0
    done = cli("key", "rotate", "closed", *given)
    assert done.code == 0, done.err
    assert cli("key", "show", "--file", filled / "keys/closed-2.key", "--json").document["encrypted"] is True
    later(timedelta(days=4))
    assert cli("renew", *given[1:]).code == 0
    assert cli("key", "rotate", "closed-2", "--unencrypted", *given).code == 0
    assert cli("key", "show", "--file", filled / "keys/closed-3.key", "--json").document["encrypted"] is False

"""`rstuf recover …` for keys: each drill is a few commands, and stock clients of any age come along."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tests.cli.conftest import Cli, tree
from tests.cli.test_root import away, refreshed
from tests.support.clients import Client, directory_site
from tests.support.person import ENTER, Person
from tests.support.thieves import FARTHEST, Depth, Thief

from rstuf.clock import SystemClock

Later = Callable[[timedelta], None]


def new_client(workspace: Path, memory: Path) -> Client:
    """A client that begins with root v1."""
    site = directory_site(workspace / "metadata", workspace / "targets")
    root = (workspace / "metadata/1.root.json").read_bytes()
    return Client.fresh(memory, site, root=root, now=SystemClock().now())


def test_a_lost_online_key(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """With root's keys alone one command is enough: clients that were there before and new ones find everything."""
    warm = refreshed(filled, tmp_path)
    (filled / "keys/online.key").unlink()
    assert cli("renew", "--force", "timestamp").code == 1
    done = cli("recover", "online-key", "--lost", "--unencrypted", "--yes")
    assert done.code == 0, done.err
    assert "✓ root v2 is signed and published" in done.out
    assert "the new key signs alone now" in done.out
    for client in (warm.copy(tmp_path / "later"), new_client(filled, tmp_path / "new")):
        assert client.refresh().root == 2
        client.walk()
        assert client.download("a.txt") == b"alpha\n"
    (tmp_path / "c.txt").write_text("after it\n")
    assert cli("artifact", "add", tmp_path / "c.txt").code == 0
    assert cli("verify").code == 0
    again = warm.copy(tmp_path / "again")
    again.refresh()
    assert again.download("c.txt") == b"after it\n"


class Served:
    """What a workspace serves, to whoever can write there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self._directory.glob("*.json")}

    def show(self, name: str, data: bytes) -> None:
        (self._directory / name).write_bytes(data)


def thief_in(workspace: Path, key: str = "online") -> Thief:
    """Somebody who has copied keys/online.key (or another), and can write into metadata/."""
    private = load_pem_private_key((workspace / f"keys/{key}.key").read_bytes(), None)
    crypto = CryptoSigner(private)
    signer = SimpleNamespace(keyid=crypto.public_key.keyid, sign=lambda payload: crypto.sign(payload).signature)
    keys = SimpleNamespace(made={"online": SimpleNamespace(signer=signer)})
    engine: Any = SimpleNamespace(metadata=Served(workspace / "metadata"), keys=keys, clock=SystemClock())
    return Thief(engine)


@pytest.mark.parametrize("depth", Depth)
def test_a_thief_of_the_online_key(filled: Path, cli: Cli, tmp_path: Path, depth: Depth) -> None:
    """Clients that a thief has shown the highest versions come back by one command; by renewing they do not."""
    warm = refreshed(filled, tmp_path)
    thief_in(filled).publishes(depth)
    assert warm.refresh().timestamp == FARTHEST
    warm.walk()
    assert cli("renew", "--force", "timestamp").code == 1
    assert warm.copy(tmp_path / "renewed").refresh().timestamp == FARTHEST
    done = cli("recover", "online-key", "online", "--leaked", "--yes")
    assert done.code == 0, done.err
    later = warm.copy(tmp_path / "later")
    view = later.refresh()
    assert max(view.timestamp, view.snapshot, view.targets) < FARTHEST
    later.walk()
    assert later.download("a.txt") == b"alpha\n"
    assert cli("verify").code == 0


def test_a_leaked_online_key_is_revoked(filled: Path, cli: Cli) -> None:
    """The key is asked for by name, replaced at once, and the log and the list of keys say so."""
    assert cli("key", "revoke", "online", "--yes").code == 2
    assert cli("key", "revoke", "online", "--lost", "--leaked", "--yes").code == 2
    done = cli("key", "revoke", "online", "--leaked", "--yes", "--json")
    assert (done.code, done.document["rotation"]) == (0, None)
    (entry,) = cli("log", "--action", "key.revoke", "--json").document["entries"]
    assert (entry["details"]["key"], entry["details"]["kind"]) == ("online", "leaked")
    keys = {key["name"]: key["roles"] for key in cli("key", "list", "--json").document["keys"]}
    assert keys["online"] == []
    assert len(keys["online-2"]) == 4
    assert cli("verify").code == 0


def test_a_person_types_the_key_that_is_replaced(filled: Path) -> None:
    """Another word changes nothing, and no key is made."""
    before = tree(filled)
    with Person.running("recover", "online-key", "online", "--leaked", cwd=filled) as person:
        person.sees("type online to replace it at once:")
        person.presses("yes", ENTER)
        assert person.ends() == 2
    assert tree(filled) == before


def test_root_keys_that_are_away_sign_later(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """Its root waits for them; the same command goes on once they are here, without a second new key."""
    for name in ("alice", "bob"):
        away(filled, name, tmp_path)
    waits = cli("recover", "online-key", "online", "--leaked", "--yes")
    assert waits.code == 4
    assert "online-2 signs everything anew as soon as root is signed" in waits.out
    (tmp_path / "bob.key").rename(filled / "keys/bob.key")
    unnamed = cli("recover", "online-key", "--leaked", "--yes")
    assert (unnamed.code, "online-2 is taking the place of online" in unnamed.err) == (2, True)
    done = cli("recover", "online-key", "online", "--leaked", "--yes")
    assert done.code == 0, done.err
    assert "online-3" not in cli("key", "list").out
    new_client(filled, tmp_path / "new").walk()


@pytest.mark.parametrize("root_is_out", [False, True])
def test_a_leak_during_a_planned_rotation(filled: Path, cli: Cli, root_is_out: bool) -> None:
    """The old key goes at once, whether the root that names the new one waits or is out."""
    assert cli("key", "rotate", "online", *(["--yes"] if root_is_out else ["--no-sign"])).code == (
        0 if root_is_out else 4
    )
    done = cli("recover", "online-key", "online", "--leaked", "--yes", "--json")
    assert (done.code, done.document["rotation"], done.document["may_sign_yet"]) == (0, None, [])
    (entry,) = cli("log", "--action", "key.revoke", "--json").document["entries"]
    assert entry["details"]["kind"] == "leaked"


def test_without_a_reason_it_is_refused(filled: Path, cli: Cli) -> None:
    """Whether it is lost or leaked is never guessed, and a key that is well has a command of its own."""
    done = cli("recover", "online-key", "--yes")
    assert (done.code, "--lost or --leaked" in done.err, "rstuf key rotate" in done.err) == (2, True, True)


def test_a_root_key_is_replaced(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """One root takes the old one out and lets the new one in, signed without the key that is lost."""
    away(filled, "bob", tmp_path)
    assert cli("key", "generate", "bob-2", "--unencrypted").code == 0
    done = cli("recover", "root-key", "bob", "--to", "bob-2", "--yes")
    assert (done.code, done.out) == (0, "✓ root v2 is signed and published\n"), done.err
    shown = cli("root", "show", "--json").document
    assert [key["name"] for key in shown["roles"]["root"]["keys"]] == ["alice", "bob-2"]
    assert new_client(filled, tmp_path / "new").refresh().root == 2
    wrong = cli("recover", "root-key", "online", "--yes")
    assert (wrong.code, "rstuf recover online-key" in wrong.err) == (1, True)


def test_root_keys_that_leaked(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """It says plainly what can and what cannot be done, and writes the root that clients are to pin anew."""
    place = tmp_path / "root-to-pin.json"
    before = tree(filled)
    told = cli("recover", "root-keys", "--out", place)
    assert told.code == 0, told.err
    text = " ".join(told.out.split())
    assert "what can be done where 1 root key or more leaked - Sign a new root now" in text
    assert "what cannot - Nothing takes the leaked keys back." in text
    assert "what can be done where fewer than 1 of 2 root keys are left; root expires in 365 days" in text
    assert "what cannot - No new root can be signed" in text
    assert "It must be given your root again, by hand." in text
    data = (filled / "metadata/1.root.json").read_bytes()
    assert place.read_bytes() == data
    document = cli("recover", "root-keys", "--json").document
    assert document["sha256"] == hashlib.sha256(data).hexdigest()
    assert (document["file"], len(document["can"]), len(document["cannot"])) == (None, 3, 3)
    assert {part: len(texts) for part, texts in document["lost"].items()} == {"can": 3, "cannot": 2}
    assert cli("recover", "root-keys", "--out", place).code == 1
    assert tree(filled) == before
    pinned = cli("trust", "add", "acme", filled / "metadata", "--root", place)
    assert pinned.code == 0, pinned.err


def test_all_root_keys_leaked_and_are_still_ours(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """The drill: new root keys in one root signed by the old ones, another online key, and the root to pin anew."""
    warm = refreshed(filled, tmp_path)
    for name in ("ann", "ben"):
        assert cli("key", "generate", name, "--unencrypted").code == 0
    swap = ("--add", "ann", "--add", "ben", "--remove", "alice", "--remove", "bob")
    assert cli("root", "update", *swap, "--yes").code == 0
    assert cli("recover", "online-key", "online", "--leaked", "--yes").code == 0
    place = tmp_path / "pin.json"
    assert cli("recover", "root-keys", "--out", place).code == 0
    repinned = Client.fresh(
        tmp_path / "repinned", directory_site(filled / "metadata", filled / "targets"), root=place.read_bytes()
    )
    for client in (warm.copy(tmp_path / "later"), repinned):
        assert client.refresh().root == 3
        client.walk()
    assert sorted(
        entry["details"]["key"] for entry in cli("log", "--action", "key.revoke", "--json").document["entries"]
    ) == ["alice", "bob", "online"]


def test_an_expired_root(filled: Path, cli: Cli, later: Later, tmp_path: Path) -> None:
    """It is signed again although it has expired, and clients that stopped at it go on."""
    later(timedelta(days=400))
    done = cli("recover", "root")
    assert done.code == 0, done.err
    assert "root v1 expired 35 days ago" in done.err
    assert "root v2 signed and published" in done.out
    assert cli("renew").code == 0
    assert new_client(filled, tmp_path / "new").refresh().root == 2


def test_a_root_that_is_not_due_is_left(filled: Path, cli: Cli, later: Later) -> None:
    """It is refused with its dates and the command that signs it all the same; once it is due, one run is enough."""
    refused = cli("recover", "root")
    assert (refused.code, "root v1 is not due" in refused.err) == (1, True)
    assert "rstuf renew --force root" in refused.err
    later(timedelta(days=300))
    assert cli("recover", "root").code == 0
    assert cli("recover", "root").code == 1
    assert len(cli("root", "history", "--json").document["roots"]) == 2


def test_another_event_is_not_taken_for_the_renewal(filled: Path, cli: Cli, later: Later) -> None:
    """What waits changes who signs: it is said to be looked at before it is signed."""
    assert cli("root", "update", "--threshold", "2", "--no-sign", "--yes").code == 4
    later(timedelta(days=300))
    done = cli("recover", "root", "--json")
    assert done.code == 4, done.err
    steps = [step["command"] for step in done.document["next_steps"]]
    assert steps[:2] == ["rstuf event show root-v2", "rstuf sign root-v2"]


@pytest.mark.parametrize("days", [300, 400])
def test_an_expired_root_waits_for_people(filled: Path, cli: Cli, later: Later, tmp_path: Path, days: int) -> None:
    """Where they are away it waits in an event, and the next commands are named."""
    later(timedelta(days=days))
    for name in ("alice", "bob"):
        away(filled, name, tmp_path)
    done = cli("recover", "root", "--json")
    assert done.code == 4, done.err
    steps = [step["command"] for step in done.document["next_steps"]]
    assert (steps[0], steps[-1]) == ("rstuf bundle export root-v2 -o root-v2.rstuf", "rstuf recover root-keys")


def test_run_again_nothing_that_is_well_is_replaced(filled: Path, cli: Cli) -> None:
    """A lost key that is here is not lost, a leaked one is named; run again, it tells which key took the place."""
    before = tree(filled)
    refused = cli("recover", "online-key", "--lost", "--yes")
    assert (refused.code, "online is not lost: it is here, and signs" in refused.err) == (1, True)
    refused = cli("recover", "online-key", "--leaked", "--yes")
    assert (refused.code, "rstuf recover online-key online --leaked" in refused.err) == (2, True)
    assert tree(filled) == before
    command = ("recover", "online-key", "online", "--leaked", "--yes")
    assert cli(*command).code == 0
    before = tree(filled)
    again = cli(*command)
    assert (again.code, "online signs nothing any more: online-2 took its place" in again.out) == (0, True)
    assert tree(filled) == before


def test_a_key_that_went_in_good_order_leaked_later(filled: Path, cli: Cli) -> None:
    """Nothing is replaced for it; that it leaked is noted, so that nothing lets it in again."""
    assert cli("key", "rotate", "online", "--yes", "--overlap", "1s").code == 0
    time.sleep(1.1)
    assert cli("renew").code == 0
    done = cli("recover", "online-key", "online", "--leaked", "--yes")
    assert (done.code, "online-2 took its place" in done.out) == (0, True)
    assert cli("key", "show", "online", "--json").document["report"]["loss"] == "leaked"
    assert not (filled / "keys/online-3.key").exists()


def test_what_is_printed_of_a_lost_key_leads_to_its_recovery(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """Status, doctor and whatever signs name the command; so does a passphrase that nobody knows any more."""
    (filled / "keys/online.key").unlink()
    command = "rstuf recover online-key online --lost"
    for each in (("status",), ("doctor",), ("renew", "--force", "timestamp"), ("publish",)):
        done = cli(*each)
        assert each == ("publish",) or command in " ".join((done.out + done.err).split()), each
    made = cli("recover", "online-key", "--lost", "--yes")
    assert (made.code, "--passphrase-file online-2=FILE; or --unencrypted" in " ".join(made.err.split())) == (1, True)
    secret = tmp_path / "secret"
    secret.write_text("five random words are better\n")
    secret.chmod(0o600)
    assert cli("recover", "online-key", "--lost", "--yes", "--passphrase-file", f"online-2={secret}").code == 0
    forgotten = cli("renew", "--force", "timestamp")
    assert f"if its passphrase is lost: {command.replace('online ', 'online-2 ')}" in " ".join(forgotten.err.split())


@pytest.mark.parametrize("lost", ["1.root.json", "1.targets.json", "*"])
def test_an_online_key_and_metadata_are_lost(filled: Path, cli: Cli, tmp_path: Path, lost: str) -> None:
    """No renewal could mend it without a key, so the key's recovery puts back what was signed."""
    warm = refreshed(filled, tmp_path)
    root = (filled / "metadata/1.root.json").read_bytes()
    (filled / "keys/online.key").unlink()
    for path in filled.glob(f"metadata/{lost}.json" if lost == "*" else f"metadata/{lost}"):
        path.unlink()
    done = cli("recover", "online-key", "--lost", "--unencrypted", "--yes")
    assert done.code == 0, done.err
    assert (filled / "metadata/1.root.json").read_bytes() == root
    for client in (warm, new_client(filled, tmp_path / "new")):
        client.refresh()
        client.walk()
    assert cli("verify").code == 0


def test_a_key_that_was_made_for_nothing_is_taken(filled: Path, cli: Cli) -> None:
    """An interruption leaves the new key behind; run again, no other is made beside it."""
    (filled / "keys/online.key").unlink()
    assert cli("key", "generate", "online-2", "--unencrypted").code == 0
    assert cli("recover", "online-key", "--lost", "--unencrypted", "--yes").code == 0
    assert not (filled / "keys/online-3.key").exists()

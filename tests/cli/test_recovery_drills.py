"""Whole recoveries by commands alone: real damage, and stock clients of every age come along.

Each drill ends in the same way: a client from before everything, one from just before the damage (or one that a thief
has led astray) and a fresh one see all that is published, `verify` finds nothing, and publishing goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tests.cli.conftest import Cli, Result
from tests.cli.test_recover_keys import thief_in
from tests.support.clients import Client, directory_site
from tests.support.thieves import Depth
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from rstuf.clock import SystemClock

Later = Callable[[timedelta], None]


@dataclass
class Drill:
    """A workspace, whoever works in it, and the clients that have met it."""

    place: Path
    memory: Path
    cli: Cli
    later: Later

    def __post_init__(self) -> None:
        self.root = (self.place / "metadata/1.root.json").read_bytes()
        self.contents = {"a.txt": b"alpha\n"}
        self.clients = {"oldest": self.meets("oldest")}
        self.adds("b.txt")
        self.clients["newest"] = self.meets("newest")

    def meets(self, name: str, *, root: bytes | None = None) -> Client:
        """A client that begins now, and sees all."""
        site = directory_site(self.place / "metadata", self.place / "targets")
        client = Client.fresh(self.memory / name, site, root=root or self.root, now=SystemClock().now())
        self._sees(client)
        return client

    def does(self, *argv: object, code: int = 0) -> Result:
        done = self.cli(*argv)
        assert done.code == code, (argv, done.out, done.err)
        return done

    def adds(self, name: str) -> None:
        (self.memory.parent / name).write_bytes(name.encode())
        self.does("artifact", "add", self.memory.parent / name)
        self.contents[name] = name.encode()

    def loses(self, *patterns: str) -> None:
        for pattern in patterns:
            for path in self.place.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def ends_well(self) -> None:
        """Everybody sees everything, before and after another publication."""
        for round_ in ("now", "afterwards"):
            for name, client in self.clients.items():
                self._sees(client.copy(self.memory / f"{name}-{round_}", now=SystemClock().now()))
            self.meets(f"fresh-{round_}")
            self.does("verify", "--artifacts")
            if round_ == "now":
                self.adds("after.txt")
        assert self.does("status", "--json").document["next_steps"] == []

    def _sees(self, client: Client) -> None:
        client.refresh()
        client.walk()
        for path, data in self.contents.items():
            assert client.download(path) == data


@pytest.fixture
def drill(filled: Path, cli: Cli, later: Later, tmp_path: Path) -> Drill:
    return Drill(filled, tmp_path / "clients", cli, later)


def lost_online_key(drill: Drill) -> None:
    """The machine that signed is gone."""
    drill.loses("keys/online.*")
    drill.does("publish")
    drill.does("renew", "--force", "timestamp", code=1)
    drill.does("recover", "online-key", "--lost", "--unencrypted", "--yes")


def leaked_online_key(drill: Drill) -> None:
    """A thief has shown the highest versions there are, and some clients have believed them."""
    thief_in(drill.place).publishes(Depth.BINS)
    drill.clients["newest"].refresh()
    drill.clients["newest"].walk()
    assert "rstuf recover online-key NAME --leaked" in drill.does("status").out
    drill.does("recover", "copy", "--yes", code=1)
    drill.does("recover", "online-key", "online", "--leaked", "--yes")


def lost_root_key(drill: Drill) -> None:
    """One of two root keys is gone, and the other one is enough."""
    drill.loses("keys/bob.*")
    drill.does("key", "generate", "bob-2", "--unencrypted")
    drill.does("recover", "root-key", "bob", "--to", "bob-2", "--yes")
    drill.does("renew", "--force", "root")


def expired_root(drill: Drill) -> None:
    """Nobody has looked after it for more than a year."""
    drill.later(timedelta(days=400))
    drill.does("recover", "root")
    drill.does("renew")


def lost_state(drill: Drill) -> None:
    """The state is zeros, and what every command says to do is done."""
    (drill.place / "state.db").write_bytes(bytes(4096))
    refused = drill.does("status", code=6)
    assert "mkdir aside && mv state.db* aside/ && rstuf recover state" in refused.err
    (drill.place / "aside").mkdir()
    for path in drill.place.glob("state.db*"):
        path.rename(drill.place / "aside" / path.name)
    drill.does("recover", "state", "--yes")


def old_state(drill: Drill) -> None:
    """Only an old copy of the state is left, from before far jumps of versions."""
    shutil.copytree(drill.place, drill.memory.parent / "copy", ignore=shutil.ignore_patterns("metadata", "targets"))
    for _ in range(2):
        drill.loses("metadata/timestamp.json")
        drill.does("recover", "metadata", "--yes")
    drill.clients["newest"].refresh()
    drill.loses("state.db*")
    for path in (drill.memory.parent / "copy").glob("state.db*"):
        shutil.copy(path, drill.place)
    drill.does("recover", "copy", "--yes")


def lost_metadata(drill: Drill) -> None:
    """All that was served is gone."""
    drill.loses("metadata")
    drill.does("recover", "metadata", "--yes")


DRILLS = [lost_online_key, leaked_online_key, lost_root_key, expired_root, lost_state, old_state, lost_metadata]


@pytest.mark.parametrize("damage_and_way_back", DRILLS)
def test_clients_of_every_age_come_along(drill: Drill, damage_and_way_back: Callable[[Drill], None]) -> None:
    """The commands that are documented for it are all that is done."""
    damage_and_way_back(drill)
    drill.ends_well()


def test_leaked_root_keys(drill: Drill) -> None:
    """The exception: who has followed a thief's root must pin ours anew; everybody else comes along."""
    stranger = CryptoSigner.generate_ed25519()
    theirs = Metadata[Root].from_bytes(drill.root)
    theirs.signed.version = 2
    for keyid in list(theirs.signed.roles["root"].keyids):
        theirs.signed.revoke_key(keyid, "root")
    theirs.signed.add_key(stranger.public_key, "root")
    stolen = CryptoSigner(load_pem_private_key((drill.place / "keys/alice.key").read_bytes(), None))
    theirs.sign(stolen)
    theirs.sign(stranger, append=True)
    (drill.place / "metadata/2.root.json").write_bytes(theirs.to_bytes())
    victim = drill.meets("victim")
    pin = drill.memory.parent / "pin.json"
    assert "rightly signed" in drill.does("recover", "root-keys", "--out", pin, code=1).err
    assert not pin.exists()
    steps = [step["command"] for step in drill.does("recover", "root-keys", "--json").document["next_steps"]]
    assert steps[0] == "move 2.root.json away"
    drill.loses("metadata/2.root.json")
    for name in ("ann", "ben"):
        drill.does("key", "generate", name, "--unencrypted")
    swap = ("--add", "ann", "--add", "ben", "--remove", "alice", "--remove", "bob")
    drill.does("root", "update", *swap, "--yes")
    drill.does("recover", "online-key", "online", "--leaked", "--yes")
    drill.does("recover", "root-keys", "--out", pin)
    with pytest.raises(RepositoryError):
        victim.refresh()
    drill.clients["repinned"] = drill.meets("repinned", root=pin.read_bytes())
    drill.ends_well()


def test_lost_root_keys(drill: Drill) -> None:
    """The other exception: nothing replaces a key, and clients go on until root expires."""
    drill.loses("keys/alice.*", "keys/bob.*")
    told = " ".join(drill.does("recover", "root-keys").out.split())
    assert "root expires in 365 days" in told
    assert "There is no exception" in told
    drill.adds("meanwhile.txt")
    for client in drill.clients.values():
        client.refresh()
        assert client.download("meanwhile.txt") == b"meanwhile.txt"
    drill.later(timedelta(days=300))
    waits = drill.does("recover", "root", code=4)
    assert "rstuf recover root-keys" in waits.out

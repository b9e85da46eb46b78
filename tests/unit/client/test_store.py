"""The trust store: a root is pinned once, nobody else can change it, and what is damaged is not believed."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.files import mode, umask
from tests.support.tuf_repo import Keys, succinct
from tests.unit.client.conftest import NAME, World

from rstuf.client.anchors import check_fingerprint, fetch_root, read_root
from rstuf.client.records import Naming
from rstuf.client.store import TrustStore
from rstuf.errors import (
    FileMissing,
    FingerprintDiffers,
    InvalidInput,
    InvalidMetadata,
    InvalidTrustName,
    Locked,
    StorageError,
    TrustDamaged,
    TrustExists,
    TrustNotFound,
    UnsafeDirectory,
)
from rstuf.locks import FileLock
from rstuf.model.names import trust_name
from rstuf.storage.locations import place_of, shown_place


def test_what_is_pinned_is_kept(world: World) -> None:
    """Another store on the same directory knows the same, byte for byte."""
    again = TrustStore(world.store.directory)
    assert again.names() == [NAME]
    assert again.get(NAME) == world.store.get(NAME)
    assert again.root(NAME) == world.repo.trusted
    assert again.memory(NAME) is None
    world.look()
    memory = again.memory(NAME)
    assert memory is not None
    assert (memory.updated, set(memory.roles)) == (world.clock.now(), {"root", "timestamp", "snapshot", "targets"})


@pytest.mark.parametrize("mask", [0o000, 0o002, 0o077])
def test_nobody_else_can_look_or_write(mask: int, world: World, tmp_path: Path) -> None:
    """Directories are the owner's alone, whatever the umask: a URL may hold a password, and a pin is all trust."""
    with umask(mask):
        store = TrustStore(tmp_path / "other" / "place", clock=world.clock)
        store.add(NAME, world.url, root=world.repo.trusted)
        with store.client(NAME) as client:
            client.look_up([])
    home = store.directory / NAME
    assert [mode(each) for each in (store.directory, home, home / "metadata")] == [0o700] * 3
    assert {mode(each) for each in home.rglob("*") if each.is_file() and not each.is_symlink()} == {0o600}


@pytest.mark.parametrize("place", [".", "acme", "acme/trust.json", "acme/root.json", "acme/metadata"])
def test_what_others_can_change_is_not_used(place: str, world: World) -> None:
    """Whoever can write there chooses what is trusted."""
    (world.store.directory / place).chmod(0o777)
    with pytest.raises(UnsafeDirectory):
        TrustStore(world.store.directory).get(NAME)


def test_the_same_root_again_changes_where_it_is(world: World, tmp_path: Path) -> None:
    """URLs and options may change; the root, the date and what was seen stay."""
    world.look()
    before, memory = world.store.get(NAME), world.store.memory(NAME)
    after = world.store.add(
        NAME, str(tmp_path), root=world.repo.trusted, artifacts="https://x.invalid/y", naming=Naming.PLAIN
    )
    assert (after.url, after.artifacts, after.naming) == (f"{tmp_path}/", "https://x.invalid/y/", Naming.PLAIN)
    assert (after.pin, after.added, world.store.memory(NAME)) == (before.pin, before.added, memory)


def test_another_root_does_not_take_a_name(world: World) -> None:
    """What a name stands for changes by removing it, and then nothing of before is left."""
    other = succinct(root=Keys("stranger"))
    with pytest.raises(TrustExists):
        world.store.add(NAME, world.url, root=other.trusted)
    assert world.store.root(NAME) == world.repo.trusted
    world.look()
    world.store.remove(NAME)
    assert list(world.store.directory.iterdir()) == []
    for act in (world.store.get, world.store.remove):
        with pytest.raises(TrustNotFound):
            act(NAME)
    world.store.add(NAME, world.url, root=other.trusted)
    assert world.store.memory(NAME) is None


@pytest.mark.parametrize("what", ["trust.json", "root.json", "memory.json"])
@pytest.mark.parametrize("damage", [b"", b"{}", b"x" * 100_000, b'{"format": 2}', b"[]"], ids=len)
def test_damage_is_not_believed(what: str, damage: bytes, world: World) -> None:
    """A file that is not as it was written is an error, and removing works nevertheless."""
    world.look()
    (world.store.directory / NAME / what).write_bytes(damage)
    with pytest.raises(TrustDamaged):
        (world.store.memory if what == "memory.json" else world.store.root)(NAME)
    world.store.remove(NAME)
    assert world.store.names() == []


@pytest.mark.parametrize("damage", [b"", b"{}", b"x" * 600_000, None], ids=["empty", "other", "long", "gone"])
def test_the_same_root_again_mends_it(damage: bytes | None, world: World) -> None:
    """Whoever has the root that was pinned can put it back; what was seen is not forgotten for that."""
    world.look()
    place, memory = world.store.directory / NAME / "root.json", world.store.memory(NAME)
    place.unlink() if damage is None else place.write_bytes(damage)
    with pytest.raises(TrustExists):
        world.store.add(NAME, world.url, root=succinct(root=Keys("stranger")).trusted)
    with pytest.raises(TrustDamaged):
        world.store.root(NAME)
    world.trust()
    assert place.read_bytes() == world.repo.trusted
    assert (mode(place), world.store.memory(NAME)) == (0o600, memory)
    world.look()


def test_another_root_in_its_place_is_not_believed(world: World) -> None:
    """The digest that was pinned is what counts, not the file."""
    other = succinct(root=Keys("stranger"))
    (world.store.directory / NAME / "root.json").write_bytes(other.trusted)
    with pytest.raises(TrustDamaged, match="not the root that was pinned"):
        world.get()


def test_an_interruption_leaves_nothing_half(world: World) -> None:
    """A pinning that was killed before its last step, or a removal after its first, is no trust and in nobody's way."""
    world.look()
    home = world.store.directory / NAME
    (home / "trust.json").unlink()
    assert world.store.names() == []
    other = succinct(root=Keys("stranger"))
    world.store.add(NAME, world.url, root=other.trusted)
    assert world.store.root(NAME) == other.trusted
    assert not list((home / "metadata").iterdir())


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "a/b", "A", "é", "a" * 65, "a\n", "x.", "-x", "a b"])
def test_names_that_are_none(name: str) -> None:
    """A name is one plain directory on every file system."""
    with pytest.raises(InvalidTrustName):
        trust_name(name)


def test_a_link_to_a_place_of_ones_own(world: World, tmp_path: Path) -> None:
    """The store may be a link, which its owner made."""
    (tmp_path / "link").symlink_to(world.store.directory)
    assert TrustStore(tmp_path / "link").names() == [NAME]


def test_one_look_at_a_time(world: World) -> None:
    """Whoever looks holds what is remembered alone; another waits, and is told for whom."""
    impatient = TrustStore(world.store.directory, clock=world.clock, wait=timedelta(0))
    lock = FileLock(world.store.directory / f".{NAME}.lock", label="test")
    with lock.hold(wait=timedelta(0), purpose="rstuf download"):
        with pytest.raises(Locked, match="rstuf download"), impatient.client(NAME) as client:
            client.look_up([])
        for change in (lambda: impatient.remove(NAME), lambda: impatient.add(NAME, world.url, root=world.repo.trusted)):
            with pytest.raises(Locked):
                change()
    assert world.store.names() == [NAME]


def test_what_is_removed_meanwhile_is_not_looked_at(world: World) -> None:
    """A client that was made before a removal leaves nothing behind."""
    with world.store.client(NAME) as client:
        world.store.remove(NAME)
        with pytest.raises(TrustNotFound):
            client.look_up([])
    assert not (world.store.directory / NAME).exists()


def test_many_at_once(world: World) -> None:
    """Processes that pin, look and list at the same time do not disturb each other."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom rstuf import TrustStore, trust_name\n"
        "from rstuf.clock import ManualClock, parse_iso\n"
        "store = TrustStore(Path(sys.argv[1]), clock=ManualClock(parse_iso('2030-01-01T00:00:00Z')))\n"
        "root = Path(sys.argv[3]).read_bytes()\n"
        "for number in range(6):\n"
        "    name = trust_name(f'n{number % 3}')\n"
        "    store.add(name, sys.argv[2], root=root)\n"
        "    with store.client(name) as client: client.look_up([])\n"
        "    store.names()\n"
    )
    root = world.here / "root.json"
    root.write_bytes(world.repo.trusted)
    command = [sys.executable, "-c", script, str(world.store.directory), world.url, str(root)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    assert world.store.names() == ["acme", "n0", "n1", "n2"]


# --- roots -----------------------------------------------------------------------------------------------


def test_what_a_root_says(world: World) -> None:
    """Version, digest, expiry and who signs, as its metadata has it."""
    facts = read_root(fetch_root(world.url))
    assert (facts.pin.version, facts.pin.length) == (1, len(world.repo.trusted))
    assert facts.roles["root"].threshold == 1
    assert {facts.keys[keyid] for keyid in facts.roles["timestamp"].keyids} == {"ed25519"}
    check_fingerprint(world.repo.trusted, facts.pin.sha256, where="it")


def test_roots_that_are_none(world: World) -> None:
    """Trust cannot begin with what is not signed by its own keys, is another role, or too long."""
    stranger = succinct(root=Keys("a", "b", threshold=2))
    stranger.edit("root", lambda _: None, signers=Keys("a").signers)
    for data in (b"", b"{}", world.repo.files["timestamp.json"], stranger.trusted, b"x" * 600_000):
        with pytest.raises(InvalidMetadata):
            read_root(data)
        with pytest.raises(InvalidMetadata):
            world.store.add(trust_name("other"), world.url, root=data)
    assert world.store.names() == [NAME]
    with pytest.raises(FileMissing):
        fetch_root(world.url, version=2)


def test_a_slip_is_told_from_another_root(world: World) -> None:
    """Who mistyped a digit is told where; who has met another root is told that, and not what its digest is."""
    right = read_root(world.repo.trusted).pin.sha256
    slip = right[:4] + f"{int(right[4:6], 16) ^ 1:02x}" + right[6:]
    with pytest.raises(FingerprintDiffers, match=r"nearly that of it, but not in byte 3 of 32") as caught:
        check_fingerprint(world.repo.trusted, slip, where="it")
    assert caught.value.is_slip
    with pytest.raises(FingerprintDiffers, match="it is not the root with this fingerprint") as caught:
        check_fingerprint(world.repo.trusted, "0" * 64, where="it")
    assert not caught.value.is_slip
    assert right[:8] not in caught.value.message + (caught.value.hint or "")


# --- places ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("https://x.invalid", "https://x.invalid/"),
        ("https://u:p@x.invalid:8/a/", "https://u:p@x.invalid:8/a/"),
        ("file:///srv/a%20b", "/srv/a b/"),
        ("file://localhost/srv", "/srv/"),
        ("/srv/mirror/", "/srv/mirror/"),
    ],
)
def test_places(text: str, place: str) -> None:
    """URLs and directories, kept in one form."""
    assert place_of(text) == place
    assert place_of(place) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://x/",
        "https://",
        "https://x/?a",
        "https://x/#a",
        "https://[x/",
        "https://x:y/",
        "file://host/x",
        "a\x1b",
    ],
)
def test_places_that_are_none(text: str) -> None:
    """They are refused before anything is kept."""
    with pytest.raises(InvalidInput):
        place_of(text)


def test_passwords_are_not_shown() -> None:
    """What stands before the host of a URL is for its server alone."""
    assert shown_place("https://u:p@x.invalid:8/a/") == "https://x.invalid:8/a/"
    assert shown_place("/srv/u:p@x/") == "/srv/u:p@x/"


def test_a_directory_that_is_none(world: World, tmp_path: Path) -> None:
    """A mirror that is not plugged in is told as that."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    world.store.add(NAME, str(mirror), root=world.repo.trusted)
    mirror.rmdir()
    with pytest.raises(StorageError, match="does not exist"):
        world.look()


def test_a_url_without_its_scheme(world: World) -> None:
    """What is neither a URL nor a directory that is there is most likely a URL that lacks something."""
    for text in ("updates.example.org/tuf", "127.0.0.1:8000"):
        with pytest.raises(InvalidInput, match="there is no directory") as caught:
            world.store.add(trust_name("other"), text, root=world.repo.trusted)
        assert "https://" in (caught.value.hint or "")
        with pytest.raises(InvalidInput, match="there is no directory"):
            fetch_root(text)
    assert world.store.names() == [NAME]

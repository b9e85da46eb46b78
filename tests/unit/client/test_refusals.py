"""What is served is judged from the pinned root alone, and a refusal says what is wrong and since when."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.engine import Engine
from tests.support.files import names
from tests.support.servers import Site, serving
from tests.support.tuf_repo import LIFE, Keys, flat, signer, succinct
from tests.unit.client.conftest import CONTENT, NAME, NOW, World

from rstuf.client.destination import destination_in
from rstuf.client.store import TrustStore
from rstuf.clock import ManualClock
from rstuf.errors import ArtifactNotFound, FileMissing, Refusal, RepositoryRefused, StorageError
from rstuf.model.names import target_path
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew


def refused(world: World, path: str = "app.bin") -> RepositoryRefused:
    """Why a look is refused; no file comes of it."""
    with pytest.raises(RepositoryRefused) as caught:
        world.get(path)
    assert names(world.here) == []
    return caught.value


def test_a_repository_of_ours(tmp_path: Path) -> None:
    """What the engine publishes is downloaded, also over a root that was renewed since, and is remembered."""
    engine = Engine.live(tmp_path / "repository")
    engine.add("a/b.txt", b"content")
    publish(engine.ports)
    store = TrustStore(tmp_path / "trust", clock=engine.clock)
    with serving(Site.of(engine.metadata.files, engine.artifacts.files)) as url:
        store.add(NAME, url, root=engine.root())
        with store.client(NAME) as client:
            (offer,) = client.look_up([target_path("a/b.txt")]).offers
            done = client.save(offer, destination_in(tmp_path / "new" / "deep", offer.path))
    assert done.file.read_bytes() == b"content"
    engine.moved_on(days=400)
    renew(engine.ports)
    with serving(Site.of(engine.metadata.files, engine.artifacts.files)) as url:
        store.add(NAME, url, root=engine.root())
        with store.client(NAME) as client:
            memory = client.look_up([]).memory
    assert (memory.roles["root"].version, memory.updated) == (2, engine.clock.now())
    assert store.memory(NAME) == memory


@pytest.mark.parametrize(
    ("role", "passed", "words"),
    [
        ("timestamp", timedelta(days=3), "timestamp of acme expired 3 days ago, at 2030-01-31 00:00 UTC (version 1)"),
        ("root", 12 * LIFE, "root of acme expired 30 days ago, at 2030-12-27 00:00 UTC (version 1)"),
    ],
)
def test_expired_metadata(role: str, passed: timedelta, words: str, world: World) -> None:
    """It says which role, since when, and that the clock may be wrong."""
    world.clock.advance(LIFE + passed)
    error = refused(world)
    assert (error.role, error.reason) == (role, Refusal.EXPIRED)
    assert error.message.startswith(words)
    assert "clock" in (error.hint or "")


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_other_roles_expire_too(role: str, world: World) -> None:
    """A fresh timestamp does not make up for what it leads to."""
    world.repo.edit(role, lambda signed: signed.update(expires="2029-12-31T00:00:00Z"))
    world.repo.resettle()
    world.settle()
    error = refused(world)
    assert (error.role, error.reason) == (role, Refusal.EXPIRED)
    assert f"{role} of acme expired 24 h ago, at 2029-12-31 00:00 UTC" in error.message


def test_an_expired_timestamp_that_is_remembered(world: World) -> None:
    """A server that offers nothing newer is told in the same words."""
    world.look()
    world.clock.advance(LIFE)
    error = refused(world)
    assert (error.role, error.reason, "expired 0 s ago" in error.message) == ("timestamp", Refusal.EXPIRED, True)


def test_a_timestamp_from_before(world: World) -> None:
    """What was seen once is never gone back behind, by whatever program looks next."""
    old = world.repo.files["timestamp.json"]
    world.repo.release()
    world.settle()
    world.look()
    world.site.files["timestamp.json"] = old
    error = refused(world)
    assert (error.role, error.reason) == ("timestamp", Refusal.ROLLBACK)
    assert error.message == f"{world.url} offers version 1 of timestamp, and 2 was seen before (rollback)"


def test_a_timestamp_that_had_run_ahead(world: World) -> None:
    """After a fast-forward the way out is said: only the publisher can know whether they began again."""
    world.repo.versions["timestamp"] = 2**31
    world.repo.release()
    world.settle()
    world.look()
    world.repo.versions["timestamp"] = 4
    world.repo.release()
    world.settle()
    error = refused(world)
    assert error.reason is Refusal.ROLLBACK
    assert "it had run ahead by 2147483644 versions" in error.message
    assert "rstuf trust remove acme" in (error.hint or "")


def test_a_fast_forward_ends_with_new_keys(world: World) -> None:
    """Where root names new online keys, what the old ones had signed binds no client any more."""
    world.repo.versions["timestamp"] = world.repo.versions["snapshot"] = 2**31
    world.repo.release()
    world.settle()
    world.look()
    world.repo.rotate_root(online=Keys("online-2"))
    world.repo.versions["timestamp"] = world.repo.versions["snapshot"] = 5
    world.repo.edit("targets", lambda _: None, signers=Keys("online-2").signers)
    world.repo.release()
    world.settle()
    assert world.look("app.bin").memory.roles["timestamp"].version == 6


def test_another_repository_behind_the_url(world: World) -> None:
    """Metadata of other keys is refused, however right it is in itself."""
    world.site.files.update(succinct(artifacts={"app.bin": CONTENT}, online=Keys("stranger")).files)
    error = refused(world)
    assert (error.role, error.reason) == ("timestamp", Refusal.UNSIGNED)
    assert "this is another repository, or was changed" in error.message


def test_a_chain_of_roots_that_is_broken(world: World) -> None:
    """A next root that the pinned one does not sign is refused; a signed one is followed."""
    stranger = flat(root=Keys("stranger"))
    stranger.rotate_root()
    world.site.files["2.root.json"] = stranger.files["2.root.json"]
    error = refused(world)
    assert (error.role, error.reason) == ("root", Refusal.UNSIGNED)
    assert "2.root.json is not signed by enough of the keys that root version 1 names" in error.message
    world.repo.rotate_root(Keys("root-b"))
    world.repo.rotate_root(Keys("root-c"))
    world.settle()
    assert world.look().memory.roles["root"].version == 3
    world.repo.files["4.root.json"] = world.repo.files["3.root.json"]
    world.settle()
    assert (refused(world).role, refused(world).reason) == ("root", Refusal.MISMATCH)


def test_a_pin_of_long_ago(world: World) -> None:
    """A root that was pinned hundreds of roots ago is still a beginning."""
    for _ in range(260):
        world.repo.rotate_root()
    world.settle()
    assert world.look().memory.roles["root"].version == 261


def test_a_pin_past_the_first_root(world: World) -> None:
    """Trust may begin with any root; what came before it is never asked for."""
    world.repo.rotate_root(Keys("root-b"))
    world.repo.rotate_root(Keys("root-c"))
    world.settle()
    world.store.remove(NAME)
    world.store.add(NAME, world.url, root=world.repo.files["2.root.json"])
    world.site.asked.clear()
    assert world.look().memory.roles["root"].version == 3
    assert [name for name, _ in world.site.asked if name.endswith("root.json")] == ["3.root.json", "4.root.json"]


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_changed_metadata(role: str, world: World) -> None:
    """One changed value is one signature that does not fit; the snapshot is held against the timestamp before."""
    name = world.repo.name_of(role)
    document = json.loads(world.site.files[name])
    document["signed"]["x"] = 1
    world.site.files[name] = json.dumps(document).encode()
    error = refused(world)
    assert error.role == role
    assert error.reason is (Refusal.MISMATCH if role == "snapshot" else Refusal.UNSIGNED)


@pytest.mark.parametrize("data", [b"", b"<html>", b"{}", b'{"signed": 7}', b"\xff\xfe", b"[" * 5000], ids=len)
def test_metadata_that_is_none(data: bytes, world: World) -> None:
    """A page of a hotel's network, or worse: it says which file it is."""
    world.site.files["timestamp.json"] = data
    error = refused(world)
    assert (error.reason, "timestamp.json" in error.message) == (Refusal.MALFORMED, True)


def test_metadata_without_end(world: World) -> None:
    """A timestamp that is longer than clients read is not read to its end."""
    world.site.files["timestamp.json"] = b"x" * 1_000_000
    error = refused(world)
    assert error.reason is Refusal.MISMATCH
    assert error.message == "timestamp.json is longer than the 16384 bytes that it may have"


def test_nothing_there(world: World) -> None:
    """A place without metadata, and a server that is not there, are matters of the network."""
    world.site.files.clear()
    with pytest.raises(FileMissing, match=r"timestamp\.json"):
        world.get()
    world.store.add(NAME, "http://127.0.0.1:1/", root=world.repo.trusted)
    with pytest.raises(StorageError, match="refused"):
        world.get()


def test_no_such_artifact(world: World) -> None:
    """A path that nobody signed is said to be none, before anything is downloaded."""
    with pytest.raises(ArtifactNotFound), world.store.client(NAME) as client:
        client.look_up([target_path("app.bin"), target_path("app.exe")])
    assert not [name for name, _ in world.site.asked if name.startswith("targets/")]


def test_a_path_that_is_nearly_signed(tmp_path: Path) -> None:
    """What was looked through anyway may have the path that was meant; one that is asked for besides is no guess."""
    repo = flat({"dist/app-1.0.tar.gz": b"one", "notes.txt": b"two"})
    store = TrustStore(tmp_path / "trust", clock=ManualClock(NOW))
    with serving(Site.of(repo.files, repo.contents)) as url:
        store.add(NAME, url, root=repo.trusted)
        for asked, hint in (
            (["dist/app-1.0.tgz"], "did you mean dist/app-1.0.tar.gz?"),
            (["dist/app-1.0.tar.gz", "dist/app-1.0.tgz"], "look at its spelling"),
            (["nothing/like/it"], "look at its spelling"),
        ):
            with pytest.raises(ArtifactNotFound) as caught, store.client(NAME) as client:
                client.look_up([target_path(path) for path in asked])
            assert (caught.value.hint or "").endswith(hint)


# --- what is remembered between two looks ----------------------------------------------------------------


def test_a_damaged_cache_is_made_anew(world: World) -> None:
    """Whatever became of the remembered files, the next look verifies from the pinned root and heals them."""
    world.repo.rotate_root()
    world.settle()
    world.get()
    cache = world.store.directory / NAME / "metadata"
    files = [path for path in sorted(cache.rglob("*.json")) if path.is_file()]
    assert {"timestamp.json", "2.root.json", "snapshot.json"} <= {path.name for path in files}
    for damage in (b"", b"{}", b"\x00" * 100):
        for path in files:
            path.write_bytes(damage)
        world.look("app.bin", "docs/read me.txt")
        assert all(json.loads(path.read_bytes())["signed"] for path in files if path.name != "bins-0.json")
    shutil.rmtree(cache)
    world.look("app.bin")


def test_a_cache_of_another_repository_gives_no_trust(world: World, tmp_path: Path) -> None:
    """Whoever puts a chain of their own into the cache gains nothing: the pin is what counts."""
    other = succinct(artifacts={"app.bin": b"evil"}, root=Keys("stranger"), online=Keys("stranger"))
    other.rotate_root()
    cache = world.store.directory / NAME / "metadata"
    other.save(cache)
    other.save(cache / "root_history")
    for role in ("snapshot", "targets"):
        (cache / f"{role}.json").write_bytes(other.files[other.name_of(role)])
    (cache / "root.json").write_bytes(other.files["2.root.json"])
    assert world.get().file.read_bytes() == CONTENT
    assert world.store.memory(NAME).roles["root"].version == 1  # type: ignore[union-attr]


def test_what_is_remembered_outlasts_a_new_pin_of_the_same_root(world: World) -> None:
    """Pinning the same root again changes the URL and forgets nothing."""
    old = world.repo.files["timestamp.json"]
    world.repo.release()
    world.settle()
    world.look()
    world.trust()
    world.site.files["timestamp.json"] = old
    assert refused(world).reason is Refusal.ROLLBACK


def test_keys_that_are_not_of_root(world: World) -> None:
    """A timestamp that the root keys sign is as foreign as any."""
    world.repo.edit("timestamp", lambda _: None, signers=[signer("root-a")])
    world.settle()
    assert refused(world).reason is Refusal.UNSIGNED

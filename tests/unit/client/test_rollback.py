"""What was seen once is not gone back behind, whatever became of the updater's files; and versions have an end."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.support.tuf_repo import Keys, succinct
from tests.unit.client.conftest import NAME, World
from tuf.api.metadata import Targets

from rstuf.client.anchors import read_root
from rstuf.errors import InvalidMetadata, Refusal, RepositoryRefused, TrustDamaged
from rstuf.model.names import trust_name

BEYOND = 2**53


def forget(world: World, *names: str) -> None:
    """Remove what python-tuf's updater keeps: these files, or all."""
    cache = world.store.directory / NAME / "metadata"
    for name in names:
        (cache / name).unlink()
    if not names:
        shutil.rmtree(cache)
        cache.mkdir(mode=0o700)


def refused(world: World) -> RepositoryRefused:
    """Why a look is refused; what was seen before is remembered as it was."""
    before = world.store.memory(NAME)
    with pytest.raises(RepositoryRefused) as caught:
        world.look()
    assert world.store.memory(NAME) == before
    return caught.value


@pytest.mark.parametrize("lost", [(), ("timestamp.json",), ("timestamp.json", "snapshot.json", "targets.json")])
def test_what_was_seen_counts_though_the_updater_lost_it(lost: tuple[str, ...], world: World) -> None:
    """Without its timestamp the updater believes an older one; what was seen at the last look is asked as well."""
    old = dict(world.site.files)
    world.repo.release()
    world.settle()
    world.look()
    world.site.files.clear()
    world.site.files.update(old)
    for _ in range(2):
        forget(world, *lost)
        error = refused(world)
        assert (error.role, error.reason) == ("timestamp", Refusal.ROLLBACK)
        assert error.message == f"{world.url} offers version 1 of timestamp, and 2 was seen before (rollback)"
        assert "rstuf trust remove acme" in (error.hint or "")
    world.settle()
    assert world.look().memory.roles["timestamp"].version == 2


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_a_newer_timestamp_does_not_lead_back(role: str, world: World) -> None:
    """Roles below it are held against what was seen of them as well."""
    targets = Targets.from_dict(world.repo.load("targets")["signed"])
    world.repo.put("targets", targets, world.repo.online.signers)
    world.repo.release()
    world.settle()
    world.look()
    world.repo.versions[role] = 1 if role == "targets" else 0
    world.repo.release()
    world.settle()
    forget(world)
    error = refused(world)
    assert (error.role, error.reason) == (role, Refusal.ROLLBACK)
    assert f"offers version 1 of {role}, and 2 was seen before" in error.message


def test_a_root_from_before(world: World) -> None:
    """A server that leaves out the newest root is behind, also where the updater lost it."""
    old = dict(world.site.files)
    world.repo.rotate_root()
    world.settle()
    assert world.look().memory.roles["root"].version == 2
    world.site.files.clear()
    world.site.files.update(old)
    forget(world)
    error = refused(world)
    assert (error.role, error.reason) == ("root", Refusal.ROLLBACK)
    assert "offers version 1 of root, and 2 was seen before" in error.message


@pytest.mark.parametrize(("online", "counts"), [(Keys("online", "more"), True), (Keys("more"), False)])
def test_new_keys_end_what_old_ones_said(online: Keys, counts: bool, world: World) -> None:
    """Where a key is gone, versions may fall; where one was only added, they may not."""
    for _ in range(3):
        world.repo.release()
    world.settle()
    world.look()
    world.repo.rotate_root(online=online)
    world.repo.versions.update(timestamp=0, snapshot=0)
    world.repo.edit("targets", lambda _: None, signers=online.signers)
    world.repo.release()
    world.settle()
    forget(world)
    if counts:
        assert refused(world).reason is Refusal.ROLLBACK
    else:
        assert world.look().memory.roles["timestamp"].version == 1
        world.look()


def test_a_memory_that_is_damaged_is_no_empty_one(world: World) -> None:
    """Where nobody knows what was seen, nobody can say that this is newer."""
    world.look()
    (world.store.directory / NAME / "memory.json").write_bytes(b"")
    with pytest.raises(TrustDamaged, match=r"memory\.json"):
        world.look()


# --- versions and lengths without measure ----------------------------------------------------------------


@pytest.mark.parametrize("version", [BEYOND, 2**70, 10**4000], ids=["2^53", "2^70", "10^4000"])
@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_versions_beyond_what_is_remembered(role: str, version: int, world: World) -> None:
    """They are refused before they are kept: the next look goes on from what was seen before."""
    world.look()
    before = dict(world.repo.versions)
    world.repo.versions[role] = version - 1
    world.repo.release()
    world.settle()
    for _ in range(2):
        error = refused(world)
        assert (error.role, error.reason) == ("timestamp", Refusal.MALFORMED)
    world.repo.versions.update(before)
    world.repo.release()
    world.settle()
    assert world.look().memory.roles["timestamp"].version == 2


def test_the_largest_version_is_remembered(world: World) -> None:
    """One less is a version as any other."""
    world.repo.versions["timestamp"] = BEYOND - 2
    world.repo.release()
    world.settle()
    world.look()
    memory = world.store.memory(NAME)
    assert memory is not None
    assert memory.roles["timestamp"].version == BEYOND - 1


def test_a_root_beyond_what_is_remembered(world: World) -> None:
    """Trust does not begin with a version that cannot be written down."""
    repo = succinct()
    repo.edit("root", lambda signed: signed.update(version=BEYOND))
    for act in (read_root, lambda data: world.store.add(trust_name("other"), world.url, root=data)):
        with pytest.raises(InvalidMetadata, match="its version is beyond"):
            act(repo.trusted)


@pytest.mark.parametrize("length", [10**12, 2**63, 2**70])
@pytest.mark.parametrize("mirrored", [True, False])
def test_lengths_that_no_file_has(length: int, mirrored: bool, world: World, tmp_path: Path) -> None:
    """A length that is signed is not made room for: the file is read as far as it goes, and is not the one."""
    world.repo.edit("timestamp", lambda signed: signed["meta"]["snapshot.json"].update(length=length))
    world.settle()
    if mirrored:
        world.repo.save(tmp_path / "mirror")
        world.store.add(NAME, str(tmp_path / "mirror"), root=world.repo.trusted)
    error = refused(world)
    assert (error.role, error.reason) == ("snapshot", Refusal.MISMATCH)

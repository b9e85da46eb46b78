"""Where downloads go: never outside of the chosen directory, never through what others could change."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support import servers
from tests.support.files import names
from tests.unit.client.conftest import CONTENT, NAME, World

from rstuf.client import destination
from rstuf.client.destination import destination_at, destination_in
from rstuf.client.download import Download, DownloadState, Existing
from rstuf.client.store import TrustStore
from rstuf.errors import DestinationTaken, InvalidInput, InvalidPath, Locked, StorageError
from rstuf.model.names import target_path

APP = "app.bin"
PROGRAM = """
import sys
from pathlib import Path
from rstuf import TrustStore, destination_in, target_path, trust_name
from rstuf.clock import ManualClock, parse_iso
limit = int(sys.argv[3]) if len(sys.argv) > 3 else 0
store = TrustStore(Path(sys.argv[1]), clock=ManualClock(parse_iso("2030-01-01T00:00:00Z")))
with store.client(trust_name("acme")) as client:
    (offer,) = client.look_up([target_path("app.bin")]).offers
    if limit:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    done = client.save(offer, destination_in(Path(sys.argv[2]), offer.path))
print(done.state, done.resumed_from)
"""


def program(world: World, *more: object) -> list[str]:
    """A process that downloads app.bin."""
    return [sys.executable, "-c", PROGRAM, str(world.store.directory), str(world.here), *map(str, more)]


def to(world: World, file: Path, *, existing: Existing = Existing.KEEP) -> Download:
    """Download app.bin to a file of the caller's choice."""
    with world.store.client(NAME) as client:
        (offer,) = client.look_up([target_path(APP)]).offers
        return client.save(offer, destination_at(file), existing=existing)


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a/./x", "a//x", "a\\..\\x", "a\x00b", ".."])
def test_paths_that_lead_out_are_no_paths(path: str) -> None:
    """They are refused before anybody is asked for them."""
    with pytest.raises(InvalidPath):
        target_path(path)


def test_links_on_the_way_are_not_followed(world: World, tmp_path: Path) -> None:
    """A link in the chosen directory leads nowhere; the chosen directory itself may be one."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (world.here / "docs").symlink_to(outside)
    with pytest.raises(StorageError, match="symbolic link"):
        world.get("docs/read me.txt")
    assert names(outside) == []
    (world.here / "docs").unlink()
    (tmp_path / "link").symlink_to(world.here)
    world.here = tmp_path / "link"
    assert world.get("docs/read me.txt").file.read_bytes() == b"read me\n"


@pytest.mark.parametrize("what", ["link", "dangling", "directory"])
@pytest.mark.parametrize("existing", Existing)
def test_what_is_no_file_is_not_written_to(existing: Existing, what: str, world: World, tmp_path: Path) -> None:
    """A link that has the name of a download is not followed; on purpose it is replaced, but no directory."""
    victim, place = tmp_path / "victim", world.here / APP
    victim.write_bytes(b"mine")
    make: dict[str, Callable[[], object]] = {
        "link": lambda: place.symlink_to(victim),
        "dangling": lambda: place.symlink_to(tmp_path / "nowhere"),
        "directory": place.mkdir,
    }
    make[what]()
    if existing is Existing.REPLACE and what != "directory":
        assert world.get(existing=existing).file.read_bytes() == CONTENT
        assert not place.is_symlink()
    else:
        with pytest.raises(DestinationTaken if existing is Existing.KEEP else StorageError):
            world.get(existing=existing)
    assert victim.read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()
    assert names(world.here) == [APP]


@pytest.mark.parametrize("what", ["fifo", "link to a fifo", "link to a device", "link to a descriptor"])
@pytest.mark.parametrize("existing", Existing)
def test_what_is_no_file_is_not_replaced(existing: Existing, what: str, world: World, tmp_path: Path) -> None:
    """A device, a pipe or what leads to one is there for others too; not even on purpose is it replaced."""
    place = world.here / APP
    pipe, plain = tmp_path / "pipe", tmp_path / "plain"
    os.mkfifo(pipe)
    with plain.open("wb") as file:
        targets = {
            "to a fifo": str(pipe),
            "to a device": os.devnull,
            "to a descriptor": f"/proc/self/fd/{file.fileno()}",
        }
        if what == "fifo":
            os.mkfifo(place)
        else:
            place.symlink_to(targets[what.removeprefix("link ")])
        before = place.lstat()
        with pytest.raises(StorageError, match="not a regular file"):
            world.get(existing=existing)
    assert os.path.samestat(place.lstat(), before)
    assert names(world.here) == [APP]


@pytest.mark.parametrize("what", ["link", "hard link", "fifo", "directory", "foreign"])
def test_a_part_that_is_not_ours(what: str, world: World, tmp_path: Path) -> None:
    """What others could change after it was verified, or what is somebody's other file, is not written to."""
    victim, part = tmp_path / "victim", world.here / f"{APP}.part"
    victim.write_bytes(b"mine")
    if what == "foreign" and os.geteuid() != 0:
        pytest.skip("needs to give files away")
    if what == "link":
        part.symlink_to(victim)
    elif what == "hard link":
        part.hardlink_to(victim)
    elif what == "fifo":
        os.mkfifo(part)
    elif what == "directory":
        part.mkdir()
    else:
        part.write_bytes(b"theirs")
        os.chown(part, 12345, 12345)
    with pytest.raises(StorageError):
        world.get()
    assert destination_in(world.here, target_path(APP)).unfinished() == 0
    assert victim.read_bytes() == b"mine"
    assert names(world.here) == [f"{APP}.part"]


def test_what_is_there_to_go_on_from(world: World, tmp_path: Path) -> None:
    """The bytes of a part, which is not looked for behind a link."""
    place = destination_in(world.here, target_path("docs/read me.txt"))
    assert place.unfinished() == 0
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "read me.txt.part").write_bytes(b"read")
    (world.here / "docs").symlink_to(tmp_path / "outside")
    assert place.unfinished() == 0
    (world.here / "docs").unlink()
    (tmp_path / "outside").rename(world.here / "docs")
    assert place.unfinished() == 4


def test_a_file_of_ones_own_choice(world: World, tmp_path: Path) -> None:
    """`-o` names any file; a directory is none, and its directory must be there."""
    assert to(world, tmp_path / "other name").file.read_bytes() == CONTENT
    with pytest.raises(InvalidInput, match="is a directory"):
        to(world, world.here)
    for none in (Path(), "", ".", "..", "new/", "new/.", "new/..", "new//", f"{tmp_path}/", "/"):
        with pytest.raises(InvalidInput):
            destination_at(none)
    with pytest.raises(StorageError, match="there is no such directory"):
        to(world, tmp_path / "nowhere" / "x")
    assert not (tmp_path / "nowhere").exists()


def test_directories_are_made_and_go_again(world: World, tmp_path: Path) -> None:
    """A directory that is not there is made for what comes, and is gone if nothing does."""
    world.here = tmp_path / "new" / "below"
    del world.site.files[world.served("read me.txt")]
    with pytest.raises(StorageError):
        world.get("docs/read me.txt")
    assert not (tmp_path / "new").exists()
    assert world.get().file == tmp_path / "new" / "below" / APP


def test_no_write_permission(world: World) -> None:
    """A directory that takes nothing is told as that."""
    nowhere = destination_in(Path("/proc/self"), target_path(APP))
    with world.store.client(NAME) as client, pytest.raises(StorageError):
        client.save(client.look_up([target_path(APP)]).offers[0], nowhere)


def test_a_full_disk(world: World) -> None:
    """What came until the disk was full is kept; once there is room, the same command goes on from there."""
    done = subprocess.run(program(world, 5000), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "it is larger than files may be here" in done.stderr.splitlines()[-1]
    assert (world.here / f"{APP}.part").read_bytes() == CONTENT[:5000]
    done = subprocess.run(program(world), capture_output=True, text=True, check=True)
    assert done.stdout == "downloaded 5000\n"
    assert (world.here / APP).read_bytes() == CONTENT
    assert names(world.here) == [APP]


def _slowly(event: threading.Event) -> servers.Manner:
    """Half of it at once, the rest after `event`."""

    def manner(asked: servers.Asked) -> None:
        if asked.start:
            servers.well(asked)
            return
        half = len(asked.data) // 2
        asked.handler.send_response(200)
        asked.handler.send_header("Content-Length", str(len(asked.data)))
        asked.handler.end_headers()
        asked.handler.wfile.write(asked.data[:half])
        asked.handler.wfile.flush()
        event.wait(30)
        asked.handler.wfile.write(asked.data[half:])

    return manner


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_kill_in_the_middle(world: World) -> None:
    """SIGKILL leaves a part and no file; the next command goes on from it."""
    event, part = threading.Event(), world.here / f"{APP}.part"
    world.site.manners[world.served(APP)] = _slowly(event)
    process = subprocess.Popen(program(world))
    _until(lambda: part.exists() and part.stat().st_size == len(CONTENT) // 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    event.set()
    assert names(world.here) == [f"{APP}.part"]
    done = world.get()
    assert (done.file.read_bytes(), done.resumed_from) == (CONTENT, len(CONTENT) // 2)
    assert names(world.here) == [APP]


def test_a_kill_between_two_names(world: World) -> None:
    """A finished file that kept its other name is right; a later content can be downloaded in its place."""
    world.get()
    (world.here / f"{APP}.part").hardlink_to(world.here / APP)
    assert world.get().state is DownloadState.PRESENT
    (world.here / APP).write_bytes(b"of an earlier version")
    assert world.get(existing=Existing.REPLACE).state is DownloadState.DOWNLOADED
    assert names(world.here) == [APP]
    assert (world.here / APP).read_bytes() == CONTENT


def test_a_part_that_is_finished_between_two_steps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that lost its name after it was opened is another's file by now: it is not written to."""
    held, part = destination._lock, world.here / f"{APP}.part"
    finished = []

    def lock(descriptor: int) -> bool:
        if not finished:
            finished.append(part.rename(world.here / "finished by another"))
        return held(descriptor)

    monkeypatch.setattr(destination, "_lock", lock)
    assert world.get().file.read_bytes() == CONTENT
    assert (world.here / "finished by another").read_bytes() == b""


def test_two_downloads_of_one_file(world: World) -> None:
    """Two processes at once: one downloads, the other waits, and finds it there and right."""
    event, part = threading.Event(), world.here / f"{APP}.part"
    world.site.manners[world.served(APP)] = _slowly(event)
    first = subprocess.Popen(program(world), stdout=subprocess.PIPE, text=True)
    _until(lambda: part.exists() and part.stat().st_size == len(CONTENT) // 2)
    impatient = TrustStore(world.store.directory, clock=world.clock, wait=timedelta(seconds=0.2))
    with pytest.raises(Locked), impatient.client(NAME) as client:
        client.save(client.look_up([target_path(APP)]).offers[0], destination_in(world.here, target_path(APP)))
    second = subprocess.Popen(program(world), stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    event.set()
    assert first.communicate()[0] == "downloaded 0\n"
    assert second.communicate()[0] == "present 0\n"
    assert names(world.here) == [APP]
    assert [name for name, _ in world.site.asked].count(world.served(APP)) == 1

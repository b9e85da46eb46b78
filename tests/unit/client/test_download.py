"""Downloads from good and bad servers: the file is what was signed, or it is not there."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support import servers
from tests.support.files import mode, names, umask
from tests.support.servers import Manner
from tests.unit.client.conftest import CONTENT, World

from rstuf.client.destination import destination_in
from rstuf.client.download import DownloadState, Existing
from rstuf.errors import ContentRefused, DestinationTaken, FileMissing, StorageError
from rstuf.model.names import target_path

APP = "app.bin"
HALF = len(CONTENT) // 2


def unfinished(world: World, data: bytes) -> Path:
    """What an earlier download has left."""
    part = world.here / f"{APP}.part"
    part.write_bytes(data)
    return part


def test_a_file_is_what_was_signed(world: World) -> None:
    """Contents come whole, into directories that their paths name, and with the usual permissions."""
    with umask(0o022):
        for path in ("app.bin", "docs/read me.txt", "empty"):
            done = world.get(path)
            assert (done.file, done.state) == (world.here / path, DownloadState.DOWNLOADED)
            assert done.file.read_bytes() == world.repo.contents[world.served(Path(path).name).removeprefix("targets/")]
            assert mode(done.file) == 0o644
    assert names(world.here) == ["app.bin", "docs", "empty"]
    assert names(world.here / "docs") == ["read me.txt"]


def test_what_is_here_is_verified_and_left_alone(world: World) -> None:
    """The right file is not fetched again; another one is refused, or replaced on purpose."""
    world.get()
    asked = len(world.site.asked)
    assert world.get().state is DownloadState.PRESENT
    assert not [name for name, _ in world.site.asked[asked:] if name.startswith("targets/")]
    (world.here / APP).write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(DestinationTaken):
        world.get()
    assert names(world.here) == [APP]
    assert world.get(existing=Existing.REPLACE).state is DownloadState.DOWNLOADED
    assert (world.here / APP).read_bytes() == CONTENT


@pytest.mark.parametrize("have", [1, HALF, len(CONTENT) - 1, len(CONTENT)])
def test_it_goes_on_where_it_stopped(have: int, world: World) -> None:
    """Only what is missing is asked for, and nothing where all is there."""
    unfinished(world, CONTENT[:have])
    done = world.get()
    assert (done.file.read_bytes(), done.resumed_from) == (CONTENT, have)
    assert world.site.ranges() == ([f"bytes={have}-"] if have < len(CONTENT) else [])
    assert names(world.here) == [APP]


@pytest.mark.parametrize("rest", [b"x" * HALF, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 5)], ids=len)
def test_a_part_of_another_content(rest: bytes, world: World) -> None:
    """It does not fit, so all is fetched once more, and is right."""
    unfinished(world, rest)
    done = world.get()
    assert (done.file.read_bytes(), done.resumed_from) == (CONTENT, 0)
    assert names(world.here) == [APP]


@pytest.mark.parametrize(
    "manner",
    [
        servers.ignores_range,
        servers.knows_no_such_range,
        servers.lies_in_range,
        servers.says_another_total,
        servers.sends_a_short_part,
        servers.sends_another_part,
    ],
    ids=lambda manner: manner.__name__,
)
def test_servers_that_know_no_ranges(manner: Manner, world: World) -> None:
    """Whatever comes instead of the part that was asked for, the file is right, from all of it."""
    unfinished(world, CONTENT[:HALF])
    world.site.manners[None] = lambda asked: (manner if asked.handler.path.startswith("/targets/") else servers.well)(
        asked
    )
    done = world.get()
    assert (done.file.read_bytes(), done.resumed_from) == (CONTENT, 0)
    assert names(world.here) == [APP]


@pytest.mark.parametrize("before", [b"", CONTENT[:HALF]], ids=["new", "resumed"])
@pytest.mark.parametrize(
    "manner",
    [servers.sends_too_much, servers.says_too_much, servers.sends_too_little],
    ids=lambda manner: manner.__name__,
)
def test_another_length_is_refused(manner: Manner, before: bytes, world: World) -> None:
    """Never more bytes than are signed, and no fewer; no file is left that could be taken for the right one."""
    if before:
        unfinished(world, before)
    world.site.manners[world.served(APP)] = manner
    with pytest.raises(ContentRefused):
        world.get()
    assert names(world.here) in ([], [f"{APP}.part"])
    assert (world.here / f"{APP}.part").exists() <= bool(before)


def test_too_much_is_not_even_read(world: World) -> None:
    """A server that sends without end is left as soon as it goes beyond what is signed."""
    sent = []

    def endless(asked: servers.Asked) -> None:
        asked.send(200, asked.data, Content_Length=None)
        for _ in range(1000):
            asked.handler.wfile.write(b"x" * 65536)
            sent.append(1)

    world.site.manners[world.served(APP)] = endless
    with pytest.raises(ContentRefused, match="more than the 10240 bytes"):
        world.get()
    assert len(sent) < 1000
    assert names(world.here) == []


def test_changed_content_is_refused(world: World) -> None:
    """Other bytes of the same length: nothing is left of them, and once the server is right again it works."""
    name = world.served(APP)
    world.site.files[name] = CONTENT[:-1] + b"x"
    with pytest.raises(ContentRefused, match="sha256"):
        world.get()
    assert names(world.here) == []
    unfinished(world, CONTENT[:HALF])
    with pytest.raises(ContentRefused):
        world.get()
    assert names(world.here) == []
    assert [name for name, _ in world.site.asked].count(name) == 3
    world.site.files[name] = CONTENT
    assert world.get().file.read_bytes() == CONTENT


@pytest.mark.parametrize("times", [1, 3])
def test_a_connection_that_breaks_is_taken_up_again(times: int, world: World) -> None:
    """As long as each try brings something, it goes on where it broke."""
    world.site.manners[world.served(APP)] = servers.breaks_off(1000, times=times)
    assert world.get().file.read_bytes() == CONTENT
    assert world.site.ranges() == [f"bytes={1000 * each}-" for each in range(1, times + 1)]


def test_a_connection_that_never_holds(world: World) -> None:
    """After some tries it is an error of the network, what came is kept, and the next command goes on."""
    world.site.manners[world.served(APP)] = servers.breaks_off(1000, times=4)
    with pytest.raises(StorageError) as caught:
        world.get()
    assert not isinstance(caught.value, ContentRefused)
    assert (world.here / f"{APP}.part").read_bytes() == CONTENT[:4000]
    assert world.get().resumed_from == 4000


def test_content_that_changes_between_two_pieces(world: World) -> None:
    """Pieces of two contents make none: it is fetched once more, whole."""
    name = world.served(APP)
    broken = servers.breaks_off(1000, times=1)

    def changing(asked: servers.Asked) -> None:
        if asked.times == 0:
            asked.data = bytes(len(CONTENT))
        broken(asked)

    world.site.manners[name] = changing
    assert world.get().file.read_bytes() == CONTENT
    assert world.site.ranges() == ["bytes=1000-"]


def test_a_server_that_stalls(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence ends the wait; what came is kept."""
    event = threading.Event()
    monkeypatch.setattr("rstuf.storage.web.WebContentSource.__init__.__kwdefaults__", {"timeout": 0.3})
    world.site.manners[world.served(APP)] = servers.stalls(event)
    try:
        with pytest.raises(StorageError):
            world.get()
    finally:
        event.set()
    assert (world.here / f"{APP}.part").read_bytes()[:HALF] == CONTENT[:HALF]


def test_compression_that_nobody_asked_for(world: World) -> None:
    """A compressed answer is an error; a file that is only called so is taken as it is, and verified."""
    world.site.manners[world.served(APP)] = servers.compresses
    with pytest.raises(StorageError, match="compressed"):
        world.get()
    assert names(world.here) == []
    unfinished(world, CONTENT[:HALF])
    world.site.manners[world.served(APP)] = servers.calls_it_compressed
    assert world.get().file.read_bytes() == CONTENT


def test_redirects(world: World) -> None:
    """Within one scheme they are followed, and what is found there is verified like anything else."""
    world.site.files["elsewhere"] = CONTENT
    world.site.manners[world.served(APP)] = servers.redirects("/elsewhere")
    assert world.get().file.read_bytes() == CONTENT
    for to in ("https://example.invalid/", "file:///etc/passwd"):
        world.site.manners[world.served("read me.txt")] = servers.redirects(to)
        with pytest.raises(StorageError, match="the server redirects to"):
            world.get("docs/read me.txt")
    assert names(world.here) == [APP]


def test_content_that_is_not_there(world: World) -> None:
    """A signed artifact without content is told as that; no directory is left that was made for it."""
    del world.site.files[world.served("read me.txt")]
    with pytest.raises(FileMissing) as caught:
        world.get("docs/read me.txt")
    assert "--artifacts URL" in (caught.value.hint or "")
    assert names(world.here) == []


def test_a_repository_in_a_directory(world: World, tmp_path: Path) -> None:
    """A copy on a disk is a repository like one behind a server, and a part of it is a part."""
    world.repo.save(tmp_path / "mirror", tmp_path / "contents")
    contents = (tmp_path / "contents").as_uri()
    world.store.add(world.trust().name, str(tmp_path / "mirror"), root=world.repo.trusted, artifacts=contents)
    unfinished(world, CONTENT[:HALF])
    asked = len(world.site.asked)
    assert world.get().resumed_from == HALF
    assert world.get("docs/read me.txt").file.read_bytes() == b"read me\n"
    (tmp_path / "contents" / world.served("empty").removeprefix("targets/")).unlink()
    assert world.get("empty").file.read_bytes() == b""
    assert len(world.site.asked) == asked


def test_several_hashes_are_all_checked(world: World) -> None:
    """A content that has one of the signed hashes and not the other is refused."""
    with world.store.client(world.trust().name) as client:
        (offer,) = client.look_up([target_path(APP)]).offers
        both = replace(offer, hashes={**offer.hashes, "sha512": "0" * 128})
        with pytest.raises(ContentRefused, match="sha256 or sha512"):
            client.save(both, destination_in(world.here, offer.path))
    assert names(world.here) == []


def test_spooled_contents_have_no_name(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes elsewhere than into a file is verified first, in a file that nobody else can open."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "here"))
    with world.store.client(world.trust().name) as client:
        (offer,) = client.look_up([target_path(APP)]).offers
        with client.spool(offer) as content:
            assert content.read() == CONTENT
            assert os.listdir(world.here) == []
        world.site.files[world.served(APP)] = bytes(len(CONTENT))
        with pytest.raises(ContentRefused), client.spool(offer):
            raise AssertionError("nothing of it is handed out")

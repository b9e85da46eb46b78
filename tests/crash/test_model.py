"""The parts that the crash tests stand on: the model of the disk, the reader of traces, the ledger.

`python -m tests.crash` is the run itself; this is quick and shows that its instruments measure.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.crash.disk import Data, Disk, Node, materialise, tree_of
from tests.crash.errors import ErrorPoint, spread_errors
from tests.crash.kill import spread
from tests.crash.ledger import Ledger
from tests.crash.replay import Replay
from tests.crash.runs import Outcome
from tests.crash.trace import TraceError, read_trace


def quoted(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def traced(tmp_path: Path, place: Path, *calls: str) -> Path:
    """A trace of calls in a short form: words in {} are paths below `place` or bytes, as strace -xx writes them."""
    lines = []
    for call in calls:
        pieces = call.split("{")
        text = pieces[0]
        for piece in pieces[1:]:
            inside, rest = piece.split("}", 1)
            inside = str(place / inside[1:]) if inside.startswith("/") else inside
            text += quoted(inside) + rest
        lines.append(f"7  {text}\n")
    file = tmp_path / "trace"
    file.write_text("".join(lines))
    return file


def replayed(tmp_path: Path, *calls: str) -> Disk:
    place = tmp_path / "place"
    place.mkdir()
    disk = Disk(place)
    replay = Replay(disk, place)
    for call in read_trace(traced(tmp_path, place, *calls)):
        replay.apply(call)
    return disk


WRITTEN = (
    'openat(AT_FDCWD<{/}>, "{/draft}", O_WRONLY|O_CREAT|O_EXCL, 0600) = 3<{/draft}>',
    'write(3<{/draft}>, "{abcdef}", 6) = 6',
)
FLUSHED = (*WRITTEN, "fsync(3<{/draft}>) = 0", "close(3<{/draft}>) = 0")
NAMED = (*FLUSHED, 'rename("{/draft}", "{/final}") = 0')
DURABLE = (*NAMED, 'openat(AT_FDCWD<{/}>, "{/}", O_RDONLY|O_DIRECTORY) = 3<{/}>', "fsync(3<{/}>) = 0")


def contents(disk: Disk) -> set[tuple[tuple[str, bytes], ...]]:
    """All images of this instant, as the files in them."""
    return {
        tuple(sorted((path, data) for path, (_, data) in image.tree.items() if data is not None))
        for image in disk.images(0)
    }


def test_unflushed_bytes_may_be_there_in_part_as_zeros_or_not_at_all(tmp_path: Path) -> None:
    """Nothing that was written is certain before the flush, and neither is the name."""
    found = contents(replayed(tmp_path, *WRITTEN))
    assert {(), (("draft", b""),), (("draft", b"abc"),), (("draft", bytes(6)),), (("draft", b"abcdef"),)} == found


def test_a_flushed_file_still_lacks_its_name(tmp_path: Path) -> None:
    """After fsync the bytes are certain and the name is not."""
    assert contents(replayed(tmp_path, *FLUSHED)) == {(), (("draft", b"abcdef"),)}


def test_a_rename_is_there_or_not(tmp_path: Path) -> None:
    """Without a flush of the directory a file may have its old name, its new one, or none, but never half its bytes."""
    found = contents(replayed(tmp_path, *NAMED))
    assert found == {(), (("draft", b"abcdef"),), (("final", b"abcdef"),)}


def test_the_directory_settles_names(tmp_path: Path) -> None:
    """After fsync of the directory one state is left."""
    assert contents(replayed(tmp_path, *DURABLE)) == {(("final", b"abcdef"),)}


def test_syncfs_settles_everything(tmp_path: Path) -> None:
    """syncfs makes bytes and names of the whole file system durable."""
    assert contents(replayed(tmp_path, *WRITTEN, "syncfs(3<{/draft}>) = 0")) == {(("draft", b"abcdef"),)}


def test_a_lost_directory_takes_its_files_along(tmp_path: Path) -> None:
    """A file in a directory whose own name is not durable is gone with it, flushed or not."""
    found = contents(
        replayed(
            tmp_path,
            'mkdir("{/d}", 0755) = 0',
            'openat(AT_FDCWD<{/}>, "{/d/f}", O_WRONLY|O_CREAT, 0644) = 3<{/d/f}>',
            'write(3<{/d/f}>, "{x}", 1) = 1',
            "fsync(3<{/d/f}>) = 0",
            'openat(AT_FDCWD<{/}>, "{/d}", O_RDONLY|O_DIRECTORY) = 4<{/d}>',
            "fsync(4<{/d}>) = 0",
        )
    )
    assert found == {(), (("d/f", b"x"),)}


def test_an_overwritten_file_may_hold_the_old_or_parts_of_the_new(tmp_path: Path) -> None:
    """A write in place can be torn: that is what an atomic replacement is for."""
    node = Node(0o644, data=bytearray(b"old content"), synced=b"old content")
    node.truncate(0)
    node.write(0, b"new!")
    assert [node.left(how) for how in Data] == [b"old content", bytes(4), b"ne", b"new!"]


def test_unknown_calls_are_refused(tmp_path: Path) -> None:
    """A call that changes the place in a way the model doesn't know stops the run; nothing is guessed."""
    with pytest.raises(TraceError, match="exchanges"):
        replayed(tmp_path, *FLUSHED, 'renameat2(AT_FDCWD<{/}>, "{/draft}", AT_FDCWD<{/}>, "{/b}", RENAME_EXCHANGE) = 0')


def test_interrupted_lines_are_put_together(tmp_path: Path) -> None:
    """strace splits a call when another thread comes in between; a kill leaves one without an end."""
    file = tmp_path / "trace"
    file.write_text(
        f'7  write(3<{quoted("/a")}>, "{quoted("x")}", 1 <unfinished ...>\n'
        f"8  fsync(4<{quoted('/b')}>) = -1 EIO (Input/output error) (INJECTED)\n"
        "7  <... write resumed>) = 1\n"
        f"7  fsync(3<{quoted('/a')}>) = ?\n"
        "7  +++ killed by SIGKILL +++\n"
    )
    assert [(call.pid, call.name, call.result, call.error) for call in read_trace(file)] == [
        (8, "fsync", -1, "EIO"),
        (7, "write", 1, ""),
        (7, "fsync", None, ""),
    ]


def test_an_image_comes_back_from_the_disk_as_it_was(tmp_path: Path) -> None:
    """What is materialised is read again as the same tree, modes too."""
    tree = {"": (0o755, None), "d": (0o700, None), "d/secret": (0o600, b"s"), "f": (0o644, b"")}
    materialise(tree, tmp_path / "image")
    assert tree_of(tmp_path / "image") == tree


def test_the_ledger_sees_a_second_content(tmp_path: Path) -> None:
    """A versioned name, or a timestamp version, with other bytes is a loss; a new version is none."""
    ledger = Ledger()
    stamp = [
        json.dumps({"signed": {"version": version}, "signatures": note}).encode()
        for version, note in ((1, 1), (1, 2), (2, 1))
    ]
    assert ledger.note_files([("repo/metadata/1.bins-0.json", b"a"), ("repo/metadata/timestamp.json", stamp[0])]) == []
    assert ledger.note_files([("repo/metadata/timestamp.json", stamp[2])]) == []
    wrong = ledger.note_files([("repo/metadata/1.bins-0.json", b"b"), ("repo/metadata/timestamp.json", stamp[1])])
    assert [text.split(":")[0] for text in wrong] == ["L3", "L3"]
    assert ledger.note_files([(f"repo/targets/{'0' * 64}.file", b"")]) != []


def test_the_ledger_sees_a_key_that_others_may_read(tmp_path: Path) -> None:
    """A private key is never readable by anybody else; its public half may be."""
    keys = tmp_path / "keys"
    keys.mkdir()
    for name, mode in (("a.key", 0o600), ("a.pub", 0o644)):
        (keys / name).write_text("-----BEGIN PRIVATE KEY-----" if name == "a.key" else "-----BEGIN PUBLIC KEY-----")
        os.chmod(keys / name, mode)
    assert Ledger().note(tmp_path) == []
    os.chmod(keys / "a.key", 0o640)
    assert Ledger().note(tmp_path) == ["L6: others may read keys/a.key"]


@pytest.mark.parametrize(
    ("code", "stdout", "expected"),
    [
        (0, b"", True),
        (-9, b'{"added": 1}\n', True),
        (-9, b'{"added"', False),
        (1, b'{"error": {"code": "x"}}', False),
        (-9, b"", False),
    ],
)
def test_what_counts_as_acknowledged(code: int, stdout: bytes, *, expected: bool) -> None:
    """A script may rely on exit code 0, and on a whole result even if the command was killed after printing it."""
    assert Outcome(code, stdout, b"").acknowledged is expected


def test_spreads_are_even_and_move_with_the_seed() -> None:
    """A daily run covers the whole of an operation, and another part of it every day."""
    picked = [spread(range(100), 10, seed) for seed in range(3)]
    assert all(len(each) == 10 and max(each) - min(each) >= 88 for each in picked)
    assert len({tuple(each) for each in picked}) == 3
    assert spread(range(5), 10, 1) == [0, 1, 2, 3, 4]


def test_errors_take_turns() -> None:
    """Where fewer errors are tried than there are, all kinds come up, over all calls."""
    points = [
        ErrorPoint("write", ordinal, "write f", error, lasting=False)
        for ordinal in range(40)
        for error in ("EIO", "ENOSPC", "EDQUOT")
    ]
    picked = spread_errors(points, 20, 5)
    assert len({point.ordinal for point in picked}) == 20
    assert {point.error for point in picked} == {"EIO", "ENOSPC", "EDQUOT"}

"""The means by which the crash tests disturb: writes cut short, small disks, defects that find their place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.crash import faults, zygote
from tests.crash.faults import FAULTS, Fault
from tests.crash.full import FullPoint, choose
from tests.crash.mounts import PAGE
from tests.crash.patching import replace_everywhere, replace_method
from tests.crash.runs import ROOT, HarnessError, require_places
from tests.crash.stopping import Cutter, supported
from tests.crash.trace import read_trace

LENGTH = 10


@pytest.fixture
def cut(tmp_path: Path) -> Callable[..., tuple[int, int | None, bytes]]:
    """Runs a child that writes ten bytes, and then what is left of them."""
    if supported() is not None:
        pytest.skip(str(supported()))

    def run(*, then: str, call: str) -> tuple[int, int | None, bytes]:
        file = tmp_path / "file"
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.read(reading, 1)
            _write(
                descriptor, os.write if call == "write" else lambda fd, data: os.pwrite(fd, data, LENGTH - len(data))
            )
        cutter = Cutter(pid, {"call": call, "ordinal": 1, "keep": 4, "then": then})
        os.write(writing, b"g")
        code, written = cutter.run()
        for each in (descriptor, reading, writing):
            os.close(each)
        return code, written, file.read_bytes()

    return run


def _write(descriptor: int, write: Callable[[int, bytes], int]) -> None:
    """In the child: write it all; its exit code is the number of the error, or 0."""
    data = b"0123456789"
    try:
        while data:
            data = data[write(descriptor, data) :]
    except OSError as error:
        os._exit(error.errno or 1)
    os._exit(0)


def _pwrite(descriptor: int, data: bytes) -> int:
    return os.pwrite(descriptor, data, LENGTH - len(data))


@pytest.mark.parametrize("call", ["write", "pwrite64"])
@pytest.mark.parametrize(
    ("then", "code", "left"), [("on", 0, b"0123456789"), ("full", 27, b"0123"), ("kill", -9, b"0123")]
)
def test_a_write_is_really_cut_short(
    cut: Callable[..., tuple[int, int | None, bytes]], call: str, then: str, code: int, left: bytes
) -> None:
    """The kernel writes the first bytes and says how many; then the writer goes on, finds no room, or is dead."""
    assert cut(then=then, call=call) == (code, 4, left)


SMALL_DISK = """
import os, sys
from pathlib import Path
from tests.crash.mounts import PAGE, Disk, private_mounts
try:
    private_mounts()
    disk = Disk(Path(sys.argv[1]))
except OSError as error:
    sys.exit(f"skip: {error}")
def error(act):
    try: act()
    except OSError as failed: return failed.errno
    return 0
file = os.open(disk.place / "file", os.O_CREAT | os.O_WRONLY)
disk.leave(pages=3)
print(os.write(file, bytes(9 * PAGE)), error(lambda: os.write(file, b"x")))
disk.leave(inodes=0)
print(error((disk.place / "other").touch))
os.close(file)
disk.freeze()
print(error((disk.place / "other").touch))
disk.free()
print(error((disk.place / "other").touch))
"""


def test_a_small_disk_is_full(tmp_path: Path) -> None:
    """With three pages left three are written, without inodes no file is made, frozen it takes nothing; then all."""
    command = [sys.executable, "-c", SMALL_DISK, str(tmp_path / "disk")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.stderr.startswith("skip: "):
        pytest.skip(done.stderr)
    assert done.stderr == ""
    assert done.stdout.split() == [str(3 * PAGE), "28", "28", "30", "0"]


def test_a_full_disk_is_tried_read_only_too() -> None:
    """However few points are taken, the read-only disk is one of them."""
    points = [*(FullPoint("pages", left) for left in range(50)), FullPoint("read-only")]
    assert choose(points, 1, 3) == [FullPoint("read-only")]
    assert len(choose(points, 8, 3)) == 8


def test_looks_are_traced(tmp_path: Path) -> None:
    """What is read belongs to the file that it is read from, whatever its bytes are; so does what is asked for."""
    place = str(tmp_path)
    shown = "".join(f"\\x{byte:02x}" for byte in f"{place}/f".encode())
    (tmp_path / "trace").write_text(
        f'7  pread64(3<{shown}>, "\\x2f\\x61"..., 4096, 0) = 4096\n'
        f'7  read(3<{shown}>, ""..., 9) = 9\n'
        f'7  newfstatat(AT_FDCWD, "{shown}", {{st_mode=S_IFREG|0644, st_size=1, ...}}, 0) = 0\n'
        f"7  mmap(NULL, 32768, PROT_READ, MAP_SHARED, 3<{shown}>, 0) = 0x7f0000000000\n"
        '7  read(4<\\x2f\\x61>, ""..., 9) = 9\n'
    )
    found = [(call.name, call.touches(place)) for call in read_trace(tmp_path / "trace")]
    assert found == [("pread64", True), ("read", True), ("newfstatat", True), ("mmap", True), ("read", False)]


def test_every_defect_has_its_place(tmp_path: Path) -> None:
    """All that the defects replace is there; where it is not, each is named, with what is missing."""
    require_places(FAULTS, tmp_path)


def test_a_defect_without_a_place_is_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A part that moved away stops the run before it begins."""

    def moved() -> None:
        replace_method(Cutter, "no_such_method", None)

    broken = {"moved": Fault("", moved, ("kill", "add")), "sound": Fault("", lambda: None, ("kill", "add"))}
    monkeypatch.setattr(faults, "FAULTS", broken)
    assert zygote._check_faults() == 0
    said = capfd.readouterr().out
    assert said == '{"moved": "LookupError: tests.crash.stopping.Cutter has no no_such_method to be replaced"}\n'
    with pytest.raises(LookupError):
        replace_everywhere(object(), None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, said, ""))
    with pytest.raises(HarnessError, match=r"1 of 2 defects have no place.*\n  moved: LookupError"):
        require_places(broken, tmp_path)

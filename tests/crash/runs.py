"""Running commands in forks of the zygote: traced, killed or disturbed at a chosen system call."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

MUTATING = (
    *("open", "openat", "openat2", "creat", "write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile"),
    *("copy_file_range", "fallocate", "truncate", "ftruncate", "fsync", "fdatasync", "syncfs", "sync"),
    *("sync_file_range", "msync", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    *("unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "mknod", "mknodat", "chmod", "fchmod", "fchmodat"),
    *("utimensat", "setxattr", "fsetxattr", "ioctl"),
)
"""Calls that change files, or could."""
BOOKKEEPING = ("close", "close_range", "dup", "dup2", "dup3", "fcntl", "lseek", "read", "pread64", "readv", "chdir")
"""What must be seen too, to know which file a descriptor is and where it stands."""
READING = (
    *("read", "pread64", "readv", "preadv", "getdents64", "stat", "lstat", "fstat", "newfstatat", "statx"),
    *("readlink", "readlinkat", "mmap", "flock"),
)
"""Calls that look at files, or ask for them."""


class HarnessError(RuntimeError):
    """The harness itself cannot work; nothing is known about what it tests."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What to record, and what to disturb.

    Attributes:
        file: where strace writes.
        inject: strace's injections: `fsync:signal=SIGKILL:when=3`, `write:error=ENOSPC:when=2`.
        whole: with all written bytes and the bookkeeping, for replaying.
        reading: with the calls that only look.
    """

    file: Path
    inject: Sequence[str] = ()
    whole: bool = False
    reading: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """A write that is to end early.

    Attributes:
        call: "write" or "pwrite64"; ordinal: which of its thread, from 1.
        keep: how many bytes it may write.
        then: "on", "full" (no file may grow any further than to that place) or "kill".
    """

    call: str
    ordinal: int
    keep: int
    then: str


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a script that runs beside others.

    Attributes:
        kill: after how many seconds it is killed, if it still runs; None for never.
    """

    argv: Sequence[str]
    kill: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: its exit code, negative when a signal ended it.
        hung: it did not end by itself in time.
        written: how many bytes the write wrote that was to be cut short; None if there was none.
    """

    code: int
    stdout: bytes
    stderr: bytes
    hung: bool = False
    written: int | None = None

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL and not self.hung

    @property
    def acknowledged(self) -> bool:
        """Whether a script that ran it may rely on it: it ended well, or had printed its whole result."""
        said = self._document()
        return self.code == 0 or (said is not None and "error" not in said)

    @property
    def error(self) -> str | None:
        """The code of the error that it printed as JSON."""
        try:
            return str(self._document()["error"]["code"])  # type: ignore[index]
        except (LookupError, TypeError):
            return None

    def _document(self) -> dict[str, Any] | None:
        try:
            said = json.loads(self.stdout)
        except ValueError:
            return None
        return said if isinstance(said, dict) else None


class Zygote:
    """rstuf's commands, with a defect patched in or without."""

    def __init__(self, scratch: Path, *, fault: str | None = None) -> None:
        self._scratch, self._fault = scratch, fault
        self._out, self._err = scratch / "stdout", scratch / "stderr"
        command = [sys.executable, "-m", "tests.crash.zygote", *([fault] if fault else [])]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=_environment(scratch), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._answer()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        shift: float = 0,
        trace: Trace | None = None,
        cut: Cut | None = None,
        seconds: float = 60,
    ) -> Outcome:
        """Run one command to its end, traced or with a write cut short.

        Args:
            shift: how many seconds its clock is ahead.
            seconds: when it counts as hung.

        Raises:
            HarnessError: it could not be run or traced.
        """
        spec = None
        if trace is not None:
            calls = [*MUTATING, *(BOOKKEEPING if trace.whole else []), *(READING if trace.reading else [])]
            spec = {
                "file": str(trace.file),
                "calls": ",".join(f"?{call}" for call in calls),
                "bytes": 4_000_000 if trace.whole else 0,
                "inject": list(trace.inject),
            }
        request = {"argv": list(argv), "cwd": str(cwd), "shift": shift, "trace": spec, "seconds": seconds}
        request |= {"out": str(self._out), "err": str(self._err), "cut": asdict(cut) if cut is not None else None}
        self._ask(request)
        answer = self._answer()
        said, complained = self._out.read_bytes(), self._err.read_bytes()
        return Outcome(answer["code"], said, complained, bool(answer["hung"]), answer.get("written"))

    def crowd(
        self, scripts: Sequence[Sequence[Step]], *, cwd: Path, meanwhile: Callable[[], None], seconds: float = 120
    ) -> list[list[Outcome]]:
        """Run scripts beside each other, the commands of each one after the other.

        Args:
            meanwhile: called again and again while they run.

        Raises:
            HarnessError: they could not be run.
        """
        place = self._scratch / "crowd"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        crowd = [
            [
                {"argv": list(step.argv), "kill": step.kill}
                | {name: str(place / f"{script}-{number}.{name}") for name in ("out", "err")}
                for number, step in enumerate(steps)
            ]
            for script, steps in enumerate(scripts)
        ]
        self._ask({"crowd": crowd, "cwd": str(cwd), "shift": 0, "seconds": seconds})
        assert self._process.stdout is not None
        while not select.select([self._process.stdout], [], [], 0)[0]:
            meanwhile()
        outcomes: list[list[Outcome]] = [[] for _ in scripts]
        for script, number, code, hung in self._answer()["ended"]:
            out, err = (Path(crowd[script][number][name]).read_bytes() for name in ("out", "err"))
            outcomes[script].append(Outcome(code, out, err, hung))
        return outcomes

    def _ask(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            defect = f" with the defect {self._fault}" if self._fault is not None else ""
            raise HarnessError(f"the zygote{defect} ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise HarnessError(str(answer["error"]))
        return answer


def _environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "NO_COLOR": "1",
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def require_places(faults: Collection[str], scratch: Path) -> None:
    """See that each of these defects can still be put in.

    Raises:
        HarnessError: what they are to replace has moved away; names all of them.
    """
    command = [sys.executable, "-m", "tests.crash.zygote", "--check"]
    done = subprocess.run(command, cwd=ROOT, env=_environment(scratch), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HarnessError(f"the zygote ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    lacking = {name: reason for name, reason in json.loads(done.stdout).items() if name in faults}
    if lacking:
        lines = [f"  {name}: {reason}" for name, reason in lacking.items()]
        raise HarnessError(
            f"{len(lacking)} of {len(faults)} defects have no place to be put in any more; "
            "what they replace has moved, so faults.py and defects.py must follow:\n" + "\n".join(lines)
        )


def require_strace() -> str:
    """strace's version.

    Raises:
        HarnessError: it is not installed.
    """
    if shutil.which("strace") is None:
        raise HarnessError("strace is not installed; these tests cannot run without it (apt-get install strace)")
    return subprocess.run(["strace", "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]

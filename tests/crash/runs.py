"""Running commands in forks of the zygote: traced, killed or disturbed at a chosen system call."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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


class HarnessError(RuntimeError):
    """The harness itself cannot work; nothing is known about what it tests."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What to record, and what to disturb.

    Attributes:
        file: where strace writes.
        inject: strace's injections: `fsync:signal=SIGKILL:when=3`, `write:error=ENOSPC:when=2`.
        whole: with all written bytes and the bookkeeping, for replaying.
    """

    file: Path
    inject: Sequence[str] = ()
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: its exit code, negative when a signal ended it.
        hung: it did not end by itself in time.
    """

    code: int
    stdout: bytes
    stderr: bytes
    hung: bool = False

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
        self._out, self._err = scratch / "stdout", scratch / "stderr"
        command = [sys.executable, "-m", "tests.crash.zygote", *([fault] if fault else [])]
        fixed = {
            "PATH": os.environ["PATH"],
            "HOME": str(scratch),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "NO_COLOR": "1",
            "PYTHONPATH": str(ROOT),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._process = subprocess.Popen(command, cwd=ROOT, env=fixed, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answer()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def run(
        self, argv: Sequence[str], *, cwd: Path, shift: float = 0, trace: Trace | None = None, seconds: float = 60
    ) -> Outcome:
        """Run one command to its end.

        Args:
            shift: how many seconds its clock is ahead.
            seconds: when it counts as hung.

        Raises:
            HarnessError: it could not be run or traced.
        """
        spec = None
        if trace is not None:
            calls = [*MUTATING, *(BOOKKEEPING if trace.whole else [])]
            spec = {
                "file": str(trace.file),
                "calls": ",".join(f"?{call}" for call in calls),
                "bytes": 4_000_000 if trace.whole else 0,
                "inject": list(trace.inject),
            }
        request = {"argv": list(argv), "cwd": str(cwd), "shift": shift, "trace": spec, "seconds": seconds}
        request |= {"out": str(self._out), "err": str(self._err)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._answer()
        return Outcome(answer["code"], self._out.read_bytes(), self._err.read_bytes(), bool(answer["hung"]))

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise HarnessError(f"the zygote ended with {self._process.wait()}")
        answer: dict[str, int] = json.loads(line)
        if "error" in answer:
            raise HarnessError(str(answer["error"]))
        return answer


def require_strace() -> str:
    """strace's version.

    Raises:
        HarnessError: it is not installed.
    """
    if shutil.which("strace") is None:
        raise HarnessError("strace is not installed; these tests cannot run without it (apt-get install strace)")
    return subprocess.run(["strace", "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]

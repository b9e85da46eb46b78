"""Cutting one write short, as a signal or a file that may not grow any further does: really, by the kernel.

The command is stopped as it enters the write, and may from then on not make any file longer than the place where the
write is to be cut (RLIMIT_FSIZE): so the kernel writes that part and says so. Then the limit is lifted, or kept, so
that what follows fails with EFBIG, or the command is killed. Nothing is told to the command that has not happened.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import stat
from pathlib import Path
from typing import Any, Final

_SEIZE, _INTERRUPT, _SYSCALL_INFO = 0x4206, 0x4207, 0x420E
_CONTINUE, _TO_NEXT_CALL = 7, 24
_MARK_CALLS, _WITH_THREADS, _END_TOGETHER = 1, 8, 1 << 20
_AT_CALL: Final = signal.SIGTRAP | 0x80
_ALL_THREADS: Final = 0x40000000  # __WALL
_ENTRY, _EXIT = 1, 2

# Numbers of system calls: https://man7.org/linux/man-pages/man2/syscall.2.html
_NUMBERS: Final = {
    "x86_64": {"write": 1, "pwrite64": 18},
    "aarch64": {"write": 64, "pwrite64": 68},
}


class _Info(ctypes.Structure):
    """What PTRACE_GET_SYSCALL_INFO tells at the entry; at the exit the result stands where the number does here."""

    _fields_ = (
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("pointers", ctypes.c_uint64 * 2),
        ("number", ctypes.c_int64),
        ("args", ctypes.c_uint64 * 6),
    )


def supported() -> str | None:
    """Why no write can be cut short on this machine; None where it can."""
    machine = platform.machine()
    return None if machine in _NUMBERS else f"system call numbers of {machine} are not known here"


class Cutter:
    """A child, held before it does anything, that will have one of its writes cut short."""

    def __init__(self, pid: int, spec: dict[str, Any]) -> None:
        """Attach.

        Args:
            spec: the call's name, its ordinal among those of its thread, how many bytes to keep, and what comes then:
                "on", "full" or "kill".

        Raises:
            OSError: it cannot be traced.
        """
        self._pid, self._spec = pid, spec
        self._number = _NUMBERS[platform.machine()][spec["call"]]
        self._counts: dict[int, int] = {}
        self._cut: int | None = None
        self._written: int | None = None
        self._limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self._libc.ptrace.restype = ctypes.c_long
        self._ptrace(_SEIZE, pid, data=_MARK_CALLS | _WITH_THREADS | _END_TOGETHER)
        self._ptrace(_INTERRUPT, pid)

    def run(self) -> tuple[int, int | None]:
        """Let it run to its end: its exit code, and how many bytes the write wrote; None if it was never reached."""
        while True:
            tid, status = os.waitpid(-1, _ALL_THREADS)
            if not os.WIFSTOPPED(status):
                if tid == self._pid:
                    return os.waitstatus_to_exitcode(status), self._written
                continue
            number, event = os.WSTOPSIG(status), status >> 16
            delivered = 0
            if number == _AT_CALL:
                self._look(tid)
            elif not event:
                delivered = number
            over = self._written is not None
            try:
                self._ptrace(_CONTINUE if over else _TO_NEXT_CALL, tid, data=delivered)
            except ProcessLookupError:
                continue  # it was killed meanwhile

    def _look(self, tid: int) -> None:
        info = _Info()
        self._ptrace(_SYSCALL_INFO, tid, ctypes.sizeof(info), ctypes.addressof(info))
        if info.op == _ENTRY and info.number == self._number:
            self._counts[tid] = self._counts.get(tid, 0) + 1
            if self._counts[tid] == self._spec["ordinal"] and self._cut is None:
                self._shorten(tid, info)
        elif info.op == _EXIT and self._cut == tid:
            self._written = int(info.number)
            self._go_on()

    def _shorten(self, tid: int, info: _Info) -> None:
        descriptor = int(info.args[0])
        if not stat.S_ISREG(Path(f"/proc/{tid}/fd/{descriptor}").stat().st_mode):
            return
        start = int(info.args[3]) if self._spec["call"] == "pwrite64" else _position(tid, descriptor)
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (start + self._spec["keep"], self._limits[1]))
        self._cut = tid

    def _go_on(self) -> None:
        if self._spec["then"] == "kill":
            os.kill(self._pid, signal.SIGKILL)
        elif self._spec["then"] == "on":
            resource.prlimit(self._pid, resource.RLIMIT_FSIZE, self._limits)

    def _ptrace(self, request: int, tid: int, address: int = 0, data: int = 0) -> None:
        if self._libc.ptrace(request, tid, address, data) < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"ptrace {request:#x}: {os.strerror(number)}")


def _position(tid: int, descriptor: int) -> int:
    """Where the next write(2) begins."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{tid}/fdinfo/{descriptor}").read_text().splitlines())
    if int(fields["flags"], 8) & os.O_APPEND:
        return Path(f"/proc/{tid}/fd/{descriptor}").stat().st_size
    return int(fields["pos"])

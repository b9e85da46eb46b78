"""The process that commands are run in: everything is imported once, each command is a fork of that.

A fork starts in the same state every time, so its system calls can be counted from the first one; and it costs
milliseconds where an interpreter with the command line's imports costs most of a second. strace is attached before
the fork does anything; the fork ends like any interpreter does, with its exit handlers.

Run as `python -m tests.crash.zygote [FAULT]`; speaks one JSON document a line on stdin and stdout. With `--check` it
only says which defects find no place to be put in.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from tests.crash import faults
from tests.crash.stopping import Cutter

_PR_SET_PTRACER = 0x59616D61
_ANY = ctypes.c_ulong(-1)
_LAZY = (
    "tuf.api.metadata",
    "tuf.ngclient.updater",
    "sqlite_utils",
    "orjson",
    "bcrypt",
    "urllib.request",
    "encodings.idna",
    "_strptime",
)


def _import_all(package: str) -> None:
    module = importlib.import_module(package)
    for found in pkgutil.walk_packages(module.__path__, f"{package}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)


def _load() -> Any:
    """The command line's entry point, with all it may import later imported now."""
    for name in _LAZY:
        importlib.import_module(name)
    _import_all("rstuf")
    _import_all("rstuf_cli")
    if os.geteuid():
        # strace reads the names of files in /proc, which a process with keys leaves open to root alone.
        importlib.import_module("rstuf_cli.run").keep_to_itself = lambda: None  # type: ignore[attr-defined]
    return importlib.import_module("rstuf_cli.app").main


def _lines() -> Any:
    """Requests, read without buffering: a fork must not inherit half of the next one."""
    rest = b""
    while True:
        while b"\n" not in rest:
            more = os.read(0, 65536)
            if not more:
                return
            rest += more
        line, rest = rest.split(b"\n", 1)
        yield json.loads(line)


def _reply(document: dict[str, Any]) -> None:
    os.write(1, json.dumps(document).encode() + b"\n")


def _strace(pid: int, spec: dict[str, Any]) -> subprocess.Popen[bytes]:
    command = ["strace", "-f", "-y", "-xx", "-s", str(spec["bytes"]), "-o", spec["file"], "-p", str(pid)]
    command += ["-e", f"trace={spec['calls']}"]
    for injection in spec["inject"]:
        command += ["-e", f"inject={injection}"]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    if b"attached" not in said:
        os.kill(pid, signal.SIGKILL)
        raise RuntimeError(f"strace could not attach: {(said + tracer.stderr.read()).decode(errors='replace')}")
    return tracer


def _become(request: dict[str, Any], go: socket.socket) -> None:
    """In the fork: stand where the command is to stand, say so, and wait for the tracer."""
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY, 0, 0, 0)
    os.chdir(request["cwd"])
    opened = [os.open(os.devnull, os.O_RDONLY)]
    opened += [_output(request[name]) for name in ("out", "err")]
    for number, descriptor in enumerate(opened):
        os.dup2(descriptor, number)
        os.close(descriptor)
    faults.shift_clock(request["shift"])
    sys.argv = ["rstuf", *request["argv"]]
    os.umask(0o022)
    go.send(b"r")
    go.recv(1)
    go.close()


def _output(place: str | int) -> int:
    """A file by its name, or a descriptor that is open already."""
    return place if isinstance(place, int) else os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)


def _wait(pid: int, seconds: float) -> tuple[int, bool]:
    """Exit code (negative: the signal) and whether it had to be ended because it hung."""
    handle = os.pidfd_open(pid)
    hung = not select.select([handle], [], [], seconds)[0]
    if hung:
        os.kill(pid, signal.SIGKILL)
    os.close(handle)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), hung


def _serve_one(request: dict[str, Any]) -> bool:
    """Fork a command and report how it ended; true in the fork itself."""
    here, there = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        here.close()
        _become(request, there)
        return True
    there.close()
    tracer = None
    try:
        here.recv(1)
        if request["trace"] is not None:
            tracer = _strace(pid, request["trace"])
        here.send(b"g")
        code, hung = _wait(pid, request["seconds"])
    except RuntimeError as error:
        os.waitpid(pid, 0)
        _reply({"error": str(error)})
        return False
    finally:
        here.close()
    if tracer is not None:
        tracer.communicate()
    _reply({"code": code, "hung": hung})
    return False


def _serve_cut(request: dict[str, Any]) -> bool:
    """Fork a command of which one write is cut short, and report how it ended; true in the fork itself.

    What it prints goes through pipes: they have room for it, and no limit on files applies to them.
    """
    here, there = socket.socketpair()
    pipes = {name: os.pipe() for name in ("out", "err")}
    pid = os.fork()
    if pid == 0:
        here.close()
        for reading, _ in pipes.values():
            os.close(reading)
        _become(request | {name: writing for name, (_, writing) in pipes.items()}, there)
        return True
    there.close()
    for _, writing in pipes.values():
        os.close(writing)
    late: list[bool] = []

    def too_late(*_: object) -> None:
        late.append(True)
        os.kill(pid, signal.SIGKILL)

    here.recv(1)
    try:
        cutter = Cutter(pid, request["cut"])
    except OSError as error:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        _reply({"error": f"a command cannot be traced: {error}"})
        return False
    signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, request["seconds"])
    here.send(b"g")
    code, written = cutter.run()
    signal.setitimer(signal.ITIMER_REAL, 0)
    here.close()
    for name, (reading, _) in pipes.items():
        with open(reading, "rb") as said, open(request[name], "wb") as file:
            file.write(said.read())
    _reply({"code": code, "hung": bool(late), "written": written})
    return False


@dataclass(slots=True)
class _Running:
    """One command of a crowd: which of which script, and the instants at which it is killed and counts as hung."""

    script: int
    number: int
    pid: int
    kill: float
    hung: float


def _serve_crowd(request: dict[str, Any]) -> bool:
    """Run scripts beside each other, the commands of each in turn, some killed after a time; true in each fork."""
    scripts, ended = request["crowd"], []
    running: dict[int, _Running] = {}
    following = [(script, 0) for script in range(len(scripts))]
    while running or following:
        for script, number in following:
            command = scripts[script][number]
            here, there = socket.socketpair()
            pid = os.fork()
            if pid == 0:
                here.close()
                _become(request | command, there)
                return True
            there.close()
            here.recv(1)
            here.send(b"g")
            here.close()
            now = time.monotonic()
            kill = now + command["kill"] if command["kill"] is not None else float("inf")
            running[os.pidfd_open(pid)] = _Running(script, number, pid, kill, now + request["seconds"])
        following = []
        soonest = min(min(each.kill, each.hung) for each in running.values())
        for handle in select.select(list(running), [], [], max(0.0, soonest - time.monotonic()))[0]:
            each = running.pop(handle)
            os.close(handle)
            code = os.waitstatus_to_exitcode(os.waitpid(each.pid, 0)[1])
            ended.append([each.script, each.number, code, time.monotonic() >= each.hung])
            if each.number + 1 < len(scripts[each.script]):
                following.append((each.script, each.number + 1))
        for each in running.values():
            if time.monotonic() >= min(each.kill, each.hung):
                os.kill(each.pid, signal.SIGKILL)
                each.kill = float("inf")
    _reply({"ended": ended})
    return False


def _serve(request: dict[str, Any]) -> bool:
    if "crowd" in request:
        return _serve_crowd(request)
    return _serve_cut(request) if request.get("cut") is not None else _serve_one(request)


def _check_faults() -> int:
    """Put each defect into a fork; say of those that cannot be put in what they lack."""
    lacking: dict[str, str] = {}
    for name, fault in faults.FAULTS.items():
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                fault.apply()
            except Exception as error:  # whatever moved away, in whatever way it shows
                os.write(writing, f"{type(error).__name__}: {error}".encode())
            os._exit(0)
        os.close(writing)
        with open(reading, "rb") as said:
            if found := said.read().decode():
                lacking[name] = found
        os.waitpid(pid, 0)
    print(json.dumps(lacking))
    return 0


def main() -> int:
    entry = _load()
    if sys.argv[1:] == ["--check"]:
        return _check_faults()
    for name in sys.argv[1:]:
        faults.FAULTS[name].apply()
    if threading.active_count() != 1:
        raise RuntimeError("something started a thread at import; a fork would lose it")
    gc.freeze()  # a fork that collects garbage need not touch, and so copy, all of this
    _reply({"ready": os.getpid()})
    for request in _lines():
        if _serve(request):
            return int(entry())
    return 0


if __name__ == "__main__":
    sys.exit(main())

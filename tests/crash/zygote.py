"""The process that commands are run in: everything is imported once, each command is a fork of that.

A fork starts in the same state every time, so its system calls can be counted from the first one; and it costs
milliseconds where an interpreter with the command line's imports costs most of a second. strace is attached before
the fork does anything; the fork ends like any interpreter does, with its exit handlers.

Run as `python -m tests.crash.zygote [FAULT]`; speaks one JSON document a line on stdin and stdout.
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
from typing import Any

from tests.crash import faults

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
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, request["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    faults.shift_clock(request["shift"])
    sys.argv = ["rstuf", *request["argv"]]
    os.umask(0o022)
    go.send(b"r")
    go.recv(1)
    go.close()


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


def main() -> int:
    entry = _load()
    for name in sys.argv[1:]:
        faults.FAULTS[name].apply()
    if threading.active_count() != 1:
        raise RuntimeError("something started a thread at import; a fork would lose it")
    gc.freeze()  # a fork that collects garbage need not touch, and so copy, all of this
    _reply({"ready": os.getpid()})
    for request in _lines():
        if _serve_one(request):
            return int(entry())
    return 0


if __name__ == "__main__":
    sys.exit(main())

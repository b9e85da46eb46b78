"""Reading what strace recorded (`-f -y -xx`): one value a system call, in the order in which they ended."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.crash.runs import MUTATING

_LINE = re.compile(r"^(\d+)\s+(.*)$")
_CALL = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+|\?)(?:<((?:\\x[0-9a-f]{2})*)>)?(.*)$")
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(.*)$")
_UNFINISHED = " <unfinished ...>"
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
HERE = -100
"""What `descriptor` gives for AT_FDCWD."""
_DESCRIPTOR = re.compile(r"^(AT_FDCWD|\d+)(?:<((?:\\x[0-9a-f]{2})*)>)?")
_RANDOM = re.compile(r"(?<![0-9a-zA-Z])(?=[a-z_0-9]*[0-9_])[a-z0-9_]{8,32}(?![0-9a-zA-Z])|[0-9a-f]{16,}|\d{3,}")


_CREATING = frozenset({"O_CREAT", "O_TRUNC", "O_TMPFILE"})
_WITH_DATA = frozenset({"read", "write", "pread64", "pwrite64"})
MOVING = frozenset({"rename", "renameat", "renameat2", "link", "linkat"})
"""Calls that give a file its name."""


class TraceError(RuntimeError):
    """A line that this reader does not understand: nothing may be concluded from the trace."""


@dataclass(frozen=True, slots=True)
class Call:
    """One system call.

    Attributes:
        pid: the thread's.
        name: "openat", ….
        args: its arguments as strace shows them.
        result: its result, -1 for an error, None when it never returned.
        error: "ENOENT", … or "".
        ordinal: which call of this name by this thread it is, from 1: what strace's `when=` counts.
    """

    pid: int
    name: str
    args: tuple[str, ...]
    result: int | None
    error: str
    ordinal: int

    def text(self, index: int) -> str:
        """A path argument."""
        return os.fsdecode(self.data(index))

    def data(self, index: int) -> bytes:
        """A byte argument; all parts of an iovec joined."""
        return b"".join(_bytes(part) for part in _STRING.findall(self.args[index]))

    def descriptor(self, index: int) -> int:
        """A descriptor argument; -100 for AT_FDCWD."""
        found = _DESCRIPTOR.match(self.args[index])
        if found is None:
            raise TraceError(f"{self.name}: {self.args[index]!r} is not a descriptor")
        return HERE if found[1] == "AT_FDCWD" else int(found[1])

    def described(self, index: int) -> str:
        """The path that strace knew of a descriptor argument, or ""."""
        found = _DESCRIPTOR.match(self.args[index]) if index < len(self.args) else None
        return os.fsdecode(_unhex(found[2])) if found is not None and found[2] else ""

    def integer(self, index: int) -> int:
        """A number."""
        return int(self.args[index], 0)

    def flags(self, index: int) -> frozenset[str]:
        """Flags that are or-ed together."""
        return frozenset(self.args[index].split("|")) if index < len(self.args) else frozenset()

    def paths(self) -> list[str]:
        """All absolute paths that it touches."""
        found: list[str] = []
        base = ""
        for index, arg in enumerate(self.args):
            if arg.startswith('"') and self.name not in _WITH_DATA:
                found.append(os.path.join(base or os.sep, self.text(index)))
            elif (place := self.described(index)) != "":
                base = place
                if not (index + 1 < len(self.args) and self.args[index + 1].startswith('"')) or self.name in _WITH_DATA:
                    found.append(place)
        return found

    def touches(self, place: str) -> bool:
        """Whether it is about something in the directory `place`, or that directory."""
        return any(path == place or path.startswith(f"{place}/") for path in self.paths())

    def where(self, place: str) -> str:
        """What it is about, relative to `place`, the same in every run: random parts of names are starred."""
        shown = [
            _RANDOM.sub("*", path.removeprefix(place).lstrip("/")) for path in self.paths() if path.startswith(place)
        ]
        return f"{self.name} {' -> '.join(shown)}"


def changing(call: Call) -> bool:
    """Whether a call changes what is on the disk, or what of it is durable."""
    if call.name not in MUTATING:
        return False
    if call.name.startswith("open"):
        return bool(_CREATING & call.flags(2 if call.name == "openat" else 1))
    return call.name != "ioctl" or "CLONE" in call.args[1]


def read_trace(file: Path) -> list[Call]:
    """All calls of a trace; a call that was cut off by a kill comes with `result` None.

    Raises:
        TraceError: a line is not understood.
    """
    with file.open(encoding="ascii") as lines:
        return list(_calls(lines))


def _calls(lines: Iterator[str]) -> Iterator[Call]:
    pending: dict[int, str] = {}
    counts: Counter[tuple[int, str]] = Counter()
    for raw in lines:
        found = _LINE.match(raw.rstrip("\n"))
        if found is None:
            raise TraceError(raw[:200])
        pid, text = int(found[1]), found[2]
        if text.startswith(("+++", "---")):
            continue
        if text.endswith(_UNFINISHED):
            pending[pid] = text.removesuffix(_UNFINISHED)
            continue
        resumed = _RESUMED.match(text)
        if resumed is not None:
            text = pending.pop(pid, "") + resumed[1]
        yield _call(pid, text, counts)
    for pid, text in pending.items():
        yield _call(pid, f"{text}) = ?", counts)


def _call(pid: int, text: str, counts: Counter[tuple[int, str]]) -> Call:
    found = _CALL.match(text)
    if found is None:
        raise TraceError(text[:200])
    name, args, result, _, rest = found.groups()
    counts[pid, name] += 1
    error = rest.strip().split(" ", 1)[0] if result == "-1" else ""
    value = None if result == "?" else int(result)
    return Call(pid, name, tuple(_split(args)), value, error, counts[pid, name])


def _split(args: str) -> Iterator[str]:
    """Arguments at the top level; strings are all hex, so brackets only ever nest structures."""
    depth, start = 0, 0
    for index, char in enumerate(args):
        if char in "[{(":
            depth += 1
        elif char in "]})":
            depth -= 1
        elif char == "," and depth == 0:
            yield args[start:index].strip()
            start = index + 1
    if args[start:].strip():
        yield args[start:].strip()


def _bytes(part: Sequence[str]) -> bytes:
    if part[1]:
        raise TraceError("a string was cut short; it was recorded without its bytes")
    return _unhex(part[0])


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))

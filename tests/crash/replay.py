"""Recorded system calls, applied one by one to the model of the disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tests.crash.disk import Disk, Node
from tests.crash.trace import HERE, Call, TraceError


class Where(NamedTuple):
    """A directory and a name in it, and its path in the place; all names are "" for the place itself."""

    directory: Node
    name: str
    path: str

    @property
    def node(self) -> Node | None:
        """What has the name."""
        return self.directory if self.name == "" else (self.directory.names or {}).get(self.name)

    def becomes(self, node: Node | None) -> tuple[Node, str, Node | None]:
        """The name's new meaning."""
        return self.directory, self.name, node


@dataclass(slots=True)
class _Open:
    node: Node
    path: str
    append: bool
    synchronous: bool
    offset: int = 0


class Replay:
    """A process that works on `disk`, which stands for the directory `place`."""

    def __init__(self, disk: Disk, place: Path, *, umask: int = 0o022) -> None:
        self._disk, self._place, self._umask = disk, str(place), umask
        self._open: dict[int, _Open] = {}
        self._cwd = str(place)

    def apply(self, call: Call) -> bool:
        """One system call; whether it changed what is there, or what of it is durable.

        Raises:
            TraceError: it changes files in a way that the model doesn't know.
        """
        if call.result is None or call.result < 0:
            return False
        handler = _HANDLERS.get(call.name)
        if handler is None:
            if call.touches(self._place):
                raise TraceError(f"the model of the disk doesn't know {call.name}")
            return False
        return handler(self, call)

    # where things are

    def _resolve(self, call: Call, index: int, *, at: int | None = None) -> Where | None:
        base = self._cwd
        if at is not None and (number := call.descriptor(at)) != HERE:
            base = self._open[number].path if number in self._open else call.described(at)
        path = os.path.normpath(os.path.join(base, call.text(index)))
        if path == self._place:
            return Where(self._disk.root, "", "")
        if not path.startswith(f"{self._place}/"):
            return None
        inside = path.removeprefix(f"{self._place}/")
        *parents, name = inside.split("/")
        node = self._disk.root
        for part in parents:
            child = (node.names or {}).get(part)
            if child is None:
                raise TraceError(f"{path}: the model has no {part}")
            node = child
        return Where(node, name, inside)

    def _known(self, call: Call, index: int = 0) -> _Open | None:
        return self._open.get(call.descriptor(index))

    # opening and closing

    def openat(self, call: Call) -> bool:
        flags = call.flags(2)
        path = os.path.normpath(os.path.join(call.described(0) or self._cwd, call.text(1)))
        return self._opened(
            call, self._resolve(call, 1, at=0), path, flags, call.args[3] if len(call.args) > 3 else "0"
        )

    def openat2(self, call: Call) -> bool:
        where = self._resolve(call, 1, at=0)
        if where is not None and "O_CREAT" in call.args[2]:
            raise TraceError("the model of the disk doesn't know openat2 with O_CREAT")
        path = os.path.normpath(os.path.join(call.described(0) or self._cwd, call.text(1)))
        return self._opened(call, where, path, frozenset(), "0")

    def _opened(self, call: Call, where: Where | None, path: str, flags: frozenset[str], mode: str) -> bool:
        assert call.result is not None
        self._open.pop(call.result, None)
        if where is None:
            return False
        node = None if "O_TMPFILE" in flags else where.node
        changed = False
        if node is None:
            node = Node(int(mode, 8) & ~self._umask)
            if "O_TMPFILE" not in flags:
                self._disk.change(f"the making of {where.path}", where.path, where.becomes(node))
                changed = True
        if "O_TRUNC" in flags and node.data:
            node.truncate(0)
            changed = True
        synchronous = bool(flags & {"O_SYNC", "O_DSYNC"})
        self._open[call.result] = _Open(node, path, append="O_APPEND" in flags, synchronous=synchronous)
        return changed

    def close(self, call: Call) -> bool:
        self._open.pop(call.descriptor(0), None)
        return False

    def close_range(self, call: Call) -> bool:
        for number in [number for number in self._open if call.integer(0) <= number <= call.integer(1)]:
            del self._open[number]
        return False

    def dup(self, call: Call) -> bool:
        assert call.result is not None
        self._open.pop(call.result, None)
        if (known := self._known(call)) is not None:
            self._open[call.result] = known
        return False

    def fcntl(self, call: Call) -> bool:
        return self.dup(call) if call.args[1].startswith("F_DUPFD") else False

    def chdir(self, call: Call) -> bool:
        self._cwd = os.path.normpath(os.path.join(self._cwd, call.text(0)))
        return False

    # bytes

    def lseek(self, call: Call) -> bool:
        if (known := self._known(call)) is not None:
            known.offset = call.result or 0
        return False

    def read(self, call: Call) -> bool:
        if (known := self._known(call)) is not None:
            known.offset += call.result or 0
        return False

    def write(self, call: Call) -> bool:
        known = self._known(call)
        if known is None or not call.result:
            return False
        start = len(known.node.data) if known.append else known.offset
        known.offset = start + call.result
        return self._written(known, start, call.data(1)[: call.result])

    def pwrite(self, call: Call) -> bool:
        known = self._known(call)
        if known is None or not call.result:
            return False
        return self._written(known, call.integer(3), call.data(1)[: call.result])

    def _written(self, known: _Open, offset: int, data: bytes) -> bool:
        known.node.write(offset, data)
        if known.synchronous:
            known.node.sync()
        return True

    def copy_file_range(self, call: Call) -> bool:
        return self._copied(call, self._known(call, 0), self._known(call, 2), offsets=(call.args[1], call.args[3]))

    def sendfile(self, call: Call) -> bool:
        return self._copied(call, self._known(call, 1), self._known(call, 0), offsets=(call.args[2],))

    def _copied(self, call: Call, source: _Open | None, target: _Open | None, *, offsets: tuple[str, ...]) -> bool:
        if target is None:
            return self.read(call) if source is not None and call.name == "copy_file_range" else False
        if source is None or set(offsets) != {"NULL"}:
            raise TraceError(f"the model of the disk doesn't know {call.name} from outside, or with offsets")
        data = bytes(source.node.data[source.offset : source.offset + (call.result or 0)])
        source.offset += len(data)
        target.offset += len(data)
        return self._written(target, target.offset - len(data), data)

    def ftruncate(self, call: Call) -> bool:
        if (known := self._known(call)) is not None:
            known.node.truncate(call.integer(1))
        return known is not None

    def truncate(self, call: Call) -> bool:
        where = self._resolve(call, 0)
        if where is not None and (node := where.node) is not None:
            node.truncate(call.integer(1))
        return where is not None

    def fallocate(self, call: Call) -> bool:
        if (known := self._known(call)) is None:
            return False
        if call.args[1] != "0":
            raise TraceError("the model of the disk doesn't know fallocate with flags")
        known.node.truncate(max(len(known.node.data), call.integer(2) + call.integer(3)))
        return True

    def fchmod(self, call: Call) -> bool:
        if (known := self._known(call)) is not None:
            known.node.mode = int(call.args[1], 8)
        return False

    def chmod(self, call: Call) -> bool:
        return self._chmod(self._resolve(call, 0), call.args[1])

    def fchmodat(self, call: Call) -> bool:
        return self._chmod(self._resolve(call, 1, at=0), call.args[2])

    def _chmod(self, where: Where | None, mode: str) -> bool:
        """Modes are taken as durable at once; what depends on them is not a matter of power cuts."""
        if where is not None and (node := where.node) is not None:
            node.mode = int(mode, 8)
        return False

    def ioctl(self, call: Call) -> bool:
        if "CLONE" in call.args[1] and self._known(call) is not None:
            raise TraceError("the model of the disk doesn't know clones")
        return False

    # durability

    def fsync(self, call: Call) -> bool:
        known = self._known(call)
        if known is None:
            return False
        if known.node.names is None:
            known.node.sync()
        else:
            self._disk.sync_names(known.node)
        return True

    def syncfs(self, call: Call) -> bool:
        self._disk.sync_all()
        return True

    def nothing(self, call: Call) -> bool:
        """What has no part in this model: times, and promises that are none."""
        return False

    # names

    def rename(self, call: Call) -> bool:
        return self._moved(self._resolve(call, 0), self._resolve(call, 1))

    def renameat(self, call: Call) -> bool:
        if "RENAME_EXCHANGE" in call.flags(4):
            raise TraceError("the model of the disk doesn't know exchanges")
        return self._moved(self._resolve(call, 1, at=0), self._resolve(call, 3, at=2))

    def _moved(self, source: Where | None, target: Where | None) -> bool:
        if source is None and target is None:
            return False
        if source is None or target is None or (node := source.node) is None:
            raise TraceError(f"a rename across the border of {self._place}, or of what isn't there")
        what = f"the renaming of {source.path} to {target.path}"
        self._disk.change(what, target.path, source.becomes(None), target.becomes(node))
        return True

    def link(self, call: Call) -> bool:
        return self._linked(self._resolve(call, 0), self._resolve(call, 1))

    def linkat(self, call: Call) -> bool:
        target = self._resolve(call, 3, at=2)
        text = call.text(1)
        number = call.descriptor(0) if "AT_EMPTY_PATH" in call.flags(4) else None
        if text.startswith("/proc/self/fd/"):
            number = int(text.rsplit("/", 1)[1])
        if number is None:
            return self._linked(self._resolve(call, 1, at=0), target)
        if target is None:
            return False
        self._disk.change(f"the making of {target.path}", target.path, target.becomes(self._open[number].node))
        return True

    def _linked(self, source: Where | None, target: Where | None) -> bool:
        if target is None:
            return False
        node = source.node if source is not None else None
        if node is None:
            raise TraceError("a link to what the model doesn't have")
        self._disk.change(f"the link {target.path}", target.path, target.becomes(node))
        return True

    def unlink(self, call: Call) -> bool:
        return self._removed(self._resolve(call, 0))

    def unlinkat(self, call: Call) -> bool:
        return self._removed(self._resolve(call, 1, at=0))

    def _removed(self, where: Where | None) -> bool:
        if where is not None:
            self._disk.change(f"the removal of {where.path}", where.path, where.becomes(None))
        return where is not None

    def mkdir(self, call: Call) -> bool:
        return self._made(self._resolve(call, 0), call.args[1])

    def mkdirat(self, call: Call) -> bool:
        return self._made(self._resolve(call, 1, at=0), call.args[2])

    def _made(self, where: Where | None, mode: str) -> bool:
        if where is not None:
            node = Node(int(mode, 8) & ~self._umask, names={})
            self._disk.change(f"the directory {where.path}", where.path, where.becomes(node))
        return where is not None


_HANDLERS: Final[Mapping[str, Callable[[Replay, Call], bool]]] = {
    "openat": Replay.openat,
    "openat2": Replay.openat2,
    "close": Replay.close,
    "close_range": Replay.close_range,
    "dup": Replay.dup,
    "dup2": Replay.dup,
    "dup3": Replay.dup,
    "fcntl": Replay.fcntl,
    "chdir": Replay.chdir,
    "lseek": Replay.lseek,
    "read": Replay.read,
    "readv": Replay.read,
    "pread64": Replay.nothing,
    "write": Replay.write,
    "writev": Replay.write,
    "pwrite64": Replay.pwrite,
    "pwritev": Replay.pwrite,
    "copy_file_range": Replay.copy_file_range,
    "sendfile": Replay.sendfile,
    "truncate": Replay.truncate,
    "ftruncate": Replay.ftruncate,
    "fallocate": Replay.fallocate,
    "fchmod": Replay.fchmod,
    "chmod": Replay.chmod,
    "fchmodat": Replay.fchmodat,
    "ioctl": Replay.ioctl,
    "utimensat": Replay.nothing,
    "sync_file_range": Replay.nothing,
    "msync": Replay.nothing,
    "fsync": Replay.fsync,
    "fdatasync": Replay.fsync,
    "syncfs": Replay.syncfs,
    "sync": Replay.syncfs,
    "rename": Replay.rename,
    "renameat": Replay.renameat,
    "renameat2": Replay.renameat,
    "link": Replay.link,
    "linkat": Replay.linkat,
    "unlink": Replay.unlink,
    "rmdir": Replay.unlink,
    "unlinkat": Replay.unlinkat,
    "mkdir": Replay.mkdir,
    "mkdirat": Replay.mkdirat,
}

"""A model of what a disk holds while a command runs, and what of it a power cut may leave.

It is POSIX at its worst, within what journaling file systems do: a file's bytes and length are durable after an
fsync, fdatasync or syncfs that came after they were written; a name (made, replaced or removed) is durable after an
fsync of its directory or a syncfs; until then each of these is there or not, independently of all others, and bytes
may be there in part, or as zeros. A rename within a file system is atomic; it is durable with the directory that it
renames into. What SQLite maps into memory (`-shm`) is never read after a restart and is left out.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

_IGNORED = "-shm"

Tree = dict[str, tuple[int, bytes | None]]
"""A directory's contents: for each path below it (and "" for itself) mode and bytes, None for a directory."""


class Data(Enum):
    """What a power cut leaves of bytes that were not made durable."""

    LOST = "lost"
    ZEROS = "zeros"
    TORN = "torn"
    KEPT = "kept"


@dataclass(eq=False, slots=True)
class Node:
    """A file or a directory.

    Attributes:
        names: entries, if it is a directory; durable: those that a power cut leaves for certain.
        stamps: by name, the number of the newest change that is durable.
        data: content, if it is a file; synced: what of it is durable; pending: (offset, bytes) written and
            (length, None) cut since.
    """

    mode: int
    names: dict[str, Node] | None = None
    durable: dict[str, Node] = field(default_factory=dict)
    stamps: dict[str, int] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def write(self, offset: int, data: bytes) -> None:
        """Write at `offset`."""
        self.pending.append((offset, data))
        _apply(self.data, offset, data)

    def truncate(self, length: int) -> None:
        """Cut or extend."""
        if len(self.data) != length:
            self.pending.append((length, None))
            _apply(self.data, length, None)

    def sync(self) -> None:
        """All bytes are durable."""
        if self.pending:
            self.synced = bytes(self.data)
            self.pending.clear()

    def left(self, how: Data) -> bytes:
        """The content after a power cut."""
        if how is Data.KEPT or not self.pending:
            return bytes(self.data)
        if how is Data.LOST:
            return self.synced
        content = bytearray(self.synced)
        budget = sum(len(data) for _, data in self.pending if data is not None) // 2
        for offset, data in self.pending:
            if data is None:
                _apply(content, offset, None)
            elif how is Data.ZEROS:
                _apply(content, offset, bytes(len(data)))
            else:
                _apply(content, offset, data[:budget])
                budget -= min(budget, len(data))
                if budget == 0:
                    break
        return bytes(content)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    """A write of `data` at `offset`, or, without data, a cut to that length."""
    if data is None:
        del content[offset:]
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if data is not None:
        content[offset : offset + len(data)] = data


@dataclass(frozen=True, eq=False, slots=True)
class Change:
    """Names that change together: (directory, name, node or None); durable with the directory of the last one."""

    number: int
    names: tuple[tuple[Node, str, Node | None], ...]
    what: str
    about: str


@dataclass(frozen=True, slots=True)
class Image:
    """One state that a power cut may leave.

    Attributes:
        cut: how many calls of the trace came before.
        how: what was lost and what was kept, in words.
        about: the path that fares otherwise than all others, or "".
    """

    cut: int
    how: str
    about: str
    tree: Tree

    @property
    def digest(self) -> str:
        """The same for equal trees. What a lock file says of its holder counts only in an image that is about it."""
        whole = hashlib.sha256()
        for path, (mode, data) in sorted(self.tree.items()):
            if path.endswith(".lock") and path != self.about:
                continue
            whole.update(f"{path}\0{mode}\0{-1 if data is None else len(data)}\0".encode())
            whole.update(data or b"")
        return whole.hexdigest()


class Disk:
    """One directory and all below it."""

    def __init__(self, place: Path) -> None:
        """The directory as it stands on the real disk, all of it durable."""
        self.root = _load(place)
        self._pending: list[Change] = []
        self._number = 0

    def tree(self) -> Tree:
        """What a running process sees."""
        return _tree(self.root, lambda node: node.names or {}, lambda node: bytes(node.data))

    def read(self, path: str) -> bytes:
        """A file as a running process sees it.

        Raises:
            FileNotFoundError: there is none.
        """
        node: Node | None = self.root
        for part in path.split("/"):
            node = (node.names or {}).get(part) if node is not None else None
        if node is None or node.names is not None:
            raise FileNotFoundError(path)
        return bytes(node.data)

    def change(self, what: str, about: str, *names: tuple[Node, str, Node | None]) -> None:
        """Make, replace or remove names, together: in words, and the path that it is about."""
        for directory, name, node in names:
            assert directory.names is not None
            _set(directory.names, name, node)
        self._number += 1
        self._pending.append(Change(self._number, names, what, about))

    def sync_names(self, directory: Node) -> None:
        """What happened in `directory` is durable."""
        self._settle(lambda change: change.names[-1][0] is directory)

    def sync_all(self) -> None:
        """Everything is durable."""
        for node in self._unsynced():
            node.sync()
        self._settle(lambda change: True)

    def _settle(self, durable: Callable[[Change], bool]) -> None:
        for change in self._pending:
            for directory, name, node in change.names if durable(change) else ():
                if directory.stamps.get(name, 0) < change.number:
                    directory.stamps[name] = change.number
                    _set(directory.durable, name, node)
        self._pending = [change for change in self._pending if not durable(change)]

    def images(self, cut: int) -> Iterator[Image]:
        """All adversarial states of this instant; some may be equal."""
        files = self._unsynced()
        names = frozenset(self._pending)
        kept = dict.fromkeys(files, Data.KEPT)
        yield self._image(cut, "everything unsynced is lost", "", set(), {})
        if not names and not files:
            return
        yield self._image(cut, "everything is kept", "", names, kept)
        for how in (Data.LOST, Data.ZEROS, Data.TORN):
            yield self._image(cut, f"names kept, data {how.value}", "", names, dict.fromkeys(files, how))
        yield self._image(cut, "data kept, names lost", "", set(), kept)
        for change in self._pending:
            yield self._image(cut, f"only {change.what} is lost", change.about, names - {change}, kept)
            yield self._image(cut, f"only {change.what} is kept", change.about, {change}, {})
            yield self._image(cut, f"of names only {change.what} is kept", change.about, {change}, kept)
        for node, path in files.items():
            for how in (Data.LOST, Data.ZEROS, Data.TORN):
                yield self._image(cut, f"only data of {path} is {how.value}", path, names, kept | {node: how})
            yield self._image(cut, f"of data only {path} is kept", path, names, {node: Data.KEPT})
            yield self._image(cut, f"only data of {path} is kept", path, set(), {node: Data.KEPT})

    def _image(self, cut: int, how: str, about: str, names: Set[Change], data: dict[Node, Data]) -> Image:
        entries: dict[Node, dict[str, Node]] = {}
        for change in self._pending:
            for directory, name, node in change.names if change in names else ():
                if directory.stamps.get(name, 0) < change.number:
                    _set(entries.setdefault(directory, dict(directory.durable)), name, node)
        tree = _tree(
            self.root,
            lambda node: entries.get(node, node.durable),
            lambda node: node.left(data.get(node, Data.LOST)),
        )
        return Image(cut, how, about, tree)

    def _unsynced(self) -> dict[Node, str]:
        """Files with bytes that are not durable and that a durable, visible or pending name leads to."""
        found: dict[Node, str] = {}

        def visit(node: Node, label: str) -> None:
            if node.names is None:
                if node.pending and not label.endswith(_IGNORED):
                    found.setdefault(node, label)
                return
            for name, child in {**node.durable, **node.names}.items():
                visit(child, f"{label}/{name}" if label else name)

        visit(self.root, "")
        for change in self._pending:
            for _, _, node in change.names:
                if node is not None:
                    visit(node, change.about)
        return found


def _set(entries: dict[str, Node], name: str, node: Node | None) -> None:
    if node is None:
        entries.pop(name, None)
    else:
        entries[name] = node


def _load(place: Path) -> Node:
    mode = stat.S_IMODE(place.lstat().st_mode)
    if not place.is_dir():
        data = place.read_bytes()
        return Node(mode, data=bytearray(data), synced=data)
    names = {child.name: _load(child) for child in sorted(place.iterdir())}
    return Node(mode, names=names, durable=dict(names))


def _tree(root: Node, entries: Callable[[Node], dict[str, Node]], content: Callable[[Node], bytes]) -> Tree:
    tree: Tree = {}

    def visit(node: Node, path: str) -> None:
        if node.names is None:
            tree[path] = (node.mode, content(node))
            return
        tree[path] = (node.mode, None)
        for name, child in entries(node).items():
            if not name.endswith(_IGNORED):
                visit(child, f"{path}/{name}" if path else name)

    visit(root, "")
    return tree


def tree_of(place: Path) -> Tree:
    """A directory on the real disk."""
    return _tree(_load(place), lambda node: node.names or {}, lambda node: bytes(node.data))


def materialise(tree: Tree, place: Path) -> None:
    """Write a tree to the real disk, at `place`, which must not exist."""
    for path, (mode, data) in sorted(tree.items()):
        target = place / path
        if data is None:
            target.mkdir(mode=0o700)
        else:
            target.write_bytes(data)
            target.chmod(mode)
    for path, (mode, data) in tree.items():
        if data is None:
            (place / path).chmod(mode)

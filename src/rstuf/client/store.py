"""The trust store: one directory for each repository that is trusted.

    NAME/trust.json     where it is, and the digest of the root that is pinned; what has this file is trusted
    NAME/root.json      that root; only the same bytes are ever written there again
    NAME/memory.json    what was seen at the last look
    NAME/metadata/      what python-tuf's updater keeps between two looks, all of it verified from the pinned root
    .NAME.lock          held by who changes any of this

`trust.json` is written last and removed first, so an interruption leaves a repository that is trusted or one that is
not, and nothing between.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from rstuf.client.anchors import MAX_ROOT_BYTES, read_root
from rstuf.client.places import ContentSource, MetadataSource, new_place
from rstuf.client.reader import Client
from rstuf.client.records import (
    Memory,
    Naming,
    Trusted,
    memory_document,
    read_memory,
    read_trusted,
    trusted_document,
)
from rstuf.clock import Clock, SystemClock
from rstuf.durable import (
    SECRET_DIRECTORY,
    SECRET_FILE,
    How,
    flush_directory,
    make_directory,
    opened_directory,
    storage_error,
    there,
    write_file,
)
from rstuf.errors import InvalidTrustName, TrustDamaged, TrustExists, TrustNotFound
from rstuf.locks import FileLock, OnWait
from rstuf.metadata.canonical import compact
from rstuf.model.names import TrustName, trust_name
from rstuf.permissions import Kind, Place, refuse_unsafe
from rstuf.progress import Progress, Silent
from rstuf.storage.locations import contents_of, place_of
from rstuf.storage.outside import contents_at, metadata_at

_TRUST: Final = "trust.json"
_ROOT: Final = "root.json"
_MEMORY: Final = "memory.json"
_METADATA: Final = "metadata"
_MAX_BYTES: Final = 65536
DEFAULT_WAIT: Final = timedelta(seconds=60)


class TrustStore:
    """The repositories that somebody trusts, each by a root that they pinned once."""

    def __init__(
        self,
        directory: Path,
        *,
        purpose: str = "rstuf",
        clock: Clock | None = None,
        wait: timedelta = DEFAULT_WAIT,
        on_wait: OnWait | None = None,
        progress: Progress | None = None,
    ) -> None:
        """The store in `directory`, which is made when something is first trusted.

        Args:
            purpose: what a process that waits for this one is told ("rstuf download").
            wait: how long another process is waited for.
            on_wait: told, after a second of waiting, for what and for whom.

        Raises:
            UnsafeDirectory: others can write there, and so change what is trusted.
            StorageError: it cannot be looked at.
        """
        self.directory = directory.absolute()
        self._purpose, self._clock = purpose, clock or SystemClock()
        self._wait, self._on_wait, self._progress = wait, on_wait, progress or Silent()
        refuse_unsafe([Place(self.directory, Kind.TRUST)])

    def names(self) -> Sequence[TrustName]:
        """The names of what is trusted, sorted."""
        try:
            found = sorted(each.name for each in self.directory.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise storage_error("read", str(self.directory), error) from error
        names = []
        for each in found:
            with suppress(InvalidTrustName):
                name = trust_name(each)
                if there(self.directory / name / _TRUST) is not None:
                    names.append(name)
        return names

    def get(self, name: TrustName) -> Trusted:
        """What is trusted under a name.

        Raises:
            TrustNotFound: nothing is.
            TrustDamaged, UnsafeDirectory: what is kept of it cannot be relied on.
        """
        found = self._find(name)
        if found is None:
            raise TrustNotFound(name, known=self.names())
        return found

    def root(self, name: TrustName) -> bytes:
        """The pinned root, byte for byte as it was pinned.

        Raises:
            TrustNotFound, TrustDamaged: there is none, or it is not that any more.
        """
        return self._pinned(self.get(name))

    def memory(self, name: TrustName) -> Memory | None:
        """What was seen at the last look; None before the first."""
        place = self.directory / name / _MEMORY
        data = self._read(place, name)
        if data is None:
            return None
        try:
            return read_memory(data)
        except ValueError as error:
            raise TrustDamaged(str(place), str(error), name=name) from None

    def add(
        self,
        name: TrustName,
        url: str,
        *,
        root: bytes,
        artifacts: str | None = None,
        naming: Naming = Naming.HASHED,
    ) -> Trusted:
        """Trust what this root leads to, from now on.

        The same root again changes where it is looked for, and is put back where it was damaged.

        Args:
            url: where metadata is: an http, https or file URL, or a directory.
            artifacts: where contents are; by default where `contents_of` says.

        Raises:
            InvalidInput, InvalidMetadata: the URL is none, or no client can begin with this root.
            TrustExists: the name stands for another root.
            Locked, StorageError: nothing was trusted.
        """
        pin = read_root(root).pin
        url, contents = _places(url, artifacts)
        make_directory(self.directory, mode=SECRET_DIRECTORY)
        refuse_unsafe([Place(self.directory, Kind.TRUST)])
        with self._locked(name):
            known = self._find(name)
            if known is not None and known.pin.sha256 != pin.sha256:
                raise TrustExists(name, pinned=known.pin.sha256, offered=pin.sha256)
            added = self._clock.now() if known is None else known.added
            trusted = Trusted(name, url, contents, naming, pin, added)
            if known is not None and not self._has(trusted):
                self._write(self.directory / name / _ROOT, root)
            if trusted != known:
                self._keep(trusted, root, new=known is None)
        return trusted

    def move(
        self, name: TrustName, url: str, *, artifacts: str | None = None, naming: Naming | None = None
    ) -> tuple[Trusted, Trusted]:
        """Look elsewhere for what is trusted under this name: before and after. The root stays the one that is pinned.

        Args:
            url, artifacts: as of `add`.
            naming: None where it stays.

        Raises:
            InvalidInput: a URL is none.
            TrustNotFound, TrustDamaged: there is no pinned root to stay with.
            Locked, StorageError: nothing was changed.
        """
        url, contents = _places(url, artifacts)
        self._check_there(name)
        with self._locked(name):
            before = self.get(name)
            root = self._pinned(before)
            after = replace(before, url=url, artifacts=contents, naming=naming or before.naming)
            if after != before:
                self._keep(after, root, new=False)
        return before, after

    def remove(self, name: TrustName) -> None:
        """Trust it no more, and forget what was seen of it.

        Raises:
            TrustNotFound: it is not trusted.
            Locked, StorageError: it may be trusted still.
        """
        home = self.directory / name
        self._check_there(name)
        with self._locked(name) as lock:
            self._check_there(name)
            _remove(home)
            # Who waits for it sees that it is gone, and makes another.
            lock.unlink(missing_ok=True)

    @contextmanager
    def client(self, name: TrustName, *, url: str | None = None) -> Iterator[Client]:
        """A client of a trusted repository; what it fetches is verified from the pinned root on.

        Args:
            url: where to look for its metadata, and where `contents_of` says for contents; by default, and where that
                is the same, it is as it was trusted.

        Raises:
            TrustNotFound, TrustDamaged, UnsafeDirectory: it cannot begin.
        """
        trusted = self.get(name)
        if url is not None and place_of(url) != trusted.url:
            trusted = replace(trusted, url=place_of(url), artifacts=contents_of(place_of(url)))
        home = self.directory / name
        metadata: AbstractContextManager[MetadataSource] = metadata_at(trusted.url)
        contents: AbstractContextManager[ContentSource] = contents_at(trusted.artifacts)
        with ExitStack() as stack:
            yield Client(
                trusted=trusted,
                root=self._pinned(trusted),
                cache=home / _METADATA,
                metadata=stack.enter_context(metadata),
                contents=stack.enter_context(contents),
                looking=lambda: self._looking(trusted),
                remember=lambda memory: self._write(home / _MEMORY, compact(memory_document(memory))),
                recall=lambda: self.memory(name),
                clock=self._clock,
                progress=self._progress,
                wait=self._wait,
                on_wait=self._on_wait,
            )

    @contextmanager
    def _locked(self, name: TrustName) -> Iterator[Path]:
        path = self.directory / f".{name}.lock"
        lock = FileLock(path, label=f"{name} trust", on_wait=self._on_wait)
        with lock.hold(wait=self._wait, purpose=self._purpose):
            yield path

    @contextmanager
    def _looking(self, trusted: Trusted) -> Iterator[None]:
        with self._locked(trusted.name):
            if self.get(trusted.name).pin != trusted.pin:
                raise TrustNotFound(trusted.name, known=self.names())
            yield

    def _check_there(self, name: TrustName) -> None:
        if there(self.directory / name / _TRUST) is None:
            raise TrustNotFound(name, known=self.names())

    def _find(self, name: TrustName) -> Trusted | None:
        home = self.directory / name
        refuse_unsafe([Place(each, Kind.TRUST) for each in (home, home / _TRUST, home / _ROOT, home / _METADATA)])
        data = self._read(home / _TRUST, name)
        if data is None:
            return None
        try:
            return read_trusted(data, name)
        except ValueError as error:
            raise TrustDamaged(str(home / _TRUST), str(error), name=name) from None

    def _pinned(self, trusted: Trusted) -> bytes:
        place = self.directory / trusted.name / _ROOT
        data = self._read(place, trusted.name, limit=MAX_ROOT_BYTES)
        if data is None or hashlib.sha256(data).hexdigest() != trusted.pin.sha256:
            raise TrustDamaged(str(place), "it is not the root that was pinned", name=trusted.name)
        return data

    def _has(self, trusted: Trusted) -> bool:
        """Whether the pinned root is there as it was pinned."""
        try:
            self._pinned(trusted)
        except TrustDamaged:
            return False
        return True

    def _keep(self, trusted: Trusted, root: bytes, *, new: bool) -> None:
        home = self.directory / trusted.name
        if new:
            # What an interrupted removal or pinning has left is nothing to begin with.
            if there(home) is not None:
                _remove(home)
            make_directory(home / _METADATA, mode=SECRET_DIRECTORY)
            self._write(home / _ROOT, root)
        self._write(home / _TRUST, compact(trusted_document(trusted)))

    @staticmethod
    def _write(place: Path, data: bytes) -> None:
        write_file(place, data, mode=SECRET_FILE, how=How.REPLACE)

    @staticmethod
    def _read(place: Path, name: TrustName, *, limit: int = _MAX_BYTES) -> bytes | None:
        try:
            with place.open("rb") as file:
                data = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise storage_error("read", str(place), error) from error
        if len(data) > limit:
            raise TrustDamaged(str(place), f"it has more than {limit} bytes", name=name)
        return data


def _places(url: str, artifacts: str | None) -> tuple[str, str]:
    """Where metadata and contents are, as they are kept."""
    url = new_place(url)
    return url, new_place(artifacts) if artifacts is not None else contents_of(url)


def _remove(home: Path) -> None:
    """Remove what is kept of a repository, `trust.json` first."""
    try:
        with opened_directory(home) as opened:
            (home / _TRUST).unlink(missing_ok=True)
            if opened is not None:
                flush_directory(opened)
        shutil.rmtree(home)
    except OSError as error:
        raise storage_error("remove", str(home), error) from error

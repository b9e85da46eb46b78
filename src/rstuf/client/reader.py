"""A client of one trusted repository: what is signed, by python-tuf's updater; the content of it, by `download`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import quote, unquote

from rstuf.client.destination import Destination
from rstuf.client.download import Download, Existing, save, spool
from rstuf.client.offers import Offer, offer_of
from rstuf.client.places import ContentSource, MetadataSource, hinting
from rstuf.client.records import Memory, Naming, SeenRole, Trusted
from rstuf.client.refusals import Evidence, refusal_of, too_long
from rstuf.client.rollback import check_countable, check_not_behind
from rstuf.clock import Clock
from rstuf.durable import flush, flush_directory, opened_directory, storage_error
from rstuf.errors import (
    ArtifactNotFound,
    FileMissing,
    FileTooLarge,
    RepositoryRefused,
    RoleNotFound,
    RstufError,
    StorageError,
    nearest,
    shorten,
)
from rstuf.locks import OnWait
from rstuf.metadata.limits import SNAPSHOT_WITH_LENGTH_BYTES
from rstuf.model.names import TARGETS, TOP_LEVEL, RoleName, TargetPath
from rstuf.progress import Progress, step
from rstuf.storage.locations import contents_of, shown_place

if TYPE_CHECKING:
    from tuf.ngclient.fetcher import FetcherInterface
    from tuf.ngclient.updater import Updater

_BASE: Final = "https://metadata.invalid/"
# A pin may be years old, and every look begins from it; by default the updater gives up after 256 roots.
_ROOT_STEPS: Final = 4096
# As many as are compared with a mistyped one before somebody notices.
_MOST_PATHS: Final = 2000
# As many as are looked through for the one that delegates to a role.
_MOST_ROLES: Final = 256
# Where the updater keeps every root that it went through.
_HISTORY: Final = "root_history"


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a repository found: the roles that are in force, and what is signed of each path."""

    memory: Memory
    offers: Sequence[Offer]


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look found of each path by itself: what is signed, None, or why that cannot be said.

    Attributes:
        roots: the SHA-256 of every root from the pinned one to the one in force, hex: what a repository is known by.
    """

    memory: Memory
    roots: frozenset[str]
    found: Mapping[TargetPath, Offer | RstufError | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleFiles:
    """A role below targets as clients see it, and all that leads there: each file's bytes, as they were verified.

    Attributes:
        roots: from the pinned one to the one in force.
        delegators: the roles that delegate on the way, targets first, by name.
        data: the role's own file; it may have expired.
        version: its version.
    """

    roots: tuple[bytes, ...]
    delegators: Mapping[RoleName, bytes]
    data: bytes
    version: int


@dataclass(frozen=True, kw_only=True)
class Client:
    """See the module; `TrustStore.client` makes one.

    Attributes:
        trusted: the repository.
        root: the pinned root.
        cache: where python-tuf's updater keeps what it verified.
        looking: holds what is kept of the repository alone.
        remember, recall: keep what was seen, and know it at the next look.
    """

    trusted: Trusted
    root: bytes
    cache: Path
    metadata: MetadataSource
    contents: ContentSource
    looking: Callable[[], AbstractContextManager[None]]
    remember: Callable[[Memory], None]
    recall: Callable[[], Memory | None]
    clock: Clock
    progress: Progress
    wait: timedelta
    on_wait: OnWait | None = None
    _seen: dict[str, bytes] = field(default_factory=dict)

    def look_up(self, paths: Sequence[TargetPath]) -> Look:
        """Fetch and verify what is in force now, and find what is signed of each path.

        Raises:
            RepositoryRefused: what is served cannot be trusted.
            ArtifactNotFound: a path is not signed.
            Locked, StorageError: it could not be fetched, or not be kept.
        """
        with self._refreshed() as updater:
            offers = [self._find(updater, path, asked=paths) for path in paths]
            memory = self._memory(updater)
        return Look(memory, offers)

    def survey(self, paths: Sequence[TargetPath]) -> Survey:
        """The same, where one path that is not signed, or cannot be judged, is no reason to say nothing of the others.

        Raises:
            RepositoryRefused, Locked, StorageError: as `look_up` does, of the repository as a whole.
        """
        found: dict[TargetPath, Offer | RstufError | None] = {}
        with self._refreshed() as updater:
            memory, roots = self._memory(updater), self._roots(updater)
            for path in paths:
                try:
                    with self._telling(updater):
                        found[path] = self._offer(updater, path)
                except FileMissing as error:
                    found[path] = error
                except StorageError as error:
                    # Who does not answer any more is not asked again for each of them.
                    found |= dict.fromkeys((each for each in paths if each not in found), error)
                    break
                except RepositoryRefused as error:
                    found[path] = error
        return Survey(memory, roots, found)

    def delegated(self, name: RoleName) -> RoleFiles:
        """Fetch and verify what is in force now, down to a role that is delegated to by its name.

        That it has expired is no reason to keep it back: whoever may sign it wants to make the next version of it.

        Raises:
            RepositoryRefused: what is served cannot be trusted.
            RoleNotFound: nothing leads to a role of that name.
            Locked, StorageError: it could not be fetched, or not be kept.
        """
        with self._refreshed() as updater:
            way = self._way_to(updater, name)
            version, data = self._role_of(updater, name, way[-1])
            newest = updater._trusted_set.root.version
            roots = [
                self.cache / _HISTORY / f"{each}.root.json" for each in range(self.trusted.pin.version, newest + 1)
            ]
            self._memory(updater)
            return RoleFiles(
                roots=tuple(place.read_bytes() for place in roots),
                delegators={each: self._kept(each).read_bytes() for each in way},
                data=data,
                version=version,
            )

    def _way_to(self, updater: Updater, name: RoleName) -> list[RoleName]:
        """The roles that delegate on the way to one, targets first."""
        from tuf.api.exceptions import DownloadError, RepositoryError

        trusted: Mapping[str, Any] = updater._trusted_set
        ways: dict[RoleName, list[RoleName]] = {TARGETS: [TARGETS]}
        todo = [TARGETS]
        while todo:
            parent = todo.pop(0)
            delegations = trusted[parent].delegations
            below = [] if delegations is None else [RoleName(each) for each in delegations.roles or ()]
            if name in below:
                return ways[parent]
            for each in below:
                if each in ways or len(ways) > _MOST_ROLES:
                    continue
                ways[each] = [*ways[parent], each]
                # What cannot be read leads nowhere, and others may.
                with suppress(DownloadError, RepositoryError):
                    updater._load_targets(each, parent)
                    todo.append(each)
        raise RoleNotFound(name, known=sorted(ways))

    def _role_of(self, updater: Updater, name: RoleName, parent: RoleName) -> tuple[int, bytes]:
        """The version of a role that is in force, and its file."""
        from tuf.api.exceptions import ExpiredMetadataError

        with self._telling(updater):
            try:
                return updater._load_targets(name, parent).version, self._kept(name).read_bytes()
            except ExpiredMetadataError:
                # All else was found to be right by then.
                version = updater._trusted_set.snapshot.meta[f"{name}.json"].version
                data = self._seen.get(f"{version}.{name}.json", self._seen.get(f"{name}.json"))
                if data is None:
                    raise
                return version, data

    def _kept(self, name: str) -> Path:
        """Where the updater keeps a role."""
        return self.cache / f"{quote(name, safe='')}.json"

    def save(self, offer: Offer, destination: Destination, *, existing: Existing = Existing.KEEP) -> Download:
        """Download a content to a file that has its name only when every byte is what was signed.

        Args:
            existing: what becomes of another file of this name.

        Raises:
            ContentRefused: the server has something else; nothing of that is left.
            DestinationTaken: another file has the name.
            StorageError: it could not be fetched or written; what came is kept as `destination.part`.
            Locked: another process is downloading it.
        """
        with self._fetching():
            return save(
                offer,
                self.contents,
                destination,
                existing=existing,
                progress=self.progress,
                wait=self.wait,
                on_wait=self.on_wait,
            )

    @contextmanager
    def spool(self, offer: Offer) -> Iterator[BinaryIO]:
        """A content in a temporary file without a name, verified, open at its start.

        Raises:
            ContentRefused, StorageError: as `save` does.
        """
        with self._fetching():
            file = spool(offer, self.contents, progress=self.progress)
        with file:
            yield file

    @contextmanager
    def _fetching(self) -> Iterator[None]:
        try:
            yield
        except FileMissing as error:
            shown, usual = shown_place(self.trusted.artifacts), shown_place(contents_of(self.trusted.url))
            other = f", or without --artifacts for {usual}" if usual != shown else ""
            raise FileMissing(
                error.name,
                hint=f"it is signed, but its content is not below {shown}; if that is the wrong place, say where "
                f"contents are: rstuf trust add {self.trusted.name} {self._place} --artifacts URL{other}",
            ) from error

    @contextmanager
    def _refreshed(self) -> Iterator[Updater]:
        """An updater that has verified what is in force now; what is kept of the repository is held meanwhile."""
        with self.looking(), step(self.progress, "looking up", unit="roles"), self._verifying() as updater:
            updater.refresh()
            check_not_behind(self.recall(), self._evidence(updater), roots=self.cache / _HISTORY)
            yield updater

    @contextmanager
    def _verifying(self) -> Iterator[Updater]:
        """An updater, whose refusals are told in our words, and whose files are durable at the end."""
        from tuf.ngclient.config import UpdaterConfig

        self._seen.clear()
        try:
            with self._telling(None):
                updater = _updater()(
                    str(self.cache),
                    _BASE,
                    fetcher=_fetcher(self.metadata, self._seen),
                    config=UpdaterConfig(max_root_rotations=_ROOT_STEPS),
                    bootstrap=self.root,
                )
            updater._trusted_set.reference_time = self.clock.now()
            with self._telling(updater):
                yield updater
        finally:
            _make_durable(self.cache, self._seen)

    @contextmanager
    def _telling(self, updater: Updater | None) -> Iterator[None]:
        """Refusals of an updater in our words."""
        from tuf.api.exceptions import DownloadError, RepositoryError

        try:
            yield
        except DownloadError as error:
            cause = _storage_error_in(error)
            if isinstance(cause, FileTooLarge):
                raise too_long(cause.limit, self._evidence(updater)) from error
            if self._seen or not isinstance(cause, FileMissing):
                raise cause if cause is not None else StorageError("read", self._place, str(error)) from error
            with hinting(self.trusted.url):
                raise cause from error
        except RepositoryError as error:
            raise refusal_of(error, self._evidence(updater)) from error
        except OSError as error:
            raise storage_error("keep what was seen in", str(self.cache), error) from error

    def _find(self, updater: Updater, path: TargetPath, *, asked: Sequence[TargetPath]) -> Offer:
        offer = self._offer(updater, path)
        if offer is None:
            meant = nearest(path, (known for known in _some_paths(updater) if known not in asked))
            guess = "look at its spelling" if meant is None else f"did you mean {shorten(meant)}?"
            raise ArtifactNotFound(path, hint=f"{self.trusted.name} signs no such path; {guess}")
        return offer

    def _offer(self, updater: Updater, path: TargetPath) -> Offer | None:
        found = updater.get_targetinfo(path)
        if found is None:
            return None
        hashed = self.trusted.naming is Naming.HASHED and updater._trusted_set.root.consistent_snapshot
        return offer_of(path, found.length, found.hashes, custom=found.custom, hashed=bool(hashed))

    def _roots(self, updater: Updater) -> frozenset[str]:
        newest = updater._trusted_set.root.version
        places = (self.cache / _HISTORY / f"{each}.root.json" for each in range(self.trusted.pin.version, newest + 1))
        return frozenset(
            {self.trusted.pin.sha256, *(hashlib.sha256(place.read_bytes()).hexdigest() for place in places)}
        )

    def _memory(self, updater: Updater) -> Memory:
        trusted: Mapping[str, Any] = updater._trusted_set
        roles = {str(name): SeenRole(trusted[name].version, trusted[name].expires) for name in TOP_LEVEL}
        memory = Memory(self.clock.now(), roles)
        self.remember(memory)
        return memory

    def _evidence(self, updater: Updater | None) -> Evidence:
        trusted = updater._trusted_set if updater is not None else {}
        return Evidence(self.trusted, self._place, trusted, dict(self._seen), self.clock.now())

    @property
    def _place(self) -> str:
        return shown_place(self.trusted.url)


def _some_paths(updater: Updater) -> Iterator[str]:
    """Paths that are signed, of the roles that were looked into anyway: bins keep like names apart."""
    # Going through it gives the roles themselves.
    paths = (path for role in updater._trusted_set for path in getattr(role, "targets", ()))
    return islice(paths, _MOST_PATHS)


def _updater() -> type[Updater]:
    """python-tuf's updater, which keeps nothing that could not be remembered."""
    from tuf.ngclient.updater import Updater

    class Keeping(Updater):
        def _persist_metadata(self, rolename: str, data: bytes) -> None:
            check_countable(rolename, self._trusted_set[rolename])
            super()._persist_metadata(rolename, data)

    return Keeping


def _fetcher(source: MetadataSource, seen: dict[str, bytes]) -> FetcherInterface:
    """python-tuf's network: our sources, within the bounds that it gives. `seen` takes what came, the newest last."""
    from tuf.api.exceptions import DownloadError, DownloadHTTPError
    from tuf.ngclient.fetcher import FetcherInterface

    class Fetcher(FetcherInterface):
        def _fetch(self, url: str) -> Iterator[bytes]:
            # Whoever names no bound gets the widest that any metadata has.
            yield self.download_bytes(url, SNAPSHOT_WITH_LENGTH_BYTES)

        def download_bytes(self, url: str, max_length: int) -> bytes:
            name = unquote(url.removeprefix(_BASE))
            seen.pop(name, None)
            try:
                data = source.read(name, limit=max_length)
            except FileMissing as error:
                raise DownloadHTTPError(f"{name} is not there", 404) from error
            except StorageError as error:
                seen[name] = b""
                raise DownloadError(error.message) from error
            seen[name] = data
            return data

    return Fetcher()


def _storage_error_in(error: BaseException) -> StorageError | None:
    cause = error.__cause__
    return cause if isinstance(cause, StorageError) else None


def _make_durable(cache: Path, fetched: Iterable[str]) -> None:
    """Make what the updater kept outlast a power cut: what a client forgets, it can be led back behind."""
    try:
        for name in fetched:
            version, _, rest = name.partition(".")
            kept = quote(rest if version.isdecimal() else name, safe="")
            place = cache / _HISTORY / name if rest == "root.json" else cache / kept
            if place.is_file():
                _flush_file(place)
        for directory in (cache, cache / _HISTORY):
            with opened_directory(directory) as opened:
                if opened is not None:
                    flush_directory(opened)
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error("write", str(cache), error) from error


def _flush_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)

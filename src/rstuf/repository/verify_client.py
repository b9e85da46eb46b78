"""A stock client, python-tuf's `Updater`, over the same files: the judge that publishing is for.

It starts cold from the trusted root, refreshes, looks up a sample of artifacts and, where contents are wanted,
downloads some. What it says of an artifact must be what the audit read.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Set
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol
from urllib.parse import unquote

import orjson

from rstuf.errors import FileMissing, StorageError
from rstuf.metadata.audit.findings import Code, Findings
from rstuf.metadata.audit.paths import Bin, bin_of
from rstuf.metadata.audit.readings import Reading
from rstuf.metadata.audit.walk import READ_LIMIT
from rstuf.model.names import TARGETS, TargetPath
from rstuf.progress import Progress

if TYPE_CHECKING:
    from tuf.api._payload import TargetFile
    from tuf.ngclient.fetcher import FetcherInterface
    from tuf.ngclient.updater import Updater

_METADATA: Final = "https://metadata.invalid/"
_TARGETS: Final = "https://targets.invalid/"
_ABSENT: Final = "rstuf-verify"
# python-tuf keeps every role that it read as objects, some five times their bytes: begin again before that hurts.
_SESSION_BYTES: Final = 16 * 1024 * 1024
_MAX_DOWNLOADS: Final = 20
_MAX_DOWNLOAD_BYTES: Final = 32 * 1024 * 1024
_MAX_FAILURES: Final = 40
_NAMED: Final = 50
_CHUNK: Final = 256 * 1024


class _MetadataSource(Protocol):
    def read(self, name: str, *, limit: int) -> bytes: ...


class _ContentSource(Protocol):
    def open(self, path: TargetPath, hashes: Mapping[str, str]) -> AbstractContextManager[BinaryIO]: ...


@dataclass(frozen=True, slots=True)
class Sample:
    """A look-up, and what should come of it: the entry, or None where there is no such artifact.

    Attributes:
        missing: whether its content is known not to be there, and was told.
    """

    role: str
    path: str
    entry: Mapping[str, Any] | None
    missing: bool = False


@dataclass(slots=True)
class ClientReport:
    """What the client did, and whether it took everything."""

    looked_up: int = 0
    downloaded: int = 0
    failures: int = 0

    @property
    def accepts(self) -> bool:
        """Whether the client refused nothing."""
        return self.failures == 0


class Ways(Protocol):
    """Where clients look for paths."""

    def visits(self, path: str) -> list[str]:
        """The roles that a client visits for a path that it never finds."""

    def patterns(self, role: str) -> list[str]:
        """The patterns of the delegations to a role."""


class Sampler:
    """Chooses artifacts while roles are read: one of every `every`th bin that has any, and of the first roles that have
    a name, since each of these is signed and found in its own way.
    """

    def __init__(self, *, every: int = 1) -> None:
        self._every = every
        self._skipped = every
        self._samples: list[Sample] = []
        self._empty: dict[tuple[str, int], dict[int, str]] = {}
        self._empty_named: list[str] = []
        self._named = 0

    def take(self, reading: Reading, *, missing: Set[str] = frozenset()) -> None:
        """Look at one role; the contents of `missing` were told to be that."""
        self._skipped += 1
        named = reading.place is None and self._named < _NAMED
        self._named += named
        if not reading.targets:
            self._take_empty(reading.name, reading.place, named=named)
        elif named or self._skipped >= self._every:
            self._skipped = self._skipped if named else 0
            path, entry = next(iter(reading.targets.items()))
            self._samples.append(Sample(role=reading.name, path=path, entry=entry, missing=path in missing))

    def samples(self, ways: Ways) -> list[Sample]:
        """All samples: those taken, and paths that do not exist, for which the client must find no artifact."""
        absent = [*self._in_empty_bins(ways), *self._in_empty_roles(ways)]
        return [*self._samples, *(absent or [Sample(role="targets", path="rstuf-verify/absent", entry=None)])]

    def _take_empty(self, name: str, place: Bin | None, *, named: bool) -> None:
        if place is None:
            # Targets is looked at on the way to anything.
            self._empty_named += [name] if (named or self._every == 1) and name != TARGETS else []
        elif self._every == 1 or not self._empty:
            self._empty.setdefault((place.holder, place.bits), {})[place.index] = name

    def _in_empty_bins(self, ways: Ways) -> Iterator[Sample]:
        """A path in each empty bin, so that its file is visited too."""
        for (holder, bits), wanted in self._empty.items():
            # Names fall into bins at random: all are found long before this ends.
            for path in _absent_paths(holder, ways, most=64 << bits):
                name = wanted.get(bin_of(path, bits))
                if name is not None and name in ways.visits(path):
                    del wanted[bin_of(path, bits)]
                    yield Sample(role=name, path=path, entry=None)
                if not wanted:
                    break

    def _in_empty_roles(self, ways: Ways) -> Iterator[Sample]:
        for name in self._empty_named:
            for path in _absent_paths(name, ways, most=1):
                yield Sample(role=name, path=path, entry=None)


def _absent_paths(role: str, ways: Ways, *, most: int) -> Iterator[str]:
    """Paths that nobody has, for which clients come to a role."""
    # Where nothing varies a path may be an artifact of another role.
    for pattern in (*(each for each in ways.patterns(role) if "*" in each), f"{_ABSENT}/*"):
        before, _, after = (part.replace("*", _ABSENT).replace("?", "x") for part in pattern.rpartition("*"))
        if role in ways.visits(f"{before}{_ABSENT}{after}"):
            return (f"{before}{_ABSENT}-{number}{after}" for number in range(most))
    return iter(())


def run_client(
    source: _MetadataSource,
    *,
    trusted_root: bytes,
    now: datetime,
    samples: list[Sample],
    contents: _ContentSource | None,
    findings: Findings,
    progress: Progress,
) -> ClientReport:
    """Let a stock client look up `samples`, and download some of them where `contents` are given.

    Raises:
        StorageError: there is no room for its temporary files.
    """
    session = _Session(source, trusted_root=trusted_root, now=now, contents=contents, findings=findings)
    try:
        session.run(samples, progress)
    except OSError as error:
        raise StorageError("write", "temporary files", error.strerror or str(error)) from error
    finally:
        session.close()
    return session.report


class _Session:
    def __init__(
        self,
        source: _MetadataSource,
        *,
        trusted_root: bytes,
        now: datetime,
        contents: _ContentSource | None,
        findings: Findings,
    ) -> None:
        self.report = ClientReport()
        self._trusted_root = trusted_root
        self._now = now
        self._downloads = _MAX_DOWNLOADS if contents is not None else 0
        self._findings = findings
        self._fetcher = _fetcher(source, contents)
        self._directory: Path | None = None

    def run(self, samples: list[Sample], progress: Progress) -> None:
        updater = self._begin()
        for sample in samples:
            if self._fetcher.fetched > _SESSION_BYTES:
                updater = self._begin()
            if updater is None:
                return
            self._look_up(updater, sample)
            progress.advance()
            if self.report.failures >= _MAX_FAILURES:
                self._refused("python-tuf refuses too much; it was not asked for more")
                return

    def close(self) -> None:
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _begin(self) -> Updater | None:
        """A new, cold client; None, with a problem, if it cannot refresh."""
        from tuf.ngclient.updater import Updater

        self.close()
        directory = tempfile.mkdtemp(prefix="rstuf-verify-")
        self._directory = Path(directory)
        self._fetcher.fetched = 0
        try:
            updater = Updater(
                directory,
                _METADATA,
                target_dir=directory,
                target_base_url=_TARGETS,
                fetcher=self._fetcher.interface,
                bootstrap=self._trusted_root,
            )
            # There is no public way to tell a client the time.
            updater._trusted_set.reference_time = self._now
            updater.refresh()
        except OSError:
            raise
        except Exception as error:
            self._refused(f"python-tuf cannot refresh: {_text(error)}")
            return None
        return updater

    def _look_up(self, updater: Updater, sample: Sample) -> None:
        try:
            found = updater.get_targetinfo(sample.path)
        except OSError:
            raise
        except Exception as error:
            self._refused(f"python-tuf cannot look it up: {_text(error)}", sample)
            return
        self.report.looked_up += 1
        if not _agrees(found, sample.entry):
            self.report.failures += 1
            what = "finds nothing" if found is None else "finds something else"
            message = f"python-tuf {what} where the audit read {'no entry' if sample.entry is None else 'an entry'}"
            self._findings.problem(Code.CLIENT_DISAGREES, message, role=sample.role, path=sample.path)
        elif found is not None and self._downloads > 0 and found.length <= _MAX_DOWNLOAD_BYTES:
            self._download(updater, sample, found)

    def _download(self, updater: Updater, sample: Sample, found: TargetFile) -> None:
        self._downloads -= 1
        self._fetcher.expect(found)
        try:
            updater.download_target(found, f"{updater.target_dir}/content")
        except OSError:
            raise
        except Exception as error:
            if sample.missing and isinstance(error.__cause__, FileMissing):
                # Once is enough; the client has refused it all the same.
                self.report.failures += 1
                return
            self._refused(f"python-tuf cannot download it: {_text(error)}", sample)
            return
        self.report.downloaded += 1

    def _refused(self, message: str, sample: Sample | None = None) -> None:
        self.report.failures += 1
        role, path = (None, None) if sample is None else (sample.role, sample.path)
        self._findings.problem(Code.CLIENT_REFUSES, message, role=role, path=path)


def _agrees(found: TargetFile | None, entry: Mapping[str, Any] | None) -> bool:
    if found is None or entry is None:
        return found is None and entry is None
    options = orjson.OPT_SORT_KEYS
    return orjson.dumps(found.to_dict(), option=options) == orjson.dumps(entry, option=options)


def _text(error: Exception) -> str:
    cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
    text = f"{type(error).__name__}: {error}{cause}"
    # These bases are between the client and us: what lies below them has a name that others know.
    return text.replace(_METADATA, "").replace(_TARGETS, "")


@dataclass(slots=True)
class _Fetcher:
    """What the client downloads through, with what it may ask for."""

    interface: FetcherInterface
    wanted: dict[str, tuple[TargetPath, dict[str, str]]]
    fetched: int = 0

    def expect(self, target: TargetFile) -> None:
        """Contents have names that only their path and hashes make."""
        directory, slash, name = target.path.rpartition("/")
        self.wanted.clear()
        for algorithm, value in target.hashes.items():
            url = f"{_TARGETS}{directory}{slash}{value}.{name}"
            self.wanted[url] = (TargetPath(target.path), {algorithm: value})


def _fetcher(source: _MetadataSource, contents: _ContentSource | None) -> _Fetcher:
    from tuf.api.exceptions import DownloadError, DownloadHTTPError
    from tuf.ngclient.fetcher import FetcherInterface

    @contextmanager
    def not_found(url: str) -> Iterator[None]:
        try:
            yield
        except FileMissing as error:
            raise DownloadHTTPError(f"404 for {url}", 404) from error

    class Interface(FetcherInterface):
        def _fetch(self, url: str) -> Iterator[bytes]:
            if url.startswith(_METADATA):
                with not_found(url):
                    data = source.read(unquote(url.removeprefix(_METADATA)), limit=READ_LIMIT)
                own.fetched += len(data)
                return iter((data,))
            return self._content(url)

        def _content(self, url: str) -> Iterator[bytes]:
            if contents is None or url not in own.wanted:
                raise DownloadHTTPError(f"404 for {url}", 404)
            path, hashes = own.wanted[url]
            try:
                with not_found(url), contents.open(path, hashes) as file:
                    while chunk := file.read(_CHUNK):
                        yield chunk
            except OSError as error:
                raise DownloadError(f"cannot read {url}") from error

    own = _Fetcher(interface=Interface(), wanted={})
    return own

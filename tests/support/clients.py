"""Stock TUF clients (python-tuf's ngclient) as judges of what a repository shows to the world.

A client reads a *site*: a directory pair, or any function from a name to bytes. Names are what an HTTP client would
ask for below the base URL: `timestamp.json`, `2.snapshot.json`, `targets/<sha256>.tool.tar.gz`.

    site = directory_site(workspace / "metadata", workspace / "targets")
    client = Client.fresh(tmp_path / "laptop", site, root=(workspace / "metadata/1.root.json").read_bytes())
    client.refresh()                          # -> View: the versions it now trusts; raises what python-tuf raises
    client.download("tool.tar.gz")            # -> bytes, verified; NotListed when no role lists the path
    client.walk()                             # load every bin and delegated role: all that is listed is really there
    memory = client.copy(tmp_path / "later")  # a client that remembers this instant: its own copy of the cache

`refresh` always begins a new session, as a program that is started again does; the memory directory is what survives.
Every client trusts the first root it was given (root v1) and walks the chain from there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tuf.api._payload import TargetFile
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

Site = Callable[[str], bytes]
"""Bytes of a name below the base URL; raises FileNotFoundError where a server answers 404."""

_BASE = "mem://site/"
_TARGETS = "targets/"


class NotListed(LookupError):
    """No role that the client trusts for a path lists it."""


@dataclass(frozen=True, slots=True)
class View:
    """What a client trusts after a refresh.

    Attributes:
        root, timestamp, snapshot, targets: versions.
        roles: version by role name of all that snapshot lists (targets too).
    """

    root: int
    timestamp: int
    snapshot: int
    targets: int
    roles: Mapping[str, int] = field(compare=False)

    def older_than(self, other: View) -> list[str]:
        """Names of roles that have a lower version here than in `other`, or are gone."""
        own = self._all()
        return [name for name, version in other._all().items() if own.get(name, 0) < version]

    def _all(self) -> dict[str, int]:
        return {**self.roles, "root": self.root, "timestamp": self.timestamp, "snapshot": self.snapshot}


@dataclass(frozen=True, slots=True)
class Signers:
    """Who may sign, by what a client trusts: the version of its root, and ids of keys.

    Attributes:
        online: those for timestamp.
        bins: those for the hash bins of targets; empty where it has none.
    """

    root: int
    online: frozenset[str]
    bins: frozenset[str]


def directory_site(metadata: Path, artifacts: Path | None = None) -> Site:
    """A site that is served from directories: `metadata` as `/`, `artifacts` as `/targets/`."""

    def read(name: str) -> bytes:
        below_targets = name.startswith(_TARGETS)
        if below_targets and artifacts is None:
            raise FileNotFoundError(name)
        place = artifacts / name.removeprefix(_TARGETS) if below_targets and artifacts is not None else metadata / name
        try:
            return place.read_bytes()
        except (NotADirectoryError, IsADirectoryError) as error:
            raise FileNotFoundError(name) from error

    return read


def mapping_site(files: Mapping[str, bytes]) -> Site:
    """A site that is a mapping from names to bytes."""

    def read(name: str) -> bytes:
        try:
            return files[name]
        except KeyError:
            raise FileNotFoundError(name) from None

    return read


class SiteFetcher(FetcherInterface):
    """python-tuf's network, replaced by a site; `asked` is every name it was asked for, in order."""

    def __init__(self, read: Site) -> None:
        self._read = read
        self.asked: list[str] = []

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = url.removeprefix(_BASE)
        self.asked.append(name)
        try:
            return iter((self._read(name),))
        except FileNotFoundError as error:
            raise DownloadHTTPError(f"{name} is not there", 404) from error


class Client:
    """One client: a memory directory, the first root it trusts, and a site."""

    def __init__(
        self,
        memory: Path,
        read: Site,
        *,
        root: bytes,
        now: datetime | None = None,
        config: UpdaterConfig | None = None,
    ) -> None:
        """A client that goes on with what `memory` holds.

        Args:
            memory: its cache directory; made when missing.
            read: the site.
            root: the root metadata it was shipped with.
            now: the instant it believes in, aware; the machine's clock if None.
            config: python-tuf's limits and switches.
        """
        self.memory = memory
        self._read, self._root, self._now, self._config = read, root, now, config
        self._updater: Updater | None = None
        self.fetcher = SiteFetcher(read)
        memory.mkdir(parents=True, exist_ok=True)

    @classmethod
    def fresh(
        cls,
        memory: Path,
        read: Site,
        *,
        root: bytes,
        now: datetime | None = None,
        config: UpdaterConfig | None = None,
    ) -> Client:
        """A client without memory: what `memory` holds is thrown away."""
        shutil.rmtree(memory, ignore_errors=True)
        return cls(memory, read, root=root, now=now, config=config)

    def copy(self, memory: Path, *, read: Site | None = None, now: datetime | None = None) -> Client:
        """A client with a copy of this one's memory, on the same site or another; it replaces what `memory` holds."""
        shutil.rmtree(memory, ignore_errors=True)
        shutil.copytree(self.memory, memory, symlinks=True)
        return Client(memory, read or self._read, root=self._root, now=now or self._now, config=self._config)

    def refresh(self) -> View:
        """A new session: fetch and verify root, timestamp, snapshot and targets.

        Raises:
            RepositoryError, DownloadError: python-tuf's, when it would fail for a person too.
        """
        self.fetcher = SiteFetcher(self._read)
        updater = Updater(
            str(self.memory),
            _BASE,
            target_dir=str(self.memory / "downloads"),
            target_base_url=_BASE + _TARGETS,
            fetcher=self.fetcher,
            config=self._config,
            bootstrap=self._root,
        )
        if self._now is not None:
            updater._trusted_set.reference_time = self._now
        updater.refresh()
        self._updater = updater
        trusted = updater._trusted_set
        snapshot = trusted.snapshot
        roles = {name.removesuffix(".json"): meta.version for name, meta in snapshot.meta.items()}
        return View(trusted.root.version, trusted.timestamp.version, snapshot.version, trusted.targets.version, roles)

    def walk(self) -> int:
        """Load every delegated role, in the current session, as lookups one after another would; how many there are.

        Raises:
            RepositoryError, DownloadError: one of them cannot be had or is not valid.
        """
        updater = self._session()
        waiting, seen = [("targets", "root")], set[str]()
        while waiting:
            role, parent = waiting.pop()
            if role in seen:
                continue
            seen.add(role)
            delegations = updater._load_targets(role, parent).delegations
            if delegations is not None and delegations.succinct_roles is not None:
                waiting.extend((name, role) for name in delegations.succinct_roles.get_roles())
            elif delegations is not None and delegations.roles is not None:
                waiting.extend((name, role) for name in delegations.roles)
        return len(seen) - 1

    def signers(self) -> Signers:
        """Who may sign, by what the current session trusts."""
        trusted = self._session()._trusted_set
        delegations = trusted.targets.delegations
        bins = delegations.succinct_roles if delegations is not None else None
        online = frozenset(trusted.root.get_delegated_role("timestamp").keyids)
        return Signers(trusted.root.version, online, frozenset(bins.keyids if bins is not None else ()))

    def find(self, path: str) -> TargetFile | None:
        """What the current session's metadata says of `path` (a session is begun if there is none)."""
        return self._session().get_targetinfo(path)

    def download(self, path: str) -> bytes:
        """The verified bytes of an artifact, in the current session.

        Raises:
            NotListed: no role lists it.
            RepositoryError, DownloadError: it is listed and cannot be had, or has other bytes.
        """
        found = self.find(path)
        if found is None:
            raise NotListed(path)
        return Path(self._session().download_target(found)).read_bytes()

    def _session(self) -> Updater:
        if self._updater is None:
            self.refresh()
        assert self._updater is not None
        return self._updater

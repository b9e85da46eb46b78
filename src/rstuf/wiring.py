"""Puts a repository together from its configuration: the only module that knows concrete adapters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from rstuf.clock import Clock, SystemClock
from rstuf.config import (
    FILE_NAME,
    Config,
    find_workspace,
    meets_artifacts,
    meets_private,
    read_config,
)
from rstuf.durable import there
from rstuf.errors import (
    InvalidConfig,
    WorkspaceNotFound,
)
from rstuf.own_files import OwnFiles
from rstuf.permissions import Place, parts_of, place_of, refuse_unsafe
from rstuf.places import (
    AMONG,
    PRIVATE,
)
from rstuf.progress import Progress, Silent, step
from rstuf.repository.interfaces import RoleSigner, Secrets, StateStore
from rstuf.repository.ports import ClockTrust, Ports
from rstuf.repository.stages import Stage

if TYPE_CHECKING:
    from rstuf.model.keys import KeyEntry, PublicKey
    from rstuf.repository.doctor import Surroundings
    from rstuf.repository.reading import Source
    from rstuf.repository.reports import VerifyReport, VisibleVersions
    from rstuf.repository.repository import Repository
    from rstuf.repository.verify import Depth
    from rstuf.signing.source import KeyFileSource
    from rstuf.storage.sources import Tree
    from rstuf.storage.stock_client import ClientVerdict, ClientView

# Files fetched at once from a web server.
_CONNECTIONS: Final = 8
DEFAULT_WAIT: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Session:
    """How a face works with a repository: what it is called in locks and logs, who is asked for passphrases.

    Attributes:
        purpose: what a waiting process is told ("rstuf artifact add").
        actor: who acts, for the audit log ("maria@laptop").
        secrets: where passphrases come from.
        wait: how long a lock is waited for.
        on_wait: told, after a second of waiting, which lock it is and who holds it (None where unknown).
        on_note: told the name of a key that is not in a file, and what to know before it is used.
        before_keys: called before any private key is looked at, and again before others are.
        clients: names of clients that have to be able to read what is published, beside those that a workspace names.
    """

    purpose: str
    actor: str
    secrets: Secrets
    wait: timedelta = DEFAULT_WAIT
    clock: Clock = field(default_factory=SystemClock)
    clock_trust: ClockTrust = ClockTrust.USUAL
    progress: Progress = field(default_factory=Silent)
    on_wait: Callable[[str, str | None], None] | None = None
    on_note: Callable[[str, str], None] | None = None
    before_keys: Callable[[], None] | None = None
    clients: tuple[str, ...] = ()


class Search(Enum):
    """Where a workspace is looked for: in a directory and those above it, or nowhere else."""

    UPWARDS = "upwards"
    HERE = "here"


def open_repository(
    start: Path, session: Session, *, search: Search = Search.UPWARDS, stage: Stage = Stage.LIVE
) -> Repository:
    """The repository of the workspace that `start` is in, or (`Search.HERE`) is.

    Args:
        stage: `Stage.SIGNING` lets a ceremony in that waits for its signers, `Stage.LOOKING` one, too, whose root was
            cancelled.

    Raises:
        WorkspaceNotFound: it is in none.
        InvalidConfig, StateError, CeremonyUnfinished, UnsafeDirectory: the workspace cannot be used as it is.
    """
    from rstuf.repository.repository import Repository

    directory = workspace_of(start, search)
    refuse_unsafe(place_of(directory if search is Search.UPWARDS else start))
    config = read_config(directory)
    refuse_unsafe_parts(config)
    refuse_misplaced(config)
    ports = ports_of(config, open_state(config, session), session)
    try:
        return Repository(ports, stage=stage)
    except BaseException:
        ports.state.close()
        raise


def workspace_of(start: Path, search: Search) -> Path:
    """The workspace that `start` is in, or is.

    Raises:
        WorkspaceNotFound: it is in none, or is none itself.
    """
    directory = find_workspace(start)
    if search is Search.HERE and directory != start.absolute() and directory.resolve() != start.resolve():
        raise WorkspaceNotFound(str(start), only=True)
    return directory


def refuse_unsafe_parts(config: Config) -> None:
    """
    Raises:
        UnsafeDirectory: others can change what a workspace stands on, as its configuration has it.
    """
    refuse_unsafe(_parts_of(config))


def refuse_misplaced(config: Config) -> None:
    """
    Raises:
        InvalidConfig: what is served would hold what is private, or metadata lies among artifacts.
    """
    directory = config.directory
    for name, place in (("metadata", config.metadata), ("artifacts", config.artifacts)):
        if place and meets_private(place, directory, state=config.state):
            raise InvalidConfig(str(directory / FILE_NAME), f"{name}: {PRIVATE}")
    if meets_artifacts(config.metadata, config.artifacts, directory):
        raise InvalidConfig(str(directory / FILE_NAME), f"artifacts: {AMONG}")


def key_source(directory: Path, session: Session, *, inputs: Path) -> KeyFileSource:
    """The keys of the workspace in `directory`; public halves that are named lie below `inputs`."""
    from rstuf.signing.source import KeyFileSource

    if session.before_keys is not None:
        session.before_keys()
    return KeyFileSource(directory, session.secrets, inputs=inputs, on_note=session.on_note)


def make_key(
    directory: Path, name: str, *, kind: str, encrypt: bool, place: Path, reuse: bool, session: Session
) -> KeyEntry:
    """Make a key pair: the private half in a new file at `place`, its public half beside it.

    Args:
        directory: what a `place` that is relative is under, and so its signer.
        kind: "ed25519", "ecdsa" (P-256) or "rsa".
        reuse: a key of that kind that is there already is taken as it is: its making was interrupted.

    Raises:
        InvalidKey: the place is taken, the name cannot be one, or the kind is unknown.
        UnsafeDirectory: others could read the key, or put another in its place.
        PassphraseNeeded: nobody chose a passphrase for it.
    """
    from rstuf.model.keys import check_key_name

    check_key_name(name)
    source = key_source(directory, session, inputs=directory)
    key = source.generate(name, kind, f"file:{place}", encrypt=encrypt, reuse=reuse, added=session.clock.now())
    key.save()
    return key.entry


def make_key_in_place(
    directory: Path, name: str, *, kind: str, signer: str, public: Path | None, session: Session
) -> KeyEntry:
    """Make a key pair where no file is, on a token: it is there at once, stays there, and cannot be taken back.

    Args:
        directory: what is relative in `signer` is under it.
        kind: "ecdsa" (P-256).
        signer: the URI of the place, in which nothing is yet.
        public: where its public half is written, as PEM; None where that is not needed.

    Raises:
        InvalidKey: the place is taken, the name cannot be one, or the place keeps no keys of the kind.
        SignerUnavailable: it cannot be reached, or makes no keys.
        PassphraseNeeded, WrongPassphrase: it stays closed.
    """
    from rstuf.model.keys import check_key_name
    from rstuf.signing.keyfiles import create_public_at, refuse_taken
    from rstuf.signing.public_keys import public_pem

    check_key_name(name)
    if public is not None:
        refuse_taken(public)
    entry = key_source(directory, session, inputs=directory).make_in_place(
        name, kind, signer, added=session.clock.now()
    )
    if public is not None:
        create_public_at(public, public_pem(entry.key))
    return entry


def open_or_create_state(config: Config, session: Session) -> StateStore:
    """The state that a configuration names, a new one where there is none."""
    from rstuf.state.sqlite import SqliteStateStore

    path = config.path_of(config.state)
    if there(path) is not None:
        return open_state(config, session)
    created: StateStore = SqliteStateStore.create(
        path, wait=session.wait, purpose=session.purpose, on_wait=session.on_wait
    )
    return created


def open_state(config: Config, session: Session) -> StateStore:
    """The state that a configuration names."""
    from rstuf.state.sqlite import SqliteStateStore

    opened: StateStore = SqliteStateStore.open(
        config.path_of(config.state), wait=session.wait, purpose=session.purpose, on_wait=session.on_wait
    )
    return opened


@contextmanager
def state_in_the_making(config: Config, session: Session, *, draft: Path) -> Iterator[Callable[[], StateStore]]:
    """The right to make a state where a configuration names one; it is made at `draft`, beside it, when asked for.

    Raises:
        Locked: another process publishes in this workspace.
    """
    from rstuf.state.sqlite import SqliteStateStore

    path = config.path_of(config.state)
    locks = SqliteStateStore(path, wait=session.wait, purpose=session.purpose, on_wait=session.on_wait)
    with locks.publication_lock(purpose=session.purpose):
        yield lambda: SqliteStateStore.create(
            draft, wait=session.wait, purpose=session.purpose, on_wait=session.on_wait
        )


@contextmanager
def leaving_no_trace(config: Config, session: Session) -> Iterator[None]:
    """Looks at the state in the block leave nothing beside it that was not there before, and what was there stays."""
    from rstuf.state.connections import has_side_files
    from rstuf.state.sqlite import SqliteStateStore

    path = config.path_of(config.state)
    kept = has_side_files(path)
    try:
        yield
    finally:
        if not kept:
            SqliteStateStore(path, wait=session.wait, purpose=session.purpose).close()


@contextmanager
def state_as_it_is(config: Config, session: Session) -> Iterator[StateStore]:
    """The state that a configuration names, to look at."""
    from rstuf.state.sqlite import SqliteStateStore

    path = config.path_of(config.state)
    store = SqliteStateStore.open(path, wait=session.wait, purpose=session.purpose, on_wait=session.on_wait)
    try:
        yield store
    finally:
        store.let_go()


def surroundings_of(directory: Path, config: Config | None) -> Surroundings:
    """What is around a workspace on this machine; `config` is None where it cannot be read."""
    from rstuf.state.looking import look_at
    from rstuf.storage.staging import left_rooms
    from rstuf.surroundings import LocalSurroundings

    found: Surroundings = LocalSurroundings(directory, config, look=look_at, rooms=left_rooms)
    return found


class _Signers:
    """A `SignerSource` over key files; what opening one takes is imported when one is opened."""

    def __init__(self, directory: Path, session: Session) -> None:
        self._directory, self._session = directory, session
        self._made: KeyFileSource | None = None

    def open(self, entry: KeyEntry) -> RoleSigner:
        return self._source().open(entry)

    def look(self, entry: KeyEntry) -> bool:
        return self._source().look(entry)

    def public_of(self, name: str, uri: str) -> PublicKey:
        return self._source().public_of(name, uri)

    def _source(self) -> KeyFileSource:
        if self._made is None:
            self._made = key_source(self._directory, self._session, inputs=self._directory)
        return self._made


def ports_of(config: Config, state: StateStore, session: Session) -> Ports:
    """All adapters of a workspace."""
    from rstuf.signing.witness import SecondProcess
    from rstuf.state.stamps import SqliteStamps
    from rstuf.storage.filesystem import FilesystemArtifactStorage, FilesystemMetadataStorage
    from rstuf.storage.served import ServedDirectories

    metadata = config.path_of(config.metadata)
    artifacts = config.path_of(config.artifacts) if config.artifacts else None
    private = [config.path_of(own) for own in ("keys", FILE_NAME, config.state)]
    return Ports(
        state=state,
        metadata=FilesystemMetadataStorage(metadata),
        artifacts=None if artifacts is None else FilesystemArtifactStorage(artifacts),
        served=ServedDirectories(metadata, artifacts, private=private),
        signers=_Signers(config.directory, session),
        clock=session.clock,
        actor=session.actor,
        clock_trust=session.clock_trust,
        progress=session.progress,
        witness=SecondProcess(),
        stamps=SqliteStamps(config.path_of(config.stamps)),
        clients=(*config.clients, *session.clients),
    )


def _parts_of(config: Config) -> list[Place]:
    """What of a workspace must be safe, as its configuration has it."""
    return parts_of(
        config.directory,
        state=config.path_of(config.state),
        metadata=config.path_of(config.metadata),
        artifacts=config.path_of(config.artifacts) if config.artifacts else None,
    )


def find_files(locations: Iterable[Path], *, prefix: str = "", progress: Progress | None = None) -> Iterable[Source]:
    """Files of this machine on their way in; see `storage.sources.find_files`. They can be gone through again."""
    from rstuf.storage import sources

    progress = progress or Silent()
    with step(progress, "finding", unit="files"):
        return sources.find_files(list(locations), prefix=prefix, guard=OwnFiles().refuse, on_found=progress.advance)


def tree_of(directory: Path, *, prefix: str = "", progress: Progress | None = None) -> Tree:
    """A directory of this machine, to be compared with artifacts; see `Repository.compare`.

    Args:
        prefix: a directory's name, which stands before every path ("dist/" or "dist").
    """
    from rstuf.storage import sources

    return sources.Tree(directory, prefix=prefix, guard=OwnFiles().refuse, on_found=(progress or Silent()).advance)


def find_listed_files(listing: BinaryIO, *, source: str, base: Path, prefix: str = "") -> Sequence[Source]:
    """The files that a listing (SHA256SUMS, SHA512SUMS) names, each with the hash that it must have.

    Args:
        source: what to call the listing in messages.
        base: the directory that its names start from.

    Raises:
        InvalidInput: a line is not of that form.
        StorageError: a file is not there.
    """
    from rstuf.repository.checksums import read_checksums
    from rstuf.storage import sources

    lines = ((line.path, line.listed) for line in read_checksums(listing, source=source))
    return sources.listed_files(lines, base=base, prefix=prefix, guard=OwnFiles().refuse)


def try_stock_client(
    metadata: Path, artifacts: Path, *, trusted_root: bytes, paths: Sequence[str]
) -> Sequence[ClientVerdict]:
    """Let a stock client download artifacts from served directories; see `storage.stock_client`."""
    from rstuf.storage.stock_client import download_all

    return download_all(metadata, artifacts, trusted_root=trusted_root, paths=paths)


def look_with_stock_client(
    metadata: Path, *, trusted_root: bytes, below: Mapping[str, str] | None = None
) -> ClientView:
    """Let a stock client follow served metadata from root to bins, and for some paths; see `storage.stock_client`."""
    from rstuf.storage.stock_client import look

    return look(metadata, trusted_root=trusted_root, below=below)


def verify_published(
    url: str,
    *,
    trusted_root: bytes,
    depth: Depth,
    session: Session,
    artifacts: str | None = None,
    published: VisibleVersions | None = None,
) -> VerifyReport:
    """Audit what is published at a URL or in a directory, starting from a root that is trusted already.

    Args:
        url: where metadata is.
        artifacts: where contents are; by default where `contents_of` says.
        published: what was visible before, where the repository is made: nothing older may be served.

    Raises:
        InvalidInput: `url` or `artifacts` is no place.
        StorageError: nothing can be fetched.
    """
    from rstuf.repository.verify import verify
    from rstuf.storage.around import PlacesAround
    from rstuf.storage.locations import contents_of, place_of, shown_place
    from rstuf.storage.outside import contents_at, metadata_at

    place = place_of(url)
    where = contents_of(place) if artifacts is None else place_of(artifacts)
    with metadata_at(place) as source, contents_at(where) as contents:
        return verify(
            source,
            trusted_root=trusted_root,
            now=session.clock.now(),
            contents=contents,
            state=None,
            depth=depth,
            progress=session.progress,
            readers=_CONNECTIONS,
            published=published,
            contents_place=shown_place(where),
            # What lies around a directory of this machine is given to nobody by that.
            surroundings=PlacesAround(place) if "://" in place else None,
        )

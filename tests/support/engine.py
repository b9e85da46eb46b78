"""An engine for tests: real state and real signatures, storages in memory, a clock that stands still.

engine = Engine.live(tmp_path)               # after a ceremony: 1-of-2 root, 4 bins
engine.add("a.txt", b"content")              # accepted and stored
publish(engine.ports)
engine.site()                                # for tests.support.clients
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from securesystemslib.signer import CryptoSigner
from tests.support import plans
from tests.support.clients import Client, View

from rstuf.clock import ManualClock
from rstuf.errors import SignerUnavailable
from rstuf.metadata.bundle import DetachedSignature
from rstuf.model.artifacts import ListedHash
from rstuf.model.keys import KeyEntry, KeyId, PublicKey
from rstuf.model.names import TargetPath, target_path
from rstuf.model.stamps import Stamp
from rstuf.repository import artifacts
from rstuf.repository.ceremony import CeremonyReport, carry_out, prepare
from rstuf.repository.event_desk import EventDesk
from rstuf.repository.intake import Conflict
from rstuf.repository.keys import add_key
from rstuf.repository.plan import Plan, read_plan
from rstuf.repository.ports import Ports
from rstuf.repository.reports import AcceptedChange
from rstuf.repository.rotation_desk import RotationDesk
from rstuf.state.sqlite import SqliteStateStore
from rstuf.storage.memory import MemoryArtifactStorage, MemoryMetadataStorage

START = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
EXPIRES = {"root": "365d", "timestamp": "1d", "snapshot": "7d", "targets": "365d", "bins": "30d"}


def plan_document(*, bins: int = 4, **tables: Any) -> dict[str, Any]:
    """A plan as its TOML file would say it, its lifetimes fixed; `tables` replace or add whole tables."""
    return plans.plan_data(bins=bins, expires=EXPIRES) | tables


@dataclass
class _Signer:
    signer: CryptoSigner
    keyid: KeyId

    def sign(self, payload: bytes) -> str:
        return self.signer.sign(payload).signature


@dataclass
class _NewKey:
    entry: KeyEntry
    signer: _Signer

    def save(self) -> None:
        return


class Keys:
    """Keys in memory: a `SignerSource` and a `KeyMaker`. Names in `away` cannot sign."""

    def __init__(self) -> None:
        self.made: dict[str, _NewKey] = {}
        self.away: set[str] = set()

    def open(self, entry: KeyEntry) -> _Signer:
        if entry.name in self.away or entry.name not in self.made:
            raise SignerUnavailable(entry.name, "its holder is away")
        return self.made[entry.name].signer

    def look(self, entry: KeyEntry) -> bool:
        self.open(entry)
        return True

    def generate(self, name: str, scheme: str, uri: str, *, encrypt: bool, reuse: bool, added: datetime) -> _NewKey:
        if name not in self.made:
            crypto = {"ed25519": CryptoSigner.generate_ed25519, "ecdsa": CryptoSigner.generate_ecdsa}[scheme]()
            public = PublicKey.from_dict(crypto.public_key.to_dict())
            self.made[name] = _NewKey(KeyEntry(name, public, uri, added), _Signer(crypto, public.keyid))
        return self.made[name]

    def public_of(self, name: str, uri: str) -> PublicKey:
        return self.made[name].entry.key

    def read_public(self, location: str) -> PublicKey:
        return self.made[location].entry.key


@dataclass(frozen=True)
class MemorySource:
    """A file that is only bytes."""

    path: TargetPath
    data: bytes
    listed: ListedHash | None = None
    stamp: Stamp | None = None

    @property
    def size(self) -> int:
        return len(self.data)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        yield io.BytesIO(self.data)


@dataclass
class Engine:
    """One repository under test."""

    ports: Ports
    plan: Plan
    keys: Keys
    clock: ManualClock
    metadata: MemoryMetadataStorage
    artifacts: MemoryArtifactStorage
    contents: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def new(
        cls,
        directory: Path,
        *,
        document: Mapping[str, Any] | None = None,
        on_change: Callable[[str, bytes | None], None] | None = None,
    ) -> Engine:
        """An engine before its ceremony; its state is in `directory`."""
        directory.mkdir(parents=True, exist_ok=True)
        state = SqliteStateStore.create(directory / "state.db", wait=timedelta(seconds=5), purpose="test")
        keys, clock = Keys(), ManualClock(START)
        metadata, artifacts = MemoryMetadataStorage(on_change), MemoryArtifactStorage()
        ports = Ports(state, metadata, artifacts, keys, clock, actor="test")
        return cls(ports, read_plan(document or plan_document()), keys, clock, metadata, artifacts)

    @classmethod
    def live(cls, directory: Path, **options: Any) -> Engine:
        """An engine after its ceremony."""
        engine = cls.new(directory, **options)
        engine.ceremony()
        return engine

    def ceremony(self) -> CeremonyReport:
        """Hold the ceremony (again, where it was interrupted)."""
        prepared = prepare(self.plan, maker=self.keys, signers=self.keys, now=self.clock.now(), reuse=True)
        return carry_out(self.ports, prepared)

    def with_ports(self, **changes: Any) -> Engine:
        """The same repository with other adapters."""
        return replace(self, ports=replace(self.ports, **changes))

    def add(self, path: str, data: bytes, *, conflict: Conflict = Conflict.REPLACE) -> AcceptedChange:
        """Accept one artifact with its content; not published yet."""
        self.contents[path] = data
        return artifacts.add_files(self.ports, [MemorySource(target_path(path), data)], conflict=conflict)

    def remove(self, path: str) -> AcceptedChange:
        """Accept the removal of one artifact."""
        del self.contents[path]
        return artifacts.remove_artifacts(self.ports, [target_path(path)])

    def root(self, version: int = 1) -> bytes:
        """The bytes of a root."""
        return self.metadata.files[f"{version}.root.json"]

    @property
    def events(self) -> EventDesk:
        """The signing events."""
        return EventDesk(self.ports)

    @property
    def rotations(self) -> RotationDesk:
        """The rotation of online keys."""
        return RotationDesk(self.ports)

    def make_key(self, name: str, scheme: str = "ed25519") -> KeyEntry:
        """A new key that is known by its name, its private half at hand."""
        entry = self.keys.generate(
            name, scheme, f"file:keys/{name}.key", encrypt=False, reuse=False, added=self.clock.now()
        ).entry
        add_key(self.ports, name, entry.key, signer=entry.signer)
        return entry

    def signature(self, event: str, key: str) -> DetachedSignature:
        """What the holder of a key sends back for an event, made from the bundle alone."""
        (part,) = self.events.bundle(event).parts
        signer = self.keys.made[key].signer
        return DetachedSignature(part.digest, signer.keyid, signer.sign(part.payload))

    def site(self) -> Callable[[str], bytes]:
        """What a client can fetch, now and later."""
        return site_of(self.metadata.files, self.artifacts.files)

    def moved_on(self, **duration: int) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**duration))


def site_of(metadata: Mapping[str, bytes], artifacts: Mapping[str, bytes]) -> Callable[[str], bytes]:
    """A site over two mappings: metadata as `/`, contents as `/targets/`."""

    def read(name: str) -> bytes:
        found = artifacts.get(name.removeprefix("targets/")) if name.startswith("targets/") else metadata.get(name)
        if found is None:
            raise FileNotFoundError(name)
        return found

    return read


def client_of(engine: Engine, directory: Path) -> Client:
    """A stock client that began with the first root; what it knows is in `directory`."""
    return Client(directory, engine.site(), root=engine.root(), now=engine.clock.now())


def check_client(engine: Engine, directory: Path) -> View:
    """A client sees exactly the contents that were published."""
    judge = client_of(engine, directory)
    view = judge.refresh()
    judge.walk()
    for path, data in engine.contents.items():
        assert judge.download(path) == data
    return view

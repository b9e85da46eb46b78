"""Artifacts are made equal to a directory: what is new comes, what changed is replaced, what is missing goes.

Two passes. The first compares names and stamps: it reads no content, and says what is to be read and what is missing.
The second reads what nobody can vouch for. A stamp decides what is looked at and nothing else: whatever is recorded was
hashed in this very run, while it was copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from rstuf.errors import InvalidInput
from rstuf.model.artifacts import Artifact, ArtifactRow, ArtifactState, ListedArtifact, slot_of
from rstuf.model.names import RoleName, TargetPath
from rstuf.progress import step
from rstuf.repository.artifacts import keep, keeping, take_files
from rstuf.repository.intake import Conflict, Intake, staying, with_what_is_recorded
from rstuf.repository.interfaces import FORGETFUL, KnownStamps, RowSpool
from rstuf.repository.ports import Ports
from rstuf.repository.reading import HashOnly, Reading, Source
from rstuf.repository.reports import AcceptedChange
from rstuf.repository.visible import refuse_to_accept

_SAMPLE: Final = 10

File = TypeVar("File", bound=Source)


class Pile(Protocol[File]):
    """Files of a tree that are set aside: in their order, any number of them, with flat memory."""

    def add(self, file: File, /) -> None:
        """Set one aside."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[File]:
        """Each of them; any number of times."""


class Tree(Protocol[File]):
    """A directory whose files artifacts shall equal."""

    @property
    def prefix(self) -> str:
        """What the path of every artifact of it begins with, with a slash at its end; "" where it stands for all."""

    def files(self) -> Iterator[File]:
        """Its files, sorted by path (by code points)."""

    def pile(self) -> Pile[File]:
        """Room for some of them."""


class StampTrust(Enum):
    """Whether a file whose stamp is that of a file that was hashed before is taken for it."""

    STAMPS = auto()
    NOTHING = auto()


class Missing(Enum):
    """What becomes of artifacts that are not in the directory."""

    KEEP = auto()
    REMOVE = auto()


class Outlook(NamedTuple):
    """What the first pass found.

    Attributes:
        new: files whose paths are not here.
        unsure: files whose content may have changed, so that they are to be read.
        same: files that are what is recorded, by their stamps.
        missing: artifacts that are not in the directory; `sample` has the first ten paths.
        length: bytes to read.
        unseen: the roles in which some of the same are that clients don't see yet.
    """

    new: int
    unsure: int
    same: int
    missing: int
    sample: tuple[str, ...]
    length: int
    unseen: frozenset[RoleName]


class Difference(StrEnum):
    """What becomes of one artifact."""

    ADD = "add"
    REPLACE = "replace"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class SyncStep:
    """One thing that would be done, and the bytes of the content that goes or comes."""

    difference: Difference
    path: TargetPath
    length: int


class Comparison:
    """A directory beside the artifacts: what differs by names and stamps, and what can be done about it.

    Attributes:
        outlook: what was found.
    """

    def __init__(self, ports: Ports, pile: Pile[Any], gone: RowSpool, outlook: Outlook) -> None:
        """Use `compare`."""
        self._ports, self._pile, self._gone = ports, pile, _Gone(gone)
        self.outlook = outlook

    def carry_out(self, *, missing: Missing) -> AcceptedChange:
        """Accept all of it in one change; all or nothing. Clients see it after the next publication.

        Raises:
            PathTwin, LimitExceeded: one is refused; nothing was taken.
            SourceChanged: a file was changed while it was read; nothing was taken.
            StorageError: contents could not be stored.
        """
        ports = self._ports
        gone: _Gone | tuple[()] = self._gone if missing is Missing.REMOVE else ()
        with ports.state.spool() as spool, keeping(ports) as batch, ports.stamps.notes() as notes:
            intake = Intake(ports, spool, Conflict.UPDATE)
            take_files(intake, batch, self._pile, notes=notes)
            if ports.artifacts is not None:
                intake.rehearse(gone=gone)
            keep(ports, batch)
            change = intake.accept("artifacts.sync", gone=gone)
            notes.keep(forget=gone)
        unchanged, unseen = change.unchanged + self.outlook.same, change.unseen | self.outlook.unseen
        return replace(change, unchanged=unchanged, unseen=unseen)

    def steps(self, *, missing: Missing) -> Iterator[SyncStep]:
        """What `carry_out` would do, found out by reading as it would; writes nothing.

        Raises:
            SourceChanged: a file was changed while it was read.
        """
        ports = self._ports
        with (
            step(ports.progress, "hashing", total=self.outlook.length, unit="bytes"),
            Reading(HashOnly(), ports.progress) as reading,
            ports.state.read() as reader,
        ):
            for source, offered, _ in reading.each(self._pile):
                known = staying(reader.artifact(source.path))
                if known is None:
                    yield SyncStep(Difference.ADD, source.path, offered.length)
                elif with_what_is_recorded(known, offered, Conflict.UPDATE) != known:
                    yield SyncStep(Difference.REPLACE, source.path, offered.length)
            if missing is Missing.REMOVE:
                for path in self._gone:
                    here = staying(reader.artifact(path))
                    if here is not None:
                        yield SyncStep(Difference.REMOVE, path, here.length)


@contextmanager
def compare(ports: Ports, tree: Tree[File], *, trust: StampTrust = StampTrust.STAMPS) -> Iterator[Comparison]:
    """Hold a directory beside the artifacts that its prefix names, and say what differs; nothing is changed yet.

    Raises:
        InputMissing, InvalidInput, InvalidPath: it cannot be looked through, or something in it cannot be an artifact.
        InvalidInput: it holds no file. More often than not its disk is not there, or what fills it has not run.
        StateBehind, ForeignMetadata: what differs could not be published from here.
    """
    with ports.state.read() as reader:
        reader.settings()
    refuse_to_accept(ports)
    with ports.state.spool() as gone:
        pile = tree.pile()
        stamps = ports.stamps if trust is StampTrust.STAMPS else FORGETFUL
        with step(ports.progress, "comparing", unit="files"), ports.state.read() as reader, stamps.known() as known:
            outlook = _look(tree, reader.artifacts(prefix=tree.prefix), known, pile, gone)
        if not outlook.new + outlook.unsure + outlook.same:
            raise InvalidInput(
                f"the directory {tree} holds no files",
                hint="nothing was removed; see that what fills it has run; rstuf artifact remove takes names",
            )
        yield Comparison(ports, pile, gone, outlook)


def _look(
    tree: Tree[File], here_now: Iterator[ListedArtifact], known: KnownStamps, pile: Pile[File], gone: RowSpool
) -> Outlook:
    new = unsure = same = length = 0
    sample: list[str] = []
    unseen = set[RoleName]()

    def miss(artifact: Artifact | None) -> None:
        if artifact is not None:
            gone.append(ArtifactRow(slot_of(artifact.path), artifact.path, b""))
            if len(sample) < _SAMPLE:
                sample.append(artifact.path)

    here = next(here_now, None)
    for source in tree.files():
        while here is not None and here.artifact.path < source.path:
            miss(staying(here))
            here = next(here_now, None)
        recorded = listed = None
        if here is not None and here.artifact.path == source.path:
            recorded, listed, here = staying(here), here, next(here_now, None)
        if recorded is not None and _vouched_for(source, recorded, known):
            same += 1
            if listed is not None and listed.state is not ArtifactState.PUBLISHED:
                unseen.add(RoleName(listed.role))
            continue
        pile.add(source)
        length += source.size
        if recorded is None:
            new += 1
        else:
            unsure += 1
    while here is not None:
        miss(staying(here))
        here = next(here_now, None)
    return Outlook(new, unsure, same, len(gone), tuple(sample), length, frozenset(unseen))


def _vouched_for(source: Source, recorded: Artifact, known: KnownStamps) -> bool:
    """Whether a file had this very stamp when it hashed to what is recorded."""
    if source.stamp is None or source.size != recorded.length:
        return False
    digest = known.sha256(source.path, source.stamp)
    return digest is not None and digest == recorded.hashes.get("sha256")


class _Gone:
    """The paths of a spool."""

    def __init__(self, rows: RowSpool) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[TargetPath]:
        return (row[1] for row in self._rows.look_through())

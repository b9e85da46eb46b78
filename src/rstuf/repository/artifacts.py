"""Artifacts come and go: accepted durably here, visible after the next publication."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from rstuf.errors import ArtifactNotFound
from rstuf.metadata.fragments import row_of
from rstuf.model.artifacts import Artifact, ArtifactRow, ArtifactState
from rstuf.model.names import RoleName, TargetPath
from rstuf.progress import step
from rstuf.repository.intake import NAMED, Conflict, Intake, remove_from_roles, staying, with_what_is_recorded
from rstuf.repository.interfaces import ArtifactBatch, StampNotes
from rstuf.repository.ports import Ports
from rstuf.repository.reading import HashOnly, Reading, Source
from rstuf.repository.reports import AcceptedChange
from rstuf.repository.visible import refuse_to_accept

_GROUP: Final = 256
_TOGETHER: Final = 1000


def add_files(
    ports: Ports,
    sources: Iterable[Source],
    *,
    conflict: Conflict = Conflict.REFUSE,
    custom: Mapping[str, Any] | None = None,
) -> AcceptedChange:
    """Accept files: hashed, their contents copied where this repository keeps contents, and recorded; all or nothing.

    Where the copy of a content that is known already is missing or damaged, it is put back.

    Args:
        sources: they are gone through twice.
        custom: the publisher's data for each of them; None leaves what is recorded beside the same content.

    Raises:
        InvalidPath, InvalidArtifact, ArtifactConflict, PathTwin, LimitExceeded: one is refused; nothing was taken.
        HashMismatch: one is not what its listing says; nothing was taken.
        SourceChanged: one was changed while it was read; nothing was taken.
        StateBehind, ForeignMetadata: it could not be published from here; nothing was taken.
        StorageError: contents could not be stored.
    """
    with ports.state.read() as reader:
        reader.settings()
    refuse_to_accept(ports)
    with ports.state.spool() as spool, keeping(ports) as batch, ports.stamps.notes() as notes:
        intake = Intake(ports, spool, conflict)
        take_files(intake, batch, sources, notes=notes, custom=custom)
        if ports.artifacts is not None:
            intake.rehearse()
        keep(ports, batch)
        change = intake.accept("artifacts.add")
        notes.keep()
    return change


@contextmanager
def keeping(ports: Ports) -> Iterator[ArtifactBatch]:
    """Where contents that come in are kept; where they are served from elsewhere, they are hashed only."""
    if ports.artifacts is None:
        yield HashOnly()
        return
    # What an interrupted command left half-copied goes first.
    ports.artifacts.prepare()
    with ports.artifacts.batch() as batch:
        yield batch


def keep(ports: Ports, batch: ArtifactBatch) -> None:
    """Make contents durable under their names; they are so before the state says that they are here."""
    if not len(batch):
        batch.commit()
        return
    with step(ports.progress, "keeping", total=len(batch), unit="files"):
        batch.commit(ports.progress.advance)


def take_files(
    intake: Intake,
    batch: ArtifactBatch,
    sources: Iterable[Source],
    *,
    notes: StampNotes,
    custom: Mapping[str, Any] | None = None,
) -> None:
    """Read files into `batch` and queue their artifacts; what they were known by goes into `notes`.

    Args:
        sources: they are gone through twice.
    """
    ports = intake.ports
    scanned = ports.clock.now()
    total = sum(source.size for source in sources)
    with (
        step(ports.progress, "hashing", total=total, unit="bytes"),
        Reading(batch, ports.progress, custom=custom) as reading,
    ):
        offers = reading.each(sources)
        while some := list(islice(offers, _GROUP)):
            intake.take(some)
            for source, artifact, _ in some:
                if source.stamp is not None and source.stamp.is_settled(scanned):
                    notes.note(source.path, source.stamp, artifact.hashes["sha256"])


def add_artifacts(
    ports: Ports, rows: Iterable[ArtifactRow], *, conflict: Conflict = Conflict.REFUSE, action: str = "artifacts.add"
) -> AcceptedChange:
    """Accept artifacts by what is known of them, streaming; all or nothing. Contents are served from elsewhere.

    Raises:
        InvalidInput: one of `rows` cannot be read; nothing was taken.
        ArtifactConflict, PathTwin, LimitExceeded: one is refused; nothing was taken.
        StateBehind, ForeignMetadata: it could not be published from here; nothing was taken.
    """
    with ports.state.read() as reader:
        reader.settings()
    refuse_to_accept(ports)
    with ports.state.spool() as spool:
        intake = Intake(ports, spool, conflict)
        with step(ports.progress, "reading", unit="artifacts"):
            remaining = intake.warnings.over(rows)
            while taken := spool.extend(islice(remaining, _TOGETHER)):
                ports.progress.advance(taken)
        return intake.accept(action)


def add_described(ports: Ports, artifact: Artifact, *, conflict: Conflict = Conflict.REFUSE) -> AcceptedChange:
    """Accept one artifact by what is known of it; what it does not say stays as it is recorded beside the same content.

    Raises:
        ArtifactConflict, PathTwin, LimitExceeded: it is refused; nothing was taken.
    """
    with ports.state.read() as reader:
        here = reader.artifact(artifact.path)
    row = row_of(with_what_is_recorded(staying(here), artifact, conflict))
    change = add_artifacts(ports, [row], conflict=conflict)
    hidden = here is not None and here.state is not ArtifactState.PUBLISHED and change.unchanged
    return replace(change, unseen=frozenset({RoleName(here.role)}) if here is not None and hidden else frozenset())


def remove_artifacts(ports: Ports, paths: Iterable[TargetPath]) -> AcceptedChange:
    """Accept removals; all or nothing. Contents stay where clients of older metadata look for them.

    A removal that was accepted and is not visible yet is no change, so an interrupted command can be run again.

    Raises:
        ArtifactNotFound: one is not here; nothing was removed.
        StateBehind, ForeignMetadata: it could not be published from here; nothing was removed.
    """
    distinct = sorted(set(paths))
    refuse_to_accept(ports)
    with ports.state.transaction(actor=ports.actor) as state:
        wanted, leaving = list[TargetPath](), set[RoleName]()
        for path in distinct:
            known = state.artifact(path)
            if known is None:
                raise ArtifactNotFound(path)
            if known.state is ArtifactState.REMOVING:
                leaving.add(RoleName(known.role))
            else:
                wanted.append(path)
        before = len(distinct) - len(wanted)
        if not wanted:
            return AcceptedChange(number=0, unchanged=before, unseen=frozenset(leaving))
        number = state.next_number()
        roles = remove_from_roles(ports, state, wanted, number=number)
        details = {"number": number, "paths": wanted[:NAMED], "removed": len(wanted)}
        state.record("artifacts.remove", details, at=ports.clock.now())
    return AcceptedChange(
        number=number, removed=len(wanted), unchanged=before, roles=frozenset(roles), unseen=frozenset(leaving)
    )

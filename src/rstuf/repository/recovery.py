"""What an interrupted publication left, and how it is brought to an end.

Before its timestamp's bytes were in the state nothing of it can be visible: it is abandoned and its versions are burnt.
From then on a client may have seen it: it is completed byte for byte, signing nothing. Only if its files are damaged,
or expired meanwhile, it is made anew: roles that say who may sign others are carried over as they were signed (their
bytes are recorded, and who signed them may be away), and each other role is rendered again above the version it took.
"""

from __future__ import annotations

from enum import Enum, auto
from hashlib import sha256

from rstuf.errors import NameTaken, NotAFile
from rstuf.metadata import render
from rstuf.model.names import ROOT, SNAPSHOT, TIMESTAMP
from rstuf.model.publication import PlannedRole, Publication, PublicationPhase, RootVersion
from rstuf.model.roles import RoleKind
from rstuf.repository.interfaces import StateReader
from rstuf.repository.mending import DELEGATORS, recorded_files, restore
from rstuf.repository.ports import Ports
from rstuf.repository.release import settle
from rstuf.repository.reports import Recovery
from rstuf.repository.routing import late_moves
from rstuf.repository.visible import (
    TIMESTAMP_FILE,
    holds,
    refuse_directory,
    refuse_foreign_storage,
    refuse_older_state,
    visible_version,
)
from rstuf.repository.visible import (
    found as found_on,
)


class StateAge(Enum):
    """Whether this state is taken for the newest there is, or known to be a copy that clients may be ahead of."""

    NEWEST = auto()
    COPY = auto()


def recover(ports: Ports, *, age: StateAge = StateAge.NEWEST) -> Recovery:
    """Bring to an end what an interrupted process began. Under the publication lock; does nothing if there is nothing.

    In a copy nothing is completed but a root: clients may have seen what came after it.

    Raises:
        ForeignMetadata: another repository is published where this one would be.
        StateBehind: this state is an old copy.
        StorageError: the storage cannot be read or written; run it again.
    """
    refuse_foreign_storage(ports)
    # Versions would be taken, and files written, for a publication that cannot become visible.
    refuse_directory(ports.metadata, TIMESTAMP_FILE)
    with ports.state.read() as reader:
        root = reader.newest_root()
        publication = reader.unfinished_publication()
        brought = _delegators_of(ports, reader, publication)
    unsettled = root is not None and not root.settled
    if publication is None and not unsettled:
        return Recovery.NOTHING
    if root is not None and age is StateAge.NEWEST:
        refuse_older_state(ports)
    if root is not None and unsettled:
        complete_root(ports, root)
    if publication is None:
        return Recovery.NOTHING
    committing = publication.phase is PublicationPhase.COMMITTING
    if committing and publication.timestamp is not None:
        for planned, data in brought:
            ports.metadata.restore(render.versioned(planned.name, planned.version), data)
        with ports.state.read() as reader:
            intact = age is StateAge.NEWEST and _intact(ports, reader, publication)
        if intact:
            # Even where it is visible already, its name may not be durable yet: so it is written again.
            ports.metadata.replace(TIMESTAMP_FILE, publication.timestamp)
            settle(ports, publication.id, signed_at=publication.begun, roles=0)
            return Recovery.COMPLETED
    with ports.state.transaction(actor=ports.actor) as state:
        for planned, data in brought:
            state.record_delegator(planned.name, planned.version, data)
        handover = state.handover_number(publication.id) if brought else None
        state.abandon_publication(publication.id, carried=[planned.id for planned, _ in brought])
        if handover is not None:
            state.end_handover(late_moves(ports, state, after=handover))
        if committing:
            state.note_evidence(publication.begun)
        state.record("publication.abandon", {"publication": publication.id}, at=ports.clock.now())
    return Recovery.REDONE if committing else Recovery.ABANDONED


def complete_root(ports: Ports, root: RootVersion) -> None:
    """Create the file of a root whose thresholds are met, and record that it is there."""
    name = render.versioned(ROOT, root.version)
    # What a dead writer left goes: nothing else may be published for long.
    ports.metadata.prepare()
    try:
        with ports.metadata.batch() as batch:
            batch.create(name, root.data)
            batch.commit()
    except (NameTaken, NotAFile):
        # Somebody may have come between the first look and this.
        refuse_foreign_storage(ports)
        with ports.state.read() as reader:
            restore(ports, next(file for file in recorded_files(reader, ports.metadata) if file.name == name))
    with ports.state.transaction(actor=ports.actor) as state:
        state.settle_root(root.version)
        state.record("root.publish", {"version": root.version}, at=ports.clock.now())


def _delegators_of(
    ports: Ports, reader: StateReader, publication: Publication | None
) -> list[tuple[PlannedRole, bytes]]:
    """The roles of a committing publication that say who may sign others, with their bytes.

    As they are recorded; where it is the record that is damaged, as they were written.
    """
    if publication is None or publication.phase is not PublicationPhase.COMMITTING:
        return []
    found = []
    for planned, file in reader.publication_roles(publication.id):
        if planned.kind in {*DELEGATORS, RoleKind.BIN} and file is not None:
            recorded = reader.delegator(planned.name, planned.version)
            if planned.kind is RoleKind.BIN and recorded is None:
                # The online key signs it, and can again.
                continue
            written = found_on(ports.metadata, render.versioned(planned.name, planned.version), limit=file.length)
            for data in (recorded, written):
                if data is not None and sha256(data).hexdigest() == file.sha256:
                    found.append((planned, data))
                    break
    return found


def _intact(ports: Ports, reader: StateReader, publication: Publication) -> bool:
    """Whether every file of a publication is on the storage as it was signed, and none has expired."""
    now, snapshot = ports.clock.now(), reader.role(SNAPSHOT)
    first = reader.first_expiry(publication.id)
    if first is None or first <= now or _was_lost(ports, reader):
        return False
    # Where the publication brings none, its timestamp names the visible one.
    files = {SNAPSHOT: (snapshot.visible, snapshot.file)}
    expires = snapshot.expires
    for planned, file in reader.publication_roles(publication.id):
        if planned.kind is RoleKind.SNAPSHOT:
            expires = first
        if planned.kind is not RoleKind.TIMESTAMP:
            files[planned.name] = (planned.version, file)
    if expires is None or expires <= now:
        return False
    for role, (version, file) in files.items():
        if file is None or not holds(ports.metadata, render.versioned(role, version), file):
            return False
    return True


def _was_lost(ports: Ports, reader: StateReader) -> bool:
    """Whether there was a visible timestamp and is none: no kill or power cut does that, so it could have been any."""
    return reader.role(TIMESTAMP).visible > 0 and visible_version(ports, reader) == 0

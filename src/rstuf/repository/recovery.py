"""What an interrupted publication left, and how it is brought to an end.

Before its timestamp's bytes were in the state nothing of it can be visible: it is abandoned and its versions are burnt.
From then on a client may have seen it: it is completed byte for byte, signing nothing. Only if its files are damaged,
or expired meanwhile, each of its roles is rendered again above the versions it took.
"""

from __future__ import annotations

from rstuf.errors import NameTaken, NotAFile
from rstuf.metadata import render
from rstuf.metadata.views import open_envelope
from rstuf.model.names import ROOT, SNAPSHOT
from rstuf.model.publication import Publication, PublicationPhase, RootVersion
from rstuf.model.roles import RoleKind
from rstuf.repository.interfaces import StateReader
from rstuf.repository.mending import recorded_files, restore
from rstuf.repository.ports import Ports
from rstuf.repository.release import settle
from rstuf.repository.reports import Recovery
from rstuf.repository.visible import TIMESTAMP_FILE, holds, refuse_foreign_storage, refuse_older_state


def recover(ports: Ports) -> Recovery:
    """Bring to an end what an interrupted process began. Under the publication lock; does nothing if there is nothing.

    Raises:
        ForeignMetadata: another repository is published where this one would be.
        StateBehind: this state is an old copy.
        StorageError: the storage cannot be read or written; run it again.
    """
    refuse_foreign_storage(ports)
    with ports.state.read() as reader:
        root = reader.newest_root()
        publication = reader.unfinished_publication()
        intact = publication is not None and _intact(ports, reader, publication)
    unsettled = root is not None and not root.settled
    if publication is None and not unsettled:
        return Recovery.NOTHING
    if root is not None:
        refuse_older_state(ports)
    if root is not None and unsettled:
        complete_root(ports, root)
    if publication is None:
        return Recovery.NOTHING
    if publication.phase is PublicationPhase.COMMITTING and intact and publication.timestamp is not None:
        # Even where it is visible already, its name may not be durable yet: so it is written again.
        ports.metadata.replace(TIMESTAMP_FILE, publication.timestamp)
        settle(ports, publication.id, signed_at=publication.begun, roles=0)
        return Recovery.COMPLETED
    with ports.state.transaction(actor=ports.actor) as state:
        state.abandon_publication(publication.id)
        state.record("publication.abandon", {"publication": publication.id}, at=ports.clock.now())
    return Recovery.REDONE if publication.phase is PublicationPhase.COMMITTING else Recovery.ABANDONED


def complete_root(ports: Ports, root: RootVersion) -> None:
    """Create the file of a root whose thresholds are met, and record that it is there."""
    name = render.versioned(ROOT, root.version)
    try:
        with ports.metadata.batch() as batch:
            batch.create(name, root.data)
            batch.commit()
    except (NameTaken, NotAFile):
        with ports.state.read() as reader:
            restore(ports, next(file for file in recorded_files(reader, ports.metadata) if file.name == name))
    with ports.state.transaction(actor=ports.actor) as state:
        state.settle_root(root.version)
        state.record("root.publish", {"version": root.version}, at=ports.clock.now())


def _intact(ports: Ports, reader: StateReader, publication: Publication) -> bool:
    """Whether every file of a publication is on the storage as it was signed, and none has expired."""
    if publication.phase is not PublicationPhase.COMMITTING or publication.timestamp is None:
        return False
    now = ports.clock.now()
    if open_envelope(publication.timestamp, name=TIMESTAMP_FILE, kind="timestamp").expires <= now:
        return False
    snapshot = reader.role(SNAPSHOT)
    # Where the publication brings none, its timestamp names the visible one.
    files = {SNAPSHOT: (snapshot.visible, snapshot.file)}
    for planned, file in reader.publication_roles(publication.id):
        if planned.kind is not RoleKind.TIMESTAMP:
            files[planned.name] = (planned.version, file)
    for role, (version, file) in files.items():
        if file is None or not holds(ports.metadata, render.versioned(role, version), file):
            return False
    return True

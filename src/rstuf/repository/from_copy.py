"""Going on from a copy: a workspace that was put back, with or without what it serves.

Nothing in a copy tells what clients have seen since it was taken. So everything that can be signed here is signed
again, far above every version that they can have met. What was accepted after the copy was taken is not in it, and
clients find it no more: that a person decides.
"""

from __future__ import annotations

from typing import Final

from rstuf.errors import StateBehind
from rstuf.metadata.bins import PREFIX
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.repository.authority import current_root, open_online_key
from rstuf.repository.mending import put_back, record_again
from rstuf.repository.ports import Ports
from rstuf.repository.recovery import StateAge, recover
from rstuf.repository.release import bring_out
from rstuf.repository.renewal import JUMP, find_due
from rstuf.repository.reports import RenewalReport
from rstuf.repository.visible import newer_root, refuse_junk_root

_ALL: Final = (TARGETS, SNAPSHOT, TIMESTAMP, PREFIX)


def publish_from_copy(ports: Ports) -> RenewalReport:
    """Make what this state holds visible, over whatever was published after the copy was taken.

    Roles that people sign stay at the version that the copy has, unless their keys are here: the report names those
    that wait, and clients that have seen a newer one of them wait too. Doing it again does it again, further up.

    Raises:
        StateBehind: a root that the copy does not have is published; who may sign is then not known here.
        ForeignMetadata: another repository is published where this one would be.
        SigningError: an online key cannot be reached; nothing was published, and no version passed over.
    """
    with ports.state.publication_lock(purpose="recover copy"):
        _refuse_newer_root(ports)
        refuse_junk_root(ports)
        recover(ports, age=StateAge.COPY)
        recorded = record_again(ports)
        restored = put_back(ports)
        with ports.state.read() as reader:
            due = find_due(ports, reader, _ALL, ())
            # No version is passed over for a key that does not sign the next one.
            open_online_key(reader, ports.signers)
        with ports.state.transaction(actor=ports.actor) as state:
            for part in due.parts:
                state.burn_versions(part.role.name, JUMP)
            state.record("copy.publish", {"roles": len(due.parts), "versions": JUMP}, at=ports.clock.now())
        publication = bring_out(ports, due.parts)
        with ports.state.read() as reader:
            return RenewalReport(
                publication.mended(restored=restored, recorded=recorded), tuple(due.waiting), reader.next_due()
            )


def _refuse_newer_root(ports: Ports) -> None:
    with ports.state.read() as reader:
        version, known = newer_root(ports, reader), current_root(reader).version
    if version:
        raise StateBehind(ROOT, visible=version, known=known)

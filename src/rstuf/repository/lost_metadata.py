"""Metadata that is lost, wholly or in part, while the state is there: all of it comes back, and clients go on.

Roots and targets are put back byte for byte. Everything else is signed again, far above: of a directory that was lost
nobody knows what clients saw last. Changes that they have not seen yet stay pending.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from rstuf.errors import SigningError
from rstuf.model.artifacts import View
from rstuf.model.names import TIMESTAMP, RoleName
from rstuf.progress import step
from rstuf.repository.authority import open_online_key
from rstuf.repository.interfaces import StateReader
from rstuf.repository.mending import lost_roles, put_back, record_again
from rstuf.repository.ports import Ports
from rstuf.repository.recovery import recover
from rstuf.repository.renewal import JUMP, renew
from rstuf.repository.reports import RenewalReport
from rstuf.repository.visible import (
    is_as_published,
    refuse_foreign_storage,
    refuse_junk_root,
    refuse_older_state,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataRecovery:
    """What came back of metadata that was lost.

    Attributes:
        renewal: what was put back and signed; what was due anyway is among it.
        lost: the roles that were signed again because their files, or for timestamp its name, were lost.
        pending: how many roles have changes that clients do not see yet.
        missing: how many artifacts have no content where it is kept; None where contents are served from elsewhere.
    """

    renewal: RenewalReport
    lost: tuple[RoleName, ...]
    pending: int
    missing: int | None


def recover_metadata(ports: Ports) -> MetadataRecovery:
    """Bring back whatever of the metadata is lost or damaged, and publish it. Doing it again right away does nothing.

    Raises:
        StateBehind: clients see what this state does not know of: it is an old copy.
        ForeignMetadata: another repository is published where this one would be; nothing was written.
        InvalidMetadata: something that is no root stands under the name of the next one.
        SigningError: the online key cannot be reached; roots and targets are back, and clients see what they saw.
    """
    with ports.state.publication_lock(purpose="recover metadata"):
        refuse_foreign_storage(ports)
        refuse_older_state(ports)
        ports.metadata.prepare()
        refuse_junk_root(ports)
        recovery = recover(ports)
        recorded = record_again(ports)
        restored = put_back(ports)
        with _told_what_is_back(restored):
            lost = _jump_over_lost(ports)
    with _told_what_is_back(restored):
        renewal = renew(ports, force=lost)
    publication = renewal.publication.mended(
        restored=(*restored, *renewal.publication.restored), recorded=(*recorded, *renewal.publication.recorded)
    )
    publication = replace(publication, recovery=recovery)
    with ports.state.read() as reader:
        return MetadataRecovery(
            renewal=replace(renewal, publication=publication),
            lost=lost,
            pending=reader.totals().pending_roles,
            missing=_missing_contents(ports, reader),
        )


@contextmanager
def _told_what_is_back(restored: Sequence[str]) -> Iterator[None]:
    """People's keys are waited for; the online key is asked for now, and where it is gone there is a way."""
    try:
        yield
    except SigningError as error:
        back = f"what was put back as it was signed: {', '.join(restored)}. " if restored else ""
        hint = f"{error.hint}; " if error.hint else ""
        error.hint = f"{back}{hint}if the online key is lost, rstuf recover online-key --lost and then run this again"
        raise


def _jump_over_lost(ports: Ports) -> tuple[RoleName, ...]:
    """The roles whose visible files are lost; the next version of each is far above. Timestamp's `renew` takes up.

    Raises:
        SigningError: the online key cannot be reached; no version was passed over.
    """
    with ports.state.read() as reader:
        roles = lost_roles(ports, reader)
        if roles:
            # No version is passed over for a key that does not sign the next one.
            open_online_key(reader, ports.signers)
    lost = [role.name for role in roles]
    if lost:
        with ports.state.transaction(actor=ports.actor) as state:
            for name in lost:
                state.burn_versions(name, JUMP)
            state.record("metadata.recover", {"roles": len(lost), "versions": JUMP}, at=ports.clock.now())
    return tuple(lost) if is_as_published(ports) else (*lost, TIMESTAMP)


def _missing_contents(ports: Ports, reader: StateReader) -> int | None:
    """How many artifacts that clients see have no content, by its name alone."""
    if ports.artifacts is None:
        return None
    ports.artifacts.prepare()
    missing = 0
    with step(ports.progress, "looking", total=reader.totals().artifacts, unit="contents"):
        for listed in reader.artifacts(view=View.VISIBLE):
            missing += not ports.artifacts.exists(listed.artifact.path, listed.artifact.hashes)
            ports.progress.advance()
    return missing

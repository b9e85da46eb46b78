"""What every use case is handed: the adapters of one repository, its clock and its actor."""

from __future__ import annotations

from collections.abc import Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from rstuf.clock import Clock, iso
from rstuf.errors import ClockSuspicious
from rstuf.metadata.render import SignedFile
from rstuf.metadata.views import RoleKeys
from rstuf.model.roles import RoleKind, RoleState
from rstuf.progress import Progress, Silent
from rstuf.repository.interfaces import (
    FORGETFUL,
    ArtifactStorage,
    MetadataStorage,
    ServedPlaces,
    SignerSource,
    Stamps,
    StateReader,
    StateStore,
    Watch,
    Witness,
)
from rstuf.repository.reports import ClockBehind

# A clock further ahead of all evidence than this is taken for wrong, not for a long sleep.
LONGEST_SLEEP: Final = timedelta(days=3 * 365)
# One of them is signed whenever anything is.
_TOP: Final = (RoleKind.ROOT, RoleKind.TARGETS, RoleKind.SNAPSHOT, RoleKind.TIMESTAMP)
# Clocks that are kept right by the network go back by less than this.
_SLACK: Final = timedelta(minutes=1)


class ClockTrust(Enum):
    """Whether a clock far ahead of all evidence is believed."""

    USUAL = auto()
    ACCEPTED = auto()


class Unwatched:
    """The `Witness` and `Watch` where nobody else looks: whoever publishes checks all itself."""

    def watching(self, keys: RoleKeys, *, files: int) -> AbstractContextManager[Watch]:
        return nullcontext(self)

    def show(self, file: SignedFile) -> None:
        return

    def found_good(self) -> Set[str]:
        return frozenset()


UNWATCHED: Final = Unwatched()


@dataclass(frozen=True, slots=True)
class Ports:
    """One repository's adapters.

    Attributes:
        artifacts: where contents are kept, or None where they are served from elsewhere.
        actor: who acts, for the audit log ("maria@laptop").
        clock_trust: a person may vouch for a clock that looks wrong.
        witness: takes the check of many signatures off a publication, where there is one.
        served: what a server would serve, where that can be listed.
        stamps: what is remembered of files that were hashed.
        clients: names of clients that have to be able to read what is published.
    """

    state: StateStore
    metadata: MetadataStorage
    artifacts: ArtifactStorage | None
    signers: SignerSource
    clock: Clock
    actor: str
    clock_trust: ClockTrust = ClockTrust.USUAL
    progress: Progress = field(default_factory=Silent)
    witness: Witness = UNWATCHED
    served: ServedPlaces | None = None
    stamps: Stamps = FORGETFUL
    clients: tuple[str, ...] = ()

    def signing_time(self, reader: StateReader) -> datetime:
        """The instant that new metadata is dated from: never before anything that was signed here.

        So a clock that went back cannot make a role expire earlier than what clients already hold.

        Raises:
            ClockSuspicious: the clock is absurdly far ahead of all evidence.
        """
        now, newest = self.clock.now(), _newest_evidence(reader)
        if now - newest > LONGEST_SLEEP and self.clock_trust is ClockTrust.USUAL:
            raise ClockSuspicious(now=iso(now), newest=iso(newest))
        return max(now, newest)

    def clock_behind(self, reader: StateReader) -> ClockBehind | None:
        """By what the clock is behind what was signed here; None where it isn't, or by less than a minute."""
        now, newest = self.clock.now(), _newest_evidence(reader)
        return ClockBehind(now, newest) if newest - now > _SLACK else None


def _newest_evidence(reader: StateReader) -> datetime:
    """The newest instant at which something was signed here that clients may hold.

    What the state notes of it beside is believed before there is any: later it follows from this, and whoever moved it
    into the future would have everything dated from there.
    """
    noted = reader.settings().newest_evidence
    roles = [role for kind in _TOP for role in reader.roles(kind=kind)]
    signed = [role.signed_at for role in roles if role.signed_at is not None and _can_be(role)]
    # Of a publication that was given up after clients could see it too.
    shown = [publication.begun for publication in reader.publications() if publication.timestamp is not None]
    return max([*signed, *shown], default=noted)


def _can_be(role: RoleState) -> bool:
    return role.signed_at is not None and (role.expires is None or role.signed_at < role.expires)

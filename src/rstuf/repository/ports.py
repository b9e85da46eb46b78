"""What every use case is handed: the adapters of one repository, its clock and its actor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from rstuf.clock import Clock, iso
from rstuf.errors import ClockSuspicious
from rstuf.metadata.limits import TARGETS_BYTES
from rstuf.metadata.release_check import Claim, check_claim
from rstuf.metadata.views import RoleKeys
from rstuf.progress import Progress, Silent
from rstuf.repository.interfaces import (
    ArtifactStorage,
    MetadataStorage,
    ReleaseJudge,
    SignerSource,
    StateReader,
    StateStore,
)

# A clock further ahead of all evidence than this is taken for wrong, not for a long sleep.
LONGEST_SLEEP: Final = timedelta(days=3 * 365)


class ClockTrust(Enum):
    """Whether a clock far ahead of all evidence is believed."""

    USUAL = auto()
    ACCEPTED = auto()


@dataclass(frozen=True, slots=True)
class OneByOne:
    """The plain `ReleaseJudge`: reads and checks one file after the other."""

    metadata: MetadataStorage

    def judge(self, claims: Sequence[Claim], *, keys: RoleKeys, on_files: Callable[[int], None]) -> None:
        for claim in claims:
            check_claim(claim, self.metadata.read(claim.file_name, limit=TARGETS_BYTES), keys=keys)
            on_files(1)


@dataclass(frozen=True, slots=True)
class Ports:
    """One repository's adapters.

    Attributes:
        artifacts: where contents are kept, or None where they are served from elsewhere.
        actor: who acts, for the audit log ("maria@laptop").
        clock_trust: a person may vouch for a clock that looks wrong.
        many_files_judge: a faster `ReleaseJudge` for this storage, if there is one.
    """

    state: StateStore
    metadata: MetadataStorage
    artifacts: ArtifactStorage | None
    signers: SignerSource
    clock: Clock
    actor: str
    clock_trust: ClockTrust = ClockTrust.USUAL
    progress: Progress = field(default_factory=Silent)
    many_files_judge: ReleaseJudge | None = None

    @property
    def judge(self) -> ReleaseJudge:
        """Who checks a release: the storage's own judge where it has one, else one file after the other."""
        return self.many_files_judge or OneByOne(self.metadata)

    def signing_time(self, reader: StateReader) -> datetime:
        """The instant that new metadata is dated from: never before anything that was signed here.

        So a clock that went back cannot make a role expire earlier than what clients already hold.

        Raises:
            ClockSuspicious: the clock is absurdly far ahead of all evidence.
        """
        now, newest = self.clock.now(), reader.settings().newest_evidence
        if now - newest > LONGEST_SLEEP and self.clock_trust is ClockTrust.USUAL:
            raise ClockSuspicious(now=iso(now), newest=iso(newest))
        return max(now, newest)

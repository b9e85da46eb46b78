"""The examination of a workspace, be it one that every other command refuses: it says why, and what helps.

It goes as far as it may: nothing is read that somebody else could have put there, and nothing is changed.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rstuf.config import FILE_NAME, Config, read_config
from rstuf.drafts import FILE_NAME as DRAFT
from rstuf.durable import there
from rstuf.errors import CeremonyWaiting, ClockSuspicious, InvalidConfig, RstufError, WorkspaceNotFound, shorten
from rstuf.permissions import place_of, refuse_unsafe
from rstuf.repository.doctor import (
    Ailment,
    Area,
    Diagnosis,
    Disk,
    again,
    look_at_disks,
    look_at_holders,
    look_at_leftovers,
    look_at_state,
    refusal,
    unfinished_ceremony,
    waiting_ceremony,
)
from rstuf.repository.stages import Stage, refuse_unfinished
from rstuf.surroundings import versions
from rstuf.wiring import (
    Search,
    Session,
    leaving_no_trace,
    ports_of,
    refuse_misplaced,
    refuse_unsafe_parts,
    state_as_it_is,
    surroundings_of,
    workspace_of,
)

if TYPE_CHECKING:
    from rstuf.repository.ports import Ports
    from rstuf.repository.reports import Status, VerifyReport

_REASON = 200


def examine(start: Path, session: Session, *, search: Search = Search.UPWARDS) -> Diagnosis:
    """Look at everything of the workspace that `start` is in, or (`Search.HERE`) is.

    Raises:
        WorkspaceNotFound: it is in none, and no ceremony was begun there.
    """
    try:
        directory = workspace_of(start, search)
    except WorkspaceNotFound:
        if there(start / DRAFT) is None:
            raise
        directory = start.absolute()
    run = _Examination(directory, session)
    run.carry_out()
    return run.diagnosis()


class _Examination:
    """One examination, area by area."""

    def __init__(self, directory: Path, session: Session) -> None:
        self._directory, self._session = directory, session
        self._ailments: list[Ailment] = []
        self._begun: set[Area] = set()
        self._refused: set[Area] = set()
        self._unseen: dict[Area, str] = {}
        self._disks: tuple[Disk, ...] = ()
        self._status: Status | None = None
        self._verified: VerifyReport | None = None

    def diagnosis(self) -> Diagnosis:
        """What came of it."""
        order = list(Area)
        unseen = {
            area: self._unseen.get(area, "what it depends on could not be looked at")
            for area in order
            if area in self._unseen or area not in self._begun
        }
        return Diagnosis(
            directory=str(self._directory),
            versions=versions(),
            ailments=tuple(sorted(self._ailments, key=lambda each: order.index(each.area))),
            examined=tuple(area for area in order if area not in unseen and area not in self._refused),
            unseen=unseen,
            disks=self._disks,
            status=self._status,
            verified=self._verified,
        )

    def carry_out(self) -> None:
        """Look at everything, as far as each look lets the next one be trusted."""
        config = self._find_config()
        around = surroundings_of(self._directory, config)
        with self._looking(Area.DISK):
            self._disks = tuple(around.disks())
            self._ailments += look_at_disks(self._disks)
        with self._looking(Area.LEFTOVERS):
            self._ailments += look_at_leftovers(around.leftovers())
        with self._looking(Area.LOCKS):
            self._ailments += look_at_holders(around.holders())
        if config is None or self._refused & {Area.PERMISSIONS, Area.CONFIGURATION}:
            return
        with self._looking(Area.STATE), leaving_no_trace(config, self._session):
            facts = around.state()
            if facts is not None:
                self._ailments += look_at_state(facts)
            elif not around.published():
                self._ailments.append(unfinished_ceremony(str(self._directory)))
                return
            if facts is None or facts.current:
                self._open(config)
            else:
                why = "the state is brought up to date first"
                self._unseen |= {Area.STATUS: why, Area.PUBLISHED: why}

    def _find_config(self) -> Config | None:
        """The configuration, if it can be believed."""
        with self._looking(Area.PERMISSIONS):
            refuse_unsafe(place_of(self._directory))
        if self._refused:
            self._unseen[Area.CONFIGURATION] = "somebody else could have written it"
            return None
        if there(self._directory / FILE_NAME) is None:
            self._unseen[Area.CONFIGURATION] = "there is none yet"
            return None
        config = self._read_config()
        if config is None:
            self._unseen[Area.PERMISSIONS] = "of the workspace alone; where its parts are is not known"
            return None
        with self._looking(Area.PERMISSIONS):
            refuse_unsafe_parts(config)
        with self._looking(Area.CONFIGURATION):
            refuse_misplaced(config)
        return config

    def _read_config(self) -> Config | None:
        config: list[Config] = []
        with self._looking(Area.CONFIGURATION):
            config.append(self._config())
        return config[0] if config else None

    def _config(self) -> Config:
        try:
            return read_config(self._directory)
        except InvalidConfig as error:
            usual = self._directory / "state.db", self._directory / "metadata" / "timestamp.json"
            if "this rstuf knows formats" in error.message or any(there(place) is None for place in usual):
                raise
            # Its parts are where they usually are: nothing more needs to be said of them.
            error.hint = f"echo 'format = 1' > {shlex.quote(str(self._directory / FILE_NAME))}"
            raise

    def _open(self, config: Config) -> None:
        """Look at what the state says, and at what clients see."""
        with state_as_it_is(config, self._session) as state:
            ports = ports_of(config, state, self._session)
            try:
                refuse_unfinished(ports, stage=Stage.LIVE)
            except CeremonyWaiting as error:
                self._ailments.append(waiting_ceremony(error))
                why = "the ceremony waits for its signers"
                self._unseen |= {Area.STATUS: why, Area.PUBLISHED: why}
                return
            with state.read() as reader:
                try:
                    ports.signing_time(reader)
                except ClockSuspicious as error:
                    self._ailments.append(refusal(Area.STATUS, error))
            with self._looking(Area.STATUS):
                self._status = _look(ports)
            with self._looking(Area.PUBLISHED):
                self._verified = _verify(ports)

    @contextmanager
    def _looking(self, area: Area) -> Iterator[None]:
        """What refuses a look is a finding, and no end of the examination."""
        self._begun.add(area)
        try:
            yield
        except RstufError as error:
            self._refused.add(area)
            self._ailments.append(refusal(area, error))
        except Exception as error:
            # What stands in a damaged state can be anything, and so can what comes of reading it.
            self._refused.add(area)
            reason = shorten(str(error).partition("\n")[0], limit=_REASON) or type(error).__name__
            self._ailments.append(again(area, f"the {area} cannot be read: {reason}"))


def _look(ports: Ports) -> Status:
    from rstuf.repository.status import look

    return look(ports)


def _verify(ports: Ports) -> VerifyReport:
    from rstuf.repository.verify import Depth
    from rstuf.repository.verify_own import verify_own

    # What reads every content takes as long as there are bytes; who wants that says so to verify.
    return verify_own(ports, depth=Depth.LENGTHS)

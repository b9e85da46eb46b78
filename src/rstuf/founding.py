"""How a repository comes to be: a plan is read or saved, rehearsed, and its ceremony held in a directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rstuf.config import FILE_NAME, Config, read_config, read_document, render_config
from rstuf.durable import How, make_directory, there, write_file
from rstuf.errors import InputMissing, InvalidInput, NameTaken, OtherCeremony, PassphraseNeeded, WorkspaceExists
from rstuf.model.settings import Phase, RepositorySettings
from rstuf.permissions import tighten
from rstuf.places import anchored, faults_of, holds_something, refuse_unsafe_places, refuse_unusable_places
from rstuf.wiring import Session, key_source, open_or_create_state, open_state, ports_of

if TYPE_CHECKING:
    from rstuf.repository.ceremony import CeremonyReport
    from rstuf.repository.payload import BootstrapPayload
    from rstuf.repository.plan import Plan
    from rstuf.signing.rehearsal import RehearsedKeys


def read_plan_file(path: Path) -> Plan:
    """The plan in a TOML file.

    Raises:
        InputMissing: there is none.
        InvalidConfig, InvalidPlan: it cannot be read, or does not hold together.
    """
    from rstuf.repository.plan import read_plan

    if there(path) is None:
        raise InputMissing(str(path), hint="rstuf ceremony --help shows a plan to copy")
    with faults_of(path):
        return read_plan(read_document(path))


def save_plan(plan: Plan, path: Path, *, inputs: Path) -> None:
    """Write a plan to a new file, as `read_plan_file` reads it; files that it names are found from there too.

    Args:
        inputs: what they are relative to now.

    Raises:
        InvalidInput: something else is there.
        StorageError: it cannot be written.
    """
    from rstuf.repository.plan_text import render_plan

    if inputs.resolve() != path.absolute().parent.resolve():
        plan = anchored(plan, inputs.absolute())
    try:
        write_file(path, render_plan(plan).encode(), mode=0o644, how=How.CREATE)
    except NameTaken:
        raise _is_there(path) from None


def refuse_repository(directory: Path, session: Session) -> None:
    """Refuse a directory in which no ceremony can be held any more, before anybody is asked about one.

    Raises:
        WorkspaceExists: a repository is there, whole.
        InvalidConfig, StateError: what is there cannot be read.
    """
    directory = directory.absolute()
    if there(directory / FILE_NAME) is None:
        return
    settings = _settings_in(read_config(directory), session)
    if settings is not None and settings.phase is Phase.LIVE:
        raise WorkspaceExists.of_repository(str(directory), settings.name)


def make_repository(plan_file: Path, directory: Path, session: Session) -> CeremonyReport:
    """Hold the ceremony of the plan in a file; see `hold_ceremony`. Input files are relative to the plan's directory.

    Raises:
        FileMissing, InvalidConfig: the plan cannot be read.
        RstufError: as `hold_ceremony` says.
    """
    with faults_of(plan_file):
        return hold_ceremony(read_plan_file(plan_file), directory, session, inputs=plan_file.parent)


def hold_ceremony(plan: Plan, directory: Path, session: Session, *, inputs: Path) -> CeremonyReport:
    """Hold the ceremony of a plan: make the workspace in `directory` and publish root version 1 and all it needs.

    An interrupted ceremony of the same plan goes on where it stopped. `public` files and the signers of known keys are
    relative to `inputs`, everything made now to the workspace.

    Raises:
        WorkspaceExists: `directory` holds a repository or files in its place.
        InvalidPlan, InvalidKey, SigningError: nothing was written.
    """
    from rstuf.repository.ceremony import carry_out, prepare

    inputs, directory = inputs.absolute(), directory.absolute()
    plan, loose, going_on = _ready(plan, directory, session, inputs=inputs)
    now = session.clock.now()
    _look_first(
        lambda keys: prepare(plan, maker=keys, signers=keys, now=now, reuse=going_on), directory, session, inputs=inputs
    )
    keys = key_source(directory, session, inputs=inputs)
    prepared = prepare(plan, maker=keys, signers=keys, now=session.clock.now(), reuse=going_on)
    tighten(loose)
    config = _make_workspace(directory, plan)
    state = open_or_create_state(config, session)
    try:
        ports = ports_of(config, state, session)
        with state.publication_lock(purpose=session.purpose):
            ports.metadata.prepare()
        if ports.artifacts is not None:
            ports.artifacts.prepare()
        report = carry_out(ports, prepared)
    finally:
        state.close()
    notes = tuple(f"your group could write to {path}; now you alone can" for path in loose)
    return replace(report, notes=(*notes, *report.notes))


def make_payload(plan: Plan, directory: Path, session: Session, *, inputs: Path, out: Path) -> BootstrapPayload:
    """Write the payload that bootstraps an RSTUF service by this plan, and the keys that it needs; no repository.

    Args:
        directory: where keys that are made now lie, as the plan names them.
        inputs: what the plan's files are relative to.
        out: a new file.

    Raises:
        InvalidInput, SigningError: nothing was written.
        StorageError: what was written stays; run it again with other names.
    """
    from rstuf.repository.payload import prepare_payload

    directory, inputs = directory.absolute(), inputs.absolute()
    if there(out) is not None:
        raise _is_there(out)
    plan, now = anchored(plan, inputs), session.clock.now()
    _look_first(
        lambda keys: prepare_payload(plan, maker=keys, signers=keys, now=now), directory, session, inputs=inputs
    )
    keys = key_source(directory, session, inputs=inputs)
    payload = prepare_payload(plan, maker=keys, signers=keys, now=session.clock.now())
    for key in payload.made:
        key.save()
    write_file(out, payload.data, mode=0o644, how=How.CREATE)
    return payload


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A ceremony that could begin.

    Attributes:
        goes_on: it began before, and would go on where it was interrupted.
        notes: what a person should know about the policy and the place.
    """

    plan: Plan
    goes_on: bool
    notes: tuple[str, ...]


def rehearse_ceremony(plan_file: Path, directory: Path, session: Session) -> Rehearsal:
    """Whether `make_repository` would get as far as its first write; see `rehearse_plan`."""
    with faults_of(plan_file):
        return rehearse_plan(read_plan_file(plan_file), directory, session, inputs=plan_file.parent)


def rehearse_plan(plan: Plan, directory: Path, session: Session, *, inputs: Path) -> Rehearsal:
    """Whether `hold_ceremony` would get as far as its first write. Makes nothing.

    A passphrase that the session does not know leaves its key closed: then the key is only looked at.

    Raises:
        RstufError: what `hold_ceremony` would be refused for, too.
    """
    from rstuf.repository.ceremony import prepare
    from rstuf.signing.rehearsal import RehearsedKeys

    inputs, directory = inputs.absolute(), directory.absolute()
    plan, loose, going_on = _ready(plan, directory, session, inputs=inputs)
    keys = RehearsedKeys(key_source(directory, session, inputs=inputs))
    prepared = prepare(plan, maker=keys, signers=keys, now=session.clock.now(), reuse=going_on)
    notes = tuple(f"your group can write to {path}; the ceremony ends that" for path in loose)
    return Rehearsal(plan, going_on, (*notes, *prepared.notes))


def _look_first(
    rehearse: Callable[[RehearsedKeys], object], directory: Path, session: Session, *, inputs: Path
) -> None:
    """Refuse what can be seen to be wrong before anybody is asked for a passphrase."""
    from rstuf.signing.rehearsal import RehearsedKeys
    from rstuf.signing.secrets import NoSecrets

    keys = key_source(directory, replace(session, secrets=NoSecrets(), on_note=None), inputs=inputs)
    # What only a passphrase can tell is met when it is known.
    with suppress(PassphraseNeeded):
        rehearse(RehearsedKeys(keys))


def _is_there(path: Path) -> InvalidInput:
    return InvalidInput(f"{path} is there already, and nothing is written over it", hint="choose another name")


def _ready(plan: Plan, directory: Path, session: Session, *, inputs: Path) -> tuple[Plan, Sequence[Path], bool]:
    """The plan, what of its place is to be tightened, and whether its ceremony began before; all places are fit."""
    plan = anchored(plan, inputs)
    refuse_unusable_places(plan, directory)
    loose = refuse_unsafe_places(plan, directory)
    return plan, loose, _is_begun(directory, plan, session)


def _is_begun(directory: Path, plan: Plan, session: Session) -> bool:
    """Whether a ceremony of this plan was interrupted in `directory`; anything else there that is ours is refused.

    Raises:
        WorkspaceExists: a repository, or parts of one, are there.
        OtherCeremony: the ceremony of another plan has not ended there.
    """
    if there(directory / FILE_NAME) is None:
        for name in ("state.db", plan.metadata):
            if holds_something(directory / name):
                raise WorkspaceExists(str(directory), f"{name}, which is not of an interrupted ceremony")
        return False
    config = read_config(directory)
    if (config.metadata, config.artifacts) != (plan.metadata, plan.artifacts):
        raise WorkspaceExists(str(directory), "a workspace with other places")
    settings = _settings_in(config, session)
    if settings is None:
        return True
    if settings.phase is Phase.LIVE:
        raise WorkspaceExists.of_repository(str(directory), settings.name)
    if settings.plan_digest != plan.digest:
        raise OtherCeremony(str(directory))
    return True


def _settings_in(config: Config, session: Session) -> RepositorySettings | None:
    """What the ceremony of a workspace wrote down as it began; None where it did not get that far."""
    # A state is there whole or not at all.
    if there(config.path_of(config.state)) is None:
        return None
    state = open_state(config, session)
    try:
        with state.read() as reader:
            return reader.settings() if reader.begun() else None
    finally:
        state.close()


def _make_workspace(directory: Path, plan: Plan) -> Config:
    """The workspace's directory and configuration; both may be there from a ceremony that was interrupted."""
    make_directory(directory, mode=0o700)
    path = directory / FILE_NAME
    if there(path) is None:
        text = render_config(state="state.db", metadata=plan.metadata, artifacts=plan.artifacts)
        write_file(path, text.encode(), mode=0o644, how=How.CREATE)
    return read_config(directory)

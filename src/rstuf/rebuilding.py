"""A workspace whose state is lost gets a new one, made from what it serves and from the names of its key files.

It is made beside the place of the state and gets its name as the last step: until then the workspace has none, and
whatever was interrupted is begun anew.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rstuf.config import Config, read_config
from rstuf.durable import DIRECTORY, How, flush_directory, give_name, storage_error
from rstuf.errors import InvalidInput, InvalidKey, InvalidMetadata, InvalidPlan, RstufError, StateExists, StorageError
from rstuf.founding import read_plan_file
from rstuf.model.keys import KeyEntry, KeyId, PublicKey, check_key_name
from rstuf.permissions import place_of, refuse_unsafe
from rstuf.places import anchored, faults_of
from rstuf.wiring import (
    Search,
    Session,
    key_source,
    ports_of,
    refuse_misplaced,
    refuse_unsafe_parts,
    state_in_the_making,
    workspace_of,
)

if TYPE_CHECKING:
    from rstuf.repository.interfaces import MetadataStorage
    from rstuf.repository.plan import Plan
    from rstuf.repository.published import Published
    from rstuf.repository.rebuild import RebuildReport, Remembered
    from rstuf.signing.source import KeyFileSource

_DRAFT: Final = ".rebuilding"
_SIDE_FILES: Final = ("-wal", "-shm", "-journal")
_KEYS: Final = "keys"
_MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class FormerKey:
    """An online key that root names no more.

    Attributes:
        name: what it is called here; None where nothing tells.
        root_version: the newest root, which names another.
        bins_only: whether it signed bins alone, or delegated roles, and not all that is published.
        delegated: whether there are delegated roles.
    """

    keyid: KeyId
    name: str | None
    root_version: int
    bins_only: bool = False
    delegated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRebuild:
    """A state that can be made anew, once somebody has said that the root is theirs.

    Attributes:
        root: the bytes of root version 1: all that is published follows from it.
        name: what the repository will be called.
        trusted: whether the root follows from one that is trusted already, so that nobody needs to be asked.
        former: the keys that sign what is published, or bins, though the newest root does not name them: they were
            replaced, and not all is signed anew yet. Whoever has one, too, may have signed what lies there.
        snapshot: the version of the snapshot that the visible timestamp names.
        newer_snapshot: the version of the newest one that lies there, rightly signed, and is left out: clients may have
            seen it, or its publication was given up; 0 where there is none.
    """

    root: bytes
    name: str
    trusted: bool
    former: tuple[FormerKey, ...]
    snapshot: int
    newer_snapshot: int
    _config: Config
    _session: Session
    _plan: Plan | None
    _trusted_root: bytes | None

    def carry_out(self) -> RebuildReport:
        """Make the state, durably, and give it its name.

        With it, what `former` signed is taken for what was released, and `newer_snapshot` is passed over.

        Raises:
            StateExists: there is one by now.
            InvalidMetadata: what is published is not whole, or not what it was when this began.
            StorageError, Locked: nothing has the state's name.
        """
        from rstuf.repository.published import read_published
        from rstuf.repository.rebuild import rebuild

        config, session = self._config, self._session
        path = config.path_of(config.state)
        draft = path.with_name(path.name + _DRAFT)
        with state_in_the_making(config, session, draft=draft) as make:
            _refuse_state(path)
            _discard(draft)
            state = make()
            try:
                ports = ports_of(config, state, session)
                published = read_published(ports.metadata, trusted=self._trusted_root or self.root)
                _refuse_other_signer(published, self.former)
                report = rebuild(ports, published, self._remembered(published))
            except BaseException:
                state.close()
                _discard(draft)
                raise
            state.close()
            _give_name(draft, path)
        return report

    def _remembered(self, published: Published) -> Remembered:
        from rstuf.repository.rebuild import Remembered

        config, plan = self._config, self._plan
        keys = _known_keys(config.directory, self._session, plan, published)
        return Remembered(
            name=self.name,
            keys=tuple(keys.values()),
            periods={} if plan is None else plan.periods,
            plan_digest="" if plan is None else plan.digest,
            files=_names_in(config.path_of(config.metadata)),
            layout=None if plan is None else plan.layout,
            answered=frozenset(each.keyid for each in self.former),
            passed_over=self.newer_snapshot,
        )


def prepare_rebuild(
    start: Path,
    session: Session,
    *,
    search: Search = Search.UPWARDS,
    name: str | None = None,
    plan_file: Path | None = None,
    trusted_root: bytes | None = None,
) -> StateRebuild:
    """Look whether the state of the workspace that `start` is in, or (`Search.HERE`) is, can be made anew.

    Args:
        name: what the repository is called; by default as its plan says, else as its directory is called.
        plan_file: the plan of its ceremony, if it is left: periods, names of keys and their signers are taken from it.
        trusted_root: a root that is trusted already.

    Raises:
        WorkspaceNotFound, InvalidConfig, UnsafeDirectory: the workspace cannot be used as it is.
        StateExists: a state is there, or a part of one.
        InvalidMetadata: what is published cannot be verified, or is not of rstuf's form.
        InvalidInput, InvalidPlan: the name is none, or the plan is of another repository.
    """
    from rstuf.repository.ahead import find_ahead
    from rstuf.repository.published import read_published, refuse_missing_roles
    from rstuf.storage.filesystem import FilesystemMetadataStorage

    directory = workspace_of(start, search)
    refuse_unsafe(place_of(directory if search is Search.UPWARDS else start))
    config = read_config(directory)
    _refuse_state(config.path_of(config.state))
    refuse_unsafe_parts(config)
    refuse_misplaced(config)
    plan = None if plan_file is None else _read_plan(plan_file)
    metadata: MetadataStorage = FilesystemMetadataStorage(config.path_of(config.metadata))
    published = read_published(metadata, trusted=trusted_root)
    refuse_missing_roles(metadata, published)
    if plan is not None:
        _refuse_other_plan(plan, metadata, published)
    return StateRebuild(
        root=published.roots[0].data,
        name=_check_name(name or (plan.name if plan is not None else directory.resolve().name)),
        trusted=trusted_root is not None,
        former=_former_keys(config, session, plan, published),
        snapshot=published.snapshot.envelope.version,
        newer_snapshot=find_ahead(metadata, published, _names_in(config.path_of(config.metadata))).snapshot,
        _config=config,
        _session=session,
        _plan=plan,
        _trusted_root=trusted_root,
    )


def _read_plan(path: Path) -> Plan:
    with faults_of(path):
        return anchored(read_plan_file(path), path.absolute().parent)


def _refuse_other_plan(plan: Plan, metadata: MetadataStorage, published: Published) -> None:
    """That a plan can be of this repository, by how targets hands artifacts on: its bins may be others by now."""
    from rstuf.repository.published import bins_so_far

    hint, counts = "leave --plan out, or name the plan of this one", bins_so_far(metadata, published)
    if plan.is_of_names_alone and published.may_be_of_names_alone:
        return
    if plan.layout is not published.layout:
        reason = f"it says {plan.layout} and {published.layout} is published: it is the plan of another repository"
        raise InvalidPlan("[bins] layout", reason, hint=hint)
    if counts and plan.bins not in counts:
        reason = f"it says {plan.bins} and {published.bins} are published: it is the plan of another repository"
        raise InvalidPlan("[bins] count", reason, hint=hint)


def _check_name(name: str) -> str:
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        reason = f"a repository's name is 1 to {_MAX_NAME} printable characters"
        raise InvalidInput(reason, hint="say what it is called: --name NAME")
    return name


def _former_keys(config: Config, session: Session, plan: Plan | None, published: Published) -> tuple[FormerKey, ...]:
    from rstuf.repository.former_signers import former_signers
    from rstuf.storage.filesystem import FilesystemMetadataStorage

    metadata: MetadataStorage = FilesystemMetadataStorage(config.path_of(config.metadata))
    key = published.former_key
    whole = () if key is None else (key.keyid,)
    bins = former_signers(metadata, published, _names_in(config.path_of(config.metadata)))
    if not whole and not bins:
        return ()
    known, version = _known_keys(config.directory, session, plan, published), published.root.envelope.version
    names = {keyid: known[keyid].name for keyid in (*whole, *bins) if keyid in known}
    delegated = bool(published.authority.named)
    return tuple(
        FormerKey(keyid, names.get(keyid), version, bins_only=keyid not in whole, delegated=delegated)
        for keyid in dict.fromkeys((*whole, *bins))
    )


def _refuse_other_signer(published: Published, former: Collection[FormerKey]) -> None:
    key = published.former_key
    if key is not None and not any(each.keyid == key.keyid and not each.bins_only for each in former):
        raise InvalidMetadata("timestamp.json", "it was replaced meanwhile, signed by another key", hint="run it again")


# --- the place of the state ------------------------------------------------------------------------------


def _refuse_state(path: Path) -> None:
    """
    Raises:
        StateExists: something has the state's name, be it a link that leads nowhere, or is left beside it.
    """
    for place in (path, *(Path(f"{path}{suffix}") for suffix in _SIDE_FILES)):
        if os.path.lexists(place):
            raise StateExists(str(place))


def _discard(draft: Path) -> None:
    try:
        for suffix in ("", *_SIDE_FILES):
            Path(f"{draft}{suffix}").unlink(missing_ok=True)
    except OSError as error:
        raise storage_error("remove", str(draft), error) from error


def _give_name(draft: Path, path: Path) -> None:
    """The last step: what is whole and durable gets the name, and only if nothing has it."""
    try:
        # What SQLite left beside the draft would belong to nothing.
        for suffix in _SIDE_FILES:
            if os.path.lexists(f"{draft}{suffix}"):
                raise StateExists(f"{draft}{suffix}")
        give_name(draft, path, How.CREATE)
        descriptor = os.open(path.parent, DIRECTORY)
        try:
            flush_directory(descriptor)
        finally:
            os.close(descriptor)
    except FileExistsError:
        raise StateExists(str(path)) from None
    except OSError as error:
        raise storage_error("create", str(path), error) from error


def _names_in(directory: Path) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries]
    except OSError as error:
        raise storage_error("read", str(directory), error) from error


# --- names and signers of keys ---------------------------------------------------------------------------


def _known_keys(directory: Path, session: Session, plan: Plan | None, published: Published) -> Mapping[KeyId, KeyEntry]:
    """Every key whose name is known: by the plan, else by the file that it is in; the last one by what is left."""
    found: dict[KeyId, KeyEntry] = {}
    names: set[str] = set()
    now = session.clock.now()
    for name, key, signer in (
        *_planned_keys(directory, session, plan),
        *_keys_in_files(directory, session),
        *_guessed_key(directory, session, plan, published),
    ):
        if key.keyid not in found and name.casefold() not in names:
            found[key.keyid] = KeyEntry(name, key, signer, now)
            names.add(name.casefold())
    return found


def _keys_in_files(directory: Path, session: Session) -> Iterator[tuple[str, PublicKey, str | None]]:
    """Names, public halves and signers of the keys in the workspace's own directory of keys, private ones first."""
    from rstuf.signing.finding import Unreachable, find_keys
    from rstuf.signing.keyfiles import public_path

    source, place = key_source(directory, session, inputs=directory), directory / _KEYS
    for key in find_keys([place], workspace=directory, schemes={}):
        if isinstance(key, Unreachable):
            # Without its keys a state would be made that cannot sign, though they are there.
            raise StorageError("look for keys in", str(place), key.fault)
        if key.uri is None or not _is_name(Path(key.label).stem):
            continue
        public = key.key
        if public is None:
            with suppress(RstufError):
                public = source.read_public(str(public_path(place / key.label)))
        if public is not None:
            yield Path(key.label).stem, public, key.uri
    for path in sorted(place.glob("*.pub")):
        with suppress(RstufError):
            if _is_name(path.stem):
                yield path.stem, source.read_public(str(path)), None


def _is_name(name: str) -> bool:
    try:
        check_key_name(name)
    except InvalidKey:
        return False
    return True


def _planned_keys(directory: Path, session: Session, plan: Plan | None) -> Iterator[tuple[str, PublicKey, str | None]]:
    """Names, public halves and signers of the plan's keys, as far as it tells which keys they are."""
    if plan is None:
        return
    source = key_source(directory, session, inputs=directory)
    for name, key in plan.keys.items():
        there = _public_in_file(source, name, key.signer)
        public = there
        if key.public is not None:
            public = None
            with suppress(RstufError):
                public = source.read_public(key.public)
        if public is not None:
            # Keys are replaced, and files with them: one that holds another key signs nothing with this one.
            yield name, public, key.signer if there is None or there.keyid == public.keyid else None


def _guessed_key(
    directory: Path, session: Session, plan: Plan | None, published: Published
) -> Iterator[tuple[str, PublicKey, str | None]]:
    """The plan's online key, where nothing told which it is: of the one key that signs online nobody needs to ask.

    Unless it was replaced since the plan was written: then the place that the plan has for it is another key's, so a
    file is believed to hold it only if it is there and does not tell.
    """
    from rstuf.model.names import TIMESTAMP

    online = list(published.top_level[TIMESTAMP].keys.values())
    if plan is None or plan.online not in plan.keys or len(online) != 1:
        return
    signer = plan.keys[plan.online].signer
    if signer is not None and signer.startswith("file:"):
        with suppress(RstufError):
            held = key_source(directory, session, inputs=directory).public_of_made(plan.online, signer)
            signer = signer if held is not None and held.keyid == online[0].keyid else None
    yield plan.online, online[0], signer


def _public_in_file(source: KeyFileSource, name: str, signer: str | None) -> PublicKey | None:
    """The public half of what is in a key's file; None where it is elsewhere, not there, or does not tell."""
    if signer is None or not signer.startswith("file:"):
        return None
    with suppress(RstufError):
        return source.public_of_made(name, signer)
    return None

"""A state that is lost is made anew from what is published: every role, every root, every artifact.

What the metadata does not say cannot come back: who did what (the log begins anew), how long roles live (guessed, or
taken from the ceremony's plan), how far versions were used that nobody sees (so all go far up), and which files others
took the place of (so those that lie there are noted as superseded by now). What was accepted and never published is
gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from rstuf.errors import InvalidMetadata
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.render import versioned
from rstuf.model.keys import KeyEntry, KeyId
from rstuf.model.layout import Layout
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.policy import Periods
from rstuf.model.rotation import RotationKind
from rstuf.model.settings import Phase, RepositorySettings
from rstuf.progress import step
from rstuf.repository.ahead import find_ahead
from rstuf.repository.authority import SUCCESSOR
from rstuf.repository.dropped_keys import find_dropped_keys, note_handed
from rstuf.repository.interfaces import StateTransaction
from rstuf.repository.known_keys import names_of
from rstuf.repository.overtaken import seen_above
from rstuf.repository.ports import Ports
from rstuf.repository.published import Published, refuse_missing_roles, refuse_root_gap
from rstuf.repository.published_files import highest_versions
from rstuf.repository.published_tree import roles_in_use
from rstuf.repository.rebuilt_keys import name_keys
from rstuf.repository.rebuilt_life import Life
from rstuf.repository.rebuilt_roles import (
    UNANSWERED,
    Reading,
    force,
    jump,
    new_roles,
    older_by_people,
    older_files,
    record_publication,
    record_roots,
)
from rstuf.repository.strays import strays


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What is known of a repository beside its metadata.

    Attributes:
        name: what its people call it.
        keys: names and signers of keys that are known.
        periods: of roles by name, those of bins under their prefix; what is missing is guessed.
        plan_digest: of the plan of its ceremony; empty where that is not known.
        files: the names of all files that lie where metadata is published.
        layout: how targets hands artifacts on, by the plan; None where what is published tells it.
        answered: the keys that root does not name and that somebody answered for: what they signed is taken.
        passed_over: the highest version of a snapshot that is newer than the visible one, and that somebody said is to
            be left out; 0 where nobody was asked.
    """

    name: str
    keys: Sequence[KeyEntry]
    periods: Mapping[str, Periods]
    plan_digest: str
    files: Iterable[str]
    layout: Layout | None = None
    answered: frozenset[KeyId] = frozenset()
    passed_over: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildReport:
    """A state that was made anew.

    Attributes:
        root, timestamp: the versions that clients see.
        artifacts, bins: how many; without the bins of delegated roles.
        delegated: the roles that are delegated to by their names, as clients come to them.
        keys: all keys by name; of those without a signer nobody knows here where they are.
        periods: how long roles live from now on, those of bins under their prefix.
        guessed: the roles whose periods are a guess.
        strays: the names of keys that targets, or a delegated role, lets sign online, though root does not name them.
        former: the name of the key that signed what is published though root names it no more; the next publication
            signs all of it with the key that root names.
        superseded: how many other files lie there that no client needs, and that are noted to go in time.
        dropped: the keys that an earlier root or delegation listed, and that nothing names now: by id, what each is
            called; None of one that cannot be read.
        passed_over: the version of the newest snapshot that lies there and is left out; 0 where there is none.
        older: the roles of which that lists newer versions, and which people have to sign again.
    """

    repository: str
    root: int
    timestamp: int
    artifacts: int
    bins: int
    delegated: Sequence[RoleName]
    keys: Sequence[KeyEntry]
    periods: Mapping[str, Periods]
    guessed: Sequence[str]
    strays: Sequence[str] = ()
    former: str | None = None
    superseded: int = 0
    dropped: Mapping[KeyId, str | None] = field(default_factory=dict)
    passed_over: int = 0
    older: Sequence[RoleName] = ()


def rebuild(ports: Ports, published: Published, known: Remembered) -> RebuildReport:
    """Fill a state in which nothing was begun with what is published. Nothing is in it before all is.

    Raises:
        InvalidMetadata: a bin is missing or forged, or something is not of rstuf's form.
        StorageError: something cannot be read.
    """
    files = list(known.files)
    now, highest = ports.clock.now(), highest_versions(files)
    refuse_root_gap(published, highest)
    refuse_missing_roles(ports.metadata, published)
    ahead = find_ahead(ports.metadata, published, files)
    if ahead.snapshot > known.passed_over:
        name = versioned(SNAPSHOT, ahead.snapshot)
        raise InvalidMetadata(name, "it is newer than the one that timestamp names", hint=UNANSWERED)
    life = Life(now, dict(known.periods))
    earlier = find_dropped_keys(ports.metadata, published, files)
    keys = name_keys(published, known.keys, earlier, now=now)
    reading = Reading(ports, published, life, refused=set(earlier.signing) - known.answered)
    layout = known.layout or published.layout
    settings = RepositorySettings(known.name, Phase.CEREMONY, now, known.plan_digest, now, layout)
    with ports.state.transaction(actor=ports.actor) as state:
        state.begin_repository(settings)
        state.add_roles(new_roles(published, ahead, highest))
        for key in keys:
            state.add_key(key)
        number, total = state.next_number(), sum(1 for _ in roles_in_use(published.authority))
        with step(ports.progress, "rebuilding", total=total, unit="roles"):
            reading.artifacts_into(state, number=number)
        reading.top_level()
        life.guess()
        for role, periods in life.periods.items():
            state.set_periods(role, periods)
        record_roots(state, published, life)
        older = older_files(files, published, reading.brought)
        state.note_superseded(older)
        publication = record_publication(state, reading, number=number)
        jump(state, reading.brought, highest, ahead)
        force(state, published)
        note_handed(state, published, earlier, at=now)
        state.set_phase(Phase.LIVE)
        details = {"artifacts": reading.artifacts, "dropped": sorted(earlier.keyids), "number": number}
        if seen := seen_above(state, ahead.listed):
            details["seen"] = seen
        # The log begins with it: what was dropped before is read there.
        state.record("state.rebuild", {**details, "publication": publication, **_digests(published)}, at=now)
        former = _go_on_replacing(state, published, now=now)
    names = {key_identity(key.key): key.name for key in keys}
    with ports.state.read() as reader:
        stray = strays(ports, reader)
    return RebuildReport(
        repository=known.name,
        root=published.root.envelope.version,
        timestamp=published.timestamp.envelope.version,
        artifacts=reading.artifacts,
        bins=published.bins,
        delegated=tuple(name for name in published.authority.named if name != SUCCESSOR),
        keys=tuple(keys),
        periods=life.periods,
        guessed=life.guesses,
        strays=tuple(key.name for key in stray),
        former=former,
        superseded=len(older),
        dropped={
            keyid: None if each.key is None else names.get(key_identity(each.key))
            for keyid, each in earlier.dropped.items()
        },
        passed_over=ahead.snapshot,
        older=older_by_people(published, ahead),
    )


def _digests(published: Published) -> dict[str, Any]:
    """What tells later which files it was made from."""
    files = {ROOT: published.roots[0], TARGETS: published.targets, SNAPSHOT: published.snapshot}
    files[TIMESTAMP] = published.timestamp
    digests = {str(name): sha256(file.data).hexdigest() for name, file in files.items()}
    return {**digests, "version": published.root.envelope.version}


def _go_on_replacing(state: StateTransaction, published: Published, *, now: datetime) -> str | None:
    """Note the rotation that was cut off between its root and what the new key signs anew; the name of its old key."""
    former = published.former_key
    entry = None if former is None else state.key(former.keyid)
    if entry is None:
        return None
    new = published.top_level[TIMESTAMP].keyids[0]
    # Lost is what nobody has to be right about: one that leaked is said to be by whoever knows it.
    state.begin_rotation(kind=RotationKind.LOST, old=entry.keyid, new=new, overlap=timedelta(0), begun=now)
    rotation = state.rotation()
    if rotation is not None:
        state.note_rooted(rotation.id, version=published.root.envelope.version, at=now)
    details = {"kind": RotationKind.LOST.value, "old": entry.name, "new": names_of(state)[new], "keyid": new}
    state.record("rotation.begin", details, at=now)
    return entry.name

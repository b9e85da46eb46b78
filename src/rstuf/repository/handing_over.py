"""A publication that brings another tree of delegations: each artifact comes out where clients look for it by that.

Nothing moves before: what was accepted is where it was until the publication is settled (`rstuf.state.handovers`), and
cut off or refused, nothing comes of it. What is accepted meanwhile goes where it belongs when it is settled
(`routing.late_moves`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from rstuf.errors import LimitExceeded, PathsDisputed, PathsNotDelegated, RstufError
from rstuf.metadata import limits
from rstuf.model.artifacts import SLOT_BITS, slot_of
from rstuf.model.events import SigningEvent
from rstuf.model.handover import Handover, Move
from rstuf.model.names import TARGETS, RoleName, TargetPath
from rstuf.model.roles import RoleKind
from rstuf.progress import step
from rstuf.repository.authority import Authority, load_authority
from rstuf.repository.batches import other_signers, place_of
from rstuf.repository.delegated_sides import recorded_authority
from rstuf.repository.interfaces import StateReader
from rstuf.repository.kept_changes import keep_back
from rstuf.repository.outdated import fragment_at
from rstuf.repository.ports import Ports
from rstuf.repository.release import bring_out
from rstuf.repository.rendering import Part, Signed
from rstuf.repository.reports import PublicationReport, Reason
from rstuf.repository.routing import Router

ALL_SLOTS: Final = (0, (1 << SLOT_BITS) - 1)
_NAMED: Final = 10
# What stands around a path and its fragment: two quotes, a colon, a comma.
_AROUND: Final = 4
_LISTING: Final = frozenset({RoleKind.TARGETS, RoleKind.DELEGATED, RoleKind.BIN})


def bring_delegations(
    ports: Ports,
    proposed: Mapping[RoleName, Mapping[str, Any]],
    handover: Handover,
    *,
    signed: Mapping[RoleName, Signed] | None = None,
    late: Callable[[StateReader], Iterable[Move]] | None = None,
    check: Callable[[StateReader], None] | None = None,
    besides: SigningEvent | None = None,
) -> tuple[PublicationReport, int]:
    """Publish roles that delegate as they are to be, with every role that lists something else by that.

    Under the publication lock, after recovery.

    Args:
        signed: those of them that people have signed already.
        late: what else moves, though it is not what was accepted last.
        check: looks at what is to move, once it is written down, and raises where it must not.
        besides: the event that comes out with it; other events that wait are not outdated by it (`kept_changes`).

    Returns:
        What was published, and how many artifacts have another role now.

    Raises:
        PathsNotDelegated, PathsDisputed: with artifacts that clients would not find any more; nothing was changed.
        InvalidRoleName: the name of a role that joins is taken.
        SigningError, StorageError, ReleaseRefused: clients still see what they saw.
    """
    kept = keep_back(ports, besides=besides)
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata, proposed=proposed)
        before = load_authority(reader, ports.metadata)
        anew = [*signed_by_others(before, authority), *other_signers(before, authority)]
        total = reader.totals().artifacts
    with (
        step(ports.progress, "sorting", total=total, unit="artifacts"),
        ports.state.transaction(actor=ports.actor) as state,
    ):
        sorting = Sorting(ports, authority, handover)
        state.begin_handover(handover)
        number = state.newest_number() if kept is None else kept.number
        state.add_moves(sorting.moves(state))
        if late is not None:
            state.add_moves(sorting.noted(state, late(state)))
        sorting.refuse()
        if check is not None:
            check(state)
        details = {"joins": list(handover.joins), "leaves": list(handover.leaves), "moved": sorting.moved}
        state.record("delegations.change", details, at=ports.clock.now())
    try:
        with ports.state.read() as reader:
            said = dict.fromkeys((*proposed, *handover.joins, *anew, *(signed or {})))
            parts = [_part(reader, name, number, Reason.DELEGATED) for name in said]
            # What leaves is seen by nobody any more.
            known = {*(part.role.name for part in parts), *handover.leaves}
            parts += [_part(reader, name, number, Reason.MOVED) for name in sorting.changed if name not in known]
            sorting.refuse_large(parts)
            parts = [_as_signed(part, (signed or {}).get(part.role.name)) for part in parts]
        periods = handover.periods
        return bring_out(ports, parts, proposed=proposed, moved=sorting.more, periods=periods), sorting.moved
    except BaseException:
        # One that is committing goes on: only what no publication took along, or gave up, is dropped here.
        with suppress(RstufError), ports.state.transaction(actor=ports.actor) as state:
            if state.unfinished_publication() is None:
                state.drop_handover()
        raise


def signed_by_others(before: Authority, after: Authority) -> list[RoleName]:
    """Roles that are delegated to as before, and that others have to sign."""
    return [name for name, keys in after.named.items() if before.named.get(name, keys) != keys]


def _part(reader: StateReader, name: RoleName, number: int, reason: Reason) -> Part:
    return Part(reader.role(name), number, reason)


def _as_signed(part: Part, signed: Signed | None) -> Part:
    return part if signed is None else replace(part, number=signed.number, signed=signed.file)


@dataclass(slots=True)
class Sorting:
    """Looks at every artifact, and says where it goes.

    Attributes:
        more: by the role that lists them, how many artifacts more it has by that; less where it is below 0.
        changed: of these, the roles that list something else by that. One that only loses what it never listed comes
            out as it is: no new version of it is needed, nor its signers. And `without`: those that clients see list
            what is removed already, where they look for it elsewhere by that. Were these left as they are, it would
            be out of sight before its removal is out, and in sight again once clients look there again.
        moved: how many go to another role.
    """

    ports: Ports
    authority: Authority
    handover: Handover
    more: Counter[RoleName] = field(default_factory=Counter)
    payload: Counter[RoleName] = field(default_factory=Counter)
    changed: set[RoleName] = field(default_factory=set)
    without: set[RoleName] = field(default_factory=set)
    moved: int = 0
    _lost: list[TargetPath] = field(default_factory=list)
    _lost_more: int = 0
    _disputed: list[PathsDisputed] = field(default_factory=list)

    def moves(self, reader: StateReader) -> Iterator[Move]:
        """Every artifact that another role has to list."""
        router = Router(self.authority, reader.settings().layout)
        self._note_removed(reader, router)
        for holder in _holders(reader):
            here = self.now_called(holder)
            for slot, path, fragment in reader.contents(
                reader.role(holder).id, *ALL_SLOTS, number=reader.newest_number()
            ):
                self.ports.progress.advance()
                taker = self._taker(router, path)
                if taker is not None and taker != here:
                    self._count(holder, taker, slot, size=len(path.encode()) + len(fragment) + _AROUND)
                    self._note(reader, Move(slot, path, holder, taker))
                    yield Move(slot, path, holder, taker)

    def _note_removed(self, reader: StateReader, router: Router) -> None:
        """Note the roles that have to come out without what is removed already."""
        for holder, path in removed_in_sight(reader):
            try:
                stays = router.holder(path) == self.now_called(holder)
            except (PathsNotDelegated, PathsDisputed):
                stays = False
            if not stays and holder not in self.handover.leaves:
                self.without.add(self._lists(holder, slot_of(path)))
        self.changed |= self.without

    def now_called(self, holder: RoleName) -> RoleName:
        """The role that has, from then on, what a role has and keeps: what takes over from targets, in its place."""
        return holder if holder != TARGETS or self.handover.successor is None else self.handover.successor

    def _taker(self, router: Router, path: TargetPath) -> RoleName | None:
        try:
            return router.holder(path)
        except PathsNotDelegated:
            if len(self._lost) < _NAMED:
                self._lost.append(path)
            else:
                self._lost_more += 1
        except PathsDisputed as error:
            self._disputed.append(error)
            self._disputed = self._disputed[: _NAMED + 1]
        return None

    def _count(self, giver: RoleName, taker: RoleName, slot: int, *, size: int) -> None:
        self.moved += 1
        for role, sign in ((self._lists(giver, slot), -1), (self._lists(taker, slot), 1)):
            self.more[role] += sign
            self.payload[role] += sign * size

    def noted(self, reader: StateReader, moves: Iterable[Move]) -> Iterator[Move]:
        """What moves for another reason, such as what clients see and is removed already."""
        for move in moves:
            self._note(reader, move)
            yield move

    def _note(self, reader: StateReader, move: Move) -> None:
        """Note which roles list something else by a move."""
        self.changed.add(self._lists(move.taker, move.slot))
        giver = self._lists(move.giver, move.slot)
        if giver in self.changed:
            return
        lister = reader.role(giver)
        seen = max(lister.number, lister.shown)
        holder = reader.role(move.giver).id
        if lister.newest <= seen or fragment_at(reader, holder, move.slot, move.path, seen) is not None:
            self.changed.add(giver)

    def _lists(self, holder: RoleName, slot: int) -> RoleName:
        """The role that lists what a role holds there: itself, or one of its bins."""
        holder = self.now_called(holder)
        shared = self.authority.shared.get(holder)
        return holder if shared is None else shared.bins.name(shared.bins.index_of_slot(slot))

    def refuse(self) -> None:
        """
        Raises:
            PathsNotDelegated, PathsDisputed: clients would not find all that they find now.
        """
        if self._lost:
            hint = "remove these first (rstuf artifact remove), or let a delegation be for them, too"
            raise PathsNotDelegated(self._lost, more=self._lost_more, hint=hint)
        if self._disputed:
            first = self._disputed[0]
            paths = [path for each in self._disputed[:_NAMED] for path in each.paths]
            raise PathsDisputed(paths, more=len(self._disputed) - len(paths), role=first.role, pattern=first.pattern)

    def refuse_large(self, parts: Iterable[Part]) -> None:
        """
        Raises:
            LimitExceeded: a role would list more than clients read.
        """
        for part in parts:
            size = part.role.payload + self.payload[part.role.name]
            if self.payload[part.role.name] > 0 and size > limits.TARGETS_PAYLOAD_BYTES:
                raise LimitExceeded(part.role.name, size=size, limit=limits.TARGETS_PAYLOAD_BYTES)


def removed_in_sight(reader: StateReader) -> Iterator[tuple[RoleName, TargetPath]]:
    """What is removed, and clients see yet, or may: the role that holds it, and its path."""
    authority = recorded_authority(reader, {})
    for lister in reader.dirty_roles():
        if lister.kind not in _LISTING or lister.bin_bits is not None:
            continue
        holder = authority.holder_of(lister.name) or lister.name
        for (_, path), rows in groupby(reader.versions(*place_of(authority, lister)), key=itemgetter(0, 1)):
            versions = [(number, fragment) for _, _, number, fragment in rows]
            if not versions[-1][1] and any(_at(versions, seen) for seen in (lister.number, lister.shown)):
                yield holder, path


def _at(versions: Sequence[tuple[int, bytes]], number: int) -> bytes:
    """What there is of a path at a change number; empty where that is nothing."""
    return next((fragment for each, fragment in reversed(versions) if each <= number), b"")


def _holders(reader: StateReader) -> list[RoleName]:
    """Every role that artifacts are kept under."""
    return [role.name for kind in (RoleKind.TARGETS, RoleKind.DELEGATED) for role in reader.roles(kind=kind)]

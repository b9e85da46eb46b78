"""The artifacts of a role that was made elsewhere, as rows: recorded once enough have signed it, and not before.

What one of several signers says is nothing that the repository has accepted: nothing but its event knows of it. As rows
it could come out by another way, signed by others, when the role is delegated to other keys, or to nobody any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rstuf.metadata.limits import TARGETS_PAYLOAD_BYTES
from rstuf.model.artifacts import ArtifactRow, slot_of
from rstuf.model.names import RoleName, TargetPath
from rstuf.model.roles import RoleState
from rstuf.repository.handing_over import ALL_SLOTS
from rstuf.repository.intake import NAMED
from rstuf.repository.interfaces import StateReader, StateTransaction


@dataclass(frozen=True, slots=True)
class BroughtChanges:
    """What a role's artifacts come to be: against what clients see, and against what was accepted here.

    Attributes:
        added, replaced, removed: what clients come to see; `unchanged`: how many stay as they are.
        lost: the paths of changes that were accepted here, that no client sees, and that it does not have.
        put: rows that make what was accepted just that; `gone`: with what has to be removed.
        seen: of `lost`, the rows that clients see; `later`: those that were accepted.
    """

    added: tuple[TargetPath, ...]
    replaced: tuple[TargetPath, ...]
    removed: tuple[TargetPath, ...]
    unchanged: int
    lost: tuple[TargetPath, ...]
    put: tuple[ArtifactRow, ...]
    gone: tuple[TargetPath, ...]
    seen: tuple[ArtifactRow, ...]
    later: tuple[ArtifactRow, ...]

    @classmethod
    def of(cls, reader: StateReader, role: RoleState, rows: Sequence[ArtifactRow]) -> BroughtChanges:
        """Compare what a role is to list with what is here.

        Args:
            rows: sorted by slot, then path.
        """
        shown, newest = max(role.number, role.shown), reader.newest_number()
        visible = dict(_contents(reader, role, shown))
        accepted = dict(_contents(reader, role, newest)) if newest > shown else visible
        becomes = {row.path: row.fragment for row in rows}
        both = becomes.keys() & visible.keys()
        replaced = tuple(sorted(path for path in both if becomes[path] != visible[path]))
        waiting = [path for path in visible.keys() | accepted.keys() if visible.get(path) != accepted.get(path)]
        lost = tuple(sorted(path for path in waiting if accepted.get(path) != becomes.get(path)))
        return cls(
            added=tuple(sorted(becomes.keys() - visible.keys())),
            replaced=replaced,
            removed=tuple(sorted(visible.keys() - becomes.keys())),
            unchanged=len(both) - len(replaced),
            lost=lost,
            put=tuple(row for row in rows if accepted.get(row.path) != row.fragment),
            gone=tuple(sorted(accepted.keys() - becomes.keys())),
            seen=_rows(visible, lost),
            later=_rows(accepted, lost),
        )


def enter_rows(
    state: StateTransaction,
    event: str,
    name: RoleName,
    rows: Sequence[ArtifactRow],
    *,
    at: datetime,
    lose: bool = False,
) -> int:
    """Record what enough people signed of a role; the change number up to which it is just that.

    Args:
        event: its signing event's name.
        rows: all that it lists, sorted by slot, then path.
        lose: whether the changes go that were accepted here and that it does not have; else they come after it.

    Raises:
        PathTwin, LimitExceeded: nothing is changed by this.
    """
    changes = BroughtChanges.of(state, state.role(name), rows)
    number = state.next_number() if changes.put or changes.gone else state.newest_number()
    _make(state, name, changes.put, changes.gone, number=number)
    details = {
        "event": event,
        "role": name,
        "number": number,
        "added": len(changes.added),
        "replaced": len(changes.replaced),
        "removed": len(changes.removed),
        "paths": list(changes.removed[:NAMED]),
        "lost": list(changes.lost[:NAMED]) if lose else [],
    }
    state.record("artifacts.accept", details, at=at)
    if changes.lost and not lose:
        here, listed = {row.path for row in changes.later}, {row.path for row in rows}
        gone = [path for path in changes.lost if path not in here and path in listed]
        later = state.next_number()
        _make(state, name, changes.later, gone, number=later)
        said = {"number": later, "paths": list(changes.lost[:NAMED]), "postponed": len(changes.lost)}
        state.record("artifacts.postpone", said, at=at)
    return number


def let_go(state: StateTransaction, name: RoleName, rows: Sequence[ArtifactRow], *, at: datetime) -> None:
    """Undo the changes that were accepted here, that clients do not see, and that a role does not have that comes."""
    changes = BroughtChanges.of(state, state.role(name), rows)
    if not changes.lost:
        return
    seen, here = {row.path for row in changes.seen}, {row.path for row in changes.later}
    gone = [path for path in changes.lost if path in here and path not in seen]
    number = state.next_number()
    _make(state, name, changes.seen, gone, number=number)
    said = {"number": number, "paths": list(changes.lost[:NAMED]), "undone": len(changes.lost)}
    state.record("artifacts.undo", said, at=at)


def _make(
    state: StateTransaction,
    name: RoleName,
    put: Sequence[ArtifactRow],
    gone: Sequence[TargetPath],
    *,
    number: int,
) -> None:
    if gone:
        state.remove_artifacts(name, gone, number=number)
    if put:
        state.put_artifacts(name, put, number=number, replace=True, role_limit=TARGETS_PAYLOAD_BYTES)


def _rows(contents: Mapping[TargetPath, bytes], paths: Iterable[TargetPath]) -> tuple[ArtifactRow, ...]:
    """The rows of some paths, of those that are there, in the order of rows."""
    return tuple(sorted(ArtifactRow(slot_of(path), path, contents[path]) for path in paths if path in contents))


def _contents(reader: StateReader, role: RoleState, number: int) -> Iterator[tuple[TargetPath, bytes]]:
    for _, path, fragment in reader.contents(role.id, *ALL_SLOTS, number=number):
        yield path, fragment

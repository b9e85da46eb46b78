"""Signing events as people see them: whose keys must sign, who has, and how many are missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rstuf.model.events import EventKind, EventPart, SigningEvent
from rstuf.model.keys import KeyId
from rstuf.model.names import RoleName
from rstuf.repository.authority import ClosedKey
from rstuf.repository.beyond_reach import BeyondReach


@dataclass(frozen=True, slots=True)
class Outdated:
    """Why an event can come out no more, and the command that proposes it anew, or drops it where nothing can."""

    why: str
    again: str


@dataclass(frozen=True, slots=True)
class PartSide:
    """Keys of which so many must sign a part.

    Attributes:
        label: whose they are: "root v3".
        signed: those of them whose signatures count.
        missing: how many more must sign.
        waiting: those that have not signed.
    """

    label: str
    threshold: int
    keyids: tuple[KeyId, ...]
    signed: tuple[KeyId, ...]
    missing: int
    waiting: tuple[KeyId, ...]


@dataclass(frozen=True, slots=True)
class PartView:
    """One part of an event, and how far its sides have signed.

    Attributes:
        digest: SHA-256 of the bytes that are signed, hex.
        expires: when what it proposes expires, UTC.
        lists: the keys that it lets sign each role: a root its roles, targets and others what they delegate to, bins
            under their prefix. `needs`: how many of these must sign, of roles with a name.
        takes_out: the keys that it lets sign a role no more which may sign that by what is visible now, by that role.
        bins: over how many it shares artifacts out; None where over none.
        batch: of a bin that people sign with others, what these are called together; else None.
    """

    part: EventPart
    digest: str
    expires: datetime
    sides: tuple[PartSide, ...]
    lists: Mapping[RoleName, tuple[KeyId, ...]] = field(default_factory=dict)
    needs: Mapping[RoleName, int] = field(default_factory=dict)
    takes_out: Mapping[RoleName, frozenset[KeyId]] = field(default_factory=dict)
    bins: int | None = None
    batch: RoleName | None = None

    @property
    def ready(self) -> bool:
        """Whether every side has signed."""
        return all(side.missing == 0 for side in self.sides)

    @property
    def wanted(self) -> tuple[KeyId, ...]:
        """The keys whose signatures would still count."""
        return tuple(dict.fromkeys(keyid for side in self.sides if side.missing for keyid in side.waiting))

    @property
    def lacking(self) -> int:
        """How many more must sign, at the least: who is on both sides of a root counts for each."""
        open_sides = [side for side in self.sides if side.missing]
        each = [side.missing for side in open_sides]
        if len(open_sides) < 2:
            return sum(each)
        both = set(open_sides[0].waiting).intersection(*(side.waiting for side in open_sides[1:]))
        return sum(each) - min(len(both), *each)


@dataclass(frozen=True, slots=True)
class EventView:
    """An event as people see it.

    Attributes:
        names: what its keys are called here.
        here: of the keys that are still wanted, those that look as if they could sign here.
        after: the name of the event that must come out before this one can; None where nothing must.
        expired: whether what it proposes expired meanwhile, so that nobody can use it any more.
        unreachable: of the keys that are wanted and should be here, why they are not.
        leaks: the keys that leaked, as was said after it was proposed, and to which it gives more than they have, or
            the root does that it was proposed for: it is never published.
        leaks_by: the name of the root that does.
        leaves: the roles that it would leave to them; where there is none, it lets them in.
        lacks_targets: whether it is a root that cannot come out before targets that nothing proposes any more.
        companions: the open events that are cancelled with it.
        gives_way: whether its role runs out meanwhile and could be renewed without it; see `giving_way`.
        leaked: of the keys that may sign it, or that it lets sign, those that leaked.
        outdated: why it can come out no more, and the command that proposes it anew; None where it can.
        lost: the keys of people that are lost, and not here.
        beyond: which of them it cannot come out without, and the command that takes its place; None where it can.
    """

    event: SigningEvent
    parts: tuple[PartView, ...]
    names: Mapping[KeyId, str]
    here: tuple[KeyId, ...]
    after: str | None = None
    expired: bool = False
    unreachable: tuple[ClosedKey, ...] = ()
    leaks: tuple[KeyId, ...] = ()
    leaks_by: str | None = None
    leaves: tuple[RoleName, ...] = ()
    lacks_targets: bool = False
    companions: tuple[SigningEvent, ...] = ()
    gives_way: bool = False
    leaked: frozenset[KeyId] = frozenset()
    outdated: Outdated | None = None
    lost: frozenset[KeyId] = frozenset()
    beyond: BeyondReach | None = None

    @property
    def ready(self) -> bool:
        """Whether it can come out: nobody is missing, nothing must come out before it, and it is still of use."""
        unfit = self.expired or self.leaks or self.outdated is not None or self.lacks_targets or self.after is not None
        return not unfit and all(part.ready for part in self.parts)

    @property
    def is_void(self) -> bool:
        """Whether nobody can use it any more: it expired, or is outdated."""
        return self.expired or self.outdated is not None

    @property
    def expires(self) -> datetime:
        """When what it proposes expires, UTC: the earliest of its parts."""
        return min(part.expires for part in self.parts)

    @property
    def resizes_to(self) -> int | None:
        """How many bins there are to be; None where it is not about that."""
        return self.parts[0].bins if self.event.kind is EventKind.RESIZE else None

    @property
    def lacking(self) -> int:
        """How many more signatures it takes, at the least. Whoever signs one of the bins of a role signs all of them,
        and the role itself where it is resized."""
        if self.event.kind is EventKind.RESIZE:
            return max(part.lacking for part in self.parts)
        together = dict[RoleName, int]()
        for part in self.parts:
            name = part.batch or part.part.role
            together[name] = max(part.lacking, together.get(name, 0))
        return sum(together.values())

    @property
    def batched(self) -> int:
        """How many of its parts are bins that people sign together."""
        return sum(part.batch is not None for part in self.parts)

    @property
    def signed(self) -> tuple[KeyId, ...]:
        """The keys that have signed any part of it, in the order in which their signatures came."""
        return tuple(dict.fromkeys(each.keyid for part in self.event.parts for each in part.signatures))

    @property
    def counted(self) -> tuple[KeyId, ...]:
        """Those of them whose signatures count: whoever was taken out since is none of them."""
        listed = {keyid for part in self.parts for side in part.sides for keyid in side.signed}
        return tuple(keyid for keyid in self.signed if keyid in listed)

    @property
    def wanted(self) -> tuple[KeyId, ...]:
        """The keys whose signatures would still count."""
        return tuple(dict.fromkeys(keyid for part in self.parts for keyid in part.wanted))

    @property
    def away(self) -> tuple[KeyId, ...]:
        """The keys elsewhere without which those that are to sign here do not suffice."""
        found: dict[KeyId, None] = {}
        ours = set(self.ours)
        for side in (side for part in self.parts for side in part.sides):
            if side.missing > len(set(side.waiting) & ours):
                asked = (keyid for keyid in side.waiting if keyid in self.asked and keyid not in self.here)
                found |= dict.fromkeys(asked)
        return tuple(found)

    @property
    def keeps(self) -> tuple[KeyId, ...]:
        """The keys that leaked and that it lets sign on."""
        return tuple(sorted(keyid for keyid in self.leaked if self.lists(keyid) and keyid not in self.leaks))

    @property
    def ours(self) -> tuple[KeyId, ...]:
        """Of the keys that are here, those to sign with unless others are named: none that leaked where others suffice,
        here or elsewhere."""
        return tuple(keyid for keyid in self.here if keyid not in self._unasked)

    @property
    def asked(self) -> tuple[KeyId, ...]:
        """Of the keys that are wanted, those whose holders are to be asked: none that leaked or is lost where others
        suffice."""
        return tuple(keyid for keyid in self.wanted if keyid not in self._unasked)

    @property
    def _unasked(self) -> frozenset[KeyId]:
        """The keys without which the others are enough, wherever they are: who has one that leaked can sign, who lost
        one cannot."""
        return next((gone for gone in (self.leaked | self.lost, self.lost) if self._suffices(gone)), frozenset())

    def _suffices(self, gone: frozenset[KeyId]) -> bool:
        sides = [side for part in self.parts for side in part.sides]
        return all(len(set(side.waiting) - gone) >= side.missing for side in sides)

    def lists(self, keyid: str) -> bool:
        """Whether what it proposes lets a key sign something; signing it is not meant by that."""
        return bool(self.signs_on(keyid))

    def signs_on(self, keyid: str) -> tuple[RoleName, ...]:
        """The roles that what it proposes lets a key sign, in their order."""
        return tuple(role for part in self.parts for role, keyids in part.lists.items() if keyid in keyids)

    def out_of(self, keyid: str) -> tuple[RoleName, ...]:
        """The delegated roles that a key may sign by what is visible now, and by what it proposes no more."""
        return tuple(role for part in self.parts for role, keyids in part.takes_out.items() if keyid in keyids)

    def name_of(self, keyid: str) -> str:
        """What a key is called here; the beginning of its id where it has no name."""
        return self.names.get(KeyId(keyid), keyid[:12])

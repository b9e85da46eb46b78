"""A signing event as one file for key holders elsewhere, with all that leads from a root to what they sign."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime

from rstuf.errors import InvalidInput
from rstuf.metadata.bundle import Bundle, BundlePart
from rstuf.metadata.render import versioned
from rstuf.metadata.views import Signature, open_envelope
from rstuf.model.events import EventPart, SigningEvent
from rstuf.model.names import TOP_LEVEL, RoleName
from rstuf.repository.delegated_sides import proposed_by, recorded_authority
from rstuf.repository.interfaces import StateReader
from rstuf.repository.open_events import envelope_of, proposals_for


def bundle_of(reader: StateReader, event: SigningEvent, *, now: datetime, since: int = 1) -> Bundle:
    """An event, with the chain of roots from version `since` on, and the published roles that say who signs it.

    A root that is proposed beside it, and says who signs it, comes with it.

    Raises:
        InvalidInput: there is no root `since`.
    """
    parts = [_part(each) for each in (*event.parts, *proposals_for(reader, event, now=now))]
    return bundle_with(reader, parts, delegators=list(_delegators(reader, event)), since=since)


def bundle_with(
    reader: StateReader, parts: Sequence[BundlePart], *, delegators: Sequence[BundlePart] = (), since: int = 1
) -> Bundle:
    """These parts as a bundle.

    Raises:
        InvalidInput: there is no root `since`.
    """
    versions = reader.root_versions()
    if versions and since not in versions:
        raise InvalidInput(f"there is no root v{since} here", hint="rstuf root history lists them")
    chain = [root.data for version in versions if version >= since and (root := reader.root(version))]
    first, settings = reader.root(1), reader.settings()
    written = b"".join([*chain, *(part.payload for part in (*parts, *delegators))])
    return Bundle(
        repository=settings.name,
        first_root=None if first is None else hashlib.sha256(first.data).hexdigest(),
        chain=tuple(chain),
        parts=tuple(parts),
        names={entry.keyid: entry.name for entry in reader.keys() if entry.keyid.encode() in written},
        delegators=tuple(delegators),
    )


def _part(part: EventPart) -> BundlePart:
    signatures = tuple(Signature(each.keyid, each.sig) for each in part.signatures)
    return BundlePart(role=part.role, signed=envelope_of(part).signed, signatures=signatures)


def _delegators(reader: StateReader, event: SigningEvent) -> Iterator[BundlePart]:
    """The published roles on the way from targets to what is to be signed, those that are proposed left out."""
    below = [part.role for part in event.parts if part.role not in TOP_LEVEL]
    if not below:
        return
    authority = recorded_authority(reader, proposed_by(reader, event))
    tree = authority.tree
    found = dict[RoleName, int]()
    for role in below:
        way, above = list[RoleName](), authority.holder_of(role) or tree.parent(role)
        while above is not None:
            way.append(above)
            above = tree.parent(above)
        found |= {name: depth for depth, name in enumerate(reversed(way))}
    beside = {part.role for part in event.parts}
    for name in sorted(found.keys() - beside, key=lambda each: (found[each], each)):
        version = reader.role(name).visible
        data = reader.delegator(name, version)
        if data is not None:
            opened = open_envelope(data, name=versioned(name, version), kind="targets")
            yield BundlePart(role=name, signed=opened.signed, signatures=opened.signatures)

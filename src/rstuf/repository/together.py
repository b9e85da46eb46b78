"""Several publications of one command, told as one: what clients see new because of it, and nothing is left out."""

from __future__ import annotations

from dataclasses import replace

from rstuf.model.names import RoleName
from rstuf.repository.reports import PublicationReport, RoleChange


def together(*reports: PublicationReport | None) -> PublicationReport | None:
    """Them as one, in their order; what is not about roles is as the last of them has it. None where there is none.

    A role that came out more than once stands where it last did, over what clients saw before the first of them.
    """
    found = [each for each in reports if each is not None]
    if len(found) < 2:
        return found[0] if found else None
    first, roles = dict[RoleName, RoleChange](), dict[RoleName, RoleChange]()
    for change in (change for each in found for change in each.roles):
        before = first.setdefault(change.name, change)
        roles.pop(change.name, None)
        roles[change.name] = replace(change, previous=before.previous)
    return replace(
        found[-1],
        published=any(each.published for each in found),
        timestamp_version=max(each.timestamp_version for each in found),
        roles=tuple(roles.values()),
        length=sum(each.length for each in found),
    )

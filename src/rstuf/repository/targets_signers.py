"""Who signs targets: the online key alone, or people too. This is the one place that says which of the two it is.

Root may let people sign targets, the online key, or both together. Where keys that sign every publication meet its
threshold, it comes out with any of them. Else people must sign it as well, whatever online key stands beside them: it
waits for them in an event, in which the online key signs at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from rstuf.errors import InvalidKey
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.render import versioned
from rstuf.metadata.views import RoleKeys, open_envelope, root_roles
from rstuf.model.names import TARGETS, TIMESTAMP, RoleName
from rstuf.repository.authority import current_root, delegator_bytes, signed_enough
from rstuf.repository.interfaces import MetadataStorage, StateReader


def people_sign(roles: Mapping[RoleName, RoleKeys]) -> bool:
    """Whether a root with these roles lets targets come out only with the signatures of people.

    It does where too few of the keys of targets sign timestamp, too. Keys count by their value.
    """
    return take_people(roles[TARGETS], online=roles[TIMESTAMP])


def take_people(keys: RoleKeys, *, online: RoleKeys) -> bool:
    """Whether it takes people to sign a role with these keys, where those of `online` sign every publication."""
    if keys.threshold == 1 and set(online.keyids).intersection(keys.keyids, keys.keys, online.keys):
        # What is spelt alike is alike; to tell the others takes reading them.
        return False
    return len(_values(online) & _values(keys)) < keys.threshold


def people_are_missing(reader: StateReader, metadata: MetadataStorage) -> bool:
    """Whether clients refuse targets: people must sign it by the root in force, and what is visible they have not.

    No root comes out before that from here; but somebody may have put one there that was proposed here.
    """
    roles = root_roles(current_root(reader))
    return people_sign(roles) and not targets_verify(reader, metadata, roles[TARGETS])


def _values(keys: RoleKeys) -> set[bytes]:
    found = set()
    for key in keys.keys.values():
        with suppress(InvalidKey):
            found.add(key_identity(key))
    return found


def targets_verify(reader: StateReader, metadata: MetadataStorage, keys: RoleKeys) -> bool:
    """Whether the visible targets, as it was published, is signed by so many of these keys; of a lost one, yes."""
    role, in_force = reader.role(TARGETS), root_roles(current_root(reader))[TARGETS]
    data = delegator_bytes(role, reader, metadata, keys=in_force)
    if data is None:
        return True
    return signed_enough(open_envelope(data, name=versioned(TARGETS, role.visible), kind="targets"), keys)

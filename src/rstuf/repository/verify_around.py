"""What lies around a publication: roles ahead of the state that nothing points to, and what should not be served."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from rstuf.errors import InvalidMetadata, StateError, StorageError
from rstuf.metadata import limits
from rstuf.metadata.audit.findings import Code, Findings, Note
from rstuf.metadata.render import versioned
from rstuf.metadata.views import open_envelope
from rstuf.model.artifacts import MAX_INTEGER
from rstuf.model.roles import RoleKind, RoleState
from rstuf.repository.authority import Authority, load_authority, signed_enough
from rstuf.repository.interfaces import ServedEntry, ServedFault
from rstuf.repository.ports import Ports
from rstuf.repository.visible import found

# How many versions ahead are asked for by name, of each role: a listing may show others, and may be refused.
_FAR: Final = 4
_LISTED: Final = (RoleKind.TARGETS, RoleKind.BIN, RoleKind.DELEGATED)
_NAME: Final = re.compile(r"([1-9][0-9]{0,18})\.([^/]+)\.json", re.ASCII)


def look_around(ports: Ports, findings: Findings) -> int:
    """Report what is ahead and what should not be there; how much was seen where that can be listed."""
    known = _known(ports)
    listed: dict[str, set[int]] = {}
    seen = 0
    if ports.served is not None:
        try:
            for entry in ports.served.walk():
                seen += 1
                _judge(entry, findings)
                named = _NAME.fullmatch(entry.metadata or "")
                if named is not None and int(named[1]) > known.get(named[2], MAX_INTEGER):
                    listed.setdefault(named[2], set()).add(int(named[1]))
        except StorageError as error:
            findings.note(Note.SERVED_NOT_LISTED, f"what is served could not be listed: {error.message}")
    for role, version in _ahead(ports, listed):
        message = (
            f"{versioned(role.name, version)} is rightly signed, and above every version that this state knows of "
            f"({role.version}): another copy of it, or somebody with its key, made it"
        )
        findings.problem(Code.STATE_BEHIND, message, role=role.name)
    return seen


def _known(ports: Ports) -> dict[str, int]:
    """The highest version ever intended of each role that snapshot lists."""
    try:
        with ports.state.read() as reader:
            return {str(role.name): role.version for kind in _LISTED for role in reader.roles(kind=kind)}
    except StateError:
        return {}


def _judge(entry: ServedEntry, findings: Findings) -> None:
    for fault in entry.faults:
        if fault is ServedFault.PRIVATE:
            message = f"{entry.shown} is private by its name or content, and whoever asks the server gets it"
            findings.problem(Code.SERVED_PRIVATE, message)
        elif fault is ServedFault.SHARED:
            message = f"{entry.shown} can be changed by somebody else: it is not ours, or others can write to it"
            findings.problem(Code.SERVED_SHARED, message)
        elif fault is ServedFault.LINK:
            message = f"{entry.shown} is a symbolic link: rstuf made none, and a server may serve what it leads to"
            findings.note(Note.SERVED_LINK, message)
        else:
            findings.note(Note.SERVED_NOT_LISTED, f"{entry.shown} could not be listed")


def _ahead(ports: Ports, listed: Mapping[str, Collection[int]]) -> Iterator[tuple[RoleState, int]]:
    """Roles with the version of a file above what the state ever intended, that their keys have signed."""
    try:
        with ports.state.read() as reader:
            authority = load_authority(reader, ports.metadata)
            roles = [role for kind in _LISTED for role in reader.roles(kind=kind)]
        ahead = [
            (role, version)
            for role in roles
            for version in sorted({*range(role.version + 1, role.version + 1 + _FAR), *listed.get(role.name, ())})
            if version > role.version and _is_signed(ports, role, version, authority)
        ]
        if not ahead:
            return
        # A publication takes its versions before it writes: what it wrote meanwhile is known by now.
        with ports.state.read() as reader:
            known = {role.name: reader.role(role.name).version for role, _ in ahead}
    except (StateError, StorageError, InvalidMetadata, KeyError):
        # Whoever reads them for themselves says so.
        return
    yield from ((role, version) for role, version in ahead if version > known[role.name])


def _is_signed(ports: Ports, role: RoleState, version: int, authority: Authority) -> bool:
    name = versioned(role.name, version)
    data = found(ports.metadata, name, limit=limits.TARGETS_BYTES)
    if data is None:
        return False
    try:
        envelope = open_envelope(data, name=name, kind="targets")
    except InvalidMetadata:
        return False
    return envelope.version == version and signed_enough(envelope, authority.role_keys(role.name, role.kind))

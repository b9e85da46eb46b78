"""What clients see now, held against what this state published."""

from __future__ import annotations

from typing import Final

from rstuf.errors import FileMissing, FileTooLarge, InvalidMetadata, StateBehind
from rstuf.metadata import limits
from rstuf.metadata.render import versioned
from rstuf.metadata.views import open_envelope, root_roles
from rstuf.model.names import ROOT, TIMESTAMP
from rstuf.repository.authority import current_root, signed_enough
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports

TIMESTAMP_FILE: Final = "timestamp.json"


def visible_version(ports: Ports, reader: StateReader) -> int:
    """The version of the visible timestamp; 0 where there is none that clients accept.

    What is not signed by the root's timestamp keys is damage, not a version: anybody can write a number.
    """
    try:
        data = ports.metadata.read(TIMESTAMP_FILE, limit=limits.TIMESTAMP_BYTES)
        visible = open_envelope(data, name=TIMESTAMP_FILE, kind="timestamp")
    except (FileMissing, FileTooLarge, InvalidMetadata):
        return 0
    keys = root_roles(current_root(reader))[TIMESTAMP]
    return visible.version if signed_enough(visible, keys) else 0


def refuse_older_state(ports: Ports) -> None:
    """Refuse to act where clients see more than this state knows of.

    Raises:
        StateBehind: this state is an old copy.
    """
    with ports.state.read() as reader:
        visible, known = visible_version(ports, reader), reader.role(TIMESTAMP)
        root = current_root(reader)
    if visible > known.version:
        raise StateBehind("timestamp", visible=visible, known=known.version)
    following = root.version + 1
    try:
        data = ports.metadata.read(versioned(ROOT, following), limit=limits.ROOT_BYTES)
        newer = open_envelope(data, name=versioned(ROOT, following), kind="root")
    except (FileMissing, FileTooLarge, InvalidMetadata):
        return
    if signed_enough(newer, root_roles(root)[ROOT]):
        raise StateBehind("root", visible=following, known=root.version)


def check_visible(ports: Ports) -> None:
    """Compare the visible timestamp with what this state published. Under the publication lock, after recovery.

    Raises:
        StateBehind: clients see something newer: the state is an old copy.
        InvalidMetadata: the visible timestamp is missing, damaged or foreign.
    """
    refuse_older_state(ports)
    with ports.state.read() as reader:
        visible, known = visible_version(ports, reader), reader.role(TIMESTAMP)
        source = reader.publication_of_timestamp(visible)
    expected = source.timestamp if source is not None and visible >= known.visible else None
    if expected is None or ports.metadata.read(TIMESTAMP_FILE, limit=limits.TIMESTAMP_BYTES) != expected:
        raise InvalidMetadata(
            TIMESTAMP_FILE,
            "it is missing, damaged, or not what was published last",
            hint="rstuf verify shows what is wrong; rstuf renew --force timestamp publishes over it",
        )

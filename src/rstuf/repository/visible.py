"""What clients see now, held against what this state published."""

from __future__ import annotations

from typing import Final

from rstuf.errors import FileMissing, FileTooLarge, InvalidMetadata, StateBehind
from rstuf.metadata import limits
from rstuf.metadata.views import open_envelope
from rstuf.model.names import TIMESTAMP
from rstuf.repository.ports import Ports

TIMESTAMP_FILE: Final = "timestamp.json"


def visible_version(ports: Ports) -> int:
    """The version of the visible timestamp; 0 where there is none that can be read."""
    try:
        data = ports.metadata.read(TIMESTAMP_FILE, limit=limits.TIMESTAMP_BYTES)
        return open_envelope(data, name=TIMESTAMP_FILE, kind="timestamp").version
    except (FileMissing, FileTooLarge, InvalidMetadata):
        return 0


def check_visible(ports: Ports) -> None:
    """Compare the visible timestamp with what this state published. Under the publication lock, after recovery.

    Raises:
        StateBehind: clients see something newer: the state is an old copy.
        InvalidMetadata: the visible timestamp is missing, damaged or foreign.
    """
    visible = visible_version(ports)
    with ports.state.read() as reader:
        known, last = reader.role(TIMESTAMP), reader.last_publication()
        source = reader.publication_of_timestamp(visible)
    if visible > known.version:
        raise StateBehind("timestamp", visible=visible, known=known.version)
    if last is None and visible == 0:
        return
    expected = source.timestamp if source is not None and visible >= known.visible else None
    if expected is None or ports.metadata.read(TIMESTAMP_FILE, limit=limits.TIMESTAMP_BYTES) != expected:
        raise InvalidMetadata(
            TIMESTAMP_FILE,
            "it is missing, damaged, or not what was published last",
            hint="rstuf verify shows what is wrong; rstuf renew --force timestamp publishes over it",
        )

"""What lies around metadata that is served: a workspace that is served as it lies gives its keys to whoever asks."""

from __future__ import annotations

from rstuf.errors import StorageError
from rstuf.metadata.audit.findings import Code, Findings, Note
from rstuf.repository.interfaces import ServedSurroundings


def look_outside(surroundings: ServedSurroundings, findings: Findings) -> int:
    """Report what is served and must not be; how many names were asked for."""
    asked = 0
    try:
        for name in surroundings.ask():
            asked += 1
            if name.served:
                message = (
                    f"{name.shown} is there for whoever asks: serve only metadata/ and targets/, and nothing else of "
                    "the workspace"
                )
                findings.problem(Code.SERVED_WORKSPACE, message)
    except StorageError as error:
        findings.note(Note.SERVED_NOT_LISTED, f"what lies around it could not be asked for: {error.message}")
    return asked

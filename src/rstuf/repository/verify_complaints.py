"""How the comparison with the state says what it finds, and goes on where the state cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rstuf.errors import RstufError, shorten
from rstuf.metadata.audit.findings import Code, Findings, Note

_REASON: Final = 100


class Complaints:
    """Findings about the state.

    Two kinds of problems: clients see something else than the state says, or the state contradicts itself, whatever
    clients see.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def disagree(self, message: str, *, role: str | None = None, path: str | None = None) -> None:
        """Clients see something else than the state says."""
        self._findings.problem(Code.STATE_DISAGREES, message, role=role, path=path)

    def damaged(self, message: str, *, role: str | None = None, path: str | None = None) -> None:
        """The state cannot be as it is."""
        self._findings.problem(Code.STATE_DAMAGED, message, role=role, path=path)

    def broken(self, message: str) -> None:
        """The log is not the one that was written."""
        self._findings.problem(Code.LOG_BROKEN, message)

    def note(self, code: Note, message: str, *, role: str | None = None) -> None:
        """Worth knowing, and no problem."""
        self._findings.note(code, message, role=role)

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """A state that cannot be read is a problem, and no end of the audit.

        What it raises depends on the adapter: where reading is hot, a database's own errors come through.
        """
        try:
            yield
        except RstufError as error:
            self.damaged(f"{what} in the state cannot be compared: {error.message}")
        except Exception as error:
            reason = shorten(str(error).partition("\n")[0], limit=_REASON) or type(error).__name__
            self.damaged(f"{what} in the state cannot be read: {reason}")

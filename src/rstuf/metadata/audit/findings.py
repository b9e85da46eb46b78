"""What the audit says: problems, which a client or an owner suffers from, and notes, which they only should know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rstuf.errors import shorten

MAX_PROBLEMS: Final = 200
# So that ten thousand expired bins do not hide the one that is missing.
MAX_OF_A_KIND: Final = 40
MAX_NOTES: Final = 100
# Text of the metadata's goes into messages; nobody may choose their length.
MAX_MESSAGE: Final = 600


class Code(StrEnum):
    """The kinds of problems: stable words, part of the interface."""

    # files
    MISSING_FILE = "missing-file"
    UNREADABLE = "unreadable"
    OVERSIZE = "oversize"
    LENGTH_MISMATCH = "length-mismatch"
    HASH_MISMATCH = "hash-mismatch"
    # what stands in them
    MALFORMED_JSON = "malformed-json"
    MALFORMED = "malformed"
    WRONG_TYPE = "wrong-type"
    VERSION_MISMATCH = "version-mismatch"
    EXPIRED = "expired"
    NOT_CONSISTENT = "not-consistent"
    ROOT_DIFFERS = "root-differs"
    # keys and signatures
    SIGNATURE_MISSING = "signature-missing"
    SIGNATURE_INVALID = "signature-invalid"
    SIGNATURE_DUPLICATE = "signature-duplicate"
    SIGNATURE_FOREIGN = "signature-foreign"
    BAD_THRESHOLD = "bad-threshold"
    KEY_ID = "key-id"
    KEY_MISSING = "key-missing"
    KEY_TWICE = "key-twice"
    KEY_UNUSABLE = "key-unusable"
    # the tree of roles
    MISSING_ROLE = "missing-role"
    EXTRA_ROLE = "extra-role"
    ROLE_NAME = "role-name"
    TOO_COMPLEX = "too-complex"
    # artifacts
    BAD_PATH = "bad-path"
    BAD_TARGET = "bad-target"
    WRONG_BIN = "wrong-bin"
    NOT_DELEGATED = "not-delegated"
    UNREACHABLE = "unreachable"
    SHADOWED = "shadowed"
    CONTENT_MISSING = "content-missing"
    CONTENT_MISMATCH = "content-mismatch"
    # beside the metadata
    STATE_DISAGREES = "state-disagrees"
    STATE_DAMAGED = "state-damaged"
    STATE_BEHIND = "state-behind"
    LOOSE_ROOT_OUT = "loose-root-out"
    STATE_AHEAD = "state-ahead"
    LOG_BROKEN = "log-broken"
    SERVED_PRIVATE = "served-private"
    SERVED_SHARED = "served-shared"
    SERVED_WORKSPACE = "served-workspace"
    CLIENT_REFUSES = "client-refuses"
    CLIENT_DISAGREES = "client-disagrees"


class Note(StrEnum):
    """The kinds of notes: stable words, part of the interface."""

    FOREIGN_KEY_FIELDS = "foreign-key-fields"
    SHARED_KEY = "shared-key"
    FOREIGN_SIGNATURE = "foreign-signature"
    LATE_SIGNATURE = "late-signature"
    ROOT_ABSENT = "root-absent"
    LONG_ROOT_CHAIN = "long-root-chain"
    RETIRED_ROLE = "retired-role"
    LISTED_TWICE = "listed-twice"
    GLOB_CLASS = "glob-class"
    DISPUTED_PATH = "disputed-path"
    DELEGATED_TWICE = "delegated-twice"
    CONTENTS_NOT_CHECKED = "contents-not-checked"
    UNUSED_KEY = "unused-key"
    LEAKED_KEY = "leaked-key"
    OVERTAKEN = "overtaken"
    STRAY_KEY = "stray-key"
    PERIODS_DIFFER = "periods-differ"
    UNFINISHED_PUBLICATION = "unfinished-publication"
    MOVED_ON = "moved-on"
    SERVED_LINK = "served-link"
    SERVED_NOT_LISTED = "served-not-listed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        code: the kind of problem or note.
        message: what is wrong; may quote outside text, which whoever shows it escapes.
        role, path: what it is about, where that can be said.
    """

    code: Code | Note
    message: str
    role: str | None = None
    path: str | None = None


class Findings:
    """Collects what is found, bounded: what goes beyond the bounds is only counted."""

    def __init__(self) -> None:
        self.problems: list[Finding] = []
        self.notes: list[Finding] = []
        self.more_problems = 0
        self.more_notes = 0
        self._kinds: Counter[Code | Note] = Counter()
        self._where = ""

    @contextmanager
    def within(self, where: str) -> Iterator[None]:
        """What is found in this block is found in `where`, and its messages say so."""
        outer, self._where = self._where, f"{self._where}{where}: "
        try:
            yield
        finally:
            self._where = outer

    def problem(self, code: Code, message: str, *, role: str | None = None, path: str | None = None) -> None:
        """Something is wrong."""
        if len(self.problems) >= MAX_PROBLEMS or self._kinds[code] >= MAX_OF_A_KIND:
            self.more_problems += 1
            return
        self._kinds[code] += 1
        self.problems.append(_finding(code, self._where + message, role, path))

    def note(self, code: Note, message: str, *, role: str | None = None, path: str | None = None) -> None:
        """Something is worth knowing."""
        if len(self.notes) >= MAX_NOTES or self._kinds[code] >= MAX_OF_A_KIND:
            self.more_notes += 1
            return
        self._kinds[code] += 1
        self.notes.append(_finding(code, self._where + message, role, path))

    def count(self) -> int:
        """How many problems there are, those beyond the bounds included."""
        return len(self.problems) + self.more_problems


def _finding(code: Code | Note, message: str, role: str | None, path: str | None) -> Finding:
    return Finding(
        code=code,
        message=shorten(message, limit=MAX_MESSAGE),
        role=None if role is None else shorten(role),
        path=None if path is None else shorten(path, limit=MAX_MESSAGE),
    )

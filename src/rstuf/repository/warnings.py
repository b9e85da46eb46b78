"""What some clients cannot do with artifacts that are accepted nevertheless."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator
from typing import Final

from rstuf.model.artifacts import ArtifactRow
from rstuf.model.names import IN_EVERY_OBJECT, MAX_SEGMENT_BYTES, misread_path
from rstuf.repository.reports import Problem

# What a URL holds as it is (RFC 3986 §2.3); every other byte takes three.
_UNRESERVED: Final = (string.ascii_letters + string.digits + "-._~").encode()
# Shorter paths stay within bounds whatever is in them.
_SHORT_ASCII: Final = MAX_SEGMENT_BYTES // 3
_SHORT: Final = MAX_SEGMENT_BYTES // 12
_MOST: Final = 20


class Warnings:
    """Collects them while artifacts come in.

    Attributes:
        told: the first of them.
        more: how many more there are.
    """

    def __init__(self) -> None:
        self.told: list[Problem] = []
        self.more = 0

    def over(self, rows: Iterable[ArtifactRow]) -> Iterator[ArtifactRow]:
        """`rows` as they come, looked at."""
        for row in rows:
            path = row[1]
            # Nearly all paths end here: a call for each would be felt in a large import.
            if (
                len(path) > _SHORT_ASCII
                or (len(path) > _SHORT and not path.isascii())
                or path[-1] == " "
                or path in IN_EVERY_OBJECT
            ):
                self.look(path)
            yield row

    def look(self, path: str) -> None:
        """See whether clients can find the artifact at `path`, and save it.

        Stock clients save under the URL-quoted path unless the application names a file, and file systems end at 255.
        """
        why = misread_path(path)
        if why is not None:
            self._tell(path, code="misread-path", message=f"tuf-js does not find it: {why}")
        if len(path) <= (_SHORT_ASCII if path.isascii() else _SHORT):
            return
        data = path.encode()
        quoted = len(data) + 2 * len(data.translate(None, _UNRESERVED))
        if quoted <= MAX_SEGMENT_BYTES:
            return
        self._tell(
            path,
            code="long-file-name",
            message=f"as a file name, URL-quoted, it has {quoted} bytes, and {MAX_SEGMENT_BYTES} are the most; "
            "clients that save it under that name fail (python-tuf does, unless it is told another)",
        )

    def _tell(self, path: str, *, code: str, message: str) -> None:
        if len(self.told) == _MOST:
            self.more += 1
        else:
            self.told.append(Problem(code=code, message=message, path=path))

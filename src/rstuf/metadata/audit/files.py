"""Where the audit reads from: errors become findings, so that one damaged file never ends the walk."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from rstuf.errors import FileMissing, FileTooLarge, InvalidInput, StorageError
from rstuf.metadata.audit.findings import Code, Findings

# More errors than this in a row are not damage, but a storage or a network that is gone.
MAX_ERRORS_IN_A_ROW: Final = 16
_T = TypeVar("_T")


class MetadataFiles(Protocol):
    """What the audit needs of a storage."""

    def read(self, name: str, *, limit: int) -> bytes:
        """A file's bytes.

        Raises:
            FileMissing: no such name.
            FileTooLarge: more than `limit` bytes.
            StorageError: it cannot be read.
        """


@dataclass(frozen=True, slots=True)
class Request(Generic[_T]):
    """A file that is wanted: its name, the most bytes to read, the role it is of, and what the asker keeps by it."""

    name: str
    limit: int
    role: str
    tag: _T


class Shelf:
    """Reads metadata files and reports those that cannot be read."""

    def __init__(self, files: MetadataFiles, findings: Findings, *, readers: int = 1) -> None:
        self._files = files
        self._findings = findings
        self._readers = readers
        self._errors = 0
        self._any = False

    def silent(self) -> Shelf:
        """The same files, for reading them again: what cannot be read was said before."""
        return Shelf(self._files, Findings(), readers=self._readers)

    def required(self, name: str, *, role: str, limit: int) -> bytes | None:
        """A file that must be there; None, with a problem, if it can't be had."""
        return self._settle(self._attempt(name, limit), name, role)

    def optional(self, name: str, *, role: str, limit: int) -> tuple[bytes | None, bool]:
        """A file that need not be there, and whether it is: one that is there and cannot be read is a problem."""
        answer = self._attempt(name, limit)
        if isinstance(answer, FileMissing):
            self._errors, self._any = 0, True
            return None, False
        return self._settle(answer, name, role), True

    def many(self, requests: Iterable[Request[_T]]) -> Iterator[tuple[Request[_T], bytes | None]]:
        """Files that must be there, in the order in which they are asked for; some are read ahead."""
        if self._readers == 1:
            for request in requests:
                yield request, self.required(request.name, role=request.role, limit=request.limit)
            return
        with ThreadPoolExecutor(self._readers, thread_name_prefix="rstuf-read") as pool:
            waiting: deque[tuple[Request[_T], Future[bytes | StorageError]]] = deque()
            try:
                for request in requests:
                    waiting.append((request, pool.submit(self._attempt, request.name, request.limit)))
                    if len(waiting) > self._readers:
                        yield self._next(waiting)
                while waiting:
                    yield self._next(waiting)
            finally:
                pool.shutdown(cancel_futures=True)

    def _next(
        self, waiting: deque[tuple[Request[_T], Future[bytes | StorageError]]]
    ) -> tuple[Request[_T], bytes | None]:
        request, answer = waiting.popleft()
        return request, self._settle(answer.result(), request.name, request.role)

    def _attempt(self, name: str, limit: int) -> bytes | StorageError:
        try:
            return self._files.read(name, limit=limit)
        except StorageError as error:
            return error
        except InvalidInput as error:  # a storage that is choosier with names than we are
            return FileMissing(name).with_traceback(error.__traceback__)

    def _settle(self, answer: bytes | StorageError, name: str, role: str) -> bytes | None:
        if isinstance(answer, bytes):
            self._errors, self._any = 0, True
            return answer
        if isinstance(answer, FileMissing):
            self._errors, self._any = 0, True
            self._findings.problem(Code.MISSING_FILE, f"{name} does not exist", role=role)
        elif isinstance(answer, FileTooLarge):
            self._findings.problem(Code.OVERSIZE, f"{name} is longer than any client reads", role=role)
        else:
            self._errors += 1
            if not self._any or self._errors >= MAX_ERRORS_IN_A_ROW:
                raise answer
            self._findings.problem(Code.UNREADABLE, answer.message, role=role)
        return None

"""A client of several repositories by a map (TAP 4): an artifact is taken when enough of them say the same of it.

Each repository is verified from its own pinned root, as if there were no other. The map says where it is looked for,
and how many must agree; nothing of what is trusted comes from the map.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, TypeVar

from rstuf.client.consensus import Answer, Finding, Round, agreement, search, voices
from rstuf.client.destination import Destination
from rstuf.client.download import Download, DownloadState, Existing
from rstuf.client.mirrored import LeftOut, Mirrored, OnLeftOut, tell, worst_of
from rstuf.client.offers import Offer
from rstuf.client.reader import Client, Survey
from rstuf.client.records import Memory
from rstuf.client.store import TrustStore
from rstuf.errors import (
    ArtifactNotFound,
    ContentRefused,
    InvalidMetadata,
    Locked,
    NotAgreed,
    RstufError,
    Said,
    StorageError,
    TooFewReached,
    TrustDamaged,
    TrustNotFound,
    VerificationFailed,
)
from rstuf.model.maps import RepositoryMap, trusted_as
from rstuf.model.names import TargetPath

T = TypeVar("T")
# What is wrong with one repository, and no reason to hear none of the others.
_ITS_OWN = (StorageError, VerificationFailed, InvalidMetadata, Locked, TrustNotFound)
_Search = Generator[str, Answer, Finding]


@dataclass(frozen=True, slots=True)
class MappedDownload:
    """A file that is what several repositories agree on.

    Attributes:
        source: whose content it is; None where it was here already.
    """

    finding: Finding
    download: Download
    source: str | None


class MappedClient:
    """See the module. Use it as a context manager."""

    def __init__(self, store: TrustStore, chart: RepositoryMap, *, left_out: OnLeftOut) -> None:
        """Nothing is asked of anybody yet."""
        self._store, self._chart, self._left_out = store, chart, left_out
        self._open = ExitStack()
        self._repositories: dict[str, Mirrored] = {}
        self._silent: dict[str, RstufError] = {}
        self.seen: dict[str, Memory] = {}
        """What was seen of each repository that was heard."""

    def __enter__(self) -> MappedClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def look_up(self, paths: Sequence[TargetPath]) -> Sequence[Finding]:
        """Find what enough repositories say the same of, for each path. See `consensus` for the rules.

        Raises:
            ArtifactNotFound: nobody who was asked signs a path, or no mapping is for it.
            NotAgreed: too few say the same of one.
            TooFewReached: too few can be reached; the others say the same.
            UnsafeDirectory: others can change what is trusted.
        """
        found: dict[TargetPath, Finding] = {}
        going: dict[TargetPath, _Search] = {path: search(self._chart.entries, path) for path in paths}
        wanted = {path: name for path in paths if (name := _next(going[path], found, path)) is not None}
        while wanted:
            # Who is asked is asked for all at once that wants it now, and for nothing that others are to be asked for.
            name = next(iter(wanted.values()))
            asking = [path for path, each in wanted.items() if each == name]
            for path, answer in self._ask(name, asking).items():
                following = _next(going[path], found, path, answer)
                if following is None:
                    del wanted[path]
                else:
                    wanted[path] = following
        for path in paths:
            if not found[path].agreed:
                raise _refusal(found[path])
        return [found[path] for path in paths]

    def save(self, finding: Finding, destination: Destination, *, existing: Existing = Existing.KEEP) -> MappedDownload:
        """Download a content from whoever of those who agree has it; see `Client.save`.

        Raises:
            ContentRefused, DestinationTaken, StorageError, Locked: as `Client.save` does, where none of them has it.
        """
        own = {str(destination.file), str(destination.part)}
        source, download = self._from_any(
            finding, lambda client, offer: client.save(offer, destination, existing=existing), own=own
        )
        return MappedDownload(finding, download, source if download.state is DownloadState.DOWNLOADED else None)

    @contextmanager
    def spool(self, finding: Finding) -> Iterator[BinaryIO]:
        """A content in a temporary file without a name, verified, open at its start.

        Raises:
            ContentRefused, StorageError: as `Client.spool` does, where none of those who agree has it.
        """
        with ExitStack() as stack:
            yield self._from_any(finding, lambda client, offer: stack.enter_context(client.spool(offer)))[1]

    def _from_any(
        self, finding: Finding, fetch: Callable[[Client, Offer], T], *, own: Collection[str] = ()
    ) -> tuple[str, T]:
        """Fetch a content from the first of those who agree that has it, and who that is.

        Args:
            own: names of files of this machine: what is wrong with them is nobody's fault.
        """
        errors: list[LeftOut] = []
        for name, offer in finding.offers.items():
            repository = self._repositories[name]
            for url, client in repository.clients():
                try:
                    fetched = fetch(client, offer)
                except ContentRefused as error:
                    errors.append(repository.left_out(url, error))
                except StorageError as error:
                    if error.action != "read" or error.name in own:
                        raise
                    errors.append(repository.left_out(url, error))
                else:
                    tell(errors, self._left_out)
                    return name, fetched
        raise worst_of(errors, ContentRefused, self._left_out)

    # --- asking

    def _ask(self, name: str, paths: Sequence[TargetPath]) -> dict[TargetPath, Answer]:
        """What a repository says of these paths. One that says nothing is not asked again."""
        if name not in self._silent:
            try:
                survey = self._repository(name).survey(paths)
            except _ITS_OWN as error:
                self._silent[name] = error
            else:
                self.seen[name] = survey.memory
                return {path: _answer(name, survey, path) for path in paths}
        return {path: Answer(name, problem=self._silent[name]) for path in paths}

    def _repository(self, name: str) -> Mirrored:
        found = self._repositories.get(name)
        if found is None:
            urls = self._chart.repositories[name]
            found = self._repositories[name] = Mirrored(self._store, name, urls, self._open, left_out=self._left_out)
        return found


def _next(
    going: _Search, found: dict[TargetPath, Finding], path: TargetPath, answer: Answer | None = None
) -> str | None:
    """Who is to be asked next for a path; None where its search has ended, whose finding joins `found`."""
    try:
        return next(going) if answer is None else going.send(answer)
    except StopIteration as stop:
        found[path] = stop.value
    return None


def _answer(name: str, survey: Survey, path: TargetPath) -> Answer:
    said = survey.found[path]
    if isinstance(said, RstufError):
        return Answer(name, problem=said, roots=survey.roots)
    return Answer(name, said, roots=survey.roots)


def _refusal(finding: Finding) -> RstufError:
    """Why a search was in vain."""
    needed = [each.needed for each in finding.rounds]
    said = [each for found in finding.rounds for each in found.said]
    if not any(each.problem is not None or each.length is not None for each in said):
        names = ", ".join(dict.fromkeys(each.repository for each in said))
        hint = f"asked were {names}" if said else "the map has no mapping for it: rstuf map show FILE"
        return ArtifactNotFound(finding.path, hint=f"{hint}; look at its spelling")
    if all(map(_is_calm, finding.rounds)) and any(map(_is_open, finding.rounds)):
        return TooFewReached(finding.path, needed=needed, said=said)
    return NotAgreed(finding.path, needed=needed, said=said, hint=_hint(finding, said))


def _hint(finding: Finding, said: Sequence[Said]) -> str:
    unpinned = next((each.repository for each in said if isinstance(each.problem, TrustNotFound)), None)
    if unpinned is not None:
        return f"pin the root of {unpinned} first: rstuf trust add {trusted_as(unpinned)} URL --root FILE"
    if any(not _is_one(found) for found in finding.rounds):
        return "take it from nowhere else either; ask their publishers which of them is right"
    if any(each.problem is not None for each in said):
        return "tell the publishers of those that cannot be relied on, and run the same command again later"
    return "it may not have reached all of them yet: try again later, and ask their publishers if it stays so"


def _is_one(found: Round) -> bool:
    """Whether all who say something say the same."""
    heard = voices(found.answers)
    return len(agreement(heard, len(heard))) == len(heard)


def _is_calm(found: Round) -> bool:
    """Whether nobody says otherwise than others, or what cannot be believed."""
    problems = [answer.problem for answer in found.answers if answer.problem is not None]
    silent = all(isinstance(each, StorageError | Locked) and not isinstance(each, TrustDamaged) for each in problems)
    return silent and _is_one(found)


def _is_open(found: Round) -> bool:
    """Whether those who did not answer could make up the number."""
    silent = sum(answer.problem is not None for answer in found.answers)
    return silent > 0 and len(voices(found.answers)) + silent >= found.entry.threshold

"""One repository behind several URLs, of which one is as good as the other (TAP 4): mirrors, tried in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from rstuf.client.offers import Offer
from rstuf.client.reader import Client, Survey
from rstuf.client.store import TrustStore
from rstuf.errors import FileMissing, RstufError, StorageError, TrustDamaged, VerificationFailed
from rstuf.model.maps import trusted_as
from rstuf.model.names import TargetPath
from rstuf.storage.locations import metadata_below, place_of, shown_place


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A mirror of a repository that could not be used, though another one was; and why.

    Attributes:
        url: as it may be shown.
        alone: whether the repository has no other.
    """

    repository: str
    url: str
    alone: bool
    error: RstufError

    def __str__(self) -> str:
        return self.repository if self.alone else f"{self.repository} at {self.url}"


OnLeftOut = Callable[[LeftOut], None]
"""Told of those that were left out."""


class Mirrored:
    """A repository, whichever of its mirrors has what is wanted; all is verified from the one root that is pinned."""

    def __init__(
        self, store: TrustStore, name: str, urls: Sequence[str], opened: ExitStack, *, left_out: OnLeftOut
    ) -> None:
        """Nothing is asked of anybody yet.

        Args:
            name: as the map has it.
            opened: takes what is to be closed at the end.
        """
        self._store, self._name, self._told = store, name, left_out
        self._opened = opened
        self._urls = list(dict.fromkeys(urls))
        # Those whose metadata is asked for no more.
        self._wrong: set[str] = set()
        self._clients: dict[str, Client] = {}

    def survey(self, paths: Sequence[TargetPath]) -> Survey:
        """What it says of these paths; see `Client.survey`. What one mirror cannot say of some the next one may.

        Raises:
            TrustNotFound, TrustDamaged, UnsafeDirectory: there is no root to verify it from.
            RepositoryRefused, Locked, StorageError: none of its mirrors can be relied on, or reached.
        """
        surveys: list[Survey] = []
        found: dict[TargetPath, Offer | RstufError | None] = {}
        errors: list[LeftOut] = []
        left = list(paths)
        for url in [each for each in self._urls if each not in self._wrong]:
            try:
                survey = self._survey_at(url, left)
            except TrustDamaged:
                raise
            except (StorageError, VerificationFailed) as error:
                errors.append(self.left_out(url, error))
                self._wrong.add(url)
                continue
            surveys.append(survey)
            found |= {path: survey.found[path] for path in left}
            left = [path for path in left if isinstance(found[path], RstufError)]
            if not left:
                break
        if not surveys:
            # Who answers wrongly tells more than who does not answer.
            raise worst_of(errors, VerificationFailed, self._told)
        tell(errors, self._told)
        return Survey(surveys[-1].memory, frozenset[str]().union(*(each.roots for each in surveys)), found)

    def clients(self) -> Iterator[tuple[str, Client]]:
        """Clients of its mirrors, for contents, by their URLs; those that were found wrong come last."""
        for url in sorted(self._urls, key=self._wrong.__contains__):
            yield url, self._client(url, place_of(url))

    def left_out(self, url: str, error: RstufError) -> LeftOut:
        """A mirror that could not be used."""
        return LeftOut(self._name, shown_place(url), len(self._urls) == 1, error)

    def _survey_at(self, url: str, paths: Sequence[TargetPath]) -> Survey:
        """Metadata lies at a URL, or at `metadata/` below it: clients of maps do not agree on that."""
        try:
            return self._client(url, place_of(url)).survey(paths)
        except FileMissing:
            del self._clients[url]
            below = metadata_below(url)
            if below is not None:
                with suppress(FileMissing):
                    return self._client(url, below).survey(paths)
            raise

    def _client(self, url: str, place: str) -> Client:
        if url not in self._clients:
            opening = self._store.client(trusted_as(self._name), url=place)
            self._clients[url] = self._opened.enter_context(opening)
        return self._clients[url]


def worst_of(left_out: Sequence[LeftOut], kind: type[RstufError], told: OnLeftOut) -> RstufError:
    """The error of the first that was left out for one of a kind, else of the first of all; the others are told."""
    worst = next((each for each in left_out if isinstance(each.error, kind)), left_out[0])
    tell([each for each in left_out if each is not worst], told)
    return worst.error


def tell(left_out: Sequence[LeftOut], told: OnLeftOut) -> None:
    """Tell of all of them."""
    for each in left_out:
        told(each)

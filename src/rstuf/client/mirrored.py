"""One repository behind several URLs, of which one is as good as the other (TAP 4): mirrors, tried in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress

from rstuf.client.offers import Offer
from rstuf.client.reader import Client, Survey
from rstuf.client.store import TrustStore
from rstuf.errors import FileMissing, RstufError, StorageError, TrustDamaged, VerificationFailed
from rstuf.model.maps import trusted_as
from rstuf.model.names import TargetPath
from rstuf.storage.locations import metadata_below, place_of, shown_place

LeftOut = Callable[[str, RstufError], None]
"""Told of a repository, or one of its URLs, that could not be used, and why."""


class Mirrored:
    """A repository, whichever of its mirrors has what is wanted; all is verified from the one root that is pinned."""

    def __init__(
        self, store: TrustStore, name: str, urls: Sequence[str], opened: ExitStack, *, left_out: LeftOut
    ) -> None:
        """Nothing is asked of anybody yet.

        Args:
            name: as the map has it.
            opened: takes what is to be closed at the end.
        """
        self._store, self._name, self._left_out = store, name, left_out
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
        errors: dict[str, RstufError] = {}
        left = list(paths)
        for url in [each for each in self._urls if each not in self._wrong]:
            try:
                survey = self._survey_at(url, left)
            except TrustDamaged:
                raise
            except (StorageError, VerificationFailed) as error:
                errors[self._shown(url)] = error
                self._wrong.add(url)
                continue
            surveys.append(survey)
            found |= {path: survey.found[path] for path in left}
            left = [path for path in left if isinstance(found[path], RstufError)]
            if not left:
                break
        if not surveys:
            # Who answers wrongly tells more than who does not answer.
            raise worst_of(errors, VerificationFailed, self._left_out)
        tell(errors, self._left_out)
        return Survey(surveys[-1].memory, frozenset[str]().union(*(each.roots for each in surveys)), found)

    def clients(self) -> Iterator[tuple[str, Client]]:
        """Clients of its mirrors, for contents, and what each is called; those that were found wrong come last."""
        for url in sorted(self._urls, key=self._wrong.__contains__):
            yield self._shown(url), self._client(url, place_of(url))

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

    def _shown(self, url: str) -> str:
        return f"{self._name} at {shown_place(url)}" if len(self._urls) > 1 else self._name


def worst_of(errors: Mapping[str, RstufError], kind: type[RstufError], left_out: LeftOut) -> RstufError:
    """The first of these errors that is of a kind, else the first of all; the others are told."""
    worst = next((name for name, each in errors.items() if isinstance(each, kind)), next(iter(errors)))
    tell({name: each for name, each in errors.items() if name != worst}, left_out)
    return errors[worst]


def tell(errors: Mapping[str, RstufError], left_out: LeftOut) -> None:
    """Tell of all of them."""
    for name, error in errors.items():
        left_out(name, error)

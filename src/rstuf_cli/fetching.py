"""Where downloads come from: one repository, or several that agree (TAP 4); and what is told of both alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import rstuf
from rstuf.errors import Said
from rstuf_cli.console import escape, escape_message
from rstuf_cli.maps import read_map_file, said_document, said_in_words
from rstuf_cli.run import Run
from rstuf_cli.wording import listed


class Source(Protocol):
    """Where downloads come from."""

    def look_up(self, paths: Sequence[rstuf.TargetPath]) -> Sequence[rstuf.Offer]:
        """What is to be taken for each path."""

    def save(self, offer: rstuf.Offer, place: rstuf.Destination, *, existing: rstuf.Existing) -> rstuf.Download:
        """Download it to a file."""

    def spool(self, offer: rstuf.Offer) -> AbstractContextManager[BinaryIO]:
        """Download it to a file without a name."""

    def proof(self, done: rstuf.Download) -> str:
        """By what a download was verified."""

    def document(self, downloads: Sequence[rstuf.Download]) -> dict[str, Any]:
        """All of it as data."""


def download_document(done: rstuf.Download) -> dict[str, Any]:
    """A download as data."""
    return {
        "path": done.offer.path,
        "file": str(done.file),
        "length": done.offer.length,
        "hashes": dict(done.offer.hashes),
        "state": str(done.state),
        "resumed_from": done.resumed_from,
    }


class OneSource:
    """One trusted repository."""

    def __init__(self, client: rstuf.Client) -> None:
        self._client = client
        self._timestamp = 0

    def look_up(self, paths: Sequence[rstuf.TargetPath]) -> Sequence[rstuf.Offer]:
        look = self._client.look_up(paths)
        self._timestamp = look.memory.roles["timestamp"].version
        return look.offers

    def save(self, offer: rstuf.Offer, place: rstuf.Destination, *, existing: rstuf.Existing) -> rstuf.Download:
        return self._client.save(offer, place, existing=existing)

    def spool(self, offer: rstuf.Offer) -> AbstractContextManager[BinaryIO]:
        return self._client.spool(offer)

    def proof(self, done: rstuf.Download) -> str:
        return "signatures and hash verified"

    def document(self, downloads: Sequence[rstuf.Download]) -> dict[str, Any]:
        return {
            "from": self._client.trusted.name,
            "timestamp_version": self._timestamp,
            "downloads": [download_document(each) for each in downloads],
        }


class AgreeingSources:
    """The repositories of a map, as far as they agree."""

    def __init__(self, run: Run, client: rstuf.MappedClient, left_out: Sequence[rstuf.LeftOut], *, shown: str) -> None:
        """
        Args:
            left_out: what `client` tells of those that could not be used.
            shown: the map's file.
        """
        self._run, self._client, self._left_out, self._shown = run, client, left_out, shown
        self._findings: dict[str, rstuf.Finding] = {}
        self._from: dict[str, str | None] = {}

    def look_up(self, paths: Sequence[rstuf.TargetPath]) -> Sequence[rstuf.Offer]:
        findings = self._client.look_up(paths)
        self._findings = {finding.path: finding for finding in findings}
        return [finding.offer for finding in findings]

    def save(self, offer: rstuf.Offer, place: rstuf.Destination, *, existing: rstuf.Existing) -> rstuf.Download:
        done = self._client.save(self._findings[offer.path], place, existing=existing)
        self._from[offer.path] = done.source
        return done.download

    def spool(self, offer: rstuf.Offer) -> AbstractContextManager[BinaryIO]:
        return self._client.spool(self._findings[offer.path])

    def tell(self) -> None:
        """Who was left out and why, and who says otherwise than what was taken."""
        console = self._run.console
        if console.is_json:
            return
        told = dict.fromkeys(f"{each} was left out: {each.error.message}" for each in self._left_out)
        for finding in self._findings.values():
            agreed = listed([answer.repository for answer in finding.agreed])
            for said in finding.said_besides:
                told.setdefault(_besides(said, finding.path, agreed))
        for line in told:
            console.warning(escape_message(line))

    def proof(self, done: rstuf.Download) -> str:
        names = [escape(answer.repository) for answer in self._findings[done.offer.path].agreed]
        by = f", by {names[0]}" if len(names) == 1 else f"; {listed(names)} agree"
        return f"signatures and hash verified{by}"

    def document(self, downloads: Sequence[rstuf.Download]) -> dict[str, Any]:
        return {
            "map": self._shown,
            "repositories": [
                {"name": name, "timestamp_version": memory.roles["timestamp"].version}
                for name, memory in self._client.seen.items()
            ],
            "left_out": [
                {
                    "repository": each.repository,
                    "url": each.url,
                    "code": each.error.code,
                    "message": each.error.message,
                }
                for each in self._left_out
            ],
            "downloads": [self._document(each) for each in downloads],
        }

    def _document(self, done: rstuf.Download) -> dict[str, Any]:
        finding = self._findings[done.offer.path]
        return {
            **download_document(done),
            "from": self._from[done.offer.path],
            "mapping": finding.rounds[-1].number,
            "agreed": [answer.repository for answer in finding.agreed],
            "said": said_document(said for found in finding.rounds for said in found.said),
        }


def _besides(said: Said, path: str, agreed: str) -> str:
    """What is told of a repository that is not among those who agree."""
    if said.problem is not None:
        return f"{said.repository} was left out: {said.problem.message}"
    if said.twin is not None:
        return f"{said.repository} is the repository {said.twin} under another name, and counts once"
    return f"{said.repository} signs another content of {path}: {said_in_words(said)}; taken is that of {agreed}"


@contextmanager
def one_source(store: rstuf.TrustStore, name: str) -> Iterator[OneSource]:
    """A trusted repository, by its name."""
    with store.client(rstuf.trust_name(name)) as client:
        yield OneSource(client)


@contextmanager
def agreeing_sources(run: Run, store: rstuf.TrustStore, file: Path) -> Iterator[AgreeingSources]:
    """The repositories of a map file. Whoever is left out is told of at the end, whatever comes of it."""
    chart, left_out = read_map_file(file), list[rstuf.LeftOut]()
    with rstuf.MappedClient(store, chart, left_out=left_out.append) as client:
        source = AgreeingSources(run, client, left_out, shown=str(file))
        try:
            yield source
        finally:
            run.progress.close()
            source.tell()

"""A stock client over served directories: python-tuf's own, reading files as a web server would."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import orjson

from rstuf.errors import StorageError
from rstuf.model.names import TOP_LEVEL

if TYPE_CHECKING:
    from tuf.ngclient.fetcher import FetcherInterface
    from tuf.ngclient.updater import Updater

_METADATA = "https://repository.invalid/"
_ARTIFACTS = "https://repository.invalid/targets/"


@dataclass(frozen=True, slots=True)
class ClientVerdict:
    """What a client made of one artifact: accepted with so many bytes, or refused for a reason."""

    path: str
    accepted: bool
    length: int
    reason: str


@dataclass(frozen=True, slots=True)
class ClientView:
    """What a client made of a repository: accepted, with the versions it trusts then, or refused for a reason.

    Attributes:
        versions: of the top-level roles, and of those delegated ones that it was to look into; empty where it refused.
    """

    accepted: bool
    reason: str
    versions: Mapping[str, int]


def look(metadata: Path, *, trusted_root: bytes, below: Mapping[str, str] | None = None) -> ClientView:
    """Let a client that knows nothing but `trusted_root` follow all top-level roles, and targets down to a bin.

    Args:
        below: paths that it is to ask for, too, by the delegated role that is for each.

    Raises:
        StorageError: there is no room for its temporary files.
    """
    from tuf.api.exceptions import DownloadError, RepositoryError
    from tuf.ngclient.updater import Updater

    try:
        with tempfile.TemporaryDirectory(prefix="rstuf-client-") as scratch:
            fetcher = _fetcher(metadata, metadata)
            updater = Updater(scratch, _METADATA, fetcher=fetcher, bootstrap=trusted_root)
            try:
                updater.refresh()
                # Whoever asks for a path learns which bin is responsible, and loads it.
                for path in ("any/path", *(below or {}).values()):
                    updater.get_targetinfo(path)
            except (RepositoryError, DownloadError) as error:
                return ClientView(accepted=False, reason=str(error), versions={})
            kept = {str(name): Path(scratch) / f"{name}.json" for name in (*TOP_LEVEL, *(below or ()))}
            # Where another delegation is for its paths first, a role may never be asked.
            versions = {name: _version(file) for name, file in kept.items() if name in TOP_LEVEL or file.exists()}
    except OSError as error:
        raise StorageError("write", "temporary files", (error.strerror or str(error)).lower()) from error
    return ClientView(accepted=True, reason="", versions=versions)


def _version(kept: Path) -> int:
    """The version of a role that the client has verified and kept."""
    return int(orjson.loads(kept.read_bytes())["signed"]["version"])


def download_all(
    metadata: Path, artifacts: Path, *, trusted_root: bytes, paths: Sequence[str]
) -> Sequence[ClientVerdict]:
    """Let a client that knows nothing but `trusted_root` download `paths`; one verdict each.

    Raises:
        StorageError: there is no room for its temporary files.
    """
    from tuf.api.exceptions import DownloadError, RepositoryError
    from tuf.ngclient.updater import Updater

    verdicts = []
    try:
        with tempfile.TemporaryDirectory(prefix="rstuf-client-") as scratch:
            updater = Updater(
                scratch,
                _METADATA,
                target_dir=scratch,
                target_base_url=_ARTIFACTS,
                fetcher=_fetcher(metadata, artifacts),
                bootstrap=trusted_root,
            )
            for path in paths:
                try:
                    verdicts.append(_download(updater, path, Path(scratch) / "content"))
                except (RepositoryError, DownloadError) as error:
                    verdicts.append(ClientVerdict(path, accepted=False, length=0, reason=str(error)))
    except OSError as error:
        raise StorageError("write", "temporary files", (error.strerror or str(error)).lower()) from error
    return verdicts


def _fetcher(metadata: Path, artifacts: Path) -> FetcherInterface:
    """Reads files where a web server would have them."""
    from tuf.api.exceptions import DownloadHTTPError
    from tuf.ngclient.fetcher import FetcherInterface

    class Directories(FetcherInterface):
        def _fetch(self, url: str) -> Iterator[bytes]:
            if url.startswith(_ARTIFACTS):
                place = artifacts / unquote(url.removeprefix(_ARTIFACTS))
            else:
                place = metadata / unquote(url.removeprefix(_METADATA))
            try:
                return iter((place.read_bytes(),))
            except FileNotFoundError as error:
                raise DownloadHTTPError(f"404 for {url.removeprefix(_METADATA)}", 404) from error

    return Directories()


def _download(updater: Updater, path: str, place: Path) -> ClientVerdict:
    found = updater.get_targetinfo(path)
    if found is None:
        return ClientVerdict(path, accepted=False, length=0, reason="no role that the client trusts lists it")
    updater.download_target(found, str(place))
    return ClientVerdict(path, accepted=True, length=place.stat().st_size, reason="")

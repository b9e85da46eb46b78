"""The contents of artifacts whose role was signed elsewhere: taken in where this repository keeps contents.

A client that is told of an artifact asks for its content at once. So it is here, with the length and the hashes that
were signed, before the role comes out; or somebody says that it is served from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from rstuf.errors import DeliveryRefused, shorten
from rstuf.model.artifacts import ArtifactRow
from rstuf.model.names import TargetPath
from rstuf.progress import step
from rstuf.repository.artifacts import keep
from rstuf.repository.brought_roles import Delivery, some_paths
from rstuf.repository.interfaces import ArtifactBatch, ArtifactStorage
from rstuf.repository.ports import Ports
from rstuf.repository.reading import Source

_CONTENTS: Final = "contents"


def bring_contents(ports: Ports, delivery: Delivery, sources: Iterable[Source] | None, *, elsewhere: bool) -> int:
    """Take in the contents that are not here yet; how many.

    Args:
        sources: files among which they are.
        elsewhere: whether those that are in neither place are served from somewhere else.

    Raises:
        DeliveryRefused: one is missing, or is not what was signed; nothing was kept.
        StorageError: one cannot be read, or not be kept.
    """
    file = delivery.brought.file
    if ports.artifacts is None:
        if sources is not None:
            reason = "this repository copies no contents: they are served from elsewhere"
            raise DeliveryRefused(file, _CONTENTS, reason, hint="leave --contents out")
        return 0
    lacking = _lacking(ports.artifacts, delivery)
    given = [] if sources is None else [source for source in sources if source.path in lacking]
    missing = sorted(lacking.keys() - {source.path for source in given})
    if missing and not elsewhere:
        raise DeliveryRefused(
            file,
            _CONTENTS,
            f"the contents of {some_paths(missing)} are not here",
            hint="--contents DIR names the directory that has them, by their paths; --no-contents says that they are "
            "served from elsewhere",
        )
    ports.artifacts.prepare()
    alike: dict[tuple[str, ...], list[Source]] = {}
    for source in given:
        alike.setdefault(tuple(sorted(lacking[source.path]["hashes"])), []).append(source)
    for algorithms, some in alike.items():
        with ports.artifacts.batch(algorithms) as batch:
            _receive(ports, batch, some, lacking, file=file)
            keep(ports, batch)
    return len(given)


def _lacking(storage: ArtifactStorage, delivery: Delivery) -> dict[TargetPath, Mapping[str, Any]]:
    """What is signed of each artifact that clients come to see anew and whose content is not here."""
    new = {*delivery.added, *delivery.replaced}
    found = {row.path: _entry(row) for row in delivery.brought.rows if row.path in new}
    return {path: entry for path, entry in found.items() if not storage.exists(path, entry["hashes"])}


def _entry(row: ArtifactRow) -> Mapping[str, Any]:
    entry: Mapping[str, Any] = orjson.loads(row.fragment)
    return entry


def _receive(
    ports: Ports,
    batch: ArtifactBatch,
    sources: Sequence[Source],
    lacking: Mapping[TargetPath, Mapping[str, Any]],
    *,
    file: str,
) -> None:
    """Read contents that are hashed alike, each of which must be what was signed."""
    total = sum(source.size for source in sources)
    with step(ports.progress, "hashing", total=total, unit="bytes"):
        for source in sources:
            with source.open() as stream:
                content = batch.receive(source.path, stream, ports.progress.advance)
            wanted = lacking[source.path]
            found = {"length": content.length, **content.hashes}
            for what, signed in {"length": wanted["length"], **wanted["hashes"]}.items():
                if found[what] != signed:
                    differs = f"its {what} is {found[what]}, and {signed} is signed"
                    reason = f"the content of {shorten(source.path)} is not what was signed: {differs}"
                    hint = "bring the file that was signed, or have the one signed that is meant"
                    raise DeliveryRefused(file, _CONTENTS, reason, hint=hint)

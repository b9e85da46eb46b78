"""The contents of artifacts whose role was signed elsewhere: taken in where this repository keeps contents.

A client that is told of an artifact asks for its content at once. So it is here, with the length and the hashes that
were signed, before the role comes out; or somebody says that it is served from elsewhere.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
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
_CHUNK: Final = 1 << 18


def bring_contents(ports: Ports, delivery: Delivery, sources: Iterable[Source] | None, *, elsewhere: bool) -> int:
    """Take in the contents that are not here yet; how many.

    Those that clients are told of already are taken in, too, where `sources` have them: they were said to be elsewhere.

    Args:
        sources: files among which they are.
        elsewhere: whether those that are in neither place are served from somewhere else.

    Raises:
        DeliveryRefused: one is missing, or is not what was signed, whether it is brought or here; nothing was kept.
        StorageError: one cannot be read, or not be kept.
    """
    file = delivery.brought.file
    if ports.artifacts is None:
        if sources is not None:
            reason = "this repository copies no contents: they are served from elsewhere"
            raise DeliveryRefused(file, _CONTENTS, reason, hint="leave --contents out")
        return 0
    new = {*delivery.added, *delivery.replaced}
    lacking, wrong = _lacking(ports.artifacts, delivery, new, all_of_it=sources is not None)
    given = [] if sources is None else [source for source in sources if source.path in lacking]
    brought = {source.path for source in given}
    for path, differs in wrong.items():
        if path not in brought:
            raise _is_another(file, path, differs)
    missing = sorted((new & lacking.keys()) - brought)
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


def _lacking(
    storage: ArtifactStorage, delivery: Delivery, new: Collection[TargetPath], *, all_of_it: bool
) -> tuple[dict[TargetPath, Mapping[str, Any]], dict[TargetPath, str]]:
    """What is signed of each artifact whose content is not here; and of those, what is here and differs, in words.

    Args:
        new: those that clients come to see anew. A content of theirs that is here may be that of another artifact.
        all_of_it: whether to look for the others, too.
    """
    lacking, wrong = dict[TargetPath, Mapping[str, Any]](), dict[TargetPath, str]()
    for row in delivery.brought.rows:
        if row.path not in new and not all_of_it:
            continue
        entry = _entry(row)
        if not storage.exists(row.path, entry["hashes"]):
            lacking[row.path] = entry
        elif row.path in new and (differs := _difference(_facts_of_kept(storage, row.path, entry), entry)):
            lacking[row.path], wrong[row.path] = entry, differs
    return lacking, wrong


def _facts_of_kept(storage: ArtifactStorage, path: TargetPath, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The length of a content that is here; where more than one hash is signed, they are of one content, so those, too.

    It has its name by a hash, which was compared when it was taken in.
    """
    alone = len(entry["hashes"]) == 1
    digests = {} if alone else {each: hashlib.new(each) for each in entry["hashes"]}
    with storage.open(path, entry["hashes"]) as stream:
        if alone and stream.seekable():
            return {**entry["hashes"], "length": stream.seek(0, os.SEEK_END)}
        length = 0
        while chunk := stream.read(_CHUNK):
            length += len(chunk)
            for digest in digests.values():
                digest.update(chunk)
    return {**entry["hashes"], "length": length, **{each: digest.hexdigest() for each, digest in digests.items()}}


def _difference(found: Mapping[str, Any], entry: Mapping[str, Any]) -> str | None:
    for what, signed in {"length": entry["length"], **entry["hashes"]}.items():
        if found[what] != signed:
            return f"its {what} is {found[what]}, and {signed} is signed"
    return None


def _is_another(file: str, path: TargetPath, differs: str) -> DeliveryRefused:
    reason = f"the content of {shorten(path)} is not what was signed: {differs}"
    return DeliveryRefused(
        file, _CONTENTS, reason, hint="bring the file that was signed, or have the one signed that is meant"
    )


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
            differs = _difference({"length": content.length, **content.hashes}, lacking[source.path])
            if differs is not None:
                raise _is_another(file, source.path, differs)

"""Made-up artifacts, the same ones for every side: paths and sizes as package repositories have them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

# One name in so many has capitals, as some do everywhere: such a path needs a look at what differs only in case.
_CAPITALS = 50


class Record(NamedTuple):
    """What is known of one artifact."""

    path: str
    length: int
    sha256: str


def record(number: int) -> Record:
    """Artifact `number`; twenty make a project."""
    project, release = divmod(number, 20)
    name = f"pkg{project:06d}" if project % _CAPITALS else f"Pkg{project:06d}"
    path = f"projects/{name.lower()}/{name}-{release // 2}.{project % 17}.{release % 2}-py3-none-any.whl"
    return Record(path, 1000 + number * 7919 % 10_000_019, hashlib.sha256(b"content of %d" % number).hexdigest())


def write_records(path: Path, count: int) -> Path:
    """`count` records as NDJSON, a line each."""
    with path.open("w") as stream:
        for number in range(count):
            each = record(number)
            stream.write(f'{{"path":"{each.path}","length":{each.length},"hashes":{{"sha256":"{each.sha256}"}}}}\n')
    return path

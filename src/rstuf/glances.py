"""Names that are known in a workspace, for who completes what a person types: quick, bounded, and without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from enum import Enum, auto
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rstuf.config import read_config
from rstuf.permissions import place_of, refuse_unsafe
from rstuf.wiring import Search, refuse_unsafe_parts, workspace_of

if TYPE_CHECKING:
    from rstuf.repository.interfaces import StateReader

_PATIENCE: Final = timedelta(milliseconds=200)


class Names(Enum):
    """Which names are asked for."""

    ARTIFACTS = auto()
    ROLES = auto()
    KEYS = auto()
    EVENTS = auto()


def known_names(start: Path, names: Names, *, prefix: str, limit: int, search: Search = Search.UPWARDS) -> list[str]:
    """At most `limit` names that begin with `prefix`, of the workspace that `start` is in, or (`Search.HERE`) is.

    Raises:
        RstufError: there is no workspace, it cannot be used as it is, or it takes too long.
    """
    from rstuf.state.glancing import glance

    directory = workspace_of(start, search)
    refuse_unsafe(place_of(directory if search is Search.UPWARDS else start))
    config = read_config(directory)
    refuse_unsafe_parts(config)
    with glance(config.path_of(config.state), patience=_PATIENCE) as reader:
        return list(islice(_every(reader, names, prefix), limit))


def _every(reader: StateReader, names: Names, prefix: str) -> Iterator[str]:
    if names is Names.ARTIFACTS:
        yield from (listed.artifact.path for listed in reader.artifacts(prefix=prefix))
    elif names is Names.KEYS:
        yield from (entry.name for entry in reader.keys() if entry.name.startswith(prefix))
    elif names is Names.EVENTS:
        yield from (event.name for event in reader.open_events() if event.name.startswith(prefix))
    else:
        yield from (role.name for role in reader.roles() if role.name.startswith(prefix))

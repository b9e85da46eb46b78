"""Where a new repository may be: everything about its places that is looked at before anything is made."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rstuf.config import meets_artifacts, meets_private
from rstuf.durable import storage_error, there
from rstuf.errors import InvalidPlan, WorkspaceExists
from rstuf.permissions import find_loose, parts_of, place_of

if TYPE_CHECKING:
    from rstuf.repository.plan import KeyPlan, Plan

PRIVATE: Final = "what is served may not hold the workspace's keys or state"
AMONG: Final = "metadata may not lie among artifacts: an artifact's name could become that of the next root"


@contextmanager
def faults_of(plan_file: Path) -> Iterator[None]:
    """Let whatever is wrong with the plan name the file that it is in.

    Raises:
        InvalidPlan: the block did, without one.
    """
    try:
        yield
    except InvalidPlan as error:
        raise error.in_file(str(plan_file)) from None


def anchored(plan: Plan, inputs: Path) -> Plan:
    """The plan with the files of known keys, which are relative to the plan's directory, made absolute."""
    return replace(plan, keys={name: _anchored_key(key, inputs) for name, key in plan.keys.items()})


def _anchored_key(key: KeyPlan, inputs: Path) -> KeyPlan:
    if key.generate is not None:
        return key
    public, signer = key.public, key.signer
    if public is not None:
        public = str(inputs / public)
    if signer is not None and signer.startswith("file:"):
        signer = "file:" + str(inputs / signer.removeprefix("file:"))
    return replace(key, public=public, signer=signer)


def refuse_unusable_places(plan: Plan, directory: Path) -> None:
    """
    Raises:
        InvalidPlan: what is served cannot be there, or would hold what is private.
    """
    for where, place in (("metadata", plan.metadata), ("artifacts", plan.artifacts)):
        if "://" in place:
            raise InvalidPlan(f"[repository] {where}", "this rstuf keeps it in a directory, not at a URL")
        if "\0" in place or not place.isprintable():
            raise InvalidPlan(f"[repository] {where}", "it is not a usable path")
        if place and meets_private(place, directory, state="state.db"):
            raise InvalidPlan(f"[repository] {where}", PRIVATE)
    if meets_artifacts(plan.metadata, plan.artifacts, directory):
        raise InvalidPlan("[repository] artifacts", AMONG)


def refuse_unsafe_places(plan: Plan, directory: Path) -> Sequence[Path]:
    """What is there already must be safe, but for what a loose umask left: that is returned, to be tightened.

    Raises:
        UnsafeDirectory: others can write there on purpose, or something belongs to somebody else.
    """
    found = there(directory)
    if found is not None and not stat.S_ISDIR(found.st_mode):
        raise WorkspaceExists(str(directory), "a file, not a directory")
    artifacts = directory / plan.artifacts if plan.artifacts else None
    served = there(artifacts) if artifacts is not None else None
    if served is not None and not stat.S_ISDIR(served.st_mode):
        raise WorkspaceExists(str(directory), f"{plan.artifacts}, which is no directory")
    parts = parts_of(directory, state=directory / "state.db", metadata=directory / plan.metadata, artifacts=artifacts)
    return find_loose([*place_of(directory), *parts])


def holds_something(place: Path) -> bool:
    """Whether a file, or anything in a directory, is at `place`."""
    found = there(place)
    if found is None or not stat.S_ISDIR(found.st_mode):
        return found is not None
    try:
        return any(place.iterdir())
    except OSError as error:
        raise storage_error("read", str(place), error) from error

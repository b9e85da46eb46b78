"""What a step of a repository's life can be: a name, and what is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tests.interop.commands import ABSENT, WAITS, Workspace

Act = Callable[[Workspace], object]
Step = tuple[str, Act]

ODD: Final = (
    "a b/c+d@e~f.txt",
    "été/Ж.tar.gz",
    "😀/x",
    "q'r,(s)=t&u;v",
    "[x]/{y}",
    "deeply/in/a/tree/of/paths",
    "UPPER",
)


def contents(version: int, *paths: str) -> dict[str, bytes]:
    """Contents that say which version they are."""
    return {path: f"{path}, the {version}th\n".encode() * (1 + len(path)) for path in paths}


def numbered(directory: str, first: int, last: int) -> list[str]:
    """Paths in a directory, by their numbers."""
    return [f"{directory}/{number}.bin" for number in range(first, last)]


def together(name: str, *steps: Step) -> Step:
    """All of these, before anybody looks."""

    def act(workspace: Workspace) -> None:
        for _, each in steps:
            each(workspace)

    return name, act


def run(*words: str) -> Act:
    """A command."""
    return lambda workspace: workspace.rstuf(*words)


def update(name: str, *words: str) -> Act:
    """A delegation becomes another."""
    return run("delegation", "update", name, *words)


def add(what: Mapping[str, bytes], *more: str) -> Act:
    """Artifacts are added, or replaced."""
    return lambda workspace: workspace.add(what, *more)


def remove(*paths: str) -> Act:
    """Artifacts are removed."""
    return lambda workspace: workspace.remove(*paths)


def propose(what: Mapping[str, bytes]) -> Act:
    """Artifacts are added, which waits."""
    return lambda workspace: workspace.propose(what)


def propose_removal(*paths: str) -> Act:
    """Artifacts are removed, which waits."""
    return lambda workspace: workspace.propose_removal(*paths)


def prepared(role: str, what: Mapping[str, bytes], *, without: Sequence[str] = ()) -> Act:
    """The holder who is not here makes a role with these, and it is accepted."""
    return lambda workspace: workspace.take_prepared(role, what, without=without)


def made(role: str, what: Mapping[str, bytes], *, without: Sequence[str] = ()) -> Act:
    """The same with python-tuf."""
    return lambda workspace: workspace.take_made(role, what, without=without)


def waits(*words: str) -> Act:
    """A command whose change waits for the holder who is not here; clients see nothing of it."""
    return lambda workspace: workspace.rstuf(*words, code=WAITS)


def delegation(name: str, *patterns: str, more: Sequence[str] = ()) -> tuple[str, ...]:
    """The command that delegates to a role."""
    return "delegation", "add", name, *(word for each in patterns for word in ("--path", each)), *more


def delegate(name: str, *patterns: str, more: Sequence[str] = ()) -> Step:
    """A role is delegated to."""
    return f"delegation to {name}", run(*delegation(name, *patterns, more=more))


def resizes(*counts: int, role: str | None = None) -> tuple[Step, ...]:
    """As many bins, one after the other."""
    return tuple((f"{role or 'all'} in {count} bins", run(*resize(count, role))) for count in counts)


def resize(count: int, role: str | None = None, *, by: str | None = None) -> tuple[str, ...]:
    """The command that shares artifacts out over so many bins; `by`: who is to sign these."""
    who = () if by is None else ("--signed-by", by)
    return "bins", "resize", str(count), *(() if role is None else ("--role", role)), *who


def signed_each(*steps: Step) -> tuple[Step, ...]:
    """Each waits for the holder who is not here, who then signs it."""
    return tuple(each for step in steps for each in (step, SIGNED_AWAY))


SIGNED_AWAY: Final[Step] = ("signed by who is not here", lambda workspace: workspace.sign_away())
ROTATION: Final[tuple[Step, ...]] = (
    ("key rotation begins", lambda workspace: workspace.rotate("online", "online-2")),
    ("key rotation ends", lambda workspace: workspace.end_rotation()),
)
PRUNE: Final[Step] = ("prune", run("prune", "--keep", "1", "--days", "0"))
BY_ADA: Final = ("--signer", ABSENT)

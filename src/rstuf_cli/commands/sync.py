"""`rstuf artifact sync`: artifacts equal a directory; what is to go is shown before it goes."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf_cli import prompts
from rstuf_cli.changes import NoPublish, accept_and_publish
from rstuf_cli.console import Console, escape
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.imports import Contents
from rstuf_cli.run import Run, run_of
from rstuf_cli.wording import count, number, size

EXAMPLES = {
    "artifact sync": """
rstuf artifact sync dist/                what is in dist/, and nothing else
rstuf artifact sync --prefix 1.2 dist/   only artifacts under 1.2/
rstuf artifact sync --dry-run dist/
rstuf artifact sync --keep dist/         what is not in dist/ stays
rstuf artifact sync --delete dist/       what is not in dist/ goes, unasked
"""
}

# So many steps of a dry run are shown; nobody reads more of them, and they are held in memory.
_MOST_STEPS: Final = 1000
_SIGNS: Final = {"add": "+", "replace": "~", "remove": "-"}


class _Gone(Enum):
    """What was said of artifacts that are not in the directory."""

    ASK = auto()
    REMOVE = auto()
    KEEP = auto()


def sync(
    ctx: typer.Context,
    *,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="What is to be published: all files below it.")],
    prefix: Annotated[str, typer.Option("--prefix", metavar="P", help="Where DIR stands: only paths under P/.")] = "",
    delete: Annotated[bool, typer.Option("--delete", help="Remove artifacts that are not in DIR, unasked.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave artifacts that are not in DIR.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and write nothing.")] = False,
    checksum: Annotated[bool, typer.Option("--checksum", help="Read every file, whatever its dates say.")] = False,
    no_publish: NoPublish = False,
) -> int:
    """Make artifacts equal a directory.

    New files are added, changed ones replaced, and artifacts that are not in DIR removed, all in one change. Before
    anything is removed, the number and some names are shown and a person is asked; --delete and --yes answer yes,
    --keep leaves them. Where nobody can be asked, one of the three is needed. A DIR without files is refused.

    Only files are read that are new, or whose size, dates or inode are not those at which they were read last.
    """
    run = run_of(ctx)
    if delete and keep:
        raise UsageFault("--delete and --keep do not go together", hint="leave one of them out")
    answered = _Gone.REMOVE if delete or run.options.yes else _Gone.ASK
    wish = _Gone.KEEP if keep else answered
    tree = rstuf.tree_of(directory, prefix=prefix, progress=run.progress)
    trust = rstuf.StampTrust.NOTHING if checksum else rstuf.StampTrust.STAMPS
    if dry_run:
        with run.open() as repository, repository.compare(tree, trust=trust) as found:
            _rehearse(run, found, missing=rstuf.Missing.KEEP if wish is _Gone.KEEP else rstuf.Missing.REMOVE)
        return ExitCode.DONE

    def accept(repository: rstuf.Repository) -> tuple[rstuf.AcceptedChange, Contents]:
        with repository.compare(tree, trust=trust) as found:
            missing = _decided(run, found.outlook, wish, directory)
            return found.carry_out(missing=missing), Contents.TAKEN

    return accept_and_publish(run, accept, publish=not no_publish, known="as here already")


def _decided(run: Run, outlook: rstuf.Outlook, wish: _Gone, directory: Path) -> rstuf.Missing:
    """What becomes of artifacts that are not in the directory.

    Raises:
        UsageFault: nobody can be asked, or they are meant to stay.
    """
    if wish is not _Gone.ASK or not outlook.missing:
        return rstuf.Missing.KEEP if wish is _Gone.KEEP else rstuf.Missing.REMOVE
    place, it = escape(str(directory)), "it" if outlook.missing == 1 else "them"
    what = f"{count(outlook.missing, 'artifact')} {'is' if outlook.missing == 1 else 'are'} not in {place}"
    if not prompts.person_is_there():
        raise UsageFault(
            f"{what}, and nobody can be asked whether to remove {it}",
            hint=f"nothing was changed; --delete removes {it}, --keep leaves {it}, --dry-run shows more",
        )
    with run.pondering():
        read = count(outlook.new + outlook.unsure, "file")
        run.console.note(f"{read} to read ({size(outlook.length)}), {number(outlook.same)} as before")
        run.console.note(f"{what}:")
        for path in outlook.sample:
            run.console.note(f"  - {escape(path)}")
        more = outlook.missing - len(outlook.sample)
        if more:
            run.console.note(f"    and {number(more)} more")
        agreed = prompts.agrees(f"remove {it}?")
    if not agreed:
        raise UsageFault("not confirmed; nothing was changed", hint=f"--keep takes in the others and leaves {it}")
    return rstuf.Missing.REMOVE


def _rehearse(run: Run, found: rstuf.Comparison, *, missing: rstuf.Missing) -> None:
    """What would be done, one line each."""
    counts = dict.fromkeys(_SIGNS, 0)
    steps = _counted(found.steps(missing=missing), counts)
    shown = list(islice(steps, _MOST_STEPS))
    more = sum(1 for _ in steps)
    run.progress.close()
    unchanged = found.outlook.new + found.outlook.unsure - counts["add"] - counts["replace"] + found.outlook.same
    document: dict[str, Any] = {
        "dry_run": True,
        "added": counts["add"],
        "replaced": counts["replace"],
        "removed": counts["remove"],
        "unchanged": unchanged,
        "steps": [{"step": str(each.difference), "path": each.path, "length": each.length} for each in shown],
        "more_steps": more,
    }
    run.console.document(document)
    _show_steps(run.console, shown, more)
    would = ((counts["add"], "add"), (counts["replace"], "replace"), (counts["remove"], "remove"))
    parts = [f"{verb} {number(amount)}" for amount, verb in would if amount]
    run.console.line(f"would {', '.join(parts)}" if parts else "nothing would change")
    run.console.note(f"{number(unchanged)} as here already; nothing was written")


def _show_steps(console: Console, shown: list[rstuf.SyncStep], more: int) -> None:
    for each in shown:
        console.line(f"{_SIGNS[each.difference]} {escape(each.path)}  {size(each.length)}")
    if more:
        console.line(f"  and {number(more)} more")


def _counted(steps: Iterator[rstuf.SyncStep], counts: dict[str, int]) -> Iterator[rstuf.SyncStep]:
    for each in steps:
        counts[each.difference] += 1
        yield each

"""`rstuf artifact remove`: clients find artifacts no more, named by path, or all that begin alike once confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Final

import typer

import rstuf
from rstuf.errors import ArtifactNotFound
from rstuf_cli import prompts
from rstuf_cli.changes import NoPublish, accept_and_publish
from rstuf_cli.console import escape
from rstuf_cli.failures import UsageFault
from rstuf_cli.imports import Contents
from rstuf_cli.run import Run, run_of
from rstuf_cli.wording import count, number

EXAMPLES = {
    "artifact remove": """
rstuf artifact remove app-1.1.whl
rstuf artifact remove --no-publish old/a.bin old/b.bin
rstuf artifact remove --prefix nightly/   all that begin so, once confirmed
"""
}

_HELP: Final = "rstuf artifact remove --help"
_SHOWN: Final = 5


def remove(
    ctx: typer.Context,
    *,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Artifact paths, as list shows them.")
    ] = None,
    prefix: Annotated[
        str | None, typer.Option("--prefix", metavar="P", help="Instead: all whose paths begin with P, once confirmed.")
    ] = None,
    no_publish: NoPublish = False,
) -> int:
    """Remove artifacts, so that clients find them no more.

    Their contents stay where they are: clients that hold older metadata still ask for them.

    Of --prefix, the number and some paths are shown, and a person is asked; --yes answers. What artifact list --prefix
    shows is what goes.
    """
    run = run_of(ctx)
    if paths and prefix is not None:
        raise UsageFault("--prefix stands instead of PATHs", hint=_HELP)
    if prefix == "":
        raise UsageFault("--prefix needs a beginning of paths", hint="rstuf artifact list shows all of them")
    if not paths and prefix is None:
        raise UsageFault("missing PATH: the artifacts to remove", hint=_HELP)

    def accept(repository: rstuf.Repository) -> tuple[rstuf.AcceptedChange, Contents]:
        wanted = _beginning_with(run, repository, prefix) if prefix is not None else paths or []
        return repository.remove_artifacts(wanted), Contents.TAKEN

    return accept_and_publish(run, accept, publish=not no_publish, known="already removed")


def _beginning_with(run: Run, repository: rstuf.Repository, prefix: str) -> Sequence[str]:
    """Paths that begin with `prefix`, once somebody has agreed to their going. What was shown is what is returned.

    Nobody is asked about those that are on their way already, as when an interrupted removal is run again.

    Raises:
        ArtifactNotFound: there is none.
        UsageFault: nobody agreed.
    """
    going, found = list[str](), list[str]()
    for each in repository.artifacts(prefix=prefix):
        (going if each.state is rstuf.ArtifactState.REMOVING else found).append(each.artifact.path)
    if not found and not going:
        raise ArtifactNotFound(prefix, hint="no path begins so; rstuf artifact list shows what there is")
    if not found or run.options.yes:
        return found or going
    what = f"{count(len(found), 'artifact')} {'begins' if len(found) == 1 else 'begin'} with {escape(prefix)}"
    it = "it" if len(found) == 1 else "them"
    if not prompts.person_is_there():
        raise UsageFault(
            f"{what}, and nobody can be asked whether to remove {it}",
            hint=f"nothing was changed; --yes removes {it}, rstuf artifact list --prefix shows {it}",
        )
    with run.pondering():
        run.console.note(f"{what}:")
        for path in islice(found, _SHOWN):
            run.console.note(f"  - {escape(path)}")
        if len(found) > _SHOWN:
            run.console.note(f"    and {number(len(found) - _SHOWN)} more")
        agreed = prompts.agrees(f"remove {it}?")
    if not agreed:
        raise UsageFault("not confirmed; nothing was changed", hint="rstuf artifact remove PATH takes them by name")
    return found

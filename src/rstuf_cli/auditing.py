"""What an audit looks at, here or at a URL, and what it says of the clients that there are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf_cli.console import Console, Style, escape_message
from rstuf_cli.failures import UsageFault
from rstuf_cli.files import read_small
from rstuf_cli.reports import sign
from rstuf_cli.run import Run

_MAX_ROOT_BYTES: Final = 512_000

Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="Look at what is served at URL, or in a directory.")
]
TrustedRoot = Annotated[
    Path | None,
    typer.Option(
        "--trusted-root", metavar="FILE", help="With --url: the root to begin from; by default the workspace's v1."
    ),
]


def audit(
    run: Run, url: str | None, trusted_root: Path | None, *, depth: rstuf.Depth, artifacts: str | None = None
) -> rstuf.VerifyReport:
    """Audit this workspace, or what is served elsewhere.

    Args:
        artifacts: where contents are, with `url`.

    Raises:
        UsageFault: a root is named and no URL, or nothing tells which root to begin from.
    """
    if trusted_root is not None and url is None:
        raise UsageFault("--trusted-root goes with --url", hint="in a workspace, its own root is trusted")
    if url is not None:
        report = _audit_url(run, url, trusted_root, depth, artifacts=artifacts)
    else:
        with run.open() as repository:
            report = repository.verify(depth=depth)
    run.progress.close()
    return report


def _audit_url(
    run: Run, url: str, trusted_root: Path | None, depth: rstuf.Depth, *, artifacts: str | None
) -> rstuf.VerifyReport:
    if trusted_root is not None:
        root, published = read_small(trusted_root, limit=_MAX_ROOT_BYTES), None
    else:
        root, published = _known_to_workspace(run)
    return rstuf.verify_published(
        url, trusted_root=root, depth=depth, session=run.session(), artifacts=artifacts, published=published
    )


def _known_to_workspace(run: Run) -> tuple[bytes, rstuf.VisibleVersions]:
    """The root to begin with, and what clients were to see before a server is asked."""
    from rstuf.errors import CeremonyUnfinished, WorkspaceNotFound

    try:
        with run.open() as repository:
            root, published = repository.root(1), repository.visible_versions()
    except WorkspaceNotFound as error:
        raise UsageFault(
            "there is no workspace here to take the trusted root from",
            hint="say which root you trust: --trusted-root FILE",
        ) from error
    if root is None:
        raise CeremonyUnfinished(str(run.directory))
    return root, published


def show_clients(console: Console, facts: Mapping[str, Any]) -> None:
    """Who can read the repository; that some cannot is no problem of what is published."""
    clients: Mapping[str, Mapping[str, Any]] = facts.get("clients") or {}
    if not clients:
        return
    able = [name for name, verdict in clients.items() if verdict["ok"]]
    mark = sign(console, ok=True) if able else console.paint("!", Style.WARN)
    console.line(f"{mark} {'clients':<10}  {', '.join(able) or 'none of the known ones'} can read it")
    unable: dict[str, list[str]] = {}
    for name, verdict in clients.items():
        if not verdict["ok"]:
            unable.setdefault(str(verdict["reason"]), []).append(name)
    for reason, names in unable.items():
        console.prose(f"    {', '.join(names)}: {escape_message(reason)}", indent=6)

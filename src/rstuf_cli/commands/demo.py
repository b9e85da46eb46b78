"""`rstuf demo`: a newcomer's tour, with real keys, real files and a real client, in seconds."""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

import rstuf
from rstuf.errors import InvalidInput, StorageError
from rstuf_cli.console import Console, Style, escape, escape_message, pad, width_of
from rstuf_cli.exits import ExitCode
from rstuf_cli.plans import DEMO
from rstuf_cli.reports import roles_in_words, sign
from rstuf_cli.run import Run, run_of
from rstuf_cli.wording import count, number, seconds, size

EXAMPLES = {
    "demo": """
rstuf demo                         in ./rstuf-demo
rstuf demo /tmp/somewhere
cd rstuf-demo && rstuf status      it is a workspace like any other
"""
}

T = TypeVar("T")

_DEFAULT: Final = "rstuf-demo"
_TAMPERED: Final = "hello.txt"
_LONG_HEX: Final = re.compile(r"[0-9a-f]{32,}")


@dataclass(frozen=True, slots=True)
class _Tried:
    """What the client said: of each artifact as it is published, and of one that was changed on the way."""

    honest: Sequence[rstuf.ClientVerdict]
    tampered: rstuf.ClientVerdict

    @property
    def as_it_should(self) -> bool:
        """Whether everything that was published was accepted, and what was changed refused."""
        return bool(self.honest) and all(each.accepted for each in self.honest) and not self.tampered.accepted


def demo(
    ctx: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="A directory to make; by default rstuf-demo, here.")
    ] = None,
) -> int:
    """Make a working repository from nothing, and let a client prove it.

    Keys, ceremony, three files, a publication. Then a stock TUF client that knows only root v1 downloads them, somebody
    changes a byte on the way, and the client refuses it. The workspace stays, to play with.
    """
    run = run_of(ctx)
    workspace = directory or Path(run.options.repo or _DEFAULT)
    if workspace.exists() or workspace.is_symlink():
        raise InvalidInput(
            f"{workspace} is there already",
            hint="name another directory: rstuf demo DIR; the demo touches nothing else",
        )
    run.interrupted = f"what it had made in {workspace} is gone"
    try:
        tried, document = _tour(run, workspace)
    except BaseException:
        # It was not there before, so all of it is ours.
        shutil.rmtree(workspace, ignore_errors=True)
        raise
    run.console.document(document)
    return ExitCode.DONE if tried.as_it_should else ExitCode.UNVERIFIED


def _tour(run: Run, workspace: Path) -> tuple[_Tried, dict[str, Any]]:
    console = run.console
    console.line(
        f"{console.paint('rstuf demo', Style.STRONG)}: a TUF repository from nothing, in {escape(str(workspace))}"
    )
    console.line()
    files = _write_files(workspace)
    session = run.session()
    ceremony, took = _timed(run, lambda: rstuf.make_repository(workspace / "plan.toml", workspace, session))
    _step(console, "keys", "2 root keys, 1 online key, made for this demo and not protected")
    _step(console, "ceremony", "root v1, threshold 1 of 2, 16 bins", took)
    with rstuf.open_repository(workspace, session) as repository:
        change, took = _timed(run, lambda: repository.add_files(rstuf.find_files([workspace / "files"])))
        _step(console, "artifacts", f"{count(change.added, 'file')} taken in, {size(change.length)}", took)
        publication, took = _timed(run, repository.publish)
    roles = roles_in_words(role.name for role in publication.roles)
    _step(console, "published", f"timestamp v{number(publication.timestamp_version)}: {roles}", took)
    console.line()
    # A demo's signers are all here.
    tried = _try(workspace, ceremony.root or b"", list(files))
    _show_verdicts(console, tried, files)
    _show_next(console, workspace)
    return tried, {
        "directory": str(workspace),
        "artifacts": change.added,
        "timestamp_version": publication.timestamp_version,
        "client": [{"path": each.path, "accepted": each.accepted, "reason": each.reason} for each in tried.honest],
        "tampered": {"path": tried.tampered.path, "accepted": tried.tampered.accepted, "reason": tried.tampered.reason},
    }


def _write_files(workspace: Path) -> dict[str, int]:
    """Three files to publish, and the plan; the sizes of the files by their artifact paths."""
    rows = "".join(f"{day},{day * day % 97},{'ok' if day % 7 else 'late'}\n" for day in range(1, 901))
    contents = {
        "hello.txt": b"Hello from a TUF repository\n",
        "data/report.csv": b"day,value,state\n" + rows.encode(),
        "tools/greet.sh": b'#!/bin/sh\necho "hello, ${1:-world}"\n',
    }
    try:
        _make_directory(workspace.parent, mode=0o755)
        workspace.mkdir(mode=0o700)
        for name, data in [*((f"files/{name}", data) for name, data in contents.items()), ("plan.toml", DEMO.encode())]:
            place = workspace / name
            _make_directory(place.parent, mode=0o755)
            place.write_bytes(data)
            place.chmod(0o644)
    except OSError as error:
        raise StorageError("make", str(workspace), (error.strerror or "it cannot be written").lower()) from None
    return {name: len(data) for name, data in contents.items()}


def _make_directory(path: Path, *, mode: int) -> None:
    """A directory and those missing above it, never wider than `mode`, however loose the umask is."""
    for each in reversed([each for each in (path, *path.parents) if not each.exists()]):
        each.mkdir(mode=mode)


def _try(workspace: Path, root: bytes, paths: Sequence[str]) -> _Tried:
    """Let the client look at what is served, then at a copy of it in which one byte is another."""
    metadata = workspace / "metadata"
    honest = rstuf.try_stock_client(metadata, workspace / "targets", trusted_root=root, paths=paths)
    with tempfile.TemporaryDirectory(dir=workspace, prefix=".tampered-") as scratch:
        copy = Path(scratch) / "targets"
        shutil.copytree(workspace / "targets", copy)
        (place,) = copy.rglob(f"*.{_TAMPERED}")
        data = bytearray(place.read_bytes())
        data[0] ^= 1
        place.chmod(0o600)
        place.write_bytes(data)
        (tampered,) = rstuf.try_stock_client(metadata, copy, trusted_root=root, paths=[_TAMPERED])
    return _Tried(honest, tampered)


def _show_verdicts(console: Console, tried: _Tried, files: dict[str, int]) -> None:
    width = max(width_of(name) for name in files)
    console.line("  a TUF client that knows only root v1 now looks at it:")
    for each in tried.honest:
        if each.accepted:
            what = "downloaded, signatures and hash verified"
        else:
            what = f"refused: {escape_message(each.reason)}"
        console.line(
            f"    {sign(console, ok=each.accepted)} {pad(escape(each.path), width)}"
            f"  {size(files[each.path]):>8}   {what}"
        )
    console.line(f"  someone changes a byte of {_TAMPERED} on the server:")
    what = "accepted, which must never be" if tried.tampered.accepted else "refused, in the client's words:"
    console.line(f"    {sign(console, ok=tried.tampered.accepted)} {pad(_TAMPERED, width)}  {'':>8}   {what}")
    if not tried.tampered.accepted:
        console.prose(f"      {escape_message(_LONG_HEX.sub(_shortened, tried.tampered.reason))}", indent=6)


def _shortened(digest: re.Match[str]) -> str:
    return f"{digest[0][:8]}...{digest[0][-4:]}"


def _show_next(console: Console, workspace: Path) -> None:
    place = escape(shlex.quote(str(workspace)))
    console.line()
    console.line("try next")
    rows = [
        (f"cd {place} && rstuf status", ""),
        ("rstuf artifact add YOUR-FILE", ""),
        ("rstuf ceremony", "in an empty directory: your own repository"),
    ]
    for command, why in rows:
        console.line(f"  {command:<31}  {why}".rstrip())


def _step(console: Console, name: str, what: str, took: float | None = None) -> None:
    time = f"{seconds(took):>7}" if took is not None else ""
    console.line(f"  {name:<10}  {pad(what, 58)}{time}".rstrip())


def _timed(run: Run, act: Callable[[], T]) -> tuple[T, float]:
    lasted = run.lasted()
    result = act()
    return result, lasted()

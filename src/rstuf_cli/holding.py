"""Where a key holder's record is kept, and what they are asked for that it does not know: for commands of signers."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, Final

import typer

import rstuf
from rstuf.errors import InvalidFingerprint, Locked, ProposalRefused, StorageError, UnsafeDirectory
from rstuf_cli import prompts
from rstuf_cli.console import Console, escape
from rstuf_cli.review_screen import screen
from rstuf_cli.run import Run

HOLDER_DIR: Final = "RSTUF_HOLDER_DIR"
HolderDir = Annotated[
    Path | None,
    typer.Option(
        "--holder-dir",
        metavar="DIR",
        help="Where your record is kept: by default RSTUF_HOLDER_DIR, then where your data is.",
    ),
]


def open_record(run: Run, chosen: Path | None, *, quiet: bool) -> rstuf.HolderRecord | None:
    """The signer's own record; None where there is no place for one, which is said.

    Raises:
        UnsafeDirectory: others can change it.
    """
    named = chosen is not None or bool(os.environ.get(HOLDER_DIR))
    try:
        directory = holder_directory(chosen)
        if directory is not None:
            return rstuf.HolderRecord(directory, purpose=run.purpose)
    except (StorageError, OSError):
        if named:
            raise
    if not quiet:
        run.console.note("note:  no directory is yours here, so no record is kept of what you sign")
    return None


def holder_directory(chosen: Path | None) -> Path | None:
    """As chosen, then `RSTUF_HOLDER_DIR`, then where this system keeps a user's data; None for who has no home."""
    named = os.environ.get(HOLDER_DIR)
    if chosen is not None or named:
        return chosen or Path(named or "")
    data = Path(os.environ.get("XDG_DATA_HOME", ""))
    if data.is_absolute():
        return data / "rstuf" / "holder"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if not home.is_absolute() or not home.is_dir():
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "rstuf" / "holder"
    return home / ".local" / "share" / "rstuf" / "holder"


def show_review(run: Run, review: rstuf.Review) -> None:
    """Show it to whoever will be asked, wherever stdout and stderr go; a document says it itself."""
    if run.console.is_json:
        return
    console, lines = run.console, screen(review)
    console.error(line.painted(console, error=True) for line in lines)
    if not run.options.yes:
        prompts.show([line.text for line in lines], unless=console.error_stream)


def check_code(review: rstuf.Review, code: str | None) -> None:
    """See that it is what the signers compared, where they say what that was.

    Raises:
        ProposalRefused: the code that was compared is another one.
    """
    if code is not None and _plain_code(code) != _plain_code(review.code):
        raise ProposalRefused(review.event, "code", "its code is another one than you gave")


def _plain_code(code: str) -> str:
    """Crockford's base 32 as it is written down: without regard to case, and to letters that look like digits."""
    return re.sub(r"[\s-]+", "", code).upper().translate(str.maketrans("OIL", "011"))


def take_down(
    run: Run,
    record: rstuf.HolderRecord | None,
    review: rstuf.Review,
    signed: Iterable[rstuf.SignedBefore],
    *,
    seen: Collection[rstuf.SignedBefore] | None = None,
) -> bool:
    """Whether it is in the record now; where that cannot be written, whoever was asked signs all the same.

    Args:
        seen: what they were told that they had signed, where the signature is not out yet.

    Raises:
        ProposalRefused: they signed something meanwhile that they were not told of.
    """
    if record is None:
        return False
    try:
        record.add(review.remember(signed), seen=seen)
    except (StorageError, UnsafeDirectory, Locked) as error:
        run.console.warning(escape(f"this signature is in no record of yours: {error.message}"))
        return False
    return True


def ask_fingerprint(console: Console) -> str:
    """What a person types; what the bundle says that it should be is not shown before.

    Raises:
        InvalidFingerprint: it is none.
    """
    text = (
        "you trust no root of this repository yet, and what is in the bundle proves nothing. Have the fingerprint of "
        "its first root read to you, by somebody who did not give you the bundle."
    )
    for line in console.fold(text, indent=0):
        console.note(line)
    for remaining in range(prompts.TRIES - 1, -1, -1):
        try:
            return rstuf.parse_fingerprint(prompts.ask("fingerprint, as hex or words:"))
        except InvalidFingerprint as error:
            if not remaining:
                raise
            for line in console.fold(f"! {escape(error.message)}; try again", indent=2):
                console.note(line)
    raise AssertionError("the last try returns or raises")

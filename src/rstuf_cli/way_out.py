"""Where a signature that is made away from its workspace goes: looked at before anybody signs, and written once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import rstuf
from rstuf.errors import InputMissing, InvalidBundle, InvalidInput, NameTaken
from rstuf_cli.files import read_brought

STDOUT: Final = Path("-")
_MAX_SIGNATURE_BYTES: Final = 524_288
_PLAIN: Final = re.compile(r"[^A-Za-z0-9_-]", re.ASCII)


@dataclass(frozen=True)
class WayOut:
    """Where a signature goes.

    Attributes:
        output: the file that was named; `-` for stdout, None for one that is named by what is signed.
        picture: the file for its QR code.
        shows_code: whether the code is shown in the terminal.
    """

    review: rstuf.Review
    output: Path | None
    picture: Path | None
    shows_code: bool

    def place(self, keyid: str) -> Path:
        """The file for what this key signs."""
        return self.output or Path(f"{self.review.event}.{_PLAIN.sub('', keyid)[:8]}.sig")

    def check(self, mine: Sequence[str]) -> None:
        """That all can be written, before anything is signed; `mine` is empty where nothing tells yet who signs.

        The signature of the same by the same key may be there already, and its picture with it.

        Raises:
            InvalidInput: it cannot.
        """
        place = self.place(mine[0]) if mine or self.output is not None else None
        before = self._there(mine) if place is not None and place != STDOUT else None
        if place != STDOUT:
            directory = (place or Path("signature")).parent
            if place is not None and before is None and os.path.lexists(place):
                raise _taken(place)
            _refuse_closed(directory, "-o FILE writes the signature elsewhere, -o - to stdout")
        if self.picture is None:
            return
        picture = self.picture
        _refuse_closed(picture.parent, "--qr-out PNG names a file in another directory")
        # That the extra is there: a picture of anything needs it.
        rstuf.qr_lines(b"?")
        if place is not None and picture.absolute() == place.absolute():
            raise InvalidInput(f"{picture} cannot hold the signature and its picture", hint="name two files")
        if os.path.lexists(picture):
            if before is None:
                raise _taken(picture)
            create(picture, lambda: rstuf.write_qr(before, picture))

    def again(self, data: bytes) -> bytes:
        """What was signed, or what is there of an earlier time: some keys never sign the same way twice."""
        return self._there([each.keyid for each in rstuf.parse_signatures(data).signatures]) or data

    def _there(self, keyids: Sequence[str]) -> bytes | None:
        """The signature file that is there already, if it is of the same by the same key, and right."""
        if not keyids or self.output == STDOUT:
            return None
        try:
            data = read_brought(self.place(keyids[0]), limit=_MAX_SIGNATURE_BYTES)
            document = rstuf.parse_signatures(data)
        except (InputMissing, InvalidBundle):
            return None
        return data if rstuf.is_signature_of(document, self.review, keyids) else None


def _refuse_closed(directory: Path, hint: str) -> None:
    if not os.access(directory, os.W_OK | os.X_OK):
        raise InvalidInput(f"nothing can be written in {directory.absolute()}", hint=hint)


def _taken(place: Path) -> InvalidInput:
    return InvalidInput(f"{place} is there already", hint="move it away, or name another file")


def create(place: Path, write: Callable[[], None]) -> None:
    """
    Raises:
        InvalidInput: something else has that name.
    """
    try:
        write()
    except NameTaken:
        raise _taken(place) from None

"""The draft of a ceremony: answers that were given and lead to nothing yet. No secrets are among them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from rstuf.durable import OLD_FILE, How, is_failing, make_directory, storage_error, write_file
from rstuf.errors import InvalidJson
from rstuf.metadata.canonical import strict_loads

FILE_NAME: Final = "ceremony-draft.json"
_FORMAT: Final = 1
_MAX_BYTES: Final = 65536


def read_draft(directory: Path) -> Mapping[str, str]:
    """The answers kept in `directory`; none where there are none, or none that can be read.

    A draft is a convenience: whatever is wrong with it, its questions are asked again.

    Raises:
        StorageError: the disk fails.
    """
    try:
        with open(directory / FILE_NAME, "rb", opener=_open_old) as file:
            data = file.read(_MAX_BYTES + 1)
        document = strict_loads(data, what=FILE_NAME)
    except OSError as error:
        if is_failing(error):
            raise storage_error("read", str(directory / FILE_NAME), error) from error
        return {}
    except InvalidJson:
        return {}
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        return {}
    answers = document.get("answers")
    if not isinstance(answers, dict):
        return {}
    return {name: answer for name, answer in answers.items() if isinstance(answer, str)}


def keep_draft(directory: Path, answers: Mapping[str, str]) -> Path:
    """Keep `answers` for the next time, readable by their owner alone; where.

    Raises:
        StorageError: they cannot be written.
    """
    make_directory(directory, mode=0o700)
    path = directory / FILE_NAME
    text = json.dumps({"answers": dict(answers), "format": _FORMAT}, indent=1)
    write_file(path, text.encode() + b"\n", mode=0o600, how=How.REPLACE)
    return path


def forget_draft(directory: Path) -> None:
    """Let go of the answers kept in `directory`."""
    with suppress(FileNotFoundError):
        (directory / FILE_NAME).unlink()


def _open_old(path: str, _flags: int) -> int:
    # What is no file, a pipe that nobody writes to for instance, is not waited for.
    return os.open(path, OLD_FILE)

"""A release of many files, judged by two processes: signatures are checked one core each.

The second process is this module, run by itself. It is told what to check on its standard input (nothing of it is a
secret) and answers on its standard output; if it dies or cannot be started, this process checks its share too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import orjson

from rstuf.errors import ReleaseRefused
from rstuf.metadata.limits import TARGETS_BYTES
from rstuf.metadata.release_check import Claim, check_claim
from rstuf.metadata.views import RoleKeys
from rstuf.model.keys import KeyId, PublicKey
from rstuf.storage.filesystem import FilesystemMetadataStorage

# Below this, starting a process costs more than what it takes over.
MANY: Final = 2000
_EVERY: Final = 256


class SharedJudge:
    """A `ReleaseJudge` over a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._storage = FilesystemMetadataStorage(directory)

    def judge(self, claims: Sequence[Claim], *, keys: RoleKeys, on_files: Callable[[int], None]) -> None:
        """See `ReleaseJudge.judge`."""
        if len(claims) < MANY or (os.cpu_count() or 1) < 2:
            self._check(claims, keys=keys, on_files=on_files)
            return
        half = len(claims) // 2
        helper = _start(self._directory, claims[half:], keys)
        try:
            self._check(claims[:half], keys=keys, on_files=on_files)
            answer = _answer(helper)
        finally:
            if helper is not None:
                _end(helper)
        if answer is None:
            self._check(claims[half:], keys=keys, on_files=on_files)
        elif answer["problem"] is not None:
            raise ReleaseRefused([answer["problem"]], hint=answer["hint"])
        else:
            on_files(len(claims) - half)

    def _check(self, claims: Sequence[Claim], *, keys: RoleKeys, on_files: Callable[[int], None]) -> None:
        for count, claim in enumerate(claims, 1):
            check_claim(claim, self._storage.read(claim.file_name, limit=TARGETS_BYTES), keys=keys)
            if count % _EVERY == 0:
                on_files(_EVERY)
        on_files(len(claims) % _EVERY)


def _start(directory: Path, claims: Sequence[Claim], keys: RoleKeys) -> subprocess.Popen[bytes] | None:
    task = {
        "directory": os.fsdecode(directory.absolute()),
        "claims": [asdict(claim) for claim in claims],
        "keyids": keys.keyids,
        "threshold": keys.threshold,
        "keys": {keyid: key.to_dict() for keyid, key in keys.keys.items()},
    }
    command = [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = {_paths()!r}; import {__name__} as j; j.main()"]
    try:
        helper = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, close_fds=True
        )
    except OSError:
        return None
    try:
        assert helper.stdin is not None  # noqa: S101 - it was asked for
        helper.stdin.write(orjson.dumps(task))
        helper.stdin.close()
    except OSError:
        # It died; its answer will be missing.
        pass
    return helper


def _answer(helper: subprocess.Popen[bytes] | None) -> dict[str, Any] | None:
    if helper is None or helper.stdout is None:
        return None
    text = helper.stdout.read()
    if helper.wait() != 0:
        return None
    try:
        answer: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return answer


def _end(helper: subprocess.Popen[bytes]) -> None:
    if helper.poll() is None:
        helper.kill()
    for pipe in (helper.stdin, helper.stdout):
        if pipe is not None:
            # What it did not take is not wanted any more.
            with suppress(OSError):
                pipe.close()
    helper.wait()


def _paths() -> list[str]:
    """Where this very rstuf and its libraries are, for an interpreter that takes nothing from its surroundings."""
    return [path for path in sys.path if path and Path(path).is_dir()]


def main() -> None:
    """The second process."""
    task = orjson.loads(sys.stdin.buffer.read())
    keys = RoleKeys(
        keyids=tuple(map(KeyId, task["keyids"])),
        threshold=task["threshold"],
        keys={KeyId(keyid): PublicKey.from_dict(key) for keyid, key in task["keys"].items()},
    )
    storage = FilesystemMetadataStorage(Path(task["directory"]))
    answer: dict[str, str | None] = {"problem": None, "hint": None}
    try:
        for fields in task["claims"]:
            claim = Claim(**fields)
            check_claim(claim, storage.read(claim.file_name, limit=TARGETS_BYTES), keys=keys)
    except ReleaseRefused as error:
        answer = {"problem": error.problems[0], "hint": error.hint}
    sys.stdout.buffer.write(orjson.dumps(answer))

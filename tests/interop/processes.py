"""The command line, as anybody runs it: a process of its own, told nothing by this one's surroundings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any


class CommandFailed(Exception):
    """A command did not end as it was to."""


def run_rstuf(*words: str, code: int = 0) -> dict[str, Any]:
    """Run a command that is to end with that code; its document.

    Raises:
        CommandFailed: it ended with another.
    """
    command = [sys.executable, "-m", "rstuf_cli", "--json", "--yes", *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RSTUF_", "SSH_"))}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != code:
        said = done.stdout.decode() + done.stderr.decode()
        raise CommandFailed(f"{' '.join(words)} ended with {done.returncode}, not {code}: {said}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found

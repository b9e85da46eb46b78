"""The program's first step: from here on, Ctrl-C ends it with exit code 130 and without a traceback."""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def main() -> int:
    """Load the program and run the process's own command line; the exit code."""
    try:
        from rstuf_cli.app import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted; nothing was changed\n")
        return _INTERRUPTED

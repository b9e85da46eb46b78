"""The program's first step: from here on, Ctrl-C ends it with exit code 130 and without a traceback."""

from __future__ import annotations

import sys
from contextlib import suppress

_INTERRUPTED = 130


def main() -> int:
    """Load the program and run the process's own command line; the exit code."""
    begun = False
    try:
        from rstuf_cli.app import main as run

        begun = True
        return run()
    except KeyboardInterrupt:
        # Past its first step the program tells of its interruptions itself, but in the moment in which it ends.
        kept = "what was done is kept" if begun else "nothing was changed"
        with suppress(OSError, AttributeError):
            sys.stderr.write(f"error: interrupted; {kept}\n")
        return _INTERRUPTED

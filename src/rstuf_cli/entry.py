"""The program's first step: from here on, Ctrl-C ends it with exit code 130 and without a traceback.

Until the program is loaded, which is most of the time that a short command takes, Ctrl-C is answered by a signal
handler that says so and ends the process at once: an exception could be swallowed by whatever is being imported.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 130


def main() -> int:
    """Load the program and run the process's own command line; the exit code."""
    loaded = False
    try:
        import signal

        listens = signal.getsignal(signal.SIGINT) is signal.default_int_handler

        def hear(handler: object) -> None:
            if listens:
                signal.signal(signal.SIGINT, handler)  # type: ignore[arg-type]

        hear(_end)
        from rstuf_cli.app import main as run

        loaded = True
        code = run(ready=lambda: hear(signal.default_int_handler))
        # All is done and told.
        hear(signal.SIG_IGN)
    except KeyboardInterrupt:
        if not loaded:
            _end()
        # The program tells of its interruptions itself, but in the moment in which it ends: its document is written.
        _write(2, "error: interrupted; what was done is kept\n")
        return _INTERRUPTED
    return code


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether even a command line that cannot be parsed asks for a document."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


def _end(*_: object) -> None:
    """Nothing has begun: say so, and end."""
    message = "interrupted; nothing was changed"
    if wants_json(sys.argv[1:]):
        _write(1, f'{{"error": {{"code": "interrupted", "message": "{message}"}}}}\n')
    else:
        _write(2, f"error: {message}\n")
    os._exit(_INTERRUPTED)


def _write(descriptor: int, text: str) -> None:
    try:
        os.write(descriptor, text.encode())
    except OSError:
        # Nobody hears it; the exit code tells.
        return

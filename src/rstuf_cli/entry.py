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
    from typing import TextIO

_INTERRUPTED = 130


def main() -> int:
    """Load the program and run the process's own command line; the exit code."""
    if "_RSTUF_COMPLETE" in os.environ:
        from rstuf_cli.shells import answer

        return answer(os.environ["_RSTUF_COMPLETE"], sys.argv[1:])
    begun = False
    try:
        import signal

        listens = signal.getsignal(signal.SIGINT) is signal.default_int_handler

        def hear(handler: object) -> None:
            if listens:
                signal.signal(signal.SIGINT, handler)  # type: ignore[arg-type]

        def ready() -> None:
            nonlocal begun
            begun = True
            hear(signal.default_int_handler)

        hear(_end)
        # An exception in the midst of its loading ends the process by a segmentation fault.
        import orjson  # noqa: F401

        from rstuf_cli.app import main as run

        code = run(ready=ready)
        # All is done and told.
        hear(signal.SIG_IGN)
    except KeyboardInterrupt:
        # The program tells of its interruptions itself, but in the moment in which it ends: its document is written.
        stream, text = (sys.stderr, "error: interrupted; what was done is kept\n") if begun else _answer()
        try:
            stream.write(text)
        except (OSError, AttributeError):
            # Nobody hears it; the exit code tells.
            return _INTERRUPTED
        return _INTERRUPTED
    return code


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether even a command line that cannot be parsed asks for a document."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


def _answer() -> tuple[TextIO, str]:
    """What to say where nothing has begun, and on which stream."""
    message = "interrupted; nothing was changed"
    if wants_json(sys.argv[1:]):
        return sys.stdout, f'{{"error": {{"code": "interrupted", "message": "{message}"}}}}\n'
    return sys.stderr, f"error: {message}\n"


def _end(*_: object) -> None:
    """Say that nothing has begun, and end."""
    stream, text = _answer()
    try:
        os.write(stream.fileno(), text.encode())
    finally:
        os._exit(_INTERRUPTED)

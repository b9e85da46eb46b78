"""Runs the commands of a page as a reader would type them, one block after the other."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

PASSPHRASE = "a passphrase as a person types it"
_RSTUF = """\
#!/bin/sh
# Stands in for the person at the terminal, who is asked for passphrases in a ceremony.
case " $* " in *" --passphrase-file "*) ;; *" ceremony "*) set -- --passphrase-file {passphrase} "$@" ;; esac
exec {python} -c '
import sys
from rstuf.signing import containers
containers.KDF_ROUNDS = 1  # what makes a passphrase slow to guess makes a test slow too
from rstuf_cli.app import main
sys.exit(main())' "$@"
"""
_PYTHON = '#!/bin/sh\nexec {python} "$@"\n'
_PORTS = ("8000", "8001")


class Shell:
    """A scratch directory with `rstuf` and `python3` on the path, and nothing of the caller's settings."""

    def __init__(self, scratch: Path) -> None:
        self.place = scratch / "place"
        self.place.mkdir(mode=0o700)
        tools = scratch / "tools"
        tools.mkdir()
        passphrase = scratch / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text(PASSPHRASE + "\n", encoding="utf-8")
        for name, text in (("rstuf", _RSTUF), ("python3", _PYTHON)):
            tool = tools / name
            tool.write_text(text.format(python=sys.executable, passphrase=passphrase), encoding="utf-8")
            tool.chmod(0o755)
        self._environment = {
            "HOME": str(scratch),
            "LANG": "C.UTF-8",
            "COLUMNS": "81",
            "PATH": f"{tools}:{os.environ['PATH']}",
            "TMPDIR": str(scratch),
        }
        self._ports = {port: str(_free_port()) for port in _PORTS}
        self._servers = ExitStack()

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        self._servers.close()

    def write(self, name: str, text: str) -> None:
        """A file of the page."""
        self.place.joinpath(name).write_text(self._here(text), encoding="utf-8")

    def run(self, text: str) -> str:
        """Run a block: what it prints.

        Raises:
            AssertionError: one of its commands fails.
        """
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self._here(text)],
            cwd=self.place,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        assert done.returncode == 0, f"{text}\nended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def serve(self, text: str) -> None:
        """Start a server and wait until it listens."""
        server = subprocess.Popen(
            ["bash", "-c", f"exec {self._here(text)}"],
            cwd=self.place,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._servers.callback(server.wait)
        self._servers.callback(server.terminate)
        port = next(free for named, free in self._ports.items() if f"http.server {named}" in text)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("localhost", int(port))) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"nothing listens after: {text}")

    def _here(self, text: str) -> str:
        """Pages speak of ports 8000 and 8001; here they are whichever are free."""
        for named, free in self._ports.items():
            for before in ("localhost:", "http.server "):
                text = text.replace(f"{before}{named}", f"{before}{free}")
        return text


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port: int = probe.getsockname()[1]
        return port

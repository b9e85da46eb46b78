"""SSH agents to test with: OpenSSH's own, with keys that its tools made, and one that says whatever it is told to."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

FAILURE, LIST, LISTED, SIGN, SIGNED = 5, 11, 12, 13, 14
PASSPHRASE = "correct horse battery staple 41"

Answer = Callable[[bytes], Iterable[bytes] | None]

needs_openssh = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("ssh-agent", "ssh-add", "ssh-keygen")),
    reason="OpenSSH's ssh-agent, ssh-add and ssh-keygen are not on this machine",
)


@dataclass(frozen=True)
class RealAgent:
    """A running ssh-agent of its own, with a directory for its keys. What it asks, a script answers."""

    directory: Path
    process: subprocess.Popen[bytes]

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.directory / "agent.sock"

    @property
    def asked(self) -> list[str]:
        """What it has asked whoever confirms."""
        record = self.directory / "asked"
        return record.read_text().splitlines() if record.exists() else []

    def confirms(self, yes: bool) -> None:
        """What it is answered when it asks for a confirmation."""
        (self.directory / "confirms").write_text("0" if yes else "1")

    def make(self, kind: str, *options: str, comment: str = "somebody@laptop", constraints: Sequence[str] = ()) -> Path:
        """A new key in the agent; its file, which the agent does not need."""
        place = self.directory / f"key-{len(list(self.directory.glob('key-*')))}"
        _run("ssh-keygen", "-q", "-N", "", "-t", kind, *options, "-C", comment, "-f", str(place))
        self.add(place, *constraints)
        return place

    def add(self, file: Path, *constraints: str) -> None:
        """Put a private key in."""
        self.ssh_add("-q", *constraints, str(file))

    def ssh_add(self, *argv: str) -> str:
        """What `ssh-add` says."""
        return _run("ssh-add", *argv, env=self.environment())

    def uri(self, file: Path) -> str:
        """The signer of a key, by the fingerprint that OpenSSH prints."""
        return f"ssh-agent:{_run('ssh-keygen', '-l', '-f', str(file)).split()[1]}"

    def environment(self) -> dict[str, str]:
        """That of a program that this agent serves, and the agent's own."""
        return environment(self.directory)


def environment(directory: Path) -> dict[str, str]:
    """An environment in which all questions go to the script in `directory`."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "SSH_AUTH_SOCK": str(directory / "agent.sock"),
        "SSH_ASKPASS": str(directory / "askpass"),
        "SSH_ASKPASS_REQUIRE": "force",
        "DISPLAY": ":0",
    }


@contextmanager
def real_agent() -> Iterator[RealAgent]:
    """An ssh-agent that ends with the block."""
    with _short_directory() as directory:
        script = directory / "askpass"
        script.write_text(
            f'#!/bin/sh\ncase "$1" in Allow*) ;; *) echo {PASSPHRASE}; exit 0;; esac\n'
            f'echo "$1" | head -1 >> {directory}/asked\nexit "$(cat {directory}/confirms)"\n'
        )
        script.chmod(0o700)
        place = directory / "agent.sock"
        process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", str(place)],
            env=environment(directory),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(place.exists)
            yield RealAgent(directory, process)
        finally:
            process.kill()
            process.wait()


class FakeAgent:
    """Answers each question with the bytes that `answer` gives for it, as they are; None leaves it unanswered."""

    def __init__(self, place: Path, answer: Answer) -> None:
        self.place, self.answer, self.questions = place, answer, list[bytes]()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(place))
        self._listener.listen(16)
        self._ended = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Nobody answers any more."""
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                talk, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(talk,), daemon=True).start()

    def _talk(self, talk: socket.socket) -> None:
        with talk, suppress(OSError, struct.error):
            (length,) = struct.unpack(">I", talk.recv(4, socket.MSG_WAITALL))
            question = talk.recv(length, socket.MSG_WAITALL)
            self.questions.append(question)
            answer = self.answer(question)
            if answer is None:
                self._ended.wait(60)
                return
            for part in answer:
                talk.sendall(part)


@contextmanager
def fake_agent(answer: Answer) -> Iterator[FakeAgent]:
    """A fake agent that ends with the block."""
    with _short_directory() as directory:
        agent = FakeAgent(directory / "agent.sock", answer)
        try:
            yield agent
        finally:
            agent.close()


def number(value: int) -> bytes:
    """A number on the wire."""
    return struct.pack(">I", value)


def string(value: bytes) -> bytes:
    """Bytes on the wire, with their length."""
    return number(len(value)) + value


def frame(kind: int, body: bytes = b"") -> bytes:
    """A whole message."""
    return string(bytes([kind]) + body)


def listing(*identities: tuple[bytes, bytes]) -> bytes:
    """The answer that lists keys, each a blob and a comment."""
    return frame(LISTED, number(len(identities)) + b"".join(string(blob) + string(text) for blob, text in identities))


def signed(kind: bytes, value: bytes) -> bytes:
    """The answer that holds a signature."""
    return frame(SIGNED, string(string(kind) + string(value)))


@contextmanager
def _short_directory() -> Iterator[Path]:
    # The path of a socket has room for about a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="rstuf-agent-", dir="/tmp") as directory:
        yield Path(directory)


def _run(*argv: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _wait_for(there: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not there():
        assert time.monotonic() < until
        time.sleep(0.01)

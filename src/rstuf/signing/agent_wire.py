"""The wire of SSH agents: one question and one answer over a unix socket (draft-ietf-sshm-ssh-agent).

Nothing that an agent says is believed: frames and fields are bounded, an answer must come whole before its deadline,
and it must end where it says. Each question has a connection of its own, so that one that was broken off (Ctrl-C at the
confirmation) leaves no answer behind that the next could take for its own.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# What OpenSSH's agent takes and gives at most (AGENT_MAX_LEN), and how many keys it holds.
MAX_FRAME: Final = 256 * 1024
MAX_IDENTITIES: Final = 2048

_FAILURE: Final = 5
_LIST, _LISTED = 11, 12
_SIGN, _SIGNED = 13, 14
_BLOCK: Final = 1 << 16
# An agent that takes longer asks somebody.
_PATIENCE: Final = 1.0

START_ONE: Final = "open a new terminal, or start one: eval $(ssh-agent); SSH_AUTH_SOCK names its socket"
_AGAIN: Final = "run it again; if it happens again, end that agent and start another one: eval $(ssh-agent)"


class AgentFault(Exception):
    """The agent cannot be asked, or its answer cannot be used.

    Attributes:
        reason: what is wrong and why; of the agent's own words it holds none.
        hint: what to do about it, or None.
    """

    def __init__(self, reason: str, *, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


class AgentRefusal(AgentFault):
    """It answered that it will not; the protocol has no word for why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A key that an agent lists: its public half as SSH writes it, and a comment. Both are bytes from outside."""

    blob: bytes
    comment: bytes


def list_identities(place: Path, *, seconds: float) -> list[Identity]:
    """The keys of the agent at `place`.

    Raises:
        AgentFault: it does not tell them within `seconds`.
    """
    answer = _Fields(_ask(place, bytes([_LIST]), answer=_LISTED, seconds=seconds))
    count = answer.number()
    if count > MAX_IDENTITIES:
        raise AgentFault(
            f"the agent speaks of {count} keys; more than {MAX_IDENTITIES} are not listed",
            hint="ssh-add -d KEYFILE takes one out that is not needed",
        )
    found = [Identity(blob=answer.string(), comment=answer.string()) for _ in range(count)]
    answer.end()
    return found


def ask_signature(
    place: Path, blob: bytes, payload: bytes, *, flags: int, seconds: float, on_wait: Callable[[], None] | None = None
) -> tuple[bytes, bytes]:
    """A signature of the key `blob` over `payload`: what kind the agent calls it, and its bytes.

    Args:
        on_wait: called once where the agent takes so long that it must be asking somebody.

    Raises:
        AgentRefusal: it will not, or whoever was asked there said no.
        AgentFault: the payload is too long for agents, or there is no answer within `seconds`.
    """
    question = b"".join([bytes([_SIGN]), _string(blob), _string(payload), struct.pack(">I", flags)])
    if len(question) >= MAX_FRAME:
        raise AgentFault(
            f"{len(payload)} bytes are to be signed, and agents take less than {MAX_FRAME // 1024} KiB at once",
            hint="name a key file as its signer: file:PATH",
        )
    answer = _Fields(_ask(place, question, answer=_SIGNED, seconds=seconds, on_wait=on_wait))
    signature = _Fields(answer.string())
    answer.end()
    kind, value = signature.string(), signature.string()
    signature.end()
    return kind, value


def kind_of(blob: bytes) -> bytes:
    """What kind of key a blob says that it is; nothing more of it is looked at.

    Raises:
        AgentFault: it does not say.
    """
    return _Fields(blob).string()


def two_numbers(value: bytes) -> tuple[int, int]:
    """The two positive numbers that an ECDSA signature of SSH consists of (RFC 5656 §3.1.2).

    Raises:
        AgentFault: it does not.
    """
    fields = _Fields(value)
    first, second = fields.string(), fields.string()
    fields.end()
    r, s = (int.from_bytes(each, "big", signed=True) for each in (first, second))
    if r <= 0 or s <= 0:
        raise _nonsense()
    return r, s


def rsa_width(blob: bytes) -> int:
    """How many bytes the modulus of an RSA key has.

    Raises:
        AgentFault: the blob is none of an RSA key.
    """
    fields = _Fields(blob)
    fields.string(), fields.string()
    return len(fields.string().lstrip(b"\0"))


class _Fields:
    """The fields of an answer, in order; what is missing or left over makes it worthless."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def string(self) -> bytes:
        return self._take(self.number())

    def end(self) -> None:
        if self._at != len(self._data):
            raise _nonsense()

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._data):
            raise _nonsense()
        taken, self._at = self._data[self._at : end], end
        return taken


def _ask(
    place: Path, question: bytes, *, answer: int, seconds: float, on_wait: Callable[[], None] | None = None
) -> bytes:
    """The body of the answer to `question`, without its type."""
    deadline = time.monotonic() + seconds
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
            talk.settimeout(seconds)
            talk.connect(str(place))
            talk.sendall(_string(question))
            length = int.from_bytes(_receive(talk, 4, deadline, on_wait), "big")
            if not 0 < length <= MAX_FRAME:
                raise _nonsense()
            frame = _receive(talk, length, deadline)
    except TimeoutError:
        raise AgentFault(
            f"the agent at {place} gave no answer within {seconds:g} seconds",
            hint="look whether it asks for something; then run it again",
        ) from None
    except FileNotFoundError:
        raise AgentFault(f"there is no agent at {place} any more", hint=START_ONE) from None
    except ConnectionRefusedError:
        raise AgentFault(f"the agent at {place} has ended: nobody answers there", hint=START_ONE) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise AgentFault(f"the agent at {place} cannot be asked: {reason}", hint=START_ONE) from None
    if frame == bytes([_FAILURE]):
        raise AgentRefusal("the agent refused")
    if frame[0] != answer:
        raise _nonsense()
    return frame[1:]


def _receive(talk: socket.socket, length: int, deadline: float, on_wait: Callable[[], None] | None = None) -> bytes:
    """Exactly `length` bytes, before the deadline however slowly they trickle in."""
    found = bytearray()
    while len(found) < length:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        talk.settimeout(left if on_wait is None else min(left, _PATIENCE))
        try:
            block = talk.recv(min(length - len(found), _BLOCK))
        except TimeoutError:
            if on_wait is None:
                raise
            on_wait()
            on_wait = None
            continue
        if not block:
            raise AgentFault("the agent broke off in the middle of an answer", hint=_AGAIN)
        found += block
    return bytes(found)


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _nonsense() -> AgentFault:
    return AgentFault("what answers as an agent does not keep to the agents' protocol", hint=_AGAIN)

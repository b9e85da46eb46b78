"""Where the SSH agent is: the socket, whose it is, and whether the agent behind it is on another machine."""

from __future__ import annotations

import os
import re
import socket
import stat
import struct
from pathlib import Path
from typing import Final

from rstuf.signing.agent_wire import START_ONE, AgentFault

VARIABLE: Final = "SSH_AUTH_SOCK"

# sshd tags its sockets since OpenSSH 10.1; before, they are named like those of an agent that was started here.
_OF_SSHD: Final = re.compile(r".*/(s\.[^/]+\.sshd\.[^/]+|agent\.sshd\.[^/]+|dropbear-[^/]+/auth-[^/]+)", re.DOTALL)
_OF_EITHER: Final = re.compile(r".*/ssh-[^/]+/agent\.[0-9]+", re.DOTALL)
_FORWARDING: Final = ("sshd", "dropbear")
_SECONDS: Final = 2.0


def agent_place() -> Path | None:
    """The socket that the environment names now; None where it names none."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def check_place(place: Path) -> None:
    """
    Raises:
        AgentFault: there is no socket, or it is another user's. Root may use any.
    """
    try:
        found = place.stat()
    except FileNotFoundError:
        raise AgentFault(f"there is no agent at {place} any more", hint=START_ONE) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AgentFault(f"{place} cannot be looked at: {reason}", hint=START_ONE) from None
    if not stat.S_ISSOCK(found.st_mode):
        raise AgentFault(f"{place} is no socket", hint=START_ONE)
    if found.st_uid != os.geteuid() and os.geteuid() != 0:
        raise AgentFault(
            f"the agent's socket {place} belongs to another user (uid {found.st_uid})",
            hint=f"start an agent of your own: eval $(ssh-agent); {VARIABLE} names its socket",
        )


def forwarded_note(place: Path) -> str | None:
    """What to know of an agent that SSH lets through from another machine; None where it does not look so.

    Certain where the process behind the socket shows itself as sshd, or the socket's name does. An agent that was
    started inside an SSH session cannot be told apart everywhere, and is then only said to look so.
    """
    path = str(place)
    if _OF_SSHD.fullmatch(path) or _peer(place).startswith(_FORWARDING):
        how = "the agent is forwarded by SSH from another machine"
    elif "SSH_CONNECTION" in os.environ and _OF_EITHER.fullmatch(path):
        how = "the agent looks as if SSH forwards it from another machine"
    else:
        return None
    return f"{how}: while that lasts, whoever is root here can sign with its keys (ssh-add -c lets it ask each time)"


def _peer(place: Path) -> str:
    """The name of the process that listens at a socket; empty where the system does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return ""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
            talk.settimeout(_SECONDS)
            talk.connect(str(place))
            number, _, _ = struct.unpack("3i", talk.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
        return Path("/proc", str(number), "comm").read_text(errors="replace").strip()
    except OSError:
        return ""

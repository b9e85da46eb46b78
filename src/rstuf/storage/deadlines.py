"""A bound on how long a server may take altogether.

A limit on silence is none for a server that sends a byte, or an interim answer, now and then. So each step on the
network gets no more time than is left, whatever it is part of: connecting, a handshake, headers, the frames of a body.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpcore

if TYPE_CHECKING:
    import ssl

    import httpx


class Deadline(threading.local):
    """When what a thread is doing has to be done; without end at first, and for each thread its own."""

    def __init__(self) -> None:
        self._ends = math.inf
        self._seconds = math.inf

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """All that is asked of the network in this block has to be done in `seconds`, or by the end set before."""
        before = self._ends, self._seconds
        ends = time.monotonic() + seconds
        if ends < self._ends:
            self._ends, self._seconds = ends, seconds
        try:
            yield
        finally:
            self._ends, self._seconds = before

    def left(self, timeout: float | None) -> float | None:
        """How long one step may take that may take `timeout` seconds by itself.

        Raises:
            httpcore.ReadTimeout: the time is over.
        """
        if self._ends == math.inf:
            return timeout
        self.check()
        # Zero would mean not to wait at all, which sockets tell otherwise.
        left = max(self._ends - time.monotonic(), 0.001)
        return left if timeout is None else min(timeout, left)

    def check(self) -> None:
        """See that there is time left.

        Raises:
            httpcore.ReadTimeout: there is none.
        """
        if time.monotonic() >= self._ends:
            raise httpcore.ReadTimeout(f"it took more than {self._seconds:.0f} s")


def bound(client: httpx.Client, deadline: Deadline) -> None:
    """Let whatever a client does on the network, through proxies too, end by `deadline`."""
    # httpx has no public way to its network: this fails at once, and not silently, where it is made otherwise.
    transports: list[Any] = [client._transport, *client._mounts.values()]
    for transport in transports:
        if transport is not None:
            pool = transport._pool
            pool._network_backend = _Backend(pool._network_backend, deadline)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, backend: httpcore.NetworkBackend, deadline: Deadline) -> None:
        self._backend, self._deadline = backend, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        # One address after another, as the system would: a name may stand for thousands that say nothing.
        error: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in _addresses(host, port):
            left = self._deadline.left(timeout)
            try:
                stream = self._backend.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
            else:
                return _Stream(stream, self._deadline)
        raise error


def _addresses(host: str, port: int) -> Iterator[str]:
    try:
        for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            yield socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self._stream.read(max_bytes, self._deadline.left(timeout))
        except httpcore.ReadTimeout:
            # Silence until the end is told as what it is.
            self._deadline.check()
            raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

"""A small load client over raw sockets: one thread, ``connections`` kept-alive connections, an epoll loop, bodies received into one buffer.

It stands in for wrk, which this project does not install: a response costs it some 30 us and the kernel's copy, so it is not what is measured.
Bodies end by Content-Length, by the last chunk or by the end of the connection (Orthanc ends a series so; it is then opened again).
"""

from __future__ import annotations

import os
import re
import selectors
import socket
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass
class Answered:
    """What one run gave: seconds of the whole run, latencies in ms, bytes of bodies, statuses other than 200, CPU seconds of the server."""

    seconds: float
    latencies_ms: list[float] = field(default_factory=list)
    size_bytes: int = 0
    failures: int = 0
    cpu_seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.latencies_ms) / self.seconds

    @property
    def mb_per_second(self) -> float:
        return self.size_bytes / 1e6 / self.seconds

    @property
    def p50_ms(self) -> float:
        return statistics.median(self.latencies_ms)

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds of the server a request."""
        return 1e3 * self.cpu_seconds / max(1, len(self.latencies_ms))


def cpu_of(pids: Sequence[int]) -> float:
    """User and system seconds of processes and of their children that still run."""
    total = 0.0
    for pid in pids:
        for stat in [Path(f"/proc/{pid}/stat")]:
            fields = stat.read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def request(url: str, headers: dict[str, str]) -> bytes:
    """A GET as it goes over the wire."""
    parts = urlsplit(url)
    lines = [f"GET {parts.path}{'?' + parts.query if parts.query else ''} HTTP/1.1", f"Host: {parts.netloc}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


class _Connection:
    """One connection and the answer that is under way on it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.socket = self._open()
        self.started = 0.0
        self.head = b""
        self.received = 0
        self.wanted: int | None = None
        self.chunked = False
        self.tail = b""

    def _open(self) -> socket.socket:
        opened = socket.create_connection(self.address)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def ask(self, message: bytes) -> None:
        self.started = time.perf_counter()
        self.head, self.received, self.wanted, self.chunked, self.tail = b"", 0, None, False, b""
        self.socket.sendall(message)

    def receive(self, buffer: memoryview) -> bool:
        """True when the answer is complete."""
        count = self.socket.recv_into(buffer)
        if not count:
            self.socket.close()
            if not self.head or self.chunked or self.wanted is not None:
                raise ConnectionError(f"the server closed within an answer after {self.received} bytes: {self.head[:200]!r}")
            return True
        data = buffer[:count]
        if not self.head.endswith(b"\r\n\r\n"):
            joined = self.head + bytes(data)
            end = joined.find(b"\r\n\r\n")
            if end < 0:
                self.head = joined
                return False
            self.head, rest = joined[: end + 4], joined[end + 4 :]
            length = _LENGTH.search(self.head)
            self.wanted = int(length[1]) if length else None
            self.chunked = length is None and _CHUNKED.search(self.head) is not None
            data, count = memoryview(rest), len(rest)
        self.received += count
        if self.chunked:
            self.tail = (self.tail + bytes(data[-8:]))[-8:]
            return self.tail.endswith(_LAST_CHUNK) or (self.received == 5 and self.tail.endswith(b"0\r\n\r\n"))
        return self.wanted is not None and self.received >= self.wanted

    def again(self) -> None:
        """Ready for the next request; a connection that the server closes is opened anew."""
        if self.socket.fileno() < 0:
            self.socket = self._open()


def run(base: str, messages: Sequence[bytes], connections: int, pids: Sequence[int]) -> Answered:
    """Ask ``messages`` in order over so many connections; every answer is read to its end."""
    parts = urlsplit(base)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    waiting = list(reversed(messages))
    buffer = memoryview(bytearray(1 << 20))
    result = Answered(0.0)
    selector = selectors.EpollSelector()
    cpu, began = cpu_of(pids), time.perf_counter()
    for _ in range(min(connections, len(messages))):
        opened = _Connection(address)
        opened.ask(waiting.pop())
        selector.register(opened.socket, selectors.EVENT_READ, opened)
    while selector.get_map():
        for key, _ in selector.select(60):
            connection: _Connection = key.data
            if not connection.receive(buffer):
                continue
            result.latencies_ms.append(1e3 * (time.perf_counter() - connection.started))
            result.size_bytes += connection.received
            result.failures += not connection.head.startswith(b"HTTP/1.1 200")
            closed = connection.socket.fileno() < 0 or b"\r\nconnection: close" in connection.head.lower()
            if closed or not waiting:
                selector.unregister(key.fileobj)
                connection.socket.close()
            if waiting:
                connection.again()
                connection.ask(waiting.pop())
                if closed:
                    selector.register(connection.socket, selectors.EVENT_READ, connection)
    result.seconds = time.perf_counter() - began
    result.cpu_seconds = cpu_of(pids) - cpu
    return result


def fetch(base: str, path: str, headers: dict[str, str]) -> tuple[bytes, bytes]:
    """(head, body) of one answer; a chunked body is put together."""
    parts = urlsplit(base)
    with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), 60) as opened:
        opened.sendall(request(base + path, {**headers, "Connection": "close"}))
        pieces = []
        while piece := opened.recv(1 << 20):
            pieces.append(piece)
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    if _CHUNKED.search(head):
        whole, position = [], 0
        while (end := body.find(b"\r\n", position)) >= 0 and (size := int(body[position:end], 16)):
            whole.append(body[end + 2 : end + 2 + size])
            position = end + 4 + size
        body = b"".join(whole)
    return head, body

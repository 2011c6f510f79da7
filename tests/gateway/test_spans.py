"""Files that go from the disk to the socket past the event loop: bytes, order, slow clients, missing files."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from gateway.spans import FileSpans
from isocenter.spans import SPANS, FileSpan, Spans, size_of

DATA = bytes(range(256)) * 40_000  # 10 MB: more than a socket takes at once


@contextlib.asynccontextmanager
async def _served(spans: Spans, cut: int = 0) -> AsyncIterator[int]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert SPANS in scope["extensions"]
        size = size_of(spans) + len(b"end")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(size).encode())]})
        await send({"type": SPANS, "spans": spans})
        await send({"type": "http.response.body", "body": b"end"})

    config = uvicorn.Config(FileSpans(app), host="127.0.0.1", port=0, loop="none", http="httptools", ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await running


async def _fetch(port: int, times: int = 1, pause_bytes: int = 0) -> bytes:
    """The raw answers to ``times`` requests over one connection; with ``pause_bytes`` the client rests while the server is stuck."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
    received = b""
    for number in range(times):
        close = b"Connection: close\r\n" if number == times - 1 else b""
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n" + close + b"\r\n")
        if pause_bytes:
            await asyncio.sleep(0.1)  # longer than a thread's patience; what is asserted does not depend on it
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        received += await reader.readexactly(length)
    writer.close()
    return received


def _on_uvloop(work: object) -> object:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)  # type: ignore[arg-type]


@pytest.mark.parametrize("pause", [0, 1])
def test_spans_when_sent_twice_over_one_connection_then_bytes_and_order_are_right(tmp_path: Path, pause: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    spans = [b"first", FileSpan(path, 0, len(DATA)), b"", b"middle", FileSpan(path, 100, 5), b"last"]

    async def work() -> bytes:
        async with _served(spans) as port:
            return await _fetch(port, times=2, pause_bytes=pause)

    assert _on_uvloop(work()) == (b"first" + DATA + b"middle" + DATA[100:105] + b"lastend") * 2


@pytest.mark.parametrize("missing", [True, False])
def test_spans_when_a_file_is_missing_or_short_then_the_answer_breaks_off(tmp_path: Path, missing: bool) -> None:
    path = tmp_path / "file"
    if not missing:
        path.write_bytes(DATA[:10])

    async def work() -> bytes:
        async with _served([b"first", FileSpan(path, 0, 20)]) as port:
            return await _fetch(port)

    with pytest.raises(asyncio.IncompleteReadError):
        _on_uvloop(work())


def test_spans_when_the_client_goes_then_the_server_answers_the_next(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)

    async def work() -> bytes:
        async with _served([FileSpan(path, 0, len(DATA))]) as port:
            for _ in range(6):  # more than there are threads
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                await writer.drain()
                writer.transport.abort()
            return await asyncio.wait_for(_fetch(port), 30)

    assert _on_uvloop(work()) == DATA + b"end"

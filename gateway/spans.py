"""The server's side of ``isocenter/spans.py``: files go to the socket in a thread, past the event loop, a block at a time.

Other requests are answered meanwhile. A block is read and written at once: on loopback one client took 2.7 GB/s of such blocks and 1.7 GB/s of
sendfile(2), whose pages of 4 KiB the receiver must gather, at the same CPU (benchmarks/README.md). A client that takes nothing for
:data:`PATIENCE_SECONDS` gives its thread back; the event loop waits for it then.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from isocenter.errors import NotFound
from isocenter.spans import SPANS, FileSpan, Spans, size_of

THREADS = 4
BLOCK_BYTES = 1 << 20
PATIENCE_SECONDS = 0.02
SHORTER = "The stored object is shorter than it was when it was stored."


class FileSpans:
    """The outermost layer: offers the extension to GET requests that uvicorn's own cycle answers over plain TCP."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._threads = ThreadPoolExecutor(THREADS, "send")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle = getattr(send, "__self__", None)
        if scope["type"] != "http" or scope["method"] != "GET" or not isinstance(cycle, RequestResponseCycle):
            await self.app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == SPANS:
                await self._send(cycle, message["spans"])
            else:
                await send(message)

        scope.setdefault("extensions", {})[SPANS] = {}
        await self.app(scope, receive, sending)

    async def _send(self, cycle: RequestResponseCycle, spans: Spans) -> None:
        """Returns when all is with the system, or the client is gone. NotFound when a file is missing or too short: the answer must break off then."""
        size = size_of(spans)
        if cycle.chunked_encoding is not False or size > cycle.expected_content_length:
            raise RuntimeError("spans need a content-length that they fit into")
        await _flushed(cycle)
        if cycle.disconnected:
            return
        loop = asyncio.get_running_loop()
        # A descriptor of our own: that of the transport may be closed, and its number given to another connection, while a thread still writes.
        opened: socket.socket = cycle.transport.get_extra_info("socket")
        out = _Out(os.dup(opened.fileno()), spans)
        running: asyncio.Future[bool] | None = None
        try:
            while not cycle.disconnected:
                running = loop.run_in_executor(self._threads, out.go_on)
                if await asyncio.shield(running):
                    break
                await _writable(loop, out.descriptor)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the transport notices by itself
        finally:
            out.stopped = True
            if running is None or running.done():
                out.close()
            else:
                running.add_done_callback(lambda _: out.close())
        cycle.expected_content_length -= size


async def _flushed(cycle: RequestResponseCycle) -> None:
    """Until the head of the answer is written: nearly always at the end of this turn of the loop."""
    wait = 0.0
    for _ in range(1000):
        if cycle.disconnected or not cycle.transport.get_write_buffer_size():
            return
        await asyncio.sleep(wait)
        wait = min(0.05, wait + 0.001)
    cycle.transport.abort()


async def _writable(loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
    ready = asyncio.Event()
    loop.add_writer(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(descriptor)


class _Out:
    """What is still to be written to a non-blocking socket; used by one thread at a time."""

    def __init__(self, descriptor: int, spans: Spans) -> None:
        self.descriptor = descriptor
        self.stopped = False
        self._socket = socket.socket(fileno=descriptor)
        self._spans = spans
        self._next = 0
        self._done = 0  # bytes of the next span that are in a block
        self._file = -1
        self._block = np.empty(min(BLOCK_BYTES, size_of(spans)), np.uint8).data
        self._full = self._block[:0]  # of the block, what is not written
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def go_on(self) -> bool:
        """True when everything is written, False when the client takes nothing more for now."""
        while not self.stopped:
            if not self._full:
                self._full = self._block[: self._fill()]
                if not self._full:
                    break
            try:
                self._full = self._full[self._socket.send(self._full) :]
            except BlockingIOError:
                if not self._poll.poll(PATIENCE_SECONDS * 1e3):
                    return False
        return True

    def _fill(self) -> int:
        """Bytes put into the block; fewer than it has room for only at the end."""
        filled = 0
        while filled < len(self._block) and self._next < len(self._spans):
            span = self._spans[self._next]
            size = span.length if isinstance(span, FileSpan) else len(span)
            room = self._block[filled : filled + size - self._done]
            if isinstance(span, FileSpan):
                count = self._read(span, room) if room else 0
            else:
                count = len(room)
                room[:] = span[self._done : self._done + count]
            filled, self._done = filled + count, self._done + count
            if self._done == size:
                self._close_file()
                self._next, self._done = self._next + 1, 0
        return filled

    def _read(self, span: FileSpan, room: memoryview) -> int:
        if self._file < 0:
            try:
                self._file = os.open(span.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError as error:
                raise NotFound("The object is not in the store.") from error
        count = os.preadv(self._file, [room], span.offset + self._done)
        if not count:
            raise NotFound(SHORTER)
        return count

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def close(self) -> None:
        self._close_file()
        self._socket.close()

"""Tells open pages that alerts changed: one event a listener, all in this process (one stats process a site)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Bell:
    """``ring`` wakes every listener; a ring while a listener is busy is kept for it."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Event] = set()
        self.closed = False

    async def close_when(self, stopping: asyncio.Event) -> None:
        """Let every listener go when the process stops."""
        await stopping.wait()
        self.closed = True
        self.ring()

    def ring(self) -> None:
        for listener in self._listeners:
            listener.set()

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        listener = asyncio.Event()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

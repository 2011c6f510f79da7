"""Work that a service does between requests: one loop that takes what waits, and sleeps until it is woken or it is time to look again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from isocenter.errors import IsocenterError

log = logging.getLogger(__name__)


class Background:
    """Calls ``work`` again and again: at once while it says True, else after ``idle_seconds`` or :meth:`wake`.

    An ``IsocenterError`` of ``work`` (a catalog that does not answer) is logged without its text and tried again after the same wait.
    ``resting`` is called before each wait.
    """

    def __init__(self, name: str, work: Callable[[], Coroutine[Any, Any, bool]], idle_seconds: float, resting: Callable[[], None] = lambda: None) -> None:
        self._name = name
        self._work = work
        self._idle_seconds = idle_seconds
        self._resting = resting
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.create_task(self._run(), name=self._name)

    def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    async def stop(self) -> None:
        """Cancel what is under way and wait for its end."""
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                if await self._work():
                    continue
            except IsocenterError as error:
                log.warning("background work not begun name=%s kind=%s", self._name, type(error).__name__)
            self._resting()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._idle_seconds)

"""Doing something again and again until cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from isocenter.errors import IsocenterError

log = logging.getLogger(__name__)

AFTER_FAILURE_SECONDS = 5.0


async def forever(look: Callable[[], Awaitable[None]], every_seconds: float) -> None:
    """``look`` begins every so many seconds; a part that is away costs a round, and the next comes later."""
    loop = asyncio.get_running_loop()
    while True:
        started, pause = loop.time(), every_seconds
        try:
            await look()
        except (IsocenterError, OSError) as error:
            log.warning("sample not kept kind=%s", type(error).__name__)
            pause = max(every_seconds, AFTER_FAILURE_SECONDS)
        await asyncio.sleep(max(0.05, pause - (loop.time() - started)))

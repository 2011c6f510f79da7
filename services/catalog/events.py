"""A long piece of work told as server-sent events: its progress, then its result or its problem document."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import orjson
from pydantic import BaseModel

from isocenter.errors import IsocenterError, problem

log = logging.getLogger(__name__)

Told = Callable[[str, int, int], None]  # step, done, total
BEAT_SECONDS = 0.25  # progress is told at most that often


async def events(work: Callable[[Told], Awaitable[BaseModel]]) -> AsyncIterator[bytes]:
    """``progress`` events while it runs, then ``version`` or ``problem``. Who hangs up ends the work before its commit, or not at all."""
    last: tuple[str, int, int] | None = None

    def told(step: str, done: int, total: int) -> None:
        nonlocal last
        last = step, done, total

    running = asyncio.ensure_future(work(told))
    try:
        while not running.done():
            await asyncio.wait({running}, timeout=BEAT_SECONDS)
            if last is not None:
                yield _event("progress", orjson.dumps({"step": last[0], "done": last[1], "total": last[2]}))
                last = None
        try:
            yield _event("version", running.result().model_dump_json().encode())
        except IsocenterError as error:
            yield _event("problem", orjson.dumps(problem(error)))
        except Exception as error:  # the stream has begun: a 500 can no longer be its status
            log.error("unexpected error kind=%s", type(error).__name__, exc_info=error)
            yield _event("problem", orjson.dumps(problem(IsocenterError("Something failed on our side; the operator finds it in the log."))))
    finally:
        running.cancel()


def _event(name: str, data: bytes) -> bytes:
    return f"event: {name}\ndata: ".encode() + data + b"\n\n"

"""The loop behind the requests: it works while there is work, sleeps, is woken, and survives what is refused."""

from __future__ import annotations

import asyncio

from isocenter.background import Background
from isocenter.errors import Unavailable


async def test_background_when_woken_then_it_looks_at_once_and_rests_in_between() -> None:
    waiting, done, rested = 2, asyncio.Event(), 0

    async def work() -> bool:
        nonlocal waiting
        if not waiting:
            done.set()
            return False
        waiting -= 1
        return True

    def resting() -> None:
        nonlocal rested
        rested += 1

    background = Background("test", work, idle_seconds=3600, resting=resting)
    background.start()
    await asyncio.wait_for(done.wait(), 5)
    done.clear()
    waiting = 1
    background.wake()
    await asyncio.wait_for(done.wait(), 5)
    await background.stop()
    assert waiting == 0
    assert rested >= 1


async def test_background_when_the_catalog_does_not_answer_then_it_tries_again() -> None:
    tries = asyncio.Queue[int]()

    async def work() -> bool:
        tries.put_nowait(1)
        raise Unavailable("The catalog does not answer.")

    background = Background("test", work, idle_seconds=0)
    background.start()
    for _ in range(3):
        await asyncio.wait_for(tries.get(), 5)
    await background.stop()

"""Runs the lifespan protocol of the apps behind the gateway, so that a service in this process starts and stops like one of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from starlette.types import ASGIApp, Message

log = logging.getLogger(__name__)


class StartFailed(Exception):
    """A service could not start; the message is its name and what it said."""


class Lifespan:
    """One app's lifespan: :meth:`start` returns when it is up, :meth:`stop` when it is down."""

    def __init__(self, name: str, app: ASGIApp) -> None:
        self.name = name
        self._app = app
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._outbox: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"lifespan-{self.name}")
        await self._inbox.put({"type": "lifespan.startup"})
        answer = await self._outbox.get()
        if answer["type"] != "lifespan.startup.complete":
            raise StartFailed(f"The service {self.name} did not start.")

    async def stop(self) -> None:
        if self._task is None or self._task.done():
            return
        await self._inbox.put({"type": "lifespan.shutdown"})
        answer = await self._outbox.get()
        if answer["type"] != "lifespan.shutdown.complete":
            log.warning("service did not stop cleanly service=%s", self.name)
        await self._task

    async def _run(self) -> None:
        try:
            await self._app({"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}, self._inbox.get, self._outbox.put)
        except Exception as error:
            log.error("lifespan failed service=%s kind=%s", self.name, type(error).__name__, exc_info=error)
        # Whoever waits for an answer that the app did not give gets this one.
        await self._outbox.put({"type": "lifespan.ended"})


class Lifespans:
    """All apps' lifespans, started in order and stopped in the opposite one."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self._all = [Lifespan(name, app) for name, app in apps.items()]
        self._started: list[Lifespan] = []

    async def start(self) -> None:
        """StartFailed when one does not start; those that did are stopped before."""
        for lifespan in self._all:
            try:
                await lifespan.start()
            except StartFailed:
                await self.stop()
                raise
            self._started.append(lifespan)

    async def stop(self) -> None:
        while self._started:
            await self._started.pop().stop()

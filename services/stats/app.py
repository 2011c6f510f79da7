"""The statistics service's app; its lifespan samples this host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from isocenter.resources import Resources, open_resources
from isocenter.settings import Settings
from isocenter.web import create_service
from services.stats.routes import servers, statistics
from services.stats.sampler import Sampler


def create_app(settings: Settings, resources: Resources | None = None) -> FastAPI:
    """``resources`` None: opened here from the settings (a process of its own)."""
    opened = resources or open_resources(settings)

    @asynccontextmanager
    async def sampling(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(Sampler(settings, opened).run(), name="host-sampler")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    return create_service("stats", opened, [statistics.router, servers.router], lifespan=sampling)

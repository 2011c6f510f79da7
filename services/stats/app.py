"""The statistics service's app; its lifespan samples this host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from isocenter.metrics import new_metrics
from isocenter.resources import Resources, open_resources
from isocenter.settings import Settings
from isocenter.web import create_service
from services.stats.bell import Bell
from services.stats.routes import alerts, servers, statistics
from services.stats.sampler import Sampler
from services.stats.told import Bodies
from services.stats.work import WorkGauges


def create_app(settings: Settings, resources: Resources | None = None) -> FastAPI:
    """``resources`` None: opened here from the settings (a process of its own)."""
    opened = resources or open_resources(settings)
    metrics, bell = new_metrics("stats"), Bell()
    gauges = WorkGauges(metrics)

    @asynccontextmanager
    async def sampling(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(Sampler(settings, opened, bell=bell, gauges=gauges).run(), name="host-sampler")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    app = create_service("stats", opened, [statistics.router, servers.router, alerts.router], lifespan=sampling, metrics=metrics)
    app.state.bell = bell
    app.state.bodies = Bodies()
    return app

"""The statistics service's app; its lifespan samples this host and carries notices."""

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
from services.stats.courier import Courier
from services.stats.routes import alerts, servers, statistics
from services.stats.sampler import Sampler
from services.stats.work import WorkGauges


def create_app(settings: Settings, resources: Resources | None = None) -> FastAPI:
    """``resources`` None: opened here from the settings (a process of its own)."""
    opened = resources or open_resources(settings)
    metrics, bell = new_metrics("stats"), Bell()
    gauges, courier = WorkGauges(metrics), Courier(settings, opened)

    @asynccontextmanager
    async def sampling(_: FastAPI) -> AsyncIterator[None]:
        opened.columns.begin()
        sampler = Sampler(settings, opened, bell=bell, gauges=gauges, courier=courier)
        tasks = [asyncio.create_task(sampler.run(), name="host-sampler"), asyncio.create_task(courier.run(), name="courier")]
        tasks.append(asyncio.create_task(bell.close_when(opened.stopping), name="bell"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    app = create_service("stats", opened, [statistics.router, servers.router, alerts.router], lifespan=sampling, metrics=metrics)
    app.state.bell = bell
    app.state.courier = courier
    return app

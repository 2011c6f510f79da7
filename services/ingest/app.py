"""The ingest service: imports, uploads, reviews, and the coordinator that does the work."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.db import for_update
from isocenter.errors import IsocenterError
from isocenter.metrics import new_metrics
from isocenter.models import DoomedObject, ImportBatch, Instance, Resource, Series, StoreGate, now
from isocenter.resources import Resources, open_resources
from isocenter.settings import Settings
from isocenter.web import create_service
from services.ingest.coordinator import Coordinator
from services.ingest.rehearsal import Rehearsal
from services.ingest.routes import imports, labels, reviews, rules, stow, uploads
from services.ingest.store import capsules

log = logging.getLogger(__name__)

SWEEP_SECONDS = 300


def create_app(settings: Settings, resources: Resources | None = None) -> FastAPI:
    """The app; its lifespan runs the coordinator and the sweep."""
    opened = resources or open_resources(settings)
    metrics = new_metrics("ingest")
    coordinator = Coordinator(opened, metrics)
    rehearsal = Rehearsal(opened, coordinator.pool)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        coordinator.start()
        rehearsal.start()
        sweeping = asyncio.create_task(_sweep_often(opened), name="ingest-sweep")
        try:
            yield
        finally:
            sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sweeping
            await rehearsal.stop()
            await coordinator.stop()
            if resources is None:
                await opened.close()

    routers = [imports.router, uploads.router, reviews.router, stow.router, labels.router, rules.router]
    app = create_service("ingest", opened, routers, lifespan=lifespan, free_bodies=("/api/v1/uploads", "/dicom-web"), metrics=metrics)
    app.state.coordinator = coordinator
    app.state.rehearsal = rehearsal
    return app


async def _sweep_often(resources: Resources) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            await sweep(resources)
        except IsocenterError as error:
            log.warning("sweep failed kind=%s", type(error).__name__)


async def sweep(resources: Resources) -> int:
    """Delete doomed objects that nothing refers to any more, and capsules whose time is over; how many objects went.

    Under ``store_gate``, and only while no batch is leased: a batch could be about to write the same key again.
    """
    async with resources.db.write() as session:
        await session.scalar(for_update(select(StoreGate), session))
        if await session.scalar(select(ImportBatch.id).where(ImportBatch.state == "open", ImportBatch.lease_until > now()).limit(1)) is not None:
            return 0
        doomed = list(await session.scalars(select(DoomedObject.object_key).limit(1000)))
        gone = [key for key in doomed if not await _referred_to(session, key)]
        for key in gone:
            await asyncio.to_thread(resources.store.delete, key)
            await asyncio.to_thread(resources.staging.delete, key)  # a file that was never released
        if doomed:
            await session.execute(delete(DoomedObject).where(DoomedObject.object_key.in_(doomed)))
        await capsules.erase_expired(session)
        return len(gone)


async def _referred_to(session: AsyncSession, key: str) -> bool:
    if await session.scalar(select(Instance.id).where(Instance.object_key == key, Instance.deleted_at.is_(None)).limit(1)) is not None:
        return True
    if await session.scalar(select(Resource.id).where(Resource.object_key == key).limit(1)) is not None:  # deleted ones can be restored
        return True
    named = (Series.metadata_key == key) | (Series.thumbnail_key == key)
    return await session.scalar(select(Series.id).where(named, Series.deleted_at.is_(None)).limit(1)) is not None

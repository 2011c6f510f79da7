"""The coordinator: claims batches by lease, runs their stage, moves imports from stage to stage.

All durable state is rows (imports, batches, items); a coordinator holds nothing that a kill could lose. Several may run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.db import Deadlock, for_update
from isocenter.errors import IsocenterError, StorageFull, Unavailable
from isocenter.metrics import Metrics
from isocenter.models import Import
from isocenter.resources import Resources
from services.ingest.counted import IngestMetrics
from services.ingest.executor import WorkPool
from services.ingest.stages import again, close, finish, group, label, link, read, release, scan, scrub, tables
from services.ingest.stages.context import Context
from services.ingest.store import imports

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
RUN: dict[str, Callable[[Context], Awaitable[None]]] = {
    "scan": scan.run,
    "tables": tables.run,
    "read": read.run,
    "group": group.run,
    "link": link.run,
    "release": release.run,
    "close": close.run,
    "scrub": scrub.run,
    "label": label.run,
    "finish": finish.run,
    imports.AGAIN: again.run,
}
PLAN: dict[str, Callable[[Context], Awaitable[list[tuple[dict[str, Any], int]]]]] = {
    "scan": scan.plan,
    "tables": tables.plan,
    "read": read.plan,
    "group": group.plan,
    "link": link.plan,
    "release": release.plan,
    "close": close.plan,
    "scrub": scrub.plan,
    "label": label.plan,
    "finish": finish.plan,
}


class Coordinator:
    """Runs batches until stopped; ``wake`` saves waiting for the next look."""

    def __init__(self, resources: Resources, metrics: Metrics) -> None:
        self.resources = resources
        self.pool = WorkPool(resources.settings.executor)
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._counted = IngestMetrics(metrics)

    def start(self) -> None:
        self._loop = asyncio.create_task(self._run(), name="ingest-coordinator")

    def wake(self) -> None:
        self._wake.set()

    async def stop(self) -> None:
        """End without waiting for running batches: their leases run out, or are given back here."""
        if self._loop is not None:
            self._loop.cancel()
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, *([self._loop] if self._loop else []), return_exceptions=True)
        self.pool.close()

    async def _run(self) -> None:
        while True:
            try:
                claimed = await self._claim() if len(self._running) < self.resources.settings.import_workers else None
            except IsocenterError as error:
                log.warning("claim failed kind=%s", type(error).__name__)
                claimed = None
            if claimed is not None:
                task = asyncio.create_task(self._work(*claimed))
                self._running.add(task)
                task.add_done_callback(self._done)
                continue
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), IDLE_SECONDS)
            except TimeoutError:
                continue

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()

    async def _claim(self) -> tuple[Context, str, int, int] | None:
        """A leased batch as a context, its stage, which attempt this is, and how many items it has."""
        settings = self.resources.settings
        async with self.resources.db.write() as session:
            batch = await imports.claim(session, settings.lease_seconds)
            if batch is None:
                return None
            row = await session.get(Import, batch.import_id)
            assert row is not None
            assert batch.lease_token is not None
            return await self._context(session, row, batch.id, batch.lease_token, dict(batch.payload)), batch.stage, batch.attempt, batch.size

    async def _context(self, session: AsyncSession, row: Import, batch_id: int, token: str, payload: dict[str, Any]) -> Context:
        hospital = await imports.hospital_code(session, row.hospital_id)
        return Context(self.resources, self.pool, row.id, row.key, row.hospital_id, hospital, dict(row.options), batch_id, token, payload)

    async def _work(self, context: Context, stage: str, attempt: int, size: int) -> None:
        renewing = asyncio.create_task(self._renew(context))
        self._counted.busy.inc()
        result = "failed"
        try:
            await RUN[stage](context)
            if stage != imports.AGAIN:
                await self._advance(context, stage)
            result = "done"
            self._counted.stage_items.labels(stage).inc(size)
            if stage == "finish":
                await self._count_items(context)
        except imports.LeaseLost:
            result = "lost"
            log.info("lease lost import=%s stage=%s batch=%d", context.import_key, stage, context.batch_id)
        except (Unavailable, Deadlock, OSError) as error:
            log.warning("batch put back import=%s stage=%s kind=%s", context.import_key, stage, type(error).__name__)
            await self._put_back(context, stage, attempt, error, transient=not _disk_full(error))
        except asyncio.CancelledError:
            # Shutting down: nothing is lost by leaving the lease, giving it back only saves the wait.
            await asyncio.shield(self._give_back(context, 0.0, count_attempt=False))
            raise
        except Exception as error:
            log.error("batch failed import=%s stage=%s attempt=%d kind=%s", context.import_key, stage, attempt, type(error).__name__, exc_info=error)
            await self._put_back(context, stage, attempt, error, transient=False)
        finally:
            renewing.cancel()
            self._counted.busy.dec()
            self._counted.restarts.set(self.pool.restarts)
            self._counted.executor.labels(self.pool.spec.partition(":")[0]).set(self.pool.opened)
            self._counted.batches.labels(stage, result).inc()

    async def _count_items(self, context: Context) -> None:
        """Of an import that ended: its items by outcome, link state and label state."""
        try:
            async with self.resources.db.read() as session:
                outcomes = await imports.counts(session, context.import_id)
                self._counted.add(outcomes, *await imports.states(session, context.import_id))
        except IsocenterError as error:
            log.warning("items not counted import=%s kind=%s", context.import_key, type(error).__name__)

    async def _renew(self, context: Context) -> None:
        seconds = self.resources.settings.lease_seconds
        while True:
            await asyncio.sleep(seconds / 3)
            try:
                async with self.resources.db.write() as session:
                    await imports.renew(session, context.batch_id, context.token, seconds)
            except IsocenterError as error:
                log.warning("lease not renewed kind=%s", type(error).__name__)

    async def _give_back(self, context: Context, wait_seconds: float, *, count_attempt: bool) -> int:
        try:
            async with self.resources.db.write() as session:
                return await imports.give_back(session, context.batch_id, context.token, wait_seconds=wait_seconds, count_attempt=count_attempt)
        except IsocenterError as error:
            log.warning("lease not given back kind=%s", type(error).__name__)
            return 0

    async def _put_back(self, context: Context, stage: str, attempt: int, error: Exception, *, transient: bool) -> None:
        """Try again later; pause the import when the disk is full, fail it after the third attempt. Both can be resumed."""
        full = isinstance(error, StorageFull) or _disk_full(error)
        await self._give_back(context, 2.0 * attempt if transient else 0.5, count_attempt=not transient and not full)
        if not full and (transient or attempt < imports.ATTEMPTS):
            return
        async with self.resources.db.write() as session:
            if stage == imports.AGAIN and not full:
                await imports.give_up(session, context.batch_id, list(context.payload.get("items", ())))
                return
            row = await session.scalar(for_update(select(Import).where(Import.id == context.import_id), session))
            if row is None or row.state != "running":
                return
            row.state = "paused" if full else "failed"
            reason = error.detail if isinstance(error, IsocenterError) else f"an unexpected {type(error).__name__}"
            row.failure = (f"Paused: {reason}" if full else f"The stage {stage} failed three times ({reason}); see the log, then resume.")[:255]
            row.revision += 1

    async def _advance(self, context: Context, stage: str) -> None:
        """When nothing of a stage is open any more, plan the next one; stages without work are passed over."""
        while True:
            async with self.resources.db.read() as session:
                row = await session.get(Import, context.import_id)
                if row is None or row.stage != stage or row.state in imports.FINAL or await imports.open_batches(session, row.id, stage):
                    return
            following = imports.STAGES[imports.STAGES.index(stage) + 1]
            payloads = await PLAN[following](context)
            async with self.resources.db.write() as session:
                locked = await session.scalar(for_update(select(Import).where(Import.id == context.import_id), session))
                if locked is None or locked.stage != stage or locked.state in imports.FINAL:
                    return  # another coordinator was quicker
                await imports.add_batches(session, locked.id, following, payloads)
                locked.stage = following
                locked.revision += 1
            if payloads:
                self.wake()
                return
            stage = following


def _disk_full(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in (28, 122)



"""Runs exports in the background: one at a time a process, its units in niced worker processes, under a lease that another process takes over.

Refusals of a unit stand in its note; what fails the whole export (a missing object, a full disk) is said in its row, and its objects go.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import anyio.to_thread
import orjson

from isocenter.background import Background
from isocenter.errors import InvalidInput, IsocenterError, NotFound, StorageFull, Unavailable
from isocenter.resources import Resources
from services.catalog.exports import entry
from services.catalog.exports.recipes import Recipe
from services.catalog.exports.spec import Spec, parse_spec
from services.catalog.exports.units import Done, Unit, units_of
from services.catalog.exports.workplace import Workplace, note_key
from services.catalog.store import exports as store

log = logging.getLogger(__name__)
T = TypeVar("T")

IDLE_SECONDS = 5.0
BEAT_SECONDS = 1.0  # progress and lease are written, and a cancellation is seen, that often
CRASHES = 2  # of one unit alone; then it is refused
REST_SECONDS = 20.0
ATTEMPTS = 5  # of an export whose store or catalog was away
WITHOUT_UNITS = frozenset({"labels", "croissant"})


@dataclass(frozen=True, slots=True)
class _Job:
    """A claimed export."""

    claimed: store.Claimed
    spec: Spec
    workplace: Workplace


class Workers:
    """A process pool that is opened when first used and closed when nothing is left to do. ``inline:`` executors run in a thread (tests)."""

    def __init__(self, spec: str, number: int) -> None:
        self.inline = spec == "inline:"
        self.number = number
        self._pool: Executor | None = None
        self._under_way = 0
        self._used = 0.0

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        if self._pool is None:
            if self.inline:
                self._pool = ThreadPoolExecutor(1, thread_name_prefix="export")
            else:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(self.number, mp_context=context, initializer=entry.starts, initargs=(os.getpid(),))
        pool = self._pool
        self._under_way += 1
        try:
            return await asyncio.wrap_future(pool.submit(work, *arguments))
        except BrokenExecutor:
            if self._pool is pool:
                self.close()
            raise
        finally:
            self._under_way -= 1
            self._used = time.monotonic()

    def rest(self) -> None:
        """Close when nobody has used it for a while: an idle worker holds more than 100 MB."""
        if not self._under_way and time.monotonic() - self._used > REST_SECONDS:
            self.close()

    def close(self) -> None:
        """End at once, work under way too: the lease gives it to somebody else."""
        pool, self._pool = self._pool, None
        if pool is not None:
            for process in list((getattr(pool, "_processes", None) or {}).values()):
                process.kill()
            pool.shutdown(wait=False, cancel_futures=True)


class Exporter:
    """The background of the catalog service."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        settings = resources.settings
        self.workers = Workers(settings.executor, settings.export_workers)
        self.previews = Workers(settings.executor, 1)
        self._background = Background("exporter", self.work_once, IDLE_SECONDS, self._rest)

    def start(self) -> None:
        self._background.start()

    def wake(self) -> None:
        self._background.wake()

    async def stop(self) -> None:
        await self._background.stop()
        self.workers.close()
        self.previews.close()

    def _rest(self) -> None:
        self.workers.rest()
        self.previews.rest()

    async def work_once(self) -> bool:
        """Run the next export to its end; False when none waits."""
        async with self.resources.db.write() as session:
            claimed = await store.claim(session, self.resources.settings.lease_seconds)
        if claimed is None:
            return False
        log.info("export begins version=%s format=%s attempt=%d", claimed.about.reference, claimed.format, claimed.attempt)
        try:
            await self._export(claimed)
        except _Lost:
            log.info("export given up version=%s format=%s", claimed.about.reference, claimed.format)
            await self._tidy_if_over(claimed)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(claimed))
            raise
        except (Unavailable, BrokenExecutor) as error:
            await self._give_back(claimed) if claimed.attempt < ATTEMPTS else await self._fail(claimed, _reason(error))
            await asyncio.sleep(claimed.attempt * 2)
        except Exception as error:
            if not isinstance(error, IsocenterError | OSError):
                log.error("export failed version=%s format=%s", claimed.about.reference, claimed.format, exc_info=error)
            await self._fail(claimed, _reason(error))
        return True

    async def _export(self, claimed: store.Claimed) -> None:
        spec = parse_spec(claimed.format, claimed.options)
        job = _Job(claimed, spec, self.workplace(claimed.folder, spec))
        units: list[Unit] = []
        if spec.format not in WITHOUT_UNITS:
            units = await anyio.to_thread.run_sync(self._units, claimed.manifest_key)
        ready = await anyio.to_thread.run_sync(self._ready, claimed.folder)
        progress = _Progress(len([unit for unit in units if unit.ordinal in ready]), len(units) + 1)
        work = asyncio.create_task(self._convert(job, [unit for unit in units if unit.ordinal not in ready], progress))
        try:
            await self._beat(claimed, progress, work)
        finally:
            if not work.done():
                work.cancel()
                self.workers.close()
                await asyncio.gather(work, return_exceptions=True)
        try:
            result = work.result()
        except BaseExceptionGroup as group:
            raise _first(group) from group
        async with self.resources.db.write() as session:
            if not await store.finish(session, claimed, result, progress.total):
                raise _Lost
        log.info("export finished version=%s format=%s files=%d", claimed.about.reference, claimed.format, result["files"])

    def workplace(self, folder: str, spec: Spec) -> Workplace:
        settings = self.resources.settings
        return Workplace(self.resources.store.config, self.resources.key, settings.scratch, folder, spec)

    def _units(self, manifest_key: str) -> list[Unit]:
        return units_of(orjson.loads(self.resources.store.get_bytes(manifest_key)))

    def _ready(self, folder: str) -> set[int]:
        """Ordinals of units that an earlier run has finished."""
        return {int(key.rsplit("/", 1)[1].removesuffix(".json")) for key, _ in self.resources.store.list(f"{folder}/units")}

    async def _beat(self, claimed: store.Claimed, progress: _Progress, work: asyncio.Task[dict[str, Any]]) -> None:
        """Write progress and lease until the work is done; _Lost when the export is no longer ours (cancelled, taken over, version withdrawn)."""
        while True:
            async with self.resources.db.write() as session:
                if not await store.beat(session, claimed, progress.done, progress.total, self.resources.settings.lease_seconds):
                    raise _Lost
            await asyncio.wait({work}, timeout=BEAT_SECONDS)
            if work.done():
                return

    async def _convert(self, job: _Job, units: list[Unit], progress: _Progress) -> dict[str, Any]:
        queue = iter(units)
        lanes = self.workers.number if not self.workers.inline else 1
        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(self._lane(job, queue, progress))
        return await self.workers.run(entry.finish, job.workplace, job.claimed.manifest_key, job.claimed.about)

    async def _lane(self, job: _Job, queue: Iterator[Unit], progress: _Progress) -> None:
        for unit in queue:
            async with self.resources.db.read() as session:
                keys = await store.object_keys(session, job.claimed.version_id, unit.image["series_uid"])
                masks = await store.masks_of(session, unit.case_id) if job.spec.format in ("nnunet", "coco") else ()
            sources = tuple(replace(source, key=keys.get(source.sha256, "")) for source in unit.sources)
            if not all(source.key for source in sources):
                raise NotFound(f"The catalog lacks an object of the series {unit.image['series_uid']}; freeze the dataset again.")
            await self._unit(job, replace(unit, sources=sources, masks=masks))
            progress.done += 1

    async def _unit(self, job: _Job, unit: Unit) -> None:
        for attempt in range(CRASHES + 1):
            try:
                await self.workers.run(entry.convert, job.workplace, unit)
                return
            except BrokenExecutor:
                log.warning("an export worker ended unit=%s attempt=%d", unit.name, attempt + 1)
                if attempt == CRASHES:
                    await self.workers.run(entry.nothing)  # raises again when no worker can be started: then the unit is not to blame
        note = orjson.dumps(Done(unit.ordinal, (), ((None, "conversion-crashed"),)).document())
        await anyio.to_thread.run_sync(self.resources.store.put_bytes, note_key(job.claimed.folder, unit.ordinal), note)

    async def preview(self, workplace: Workplace, unit: Unit, recipe: Recipe, seed: int, copies: int) -> bytes:
        """PNG of a recipe on one picture. Unavailable when the worker did not live through it."""
        try:
            return await self.previews.run(entry.preview, workplace, unit, recipe, seed, copies)
        except BrokenExecutor as error:
            raise Unavailable("The preview could not be made; try another series.") from error

    async def _give_back(self, claimed: store.Claimed) -> None:
        with contextlib.suppress(IsocenterError):
            async with self.resources.db.write() as session:
                await store.give_back(session, claimed)

    async def _fail(self, claimed: store.Claimed, reason: str) -> None:
        with contextlib.suppress(IsocenterError):
            await anyio.to_thread.run_sync(self.remove_objects, claimed.folder)
        try:
            async with self.resources.db.write() as session:
                await store.fail(session, claimed, reason)
        except IsocenterError as error:
            log.error("export not marked as failed kind=%s", type(error).__name__)
        log.warning("export failed version=%s format=%s reason=%s", claimed.about.reference, claimed.format, reason)

    async def _tidy_if_over(self, claimed: store.Claimed) -> None:
        """Cancelled or removed: its objects go. Taken over by another process: they are that one's."""
        async with self.resources.db.read() as session:
            over = await store.is_over(session, claimed)
        if over:
            with contextlib.suppress(IsocenterError):
                await anyio.to_thread.run_sync(self.remove_objects, claimed.folder)

    def remove_objects(self, folder: str) -> None:
        """The manifest first: what is half removed must not look whole."""
        self.resources.store.delete(f"{folder}/manifest.json")
        for key, _ in list(self.resources.store.list(f"{folder}/")):
            self.resources.store.delete(key)


class _Lost(Exception):
    """The export is no longer ours."""


@dataclass(slots=True)
class _Progress:
    done: int
    total: int


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended the lanes."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _reason(error: BaseException) -> str:
    """A sentence for the person who asked, no path and no patient data."""
    if isinstance(error, StorageFull) or (isinstance(error, OSError) and error.errno in (28, 122)):
        return "The disk or the object store is full; free space, then ask for the export again."
    if isinstance(error, IsocenterError):
        return error.detail
    return f"The conversion failed unexpectedly ({type(error).__name__}); the operator finds it in the log."


def reject_for_store(spec: Spec, store_url: str) -> None:
    """InvalidInput for what this site's store cannot give."""
    if spec.format == "s5cmd" and not store_url.startswith("s3://"):
        raise InvalidInput("This site keeps its objects in a folder; an s5cmd manifest needs an S3 store. Use isc pull.", field="format")

"""Read: batches of files go to the pool; what was read is sealed into the items' capsules, refusals get their outcome."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from isocenter.models import ImportItem
from services.ingest.identity import ItemCapsule
from services.ingest.records import Outcome, Reading, ReadResult, Refusal, ResourceReading
from services.ingest.stages.context import Context
from services.ingest.store import capsules, imports
from services.ingest.work import ReadTask, read_items


async def plan(context: Context) -> list[tuple[dict[str, Any], int]]:
    size = context.resources.settings.batch_files
    async with context.resources.db.read() as session:
        total = await session.scalar(select(func.max(ImportItem.ordinal)).where(ImportItem.import_id == context.import_id, ImportItem.kind == "file"))
    return [({"first": first, "last": first + size - 1}, min(size, (total or 0) - first + 1)) for first in range(1, (total or 0) + 1, size)]


async def run(context: Context) -> None:
    async with context.resources.db.read() as session:
        rows = (
            await session.execute(
                select(ImportItem.id)
                .where(
                    ImportItem.import_id == context.import_id,
                    ImportItem.kind == "file",
                    ImportItem.outcome.is_(None),
                    ImportItem.ordinal >= context.payload["first"],
                    ImportItem.ordinal <= context.payload["last"],
                )
                .order_by(ImportItem.ordinal)
            )
        ).scalars()
        ids = list(rows)
        sealed = await capsules.get_many(session, context.key, "item", ids, ItemCapsule)
    await read_and_store(context, ids, sealed, last=True)


async def read_and_store(context: Context, ids: list[int], sealed: dict[int, ItemCapsule], *, last: bool) -> list[ReadResult]:
    """Read these items in the pool and write what came out, in one transaction."""
    tasks = [ReadTask(item, sealed[item].source, sealed[item].path) for item in ids]
    results = await context.pool.run(read_items, context.common, tasks, _crashed)
    updates: list[dict[str, Any]] = []
    values: list[tuple[int, object]] = []
    for item, result in zip(ids, results, strict=True):
        refusal = result if isinstance(result, Refusal) else None
        updates.append(
            {
                "id": item,
                "outcome": refusal.outcome.value if refusal else None,
                "reason": refusal.code if refusal else "",
                "detail": refusal.detail[:255] if refusal else "",
                "source_hmac": None if refusal else result.source_hmac,  # type: ignore[union-attr]
            }
        )
        if not refusal:
            old = sealed[item]
            reading = result if isinstance(result, Reading) else None
            resource = result if isinstance(result, ResourceReading) else None
            values.append((item, ItemCapsule(old.source, old.path, reading, resource)))
    async with context.commit(last=last) as session:
        await imports.set_items(session, updates)
        await capsules.put(session, context.key, "item", values, days=context.days)
    return results


def _crashed(_task: ReadTask) -> ReadResult:
    return Refusal(Outcome.REFUSED, "crashed-worker", "Reading this file ended its worker process three times; it was put aside.")

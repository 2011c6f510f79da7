"""Close: order the instances of every series, find its stacks, write its metadata object, thumbnail and tile index, ask about held pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from isocenter.changes import note_changes
from isocenter.models import CaseStudy, ImportItem, Instance, Series
from services.ingest.stages import sequences
from services.ingest.stages.context import Context
from services.ingest.store import clinical, imports, reviews
from services.ingest.work import Closed, CloseTask, close_series

SERIES_PER_BATCH = 16


async def plan(context: Context) -> list[tuple[dict[str, Any], int]]:
    async with context.resources.db.read() as session:
        ids = list(
            await session.scalars(
                select(ImportItem.series_id)
                .where(ImportItem.import_id == context.import_id, ImportItem.instance_id.is_not(None), ImportItem.series_id.is_not(None))
                .distinct()
                .order_by(ImportItem.series_id)
            )
        )
    chunks = [ids[start : start + SERIES_PER_BATCH] for start in range(0, len(ids), SERIES_PER_BATCH)]
    return [({"series": chunk}, len(chunk)) for chunk in chunks]


async def run(context: Context) -> None:
    await close(context, list(context.payload["series"]), last=True)


async def close(context: Context, series_ids: Sequence[int], *, last: bool) -> None:
    """Describe these series in the pool and write what was found."""
    async with context.resources.db.read() as session:
        rows = await imports.chunked(
            session,
            select(Instance.series_id, Series.uid, Instance.sop_uid, Instance.object_key)
            .join(Series, Series.id == Instance.series_id)
            .where(Instance.generation == 0, Instance.deleted_at.is_(None))
            .order_by(Instance.sop_uid),
            Instance.series_id,
            series_ids,
        )
    objects: dict[int, list[tuple[str, str]]] = {}
    uids: dict[int, str] = {}
    for series, uid, sop_uid, object_key in rows:
        objects.setdefault(series, []).append((sop_uid, object_key))
        uids[series] = uid
    tasks = [CloseTask(series, context.key.hmac_hex("series-folder", uids[series]), tuple(objects[series])) for series in sorted(objects)]
    results = await context.pool.run(close_series, context.common, tasks, _crashed)
    async with context.commit(last=last) as session:
        questions = []
        for closed in results:
            state = await clinical.close_series(session, closed)
            if state == "held":
                questions.append(await pixel_question(session, context, closed.series_id, uids[closed.series_id]))
        asked = await sequences.note(session, context, [closed.series_id for closed in results])
        await reviews.ask(session, [question for question in (*questions, *asked) if question])
        # Readers of the column copy see counts, stacks and sizes of these series now, not when the import ends.
        cases = select(CaseStudy.case_id).join(Series, Series.study_id == CaseStudy.study_id).where(Series.id.in_(sorted(objects))).distinct()
        await note_changes(session, await session.scalars(cases))


async def pixel_question(session: Any, context: Context, series_id: int, uid: str) -> dict[str, Any] | None:
    """May the pixels of this held series be shown? None when nothing of it is held."""
    held = select(Instance.held_reason).where(Instance.series_id == series_id, Instance.state == "held", Instance.deleted_at.is_(None))
    reasons = sorted(set(await session.scalars(held)))
    if not reasons:
        return None
    study = select(Series.study_id).where(Series.id == series_id).scalar_subquery()
    case_id = await session.scalar(select(CaseStudy.case_id).where(CaseStudy.study_id == study).order_by(CaseStudy.case_id).limit(1))
    return reviews.question(
        "pixels",
        f"series:{uid}",
        {"series_uid": uid, "reason": reasons[0], "reasons": reasons},
        ["accept", "refuse"],
        priority=0.5,
        hospital_id=context.hospital_id,
        import_id=context.import_id,
        case_id=case_id,
    )


def _crashed(task: CloseTask) -> Closed:
    files = tuple(uid for uid, _ in task.objects)
    return Closed(task.series_id, None, files, files, None, None, "crashed-worker")

"""What a person sees of a running import: stages with counts, rate and time left, and sums that are checked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import Disease, Hospital, Import, ImportItem
from services.ingest.schemas import ImportView, StageProgress
from services.ingest.store import imports


async def view(session: AsyncSession, row: Import) -> ImportView:
    """The import with everything counted from its rows; nothing is kept twice."""
    progress = await imports.stage_progress(session, row.id)
    counts = await imports.counts(session, row.id)
    links, labels = await imports.states(session, row.id)
    scanned = dict((await session.execute(select(ImportItem.kind, func.count()).where(ImportItem.import_id == row.id).group_by(ImportItem.kind))).all())
    totals = {"files": int(scanned.get("file", 0)), "rows": int(scanned.get("row", 0))}
    held = await session.scalar(select(func.count()).select_from(ImportItem).where(ImportItem.import_id == row.id, ImportItem.reason.like("held-%")))
    stages = _stages(row, progress)
    codes: list[str] = row.options.get("diseases") or []
    return ImportView(
        key=row.key,
        hospital=await session.scalar(select(Hospital.code).where(Hospital.id == row.hospital_id)) or "",
        account=row.account,
        source_kind=row.source_kind,
        state=row.state,
        stage=row.stage,
        diseases=codes or list(await session.scalars(select(Disease.code).where(Disease.deleted_at.is_(None)).order_by(Disease.code))),
        created_at=row.created_at,
        finished_at=row.finished_at,
        failure=row.failure or "",
        stages=stages,
        eta_seconds=_eta(row, stages),
        counts=counts,
        totals=totals,
        sums_ok=all(sum(counts[kind].values()) == totals[kind] for kind in totals) and (row.state != "finished" or _none_pending(counts)),
        links=links,
        labels=labels,
        held=held or 0,
        reviews_open=await imports.open_reviews(session, row.id),
        revision=row.revision,
    )


def _none_pending(counts: dict[str, dict[str, int]]) -> bool:
    return all(kind["pending"] == 0 for kind in counts.values())


def _stages(row: Import, progress: dict[str, tuple[int, int, Any, Any]]) -> list[StageProgress]:
    current = imports.STAGES.index(row.stage) if row.stage in imports.STAGES else 0
    stages = []
    for number, name in enumerate(imports.STAGES):
        done, total, first, last = progress.get(name, (0, 0, None, None))
        over = number < current or row.state in ("finished", "withdrawn")
        state = "done" if over else "running" if number == current and row.state == "running" else "waiting"
        stages.append(StageProgress(name=name, state=state, done=done, total=total, rate_per_s=_rate(done, first, last)))
    return stages


def _rate(done: int, first: datetime | None, last: datetime | None) -> float | None:
    """Things a second between the first and last finished batch; None before two have finished."""
    if first is None or last is None or last <= first:
        return None
    return round(done / (last - first).total_seconds(), 2)


def _eta(row: Import, stages: list[StageProgress]) -> float | None:
    """Seconds left in the stage that runs, from its rate; None when it is not known yet."""
    if row.state != "running":
        return None
    running = next((stage for stage in stages if stage.state == "running"), None)
    if running is None or not running.rate_per_s or running.total <= running.done:
        return None
    return round((running.total - running.done) / running.rate_per_s, 1)


async def rows_of(session: AsyncSession, before: int | None, limit: int) -> list[Import]:
    """Newest imports first."""
    statement = select(Import).order_by(Import.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(Import.id < before)
    return list(await session.scalars(statement))



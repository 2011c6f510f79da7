"""Site-wide counts for /metrics and for the product's own warnings; no grants: nobody's page shows them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import Alert, CaseLabel, Import, ImportBatch, Link, Review, SiteState
from services.stats.work import Work

LAST_BACKUP = "last-backup"  # written by gateway/backup.py


async def count(session: AsyncSession, at: datetime) -> Work:
    """Everything in seven grouped statements; tens of milliseconds at a million links."""
    return Work(
        at=at,
        reviews=await _grouped(session, Review.kind, Review.state == "open"),
        imports=await _grouped(session, Import.state),
        labels=await _grouped(session, CaseLabel.state),
        links=await _grouped(session, Link.state, Link.active),
        alerts=await _grouped(session, Alert.severity, Alert.ended_at.is_(None)),
        batches=await _grouped(session, ImportBatch.state, ImportBatch.import_id.in_(select(Import.id).where(Import.state == "running"))),
        running=await _running(session),
        last_backup=await _last_backup(session),
    )


async def _grouped(session: AsyncSession, column: Any, *where: Any) -> dict[str, int]:
    rows = (await session.execute(select(column, func.count()).where(*where).group_by(column))).all()
    return {str(value): int(number) for value, number in rows}


async def _running(session: AsyncSession) -> dict[int, datetime | None]:
    """When the last batch of each running import ended; None when none did."""
    last = select(Import.id, func.max(ImportBatch.finished_at)).outerjoin(ImportBatch, ImportBatch.import_id == Import.id)
    return {row[0]: row[1] for row in (await session.execute(last.where(Import.state == "running").group_by(Import.id))).all()}


async def _last_backup(session: AsyncSession) -> datetime | None:
    value = await session.scalar(select(SiteState.value).where(SiteState.name == LAST_BACKUP))
    return datetime.fromisoformat(json.loads(value)["at"]) if value else None

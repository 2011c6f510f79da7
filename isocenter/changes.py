"""Raise the catalog revision and note which cases changed: every writer's last statements (model.md)."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import CatalogRevision, Change


async def note_changes(session: AsyncSession, case_ids: Iterable[int]) -> int:
    """The new revision. Call last in the transaction: the row of ``catalog_revision`` stays locked until commit."""
    await session.flush()
    await session.execute(update(CatalogRevision).values(number=CatalogRevision.number + 1))
    revision = (await session.scalars(select(CatalogRevision.number))).one()
    rows = [{"revision": revision, "case_id": case_id} for case_id in sorted(set(case_ids))]
    if rows:
        await session.execute(insert(Change), rows)
    return revision

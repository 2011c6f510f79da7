"""What comes from the catalog itself: titles of diseases, examinations by true day, open reviews, recent imports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Principal
from isocenter.grants import diseases_visible_to
from isocenter.models import Disease, ExamTally, Hospital, Import, Review

ROWS_MOST = 4000  # ten years by day of one hospital


async def diseases(session: AsyncSession, principal: Principal) -> Sequence[Disease]:
    """Those this account may list."""
    return (await session.scalars(select(Disease).where(diseases_visible_to(principal)).order_by(Disease.code))).all()


async def exams(
    session: AsyncSession, column: str, cross: str, since: date | None = None, until: date | None = None, limit: int = ROWS_MOST
) -> list[tuple[Any, ...]]:
    """(value of ``column``, [of ``cross``], studies); columns are day, month, hospital, device, modality. Both days are included."""
    columns: dict[str, Any] = {"day": ExamTally.day, "month": func.substr(ExamTally.day, 1, 7), "hospital": Hospital.code, "device": ExamTally.device,
               "modality": ExamTally.modality}  # fmt: skip
    chosen = [columns[name].label(f"e{number}") for number, name in enumerate(filter(None, (column, cross)))]
    counted = select(*chosen, ExamTally.studies.label("studies")).join(Hospital, Hospital.id == ExamTally.hospital_id)
    if since is not None:
        counted = counted.where(ExamTally.day >= since)
    if until is not None:
        counted = counted.where(ExamTally.day <= until)
    base = counted.subquery()
    keys = [base.c[one.name] for one in chosen]
    rows = (await session.execute(select(*keys, func.sum(base.c.studies)).group_by(*keys).order_by(*keys).limit(limit))).all()
    return [(*map(str, row[:-1]), int(row[-1])) for row in rows]


async def open_reviews(session: AsyncSession) -> int:
    return int(await session.scalar(select(func.count()).select_from(Review).where(Review.state == "open")) or 0)


async def recent_imports(session: AsyncSession, limit: int = 5) -> list[tuple[Import, str]]:
    query = select(Import, Hospital.code).join(Hospital, Hospital.id == Import.hospital_id).order_by(Import.id.desc()).limit(limit)
    return [(record, hospital) for record, hospital in (await session.execute(query)).all()]

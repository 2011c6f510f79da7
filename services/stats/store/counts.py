"""Counts through the grants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Principal
from isocenter.grants import diseases_visible_to, series_visible_to, visible_to
from isocenter.models import (
    Case,
    CaseLabel,
    CaseStudy,
    Disease,
    ExamTally,
    Hospital,
    Import,
    LabelScheme,
    Patient,
    Review,
    Series,
)
from services.stats.tally import Dimension, StudyOf

ROWS_MOST = 2000

Row = tuple[Any, ...]


def _rows(principal: Principal, columns: Sequence[Any], where: Sequence[Any], *, needs_series: bool, scheme: str = "") -> Select[Any]:
    """``columns`` over case x study x series as this account sees them; cases without a series are there unless one is needed.

    The label is that of one scheme: the first of each disease, or the one with the code ``scheme``.
    """
    chosen = select(func.min(LabelScheme.id)).where(LabelScheme.active).group_by(LabelScheme.disease_id)
    if scheme:
        chosen = chosen.where(LabelScheme.code == scheme)
    query = (
        select(*columns)
        .select_from(Case)
        .join(Disease, Disease.id == Case.disease_id)
        .join(Patient, Patient.id == Case.patient_id)
        .outerjoin(CaseLabel, and_(CaseLabel.case_id == Case.id, CaseLabel.scheme_id.in_(chosen)))
        .outerjoin(CaseStudy, CaseStudy.case_id == Case.id)
        .outerjoin(StudyOf, and_(StudyOf.id == CaseStudy.study_id, StudyOf.deleted_at.is_(None)))
        .outerjoin(Hospital, Hospital.id == StudyOf.hospital_id)
        .outerjoin(Import, Import.id == CaseStudy.import_id)
        .outerjoin(Series, and_(Series.study_id == StudyOf.id, Series.id.in_(select(Series.id).where(series_visible_to(principal)))))
        .where(visible_to(principal), *where)
    )
    return query.where(Series.id.is_not(None)) if needs_series else query


async def counted(
    session: AsyncSession, principal: Principal, dimensions: Sequence[Dimension], where: Sequence[Any], *, scheme: str = "", limit: int = ROWS_MOST
) -> list[Row]:
    """(value of each dimension, patients, cases, studies, series, instances, size_bytes) a group, most series first; without dimensions one row.

    Distinct patients, and each series once however many diseases it belongs to.
    """
    needs_series = any(dimension.needs_series for dimension in dimensions)
    named = [dimension.expression.label(f"d{number}") for number, dimension in enumerate(dimensions)]
    facts = [Case.patient_id.label("patient"), Case.id.label("case_id"), StudyOf.id.label("study"), Series.id.label("series")]
    base = _rows(principal, [*named, *facts], where, needs_series=needs_series, scheme=scheme).subquery()
    keys = [base.c[column.name] for column in named]
    distinct = [func.count(base.c[name].distinct()) for name in ("patient", "case_id", "study", "series")]
    counts = select(*keys, *distinct).group_by(*keys).order_by(distinct[3].desc(), *keys).limit(limit)
    sizes_of = [Series.id.label("series"), Series.instance_count.label("instances"), Series.size_bytes.label("size")]
    once = _rows(principal, [*named, *sizes_of], where, needs_series=True, scheme=scheme).distinct().subquery()
    size_keys = [once.c[column.name] for column in named]
    sizes = select(*size_keys, func.sum(once.c.instances), func.sum(once.c["size"])).group_by(*size_keys)
    width = len(named)
    summed = {tuple(row[:width]): (int(row[width] or 0), int(row[width + 1] or 0)) for row in (await session.execute(sizes)).all()}
    return [
        (*map(str, row[:width]), *map(int, row[width:]), *summed.get(tuple(row[:width]), (0, 0))) for row in (await session.execute(counts)).all()
    ]


async def overview(session: AsyncSession, principal: Principal) -> list[dict[str, Any]]:
    """One document a visible disease; label states of its first scheme."""
    diseases = (await session.scalars(select(Disease).where(diseases_visible_to(principal)).order_by(Disease.code))).all()
    found = {row[0]: row[1:] for row in await counted(session, principal, [Dimension("disease", Disease.code)], [])}
    labels = select(Disease.code, CaseLabel.state, func.count(Case.id.distinct()))
    labels = labels.join(Case, Case.disease_id == Disease.id).join(CaseLabel, CaseLabel.case_id == Case.id).where(visible_to(principal))
    first = select(func.min(LabelScheme.id)).where(LabelScheme.active).group_by(LabelScheme.disease_id)
    rows = (await session.execute(labels.where(CaseLabel.scheme_id.in_(first)).group_by(Disease.code, CaseLabel.state))).all()
    states = {(code, state): number for code, state, number in rows}
    documents = []
    for disease in diseases:
        patients, cases, studies, series, instances, size = found.get(disease.code, (0,) * 6)
        documents.append(
            {"code": disease.code, "title_en": disease.title_en, "title_zh": disease.title_zh, "patients": patients, "cases": cases, "studies": studies,
             "labelled": states.get((disease.code, "sure"), 0) + states.get((disease.code, "decided"), 0),
             "review": states.get((disease.code, "review"), 0), "series": series, "instances": instances, "size_bytes": size}
        )  # fmt: skip
    return documents


async def exams(session: AsyncSession, column: str, cross: str, limit: int = ROWS_MOST) -> list[tuple[Any, ...]]:
    """(value of ``column``, [of ``cross``], studies); columns are day, month, hospital, device, modality."""
    columns: dict[str, Any] = {"day": ExamTally.day, "month": func.substr(ExamTally.day, 1, 7), "hospital": Hospital.code, "device": ExamTally.device,
               "modality": ExamTally.modality}  # fmt: skip
    chosen = [columns[name].label(f"e{number}") for number, name in enumerate(filter(None, (column, cross)))]
    base = select(*chosen, ExamTally.studies.label("studies")).join(Hospital, Hospital.id == ExamTally.hospital_id).subquery()
    keys = [base.c[one.name] for one in chosen]
    rows = (await session.execute(select(*keys, func.sum(base.c.studies)).group_by(*keys).order_by(*keys).limit(limit))).all()
    return [(*map(str, row[:-1]), int(row[-1])) for row in rows]


async def open_reviews(session: AsyncSession) -> int:
    return int(await session.scalar(select(func.count()).select_from(Review).where(Review.state == "open")) or 0)


async def recent_imports(session: AsyncSession, limit: int = 5) -> list[tuple[Import, str]]:
    query = select(Import, Hospital.code).join(Hospital, Hospital.id == Import.hospital_id).order_by(Import.id.desc()).limit(limit)
    return [(record, hospital) for record, hospital in (await session.execute(query)).all()]

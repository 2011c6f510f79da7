"""All SQL of statistics: counts through the grants, host samples, alerts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Principal
from isocenter.errors import NotFound
from isocenter.grants import diseases_visible_to, series_visible_to, visible_to
from isocenter.models import (
    Alert,
    Case,
    CaseLabel,
    CaseStudy,
    Disease,
    Hospital,
    HostSample,
    Import,
    LabelScheme,
    Patient,
    Review,
    Series,
    now,
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


async def open_reviews(session: AsyncSession) -> int:
    return int(await session.scalar(select(func.count()).select_from(Review).where(Review.state == "open")) or 0)


async def recent_imports(session: AsyncSession, limit: int = 5) -> list[tuple[Import, str]]:
    query = select(Import, Hospital.code).join(Hospital, Hospital.id == Import.hospital_id).order_by(Import.id.desc()).limit(limit)
    return [(record, hospital) for record, hospital in (await session.execute(query)).all()]


# --- servers and alerts -----------------------------------------------------------------------------------------------


async def add_sample(session: AsyncSession, host: str, at: datetime, values: dict[str, float]) -> None:
    await session.execute(insert(HostSample), [{"host": host, "at": at, "values": values}])


async def trim_samples(session: AsyncSession, older_than: timedelta, at: datetime) -> None:
    await session.execute(delete(HostSample).where(HostSample.at < at - older_than))


async def hosts(session: AsyncSession) -> list[str]:
    return list((await session.scalars(select(HostSample.host).distinct().order_by(HostSample.host))).all())


async def samples(session: AsyncSession, host: str, since: datetime) -> list[tuple[datetime, dict[str, float]]]:
    """(time, values) of a host, oldest first."""
    query = select(HostSample.at, HostSample.values).where(HostSample.host == host, HostSample.at >= since).order_by(HostSample.at)
    return [(at, values) for at, values in (await session.execute(query)).all()]


async def latest(session: AsyncSession, host: str) -> tuple[datetime, dict[str, float]] | None:
    query = select(HostSample.at, HostSample.values).where(HostSample.host == host).order_by(HostSample.at.desc()).limit(1)
    row = (await session.execute(query)).first()
    return (row[0], row[1]) if row else None


async def open_alerts(session: AsyncSession, prefix: str) -> dict[str, Alert]:
    """Open alerts of one host by fingerprint."""
    rows = (await session.scalars(select(Alert).where(Alert.ended_at.is_(None), Alert.fingerprint.startswith(prefix, autoescape=True)))).all()
    return {row.fingerprint: row for row in rows}


async def alerts(session: AsyncSession, *, only_open: bool, before: int | None, limit: int) -> Sequence[Alert]:
    """Newest first."""
    query = select(Alert).order_by(Alert.id.desc()).limit(limit)
    if only_open:
        query = query.where(Alert.ended_at.is_(None))
    if before is not None:
        query = query.where(Alert.id < before)
    return (await session.scalars(query)).all()


async def acknowledge(session: AsyncSession, alert_id: int, account: str) -> Alert:
    """Mark an alert as seen; the first person stays named."""
    alert = await session.get(Alert, alert_id)
    if alert is None:
        raise NotFound("There is no such alert.")
    if alert.acknowledged_at is None:
        await session.execute(update(Alert).where(Alert.id == alert_id).values(acknowledged_by=account, acknowledged_at=now()))
        await session.refresh(alert)
    return alert

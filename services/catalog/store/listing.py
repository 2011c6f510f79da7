"""SQL of the lists of a disease beside its cases: imaging, slides, reports, other files. Keyset pages by UID or key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Permission, Principal
from isocenter.columns.rows import newest_texts
from isocenter.errors import NotAllowed, NotFound
from isocenter.grants import reports_visible_to, resources_visible_to, series_visible_to, visible_to
from isocenter.models import AuditEvent, Base, Case, Disease, Report, ReportText, Resource, Series
from isocenter.paging import encode_cursor
from isocenter.search import LINKED, CaseStudyOf, LinkOf
from services.catalog.cursors import key_after, place_after
from services.catalog.schemas.cases import HistoryOut
from services.catalog.schemas.manage import History, ReportDetailOut, ReportRow, ReportRows, ResourceRow, ResourceRows, SeriesRow, SeriesRows
from services.catalog.store import diseases
from services.catalog.store.series import shapes

HISTORY_ROWS = 200


async def series_page(
    session: AsyncSession, principal: Principal, *, disease: str, slides: bool | None, modality: str, deleted: bool, cursor: str | None, limit: int
) -> SeriesRows:
    """Series of a disease's cases; ``slides`` None = every format."""
    statement = select(Series).where(_seen(principal, Series, series_visible_to(principal), deleted)).order_by(Series.uid).limit(limit + 1)
    if disease:
        statement = statement.where(await _of_disease(session, principal, disease, Series.study_id, deleted))
    if slides is not None:
        statement = statement.where(Series.format == "WSI" if slides else Series.format != "WSI")
    if modality:
        statement = statement.where(Series.modality == modality)
    if cursor:
        statement = statement.where(Series.uid > key_after(cursor))
    rows = list(await session.scalars(statement))
    items = await series_rows(session, principal, rows[:limit])
    return SeriesRows(items=items, next=encode_cursor(items[-1].uid) if len(rows) > limit else None)


async def series_rows(session: AsyncSession, principal: Principal, rows: Sequence[Series]) -> list[SeriesRow]:
    cases = await _cases(session, principal, {row.study_id for row in rows})
    return [
        SeriesRow(**shape.model_dump(), cases=cases[row.study_id], deleted=row.deleted_at is not None, revision=row.revision)
        for row, shape in zip(rows, await shapes(session, rows), strict=True)
    ]


async def report_page(
    session: AsyncSession, principal: Principal, *, disease: str, kind: str, deleted: bool, cursor: str | None, limit: int
) -> ReportRows:
    """Reports linked to a disease's cases; without a disease also those that are linked to nothing (for those who see all)."""
    statement = select(Report).where(_seen(principal, Report, reports_visible_to(principal), deleted)).order_by(Report.key).limit(limit + 1)
    if disease:
        linked = select(LinkOf.report_id).where(
            LinkOf.active.is_(True), LinkOf.state.in_(LINKED), await _of_disease(session, principal, disease, LinkOf.study_id, deleted)
        )
        statement = statement.where(Report.id.in_(linked))
    if kind:
        statement = statement.where(Report.kind == kind)
    if cursor:
        statement = statement.where(Report.key > key_after(cursor))
    rows = list(await session.scalars(statement))
    items = await report_rows(session, principal, rows[:limit])
    return ReportRows(items=items, next=encode_cursor(items[-1].key) if len(rows) > limit else None)


async def report_rows(session: AsyncSession, principal: Principal, rows: Sequence[Report]) -> list[ReportRow]:
    ids = [row.id for row in rows]
    wanted = (
        select(LinkOf.report_id, Case.key)
        .join(CaseStudyOf, CaseStudyOf.study_id == LinkOf.study_id)
        .join(Case, Case.id == CaseStudyOf.case_id)
        .where(LinkOf.report_id.in_(ids), LinkOf.active.is_(True), LinkOf.state.in_(LINKED), visible_to(principal))
        .distinct()
    )
    cases: dict[int, list[str]] = defaultdict(list)
    for report_id, key in (await session.execute(wanted)).tuples():
        cases[report_id].append(key)
    texts = await newest_texts(session, ids)
    return [
        ReportRow(
            key=row.key, kind=row.kind, shifted_date=row.shifted_date, language=row.language, body_part=row.body_part,
            characters=sum(map(len, texts.get(row.id, {}).values())), cases=sorted(cases[row.id]), deleted=row.deleted_at is not None, revision=row.revision,
        )
        for row in rows
    ]


async def report_detail(session: AsyncSession, principal: Principal, row: Report) -> ReportDetailOut:
    versions = (await session.scalars(select(func.count(ReportText.id)).where(ReportText.report_id == row.id))).one()
    texts = await newest_texts(session, [row.id])
    return ReportDetailOut(**(await report_rows(session, principal, [row]))[0].model_dump(), sections=texts.get(row.id, {}), versions=versions)


async def resource_page(
    session: AsyncSession, principal: Principal, *, disease: str, state: str, deleted: bool, cursor: str | None, limit: int
) -> ResourceRows:
    """Other files of a disease's cases, by case and hash."""
    seen = _seen(principal, Resource, resources_visible_to(principal), deleted)
    statement = select(Resource, Case.key).join(Case, Case.id == Resource.case_id).where(seen)
    statement = statement.order_by(Resource.case_id, Resource.sha256).limit(limit + 1)
    if disease:
        row = await diseases.visible_disease(session, principal, disease)
        statement = statement.where(Case.disease_id == row.id)
    if state:
        statement = statement.where(Resource.state == state)
    if cursor:
        case_id, sha256 = place_after(cursor)
        statement = statement.where((Resource.case_id > case_id) | and_(Resource.case_id == case_id, Resource.sha256 > sha256))
    rows = list((await session.execute(statement)).tuples())
    items = [resource_row(row, key) for row, key in rows[:limit]]
    last = rows[limit - 1][0] if len(rows) > limit else None
    return ResourceRows(items=items, next=encode_cursor(last.case_id, last.sha256) if last is not None else None)


def resource_row(row: Resource, case_key: str) -> ResourceRow:
    return ResourceRow(
        case=case_key, sha256=row.sha256, title=row.title, media_type=row.media_type, code=row.code, size_bytes=row.size_bytes, state=row.state,
        created_at=row.created_at, deleted=row.deleted_at is not None, revision=row.revision, url=f"/api/v1/resources/{row.sha256}?case={case_key}",
    )


async def history(session: AsyncSession, principal: Principal, subject: str) -> History:
    """Who changed what; for those who see every disease."""
    if not principal.sees_all_diseases:
        raise NotFound("There is no history that you may see.")
    wanted = select(AuditEvent).where(AuditEvent.subject == subject).order_by(AuditEvent.id.desc()).limit(HISTORY_ROWS)
    rows = await session.scalars(wanted)
    return History(items=[HistoryOut(at=row.at, actor=row.actor, verb=row.verb, before=row.before, after=row.after) for row in rows])


def _seen(principal: Principal, model: type[Base], alive: ColumnElement[bool], deleted: bool) -> ColumnElement[bool]:
    if not deleted:
        return alive
    if not principal.may(Permission.EDIT_CATALOG):
        raise NotAllowed("Only those who may restore rows see deleted ones.")
    gone: ColumnElement[bool] = model.__table__.c.deleted_at.is_not(None)
    return gone


async def _of_disease(session: AsyncSession, principal: Principal, code: str, study_id: Any, deleted: bool) -> ColumnElement[bool]:
    """That a study is in a case of the disease which this account may see; NotFound for a disease it may not."""
    row = await diseases.visible_disease(session, principal, code)
    cases = select(Case.id).where(Case.disease_id == row.id, visible_to(principal) if not deleted else Case.merged_into.is_(None))
    return study_id.in_(select(CaseStudyOf.study_id).where(CaseStudyOf.case_id.in_(cases)))  # type: ignore[no-any-return]


async def _cases(session: AsyncSession, principal: Principal, study_ids: set[int]) -> dict[int, list[str]]:
    wanted = select(CaseStudyOf.study_id, Case.key).join(Case, Case.id == CaseStudyOf.case_id).join(Disease, Disease.id == Case.disease_id)
    wanted = wanted.where(CaseStudyOf.study_id.in_(study_ids), visible_to(principal)).order_by(Case.key)
    found: dict[int, list[str]] = defaultdict(list)
    for study_id, key in (await session.execute(wanted)).tuples():
        found[study_id].append(key)
    return found

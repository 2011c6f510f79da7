"""SQL of cases as lists, and of their changes. What a case holds in full: ``case_detail``; counts: ``counting``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Permission, Principal
from isocenter.errors import NotAllowed, NotFound
from isocenter.grants import reports_visible_to, series_visible_to, visible_to
from isocenter.models import Case, CaseLabel, Disease, Label, LabelScheme, Report, Series, now
from isocenter.paging import encode_cursor
from isocenter.search import LINKED, CaseStudyOf, Filter, LinkOf, StudyOf, age_of_study, cases_where, sex_of_case
from services.catalog.cursors import key_after
from services.catalog.schemas.cases import CaseOut, CasePage, CurrentLabel


@dataclass(slots=True)
class Parts:
    """What a case's visible series add up to."""

    studies: set[int] = field(default_factory=set)
    series: int = 0
    modalities: set[str] = field(default_factory=set)
    formats: set[str] = field(default_factory=set)
    age_years: float | None = None
    picture: tuple[int, str, int] | None = None  # (minus frames, uid, revision): the longest series that has a thumbnail


async def page(
    session: AsyncSession, principal: Principal, ids: Sequence[int] | None, *, prefix: str, deleted: bool, cursor: str | None, limit: int
) -> CasePage:
    """Cases in the order of their keys, which are unique: a keyset page.

    ``ids`` are the rows a filter found for this page and one more (``counting.found_on_page``); None = there is no filter.
    """
    statement = select(Case, Disease.code, sex_of_case()).join(Disease, Disease.id == Case.disease_id)
    statement = statement.where(_seen(principal, deleted)).order_by(Case.key).limit(limit + 1)
    if ids is not None:
        statement = statement.where(Case.id.in_(ids))
    if prefix:
        statement = statement.where(Case.key.startswith(prefix, autoescape=True))
    if cursor:
        statement = statement.where(Case.key > key_after(cursor))
    rows = list((await session.execute(statement)).tuples())
    more, rows = len(rows) > limit, rows[:limit]
    items = await _shapes(session, principal, [(case, code, sex) for case, code, sex in rows])
    return CasePage(items=items, next=encode_cursor(items[-1].key) if more else None)


async def found_by_rows(session: AsyncSession, principal: Principal, query: Filter, *, prefix: str, deleted: bool, after: str, limit: int) -> list[int]:
    """What ``counting.found_on_page`` says, by the catalog's own rows: for the time until the column copy is loaded."""
    statement = select(Case.id).where(_seen(principal, deleted), *cases_where(query, principal), Case.key > after)
    if prefix:
        statement = statement.where(Case.key.startswith(prefix, autoescape=True))
    return list(await session.scalars(statement.order_by(Case.key).limit(limit)))


async def case_of(session: AsyncSession, principal: Principal, key: str, *, deleted: bool = False) -> Case:
    """The row of a key; NotFound unless this account may see it. ``deleted`` takes deleted ones in (editors)."""
    seen = Case.key == key if deleted and principal.may(Permission.EDIT_CATALOG) else and_(Case.key == key, visible_to(principal))
    row = (await session.scalars(select(Case).where(seen))).one_or_none()
    if row is None:
        raise NotFound("There is no case of this key that you may see.", field="case")
    return row


async def case_out(session: AsyncSession, principal: Principal, row: Case) -> CaseOut:
    """One case as it stands in lists."""
    code, sex = (await session.execute(select(Disease.code, sex_of_case()).join(Case, Case.disease_id == Disease.id).where(Case.id == row.id))).one()
    return (await _shapes(session, principal, [(row, code, sex)]))[0]


async def set_note(session: AsyncSession, row: Case, note: str) -> None:
    row.note, row.revision = note, row.revision + 1
    await session.flush()


async def set_deleted(session: AsyncSession, row: Case, deleted: bool) -> None:
    row.deleted_at, row.revision = now() if deleted else None, row.revision + 1
    await session.flush()


def _seen(principal: Principal, deleted: bool) -> ColumnElement[bool]:
    if not deleted:
        return visible_to(principal)
    if not principal.may(Permission.EDIT_CATALOG):
        raise NotAllowed("Only those who may restore cases see deleted ones.")
    return and_(Case.deleted_at.is_not(None), Case.merged_into.is_(None))


async def _shapes(session: AsyncSession, principal: Principal, rows: Sequence[tuple[Case, str, str]]) -> list[CaseOut]:
    ids = [case.id for case, _, _ in rows]
    parts, labels, reports = await _parts(session, principal, ids), await current_labels(session, ids), await _reports(session, principal, ids)
    found = []
    for case, disease, sex in rows:
        part = parts[case.id]
        found.append(
            CaseOut(
                key=case.key, disease=disease, sex=sex, age_years=part.age_years, label=labels.get(case.id), modalities=sorted(part.modalities - {""}),
                formats=sorted(part.formats), studies=len(part.studies), series=part.series, reports=reports.get(case.id, 0),
                thumbnail=f"/api/v1/series/{part.picture[1]}/thumbnail?v={part.picture[2]}" if part.picture else None,
                created_at=case.created_at, deleted=case.deleted_at is not None, revision=case.revision,
            )
        )
    return found


async def _parts(session: AsyncSession, principal: Principal, ids: list[int]) -> dict[int, Parts]:
    columns: list[Any] = [Series.uid, Series.modality, Series.format, Series.frame_count, Series.thumbnail_key, Series.revision, StudyOf.id, age_of_study()]
    statement = (
        select(CaseStudyOf.case_id, *columns)
        .select_from(Series)
        .join(StudyOf, StudyOf.id == Series.study_id)
        .join(CaseStudyOf, CaseStudyOf.study_id == StudyOf.id)
        .where(CaseStudyOf.case_id.in_(ids), series_visible_to(principal))
    )
    parts: dict[int, Parts] = defaultdict(Parts)
    for case_id, uid, modality, image_format, frames, thumbnail, revision, study_id, age in await session.execute(statement):
        part = parts[case_id]
        part.series += 1
        part.studies.add(study_id)
        part.modalities.add(modality)
        part.formats.add(image_format)
        if age is not None and (part.age_years is None or age < part.age_years):
            part.age_years = age
        if thumbnail and (part.picture is None or (-frames, uid) < part.picture[:2]):
            part.picture = (-frames, uid, revision)
    return parts


async def current_labels(session: AsyncSession, ids: list[int]) -> dict[int, CurrentLabel]:
    """Case id -> the label that counts now in the first active scheme of its disease."""
    statement = (
        select(CaseLabel.case_id, LabelScheme.code, CaseLabel.value, CaseLabel.state, Label.source, Label.confidence)
        .join(LabelScheme, LabelScheme.id == CaseLabel.scheme_id)
        .join(Label, Label.id == CaseLabel.label_id)
        .where(CaseLabel.case_id.in_(ids), LabelScheme.active.is_(True))
        .order_by(CaseLabel.case_id, LabelScheme.id)
    )
    found: dict[int, CurrentLabel] = {}
    for case_id, scheme, value, state, source, confidence in (await session.execute(statement)).tuples():
        found.setdefault(case_id, CurrentLabel(scheme=scheme, value=value, state=state, source=source, confidence=confidence))
    return found


async def _reports(session: AsyncSession, principal: Principal, ids: list[int]) -> dict[int, int]:
    statement = (
        select(CaseStudyOf.case_id, func.count(func.distinct(Report.id)))
        .select_from(Report)
        .join(LinkOf, and_(LinkOf.report_id == Report.id, LinkOf.active.is_(True), LinkOf.state.in_(LINKED)))
        .join(CaseStudyOf, CaseStudyOf.study_id == LinkOf.study_id)
        .where(CaseStudyOf.case_id.in_(ids), reports_visible_to(principal))
        .group_by(CaseStudyOf.case_id)
    )
    return {case_id: int(number) for case_id, number in (await session.execute(statement)).tuples()}

"""SQL of "values first": which values an attribute has among the visible cases, with counts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Principal
from isocenter.grants import reports_visible_to, series_visible_to, visible_to
from isocenter.models import Case, CaseLabel, Disease, Label, LabelScheme, Report, Series, Stack
from isocenter.search import LINKED, Attribute, CaseStudyOf, Grain, Kind, LinkOf, StudyOf, column_of
from services.catalog.schemas.datasets import AttributeValues, ValueCount

MAX_LISTED = 500


async def values_of(session: AsyncSession, principal: Principal, attribute: Attribute, disease: str = "") -> AttributeValues:
    """The most frequent values first; a number's range instead. Only what this account may see is counted."""
    seen = [visible_to(principal)]
    if disease:
        seen.append(Case.disease_id.in_(select(Disease.id).where(Disease.code == disease)))
    column = column_of(attribute.name)
    case_id, rows = _rows(principal, attribute.grain, select(Case.id).where(*seen))
    total = (await session.scalars(select(func.count(Case.id)).where(*seen))).one()
    present: ColumnElement[bool] = column.is_not(None) if attribute.kind is Kind.NUMBER else and_(column.is_not(None), column != "")
    number: ColumnElement[int] = func.count(func.distinct(case_id))
    having = (await session.scalars(rows(number).where(present))).one()
    if attribute.kind is Kind.NUMBER:
        least, most = (await session.execute(rows(func.min(column), func.max(column)))).one()
        return AttributeValues(name=attribute.name, values=[], minimum=least, maximum=most, missing=total - having)
    # Grouped outside: MariaDB takes no grouping by an expression that is a subquery (error 1055).
    pairs = rows(column.label("value"), case_id.label("case_id")).where(present).subquery()
    cases_with: ColumnElement[int] = func.count(func.distinct(pairs.c.case_id))
    counted = select(pairs.c.value, cases_with).group_by(pairs.c.value).order_by(cases_with.desc(), pairs.c.value).limit(MAX_LISTED)
    values = [ValueCount(value=str(found), cases=cases) for found, cases in await session.execute(counted)]
    return AttributeValues(name=attribute.name, values=values, missing=total - having)


def _rows(principal: Principal, grain: Grain, cases: Select[int]) -> tuple[Any, Any]:
    """The case id column of a grain, and what makes a query of columns over its rows."""

    def over_cases(*columns: Any) -> Select[Any]:
        return select(*columns).select_from(Case).where(Case.id.in_(cases))

    def over_labels(*columns: Any) -> Select[Any]:
        labels = select(*columns).select_from(CaseLabel).join(Label, Label.id == CaseLabel.label_id)
        return labels.join(LabelScheme, LabelScheme.id == CaseLabel.scheme_id).where(CaseLabel.case_id.in_(cases), LabelScheme.active.is_(True))

    def over_series(*columns: Any) -> Select[Any]:
        series = select(*columns).select_from(Series).join(StudyOf, StudyOf.id == Series.study_id)
        series = series.join(CaseStudyOf, CaseStudyOf.study_id == StudyOf.id)
        return series.where(CaseStudyOf.case_id.in_(cases), series_visible_to(principal))

    def over_stacks(*columns: Any) -> Select[Any]:
        return over_series(*columns).join(Stack, Stack.series_id == Series.id)

    def over_reports(*columns: Any) -> Select[Any]:
        reports = select(*columns).select_from(Report)
        reports = reports.join(LinkOf, and_(LinkOf.report_id == Report.id, LinkOf.active.is_(True), LinkOf.state.in_(LINKED)))
        reports = reports.join(CaseStudyOf, CaseStudyOf.study_id == LinkOf.study_id)
        return reports.where(CaseStudyOf.case_id.in_(cases), reports_visible_to(principal))

    if grain is Grain.CASE:
        return Case.id, over_cases
    if grain is Grain.LABEL:
        return CaseLabel.case_id, over_labels
    by_study = {Grain.SERIES: over_series, Grain.STACK: over_stacks, Grain.REPORT: over_reports}[grain]
    return CaseStudyOf.case_id, by_study

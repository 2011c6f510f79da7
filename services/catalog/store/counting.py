"""Questions to the column copy: exact counts, the values of an attribute, facets of a filter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import func, select

from isocenter.auth import Permission, Principal
from isocenter.columns import View, Where, cases_in, images_in, view_of
from isocenter.columns.rows import quoted
from isocenter.columns.where import conditions, labels_in, seen_reports, unlabelled
from isocenter.errors import NotAllowed
from isocenter.models import LabelScheme
from isocenter.resources import Resources
from isocenter.search import ATTRIBUTES, Attribute, Filter, Grain, Kind
from services.catalog.schemas.cases import CaseCount
from services.catalog.schemas.datasets import AttributeValues, ValueCount
from services.catalog.schemas.search import Facets

MAX_LISTED = 500  # values of one attribute
FACET_VALUES = 50
FACET_NAMES = tuple(name for name, attribute in ATTRIBUTES.items() if name != "case" and attribute.kind is not Kind.WORDS)


async def count(opened: Resources, principal: Principal, query: Filter, *, prefix: str = "", deleted: bool = False) -> CaseCount:
    """Exact numbers of a filter: series, instances and bytes are of the series that match, each counted once."""
    _check(principal, deleted)
    view, first, _ = await _now(opened, principal)
    work = partial(_count, query, view, first, prefix, deleted)
    return await opened.columns.run(work, ("count", query, view, first, prefix, deleted))


async def found_on_page(opened: Resources, principal: Principal, query: Filter, *, prefix: str, deleted: bool, after: str, limit: int) -> list[int]:
    """Row ids of the first cases behind a key that a filter finds, in the order of their keys."""
    _check(principal, deleted)
    view, _, _ = await _now(opened, principal)
    where = cases_in(query, view, prefix=prefix, deleted=deleted).add('c."case" > ?', after)
    page = f'SELECT c.case_id FROM cases c WHERE {where.sql} ORDER BY c."case" LIMIT {limit}'
    return await opened.columns.run(lambda cursor: [row[0] for row in cursor.execute(page, where.values).fetchall()])


async def facets(opened: Resources, principal: Principal, query: Filter, names: Sequence[str] = FACET_NAMES) -> Facets:
    """Values of each attribute with the cases one would find by them, the attribute's own condition put aside."""
    view, _, active = await _now(opened, principal)
    attributes = tuple(ATTRIBUTES[name] for name in names)
    work = partial(_facets, query, view, active, attributes)
    return await opened.columns.run(work, ("facets", query, view, active, attributes))


async def values_of(opened: Resources, principal: Principal, attribute: Attribute, disease: str = "") -> AttributeValues:
    """The most frequent values first; a number's range instead. Only what this account may see is counted."""
    view, _, active = await _now(opened, principal)
    query = Filter().with_terms("disease", [disease]) if disease else Filter()
    work = partial(_one, query, view, active, attribute)
    return await opened.columns.run(work, ("values", query, view, active, attribute))


def _check(principal: Principal, deleted: bool) -> None:
    if deleted and not principal.may(Permission.EDIT_CATALOG):
        raise NotAllowed("Only those who may restore cases see deleted ones.")


async def _now(opened: Resources, principal: Principal) -> tuple[View, tuple[int, ...], tuple[int, ...]]:
    """What the account may see, the first active scheme of each disease, and all active schemes: read, never copied."""
    async with opened.db.read() as session:
        view = await view_of(session, principal)
        first = await session.scalars(select(func.min(LabelScheme.id)).where(LabelScheme.active.is_(True)).group_by(LabelScheme.disease_id))
        active = await session.scalars(select(LabelScheme.id).where(LabelScheme.active.is_(True)))
        return view, tuple(sorted(first)), tuple(sorted(active))


def _ids(numbers: Sequence[int]) -> str:
    return ", ".join(str(int(number)) for number in numbers) or "NULL"


def _count(query: Filter, view: View, first: Sequence[int], prefix: str, deleted: bool, cursor: Any) -> CaseCount:
    found = cases_in(query, view, prefix=prefix, deleted=deleted)
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE found AS SELECT c.case_id FROM cases c WHERE {found.sql}", found.values)
    by_label: dict[str, int] = defaultdict(int)
    labelled = f"""SELECT l.label, l.label_state, count(*) FROM found f
        LEFT JOIN labels l ON l.case_id = f.case_id AND l.scheme_id IN ({_ids(first)}) GROUP BY ALL"""
    for value, state, number in cursor.execute(labelled).fetchall():
        by_label["none" if state is None else "review" if state == "review" else str(value)] += number
    cases = sum(by_label.values())
    all_cases = cases
    if query.names() and not query.include_null:
        wider = cases_in(query.with_null(), view, prefix=prefix, deleted=deleted)
        all_cases = _number(cursor, f"SELECT count(*) FROM cases c WHERE {wider.sql}", wider.values)
    images = images_in(query, view)
    sums = f"""SELECT count(*), coalesce(sum(instances), 0), coalesce(sum(size_bytes), 0) FROM (
        SELECT i.series_id, any_value(i.instances) AS instances, any_value(i.size_bytes) AS size_bytes
        FROM images i WHERE {images.sql} AND i.case_id IN (SELECT case_id FROM found) GROUP BY i.series_id)"""
    series, instances, size_bytes = cursor.execute(sums, images.values).fetchone()
    return CaseCount(
        cases=cases, series=series, instances=int(instances), size_bytes=int(size_bytes), by_label=dict(sorted(by_label.items())),
        left_out_null=all_cases - cases,
    )


@dataclass(frozen=True, slots=True)
class Base:
    """Where a facet counts: a query of case ids (empty when the rows are of those cases already) and a query of rows, with their parameters."""

    cases: str
    case_values: Sequence[Any]
    rows: str
    row_values: Sequence[Any]
    total: int


def _facets(query: Filter, view: View, active: Sequence[int], attributes: Sequence[Attribute], cursor: Any) -> Facets:
    found, images = cases_in(query, view), images_in(query, view)
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE found AS SELECT c.case_id FROM cases c WHERE {found.sql}", found.values)
    total = _number(cursor, "SELECT count(*) FROM found", ())
    # Attributes the filter does not name share one set of cases and one of images; each named one has its own.
    shared = f"CREATE OR REPLACE TEMP TABLE shared AS SELECT i.* FROM images i WHERE {images.sql} AND i.case_id IN (SELECT case_id FROM found)"
    cursor.execute(shared, images.values)
    facets = []
    for attribute in attributes:
        if attribute.name in query.names():
            base = _base(query, view, active, attribute, cursor)
        elif attribute.grain in (Grain.SERIES, Grain.STACK):
            stack = " WHERE i.stack_id IS NOT NULL" if attribute.grain is Grain.STACK else ""
            base = Base("", (), f"SELECT i.* FROM shared i{stack}", (), total)
        else:
            rows, table = _rows(query, view, active, attribute)
            base = Base("SELECT case_id FROM found", (), f"{table} WHERE {rows.sql}", rows.values, total)
        facets.append(_values(query, view, attribute, base, FACET_VALUES, cursor))
    return Facets(cases=total, facets=facets)


def _one(query: Filter, view: View, active: Sequence[int], attribute: Attribute, cursor: Any) -> AttributeValues:
    return _values(query, view, attribute, _base(query, view, active, attribute, cursor), MAX_LISTED, cursor)


def _base(query: Filter, view: View, active: Sequence[int], attribute: Attribute, cursor: Any) -> Base:
    cases, (rows, table) = cases_in(query, view, skip=(attribute.name,)), _rows(query, view, active, attribute)
    total = _number(cursor, f"SELECT count(*) FROM cases c WHERE {cases.sql}", cases.values)
    return Base(f"SELECT c.case_id FROM cases c WHERE {cases.sql}", cases.values, f"{table} WHERE {rows.sql}", rows.values, total)


def _values(query: Filter, view: View, attribute: Attribute, base: Base, limit: int, cursor: Any) -> AttributeValues:
    column = f"v.{quoted(attribute.name)}"
    present = f"{column} IS NOT NULL" if attribute.kind is Kind.NUMBER else f"{column} <> ''"
    pairs = f"FROM ({base.rows}) v WHERE {present}" + (f" AND v.case_id IN ({base.cases})" if base.cases else "")
    values = [*base.row_values, *base.case_values]
    if attribute.kind is Kind.NUMBER:
        least, most, having = cursor.execute(f"SELECT min({column}), max({column}), count(DISTINCT v.case_id) {pairs}", values).fetchone()
        return AttributeValues(name=attribute.name, values=[], minimum=least, maximum=most, missing=base.total - having)
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE pairs AS SELECT DISTINCT {column} AS value, v.case_id {pairs}", values)
    having = _number(cursor, "SELECT count(DISTINCT case_id) FROM pairs", ())
    listed = cursor.execute(f"SELECT value, count(*) AS number FROM pairs GROUP BY value ORDER BY number DESC, value LIMIT {limit + 1}").fetchall()
    found = [ValueCount(value=value, cases=number) for value, number in listed[:limit]]
    if attribute.name == "label_state" and not query.names() & {"label", "label_source"}:
        others = cases_in(query.without("label", "label_state", "label_source", "scheme"), view).extend(unlabelled(query, skip=("label_state",)))
        if none := _number(cursor, f"SELECT count(*) FROM cases c WHERE {others.sql}", others.values):
            found.append(ValueCount(value="none", cases=none))
    return AttributeValues(name=attribute.name, values=found, missing=base.total - having, more=len(listed) > limit)


def _rows(query: Filter, view: View, active: Sequence[int], attribute: Attribute) -> tuple[Where, str]:
    """The rows an attribute's values stand in: those that meet the filter's other conditions of the same row."""
    skip = (attribute.name,)
    if attribute.grain is Grain.CASE:
        return Where(), "SELECT c.* FROM cases c"
    if attribute.grain is Grain.LABEL:
        return labels_in(query, skip=skip).add(f"l.scheme_id IN ({_ids(active)})"), "SELECT l.* FROM labels l"
    if attribute.grain is Grain.REPORT:
        return seen_reports(view).extend(conditions(query, Grain.REPORT, "r", skip=skip)), "SELECT r.* FROM reports r"
    where = images_in(query, view, skip=skip)
    return (where.add("i.stack_id IS NOT NULL") if attribute.grain is Grain.STACK else where), "SELECT i.* FROM images i"


def _number(cursor: Any, sql: str, values: Sequence[Any]) -> int:
    return int(cursor.execute(sql, list(values)).fetchone()[0])

"""Questions to the column copy: exact counts, the values of an attribute, facets of a filter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import select

from isocenter.auth import Permission, Principal
from isocenter.columns import View, cases_in, images_in, view_of
from isocenter.errors import NotAllowed
from isocenter.models import LabelScheme
from isocenter.resources import Resources
from isocenter.search import ATTRIBUTES, Attribute, Filter
from services.catalog.schemas.cases import CaseCount
from services.catalog.schemas.datasets import AttributeValues
from services.catalog.schemas.search import Facets
from services.catalog.store.facets import FACET_NAMES, Asked, facets_of
from services.catalog.store.facets import values_of as one_facet

MAX_LISTED = 500  # values of one attribute


async def count(opened: Resources, principal: Principal, query: Filter, *, prefix: str = "", deleted: bool = False) -> CaseCount:
    """Exact numbers of a filter: series, instances and bytes are of the series that match, each counted once."""
    _check(principal, deleted)
    view, _ = await _now(opened, principal)
    work = partial(_count, query, view, prefix, deleted)
    return await opened.columns.run(work, ("count", query, view, prefix, deleted))


async def found_on_page(opened: Resources, principal: Principal, query: Filter, *, prefix: str, deleted: bool, after: str, limit: int) -> list[int]:
    """Row ids of the first cases behind a key that a filter finds, in the order of their keys."""
    _check(principal, deleted)
    view, _ = await _now(opened, principal)
    where = cases_in(query, view, prefix=prefix, deleted=deleted).add('c."case" > ?', after)
    page = f'SELECT c.case_id FROM cases c WHERE {where.sql} ORDER BY c."case" LIMIT {limit}'
    return await opened.columns.run(lambda cursor: [row[0] for row in cursor.execute(page, where.values).fetchall()])


async def facets(opened: Resources, principal: Principal, query: Filter, names: Sequence[str] = FACET_NAMES) -> Facets:
    """Values of each attribute with the cases one would find by them, the attribute's own condition put aside."""
    view, active = await _now(opened, principal)
    attributes = tuple(ATTRIBUTES[name] for name in names)
    work = partial(facets_of, Asked(query, view, active), attributes)
    return await opened.columns.run(work, ("facets", query, view, active, attributes))


async def values_of(opened: Resources, principal: Principal, attribute: Attribute, disease: str = "") -> AttributeValues:
    """The most frequent values first; a number's range instead. Only what this account may see is counted."""
    view, active = await _now(opened, principal)
    query = Filter().with_terms("disease", [disease]) if disease else Filter()
    work = partial(_facet, Asked(query, view, active), attribute)
    return await opened.columns.run(work, ("values", query, view, active, attribute))


def _facet(asked: Asked, attribute: Attribute, cursor: Any) -> AttributeValues:
    return one_facet(asked, attribute, MAX_LISTED, cursor)


def _check(principal: Principal, deleted: bool) -> None:
    if deleted and not principal.may(Permission.EDIT_CATALOG):
        raise NotAllowed("Only those who may restore cases see deleted ones.")


async def _now(opened: Resources, principal: Principal) -> tuple[View, tuple[int, ...]]:
    """What the account may see, and all active schemes: read, never copied."""
    async with opened.db.read() as session:
        view = await view_of(session, principal)
        active = await session.scalars(select(LabelScheme.id).where(LabelScheme.active.is_(True)))
        return view, tuple(sorted(active))


def _ids(numbers: Sequence[int]) -> str:
    return ", ".join(str(int(number)) for number in numbers) or "NULL"


def _count(query: Filter, view: View, prefix: str, deleted: bool, cursor: Any) -> CaseCount:
    found = cases_in(query, view, prefix=prefix, deleted=deleted)
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE found AS SELECT c.case_id FROM cases c WHERE {found.sql}", found.values)
    by_label: dict[str, int] = defaultdict(int)
    labelled = f"""SELECT l.label, l.label_state, count(*) FROM found f
        LEFT JOIN labels l ON l.case_id = f.case_id AND l.scheme_id IN ({_ids(view.schemes)}) GROUP BY ALL"""
    for value, state, number in cursor.execute(labelled).fetchall():
        by_label["none" if state is None else "review" if state == "review" else str(value)] += number
    cases = sum(by_label.values())
    all_cases = cases
    if query.names() and not query.include_null:
        wider = cases_in(query.with_null(), view, prefix=prefix, deleted=deleted)
        all_cases = _number(cursor, f"SELECT count(*) FROM cases c WHERE {wider.sql}", wider.values)
    images = images_in(query, view)
    of_found = f"FROM images i WHERE {images.sql} AND i.case_id IN (SELECT case_id FROM found)"
    # One pass: rows that are the only one of their series count as they are, of the few others each series once.
    sums = f"""WITH matching AS (SELECT i.alone, i.series_id, i.instances, i.size_bytes {of_found}),
        rows AS (SELECT instances, size_bytes FROM matching WHERE alone
        UNION ALL SELECT any_value(instances), any_value(size_bytes) FROM matching WHERE NOT alone GROUP BY series_id)
        SELECT count(*), coalesce(sum(instances), 0), coalesce(sum(size_bytes), 0) FROM rows"""
    series, instances, size_bytes = cursor.execute(sums, images.values).fetchone()
    return CaseCount(
        cases=cases, series=series, instances=int(instances), size_bytes=int(size_bytes), by_label=dict(sorted(by_label.items())),
        left_out_null=all_cases - cases,
    )


def _number(cursor: Any, sql: str, values: Sequence[Any]) -> int:
    return int(cursor.execute(sql, list(values)).fetchone()[0])

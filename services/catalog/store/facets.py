"""Facets of a filter: each attribute's values with the cases one would find by them, the attribute's own condition put aside.

One scan reads the numbers of all image attributes that the filter does not name (``columns.codes``), and arrays count the distinct
cases (``columns.presence``); an attribute that the filter names has rows of its own, hence a scan of its own over its one column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isocenter.columns import View, Where, cases_in, images_in
from isocenter.columns.presence import cases_by_code, distinct_cases
from isocenter.columns.rows import IMAGES, code_column, quoted
from isocenter.columns.where import conditions, labels_in, seen_reports, unlabelled
from isocenter.search import ATTRIBUTES, Attribute, Filter, Grain, Kind
from services.catalog.schemas.datasets import AttributeValues, ValueCount
from services.catalog.schemas.search import Facets

FACET_VALUES = 50
FACET_NAMES = tuple(name for name, attribute in ATTRIBUTES.items() if name != "case" and attribute.kind is not Kind.WORDS)
IMAGE = (Grain.SERIES, Grain.STACK)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: the filter, what the account may see, and the label schemes that count."""

    query: Filter
    view: View
    active: Sequence[int]


def facets_of(asked: Asked, attributes: Sequence[Attribute], cursor: Any) -> Facets:
    """Facets in the order of the attributes; ``cursor`` is one of the column copy."""
    cases = _found(asked, (), cursor)
    named = asked.query.names()
    shared = [attribute for attribute in attributes if attribute.grain in IMAGE and attribute.name not in named]
    counted = {found.name: found for found in _images(asked, shared, (), cases, cursor)} if shared else {}
    for attribute in attributes:
        if attribute.name in named and attribute.grain in IMAGE:
            counted[attribute.name] = values_of(asked, attribute, FACET_VALUES, cursor)
        elif attribute.name in named:
            counted[attribute.name] = _rows(asked, attribute, _matching(asked, attribute.name), None, FACET_VALUES, cursor)
        elif attribute.name not in counted:
            counted[attribute.name] = _rows(asked, attribute, None, cases, FACET_VALUES, cursor)
    return Facets(cases=cases, facets=[counted[attribute.name] for attribute in attributes])


def values_of(asked: Asked, attribute: Attribute, limit: int, cursor: Any) -> AttributeValues:
    """The values of one attribute with the attribute's own condition put aside."""
    if attribute.grain not in IMAGE:
        return _rows(asked, attribute, _matching(asked, attribute.name), None, limit, cursor)
    cases = _found(asked, (attribute.name,), cursor, table="found_aside")
    return _images(asked, [attribute], (attribute.name,), cases, cursor, table="found_aside", limit=limit)[0]


def _found(asked: Asked, skip: Sequence[str], cursor: Any, *, table: str = "found") -> int:
    """Make a table of the matching cases with their places 0, 1, ...; how many there are."""
    where = cases_in(asked.query, asked.view, skip=skip)
    made = f"""CREATE OR REPLACE TEMP TABLE {table} AS
        SELECT c.case_id, CAST(row_number() OVER () - 1 AS UINTEGER) AS place FROM cases c WHERE {where.sql}"""
    cursor.execute(made, where.values)
    return int(cursor.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _images(
    asked: Asked, attributes: Sequence[Attribute], skip: Sequence[str], cases: int, cursor: Any, *, table: str = "found", limit: int = FACET_VALUES
) -> list[AttributeValues]:
    """Image attributes counted over the rows of one scan; a stack's attributes are missing where a series has no stack."""
    where = images_in(asked.query, asked.view, skip=skip)
    coded = [attribute for attribute in attributes if attribute.name in IMAGES.coded]
    numbers = [attribute for attribute in attributes if attribute.kind is Kind.NUMBER]
    columns = ["f.place", *(f"i.{quoted(code_column(attribute.name))}" for attribute in coded)]
    columns += [f"i.{quoted(attribute.name)} IS NOT NULL AS {quoted(f'has_{attribute.name}')}" for attribute in numbers]
    source = f"FROM images i JOIN {table} f ON f.case_id = i.case_id WHERE {where.sql}"
    rows = cursor.execute(f"SELECT {', '.join(columns)} {source}", where.values).fetchnumpy()
    places = rows["place"]
    found = {}
    for attribute in coded:
        by_code, having = cases_by_code(places, rows[code_column(attribute.name)], cases)
        found[attribute.name] = _listed(attribute, by_code, cases - having, limit, cursor)
    if numbers:
        bounds = ", ".join(f"min(i.{quoted(attribute.name)}), max(i.{quoted(attribute.name)})" for attribute in numbers)
        least_most = cursor.execute(f"SELECT {bounds} {source}", where.values).fetchone()
        for place, attribute in enumerate(numbers):
            having = distinct_cases(places[rows[f"has_{attribute.name}"]], cases)
            least, most = least_most[2 * place : 2 * place + 2]
            found[attribute.name] = AttributeValues(name=attribute.name, values=[], minimum=least, maximum=most, missing=cases - having)
    return [found[attribute.name] for attribute in attributes]


def _listed(attribute: Attribute, by_code: Any, missing: int, limit: int, cursor: Any) -> AttributeValues:
    used = [int(code) for code in by_code.nonzero()[0]]
    words = cursor.execute("SELECT value, code FROM words WHERE name = ? AND code IN (SELECT unnest(?))", [attribute.name, used]).fetchall() if used else []
    ordered = sorted((-int(by_code[code]), value) for value, code in words)
    values = [ValueCount(value=value, cases=-number) for number, value in ordered[:limit]]
    return AttributeValues(name=attribute.name, values=values, missing=missing, more=len(ordered) > limit)


def _matching(asked: Asked, name: str) -> Where:
    return cases_in(asked.query, asked.view, skip=(name,))


def _rows(asked: Asked, attribute: Attribute, cases: Where | None, total: int | None, limit: int, cursor: Any) -> AttributeValues:
    """An attribute counted in SQL: of cases, labels and reports, or free words. ``cases`` None = those of the table ``found``."""
    among, values = ("SELECT case_id FROM found", []) if cases is None else (f"SELECT c.case_id FROM cases c WHERE {cases.sql}", cases.values)
    if total is None:
        total = _number(cursor, f"SELECT count(*) FROM ({among})", values)
    rows, source = _source(asked, attribute)
    column = quoted(attribute.name)
    pairs = f"SELECT DISTINCT v.{column} AS value, v.case_id FROM ({source} WHERE {rows.sql}) v WHERE v.{column} <> '' AND v.case_id IN ({among})"
    listed = f"""WITH pairs AS MATERIALIZED ({pairs}), having_any AS (SELECT count(DISTINCT case_id) AS number FROM pairs)
        SELECT value, count(*) AS cases, any_value(h.number) FROM pairs, having_any h GROUP BY value ORDER BY cases DESC, value LIMIT {limit + 1}"""
    found = cursor.execute(listed, [*rows.values, *values]).fetchall()
    having = int(found[0][2]) if found else 0
    counts = [ValueCount(value=value, cases=number) for value, number, _ in found[:limit]]
    if attribute.name == "label_state" and not asked.query.names() & {"label", "label_source"}:
        others = asked.query.without("label", "label_state", "label_source", "scheme")
        where = cases_in(others, asked.view).extend(unlabelled(asked.query, asked.view, skip=("label_state",)))
        if none := _number(cursor, f"SELECT count(*) FROM cases c WHERE {where.sql}", where.values):
            counts.append(ValueCount(value="none", cases=none))
    return AttributeValues(name=attribute.name, values=counts, missing=total - having, more=len(found) > limit)


def _source(asked: Asked, attribute: Attribute) -> tuple[Where, str]:
    """The rows an attribute's values stand in: those that meet the filter's other conditions of the same row."""
    skip = (attribute.name,)
    if attribute.grain is Grain.CASE:
        return Where(), "SELECT c.* FROM cases c"
    if attribute.grain is Grain.LABEL:
        return labels_in(asked.query, asked.view, skip=skip).add(f"l.scheme_id IN ({', '.join(map(str, asked.active)) or 'NULL'})"), "SELECT l.* FROM labels l"
    if attribute.grain is Grain.REPORT:
        return seen_reports(asked.view).extend(conditions(asked.query, Grain.REPORT, "r", skip=skip)), "SELECT r.* FROM reports r"
    return images_in(asked.query, asked.view, skip=skip), "SELECT i.* FROM images i"


def _number(cursor: Any, sql: str, values: Sequence[Any]) -> int:
    return int(cursor.execute(sql, list(values)).fetchone()[0])

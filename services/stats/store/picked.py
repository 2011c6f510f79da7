"""What one question is about, as arrays: the cases that count, the image rows that count, and their labels.

The copy is scanned once for all charts of a dashboard. Conditions on images are asked of the image rows only: a case that must have such
an image is one that a row was found of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isocenter.columns import Where, cases_in, images_in
from isocenter.search import ATTRIBUTES, Grain
from services.stats.store.scope import Scope
from services.stats.store.visits import Visits, plain


@dataclass(frozen=True, slots=True)
class Rows:
    """Image rows: (rows) each. ``series`` only of those whose series has other rows too, which are sorted by it."""

    places: Any
    columns: Mapping[str, Any]
    series: Any = None


@dataclass(frozen=True, slots=True)
class Picked:
    """``found`` (cases) bool; ``kept`` (visits) bool: visits that count; ``alone``, ``others``: image rows that count."""

    visits: Visits
    found: Any
    kept: Any
    alone: Rows
    others: Rows


def picked(scope: Scope, visits: Visits, columns: Mapping[str, str], cursor: Any) -> Picked:
    """``columns``: name -> expression of whole numbers over ``images i``."""
    found = _cases(scope, visits, cursor)
    allowed = found[visits.cases] & _on_days(scope, visits)
    alone = _alone(scope, visits, columns, allowed, cursor)
    others = _others(scope, visits, columns, allowed, cursor)
    if scope.query.asks(Grain.SERIES, Grain.STACK):
        # Days of import say which visits count, not which cases: a case without one of them falls away below, as all its visits do.
        having = np.zeros(len(found), np.bool_)
        for rows in (alone, others):
            having[visits.cases[rows.places]] = True
        found &= having
    kept = allowed
    if scope.only_with_images:
        kept = np.zeros(len(allowed), np.bool_)
        kept[alone.places] = True
        kept[others.places] = True
    return Picked(visits, found, kept, alone, others)


def labels(scope: Scope, visits: Visits, cursor: Any) -> dict[str, Any]:
    """label, label_source, label_state: (cases) uint32 codes in the chosen schemes, 0 = none; of a version the labels it was frozen with.

    The code behind the last word of ``label`` is that of a label in review.
    """
    found = {name: np.zeros(len(visits.case_ids), np.uint32) for name in ("label", "label_source", "label_state")}
    ids = ", ".join(str(number) for number in scope.schemes) or "NULL"
    review = len(visits.words.get("label", [""]))
    now = plain(
        cursor,
        f"""SELECT case_id, CASE WHEN label_state = 'review' THEN {review} ELSE code_label END AS label, code_label_source AS label_source,
        code_label_state AS label_state FROM labels WHERE scheme_id IN ({ids})""",
    )
    cases = visits.cases_of(now["case_id"])
    for name, codes in found.items():
        codes[cases] = now[name]
    if scope.version is not None:
        frozen = plain(cursor, f"SELECT case_id, any_value(code_label) AS label FROM members WHERE version_id = {scope.version} GROUP BY case_id")
        members = np.zeros(len(visits.case_ids), np.bool_)
        members[visits.cases_of(frozen["case_id"])] = True
        found["label"][visits.cases_of(frozen["case_id"])] = frozen["label"]
        for codes in found.values():
            codes[~members] = 0
    return found


def cases_where(scope: Scope) -> Where:
    """The cases a question is about, whatever it asks of images."""
    of_images = [name for name in scope.query.names() if ATTRIBUTES[name].grain in (Grain.SERIES, Grain.STACK)]
    where = cases_in(scope.query, scope.view, skip=of_images)
    if scope.version is not None:
        where.add(f"c.case_id IN (SELECT case_id FROM members WHERE version_id = {scope.version})")
    return where


def images_where(scope: Scope) -> Where:
    where = images_in(scope.query, scope.view)
    if scope.version is not None:
        where.add(f"i.stack_id IN (SELECT stack_id FROM members WHERE version_id = {scope.version})")
    return where


def _cases(scope: Scope, visits: Visits, cursor: Any) -> Any:
    where, found = cases_where(scope), np.zeros(len(visits.case_ids), np.bool_)
    found[visits.cases_of(plain(cursor, f"SELECT c.case_id FROM cases c WHERE {where.sql}", where.values)["case_id"])] = True
    return found


def _on_days(scope: Scope, visits: Visits) -> Any:
    days = visits.words.get("import_day", [""])
    fits = np.array([(not scope.since or day >= scope.since) and (not scope.until or day <= scope.until) for day in days], np.bool_)
    return fits[visits.codes["import_day"]]


def _selected(columns: Mapping[str, str]) -> str:
    return "".join(f", {sql} AS {name}" for name, sql in columns.items())


def _alone(scope: Scope, visits: Visits, columns: Mapping[str, str], allowed: Any, cursor: Any) -> Rows:
    where = images_where(scope)
    rows = plain(cursor, f"SELECT i.study_id{_selected(columns)} FROM images i WHERE i.alone AND {where.sql}", where.values)
    places = visits.place_of_study[rows.pop("study_id")]
    return _of_allowed(places, rows, allowed)


def _others(scope: Scope, visits: Visits, columns: Mapping[str, str], allowed: Any, cursor: Any) -> Rows:
    where = images_where(scope)
    rows = plain(
        cursor, f"SELECT i.case_id, i.study_id, i.series_id{_selected(columns)} FROM images i WHERE NOT i.alone AND {where.sql} ORDER BY i.series_id",
        where.values,
    )  # fmt: skip
    places = visits.places_of(rows.pop("case_id"), rows.pop("study_id"))
    return _of_allowed(places, rows, allowed)


def _of_allowed(places: Any, rows: dict[str, Any], allowed: Any) -> Rows:
    good = (places >= 0) & allowed[places] if len(allowed) else np.zeros(len(places), np.bool_)
    if not good.all():
        places, rows = places[good], {name: values[good] for name, values in rows.items()}
    series = rows.pop("series_id", None)
    return Rows(places, rows, series)


def whole(name: str, words: Sequence[str]) -> str:
    """A coded column in the smallest type that holds all its numbers."""
    kind = "UTINYINT" if len(words) <= 1 << 8 else "USMALLINT" if len(words) <= 1 << 16 else "UINTEGER"
    return f"CAST(i.code_{name} AS {kind})"

"""How complete each attribute is: of so many cases or series that could have it, how many do."""

from __future__ import annotations

from typing import Any

from isocenter.columns import cases_in, images_in
from isocenter.columns.rows import quoted
from isocenter.columns.where import seen_reports
from services.stats.store.scope import Scope

# Attribute of a series -> the modalities that can have it; None = every series.
SERIES: tuple[tuple[str, tuple[str, ...] | None], ...] = (
    ("age", None), ("hospital", None), ("Modality", None), ("BodyPartExamined", None), ("SeriesDescription", None), ("Manufacturer", None),
    ("ManufacturerModelName", None), ("SliceThickness", ("CT", "MR", "PT")), ("sequence", ("MR",)), ("phase", ("CT",)), ("mpp", ("SM",)),
    ("ObjectivePower", ("SM",)),
)  # fmt: skip
_NUMBERS = ("age", "SliceThickness", "mpp", "ObjectivePower")

Full = tuple[str, str, int, int, int]


def completeness(scope: Scope, cursor: Any) -> list[Full]:
    """(attribute, of what: case or series, how many have a value, of how many, patients of those) in a fixed order."""
    where = cases_in(scope.query, scope.view)
    images = images_in(scope.query, scope.view)
    if scope.version is not None:
        where.add(f"c.case_id IN (SELECT case_id FROM members WHERE version_id = {scope.version})")
        images.add(f"i.stack_id IN (SELECT stack_id FROM members WHERE version_id = {scope.version})")
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE found AS SELECT c.case_id, c.patient_id, c.sex FROM cases c WHERE {where.sql}", where.values)
    return [*_of_cases(scope, cursor), *_of_series(images.sql, images.values, cursor)]


def _of_cases(scope: Scope, cursor: Any) -> list[Full]:
    ids = ", ".join(str(number) for number in scope.schemes) or "NULL"
    labelled, reports = f"SELECT case_id FROM labels WHERE scheme_id IN ({ids})", seen_reports(scope.view)
    parts = [
        "count(*)", "count(DISTINCT patient_id)", "count(*) FILTER (sex <> '')", f"count(*) FILTER (case_id IN ({labelled}))",
    ]  # fmt: skip
    values: list[Any] = []
    for kind in ("imaging", "pathology"):
        parts.append(f"count(*) FILTER (case_id IN (SELECT r.case_id FROM reports r WHERE r.report_kind = '{kind}' AND {reports.sql}))")
        values += reports.values
    total, patients, *counts = cursor.execute(f"SELECT {', '.join(parts)} FROM found", values).fetchone()
    names = ("sex", "label", "imaging_report", "pathology_report")
    return [(name, "case", int(number), int(total), int(patients)) for name, number in zip(names, counts, strict=True)]


def _of_series(sql: str, values: list[Any], cursor: Any) -> list[Full]:
    """One pass over the rows that are the only ones of their series, one over the few others, made one row a series."""
    names = [name for name, _ in SERIES]
    has = ", ".join(
        f"i.{quoted(name)} IS NOT NULL{'' if name in _NUMBERS else f' AND i.{quoted(name)} <> {chr(39) * 2}'} AS h{n}" for n, name in enumerate(names)
    )
    base = f"""SELECT i.series_id, f.patient_id, i.alone, i."Modality" AS modality, {has}
        FROM images i JOIN found f ON f.case_id = i.case_id WHERE {sql}"""
    any_of = ", ".join(f"bool_or(h{n}) AS h{n}" for n in range(len(names)))
    flags = ", ".join(f"h{n}" for n in range(len(names)))
    one_each = f"""SELECT patient_id, modality, {flags} FROM base WHERE alone
        UNION ALL SELECT any_value(patient_id), any_value(modality), {any_of} FROM base WHERE NOT alone GROUP BY series_id"""
    counts = ["count(DISTINCT patient_id)"]
    for number, (_, modalities) in enumerate(SERIES):
        among = f"modality IN ({', '.join(repr(one) for one in modalities)})" if modalities else "true"
        counts += [f"count(*) FILTER ({among} AND h{number})", f"count(*) FILTER ({among})"]
    patients, *numbers = cursor.execute(f"WITH base AS ({base}) SELECT {', '.join(counts)} FROM ({one_each})", values).fetchone()
    return [(name, "series", int(numbers[2 * n]), int(numbers[2 * n + 1]), int(patients)) for n, name in enumerate(names)]

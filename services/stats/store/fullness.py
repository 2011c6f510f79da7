"""How complete each attribute is: of so many cases or series that could have it, how many do."""

from __future__ import annotations

from typing import Any

import numpy as np

from isocenter.columns.rows import code_column, quoted
from isocenter.columns.where import seen_reports
from services.stats.store.picked import Picked, picked
from services.stats.store.scope import Scope
from services.stats.store.visits import Visits, plain

# Attribute of a series -> the modalities that can have it; None = every series.
SERIES: tuple[tuple[str, tuple[str, ...] | None], ...] = (
    ("age", None), ("hospital", None), ("Modality", None), ("BodyPartExamined", None), ("SeriesDescription", None), ("Manufacturer", None),
    ("ManufacturerModelName", None), ("SliceThickness", ("CT", "MR", "PT")), ("sequence", ("MR",)), ("phase", ("CT",)), ("mpp", ("SM",)),
    ("ObjectivePower", ("SM",)),
)  # fmt: skip
_NUMBERS = ("age", "SliceThickness", "mpp", "ObjectivePower")

Full = tuple[str, str, int, int, int]


def completeness(scope: Scope, visits: Visits, cursor: Any) -> list[Full]:
    """(attribute, of what: case or series, how many have a value, of how many, patients of those) in a fixed order."""
    flags = " + ".join(f"CASE WHEN {_has(name)} THEN {1 << place} ELSE 0 END" for place, (name, _) in enumerate(SERIES))
    columns = {"modality": "i.code_Modality", "flags": f"CAST({flags} AS USMALLINT)"}
    found = picked(scope, visits, columns, cursor)
    return [*_of_cases(scope, found, cursor), *_of_series(found)]


def _has(name: str) -> str:
    return f"i.{quoted(name)} IS NOT NULL" if name in _NUMBERS else f"i.{quoted(code_column(name))} > 0"


def _of_cases(scope: Scope, found: Picked, cursor: Any) -> list[Full]:
    visits, cases = found.visits, found.found
    total, patients = int(np.count_nonzero(cases)), len(np.unique(visits.patients[cases]))
    ids = ", ".join(str(number) for number in scope.schemes) or "NULL"
    reports = seen_reports(scope.view)
    have = {"sex": int(np.count_nonzero(visits.codes["sex"][cases])), "label": 0, "imaging_report": 0, "pathology_report": 0}
    for name, sql, values in (
        ("label", f"SELECT DISTINCT case_id FROM labels WHERE scheme_id IN ({ids})", []),
        ("imaging_report", f"SELECT DISTINCT r.case_id FROM reports r WHERE r.report_kind = 'imaging' AND {reports.sql}", reports.values),
        ("pathology_report", f"SELECT DISTINCT r.case_id FROM reports r WHERE r.report_kind = 'pathology' AND {reports.sql}", reports.values),
    ):
        having = visits.cases_of(plain(cursor, sql, values)["case_id"])
        have[name] = int(np.count_nonzero(cases[having]))
    return [(name, "case", number, total, patients) for name, number in have.items()]


def _of_series(found: Picked) -> list[Full]:
    """Rows that are the only ones of their series as they are; of the few others one row a series, with what any of its rows has."""
    visits, alone, others = found.visits, found.alone, found.others
    modality, flags = alone.columns["modality"], alone.columns["flags"]
    series, first = np.unique(others.series, return_index=True)
    any_of = np.zeros(len(series), np.uint16)
    np.bitwise_or.at(any_of, np.searchsorted(series, others.series), others.columns["flags"])
    words = visits.words.get("Modality", [""])
    kinds = 1 << len(SERIES)
    counts = np.bincount(modality.astype(np.int64) * kinds + flags, minlength=len(words) * kinds)
    counts = counts + np.bincount(others.columns["modality"][first].astype(np.int64) * kinds + any_of, minlength=len(words) * kinds)
    by_modality = counts.reshape(len(words), kinds)
    patients = len(np.unique(visits.patients[visits.cases[np.unique(np.concatenate([alone.places, others.places]))]]))
    listed = []
    for place, (name, modalities) in enumerate(SERIES):
        among = by_modality if modalities is None else by_modality[[words.index(one) for one in modalities if one in words]]
        having = among[:, (np.arange(kinds) >> place) & 1 == 1]
        listed.append((name, "series", int(having.sum()), int(among.sum()), patients))
    return listed

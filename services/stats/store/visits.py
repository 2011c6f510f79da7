"""Every case and visit of the column copy as arrays, in the order of patient, case and study; made once a revision of the copy.

A place is the number of a visit (a study in a case). With 1,000,000 series there are 150,000 visits, about 6 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

CASE_CODES, VISIT_CODES = ("disease", "sex"), ("hospital", "import_day")


@dataclass(frozen=True, slots=True)
class Visits:
    """``case_ids``, ``patients`` (cases) in that order; ``cases``, ``studies``, ``alone`` (visits). A patient and a study are numbers 0, 1, ...

    ``codes``: by name (cases) or (visits) uint32, 0 = missing. ``words``: name -> the text of each number, '' for 0.
    """

    case_ids: Any
    patient_ids: Any  # (patients) row ids
    patients: Any
    cases: Any
    studies: Any
    study_ids: Any  # (studies) row ids, sorted
    alone: Any  # the study is in no other case
    ages: Any  # (visits) float64, NaN = unknown
    codes: dict[str, Any]
    words: dict[str, list[str]]
    place_of_study: Any  # (largest study id + 1) int32: of a study that is in one case, -1 elsewhere
    place_of_case: Any  # (largest case id + 1) int32
    key: Any  # (visits) int64, rising: case place and study together, to find a visit of a study that is in several cases

    def cases_of(self, case_ids: Any) -> Any:
        """The place of each case id among the cases; an id that is not there has the place of another one: ask only for those of the same copy."""
        return self.place_of_case[np.minimum(case_ids, len(self.place_of_case) - 1)]

    def places_of(self, case_ids: Any, study_ids: Any) -> Any:
        """The place of each (case, study); -1 where the copy has no living visit."""
        if not len(self.cases):
            return np.full(len(case_ids), -1)
        studies = np.searchsorted(self.study_ids, study_ids).clip(0, len(self.study_ids) - 1)
        wanted, key = self.cases_of(case_ids).astype(np.int64) * len(self.study_ids) + studies, self.key
        found = np.searchsorted(key, wanted).clip(0, len(key) - 1)
        return np.where((key[found] == wanted) & (self.study_ids[studies] == study_ids), found, -1)


def visits_of(cursor: Any) -> Visits:
    case_codes = ", ".join(f"code_{name}" for name in CASE_CODES)
    cases = plain(cursor, f"SELECT case_id, patient_id, {case_codes} FROM cases ORDER BY patient_id, case_id")
    visit_codes = ", ".join(f"v.code_{name}" for name in VISIT_CODES)
    rows = plain(
        cursor,
        f"""SELECT v.case_id, v.study_id, v.alone, coalesce(v.age, 'nan'::DOUBLE) AS age, {visit_codes}
        FROM visits v JOIN cases c ON c.case_id = v.case_id WHERE v.alive ORDER BY c.patient_id, v.case_id, v.study_id""",
    )
    patient_ids, patients = np.unique(cases["patient_id"], return_inverse=True)
    place_of_case = np.zeros(int(cases["case_id"].max()) + 1 if len(cases["case_id"]) else 1, np.int32)
    place_of_case[cases["case_id"]] = np.arange(len(cases["case_id"]), dtype=np.int32)
    of_visit = place_of_case[rows["case_id"]].astype(np.int64)
    study_ids, studies = np.unique(rows["study_id"], return_inverse=True)
    place_of_study = np.full(int(study_ids[-1]) + 1 if len(study_ids) else 1, -1, np.int32)
    place_of_study[rows["study_id"][rows["alone"]]] = np.flatnonzero(rows["alone"])
    words: dict[str, list[str]] = {}
    for name, _, value in cursor.execute("SELECT name, code, value FROM words WHERE name <> 'SeriesDescription' ORDER BY name, code").fetchall():
        words.setdefault(name, [""]).append(value)
    codes = {name: cases[f"code_{name}"] for name in CASE_CODES} | {name: rows[f"code_{name}"] for name in VISIT_CODES}
    return Visits(
        cases["case_id"], patient_ids, patients, of_visit, studies, study_ids, rows["alone"], rows["age"], codes, words, place_of_study,
        place_of_case, of_visit * max(1, len(study_ids)) + studies,
    )  # fmt: skip


@contextmanager
def one_moment(cursor: Any) -> Iterator[None]:
    """Several statements that all see the same state of the copy."""
    cursor.execute("BEGIN TRANSACTION")
    try:
        yield
    finally:
        cursor.execute("ROLLBACK")


def plain(cursor: Any, sql: str, values: Any = ()) -> dict[str, Any]:
    """Column -> array; the statement must leave no NULL."""
    found: dict[str, Any] = {name: np.ma.getdata(array) for name, array in cursor.execute(sql, list(values)).fetchnumpy().items()}
    return found

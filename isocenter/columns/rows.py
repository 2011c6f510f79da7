"""What the column copy holds, and the catalog queries it is filled from.

Every value comes from the very expression the catalog's own filters use (``search.column_of``), so that both builders
mean the same by a name. Tables: ``cases``, ``visits`` at grain (case, study), ``images`` at grain (case, stack), ``labels``, ``reports`` at grain (case,
report), ``texts`` at grain (case, report, section) folded to small letters, and ``members`` of dataset versions.
Texts of few values stand as numbers (``codes.Codes``): those of ``images`` and ``visits`` only so, those of the small tables beside the text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import (
    Case,
    CaseLabel,
    CaseStudy,
    DatasetMember,
    DatasetVersion,
    Disease,
    Import,
    Label,
    LabelScheme,
    Report,
    ReportText,
    Series,
    Stack,
)
from isocenter.search import LINKED, CaseStudyOf, LinkOf, StudyOf, column_of, sex_of_case

# Row ids and counts take half the memory as 32 bits, and are read in half the time; sizes in bytes do not fit.
INTEGER, LONG, REAL, TEXT, BOOLEAN = "UINTEGER", "BIGINT", "DOUBLE", "VARCHAR", "BOOLEAN"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the copy: column -> type, in the order of its rows."""

    name: str
    columns: dict[str, str]
    coded: tuple[str, ...] = ()  # of these columns there is a number
    beside: bool = False  # whether the text of a coded column stands there too

    @property
    def stored(self) -> dict[str, str]:
        """Column -> type, as DuckDB has them."""
        plain = {name: kind for name, kind in self.columns.items() if self.beside or name not in self.coded}
        return plain | {code_column(name): INTEGER for name in self.coded}

    @property
    def create(self) -> str:
        return f"CREATE TABLE {self.name} ({', '.join(f'{quoted(name)} {kind}' for name, kind in self.stored.items())})"

    def as_kept(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """A row of the catalog as the copy can say it again: where only the number is kept, a missing text is an empty one."""
        if self.beside or not self.coded:
            return tuple(row)
        return tuple((value or "") if name in self.coded else value for name, value in zip(self.columns, row, strict=True))


def code_column(name: str) -> str:
    return f"code_{name}"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


CASES = Table(
    "cases",
    {"case_id": INTEGER, "case": TEXT, "disease_id": INTEGER, "disease": TEXT, "sex": TEXT, "deleted": BOOLEAN, "merged": BOOLEAN, "patient_id": INTEGER},
    coded=("disease", "sex"),
    beside=True,
)
VISITS = Table(
    "visits",
    {"case_id": INTEGER, "study_id": INTEGER, "alive": BOOLEAN, "hospital": TEXT, "age": REAL, "import_day": TEXT, "alone": BOOLEAN},
    coded=("hospital", "import_day"),
)
_SERIES = ("hospital", "Modality", "BodyPartExamined", "Manufacturer", "ManufacturerModelName", "SeriesDescription", "format")
_NUMBERS = ("age", "SliceThickness", "mpp", "ObjectivePower")
_STACK = ("sequence", "phase")
IMAGES = Table(
    "images",
    {"case_id": INTEGER, "study_id": INTEGER, "series_id": INTEGER, "stack_id": INTEGER, "alive": BOOLEAN, "visible": BOOLEAN}
    | {"instances": INTEGER, "size_bytes": LONG}
    | dict.fromkeys(_SERIES, TEXT)
    | dict.fromkeys(_NUMBERS, REAL)
    | dict.fromkeys(_STACK, TEXT)
    | {"alone": BOOLEAN, "device": TEXT},  # alone: the only row of its series, it counts without asking whether the series was counted before
    coded=(*_SERIES, *_STACK, "device"),
)
_MAKER, _MODEL = (list(IMAGES.columns).index(name) for name in ("Manufacturer", "ManufacturerModelName"))
LABELS = Table(
    "labels",
    {"case_id": INTEGER, "scheme_id": INTEGER, "scheme": TEXT, "label": TEXT, "label_state": TEXT, "label_source": TEXT},
    coded=("label", "label_state", "label_source"),
    beside=True,
)
REPORTS = Table("reports", {"case_id": INTEGER, "report_id": INTEGER, "report": TEXT, "report_kind": TEXT, "alive": BOOLEAN})
TEXTS = Table("texts", {"case_id": INTEGER, "report_id": INTEGER, "section": TEXT, "body": TEXT})
MEMBERS = Table("members", {"version_id": INTEGER, "case_id": INTEGER, "series_id": INTEGER, "stack_id": INTEGER, "label": TEXT}, ("label",), True)
ASKED_BY_CATALOG = (CASES, IMAGES, LABELS, REPORTS, TEXTS)
OF_CASES = (CASES, VISITS, IMAGES, LABELS, REPORTS, TEXTS)


def fold(text: str) -> str:
    """Small letters, character by character: a place in the folded text is the same place in the text."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(small if len(small := letter.lower()) == 1 else letter for letter in text)


def arrays_of(table: Table, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Rows as one array a column, which DuckDB reads without a copy per value."""
    found: dict[str, Any] = {}
    for (name, kind), values in zip(table.columns.items(), zip(*rows, strict=True), strict=True):
        if kind == TEXT:
            found[name] = np.array(values, dtype=object)
        else:
            dtype = {INTEGER: np.uint32, LONG: np.int64, REAL: np.float64, BOOLEAN: np.bool_}[kind]
            mask = np.fromiter((value is None for value in values), np.bool_, len(values))
            plain: Any = np.array([0 if value is None else value for value in values], dtype=dtype)
            found[name] = np.ma.masked_array(plain, mask)
    return found


Read = dict[str, list[tuple[Any, ...]]]


async def rows_of(session: AsyncSession, case_ids: Sequence[int]) -> Read:
    """Table name -> the rows of these cases, as they stand now."""
    found: Read = {}
    for table, statement in ((CASES, _cases()), (VISITS, _visits()), (IMAGES, _images()), (LABELS, _labels()), (REPORTS, _reports())):
        column = {"cases": Case.id, "visits": CaseStudyOf.case_id, "images": CaseStudyOf.case_id, "labels": CaseLabel.case_id, "reports": CaseStudyOf.case_id}[
            table.name
        ]
        found[table.name] = [tuple(row) for row in await session.execute(statement.where(column.in_(case_ids)))]
    found["visits"] = [(*row[:5], _day(row[5]), row[6]) for row in found["visits"]]
    found["images"] = _with_alone(found["images"], found["visits"])
    found["texts"] = await _texts(session, found["reports"])
    return found


async def neighbours(session: AsyncSession, case_ids: Sequence[int]) -> set[int]:
    """These cases and all that share a study with them: a study's change is a change of each of its cases."""
    studies = select(CaseStudyOf.study_id).where(CaseStudyOf.case_id.in_(case_ids))
    other = select(CaseStudyOf.case_id).where(CaseStudyOf.study_id.in_(list(await session.scalars(studies))))
    return set(case_ids) | set(await session.scalars(other))


async def members_after(session: AsyncSession, known: set[int]) -> list[tuple[Any, ...]]:
    """(version, case, series, stack, label when frozen) of versions that are not known yet; a version never changes."""
    versions = [number for number in await session.scalars(select(DatasetVersion.id)) if number not in known]
    columns = (DatasetMember.version_id, DatasetMember.case_id, DatasetMember.series_id, DatasetMember.stack_id, DatasetMember.label)
    found: list[tuple[Any, ...]] = []
    for number in versions:
        found += [tuple(row) for row in await session.execute(select(*columns).where(DatasetMember.version_id == number))]
    return found


def _cases() -> Select[Any]:
    gone, merged = Case.deleted_at.is_not(None), Case.merged_into.is_not(None)
    columns: list[Any] = [Case.id, Case.key, Case.disease_id, Disease.code, sex_of_case(), gone, merged, Case.patient_id]
    return select(*columns).join(Disease, Disease.id == Case.disease_id)


def _visits() -> Select[Any]:
    cases = select(func.count()).select_from(CaseStudy).where(CaseStudy.study_id == StudyOf.id).correlate(StudyOf).scalar_subquery()
    columns: list[Any] = [CaseStudyOf.case_id, StudyOf.id, StudyOf.deleted_at.is_(None), column_of("hospital").label("c_hospital")]
    columns += [column_of("age").label("c_age"), Import.created_at, cases == 1]
    joined = select(*columns).select_from(StudyOf).join(CaseStudyOf, CaseStudyOf.study_id == StudyOf.id)
    return joined.join(Import, Import.id == CaseStudyOf.import_id)


def _day(moment: datetime) -> str:
    """2026-11-24, in UTC."""
    return moment.astimezone(UTC).date().isoformat()


def _with_alone(images: Sequence[tuple[Any, ...]], visits: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Image rows with whether they are the only one of their series (one stack, in one case), and with their device."""
    shared = {row[1] for row in visits if not row[6]}
    stacks = Counter((row[0], row[2]) for row in images)
    return [(*row, row[1] not in shared and stacks[row[0], row[2]] == 1, f"{row[_MAKER] or ''} {row[_MODEL] or ''}".strip()) for row in images]


def _images() -> Select[Any]:
    alive = and_(Series.deleted_at.is_(None), StudyOf.deleted_at.is_(None))
    columns: list[Any] = [CaseStudyOf.case_id, StudyOf.id, Series.id, Stack.id, alive, Series.state == "visible", Series.instance_count, Series.size_bytes]
    columns += [column_of(name).label(f"c_{name}") for name in (*_SERIES, *_NUMBERS)]
    columns += [column_of(name).label(f"c_{name}") for name in _STACK]
    joined = select(*columns).select_from(Series).join(StudyOf, StudyOf.id == Series.study_id).join(CaseStudyOf, CaseStudyOf.study_id == StudyOf.id)
    return joined.outerjoin(Stack, Stack.series_id == Series.id)


def _labels() -> Select[Any]:
    columns: list[Any] = [CaseLabel.case_id, CaseLabel.scheme_id, LabelScheme.code, CaseLabel.value, CaseLabel.state, Label.source]
    return select(*columns).join(LabelScheme, LabelScheme.id == CaseLabel.scheme_id).join(Label, Label.id == CaseLabel.label_id)


def _reports() -> Select[Any]:
    columns: list[Any] = [CaseStudyOf.case_id, Report.id, Report.key, Report.kind, Report.deleted_at.is_(None)]
    linked = and_(LinkOf.report_id == Report.id, LinkOf.active.is_(True), LinkOf.state.in_(LINKED))
    return select(*columns).select_from(Report).join(LinkOf, linked).join(CaseStudyOf, CaseStudyOf.study_id == LinkOf.study_id).distinct()


async def _texts(session: AsyncSession, reports: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """(case, report, section, folded text) of the newest text of each report that is not deleted."""
    sections = await newest_texts(session, sorted({row[1] for row in reports if row[4]}))
    return [
        (case_id, report_id, section, fold(body))
        for case_id, report_id, _, _, alive in reports
        if alive
        for section, body in sections.get(report_id, {}).items()
    ]


async def newest_texts(session: AsyncSession, report_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """Report id -> section -> scrubbed text of the newest version."""
    newest = (
        select(ReportText.report_id, func.max(ReportText.version).label("version"))
        .where(ReportText.report_id.in_(report_ids))
        .group_by(ReportText.report_id)
        .subquery()
    )
    wanted = select(ReportText.report_id, ReportText.sections).join(
        newest, and_(newest.c.report_id == ReportText.report_id, newest.c.version == ReportText.version)
    )
    rows = (await session.execute(wanted)).tuples()
    return {report_id: {name: text for name, text in sections.items() if isinstance(text, str) and text} for report_id, sections in rows}


__all__ = [
    "ASKED_BY_CATALOG", "IMAGES", "MEMBERS", "OF_CASES", "Table", "arrays_of", "code_column", "fold", "members_after", "neighbours", "newest_texts",
    "quoted", "rows_of",
]  # fmt: skip

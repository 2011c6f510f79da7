"""What QIDO lists: only DICOM objects; the patient is the pseudonym.

A statement is built once for each form of a question (which attributes, how matched, how many values, who asks) and kept; its values are parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Integer, Select, bindparam, func, select
from sqlalchemy.orm import aliased

from isocenter.auth import Permission, Principal
from isocenter.grants import series_visible_to
from isocenter.models import Instance, Patient, PatientIdentity, Series, Study
from isocenter.prepared import Prepared, Rows
from services.viewer.matching import Form, Term, values_of

# The grants' own subqueries name Study: the study that a query joins is another one.
StudyOf = aliased(Study)
KEPT = 512  # statements


class StudyRow(NamedTuple):
    """A study of DICOM series as QIDO lists it. The totals are over its visible DICOM series; zero where nobody shows them."""

    id: int
    uid: str
    shifted_date: date | None
    description: str
    sex: str
    patient_key: str
    modalities: tuple[str, ...]
    series_count: int
    instance_count: int


class SeriesRow(NamedTuple):
    """A series as QIDO lists it, with its study."""

    id: int
    uid: str
    metadata_key: str | None
    modality: str
    description: str
    number: int | None
    body_part: str
    manufacturer: str
    instance_count: int
    study: StudyRow


class InstanceRow(NamedTuple):
    """An instance as QIDO lists it, with the UIDs above it. ``series_id`` and ``metadata_key``: where its released header lies."""

    sop_class_uid: str
    sop_uid: str
    number: int
    rows: int
    columns: int
    transfer_syntax_uid: str
    frames: int
    modality: str
    study_uid: str
    series_uid: str
    series_id: int
    metadata_key: str | None


_OF_STUDY = (StudyOf.id, StudyOf.uid, StudyOf.shifted_date, StudyOf.description, StudyOf.sex, Patient.key)
_OF_SERIES = (
    Series.id, Series.uid, Series.metadata_key, Series.modality, Series.description, Series.number, Series.body_part, Series.manufacturer,
    Series.instance_count,
)  # fmt: skip
_OF_INSTANCE = (
    Instance.sop_class_uid, Instance.sop_uid, Instance.number, Instance.rows, Instance.columns, Instance.transfer_syntax_uid, Instance.frames,
    Series.modality, StudyOf.uid, Series.uid, Series.id, Series.metadata_key,
)  # fmt: skip
_COLUMNS: dict[str, dict[str, Any]] = {
    "study": {"StudyInstanceUID": StudyOf.uid, "PatientID": Patient.key, "PatientName": Patient.key, "StudyDate": StudyOf.shifted_date,
              "StudyDescription": StudyOf.description, "PatientSex": StudyOf.sex},
    "series": {"SeriesInstanceUID": Series.uid, "Modality": Series.modality, "SeriesNumber": Series.number, "SeriesDescription": Series.description,
               "BodyPartExamined": Series.body_part, "Manufacturer": Series.manufacturer, "ManufacturerModelName": Series.model_name,
               "ModalitiesInStudy": Series.modality},
    "instance": {"SOPInstanceUID": Instance.sop_uid, "SOPClassUID": Instance.sop_class_uid, "InstanceNumber": Instance.number, "Rows": Instance.rows,
                 "Columns": Instance.columns, "NumberOfFrames": Instance.frames, "AvailableTransferSyntaxUID": Instance.transfer_syntax_uid},
}  # fmt: skip
_ALL_COLUMNS = _COLUMNS["study"] | _COLUMNS["series"] | _COLUMNS["instance"]
_OF_PATIENT = frozenset({"PatientID", "PatientName"})
# Conditions on these lead to few rows by an index; without one, instances are walked in order until the page is full.
_NARROW = frozenset({"PatientID", "PatientName", "SOPInstanceUID", "SeriesInstanceUID", "StudyDate", "StudyInstanceUID"})
_MOST, _FIRST = bindparam("most", type_=Integer), bindparam("first", type_=Integer)


def keywords_of(level: str) -> frozenset[str]:
    """What a level (study, series, instance) is searched by; the levels above are included, at the study level also the series' own."""
    levels = {"study": ("study", "series"), "series": ("study", "series"), "instance": ("study", "series", "instance")}[level]
    found = frozenset(keyword for one in levels for keyword in _COLUMNS[one])
    return found if level == "study" else found - {"ModalitiesInStudy"}


def study_rows(rows: Rows, principal: Principal, terms: Sequence[Term], limit: int, offset: int) -> list[StudyRow]:
    """Studies with at least one visible DICOM series, newest first."""
    asker = asker_of(principal)
    found = [StudyRow._make((*row, (), 0, 0)) for row in rows(_studies(asker, _forms(terms)), _values(terms, limit, offset))]
    if not found:
        return []
    of_study: dict[int, list[tuple[str, int, int]]] = {}
    ids = [row.id for row in found]
    for study_id, modality, series, instances in rows(_totals(asker, _padded(len(ids))), _each(ids)):
        of_study.setdefault(study_id, []).append((modality, series, int(instances or 0)))
    return [_totalled(row, of_study.get(row.id, [])) for row in found]


def series_rows(rows: Rows, principal: Principal, terms: Sequence[Term], limit: int, offset: int) -> list[SeriesRow]:
    """Visible DICOM series with the patient's pseudonym, by study and number."""
    own = len(_OF_SERIES)
    found = rows(_series(asker_of(principal), _forms(terms)), _values(terms, limit, offset))
    return [SeriesRow._make((*row[:own], StudyRow._make((*row[own:], (), 0, 0)))) for row in found]


def series_uids(rows: Rows, principal: Principal, study_uid: str) -> list[str]:
    """The visible DICOM series of a study, in order."""
    return [row.uid for row in series_rows(rows, principal, [Term("StudyInstanceUID", "in", (study_uid,))], 10_000, 0)]


def instance_rows(rows: Rows, principal: Principal, terms: Sequence[Term], limit: int, offset: int) -> list[InstanceRow]:
    """Current instances of visible DICOM series in geometric order; held ones for reviewers only."""
    return [InstanceRow._make(row) for row in rows(_instances(asker_of(principal), _forms(terms)), _values(terms, limit, offset))]


def first_series(rows: Rows, principal: Principal, study_ids: Sequence[int]) -> dict[int, tuple[int, str]]:
    """(id, metadata object) of the first visible DICOM series of each study that has one."""
    found: dict[int, tuple[int, str]] = {}
    for study_id, series_id, key in rows(_firsts(asker_of(principal), _padded(len(study_ids))), _each(study_ids)) if study_ids else ():
        found.setdefault(study_id, (series_id, key or ""))
    return found


# --- statements -------------------------------------------------------------------------------------------------------


def asker_of(principal: Principal) -> Principal:
    """What the grants look at and no more: all who see every disease ask the same statements."""
    return Principal(0 if principal.sees_all_diseases else principal.account_id, "", principal.role)


def _forms(terms: Sequence[Term]) -> tuple[Form, ...]:
    return tuple(term.form for term in terms)


def _values(terms: Sequence[Term], limit: int, offset: int) -> dict[str, Any]:
    return {**values_of(terms), "most": limit, "first": offset}


def _padded(count: int) -> int:
    """So many parameters for ``count`` values: few sizes, few statements."""
    return 1 << max(0, count - 1).bit_length()


def _each(ids: Sequence[int]) -> Mapping[str, int]:
    return {f"id{place}": ids[min(place, len(ids) - 1)] for place in range(_padded(len(ids)))}


def _one_of(column: Any, count: int) -> ColumnElement[bool]:
    return column.in_([bindparam(f"id{place}", type_=column.type) for place in range(count)])  # type: ignore[no-any-return]


def _dicom_series(asker: Principal) -> ColumnElement[bool]:
    return (Series.format == "DICOM") & series_visible_to(asker)


def _condition(number: int, form: Form) -> ColumnElement[bool]:
    column = _ALL_COLUMNS[form.keyword]
    given = [bindparam(f"t{number}v{place}", type_=column.type) for place in range(form.many)]
    result: ColumnElement[bool]
    match form.kind:
        case "in":
            result = column == given[0] if len(given) == 1 else column.in_(given)
        case "like":
            result = column.like(given[0], escape="\\")
        case "begins":
            result = func.upper(column).like(given[0], escape="\\")
        case "from":
            result = column >= given[0]
        case _:
            result = column <= given[0]
    return result


@lru_cache(KEPT)
def _studies(asker: Principal, forms: tuple[Form, ...]) -> Prepared:
    visible = _dicom_series(asker)
    query = (
        select(*_OF_STUDY)
        .join(PatientIdentity, PatientIdentity.id == StudyOf.identity_id)
        .join(Patient, Patient.id == PatientIdentity.patient_id)
        .where(StudyOf.deleted_at.is_(None), select(Series.id).where(Series.study_id == StudyOf.id, visible).correlate(StudyOf).exists())
        .order_by(StudyOf.id.desc())
    )
    for number, form in enumerate(forms):
        condition = _condition(number, form)
        if form.keyword in _COLUMNS["series"]:
            condition = select(Series.id).where(Series.study_id == StudyOf.id, visible, condition).correlate(StudyOf).exists()
        query = query.where(condition)
    return _paged(query)


@lru_cache(KEPT)
def _totals(asker: Principal, count: int) -> Prepared:
    query = select(Series.study_id, Series.modality, func.count(), func.sum(Series.instance_count))
    return Prepared(query.where(_one_of(Series.study_id, count), _dicom_series(asker)).group_by(Series.study_id, Series.modality))


@lru_cache(KEPT)
def _firsts(asker: Principal, count: int) -> Prepared:
    query = select(Series.study_id, Series.id, Series.metadata_key).where(_one_of(Series.study_id, count), Series.metadata_key.is_not(None))
    return Prepared(query.where(_dicom_series(asker)).order_by(Series.study_id, Series.number, Series.id))


@lru_cache(KEPT)
def _series(asker: Principal, forms: tuple[Form, ...]) -> Prepared:
    query = (
        select(*_OF_SERIES, *_OF_STUDY)
        .join(StudyOf, StudyOf.id == Series.study_id)
        .join(PatientIdentity, PatientIdentity.id == StudyOf.identity_id)
        .join(Patient, Patient.id == PatientIdentity.patient_id)
        .where(_dicom_series(asker), *(_condition(number, form) for number, form in enumerate(forms)))
        .order_by(StudyOf.id.desc(), Series.number, Series.id)
    )
    return _paged(query)


@lru_cache(KEPT)
def _instances(asker: Principal, forms: tuple[Form, ...]) -> Prepared:
    """Where no condition leads to few rows by an index, the index of instances is walked in its own order until the page is full: left to themselves,
    both databases join and sort every instance first (100,811 rows: 47 to 212 ms)."""
    named = {form.keyword for form in forms}
    query = (
        select(*_OF_INSTANCE)
        .select_from(Instance)
        .join(Series, Series.id == Instance.series_id)
        .join(StudyOf, StudyOf.id == Series.study_id)
        .where(_dicom_series(asker), Instance.generation == 0, Instance.deleted_at.is_(None))
        .where(*(_condition(number, form) for number, form in enumerate(forms)))
        .order_by(Instance.series_id, Instance.number, Instance.id)
    )
    if not named.isdisjoint(_OF_PATIENT):
        query = query.join(PatientIdentity, PatientIdentity.id == StudyOf.identity_id).join(Patient, Patient.id == PatientIdentity.patient_id)
    if named.isdisjoint(_NARROW):
        query = query.prefix_with("STRAIGHT_JOIN", dialect="mysql").with_hint(Instance, "FORCE INDEX (ix_instance_series)", "mysql")
    if not asker.may(Permission.REVIEW):
        query = query.where(Instance.state == "visible")
    return _paged(query)


def _paged(query: Select[*tuple[Any, ...]]) -> Prepared:
    return Prepared(query.limit(_MOST).offset(_FIRST))


def _totalled(row: StudyRow, of_modality: Sequence[tuple[str, int, int]]) -> StudyRow:
    modalities = tuple(sorted({modality for modality, _, _ in of_modality if modality}))
    return row._replace(modalities=modalities, series_count=sum(n for _, n, _ in of_modality), instance_count=sum(n for _, _, n in of_modality))

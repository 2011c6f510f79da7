"""QIDO-RS (PS3.18 10.6): a query's parameters as conditions, and rows as DICOM JSON (PS3.18 annex F)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from sqlalchemy import ColumnElement, false

from isocenter.errors import InvalidInput
from isocenter.models import Instance, Series, Study
from services.viewer.store import StudyRow

LIMIT_DEFAULT, LIMIT_MOST = 100, 1000
CONTROL = frozenset({"limit", "offset", "fuzzymatching", "includefield", "accept"})
# What the catalog holds for nobody (it is removed or replaced on the way in): a filter on one of these finds nothing.
EMPTY = frozenset({"AccessionNumber", "ReferringPhysicianName", "PatientBirthDate", "StudyID", "IssuerOfPatientID", "InstitutionName"})

Json = dict[str, Any]


def keyword_of(name: str) -> str:
    """The keyword of a parameter given as keyword or as eight hex digits; InvalidInput for neither."""
    if len(name) == 8:
        with contextlib.suppress(ValueError):
            name = keyword_for_tag(int(name, 16)) or name
    if tag_for_keyword(name) is None:
        raise InvalidInput(f"{name[:64]} is no DICOM attribute; use a keyword such as PatientID, or a tag such as 00100020.", field=name[:64])
    return name


def page_of(query: Sequence[tuple[str, str]]) -> tuple[int, int]:
    """(limit, offset); InvalidInput for what is no whole number from 0."""
    values = dict(query)
    numbers = []
    for name, default in (("limit", LIMIT_DEFAULT), ("offset", 0)):
        text = values.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise InvalidInput(f"{name} must be a whole number from 0.", field=name)
        numbers.append(int(text))
    return min(numbers[0], LIMIT_MOST), numbers[1]


def conditions(
    query: Sequence[tuple[str, str]], columns: Mapping[str, Any], series_columns: Mapping[str, Any] | None = None
) -> tuple[list[ColumnElement[bool]], list[ColumnElement[bool]]]:
    """(conditions on this level, conditions that some series must meet) of a query's parameters.

    Matching: single value, list of UIDs, wildcard, date range; an empty value or ``*`` matches everything.
    """
    here: list[ColumnElement[bool]] = []
    of_series: list[ColumnElement[bool]] = []
    for name, value in query:
        if name in CONTROL or not value.strip('* "'):
            continue
        keyword = keyword_of(name)
        value = value.strip('"')
        if keyword == "ModalitiesInStudy" and series_columns is not None:
            of_series.append(Series.modality.in_(_listed(value)))
        elif keyword in columns:
            here.append(_condition(keyword, columns[keyword], value))
        elif series_columns is not None and keyword in series_columns:
            of_series.append(_condition(keyword, series_columns[keyword], value))
        elif keyword in EMPTY:
            here.append(false())
        else:
            raise InvalidInput(f"Searching by {keyword} is not offered here; see docs/operations.md for the list.", field=name)
    return here, of_series


def _listed(value: str) -> list[str]:
    return [part for part in value.replace("\\", ",").split(",") if part][:500]


def _condition(keyword: str, column: Any, value: str) -> ColumnElement[bool]:
    vr = dictionary_VR(keyword)
    if vr == "UI":
        return column.in_(_listed(value))  # type: ignore[no-any-return]
    if vr == "DA":
        return _dates(column, value)
    if vr == "IS":
        if not value.lstrip("-").isdigit():
            raise InvalidInput(f"{keyword} must be a whole number.", field=keyword)
        return column == int(value)  # type: ignore[no-any-return]
    if vr == "PN":
        value = value.split("=")[0].rstrip("^")
    if "*" in value or "?" in value:
        pattern = "".join({"*": "%", "?": "_"}.get(letter, "\\" + letter if letter in "%_\\" else letter) for letter in value)
        return column.like(pattern, escape="\\")  # type: ignore[no-any-return]
    return column.in_(_listed(value)) if vr == "CS" else column == value  # type: ignore[no-any-return]


def _dates(column: Any, value: str) -> ColumnElement[bool]:
    """PS3.4 C.2.2.2.5: a day, or from-to with either end open. Dates are the released, shifted ones."""
    start, dash, end = value.partition("-")
    first, last = _day(start), _day(end)
    if not dash:
        return column == first  # type: ignore[no-any-return]
    parts: list[ColumnElement[bool]] = [column.is_not(None)]
    if first:
        parts.append(column >= first)
    if last:
        parts.append(column <= last)
    result = parts[0]
    for part in parts[1:]:
        result = result & part
    return result


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 and text.isdigit() else date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput("A date is YYYYMMDD, a range YYYYMMDD-YYYYMMDD with either end open.", field="StudyDate") from error


def element(keyword: str, *values: Any) -> tuple[str, Json]:
    """One attribute; None and '' give an attribute without a value."""
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    vr = dictionary_VR(keyword)
    given = [value for value in values if value not in (None, "")]
    body: Json = {"vr": vr}
    if given:
        body["Value"] = [{"Alphabetic": value} for value in given] if vr == "PN" else given
    return f"{tag:08X}", body


def _document(*elements: tuple[str, Json]) -> Json:
    return dict(sorted(elements))


def _study_elements(study: Study, patient_key: str) -> list[tuple[str, Json]]:
    day = study.shifted_date.strftime("%Y%m%d") if study.shifted_date else None
    return [
        element("SpecificCharacterSet", "ISO_IR 192"), element("StudyDate", day), element("StudyTime"), element("AccessionNumber"),
        element("InstanceAvailability", "ONLINE"), element("ReferringPhysicianName"), element("StudyDescription", study.description),
        element("PatientName", patient_key), element("PatientID", patient_key), element("PatientBirthDate"), element("PatientSex", study.sex),
        element("StudyInstanceUID", study.uid), element("StudyID"),
    ]  # fmt: skip


def study_json(row: StudyRow) -> Json:
    counts = [element("ModalitiesInStudy", *row.modalities), element("NumberOfStudyRelatedSeries", row.series_count)]
    return _document(*_study_elements(row.study, row.patient_key), *counts, element("NumberOfStudyRelatedInstances", row.instance_count))


def series_json(series: Series, study: Study, patient_key: str) -> Json:
    own = [
        element("Modality", series.modality), element("SeriesDescription", series.description), element("SeriesInstanceUID", series.uid),
        element("SeriesNumber", series.number), element("BodyPartExamined", series.body_part), element("Manufacturer", series.manufacturer),
        element("NumberOfSeriesRelatedInstances", series.instance_count),
    ]  # fmt: skip
    return _document(*_study_elements(study, patient_key), *own)


def instance_json(instance: Instance, series: Series, study: Study) -> Json:
    frames = [element("NumberOfFrames", instance.frames)] if instance.frames > 1 else []
    return _document(
        element("SpecificCharacterSet", "ISO_IR 192"), element("SOPClassUID", instance.sop_class_uid), element("SOPInstanceUID", instance.sop_uid),
        element("InstanceAvailability", "ONLINE"), element("Modality", series.modality), element("StudyInstanceUID", study.uid),
        element("SeriesInstanceUID", series.uid), element("InstanceNumber", instance.number), element("Rows", instance.rows),
        element("Columns", instance.columns), element("AvailableTransferSyntaxUID", instance.transfer_syntax_uid), *frames,
    )  # fmt: skip


"""The search language: one parser and one SQL builder for REST, CLI, dataset freezing and statistics.

A filter is ``{"terms": {name: [value, ...]}, "ranges": {name: {"gte": x, "lte": y}}, "include_null": false}``: OR inside
one name, AND across names (the shape of IDC's API v3). Conditions on studies, series, slides and stacks must be met by
one and the same series: ``Modality=CT`` and ``SliceThickness<=1.5`` is a case with a thin CT series.

Names are DICOM keywords for imaging, our nouns for the rest. A value that is missing fails a condition on it unless
``include_null`` is true: real data lacks the age of most CT series, so every count says how many were left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rapidfuzz import process
from sqlalchemy import ColumnElement, Double, Select, and_, cast, exists, false, func, or_, select
from sqlalchemy.orm import aliased

from isocenter.auth import Principal
from isocenter.errors import InvalidInput
from isocenter.grants import reports_visible_to, series_visible_to
from isocenter.models import Case, CaseLabel, CaseStudy, Disease, FilledValue, Hospital, Label, LabelScheme, Link, Patient, Report, Series, Slide, Stack, Study

MAX_VALUES = 200  # of one name
MAX_TEXT = 200  # characters of one value
FILLED_AGE, FILLED_SEX = ("age", "age_years"), ("sex",)

# Under these names a query joins a series with its study and its case. grants.py makes its own EXISTS over the plain
# tables; with the plain tables in the same FROM, SQLAlchemy would correlate them away.
StudyOf = aliased(Study, name="study_of")
CaseStudyOf = aliased(CaseStudy, name="case_study_of")
LinkOf = aliased(Link, name="link_of")
LINKED = ("sure", "accepted")  # states of a link that counts


class Grain(StrEnum):
    """Which row a condition is about."""

    CASE = "case"
    LABEL = "label"
    SERIES = "series"  # the series, its study and its slide
    STACK = "stack"
    REPORT = "report"


class Kind(StrEnum):
    CODE = "code"  # equal
    TEXT = "text"  # equal in any case
    WORDS = "words"  # contains, in any case
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Attribute:
    """A name that can be asked for. ``values`` is the closed set of a code, empty when it is open."""

    name: str
    grain: Grain
    kind: Kind
    title_en: str
    title_zh: str
    unit: str = ""
    values: tuple[str, ...] = ()


_ALL = (
    Attribute("disease", Grain.CASE, Kind.CODE, "Disease", "疾病"),
    Attribute("case", Grain.CASE, Kind.CODE, "Case", "病例编号"),
    Attribute("sex", Grain.CASE, Kind.CODE, "Sex", "性别", values=("F", "M", "O")),
    Attribute("scheme", Grain.LABEL, Kind.CODE, "Label scheme", "标注方案"),
    Attribute("label", Grain.LABEL, Kind.CODE, "Label", "标注"),
    Attribute("label_state", Grain.LABEL, Kind.CODE, "State of the label", "标注状态", values=("decided", "none", "review", "sure")),
    Attribute("label_source", Grain.LABEL, Kind.CODE, "Source of the label", "标注来源", values=("model", "provided", "reviewer", "rule")),
    Attribute("age", Grain.SERIES, Kind.NUMBER, "Age at the examination", "检查时年龄", unit="years"),
    Attribute("hospital", Grain.SERIES, Kind.CODE, "Hospital", "医院"),
    Attribute("Modality", Grain.SERIES, Kind.CODE, "Modality", "检查模态"),
    Attribute("BodyPartExamined", Grain.SERIES, Kind.CODE, "Body part", "检查部位"),
    Attribute("Manufacturer", Grain.SERIES, Kind.TEXT, "Manufacturer", "设备厂商"),
    Attribute("ManufacturerModelName", Grain.SERIES, Kind.TEXT, "Device model", "设备型号"),
    Attribute("SliceThickness", Grain.SERIES, Kind.NUMBER, "Slice thickness", "层厚", unit="mm"),
    Attribute("SeriesDescription", Grain.SERIES, Kind.WORDS, "Series description", "序列描述"),
    Attribute("format", Grain.SERIES, Kind.CODE, "Image format", "图像格式", values=("DICOM", "JPEG", "NIFTI", "PNG", "WSI")),
    Attribute("mpp", Grain.SERIES, Kind.NUMBER, "Microns per pixel", "每像素微米数", unit="um"),
    Attribute("ObjectivePower", Grain.SERIES, Kind.NUMBER, "Objective power", "物镜倍数"),
    Attribute("sequence", Grain.STACK, Kind.CODE, "MR sequence", "磁共振序列"),
    Attribute("phase", Grain.STACK, Kind.CODE, "CT phase", "CT 期相"),
    Attribute("report_kind", Grain.REPORT, Kind.CODE, "Kind of report", "报告类型", values=("imaging", "pathology")),
)
ATTRIBUTES: dict[str, Attribute] = {attribute.name: attribute for attribute in _ALL}

Value = str | float


@dataclass(frozen=True, slots=True)
class Filter:
    """A checked filter: names and values sorted, so that equal filters are equal."""

    terms: tuple[tuple[str, tuple[Value, ...]], ...] = ()
    ranges: tuple[tuple[str, float | None, float | None], ...] = ()  # name, gte, lte
    include_null: bool = False

    def document(self) -> dict[str, Any]:
        """The JSON form; ``parse_filter`` of it is this filter again."""
        bounds = {name: {key: value for key, value in (("gte", gte), ("lte", lte)) if value is not None} for name, gte, lte in self.ranges}
        return {"terms": {name: list(values) for name, values in self.terms}, "ranges": bounds, "include_null": self.include_null}

    def names(self) -> set[str]:
        return {name for name, _ in self.terms} | {name for name, _, _ in self.ranges}

    def asks(self, *grains: Grain) -> bool:
        return any(ATTRIBUTES[name].grain in grains for name in self.names())

    def without(self, *names: str) -> Filter:
        kept = tuple(term for term in self.terms if term[0] not in names)
        return Filter(kept, tuple(bound for bound in self.ranges if bound[0] not in names), self.include_null)

    def with_terms(self, name: str, values: Iterable[str]) -> Filter:
        """This filter with the terms of one name replaced."""
        others = self.without(name)
        return Filter(tuple(sorted((*others.terms, (name, tuple(sorted(set(values))))))), others.ranges, self.include_null)

    def with_null(self) -> Filter:
        return Filter(self.terms, self.ranges, True)


def parse_filter(document: Mapping[str, Any] | None) -> Filter:
    """The filter of a JSON document; InvalidInput names the field and, for an unknown name, the nearest right one."""
    if document is None:
        return Filter()
    if not isinstance(document, Mapping):
        raise InvalidInput("A filter is an object with terms, ranges and include_null.", field="query")
    for key in document:
        if key not in ("terms", "ranges", "include_null"):
            raise InvalidInput(f"A filter has no {_shown(key)}; {nearest(key, ('terms', 'ranges', 'include_null'))}", field=f"query.{_shown(key)}")
    include_null = document.get("include_null", False)
    if not isinstance(include_null, bool):
        raise InvalidInput("include_null is true or false.", field="query.include_null")
    terms = [_term(name, values) for name, values in _members(document, "terms")]
    ranges = [_range(name, bounds) for name, bounds in _members(document, "ranges")]
    return Filter(tuple(sorted(terms)), tuple(sorted(ranges, key=lambda item: item[0])), include_null)


def attribute_of(name: str, field: str) -> Attribute:
    """The attribute of that name; InvalidInput with the nearest right name when there is none."""
    if isinstance(name, str) and name in ATTRIBUTES:
        return ATTRIBUTES[name]
    raise InvalidInput(f"There is no attribute {_shown(name)}; {nearest(name, ATTRIBUTES)}", field=field, known=sorted(ATTRIBUTES))


def _members(document: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    found = document.get(key)
    if found is None:
        return []
    if not isinstance(found, Mapping):
        raise InvalidInput(f"{key} is an object of attribute names.", field=f"query.{key}")
    return list(found.items())


def _term(name: str, values: Any) -> tuple[str, tuple[Value, ...]]:
    field = f"query.terms.{_shown(name)}"
    attribute = attribute_of(name, field)
    if not isinstance(values, list) or not 0 < len(values) <= MAX_VALUES:
        raise InvalidInput(f"{name} takes a list of 1 to {MAX_VALUES} values.", field=field)
    if attribute.kind is Kind.NUMBER:
        return name, tuple(sorted({_number(value, field) for value in values}))
    return name, tuple(sorted({_text(value, attribute, field) for value in values}))


def _text(value: Any, attribute: Attribute, field: str) -> str:
    # Class codes such as 0 and 1 come as numbers from spreadsheets and notebooks.
    if isinstance(value, int) and not isinstance(value, bool) and attribute.name == "label":
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not _storable(value):
        raise InvalidInput(f"{attribute.name} takes text of 1 to {MAX_TEXT} characters.", field=field)
    if attribute.values and value not in attribute.values:
        raise InvalidInput(f"{attribute.name} has no value {_shown(value)}; {nearest(value, attribute.values)}", field=field, known=list(attribute.values))
    return value.lower() if attribute.kind in (Kind.TEXT, Kind.WORDS) else value


def _storable(text: str) -> bool:
    try:
        return "\0" not in text and bool(text.encode())
    except UnicodeEncodeError:
        return False


def _number(value: Any, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e15 < value < 1e15:
        raise InvalidInput("This takes a finite number.", field=field)
    return float(value)


def _range(name: str, bounds: Any) -> tuple[str, float | None, float | None]:
    field = f"query.ranges.{_shown(name)}"
    attribute = attribute_of(name, field)
    if attribute.kind is not Kind.NUMBER:
        raise InvalidInput(f"{name} is no number: ask for it in terms.", field=field)
    if not isinstance(bounds, Mapping) or not bounds:
        raise InvalidInput(f"{name} takes an object with gte, lte or both.", field=field)
    for key in bounds:
        if key not in ("gte", "lte"):
            raise InvalidInput(f"A range has no {_shown(key)}; it has gte (at least) and lte (at most).", field=field)
    gte, lte = (None if bounds.get(key) is None else _number(bounds[key], f"{field}.{key}") for key in ("gte", "lte"))
    if gte is not None and lte is not None and gte > lte:
        raise InvalidInput(f"{name}: gte is above lte, so nothing can match.", field=field)
    return name, gte, lte


def _shown(name: object) -> str:
    """A name from outside, fit for an error sentence."""
    text = name if isinstance(name, str) else type(name).__name__
    return json.dumps(text)[1:-1][:60]


def nearest(name: object, known: Iterable[str]) -> str:
    """The end of an error sentence: the nearest right name, else all there are."""
    choices = list(known)
    lowered = {choice.lower(): choice for choice in choices}
    found = process.extractOne(name.lower()[:MAX_TEXT], list(lowered), score_cutoff=50) if isinstance(name, str) else None
    return f"did you mean {lowered[found[0]]}?" if found else f"there are {', '.join(choices) or 'none'}."


def sex_of_case() -> ColumnElement[str]:
    """M, F, O or '' of the Case of the query: the patient's, else what was filled from another place of the same patient."""
    patient = select(func.nullif(Patient.sex, "")).where(Patient.id == Case.patient_id).correlate(Case).scalar_subquery()
    filled = select(func.min(FilledValue.value)).where(FilledValue.case_id == Case.id, FilledValue.name.in_(FILLED_SEX)).correlate(Case).scalar_subquery()
    return func.coalesce(patient, filled, "")


def age_of_study() -> ColumnElement[float | None]:
    """Years of ``StudyOf``, else what was filled for the case of ``CaseStudyOf``; NULL when nobody knows."""
    filled = select(func.min(cast(FilledValue.value, Double))).where(FilledValue.case_id == CaseStudyOf.case_id, FilledValue.name.in_(FILLED_AGE))
    return func.coalesce(StudyOf.age_years, filled.correlate(CaseStudyOf).scalar_subquery())


def column_of(name: str) -> ColumnElement[Any]:
    """The SQL expression of an attribute in a query of its grain: Case; CaseLabel with Label and LabelScheme; Series with
    StudyOf and CaseStudyOf; Stack; Report. Missing = NULL for numbers, '' or NULL for codes and text."""

    def slide(column: Any) -> ColumnElement[Any]:
        return select(column).where(Slide.series_id == Series.id).correlate(Series).scalar_subquery()

    makers: dict[str, Any] = {
        "disease": lambda: select(Disease.code).where(Disease.id == Case.disease_id).correlate(Case).scalar_subquery(),
        "case": lambda: Case.key,
        "sex": sex_of_case,
        "scheme": lambda: LabelScheme.code,
        "label": lambda: CaseLabel.value,
        "label_state": lambda: CaseLabel.state,
        "label_source": lambda: Label.source,
        "age": age_of_study,
        "hospital": lambda: select(Hospital.code).where(Hospital.id == StudyOf.hospital_id).correlate(StudyOf).scalar_subquery(),
        "Modality": lambda: Series.modality,
        "BodyPartExamined": lambda: func.coalesce(func.nullif(Series.body_part, ""), StudyOf.body_part),
        "Manufacturer": lambda: Series.manufacturer,
        "ManufacturerModelName": lambda: Series.model_name,
        "SliceThickness": lambda: Series.slice_thickness_mm,
        "SeriesDescription": lambda: Series.description,
        "format": lambda: Series.format,
        "mpp": lambda: slide(Slide.mpp),
        "ObjectivePower": lambda: slide(Slide.objective_power),
        "sequence": lambda: Stack.sequence,
        "phase": lambda: Stack.phase,
        "report_kind": lambda: Report.kind,
    }
    expression: ColumnElement[Any] = makers[name]()
    return expression


def conditions(query: Filter, grain: Grain, *, skip: tuple[str, ...] = ()) -> list[ColumnElement[bool]]:
    """What the filter asks of a row of one grain, over the columns of :func:`column_of`."""
    found: list[ColumnElement[bool]] = []
    for name, values in query.terms:
        if ATTRIBUTES[name].grain is grain and name not in skip:
            found.append(_or_null(_matches(name, values), name, query.include_null))
    for name, gte, lte in query.ranges:
        if ATTRIBUTES[name].grain is grain and name not in skip:
            column = column_of(name)
            bounds = [column >= gte] if gte is not None else []
            bounds += [column <= lte] if lte is not None else []
            found.append(_or_null(and_(*bounds), name, query.include_null))
    return found


def _matches(name: str, values: tuple[Value, ...]) -> ColumnElement[bool]:
    column, kind = column_of(name), ATTRIBUTES[name].kind
    if name == "disease":
        return Case.disease_id.in_(select(Disease.id).where(Disease.code.in_(values)))
    if kind is Kind.WORDS:
        return or_(*(func.lower(column).contains(str(value), autoescape=True) for value in values))
    return func.lower(column).in_(values) if kind is Kind.TEXT else column.in_(values)


def _or_null(matched: ColumnElement[bool], name: str, include_null: bool) -> ColumnElement[bool]:
    if not include_null:
        return matched
    column = column_of(name)
    return or_(matched, column.is_(None)) if ATTRIBUTES[name].kind is Kind.NUMBER else or_(matched, column.is_(None), column == "")


def has_stack(query: Filter) -> ColumnElement[bool] | None:
    """That the Series of the query has a stack as asked for; None when nothing is asked of stacks."""
    found = conditions(query, Grain.STACK)
    return exists().where(Stack.series_id == Series.id, *found).correlate(Series) if found else None


def series_where(query: Filter) -> list[ColumnElement[bool]]:
    """Conditions on the Series of a query that has StudyOf and CaseStudyOf beside it; visibility is not among them."""
    found = conditions(query, Grain.SERIES)
    stack = has_stack(query)
    return found if stack is None else [*found, stack]


def cases_where(query: Filter, principal: Principal, *, scheme_id: int | None = None, series_state: str | None = None) -> list[ColumnElement[bool]]:
    """Conditions on the Case of a query, without ``grants.visible_to``: the caller adds it.

    Only series this account may see count. ``scheme_id`` limits label conditions to one scheme (else to the one
    the query names, or the first of each disease), ``series_state`` series to ``visible`` ones.
    """
    found = conditions(query, Grain.CASE)
    if query.asks(Grain.LABEL):
        found.append(_has_label(query, scheme_id))
    if query.asks(Grain.SERIES, Grain.STACK):
        found.append(has_series(principal, *series_where(query), state=series_state))
    if query.asks(Grain.REPORT):
        found.append(_has_report(query, principal))
    return found


def first_schemes() -> Select[int]:
    """The first active scheme of each disease: what a label is of where no scheme is named. "1" is a class of many schemes."""
    return select(func.min(LabelScheme.id)).where(LabelScheme.active.is_(True)).group_by(LabelScheme.disease_id)


def has_series(principal: Principal, *where: ColumnElement[bool], state: str | None = None) -> ColumnElement[bool]:
    """That the Case of the query has a series this account may see, with the given conditions on it."""
    rows = (
        select(Series.id)
        .join(StudyOf, StudyOf.id == Series.study_id)
        .join(CaseStudyOf, CaseStudyOf.study_id == StudyOf.id)
        .where(CaseStudyOf.case_id == Case.id, series_visible_to(principal), *where)
        .correlate(Case)
    )
    return (rows if state is None else rows.where(Series.state == state)).exists()


def _has_label(query: Filter, scheme_id: int | None) -> ColumnElement[bool]:
    states = dict(query.terms).get("label_state", ())
    labels = select(CaseLabel.case_id).join(Label, Label.id == CaseLabel.label_id).join(LabelScheme, LabelScheme.id == CaseLabel.scheme_id)
    labels = labels.where(CaseLabel.case_id == Case.id).correlate(Case)
    if scheme_id is not None:
        labels = labels.where(CaseLabel.scheme_id == scheme_id)
    elif "scheme" not in query.names():
        labels = labels.where(CaseLabel.scheme_id.in_(first_schemes()))
    unlabelled = ~labels.where(*conditions(query.without("label", "label_state", "label_source"), Grain.LABEL)).exists()
    wanted = labels.where(*conditions(query, Grain.LABEL, skip=("label_state",)))
    if kept := [state for state in states if state != "none"]:
        wanted = wanted.where(CaseLabel.state.in_(kept))
    labelled: ColumnElement[bool] = false() if states == ("none",) else wanted.exists()
    # "none" asked together with a class or source can only mean the labelled ones.
    none_fits = "none" in states and not query.names() & {"label", "label_source"}
    return or_(labelled, unlabelled) if none_fits or query.include_null else labelled


def _has_report(query: Filter, principal: Principal) -> ColumnElement[bool]:
    linked = (
        select(Report.id)
        .join(LinkOf, and_(LinkOf.report_id == Report.id, LinkOf.active.is_(True), LinkOf.state.in_(LINKED)))
        .join(CaseStudyOf, CaseStudyOf.study_id == LinkOf.study_id)
        .where(CaseStudyOf.case_id == Case.id, reports_visible_to(principal))
        .correlate(Case)
    )
    matched = linked.where(*conditions(query, Grain.REPORT)).exists()
    return or_(matched, ~linked.exists()) if query.include_null else matched

"""QIDO-RS (PS3.18 10.6): a query's parameters as conditions, and rows as DICOM JSON (PS3.18 annex F)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from isocenter.errors import BadRequest
from services.viewer.matching import Term, day_range, has_wildcard, is_universal, like_pattern, listed, name_groups
from services.viewer.store import InstanceRow, SeriesRow, StudyRow

LIMIT_DEFAULT, LIMIT_MOST = 100, 1000
CONTROL = frozenset({"limit", "offset", "fuzzymatching", "includefield", "accept"})
# What the catalog holds for nobody (it is removed or replaced on the way in): a filter on one of these finds nothing.
EMPTY = frozenset({
    "AccessionNumber", "ReferringPhysicianName", "PatientBirthDate", "StudyID", "StudyTime", "IssuerOfPatientID", "InstitutionName",
    "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime", "RequestAttributesSequence", "OtherPatientIDs",
})  # fmt: skip
# With includefield=all, a series also gets these from its metadata object, as far as all its instances agree.
OF_SERIES = (
    "SeriesDate", "SeriesTime", "ProtocolName", "Laterality", "PatientPosition", "FrameOfReferenceUID", "ManufacturerModelName", "SliceThickness",
    "PixelSpacing", "SpacingBetweenSlices", "PatientAge", "ScanningSequence", "EchoTime", "RepetitionTime", "KVP",
)  # fmt: skip

# Attributes of the study modules; besides them a study is asked for those of the patient (group 0010), never for those of its series.
OF_STUDY = ("00080020", "00080030", "00081030", "00081032", "00101010", "00101020", "00101030")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fields:
    """What ``includefield`` asks for beyond the default attributes: tags, and whether it said ``all``."""

    tags: tuple[str, ...] = ()
    everything: bool = False

    def of(self, level: str) -> tuple[str, ...]:
        """Tags to be looked up at a level above the instance."""
        if level == "study":
            return tuple(tag for tag in (*self.tags, *(OF_STUDY if self.everything else ())) if tag.startswith("0010") or tag in OF_STUDY)
        if level == "instance" or not self.everything:
            return self.tags
        return (*self.tags, *(_tag(keyword) for keyword in OF_SERIES))

    def __bool__(self) -> bool:
        return bool(self.tags) or self.everything


def _tag(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return f"{tag:08X}"


def keyword_of(name: str) -> str:
    """The keyword of a parameter given as keyword or as eight hex digits; BadRequest for neither.

    Of a path into a sequence (``RequestAttributesSequence.ScheduledProcedureStepID``) the sequence's own.
    """
    shown = name[:64]
    name, *inner = name.split(".")
    if len(name) == 8:
        with contextlib.suppress(ValueError):
            name = keyword_for_tag(int(name, 16)) or name
    if tag_for_keyword(name) is None or (inner and dictionary_VR(name) != "SQ"):
        raise BadRequest(f"{shown} is no DICOM attribute; use a keyword such as PatientID, or a tag such as 00100020.", field=shown)
    for part in inner:
        keyword_of(part)
    return name


def page_of(query: Sequence[tuple[str, str]]) -> tuple[int, int]:
    """(limit, offset); BadRequest for what is no whole number from 0."""
    values = dict(query)
    numbers = []
    for name, default in (("limit", LIMIT_DEFAULT), ("offset", 0)):
        text = values.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise BadRequest(f"{name} must be a whole number from 0.", field=name)
        numbers.append(int(text))
    return min(numbers[0], LIMIT_MOST), numbers[1]


def fields_of(query: Sequence[tuple[str, str]]) -> Fields:
    """``includefield``, once or several times, each a keyword, a tag, a list of them, or ``all``. Private tags are passed over."""
    tags: list[str] = []
    everything = False
    for name, value in query:
        if name != "includefield":
            continue
        for part in value.split(","):
            part = part.strip()
            if part.lower() == "all":
                everything = True
            elif part and not (len(part) == 8 and _is_private(part)):
                tags.append(_tag(keyword_of(part)))
    return Fields(tuple(dict.fromkeys(tags)), everything)


def _is_private(tag: str) -> bool:
    try:
        return bool((int(tag, 16) >> 16) % 2)
    except ValueError:
        return False


def fuzzy_of(query: Sequence[tuple[str, str]]) -> bool:
    """``fuzzymatching``; BadRequest for anything but true and false."""
    text = dict(query).get("fuzzymatching", "false").lower()
    if text not in ("true", "false", ""):
        raise BadRequest("fuzzymatching is true or false.", field="fuzzymatching")
    return text == "true"


def terms_of(query: Sequence[tuple[str, str]], level: str, offered: frozenset[str]) -> list[Term] | None:
    """The conditions of a query's parameters at a level (study, series, instance); None when nothing can meet them.

    Matching: single value, list of UIDs, wildcard, date range, person name; an empty value or ``*`` matches everything.
    """
    terms: list[Term] = []
    fuzzy = fuzzy_of(query)
    hopeless = False
    for name, value in query:
        if name in CONTROL:
            continue
        keyword = keyword_of(name)
        known = keyword in offered
        if is_universal(value) and (known or keyword in EMPTY or keyword == "ModalitiesInStudy"):
            continue
        if known:
            found = _terms(keyword, value.strip('"'), fuzzy)
            hopeless = hopeless or found is None
            terms += found or ()
        elif keyword in EMPTY:
            hopeless = True
        else:
            told = ", ".join(sorted({*offered, *EMPTY} - {"ModalitiesInStudy"}))
            raise BadRequest(f"Searching by {keyword} is not offered at this level. Offered: {told}.", field=name)
    return None if hopeless else terms


def _terms(keyword: str, value: str, fuzzy: bool) -> list[Term] | None:
    vr = _tag_and_vr(keyword)[1]
    if vr == "UI":
        uids = listed(value)
        return [Term(keyword, "in", tuple(uids))] if uids else None
    if vr == "DA":
        return _dates(keyword, value)
    if vr in ("IS", "US"):
        if not value.lstrip("-").isdigit() or len(value) > 9:
            raise BadRequest(f"{keyword} must be a whole number.", field=keyword)
        return [Term(keyword, "in", (int(value),))]
    if vr == "PN":
        return _name(keyword, value, fuzzy)
    return [_text(keyword, value)]


def _text(keyword: str, value: str) -> Term:
    if has_wildcard(value):
        return Term(keyword, "like", (like_pattern(value),))
    parts = listed(value)
    return Term(keyword, "in", tuple(parts) if len(parts) > 1 and "\\" in value else (value,))


def _name(keyword: str, value: str, fuzzy: bool) -> list[Term] | None:
    """The catalog's names are pseudonyms of one alphabetic word: ideographic and phonetic groups match nothing."""
    alphabetic, *others = name_groups(value)
    if not all(is_universal(group) for group in others):
        return None
    if not fuzzy:
        return [_text(keyword, alphabetic)]
    words = [word.strip("*?") for word in alphabetic.replace(",", " ").replace("^", " ").split() if word.strip("*?")]
    return [Term(keyword, "begins", (like_pattern(word).upper() + "%",)) for word in words]


def _dates(keyword: str, value: str) -> list[Term]:
    """PS3.4 C.2.2.2.5: a day, or from-to with either end open. Dates are the released, shifted ones."""
    try:
        first, last = day_range(value)
    except ValueError as error:
        raise BadRequest("A date is YYYYMMDD, a range YYYYMMDD-YYYYMMDD with either end open.", field=keyword) from error
    return [Term(keyword, kind, (day,)) for kind, day in (("from", first), ("to", last)) if day is not None]


@lru_cache(maxsize=256)
def _tag_and_vr(keyword: str) -> tuple[str, str]:
    return _tag(keyword), dictionary_VR(keyword)


def element(keyword: str, *values: Any) -> tuple[str, Json]:
    """One attribute; None and '' give an attribute without a value."""
    tag, vr = _tag_and_vr(keyword)
    given = [value for value in values if value not in (None, "")]
    body: Json = {"vr": vr}
    if given:
        body["Value"] = [{"Alphabetic": value} for value in given] if vr == "PN" else given
    return tag, body


def _document(*elements: tuple[str, Json]) -> Json:
    return dict(sorted(elements))


def _study_elements(study: StudyRow) -> list[tuple[str, Json]]:
    day = study.shifted_date.strftime("%Y%m%d") if study.shifted_date else None
    return [
        element("SpecificCharacterSet", "ISO_IR 192"), element("StudyDate", day), element("StudyTime"), element("AccessionNumber"),
        element("InstanceAvailability", "ONLINE"), element("ReferringPhysicianName"), element("StudyDescription", study.description),
        element("PatientName", study.patient_key), element("PatientID", study.patient_key), element("PatientBirthDate"), element("PatientSex", study.sex),
        element("StudyInstanceUID", study.uid), element("StudyID"),
    ]  # fmt: skip


def study_json(row: StudyRow) -> Json:
    counts = [element("ModalitiesInStudy", *row.modalities), element("NumberOfStudyRelatedSeries", row.series_count)]
    return _document(*_study_elements(row), *counts, element("NumberOfStudyRelatedInstances", row.instance_count))


def series_json(row: SeriesRow) -> Json:
    own = [
        element("Modality", row.modality), element("SeriesDescription", row.description), element("SeriesInstanceUID", row.uid),
        element("SeriesNumber", row.number), element("BodyPartExamined", row.body_part), element("Manufacturer", row.manufacturer),
        element("NumberOfSeriesRelatedInstances", row.instance_count),
    ]  # fmt: skip
    return _document(*_study_elements(row.study), *own)


def instance_json(row: InstanceRow) -> Json:
    frames = [element("NumberOfFrames", row.frames)] if row.frames > 1 else []
    return _document(
        element("SpecificCharacterSet", "ISO_IR 192"), element("SOPClassUID", row.sop_class_uid), element("SOPInstanceUID", row.sop_uid),
        element("InstanceAvailability", "ONLINE"), element("Modality", row.modality), element("StudyInstanceUID", row.study_uid),
        element("SeriesInstanceUID", row.series_uid), element("InstanceNumber", row.number), element("Rows", row.rows),
        element("Columns", row.columns), element("AvailableTransferSyntaxUID", row.transfer_syntax_uid), *frames,
    )  # fmt: skip


def with_fields(document: Json, sources: Sequence[Mapping[str, Any]], fields: Fields, level: str) -> Json:
    """The document with the attributes asked for, where all ``sources`` (released objects' headers) agree; the catalog's own values stay."""
    if not sources:
        return document
    first = sources[0]
    if level == "instance" and fields.everything:
        return dict(sorted({**first, **document}.items()))
    wanted = [tag for tag in fields.of(level) if tag in first and tag not in document]
    extra = {tag: first[tag] for tag in wanted if all(other.get(tag) == first[tag] for other in sources[1:])}
    return dict(sorted({**document, **extra}.items())) if extra else document

"""Identified values of a DICOM header, read for linking and scrubbing before they go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from services.ingest.readers.header import Header
from services.ingest.records import Identified

DEPTH_LIMIT = 32
_DESCRIPTIONS = (
    "StudyDescription", "SeriesDescription", "ProtocolName", "RequestedProcedureDescription", "PerformedProcedureStepDescription",
    "AcquisitionProtocolDescription", "BodyPartExamined", "ImageComments", "ReasonForTheRequestedProcedure",
)  # fmt: skip
# Attributes besides person names whose values name the patient or an act: they are scrubbed wherever they turn up.
_NUMBERS = frozenset({
    0x00100021, 0x00101000, 0x00101001, 0x00101005, 0x00101040, 0x00101050, 0x00101060, 0x00101080, 0x00101081, 0x00101090,
    0x00102154, 0x00102155, 0x00102297, 0x00080050, 0x00080080, 0x00080081, 0x00081040, 0x00080092, 0x00080094, 0x00200010,
    0x00321033, 0x00380010, 0x00380300, 0x00380400, 0x00400512, 0x00400551, 0x00401001, 0x00402016, 0x00402017, 0x00400253,
    0x00400009, 0x0040A123, 0x00081010,
})  # fmt: skip


def identified_of(header: Header) -> Identified:
    """All identified values of one object, at every nesting level; '' and () where there are none."""
    names: dict[str, None] = {}
    for value in personal_values(header, 0):
        names.setdefault(value)
    name, number = header.text("PatientName"), header.text("PatientID")
    specimen = header.item("SpecimenDescriptionSequence")
    return Identified(
        patient_name=name,
        patient_id=number,
        birth_date=as_date(header.text("PatientBirthDate")),
        accession_number=header.text("AccessionNumber"),
        pathology_number=header.text("ContainerIdentifier") or (specimen.text("SpecimenIdentifier") if specimen else ""),
        study_date=first_date(header, "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "AcquisitionDateTime"),
        study_time=header.text("StudyTime").replace(":", "")[:6],
        institution=header.text("InstitutionName"),
        other_names=tuple(value for value in names if value not in ("", name, number)),
        descriptions=tuple(text for text in (header.text(keyword) for keyword in _DESCRIPTIONS) if text),
    )


def personal_values(header: Header, depth: int) -> Iterator[str]:
    """Every person name and identifying number of a dataset and its items, outermost first."""
    if depth > DEPTH_LIMIT:
        return
    for tag in list(header.ds.keys()):
        vr = vr_of(header.ds, tag)
        if vr == "PN" or tag in _NUMBERS:
            yield from (value for value in header.texts(int(tag)) if value)
        elif vr == "SQ":
            for item in header.items(int(tag)):
                yield from personal_values(item, depth + 1)


def vr_of(ds: Dataset, tag: int) -> str:
    """The VR of an element without converting it; the dictionary's where the file says none or UN."""
    element = ds.get_item(tag)
    vr = str(element.VR or "UN") if element is not None else "UN"
    if vr != "UN":
        return vr
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def as_date(text: str) -> str:
    """YYYYMMDD of a DA or DT value, also of the ACR-NEMA form YYYY.MM.DD; '' when it is no day of the calendar."""
    match = re.match(r"\s*(\d{4})[.\-/]?(\d{2})[.\-/]?(\d{2})", text)
    if match is None:
        return ""
    year, month, day = (int(part) for part in match.groups())
    try:
        return date(year, month, day).strftime("%Y%m%d") if year >= 1000 else ""
    except ValueError:
        return ""


def first_date(header: Header, *keywords: str) -> str:
    """The first of several attributes that holds a date."""
    return next((found for found in (as_date(header.text(keyword)) for keyword in keywords) if found), "")


def age_years(stated: str, birth_date: str, study_date: str) -> float | None:
    """Age at the study: PatientAge (nnnD, nnnW, nnnM, nnnY), else from birth and study date; None when neither gives 0-130 years.

    Below two years with two digits after the point, else whole years as people state them.
    """
    match = re.fullmatch(r"\s*(\d{1,3})\s*([DWMY岁]?)\s*", stated.upper())
    years: float | None = None
    if match is not None:
        years = int(match.group(1)) * {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12}.get(match.group(2), 1.0)
    elif as_date(birth_date) and as_date(study_date):
        born, seen = as_date(birth_date), as_date(study_date)
        days = (date.fromisoformat(seen) - date.fromisoformat(born)).days
        years = days / 365.25
        if years >= 2:
            years = float(int(seen[:4]) - int(born[:4]) - (seen[4:] < born[4:]))
    if years is None or not 0 <= years <= 130:
        return None
    return round(years, 2) if years < 2 else float(int(years))


def sex_of(stated: str) -> str:
    """M, F, O or '' from the code or the words that hospitals write instead."""
    word = stated.strip().upper()
    return {"M": "M", "F": "F", "O": "O", "MALE": "M", "FEMALE": "F", "男": "M", "女": "F", "W": "F"}.get(word, "")

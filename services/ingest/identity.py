"""Who a patient is: keyed pseudonyms, and the sealed capsules in which real values live (design.md section 5).

Pure: bytes in, values out; the rows are read and written by ``store/capsules.py``. Nothing outside ingest opens one.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

from isocenter.keys import SiteKey
from services.ingest.names import written_forms
from services.ingest.normalise import number_key
from services.ingest.records import ImageFacts, Reading, ResourceReading, Subject
from services.ingest.report_records import ImageListRow, LabelRow, ReportRow, StudyIdentity

T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class ItemCapsule:
    """Of one scanned file: where it is (``file:<path>`` or ``staged:<key>``), its name in the source, what was read."""

    source: str
    path: str
    reading: Reading | None = None
    resource: ResourceReading | None = None
    sop_uid: str = ""  # the released object's UID, given when the items are grouped


@dataclass(frozen=True, slots=True, repr=False)
class StudyCapsule:
    """Of one study: the values that link it and that must not remain anywhere, and which number space they are of."""

    hospital: str
    number: str  # the patient number, or "study:<original uid>" when there is none
    identity: StudyIdentity
    names: tuple[str, ...] = ()  # other names in the files


@dataclass(frozen=True, slots=True, repr=False)
class ReportCapsule:
    """Of one report: its row as read, earlier wordings of it, and the number its patient is known by."""

    hospital: str
    number: str  # the patient number, or "report:<key>" when there is none
    row: ReportRow
    earlier: tuple[ReportRow, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class ImportCapsule:
    """Of one import: paths that may hold names, and the rows of its tables that are no reports.

    ``source``: ``folder:<path>``, ``upload:<path>`` or ''. ``tables``: path and confirmed mapping of each.
    """

    source: str = ""
    tables: tuple[dict[str, Any], ...] = ()
    image_list: tuple[ImageListRow, ...] = ()
    labels: tuple[LabelRow, ...] = ()


@cache
def _adapter_of(cls: Hashable) -> TypeAdapter[Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(cast("type[Any]", cls))
    return adapter


def _adapter(cls: object) -> TypeAdapter[Any]:
    return _adapter_of(cls)


def seal(key: SiteKey, kind: str, owner_id: int, value: object) -> bytes:
    """The capsule's bytes, bound to its owner."""
    return key.seal("capsule", f"{kind}:{owner_id}", _adapter(type(value)).dump_json(value))


def unseal(key: SiteKey, kind: str, owner_id: int, sealed: bytes, cls: type[T]) -> T:
    """The value of a capsule; WrongKey when it is not of this owner or this site."""
    value: T = _adapter(cls).validate_json(key.open("capsule", f"{kind}:{owner_id}", sealed))
    return value


def patient_number(hospital: str, written: str, otherwise: str) -> str:
    """The number a patient is known by: normalised, or ``otherwise`` (per study or report) when there is none."""
    return number_key(written) or otherwise


def number_hmac(key: SiteKey, hospital: str, number: str) -> str:
    return key.hmac_hex("patient-number", hospital, number)


def patient_key(key: SiteKey, hospital: str, number: str) -> str:
    """The pseudonym: keyed, the same at every import."""
    return key.hmac_hex("patient", hospital, number)


def accession_hmac(key: SiteKey, hospital: str, accession: str) -> str | None:
    normalised = number_key(accession)
    return key.hmac_hex("accession", hospital, normalised) if normalised else None


def shifted(yyyymmdd: str, days: int) -> date | None:
    """A day moved by the patient's shift; None for what is no day."""
    try:
        return date(int(yyyymmdd[:4]), int(yyyymmdd[4:6]), int(yyyymmdd[6:8])) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None


def capped_age(age: float | None) -> float | None:
    """Ages over 89 identify (HIPAA safe harbour): they are kept as 90."""
    return None if age is None else min(age, 90.0)


def known_values(study: StudyCapsule | None, reports: tuple[ReportCapsule, ...] = ()) -> tuple[str, ...]:
    """Every string that identifies the patient or a person named with them, in all written forms; longest first."""
    values: set[str] = set()
    if study is not None:
        who = study.identity
        for name in (who.patient_name, *study.names):
            values.update(written_forms(name))
        values.update((who.patient_id, who.accession_number, who.pathology_number, who.birth_date))
    for report in reports:
        row = report.row
        for name in (row.patient_name, *row.names):
            values.update(written_forms(name))
        values.update((row.patient_id, row.outpatient_number, row.accession_number, row.pathology_number, row.report_number, row.birth_date))
    return tuple(sorted({value.strip() for value in values if len(value.strip()) >= 2}, key=lambda value: (-len(value), value)))


def subject(key: SiteKey, capsule: StudyCapsule, pseudonym: str, reports: tuple[ReportCapsule, ...], facts: ImageFacts | None) -> Subject:
    """All that linking knows, for de-identification of one study's files."""
    return Subject(
        pseudonym=pseudonym,
        shift_days=key.shift_days(capsule.hospital, capsule.number),
        known_values=known_values(capsule, reports),
        sex=facts.sex if facts else capsule.identity.sex,
        age_years=facts.age_years if facts else capsule.identity.age_years,
    )



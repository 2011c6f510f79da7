"""A study or report as linking compares it: every written form brought to one, all known alternatives side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.ingest.anatomy import Scope, scope_of, scope_of_lines
from services.ingest.names import Name, name_keys, parse_name, surname_key
from services.ingest.normalise import day_number, number_key
from services.ingest.report_records import ReportIdentity, StudyIdentity

DAYS_OF_YEAR = 365.25


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """``accessions``, ``numbers``, ``names`` hold all forms known; ``day`` days since year 1; empty = not told."""

    key: str
    accessions: frozenset[str]
    pathology_numbers: frozenset[str]
    numbers: frozenset[str]
    names: tuple[Name, ...]
    name_keys: frozenset[str]
    surname: str
    shown: str  # first character and length, for masked names: 张2
    sex: str
    age_years: float | None
    birth_date: str
    birth_year: int | None  # told, or from age and day
    day: int | None
    modality: str
    scope: Scope
    study_uid: str
    exchanged: int | None = None  # ``day`` with day and month of the date exchanged (04/03 for 03/04), where that is another date


def _names(written: Sequence[str]) -> tuple[Name, ...]:
    return tuple(dict.fromkeys(name for name in map(parse_name, written) if name))


def _numbers(written: Sequence[str]) -> frozenset[str]:
    return frozenset(number for number in map(number_key, written) if number)


def _person(key: str, names: tuple[Name, ...], *, age: float | None, birth: str, date: str, **rest: object) -> Person:
    day = day_number(date)
    year = int(birth[:4]) if day_number(birth) is not None else None
    if year is None and age is not None and day is not None:
        year = int((day - age * DAYS_OF_YEAR) / DAYS_OF_YEAR)
    han = next((name.han for name in names if name.han and name.han[0] != "*"), "")
    return Person(
        key=key,
        names=names,
        name_keys=frozenset(k for name in names for k in name_keys(name)),
        surname=next((surname_key(name) for name in names if surname_key(name)), ""),
        shown=f"{han[0]}{len(han)}" if han else "",
        age_years=age,
        birth_date=birth if day_number(birth) is not None else "",
        birth_year=year,
        day=day,
        exchanged=day_number(date[:4] + date[6:] + date[4:6]) if day is not None and date[4:6] != date[6:] else None,
        **rest,  # type: ignore[arg-type]
    )


def person_of_study(study: StudyIdentity) -> Person:
    scope = scope_of(study.body_part, study.modality)
    if not scope.organs:
        named = scope_of(" ".join(study.descriptions), study.modality)
        scope = Scope(named.organs, scope.regions | named.regions)
    return _person(
        study.key,
        _names([study.patient_name]),
        age=study.age_years,
        birth=study.birth_date,
        date=study.study_date,
        accessions=_numbers([study.accession_number]),
        pathology_numbers=_numbers([study.pathology_number]),
        numbers=_numbers([study.patient_id]),
        sex=study.sex if study.sex in ("M", "F") else "",
        modality=study.modality,
        scope=scope,
        study_uid=study.study_uid,
    )


def person_of_report(report: ReportIdentity) -> Person:
    return _person(
        report.key,
        _names([report.patient_name]),
        age=report.age_years,
        birth=report.birth_date,
        date=report.date,
        accessions=_numbers([report.accession_number, report.report_number]),
        pathology_numbers=_numbers([report.pathology_number]),
        numbers=_numbers([report.patient_id, report.outpatient_number]),
        sex=report.sex if report.sex in ("M", "F") else "",
        modality=report.modality,
        scope=scope_of_lines(report.about.split("\n"), report.modality),
        study_uid=report.study_uid,
    )


def joined(study: Person, report: Person) -> Person:
    """A study after a sure link to its imaging report: what the report adds, beside what the study said itself."""
    names = tuple(dict.fromkeys((*study.names, *report.names)))
    return replace(
        study,
        accessions=study.accessions | report.accessions,
        numbers=study.numbers | report.numbers,
        names=names,
        name_keys=study.name_keys | report.name_keys,
        surname=study.surname or report.surname,
        shown=study.shown or report.shown,
        sex=study.sex or report.sex,
        age_years=study.age_years if study.age_years is not None else report.age_years,
        birth_date=study.birth_date or report.birth_date,
        birth_year=study.birth_year if study.birth_year is not None else report.birth_year,
        day=study.day if study.day is not None else report.day,
        exchanged=study.exchanged if study.day is not None else report.exchanged,
        scope=report.scope if report.scope.organs and not study.scope.organs else study.scope,
    )

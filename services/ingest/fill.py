"""Fill what a study lacks (sex, age, body part) from other studies and reports of the same patient (the paper's fillNull).

Every filled value names its source; what nobody told stays empty, and sources that contradict each other fill nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from services.ingest.anatomy import Scope, scope_of, scope_of_lines
from services.ingest.link_person import DAYS_OF_YEAR
from services.ingest.normalise import day_number
from services.ingest.report_records import FilledValue, ReportIdentity, StudyIdentity

AGE_MAX_YEARS = 130


def fill(studies: Sequence[StudyIdentity], reports: Sequence[ReportIdentity], linked: Mapping[str, Sequence[str]]) -> list[FilledValue]:
    """Values for one patient's studies. ``linked``: study key -> keys of reports linked to it for sure.

    Sex comes from any study or report of the patient when all that tell it agree; age from a birth date, or from the
    nearest age told, moved by the time between; body part only from the study's own linked imaging report.
    """
    found: list[FilledValue] = []
    by_key = {report.key: report for report in reports}
    for study in studies:
        if not study.sex and (told := _sex(study, studies, reports)):
            found.append(told)
        if study.age_years is None and (told := _age(study, studies, reports)):
            found.append(told)
        own = [by_key[key] for key in linked.get(study.key, ()) if key in by_key]
        if not study.body_part and (told := _body_part(study, own)):
            found.append(told)
    return found


def _sex(study: StudyIdentity, studies: Sequence[StudyIdentity], reports: Sequence[ReportIdentity]) -> FilledValue | None:
    told = [(other.sex, f"study:{other.key}") for other in studies if other.sex] + [(r.sex, f"report:{r.key}") for r in reports if r.sex]
    if not told or len({sex for sex, _ in told}) != 1:
        return None
    return FilledValue(study.key, "sex", told[0][0], told[0][1])


def _age(study: StudyIdentity, studies: Sequence[StudyIdentity], reports: Sequence[ReportIdentity]) -> FilledValue | None:
    day = day_number(study.study_date)
    if day is None:
        return None
    births = Counter(date for date in (study.birth_date, *(o.birth_date for o in studies), *(r.birth_date for r in reports)) if day_number(date) is not None)
    if len(births) == 1:
        birth = next(iter(births))
        source = next(
            (f"study:{o.key}" for o in (study, *studies) if o.birth_date == birth),
            next((f"report:{r.key}" for r in reports if r.birth_date == birth), ""),
        )
        return _told_age(study, (day - (day_number(birth) or 0)) / DAYS_OF_YEAR, source)
    ages = [(abs(day - at), age + (day - at) / DAYS_OF_YEAR, source) for age, at, source in _ages(studies, reports)]
    if births or not ages:
        return None
    _, age, source = min(ages)
    return _told_age(study, age, source)


def _ages(studies: Sequence[StudyIdentity], reports: Sequence[ReportIdentity]) -> list[tuple[float, int, str]]:
    told = [(o.age_years, day_number(o.study_date), f"study:{o.key}") for o in studies]
    told += [(r.age_years, day_number(r.date), f"report:{r.key}") for r in reports]
    return [(age, day, source) for age, day, source in told if age is not None and day is not None]


def _told_age(study: StudyIdentity, years: float, source: str) -> FilledValue | None:
    """Whole completed years from two years of age on, as headers write them."""
    if not 0 <= years <= AGE_MAX_YEARS:
        return None
    return FilledValue(study.key, "age_years", str(int(years)) if years >= 2 else f"{years:.2f}", source)


def _body_part(study: StudyIdentity, own: Sequence[ReportIdentity]) -> FilledValue | None:
    for report in own:
        if report.kind.value != "imaging":
            continue
        scope: Scope = scope_of(report.about.split("\n")[0], report.modality)
        scope = scope if scope else scope_of_lines(report.about.split("\n"), report.modality)
        names = scope.organs or scope.regions
        if len(names) == 1:
            return FilledValue(study.key, "body_part", next(iter(names)).upper(), f"report:{report.key}")
    return None

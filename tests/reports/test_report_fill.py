"""What a study lacks is filled from the same patient's other studies and reports, with its source, or not at all."""

from __future__ import annotations

from services.ingest.fill import fill
from services.ingest.report_records import FilledValue, ReportIdentity, ReportKind, StudyIdentity

BARE = StudyIdentity("s1", study_date="20210305")


def test_sex_comes_from_a_report_of_the_patient() -> None:
    assert fill([BARE], [ReportIdentity("r1", ReportKind.IMAGING, sex="F")], {}) == [FilledValue("s1", "sex", "F", "report:r1")]


def test_contradicting_sex_fills_nothing() -> None:
    reports = [ReportIdentity("r1", ReportKind.IMAGING, sex="F"), ReportIdentity("r2", ReportKind.PATHOLOGY, sex="M")]
    assert fill([BARE], reports, {}) == []


def test_age_comes_from_the_birth_date_of_another_study() -> None:
    other = StudyIdentity("s2", birth_date="19600412", study_date="20200101", age_years=59.0)
    assert FilledValue("s1", "age_years", "60", "study:s2") in fill([BARE, other], [], {})


def test_age_told_two_years_before_is_moved_by_the_time_between() -> None:
    report = ReportIdentity("r1", ReportKind.IMAGING, age_years=58.0, date="20190305")
    assert fill([BARE], [report], {}) == [FilledValue("s1", "age_years", "60", "report:r1")]


def test_body_part_comes_only_from_the_linked_imaging_report() -> None:
    report = ReportIdentity("r1", ReportKind.IMAGING, about="肝脏MRI平扫+增强\n肝囊肿")
    assert fill([BARE], [report], {}) == []
    assert fill([BARE], [report], {"s1": ["r1"]}) == [FilledValue("s1", "body_part", "LIVER", "report:r1")]


def test_nothing_is_invented() -> None:
    assert fill([BARE], [], {}) == []

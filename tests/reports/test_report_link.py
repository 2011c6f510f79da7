"""Studies and reports meet by number first, then by weights; what is close or contradicts waits for a person."""

from __future__ import annotations

import pickle

import pytest

from services.ingest.link import link
from services.ingest.names import compare_names, parse_name
from services.ingest.report_records import LinkState, ReportIdentity, ReportKind, StudyIdentity


def study(key: str = "s1", **fields: object) -> StudyIdentity:
    told: dict[str, object] = {"patient_name": "ZHANG^WEIGUO", "sex": "M", "birth_date": "19600412"}
    told |= {"study_date": "20210305", "modality": "CT", "body_part": "ABDOMEN"}
    return StudyIdentity(key, **(told | fields))  # type: ignore[arg-type]


def imaging(key: str = "r1", **fields: object) -> ReportIdentity:
    told: dict[str, object] = {"patient_name": "张卫国", "sex": "M", "age_years": 60.0, "date": "20210305", "modality": "CT", "about": "上腹部CT\n肝占位"}
    return ReportIdentity(key, ReportKind.IMAGING, **(told | fields))  # type: ignore[arg-type]


def pathology(key: str = "p1", **fields: object) -> ReportIdentity:
    told: dict[str, object] = {"patient_name": "张卫国", "sex": "M", "age_years": 60.0, "date": "20210320", "about": "肝右叶穿刺"}
    return ReportIdentity(key, ReportKind.PATHOLOGY, **(told | fields))  # type: ignore[arg-type]


CROWD = [
    imaging(
        f"x{n}",
        patient_name=name,
        sex="MF"[n % 2],
        age_years=30.0 + n % 50,
        date=f"2021{1 + n % 12:02d}{1 + n % 28:02d}",
        patient_id=f"88{n:05d}",
    )
    for n, name in enumerate(f + g for f in "王李刘陈杨黄赵吴周徐" for g in "芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚")
]


def test_accession_number_links_for_sure() -> None:
    (found,) = link([study(accession_number="CT0001")], [imaging(accession_number="CT0001", date="20210309")])
    assert (found.rule, found.state, found.components["accession"].agreement) == ("accession", LinkState.SURE, "agree")


def test_accession_number_of_another_person_waits_for_a_person() -> None:
    (found,) = link([study(accession_number="CT1")], [imaging(accession_number="CT1", patient_name="李娜", sex="F", age_years=20.0)])
    assert (found.state, found.reason) == (LinkState.REVIEW, "number-agrees-person-differs")


def test_patient_number_with_leading_zeros_and_date_within_a_week_links() -> None:
    (found,) = link([study(patient_id="00731204")], [imaging(patient_id="731204", patient_name="", date="20210308")])
    assert (found.rule, found.state) == ("number+date", LinkState.SURE)


def test_report_number_may_stand_in_the_accession_field() -> None:
    (found,) = link([study(accession_number="RP77120")], [imaging(report_number="RP77120")])
    assert found.rule == "accession"


def test_name_in_pinyin_with_date_and_age_links_without_any_number() -> None:
    found = link([study()], [imaging(), *CROWD])
    assert [(p.report, p.rule, p.state) for p in found] == [("r1", "weights", LinkState.SURE)]
    assert found[0].components["name"].agreement == "partial"


def test_name_and_sex_alone_never_link() -> None:
    alone = study(birth_date="", study_date="", modality="", body_part="")
    assert link([alone], [imaging(age_years=None, date="", modality="", about=""), *CROWD]) == []


def test_two_equal_candidates_wait_for_a_person_with_their_rival_named() -> None:
    found = link([study(modality="", body_part="")], [imaging("r1"), imaging("r2"), *CROWD])
    assert [p.state for p in found] == [LinkState.REVIEW]
    assert found[0].reason == "candidates-close"
    assert {found[0].report, *found[0].alternatives} == {"r1", "r2"}


def test_two_examinations_of_one_patient_each_find_their_own_report() -> None:
    studies = [study("s1", patient_id="731204"), study("s2", patient_id="731204", study_date="20210307")]
    reports = [imaging("r1", patient_id="731204"), imaging("r2", patient_id="731204", date="20210307")]
    assert {(p.study, p.report, p.state) for p in link(studies, reports)} == {("s1", "r1", LinkState.SURE), ("s2", "r2", LinkState.SURE)}


def test_modality_that_differs_is_not_linked_by_number_and_date() -> None:
    found = link([study(patient_id="731204", modality="MR")], [imaging(patient_id="731204")])
    assert all(p.state is LinkState.REVIEW for p in found)


@pytest.mark.parametrize(("date", "linked"), [("20210201", False), ("20210210", True), ("20211030", True), ("20211115", False)])
def test_pathology_links_within_its_asymmetric_window(date: str, linked: bool) -> None:
    found = link([study(patient_id="731204")], [pathology(patient_id="731204", date=date)])
    assert bool(found) is linked


def test_pathology_of_another_organ_is_not_linked() -> None:
    chest = study(patient_id="731204", body_part="CHEST")
    assert link([chest], [pathology(patient_id="731204", about="左乳肿物")]) == []


def test_pathology_links_to_every_study_of_the_patient() -> None:
    studies = [study("s1", patient_id="731204"), study("s2", patient_id="731204", study_date="20210310", modality="MR")]
    found = link(studies, [pathology(patient_id="731204")])
    assert [(p.study, p.report, p.state) for p in found] == [("s1", "p1", LinkState.SURE), ("s2", "p1", LinkState.SURE)]


def test_pathology_finds_a_study_through_its_imaging_report() -> None:
    bare = study(accession_number="CT0001", patient_name="", sex="", birth_date="", body_part="")
    found = link([bare], [imaging(accession_number="CT0001", patient_id="731204"), pathology(patient_id="731204"), *CROWD])
    assert ("s1", "p1", LinkState.SURE) in {(p.study, p.report, p.state) for p in found}


def test_slide_links_by_pathology_number() -> None:
    slide = StudyIdentity("w1", pathology_number="B19-000036", modality="SM")
    (found,) = link([slide], [pathology(pathology_number="B19-000036")])
    assert (found.rule, found.state) == ("pathology-number", LinkState.SURE)


def test_settled_report_is_left_alone() -> None:
    assert link([study(accession_number="CT1")], [imaging(accession_number="CT1", settled=True)]) == []


def test_common_name_weighs_less_than_a_rare_one() -> None:
    crowd = [imaging(f"w{n}", patient_name="王伟", date="20180101", age_years=20.0) for n in range(60)]
    studies = [study("s1", patient_name="王伟"), study("s2", patient_name="欧阳清越")]
    found = {p.study: p for p in link(studies, [imaging("r1", patient_name="王伟"), imaging("r2", patient_name="欧阳清越"), *crowd])}
    assert found["s1"].components["name"].weight < found["s2"].components["name"].weight


def test_order_of_input_does_not_matter_and_proposals_pickle() -> None:
    studies = [study(f"s{n}", patient_id=f"7000{n}", study_date=f"202103{n + 1:02d}") for n in range(9)]
    reports = [imaging(f"r{n}", patient_id=f"7000{n}", date=f"202103{n + 1:02d}") for n in range(9)]
    found = link(studies, reports)
    assert link(studies[::-1], reports[::-1]) == found
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize(
    ("a", "b", "level"),
    [
        ("張偉", "张 伟（女）", "same"),
        ("ZHANG^WEI", "张伟", "sound"),
        ("Zhang^Wei=张^伟", "张伟", "same"),
        ("SHAN^XIONG", "单雄", "sound"),
        ("张玮", "张伟", "sound"),
        ("张*", "张伟", "masked"),
        ("张*", "李伟", "differ"),
        ("Miller, Paul", "PAUL MILLER", "same"),
        ("MILLER^PAUL^J", "Paul Miller", "close"),
        ("无", "张伟", "missing"),
        ("李明", "王芳", "differ"),
    ],
)
def test_names_in_two_written_forms_agree_as_far_as_they_do(a: str, b: str, level: str) -> None:
    assert compare_names(parse_name(a), parse_name(b)).level == level
    assert compare_names(parse_name(b), parse_name(a)).level == level


def test_same_day_examinations_when_one_number_is_missing_on_each_side_are_told_apart_by_the_other() -> None:
    studies = [study("s1", patient_id="70001"), study("s2", patient_id="70001", accession_number="CT2", patient_name="ZHANG^WEI")]
    reports = [imaging("r1", patient_id="70001", accession_number="CT1"), imaging("r2", patient_id="70001", patient_name="张偉", birth_date="")]
    # r1 is of another number than s2, so it is s1's, and r2 is left for s2, though nothing else tells them apart
    assert {(p.study, p.report, p.state) for p in link(studies, reports)} == {("s1", "r1", LinkState.SURE), ("s2", "r2", LinkState.SURE)}


def test_same_day_examinations_when_nothing_tells_them_apart_then_a_person_decides() -> None:
    studies = [study("s1", patient_id="70001"), study("s2", patient_id="70001", birth_date="")]
    found = link(studies, [imaging("r1", patient_id="70001", birth_date="19600412"), imaging("r2", patient_id="70001")])
    assert {(p.state, p.reason) for p in found} == {(LinkState.REVIEW, "candidates-close")}


def test_date_with_day_and_month_exchanged_still_links_by_number_and_person() -> None:
    # nine months apart as written: beyond any window of imaging reports
    (found,) = link([study(patient_id="70001", study_date="20210211")], [imaging(patient_id="70001", date="20211102", accession_number="")])
    assert (found.components["date"].agreement, found.state) == ("partial", LinkState.SURE)

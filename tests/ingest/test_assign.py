"""Diseases of a study, and body parts as terms."""

from __future__ import annotations

import pytest

from isocenter.diseases import load_diseases
from services.ingest.assign import body_part_term, diseases_of_study
from services.ingest.claims import contested
from services.ingest.report_records import Component, LinkProposal, LinkState, ReportKind, ReportRow, Sections, StudyIdentity


@pytest.mark.parametrize(
    ("written", "term"), [("乳腺", "BREAST"), ("上腹部", "ABDOMEN"), ("right breast", "BREAST"), ("ABDOMEN", "ABDOMEN"), ("", ""), ("没有部位", "")]
)
def test_body_part_when_written_by_people_then_a_term(written: str, term: str) -> None:
    assert body_part_term(written) == term


def report(impression: str, exam: str = "") -> ReportRow:
    return ReportRow("t", 1, ReportKind.IMAGING, Sections(exam=exam, impression=impression))


def test_disease_when_the_report_names_an_organ_then_that_one() -> None:
    study = StudyIdentity("s", modality="CT", body_part="ABDOMEN")
    assert diseases_of_study(study, [report("胰头占位，考虑胰腺癌。")], load_diseases()) == ["pancreas"]


def test_disease_when_only_a_region_is_known_and_two_fit_then_nobody_decides() -> None:
    study = StudyIdentity("s", modality="CT", body_part="ABDOMEN")
    assert diseases_of_study(study, [], load_diseases()) == []


def test_disease_when_the_study_is_of_another_organ_then_none() -> None:
    study = StudyIdentity("s", modality="CT", body_part="BRAIN")
    assert diseases_of_study(study, [report("颅脑未见异常。", "头颅CT")], load_diseases()) == []


@pytest.mark.parametrize(
    ("body_part", "modality", "descriptions", "codes"),
    [
        ("CHEST", "CT", (), ["lung"]),
        ("", "MG", (), ["breast"]),
        ("ABDOMEN", "MR", ("MRI LIVER",), ["liver"]),
        ("ABDOMEN", "MR", (), []),
        ("", "CT", (), []),
    ],
)
def test_disease_when_only_the_header_speaks_then_its_organ_decides(body_part: str, modality: str, descriptions: tuple[str, ...], codes: list[str]) -> None:
    study = StudyIdentity("s", modality=modality, body_part=body_part, descriptions=descriptions)
    assert diseases_of_study(study, [], load_diseases()) == codes


def proposal(study: str, rule: str = "weights", birth: str = "missing") -> LinkProposal:
    return LinkProposal(study, "r", ReportKind.IMAGING, 0.99, rule, {"birth": Component(birth, 1.0)}, LinkState.SURE)


def test_claims_when_two_people_claim_one_report_by_weight_then_both_wait() -> None:
    found = contested([proposal("a"), proposal("b")], {"a": "1", "b": "2"})
    assert {item.state for item in found} == {LinkState.REVIEW}
    assert {item.reason for item in found} == {"claimed-by-several"}


@pytest.mark.parametrize("one", [proposal("a", "accession"), proposal("a", birth="agree")])
def test_claims_when_a_number_or_birth_date_tells_then_that_link_stays_sure(one: LinkProposal) -> None:
    first, second = contested([one, proposal("b")], {"a": "1", "b": "2"})
    assert first.state is LinkState.SURE
    assert second.state is LinkState.REVIEW


def test_claims_when_one_patient_has_two_studies_then_nothing_changes() -> None:
    assert all(item.state is LinkState.SURE for item in contested([proposal("a"), proposal("b")], {"a": "1", "b": "1"}))

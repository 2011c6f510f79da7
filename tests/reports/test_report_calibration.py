"""The confidence a label is given is about how often it is right, on wording no rule and no confidence was set by."""

from __future__ import annotations

from pathlib import Path

from isocenter.diseases import load_diseases
from services.ingest.agreement import Scored, calibration_error
from services.ingest.label import label_report
from services.ingest.measure import REVIEW_CONFIDENCE
from services.ingest.report_records import ReportKind, Sections
from services.ingest.ruleset import rule_set

BANK = Path(__file__).with_name("calibration_bank.tsv")


def test_labels_of_unseen_wording_are_as_often_right_as_their_confidence_says() -> None:
    rules = {disease.code: rule_set(disease) for disease in load_diseases()}
    answers = []
    for n, line in enumerate(BANK.read_text("utf-8").splitlines()):
        if not line.startswith("#"):
            kind, disease, gold, text = line.split("\t")
            said = label_report(rules[disease], Sections(impression=text), ReportKind(kind))
            answers.append(Scored(str(n), gold, said.value, said.confidence if said.state == "sure" else REVIEW_CONFIDENCE))
    assert calibration_error(answers) <= 0.05
    assert not [answer for answer in answers if answer.flipped]
    assert sum(answer.said != "review" for answer in answers) / len(answers) >= 0.6

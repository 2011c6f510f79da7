"""What was decided of a conclusion counts for the same words, and for nothing that is nearly the same."""

from __future__ import annotations

import pytest

from isocenter.diseases import load_diseases
from services.ingest.label_records import CaseLabel
from services.ingest.precedent import ALIKE, CONTRADICT, OTHERWISE, Decided, Precedents, followed, wording
from services.ingest.told import TOLD

DOUBT = CaseLabel("review", 0.0, "", "imaging-hedged", proposal="")
SAID = "imaging: 1. 肝右叶 12mm×9mm结节，快进快出，肝癌不除外。请结合临床。"


def known(*values: str, text: str = SAID) -> Precedents:
    return Precedents([Decided(wording(text), value, "imaging-hedged", f"r{n}") for n, value in enumerate(values)])


@pytest.mark.parametrize(
    "same",
    [
        "imaging: 肝右叶18mm结节，快进快出，肝癌不除外",
        "imaging: 1、肝左叶 1.5×1.2cm结节，快进快出，肝癌不除外。",
        "imaging: 肝右葉12mm結節，快進快出，肝癌不除外。",
    ],
)
def test_wording_when_size_side_number_or_script_differ_then_it_is_the_same(same: str) -> None:
    assert wording(same) == wording(SAID)


@pytest.mark.parametrize(
    "other",
    [
        "imaging: 肝右叶12mm结节，无快进快出，肝癌不除外。",
        "imaging: 肝右叶12mm结节，快进快出，肝癌可除外。",
        "imaging: 肝右叶12mm结节，快进快出，肝癌不除外。肺癌术后。",
        "imaging: 肝右叶12mm结节，快进快出，肝癌。",
        "imaging: 肝右叶5mm结节，快进快出，肝癌不除外。",
        "imaging: 肝右叶3.1×0.9cm结节，快进快出，肝癌不除外。",
        "imaging: 脾12mm结节，快进快出，肝癌不除外。",
        "pathology: 肝右叶12mm结节，快进快出，肝癌不除外。",
        "imaging: 肝右叶12mm结节，快进快出，肝癌不除外？",
        "imaging: 肝右叶12mm结节，快进快出。肝癌不除外。",
        "imaging: 肝右叶12mm结节，快进快出，肝癌不除外，LR-3。",
    ],
)
def test_wording_when_a_negation_doubt_organ_kind_or_category_differs_then_nothing_follows(other: str) -> None:
    assert wording(other) != wording(SAID)
    assert known("1", "1", "1").join(DOUBT, wording(other)) is None


def test_wording_keeps_categories_grades_stages_and_which_side_is_which() -> None:
    for a, b in (
        ("BI-RADS 3", "BI-RADS 4A"),
        ("LR-3", "LR-5"),
        ("cT1N0", "cT2N0"),
        ("SUVmax 2.1", "SUVmax 9.8"),
        ("左肺癌术后，左肺结节", "左肺癌术后，右肺结节"),
    ):
        assert wording(f"imaging: {a}。") != wording(f"imaging: {b}。")
    assert wording("imaging: 左肺癌术后，右肺结节") == wording("imaging: 右肺癌术后，左肺结节")
    assert wording("Left breast mass, cannot exclude malignancy.") != wording("Left breast mass, malignancy excluded.")
    assert wording("未见癌，转移") != wording("未见癌。转移")
    assert wording("a", ["imaging:1"]) != wording("a", ["imaging:0"])


def test_one_decision_settles_the_same_words_and_two_are_wanted_against_what_the_rules_lean_to() -> None:
    joined = known("1").join(DOUBT, wording(SAID))
    assert joined is not None
    assert (joined.case.value, joined.case.reason, joined.effect) == ("1", ALIKE, "settles")
    assert 0.97 < joined.case.confidence < 0.99
    leaning = CaseLabel("review", 0.0, "", "imaging-hedged", proposal="0")
    assert known("1").join(leaning, wording(SAID)) is None
    twice = known("1", "1").join(leaning, wording(SAID))
    assert twice is not None
    assert twice.case.value == "1"


def test_decisions_that_contradict_each_other_or_a_sure_rule_ask_a_person() -> None:
    joined = known("1", "0").join(DOUBT, wording(SAID))
    assert joined is not None
    assert (joined.case.value, joined.case.reason) == ("review", CONTRADICT)
    sure = CaseLabel("0", 0.97, "", "imaging")
    against = known("1").join(sure, wording(SAID))
    assert against is not None
    assert (against.case.value, against.case.reason, against.case.proposal) == ("review", OTHERWISE, "0")
    unsure = known("cannot_tell").join(sure, wording(SAID))
    assert unsure is not None
    assert unsure.case.value == "review"


def test_questions_that_words_do_not_answer_are_never_settled_by_them() -> None:
    for reason in ("link-unsure", "no-report", "pathology-nondiagnostic", "imaging-no-conclusion", "pathology-contradicts", "imaging-contradicts"):
        assert known("1", "1").join(CaseLabel("review", 0.0, "", reason), wording(SAID)) is None
    assert known("1").join(CaseLabel("review", 0.0, "", "imaging-hedged", conflict=True), wording(SAID)) is None


def test_queue_asks_first_what_many_wait_for_and_last_what_could_not_be_told() -> None:
    none = Precedents(())
    alone, many = (none.priority(0.5, DOUBT, "w", waiting) for waiting in (1, 20))
    assert many < alone
    assert known("cannot_tell").priority(0.5, DOUBT, wording(SAID), 20) == 1.0


def test_confidence_when_the_same_words_were_decided_differently_falls_below_what_needs_no_person() -> None:
    decided = [Decided(f"w{n % 6}", str(n // 6 % 2), "", str(n)) for n in range(12)]
    assert Precedents(decided).confidence(1) < 0.9


def test_schemes_when_their_class_may_hang_on_size_then_no_decision_is_followed() -> None:
    assert wording("imaging: 右肺11mm结节") == wording("imaging: 右肺1.9cm结节")  # what makes the next lines necessary
    schemes = [scheme for disease in load_diseases() for scheme in disease.schemes]
    told = CaseLabel("1", 0.9, "", TOLD)
    for scheme in schemes:
        case = told if scheme.told else DOUBT
        assert followed(case, [one.value for one in scheme.classes]) == (scheme.code == "malignancy"), scheme.code
    assert not followed(DOUBT, ("0", "1", "2"))  # a scheme of the site's own
    assert not followed(DOUBT, ())

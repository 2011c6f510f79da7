"""The threshold follows the wanted share of wrong labels, and moves only when the decisions show something."""

from __future__ import annotations

import pytest
from scipy.stats import beta

from services.ingest.agreement import Scored
from services.ingest.threshold import ASSUMED, NEVER, RAISED, SHOWN, error_lower, error_upper, threshold_for


def answers(confidence: float, right: int, wrong: int = 0) -> list[Scored]:
    return [Scored(f"{confidence}-{n}", "1" if n < right else "0", "1", confidence) for n in range(right + wrong)]


@pytest.mark.parametrize(("accepted", "wrong"), [(1, 0), (299, 0), (298, 0), (40, 1), (500, 7), (20_000, 180), (10, 9)])
def test_bounds_are_those_of_clopper_and_pearson(accepted: int, wrong: int) -> None:
    # the textbook form: quantiles of a beta distribution
    assert error_upper(accepted, wrong) == pytest.approx(beta.ppf(0.95, wrong + 1, accepted - wrong), abs=1e-9)
    if wrong:
        assert error_lower(accepted, wrong) == pytest.approx(beta.ppf(0.05, wrong, accepted - wrong + 1), abs=1e-9)


def test_bounds_without_answers_say_nothing() -> None:
    assert (error_upper(0, 0), error_lower(0, 0), error_upper(5, 5), error_lower(5, 0)) == (1.0, 0.0, 1.0, 0.0)


def test_threshold_with_few_decisions_stays_the_schemes_own() -> None:
    chosen = threshold_for(answers(0.95, 40), 0.01, 0.9)
    assert (chosen.confidence, chosen.basis, chosen.accepted, chosen.wrong) == (0.9, ASSUMED, 40, 0)
    assert threshold_for([], 0.01, 0.9).confidence == 0.9


def test_threshold_is_lowered_when_the_decisions_show_that_less_sure_labels_hold_too() -> None:
    decided = answers(0.95, 299) + answers(0.88, 60) + answers(0.7, 20, wrong=20)
    chosen = threshold_for(decided, 0.01, 0.9)
    assert (chosen.confidence, chosen.basis, chosen.accepted) == (0.88, SHOWN, 359)
    assert chosen.error_bound <= 0.01


def test_threshold_shown_at_the_default_is_not_lowered_past_a_step_that_fails() -> None:
    decided = answers(0.95, 400) + answers(0.85, 30, wrong=10) + answers(0.6, 5000)
    assert threshold_for(decided, 0.01, 0.9).confidence == 0.9


def test_threshold_is_raised_when_more_is_wrong_than_wanted() -> None:
    decided = answers(0.91, 50, wrong=10) + answers(0.97, 80)
    chosen = threshold_for(decided, 0.02, 0.9)
    assert (chosen.confidence, chosen.basis, chosen.wrong) == (0.97, RAISED, 0)


def test_threshold_when_nothing_holds_lets_nothing_pass() -> None:
    chosen = threshold_for(answers(0.95, 20, wrong=20), 0.01, 0.9)
    assert (chosen.confidence, chosen.accepted, chosen.basis) == (NEVER, 0, RAISED)


def test_a_larger_wanted_error_never_asks_more_of_people() -> None:
    decided = answers(0.97, 500) + answers(0.93, 200, wrong=2) + answers(0.85, 150, wrong=6) + answers(0.75, 90, wrong=20)
    found = [threshold_for(decided, rate, 0.9).confidence for rate in (0.005, 0.01, 0.02, 0.05, 0.1)]
    assert found == sorted(found, reverse=True)


def test_cannot_tell_counts_against_a_label_and_review_is_no_answer() -> None:
    decided = [*answers(0.95, 300), Scored("x", "cannot_tell", "1", 0.95), Scored("y", "1", "review", 0.0)]
    chosen = threshold_for(decided, 0.05, 0.9)
    assert (chosen.decided, chosen.accepted, chosen.wrong) == (301, 301, 1)

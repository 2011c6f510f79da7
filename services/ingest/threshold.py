"""From which confidence a label needs no person, chosen by the share of wrong labels a hospital is willing to accept. Pure.

The share is bounded from above by Clopper and Pearson (Biometrika 26, 1934) and not guessed from few decisions: 40 right
answers of 40 do not show that 1 in 100 is wrong, 299 of 299 do. While the decisions neither show that the wanted share
holds nor that it does not, the scheme's own threshold stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.ingest.agreement import REVIEW, Scored

TRUST = 0.95  # probability with which the bound holds
NEVER = 1.01  # a confidence no label has: everything goes to a person
STEPS_MAX = 20  # thresholds tried below the scheme's own
SHOWN = "shown"  # decisions show that at most the wanted share is wrong
ASSUMED = "assumed"  # too few decisions to show anything: the scheme's own threshold
RAISED = "raised"  # decisions show that the scheme's own threshold lets more pass than wanted


@dataclass(frozen=True, slots=True)
class Threshold:
    """``confidence``: labels of at least this need no person (``NEVER`` = none).

    ``decided``: definite answers beside a decision; ``accepted`` of them reach the threshold, ``wrong`` of those were decided
    otherwise. ``error_bound``: at most this share of what is accepted is wrong, with the probability TRUST. ``basis``: shown |
    assumed | raised.
    """

    confidence: float
    decided: int
    accepted: int
    wrong: int
    error_bound: float
    basis: str


def threshold_for(decided: Sequence[Scored], wanted_error: float, default: float) -> Threshold:
    """The lowest confidence from which at most ``wanted_error`` (0..1) of the labels are wrong.

    decided: what the rules (and the voice) said beside what people decided (``gold``; cannot-tell counts as another answer).
    They should be drawn at random from what the rules were sure of (the audit) and all of what they were not. default: the
    scheme's own threshold, which holds while nothing is shown.
    """
    definite = [answer for answer in decided if answer.said != REVIEW]
    at_default = _counted(definite, default)
    if error_upper(*at_default) <= wanted_error:
        return _lowered(definite, wanted_error, default)
    if error_lower(*at_default) <= wanted_error:
        return _threshold(definite, default, ASSUMED)
    # more is wrong than wanted: the lowest step up at which the decisions no longer show that, on no fewer than ten answers
    for confidence in sorted({a.confidence for a in definite if a.confidence > default}):
        accepted, wrong = _counted(definite, confidence)
        if accepted >= 10 and wrong <= wanted_error * accepted:
            return _threshold(definite, confidence, RAISED)
    return _threshold(definite, NEVER, RAISED)


def _lowered(definite: Sequence[Scored], wanted_error: float, default: float) -> Threshold:
    """Down from the default, step by step, to the last step that holds: a fixed sequence of tests needs no correction for their number."""
    lowest = default
    steps = sorted({a.confidence for a in definite if a.confidence < default}, reverse=True)
    for confidence in steps[:: max(1, math.ceil(len(steps) / STEPS_MAX))]:
        if error_upper(*_counted(definite, confidence)) > wanted_error:
            break
        lowest = confidence
    return _threshold(definite, lowest, SHOWN)


def _counted(definite: Sequence[Scored], confidence: float) -> tuple[int, int]:
    accepted = [answer for answer in definite if answer.confidence >= confidence]
    return len(accepted), sum(not answer.right for answer in accepted)


def _threshold(definite: Sequence[Scored], confidence: float, basis: str) -> Threshold:
    accepted, wrong = _counted(definite, confidence)
    return Threshold(confidence, len(definite), accepted, wrong, error_upper(accepted, wrong), basis)


def error_upper(accepted: int, wrong: int, trust: float = TRUST) -> float:
    """One-sided Clopper-Pearson bound: the largest error rate under which ``wrong`` or fewer of ``accepted`` have the probability 1 - trust."""
    if accepted <= 0 or wrong >= accepted:
        return 1.0
    return _solved(lambda rate: _at_most(wrong, accepted, rate) > 1 - trust)


def error_lower(accepted: int, wrong: int, trust: float = TRUST) -> float:
    """The smallest error rate under which ``wrong`` or more of ``accepted`` have the probability 1 - trust; 0 for none wrong."""
    if accepted <= 0 or wrong <= 0:
        return 0.0
    return _solved(lambda rate: 1 - _at_most(wrong - 1, accepted, rate) < 1 - trust)


def _solved(below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):  # 2**-50
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2


def _at_most(wrong: int, accepted: int, rate: float) -> float:
    """Binomial probability of at most ``wrong`` among ``accepted``; rate strictly between 0 and 1."""
    total, term = 0.0, accepted * math.log1p(-rate)
    odds = math.log(rate) - math.log1p(-rate)
    for n in range(wrong + 1):
        total += math.exp(term)
        term += math.log((accepted - n) / (n + 1)) + odds if n < wrong else 0.0
    return min(1.0, total)

"""The second voice: a small text classifier that learns from reviewers' decisions and joins the rules. Pure, deterministic.

TF-IDF of character n-grams (which need no word boundaries, so Chinese and English alike) under logistic regression. Its
confidence is measured on decisions it had not seen (cross-validation) and brought to what it was worth there (Platt 1999).
It is silent until enough was decided. Agreement raises the confidence of the rules, clear disagreement asks a person, and
where the rules doubt, it may settle a case only above a threshold that held the wanted error rate on decided cases.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.ingest.agreement import REVIEW, Scored, calibration_error, coverage_at
from services.ingest.label_records import CaseLabel
from services.ingest.normalise import fold

DECISIONS_MIN = 40  # decided cases before the voice speaks
PER_CLASS_MIN = 8  # of which at least so many in each of two classes
FOLDS = 5
ERROR_RATE = 0.01  # wanted share of wrong labels among those it settles
SETTLED_MIN = 30  # decided cases above the threshold before anything is settled
DISAGREES_MIN = 0.85  # probability of another class from which it contradicts a sure rule, and no less than the rule claims
PRIOR = 20.0  # decisions the stated confidence of a rule is worth against what reviewers found
CONFIDENCE_MAX = 0.995
_NEVER = frozenset({"link-unsure", "no-report", "pathology-contradicts", "imaging-contradicts"})  # questions that are not of wording
CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True, repr=False)
class Example:
    """A decided case: the text that decides, what the rules said of it, and what the reviewer said (a class or cannot_tell)."""

    id: str
    text: str
    rule: CaseLabel
    decided: str


@dataclass(frozen=True, slots=True)
class Said:
    """What the voice says of one text: a class (or review) and how probable it is, calibrated."""

    value: str
    probability: float


@dataclass(frozen=True, slots=True)
class Joined:
    """The case's label after both voices; ``effect`` agrees | disagrees | settles | none."""

    case: CaseLabel
    said: Said
    effect: str


@dataclass(frozen=True)
class Voice:
    """A trained classifier. ``sha256`` is over its decisions and settings: the same decisions make the same voice.

    ``threshold``: probability from which it may settle what the rules doubt; above 1 = never yet.
    ``found``: reason of a rule's case label -> (decided cases it was sure about, how many of them the reviewers confirmed).
    """

    sha256: str
    decisions: int
    classes: tuple[str, ...]
    threshold: float
    calibration_error: float
    accuracy: float
    slope: float
    offset: float
    found: dict[str, tuple[int, int]]
    _vectors: Any = field(repr=False, compare=False)
    _model: Any = field(repr=False, compare=False)

    def body(self) -> dict[str, object]:
        """What a policy version keeps of it: figures, no text."""
        figures = {"calibration_error": self.calibration_error, "accuracy": self.accuracy, "threshold": self.threshold}
        return {"decisions": self.decisions, "classes": list(self.classes), **{k: round(v, 4) for k, v in figures.items()}, "error_rate": ERROR_RATE}

    def say(self, texts: Sequence[str]) -> list[Said]:
        """One answer per text."""
        if not texts:
            return []
        shares = self._model.predict_proba(self._vectors.transform([fold(text) for text in texts]))
        tops = [(int(row.argmax()), float(row.max())) for row in shares]
        return [Said(str(self._model.classes_[n]), _sigmoid(self.slope * _logit(top) + self.offset)) for n, top in tops]

    def confidence(self, case: CaseLabel) -> float:
        """A sure rule's confidence against what reviewers found where it was as sure before."""
        seen, right = self.found.get(case.reason, (0, 0))
        return (case.confidence * PRIOR + right) / (PRIOR + seen)


def train(examples: Sequence[Example], error_rate: float = ERROR_RATE) -> Voice | None:
    """A voice from these decisions in whatever order; None (silence) while there are too few to learn from."""
    examples = sorted(examples, key=lambda e: e.id)
    values = [REVIEW if e.decided == CANNOT_TELL else e.decided for e in examples]
    counts = Counter(values)
    learnt = {value for value, count in counts.items() if count >= PER_CLASS_MIN}
    if len(examples) < DECISIONS_MIN or len(learnt) < 2:
        return None
    kept = [n for n, value in enumerate(values) if value in learnt]
    texts, wanted = [fold(examples[n].text) for n in kept], [values[n] for n in kept]
    unseen = _unseen(texts, wanted)
    slope, offset = _platt([(top, value == gold) for (value, top), gold in zip(unseen, wanted, strict=True)])
    scored = [
        Scored(examples[n].id, gold, value, _sigmoid(slope * _logit(top) + offset))
        for n, (value, top), gold in zip(kept, unseen, wanted, strict=True)
    ]
    may = [answer for answer, n in zip(scored, kept, strict=True) if _may_settle(examples[n].rule, answer.said)]
    share, threshold = coverage_at(may, error_rate)
    vectors, model = _fit(texts, wanted)
    return Voice(
        sha256=_fingerprint(examples, error_rate),
        decisions=len(examples),
        classes=tuple(sorted(learnt)),
        threshold=threshold if share * len(may) >= SETTLED_MIN else 1.01,
        calibration_error=calibration_error(scored),
        accuracy=sum(answer.right for answer in scored) / len(scored),
        slope=slope,
        offset=offset,
        found=_found(examples),
        _vectors=vectors,
        _model=model,
    )


def join(case: CaseLabel, said: Said, voice: Voice) -> Joined:
    """Both voices about one case."""
    if case.value != REVIEW:
        own = voice.confidence(case)
        if said.value == case.value:
            odds = _logit(own) + max(0.0, _logit(said.probability)) / 2  # half: both read the same words
            return Joined(replace(case, confidence=round(min(CONFIDENCE_MAX, _sigmoid(odds)), 4)), said, "agrees")
        if said.probability >= max(DISAGREES_MIN, own):  # at least as sure as the rules
            return Joined(replace(case, value=REVIEW, confidence=0.0, reason="voices-disagree", proposal=case.value), said, "disagrees")
        return Joined(replace(case, confidence=round(own, 4)), said, "none")
    if _may_settle(case, said.value) and said.probability >= voice.threshold:
        return Joined(replace(case, value=said.value, confidence=round(min(CONFIDENCE_MAX, said.probability), 4), reason="voice"), said, "settles")
    return Joined(case, said, "none")


def _may_settle(case: CaseLabel, value: str) -> bool:
    return value != REVIEW and case.value == REVIEW and not case.conflict and case.reason not in _NEVER and case.proposal in ("", value)


def priority(said: Said, effect: str) -> float:
    """0 (ask first) .. 0.5: the less a class stands out the more its answer teaches; a disagreement before all."""
    return 0.0 if effect == "disagrees" else round(abs(said.probability - 0.5), 4)


def audited(subject: str, share: float) -> float | None:
    """A random number 0..1 of its own for about ``share`` of all subjects, None for the others; the same at every call."""
    drawn = int.from_bytes(hashlib.sha256(f"audit {subject}".encode()).digest()[:8], "big") / 2**64
    return drawn / share if drawn < share else None


def _fit(texts: Sequence[str], wanted: Sequence[str]) -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]  # slow to import: only where something is learnt
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True, max_features=60_000)
    model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=500)
    with threadpool_limits(1):  # threads that wait for each other cost more than so small a fit
        model.fit(vectors.fit_transform(texts), list(wanted))
    return vectors, model


def _unseen(texts: Sequence[str], wanted: Sequence[str]) -> list[tuple[str, float]]:
    """(class, its share) for every text by a model that was trained without it. Equal texts stay in one fold."""
    folds = [int(hashlib.sha256(text.encode()).hexdigest(), 16) % FOLDS for text in texts]
    answers: dict[int, tuple[str, float]] = {}
    for fold_number in range(FOLDS):
        inside = [n for n, f in enumerate(folds) if f != fold_number]
        held = [n for n, f in enumerate(folds) if f == fold_number]
        if not held:
            continue
        seen = {wanted[n] for n in inside}
        if len(seen) < 2:
            answers |= dict.fromkeys(held, (next(iter(seen), REVIEW), 0.5))
            continue
        vectors, model = _fit([texts[n] for n in inside], [wanted[n] for n in inside])
        for n, row in zip(held, model.predict_proba(vectors.transform([texts[n] for n in held])), strict=True):
            answers[n] = (str(model.classes_[row.argmax()]), float(row.max()))
    return [answers[n] for n in range(len(texts))]


def _platt(pairs: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """Slope (>= 0) and offset of sigmoid(slope * logit(share) + offset) = how often it was right; targets as in Platt 1999."""
    right = sum(ok for _, ok in pairs)
    high, low = (right + 1) / (right + 2), 1 / (len(pairs) - right + 2)
    points = [(_logit(share), high if ok else low) for share, ok in pairs]
    slope, offset = 1.0, 0.0
    for _ in range(100):  # Newton's method with a ridge towards slope 1, offset 0
        g_s, g_o = slope - 1.0, offset
        h_ss, h_so, h_oo = 1.0, 0.0, 1.0
        for x, target in points:
            p = _sigmoid(slope * x + offset)
            w = max(p * (1 - p), 1e-9)
            g_s, g_o = g_s + (p - target) * x, g_o + (p - target)
            h_ss, h_so, h_oo = h_ss + w * x * x, h_so + w * x, h_oo + w
        determinant = h_ss * h_oo - h_so * h_so
        step_s, step_o = (h_oo * g_s - h_so * g_o) / determinant, (h_ss * g_o - h_so * g_s) / determinant
        slope, offset = slope - step_s, offset - step_o
        if abs(step_s) + abs(step_o) < 1e-9:
            break
    return max(0.0, slope), offset


def _found(examples: Sequence[Example]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for example in examples:
        if example.rule.value != REVIEW:
            seen, right = found.get(example.rule.reason, (0, 0))
            found[example.rule.reason] = (seen + 1, right + (example.rule.value == example.decided))
    return found


def _fingerprint(examples: Sequence[Example], error_rate: float) -> str:
    parts = [[e.id, hashlib.sha256(e.text.encode()).hexdigest(), e.decided, e.rule.value, e.rule.reason, e.rule.confidence] for e in examples]
    return hashlib.sha256(json.dumps([parts, error_rate, DECISIONS_MIN, PER_CLASS_MIN, FOLDS, SETTLED_MIN]).encode()).hexdigest()


def _logit(p: float) -> float:
    p = min(1 - 1e-6, max(1e-6, p))
    return math.log(p / (1 - p))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-max(-40.0, min(40.0, x))))

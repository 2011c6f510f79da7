"""How well answers agree with a gold standard, and two readers with each other. Pure: numbers in, numbers out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

REVIEW = "review"
ERROR_RATES = (0.005, 0.01, 0.02, 0.05)
BINS = 10


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer beside the truth; ``confidence`` 0..1 is the probability the answer was given of being right."""

    id: str
    gold: str
    said: str
    confidence: float

    @property
    def right(self) -> bool:
        return self.gold == self.said

    @property
    def flipped(self) -> bool:
        """A definite answer where the truth is the other one: the mistake nobody would notice."""
        return not self.right and REVIEW not in (self.gold, self.said)


@dataclass(frozen=True, slots=True)
class Rates:
    """``wanted`` in the gold, ``found`` as said, ``hits`` both."""

    wanted: int
    found: int
    hits: int

    @property
    def precision(self) -> float:
        return self.hits / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        return self.hits / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.hits / (self.wanted + self.found) if self.wanted + self.found else 0.0


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about one confidence: how sure they were on average and how often right."""

    count: int
    confidence: float
    accuracy: float


def rates(found: Collection[tuple[str, str]], wanted: Collection[tuple[str, str]]) -> Rates:
    found, wanted = set(found), set(wanted)
    return Rates(len(wanted), len(found), len(found & wanted))


def per_class(answers: Sequence[Scored]) -> dict[str, Rates]:
    """Every class of the gold or of the answers, in alphabetical order."""
    gold, said, hits = (Counter(values) for values in ((a.gold for a in answers), (a.said for a in answers), (a.gold for a in answers if a.right)))
    return {value: Rates(gold[value], said[value], hits[value]) for value in sorted({*gold, *said})}


def macro_f1(classes: Mapping[str, Rates]) -> float:
    """Mean F1 over the classes that occur in the gold; 0 without any."""
    scores = [score.f1 for score in classes.values() if score.wanted]
    return sum(scores) / len(scores) if scores else 0.0


def coverage_at(answers: Sequence[Scored], rate: float, *, flips_only: bool = False) -> tuple[float, float]:
    """(share of all answers, lowest confidence) that may go without a person at this error rate; (0, 1) when none.

    The surest definite answers first; answers of equal confidence are taken or left together.
    """
    definite = sorted((a for a in answers if a.said != REVIEW), key=lambda a: -a.confidence)
    best, threshold = 0, 1.0
    wrong = 0
    for n, answer in enumerate(definite, 1):
        wrong += answer.flipped if flips_only else not answer.right
        last = n == len(definite) or definite[n].confidence < answer.confidence
        if last and wrong <= rate * n:
            best, threshold = n, answer.confidence
    return (best / len(answers) if answers else 0.0), threshold


def reliability(answers: Sequence[Scored], bins: int = BINS) -> list[Bin]:
    """Bins of equal width over the confidence, the empty ones left out."""
    grouped: dict[int, list[Scored]] = {}
    for answer in answers:
        grouped.setdefault(min(bins - 1, int(answer.confidence * bins)), []).append(answer)
    return [Bin(len(g), sum(a.confidence for a in g) / len(g), sum(a.right for a in g) / len(g)) for _, g in sorted(grouped.items())]


def calibration_error(answers: Sequence[Scored], bins: int = BINS) -> float:
    """Expected calibration error (Naeini et al. 2015): mean gap between confidence and accuracy; 0 without answers."""
    return sum(b.count * abs(b.confidence - b.accuracy) for b in reliability(answers, bins)) / len(answers) if answers else 0.0


def worst(answers: Sequence[Scored], count: int = 10) -> list[Scored]:
    """Wrong answers: flipped ones first, the surest first."""
    return sorted((a for a in answers if not a.right), key=lambda a: (not a.flipped, -a.confidence, a.id))[:count]


def kappa(pairs: Sequence[tuple[str, str]], value: str | None = None) -> float | None:
    """Cohen's kappa (1960) of two readers; of one class against the rest when ``value`` is given.

    None without pairs, or when chance agreement is 1 (both always said the same one thing).
    """
    if value is not None:
        pairs = [(str(a == value), str(b == value)) for a, b in pairs]
    if not pairs:
        return None
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    observed = sum(a == b for a, b in pairs) / len(pairs)
    chance = sum(first[x] * second[x] for x in first) / len(pairs) ** 2
    return (observed - chance) / (1 - chance) if chance < 1 else None

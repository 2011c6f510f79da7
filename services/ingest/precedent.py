"""Precedents: what people decided of a conclusion counts for others that are written in the same words. Pure, deterministic.

Two conclusions are of the same words when nothing is left different after masking what says nothing of malignancy: sizes within a band, dates,
counts, picture numbers, sides, item numbers, marks and the request for clinical correlation (rules/precedent.toml). Whatever else is
added, left out or exchanged - a negation, a doubt, an organ, a category - makes another wording: there is no "nearly the same".
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files

from services.ingest.agreement import REVIEW
from services.ingest.label_records import CaseLabel
from services.ingest.legible import legible
from services.ingest.told import TOLD
from services.ingest.voice import CANNOT_TELL, CONFIDENCE_MAX, Joined, Said

ALIKE = "decided-like"  # reason of a label that follows decisions about the same words
OTHERWISE = "decided-otherwise"  # the rules are sure of one class, people decided another of the same words
CONTRADICT = "decided-contradict"  # people decided differently of the same words
AGAINST_MIN = 2  # equal decisions it takes where the rules lean the other way
PRIOR, PRIOR_RIGHT = 20.0, 19.6  # what is assumed of equal words before decisions show it: 98 of 100 are decided alike
_EXTENT = re.compile(r"(\d+(?:\.\d+)?)[ -]?(mm|cm|毫米|厘米)?")
OF_MALIGNANCY = frozenset(("0", "1"))  # the only classes that follow words: sizes are masked, and every other scheme may hang on them
# questions that are not of these words alone: another text, a link or a second look at the patient answers them
_NEVER = ("link-unsure", "no-report", "not-read", "contradicts", "nondiagnostic", "no-conclusion", "other-organ")


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision about a wording; ``reason``: why it was asked; ``review``: the key of the question."""

    wording: str
    value: str  # a class or cannot_tell
    reason: str = ""
    review: str = ""


@lru_cache(maxsize=1)
def _masks() -> tuple[str, tuple[tuple[re.Pattern[str], str, tuple[float, ...]], ...]]:
    body = tomllib.loads(files("services.ingest").joinpath("rules/precedent.toml").read_text("utf-8"))
    return f"w{body['number']}", tuple((re.compile(mask["pattern"]), str(mask["by"]), tuple(mask.get("bands", ()))) for mask in body["masks"])


def _band(text: str, bands: tuple[float, ...]) -> int:
    """How many of ``bands`` (mm) the largest extent in ``text`` reaches; a number takes the unit that follows it next."""
    scale, largest = 1.0, 0.0
    for number, unit in reversed(_EXTENT.findall(text)):
        scale = {"": scale, "cm": 10.0, "厘米": 10.0}.get(unit, 1.0)
        largest = max(largest, float(number) * scale)
    return sum(largest >= limit for limit in bands)


def masked(text: str) -> str:
    """The words of a conclusion without what differs between patients; sides become the first and the second named."""
    made = legible(text).text
    for pattern, by, bands in _masks()[1]:
        made = pattern.sub((lambda match, by=by, bands=bands: f"{by[:-1]}{_band(match[0], bands)}›") if bands else by, made)
    sides: dict[str, str] = {}
    made = re.sub(r"‹([lr])›", lambda match: sides.setdefault(match[1], f"‹side{len(sides) + 1}›"), made)
    made = re.sub(r"\s*[。；;]+\s*|\.(?=\s|$)", ". ", re.sub(r"\s*[，,]\s*", ", ", made))  # a stop ends a negation, a comma may not
    return re.sub(r"\s+", " ", made).strip(" .,")


def wording(text: str, beside: Iterable[str] = ()) -> str:
    """The name of a conclusion's words, the same for conclusions that differ in what is masked only; '' for no text.

    ``beside``: what the case's other reports say (kind:value), since a person decides with these in view.
    """
    if not (words := masked(text)):
        return ""
    return f"{_masks()[0]}:{hashlib.sha256('|'.join([words, *sorted(set(beside))]).encode()).hexdigest()[:24]}"


def followed(case: CaseLabel, classes: Iterable[str]) -> bool:
    """Whether decisions count for this case under a scheme with these classes when its words are the same.

    Malignancy alone: "16 mm" and "19 mm" are the same words, so a T or M stage, a Lung-RADS category or a site's own scheme never follow.
    """
    return case.reason != TOLD and frozenset(classes) == OF_MALIGNANCY


class Precedents:
    """The decisions of one scheme by wording."""

    def __init__(self, decided: Iterable[Decided]) -> None:
        self._of: dict[str, list[Decided]] = {}
        told, definite = Counter[str](), Counter[str]()
        for one in decided:
            if one.wording:
                self._of.setdefault(one.wording, []).append(one)
            told[one.reason] += 1
            definite[one.reason] += one.value != CANNOT_TELL
        self._told, self._definite = told, definite
        # every decision but the first of a wording is a test: was it decided as before?
        self._tests = sum(len(own) - 1 for own in self._of.values())
        self._held = sum(max(Counter(one.value for one in own).values()) - 1 for own in self._of.values())

    def of(self, words: str) -> list[Decided]:
        return self._of.get(words, []) if words else []

    def confidence(self, equal: int) -> float:
        """How often the same words were decided alike here, with ``equal`` decisions of this wording."""
        alike = (PRIOR_RIGHT + self._held) / (PRIOR + self._tests)
        return round(min(CONFIDENCE_MAX, 1 - (1 - alike) / max(1, equal)), 4)

    def join(self, case: CaseLabel, words: str) -> Joined | None:
        """The case's label beside the decisions about its words; None where there are none, or where they do not speak."""
        own = self.of(words)
        if not own or case.conflict or any(name in case.reason for name in _NEVER):
            return None
        values = Counter(one.value for one in own)
        value, count = min(values.items(), key=lambda item: (-item[1], item[0]))
        said = Said(REVIEW if value == CANNOT_TELL else value, self.confidence(count))
        if len(values) > 1:
            proposal = case.value if case.value != REVIEW else case.proposal
            return Joined(replace(case, value=REVIEW, confidence=0.0, reason=CONTRADICT, proposal=proposal), said, "contradicts")
        if case.value != REVIEW:
            if value == case.value:
                return Joined(replace(case, confidence=max(case.confidence, said.probability)), said, "agrees")
            return Joined(replace(case, value=REVIEW, confidence=0.0, reason=OTHERWISE, proposal=case.value), said, "disagrees")
        if value == CANNOT_TELL:
            return Joined(case, said, "doubts")
        if case.proposal not in ("", value) and count < AGAINST_MIN:
            return None
        return Joined(replace(case, value=value, confidence=said.probability, reason=ALIKE), said, "settles")

    def yields(self, reason: str) -> float:
        """The share of questions asked for this reason that people could answer with a class; one half before anything is known."""
        return (self._definite[reason] + 1) / (self._told[reason] + 2)

    def priority(self, own: float, case: CaseLabel, words: str, waiting: int) -> float:
        """The place in the queue, low first: what many wait for and people can answer is asked first, what they could not tell last.

        own: 0..0.5 by the doubt of the voices; waiting: open questions of the same words, this one included.
        """
        if any(one.value == CANNOT_TELL for one in self.of(words)):
            return 1.0
        return round((0.05 + own) / (0.1 + self.yields(case.reason)) / (1.1 * max(1, waiting)), 4)

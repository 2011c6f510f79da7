"""In what context a mention stands: negated, hedged, history, family, hypothetical. Chinese and English.

After NegEx (Chapman 2001) and ConText (Harkema 2009): cue words with a reach in the clause; the cues are data
(rules/language.toml). All texts here are legible text (legible.py).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.ingest.legible import language, legible
from services.ingest.words import Ground

_HAN = re.compile(r"[\u3400-\u9fff]")
_SENTENCE_END = re.compile(
    r"[。；;！!\n]+|[?？]+[)）]?|\.(?=\s|$)"
    # before a numbered item: 2.左肺 / 2、左肺 / (2)左肺 / B. Lymph nodes
    r"|(?<![0-9.])(?=[1-9][.、](?=[\u3400-\u9fff(（]))|(?<![a-z0-9(（])(?=[(（]?[1-9][)）] ?[\u3400-\u9fff])|(?<=\s)(?=[b-h][.:] [a-z])"
)
_ABBREVIATION = re.compile(r"(?:^|[^a-z])(?:vs|dr|mr|mrs|ms|no|pt|st|approx|e\.g|i\.e|fig|incl)\.$")
_LISTED = re.compile(r"(?<![a-z])(?:or|nor|and|and/or)(?![a-z])|,\s*$")
_NEW_CLAUSE = re.compile(
    r",[^,]*?(?<![a-z])(?:is|are|was|were|has|have|had|there|shows?|demonstrates?|seen|noted|present|identified|consistent|compatible"
    r"|likely|representing|measuring)(?![a-z])"
)
_ZH_GO_ON = re.compile(r"[，,]\s*(?:及|或|和|亦|也|并|以及|且|、|与)")
SENTENCE_CHARACTERS_MAX = 600
_TOKENS_BEFORE = 9
_LOOK_BEHIND = 8  # characters before a sentence that a cue may look at
_FAR = "negated-far"


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue word found: ``reach`` after | before | both | touch | sentence | none, ``gap`` characters for touch."""

    kind: str
    reach: str
    gap: int
    start: int
    end: int
    han: bool


@dataclass(frozen=True, slots=True)
class _CueRule:
    kind: str
    reach: str
    gap: int
    pattern: re.Pattern[str]


@lru_cache(maxsize=1)
def _rules() -> tuple[_CueRule, ...]:
    return tuple(_CueRule(item["kind"], item["reach"], int(item.get("gap", 0)), _joined(item["patterns"])) for item in language()["cues"])


def _joined(patterns: Sequence[str]) -> re.Pattern[str]:
    """One pattern; latin ones match whole words only. Longer ones come first, as alternation takes the first that fits."""
    parts = []
    for pattern in sorted(patterns, key=len, reverse=True):
        latin = bool(re.search(r"[a-z]{2}", pattern)) and not re.search(r"[\u3400-\u9fff]|\\u4e00", pattern)
        before = r"(?<![a-z0-9])" if latin and pattern[0] in "(abcdefghijklmnopqrstuvwxyz" else ""
        parts.append(f"{before}(?:{pattern}){'(?![a-z])' if latin and not pattern.endswith(' ') else ''}")
    return re.compile("|".join(parts))


def sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of sentences and numbered items, the closing mark included; decimals and abbreviations do not split."""
    found: list[tuple[int, int]] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        end = match.end()
        if match[0] == "." and _ABBREVIATION.search(text[max(start, end - 8) : end]):
            continue
        found += _pieces(text, start, end)
        start = end
    return found + _pieces(text, start, len(text))


def _pieces(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """A sentence, cut where it is longer than any sentence is, so that odd text costs no more than plain text."""
    cuts = [(at, min(end, at + SENTENCE_CHARACTERS_MAX)) for at in range(start, end, SENTENCE_CHARACTERS_MAX)]
    return [(a, b) for a, b in cuts if text[a:b].strip()]


class Clauses:
    """The sentences of one legible text and the cues of each, found when they are first asked for. Made by :func:`clauses_of`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.bounds = sentences(text)
        self._starts = [start for start, _ in self.bounds]
        self._cues: dict[int, list[Cue]] = {}

    def at(self, place: int) -> int:
        """The ordinal of the sentence that holds this character, or the last one before it; the text must have a sentence."""
        return max(0, bisect_right(self._starts, place) - 1)

    def cues(self, ordinal: int) -> list[Cue]:
        if ordinal not in self._cues:
            self._cues[ordinal] = cues_in(self.text, *self.bounds[ordinal])
        return self._cues[ordinal]


@lru_cache(maxsize=8)  # a text is asked about by every scheme of a disease in turn
def clauses_of(text: str) -> Clauses:
    """The sentences of a legible text."""
    return Clauses(text)


def cues_in(text: str, start: int, end: int) -> list[Cue]:
    """Cues of one sentence, in order; of overlapping ones the longest stays (不能除外 hides 除外)."""
    low = max(0, start - _LOOK_BEHIND)
    return [Cue(c.kind, c.reach, c.gap, c.start + low, c.end + low, c.han) for c in _cues(text[low:end], start - low)]


@lru_cache(maxsize=4096)  # the sentences of a hospital repeat: half of a report is said of others too
def _cues(text: str, start: int) -> tuple[Cue, ...]:
    found = []
    for order, rule in enumerate(_rules()):
        for match in rule.pattern.finditer(text, start):
            if match.end() > match.start():
                cue = Cue(rule.kind, rule.reach, rule.gap, match.start(), match.end(), bool(_HAN.search(match[0])))
                found.append((-(match.end() - match.start()), rule.reach == "after", order, cue))
    ground = Ground(len(text))
    kept = [cue for *_, cue in sorted(found, key=lambda item: item[:3]) if ground.claim(cue.start, cue.end)]
    return tuple(sorted(kept, key=lambda cue: cue.start))


def contexts_of(text: str, sentence: tuple[int, int], span: tuple[int, int], cues: Sequence[Cue]) -> frozenset[str]:
    """The contexts of a mention in its sentence: cue kinds, and ``negated-far`` for a negation past a comma without a list word."""
    turns = [cue for cue in cues if cue.kind == "turn"]
    reaching: list[tuple[Cue, str]] = []
    for cue in cues:
        if cue.reach == "none" or (span[0] <= cue.start and cue.end <= span[1]):
            continue
        reached = _reaches(text, sentence, span, cue, turns)
        if reached:
            reaching.append((cue, _FAR if reached == "far" and cue.kind == "negated" else cue.kind))
    # a negation that comes first denies the doubt too (no lesion suspicious for, 未见可疑恶性征象); 不能除外 stays a doubt
    denied_from = min((cue.start for cue, kind in reaching if kind == "negated" and cue.reach == "after"), default=None)
    found = {
        kind
        for cue, kind in reaching
        if not (denied_from is not None and kind in ("hedged", "lean", "strong") and cue.reach != "both" and cue.start > denied_from)
    }
    if "negated" in found:
        found.discard(_FAR)
    return frozenset(found)


def _reaches(text: str, sentence: tuple[int, int], span: tuple[int, int], cue: Cue, turns: Sequence[Cue]) -> str:
    """near | far | '' ."""
    start, end = span
    if cue.start <= start and end <= cue.end:
        return "near"
    if cue.reach == "sentence":
        return "near" if start >= cue.start else ""
    if cue.reach in ("after", "both") and start > cue.start:
        # a mention may begin inside the cue: "no acute" before "acute infarct"
        if any(cue.end <= turn.start and turn.end <= start for turn in turns):
            return ""
        return _after(text, text[min(cue.end, start) : start], sentence, cue, start)
    if cue.reach in ("before", "both") and end <= cue.start:
        if any(end <= turn.start and turn.end <= cue.start for turn in turns):
            return ""
        between = text[end : cue.start]
        if cue.han:
            return "" if re.search(r"[，,。；;]", between) else "near"
        return "near" if not re.search(r"[,;]", between) and len(between.split()) <= _TOKENS_BEFORE else ""
    if cue.reach == "touch" and end <= cue.start:
        between = text[end : cue.start]
        return "near" if len(between) <= cue.gap and not re.search(r"[，,。；;、.]", between) else ""
    return ""


def _after(text: str, between: str, sentence: tuple[int, int], cue: Cue, start: int) -> str:
    if cue.han:
        commas = [n for n, character in enumerate(between) if character in "，,；;：:"]
        for n in commas:
            if not _ZH_GO_ON.match(between[n:] + text[start : start + 2]):
                return ""
        return "near"
    if ";" in between or re.search(r":\s", between):
        return ""
    if "," not in between:
        return "near"
    if _NEW_CLAUSE.search(between):
        return ""
    listed = bool(_LISTED.search(text[start - len(between) + between.index(",") : sentence[1]]))
    return "near" if listed else "far" if cue.kind == "negated" else ""


def negated(sentence: str, span: tuple[int, int]) -> bool:
    """Whether what stands at ``span`` (character offsets) is said not to be there; a hedge is no negation."""
    made = legible(sentence)
    start, end = span
    if made.origin is not None:
        start = next((n for n, source in enumerate(made.origin) if source >= span[0]), len(made.text))
        end = next((n for n, source in enumerate(made.origin) if source >= span[1]), len(made.text))
    for low, high in sentences(made.text):
        if low <= start < high:
            found = contexts_of(made.text, (low, high), (start, min(end, high)), cues_in(made.text, low, high))
            return bool(found & {"negated", _FAR})
    return False

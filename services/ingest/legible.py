"""A report text made legible for rules: folded, without blanks between Han characters, common misspellings put right.

Every character knows where it came from, so that evidence is shown in the text as it was written.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from rapidfuzz.distance import OSA

from services.ingest.normalise import fold

SPELLED_MIN = 8  # letters a word must have before a near word is taken for a misspelling of it
_HAN_GAP = re.compile(r"(?<=[\u3400-\u9fff，。；、：（）])[ \t\n]+(?=[\u3400-\u9fff（），。；、：])")
_WORD = re.compile(rf"(?<![a-z])[a-z]{{{SPELLED_MIN - 1},}}(?![a-z])")


@dataclass(frozen=True, slots=True)
class Legible:
    """``text`` to match on; ``origin[n]`` = index in the source of character n, with one more entry for the end."""

    text: str
    origin: tuple[int, ...] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The source offsets of a span of ``text``."""
        if self.origin is None or end <= start:
            return start, end
        return self.origin[start], self.origin[end - 1] + 1


@lru_cache(maxsize=1)
def language() -> Mapping[str, Any]:
    """rules/language.toml, parsed."""
    return tomllib.loads(files("services.ingest").joinpath("rules/language.toml").read_text("utf-8"))


@lru_cache(maxsize=1)
def _confusions() -> tuple[re.Pattern[str], dict[str, str]]:
    pairs: dict[str, str] = language()["spelling"]["confusions"]
    return re.compile("|".join(sorted(map(re.escape, pairs), key=len, reverse=True))), pairs


class Speller:
    """Brings misspelt latin words of 8 letters and more to a known one: one letter wrong, missing, doubled or two swapped.

    The first letter must be right and the near word the only one; words in ``leave`` are real and stay.
    """

    def __init__(self, words: Iterable[str]) -> None:
        spelling = language()["spelling"]
        known = {token for word in (*words, *spelling["words"]) for token in re.findall(r"[a-z]+", word.lower()) if len(token) >= SPELLED_MIN}
        self._known = known | set(spelling["leave"])
        self._near: dict[str, set[str]] = {}
        for word in known:
            for form in _deletions(word):
                self._near.setdefault(form, set()).add(word)
        self._seen: dict[str, str] = {}

    def corrected(self, word: str) -> str:
        """The known word, or the word itself."""
        if word in self._known:
            return word
        if word not in self._seen:
            if len(self._seen) > 50_000:
                self._seen.clear()
            candidates = {near for form in _deletions(word) for near in self._near.get(form, ())}
            fits = [near for near in candidates if near[0] == word[0] and OSA.distance(near, word) == 1 and not _inflected(near, word)]
            self._seen[word] = fits[0] if len(fits) == 1 else word
        return self._seen[word]


def _deletions(word: str) -> set[str]:
    return {word, *(word[:n] + word[n + 1 :] for n in range(len(word)))}


def _inflected(known: str, word: str) -> bool:
    """Another ending (exclude and excluded, nodule and nodules) is another word, no misspelling."""
    return known.startswith(word) or word.startswith(known) or known[:-1] == word[:-1]


def legible(source: str, speller: Speller | None = None) -> Legible:
    """The legible form of a section's text."""
    text = fold(source)
    pattern, pairs = _confusions()
    text = pattern.sub(lambda match: pairs[match[0]], text)
    gaps = list(_HAN_GAP.finditer(text))
    if gaps:
        kept: list[int] = []
        at = 0
        for gap in gaps:
            kept.extend(range(at, gap.start()))
            at = gap.end()
        kept.extend(range(at, len(text)))
        text = pattern.sub(lambda match: pairs[match[0]], "".join(text[n] for n in kept))
        origin: tuple[int, ...] | None = tuple(kept)
    else:
        origin = None
    return _spelled(text, origin, speller) if speller else Legible(text, origin)


def _spelled(text: str, origin: tuple[int, ...] | None, speller: Speller) -> Legible:
    changes = [(match.start(), match.end(), speller.corrected(match[0])) for match in _WORD.finditer(text)]
    changes = [(start, end, word) for start, end, word in changes if text[start:end] != word]
    if not changes:
        return Legible(text, origin)
    positions = list(origin) if origin is not None else list(range(len(text)))
    pieces, mapped, at = [], [], 0
    for start, end, word in changes:
        pieces += [text[at:start], word]
        mapped += positions[at:start]
        # a longer or shorter spelling points into the same source word
        mapped += [positions[min(start + n, end - 1)] for n in range(len(word) - 1)] + [positions[end - 1]]
        at = end
    return Legible("".join([*pieces, text[at:]]), tuple(mapped + positions[at:]))

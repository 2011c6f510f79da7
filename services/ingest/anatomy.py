"""Which organ or body region a text speaks of (rules/anatomy.toml), and whether an image and a report fit together."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from services.ingest.normalise import fold
from services.ingest.words import pattern_of

# what belongs to any organ: a node or bone of itself says nothing about the organ examined
UNSPECIFIC = frozenset({"lymph_node", "bone", "skin", "pleura", "mediastinum"})
_MODALITY_ORGANS = {"MG": "breast"}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a study or report is about: ``organs`` named outright, ``regions`` that may hold several."""

    organs: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.organs or self.regions)


@dataclass(frozen=True, slots=True)
class OrganWord:
    organ: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The compiled rules: ``pattern`` finds every word, ``meaning`` says which organ or region it is of."""

    pattern: re.Pattern[str]
    organ_of: dict[str, str]
    region_of: dict[str, str]
    regions: dict[str, frozenset[str]]  # organ -> regions that show it


@lru_cache(maxsize=1)
def anatomy() -> Anatomy:
    body = tomllib.loads(files("services.ingest").joinpath("rules/anatomy.toml").read_text("utf-8"))
    organ_of: dict[str, str] = {}
    for item in body["organs"].values():
        organ_of |= {fold(word): "" for word in item.get("not", ())}
    for organ, item in body["organs"].items():
        organ_of |= {fold(word): organ for word in item["words"]}
    region_of = {fold(word): region for region, words in body["regions"].items() for word in words}
    regions = {organ: frozenset(item["regions"]) for organ, item in body["organs"].items()}
    return Anatomy(pattern_of([*organ_of, *region_of]), organ_of, region_of, regions)


def organ_words(folded: str) -> list[OrganWord]:
    """Organs named in a folded text, in order; words such as 肝素 or splenic vein that only look so are left out."""
    known = anatomy()
    found = []
    for match in known.pattern.finditer(folded):
        organ = known.organ_of.get(_key(match[0]), "")
        if organ:
            found.append(OrganWord(organ, match.start(), match.end()))
    return found


def _key(matched: str) -> str:
    """A matched text as it stands in the rules: blanks and hyphens are one; a rule may have either."""
    known = anatomy()
    for candidate in (matched, re.sub(r"[\s\-]+", " ", matched), re.sub(r"[\s\-]+", "-", matched)):
        if candidate in known.organ_of or candidate in known.region_of:
            return candidate
    return matched


@lru_cache(maxsize=50_000)
def scope_of(text: str, modality: str = "") -> Scope:
    """The scope of a body part, exam name or specimen: all organs it names; a mammography is of the breast."""
    known = anatomy()
    organs, regions = set(), set()
    for match in known.pattern.finditer(fold(text.replace("_", " "))):
        key = _key(match[0])
        if organ := known.organ_of.get(key, ""):
            organs.add(organ)
        elif region := known.region_of.get(key, ""):
            regions.add(region)
    if modality in _MODALITY_ORGANS and not organs:
        organs.add(_MODALITY_ORGANS[modality])
    return Scope(frozenset(organs - UNSPECIFIC), frozenset(regions))


def scope_of_lines(lines: Iterable[str], modality: str = "") -> Scope:
    """The scope of a report from its texts, most telling first (exam, specimen, conclusion, findings).

    The first line that names an organ decides; regions of the lines before it are kept.
    """
    regions: frozenset[str] = frozenset()
    for line in lines:
        scope = scope_of(line, modality)
        regions |= scope.regions
        if scope.organs:
            return Scope(scope.organs, regions)
    return Scope(frozenset(), regions)


def fit(a: Scope, b: Scope) -> str:
    """agree (an organ in common) | partial (organ within the other's region, or the same region) | differ | missing."""
    if not a or not b:
        return "missing"
    if a.organs and b.organs:
        return "agree" if a.organs & b.organs else "differ"
    shown = anatomy().regions
    for organs, regions in ((a.organs, b.regions), (b.organs, a.regions)):
        if any(shown.get(organ, frozenset()) & regions for organ in organs):
            return "partial"
    return "partial" if a.regions & b.regions else "differ"

"""A disease's label rules, compiled: its own words, the general ones, and the categories; with the version that labels carry."""

from __future__ import annotations

import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from isocenter.diseases import DiseaseDefinition
from isocenter.errors import InvalidInput
from services.ingest.legible import Speller, language, legible
from services.ingest.normalise import fold
from services.ingest.report_records import ReportKind
from services.ingest.words import pattern_of

MEANINGS = frozenset(["malignant", "benign", "uncertain", "mass", "normal", "nondiagnostic", "activity", "advice", "pseudo"])
_ROMAN = re.compile(r"(I{1,3}|IV|VI?)([ABCX]?)")
_ROMAN_VALUES = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6}
FUZZY_HAN_MIN = 5  # Han characters a term must have to match with one inner character wrong


@dataclass(frozen=True, slots=True)
class TermRule:
    """What a matched word means. ``own``: a word of the disease itself, which names its organ by being said."""

    id: str
    meaning: str
    kind: str
    subtype: str
    own: bool
    fixed: bool = False  # its words hold their own negation (未见异常): cues do not touch it


@dataclass(frozen=True, slots=True)
class CategoryRule:
    id: str
    pattern: re.Pattern[str]
    grades: Mapping[str, str]

    def grade(self, written: str) -> str:
        """A grade as matched (4a, iva, tr-viable) in the form of ``grades``: upper case, Arabic, without blanks and hyphens."""
        plain = "".join(unicodedata.normalize("NFKC", written).upper().split()).replace("-", "")
        roman = _ROMAN.fullmatch(plain)
        return f"{_ROMAN_VALUES[roman[1]]}{roman[2]}" if roman else plain


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Made once per process by :func:`rule_set`; pass the disease's code between processes, not this."""

    disease: DiseaseDefinition
    scheme: str
    code: str  # liver.malignancy
    number: int
    sha256: str  # over the disease's and the language rules' bytes
    words: Mapping[str, TermRule]
    pattern: re.Pattern[str]
    patterns: tuple[tuple[TermRule, re.Pattern[str]], ...]
    categories: tuple[CategoryRule, ...]
    organ_words: re.Pattern[str]
    speller: Speller
    near: Mapping[str, Mapping[str, str]]  # last character -> form with one wildcard -> the term, '' when two terms of different meaning fit

    @property
    def name(self) -> str:
        return f"{self.code}@{self.number}"

    def term(self, matched: str, kind: ReportKind) -> TermRule | None:
        """The rule of a matched word that counts in this kind of report, if any."""
        rule = self.words.get(matched) or self.words.get(_one_blank(matched, " ")) or self.words.get(_one_blank(matched, "-"))
        return rule if rule is not None and rule.kind in ("any", kind.value) else None


def _one_blank(text: str, blank: str) -> str:
    return re.sub(r"[\s\-]+", blank, text)


@lru_cache(maxsize=1)
def general() -> Mapping[str, Any]:
    """rules/general.toml, parsed and checked."""
    body = tomllib.loads(_text("general.toml"))
    for term in body["terms"]:
        if term["meaning"] not in MEANINGS or not term.get("words"):
            raise InvalidInput(f"rules/general.toml: the term {term.get('id')} has no words or an unknown meaning.", field="general.toml")
    return body


def _text(name: str) -> str:
    return files("services.ingest").joinpath(f"rules/{name}").read_text("utf-8")


def rule_set(disease: DiseaseDefinition, scheme: str = "") -> RuleSet:
    """The compiled rules of a disease for one of its schemes. InvalidInput when a pattern does not compile."""
    return _rule_set(disease, disease.scheme(scheme).code)


@lru_cache(maxsize=64)
def _rule_set(disease: DiseaseDefinition, scheme: str) -> RuleSet:
    words: dict[str, TermRule] = {}
    patterns: list[tuple[TermRule, re.Pattern[str]]] = []
    for item in general()["terms"]:
        rule = TermRule(item["id"], item["meaning"], item.get("kind", "any"), item.get("subtype", ""), own=False, fixed=item.get("fixed", False))
        words |= {legible(word).text: rule for word in item["words"]}
        patterns += [(rule, _compiled(pattern, item["id"])) for pattern in item.get("patterns", ())]
    for term in disease.terms:
        rule = TermRule(f"{disease.code}.{term.id}", term.meaning, term.kind, term.subtype, own=True)
        for word in term.words:
            key = legible(word).text
            known = words.get(key)
            # a general word that the disease only repeats keeps its organ-free sense, with the disease's subtype
            words[key] = rule if known is None else TermRule(rule.id, rule.meaning, rule.kind, rule.subtype, own=False)
    plurals = {f"{word}s": rule for word, rule in words.items() if re.search(r"[a-rt-xz]$", word)}
    words = plurals | words
    language_bytes = "".join(_text(name) for name in ("general.toml", "language.toml", "anatomy.toml", "told.toml")).encode()
    return RuleSet(
        disease=disease,
        scheme=scheme,
        code=f"{disease.code}.{scheme}",
        number=max(disease.number, int(general()["number"]), int(language()["number"])),
        sha256=hashlib.sha256(disease.sha256.encode() + language_bytes).hexdigest(),
        words=words,
        pattern=pattern_of(words),
        patterns=tuple(patterns),
        categories=tuple(CategoryRule(c.id, _compiled(c.pattern, c.id), dict(c.grades)) for c in disease.categories),
        organ_words=pattern_of(fold(word) for word in disease.organ_words),
        speller=Speller(words),
        near=_near_forms(words),
    )


def _near_forms(words: Mapping[str, TermRule]) -> dict[str, dict[str, str]]:
    """Every long Han term with one inner character left open: the first tells 间质 from 实质, the last 癌 from 瘤."""
    near: dict[str, dict[str, str]] = {}
    for word, rule in words.items():
        if len(word) < FUZZY_HAN_MIN or not re.fullmatch(r"[\u3400-\u9fff]+", word) or rule.meaning == "pseudo":
            continue
        forms = near.setdefault(word[-1], {})
        for n in range(1, len(word) - 1):
            form = f"{word[:n]}?{word[n + 1 :]}"
            known = words.get(forms.get(form, word))
            forms[form] = word if known is None or known.meaning == rule.meaning else ""
    return near


def _compiled(pattern: str, name: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InvalidInput(f"The pattern of rule {name} is no regular expression: {error.msg}.", field=name) from error

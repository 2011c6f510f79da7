"""Schemes that only say what a report tells outright: BI-RADS, TNM, grade, subtype. One class, or no label at all - never a guess.

A category counts as the disease's own pattern reads it; letters and numbers as rules/told.toml says; a subtype as the malignancy
rules name it. Of several in one report the highest class counts (classes stand in ascending order); of several reports pathology
before imaging, then the newest; subtype and grade only from pathology. What is said of history, of another examination or on a condition is not told of now.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from isocenter.diseases import LabelScheme
from services.ingest.context import clauses_of, contexts_of
from services.ingest.label import label_report, speaks_of
from services.ingest.label_records import CaseLabel, Evidence, ReportLabel, SpokenReport
from services.ingest.legible import Legible, legible
from services.ingest.mentions import SECTION_CHARACTERS_MAX
from services.ingest.report_records import ReportKind, Sections
from services.ingest.ruleset import RuleSet

TOLD = "told"  # the reason of such a label
TOLD_CONFIDENCE = 0.97
SEVERAL_CONFIDENCE = 0.93  # different classes in one report, of which the highest counts
_NOT_NOW = frozenset({"history", "family", "hypothetical", "comparison"})
_DOUBTED = frozenset({"hedged", "negated"})
_OF_TISSUE = ("subtype", "grade", "edmondson")  # no image tells them
_READ = {ReportKind.IMAGING: ("impression", "findings"), ReportKind.PATHOLOGY: ("impression", "microscopic")}


@dataclass(frozen=True, slots=True)
class _Told:
    """One place that tells a class; offsets of the section's source text."""

    value: str
    section: str
    start: int
    end: int
    text: str
    rule: str


@dataclass(frozen=True, slots=True)
class _ToldRule:
    patterns: tuple[re.Pattern[str], ...]
    values: Mapping[str, str]


@lru_cache(maxsize=1)
def _rules() -> Mapping[str, _ToldRule]:
    body = tomllib.loads(files("services.ingest").joinpath("rules/told.toml").read_text("utf-8"))
    return {item["code"]: _ToldRule(tuple(map(re.compile, item["patterns"])), item.get("values", {})) for item in body["told"]}


def told_report(
    rules: RuleSet, scheme: LabelScheme, sections: Sections, kind: ReportKind, body_part: str = "", said: ReportLabel | None = None
) -> ReportLabel | None:
    """The class of ``scheme`` (its ``told`` says which rule) that this report tells, or None.

    ``rules``: the disease's, of any scheme; ``said``: what they made of this report already, so that it is not read twice.
    """
    if not speaks_of(rules, sections, body_part) or (scheme.told in _OF_TISSUE and kind is not ReportKind.PATHOLOGY):
        return None
    order = {item.value: n for n, item in enumerate(scheme.classes)}
    texts = sections.as_dict()
    for name in _READ[kind]:
        if text := texts.get(name, ""):
            if scheme.told == "subtype":
                found = _subtypes(said or label_report(rules, sections, kind, body_part))
            else:
                found = list(_places(rules, scheme.told, name, text, kind))
            found = [place for place in found if place.value in order]
            if found:
                return _label(rules, scheme, found, max(found, key=lambda place: (order[place.value], -place.start)))
    return None


def _label(rules: RuleSet, scheme: LabelScheme, found: Sequence[_Told], best: _Told) -> ReportLabel:
    evidence = tuple(Evidence(p.section, p.start, p.end, p.text, p.rule, "told", (), p.value == best.value) for p in found[:12])
    return ReportLabel(
        scheme=scheme.code,
        value=best.value,
        confidence=TOLD_CONFIDENCE if len({place.value for place in found}) == 1 else SEVERAL_CONFIDENCE,
        subtype="",
        reason=TOLD,
        evidence=evidence,
        rule_set=f"{rules.disease.code}.{scheme.code}@{rules.number}",
        rule_set_sha256=rules.sha256,
    )


def _places(rules: RuleSet, told: str, section: str, source: str, kind: ReportKind) -> Iterator[_Told]:
    made = _legible(source)
    clauses = clauses_of(made.text)
    for rule, start, end, value in _categories(rules, made.text, kind) if told == "category" else _written(told, made.text):
        ordinal = clauses.at(start)
        sentence = clauses.bounds[ordinal]
        contexts = contexts_of(made.text, sentence, (start, min(end, sentence[1])), clauses.cues(ordinal))
        if contexts & _NOT_NOW or (told != "category" and contexts & _DOUBTED):
            continue
        low, high = made.span(start, end)
        yield _Told(value, section, low, high, source[low:high], rule)


@lru_cache(maxsize=4)  # the schemes of a disease are asked one after another of the same text
def _legible(source: str) -> Legible:
    return legible(source[:SECTION_CHARACTERS_MAX])


def _categories(rules: RuleSet, text: str, kind: ReportKind) -> Iterator[tuple[str, int, int, str]]:
    if kind is ReportKind.IMAGING:
        for rule in rules.categories:
            for match in rule.pattern.finditer(text):
                yield f"{rules.disease.code}.{rule.id}", match.start(), match.end(), rule.grade(match[1])


def _written(told: str, text: str) -> Iterator[tuple[str, int, int, str]]:
    rule = _rules()[told]
    for pattern in rule.patterns:
        for match in pattern.finditer(text):
            written = match["value"]
            yield f"told.{told}", match.start(), match.end(), rule.values.get(written, written)


def _subtypes(said: ReportLabel) -> list[_Told]:
    if said.value == "review" or not said.subtype:
        return []
    spans = [item for item in said.evidence if item.used] or list(said.evidence)
    return [_Told(said.subtype.replace(" ", "-"), item.section, item.start, item.end, item.text, item.rule) for item in spans[:1]]


def told_case(reports: Sequence[SpokenReport]) -> CaseLabel | None:
    """The case's class from the reports that tell one: pathology before imaging, then the newest; None when none tells."""
    linked = [spoken for spoken in reports if spoken.link_state == "sure"]
    if not linked:
        return None
    best = max(linked, key=lambda spoken: (spoken.kind is ReportKind.PATHOLOGY, spoken.date, spoken.label.confidence, spoken.report))
    return CaseLabel(best.label.value, best.label.confidence, "", TOLD, best.report, reports=tuple(spoken.report for spoken in linked))

"""What a rule set makes of reports that are there: counted per case chunk in a worker, added up as plain JSON. Pure.

``moves`` count old value -> new value. ``rules`` tell for each rule in how many reports it spoke (coverage), where a
rule of the contrary meaning spoke too (conflicts), and how often a definite label it gave was what a reviewer decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isocenter.diseases import definition_of
from services.ingest.cases import aggregate_case
from services.ingest.label import label_report
from services.ingest.label_records import CaseLabel, ReportLabel, SpokenReport
from services.ingest.report_records import ReportKind, Sections
from services.ingest.ruleset import RuleSet, rule_set
from services.ingest.told import told_case, told_report

REVIEW = "review"
NONE = "none"
SAMPLES_PER_MOVE = 8
SAMPLES_MAX = 80
SPANS_MAX = 4
_CONTRARY = {"malignant": "benign", "benign": "malignant", "category-malignant": "benign", "category-benign": "malignant"}


@dataclass(frozen=True, slots=True)
class Rules:
    """What all tasks share: the document and the scheme; compiled once per process."""

    document: dict[str, Any]
    scheme: str
    threshold: float


@dataclass(frozen=True, slots=True, repr=False)
class OldReport:
    """A report as it stands: scrubbed sections and what the rules in use said of it ('none' = nothing yet)."""

    key: str
    kind: str
    date: str
    sections: dict[str, str]
    old: str


@dataclass(frozen=True, slots=True, repr=False)
class OldCase:
    """A case as it stands; ``decided`` is a reviewer's class or ''."""

    key: str
    reports: tuple[OldReport, ...]
    old: str
    old_sure: bool
    old_reason: str
    decided: str
    told: Mapping[str, str] = field(default_factory=dict)  # scheme of what reports tell outright -> the class that stands


@dataclass(frozen=True, slots=True, repr=False)
class Chunk:
    """Some cases; one task of the pool."""

    cases: tuple[OldCase, ...]


def empty() -> dict[str, Any]:
    return {
        "cases": 0,
        "reports": 0,
        "failed": 0,
        "case_moves": {},
        "told_moves": {},
        "report_moves": {},
        "sure": {"old": 0, "new": 0},
        "reasons": {"old": {}, "new": {}},
        "decided": {"cases": 0, "old": _answers(), "new": _answers()},
        "rules": {},
        "sample": [],
    }


def _answers() -> dict[str, int]:
    return {"right": 0, "wrong": 0, "review": 0}


def tally(rules: Rules, chunks: Sequence[Chunk]) -> list[dict[str, Any]]:
    """One tally a chunk; runs in a worker."""
    definition = definition_of(rules.document, str(rules.document.get("code", "")))
    compiled = rule_set(definition, rules.scheme)
    return [_tally(compiled, rules.threshold, chunk) for chunk in chunks]


def crashed(chunk: Chunk) -> dict[str, Any]:
    """What stands for a chunk that killed or hung its worker three times."""
    return empty() | {"failed": len(chunk.cases)}


def _tally(compiled: RuleSet, threshold: float, chunk: Chunk) -> dict[str, Any]:
    made = empty()
    for case in chunk.cases:
        spoken = [(report, label_report(compiled, Sections.from_dict(report.sections), ReportKind(report.kind))) for report in case.reports]
        for report, label in spoken:
            _count_report(made, case, report, label)
        _count_told(made, compiled, case, [label for _, label in spoken])
        new = aggregate_case([SpokenReport(r.key, ReportKind(r.kind), label, r.date) for r, label in spoken]) if spoken else None
        if new is not None:
            _count_case(made, case, new, threshold, next((label for r, label in spoken if r.key == new.report), None))
    return made


def _count_report(made: dict[str, Any], case: OldCase, report: OldReport, label: ReportLabel) -> None:
    made["reports"] += 1
    move = f"{report.old}>{label.value}"
    _add(made["report_moves"], move)
    used = {item.rule: item.meaning for item in label.evidence if item.used}
    for rule, meaning in used.items():
        row = made["rules"].setdefault(rule, {"meaning": meaning, "reports": 0, "conflicts": 0, "decided": 0, "right": 0})
        row["reports"] += 1
        contrary = _CONTRARY.get(meaning, "")
        row["conflicts"] += any(item.meaning == contrary and not {"negated", "history", "family"} & set(item.context) for item in label.evidence)
    if report.old != label.value and len(made["sample"]) < SAMPLES_MAX and made["report_moves"][move] <= SAMPLES_PER_MOVE:
        spans = [{"section": e.section, "start": e.start, "end": e.end, "rule": e.rule, "meaning": e.meaning} for e in label.evidence if e.used]
        told = {"case": case.key, "report": report.key, "old": report.old, "new": label.value, "reason": label.reason}
        made["sample"].append(told | {"spans": spans[:SPANS_MAX]})


def _count_told(made: dict[str, Any], compiled: RuleSet, case: OldCase, said: Sequence[ReportLabel]) -> None:
    """The schemes of what reports tell outright: scheme -> moves of the cases that had or get a class."""
    for scheme in compiled.disease.schemes:
        if scheme.told:
            found = []
            for report, label in zip(case.reports, said, strict=True):
                told = told_report(compiled, scheme, Sections.from_dict(report.sections), ReportKind(report.kind), said=label)
                if told is not None:
                    found.append(SpokenReport(report.key, ReportKind(report.kind), told, report.date))
            new, old = told_case(found), case.told.get(scheme.code, NONE)
            if new is not None or old != NONE:
                _add(made["told_moves"].setdefault(scheme.code, {}), f"{old}>{new.value if new is not None else NONE}")


def _count_case(made: dict[str, Any], case: OldCase, new: CaseLabel, threshold: float, deciding: ReportLabel | None) -> None:
    made["cases"] += 1
    _add(made["case_moves"], f"{case.old}>{new.value}")
    sure = new.value != REVIEW and new.confidence >= threshold
    made["sure"]["old"] += case.old_sure
    made["sure"]["new"] += sure
    if not case.old_sure:
        _add(made["reasons"]["old"], case.old_reason or NONE)
    if not sure:
        _add(made["reasons"]["new"], new.reason or "low-confidence" if new.value == REVIEW else "low-confidence")
    if not case.decided:
        return
    made["decided"]["cases"] += 1
    for side, value in (("old", case.old), ("new", new.value)):
        made["decided"][side]["review" if value in (REVIEW, NONE) else "right" if value == case.decided else "wrong"] += 1
    if new.value != REVIEW and deciding is not None:
        for rule in {item.rule for item in deciding.evidence if item.used}:
            made["rules"][rule]["decided"] += 1
            made["rules"][rule]["right"] += new.value == case.decided


def _add(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def added(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Both tallies as one; the sample keeps the first few of every move."""
    made = {key: _sum(a.get(key, {}), b.get(key, {})) for key in empty() if key != "sample"}
    kept: list[dict[str, Any]] = []
    moves: dict[str, int] = {}
    for item in (*a["sample"], *b["sample"]):
        _add(moves, f"{item['old']}>{item['new']}")
        if moves[f"{item['old']}>{item['new']}"] <= SAMPLES_PER_MOVE and len(kept) < SAMPLES_MAX:
            kept.append(item)
    return made | {"sample": kept}


def _sum(a: Any, b: Any) -> Any:
    if isinstance(a, Mapping):
        return {key: _sum(a[key], b[key]) if key in a and key in b else a.get(key, b.get(key)) for key in {**a, **b}}
    return a + b if isinstance(a, int | float) else a

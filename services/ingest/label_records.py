"""Values of labelling: the span that spoke, a report's label, a case's label."""

from __future__ import annotations

from dataclasses import dataclass

from services.ingest.report_records import ReportKind


@dataclass(frozen=True, slots=True)
class Evidence:
    """A span that spoke: offsets are characters of the section's text as given to ``label_report``."""

    section: str
    start: int
    end: int
    text: str
    rule: str  # id of the term or category rule
    meaning: str  # malignant | benign | uncertain | normal | nondiagnostic | category ...
    context: tuple[str, ...] = ()  # negated, hedged, history, family, hypothetical, comparison, other-organ ...
    used: bool = True  # False: seen, but its context keeps it from counting


@dataclass(frozen=True, slots=True)
class ReportLabel:
    """The label a rule set gives one report: value '0', '1' or 'review'.

    ``proposal`` is what the engine would say if it had to ('' when it cannot); ``state`` is sure when value is not review.
    """

    scheme: str
    value: str
    confidence: float
    subtype: str
    reason: str
    evidence: tuple[Evidence, ...]
    rule_set: str  # code@number
    rule_set_sha256: str
    proposal: str = ""

    @property
    def state(self) -> str:
        return "review" if self.value == "review" else "sure"


@dataclass(frozen=True, slots=True)
class SpokenReport:
    """A report's label with what case aggregation needs beside it; ``date`` YYYYMMDD or ''."""

    report: str
    kind: ReportKind
    label: ReportLabel
    date: str = ""
    link_state: str = "sure"


@dataclass(frozen=True, slots=True)
class CaseLabel:
    """The label of a case; ``report`` is the one that decided, ``conflict`` = definite results contradict."""

    value: str
    confidence: float
    subtype: str
    reason: str
    report: str = ""
    conflict: bool = False
    reports: tuple[str, ...] = ()
    proposal: str = ""  # what stands to reason while a person has not decided

"""From the labels of a case's reports to the label of the case: pathology outranks imaging, contradictions go to a person."""

from __future__ import annotations

from collections.abc import Sequence

from services.ingest.label_records import CaseLabel, SpokenReport
from services.ingest.report_records import ReportKind

_SILENT = ("other-organ",)
_EMPTY = ("nondiagnostic", "no-conclusion", "no-evidence")  # say nothing beside a definite result of the same kind
IMAGING_DISCOUNT = 0.02  # what a case label from imaging alone is less sure than the report's


def aggregate_case(reports: Sequence[SpokenReport]) -> CaseLabel:
    """The case's label under one scheme.

    Policy (rules/README.md): one definite malignant pathology result makes 1; a benign one beside it is a conflict for
    review, with 1 proposed; a failed biopsy says nothing beside a definite one; without it a doubtful pathology makes
    review; a definite benign pathology makes 0 unless imaging is definitely malignant (review: the needle may have
    missed). Without pathology the imaging reports speak: all sure and equal, or review. Reports of other organs are
    silent; links that are not sure speak only by asking a person.
    """
    speaking = [spoken for spoken in reports if spoken.label.reason not in _SILENT]
    keys = tuple(spoken.report for spoken in speaking)
    if not speaking:
        return CaseLabel("review", 0.0, "", "no-report", reports=())
    linked = [spoken for spoken in speaking if spoken.link_state == "sure"]
    pathology = [spoken for spoken in linked if spoken.kind is ReportKind.PATHOLOGY]
    imaging = [spoken for spoken in linked if spoken.kind is ReportKind.IMAGING]
    if not linked:
        return CaseLabel("review", 0.0, "", "link-unsure", reports=keys)
    waiting = any(spoken.kind is ReportKind.PATHOLOGY and spoken.link_state != "sure" for spoken in speaking)
    pathology, imaging = _telling(pathology), _telling(imaging)
    ones, zeros = _by_value(pathology, "1"), _by_value(pathology, "0")
    if ones and zeros:
        best = _surest(ones)
        return CaseLabel("review", 0.0, best.label.subtype, "pathology-contradicts", best.report, True, keys, "1")
    if ones:
        return _decided(_surest(ones), "pathology", keys)
    if len(zeros) < len(pathology):
        unsure = next(spoken for spoken in pathology if spoken.label.value == "review")
        proposal = "0" if zeros else unsure.label.proposal
        return CaseLabel("review", 0.0, "", f"pathology-{unsure.label.reason}", unsure.report, reports=keys, proposal=proposal)
    if waiting:
        return CaseLabel("review", 0.0, "", "link-unsure", reports=keys)
    if zeros:
        against = _by_value(imaging, "1")
        if against:
            return CaseLabel("review", 0.0, "", "imaging-contradicts", against[0].report, True, keys, "0")
        return _decided(_surest(zeros), "pathology", keys)
    return _from_imaging(imaging, keys)


def _from_imaging(imaging: Sequence[SpokenReport], keys: tuple[str, ...]) -> CaseLabel:
    ones, zeros = _by_value(imaging, "1"), _by_value(imaging, "0")
    latest = max(imaging, key=lambda spoken: spoken.date)
    if ones and zeros:
        return CaseLabel("review", 0.0, "", "imaging-contradicts", latest.report, True, keys)
    if len(ones) + len(zeros) < len(imaging):
        unsure = next(spoken for spoken in imaging if spoken.label.value == "review")
        return CaseLabel("review", 0.0, "", f"imaging-{unsure.label.reason}", unsure.report, reports=keys, proposal=unsure.label.proposal)
    best = _surest(ones or zeros)
    decided = _decided(best, "imaging", keys)
    return CaseLabel(decided.value, round(decided.confidence - IMAGING_DISCOUNT, 3), decided.subtype, "imaging", best.report, reports=keys)


def _telling(reports: list[SpokenReport]) -> list[SpokenReport]:
    """Without the empty ones, when others are definite: a repeated biopsy replaces the one that failed."""
    definite = any(spoken.label.value != "review" for spoken in reports)
    return [spoken for spoken in reports if not definite or spoken.label.reason not in _EMPTY]


def _by_value(reports: Sequence[SpokenReport], value: str) -> list[SpokenReport]:
    return [spoken for spoken in reports if spoken.label.value == value]


def _surest(reports: Sequence[SpokenReport]) -> SpokenReport:
    return max(reports, key=lambda spoken: (spoken.label.confidence, spoken.date, spoken.report))


def _decided(best: SpokenReport, reason: str, keys: tuple[str, ...]) -> CaseLabel:
    return CaseLabel(best.label.value, best.label.confidence, best.label.subtype, reason, best.report, reports=keys)

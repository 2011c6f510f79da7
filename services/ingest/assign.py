"""Which disease a study belongs to, from its body part and the reports linked to it ("decide per study").

Pure. A report that names an organ says more than a body part that names a region; what fits two diseases alike is
for a person to decide.
"""

from __future__ import annotations

from collections.abc import Sequence

from isocenter.diseases import DiseaseDefinition
from services.ingest.anatomy import Scope, fit, scope_of_lines
from services.ingest.report_records import ReportRow, StudyIdentity


def study_scope(study: StudyIdentity) -> Scope:
    return scope_of_lines((study.body_part, *study.descriptions), study.modality)


def report_scope(row: ReportRow) -> Scope:
    """The organ a report is about: exam or specimen first, then the conclusion, then the findings."""
    text = row.sections
    return scope_of_lines(tuple(t for t in (row.body_part, text.exam, text.specimen, text.impression, text.findings, text.gross) if t), row.modality)


def diseases_of_study(study: StudyIdentity, reports: Sequence[ReportRow], definitions: Sequence[DiseaseDefinition]) -> list[str]:
    """Codes of the diseases whose organ the study or its reports name; one that the region alone allows only when it is the only one.

    Empty when nothing decides.
    """
    scopes = [scope for row in reports if (scope := report_scope(row)).organs]
    own = study_scope(study)
    if own.organs:
        scopes.append(own)
    named = [d.code for d in definitions if any(d.organ in scope.organs for scope in scopes)]
    if named or scopes:
        return named
    possible = [d.code for d in definitions if _may_show(d, own, study.modality)]
    return possible if len(possible) == 1 else []


def _may_show(definition: DiseaseDefinition, scope: Scope, modality: str) -> bool:
    if definition.modalities and modality and modality not in definition.modalities:
        return False
    return fit(Scope(organs=frozenset({definition.organ})), scope) in ("agree", "partial")

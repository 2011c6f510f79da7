"""Which disease a study belongs to, from its body part and the reports linked to it ("decide per study").

Pure. A report that names an organ says more than a body part that names a region; what fits two diseases alike is
for a person to decide.
"""

from __future__ import annotations

from collections.abc import Sequence

from isocenter.diseases import DiseaseDefinition
from services.ingest.anatomy import Scope, fit, scope_of, scope_of_lines
from services.ingest.report_records import ReportRow, StudyIdentity
from services.ingest.scope import diseases_of

# PS3.16 Annex L defined terms where they are not the organ's own name.
_TERMS = {"bowel": "INTESTINE", "head": "HEAD", "whole_body": "WHOLEBODY", "bile_duct": "BILEDUCT", "lymph_node": "LYMPHNODE"}


def body_part_term(text: str) -> str:
    """A body part as people write it (乳腺, 上腹部, right breast) as a term of BodyPartExamined; '' when it names none.

    What is one already (upper-case ASCII) stays.
    """
    if text.isascii() and text == text.upper():
        return text[:64]
    scope = scope_of(text)
    named = sorted(scope.organs) or sorted(scope.regions)
    return _TERMS.get(named[0], named[0].upper()) if named else ""


def study_scope(study: StudyIdentity) -> Scope:
    return scope_of_lines((study.body_part, *study.descriptions), study.modality)


def diseases_of_study(study: StudyIdentity, reports: Sequence[ReportRow], definitions: Sequence[DiseaseDefinition]) -> list[str]:
    """Codes of the diseases whose organ the study's header or its linked reports name, in the order of ``definitions``.

    A region alone (上腹部, CHEST) decides only when one of the diseases can be seen in it; empty when nothing decides.
    """
    own = study_scope(study)
    named = {d.code for d in definitions if d.organ in own.organs}
    for row in reports:
        if _names_an_organ(row):
            named.update(diseases_of(row.sections, definitions, row.body_part))
    if named or own.organs:
        return [d.code for d in definitions if d.code in named]
    possible = [d.code for d in definitions if _may_show(d, own, study.modality)]
    return possible if len(possible) == 1 else []


def _names_an_organ(row: ReportRow) -> bool:
    text = row.sections
    return bool(scope_of_lines((row.body_part, text.exam, text.specimen, text.impression, text.findings, text.gross)).organs)


def _may_show(definition: DiseaseDefinition, scope: Scope, modality: str) -> bool:
    if definition.modalities and modality and modality not in definition.modalities:
        return False
    return fit(Scope(organs=frozenset({definition.organ})), scope) in ("agree", "partial")

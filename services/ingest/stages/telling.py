"""The label stage's part for schemes of what a report tells outright: which schemes a case is labelled by, and what its reports tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from isocenter.diseases import DiseaseDefinition
from isocenter.models import Disease, LabelScheme
from services.ingest.label_records import CaseLabel, ReportLabel, SpokenReport
from services.ingest.report_records import ReportKind, Sections
from services.ingest.ruleset import rule_set
from services.ingest.told import TOLD, told_case, told_report


class _Text(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def date(self) -> str: ...
    @property
    def sections(self) -> dict[str, str]: ...


T = TypeVar("T", bound=_Text)


def is_told(case: CaseLabel | None) -> bool:
    return case is not None and case.reason == TOLD


def schemes_of(disease: Disease, schemes: Sequence[LabelScheme], wanted: str) -> list[LabelScheme]:
    """The scheme an import labels by (the wanted one, or the disease's first), then those of what a report tells outright."""
    told = {item["code"] for item in disease.definition.get("schemes", ()) if item.get("told")}
    own = [scheme for scheme in schemes if scheme.disease_id == disease.id]
    first = next((s for s in own if s.code == wanted), next((s for s in own if s.code not in told), None))
    newest: dict[str, LabelScheme] = {}
    for scheme in own:
        newest.setdefault(scheme.code, scheme)
    return [*([first] if first else []), *(scheme for code, scheme in newest.items() if code in told and scheme is not first)]


def tells(definition: DiseaseDefinition, code: str) -> bool:
    """The scheme is one of what a report tells outright."""
    return bool(definition.scheme(code).told)


def told(definition: DiseaseDefinition, code: str, texts: Sequence[T]) -> tuple[tuple[tuple[T, ReportLabel], ...], CaseLabel | None]:
    """The reports that tell a class of this scheme, and the case's; without any there is no label and nothing to ask."""
    rules, scheme = rule_set(definition), definition.scheme(code)
    said = ((text, told_report(rules, scheme, Sections.from_dict(text.sections), ReportKind(text.kind))) for text in texts)
    telling = tuple((text, label) for text, label in said if label is not None)
    return telling, told_case([SpokenReport(text.key, ReportKind(text.kind), label, text.date) for text, label in telling])

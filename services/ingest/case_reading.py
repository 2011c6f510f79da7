"""What the rules make of cases, for a worker: each report is read once for all schemes its case is labelled by. Pure.

Rules cross to the worker as the disease's document and are compiled there once; texts cross in, labels with their evidence come back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from isocenter.diseases import DiseaseDefinition, definition_of
from services.ingest.cases import aggregate_case
from services.ingest.label import label_report
from services.ingest.label_records import CaseLabel, ReportLabel, SpokenReport
from services.ingest.report_records import ReportKind, Sections
from services.ingest.ruleset import rule_set
from services.ingest.told import told_case, told_report

NOT_READ = "not-read"  # reason of a case whose text ended its worker: a person reads it


@dataclass(frozen=True, slots=True, repr=False)
class Books:
    """What all tasks of a call share: disease code -> its document."""

    documents: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, repr=False)
class WrittenReport:
    """A report's scrubbed text; ``date`` YYYYMMDD or ''."""

    key: str
    kind: str
    date: str
    sections: Mapping[str, str]


@dataclass(frozen=True, slots=True, repr=False)
class CaseTask:
    """One case and the codes of the schemes it is labelled by."""

    disease: str
    schemes: tuple[str, ...]
    reports: tuple[WrittenReport, ...]


@dataclass(frozen=True, slots=True, repr=False)
class SchemeReading:
    """Under one scheme: the reports that speak, by their place in the task, and the case's label (None = nothing to say, nothing to ask)."""

    reports: tuple[tuple[int, ReportLabel], ...]
    case: CaseLabel | None


def read_cases(books: Books, tasks: Sequence[CaseTask]) -> list[tuple[SchemeReading, ...]]:
    """One reading a scheme of the task, in its order."""
    definitions = {code: _definition(json.dumps(document, sort_keys=True), code) for code, document in books.documents.items()}
    return [read_case(definitions[task.disease], task.schemes, task.reports) for task in tasks]


@lru_cache(maxsize=16)
def _definition(document: str, code: str) -> DiseaseDefinition:
    return definition_of(json.loads(document), code)


def not_read(task: CaseTask) -> tuple[SchemeReading, ...]:
    """What stands for a case that killed or hung its worker three times: a question where there would be a label, nothing where it is told."""
    case = CaseLabel("review", 0.0, "", NOT_READ)
    return tuple(SchemeReading((), case if n == 0 else None) for n in range(len(task.schemes)))


def read_case(definition: DiseaseDefinition, schemes: Sequence[str], reports: Sequence[WrittenReport]) -> tuple[SchemeReading, ...]:
    """A case under these schemes of its disease."""
    texts = [(report, Sections.from_dict(report.sections), ReportKind(report.kind)) for report in reports]
    # schemes that are not told differ in their code alone; the reports are read by the first of them
    first = next((code for code in schemes if not definition.scheme(code).told), definition.scheme().code)
    rules = rule_set(definition, first)
    said = [label_report(rules, sections, kind) for _, sections, kind in texts]
    found = []
    for code in schemes:
        scheme = definition.scheme(code)
        if scheme.told:
            told = ((n, told_report(rules, scheme, sections, kind, said=said[n])) for n, (_, sections, kind) in enumerate(texts))
            own = tuple((n, label) for n, label in told if label is not None)
        elif code == first:
            own = tuple(enumerate(said))
        else:
            own = tuple((n, label_report(rule_set(definition, code), sections, kind)) for n, (_, sections, kind) in enumerate(texts))
        spoken = [SpokenReport(reports[n].key, texts[n][2], label, reports[n].date) for n, label in own]
        found.append(SchemeReading(own, told_case(spoken) if scheme.told else aggregate_case(spoken) if spoken else None))
    return tuple(found)

"""The label stage's part for schemes of what a report tells outright: which schemes a case is labelled by."""

from __future__ import annotations

from collections.abc import Sequence

from isocenter.models import Disease, LabelScheme
from services.ingest.label_records import CaseLabel
from services.ingest.told import TOLD


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

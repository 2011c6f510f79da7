"""What can be counted by: each dimension as one SQL expression over case, study and series.

Bands are written as CASE and not as arithmetic: CAST rounds on MariaDB and cuts off on SQLite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func
from sqlalchemy.orm import aliased

from isocenter.errors import InvalidInput
from isocenter.models import CaseLabel, Disease, Hospital, Import, Patient, Series, Study

# The grants' subqueries name Study themselves.
StudyOf = aliased(Study)

MEASURES = ("patients", "cases", "studies", "series", "instances", "size_bytes")
UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class Dimension:
    """``expression`` gives the value of a row; ``needs_series``: rows without a visible series have none."""

    name: str
    expression: Any
    needs_series: bool = False


def _bands(column: Any, edges: Sequence[tuple[float, str]], above: str) -> Any:
    return case((column.is_(None), UNKNOWN), *((column < edge, name) for edge, name in edges), else_=above)


AGE_BANDS = tuple((float(edge), f"{edge - 10}-{edge - 1}") for edge in range(10, 91, 10))
THICKNESS_BANDS = ((1.0, "<1 mm"), (2.0, "1-2 mm"), (3.0, "2-3 mm"), (5.0, "3-5 mm"), (7.0, "5-7 mm"))

DIMENSIONS: dict[str, Dimension] = {
    found.name: found
    for found in (
        Dimension("disease", Disease.code),
        Dimension("patient", Patient.key),
        Dimension("sex", Patient.sex),
        Dimension("age_band", _bands(StudyOf.age_years, AGE_BANDS, "90+")),
        Dimension("label", case((CaseLabel.value.is_(None), UNKNOWN), (CaseLabel.state == "review", "review"), else_=CaseLabel.value)),
        Dimension("hospital", func.coalesce(Hospital.code, UNKNOWN)),
        Dimension("import_day", func.coalesce(func.date(Import.created_at), UNKNOWN)),
        Dimension("import_month", func.coalesce(func.substr(Import.created_at, 1, 7), UNKNOWN)),
        Dimension("modality", Series.modality, True),
        Dimension("format", Series.format, True),
        Dimension("body_part", Series.body_part, True),
        Dimension("device", func.trim(Series.manufacturer + " " + Series.model_name), True),
        Dimension("sequence", Series.sequence, True),
        Dimension("phase", Series.phase, True),
        Dimension("thickness", _bands(Series.slice_thickness_mm, THICKNESS_BANDS, "7 mm and more"), True),
    )
}


def dimensions_of(by: str, cross: str) -> list[Dimension]:
    """One or two dimensions by name; InvalidInput names the one that is none."""
    found: list[Dimension] = []
    for field, name in (("by", by), ("cross", cross)):
        if not name:
            continue
        if name not in DIMENSIONS:
            raise InvalidInput(f"{name[:64]} is no dimension; take one of {', '.join(sorted(DIMENSIONS))}.", field=field)
        if any(dimension.name == name for dimension in found):
            raise InvalidInput("The two dimensions must not be the same.", field=field)
        found.append(DIMENSIONS[name])
    return found

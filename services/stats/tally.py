"""What can be counted by: each dimension as one SQL expression over rows of the column copy.

Aliases: ``f`` a case that was found, ``v`` its visit (case, study), ``l`` its label, ``i`` an image row (case, stack).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rapidfuzz import process

from isocenter.errors import InvalidInput

MEASURES = ("patients", "cases", "studies", "series", "instances", "size_bytes")
UNKNOWN = ""


class Of(StrEnum):
    """Which row a dimension is about."""

    CASE = "case"
    VISIT = "visit"
    LABEL = "label"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Dimension:
    """``order``: its values in their own order (bands); ``dated``: its values are days or months. Both are listed in that order, others by size."""

    name: str
    of: Of
    sql: str
    order: tuple[str, ...] = ()
    dated: bool = False
    attribute: str = ""  # the name in the search language, where a value of this dimension is a value of that

    @property
    def needs_series(self) -> bool:
        """Rows without a visible series have no value of it."""
        return self.of is Of.IMAGE


def _bands(column: str, edges: Sequence[tuple[float, str]], above: str) -> str:
    cases = " ".join(f"WHEN {column} < {edge} THEN '{name}'" for edge, name in edges)
    return f"CASE WHEN {column} IS NULL THEN '' {cases} ELSE '{above}' END"


AGE_BANDS = tuple((float(edge), f"{edge - 10}-{edge - 1}") for edge in range(10, 91, 10))
THICKNESS_BANDS = ((1.0, "<1 mm"), (2.0, "1-2 mm"), (3.0, "2-3 mm"), (5.0, "3-5 mm"), (7.0, "5-7 mm"))
_AGES, _THICK = ("90+", "7 mm and more")
STATES = ("sure", "decided", "review", "none")

_ALL = (
    Dimension("disease", Of.CASE, "f.disease", attribute="disease"),
    Dimension("patient", Of.CASE, "CAST(f.patient_id AS VARCHAR)"),
    Dimension("sex", Of.CASE, "f.sex", attribute="sex"),
    Dimension("age_band", Of.VISIT, _bands("v.age", AGE_BANDS, _AGES), order=(*(name for _, name in AGE_BANDS), _AGES, UNKNOWN)),
    Dimension("hospital", Of.VISIT, "v.hospital", attribute="hospital"),
    Dimension("import_day", Of.VISIT, "v.import_day", dated=True),
    Dimension("import_month", Of.VISIT, "v.import_day[:7]", dated=True),
    Dimension("label", Of.LABEL, "l.label", attribute="label"),
    Dimension("label_source", Of.LABEL, "l.label_source", attribute="label_source"),
    Dimension("label_state", Of.LABEL, "coalesce(l.label_state, 'none')", order=STATES, attribute="label_state"),
    Dimension("modality", Of.IMAGE, 'i."Modality"', attribute="Modality"),
    Dimension("format", Of.IMAGE, "i.format", attribute="format"),
    Dimension("body_part", Of.IMAGE, 'i."BodyPartExamined"', attribute="BodyPartExamined"),
    Dimension("device", Of.IMAGE, "trim(coalesce(i.\"Manufacturer\", '') || ' ' || coalesce(i.\"ManufacturerModelName\", ''))"),
    Dimension("manufacturer", Of.IMAGE, 'i."Manufacturer"', attribute="Manufacturer"),
    Dimension("sequence", Of.IMAGE, "i.sequence", attribute="sequence"),
    Dimension("phase", Of.IMAGE, "i.phase", attribute="phase"),
    Dimension("thickness", Of.IMAGE, _bands('i."SliceThickness"', THICKNESS_BANDS, _THICK), order=(*(name for _, name in THICKNESS_BANDS), _THICK, UNKNOWN)),
)
DIMENSIONS: Mapping[str, Dimension] = {found.name: found for found in _ALL}


def nearest(name: str, known: Sequence[str]) -> str:
    """A sentence's end: the nearest right name, else all of them."""
    found = process.extractOne(name.lower()[:64], known, score_cutoff=55)
    return f"did you mean {found[0]}?" if found else f"take one of {', '.join(known)}."


def dimensions_of(by: str, cross: str) -> tuple[Dimension, ...]:
    """One or two dimensions by name; InvalidInput names the one that is none, and the nearest right one."""
    found: list[Dimension] = []
    for field, name in (("by", by), ("cross", cross)):
        if not name and field == "cross":
            continue
        if name not in DIMENSIONS:
            raise InvalidInput(f"{name[:64]!a} is no dimension; {nearest(name, sorted(DIMENSIONS))}", field=field, known=sorted(DIMENSIONS))
        if any(dimension.name == name for dimension in found):
            raise InvalidInput("The two dimensions must not be the same.", field=field)
        found.append(DIMENSIONS[name])
    return tuple(found)


# Dashboard -> its charts, each by one or two dimensions.
DASHBOARDS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "patient": (
        ("sex", ""), ("age_band", "sex"), ("disease", ""), ("label", "disease"), ("hospital", ""), ("device", ""), ("sequence", ""), ("phase", ""),
        ("thickness", ""), ("import_month", ""),
    ),
    "disease": (
        ("disease", ""), ("disease", "sex"), ("age_band", "disease"), ("disease", "label"), ("disease", "hospital"), ("disease", "modality"),
        ("disease", "label_source"), ("disease", "label_state"), ("thickness", "disease"), ("import_month", "disease"),
    ),
    "modality": (
        ("modality", ""), ("modality", "sex"), ("age_band", "modality"), ("modality", "disease"), ("modality", "label"), ("modality", "hospital"),
        ("device", "modality"), ("sequence", "modality"), ("phase", "modality"), ("thickness", "modality"), ("import_month", "modality"),
    ),
}  # fmt: skip

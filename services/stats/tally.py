"""What can be counted by: each dimension as a column of the copy whose texts stand there as numbers, or as bands of a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
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
class Bands:
    """A number in steps: below the first edge, below the second ..., above all. The last name is that of a missing number."""

    edges: tuple[float, ...]
    names: tuple[str, ...]

    def sql(self, column: str) -> str:
        """The place of a number's name, 0 for the first."""
        steps = " ".join(f"WHEN {column} < {edge} THEN {place}" for place, edge in enumerate(self.edges))
        return f"CAST(CASE WHEN {column} IS NULL THEN {len(self.names) - 1} {steps} ELSE {len(self.edges)} END AS UTINYINT)"

    def place(self, values: Any) -> Any:
        """The same of an array, NaN is a missing number."""
        return np.where(np.isnan(values), len(self.names) - 1, np.searchsorted(self.edges, values, side="right"))


@dataclass(frozen=True, slots=True)
class Dimension:
    """``column`` of the copy. ``dated``: its values are days or months. Those and bands are listed in their own
    order (``order``), others by size."""

    name: str
    of: Of
    column: str
    bands: Bands | None = None
    order: tuple[str, ...] = ()
    dated: bool = False
    attribute: str = ""  # the name in the search language, where a value of this dimension is a value of that

    @property
    def needs_series(self) -> bool:
        """Rows without a visible series have no value of it."""
        return self.of is Of.IMAGE


AGE_BANDS = Bands(tuple(float(edge) for edge in range(10, 91, 10)), (*(f"{edge}-{edge + 9}" for edge in range(0, 90, 10)), "90+", UNKNOWN))
THICKNESS_BANDS = Bands((1.0, 2.0, 3.0, 5.0, 7.0), ("<1 mm", "1-2 mm", "2-3 mm", "3-5 mm", "5-7 mm", "7 mm and more", UNKNOWN))
STATES = ("sure", "decided", "review", "none")

_ALL = (
    Dimension("disease", Of.CASE, "disease", attribute="disease"),
    Dimension("patient", Of.CASE, ""),
    Dimension("sex", Of.CASE, "sex", attribute="sex"),
    Dimension("age_band", Of.VISIT, "age", AGE_BANDS, AGE_BANDS.names),
    Dimension("hospital", Of.VISIT, "hospital", attribute="hospital"),
    Dimension("import_day", Of.VISIT, "import_day", dated=True),
    Dimension("import_month", Of.VISIT, "import_day", dated=True),
    Dimension("label", Of.LABEL, "label", attribute="label"),
    Dimension("label_source", Of.LABEL, "label_source", attribute="label_source"),
    Dimension("label_state", Of.LABEL, "label_state", order=STATES, attribute="label_state"),
    Dimension("modality", Of.IMAGE, "Modality", attribute="Modality"),
    Dimension("format", Of.IMAGE, "format", attribute="format"),
    Dimension("body_part", Of.IMAGE, "BodyPartExamined", attribute="BodyPartExamined"),
    Dimension("device", Of.IMAGE, "device"),
    Dimension("manufacturer", Of.IMAGE, "Manufacturer", attribute="Manufacturer"),
    Dimension("sequence", Of.IMAGE, "sequence", attribute="sequence"),
    Dimension("phase", Of.IMAGE, "phase", attribute="phase"),
    Dimension("thickness", Of.IMAGE, '"SliceThickness"', THICKNESS_BANDS, THICKNESS_BANDS.names),
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

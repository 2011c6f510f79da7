"""Slices in space: order along the normal, spacing between slices, whether a stack is one regular volume.

Patient coordinates in mm (PS3.3 C.7.6.2.1.1): +x to the patient's left, +y to the back, +z to the head.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Vector = tuple[float, float, float]

_PARALLEL_COSINE = 0.9995  # about 1.8 degrees: oblique series are rounded differently slice by slice
_SAME_PLACE_MM = 0.01
_REGULAR_TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class Slice:
    """Where one image lies; None where its header does not say. ``number``: InstanceNumber, the order of last resort."""

    position_mm: Vector | None
    orientation: tuple[float, ...] | None
    number: int | None = None


def normal(orientation: Sequence[float]) -> Vector:
    """The unit normal of ImageOrientationPatient (row direction x column direction)."""
    rx, ry, rz, cx, cy, cz = orientation
    n = (ry * cz - rz * cy, rz * cx - rx * cz, rx * cy - ry * cx)
    length = math.sqrt(sum(v * v for v in n)) or 1.0
    return (n[0] / length, n[1] / length, n[2] / length)


def distance_mm(place: Slice, along: Vector) -> float:
    """The position of a slice projected on a normal, in mm; 0 where it has none."""
    return sum(a * b for a, b in zip(place.position_mm, along, strict=True)) if place.position_mm else 0.0


def single_orientation(slices: Sequence[Slice]) -> bool:
    """Whether all slices that state an orientation are parallel and seen from the same side."""
    known = [normal(s.orientation) for s in slices if s.orientation]
    return all(sum(a * b for a, b in zip(known[0], other, strict=True)) > _PARALLEL_COSINE for other in known[1:])


def geometric_order(slices: Sequence[Slice]) -> list[int]:
    """Indices in order along the common normal; slices at one place by InstanceNumber. Without a common geometry (a
    localizer in three planes, pictures without position) by InstanceNumber alone, then as given."""
    numbers = [s.number if s.number is not None else 1 << 40 for s in slices]
    usable = bool(slices) and all(s.position_mm and s.orientation for s in slices) and single_orientation(slices)
    if not usable:
        return sorted(range(len(slices)), key=lambda i: (numbers[i], i))
    along = normal(slices[0].orientation or ())
    places = [round(distance_mm(s, along) / _SAME_PLACE_MM) for s in slices]
    return sorted(range(len(slices)), key=lambda i: (places[i], numbers[i], i))


def gaps_mm(slices: Sequence[Slice]) -> list[float]:
    """Distances between neighbouring places along the normal, slices at one place counted once; [] without geometry."""
    if not slices or not all(s.position_mm and s.orientation for s in slices) or not single_orientation(slices):
        return []
    along = normal(slices[0].orientation or ())
    places = sorted(distance_mm(s, along) for s in slices)
    return [b - a for a, b in pairwise(places) if b - a > _SAME_PLACE_MM]


def slice_spacing_mm(slices: Sequence[Slice]) -> float | None:
    """The median distance between neighbouring slices, None for a single place or without geometry."""
    gaps = sorted(gaps_mm(slices))
    if not gaps:
        return None
    middle = len(gaps) // 2
    value = gaps[middle] if len(gaps) % 2 else (gaps[middle - 1] + gaps[middle]) / 2
    return round(value, 4)


def is_regular(slices: Sequence[Slice]) -> bool:
    """Whether the slices make one volume: parallel, evenly spaced within 2 %, every place once."""
    gaps = gaps_mm(slices)
    if len(gaps) != len(slices) - 1 or not gaps:
        return False
    mean = sum(gaps) / len(gaps)
    return all(abs(gap - mean) <= max(_REGULAR_TOLERANCE * mean, _SAME_PLACE_MM) for gap in gaps)

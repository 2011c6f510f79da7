"""What overlays are made of: the grid of a frame in the patient, the segments, their colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

SEG, RTSTRUCT = "SEG", "RTSTRUCT"
KINDS = {
    "1.2.840.10008.5.1.4.1.1.66.4": SEG,
    "1.2.840.10008.5.1.4.1.1.66.7": SEG,  # label map
    "1.2.840.10008.5.1.4.1.1.481.3": RTSTRUCT,
}
# Okabe and Ito's colours, told apart by all: for segments without one of their own.
PALETTE = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
SAME_PLANE_MM = 0.01  # positions are written with limited digits

Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the pixels of one frame lie: ``position`` of the first pixel's centre and the directions ``along_row``, ``along_column`` in mm of the
    patient (PS3.3 C.7.6.2.1.1); ``spacing_mm`` between rows, between columns; None for pictures without a place in the patient."""

    rows: int
    columns: int
    position: tuple[float, float, float] | None = None
    along_row: tuple[float, float, float] = (1.0, 0.0, 0.0)
    along_column: tuple[float, float, float] = (0.0, 1.0, 0.0)
    spacing_mm: tuple[float, float] = (1.0, 1.0)
    thickness_mm: float = 0.0

    def to_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3) of column, row and distance from the plane in mm, of (n, 3) points in mm of the patient. Pixel centres are whole numbers."""
        away = points - np.asarray(self.position)
        right, down = np.asarray(self.along_row), np.asarray(self.along_column)
        return np.column_stack([away @ right / self.spacing_mm[1], away @ down / self.spacing_mm[0], away @ np.cross(right, down)])

    def to_patient(self, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3) points in mm of the patient."""
        right, down = np.asarray(self.along_row), np.asarray(self.along_column)
        return np.asarray(self.position) + np.outer(columns * self.spacing_mm[1], right) + np.outer(rows * self.spacing_mm[0], down)


@dataclass(frozen=True, slots=True)
class Segment:
    """``colour`` is red, green, blue from 0 to 255; ``kind`` what it is, by its coded property type or interpreted type."""

    number: int
    label: str
    colour: tuple[int, int, int]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class OverlayFacts:
    """``way``: binary, fractional, labelmap or contours; the UIDs are as the file says them."""

    kind: str
    way: str
    segments: tuple[Segment, ...]
    series_uids: tuple[str, ...]
    instance_uids: tuple[str, ...]


def grid_of(
    rows: int, columns: int, position: Sequence[float] | None, turn: Sequence[float] | None, spacing: Sequence[float] | None, thickness: float = 0
) -> Grid:
    """The grid of DICOM attributes; without a place in the patient when one of them is missing."""
    if not (position and turn and spacing) or (len(position), len(turn), len(spacing)) != (3, 6, 2):
        return Grid(rows, columns)
    px, py, pz = (float(value) for value in position)
    rx, ry, rz, dx, dy, dz = (float(value) for value in turn)
    return Grid(rows, columns, (px, py, pz), (rx, ry, rz), (dx, dy, dz), (float(spacing[0]), float(spacing[1])), float(thickness))


def colour_of(ds: Dataset, number: int) -> tuple[int, int, int]:
    """``RecommendedDisplayCIELabValue`` (PS3.3 C.10.7.1.1) or one of the palette by the segment's number."""
    value = ds.get("RecommendedDisplayCIELabValue")
    if value is None or len(value) != 3:
        return PALETTE[(number - 1) % len(PALETTE)]
    lightness, a, b = value[0] / 65535 * 100, value[1] / 257 - 128, value[2] / 257 - 128
    # CIE 15: L*a*b* of D50 to XYZ, Bradford's matrix to D65 and IEC 61966-2-1 in one, then sRGB's curve.
    y = (lightness + 16) / 116
    x, z = y + a / 500, y - b / 200
    xyz = np.array([t**3 if t > 6 / 29 else 3 * (6 / 29) ** 2 * (t - 4 / 29) for t in (x, y, z)]) * (0.9642, 1.0, 0.8249)
    matrix = np.array([[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]])
    linear = np.clip(matrix @ xyz, 0, 1)
    red, green, blue = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return round(float(red) * 255), round(float(green) * 255), round(float(blue) * 255)

"""Drawn pictures for the sample: bodies that look like something under a usual window, each with a lesion of stated size.

Real pixels come from two images bundled in the pydicom wheel (MIT): the vertebra of ``CT_small.dcm`` is the spine of every
CT, and ``examples_overlay.dcm`` (an abdominal MR slice) is what abdomen MRs are made from. All else is drawn. None is anatomy to
learn from.

Volumes: (slices, rows, columns), slice 0 the lowest, row 0 anterior, column 0 the patient's right.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Volume:
    """``pixels``: int16, Hounsfield units for CT, arbitrary units for MR. ``spacing_mm``: between rows = between columns."""

    pixels: NDArray[np.int16]
    spacing_mm: float
    slice_gap_mm: float
    lesion_slice: int


def bundled(name: str) -> pydicom.Dataset:
    """A test image that lies in the pydicom wheel itself (``get_testdata_file`` would download what does not)."""
    return pydicom.dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / name)


def resize(pixels: NDArray[np.generic], rows: int, columns: int) -> Floats:
    """Bicubic, float32."""
    return np.asarray(Image.fromarray(pixels.astype(np.float32)).resize((columns, rows), Image.Resampling.BICUBIC))


def smooth_noise(rng: np.random.Generator, rows: int, columns: int, cell: int) -> Floats:
    """Random hills about ``cell`` pixels wide, roughly -1 to 1."""
    return resize(rng.uniform(-1, 1, (rows // cell + 2, columns // cell + 2)), rows, columns)


class Canvas:
    """One slice in mm, the origin in the middle, x to the patient's left, y to the back."""

    def __init__(self, rows: int, columns: int, spacing_mm: float, background: float) -> None:
        self.pixels: Floats = np.full((rows, columns), background, np.float32)
        self.x = ((np.arange(columns) - columns / 2) * spacing_mm)[None, :].astype(np.float32)
        self.y = ((np.arange(rows) - rows / 2) * spacing_mm)[:, None].astype(np.float32)
        self.spacing_mm = spacing_mm
        self.wobble: Floats = np.zeros((rows, columns), np.float32)

    def ellipse(self, x: float, y: float, rx: float, ry: float, turn_degrees: float = 0) -> Floats:
        """Coverage 0 to 1 with an edge about one pixel wide; organs are not perfect ellipses (``wobble``)."""
        if rx <= 0 or ry <= 0:
            return np.zeros_like(self.pixels)
        turn = np.deg2rad(turn_degrees)
        u = (self.x - x) * np.cos(turn) + (self.y - y) * np.sin(turn)
        v = (self.y - y) * np.cos(turn) - (self.x - x) * np.sin(turn)
        radius = np.sqrt((u / rx) ** 2 + (v / ry) ** 2) + self.wobble
        coverage: Floats = np.clip((1 - radius) * min(rx, ry) / self.spacing_mm + 0.5, 0, 1).astype(np.float32)
        return coverage

    def fill(self, coverage: Floats, value: float | Floats) -> None:
        self.pixels = self.pixels * (1 - coverage) + value * coverage


def _spine(rows: int, spacing_mm: float) -> tuple[Floats, Floats]:
    """The vertebra of CT_small.dcm in HU, resampled, and its feathered mask; both square."""
    source = bundled("CT_small.dcm")
    hu = source.pixel_array.astype(np.float32) * float(source.RescaleSlope) + float(source.RescaleIntercept)
    side = round(hu.shape[0] * float(source.PixelSpacing[0]) / spacing_mm)
    away = np.hypot(*np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j] * np.array([1.0, 1.15])[:, None, None])
    return resize(hu, side, side), np.clip((0.86 - away) / 0.12, 0, 1).astype(np.float32)


def _sphere_radius_mm(diameter_mm: float, off_centre_mm: float) -> float:
    """Radius of the disc cut from a sphere that far from its centre; 0 outside."""
    return float(np.sqrt(max((diameter_mm / 2) ** 2 - off_centre_mm**2, 0)))


def draw_ct(rng: np.random.Generator, region: str, organ: str, lesion_mm: float, slices: int) -> Volume:
    """A CT of ``region`` chest (thin slices of 1.25 mm) or abdomen (5 mm), 256 x 256 at 1.4 mm; the lesion sits in ``organ``."""
    size, spacing, gap = 256, 1.4, 1.25 if region == "chest" else 5.0
    spine, spine_mask = _spine(size, spacing)
    side = spine.shape[0]
    lesion_slice = int(rng.integers(slices // 3, 2 * slices // 3 + 1))
    wobble = smooth_noise(rng, size, size, 32) * 0.05
    vessels = smooth_noise(rng, size, size, 5)
    shift = rng.uniform(-6, 6, 2)
    volume = np.empty((slices, size, size), np.int16)
    for index in range(slices):
        level = index / max(slices - 1, 1)
        canvas = Canvas(size, size, spacing, -1000)
        girth = 1 + 0.03 * np.sin(np.pi * level)
        canvas.fill(canvas.ellipse(0, 100, 190, 9) * 0.5, -600)  # the table
        canvas.fill(canvas.ellipse(0, 0, 158 * girth, 104 * girth), -95)
        canvas.wobble = wobble
        canvas.fill(canvas.ellipse(0, 2, 146 * girth, 92 * girth), 52)
        (_chest if region == "chest" else _abdomen)(canvas, vessels, level)
        top, left = size // 2 + round(52 / spacing) - side // 2, size // 2 - side // 2
        patch = canvas.pixels[top : top + side, left : left + side]
        canvas.pixels[top : top + side, left : left + side] = patch * (1 - spine_mask) + spine * spine_mask
        canvas.wobble = wobble * 3
        radius = _sphere_radius_mm(lesion_mm, (index - lesion_slice) * gap)
        _ct_lesion(canvas, organ, radius, shift)
        canvas.pixels += rng.normal(0, 11, canvas.pixels.shape) * (canvas.pixels > -980)
        volume[index] = np.clip(canvas.pixels, -1024, 3000).astype(np.int16)
    return Volume(volume, spacing, gap, lesion_slice)


def _chest(canvas: Canvas, vessels: Floats, level: float) -> None:
    for sign in (-1, 1):
        lung = canvas.ellipse(sign * 70, -4, 54 + 6 * level, 74)
        canvas.fill(lung, -860 + 60 * canvas.wobble)
        canvas.fill(lung * np.clip((np.roll(vessels, int(level * 23), 0) - 0.62) * 6, 0, 1), -30)
        for rib in range(9):
            angle = np.deg2rad(-75 + rib * 20 + level * 14)
            canvas.fill(canvas.ellipse(sign * 138 * np.cos(angle), 86 * np.sin(angle), 9, 4, sign * np.rad2deg(angle) + 90), 420)
    canvas.fill(canvas.ellipse(8, -30, 44 - 16 * level, 40 - 10 * level), 48)
    canvas.fill(canvas.ellipse(-4, -22, 15, 16), 150)
    canvas.fill(canvas.ellipse(0, 2, 9, 8), -990)  # the trachea
    canvas.fill(canvas.ellipse(2, -86, 22, 6), 330)  # the sternum


def _abdomen(canvas: Canvas, vessels: Floats, level: float) -> None:
    canvas.fill(canvas.ellipse(0, 0, 132, 80), -85 + 40 * np.clip(vessels, 0, 1))
    canvas.fill(canvas.ellipse(70, -42, 38, 24, 20), 30)
    canvas.fill(canvas.ellipse(74, -52, 24, 9), -950)  # gas in the stomach
    canvas.fill(canvas.ellipse(10, -56, 26, 14), 28)
    canvas.fill(canvas.ellipse(-64, -8, 68, 30 + 34 * level + 8, -14), 108 + 14 * np.clip(vessels - 0.5, 0, 1))
    canvas.fill(canvas.ellipse(-28, -34, 12, 15), 8)  # the gall bladder
    canvas.fill(canvas.ellipse(104, 22, 22, 20 + 22 * level, 12), 122)
    for sign in (-1, 1):
        kidney = 1 - 0.5 * level
        canvas.fill(canvas.ellipse(sign * 64, 46, 23 * kidney, 27 * kidney, sign * 24), 178)
        canvas.fill(canvas.ellipse(sign * 58, 46, 8 * kidney, 10 * kidney), -60)
    canvas.fill(canvas.ellipse(28, 2, 44, 11, -14), 92)  # the pancreas
    canvas.fill(canvas.ellipse(-12, 12, 15, 13), 92)
    canvas.fill(canvas.ellipse(12, 24, 10, 10), 205)  # aorta and vena cava
    canvas.fill(canvas.ellipse(-16, 26, 12, 9), 140)


def _ct_lesion(canvas: Canvas, organ: str, radius: float, shift: NDArray[np.float64]) -> None:
    if organ == "liver":
        canvas.fill(canvas.ellipse(-78 + shift[0], -4 + shift[1], radius * 1.1, radius * 1.1), 134)
        canvas.fill(canvas.ellipse(-78 + shift[0], -4 + shift[1], radius * 0.92, radius * 0.92), 62)
    elif organ == "pancreas":
        canvas.fill(canvas.ellipse(-8 + shift[0] / 2, 8 + shift[1] / 2, radius, radius * 0.85), 48)
    elif organ == "lung":
        x, y = -72 + shift[0], -20 + shift[1]
        canvas.fill(canvas.ellipse(x, y, radius, radius * 0.9), 38)
        for spike in range(7):
            angle = 51 * spike
            reach = radius * 1.1
            tip_x, tip_y = x + reach * np.cos(np.deg2rad(angle)), y + reach * np.sin(np.deg2rad(angle))
            canvas.fill(canvas.ellipse(tip_x, tip_y, radius * 0.4, radius * 0.1, angle), -60)


def draw_abdomen_mr(rng: np.random.Generator, organ: str, lesion_mm: float, slices: int, t2: bool = False) -> Volume:
    """An abdominal MR made from the bundled slice: 6 mm slices of 200 x 322 at 1.085 mm. ``t2``: fluid bright, liver dark."""
    source = bundled("examples_overlay.dcm")
    rows, columns, gap = 200, 322, 6.0
    spacing = float(source.PixelSpacing[0]) * source.Rows / rows
    plain = resize(source.pixel_array, rows, columns)
    if t2:  # not physics: a monotone turn of the grey scale that darkens liver and brightens fluid and fat
        plain = 950 * np.exp(-(((plain - 190) / 240) ** 2)) * np.clip((plain - 25) / 40, 0, 1)
    lesion_slice = int(rng.integers(slices // 3, 2 * slices // 3 + 1))
    shift = rng.uniform(-5, 5, 2)
    volume = np.empty((slices, rows, columns), np.int16)
    for index in range(slices):
        zoom = 1 + 0.012 * (index - slices / 2)
        grown = resize(plain, round(rows * zoom), round(columns * zoom))
        canvas = Canvas(rows, columns, spacing, 0)
        canvas.pixels = _centre(grown, rows, columns)
        canvas.wobble = smooth_noise(rng, rows, columns, 24) * 0.1
        radius = _sphere_radius_mm(lesion_mm, (index - lesion_slice) * gap)
        x, y = (-98, -22) if organ == "liver" else (-14, -30)
        canvas.fill(canvas.ellipse(x + shift[0], y + shift[1], radius, radius), 820.0 if t2 else 90.0)
        canvas.fill(canvas.ellipse(x + shift[0], y + shift[1], radius * 0.5, radius * 0.45), 960.0 if t2 else 210.0)
        canvas.pixels *= 1 + 0.08 * smooth_noise(rng, rows, columns, 80)
        volume[index] = np.clip(canvas.pixels + rng.normal(0, 9, canvas.pixels.shape), 0, 4095).astype(np.int16)
    return Volume(volume, spacing, gap, lesion_slice)


def _centre(pixels: Floats, rows: int, columns: int) -> Floats:
    """Cut or pad with zero around the middle."""
    out = np.zeros((rows, columns), np.float32)
    r, c = min(rows, pixels.shape[0]), min(columns, pixels.shape[1])
    top, left = (pixels.shape[0] - r) // 2, (pixels.shape[1] - c) // 2
    out[(rows - r) // 2 : (rows - r) // 2 + r, (columns - c) // 2 : (columns - c) // 2 + c] = pixels[top : top + r, left : left + c]
    return out


def draw_breast_mr(rng: np.random.Generator, lesion_mm: float, slices: int) -> Volume:
    """Both breasts with enhancement, face down: 4 mm slices of 224 x 320 at 1.1 mm; a lesion in the left breast."""
    rows, columns, spacing, gap = 224, 320, 1.1, 4.0
    lesion_slice = int(rng.integers(slices // 3, 2 * slices // 3 + 1))
    tissue, fine = smooth_noise(rng, rows, columns, 14), smooth_noise(rng, rows, columns, 5)
    shift = rng.uniform(-6, 6, 2)
    volume = np.empty((slices, rows, columns), np.int16)
    for index in range(slices):
        level = 1 - 0.25 * abs(2 * index / max(slices - 1, 1) - 1)
        canvas = Canvas(rows, columns, spacing, 0)
        canvas.wobble = smooth_noise(rng, rows, columns, 90) * 0.02
        canvas.fill(canvas.ellipse(0, 92, 168, 62), 260)
        canvas.fill(canvas.ellipse(0, 100, 150, 52), 420 + 80 * fine)
        canvas.fill(canvas.ellipse(-8, 96, 46, 36), 700 + 60 * tissue)  # the heart
        for sign in (-1, 1):
            canvas.fill(canvas.ellipse(sign * 80, -8, 62 * level, 88 * level), 330.0)
            canvas.fill(canvas.ellipse(sign * 80, -8, 59 * level, 85 * level), 210 + 25 * fine)
            gland = canvas.ellipse(sign * 80, -24, 44 * level, 58 * level) * np.clip(0.55 + 1.5 * tissue + 0.5 * fine, 0, 1)
            canvas.fill(gland, 430 + 60 * fine)
        canvas.wobble = fine * 0.16
        radius = _sphere_radius_mm(lesion_mm, (index - lesion_slice) * gap)
        canvas.fill(canvas.ellipse(88 + shift[0], -26 + shift[1], radius, radius), 980)
        canvas.fill(canvas.ellipse(88 + shift[0], -26 + shift[1], radius * 0.45, radius * 0.4), 700)
        volume[index] = np.clip(canvas.pixels + np.abs(rng.normal(0, 12, canvas.pixels.shape)), 0, 4095).astype(np.int16)
    return Volume(volume, spacing, gap, lesion_slice)

"""Apply an augmentation recipe: seeded by recipe, unit and copy, so that the same export has the same pixels on every machine.

Arrays: (rows, columns), (rows, columns, 3) uint8 RGB, or (slices, rows, columns). Geometry is done in the plane of the last two grey axes,
the same for every slice of a volume; values outside are taken from the edge. numpy's PCG64 stream is fixed by its version policy
(NEP 19 keeps bit generators, not distributions: uniform doubles are used, normal ones come from them).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped]
from skimage.color import hed2rgb, rgb2hed

from services.catalog.exports.recipes import Recipe

Array = NDArray[Any]
Field = tuple[NDArray[np.float64], NDArray[np.float64]]  # where each pixel comes from: rows, columns


def augmented(pixels: Array, recipe: Recipe, seed: int, name: str, copy: int) -> Array:
    """A changed copy, same shape and dtype. ``name`` and ``copy`` (1-based) tell the copies of an export apart."""
    dice = np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(f"isocenter-augment|{seed}|{name}|{copy}".encode()).digest()[:16], "big")))
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3 and pixels.dtype == np.uint8
    values = pixels.astype(np.float32)
    for kind, numbers in recipe.steps:
        values = _STEPS[kind](values, dict(numbers), dice, colour)
    if pixels.dtype.kind in "iu":
        ends = np.iinfo(pixels.dtype)
        values = np.clip(np.rint(values), ends.min, ends.max)
    return np.asarray(values.astype(pixels.dtype))


def _plane(values: Array, colour: bool) -> tuple[int, int]:
    rows, columns = values.shape[:2] if colour else values.shape[-2:]
    return int(rows), int(columns)


def _moved(values: Array, field: Field, colour: bool) -> Array:
    """Every plane sampled at ``field``, bilinear."""
    planes = np.moveaxis(values, -1, 0) if colour else values.reshape(-1, *values.shape[-2:])
    moved = np.stack([ndimage.map_coordinates(plane, field, order=1, mode="nearest") for plane in planes])
    return np.moveaxis(moved, 0, -1) if colour else moved.reshape(values.shape)


def _about_centre(values: Array, matrix: NDArray[np.float64], colour: bool) -> Array:
    rows, columns = _plane(values, colour)
    down, right = np.mgrid[:rows, :columns].astype(np.float64)
    middle = (rows - 1) / 2, (columns - 1) / 2
    down, right = down - middle[0], right - middle[1]
    return _moved(values, (matrix[0, 0] * down + matrix[0, 1] * right + middle[0], matrix[1, 0] * down + matrix[1, 1] * right + middle[1]), colour)


def _flip(values: Array, numbers: dict[str, float], dice: np.random.Generator, colour: bool) -> Array:
    if dice.random() >= numbers["chance"]:
        return values
    return np.ascontiguousarray(np.flip(values, 1 if colour else -1))


def _rotation(values: Array, numbers: dict[str, float], dice: np.random.Generator, colour: bool) -> Array:
    angle = np.radians(_either(dice) * numbers["degrees"])
    return _about_centre(values, np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), colour)


def _scale(values: Array, numbers: dict[str, float], dice: np.random.Generator, colour: bool) -> Array:
    return _about_centre(values, np.eye(2) / numbers["most"] ** _either(dice), colour)


def _elastic(values: Array, numbers: dict[str, float], dice: np.random.Generator, colour: bool) -> Array:
    """Simard et al. 2003: random shifts, smoothed, scaled to ``shift_px`` at most."""
    rows, columns = _plane(values, colour)
    down, right = np.mgrid[:rows, :columns].astype(np.float64)
    shifts = [ndimage.gaussian_filter(dice.random((rows, columns)) * 2 - 1, numbers["smooth_px"], mode="nearest") for _ in range(2)]
    most = max(float(np.abs(shift).max()) for shift in shifts) or 1.0
    return _moved(values, (down + shifts[0] / most * numbers["shift_px"], right + shifts[1] / most * numbers["shift_px"]), colour)


def _noise(values: Array, numbers: dict[str, float], dice: np.random.Generator, _: bool) -> Array:
    size = values.shape
    normal = np.sqrt(-2 * np.log1p(-dice.random(size, np.float32))) * np.cos(2 * np.pi * dice.random(size, np.float32))  # Box and Muller 1958
    return np.asarray(values + normal * numbers["share"] * float(values.std()))


def _intensity(values: Array, numbers: dict[str, float], dice: np.random.Generator, _: bool) -> Array:
    mean, spread = float(values.mean()), float(values.std())
    contrast, brightness = 1 + _either(dice) * numbers["contrast"], _either(dice) * numbers["brightness"] * spread
    return np.asarray((values - mean) * contrast + mean + brightness)


def _stain(values: Array, numbers: dict[str, float], dice: np.random.Generator, colour: bool) -> Array:
    """Each stain's density times 1 - share to 1 + share; grey pictures have none and stay as they are."""
    if not colour:
        return values
    factors = 1 + np.array([_either(dice) for _ in range(3)]) * numbers["share"]
    density = rgb2hed(np.clip(values, 0, 255) / 255.0)
    return np.asarray(np.clip(hed2rgb(density * factors), 0, 1) * 255.0, np.float32)


def _either(dice: np.random.Generator) -> float:
    """-1 to 1."""
    return float(dice.random() * 2 - 1)


_STEPS: dict[str, Callable[[Array, dict[str, float], np.random.Generator, bool], Array]] = {
    "flip": _flip,
    "rotation": _rotation,
    "scale": _scale,
    "elastic": _elastic,
    "noise": _noise,
    "intensity": _intensity,
    "stain": _stain,
}

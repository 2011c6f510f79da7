"""Augmentation recipes as they are written: a list of steps, each a kind with its numbers, checked before any pixel is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from isocenter.errors import InvalidInput

# kind -> parameter -> (least, most, default). Lengths in pixels or voxels, angles in degrees, sizes as factors.
STEPS: dict[str, dict[str, tuple[float, float, float]]] = {
    "flip": {"chance": (0, 1, 0.5)},  # left to right
    "rotation": {"degrees": (0, 180, 10)},  # in the plane, at most, either way
    "scale": {"most": (1, 2, 1.1)},  # by 1/most to most
    "elastic": {"shift_px": (0, 50, 6), "smooth_px": (2, 100, 12)},
    "noise": {"share": (0, 0.5, 0.02)},  # standard deviation as a share of the picture's own
    "intensity": {"contrast": (0, 1, 0.1), "brightness": (0, 1, 0.1)},  # share of the picture's own spread
    "stain": {"share": (0, 1, 0.1)},  # slides and other colour pictures: haematoxylin, eosin and DAB apart (Ruifrok and Johnston 2001)
}
MAX_STEPS = 10


@dataclass(frozen=True, slots=True)
class Recipe:
    """Steps in the order in which they are applied."""

    steps: tuple[tuple[str, tuple[tuple[str, float], ...]], ...]

    def document(self) -> list[dict[str, Any]]:
        return [{"kind": kind, **dict(numbers)} for kind, numbers in self.steps]


def parse_recipe(value: Any) -> Recipe:
    """``[{"kind": "rotation", "degrees": 10}, "flip"]``; InvalidInput names the step that is not understood."""
    if not isinstance(value, list | tuple) or not 0 < len(value) <= MAX_STEPS:
        raise InvalidInput(f"augment is a list of 1 to {MAX_STEPS} steps.", field="options.augment")
    return Recipe(tuple(_step(place, step) for place, step in enumerate(value)))


def _step(place: int, step: Any) -> tuple[str, tuple[tuple[str, float], ...]]:
    where = f"options.augment.{place}"
    given = {"kind": step} if isinstance(step, str) else step
    if not isinstance(given, dict) or given.get("kind") not in STEPS:
        raise InvalidInput(f"A step is one of {', '.join(STEPS)}, as a name or as an object with its kind.", field=where)
    known = STEPS[given["kind"]]
    for name, number in given.items():
        if name == "kind":
            continue
        if name not in known:
            raise InvalidInput(f"The step {given['kind']} has no number {str(name)[:32]!r}; it has {', '.join(known)}.", field=where)
        low, high, _ = known[name]
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number) or not low <= number <= high:
            raise InvalidInput(f"{name} of {given['kind']} is a number from {low:g} to {high:g}.", field=where)
    return given["kind"], tuple((name, float(given.get(name, default))) for name, (_, _, default) in known.items())

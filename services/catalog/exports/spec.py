"""What may be asked of an export: formats, the options of each, and the canonical form that names an export."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from isocenter.errors import InvalidInput
from services.catalog.exports.recipes import Recipe, parse_recipe
from services.catalog.split import SEED_LIMIT

_PICTURE = frozenset({"slices", "window_hu"})
_AUGMENTED = frozenset({"augment", "copies", "seed"})
FORMATS: dict[str, frozenset[str]] = {
    "nifti": _AUGMENTED,
    "png": _PICTURE | _AUGMENTED,
    "jpeg": _PICTURE | _AUGMENTED,
    "patches": frozenset({"mpp", "size_px", "most", "tissue"}) | _AUGMENTED,
    "labels": frozenset(),
    "monai": _AUGMENTED,
    "nnunet": frozenset({"number"}),
    "bids": frozenset(),
    "coco": _PICTURE,
    "medmnist": frozenset({"size_px", "dimensions", "window_hu"}),
    "imagefolder": _PICTURE | _AUGMENTED,
    "croissant": frozenset(),
    "s5cmd": frozenset(),
}
SHARED = frozenset({"impute"})
MEDMNIST_PX = (28, 64, 128, 224)
IMPUTED = ("age", "sex")


@dataclass(frozen=True, slots=True)
class Spec:
    """A checked wish. Options that the format does not have keep their defaults and stand not in :meth:`document`."""

    format: str
    slices: str = "middle"  # middle | all, of each stack
    window_hu: tuple[float, float] | None = None  # centre, width; None: the header's, else the percentiles
    mpp: float | None = None  # micrometres a pixel of a patch; None: full size
    size_px: int = 256
    most: int = 200  # patches a slide
    tissue: float = 0.5  # least share of a patch that is no glass
    dimensions: int = 2
    number: int = 501  # nnU-Net: ids 1 to 10 are taken by the Medical Segmentation Decathlon
    impute: tuple[str, ...] = ()
    augment: Recipe | None = None
    copies: int = 1
    seed: int = 0
    given: frozenset[str] = field(default=frozenset(), compare=False)

    def document(self) -> dict[str, Any]:
        """The options that count for the format, with their defaults: what the export is named by."""
        names = FORMATS[self.format] | SHARED
        if self.augment is None:
            names = names - {"copies", "seed"}
        found = {name: value for name, value in asdict(self).items() if name in names}
        found["augment"] = self.augment.document() if self.augment else None
        found["impute"] = list(self.impute)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in sorted(found.items()) if value not in (None, [])}

    def sha256(self) -> str:
        text = json.dumps({"format": self.format, **self.document()}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def key(self) -> str:
        """The public name of an export within its version."""
        return f"{self.format}-{self.sha256()[:16]}"


def parse_spec(wanted: str, options: Mapping[str, Any]) -> Spec:
    """InvalidInput names the option and, where there is one, the nearest right name."""
    if wanted not in FORMATS:
        raise InvalidInput(f"There is no format {wanted[:32]!r}{_nearest(wanted, FORMATS)}; there are {', '.join(FORMATS)}.", field="format")
    known = FORMATS[wanted] | SHARED
    for name in options:
        if name not in known:
            has = ", ".join(sorted(known))
            raise InvalidInput(f"The format {wanted} has no option {name[:32]!r}{_nearest(name, known)}; it has {has}.", field=f"options.{name[:32]}")
    checked: dict[str, Any] = {}
    for name, value in options.items():
        if value is not None:
            checked[name] = _CHECKS[name](value)
    size = checked.get("size_px", 28 if wanted == "medmnist" else 256)
    if wanted == "medmnist" and size not in MEDMNIST_PX:
        raise InvalidInput(f"MedMNIST pictures are {', '.join(map(str, MEDMNIST_PX))} pixels wide.", field="options.size_px")
    if wanted == "medmnist" and checked.get("dimensions") == 3 and size > 64:
        raise InvalidInput("MedMNIST volumes are 28 or 64 pixels wide.", field="options.size_px")
    if ("copies" in checked or "seed" in checked) and "augment" not in checked:
        raise InvalidInput("copies and seed belong to an augmentation: say augment too.", field="options.augment")
    return Spec(wanted, **(checked | {"size_px": size}), given=frozenset(options))


def _nearest(name: str, known: Any) -> str:
    found = difflib.get_close_matches(name, list(known), 1)
    return f", perhaps {found[0]}" if found else ""


def _whole(name: str, low: int, high: int) -> Any:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InvalidInput(f"{name} is a whole number from {low} to {high}.", field=f"options.{name}")
        return value

    return check


def _real(name: str, low: float, high: float) -> Any:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not low <= value <= high:
            raise InvalidInput(f"{name} is a number from {low:g} to {high:g}.", field=f"options.{name}")
        return float(value)

    return check


def _slices(value: Any) -> str:
    if value not in ("middle", "all"):
        raise InvalidInput("slices is middle or all.", field="options.slices")
    return str(value)


def _window(value: Any) -> tuple[float, float]:
    numbers = isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    if not numbers or not all(math.isfinite(v) and abs(v) < 1e6 for v in value) or value[1] <= 1:
        raise InvalidInput("window_hu is [centre, width], the width above 1.", field="options.window_hu")
    return float(value[0]), float(value[1])


def _impute(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value or set(map(str, value)) - set(IMPUTED):
        raise InvalidInput(f"impute lists names of {', '.join(IMPUTED)}.", field="options.impute")
    return tuple(sorted(set(map(str, value))))


_CHECKS: dict[str, Any] = {
    "slices": _slices,
    "window_hu": _window,
    "mpp": _real("mpp", 0.05, 50),
    "size_px": _whole("size_px", 16, 2048),
    "most": _whole("most", 1, 20_000),
    "tissue": _real("tissue", 0, 1),
    "dimensions": _whole("dimensions", 2, 3),
    "number": _whole("number", 11, 999),
    "impute": _impute,
    "augment": parse_recipe,
    "copies": _whole("copies", 1, 20),
    "seed": _whole("seed", 0, SEED_LIMIT - 1),
}

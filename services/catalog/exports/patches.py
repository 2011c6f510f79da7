"""Patches of a slide at a stated resolution: squares of tissue on a regular grid, chosen by hash so that the choice is the same everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image

from isocenter.errors import InvalidInput

MASK_PX = 16  # of the overview, a patch
GLASS_SPREAD = 18  # maximum minus minimum of R, G, B: glass is grey
GLASS_LIGHT = 230


@dataclass(frozen=True, slots=True)
class Patch:
    """``pixels``: (size, size, 3) uint8; ``x_px``, ``y_px``: its corner at full size; ``tissue``: share that is no glass."""

    pixels: NDArray[np.uint8]
    x_px: int
    y_px: int
    tissue: float


def patches_of(path: Path, mpp: float | None, mpp_of_slide: float | None, size_px: int, most: int, tissue: float) -> Iterator[Patch]:
    """``mpp``: micrometres a pixel wanted, None = full size. InvalidInput ``code``: no-mpp when the slide does not say its own,
    finer-than-the-slide when it has not that many pixels (nothing is invented by magnifying)."""
    try:
        slide = openslide.OpenSlide(path)
    except openslide.OpenSlideError as error:
        raise InvalidInput("The slide cannot be read.", code="slide-unreadable") from error
    with slide:
        factor = 1.0
        if mpp is not None:
            if not mpp_of_slide:
                raise InvalidInput("The slide does not say how large a pixel is.", code="no-mpp")
            factor = mpp / mpp_of_slide
            if factor < 0.98:
                raise InvalidInput("The slide has not that many pixels a micrometre.", code="finer-than-the-slide")
        side = round(size_px * factor)
        columns, rows = slide.dimensions[0] // side, slide.dimensions[1] // side
        if not columns or not rows:
            raise InvalidInput("The slide is smaller than one patch.", code="smaller-than-a-patch")
        shares = _tissue(slide, side, columns, rows)
        wanted = [(row, column) for row in range(rows) for column in range(columns) if shares[row, column] >= tissue]
        wanted = sorted(wanted, key=_order)[:most]
        for row, column in sorted(wanted):
            yield Patch(_read(slide, column * side, row * side, side, size_px), column * side, row * side, float(shares[row, column]))


def _order(place: tuple[int, int]) -> bytes:
    return hashlib.sha256(f"isocenter-patch|{place[0]}|{place[1]}".encode()).digest()


def _tissue(slide: openslide.OpenSlide, side: int, columns: int, rows: int) -> NDArray[np.float64]:
    """(rows, columns): share of each grid square that is coloured or dark."""
    shape = rows, columns
    scale = max(1.0, side / MASK_PX)
    level = slide.get_best_level_for_downsample(scale)
    downsample = slide.level_downsamples[level]
    counted = np.zeros(shape)
    for row in range(rows):  # a strip of squares at a time: an overview of a large slide need not fit into memory
        size = max(1, round(columns * side / downsample)), max(1, round(side / downsample))
        strip = _on_white(slide.read_region((0, row * side), level, size)).resize((columns * MASK_PX, MASK_PX), Image.Resampling.BOX)
        values = np.asarray(strip, np.int16)
        dense = ((values.max(-1) - values.min(-1) > GLASS_SPREAD) | (values.mean(-1) < 60)) & (values.mean(-1) < GLASS_LIGHT + GLASS_SPREAD)
        counted[row] = dense.reshape(MASK_PX, columns, MASK_PX).mean((0, 2))
    return counted


def _read(slide: openslide.OpenSlide, x_px: int, y_px: int, side: int, size_px: int) -> NDArray[np.uint8]:
    """From the level just finer than what is wanted, then averaged down."""
    level = slide.get_best_level_for_downsample(side / size_px * 1.01)
    length = max(1, round(side / slide.level_downsamples[level]))
    region = _on_white(slide.read_region((x_px, y_px), level, (length, length)))
    if length != size_px:
        region = region.resize((size_px, size_px), Image.Resampling.LANCZOS if length < 2 * size_px else Image.Resampling.BOX)
    return np.asarray(region)


def _on_white(region: Image.Image) -> Image.Image:
    """Transparent is where the scanner saw nothing: glass."""
    white = Image.new("RGB", region.size, (255, 255, 255))
    white.paste(region, mask=region.getchannel("A"))
    return white

"""Slides as DeepZoom tiles. Sizes are exact (openslide's own DeepZoomGenerator rounds edge tiles wrongly, slides.md section 3).

A tile that is stored as an 8-bit JPEG on the grid asked for is passed through byte for byte (``isocenter/imaging/tiles.py``); all others are
drawn by OpenSlide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image

from isocenter.errors import InvalidInput, NotFound
from isocenter.imaging.tiles import TileIndex, spliced, tile_index

TILE_PX = 254  # only for slides without a grid of their own
OPEN_MOST = 8  # in one decoder; OpenSlide keeps up to 32 MiB of each


@dataclass(frozen=True, slots=True)
class DziLevel:
    """Level ``number`` of a DeepZoom pyramid: 0 is one pixel, the last is full size; each is half of the next, rounded up."""

    number: int
    downsample: int
    width_px: int
    height_px: int


def dzi_levels(width_px: int, height_px: int) -> list[DziLevel]:
    """All levels of an image, 0 first."""
    last = max(0, math.ceil(math.log2(max(width_px, height_px, 1))))
    return [DziLevel(n, 2 ** (last - n), -(-width_px // 2 ** (last - n)), -(-height_px // 2 ** (last - n))) for n in range(last + 1)]


class Slide:
    """One open slide; used from several threads (OpenSlide handles are thread-safe)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._slide = openslide.OpenSlide(path)
        except openslide.OpenSlideError as error:
            raise InvalidInput("This slide cannot be opened.") from error
        self.width_px, self.height_px = self._slide.dimensions
        self.levels = dzi_levels(self.width_px, self.height_px)
        index = tile_index([("", path)])
        self.index: TileIndex | None = index if index and (index.width_px, index.height_px) == (self.width_px, self.height_px) else None
        self.tile_px = self.index.tile_px if self.index else TILE_PX
        background = self._slide.properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR, "ffffff")
        self._background = f"#{background}"

    def close(self) -> None:
        self._slide.close()

    def dzi(self) -> bytes:
        """The DeepZoom descriptor."""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="jpeg" Overlap="0" '
            f'TileSize="{self.tile_px}"><Size Width="{self.width_px}" Height="{self.height_px}"/></Image>\n'
        ).encode()

    def grid(self, level: int) -> tuple[DziLevel, int, int]:
        """(level, columns, rows); NotFound when there is none."""
        if not 0 <= level < len(self.levels):
            raise NotFound(f"The slide has levels 0 to {len(self.levels) - 1}.")
        found = self.levels[level]
        return found, -(-found.width_px // self.tile_px), -(-found.height_px // self.tile_px)

    def stored_tile(self, level: int, column: int, row: int) -> bytes | None:
        """The tile as it is stored, None when it has to be drawn."""
        found, columns, rows = self.grid(level)
        if not (0 <= column < columns and 0 <= row < rows):
            raise NotFound(f"Level {level} has {columns} x {rows} tiles.")
        place = self.index.place(found.downsample, column, row) if self.index else None
        if place is None or (place.width_px, place.height_px) != (self.tile_px, self.tile_px):
            return None
        with self.path.open("rb") as file:
            file.seek(place.offset)
            return spliced(file.read(place.length), place.head)

    def tile(self, level: int, column: int, row: int) -> NDArray[np.uint8]:
        """(rows, columns, 3) of one tile: ``tile_px`` square, smaller at the right and lower edge, exactly."""
        found, columns, rows = self.grid(level)
        if not (0 <= column < columns and 0 <= row < rows):
            raise NotFound(f"Level {level} has {columns} x {rows} tiles.")
        left, top = column * self.tile_px, row * self.tile_px
        width, height = min(self.tile_px, found.width_px - left), min(self.tile_px, found.height_px - top)
        return self._region(left, top, width, height, found.downsample)

    def overview(self, size_px: int) -> NDArray[np.uint8]:
        """The whole slide, its longer side at most ``size_px``."""
        return np.asarray(self._slide.get_thumbnail((size_px, size_px)).convert("RGB"))

    @property
    def mpp(self) -> float | None:
        """Micrometres a pixel at full size, None when the file does not say."""
        text = self._slide.properties.get(openslide.PROPERTY_NAME_MPP_X)
        return float(text) if text else None

    def region(self, left: int, top: int, width: int, height: int, downsample: int) -> NDArray[np.uint8]:
        """(rows, columns, 3) of ``width`` x ``height`` px of the level; ``left``, ``top`` in its pixels."""
        return self._region(left, top, width, height, downsample)

    def _region(self, left: int, top: int, width: int, height: int, downsample: int) -> NDArray[np.uint8]:
        best = self._slide.get_best_level_for_downsample(downsample * 1.0001)
        step = self._slide.level_downsamples[best]
        scale = downsample / step
        stored_width, stored_height = self._slide.level_dimensions[best]
        # Never past the edge: the last pixel of a level may lie half outside, and the outside is white.
        size = (
            max(1, min(round(width * scale), stored_width - int(left * downsample / step))),
            max(1, min(round(height * scale), stored_height - int(top * downsample / step))),
        )
        region = self._slide.read_region((left * downsample, top * downsample), best, size)
        flat = Image.new("RGB", region.size, self._background)
        flat.paste(region, mask=region.getchannel("A"))
        if flat.size != (width, height):
            flat = flat.resize((width, height), Image.Resampling.BOX if scale > 1 else Image.Resampling.BILINEAR)
        return np.asarray(flat)


@dataclass(frozen=True, slots=True)
class SlideFacts:
    """What the service knows of a slide that only a decoder has open. ``index``: None when no tile of it is stored as a viewer takes it."""

    width_px: int
    height_px: int
    tile_px: int
    mpp: float | None
    index: TileIndex | None


@lru_cache(maxsize=OPEN_MOST)
def _opened(path: Path) -> Slide:
    """Names are content addressed: what was opened under one stays true."""
    return Slide(path)


def slide_facts(path: Path) -> SlideFacts:
    slide = _opened(path)
    return SlideFacts(slide.width_px, slide.height_px, slide.tile_px, slide.mpp, slide.index)


def slide_region(path: Path, left: int, top: int, width: int, height: int, downsample: int) -> NDArray[np.uint8]:
    """As :meth:`Slide.region`."""
    return _opened(path).region(left, top, width, height, downsample)


def slide_overview(path: Path, size_px: int) -> NDArray[np.uint8]:
    """As :meth:`Slide.overview`."""
    return _opened(path).overview(size_px)

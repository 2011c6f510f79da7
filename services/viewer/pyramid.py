"""Slides as DeepZoom tiles. Sizes are exact (openslide's own DeepZoomGenerator rounds edge tiles wrongly, slides.md section 3).

A tile that is stored as an 8-bit JPEG on the grid asked for is passed through byte for byte (``isocenter/imaging/tiles.py``); all others are
drawn by OpenSlide.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image

from isocenter.errors import InvalidInput, NotFound
from isocenter.imaging.tiles import TileIndex, spliced, tile_index
from services.viewer.counted import ViewerMetrics
from services.viewer.frames import Bytes
from services.viewer.store import InstanceSeen

TILE_PX = 254  # only for slides without a grid of their own
OPEN_MOST = 16
CACHE_BYTES = 20 << 30  # slides of an S3 store are brought here once


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


class Slides:
    """Open slides, the last 16; slides of an S3 store are brought to a size-capped folder first."""

    def __init__(self, reader: Bytes, cache: Path, counted: ViewerMetrics) -> None:
        self._reader = reader
        self._counted = counted
        self._cache = cache
        self._open: OrderedDict[str, Slide] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}
        self._guard = threading.Lock()

    async def open(self, instance: InstanceSeen) -> Slide:
        """The slide of an instance; opened once for all who ask at the same time."""
        key = instance.sha256
        self._counted.looked("slides", hit=key in self._open)
        if key in self._open:
            self._open.move_to_end(key)
            return self._open[key]
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            if key not in self._open:
                path = self._reader.store(instance.object_key).path(instance.object_key)
                self._open[key] = await asyncio.to_thread(self._bring, instance) if path is None else await asyncio.to_thread(Slide, path)
                while len(self._open) > OPEN_MOST:
                    # Not closed here: a thread may be reading it. It closes when nobody holds it any more.
                    self._open.popitem(last=False)
        self._locks.pop(key, None)
        return self._open[key]

    def _bring(self, instance: InstanceSeen) -> Slide:
        with self._guard:
            self._cache.mkdir(parents=True, exist_ok=True)
            path = self._cache / instance.sha256
            if not path.exists():
                self._make_room(instance.size_bytes)
                part = path.with_suffix(".part")
                self._reader.store(instance.object_key).download(instance.object_key, part)
                part.replace(path)
            path.touch()
        return Slide(path)

    def _make_room(self, size_bytes: int) -> None:
        """Remove the slides not asked for the longest until ``size_bytes`` more fit; open ones stay readable on Linux."""
        kept = sorted((file.stat().st_mtime, file.stat().st_size, file) for file in self._cache.iterdir())
        used = sum(size for _, size, _ in kept)
        for _, size, file in kept:
            if used + size_bytes <= min(CACHE_BYTES, shutil.disk_usage(self._cache).total // 2):
                break
            file.unlink(missing_ok=True)
            used -= size

"""A slide as tiles and regions: from its tile index by ranged reads (disk and S3), by OpenSlide only where the index does not reach."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isocenter.errors import InvalidInput, NotFound
from isocenter.imaging.tiles import Place, TileIndex, cropped, spliced, unpack
from services.viewer import store
from services.viewer.access import Seen
from services.viewer.composing import put_together, resized
from services.viewer.pyramid import DziLevel, dzi_levels, slide_facts, slide_region
from services.viewer.render import Look, picture
from services.viewer.slidefiles import SlideFiles
from services.viewer.store import InstanceSeen, SlideSeen
from services.viewer.viewing import Viewing

TILE_QUALITY = 80
COMPOSED_MOST = 64  # stored tiles that one picture is put together from; more than that is OpenSlide's
KEPT = 64
DRAWN_KEPT_BYTES = 64 << 20

Pixels = NDArray[np.uint8]


class DrawnTiles:
    """Tiles that had to be made (edges, levels not stored), the last 64 MiB of all slides. Whoever asks has been let in before."""

    def __init__(self, most_bytes: int = DRAWN_KEPT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str, int, int, int], bytes] = OrderedDict()
        self._size_bytes = 0

    def get(self, key: tuple[str, int, int, int]) -> bytes | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: tuple[str, int, int, int], jpeg: bytes) -> bytes:
        if key not in self._kept:
            self._kept[key] = jpeg
            self._size_bytes += len(jpeg)
            while self._size_bytes > self._most_bytes and len(self._kept) > 1:
                self._size_bytes -= len(self._kept.popitem(last=False)[1])
        return jpeg


@dataclass
class TiledSlide:
    """One slide as this process knows it. ``index`` None: every tile is drawn by OpenSlide."""

    viewing: Viewing
    instances: tuple[InstanceSeen, ...]
    index: TileIndex | None
    told: SlideSeen
    width_px: int
    height_px: int
    tile_px: int
    drawn: DrawnTiles
    _file: Callable[[], Awaitable[Path]]

    @cached_property
    def levels(self) -> list[DziLevel]:
        return dzi_levels(self.width_px, self.height_px)

    @property
    def mpp(self) -> float | None:
        return self.told.mpp or (self.index.mpp if self.index else None)

    def dzi(self) -> bytes:
        """The DeepZoom descriptor."""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="jpeg" Overlap="0" '
            f'TileSize="{self.tile_px}"><Size Width="{self.width_px}" Height="{self.height_px}"/></Image>\n'
        ).encode()

    async def tile(self, level: int, column: int, row: int) -> bytes:
        """A DeepZoom tile as JPEG: as it is stored, cropped at an edge, or drawn. NotFound outside the grid."""
        levels = self.levels
        if not 0 <= level < len(levels):
            raise NotFound(f"The slide has levels 0 to {len(levels) - 1}.")
        found = levels[level]
        columns, rows = -(-found.width_px // self.tile_px), -(-found.height_px // self.tile_px)
        if not (0 <= column < columns and 0 <= row < rows):
            raise NotFound(f"Level {level} has {columns} x {rows} tiles.")
        stored = await self.stored_tile(found.downsample, column, row)
        self.viewing.counted.tiles.labels("drawn" if stored is None else "stored").inc()
        if stored is not None:
            return stored
        key = (self.instances[0].sha256, found.downsample, column, row)
        kept = self.drawn.get(key)
        if kept is not None:
            return kept
        left, top = column * self.tile_px, row * self.tile_px
        size = min(self.tile_px, found.width_px - left), min(self.tile_px, found.height_px - top)
        pixels = await self.region(left, top, *size, found.downsample)
        return self.drawn.put(key, await self.viewing.compute(picture, pixels, Look(quality=TILE_QUALITY)))

    async def stored_tile(self, downsample: int, column: int, row: int) -> bytes | None:
        """The stored stream, complete; None when the tile is not stored or damaged."""
        place = self.index.place(downsample, column, row) if self.index else None
        if place is None:
            return None
        whole = (place.width_px, place.height_px) == (self.tile_px, self.tile_px)
        key = (self.instances[0].sha256, downsample, column, row)
        kept = None if whole else self.drawn.get(key)
        if kept is not None:
            return kept
        jpeg = await self._jpeg(place)
        if jpeg is None or whole:
            return jpeg
        return self.drawn.put(key, await self.viewing.decode(cropped, jpeg, place.width_px, place.height_px))

    async def region(self, left: int, top: int, width: int, height: int, downsample: int) -> Pixels:
        """(height, width, 3) of a rectangle, in pixels of the level that is ``downsample`` times smaller than the slide."""
        composed = await self._composed(left, top, width, height, downsample)
        if composed is not None:
            return composed
        return await self.viewing.decode(slide_region, await self._file(), left, top, width, height, downsample)

    async def box(self, left: int, top: int, width: int, height: int, out_width: int, out_height: int) -> Pixels:
        """(out_height, out_width, 3) of a rectangle of the full-size slide, from the coarsest level that is fine enough."""
        scale = min(width / out_width, height / out_height)
        downsample = 1
        while downsample * 2 <= scale and downsample * 2 <= max(self.width_px, self.height_px):
            downsample *= 2
        first_x, first_y = left // downsample, top // downsample
        last_x = min(-(-(left + width) // downsample), -(-self.width_px // downsample))
        last_y = min(-(-(top + height) // downsample), -(-self.height_px // downsample))
        if (last_x - first_x) * (last_y - first_y) > 1 << 26:
            raise InvalidInput("This region is too large to be drawn at once.", field="region")
        pixels = await self.region(first_x, first_y, last_x - first_x, last_y - first_y, downsample)
        if pixels.shape[:2] == (out_height, out_width):
            return pixels
        return await self.viewing.compute(resized, pixels, out_width, out_height)

    async def _composed(self, left: int, top: int, width: int, height: int, downsample: int) -> Pixels | None:
        """Put together from stored tiles of the coarsest level that is no coarser, where few suffice."""
        if self.index is None:
            return None
        finer = [level for level in self.index.levels if level.downsample <= downsample]
        if not finer:
            return None
        level = max(finer, key=lambda one: one.downsample)
        factor, tile = downsample // level.downsample, self.tile_px
        x0, y0 = left * factor, top * factor
        x1, y1 = min(level.width_px, (left + width) * factor), min(level.height_px, (top + height) * factor)
        spots = [(column, row) for row in range(y0 // tile, -(-y1 // tile)) for column in range(x0 // tile, -(-x1 // tile))]
        if len(spots) > COMPOSED_MOST:
            return None
        pieces = []
        for column, row in spots:
            place = self.index.place(level.downsample, column, row)
            jpeg = await self._jpeg(place) if place is not None else None
            if place is not None and jpeg is None:
                return None  # a damaged tile: OpenSlide may know better
            pieces.append((column * tile - x0, row * tile - y0, jpeg))
        return await self.viewing.decode(put_together, pieces, x1 - x0, y1 - y0, width, height)

    async def _jpeg(self, place: Place) -> bytes | None:
        assert self.index is not None
        stored = await self.viewing.bytes.part(self.index.sources[place.source], (place.offset, place.length))
        return spliced(stored, place.head)


class TiledSlides:
    """The slides asked for lately, the last 64 with their indexes."""

    def __init__(self, viewing: Viewing, slides: SlideFiles) -> None:
        self.viewing = viewing
        self.slides = slides
        self._kept: OrderedDict[tuple[int, str, int], TiledSlide] = OrderedDict()
        self._lock = asyncio.Lock()
        self._drawn = DrawnTiles()

    async def open(self, seen: Seen) -> TiledSlide:
        """NotFound when the series is no slide."""
        if seen.series.format not in ("WSI", "DICOM") or not seen.instances:
            raise NotFound("This series is no slide with tiles.")
        key = (seen.series.id, seen.instances[0].sha256, len(seen.instances))
        if key not in self._kept:
            async with self._lock:
                if key not in self._kept:
                    self._kept[key] = await self._describe(seen)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    async def _describe(self, seen: Seen) -> TiledSlide:
        async with self.viewing.resources.db.read() as session:
            told = await store.slide_seen(session, seen.series.id) or SlideSeen(None, None, None)
        only = seen.instances[0]
        if told.tile_index_key is not None:
            index = await self.viewing.compute(unpack, await self.viewing.bytes.whole(told.tile_index_key))
            return self._slide(seen, index, told, index.width_px, index.height_px, index.tile_px)
        if seen.series.format == "DICOM":
            raise NotFound("This series has no tile index; it is no slide, or its tiles are no JPEG.")
        slide = await self.viewing.decode(slide_facts, await self.slides.path(only))
        local = slide.index
        if local is not None:
            local = TileIndex(local.width_px, local.height_px, local.tile_px, (only.object_key,), local.levels, local.mpp)
        told = SlideSeen(told.mpp or slide.mpp, told.objective_power, None)
        return self._slide(seen, local, told, slide.width_px, slide.height_px, slide.tile_px)

    def _slide(self, seen: Seen, index: TileIndex | None, told: SlideSeen, width: int, height: int, tile: int) -> TiledSlide:
        async def file() -> Path:
            if seen.series.format == "DICOM":
                raise InvalidInput("This part of the slide is not stored finely enough to be drawn at once; ask for a smaller region.", field="region")
            return await self.slides.path(seen.instances[0])

        return TiledSlide(self.viewing, seen.instances, index, told, width, height, tile, self._drawn, file)

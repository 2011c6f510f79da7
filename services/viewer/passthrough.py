"""Tiles of a TIFF-family slide that can be sent as they are stored: JPEG, 8 bit, one grid of square tiles (slides.md section 4).

The page's JPEG tables are spliced in. RGB JPEG without an Adobe marker gets one, or every reader would take it for YCbCr and show false colours.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import tifffile

_JPEG = 7
_RGB, _YCBCR = 2, 6
ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"  # APP14 with transform 0
_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class _Level:
    columns: int
    full_columns: int  # columns of tiles that are not cut off at the right edge
    full_rows: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    head: bytes  # goes between SOI and the tile's own stream


@dataclass
class StoredTiles:
    """The tile index of a slide's file; ``by_downsample`` holds the levels whose size is exactly a power of two smaller."""

    tile_px: int
    by_downsample: dict[int, _Level]
    _descriptor: int = field(repr=False, default=-1)

    def tile(self, downsample: int, column: int, row: int) -> bytes | None:
        """A complete JPEG, None for edge tiles, levels that are not stored and damaged tiles."""
        level = self.by_downsample.get(downsample)
        if level is None or column >= level.full_columns or row >= level.full_rows:
            return None
        number = row * level.columns + column
        stored = os.pread(self._descriptor, level.counts[number], level.offsets[number])
        if len(stored) < 4 or not (stored.startswith(_SOI) and stored.rstrip(b"\0").endswith(_EOI)):
            return None
        return _SOI + level.head + stored[2:]

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def stored_tiles(path: Path, width_px: int, height_px: int) -> StoredTiles | None:
    """The index of a slide of that size at full resolution, None when nothing can be passed through."""
    try:
        with tifffile.TiffFile(path) as tiff:
            pages = [page for level in tiff.series[0].levels if isinstance(page := level.pages[0], tifffile.TiffPage)]
            if not _passes(pages[0]) or (pages[0].imagewidth, pages[0].imagelength) != (width_px, height_px):
                return None
            tile_px = pages[0].tilewidth
            levels: dict[int, _Level] = {}
            for page in pages:
                downsample = round(width_px / page.imagewidth)
                exact = (page.imagewidth, page.imagelength) == (-(-width_px // downsample), -(-height_px // downsample))
                if exact and downsample & (downsample - 1) == 0 and _passes(page) and page.tilewidth == tile_px:
                    levels[downsample] = _level(page)
    except (tifffile.TiffFileError, OSError, ValueError, IndexError, AttributeError, KeyError):
        # A slide that tifffile cannot lay out is still drawn by OpenSlide.
        return None
    return StoredTiles(tile_px, levels, os.open(path, os.O_RDONLY)) if levels else None


def _passes(page: tifffile.TiffPage) -> bool:
    return bool(
        page.is_tiled and page.compression == _JPEG and page.bitspersample == 8 and page.samplesperpixel == 3 and page.planarconfig == 1
        and page.photometric in (_RGB, _YCBCR) and page.tilewidth == page.tilelength and 64 <= page.tilewidth <= 2048
    )  # fmt: skip


def _level(page: tifffile.TiffPage) -> _Level:
    tables: bytes = page.jpegtables or b""
    head = tables[2:-2] if tables.startswith(_SOI) and tables.endswith(_EOI) else b""
    if page.photometric == _RGB:
        head = ADOBE_RGB + head
    size = page.tilewidth
    return _Level(
        -(-page.imagewidth // size), page.imagewidth // size, page.imagelength // size, tuple(page.dataoffsets), tuple(page.databytecounts), head
    )

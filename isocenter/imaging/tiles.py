"""Where the JPEG tiles of a slide lie, written once at ingest: a tile is one ranged read, from disk or from S3, and never a parse.

TIFF family: tiled, JPEG, 8 bit, chunky, one grid of square tiles. DICOM whole-slide microscopy: JPEG baseline frames, TILED_FULL or TILED_SPARSE.
RGB JPEG without an Adobe marker gets one, or every reader would take it for YCbCr and show false colours (slides.md section 3).
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import orjson
import pydicom
import tifffile
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from isocenter.errors import InvalidInput
from isocenter.imaging.frames import frame_count, frame_index
from isocenter.imaging.quiet import quiet

_JPEG = 7
_RGB, _YCBCR = 2, 6
_BASELINE = "1.2.840.10008.1.2.4.50"
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"  # APP14 with transform 0
_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
VERSION = 1
EDGE_QUALITY = 90


@dataclass(frozen=True, slots=True)
class Place:
    """One stored tile: where its stream lies, what goes between SOI and the stream, and the size it is shown with."""

    source: int  # which object
    offset: int
    length: int
    head: bytes
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class TileLevel:
    """A level whose size is that of the whole slide divided by ``downsample``, a power of two, rounded up. ``offsets``: row by row, 0 length = not stored."""

    downsample: int
    width_px: int
    height_px: int
    source: int
    head: bytes
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TileIndex:
    """``sources``: object keys; sizes in px; ``mpp``: micrometres a pixel at full size."""

    width_px: int
    height_px: int
    tile_px: int
    sources: tuple[str, ...]
    levels: tuple[TileLevel, ...]
    mpp: float | None = None

    def level(self, downsample: int) -> TileLevel | None:
        return next((level for level in self.levels if level.downsample == downsample), None)

    def place(self, downsample: int, column: int, row: int) -> Place | None:
        """None for a level that is not stored, a tile outside the grid, and a hole in a sparse grid."""
        level = self.level(downsample)
        if level is None:
            return None
        columns, rows = -(-level.width_px // self.tile_px), -(-level.height_px // self.tile_px)
        if not (0 <= column < columns and 0 <= row < rows):
            return None
        number = row * columns + column
        if number >= len(level.offsets) or level.lengths[number] < 4:
            return None
        width, height = min(self.tile_px, level.width_px - column * self.tile_px), min(self.tile_px, level.height_px - row * self.tile_px)
        return Place(level.source, level.offsets[number], level.lengths[number], level.head, width, height)

    def packed(self) -> bytes:
        """The index as it is stored."""
        levels = [
            {"downsample": one.downsample, "width": one.width_px, "height": one.height_px, "source": one.source, "head": base64.b64encode(one.head).decode(),
             "offsets": one.offsets, "lengths": one.lengths}
            for one in self.levels
        ]  # fmt: skip
        document = {"version": VERSION, "width": self.width_px, "height": self.height_px, "tile": self.tile_px, "sources": self.sources, "mpp": self.mpp,
                    "levels": levels}  # fmt: skip
        return gzip.compress(json.dumps(document, separators=(",", ":")).encode(), 6, mtime=0)


def unpack(data: bytes) -> TileIndex:
    """What :meth:`TileIndex.packed` wrote; InvalidInput for anything else."""
    try:
        found = orjson.loads(gzip.decompress(data))
        if found["version"] != VERSION:
            raise InvalidInput("The tile index has another version; import the slide again.")
        levels = tuple(_level(one, base64.b64decode(one["head"]), tuple(one["offsets"]), tuple(one["lengths"])) for one in found["levels"])
        return TileIndex(found["width"], found["height"], found["tile"], tuple(found["sources"]), levels, found["mpp"])
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput("The tile index cannot be read.") from error


def _level(one: dict[str, Any], head: bytes, offsets: tuple[int, ...], lengths: tuple[int, ...]) -> TileLevel:
    return TileLevel(one["downsample"], one["width"], one["height"], one["source"], head, offsets, lengths)


def tile_index(files: Sequence[tuple[str, Path]]) -> TileIndex | None:
    """The index of a slide's objects, given as (object key, file); None when no tile of it can be sent as it is stored."""
    try:
        with quiet():
            if len(files) == 1 and not _is_dicom(files[0][1]):
                return _of_tiff(*files[0])
            return _of_dicom(files)
    except (tifffile.TiffFileError, InvalidInput, OSError, ValueError, IndexError, AttributeError, KeyError, TypeError):
        return None  # such a slide is still drawn by OpenSlide


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _of_tiff(key: str, path: Path) -> TileIndex | None:
    with tifffile.TiffFile(path) as tiff:
        # tifffile takes the second page of every SVS for a thumbnail, also where de-identification has left none.
        found = [tiff.pages[number] for number in range(len(tiff.pages))] if tiff.is_svs else [level.pages[0] for level in tiff.series[0].levels]
        pages = [page for page in found if isinstance(page, tifffile.TiffPage)]
        if not _passes(pages[0]):
            return None
        width_px, height_px, tile_px = pages[0].imagewidth, pages[0].imagelength, pages[0].tilewidth
        levels: list[TileLevel] = []
        for page in pages:
            if not _passes(page) or page.tilewidth != tile_px:
                continue
            downsample = _downsample(width_px, height_px, page.imagewidth, page.imagelength)
            if downsample and all(downsample != known.downsample for known in levels):
                tables: bytes = page.jpegtables or b""
                head = tables[2:-2] if tables.startswith(_SOI) and tables.endswith(_EOI) else b""
                head = ADOBE_RGB + head if page.photometric == _RGB else head
                levels.append(TileLevel(downsample, page.imagewidth, page.imagelength, 0, head, tuple(page.dataoffsets), tuple(page.databytecounts)))
    return TileIndex(width_px, height_px, tile_px, (key,), tuple(levels)) if levels else None


def _passes(page: tifffile.TiffPage) -> bool:
    return bool(
        page.is_tiled and page.compression == _JPEG and page.bitspersample == 8 and page.samplesperpixel == 3 and page.planarconfig == 1
        and page.photometric in (_RGB, _YCBCR) and page.tilewidth == page.tilelength and 64 <= page.tilewidth <= 2048
    )  # fmt: skip


def _downsample(width_px: int, height_px: int, level_width_px: int, level_height_px: int) -> int:
    """The power of two that gives exactly this size, 0 when none does."""
    step = max(1, round(width_px / level_width_px))
    exact = (level_width_px, level_height_px) == (-(-width_px // step), -(-height_px // step))
    return step if exact and step & (step - 1) == 0 else 0


def _of_dicom(files: Sequence[tuple[str, Path]]) -> TileIndex | None:
    if pydicom.dcmread(files[0][1], specific_tags=["SOPClassUID"], stop_before_pixels=True).get("SOPClassUID") != _WHOLE_SLIDE:
        return None
    found: list[tuple[int, Dataset]] = []
    for number, (_, path) in enumerate(files):
        ds: Dataset = pydicom.dcmread(path, stop_before_pixels=True)
        if ds.SOPClassUID == _WHOLE_SLIDE and ds.file_meta.TransferSyntaxUID == _BASELINE and "VOLUME" in (ds.get("ImageType") or []):
            found.append((number, ds))
    if not found:
        return None
    found.sort(key=lambda pair: -int(pair[1].TotalPixelMatrixColumns))
    first = found[0][1]
    width_px, height_px, tile_px = int(first.TotalPixelMatrixColumns), int(first.TotalPixelMatrixRows), int(first.Columns)
    levels: dict[int, TileLevel] = {}
    for number, ds in found:
        level_width, level_height = int(ds.TotalPixelMatrixColumns), int(ds.TotalPixelMatrixRows)
        downsample = _downsample(width_px, height_px, level_width, level_height)
        if downsample and downsample not in levels and int(ds.Rows) == int(ds.Columns) == tile_px and int(ds.SamplesPerPixel) == 3:
            columns, rows = -(-level_width // tile_px), -(-level_height // tile_px)
            offsets, lengths = [0] * (columns * rows), [0] * (columns * rows)
            _, spans = frame_index(files[number][1])
            for place, (offset, length) in zip(_frame_places(ds, columns, tile_px), spans, strict=True):
                if 0 <= place < len(offsets):
                    offsets[place], lengths[place] = offset, length
            head = ADOBE_RGB if ds.PhotometricInterpretation == "RGB" else b""
            levels[downsample] = TileLevel(downsample, level_width, level_height, number, head, tuple(offsets), tuple(lengths))
    if 1 not in levels:
        return None
    return TileIndex(width_px, height_px, tile_px, tuple(key for key, _ in files), tuple(levels.values()), _mpp(first))


def _frame_places(ds: Dataset, columns: int, tile_px: int) -> list[int]:
    """The place of each frame in the grid, row by row; -1 for frames off the grid."""
    if ds.get("DimensionOrganizationType") == "TILED_FULL" or "PerFrameFunctionalGroupsSequence" not in ds:
        return list(range(frame_count(ds)))
    places = []
    for group in ds.PerFrameFunctionalGroupsSequence:
        position = group.PlanePositionSlideSequence[0]
        left, top = int(position.ColumnPositionInTotalImagePixelMatrix) - 1, int(position.RowPositionInTotalImagePixelMatrix) - 1
        on_grid = left % tile_px == 0 and top % tile_px == 0
        places.append(top // tile_px * columns + left // tile_px if on_grid else -1)
    return places


def _mpp(ds: Dataset) -> float | None:
    try:
        spacing: Any = ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
        return float(spacing[0]) * 1000
    except (AttributeError, IndexError, TypeError, ValueError):
        return None


def spliced(stored: bytes, head: bytes) -> bytes | None:
    """A complete JPEG of a stored tile; None when its stream is damaged."""
    if not (stored.startswith(_SOI) and stored.rstrip(b"\0").endswith(_EOI)):
        return None
    if head.startswith(ADOBE_RGB) and b"Adobe\x00" in stored[:64]:
        head = head[len(ADOBE_RGB) :]
    return _SOI + head + stored[2:]


def decoded(jpeg: bytes) -> NDArray[np.uint8]:
    """(rows, columns, 3) of a complete JPEG."""
    return np.asarray(imagecodecs.jpeg8_decode(jpeg, outcolorspace="RGB"), np.uint8)


def cropped(jpeg: bytes, width_px: int, height_px: int, quality: int = EDGE_QUALITY) -> bytes:
    """The upper left part of a tile that is stored padded, encoded anew."""
    return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(decoded(jpeg)[:height_px, :width_px]), level=quality))

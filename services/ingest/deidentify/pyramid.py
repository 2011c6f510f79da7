"""Writing a slide that only OpenSlide reads anew: a pyramid of JPEG tiles in the layout of an Aperio SVS, drawn region by region.

The slide's private metadata, label and macro are left behind; size, micrometres per pixel and objective are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import tifffile
from numpy.typing import NDArray
from PIL import Image

TILE_PX = 256
QUALITY = 90
_BLOCK_PX = 2048  # width of what is drawn at once, in pixels of the source's level
_RATIO_MOST = 16  # a level is drawn from a source level at most so many times finer: 64 MiB at once


def write_pyramid(slide: openslide.OpenSlide, out: Path) -> None:
    """Writes ``slide`` to ``out`` as BigTIFF: levels 1, 2, 4 ... of its size, rounded up, down to one tile or to a sixteenth of
    its coarsest level. What the scanner left out gets the slide's background colour, white when it states none. OpenSlideError
    for tiles that do not decode."""
    width_px, height_px = slide.dimensions
    colour = background(slide.properties)
    mpp_x, mpp_y = (_positive(slide.properties.get(f"openslide.mpp-{axis}")) for axis in "xy")
    per_cm = (1e4 / mpp_x, 1e4 / mpp_y) if mpp_x and mpp_y else None
    with tifffile.TiffWriter(out, bigtiff=True) as writer:
        downsample = 1
        while True:
            size = (-(-width_px // downsample), -(-height_px // downsample))
            writer.write(
                _tiles(slide, downsample, size, colour), shape=(size[1], size[0], 3), dtype=np.uint8, tile=(TILE_PX, TILE_PX), photometric="rgb",
                compression="jpeg", compressionargs={"level": QUALITY}, metadata=None, software=False,
                description=_description(slide.properties, (width_px, height_px), size), maxworkers=1, resolution=per_cm if downsample == 1 else None,
                resolutionunit="CENTIMETER" if per_cm and downsample == 1 else None,
            )  # fmt: skip
            downsample *= 2
            if max(size) <= TILE_PX or downsample / _source_level(slide, downsample)[1] > _RATIO_MOST:
                return


def background(properties: Any) -> tuple[int, int, int]:
    """The colour behind the tissue (openslide.background-color, RRGGBB), white where none is stated."""
    text = str(properties.get("openslide.background-color", ""))
    try:
        return (int(text[:2], 16), int(text[2:4], 16), int(text[4:6], 16))
    except ValueError:
        return (255, 255, 255)


def flattened(region: Image.Image, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """(rows, columns, 3) uint8 of an RGBA region over ``colour``."""
    if region.getchannel("A").getextrema() == (255, 255):
        return np.asarray(region.convert("RGB"))
    return np.asarray(Image.alpha_composite(Image.new("RGBA", region.size, (*colour, 255)), region).convert("RGB"))


def _tiles(slide: openslide.OpenSlide, downsample: int, size: tuple[int, int], colour: tuple[int, int, int]) -> Iterator[NDArray[np.uint8]]:
    """The level's tiles row by row, each (TILE_PX, TILE_PX, 3) uint8, padded with ``colour``."""
    level, finer = _source_level(slide, downsample)
    ratio = downsample / finer
    block = max(1, int(_BLOCK_PX / ratio) // TILE_PX) * TILE_PX
    columns = -(-size[0] // TILE_PX) * TILE_PX
    for top in range(0, size[1], TILE_PX):
        for left in range(0, columns, block):
            width = min(block, columns - left)
            region = slide.read_region((left * downsample, top * downsample), level, (round(width * ratio), round(TILE_PX * ratio)))
            if region.size != (width, TILE_PX):
                region = region.resize((width, TILE_PX), Image.Resampling.BOX)
            pixels = flattened(region, colour)
            for start in range(0, width, TILE_PX):
                yield np.ascontiguousarray(pixels[:, start : start + TILE_PX])


def _source_level(slide: openslide.OpenSlide, downsample: int) -> tuple[int, float]:
    """(level, its downsample) of the coarsest stored level that is at least as fine."""
    # Stored downsamples are of rounded sizes, such as 4.0003.
    level = max(number for number, stored in enumerate(slide.level_downsamples) if number == 0 or stored <= downsample * 1.001)
    stored = slide.level_downsamples[level]
    return level, float(round(stored) if abs(stored - round(stored)) < 0.01 * stored else stored)


def _description(properties: Any, full: tuple[int, int], size: tuple[int, int]) -> str:
    """What OpenSlide and QuPath need to see size, objective and mpp of an Aperio slide; nothing of the source's own texts."""
    text = f"Aperio Image Library\r\n{full[0]}x{full[1]} ({TILE_PX}x{TILE_PX})"
    if size != full:
        return f"{text} -> {size[0]}x{size[1]} JPEG/RGB Q={QUALITY}"
    power, mpp = _positive(properties.get("openslide.objective-power")), _positive(properties.get("openslide.mpp-x"))
    return text + f" JPEG/RGB Q={QUALITY}" + (f"|AppMag = {power:g}" if power else "") + (f"|MPP = {mpp:.6g}" if mpp else "")


def _positive(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if 0 < value < 1e6 else None

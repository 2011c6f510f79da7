"""A picture of a slide put together from its stored tiles. Arithmetic only; runs in a decoder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from isocenter.imaging.tiles import decoded

_WHITE = 255

Pixels = NDArray[np.uint8]


def put_together(pieces: list[tuple[int, int, bytes | None]], full_width: int, full_height: int, width: int, height: int) -> Pixels:
    """(height, width, 3): JPEG tiles laid at (left, top) px on white, holes left white, and the whole brought to ``width`` x ``height``."""
    canvas = np.full((full_height, full_width, 3), _WHITE, np.uint8)
    for left, top, jpeg in pieces:
        if jpeg is None:
            continue
        tile = decoded(jpeg)
        x, y = max(0, left), max(0, top)
        part = tile[y - top : y - top + full_height - y, x - left : x - left + full_width - x]
        canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    return canvas if (full_width, full_height) == (width, height) else resized(canvas, width, height)


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """(height, width, 3): smaller by the mean of what a pixel covers, larger by cubic interpolation."""
    method = Image.Resampling.BOX if pixels.shape[1] >= width else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), method))

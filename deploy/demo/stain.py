"""Drawn tissue in the colours of haematoxylin and eosin, and a pyramidal slide in the Aperio layout made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from deploy.demo.anatomy import resize, smooth_noise

MPP = 0.5  # microns per pixel at 20x


def draw_tissue(rng: np.random.Generator, size: int, malignant: bool, border: bool = False) -> NDArray[np.uint8]:
    """A square field of ``size`` pixels at 0.5 microns each: (rows, columns, 3). ``border``: glass around the tissue."""
    coarse, middle, fine = (smooth_noise(rng, size, size, cell) for cell in (160, 40, 7))
    eosin = np.stack([232 + 10 * middle + 6 * fine, 176 + 28 * middle + 14 * fine, 205 + 14 * middle + 9 * fine], axis=-1)
    glass = np.array([243.0, 241.0, 244.0])
    lumen = np.clip((coarse + 0.6 * middle - 0.62) * 7, 0, 1)[..., None]
    eosin = eosin * (1 - lumen) + glass * lumen
    inside = 1 - lumen[..., 0]
    if border:
        y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
        shape = np.clip((0.86 + 0.22 * smooth_noise(rng, size, size, size // 5) - np.hypot(x, y * 1.15)) * 40, 0, 1)
        eosin = eosin * shape[..., None] + glass * (1 - shape[..., None])
        inside = inside * shape
    picture = Image.fromarray(np.clip(eosin, 0, 255).astype(np.uint8))
    _draw_nuclei(ImageDraw.Draw(picture), rng, inside, coarse, size, malignant)
    return np.asarray(picture)


def _draw_nuclei(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, inside: NDArray[np.floating], coarse: NDArray[np.floating], size: int, malignant: bool
) -> None:
    """Round and even when benign; crowded in nests, larger and uneven when malignant."""
    wanted = size * size // (420 if malignant else 800)
    places = rng.integers(0, size, (wanted, 2))
    for row, column in places:
        nest = coarse[row, column] > 0.1
        if inside[row, column] < 0.8 or (malignant and not nest and rng.random() < 0.7):
            continue
        radius = rng.uniform(6, 12) if malignant and nest else rng.uniform(4, 6.5)
        stretch = rng.uniform(0.6, 1) if malignant else rng.uniform(0.8, 1)
        shade = int(rng.integers(0, 45))
        box = (column - radius, row - radius * stretch, column + radius, row + radius * stretch)
        draw.ellipse(box, fill=(88 + shade, 52 + shade, 128 + shade), outline=(66, 40, 110))
        if malignant and nest:
            draw.ellipse((column - 2, row - 2, column + 1, row + 1), fill=(52, 24, 92))


def draw_label(lines: list[str]) -> NDArray[np.uint8]:
    """The paper label at the end of a glass slide, with the patient's name on it: what must never be released."""
    picture = Image.new("RGB", (380, 300), (250, 250, 240))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=30)
    for index, line in enumerate(lines):
        draw.text((24, 30 + 56 * index), line, fill=(15, 15, 30), font=font)
    return np.asarray(picture)


def write_slide(path: Path, rng: np.random.Generator, label_lines: list[str], malignant: bool) -> None:
    """An Aperio-like SVS: 2048 x 2048 in JPEG tiles, two smaller levels, thumbnail, label and macro picture."""
    full = draw_tissue(rng, 2048, malignant, border=True)
    levels = [full] + [_shrink(full, side) for side in (1024, 256)]
    thumbnail = _shrink(full, 512)
    label = draw_label(label_lines)
    macro = np.full((340, 900, 3), 238, np.uint8)
    macro[20:320, 10:390] = label
    macro[40:296, 560:816] = levels[2]
    head = "Aperio Image Library v11.2.1 \r\n2048x2048 [0,0 2048x2048] (256x256) JPEG/RGB Q=85"
    facts = f"|AppMag = 20|MPP = {MPP}|User = DEMO|Date = 05/14/24|Time = 09:12:30|Filename = {label_lines[0]}"
    # tifffile turns RGB into YCbCr inside the JPEG tiles, as Aperio's scanners do, and says so in the page
    tiled: dict[str, Any] = {"tile": (256, 256), "photometric": "rgb", "compression": "jpeg", "metadata": None, "software": False}
    flat: dict[str, Any] = {"photometric": "rgb", "compression": "lzw", "metadata": None, "software": False}
    with tifffile.TiffWriter(path) as out:
        out.write(levels[0], description=head + facts, compressionargs={"level": 85}, **tiled)
        out.write(thumbnail, description=f"{head} -> 512x512 - {facts}", **flat)
        for level in levels[1:]:
            out.write(level, description=f"{head} -> {level.shape[1]}x{level.shape[0]} {facts}", compressionargs={"level": 85}, **tiled)
        out.write(label, description="Aperio Image Library v11.2.1\r\nlabel 380x300", subfiletype=1, **flat)
        out.write(macro, description="Aperio Image Library v11.2.1\r\nmacro 900x340", subfiletype=9, **flat)


def _shrink(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    channels = [resize(pixels[..., channel], side, side) for channel in range(3)]
    return np.clip(np.stack(channels, axis=-1), 0, 255).astype(np.uint8)

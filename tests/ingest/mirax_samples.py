"""A small MIRAX slide, written by hand from the layout OpenSlide reads (openslide-vendor-mirax.c): one camera picture an image, two levels, a label."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

IMAGE_PX = 200
COLUMNS, ROWS = 4, 2
MISSING = (2, 1)  # (column, row) that the scanner left out
SLIDE_ID = "0123456789ABCDEF0123456789ABCDEF"
NAME = "Zqhidden"


def mirax_pixels() -> np.ndarray[Any, Any]:
    """(400, 800, 3) uint8: smooth colours, so that JPEG costs little."""
    y, x = np.mgrid[0 : ROWS * IMAGE_PX, 0 : COLUMNS * IMAGE_PX]
    return np.stack([60 + x // 8, 200 - y // 4, 90 + (x + y) // 16], -1).astype(np.uint8)


def write_mirax(path: Path) -> Path:
    """``path`` (.mrxs) and the folder of its name."""
    folder = path.with_suffix("")
    folder.mkdir(parents=True)
    data = bytearray(b"\0" * 16)
    full = mirax_pixels()

    def stored(pixels: np.ndarray[Any, Any]) -> tuple[int, int]:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=95, subsampling=0)
        place = len(data), buffer.tell()
        data.extend(buffer.getvalue())
        return place

    levels: list[list[tuple[int, int, int, int]]] = []
    for step in (1, 2):
        entries = []
        for row in range(0, ROWS, step):
            for column in range(0, COLUMNS, step):
                if step == 1 and (column, row) == MISSING:
                    continue
                top, left, side = row * IMAGE_PX, column * IMAGE_PX, IMAGE_PX * step
                entries.append((row * COLUMNS + column, *stored(full[top : top + side : step, left : left + side : step]), 0))
        levels.append(entries)
    label = stored(np.full((40, 60, 3), 128, np.uint8))
    path.write_bytes(bytes(data[16 : 16 + 4]))
    (folder / "Data0000.dat").write_bytes(data)
    (folder / "Index.dat").write_bytes(_index(levels, label))
    (folder / "Slidedat.ini").write_text(_slidedat(), "utf-8")
    return path


def _index(levels: list[list[tuple[int, int, int, int]]], label: tuple[int, int]) -> bytes:
    """Version, slide id, then pointers to pages of (image index, offset, length, file) for each level and to the label's record."""
    index = bytearray(b"01.02" + SLIDE_ID.encode())
    roots = len(index)
    index += b"\0" * 8

    def put(*values: int) -> int:
        place = len(index)
        index.extend(struct.pack(f"<{len(values)}i", *values))
        return place

    heads = [put(0, put(len(entries), 0, *(value for entry in entries for value in entry))) for entries in levels]
    struct.pack_into("<i", index, roots, put(*heads))
    struct.pack_into("<i", index, roots + 4, put(put(0, put(1, 0, 0, 0, *label, 0))))
    return bytes(index)


def _slidedat() -> str:
    level = "\n".join(
        [
            "[LAYER_0_LEVEL_{0}_SECTION]", "IMAGE_CONCAT_FACTOR={0}", "OVERLAP_X=0", "OVERLAP_Y=0", "MICROMETER_PER_PIXEL_X={1}",
            "MICROMETER_PER_PIXEL_Y={1}", "IMAGE_FILL_COLOR_BGR=16777215", f"DIGITIZER_WIDTH={IMAGE_PX}", f"DIGITIZER_HEIGHT={IMAGE_PX}",
            "IMAGE_FORMAT=JPEG",
        ]
    )  # fmt: skip
    return "\n".join(
        [
            "[GENERAL]", "SLIDE_VERSION=01.02", f"SLIDE_ID={SLIDE_ID}", f"SLIDE_NAME={NAME}", f"IMAGENUMBER_X={COLUMNS}", f"IMAGENUMBER_Y={ROWS}",
            "OBJECTIVE_MAGNIFICATION=20", "CameraImageDivisionsPerSide=1",
            "[HIERARCHICAL]", "HIER_COUNT=1", "NONHIER_COUNT=1", "INDEXFILE=Index.dat", "HIER_0_NAME=Slide zoom level", "HIER_0_COUNT=2",
            "HIER_0_VAL_0_SECTION=LAYER_0_LEVEL_0_SECTION", "HIER_0_VAL_1_SECTION=LAYER_0_LEVEL_1_SECTION", "NONHIER_0_NAME=Scan data layer",
            "NONHIER_0_COUNT=1", "NONHIER_0_VAL_0=ScanDataLayer_SlideBarcode", "NONHIER_0_VAL_0_SECTION=NONHIERLAYER_0_LEVEL_0_SECTION",
            "[DATAFILE]", "FILE_COUNT=1", "FILE_0=Data0000.dat",
            "[NONHIERLAYER_0_LEVEL_0_SECTION]", "BARCODE_IMAGE_TYPE=JPEG",
            level.format(0, 0.25), level.format(1, 0.5), "",
        ]
    )  # fmt: skip

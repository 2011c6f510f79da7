"""A TIFF writer that copies encoded tiles unchanged into a new file with chosen pages and chosen tags only.

Nothing of the source file is copied but those tiles and tag values, so no freed bytes survive. TIFF 6.0 and BigTIFF; byte
order and offset size of the source are kept, since tag values are copied as bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import tifffile

# Layout, colour and resolution (TIFF 6.0; 347 JPEGTables, 34675 ICC profile). No text, time, maker or private tag.
KEPT_TAGS = frozenset({
    254, 256, 257, 258, 259, 262, 266, 274, 277, 278, 282, 283, 284, 296, 317, 320, 322, 323, 338, 339, 347, 530, 531, 532, 34675,
})  # fmt: skip
_DESCRIPTION, _STRIPS, _TILES = 270, (273, 279), (324, 325)
_TYPE_ASCII, _TYPE_LONG, _TYPE_LONG8 = 2, 4, 16

TileFilter = Callable[[bytes, int], bytes]
"""(encoded tile, compression) -> the tile as it is written."""


def write_pages(source: tifffile.TiffFile, pages: list[Any], descriptions: list[str], out: Path, tile_filter: TileFilter) -> None:
    """Writes ``pages`` of ``source`` to ``out``; ``descriptions`` replace ImageDescription ('' writes none)."""
    order, big = source.byteorder, source.is_bigtiff
    with out.open("wb") as target:
        mark = b"II" if order == "<" else b"MM"
        head = struct.pack(f"{order}2sHHHQ", mark, 43, 8, 0, 0) if big else struct.pack(f"{order}2sHI", mark, 42, 0)
        target.write(head)
        pointer = 8 if big else 4
        for page, description in zip(pages, descriptions, strict=True):
            pointer = _write_page(source, page, description, target, pointer, tile_filter)


def _write_page(source: tifffile.TiffFile, page: Any, description: str, target: BinaryIO, pointer: int, tile_filter: TileFilter) -> int:
    """Writes one page's tiles, values and directory; returns where the pointer to the next directory stands."""
    order, big = source.byteorder, source.is_bigtiff
    long_type, long_form = (_TYPE_LONG8, "Q") if big else (_TYPE_LONG, "I")
    offsets, counts = _copy_tiles(source, page, target, tile_filter)
    codes = _TILES if page.is_tiled else _STRIPS
    entries: dict[int, tuple[int, int, bytes]] = {
        codes[0]: (long_type, len(offsets), struct.pack(f"{order}{len(offsets)}{long_form}", *offsets)),
        codes[1]: (long_type, len(counts), struct.pack(f"{order}{len(counts)}{long_form}", *counts)),
    }
    for tag in page.tags:
        if tag.code in KEPT_TAGS:
            value = _raw_value(source, tag)
            value = tile_filter(value, int(page.compression)) if tag.code == 347 else value
            count = len(value) if tag.code == 347 else tag.count
            entries[tag.code] = (int(tag.dtype), count, value)
    if description:
        text = description.encode("ascii", "replace") + b"\0"
        entries[_DESCRIPTION] = (_TYPE_ASCII, len(text), text)
    inline = 8 if big else 4
    placed: list[bytes] = []
    for code in sorted(entries):
        kind, count, value = entries[code]
        if len(value) > inline:
            at = _align(target)
            target.write(value)
            value = struct.pack(f"{order}{long_form}", at)
        placed.append(struct.pack(f"{order}HH{long_form}", code, kind, count) + value.ljust(inline, b"\0"))
    start = _align(target)
    target.write(struct.pack(f"{order}{'Q' if big else 'H'}", len(placed)) + b"".join(placed))
    following = target.tell()
    target.write(struct.pack(f"{order}{long_form}", 0))
    end = target.tell()
    target.seek(pointer)
    target.write(struct.pack(f"{order}{long_form}", start))
    target.seek(end)
    return following


def _copy_tiles(source: tifffile.TiffFile, page: Any, target: BinaryIO, tile_filter: TileFilter) -> tuple[list[int], list[int]]:
    offsets, counts = [], []
    for offset, length in zip(page.dataoffsets, page.databytecounts, strict=True):
        if not length:
            offsets.append(0)
            counts.append(0)
            continue
        source.filehandle.seek(offset)
        tile = source.filehandle.read(length)
        if len(tile) != length:
            raise ValueError("a tile runs past the end of the file")
        tile = tile_filter(tile, int(page.compression))
        offsets.append(_align(target))
        counts.append(len(tile))
        target.write(tile)
    if offsets and not source.is_bigtiff and target.tell() >= 1 << 32:
        raise ValueError("more than 4 GiB in a classic TIFF")
    return offsets, counts


def _raw_value(source: tifffile.TiffFile, tag: Any) -> bytes:
    source.filehandle.seek(tag.valueoffset)
    return bytes(source.filehandle.read(tag.valuebytecount))


def _align(target: BinaryIO) -> int:
    position = target.tell()
    if position % 2:
        target.write(b"\0")
        position += 1
    return position

"""The common picture made quickly: one grey native frame through a table, without a dataset being parsed.

The table holds what :func:`isocenter.imaging.window.to_uint8` makes of every stored value there can be, so the pixels are the same by construction;
whatever is not plain (palettes, LUT sequences, compressed or unusual pixels, nested headers) is left to :mod:`services.viewer.render`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from isocenter.imaging.window import Window, header_window, to_uint8

_LONG = frozenset({b"OB", b"OW", b"SQ", b"UN", b"UT", b"OF", b"OD", b"OL", b"OV", b"UC", b"UR", b"SV", b"UV"})
_UNDEFINED = 0xFFFFFFFF
_EXPLICIT_LITTLE_ENDIAN = b"1.2.840.10008.1.2.1"
_SYNTAX = 0x00020010
_SAMPLES, _PHOTOMETRIC, _ROWS, _COLUMNS = 0x00280002, 0x00280004, 0x00280010, 0x00280011
_ALLOCATED, _STORED, _SIGNED = 0x00280100, 0x00280101, 0x00280103
_CENTER, _WIDTH, _INTERCEPT, _SLOPE, _FUNCTION = 0x00281050, 0x00281051, 0x00281052, 0x00281053, 0x00281056
_WANTED = frozenset({_SYNTAX, _SAMPLES, _PHOTOMETRIC, _ROWS, _COLUMNS, _ALLOCATED, _STORED, _SIGNED, _CENTER, _WIDTH, _INTERCEPT, _SLOPE, _FUNCTION})
# Modality and VOI LUTs and the functional groups of enhanced objects: not plain.
_NOT_PLAIN = frozenset({0x00283000, 0x00283010, 0x52009229, 0x52009230, 0x00189004})
_HEAD = struct.Struct("<HH2sH")


@dataclass(frozen=True, slots=True)
class Plain:
    """How a plain grey frame is laid out and shown. Decimal strings as they are stored; '' = absent."""

    rows: int
    columns: int
    allocated_bits: int
    stored_bits: int
    signed: bool
    photometric: str
    intercept: str
    slope: str
    center: str
    width: str
    function: str


def plain_header(header: bytes | memoryview) -> Plain | None:
    """What the header before the pixel data tells, None when the frame is not plain or the header is not a flat explicit little endian one."""
    values: dict[int, bytes] = {}
    position, end = 132, len(header)
    data = bytes(header)
    if data[128:132] != b"DICM":
        return None
    while position + 8 <= end:
        group, element, vr, length = _HEAD.unpack_from(data, position)
        position += 8
        if vr in _LONG:
            if position + 4 > end:
                return None
            (length,) = struct.unpack_from("<I", data, position)
            position += 4
        tag = group << 16 | element
        if tag == 0x7FE00010:
            break
        if length == _UNDEFINED or tag in _NOT_PLAIN or not vr.isalpha():
            return None
        if tag in _WANTED:
            values[tag] = data[position : position + length]
        position += length
    return _plain(values)


def _plain(values: dict[int, bytes]) -> Plain | None:
    def text(tag: int) -> str:
        return values.get(tag, b"").decode("latin-1").strip(" \0")

    def number(tag: int) -> int:
        found = values.get(tag, b"")
        return int.from_bytes(found, "little") if len(found) == 2 else -1

    if values.get(_SYNTAX, b"").rstrip(b"\0 ") != _EXPLICIT_LITTLE_ENDIAN or number(_SAMPLES) != 1:
        return None
    found = Plain(
        number(_ROWS), number(_COLUMNS), number(_ALLOCATED), number(_STORED), number(_SIGNED) == 1, text(_PHOTOMETRIC), text(_INTERCEPT), text(_SLOPE),
        text(_CENTER), text(_WIDTH), text(_FUNCTION),
    )  # fmt: skip
    usable = found.rows > 0 and found.columns > 0 and found.allocated_bits in (8, 16) and 0 < found.stored_bits <= found.allocated_bits
    grey = found.photometric in ("MONOCHROME1", "MONOCHROME2") and number(_SIGNED) in (0, 1) and bool(found.intercept) == bool(found.slope)
    return found if usable and grey else None


def shown(plain: Plain, frame: bytes | memoryview, window: Window | None) -> NDArray[np.uint8] | None:
    """(rows, columns) uint8 as a screen shows them; None when the frame has other bytes than its header says, or needs its own percentiles."""
    if len(frame) != plain.rows * plain.columns * plain.allocated_bits // 8 or (window is None and not (plain.center and plain.width)):
        return None
    stored = np.frombuffer(frame, f"<u{plain.allocated_bits // 8}").reshape(plain.rows, plain.columns)
    if plain.stored_bits < plain.allocated_bits and not _in_range(plain, stored):
        return None
    table = _table(plain.allocated_bits, plain.signed, plain.photometric, plain.intercept, plain.slope, plain.center, plain.width, plain.function, window)
    return None if table is None else table.take(stored)


def _in_range(plain: Plain, stored: NDArray[np.unsignedinteger]) -> bool:
    """Whether the bits above ``stored_bits`` are empty or copies of the sign."""
    values = stored.view(f"<i{plain.allocated_bits // 8}") if plain.signed else stored
    low, high = (-(1 << (plain.stored_bits - 1)), (1 << (plain.stored_bits - 1)) - 1) if plain.signed else (0, (1 << plain.stored_bits) - 1)
    return bool(values.min() >= low and values.max() <= high)


@lru_cache(maxsize=64)
def _table(
    bits: int, signed: bool, photometric: str, intercept: str, slope: str, center: str, width: str, function: str, window: Window | None
) -> NDArray[np.uint8] | None:
    """Stored value (its bits read as unsigned) -> grey, by the same function that draws everything else."""
    every = np.arange(1 << bits, dtype=f"<u{bits // 8}")
    ds = Dataset()
    ds.PhotometricInterpretation = photometric
    try:
        if slope:
            ds.RescaleIntercept, ds.RescaleSlope = _first(intercept), _first(slope)
        if center and width:
            ds.WindowCenter, ds.WindowWidth = _first(center), _first(width)
            if function:
                ds.VOILUTFunction = function
    except ValueError:
        return None
    if window is None and header_window(ds) is None:
        return None  # the percentiles of the frame decide
    return to_uint8((every.view(f"<i{bits // 8}") if signed else every).reshape(1, -1), ds, window).reshape(-1)


def _first(text: str) -> float:
    """The first of several values: what the window function takes."""
    return float(text.split("\\")[0])

"""The pixel data element of a released DICOM file, and where each of its frames will lie."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian

from isocenter.imaging.frames import Span, encapsulated_items, frame_count, frames_of_items, native_frame_bits, native_spans
from services.ingest.deidentify.streams import strip_stream

_BOT_LIMIT_BYTES = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class WrittenPixels:
    """Bytes of the whole element, its header included, in pieces to be written one after the other."""

    pieces: tuple[bytes | memoryview, ...]
    value_offset: int  # of the value, from the element's first byte
    frames: tuple[Span, ...]  # from the element's first byte
    notes: tuple[str, ...]


def written_pixels(ds: Dataset, source: UID, implicit: bool) -> WrittenPixels:
    """PixelData as it is released: transfer syntax kept (big endian swapped), one fragment per frame, a full offset table,
    no comments, no padding beyond the even length. DamagedStream or FramesUnknown when the streams cannot be walked."""
    return _encapsulated(ds, source) if source.is_encapsulated else _native(ds, source, implicit)


def _encapsulated(ds: Dataset, source: UID) -> WrittenPixels:
    data = ds.PixelData
    extended: tuple[int, ...] = ()
    if ds.get("ExtendedOffsetTable"):
        extended = struct.unpack(f"<{len(ds.ExtendedOffsetTable) // 8}Q", ds.ExtendedOffsetTable)
    groups = frames_of_items(data, encapsulated_items(data), frame_count(ds), extended)
    pieces: list[bytes | memoryview] = []
    frames: list[Span] = []
    offsets: list[int] = []
    changed = merged = False
    position = 0  # from the first byte after the offset table
    for group in groups:
        stream = b"".join(data[offset : offset + length] for offset, length in group)
        clean = strip_stream(stream, str(source))
        changed |= clean.rstrip(b"\0") != stream.rstrip(b"\0")
        merged |= len(group) > 1
        padded = clean + b"\0" * (len(clean) % 2)
        offsets.append(position)
        frames.append((position + 8, len(padded)))
        pieces += [b"\xfe\xff\x00\xe0" + struct.pack("<I", len(padded)), padded]
        position += 8 + len(padded)
    table = struct.pack(f"<{len(offsets)}I", *offsets) if position <= _BOT_LIMIT_BYTES else b""
    head = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    table_item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(table)) + table
    first = len(head) + len(table_item)
    notes = (("stream-comments-removed",) if changed else ()) + (("fragments-merged",) if merged else ())
    end = b"\xfe\xff\xdd\xe0\0\0\0\0"
    return WrittenPixels((head + table_item, *pieces, end), len(head), tuple((first + at, length) for at, length in frames), notes)


def _native(ds: Dataset, source: UID, implicit: bool) -> WrittenPixels:
    element = ds["PixelData"]
    bits = native_frame_bits(ds)
    needed = (bits * frame_count(ds) + 7) // 8
    value: bytes | memoryview = memoryview(element.value)[:needed]
    allocated = int(ds.BitsAllocated)
    if source == ExplicitVRBigEndian:
        width = allocated // 8 if allocated > 8 else (2 if element.VR == "OW" else 1)
        padded = bytes(memoryview(element.value)[: needed + needed % max(width, 1)])
        if width > 1:
            value = np.frombuffer(padded[: len(padded) // width * width], f"u{width}").byteswap().tobytes()[:needed]
    tail = b"\0" * (needed % 2)
    vr = b"OW" if allocated > 8 or implicit else (b"OW" if element.VR == "OW" else b"OB")
    length = needed + needed % 2
    head = struct.pack("<HHI", 0x7FE0, 0x0010, length) if implicit else struct.pack("<HH2sHI", 0x7FE0, 0x0010, vr, 0, length)
    notes = ("pixel-padding-removed",) if len(element.value) > length else ()
    return WrittenPixels((head, value, tail), len(head), native_spans(len(head), bits, frame_count(ds)), notes)

"""Where each frame of a DICOM file lies, in bytes: so that a frame is one ranged read and never a second parse.

Terms of PS3.5 A.4: encapsulated pixel data is a sequence of items; the first item is the Basic Offset Table (BOT), the
others are fragments; a frame is one or more fragments.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from isocenter.errors import InvalidInput

PIXEL_DATA = 0x7FE00010
_ITEM = b"\xfe\xff\x00\xe0"
_SEQUENCE_END = b"\xfe\xff\xdd\xe0"
# First bytes of a code stream: JPEG and JPEG-LS SOI, JPEG 2000 SOC, JP2 and JPEG XL containers, bare JPEG XL.
_STREAM_STARTS = (b"\xff\xd8", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ", b"\x00\x00\x00\x0cJXL ", b"\xff\x0a")

Span = tuple[int, int]
"""(offset, length) in bytes."""


class FramesUnknown(InvalidInput):
    """The pixel data cannot be divided into the number of frames that its header states."""


@dataclass(frozen=True, slots=True)
class Items:
    """The items of one encapsulated element; spans are positions of payloads in the buffer given."""

    offset_table: tuple[int, ...]
    fragments: tuple[Span, ...]
    end: int  # first byte after the sequence delimiter, or after the last item when there is none
    complete: bool  # False: the buffer ends before the last item or the delimiter


def encapsulated_items(data: bytes | memoryview, start: int = 0) -> Items:
    """Items of encapsulated pixel data that begins at ``start`` (with the item of the Basic Offset Table)."""
    fragments: list[Span] = []
    position, size = start, len(data)
    complete = False
    while position + 8 <= size:
        tag = bytes(data[position : position + 4])
        (length,) = struct.unpack_from("<I", data, position + 4)
        if tag == _SEQUENCE_END:
            position += 8
            complete = True
            break
        if tag != _ITEM:
            break
        if position + 8 + length > size:
            fragments.append((position + 8, size - position - 8))
            position = size
            break
        fragments.append((position + 8, length))
        position += 8 + length
    if not fragments:
        return Items((), (), position, complete)
    table_at, table_length = fragments[0]
    table = struct.unpack_from(f"<{table_length // 4}I", data, table_at)
    return Items(table, tuple(fragments[1:]), position, complete)


def frames_of_items(data: bytes | memoryview, items: Items, frames: int, extended: tuple[int, ...] = ()) -> list[tuple[Span, ...]]:
    """The fragments of each frame. ``extended``: the offsets of an Extended Offset Table (7FE0,0001), where there is one.

    Order of trust: as many fragments as frames; one frame; an offset table that fits; fragments that begin a code stream.
    FramesUnknown when none of these gives ``frames`` frames.
    """
    spans = items.fragments
    if not spans:
        raise FramesUnknown("The pixel data holds no fragment.")
    if len(spans) == frames:
        return [(span,) for span in spans]
    if frames == 1:
        return [spans]
    first = spans[0][0] - 8
    for table in (extended, items.offset_table):
        if len(table) == frames:
            starts = {offset + 8 + first for offset in table}
            if starts <= {offset for offset, _ in spans}:
                return _grouped(spans, starts)
    starts = {offset for offset, _ in spans if bytes(data[offset : offset + 8]).startswith(_STREAM_STARTS)}
    if len(starts) == frames and spans[0][0] in starts:
        return _grouped(spans, starts)
    raise FramesUnknown(f"{len(spans)} fragments cannot be divided into {frames} frames: there is no usable offset table.")


def _grouped(spans: tuple[Span, ...], starts: set[int]) -> list[tuple[Span, ...]]:
    groups: list[list[Span]] = []
    for span in spans:
        if span[0] in starts:
            groups.append([])
        groups[-1].append(span)
    return [tuple(group) for group in groups]


def native_frame_bits(ds: Dataset) -> int:
    """Bits of one frame of native pixel data; 4:2:2 chroma counts as two samples a pixel (PS3.3 C.7.6.3.1.2)."""
    samples = int(ds.get("SamplesPerPixel", 1) or 1)
    if ds.get("PhotometricInterpretation") in ("YBR_FULL_422", "YBR_PARTIAL_422") and samples == 3:
        samples = 2
    return int(ds.Rows) * int(ds.Columns) * samples * int(ds.BitsAllocated)


def frame_count(ds: Dataset) -> int:
    """NumberOfFrames, 1 where it is absent or empty; ValueError when it is no number."""
    return max(1, int(ds.get("NumberOfFrames", 1) or 1))


def frame_index(source: Path | bytes) -> tuple[int, tuple[Span, ...]]:
    """(offset of the pixel data value, span of every frame) of a Part-10 file as we release it.

    Native frames that do not begin on a byte boundary (1-bit, odd size) give an empty index: the value is read whole.
    FramesUnknown when a frame lies in several fragments (released files have one per frame) or the file is deflated.
    """
    with cast("BinaryIO", io.BytesIO(source)) if isinstance(source, bytes) else source.open("rb") as file:
        ds = pydicom.dcmread(file, stop_before_pixels=True, force=True)
        start = file.tell()
        head = file.read(12)
        syntax = UID(ds.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian))
        if syntax == DeflatedExplicitVRLittleEndian:
            raise FramesUnknown("A deflated dataset has no byte offsets.")
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        if len(head) < 12 or struct.unpack(f"{order}HH", head[:4]) != (0x7FE0, 0x0010):
            raise FramesUnknown("The file holds no pixel data.")
        offset = start + (8 if syntax == ImplicitVRLittleEndian else 12)
        if syntax.is_encapsulated:
            file.seek(0)
            data = file.read()
            items = encapsulated_items(data, offset)
            groups = frames_of_items(data, items, frame_count(ds))
            if any(len(group) != 1 for group in groups):
                raise FramesUnknown("A frame lies in several fragments.")
            return offset, tuple(group[0] for group in groups)
    return offset, native_spans(offset, native_frame_bits(ds), frame_count(ds))


def native_spans(offset: int, frame_bits: int, frames: int) -> tuple[Span, ...]:
    """Spans of native frames; () when several frames share a byte."""
    if frame_bits % 8 and frames > 1:
        return ()
    length = (frame_bits + 7) // 8
    return tuple((offset + n * length, length) for n in range(frames))


def read_span(path: Path, span: Span) -> bytes:
    """The bytes of one frame, by one ranged read."""
    with path.open("rb") as file:
        file.seek(span[0])
        return file.read(span[1])

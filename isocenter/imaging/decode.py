"""Pixels of one frame, decoded by permissively licensed decoders only (pydicom, pillow, gdcm, openjpeg, charls, imagecodecs).

imagecodecs comes last: it is lenient, so what only it reads (12-bit JPEG, retired JPEG processes, JPEG XL) is held
against the code stream's own rules first.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, ImplicitVRLittleEndian

from isocenter.errors import InvalidInput
from isocenter.imaging.frames import FramesUnknown, encapsulated_items, frame_count, frames_of_items, native_frame_bits
from isocenter.imaging.quiet import quiet

FRAME_LIMIT_BYTES = 1 << 30
"""A frame that decodes to more is refused: 1 GiB is 16 bit x 23,000 x 23,000, larger than any detector."""

Pixels = NDArray[Any]

_JPEG = {f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 52, 53, 54, 55, 57, 70)}
_JPEG_LS = {"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"}
_JPEG_2000 = {f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 201, 202, 203)}
_JPEG_XL = {f"1.2.840.10008.1.2.4.{n}" for n in (110, 111, 112)}
_SOF = re.compile(rb"\xff([\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf\xf7])..(.)(..)(..)", re.DOTALL)


class PixelsUnreadable(InvalidInput):
    """Pixels cannot be decoded; ``code`` says why in kebab-case: unsupported-transfer-syntax, pixel-decode-failed,
    truncated-pixel-data, too-large-to-decode, no-rows-columns."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail, code=code)
        self.code = code


def decode_frame(source: Path | bytes, index: int = 0) -> Pixels:
    """Frame ``index`` (0-based) of a DICOM file: (rows, columns) or (rows, columns, 3) RGB, row 0 at the top.

    Stored values: no rescale, no window, no palette. YBR is turned into RGB.
    """
    with quiet():
        ds = pydicom.dcmread(io.BytesIO(source) if isinstance(source, bytes) else source, force=True)
        return decode(ds, index)


def decode(ds: Dataset, index: int = 0) -> Pixels:
    """As :func:`decode_frame`, of a parsed dataset. PixelsUnreadable says why not; nothing else is raised."""
    syntax = UID(str(getattr(ds, "file_meta", Dataset()).get("TransferSyntaxUID", "") or ImplicitVRLittleEndian))
    if not _is_supported(syntax):
        raise PixelsUnreadable("unsupported-transfer-syntax", f"No decoder for transfer syntax {syntax}.")
    try:
        _check_size(ds)
        if "PixelData" in ds and not ds.PixelData:
            raise PixelsUnreadable("truncated-pixel-data", "The file ends before its pixel data does.")
        encoded = encoded_frame(ds, index) if syntax.is_encapsulated else None
        if encoded is None and "PixelData" in ds:
            _check_native_length(ds)
        if encoded is not None:
            _check_stream_size(encoded, syntax, int(ds.Rows), int(ds.Columns))
    except FramesUnknown as error:
        raise PixelsUnreadable("pixel-decode-failed", error.detail) from error
    except (ValueError, TypeError, AttributeError, struct.error) as error:
        raise PixelsUnreadable("pixel-decode-failed", "The attributes that describe the pixels are not usable.") from error
    first = _by_pydicom(ds, syntax, index)
    if isinstance(first, np.ndarray):
        return first
    if encoded is not None:
        second = _by_imagecodecs(encoded, syntax, int(ds.Rows), int(ds.Columns))
        if second is not None:
            return second
    raise first


def encoded_frame(ds: Dataset, index: int) -> bytes:
    """The code stream of one frame of an encapsulated dataset, fragments joined."""
    data = ds.PixelData
    extended: tuple[int, ...] = ()
    if "ExtendedOffsetTable" in ds and ds.ExtendedOffsetTable:
        extended = struct.unpack(f"<{len(ds.ExtendedOffsetTable) // 8}Q", ds.ExtendedOffsetTable)
    groups = frames_of_items(data, encapsulated_items(data), frame_count(ds), extended)
    if not 0 <= index < len(groups):
        raise FramesUnknown(f"There is no frame {index + 1}: the object has {len(groups)}.")
    return b"".join(data[offset : offset + length] for offset, length in groups[index])


def _is_supported(syntax: UID) -> bool:
    if syntax in _JPEG or syntax in _JPEG_XL:
        return True
    try:
        get_decoder(syntax)
    except NotImplementedError:
        return False
    return True


def _check_size(ds: Dataset) -> None:
    if not ds.get("Rows") or not ds.get("Columns"):
        raise PixelsUnreadable("no-rows-columns", "Rows or Columns is missing, so the pixels cannot be laid out.")
    frame_count(ds)
    if native_frame_bits(ds) // 8 > FRAME_LIMIT_BYTES:
        raise PixelsUnreadable("too-large-to-decode", f"A frame would decode to more than {FRAME_LIMIT_BYTES >> 20} MiB.")


def _check_native_length(ds: Dataset) -> None:
    expected = (native_frame_bits(ds) * frame_count(ds) + 7) // 8
    if len(ds.PixelData) < expected:
        raise PixelsUnreadable("truncated-pixel-data", "The file holds fewer pixel bytes than its rows, columns and frames need.")


def stream_size(stream: bytes, syntax: str) -> tuple[int, int] | None:
    """(rows, columns) that a JPEG, JPEG-LS or JPEG 2000 code stream states, None when it does not say (there)."""
    if syntax in _JPEG_2000:
        at = stream.find(b"\xff\x51", 0, 256)
        if at < 0 or len(stream) < at + 22:
            return None
        _, _, width, height, left, top = struct.unpack_from(">HHIIII", stream, at + 2)
        return height - top, width - left
    if syntax in _JPEG or syntax in _JPEG_LS:
        match = _SOF.search(stream)
        if match is None:
            return None
        rows, columns = struct.unpack(">HH", match.group(3) + match.group(4))
        return (rows, columns) if rows else None
    return None


def _check_stream_size(stream: bytes, syntax: UID, rows: int, columns: int) -> None:
    stated = stream_size(stream, str(syntax))
    # Before any decoder allocates what a hostile or damaged stream states.
    if stated is not None and stated[0] * stated[1] > max(4 * rows * columns, 1 << 22):
        raise PixelsUnreadable("pixel-decode-failed", "The compressed frame states another size than the header.")


def _by_pydicom(ds: Dataset, syntax: UID, index: int) -> Pixels | PixelsUnreadable:
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        return PixelsUnreadable("unsupported-transfer-syntax", f"No decoder for transfer syntax {syntax}.")
    try:
        pixels, _ = decoder.as_array(ds, index=index, raw=False)
    except Exception as error:  # third-party decoders raise anything for damaged streams; all of it means "not decoded"
        del error
        return PixelsUnreadable("pixel-decode-failed", "The pixels do not decode.")
    return pixels


def _by_imagecodecs(stream: bytes, syntax: UID, rows: int, columns: int) -> Pixels | None:
    import imagecodecs

    decoders: list[Callable[[bytes], Pixels]] = []
    if syntax in _JPEG and _scan_is_regular(stream):
        decoders = [imagecodecs.jpeg_decode, imagecodecs.ljpeg_decode]
    elif syntax in _JPEG_LS:
        decoders = [imagecodecs.jpegls_decode]
    elif syntax in _JPEG_2000:
        decoders = [imagecodecs.jpeg2k_decode]
    elif syntax in _JPEG_XL:
        decoders = [imagecodecs.jpegxl_decode]
    for decoder in decoders:
        try:
            pixels = np.asarray(decoder(stream))
        except (RuntimeError, ValueError, TypeError, MemoryError):
            continue
        if pixels.shape[:2] == (rows, columns) and pixels.size:
            return pixels
    return None


def _scan_is_regular(stream: bytes) -> bool:
    """ITU-T T.81 B.2.3, Table B.3: in a sequential DCT scan Ss is 0 and Se is 63. A damaged scan header decodes to noise
    in lenient decoders without any error."""
    frame = _SOF.search(stream)
    if frame is None or frame.group(1) not in (b"\xc0", b"\xc1"):
        return True
    at = stream.find(b"\xff\xda", frame.end())
    if at < 0 or len(stream) < at + 5:
        return False
    end = at + 5 + 2 * stream[at + 4]
    return stream[end : end + 2] == b"\x00\x3f"

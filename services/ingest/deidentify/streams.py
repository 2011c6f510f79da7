"""Text that hides inside code streams: comments and application segments of JPEG, JPEG-LS, JPEG 2000 and JPEG XL.

Entropy-coded data is never touched, so every pixel stays bit for bit what it was.
"""

from __future__ import annotations

import re
import struct

# After FF: anything but a stuffed 00-7F (JPEG 00, JPEG-LS 00-7F), a restart marker D0-D7, or fill FF.
_NEXT_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_BOXES_WITH_TEXT = frozenset({b"Exif", b"xml ", b"jumb", b"brob"})


class DamagedStream(ValueError):
    """The segments of a code stream contradict each other, so that text in it could not be found."""


def strip_jpeg(stream: bytes) -> bytes:
    """A JPEG or JPEG-LS stream without COM and APPn segments and without bytes after its end.

    Kept, since decoders need them: JFIF APP0 (without its thumbnail), Adobe APP14 (colour transform), HP's mrfx APP8.
    """
    if stream[:2] != b"\xff\xd8":
        raise DamagedStream("no SOI")
    out, position = [b"\xff\xd8"], 2
    while position < len(stream):
        if stream[position] != 0xFF:
            raise DamagedStream("no marker where one is due")
        while position < len(stream) and stream[position] == 0xFF:
            position += 1
        if position >= len(stream):
            break
        marker = stream[position]
        position += 1
        if marker == _EOI:
            out.append(b"\xff\xd9")
            return b"".join(out)
        if marker in _STANDALONE:
            out.append(bytes((0xFF, marker)))
            continue
        if position + 2 > len(stream):
            break
        (length,) = struct.unpack_from(">H", stream, position)
        segment = stream[position : position + length]
        if length < 2 or len(segment) < length:
            raise DamagedStream("a segment runs past the end")
        kept = _kept_segment(marker, segment)
        if kept is not None:
            out.append(bytes((0xFF, marker)) + kept)
        position += length
        if marker == _SOS:
            match = _NEXT_MARKER.search(stream, position)
            end = match.start() if match else len(stream)
            out.append(stream[position:end])
            position = end
    return b"".join(out)  # no EOI: cut off as it was


def _kept_segment(marker: int, segment: bytes) -> bytes | None:
    """The segment (length field included) as it may stay, None when it goes."""
    payload = segment[2:]
    if marker == _COM:
        return None
    if 0xE0 <= marker <= 0xEF:
        if marker == 0xE0 and payload.startswith(b"JFIF\0") and len(payload) >= 14:
            return b"\x00\x10" + payload[:12] + b"\x00\x00"
        if marker == 0xEE and payload.startswith(b"Adobe") and len(payload) >= 12:
            return b"\x00\x0e" + payload[:12]
        if marker == 0xE8 and payload.startswith(b"mrfx"):
            return segment
        return None
    return segment


def blank_jpeg_2000(stream: bytes) -> bytes:
    """A JPEG 2000 code stream whose COM segments hold blanks: lengths stay, so that no offset in it changes (T.800 A.9.2).

    Main header and all tile-part headers are walked. A JP2 file wrapper is reduced to its code stream first.
    """
    if stream[4:8] == b"jP  ":
        stream = _codestream_of_jp2(stream)
    if stream[:2] != b"\xff\x4f":
        raise DamagedStream("no SOC")
    out = bytearray(stream)
    position, tile_end = 2, 0
    while position + 2 <= len(out):
        marker = int.from_bytes(out[position : position + 2], "big")
        if marker == 0xFFD9:
            return bytes(out[: position + 2])
        if marker == 0xFF93:  # SOD: packets up to the end of the tile-part
            position = tile_end or len(out)
            continue
        if marker < 0xFF00 or position + 4 > len(out):
            raise DamagedStream("no marker where one is due")
        length = int.from_bytes(out[position + 2 : position + 4], "big")
        if length < 2 or position + 2 + length > len(out):
            raise DamagedStream("a segment runs past the end")
        if marker == 0xFF90:  # SOT: Psot counts from the marker; 0 means up to EOC
            psot = int.from_bytes(out[position + 6 : position + 10], "big")
            tile_end = position + psot if psot else _end_of_packets(out)
            if tile_end <= position:
                raise DamagedStream("a tile-part without length")
        if marker == 0xFF64:
            out[position + 6 : position + 2 + length] = b" " * (length - 4)
        position += 2 + length
    return bytes(out)


def _end_of_packets(stream: bytearray) -> int:
    end = stream.rfind(b"\xff\xd9")
    return end if end > 0 else len(stream)


def _codestream_of_jp2(stream: bytes) -> bytes:
    for kind, start, end in _boxes(stream):
        if kind == b"jp2c":
            return stream[start:end]
    raise DamagedStream("no code stream in the file wrapper")


def strip_jpeg_xl(stream: bytes) -> bytes:
    """A JPEG XL container without its Exif, XML and JUMBF boxes; a bare code stream as it is."""
    if stream[4:8] != b"JXL ":
        return stream
    parts, last = [], 0
    for kind, _, end in _boxes(stream):
        if kind not in _BOXES_WITH_TEXT:
            parts.append(stream[last:end])
        last = end
    return b"".join(parts)


def _boxes(stream: bytes) -> list[tuple[bytes, int, int]]:
    """(type, start of payload, end) of the top-level ISO boxes."""
    found, position = [], 0
    while position + 8 <= len(stream):
        length, kind = int.from_bytes(stream[position : position + 4], "big"), stream[position + 4 : position + 8]
        head = 8
        if length == 1:
            length, head = int.from_bytes(stream[position + 8 : position + 16], "big"), 16
        end = len(stream) if length == 0 else position + length
        if end <= position or end > len(stream) + 1:
            raise DamagedStream("a box runs past the end")
        found.append((kind, position + head, min(end, len(stream))))
        position = end
    return found


def strip_stream(stream: bytes, syntax: str) -> bytes:
    """One frame without hidden text, by its transfer syntax; RLE has no place for any."""
    number = syntax.removeprefix("1.2.840.10008.1.2.4.")
    if number in ("50", "51", "52", "53", "54", "55", "57", "70", "80", "81"):
        return strip_jpeg(stream)
    if number in ("90", "91", "201", "202", "203"):
        return blank_jpeg_2000(stream)
    if number in ("110", "111", "112"):
        return strip_jpeg_xl(stream)
    if syntax == "1.2.840.10008.1.2.5":
        return stream
    raise DamagedStream("no rule for this transfer syntax")

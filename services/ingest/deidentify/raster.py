"""De-identifying PNG and JPEG: chunks and segments that hold text are cut out, pixels are never re-encoded."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

from PIL import Image

from isocenter.keys import SiteKey
from services.ingest.deidentify.policy import DeidPolicy
from services.ingest.deidentify.streams import DamagedStream, strip_jpeg
from services.ingest.deidentify.words import known_values
from services.ingest.records import ImageFacts, ImageFormat, NewUids, Outcome, Refusal, Released, Subject

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What decoding and colour need (PNG specification, 11.2 and 11.3); no text, time, Exif or profile.
_PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs"})
_ORIENTATION = 0x0112


def deidentify_raster(
    path: Path, facts: ImageFacts, subject: Subject, uids: NewUids, key: SiteKey, policy: DeidPolicy, out_dir: Path
) -> Released | Refusal:
    """Writes ``out_dir/<new SOP UID>.png|jpg`` and decodes it again. An Exif rotation is dropped with a note: the pixels are
    served as they are stored."""
    data = path.read_bytes()
    png = facts.format is ImageFormat.PNG
    notes = list(_orientation_note(path))
    try:
        clean, kept = strip_png(data) if png else (strip_jpeg(data), b"")
    except (DamagedStream, struct.error, ValueError):
        return Refusal(Outcome.REVIEW, "pixel-stream-not-cleanable", "The picture's parts cannot be walked, so text in it cannot be ruled out.")
    if len(clean) != len(data):
        notes.append("metadata-removed")
    if known_values(subject.known_values, (), policy.words).in_bytes(kept):
        return Refusal(Outcome.REVIEW, "leak-suspected", "A part of the picture that is no pixel still holds a known value.")
    extension = "png" if png else "jpg"
    out = out_dir / f"{uids.sop_uid}.{extension}"
    out.write_bytes(clean)
    with Image.open(path) as before, Image.open(out) as after:
        same = before.size == after.size and before.mode == after.mode and before.tobytes() == after.tobytes()
    if not same:
        out.unlink()
        return Refusal(Outcome.REVIEW, "not-cleanable", "The picture decodes differently without its metadata.")
    return Released(
        media_type="image/png" if png else "image/jpeg", extension=extension, size_bytes=len(clean), sha256=hashlib.sha256(clean).hexdigest(),
        pixel_offset=None, frame_index=(), held=facts.pixels_may_hold_text, notes=tuple(notes),
    )  # fmt: skip


def strip_png(data: bytes) -> tuple[bytes, bytes]:
    """(the PNG with only the chunks that decoding needs, the payloads kept besides pixels); DamagedStream on a bad chunk."""
    if not data.startswith(_SIGNATURE):
        raise DamagedStream("no signature")
    out, kept, position = [_SIGNATURE], [], len(_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind, end = data[position + 4 : position + 8], position + 12 + length
        if end > len(data) or struct.unpack_from(">I", data, end - 4)[0] != zlib.crc32(data[position + 4 : end - 4]):
            raise DamagedStream("a chunk is damaged")
        if kind in _PNG_CHUNKS:
            out.append(data[position:end])
            if kind != b"IDAT":
                kept.append(data[position + 8 : end - 4])
        position = end
        if kind == b"IEND":
            return b"".join(out), b"\0".join(kept)
    raise DamagedStream("no end")


def _orientation_note(path: Path) -> tuple[str, ...]:
    with Image.open(path) as picture:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    return (f"exif-orientation-{orientation}-dropped",) if isinstance(orientation, int) and orientation != 1 else ()

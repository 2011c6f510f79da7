"""What a DICOMweb client takes (PS3.18 8.3.3 and 8.7): multipart or single part, which media type, which transfer syntax."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from urllib.parse import parse_qs

from starlette.types import Scope

from isocenter.errors import InvalidInput

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
NATIVE = frozenset({EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", ""})
# PS3.18 table 8.7.3-2 and -5.
STREAM_TYPES = {
    **{f"1.2.840.10008.1.2.4.{n}": "image/jpeg" for n in (50, 51, 57, 70)},
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    **{f"1.2.840.10008.1.2.4.{n}": "image/jphc" for n in (201, 202, 203)},
    **{f"1.2.840.10008.1.2.4.{n}": "image/jxl" for n in (110, 111, 112)},
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One entry of an Accept header; ``media_type`` is the part's when it is multipart."""

    multipart: bool
    media_type: str
    transfer_syntax: str  # "*", a UID or "" when not said


@dataclass(frozen=True, slots=True)
class FrameForm:
    """How frames are sent: ``decoded`` to explicit little endian, or as they are stored."""

    multipart: bool
    media_type: str
    transfer_syntax: str
    decoded: bool


def wanted_of(scope: Scope) -> list[Wanted]:
    """The entries of Accept, by quality; the query's ``accept`` counts first (PS3.18 8.3.3.1). Empty = anything."""
    query = parse_qs(scope["query_string"].decode("latin-1")).get("accept", [])
    header = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
    entries: list[tuple[float, Wanted]] = []
    for text in query or header:
        for entry in re.findall(r'(?:[^,"]|"[^"]*")+', text):
            message = Message()
            message["content-type"] = entry.strip()
            parameters = {name.lower(): str(value) for name, value in message.get_params([]) or []}
            media_type = entry.split(";", 1)[0].strip().lower()
            try:
                quality = float(parameters.get("q", "1"))
            except ValueError:
                quality = 0.0
            multipart = media_type == "multipart/related"
            part = parameters.get("type", "*/*").lower() if multipart else media_type
            entries.append((quality, Wanted(multipart, part, parameters.get("transfer-syntax", ""))))
    return [wanted for quality, wanted in sorted(entries, key=lambda pair: -pair[0]) if quality > 0]


def frame_form(wanted: list[Wanted], stored: str, frames: int) -> FrameForm:
    """The form for frames stored in transfer syntax ``stored``; InvalidInput when nothing that is taken can be given.

    octet-stream without a transfer syntax means explicit little endian (PS3.18 8.7.3.5.2), ``*`` means as stored.
    """
    native = stored in NATIVE
    own_type = STREAM_TYPES.get(stored, "application/octet-stream")
    for entry in wanted or [Wanted(True, "*/*", "*")]:
        multipart = entry.multipart or entry.media_type in ("*/*", "application/*") or frames > 1
        if not entry.multipart and multipart and entry.media_type not in ("*/*", "application/*"):
            continue
        octets = entry.media_type in ("application/octet-stream", "*/*", "application/*")
        if octets and (native or (entry.transfer_syntax in ("", EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN) and entry.media_type != "*/*")):
            return FrameForm(multipart, "application/octet-stream", EXPLICIT_LITTLE_ENDIAN, not native)
        if octets and entry.transfer_syntax in ("*", "", stored):
            return FrameForm(multipart, own_type if entry.media_type == "*/*" else "application/octet-stream", stored, False)
        if not native and entry.media_type in (own_type, "image/*") and entry.transfer_syntax in ("", "*", stored):
            return FrameForm(multipart, own_type, stored, False)
    raise InvalidInput(
        'These frames can be had as multipart/related; type="application/octet-stream"; transfer-syntax=* (as stored) or without transfer-syntax (decoded).',
        field="Accept",
    )


def picture_type(wanted: list[Wanted]) -> str:
    """image/png when it is asked for before image/jpeg, else image/jpeg."""
    for entry in wanted:
        if entry.media_type in ("image/jpeg", "image/*", "*/*"):
            return "image/jpeg"
        if entry.media_type == "image/png":
            return "image/png"
    return "image/jpeg"

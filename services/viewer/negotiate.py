"""What a DICOMweb client takes (PS3.18 8.3.3 and 8.7): multipart or single part, which media type, which transfer syntax."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from urllib.parse import parse_qs

from starlette.types import Scope

from isocenter.errors import NotAcceptable

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


# What frames and objects can be encoded to, by media type; the first of each is the default (PS3.18 table 8.7.3-5).
TARGETS = {
    "image/jpeg": ("1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.50"),
    "image/jls": ("1.2.840.10008.1.2.4.80",),
    "image/jp2": ("1.2.840.10008.1.2.4.90",),
    "image/jphc": ("1.2.840.10008.1.2.4.201",),
    "image/dicom-rle": ("1.2.840.10008.1.2.5",),
}
ENCODED = {syntax: media_type for media_type, syntaxes in TARGETS.items() for syntax in syntaxes}
LOSSY_TARGETS = frozenset({"1.2.840.10008.1.2.4.50"})
_ANY = ("*/*", "application/*")
DICOM_JSON, DICOM_XML = "application/dicom+json", "application/dicom+xml"


@dataclass(frozen=True, slots=True)
class FrameForm:
    """How frames are sent: as they are stored, ``decoded`` to explicit little endian, or ``encoded`` to another transfer syntax."""

    multipart: bool
    media_type: str
    transfer_syntax: str
    decoded: bool
    encoded: bool = False

    @property
    def stored(self) -> bool:
        return not (self.decoded or self.encoded)


@dataclass(frozen=True, slots=True)
class ObjectForm:
    """How whole objects are sent: ``kind`` is multipart, single or zip; ``transfer_syntax`` '' = as stored."""

    kind: str
    transfer_syntax: str = ""


def wanted_of(scope: Scope) -> list[Wanted]:
    """The entries of Accept, by quality; the query's ``accept`` counts first (PS3.18 8.3.3.1). Empty = anything."""
    raw = scope["query_string"]
    query = parse_qs(raw.decode("latin-1")).get("accept", []) if b"accept" in raw or b"%" in raw else []
    header = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
    return list(_parsed(tuple(query or header)))


@lru_cache(maxsize=256)
def _parsed(texts: tuple[str, ...]) -> tuple[Wanted, ...]:
    """A client sends the same Accept with each of its thousand frames."""
    entries: list[tuple[float, Wanted]] = []
    for text in texts:
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
    return tuple(wanted for quality, wanted in sorted(entries, key=lambda pair: -pair[0]) if quality > 0)


def document_type(wanted: list[Wanted]) -> str | None:
    """DICOM JSON or XML for results and metadata, None when neither is taken."""
    for entry in wanted or [Wanted(False, "*/*", "")]:
        if entry.media_type in (DICOM_JSON, "application/json", *_ANY):
            return DICOM_JSON
        if entry.media_type in (DICOM_XML, "text/xml", "application/xml"):
            return DICOM_XML
    return None


def frame_form(wanted: list[Wanted], stored: str, frames: int) -> FrameForm:
    """The form for frames stored in transfer syntax ``stored``; NotAcceptable when nothing that is taken can be given.

    octet-stream without a transfer syntax means explicit little endian (PS3.18 8.7.3.5.2), ``*`` means as stored.
    """
    for entry in wanted or [Wanted(True, "*/*", "*")]:
        multipart = entry.multipart or entry.media_type in _ANY or frames > 1
        if not entry.multipart and multipart and entry.media_type not in _ANY:
            continue
        found = _form_of(entry, stored, multipart)
        if found is not None:
            return found
    offered = ", ".join([*TARGETS, "application/octet-stream"])
    raise NotAcceptable(
        f"These frames can be had as multipart/related (one frame also alone) with a type of {offered}; octet-stream is decoded, with transfer-syntax=* "
        f"it is as stored ({stored or EXPLICIT_LITTLE_ENDIAN}).",
        field="Accept",
    )


def _form_of(entry: Wanted, stored: str, multipart: bool) -> FrameForm | None:
    native, syntax = stored in NATIVE, entry.transfer_syntax
    own_type = STREAM_TYPES.get(stored, "application/octet-stream")
    octets = entry.media_type in ("application/octet-stream", *_ANY)
    if octets and (syntax in ("*", stored) or (syntax == "" and entry.media_type == "*/*")):
        media_type = own_type if entry.media_type == "*/*" else "application/octet-stream"
        return FrameForm(multipart, media_type, EXPLICIT_LITTLE_ENDIAN if native else stored, False)
    if octets and syntax in ("", EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN):
        return FrameForm(multipart, "application/octet-stream", EXPLICIT_LITTLE_ENDIAN, not native)
    if octets and syntax in ENCODED:
        return FrameForm(multipart, "application/octet-stream", syntax, False, True)
    if not native and entry.media_type in (own_type, "image/*") and syntax in ("", "*", stored):
        return FrameForm(multipart, own_type, stored, False)
    targets = TARGETS.get(entry.media_type, ())
    if targets and syntax in ("", "*", *targets):
        return FrameForm(multipart, entry.media_type, syntax if syntax in targets else targets[0], False, True)
    return None


def object_form(wanted: list[Wanted], count: int) -> ObjectForm:
    """The form of ``count`` whole objects; application/dicom without a transfer syntax means explicit little endian (PS3.18 8.7.3.5.2)."""
    for entry in wanted or [Wanted(True, "*/*", "*")]:
        if entry.media_type == "application/zip" and not entry.multipart:
            if entry.transfer_syntax in ("", "*"):
                return ObjectForm("zip")
            continue
        if entry.media_type not in ("application/dicom", *_ANY):
            continue
        kind = "multipart" if entry.multipart or entry.media_type in _ANY else "single"
        syntax = entry.transfer_syntax or ("*" if entry.media_type in _ANY else EXPLICIT_LITTLE_ENDIAN)
        known = syntax in ("*", EXPLICIT_LITTLE_ENDIAN) or (syntax in ENCODED and syntax not in LOSSY_TARGETS)
        if known and (kind == "multipart" or count == 1):
            return ObjectForm(kind, "" if syntax == "*" else syntax)
    offered = ", ".join(syntax for syntax in ENCODED if syntax not in LOSSY_TARGETS)
    raise NotAcceptable(
        'Objects can be had as multipart/related; type="application/dicom" (one object also as application/dicom) or application/zip; '
        f"transfer-syntax * (as stored), {EXPLICIT_LITTLE_ENDIAN}, {offered}.",
        field="Accept",
    )


def picture_type(wanted: list[Wanted]) -> tuple[bool, str]:
    """(multipart?, image/png or image/jpeg), the first that is taken; NotAcceptable for neither."""
    for entry in wanted or [Wanted(False, "*/*", "")]:
        if entry.media_type in ("image/jpeg", "image/*", *_ANY):
            return entry.multipart, "image/jpeg"
        if entry.media_type == "image/png":
            return entry.multipart, "image/png"
    raise NotAcceptable("A rendered picture can be had as image/jpeg or image/png.", field="Accept")

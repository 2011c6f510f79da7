"""Reading one DICOM file: what becomes an image, what a resource, what a person must see, what is refused and why."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID

from isocenter.imaging.decode import Pixels, PixelsUnreadable, decode
from isocenter.imaging.frames import encapsulated_items, frame_count, native_frame_bits
from isocenter.keys import SiteKey
from services.ingest.readers.dicom_facts import facts_of, is_derived_object, may_be_colour
from services.ingest.readers.header import Header
from services.ingest.readers.identity import identified_of
from services.ingest.readers.sources import bytes_hmac
from services.ingest.records import ImageFacts, Outcome, Reading, ReadResult, Refusal, ResourceReading

FILE_LIMIT_BYTES = 4 << 30
"""Larger files are refused: they are read into memory once, and a worker has to hold them."""
ALL_FRAMES_BYTES = 8 << 20
"""Up to this size of decoded pixels every frame is decoded to prove it; above, the first, middle and last one."""
INFLATED_LIMIT_BYTES = 1 << 30
"""A deflated dataset that unpacks to more is refused: pydicom inflates it as a whole."""
_DEFLATED_SYNTAX = b"1.2.840.10008.1.2.1.99"
_INFLATE_STEP_BYTES = 16 << 20
_DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
_IDENTIFIERS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality")
# Modalities whose detector gives one value per pixel: colour under them is a picture of a screen (PS3.3 C.7.6.3).
_MONOCHROME = {"CT", "MR", "PT", "NM", "CR", "DX", "MG"}
# Codes of PixelsUnreadable that no person can put right by looking.
_REFUSED = {"truncated-pixel-data", "no-rows-columns", "too-large-to-decode"}


def read_dicom(path: Path, key: SiteKey, _name: str = "") -> ReadResult:
    """A DICOM file as a Reading, a ResourceReading or a Refusal."""
    if path.stat().st_size > FILE_LIMIT_BYTES:
        return Refusal(Outcome.REFUSED, "too-large-to-decode", f"A DICOM file over {FILE_LIMIT_BYTES >> 30} GiB is not read.")
    data = path.read_bytes()
    if _inflates_beyond(data, INFLATED_LIMIT_BYTES):
        return Refusal(Outcome.REFUSED, "too-large-to-decode", "The deflated dataset unpacks to more than is read here.")
    try:
        ds = parse(data)
    except Exception:  # pydicom raises many kinds for damaged structure; all of them mean the same here
        return Refusal(Outcome.REFUSED, "unreadable-dicom", "The file begins like DICOM but its structure is damaged.")
    header = Header(ds)
    sop_class = header.text("SOPClassUID") or Header(ds.file_meta).text("MediaStorageSOPClassUID")
    if sop_class == _DIRECTORY_CLASS or "DirectoryRecordSequence" in header:
        return Refusal(Outcome.INDEX_OR_ARCHIVE, "dicomdir", "A DICOM directory: an index of other files, not an image.")
    if not any(keyword in header for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        return _without_pixels(header, sop_class, data, key)
    if "PixelData" in header and not (header.number("Rows") and header.number("Columns")):
        return Refusal(Outcome.REFUSED, "no-rows-columns", "Rows or Columns is missing, so the pixels cannot be laid out.")
    try:
        frames = _proven_frames(ds)
    except PixelsUnreadable as error:
        outcome = Outcome.REFUSED if error.code in _REFUSED else Outcome.REVIEW
        return Refusal(outcome, error.code, error.detail)
    if is_derived_object(sop_class, header.text("Modality")):
        return _resource(header, "derived-object", data, key)
    facts = facts_of(header, sop_class, str(ds.file_meta.get("TransferSyntaxUID", "")), frame_count(ds))
    review = _review(header, facts)
    if review is None and _is_constant(frames):
        return Refusal(Outcome.EMPTY, "constant-pixels", "All pixels have the same value: there is no picture.")
    return Reading(facts, identified_of(header), bytes_hmac(data, key), pixel_hash(ds, key), review)


def parse(data: bytes) -> Dataset:
    """A dataset of the bytes of a file, with or without preamble and meta group.

    Where pydicom silently gives an empty dataset because encapsulated pixel data is cut off, the header alone is parsed,
    with an empty PixelData so that it counts as truncated.
    """
    ds: Dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    if not len(ds):
        ds = pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)
        if "Rows" in ds:
            ds.add_new(0x7FE00010, "OB", b"")
    if not hasattr(ds, "file_meta"):
        ds.file_meta = pydicom.dataset.FileMetaDataset()
    if "TransferSyntaxUID" not in ds.file_meta:
        # No meta group: the syntax is what the parser found the bytes to be.
        implicit, little = ds.original_encoding
        ds.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2" if implicit else ("1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2"))
    return ds


def _inflates_beyond(data: bytes, limit_bytes: int) -> bool:
    """Whether this is a deflated Part-10 file whose dataset is larger than the limit; inflated in pieces, nothing kept."""
    if data[128:132] != b"DICM" or _DEFLATED_SYNTAX not in data[132:4096]:
        return False
    start = 144 + int.from_bytes(data[140:144], "little")
    inflater, size, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, data[start:]
    try:
        while rest and size <= limit_bytes:
            size += len(inflater.decompress(rest, _INFLATE_STEP_BYTES))
            rest = inflater.unconsumed_tail
    except zlib.error:
        return False  # the parser says what is wrong with it
    return size > limit_bytes


def pixel_hash(ds: Dataset, key: SiteKey) -> str:
    """Keyed hash of the pixel bytes as stored, with rows, columns and bits: equal for one image under a rewritten header.

    Encapsulated: the fragments' payloads without item headers and offset table. Native: the bytes that frames need,
    without padding.
    """
    hasher = key.content_hasher("pixels")
    hasher.update(f"{ds.get('Rows')}x{ds.get('Columns')}x{ds.get('BitsAllocated')}".encode())
    value = next((ds[name].value for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if name in ds), b"") or b""
    view = memoryview(value)
    if UID(str(ds.file_meta.get("TransferSyntaxUID", ""))).is_encapsulated:
        for offset, length in encapsulated_items(view).fragments:
            hasher.update(view[offset : offset + length])
    else:
        hasher.update(view[: (native_frame_bits(ds) * frame_count(ds) + 7) // 8])
    return hasher.hexdigest()


def _proven_frames(ds: Dataset) -> list[Pixels]:
    """Decoded frames that prove the object readable: all of a small one, else the first, middle and last; more of them
    while they are constant (slides and volumes begin with empty frames)."""
    pixels = [decode(ds, 0)]
    frames = frame_count(ds)
    if frames * pixels[0].nbytes <= ALL_FRAMES_BYTES:
        return pixels + [decode(ds, index) for index in range(1, frames)]
    for index in dict.fromkeys((frames - 1, frames // 2, frames // 4, 3 * frames // 4, frames // 3, 2 * frames // 3)):
        if index and (len(pixels) < 3 or _is_constant(pixels)):
            pixels.append(decode(ds, index))
    if _is_constant(pixels):
        # Nothing found in a sample proves nothing for a sparse object; assume a picture.
        pixels.append(np.arange(2))
    return pixels


def _is_constant(frames: list[Pixels]) -> bool:
    """Whether all pixels of all frames have one value (one colour)."""
    colour = frames[0].ndim == 3
    first = frames[0][0, 0] if colour else frames[0].flat[0]
    return all(bool((frame == first).all()) for frame in frames)


def _without_pixels(header: Header, sop_class: str, data: bytes, key: SiteKey) -> ReadResult:
    imaging = "Rows" in header or UID(sop_class).name.endswith("Image Storage")
    if imaging and not _ends_with_an_element(header.ds, len(data)):
        return Refusal(Outcome.REFUSED, "truncated-pixel-data", "The file ends before its pixel data.")
    known = [keyword for keyword in _IDENTIFIERS if header.text(keyword)]
    if len(known) < 2 or not (header.text("SOPClassUID") or header.text("Modality")):
        return Refusal(Outcome.REFUSED, "no-pixel-data-no-uids", "Neither pixels nor the identifiers of a DICOM object.")
    return _resource(header, "non-image-object", data, key)


def _ends_with_an_element(ds: Dataset, size_bytes: int) -> bool:
    """Whether the last top-level element ends where the file does; True where that cannot be told (sequences, deflated)."""
    last = max(ds.keys(), default=None)
    element = ds.get_item(last) if last is not None else None
    if not isinstance(element, RawDataElement) or element.length == 0xFFFFFFFF or ds.file_meta.TransferSyntaxUID.is_deflated:
        return True
    return element.value_tell + element.length == size_bytes


def _resource(header: Header, code: str, data: bytes, key: SiteKey) -> ResourceReading:
    return ResourceReading("application/dicom", code, identified_of(header), bytes_hmac(data, key), header.text("StudyInstanceUID"))


def _review(header: Header, facts: ImageFacts) -> Refusal | None:
    """Why a person must look before a readable image enters the catalog, None when nothing speaks against it."""
    missing = [keyword for keyword in _IDENTIFIERS if not header.text(keyword)]
    if missing:
        return Refusal(Outcome.REVIEW, "missing-identifiers", f"The image lacks {', '.join(missing)}.")
    if facts.samples_per_pixel == 3 and facts.modality in _MONOCHROME and not may_be_colour(facts.sop_class_uid):
        return Refusal(
            Outcome.REVIEW,
            "burned-in-text-suspect",
            f"Colour pixels under {facts.modality}, which is monochrome by nature: a picture of a screen that may show names.",
        )
    return None

"""Reading NIfTI-1/2 and Analyze volumes, single files, gzipped or .hdr/.img pairs."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from isocenter.keys import SiteKey
from services.ingest.readers.anatomy import part_in
from services.ingest.readers.sequence import MrEvidence, ct_phase, mr_sequence
from services.ingest.readers.sniff import Kind, volume_header_kind
from services.ingest.readers.sources import bytes_hmac
from services.ingest.records import Identified, ImageFacts, ImageFormat, Outcome, Reading, ReadResult, Refusal

VOLUME_LIMIT_BYTES = 2 << 30
"""A volume that unpacks to more is refused (a gzip bomb expands 1:1000)."""
_CHUNK_BYTES = 1 << 20
_MM_PER_UNIT = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}


class VolumeUnreadable(ValueError):
    """``code`` says why, as in a Refusal."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def read_nifti(path: Path, key: SiteKey, name: str = "") -> ReadResult:
    """A volume as a Reading without UIDs, or a Refusal."""
    try:
        raw = unpacked(path)
        header = volume_header(raw)
        data = raw if header_offset(header) else paired_data(path)
        values = volume_values(header, data)
    except VolumeUnreadable as error:
        return Refusal(Outcome.REFUSED, error.code, error.detail)
    except (nib.spatialimages.HeaderDataError, OSError, ValueError, OverflowError, TypeError):
        return Refusal(Outcome.REFUSED, "unreadable-volume", "The volume's header contradicts itself.")
    if values.size == 0 or not _varies(values):
        return Refusal(Outcome.EMPTY, "constant-pixels", "All voxels have the same value: there is no picture.")
    called = name or path.name
    hasher = key.content_hasher("pixels")
    hasher.update(f"{values.shape}{values.dtype.str}".encode())
    hasher.update(np.asarray(values).tobytes())
    return Reading(_facts(called, header), _identified(called, header), bytes_hmac(path.read_bytes(), key), hasher.hexdigest())


def unpacked(path: Path) -> bytes:
    """The bytes of a volume file, gunzipped where needed, within the limit; VolumeUnreadable when gzip data is cut off."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if not packed:
        if path.stat().st_size > VOLUME_LIMIT_BYTES:
            raise VolumeUnreadable("too-large-to-decode", "The volume is larger than is read here.")
        return path.read_bytes()
    parts, size = [], 0
    try:
        with gzip.open(path, "rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                parts.append(chunk)
                size += len(chunk)
                if size > VOLUME_LIMIT_BYTES:
                    raise VolumeUnreadable("too-large-to-decode", "The volume unpacks to more than is read here.")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise VolumeUnreadable("truncated-pixel-data", "The compressed volume is cut off or damaged.") from error
    return b"".join(parts)


def volume_header(raw: bytes) -> Any:
    """The nibabel header object of a volume's first bytes."""
    kind = volume_header_kind(raw)
    if kind is None:
        raise VolumeUnreadable("unreadable-volume", "The header is cut off.")
    if kind is Kind.ANALYZE:
        return nib.analyze.AnalyzeHeader(raw[:348])  # type: ignore[no-untyped-call]
    if raw[4:8] in (b"n+2\x00", b"ni2\x00"):
        if len(raw) < 540:
            raise VolumeUnreadable("unreadable-volume", "The header is cut off.")
        second: Any = nib.nifti2.Nifti2Header if raw[4:8] == b"n+2\x00" else nib.nifti2.Nifti2PairHeader
        return second(raw[:540])
    first: Any = nib.nifti1.Nifti1Header if raw[344:348] == b"n+1\x00" else nib.nifti1.Nifti1PairHeader
    return first(raw[:348])


def header_offset(header: Any) -> int:
    """Where the voxels begin in a single file; 0 for a header whose voxels lie in a .img file."""
    return int(header.get_data_offset()) if getattr(header, "is_single", False) else 0


def paired_data(path: Path) -> bytes:
    """The bytes of the .img file beside a .hdr file."""
    name = path.name
    for header, data in ((".hdr.gz", ".img.gz"), (".hdr", ".img"), (".hdr", ".img.gz"), (".HDR", ".IMG")):
        if name.endswith(header):
            candidate = path.with_name(name[: -len(header)] + data)
            if candidate.is_file():
                return unpacked(candidate)
    raise VolumeUnreadable("volume-data-missing", "A header without its data file (.img).")


def volume_values(header: Any, data: bytes) -> np.ndarray[Any, Any]:
    """The stored voxels (no scaling) as a flat array; VolumeUnreadable when the file holds too few of them."""
    shape, dtype, offset = header.get_data_shape(), header.get_data_dtype(), header_offset(header)
    if not shape or any(int(n) <= 0 for n in shape):
        raise VolumeUnreadable("unreadable-volume", "The volume states no usable dimensions.")
    count = 1
    for n in shape:
        count *= int(n)
    if count * dtype.itemsize > VOLUME_LIMIT_BYTES:
        raise VolumeUnreadable("too-large-to-decode", "The volume states more voxels than are read here.")
    if len(data) < offset + count * dtype.itemsize:
        raise VolumeUnreadable("truncated-pixel-data", "The file holds fewer voxels than its header states.")
    slope = header.get("scl_slope") if "scl_slope" in header.keys() else None  # noqa: SIM118 - nibabel headers are no mappings
    if slope is not None and np.isinf(float(slope)):
        raise VolumeUnreadable("unreadable-volume", "The scaling of the voxels is not finite.")
    return np.frombuffer(data, dtype, count, offset)


def _varies(values: np.ndarray[Any, Any]) -> bool:
    if values.dtype.fields or values.dtype.kind == "V":
        raw = values.view(np.uint8)
        return bool(raw.min() != raw.max())
    if values.dtype.kind == "c":
        return bool((values != values[0]).any())
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return bool(finite.size and finite.min() != finite.max())


def _facts(name: str, header: Any) -> ImageFacts:
    shape = [int(n) for n in header.get_data_shape()] + [1, 1, 1]
    units = header.get_xyzt_units()[0] if hasattr(header, "get_xyzt_units") else "mm"
    zooms = [abs(float(z)) * _MM_PER_UNIT.get(units, 1.0) for z in header.get_zooms()] + [0.0, 0.0, 0.0]
    words = file_words(name)
    modality, sequence, phase, source, doubt = described(words)
    part = part_in(words)
    return ImageFacts(
        format=ImageFormat.NIFTI, study_uid="", series_uid="", sop_uid="", modality=modality, body_part=part,
        body_part_source="description" if part else "", sequence=sequence, phase=phase, sequence_source=source, doubt=doubt,
        slice_thickness_mm=round(zooms[2], 5) if zooms[2] > 0 else None,
        spacing_mm=(round(zooms[1], 5), round(zooms[0], 5)) if zooms[0] > 0 and zooms[1] > 0 else None,
        rows=shape[1], columns=shape[0], frames=int(np.prod(shape[2:])),
    )  # fmt: skip


def file_words(name: str) -> str:
    """The file name without its endings: the only place where most volumes say what they are."""
    return re.sub(r"(\.nii|\.hdr|\.img)?(\.gz)?$", "", name, flags=re.IGNORECASE)


def described(words: str) -> tuple[str, str, str, str, str]:
    """(modality, MR sequence, CT phase, source, doubt) as far as a name says them; a name alone always leaves a doubt."""
    spaced = words.replace("_", " ").replace("-", " ")
    if re.search(r"(?<![a-z])ct(?![a-z])", spaced, re.IGNORECASE):
        phase = ct_phase((spaced,), "", ())
        return "CT", "", phase.label, "filename" if phase.label else "", "filename-only" if phase.label else "no-evidence"
    if re.search(r"(?<![a-z])(?:pet|suv)(?![a-z])", spaced, re.IGNORECASE):
        return "PT", "", "", "", ""
    found = mr_sequence(MrEvidence(descriptions=(spaced,)))
    if not found.label and re.search(r"(?<![a-z])mri?(?![a-z])", spaced, re.IGNORECASE):
        contrast = bool(re.search(r"(?<![a-z])(?:gd|gad\w*)(?![a-z])", spaced, re.IGNORECASE))
        return "MR", "T1+C" if contrast else "", "", "filename" if contrast else "", "filename-only" if contrast else "no-evidence"
    if found.label:
        return "MR", found.label, "", "filename", "filename-only"
    return "", "", "", "", ""


def _identified(name: str, header: Any) -> Identified:
    texts = []
    for field in ("descrip", "aux_file", "intent_name", "db_name"):
        try:
            texts.append(bytes(header[field].tobytes()).rstrip(b"\0").decode("utf-8", "replace").strip("\0 "))
        except (KeyError, ValueError, AttributeError):
            continue
    return Identified(descriptions=tuple(text for text in (name, *texts) if text))

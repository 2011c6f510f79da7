"""De-identifying NIfTI and Analyze volumes: text fields blanked, extensions dropped, voxels as they were.

Written as one gzipped NIfTI file of the version it came in (Analyze becomes NIfTI-1), byte order kept.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path
from typing import Any

import nibabel as nib

from isocenter.keys import SiteKey
from services.ingest.deidentify.policy import DeidPolicy
from services.ingest.deidentify.words import known_values
from services.ingest.readers.nifti import header_offset, paired_data, unpacked, volume_header, volume_values
from services.ingest.records import ImageFacts, NewUids, Outcome, Refusal, Released, Subject

# (offset, bytes) of free text: nifti1.h data_type, db_name, descrip, aux_file, intent_name; nifti2.h the same and unused_str.
_TEXT_FIELDS_1 = ((4, 10), (14, 18), (148, 80), (228, 24), (328, 16))
_TEXT_FIELDS_2 = ((240, 80), (320, 24), (508, 16), (525, 15))
_GZIP_LEVEL = 6
_HEAD_PARTS = {"HEAD", "BRAIN", "EYE", "NECK", "SKULL", ""}


def deidentify_nifti(
    path: Path, facts: ImageFacts, subject: Subject, uids: NewUids, key: SiteKey, policy: DeidPolicy, out_dir: Path
) -> Released | Refusal:
    """Writes ``out_dir/<new SOP UID>.nii.gz`` and reads it again. Deterministic: gzip without time and name."""
    raw = unpacked(path)
    header = volume_header(raw)
    voxels = volume_values(header, raw if header_offset(header) else paired_data(path))
    head = blank_header(raw, header)
    out = out_dir / f"{uids.sop_uid}.nii.gz"
    with out.open("wb") as file, gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=file, mtime=0) as packed:
        packed.write(head)
        packed.write(voxels.tobytes())
    known = known_values(subject.known_values, (), policy.words)
    written = nib.load(out)
    if known.in_bytes(head) or len(written.header.extensions) or not _same_geometry(written.header, header):  # type: ignore[attr-defined]
        out.unlink()
        return Refusal(Outcome.REVIEW, "leak-suspected", "The rewritten volume header still holds more than geometry.")
    data = out.read_bytes()
    defaced = facts.body_part not in _HEAD_PARTS or facts.modality not in ("", "CT", "MR", "PT")
    return Released(
        media_type="application/gzip", extension="nii.gz", size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), pixel_offset=None,
        frame_index=(), held=facts.pixels_may_hold_text, notes=("text-fields-blanked",) + (() if defaced else ("head-not-defaced",)),
    )  # fmt: skip


def blank_header(raw: bytes, header: Any) -> bytes:
    """Header and the four zero bytes that say "no extensions", as a single-file NIfTI whose voxels follow at once."""
    if isinstance(header, nib.nifti1.Nifti1Header):
        second = isinstance(header, nib.nifti2.Nifti2Header)
        head = bytearray(raw[: 540 if second else 348])
    else:
        second = False
        head = bytearray(nib.nifti1.Nifti1Header.from_header(header).binaryblock)  # type: ignore[no-untyped-call]
    for offset, length in _TEXT_FIELDS_2 if second else _TEXT_FIELDS_1:
        head[offset : offset + length] = bytes(length)
    order = "<" if struct.unpack("<i", head[:4])[0] in (348, 540) else ">"
    if second:
        head[4:12] = b"n+2\0\r\n\x1a\n"
        struct.pack_into(f"{order}q", head, 168, len(head) + 4)
    else:
        head[344:348] = b"n+1\0"
        struct.pack_into(f"{order}f", head, 108, float(len(head) + 4))
    return bytes(head) + b"\0\0\0\0"


def _same_geometry(written: Any, source: Any) -> bool:
    return bool(written.get_data_shape() == source.get_data_shape() and written.get_data_dtype() == source.get_data_dtype())

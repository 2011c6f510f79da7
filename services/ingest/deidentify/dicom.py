"""De-identifying one DICOM file: every attribute of every nesting level by the policy's decision, pixels untouched.

Implicit and explicit little endian and all encapsulated syntaxes are kept; deflated and big endian become explicit little
endian, since frames of a deflated file have no byte offsets and big endian is retired.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from isocenter.imaging.frames import FramesUnknown
from isocenter.keys import SiteKey
from services.ingest.deidentify.elements import Rewriter
from services.ingest.deidentify.leaks import leaks_in_dataset
from services.ingest.deidentify.pixels import written_pixels
from services.ingest.deidentify.policy import DeidPolicy
from services.ingest.deidentify.streams import DamagedStream
from services.ingest.deidentify.words import KnownValues, known_values
from services.ingest.readers.dicom import parse
from services.ingest.readers.header import Header
from services.ingest.readers.identity import identified_of
from services.ingest.records import Identified, ImageFacts, NewUids, Outcome, Refusal, Released, Subject

IMPLEMENTATION_UID = "2.25.212487634209468722193473264312117925193"
IMPLEMENTATION_VERSION = "ISOCENTER_1"
_PIXEL_TAGS = (0x7FE00001, 0x7FE00002, 0x7FE00003, 0x7FE00008, 0x7FE00009, 0x7FE00010)
# PS3.16 CID 7050: what was done, beside the Basic Profile.
_METHOD_BASIC = ("113100", "Basic Application Confidentiality Profile")
_METHOD_CLEAN = ("113105", "Clean Descriptors Option")
_METHOD_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
_METHOD_PATIENT = ("113108", "Retain Patient Characteristics Option")
_HEAD_PARTS = {"HEAD", "BRAIN", "SKULL", "HEADNECK", "NECK", "FACE", "ORBIT", "SINUS"}


def deidentify_dicom(
    path: Path, facts: ImageFacts, subject: Subject, uids: NewUids, key: SiteKey, policy: DeidPolicy, out_dir: Path
) -> Released | Refusal:
    """Writes ``out_dir/<new SOP UID>.dcm`` and verifies it; a Refusal (nothing left on disk) when it cannot be done or proven."""
    ds = parse(path.read_bytes())
    source = UID(str(ds.file_meta.TransferSyntaxUID))
    target = ExplicitVRLittleEndian if source in (ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian) else source
    header = Header(ds)
    identified = identified_of(header)
    known = known_of(identified, subject, policy)
    had_private = any(tag.is_private for tag in ds.keys())  # noqa: SIM118 - iterating a Dataset converts every element
    try:
        pixels = written_pixels(ds, source, implicit=target == ImplicitVRLittleEndian)
    except (DamagedStream, FramesUnknown, AttributeError, TypeError, ValueError):
        return Refusal(Outcome.REVIEW, "pixel-stream-not-cleanable", "The compressed frames cannot be walked, so text in them cannot be ruled out.")
    for tag in _PIXEL_TAGS:
        ds.pop(tag, None)
    replaced = {facts.study_uid: uids.study_uid, facts.series_uid: uids.series_uid, facts.sop_uid: uids.sop_uid}
    replaced.pop("", None)
    rewriter = Rewriter(policy, subject, key, replaced, known, big_endian=source == ExplicitVRBigEndian)
    rewriter.rewrite(ds, header.encodings)
    _state_identity(ds, facts, subject, uids, policy)
    _state_method(ds, facts, policy)
    head = _header_bytes(ds, facts.sop_class_uid, uids.sop_uid, target)
    out = out_dir / f"{uids.sop_uid}.dcm"
    sha256, size = _write(out, [head, *pixels.pieces])
    codes = verify(out, subject, identified, policy)
    if codes:
        out.unlink(missing_ok=True)
        return Refusal(Outcome.REVIEW, "leak-suspected", f"The released file may still hold known values ({', '.join(codes)}).")
    notes = [*sorted(rewriter.notes), *pixels.notes]
    notes += ["private-groups-removed"] if had_private else []
    notes += ["written-as-explicit-little-endian"] if target != source else []
    notes += ["head-not-defaced"] if facts.body_part.replace(" ", "") in _HEAD_PARTS and facts.modality in ("CT", "MR", "PT") else []
    start = len(head)
    return Released(
        media_type="application/dicom", extension="dcm", size_bytes=size, sha256=sha256, pixel_offset=start + pixels.value_offset,
        frame_index=tuple((start + at, length) for at, length in pixels.frames), transfer_syntax_uid=str(target), held=facts.pixels_may_hold_text,
        notes=tuple(notes),
    )  # fmt: skip


def known_of(identified: Identified, subject: Subject, policy: DeidPolicy) -> KnownValues:
    """All that may not remain of one file: its own identified values and what linking knows of the patient."""
    others = (identified.patient_id, identified.accession_number, identified.pathology_number, identified.institution)
    names = (identified.patient_name, *(name for name in identified.other_names if name not in others), *subject.known_values)
    return known_values(names, others, policy.words)


def verify(path: Path, subject: Subject, original: Identified, policy: DeidPolicy) -> list[str]:
    """Codes of what is wrong with a released file, [] when nothing is: the written bytes are read again and searched for
    every known value outside the pixel data, and the method attributes must be there."""
    with path.open("rb") as file:
        preamble = file.read(132)
        file.seek(0)
        ds = pydicom.dcmread(file, stop_before_pixels=True)
    codes = [] if preamble == b"\0" * 128 + b"DICM" else ["preamble"]
    codes += leaks_in_dataset(ds, known_of(original, subject, policy), policy)
    codes += leaks_in_dataset(ds.file_meta, known_of(original, subject, policy), policy, meta=True)
    if ds.get("PatientID") != subject.pseudonym or not ds.get("DeidentificationMethodCodeSequence"):
        codes.append("method-attributes-missing")
    return sorted(set(codes))


def _state_identity(ds: Dataset, facts: ImageFacts, subject: Subject, uids: NewUids, policy: DeidPolicy) -> None:
    ds.PatientName, ds.PatientID = subject.pseudonym, subject.pseudonym
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = uids.study_uid, uids.series_uid, uids.sop_uid
    if facts.sop_class_uid:
        ds.SOPClassUID = facts.sop_class_uid
    age = facts.age_years if facts.age_years is not None else subject.age_years
    if facts.b_value is not None and facts.modality == "MR" and "PerFrameFunctionalGroupsSequence" not in ds and "DiffusionBValue" not in ds:
        ds.DiffusionBValue = facts.b_value  # read from a private attribute that is gone now
    if not ds.get("PatientAge") and age is not None and age >= 2:
        ds.PatientAge = f"{min(int(age), policy.age_cap_years):03d}Y"


def _state_method(ds: Dataset, facts: ImageFacts, policy: DeidPolicy) -> None:
    """PS3.15 E.1.1 and E.3.6. Pixels that wait for a look are not claimed to be free of identity."""
    ds.PatientIdentityRemoved = "NO" if facts.pixels_may_hold_text else "YES"
    ds.DeidentificationMethod = f"Isocenter {policy.name}@{policy.number}, PS3.15 Basic Profile"
    codes = [_METHOD_BASIC]
    codes += [_METHOD_CLEAN] if policy.clean_descriptors else []
    codes += [_METHOD_DATES] if policy.modified_dates else []
    codes += [_METHOD_PATIENT] if policy.retain_patient_characteristics else []
    ds.DeidentificationMethodCodeSequence = [_code(value, meaning) for value, meaning in codes]
    ds.LongitudinalTemporalInformationModified = "MODIFIED" if policy.modified_dates else "REMOVED"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning[:64]
    return item


def _header_bytes(ds: Dataset, sop_class: str, sop_uid: str, target: UID) -> bytes:
    """Preamble of zeros, a new meta group, and the dataset in ``target`` without pixel data."""
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength = 0  # the writer puts the real one; without it libdicom (OpenSlide) refuses the file
    meta.FileMetaInformationVersion = b"\0\x01"
    meta.MediaStorageSOPClassUID = UID(sop_class or str(ds.get("SOPClassUID", "")))
    meta.MediaStorageSOPInstanceUID = UID(sop_uid)
    meta.TransferSyntaxUID = target
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    ds.file_meta = meta
    ds.preamble = b"\0" * 128
    buffer = io.BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=False, implicit_vr=target == ImplicitVRLittleEndian, little_endian=True, force_encoding=True)
    return buffer.getvalue()


def _write(path: Path, pieces: Iterable[bytes | memoryview]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
    return digest.hexdigest(), size

"""What crosses between ingest's coordinator and its workers: frozen values, never exceptions.

Everything here must pickle. ``Identified`` and ``Source.path`` carry patient data: they are stored only inside
encrypted capsules (``services/ingest/identity.py``) and never logged; their ``repr`` says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """The one outcome of a scanned file or table row (design.md section 5)."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    OTHER_RESOURCE = "other_resource"
    INDEX_OR_ARCHIVE = "index_or_archive"
    EMPTY = "empty"
    REVIEW = "review"
    REFUSED = "refused"


class ImageFormat(StrEnum):
    DICOM = "DICOM"
    NIFTI = "NIFTI"
    PNG = "PNG"
    JPEG = "JPEG"
    WSI = "WSI"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a file or row ends as refused, empty, index or review. ``code`` is a closed set in kebab-case
    (``truncated-pixel-data``); ``detail`` is one sentence without patient data (no names, numbers, dates, paths)."""

    outcome: Outcome
    code: str
    detail: str


@dataclass(frozen=True, slots=True, repr=False)
class Identified:
    """Identified values of one image file as read, '' where absent. Dates YYYYMMDD. Only for capsules and linking."""

    patient_name: str = ""
    patient_id: str = ""
    birth_date: str = ""
    accession_number: str = ""
    pathology_number: str = ""
    study_date: str = ""
    study_time: str = ""
    institution: str = ""
    other_names: tuple[str, ...] = ()  # physicians, operators, other patient names and ids: to be scrubbed
    descriptions: tuple[str, ...] = ()  # raw study/series/protocol descriptions before the allow-list


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is kept of an image file, read before de-identification removes it (the paper's imgDataInfo).

    UIDs here are the original ones: they are replaced by keyed UIDs before anything is stored.
    """

    format: ImageFormat
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class_uid: str = ""
    transfer_syntax_uid: str = ""
    modality: str = ""
    body_part: str = ""  # BodyPartExamined upper case, or organ word found in the descriptions
    body_part_source: str = ""  # "header" | "description" | ""
    sex: str = ""  # M | F | O | ""
    age_years: float | None = None
    sequence: str = ""  # MR: T1 T2 PD DWI ADC FLAIR STIR T1+C BOLD ASL ANGIO LOCALIZER ...
    phase: str = ""  # CT: plain | enhanced | angiography
    sequence_source: str = ""  # "description" | "physics" | "both" | "image_type" ...
    doubt: str = ""  # why sequence or phase is unsure, "" when sure
    slice_thickness_mm: float | None = None
    spacing_mm: tuple[float, float] | None = None  # (between rows, between columns), PixelSpacing order
    manufacturer: str = ""
    model_name: str = ""
    rows: int = 0
    columns: int = 0
    frames: int = 1
    samples_per_pixel: int = 1
    series_number: int | None = None
    instance_number: int | None = None
    position_mm: tuple[float, float, float] | None = None  # ImagePositionPatient
    orientation: tuple[float, ...] | None = None  # ImageOrientationPatient, 6 values
    echo_time_ms: float | None = None
    b_value: float | None = None
    mpp: float | None = None  # microns per pixel at level 0
    objective_power: float | None = None
    pixels_may_hold_text: str = ""  # reason code when the pixels wait for a look, "" when not


@dataclass(frozen=True, slots=True)
class Reading:
    """One readable image file: facts, identified values, and the two hashes that find duplicates.

    ``source_hmac``: keyed hash of the file's bytes; ``pixel_hash``: keyed hash of the decoded or encoded pixel bytes
    (equal for the same image under another header).
    """

    facts: ImageFacts
    identified: Identified
    source_hmac: str
    pixel_hash: str
    review: Refusal | None = None  # set when a person must decide before it enters the catalog (missing UIDs ...)


@dataclass(frozen=True, slots=True)
class ResourceReading:
    """A valid file that is not an image to classify: SR, SEG, RTSTRUCT, PDF, spreadsheet. Kept hidden."""

    media_type: str
    code: str  # non-image-object | derived-object | document ...
    identified: Identified
    source_hmac: str
    study_uid: str = ""


ReadResult = Reading | ResourceReading | Refusal


@dataclass(frozen=True, slots=True, repr=False)
class Subject:
    """All that linking knows about whom an image or report belongs to, for de-identification.

    ``known_values``: every raw string of the patient (names in all written forms, numbers, accession, phone ...);
    none may remain in any output. ``shift_days`` is added to every date.
    """

    pseudonym: str
    shift_days: int
    known_values: tuple[str, ...] = ()
    sex: str = ""
    age_years: float | None = None


@dataclass(frozen=True, slots=True)
class NewUids:
    """Keyed UIDs of the released object (2.25.<HMAC>)."""

    study_uid: str
    series_uid: str
    sop_uid: str


@dataclass(frozen=True, slots=True)
class Released:
    """A de-identified file written and verified on local scratch, ready to be stored.

    Frame n (0-based) of a native or one-fragment-per-frame object is ``frame_index[n]`` = (offset, length) in bytes.
    """

    media_type: str
    extension: str  # dcm, nii.gz, png, jpg, tif, svs
    size_bytes: int
    sha256: str
    pixel_offset: int | None
    frame_index: tuple[tuple[int, int], ...]
    transfer_syntax_uid: str = ""  # of what was written; "" for files that are not DICOM
    held: str = ""  # reason code: pixels wait in review before anybody but a reviewer sees them
    notes: tuple[str, ...] = field(default=())  # what was done, codes only (private-groups-removed ...)

"""What is kept of a DICOM image (the paper's imgDataInfo), from classic and enhanced multi-frame headers."""

from __future__ import annotations

import math
import re

from services.ingest.readers.anatomy import body_part
from services.ingest.readers.header import Header
from services.ingest.readers.identity import age_years, first_date, sex_of
from services.ingest.readers.sequence import Finding, MrEvidence, ct_phase, mr_sequence
from services.ingest.records import ImageFacts, ImageFormat

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_ENHANCED_MR_COLOR = "1.2.840.10008.5.1.4.1.1.4.3"
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
# Objects made from images (PS3.4 B.5): segmentations, parametric maps, dose, surfaces, presentation states, fiducials.
_DERIVED_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.66.", "1.2.840.10008.5.1.4.1.1.30", "1.2.840.10008.5.1.4.1.1.481.2", "1.2.840.10008.5.1.4.1.1.11.",
    "1.2.840.10008.5.1.4.1.1.200.",
)  # fmt: skip
_DERIVED_MODALITIES = {"SEG", "RTDOSE", "RTSTRUCT", "RTPLAN", "REG", "PR", "KO", "SR", "ANN", "M3D", "FID", "RWV"}
# Photographs and video of people and bodies, ultrasound, fluoroscopy, scanned paper: their pixels often hold names.
_TEXT_MODALITIES = {"US": "ultrasound", "IVUS": "ultrasound", "XA": "fluoroscopy", "RF": "fluoroscopy", "SC": "screen-capture", "OT": "other-capture",
                    "DOC": "document", "XC": "photograph", "ES": "photograph", "GM": "photograph", "DMS": "photograph"}  # fmt: skip
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "PerformedProcedureStepDescription", "AcquisitionProtocolDescription", "StudyDescription")


def is_derived_object(sop_class: str, modality: str) -> bool:
    """Valid DICOM with pixels that is no image to classify: SEG, parametric map, RT dose ..."""
    return sop_class.startswith(_DERIVED_CLASSES) or modality in _DERIVED_MODALITIES


def may_be_colour(sop_class: str) -> bool:
    """Whether the SOP class itself provides for colour under a modality that is monochrome by nature."""
    return sop_class == _ENHANCED_MR_COLOR


def facts_of(header: Header, sop_class: str, syntax: str, frames: int) -> ImageFacts:
    """The facts of one image with decodable pixels; original UIDs."""
    modality = header.text("Modality").upper()
    descriptions = tuple(text for text in (header.text(keyword) for keyword in _DESCRIPTIONS) if text)
    part, part_source = body_part(header.text("BodyPartExamined"), descriptions)
    sequence, phase, found = "", "", Finding()
    if modality == "MR":
        found = mr_sequence(mr_evidence(header, descriptions))
        sequence = found.label
    elif modality == "CT":
        found = ct_phase(descriptions, contrast_agent(header), header.texts("ImageType"))
        phase = found.label
    study_date = first_date(header, "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
    spacing = _pair(header, "PixelSpacing", "PixelMeasuresSequence") or _pair(header, "ImagerPixelSpacing", "")
    slide = sop_class == _WHOLE_SLIDE
    return ImageFacts(
        format=ImageFormat.DICOM,
        study_uid=header.text("StudyInstanceUID"),
        series_uid=header.text("SeriesInstanceUID"),
        sop_uid=header.text("SOPInstanceUID"),
        sop_class_uid=sop_class,
        transfer_syntax_uid=syntax,
        modality=modality,
        body_part=part,
        body_part_source=part_source,
        sex=sex_of(header.text("PatientSex")),
        age_years=age_years(header.text("PatientAge"), header.text("PatientBirthDate"), study_date),
        sequence=sequence,
        phase=phase,
        sequence_source=found.source,
        doubt=found.doubt,
        slice_thickness_mm=_positive(in_groups(header, "SliceThickness", "PixelMeasuresSequence")),
        spacing_mm=spacing,
        manufacturer=header.text("Manufacturer"),
        model_name=header.text("ManufacturerModelName"),
        rows=int(header.number("Rows") or 0),
        columns=int(header.number("Columns") or 0),
        frames=frames,
        samples_per_pixel=int(header.number("SamplesPerPixel") or 1),
        series_number=_integer(header.number("SeriesNumber")),
        instance_number=_integer(header.number("InstanceNumber")),
        position_mm=_triple(group_numbers(header, "ImagePositionPatient", "PlanePositionSequence")),
        orientation=_six(group_numbers(header, "ImageOrientationPatient", "PlaneOrientationSequence")),
        echo_time_ms=_echo_time(header),
        b_value=b_value(header),
        mpp=round(sum(spacing) / 2 * 1000, 4) if slide and spacing else None,
        objective_power=_objective(header) if slide else None,
        pixels_may_hold_text=text_suspicion(header, sop_class, modality),
    )


def text_suspicion(header: Header, sop_class: str, modality: str) -> str:
    """Why these pixels may show identifying text, '' when nothing says so. PS3.15 E.3.1: flags alone are not reliable,
    so the kind of object counts more than BurnedInAnnotation NO."""
    if header.text("BurnedInAnnotation").upper() == "YES":
        return "burned-in-annotation"
    if sop_class == _SECONDARY_CAPTURE or sop_class.startswith(_SECONDARY_CAPTURE + "."):
        return "screen-capture"
    if modality in _TEXT_MODALITIES:
        return _TEXT_MODALITIES[modality]
    image_type = [part.upper() for part in header.texts("ImageType")]
    if any("SCREEN" in part or part in ("DOSE", "DOSE_INFO", "REF_SURVIEW", "LABEL", "OVERVIEW") for part in image_type):
        return "label-or-screen"
    if any(overlay_in_pixels(header, group) for group in range(0x6000, 0x6020, 2)):
        return "overlay-in-pixels"
    if header.text("RecognizableVisualFeatures").upper() == "YES":
        return "recognizable-features"
    return ""


def overlay_in_pixels(header: Header, group: int) -> bool:
    """An overlay stored in unused bits of the pixels (retired, PS3.3 C.9.2): it has a bit position and no data of its own."""
    tag = group << 16
    return (tag | 0x0102) in header.ds and bool(header.number(tag | 0x0102)) and (tag | 0x3000) not in header.ds


def mr_evidence(header: Header, descriptions: tuple[str, ...]) -> MrEvidence:
    """All a header says about its MR sequence, enhanced functional groups included."""
    frame_type = header.macro("MRImageFrameTypeSequence")
    image_type = header.texts("ImageType") + (frame_type.texts("FrameType") if frame_type else ()) + header.texts(0x00211175)
    modifier = header.macro("MRModifierSequence")
    inversion = header.number("InversionTime") or (modifier.number("InversionTimes") if modifier else None)
    scanning = list(header.texts("ScanningSequence"))
    if not scanning:
        scanning = [{"SPIN": "SE", "GRADIENT": "GR", "BOTH": "GR"}.get(header.text("EchoPulseSequence").upper(), "")]
        scanning += ["EP"] if header.text("EchoPlanarPulseSequence").upper() == "YES" else []
        scanning += ["IR"] if modifier and modifier.text("InversionRecovery").upper() == "YES" else []
    contrast = (frame_type.text("AcquisitionContrast") if frame_type else "") or header.text("AcquisitionContrast")
    return MrEvidence(
        descriptions=descriptions,
        image_type=tuple(part.upper() for part in image_type),
        scanning_sequence=tuple(part.upper() for part in scanning if part),
        sequence_variant=tuple(part.upper() for part in header.texts("SequenceVariant")),
        sequence_name=header.text("SequenceName") or header.text("PulseSequenceName") or header.text(0x0019109C),
        acquisition_contrast=contrast.upper(),
        tr_ms=in_groups(header, "RepetitionTime", "MRTimingAndRelatedParametersSequence"),
        te_ms=_echo_time(header),
        ti_ms=inversion,
        flip_deg=in_groups(header, "FlipAngle", "MRTimingAndRelatedParametersSequence"),
        b_value=b_value(header),
        contrast_agent=contrast_agent(header),
    )


def contrast_agent(header: Header) -> str:
    """ContrastBolusAgent, or what the sequences of coded agents say (0018,0012 and, enhanced, 0018,9337)."""
    stated = header.text("ContrastBolusAgent")
    if stated:
        return stated
    for keyword in ("ContrastBolusAgentSequence",):
        for item in header.items(keyword)[:1]:
            return item.text("CodeMeaning") or item.text("CodeValue") or "stated"
    return ""


def b_value(header: Header) -> float | None:
    """The largest diffusion b-value of the object in s/mm2: standard, in any frame, or private of GE, Siemens, Philips, UIH."""
    values: list[float] = []
    standard = header.number("DiffusionBValue")
    if standard is not None:
        values.append(standard)
    for group in header.frame_groups():
        for item in group.items("MRDiffusionSequence"):
            found = item.number("DiffusionBValue")
            if found is not None:
                values.append(found)
    if not values:
        for tag in (0x0019100C, 0x00651009, 0x20011003):
            found = header.number(tag)
            if found is not None:
                values.append(found)
                break
        else:
            general = _first_number(header.text(0x00431039))
            if general is not None:
                # GE adds 10^9 to mark multi-b acquisitions (dcm2niix nii_dicom.cpp).
                values.append(general % 1e9)
    usable = [value for value in values if 0 <= value < 100_000]
    return max(usable, default=None)


def in_groups(header: Header, keyword: str, sequence: str) -> float | None:
    """A number at top level, else in a functional group macro."""
    numbers = group_numbers(header, keyword, sequence)
    return numbers[0] if numbers else None


def group_numbers(header: Header, keyword: str, sequence: str) -> tuple[float, ...]:
    """As :func:`in_groups`, all values."""
    top = header.numbers(keyword)
    if top or not sequence:
        return top
    macro = header.macro(sequence)
    return macro.numbers(keyword) if macro else ()


def _echo_time(header: Header) -> float | None:
    stated = header.number("EchoTime")
    if stated is not None:
        return stated
    macro = header.macro("MREchoSequence")
    return macro.number("EffectiveEchoTime") if macro else None


def _objective(header: Header) -> float | None:
    for path in (header.items("OpticalPathSequence"), header.items("SharedFunctionalGroupsSequence")):
        for item in path:
            power = item.number("ObjectiveLensPower")
            if power:
                return power
    return None


def _first_number(text: str) -> float | None:
    match = re.match(r"\s*(-?\d+(?:\.\d+)?)", text.split("\\")[0])
    return float(match.group(1)) if match else None


def _pair(header: Header, keyword: str, sequence: str) -> tuple[float, float] | None:
    numbers = group_numbers(header, keyword, sequence)
    return (numbers[0], numbers[1]) if len(numbers) == 2 and min(numbers) > 0 else None


def _triple(numbers: tuple[float, ...]) -> tuple[float, float, float] | None:
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None


def _six(numbers: tuple[float, ...]) -> tuple[float, ...] | None:
    return numbers if len(numbers) == 6 and math.hypot(*numbers[:3]) > 0 else None


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _integer(value: float | None) -> int | None:
    return int(value) if value is not None else None

"""DICOM stacks as NIfTI-1 volumes, slice by slice in bounded memory, and the reasons why a stack is none.

Only what is one regular volume is written: parallel slices of one size, evenly spaced, square to the slice direction. Nothing is ever
resampled. Axes: i along the rows, j along the columns, k along the normal, as stored; the affine says where that is in RAS+ mm (the
NIfTI-1 standard; DICOM's patient axes of PS3.3 C.7.6.2.1.1 are LPS+).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nibabel
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from isocenter.errors import InvalidInput
from isocenter.imaging.decode import PixelsUnreadable, decode
from isocenter.imaging.geometry import Slice, geometric_order, is_regular, normal, single_orientation
from isocenter.imaging.quiet import quiet

Floats = NDArray[np.float64]

TILT_DEGREES = 0.5  # between slice direction and normal: rounding of positions stays far below
SAME_MM = 1e-3  # pixel spacings that differ by less are one
GZIP_LEVEL = 3


class NotAVolume(InvalidInput):
    """The stack is refused; ``code`` says why in kebab-case."""

    def __init__(self, code: str) -> None:
        super().__init__(f"This stack is no regular volume: {code}.", code=code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice: frame ``frame`` of file ``path``, where it lies, and its rescale."""

    path: Path
    frame: int
    place: Slice
    spacing_mm: tuple[float, float]  # between rows, between columns
    slope: float
    intercept: float


@dataclass(frozen=True, slots=True)
class Volume:
    """A regular stack. ``affine``: (4, 4), voxel (i, j, k) to RAS+ mm; ``shape``: (columns, rows, slices)."""

    planes: tuple[Plane, ...]
    shape: tuple[int, int, int]
    affine: Floats
    dtype: np.dtype[Any]


def volume_of(paths: Sequence[Path]) -> Volume:
    """The volume of a stack's files, whatever their order; NotAVolume says why it is none."""
    with quiet():
        headers = [pydicom.dcmread(path, stop_before_pixels=True, force=True) for path in paths]
    planes = [plane for path, header in zip(paths, headers, strict=True) for plane in _planes(path, header)]
    sizes = {(int(header.get("Rows", 0) or 0), int(header.get("Columns", 0) or 0)) for header in headers}
    if any(int(header.get("SamplesPerPixel", 1) or 1) != 1 for header in headers):
        raise NotAVolume("colour")
    if len(sizes) != 1 or (0, 0) in sizes:
        raise NotAVolume("mixed-sizes")
    if not all(plane.place.position_mm and plane.place.orientation for plane in planes):
        raise NotAVolume("no-geometry")
    places = [plane.place for plane in planes]
    if not single_orientation(places) or not _one_turn(places):
        raise NotAVolume("mixed-orientation")
    first = planes[0].spacing_mm
    if any(abs(a - b) > SAME_MM for plane in planes for a, b in zip(plane.spacing_mm, first, strict=True)) or min(first) <= 0:
        raise NotAVolume("mixed-pixel-spacing")
    ordered = [planes[index] for index in geometric_order(places)]
    step = _step(ordered, headers[0])
    rows, columns = next(iter(sizes))
    turn = np.array(ordered[0].place.orientation)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = turn[:3] * first[1], turn[3:] * first[0], step
    affine[:3, 3] = ordered[0].place.position_mm
    affine[:2] *= -1  # LPS to RAS
    return Volume(tuple(ordered), (columns, rows, len(ordered)), affine, _dtype(headers, ordered))


def write_volume(volume: Volume, out: Path) -> None:
    """``out`` as .nii.gz; one slice in memory at a time. NotAVolume when pixels do not decode."""
    try:
        write_slices(volume.shape, volume.affine, volume.dtype, slices_of(volume), out)
    except PixelsUnreadable as error:
        raise NotAVolume(error.code) from error


def write_slices(shape: tuple[int, ...], affine: Floats, dtype: np.dtype[Any], slices: Iterator[NDArray[Any]], out: Path) -> None:
    """Slices (rows, columns) in the order of k as one .nii.gz: the same bytes for the same slices."""
    header: Any = nibabel.Nifti1Header()  # type: ignore[no-untyped-call]
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header.set_sform(affine, code="scanner")
    header.set_qform(affine, code="scanner", strip_shears=True)
    header.set_xyzt_units("mm")
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    with out.open("wb") as file:
        write = gzipped(file)
        write(header.binaryblock + b"\0\0\0\0")
        for one in slices:
            write(np.ascontiguousarray(one, dtype).tobytes())
        write(b"", end=True)


def gzipped(file: IO[bytes]) -> Callable[..., None]:
    """A gzip writer without time and name in its header, so that the same content is the same bytes."""
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)

    def write(data: bytes, end: bool = False) -> None:
        file.write(packer.compress(data))
        if end:
            file.write(packer.flush())

    return write


def slices_of(volume: Volume) -> Iterator[NDArray[Any]]:
    """(rows, columns) in the order of k, in modality units (Hounsfield for CT), dtype of the volume."""
    held: tuple[Path, Dataset] | None = None
    for plane in volume.planes:
        if held is None or held[0] != plane.path:
            with quiet():
                held = plane.path, pydicom.dcmread(plane.path, force=True)
        with quiet():
            stored = decode(held[1], plane.frame)
        if stored.shape != (volume.shape[1], volume.shape[0]):
            raise NotAVolume("mixed-sizes")
        if volume.dtype.kind == "f":
            yield np.asarray(stored * plane.slope + plane.intercept, np.float32)
        else:
            yield (stored.astype(np.int64) * int(plane.slope) + int(plane.intercept)).astype(volume.dtype)


def _planes(path: Path, header: Dataset) -> Iterator[Plane]:
    frames = int(header.get("NumberOfFrames", 1) or 1)
    shared = (header.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    groups = header.get("PerFrameFunctionalGroupsSequence")
    if frames > 1 and (not groups or len(groups) != frames):
        raise NotAVolume("no-geometry")
    for frame in range(frames):
        own = groups[frame] if groups else Dataset()

        def of(sequence: str, keyword: str, own: Dataset = own) -> Any:
            for group in (own, shared):
                items = group.get(sequence)
                if items and keyword in items[0]:
                    return items[0].get(keyword)
            return header.get(keyword)

        position = _floats(of("PlanePositionSequence", "ImagePositionPatient"), 3)
        orientation = _floats(of("PlaneOrientationSequence", "ImageOrientationPatient"), 6)
        spacing = _floats(of("PixelMeasuresSequence", "PixelSpacing"), 2)
        slope, intercept = of("PixelValueTransformationSequence", "RescaleSlope"), of("PixelValueTransformationSequence", "RescaleIntercept")
        if "ModalityLUTSequence" in header:
            raise NotAVolume("modality-table")
        if spacing is None:
            raise NotAVolume("no-geometry")
        place = Slice((position[0], position[1], position[2]) if position else None, orientation, frame + 1)
        yield Plane(path, frame, place, (spacing[0], spacing[1]), float(1 if slope is None else slope), float(intercept or 0))


def _floats(value: Any, count: int) -> tuple[float, ...] | None:
    try:
        found = tuple(float(part) for part in value or ())
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and all(np.isfinite(found)) else None


def _one_turn(places: Sequence[Slice]) -> bool:
    """Parallel slices may still be turned within their plane."""
    first = np.array(places[0].orientation)
    return all(np.allclose(np.array(place.orientation), first, atol=1e-3) for place in places[1:])


def _step(ordered: Sequence[Plane], header: Dataset) -> Floats:
    """From a slice to the next, in LPS+ mm. NotAVolume for two slices at one place, uneven gaps and a tilted gantry."""
    along = np.array(normal(ordered[0].place.orientation or ()))
    if len(ordered) == 1:
        thickness = _floats([header.get("SliceThickness") or 1], 1)
        return np.asarray(along * (thickness[0] if thickness and thickness[0] > 0 else 1.0))
    places = np.array([plane.place.position_mm for plane in ordered])
    gaps = np.diff(places @ along)
    if (gaps <= 0.01).any():
        raise NotAVolume("several-slices-at-one-place")
    if not is_regular([plane.place for plane in ordered]):
        raise NotAVolume("irregular-spacing")
    step = (places[-1] - places[0]) / (len(ordered) - 1)
    cosine = float(step @ along / np.linalg.norm(step))
    if np.degrees(np.arccos(min(1.0, cosine))) > TILT_DEGREES:
        raise NotAVolume("gantry-tilt")
    ideal = places[0] + np.arange(len(ordered))[:, None] * step
    if np.abs(ideal - places).max() > max(0.05, 0.02 * float(np.linalg.norm(step))):
        raise NotAVolume("irregular-spacing")
    return np.asarray(step)


def _dtype(headers: Sequence[Dataset], planes: Sequence[Plane]) -> np.dtype[Any]:
    """The narrowest type that holds every value exactly: int16, int32, else float32."""
    if any(not plane.slope.is_integer() or not plane.intercept.is_integer() for plane in planes):
        return np.dtype("<f4")
    low = high = 0.0
    for plane_slope, plane_intercept in {(plane.slope, plane.intercept) for plane in planes}:
        for header in headers:
            bits, signed = int(header.get("BitsStored", 16) or 16), bool(header.get("PixelRepresentation", 0))
            ends = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
            values = [end * plane_slope + plane_intercept for end in ends]
            low, high = min(low, *values), max(high, *values)
    if low >= -(2**15) and high < 2**15:
        return np.dtype("<i2")
    return np.dtype("<i4") if low >= -(2**31) and high < 2**31 else np.dtype("<f4")

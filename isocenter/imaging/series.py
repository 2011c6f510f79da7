"""What is written once when a series is complete: geometric order, stacks, DICOM JSON metadata, a thumbnail."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from PIL import UnidentifiedImageError
from pydicom.dataset import Dataset
from pydicom.uid import UID

from isocenter.errors import InvalidInput
from isocenter.imaging.geometry import Slice, Vector, geometric_order, is_regular, slice_spacing_mm
from isocenter.imaging.quiet import quiet
from isocenter.imaging.thumbnail import content_format, thumbnail

INLINE_LIMIT_BYTES = 128 << 10
"""Binary attributes up to this size (palettes, LUTs) stay in the metadata as InlineBinary; larger ones are named by a BulkDataURI."""
_GZIP_LEVEL = 6
# Kinds within one series that are not slices of one volume: magnitude and phase, water and fat, and so on.
_IMAGE_KINDS = frozenset({
    "P", "PHASE", "PHASE MAP", "R", "I", "REAL", "IMAGINARY", "ADC", "FA", "TRACEW", "W", "WATER", "F", "FAT", "IP", "IN_PHASE", "OP", "OPP_PHASE",
    "LOCALIZER", "MIP", "MPR", "PROJECTION IMAGE", "LABEL", "OVERVIEW", "THUMBNAIL",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stack:
    """The images of a series that belong into one volume. ``members``: indices into the paths given, in geometric order."""

    ordinal: int
    members: tuple[int, ...]
    echo_time_ms: float | None = None
    b_value: float | None = None
    image_kind: str = ""
    spacing_mm: float | None = None  # between slices
    regular: bool = False

    @property
    def count(self) -> int:
        """Images in the stack."""
        return len(self.members)


@dataclass(frozen=True, slots=True)
class SeriesDescription:
    """``order``: indices into the paths given, stack by stack. ``metadata_gz``: a gzipped JSON array in that order
    (PS3.18 F.2), empty for formats other than DICOM. ``thumbnail_jpeg``: b'' when nothing decodes."""

    order: tuple[int, ...]
    stacks: tuple[Stack, ...]
    metadata_gz: bytes
    thumbnail_jpeg: bytes


def describe_series(paths: list[Path]) -> SeriesDescription:
    """All of a series of released objects. The same files give the same bytes, in whatever order they are given by name."""
    if not paths:
        return SeriesDescription((), (), b"", b"")
    if content_format(paths[0]) != "DICOM":
        order = tuple(range(len(paths)))
        return SeriesDescription(order, (Stack(0, order),), b"", _thumbnail_of(paths))
    with quiet():
        headers = [pydicom.dcmread(path, stop_before_pixels=True, force=True) for path in paths]
        stacks = stacks_of(headers)
        order = tuple(index for stack in stacks for index in stack.members)
        metadata = [_json_of(headers[index]) for index in order]
    packed = gzip.compress(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode(), _GZIP_LEVEL, mtime=0)
    first = stacks[0].members
    middle = first[len(first) // 2]
    return SeriesDescription(order, stacks, packed, _thumbnail_of([paths[middle], *(paths[index] for index in order)]))


def stacks_of(headers: Sequence[Dataset]) -> tuple[Stack, ...]:
    """The stacks of a series: split by echo time, b-value and kind of image; each in geometric order.

    One stack when the split would leave single images (a multi-echo scan with one slice per echo is no volume anyway).
    """
    groups: dict[tuple[str, float, float], list[int]] = {}
    for index, ds in enumerate(headers):
        groups.setdefault((_image_kind(ds), _number(ds, "EchoTime"), _number(ds, "DiffusionBValue")), []).append(index)
    if len(groups) > 1 and len(groups) * 2 > len(headers):
        groups = {("", -1.0, -1.0): list(range(len(headers)))}
    slices = [_slice(ds) for ds in headers]
    stacks = []
    for ordinal, ((kind, echo, b), members) in enumerate(sorted(groups.items())):
        chosen = [slices[index] for index in members]
        order = geometric_order(chosen)
        ordered = [chosen[place] for place in order]
        stack = Stack(
            ordinal=ordinal,
            members=tuple(members[place] for place in order),
            echo_time_ms=echo if echo >= 0 else None,
            b_value=b if b >= 0 else None,
            image_kind=kind,
            spacing_mm=_spacing(headers[members[0]], ordered),
            regular=is_regular(ordered),
        )
        stacks.append(stack)
    return tuple(stacks)


def _spacing(ds: Dataset, ordered: list[Slice]) -> float | None:
    """Between slices by position; for one enhanced object by the positions of its frames, else its stated spacing."""
    found = slice_spacing_mm(ordered)
    if found is None and len(ordered) == 1:
        found = slice_spacing_mm(list(_frame_slices(ds)))
        if found is None and int(ds.get("NumberOfFrames", 1) or 1) > 1:
            stated = _number(ds, "SpacingBetweenSlices")
            found = stated if stated > 0 else None
    return found


def _frame_slices(ds: Dataset) -> Iterable[Slice]:
    shared = (ds.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    for group in ds.get("PerFrameFunctionalGroupsSequence") or []:
        plane = (group.get("PlanePositionSequence") or shared.get("PlanePositionSequence") or [Dataset()])[0]
        turn = (group.get("PlaneOrientationSequence") or shared.get("PlaneOrientationSequence") or [Dataset()])[0]
        yield Slice(_vector(plane, "ImagePositionPatient"), _floats(turn, "ImageOrientationPatient", 6))


def _slice(ds: Dataset) -> Slice:
    number = _number(ds, "InstanceNumber")
    return Slice(_vector(ds, "ImagePositionPatient"), _floats(ds, "ImageOrientationPatient", 6), int(number) if number >= 0 else None)


def _image_kind(ds: Dataset) -> str:
    parts = ds.get("ImageType") or []
    parts = [parts] if isinstance(parts, str) else list(parts)
    return "\\".join(sorted({str(part).upper() for part in parts[2:]} & _IMAGE_KINDS))


def _number(ds: Dataset, keyword: str) -> float:
    """A number of the top level; -1 where it is absent, so that keys of groups can be sorted."""
    try:
        value = ds.get(keyword)
        return float(value) if value not in (None, "") else -1.0
    except (TypeError, ValueError):
        return -1.0


def _vector(ds: Dataset, keyword: str) -> Vector | None:
    found = _floats(ds, keyword, 3)
    return (found[0], found[1], found[2]) if found else None


def _floats(ds: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    try:
        values = tuple(float(v) for v in ds.get(keyword) or ())
    except (TypeError, ValueError):
        return None
    return values if len(values) == count else None


def _json_of(ds: Dataset) -> dict[str, Any]:
    """DICOM JSON of one header (PS3.18 F.2), with AvailableTransferSyntaxUID (0008,3002), without pixel data."""
    bulk = {}
    for tag in [tag for tag in ds.keys() if _is_large(ds, tag)]:  # noqa: SIM118 - iterating a Dataset converts every element
        name = f"{int(tag):08X}"
        bulk[name] = {"vr": ds[tag].VR, "BulkDataURI": f"{_address(ds)}/bulkdata/{name}"}
        del ds[tag]
    document: dict[str, Any] = ds.to_json_dict(bulk_data_threshold=INLINE_LIMIT_BYTES << 4, suppress_invalid_tags=True)
    syntax = UID(str(ds.file_meta.get("TransferSyntaxUID", "")))
    document["00083002"] = {"vr": "UI", "Value": [str(syntax)]}
    return dict(sorted({**document, **bulk}.items()))


def _address(ds: Dataset) -> str:
    """Where DICOMweb serves an instance, as a reference relative to the server (PS3.18 F.2.6)."""
    return f"/dicom-web/studies/{ds.get('StudyInstanceUID', '')}/series/{ds.get('SeriesInstanceUID', '')}/instances/{ds.get('SOPInstanceUID', '')}"


def _is_large(ds: Dataset, tag: Any) -> bool:
    element = ds.get_item(tag)
    value = element.value if element is not None else None
    return isinstance(value, bytes) and len(value) > INLINE_LIMIT_BYTES


def _thumbnail_of(candidates: list[Path]) -> bytes:
    """The thumbnail of the first candidate that decodes, trying at most three."""
    for path in candidates[:3]:
        try:
            return thumbnail(path)
        except (InvalidInput, OSError, ValueError, UnidentifiedImageError, KeyError, AttributeError, TypeError):
            continue
    return b""

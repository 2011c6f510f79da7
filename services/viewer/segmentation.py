"""SEG objects (PS3.3 C.8.20): which of their frames lie over an image, and their values on its pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset

from isocenter.imaging.decode import decode
from isocenter.imaging.frames import frame_count
from services.viewer.regions import SAME_PLANE_MM, SEG, Grid, Mask, OverlayFacts, Segment, colour_of, grid_of


def facts(ds: Dataset) -> OverlayFacts:
    segments = tuple(_segment(item) for item in ds.SegmentSequence if int(item.SegmentNumber) > 0)
    series, instances = [], []
    for one in ds.get("ReferencedSeriesSequence") or ():
        series.append(str(one.SeriesInstanceUID))
        instances += [str(item.ReferencedSOPInstanceUID) for item in one.get("ReferencedInstanceSequence") or ()]
    for group in ds.get("PerFrameFunctionalGroupsSequence") or ():
        instances += [uid for uid, _ in _sources(group)]
    return OverlayFacts(SEG, _way(ds), segments, tuple(dict.fromkeys(series)), tuple(dict.fromkeys(instances)))


def _way(ds: Dataset) -> str:
    return str(ds.SegmentationType).lower()


def _segment(item: Dataset) -> Segment:
    number = int(item.SegmentNumber)
    [*kinds] = item.get("SegmentedPropertyTypeCodeSequence") or ()
    return Segment(number, str(item.get("SegmentLabel", "")), colour_of(item, number), str(kinds[0].get("CodeMeaning", "")) if kinds else "")


def _sources(group: Dataset) -> list[tuple[str, tuple[int, ...]]]:
    """(SOP Instance UID, frame numbers; none = all) that a frame was made from."""
    found = []
    for derivation in group.get("DerivationImageSequence") or ():
        for item in derivation.get("SourceImageSequence") or ():
            numbers = item.get("ReferencedFrameNumber")
            numbers = () if numbers is None else (numbers,) if isinstance(numbers, (int, str)) else numbers
            found.append((str(item.ReferencedSOPInstanceUID), tuple(int(number) for number in numbers)))
    return found


def masks(ds: Dataset, instance_uid: str, frame: int, grid: Grid, wanted: Sequence[int]) -> dict[int, Mask]:
    """Segment number -> (rows, columns) from 0 to 255 on the pixels of the image; fractions and probabilities in proportion."""
    way, result = _way(ds), dict[int, Mask]()
    top = int(ds.get("MaximumFractionalValue", 255)) or 255
    shared = (ds.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    for index, group in enumerate(ds.get("PerFrameFunctionalGroupsSequence") or [Dataset()] * frame_count(ds)):
        identified = group.get("SegmentIdentificationSequence") or shared.get("SegmentIdentificationSequence")
        number = int(identified[0].ReferencedSegmentNumber) if identified else 0
        if (way != "labelmap" and number not in wanted) or not _lies_over(ds, group, shared, instance_uid, frame, grid):
            continue
        values = _on_grid(np.asarray(decode(ds, index)), _grid_of(ds, group, shared), grid)
        if values is None:
            continue
        if way == "labelmap":
            present = {number: (values == number).astype(np.uint8) * np.uint8(255) for number in wanted}
        elif way == "fractional":
            present = {number: np.round(np.minimum(values, top) * (255 / top)).astype(np.uint8)}
        else:
            present = {number: (values > 0).astype(np.uint8) * np.uint8(255)}
        for number, mask in present.items():
            result[number] = np.maximum(result[number], mask) if number in result else mask
    return result


def _lies_over(ds: Dataset, group: Dataset, shared: Dataset, instance_uid: str, frame: int, grid: Grid) -> bool:
    """By the source image that the frame names; by its place where it names none."""
    sources = _sources(group)
    if sources and instance_uid:
        return any(uid == instance_uid and (not numbers or frame in numbers) for uid, numbers in sources)
    own = _grid_of(ds, group, shared)
    if own.position is None or grid.position is None:
        return not sources
    middle = own.to_patient(np.array([own.columns / 2]), np.array([own.rows / 2]))
    return abs(float(grid.to_pixels(middle)[0, 2])) <= max(SAME_PLANE_MM, grid.thickness_mm / 2)


def _grid_of(ds: Dataset, group: Dataset, shared: Dataset) -> Grid:
    def first(name: str) -> Dataset:
        found: Dataset = (group.get(name) or shared.get(name) or [Dataset()])[0]
        return found

    place, turn, measures = first("PlanePositionSequence"), first("PlaneOrientationSequence"), first("PixelMeasuresSequence")
    return grid_of(int(ds.Rows), int(ds.Columns), place.get("ImagePositionPatient"), turn.get("ImageOrientationPatient"), measures.get("PixelSpacing"))


def _on_grid(values: Mask, own: Grid, wanted: Grid) -> Mask | None:
    """The values on the image's pixels: as they are when both grids are one, else of the nearest pixel; None when that cannot be told."""
    if own.position is None or wanted.position is None:
        return values if values.shape == (wanted.rows, wanted.columns) else None
    rows, columns = np.meshgrid(np.arange(wanted.rows, dtype=float), np.arange(wanted.columns, dtype=float), indexing="ij")
    corners = np.array([[0.0, 0.0], [0.0, wanted.rows - 1.0], [wanted.columns - 1.0, 0.0]])
    there = own.to_pixels(wanted.to_patient(corners[:, 0], corners[:, 1]))[:, :2]
    if values.shape == (wanted.rows, wanted.columns) and np.abs(there - corners).max() < 0.01:
        return values
    places = np.floor(own.to_pixels(wanted.to_patient(columns.ravel(), rows.ravel()))[:, :2] + 0.5).astype(int)
    inside = (places >= 0).all(1) & (places[:, 0] < own.columns) & (places[:, 1] < own.rows)
    result = np.zeros(wanted.rows * wanted.columns, values.dtype)
    result[inside] = values[places[inside, 1], places[inside, 0]]
    return result.reshape(wanted.rows, wanted.columns)

"""RTSTRUCT objects (PS3.3 C.8.8.5 and C.8.8.6): closed planar contours in mm of the patient, filled on an image's pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from services.viewer.regions import PALETTE, RTSTRUCT, SAME_PLANE_MM, Grid, Mask, OverlayFacts, Segment

# CLOSEDPLANAR_XOR says by name what several contours of one region on one plane mean anyway: a contour inside another is a hole.
_CLOSED = frozenset({"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"})


def facts(ds: Dataset) -> OverlayFacts:
    colours = {int(item.ReferencedROINumber): item.get("ROIDisplayColor") for item in ds.get("ROIContourSequence") or ()}
    kinds = {int(item.ReferencedROINumber): str(item.get("RTROIInterpretedType", "")) for item in ds.get("RTROIObservationsSequence") or ()}
    segments = []
    for item in ds.StructureSetROISequence:
        number = int(item.ROINumber)
        given = colours.get(number)
        red, green, blue = given if given is not None and len(given) == 3 else PALETTE[(number - 1) % len(PALETTE)]
        segments.append(Segment(number, str(item.get("ROIName", "")), (int(red), int(green), int(blue)), kinds.get(number, "")))
    series, instances = [], []
    for frame_of_reference in ds.get("ReferencedFrameOfReferenceSequence") or ():
        for study in frame_of_reference.get("RTReferencedStudySequence") or ():
            for one in study.get("RTReferencedSeriesSequence") or ():
                series.append(str(one.SeriesInstanceUID))
                instances += [str(image.ReferencedSOPInstanceUID) for image in one.get("ContourImageSequence") or ()]
    for roi in ds.get("ROIContourSequence") or ():
        for contour in roi.get("ContourSequence") or ():
            instances += [str(image.ReferencedSOPInstanceUID) for image in contour.get("ContourImageSequence") or ()]
    return OverlayFacts(RTSTRUCT, "contours", tuple(segments), tuple(dict.fromkeys(series)), tuple(dict.fromkeys(instances)))


def masks(ds: Dataset, instance_uid: str, frame: int, grid: Grid, wanted: Sequence[int]) -> dict[int, Mask]:
    """Region number -> (rows, columns) of 0 and 255 on the pixels of the image; nothing for an image without a place in the patient."""
    if grid.position is None:
        return {}
    result = {}
    for roi in ds.get("ROIContourSequence") or ():
        number = int(roi.ReferencedROINumber)
        polygons = list(_polygons(roi, instance_uid, frame, grid)) if number in wanted else []
        if polygons:
            result[number] = filled(polygons, grid.rows, grid.columns)
    return result


def _polygons(roi: Dataset, instance_uid: str, frame: int, grid: Grid) -> Iterator[NDArray[np.float64]]:
    """(n, 2) of column and row of each closed contour on this image: by the image that it names, else by its plane."""
    for contour in roi.get("ContourSequence") or ():
        if str(contour.get("ContourGeometricType", "")) not in _CLOSED:
            continue
        points = grid.to_pixels(np.asarray(contour.ContourData, float).reshape(-1, 3))
        named = [(str(image.ReferencedSOPInstanceUID), image.get("ReferencedFrameNumber")) for image in contour.get("ContourImageSequence") or ()]
        if named and instance_uid:
            here = any(uid == instance_uid and (number is None or int(number) == frame) for uid, number in named)
        else:
            here = bool(np.abs(points[:, 2]).max() <= max(SAME_PLANE_MM, grid.thickness_mm / 2))
        if here and len(points) >= 3:
            yield points[:, :2]


def filled(polygons: Sequence[NDArray[np.float64]], rows: int, columns: int) -> Mask:
    """(rows, columns) of 0 and 255: pixels whose centre lies inside an odd number of the polygons (even-odd rule).

    ``polygons``: (n, 2) of column and row, pixel centres at whole numbers, closed by themselves.
    """
    mask = np.zeros((rows, columns), bool)
    starts = np.concatenate(polygons)
    ends = np.concatenate([np.roll(polygon, -1, axis=0) for polygon in polygons])
    low, high = np.minimum(starts[:, 1], ends[:, 1]), np.maximum(starts[:, 1], ends[:, 1])
    first, last = max(0, int(np.ceil(low.min()))), min(rows - 1, int(np.floor(high.max())))
    centres = np.arange(columns)
    for row in range(first, last + 1):
        # Half open: a corner that lies on the row counts for one of its two edges.
        crossing = (low <= row) & (row < high)
        (x0, y0), (x1, y1) = starts[crossing].T, ends[crossing].T
        at = np.sort(x0 + (row - y0) * (x1 - x0) / (y1 - y0))
        mask[row] = np.searchsorted(at, centres, side="right") % 2 == 1
    return mask.astype(np.uint8) * np.uint8(255)

"""The quick way of drawing gives the pixels of the thorough one, and stands back where a frame is not plain."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from isocenter.imaging.decode import decode
from isocenter.imaging.window import Window, to_uint8
from services.viewer.quick import plain_header, shown


def _object(pixels: np.ndarray[Any, Any], stored_bits: int, **attributes: Any) -> tuple[bytes, bytes]:
    """(header up to the pixel data's value, frame)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = CTImageStorage, "1.2.3"
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = CTImageStorage, "1.2.3", "CT"
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = pixels.dtype.itemsize * 8, stored_bits, stored_bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    for name, value in attributes.items():
        setattr(ds, name, value)
    ds.PixelData = pixels.tobytes()
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    whole = buffer.getvalue()
    return whole[: len(whole) - pixels.nbytes], pixels.tobytes()


def _thorough(header: bytes, frame: bytes, window: Window | None) -> np.ndarray[Any, Any]:
    ds = pydicom.dcmread(io.BytesIO(header + frame))
    return to_uint8(decode(ds), ds, window)


EVERY = np.arange(65536, dtype=np.uint16).reshape(256, 256)
CT = {"RescaleIntercept": -1024, "RescaleSlope": 1, "WindowCenter": 40, "WindowWidth": 400}


@pytest.mark.parametrize("window", [None, Window(40, 400), Window(-600, 1500, "LINEAR_EXACT"), Window(50.5, 33.3, "SIGMOID"), Window(100, 1)])
@pytest.mark.parametrize(
    ("pixels", "attributes"),
    [
        (EVERY, CT),
        (EVERY.view(np.int16), CT),
        (EVERY.view(np.int16), {**CT, "RescaleSlope": "0.3337", "PhotometricInterpretation": "MONOCHROME1"}),
        (EVERY, {"WindowCenter": [300, 1], "WindowWidth": [900, 2], "VOILUTFunction": "SIGMOID"}),
        (np.arange(256, dtype=np.uint8).reshape(16, 16), {"WindowCenter": 128, "WindowWidth": 200}),
    ],
)
def test_shown_when_a_frame_is_plain_then_its_pixels_are_those_of_the_thorough_way(
    pixels: np.ndarray[Any, Any], attributes: dict[str, Any], window: Window | None
) -> None:
    header, frame = _object(pixels, pixels.dtype.itemsize * 8, **attributes)
    plain = plain_header(header)
    assert plain is not None
    drawn = shown(plain, frame, window)
    assert drawn is not None
    assert np.array_equal(drawn, _thorough(header, frame, window))


def test_shown_when_bits_above_the_stored_ones_are_used_then_it_stands_back() -> None:
    header, frame = _object(np.full((8, 8), 0x0FFF, np.uint16), 12, **CT)
    plain = plain_header(header)
    assert plain is not None
    assert shown(plain, frame, None) is not None
    assert shown(plain, np.full((8, 8), 0x1FFF, np.uint16).tobytes(), None) is None
    assert shown(plain, frame[:-2], None) is None


@pytest.mark.parametrize(
    "attributes",
    [
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"VOILUTSequence": Sequence([Dataset()])},
        {"ModalityLUTSequence": Sequence([Dataset()])},
        {"SharedFunctionalGroupsSequence": Sequence([Dataset()])},
    ],
)
def test_plain_header_when_the_object_is_not_plain_then_none(attributes: dict[str, Any]) -> None:
    header, _ = _object(EVERY, 16, **{**CT, **attributes})
    assert plain_header(header) is None


def test_shown_when_no_window_is_told_then_the_percentiles_are_left_to_the_thorough_way() -> None:
    header, frame = _object(EVERY, 16)
    plain = plain_header(header)
    assert plain is not None
    assert shown(plain, frame, None) is None


def test_plain_header_when_it_is_cut_anywhere_then_no_error() -> None:
    header, _ = _object(EVERY, 16, **CT)
    for size in range(len(header)):
        plain_header(header[:size])

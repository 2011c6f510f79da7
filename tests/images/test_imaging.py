"""Windows, geometry, stacks, series objects and thumbnails."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from image_samples import bundled
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_windowing

from isocenter.imaging.decode import PixelsUnreadable, decode, decode_frame
from isocenter.imaging.frames import FramesUnknown, encapsulated_items, frames_of_items
from isocenter.imaging.geometry import Slice, geometric_order, is_regular, slice_spacing_mm
from isocenter.imaging.series import describe_series, stacks_of
from isocenter.imaging.thumbnail import thumbnail
from isocenter.imaging.window import Window, auto_window, header_window, to_uint8, windowed

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@given(center=st.floats(-1000, 3000), width=st.floats(1, 4000), function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]), signed=st.booleans())
def test_window_when_applied_then_equal_to_pydicoms(center: float, width: float, function: str, signed: bool) -> None:
    """Independent tool: pydicom apply_windowing, whose output range is that of the stored bits."""
    ds = Dataset()
    ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = round(center, 3), round(width, 3), function
    ds.PhotometricInterpretation, ds.BitsStored, ds.PixelRepresentation = "MONOCHROME2", 8, int(signed)
    values = np.arange(-1100, 3100, 7).astype(np.float64)
    low = -128.0 if signed else 0.0
    expected = apply_windowing(values, ds) - low
    found = windowed(values, Window(float(ds.WindowCenter), float(ds.WindowWidth), function))
    assert np.allclose(found, expected, atol=0.1)


def test_to_uint8_when_monochrome1_then_inverted() -> None:
    ds = Dataset()
    ds.PhotometricInterpretation, ds.WindowCenter, ds.WindowWidth = "MONOCHROME1", 50, 100
    grey = to_uint8(np.array([[0, 49, 100]], np.int16), ds)
    assert grey[0, 0] == 255
    assert grey[0, 2] == 0


def test_to_uint8_when_no_window_is_stated_then_percentiles_show_something() -> None:
    ds = Dataset()
    ds.PhotometricInterpretation = "MONOCHROME2"
    values = np.linspace(1000, 2000, 10_000).reshape(100, 100)
    grey = to_uint8(values, ds)
    assert (int(grey.min()), int(grey.max())) == (0, 255)
    assert 100 < grey.mean() < 155


def test_to_uint8_when_palette_then_rgb() -> None:
    ds = pydicom.dcmread(bundled("examples_palette.dcm"))
    assert to_uint8(decode(ds), ds).shape == (350, 800, 3)


def test_header_window_when_values_are_odd_then_none() -> None:
    ds = Dataset()
    assert header_window(ds) is None
    ds.WindowCenter, ds.WindowWidth = [40, 50], [0, 400]
    assert header_window(ds) is None
    ds.WindowWidth = [80, 400]
    assert header_window(ds) == Window(40.0, 80.0)


def test_auto_window_when_constant_or_not_finite_then_usable() -> None:
    assert auto_window(np.zeros((3, 3))).width > 0
    assert np.isfinite(auto_window(np.array([np.nan, 1.0, 2.0, np.inf])).center)


def axial(z: float, number: int | None = None) -> Slice:
    return Slice((0.0, 0.0, z), AXIAL, number)


def test_slices_when_names_do_not_sort_then_ordered_along_the_normal() -> None:
    slices = [axial(10), axial(100), axial(-5), axial(20)]
    assert geometric_order(slices) == [2, 0, 3, 1]


def test_slices_when_at_one_place_then_by_instance_number_and_without_geometry_too() -> None:
    assert geometric_order([axial(1, 5), axial(1, 2), axial(0, 9)]) == [2, 1, 0]
    assert geometric_order([Slice(None, None, 3), Slice(None, None, 1), Slice(None, None, None)]) == [1, 0, 2]


def test_spacing_when_oblique_then_measured_along_the_normal() -> None:
    tilt = np.deg2rad(30)
    orientation = (1.0, 0.0, 0.0, 0.0, float(np.cos(tilt)), float(np.sin(tilt)))
    normal = np.cross(orientation[:3], orientation[3:])
    slices = [Slice(tuple(float(v) for v in normal * 2.5 * n), orientation) for n in range(4)]
    assert slice_spacing_mm(slices) == 2.5
    assert is_regular(slices)


def test_stack_when_a_slice_is_missing_then_not_regular() -> None:
    assert not is_regular([axial(0), axial(5), axial(15)])
    assert slice_spacing_mm([axial(0), axial(5), axial(10), axial(20)]) == 5
    assert slice_spacing_mm([axial(0)]) is None


def header(z: float, echo: float | None = None, b: float | None = None, kind: str = "M", number: int = 1) -> Dataset:
    ds = Dataset()
    ds.ImagePositionPatient, ds.ImageOrientationPatient, ds.InstanceNumber = [0, 0, z], list(AXIAL), number
    ds.ImageType = ["ORIGINAL", "PRIMARY", kind]
    if echo is not None:
        ds.EchoTime = echo
    if b is not None:
        ds.DiffusionBValue = b
    return ds


def test_stacks_when_two_echoes_lie_in_one_series_then_two_in_geometric_order() -> None:
    headers = [header(z, echo) for z in (10, 0, 5) for echo in (92.0, 11.0)]
    stacks = stacks_of(headers)
    assert [(s.ordinal, s.echo_time_ms, s.count, s.spacing_mm, s.regular) for s in stacks] == [(0, 11.0, 3, 5.0, True), (1, 92.0, 3, 5.0, True)]
    assert [headers[i].ImagePositionPatient[2] for i in stacks[0].members] == [0, 5, 10]


def test_stacks_when_b_values_or_kinds_differ_then_apart_and_single_images_stay_together() -> None:
    headers = [header(z, 70.0, b) for b in (0.0, 800.0) for z in (0, 3, 6)] + [header(z, 70.0, 0.0, "P") for z in (0, 3, 6)]
    assert [(s.b_value, s.image_kind) for s in stacks_of(headers)] == [(0.0, ""), (800.0, ""), (0.0, "P")]
    assert len(stacks_of([header(0, 1.0), header(3, 2.0), header(6, 3.0)])) == 1


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    """Five slices written in an order that is neither that of names nor of space."""
    paths = []
    for number, z in enumerate((20.0, 0.0, 10.0, 40.0, 30.0)):
        ds = pydicom.dcmread(bundled("CT_small.dcm"))
        ds.ImagePositionPatient, ds.InstanceNumber, ds.SOPInstanceUID = [0, 0, z], number + 1, f"1.2.3.{number}"
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        paths.append(tmp_path / f"{number}")
        ds.save_as(paths[-1])
    return paths


def test_series_when_described_then_metadata_in_geometric_order_without_pixels(series: list[Path]) -> None:
    description = describe_series(series)
    assert description.order == (1, 2, 0, 4, 3)
    assert [(s.count, s.spacing_mm, s.regular) for s in description.stacks] == [(5, 10.0, True)]
    metadata = json.loads(gzip.decompress(description.metadata_gz))
    assert [item["00080018"]["Value"][0] for item in metadata] == ["1.2.3.1", "1.2.3.2", "1.2.3.0", "1.2.3.4", "1.2.3.3"]
    assert all("7FE00010" not in item and item["00083002"]["Value"] == ["1.2.840.10008.1.2.1"] for item in metadata)
    assert metadata[0]["00280010"] == {"vr": "US", "Value": [128]}
    assert Image.open(io.BytesIO(description.thumbnail_jpeg)).size == (128, 128)


def test_series_when_described_twice_then_bytes_are_equal(series: list[Path]) -> None:
    assert describe_series(series) == describe_series(series)


def test_series_when_files_are_no_dicom_then_thumbnail_and_no_metadata(tmp_path: Path) -> None:
    picture = tmp_path / "stored-without-extension"
    Image.effect_noise((500, 300), 60).save(picture, "PNG")
    description = describe_series([picture])
    assert (description.order, description.metadata_gz) == ((0,), b"")
    assert Image.open(io.BytesIO(description.thumbnail_jpeg)).size == (256, 154)


def test_series_when_empty_or_undecodable_then_still_described(tmp_path: Path) -> None:
    assert describe_series([]).order == ()
    (tmp_path / "x").write_bytes(b"nothing")
    assert describe_series([tmp_path / "x"]).thumbnail_jpeg == b""


def _nifti(path: Path) -> None:
    values = np.random.default_rng(3).normal(size=(40, 30, 8, 2)).astype(np.float32)
    nib.Nifti1Image(values, np.diag([-1.0, 1, 1, 1])).to_filename(path)


def _slide(path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (600, 900, 3)).astype(np.uint8)
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", metadata=None)


@pytest.mark.parametrize(("name", "make", "size"), [("v.nii.gz", _nifti, (40, 30)), ("s.tif", _slide, (256, 171))])
def test_thumbnail_when_volume_or_slide_then_small_jpeg(name: str, make: Callable[[Path], None], size: tuple[int, int], tmp_path: Path) -> None:
    make(tmp_path / name)
    bare = tmp_path / "object"
    bare.write_bytes((tmp_path / name).read_bytes())
    picture = Image.open(io.BytesIO(thumbnail(bare)))
    assert (picture.format, picture.size) == ("JPEG", size)


def test_decode_when_a_frame_is_chosen_then_that_frame_of_the_array() -> None:
    path = bundled("SC_rgb_rle_2frame.dcm")
    whole = pydicom.dcmread(path).pixel_array
    assert np.array_equal(decode_frame(path, 1), whole[1])
    assert np.array_equal(decode_frame(path.read_bytes(), 0), whole[0])
    with pytest.raises(PixelsUnreadable):
        decode_frame(path, 2)


def test_decode_when_header_states_a_huge_frame_then_refused_before_anything_is_allocated(ct: Dataset) -> None:
    ct.Rows = ct.Columns = 65535
    with pytest.raises(PixelsUnreadable) as caught:
        decode(ct)
    assert caught.value.code == "too-large-to-decode"


def _items(*payloads: bytes, table: bytes = b"") -> bytes:
    import struct

    out = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(p)) + p for p in (table, *payloads))
    return out + b"\xfe\xff\xdd\xe0\0\0\0\0"


@pytest.mark.parametrize(
    ("payloads", "table", "frames", "groups"),
    [
        ((b"\xff\xd8aa", b"\xff\xd8bb"), b"", 2, [1, 1]),
        ((b"\xff\xd8aa", b"cccc"), b"", 1, [2]),
        ((b"\xff\xd8aa", b"cccc", b"\xff\xd8bb"), b"", 2, [2, 1]),
        ((b"aaaa", b"bbbb", b"cccc"), b"\0\0\0\0\x18\0\0\0", 2, [2, 1]),
    ],
)
def test_fragments_when_divided_into_frames_then_grouped(payloads: tuple[bytes, ...], table: bytes, frames: int, groups: list[int]) -> None:
    data = _items(*payloads, table=table)
    assert [len(group) for group in frames_of_items(data, encapsulated_items(data), frames)] == groups


def test_fragments_when_they_do_not_divide_then_said_so() -> None:
    data = _items(b"aaaa", b"bbbb", b"cccc")
    with pytest.raises(FramesUnknown):
        frames_of_items(data, encapsulated_items(data), 2)


def test_decode_when_pixels_are_of_an_unknown_syntax_then_code(ct: Dataset) -> None:
    ct.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"
    with pytest.raises(PixelsUnreadable) as caught:
        decode(ct)
    assert caught.value.code == "unsupported-transfer-syntax"


def test_imaging_when_imported_then_no_service_is(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys, isocenter.imaging.series; print([m for m in sys.modules if m.startswith('services')])"
    done: Any = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

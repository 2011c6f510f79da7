"""De-identifying volumes, pictures and slides: text goes, pixels stay bit for bit."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import openslide
import pytest
import tifffile
from image_samples import plain_facts
from PIL import Image, PngImagePlugin

from isocenter.keys import SiteKey
from services.ingest.deidentify import deidentify
from services.ingest.deidentify.policy import DeidPolicy
from services.ingest.deidentify.streams import DamagedStream, blank_jpeg_2000, strip_jpeg
from services.ingest.records import ImageFormat, NewUids, Refusal, Released, Subject

Release = Callable[..., Any]
MARK = "Zqhidden"


def text_volume(kind: type = nib.Nifti1Image, order: str = "<") -> Any:
    values = np.arange(120, dtype=np.dtype(f"{order}i2")).reshape(6, 5, 4)
    header = kind.header_class(endianness=order)
    image = kind(values, np.diag([0.5, 0.7, 3.0, 1.0]), header)
    for field, text in (("descrip", MARK), ("aux_file", MARK), ("intent_name", MARK)):
        image.header[field] = text.encode()
    if "db_name" in image.header.keys():  # noqa: SIM118 - no mapping
        image.header["db_name"] = MARK.encode()
    image.header["scl_slope"], image.header["scl_inter"] = 2.0, 1.0
    image.header.extensions.append(nib.nifti1.Nifti1Extension(6, MARK.encode()))
    return image


@pytest.mark.parametrize(
    ("kind", "name"), [(nib.Nifti1Image, "a.nii.gz"), (nib.Nifti1Image, "a.nii"), (nib.Nifti2Image, "b.nii.gz"), (nib.Nifti1Pair, "c.img")]
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_volume_when_released_then_text_and_extensions_go_and_voxels_stay(kind: type, name: str, order: str, tmp_path: Path, release: Release) -> None:
    path = tmp_path / name
    text_volume(kind, order).to_filename(path)
    source = nib.load(path)
    result, out = release(path.with_suffix(".hdr") if name.endswith(".img") else path)
    assert isinstance(result, Released), result
    written = nib.load(out)
    assert MARK.encode() not in gzip.decompress(out.read_bytes())
    assert len(written.header.extensions) == 0
    assert np.array_equal(np.asarray(written.dataobj.get_unscaled()), np.asarray(source.dataobj.get_unscaled()))
    assert np.array_equal(np.asarray(written.dataobj), np.asarray(source.dataobj))
    assert np.allclose(written.affine, source.affine)
    assert written.header.get_zooms() == source.header.get_zooms()


def test_volume_when_released_twice_then_gzip_bytes_are_equal_and_without_name(tmp_path: Path, release: Release) -> None:
    text_volume().to_filename(tmp_path / "zhang_wei.nii.gz")
    first, one = release(tmp_path / "zhang_wei.nii.gz", "one")
    _, two = release(tmp_path / "zhang_wei.nii.gz", "two")
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes()[3:8] == b"\0\0\0\0\0"  # no flags (no name), time 0
    assert first.extension == "nii.gz"


def test_analyze_when_released_then_a_nifti_with_the_same_voxels(tmp_path: Path, release: Release) -> None:
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    nib.AnalyzeImage(values, np.diag([2.0, 3.0, 4.0, 1.0])).to_filename(tmp_path / "a.img")
    result, out = release(tmp_path / "a.hdr")
    assert isinstance(result, Released), result
    assert np.array_equal(np.asarray(nib.load(out).dataobj), values)
    assert nib.load(out).header.get_zooms() == (2.0, 3.0, 4.0)


def png_with_text(path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Patient", MARK)
    info.add_itxt("Comment", MARK, zip=True)
    picture = Image.effect_noise((33, 21), 60).convert("RGB")
    exif = Image.Exif()
    exif[0x010E] = MARK
    picture.save(path, pnginfo=info, exif=exif)
    path.write_bytes(path.read_bytes() + MARK.encode())


def test_png_when_released_then_text_exif_and_tail_go_and_pixels_stay(tmp_path: Path, release: Release) -> None:
    path = tmp_path / "a.png"
    png_with_text(path)
    result, out = release(path)
    assert isinstance(result, Released), result
    data = out.read_bytes()
    assert all(chunk not in data for chunk in (b"tEXt", b"iTXt", b"eXIf", MARK.encode()))
    assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(out)))
    assert "metadata-removed" in result.notes


def test_jpeg_when_released_then_segments_go_and_pixels_stay(tmp_path: Path, release: Release) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = MARK, 6
    Image.effect_noise((64, 48), 60).convert("RGB").save(path, exif=exif, comment=MARK.encode(), progressive=True)
    path.write_bytes(path.read_bytes() + MARK.encode())
    result, out = release(path)
    assert isinstance(result, Released), result
    assert MARK.encode() not in out.read_bytes()
    assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(out)))
    assert "exif-orientation-6-dropped" in result.notes


def test_jpeg_stream_when_jfif_holds_a_thumbnail_then_it_goes() -> None:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), 9).save(buffer, "JPEG")
    data = buffer.getvalue()
    small = b"\xff\xe0\x00\x13JFIF\0\x01\x01\0\0\x01\0\x01\x01\x01ABC"
    end = 4 + int.from_bytes(data[4:6], "big")
    clean = strip_jpeg(data[:2] + small + data[end:])
    assert b"ABC" not in clean
    assert Image.open(io.BytesIO(clean)).size == (8, 8)


@pytest.mark.parametrize("stream", [b"", b"\xff\xd8\x00", b"\xff\xd8\xff\xe1\xff\xff", b"\x00" * 9])
def test_jpeg_stream_when_damaged_then_said_so(stream: bytes) -> None:
    with pytest.raises(DamagedStream):
        strip_jpeg(stream)


@pytest.mark.parametrize("stream", [b"", b"\xff\x4f\x00\x00", b"\xff\x4f\xff\x64\xff\xff"])
def test_jpeg_2000_stream_when_damaged_then_said_so(stream: bytes) -> None:
    with pytest.raises(DamagedStream):
        blank_jpeg_2000(stream)


APERIO = (
    "Aperio Image Library v11.2.1 \r\n600x400 [0,0 600x400] (240x240) JPEG/RGB Q=70"
    f"|AppMag = 20|User = {MARK}|MPP = 0.4990|ScanScope ID = {MARK}|Date = 03/10/20"
)


def slide_pixels(rows: int = 400, columns: int = 600) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[0:rows, 0:columns]
    return np.stack([(x % 256), (y % 256), ((x + y) % 256)], -1).astype(np.uint8)


def write_svs(path: Path, bigtiff: bool = False) -> None:
    """An Aperio-like slide: two levels, a thumbnail, a label and a macro that show text."""
    pixels = slide_pixels()
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as tiff:

        def level(values: Any, text: str, **more: Any) -> None:
            tiff.write(values, compression="jpeg", photometric="rgb", description=text, metadata=None, software=False, **more)

        level(pixels, APERIO, tile=(240, 240), datetime="2020:03:10 10:11:12")
        level(pixels[::4, ::4], f"Aperio Image Library v11 \r\n600x400 -> 150x100 - |User = {MARK}")
        level(pixels[::2, ::2], f"Aperio Image Library v11 \r\n600x400 (240x240) -> 300x200 JPEG/RGB Q=70|User = {MARK}", tile=(240, 240))
        level(pixels[:100, :100], f"Aperio Image Library v11 \nlabel 100x100 {MARK}", subfiletype=1)
        level(pixels[:90, :200], f"Aperio Image Library v11 \nmacro 200x90 {MARK}", subfiletype=9)


@pytest.mark.parametrize("bigtiff", [False, True])
def test_svs_when_released_then_label_macro_and_texts_go_and_tiles_stay(bigtiff: bool, tmp_path: Path, release: Release) -> None:
    path = tmp_path / "a.svs"
    write_svs(path, bigtiff)
    with openslide.OpenSlide(path) as before:
        assert {"label", "macro"} <= set(before.associated_images)
        expected = [np.asarray(before.read_region((0, 0), level, before.level_dimensions[level])) for level in range(before.level_count)]
    result, out = release(path)
    assert isinstance(result, Released), result
    assert MARK.encode() not in out.read_bytes()
    assert b"2020:03:10" not in out.read_bytes()
    with openslide.OpenSlide(out) as after:
        assert dict(after.associated_images) == {}
        assert after.properties["openslide.objective-power"] == "20"
        assert float(after.properties["openslide.mpp-x"]) == 0.499
        found = [np.asarray(after.read_region((0, 0), level, after.level_dimensions[level])) for level in range(after.level_count)]
    assert len(found) == len(expected) == 2
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    with tifffile.TiffFile(path) as source, tifffile.TiffFile(out) as written:
        assert len(written.pages) == 2
        assert np.array_equal(source.pages[0].asarray(), written.pages[0].asarray())
        assert {tag.code for page in written.pages for tag in page.tags} & {305, 306, 315, 700, 33432} == set()


def test_svs_when_released_twice_then_bytes_are_equal(tmp_path: Path, release: Release) -> None:
    write_svs(tmp_path / "a.svs")
    _, one = release(tmp_path / "a.svs", "one")
    _, two = release(tmp_path / "a.svs", "two")
    assert one.read_bytes() == two.read_bytes()


def test_plain_tiff_when_accepted_by_a_person_then_released_as_a_tiled_one(tmp_path: Path, release: Release) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, slide_pixels(), photometric="rgb", description=MARK, metadata=None, rowsperstrip=16)
    result, out = release(path)
    assert isinstance(result, Released), result
    assert MARK.encode() not in out.read_bytes()
    assert np.array_equal(tifffile.imread(out), slide_pixels())
    with openslide.OpenSlide(out) as slide:
        assert slide.dimensions == (600, 400)


def test_slide_when_its_vendor_needs_private_metadata_then_review(tmp_path: Path, key: SiteKey, policy: DeidPolicy, subject: Subject) -> None:
    path = tmp_path / "a.tiff"
    text = '<?xml version="1.0" encoding="UTF-8"?><DataObject ObjectType="DPUfsImport"><Attribute Name="DICOM_MANUFACTURER">PHILIPS</Attribute></DataObject>'
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(
            slide_pixels(512, 512), tile=(256, 256), compression="jpeg", photometric="ycbcr", description=text, metadata=None, software="Philips DP v1.0"
        )
    assert openslide.OpenSlide.detect_format(path) == "philips"
    out = tmp_path / "out"
    out.mkdir()
    result = deidentify(path, plain_facts(ImageFormat.WSI), subject, NewUids("2.25.1", "2.25.2", "2.25.3"), key, policy, out)
    assert isinstance(result, Refusal)
    assert result.code == "slide-format-not-cleanable"
    assert list(out.iterdir()) == []


def test_volume_when_a_known_value_hides_in_a_number_field_then_review(tmp_path: Path, release: Release) -> None:
    path = tmp_path / "a.nii"
    text_volume().to_filename(path)
    data = bytearray(path.read_bytes())
    data[252 + 4 : 252 + 12] = b"ZHANGWEI"  # quatern_b, quatern_c
    path.write_bytes(bytes(data))
    result, out = release(path, whose=Subject("ISO-1", -1, ("ZHANG^WEI",)))
    assert isinstance(result, Refusal)
    assert result.code == "leak-suspected"
    assert not out.exists()

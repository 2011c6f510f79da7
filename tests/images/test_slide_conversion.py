"""Slides that only OpenSlide reads: one image with its folder, written anew as a JPEG pyramid without label and texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pytest
import tifffile
from mirax_samples import IMAGE_PX, MISSING, NAME, mirax_pixels, write_mirax

from isocenter.imaging.tiles import tile_index
from isocenter.keys import SiteKey
from services.ingest.readers import read
from services.ingest.records import Outcome, Reading, Refusal, Released
from services.ingest.slide_folders import is_part

Release = Callable[..., Any]


def test_mirax_when_released_then_a_pyramid_of_the_same_picture_without_label_and_names(tmp_path: Path, release: Release) -> None:
    source = write_mirax(tmp_path / "a.mrxs")
    with openslide.OpenSlide(source) as before:
        assert set(before.associated_images) == {"label"}
        assert NAME in before.properties.values()
    result, out = release(source)
    assert isinstance(result, Released), result
    assert (result.extension, result.media_type) == ("svs", "image/tiff")
    assert NAME.encode() not in out.read_bytes()
    expected = mirax_pixels().astype(int)
    left, top = MISSING[0] * IMAGE_PX, MISSING[1] * IMAGE_PX
    with openslide.OpenSlide(out) as after:
        assert dict(after.associated_images) == {}
        # Written by mirax_samples: 0.25 um a pixel, objective 20; 4 x 2 images of 200 px.
        assert (after.properties["openslide.mpp-x"], after.properties["openslide.objective-power"]) == ("0.25", "20")
        assert after.level_dimensions == ((800, 400), (400, 200), (200, 100))
        found = np.asarray(after.read_region((0, 0), 0, after.dimensions))[..., :3].astype(int)
        coarse = np.asarray(after.read_region((0, 0), 2, after.level_dimensions[2]))[..., :3].astype(int)
    assert (found[top + 8 : top + IMAGE_PX - 8, left + 8 : left + IMAGE_PX - 8] == 255).all()  # not scanned: the background
    assert np.abs(found - expected)[: top - 8].mean() < 1.5
    assert np.abs(coarse - expected[::4, ::4])[:, :90].mean() < 2
    index = tile_index([("key", out)])
    assert index is not None
    assert [level.downsample for level in index.levels] == [1, 2, 4]  # every level passes through
    with tifffile.TiffFile(out) as tiff:
        assert tiff.is_bigtiff
        pages: list[Any] = list(tiff.pages)
        assert {tag.code for page in pages for tag in page.tags} & {305, 306, 315} == set()


def test_mirax_when_released_twice_then_bytes_are_equal(tmp_path: Path, release: Release) -> None:
    source = write_mirax(tmp_path / "a.mrxs")
    _, one = release(source, "one")
    _, two = release(source, "two")
    assert one.read_bytes() == two.read_bytes()


def test_mirax_when_a_file_of_its_folder_differs_then_it_is_another_source(tmp_path: Path, key: SiteKey) -> None:
    one, two = (read(write_mirax(tmp_path / folder / "a.mrxs"), key) for folder in ("one", "two"))
    assert isinstance(one, Reading)
    assert one == two
    data = tmp_path / "two" / "a" / "Data0000.dat"
    data.write_bytes(data.read_bytes() + b"\0")
    other = read(tmp_path / "two" / "a.mrxs", key)
    assert isinstance(other, Reading)
    assert other.source_hmac != one.source_hmac
    assert is_part(data)
    assert not is_part(tmp_path / "two" / "a.mrxs")


@pytest.mark.parametrize("wrong", ["no folder", "link", "path", "index"])
def test_mirax_when_it_is_incomplete_or_reads_other_files_then_it_is_not_taken(wrong: str, tmp_path: Path, key: SiteKey) -> None:
    source = write_mirax(tmp_path / "a.mrxs")
    folder = tmp_path / "a"
    if wrong == "no folder":
        folder.rename(tmp_path / "b")
    elif wrong == "link":
        (folder / "Data0000.dat").rename(tmp_path / "elsewhere.dat")
        (folder / "Data0000.dat").symlink_to(tmp_path / "elsewhere.dat")
    elif wrong == "path":
        (folder / "Data0000.dat").rename(tmp_path / "elsewhere.dat")
        text = (folder / "Slidedat.ini").read_text()
        (folder / "Slidedat.ini").write_text(text.replace("FILE_0=Data0000.dat", "FILE_0=../elsewhere.dat"))
    else:
        (folder / "Index.dat").write_bytes(b"01.02")
    result = read(source, key)
    assert isinstance(result, Refusal)
    expected = (Outcome.REFUSED, "unreadable-slide") if wrong == "index" else (Outcome.REVIEW, "slide-folder-format")
    assert (result.outcome, result.code) == expected


def test_slide_when_another_vendor_wrote_it_then_it_becomes_a_pyramid_too(tmp_path: Path, release: Release) -> None:
    """Trestle's TIFF: OpenSlide knows it by Software "MedScan" and its description of key=value pairs (openslide-vendor-trestle.c)."""
    source = tmp_path / "a.tif"
    pixels = mirax_pixels()
    text = f"Background Color=FFFFFF;Objective Power=10;Patient={NAME};OverlapsXY= 0 0 0 0"
    with tifffile.TiffWriter(source) as tiff:
        for step in (1, 2):
            tiff.write(
                pixels[::step, ::step], tile=(256, 256), photometric="rgb", compression="jpeg", compressionargs={"level": 95}, metadata=None,
                software="MedScan 1.0", description=text, subfiletype=0 if step == 1 else 1,
            )  # fmt: skip
    assert openslide.OpenSlide.detect_format(source) == "trestle"
    result, out = release(source)
    assert isinstance(result, Released), result
    assert NAME.encode() not in out.read_bytes()
    with openslide.OpenSlide(out) as after:
        assert after.dimensions == (800, 400)
        assert after.properties["openslide.objective-power"] == "10"
        found = np.asarray(after.read_region((0, 0), 0, after.dimensions))[..., :3].astype(int)
    assert np.abs(found - pixels.astype(int)).mean() < 1.5

"""Pictures, volumes and slides."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image
from viewer_rows import slide_bytes, volume_bytes

from services.viewer.negotiate import Wanted, frame_form, wanted_of
from services.viewer.pyramid import Slide, dzi_levels
from services.viewer.volume import pixel_ratio, read_volume

if TYPE_CHECKING:
    from conftest import Viewer


def _image(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)))


async def test_thumbnail_when_asked_then_the_one_made_at_ingest(viewer: Viewer) -> None:
    for series in ("1.1", "1.4", "1.5", "1.6"):
        answer = await viewer.get(f"/api/v1/series/{series}/thumbnail")
        assert answer.status_code == 200, answer.text
        assert answer.content == viewer.catalog.resources.store.get_bytes(f"data/{series}/thumbnail.jpg")
        again = await viewer.get(f"/api/v1/series/{series}/thumbnail", If_None_Match=answer.headers["etag"])
        assert again.status_code == 304


async def test_preview_when_frames_go_over_several_instances_then_each_is_another(viewer: Viewer) -> None:
    bodies = [(await viewer.get(f"/api/v1/series/1.1/preview?frame={n}&format=png")).content for n in range(3)]
    assert len(set(bodies)) == 3
    last = await viewer.get("/dicom-web/studies/1/series/1.1/instances/1.1.3/rendered", Accept="image/png")
    assert (_image(last.content) == _image(bodies[2])).all()


async def test_preview_when_png_then_its_pixels(viewer: Viewer) -> None:
    answer = await viewer.get("/api/v1/series/1.5/preview?format=png")
    assert (_image(answer.content) == _image(viewer.catalog.objects["1.5"][0])).all()


async def test_slices_when_asked_then_geometry_and_orientation_are_the_patients(viewer: Viewer) -> None:
    geometry = (await viewer.get("/api/v1/series/1.4/slices")).json()
    assert {plane: told["count"] for plane, told in geometry["planes"].items()} == {"sagittal": 7, "coronal": 9, "axial": 11}
    assert geometry["spacing_mm"] == [1, 2, 3]
    # Values are 100 x + 10 y + z with x to the right, y to the front, z up; window 0..1000 exactly.
    answer = await viewer.get("/api/v1/series/1.4/slices/axial/4?window=500,1000,linear-exact&format=png")
    shown = _image(answer.content) / 255 * 1000
    assert shown.shape == (9, 7)
    assert shown[0, 0] == pytest.approx(100 * 6 + 10 * 8 + 4, abs=4)  # upper left: right and front
    assert shown[-1, -1] == pytest.approx(4, abs=4)  # lower right: left and back
    for path in ("axial/11", "up/0", "axial/x", "axial/0?volume=1"):
        assert (await viewer.get(f"/api/v1/series/1.4/slices/{path}")).status_code == 422


def test_volume_when_sliced_then_each_plane_is_seen_from_its_side() -> None:
    volume = read_volume(volume_bytes())
    sagittal, coronal = volume.slice("sagittal", 2), volume.slice("coronal", 3)
    assert (sagittal.shape, coronal.shape) == ((11, 9), (11, 7))
    assert sagittal[0, 0] == 200 + 80 + 10  # head, front
    assert coronal[0, 0] == 600 + 30 + 10  # head, right
    assert [pixel_ratio(volume, plane) for plane in ("axial", "coronal", "sagittal")] == [2, 3, 1.5]


def test_dzi_levels_when_a_size_is_odd_then_each_is_half_rounded_up() -> None:
    assert [(level.width_px, level.height_px) for level in dzi_levels(5, 3)] == [(1, 1), (2, 1), (3, 2), (5, 3)]
    assert [(level.width_px, level.height_px) for level in dzi_levels(1, 1)] == [(1, 1)]


async def test_slide_when_all_tiles_are_fetched_then_each_level_is_whole_and_true(viewer: Viewer, tmp_path: Path) -> None:
    descriptor = ET.fromstring((await viewer.get("/slides/1.6.dzi")).content)
    size = descriptor[0].attrib
    assert (descriptor.attrib["TileSize"], descriptor.attrib["Overlap"], size["Width"], size["Height"]) == ("128", "0", "700", "520")
    path = tmp_path / "s.tif"
    path.write_bytes(viewer.catalog.objects["1.6"][0])
    with openslide.OpenSlide(path) as reference:
        full = np.asarray(reference.read_region((0, 0), 0, (700, 520)).convert("RGB"), int)
    for level in dzi_levels(700, 520)[6:]:
        whole = np.zeros((level.height_px, level.width_px, 3), int)
        for row in range(-(-level.height_px // 128)):
            for column in range(-(-level.width_px // 128)):
                answer = await viewer.get(f"/slides/1.6_files/{level.number}/{column}_{row}.jpeg")
                tile = _image(answer.content)
                expected = (min(128, level.height_px - row * 128), min(128, level.width_px - column * 128))
                assert tile.shape[:2] == expected
                whole[row * 128 : row * 128 + expected[0], column * 128 : column * 128 + expected[1]] = tile
        wanted = np.asarray(Image.fromarray(full.astype(np.uint8)).resize((level.width_px, level.height_px), Image.Resampling.BOX), int)
        assert np.abs(whole - wanted).mean() < 3
    for lost in ("10/6_0.jpeg", "11/0_0.jpeg", "10/0_0.png", "10/a_b.jpeg"):
        assert (await viewer.get(f"/slides/1.6_files/{lost}")).status_code == 404
    assert (await viewer.get("/slides/1.1.dzi")).status_code == 404
    assert (await viewer.get("/slides/1.4_files/3/0_0.jpeg")).status_code == 404


@pytest.mark.parametrize("photometric", ["ycbcr", "rgb"])
def test_tile_when_stored_as_jpeg_then_its_pixels_are_those_of_the_file(tmp_path: Path, photometric: str) -> None:
    slide_bytes(tmp_path, photometric)
    slide = Slide(tmp_path / f"{photometric}.tif")
    with tifffile.TiffFile(tmp_path / f"{photometric}.tif") as tiff:
        for downsample, levels in ((1, 10), (2, 9), (4, 8)):
            page = tiff.series[0].levels[{1: 0, 2: 1, 4: 2}[downsample]].pages[0]
            stored = slide.stored_tile(levels, 0, 0)
            assert stored is not None
            assert (_image(stored) == page.asarray()[:128, :128]).all()
    assert slide.stored_tile(10, 5, 0) is None  # the right edge is cut off
    assert slide.stored_tile(10, 0, 4) is None
    assert slide.stored_tile(7, 0, 0) is None  # not stored
    assert (slide.tile(10, 1, 1) == _image(slide.stored_tile(10, 1, 1))).all() or photometric == "rgb"  # type: ignore[arg-type]
    slide.close()


def test_accept_when_parsed_then_by_quality_and_the_query_first() -> None:
    def asked(accept: str, query: str = "") -> list[Wanted]:
        return wanted_of({"query_string": query.encode(), "headers": [(b"accept", accept.encode())]})

    listed = asked('multipart/related; type="image/jls"; q=0.5, multipart/related; type=application/octet-stream; transfer-syntax=*, text/x;q=0')
    assert listed == [Wanted(True, "application/octet-stream", "*"), Wanted(True, "image/jls", "")]
    assert asked("image/png", "accept=image/jpeg") == [Wanted(False, "image/jpeg", "")]
    assert asked("") == []


@pytest.mark.parametrize(("wanted", "stored", "expected"), [
    (Wanted(True, "application/octet-stream", ""), "1.2.840.10008.1.2.4.90", ("application/octet-stream", True)),
    (Wanted(True, "application/octet-stream", "*"), "1.2.840.10008.1.2.4.90", ("application/octet-stream", False)),
    (Wanted(True, "image/jp2", ""), "1.2.840.10008.1.2.4.90", ("image/jp2", False)),
    (Wanted(False, "*/*", ""), "1.2.840.10008.1.2.4.80", ("image/jls", False)),
    (Wanted(False, "*/*", ""), "1.2.840.10008.1.2.1", ("application/octet-stream", False)),
])  # fmt: skip
def test_frame_form_when_asked_then_as_ps3_18_says(wanted: Wanted, stored: str, expected: tuple[str, bool]) -> None:
    form = frame_form([wanted], stored, 1)
    assert (form.media_type, form.decoded) == expected

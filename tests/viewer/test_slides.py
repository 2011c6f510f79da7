"""Tile indexes, DeepZoom and IIIF from them, regions in micrometres, DICOM whole slides; from disk and from S3."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit
from sqlalchemy import select
from viewer_rows import _Maker, slide_bytes

from isocenter.errors import BadRequest
from isocenter.imaging.tiles import TileIndex, cropped, decoded, spliced, tile_index, unpack
from isocenter.keys import create_key_file
from isocenter.models import Instance, PolicyVersion, Series, Slide, Study
from isocenter.objects import ObjectStore, StoreConfig
from services.ingest.work import CloseTask, Common, close_series
from services.viewer.pyramid import dzi_levels
from services.viewer.routes.iiif import Box, parse_region, parse_size
from services.viewer.tiled import DrawnTiles

if TYPE_CHECKING:
    from conftest import Viewer

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


def _image(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)))


def _tile_of(index: TileIndex, data: bytes, downsample: int, column: int, row: int) -> bytes:
    place = index.place(downsample, column, row)
    assert place is not None
    jpeg = spliced(data[place.offset : place.offset + place.length], place.head)
    assert jpeg is not None
    return jpeg


@pytest.mark.parametrize("photometric", ["ycbcr", "rgb"])
def test_index_when_packed_and_unpacked_then_its_tiles_are_those_of_the_file(tmp_path: Path, photometric: str) -> None:
    data = slide_bytes(tmp_path, photometric)
    made = tile_index([("k", tmp_path / f"{photometric}.tif")])
    assert made is not None
    index = unpack(made.packed())
    assert index == made
    assert (index.width_px, index.height_px, index.tile_px, [one.downsample for one in index.levels]) == (700, 520, 128, [1, 2, 4])
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        for level, downsample in zip(tiff.series[0].levels, (1, 2, 4), strict=True):
            assert (_image(_tile_of(index, data, downsample, 0, 0)) == level.pages[0].asarray()[:128, :128]).all()
    edge = index.place(1, 5, 4)
    assert edge is not None
    assert (edge.width_px, edge.height_px) == (60, 8)
    assert decoded(cropped(_tile_of(index, data, 1, 5, 4), 60, 8)).shape == (8, 60, 3)
    assert index.place(1, 6, 0) is None
    assert index.place(8, 0, 0) is None


def test_index_when_the_file_is_no_slide_then_none(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in (b"", b"II*\0garbage", b"\0" * 128 + b"DICM", Image.new("RGB", (9, 9)).tobytes()):
        path.write_bytes(content)
        assert tile_index([("k", path)]) is None


def wsi_level(series_uid: str, number: int, full: np.ndarray, photometric: str, sparse: bool) -> bytes:
    """One level of a DICOM whole slide with tiles of 64 px."""
    rows, columns = full.shape[:2]
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID, ds.file_meta.MediaStorageSOPClassUID = JPEGBaseline8Bit, WHOLE_SLIDE
    ds.SOPClassUID, ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = WHOLE_SLIDE, f"{series_uid}.{number}", "1", series_uid
    ds.Modality, ds.ImageType, ds.InstanceNumber, ds.PatientID = "SM", ["DERIVED", "PRIMARY", "VOLUME", "NONE"], number, "p"
    ds.Rows = ds.Columns = 64
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, photometric, 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.TotalPixelMatrixColumns, ds.TotalPixelMatrixRows = columns, rows
    ds.DimensionOrganizationType = "TILED_SPARSE" if sparse else "TILED_FULL"
    padded = np.pad(full, ((0, -rows % 64), (0, -columns % 64), (0, 0)), mode="edge")
    places = [(top, left) for top in range(0, rows, 64) for left in range(0, columns, 64)]
    if sparse:
        places = places[::-1]
    frames = []
    groups = []
    for top, left in places:
        options = {"colorspace": "rgb", "outcolorspace": "rgb"} if photometric == "RGB" else {}
        frames.append(imagecodecs.jpeg8_encode(np.ascontiguousarray(padded[top : top + 64, left : left + 64]), level=95, **options))
        position, group = Dataset(), Dataset()
        position.ColumnPositionInTotalImagePixelMatrix, position.RowPositionInTotalImagePixelMatrix = left + 1, top + 1
        group.PlanePositionSlideSequence = [position]
        groups.append(group)
    if sparse:
        ds.PerFrameFunctionalGroupsSequence = groups
    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing = [0.0005, 0.0005]
    shared.PixelMeasuresSequence = [measures]
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.NumberOfFrames = len(frames)
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR = "OB"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def _gradient(rows: int, columns: int) -> np.ndarray:
    full = np.zeros((rows, columns, 3), np.uint8)
    full[..., 0], full[..., 1], full[..., 2] = 220, np.linspace(60, 200, columns)[None], np.linspace(120, 210, rows)[:, None]
    return full


@pytest.mark.parametrize(("photometric", "sparse"), [("YBR_FULL_422", False), ("RGB", True)])
def test_dicom_slide_when_closed_by_ingest_then_its_tiles_are_found_in_both_orders(tmp_path: Path, photometric: str, sparse: bool) -> None:
    store = ObjectStore(StoreConfig((tmp_path / "store").as_uri()))
    full = _gradient(150, 200)
    small = np.asarray(Image.fromarray(full).resize((100, 75), Image.Resampling.BOX))
    contents = {"data/a": wsi_level("5.1", 1, small, photometric, sparse), "data/b": wsi_level("5.1", 2, full, photometric, sparse)}
    for key, content in contents.items():
        store.put_bytes(key, content)
    common = Common(create_key_file(tmp_path / "key"), store.config, store.config, tmp_path / "scratch")
    [closed] = close_series(common, [CloseTask(1, "s", (("5.1.1", "data/a"), ("5.1.2", "data/b")))])
    assert closed.tile_index_key == "data/s/tiles.json.gz"
    index = unpack(store.get_bytes(closed.tile_index_key))
    assert (index.width_px, index.height_px, index.tile_px, index.mpp) == (200, 150, 64, 0.5)
    for downsample, expected in ((1, full), (2, small)):
        place = index.place(downsample, 1, 1)
        assert place is not None
        shown = decoded(_tile_of(index, contents[index.sources[place.source]], downsample, 1, 1))[: place.height_px, : place.width_px]
        wanted = expected[64:128, 64:128].astype(int)
        assert shown.shape == wanted.shape
        assert np.abs(shown - wanted).max() <= 8


async def _give_index(viewer: Viewer, objects: Path) -> TileIndex:
    """What ingest writes for series 1.6."""
    async with viewer.catalog.resources.db.write() as session:
        series = await session.scalar(select(Series).where(Series.uid == "1.6"))
        instance = await session.scalar(select(Instance).where(Instance.sop_uid == "1.6.1"))
        assert series is not None
        assert instance is not None
        path = objects / "slide.tif"
        path.write_bytes(viewer.catalog.objects["1.6"][0])
        index = tile_index([(instance.object_key, path)])
        assert index is not None
        session.add(Slide(series_id=series.id, mpp=0.25, objective_power=40, width_px=700, height_px=520, tile_index_key="data/1.6/tiles.json.gz"))
    viewer.catalog.resources.store.put_bytes("data/1.6/tiles.json.gz", index.packed())
    return index


async def _check_all_tiles(viewer: Viewer, data: bytes) -> None:
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        full = tiff.series[0].levels[0].pages[0].asarray()
    for level in dzi_levels(700, 520):
        wanted = np.asarray(Image.fromarray(full).resize((level.width_px, level.height_px), Image.Resampling.BOX), int)
        for row in range(-(-level.height_px // 128)):
            for column in range(-(-level.width_px // 128)):
                tile = _image((await viewer.get(f"/slides/1.6_files/{level.number}/{column}_{row}.jpeg")).content).astype(int)
                part = wanted[row * 128 : row * 128 + 128, column * 128 : column * 128 + 128]
                assert tile.shape == part.shape
                assert level.number < 6 or np.abs(tile - part).mean() < 6  # a few pixels with halved chroma are not comparable


async def test_tiles_when_an_index_is_there_then_all_levels_without_opening_the_slide(viewer: Viewer, tmp_path: Path) -> None:
    index = await _give_index(viewer, tmp_path)
    data = viewer.catalog.objects["1.6"][0]
    await _check_all_tiles(viewer, data)
    assert (await viewer.get("/slides/1.6_files/10/1_1.jpeg")).content == _tile_of(index, data, 1, 1, 1)
    told = (await viewer.get("/slides/1.6/properties")).json()
    assert told == {
        "width_px": 700, "height_px": 520, "mpp": 0.25, "objective_power": 40.0, "tile_px": 128, "levels": 11, "stored_downsamples": [1, 2, 4],
    }  # fmt: skip
    for lost in ("10/6_0.jpeg", "11/0_0.jpeg", "10/0_0.png"):
        assert (await viewer.get(f"/slides/1.6_files/{lost}")).status_code == 404
    store = viewer.catalog.resources.store
    store.delete(index.sources[0])
    assert (await viewer.get("/slides/1.6_files/10/1_1.jpeg")).status_code == 404


async def test_tile_when_it_was_drawn_before_then_it_is_kept_up_to_a_limit(viewer: Viewer, tmp_path: Path) -> None:
    await _give_index(viewer, tmp_path)
    first = await viewer.get("/slides/1.6_files/7/0_0.jpeg")  # an eighth of the slide: not stored
    made = viewer.viewing.counted.pictures._value.get()
    assert made > 0
    again = await viewer.get("/slides/1.6_files/7/0_0.jpeg")
    assert (again.content, viewer.viewing.counted.pictures._value.get()) == (first.content, made)
    kept = DrawnTiles(10)
    for number in range(3):
        kept.put(("a", 0, 0, number), b"xxxx")
    assert [kept.get(("a", 0, 0, number)) for number in range(3)] == [None, b"xxxx", b"xxxx"]


async def test_region_when_asked_in_micrometres_then_the_same_as_in_pixels(viewer: Viewer, tmp_path: Path) -> None:
    await _give_index(viewer, tmp_path)
    pixels = await viewer.get("/slides/1.6/region?x=300&y=200&width=150&height=100&size=150&format=png")
    microns = await viewer.get("/slides/1.6/region?x=75&y=50&width=37.5&height=25&unit=um&size=150&format=png")
    assert pixels.content == microns.content
    shown = _image(pixels.content).astype(int)
    assert shown.shape == (100, 150, 3)
    assert np.abs(shown[20:-20, 20:-20] - (120, 20, 140)).mean() < 6
    for query in ("x=700&width=5&height=5", "width=0&height=5", "width=a&height=5", "width=5&height=5&unit=mm",
                  "width=5&height=5&size=9999", "width=inf&height=1",
                  "width=5"):  # fmt: skip
        assert (await viewer.get(f"/slides/1.6/region?{query}")).status_code == 422, query
    assert (await viewer.get("/slides/1.1/region?width=5&height=5")).status_code == 404


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("full/max/0/default.jpg", (700, 520)), ("full/350,/0/default.jpg", (350, 260)), ("full/,260/90/color.png", (260, 350)),
        ("square/100,100/180/gray.jpg", (100, 100)), ("pct:10,10,50,50/pct:50/0/bitonal.png", (175, 130)), ("0,0,128,128/128,128/0/default.jpg", (128, 128)),
        ("640,512,128,128/max/0/default.jpg", (60, 8)), ("full/!200,200/0/default.jpg", (200, 149)), ("0,0,100,50/^200,/!270/default.png", (100, 200)),
    ],
)  # fmt: skip
async def test_iiif_when_asked_then_the_size_told(viewer: Viewer, path: str, size: tuple[int, int]) -> None:
    answer = await viewer.get(f"/iiif/3/1.6/{path}")
    assert answer.status_code == 200, answer.text
    image = Image.open(io.BytesIO(answer.content))
    assert image.size == size
    assert image.format == ("PNG" if path.endswith("png") else "JPEG")
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", [
    "full/max/0/default.gif", "full/max/45/default.jpg", "full/0,/0/default.jpg", "700,0,1,1/max/0/default.jpg", "0,0,0,5/max/0/default.jpg",
    "a/max/0/default.jpg", "full/full/0/default.jpg", "full/800,/0/default.jpg", "full/max/0/sepia.jpg", "full/99999,/0/default.jpg", "full/,/0/default.jpg",
])  # fmt: skip
async def test_iiif_when_the_request_is_wrong_then_400(viewer: Viewer, path: str) -> None:
    assert (await viewer.get(f"/iiif/3/1.6/{path}")).status_code == 400


async def test_iiif_when_described_then_its_tiles_are_the_stored_ones(viewer: Viewer, tmp_path: Path) -> None:
    index = await _give_index(viewer, tmp_path)
    answer = await viewer.get("/iiif/3/1.6/info.json", X_Forwarded_Host="images.example", X_Forwarded_Proto="https")
    info = answer.json()
    assert answer.headers["content-type"].startswith("application/ld+json")
    assert (info["id"], info["profile"], info["width"], info["tiles"][0]["width"]) == ("https://images.example/iiif/3/1.6", "level2", 700, 128)
    tile = await viewer.get("/iiif/3/1.6/128,128,128,128/128,128/0/default.jpg")
    assert tile.content == _tile_of(index, viewer.catalog.objects["1.6"][0], 1, 1, 1)
    half = await viewer.get("/iiif/3/1.6/256,0,256,256/128,128/0/default.jpg")
    assert half.content == _tile_of(index, viewer.catalog.objects["1.6"][0], 2, 1, 0)
    base = await viewer.get("/iiif/3/1.6")
    assert (base.status_code, base.headers["location"]) == (303, "http://localhost/iiif/3/1.6/info.json")
    for path in ("/iiif/3/2.1/info.json", "/iiif/3/9/full/max/0/default.jpg", "/iiif/3/1.4/info.json"):
        assert (await viewer.get(path)).status_code == 404


def test_iiif_parameters_when_parsed_then_as_the_standard_says() -> None:
    assert parse_region("pct:50,50,100,100", 700, 520) == Box(350, 260, 350, 260)
    assert parse_size("!100,100", Box(0, 0, 400, 200)) == (100, 50)
    with pytest.raises(BadRequest):  # 4.2 would give the region as it is, the consortium's validator (size_noup) wants 400
        parse_size("!1000,1000", Box(0, 0, 400, 200))
    assert parse_size("^!1000,1000", Box(0, 0, 400, 200)) == (1000, 500)
    assert parse_size("max", Box(0, 0, 10_000, 5000)) == (4096, 2048)


async def test_viewer_when_its_store_is_s3_then_all_is_read_there(viewer: Viewer, s3_store: dict[str, str], tmp_path: Path) -> None:
    index = await _give_index(viewer, tmp_path)
    local = viewer.catalog.resources.store
    keys = {"endpoint": s3_store["endpoint"], "access_key": s3_store["access_key"], "secret_key": s3_store["secret_key"], "region": s3_store["region"]}
    remote = ObjectStore(StoreConfig(f"s3://{s3_store['bucket']}", **keys))
    for key, _ in local.list():
        remote.put_bytes(key, local.get_bytes(key))
        local.delete(key)
    object.__setattr__(viewer.catalog.resources, "store", remote)
    object.__setattr__(viewer.viewing.resources, "store", remote)
    series = "/dicom-web/studies/1/series"
    ds = pydicom.dcmread(io.BytesIO(viewer.catalog.objects["1.2"][0]))
    frame = await viewer.get(f"{series}/1.2/instances/1.2.1/frames/3", Accept="application/octet-stream")
    assert frame.content == ds.pixel_array[2].tobytes()
    assert len((await viewer.get(f"{series}/1.1/metadata")).json()) == 3
    assert (await viewer.get(f"{series}/1.1/instances/1.1.2", Accept="application/dicom")).content == viewer.catalog.objects["1.1"][1]
    assert (await viewer.get(f"{series}/1.8/instances/1.8.1/frames/2/rendered")).status_code == 200
    assert (await viewer.get("/slides/1.6_files/10/1_1.jpeg")).content == _tile_of(index, viewer.catalog.objects["1.6"][0], 1, 1, 1)
    await _check_all_tiles(viewer, viewer.catalog.objects["1.6"][0])
    assert not list((viewer.catalog.resources.settings.scratch / "slides").glob("*"))  # nothing was brought here whole
    assert (await viewer.get("/api/v1/series/1.4/preview")).status_code == 200
    assert (await viewer.get("/api/v1/series/1.1/thumbnail")).status_code == 200


async def _keep_dicom_slide(viewer: Viewer, photometric: str, sparse: bool) -> tuple[TileIndex, dict[str, bytes]]:
    """Series 5.1 of two levels, 100 x 75 and 200 x 150, as ingest leaves it; (index, stored objects by key)."""
    full = _gradient(150, 200)
    small = np.asarray(Image.fromarray(full).resize((100, 75), Image.Resampling.BOX))
    levels = [wsi_level("5.1", 1, small, photometric, sparse), wsi_level("5.1", 2, full, photometric, sparse)]
    resources = viewer.catalog.resources
    async with resources.db.write() as session:
        study = await session.scalar(select(Study).where(Study.uid == "1"))
        policy = await session.scalar(select(PolicyVersion.id))
        assert study is not None
        assert policy is not None
        await _Maker(viewer.catalog, session, study.hospital_id, study.import_id, policy).series("5.1", study, "DICOM", levels)
        rows = (await session.execute(select(Instance.object_key, Series.id).join(Series).where(Series.uid == "5.1").order_by(Instance.number))).all()
        paths = [(key, resources.store.path(key)) for key, _ in rows]
        index = tile_index([(key, path) for key, path in paths if path is not None])
        assert index is not None
        resources.store.put_bytes("data/5.1/tiles.json.gz", index.packed())
        session.add(Slide(series_id=rows[0][1], mpp=0.5, objective_power=20, width_px=200, height_px=150, tile_index_key="data/5.1/tiles.json.gz"))
    return index, {key: resources.store.get_bytes(key) for key, _ in rows}


@pytest.mark.parametrize(("photometric", "sparse"), [("YBR_FULL_422", False), ("RGB", True)])
async def test_dicom_slide_when_asked_over_http_then_its_frames_pass_through_byte_for_byte(viewer: Viewer, photometric: str, sparse: bool) -> None:
    index, stored = await _keep_dicom_slide(viewer, photometric, sparse)
    assert b'Width="200"' in (await viewer.get("/slides/5.1.dzi")).content
    told = (await viewer.get("/slides/5.1/properties")).json()
    assert (told["mpp"], told["tile_px"], told["stored_downsamples"]) == (0.5, 64, [1, 2])
    for level, downsample in ((8, 1), (7, 2)):
        inside = [(column, row) for row in range(150 // downsample // 64) for column in range(200 // downsample // 64)]
        assert inside
        for column, row in inside:
            place = index.place(downsample, column, row)
            assert place is not None
            wanted = _tile_of(index, stored[index.sources[place.source]], downsample, column, row)
            assert (await viewer.get(f"/slides/5.1_files/{level}/{column}_{row}.jpeg")).content == wanted
            box = f"{column * 64 * downsample},{row * 64 * downsample},{64 * downsample},{64 * downsample}"
            assert (await viewer.get(f"/iiif/3/5.1/{box}/64,64/0/default.jpg")).content == wanted
            # DICOMweb gives the same frame, without the marker that a file of its own needs for RGB.
            source = index.sources[place.source]
            instance = 1 + list(stored).index(source)
            columns = -(-(200 // downsample) // 64)
            number = row * columns + column
            count = columns * -(-(150 // downsample) // 64)
            frame = 1 + (count - 1 - number if sparse else number)
            answer = await viewer.get(f"/dicom-web/studies/1/series/5.1/instances/5.1.{instance}/frames/{frame}", Accept="image/jpeg")
            assert answer.content.rstrip(b"\0") == stored[source][place.offset : place.offset + place.length].rstrip(b"\0")
    for level, size in ((8, (200, 150)), (7, (100, 75)), (6, (50, 38)), (0, (1, 1))):
        shown = np.zeros((size[1], size[0], 3), int)
        for row in range(-(-size[1] // 64)):
            for column in range(-(-size[0] // 64)):
                tile = _image((await viewer.get(f"/slides/5.1_files/{level}/{column}_{row}.jpeg")).content)
                shown[row * 64 : row * 64 + 64, column * 64 : column * 64 + 64] = tile
        wanted_whole = np.asarray(Image.fromarray(_gradient(150, 200)).resize(size, Image.Resampling.BOX), int)
        assert level == 0 or np.abs(shown - wanted_whole).mean() < 5
    microns = await viewer.get("/slides/5.1/region?x=10&y=5&width=32&height=16&unit=um&size=64&format=png")
    pixels = await viewer.get("/slides/5.1/region?x=20&y=10&width=64&height=32&size=64&format=png")
    assert microns.content == pixels.content
    assert _image((await viewer.get("/iiif/3/5.1/square/^300,/0/gray.png")).content).shape == (300, 300)

"""Segmentations (made with highdicom) and structure sets over the frames of a series; who sees them."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from highdicom.sr.coding import CodedConcept
from PIL import Image, ImageCms
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from skimage.draw import polygon2mask
from sqlalchemy import select, update

from isocenter.auth import Role
from isocenter.imaging.series import describe_series
from isocenter.models import AuditEvent, Case, Import, Instance, Resource, Series, Study
from services.viewer.overlays import overlay_facts, overlay_picture
from services.viewer.parts import Part
from services.viewer.regions import Grid, colour_of
from services.viewer.structures import filled

if TYPE_CHECKING:
    from conftest import Viewer

OVERLAYS = "/api/v1/series/1.1/overlays"
TISSUE = CodedConcept("85756007", "SCT", "Tissue")
LIVER, TUMOUR = CodedConcept("10200004", "SCT", "Liver"), CodedConcept("108369006", "SCT", "Neoplasm")


def _segment(number: int, label: str, kind: CodedConcept, colour: tuple[int, int, int] | None = None) -> hd.seg.SegmentDescription:
    lab = None if colour is None else hd.color.CIELabColor.from_rgb(*colour)
    return hd.seg.SegmentDescription(number, label, TISSUE, kind, hd.seg.SegmentAlgorithmTypeValues.MANUAL, display_color=lab)


def _sources(objects: list[bytes], names: str) -> list[Dataset]:
    """The images of series 1.1 as the hospital named them, with what highdicom asks of a source."""
    found = []
    for number, data in enumerate(objects, 1):
        ds = pydicom.dcmread(io.BytesIO(data))
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = f"{names}.0", f"{names}.1", f"{names}.1.{number}"
        ds.FrameOfReferenceUID, ds.SliceThickness = f"{names}.7", 2.5
        ds.PatientBirthDate = ds.StudyDate = ds.StudyTime = ds.AccessionNumber = ds.StudyID = ds.PatientSex = ds.Manufacturer = ""
        ds.SeriesNumber = 1
        found.append(ds)
    return found


def _masks() -> np.ndarray:
    """(3 slices, 48 rows, 40 columns): 1 on a block of the first two slices, 2 on another of the last."""
    values = np.zeros((3, 48, 40), np.uint8)
    values[:2, 10:20, 5:15] = 1
    values[2, 30:40, 20:39] = 2
    return values


def _segmentation(objects: list[bytes], way: str, names: str = "9.9") -> bytes:
    values = _masks()[: len(objects)]
    segments = [_segment(1, "liver", LIVER, (200, 30, 30)), _segment(2, "tumour", TUMOUR)]
    pixels: np.ndarray = values
    if way == "FRACTIONAL":
        pixels = np.stack([(values == 1) * 0.5, (values == 2) * 1.0], -1).astype(np.float32)
    seg = hd.seg.Segmentation(
        _sources(objects, names), pixels, way, segments, series_instance_uid=f"{names}.2", series_number=2, sop_instance_uid=f"{names}.2.1",
        instance_number=1, manufacturer="m", manufacturer_model_name="m", software_versions="1", device_serial_number="1", omit_empty_frames=True,
        max_fractional_value=200,
    )  # fmt: skip
    buffer = io.BytesIO()
    seg.save_as(buffer)
    return buffer.getvalue()


def _structures(names: str = "9.9", named: bool = True) -> bytes:
    """Region 7: on slice 2 (z 5 mm) a square of pixels 10..19 x 10..19 with a hole of 13..16 x 13..16."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = f"{names}.3.1"
    ds.Modality, ds.StudyInstanceUID, ds.SeriesInstanceUID = "RTSTRUCT", f"{names}.0", f"{names}.3"
    roi, contours, image = Dataset(), Dataset(), Dataset()
    roi.ROINumber, roi.ROIName = 7, "GTV"
    contours.ReferencedROINumber, contours.ROIDisplayColor = 7, [0, 255, 10]
    image.ReferencedSOPInstanceUID, image.ReferencedSOPClassUID = f"{names}.1.2", "1.2.840.10008.5.1.4.1.1.2"
    contours.ContourSequence = []
    for low, high in ((9.5, 19.5), (12.5, 16.5)):
        contour = Dataset()
        contour.ContourGeometricType = "CLOSED_PLANAR"
        corners = [(low, low), (high, low), (high, high), (low, high)]
        contour.ContourData = [round(value, 4) for x, y in corners for value in (x * 0.7, y * 0.7, 5.0)]
        contour.NumberOfContourPoints = 4
        if named:
            contour.ContourImageSequence = [image]
        contours.ContourSequence.append(contour)
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = f"{names}.1"
    study.RTReferencedSeriesSequence, frame.RTReferencedStudySequence = [series], [study]
    ds.ReferencedFrameOfReferenceSequence = [frame]
    ds.StructureSetROISequence, ds.ROIContourSequence = [roi], [contours]
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


async def _released_as_by_ingest(viewer: Viewer, names: str = "9.9") -> None:
    """Series 1.1 gets the UIDs that ingest gives to images named ``names``.1.n."""
    resources = viewer.catalog.resources
    async with resources.db.write() as session:
        paths = []
        for number, data in enumerate(viewer.catalog.objects["1.1"], 1):
            ds = pydicom.dcmread(io.BytesIO(data))
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = resources.key.uid(f"{names}.1.{number}")
            path = resources.store.path(f"data/1.1/again{number}")
            assert path is not None
            ds.save_as(path)
            paths.append(path)
            await session.execute(update(Instance).where(Instance.sop_uid == f"1.1.{number}").values(sop_uid=ds.SOPInstanceUID))
        resources.store.put_bytes("data/1.1/metadata.json.gz", describe_series(paths).metadata_gz)


async def _keep(viewer: Viewer, data: bytes, *, held: bool) -> str:
    """As ingest keeps a resource of study 1, or as a reviewer has released it."""
    sha256 = hashlib.sha256(data).hexdigest()
    resources = viewer.catalog.resources
    key = f"held/{sha256}" if held else f"data/resources/{sha256}"
    (resources.staging if held else resources.store).put_bytes(key, data)
    async with resources.db.write() as session:
        study = await session.scalar(select(Study.id).where(Study.uid == "1"))
        case = await session.scalar(select(Case.id).where(Case.key == "LIV-000001"))
        record = await session.scalar(select(Import.id))
        session.add(Resource(scope="import:i1", sha256=sha256, case_id=case, study_id=study, import_id=record, title="x", media_type="application/dicom",
                             code="derived-object", object_key=key, size_bytes=len(data), state="held" if held else "visible"))  # fmt: skip
    return sha256


def _alpha(body: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(body))
    assert (image.format, image.mode) == ("PNG", "RGBA")
    return np.asarray(image)


@pytest.mark.parametrize("way", ["BINARY", "FRACTIONAL", "LABELMAP"])
async def test_segmentation_when_released_then_its_segments_lie_over_their_frames(viewer: Viewer, way: str) -> None:
    await _released_as_by_ingest(viewer)
    key = await _keep(viewer, _segmentation(viewer.catalog.objects["1.1"], way), held=False)
    answer = await viewer.get(OVERLAYS)
    assert answer.headers["cache-control"].startswith("private")
    [told] = answer.json()["overlays"]
    assert (told["key"], told["kind"], told["way"], told["held"], told["series"]) == (key, "SEG", way.lower(), False, "1.1")
    assert [(one["number"], one["label"], one["kind"]) for one in told["segments"]] == [(1, "liver", "Liver"), (2, "tumour", "Neoplasm")]
    red = [int(told["segments"][0]["colour"][at : at + 2], 16) for at in (1, 3, 5)]
    assert np.abs(np.array(red) - (200, 30, 30)).max() <= 6  # highdicom reckons with D65, the standard with D50
    assert told["frames"] == [0, 1, 2]
    assert told["instances"] == [viewer.catalog.resources.key.uid(f"9.9.1.{number}") for number in (1, 2, 3)]
    for frame in (0, 1, 2):
        shown = _alpha((await viewer.get(f"{OVERLAYS}/{key}/{frame}?opacity=1")).content)
        values = _masks()[frame]
        expected = {1: 128 if way == "FRACTIONAL" else 255, 2: 255}  # half of 200 in 200ths, as a byte
        assert np.abs(shown[..., 3].astype(int) - (values == 1) * expected[1] - (values == 2) * expected[2]).max() <= 1
        assert (shown[values == 1, :3] == red).all()
    only = _alpha((await viewer.get(f"{OVERLAYS}/{key}/0?segments=2")).content)
    assert not only.any()
    half = _alpha((await viewer.get(f"{OVERLAYS}/{key}/2?segments=2")).content)
    assert half[35, 25, 3] == 128


@pytest.mark.parametrize("named", [True, False], ids=["image-named", "by-plane"])
async def test_structure_set_when_drawn_then_pixels_inside_and_holes_by_hand(viewer: Viewer, named: bool) -> None:
    await _released_as_by_ingest(viewer)
    async with viewer.catalog.resources.db.write() as session:
        # The site's name for the hospital's series, as ingest writes it.
        await session.execute(update(Series).where(Series.uid == "1.1").values(uid=viewer.catalog.resources.key.uid("9.9.1")))
    base = f"/api/v1/series/{viewer.catalog.resources.key.uid('9.9.1')}/overlays"
    key = await _keep(viewer, _structures(named=named), held=False)
    [told] = (await viewer.get(base)).json()["overlays"]
    assert (told["kind"], told["segments"]) == ("RTSTRUCT", [{"number": 7, "label": "GTV", "colour": "#00ff0a", "kind": ""}])
    assert told["frames"] == ([1] if named else [])
    expected = np.zeros((48, 40), bool)
    expected[10:20, 10:20] = True
    expected[13:17, 13:17] = False
    for frame in (0, 1, 2):
        shown = _alpha((await viewer.get(f"{base}/{key}/{frame}?opacity=1")).content)
        assert ((shown[..., 3] == 255) == (expected if frame == 1 else False)).all()


async def test_overlay_when_it_is_not_released_then_only_for_reviewers_and_audited(viewer: Viewer) -> None:
    await _released_as_by_ingest(viewer)
    key = await _keep(viewer, _segmentation(viewer.catalog.objects["1.1"], "BINARY"), held=True)
    assert (await viewer.get(OVERLAYS)).json() == {"overlays": []}
    assert (await viewer.get(f"{OVERLAYS}/{key}/0")).status_code == 404
    listed = await viewer.get(OVERLAYS, "rev", Role.REVIEWER)
    assert (listed.json()["overlays"][0]["held"], listed.headers["cache-control"]) == (True, "no-store")
    shown = await viewer.get(f"{OVERLAYS}/{key}/0", "rev", Role.REVIEWER)
    assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
    async with viewer.catalog.resources.db.read() as session:
        events = (await session.scalars(select(AuditEvent.verb).where(AuditEvent.subject == f"resource:{key}", AuditEvent.actor == "rev"))).all()
    assert events == ["view-held"]
    # Another project's account sees neither the series nor what lies over it.
    assert (await viewer.get(OVERLAYS, "wu", Role.READER)).status_code == 404
    assert (await viewer.get(f"{OVERLAYS}/{key}/0", "wu", Role.READER)).status_code == 404


async def test_overlay_when_it_was_drawn_on_released_images_then_its_own_names_are_ours(viewer: Viewer) -> None:
    values = _segmentation([*viewer.catalog.objects["1.1"]], "BINARY", "9.9")
    ds = pydicom.dcmread(io.BytesIO(values))

    def renamed(_: Dataset, element: Any) -> None:
        if element.VR == "UI" and str(element.value).startswith("9.9.1."):
            element.value = str(element.value).replace("9.9.1.", "1.1.")

    ds.walk(renamed)
    buffer = io.BytesIO()
    ds.save_as(buffer)
    key = await _keep(viewer, buffer.getvalue(), held=False)
    assert (await viewer.get(OVERLAYS)).json()["overlays"][0]["frames"] == [0, 1, 2]
    assert (_alpha((await viewer.get(f"{OVERLAYS}/{key}/1")).content)[..., 3] > 0).sum() == 100
    assert (await viewer.get("/api/v1/series/1.2/overlays")).json() == {"overlays": []}


async def test_overlay_when_a_person_added_it_to_the_case_then_the_series_that_it_names_has_it(viewer: Viewer) -> None:
    """Its row names no study, its media type is what a browser says of .dcm, and held it lies where the catalog put it."""
    await _released_as_by_ingest(viewer)
    data = _segmentation(viewer.catalog.objects["1.1"], "BINARY")
    key = await _keep(viewer, data, held=True)
    await _keep(viewer, b"no DICOM at all" * 100, held=True)
    resources = viewer.catalog.resources
    resources.staging.put_bytes(f"resources/{key}", data)
    async with resources.db.write() as session:
        await session.execute(update(Resource).values(study_id=None, import_id=None, media_type="application/octet-stream"))
        await session.execute(update(Resource).where(Resource.sha256 == key).values(object_key=f"resources/{key}"))
    assert (await viewer.get(OVERLAYS)).json() == {"overlays": []}
    [told] = (await viewer.get(OVERLAYS, "rev", Role.REVIEWER)).json()["overlays"]
    assert (told["key"], told["held"], told["frames"]) == (key, True, [0, 1, 2])
    assert (_alpha((await viewer.get(f"{OVERLAYS}/{key}/1?opacity=1", "rev", Role.REVIEWER)).content)[..., 3] > 0).any()
    assert (await viewer.get("/api/v1/series/1.2/overlays", "rev", Role.REVIEWER)).json() == {"overlays": []}


@pytest.mark.parametrize(("path", "status"), [("9", 422), ("99999", 422), ("a", 422), ("0?segments=x", 422), ("0?opacity=2", 422), ("0?opacity=nan", 422)])
async def test_overlay_when_the_request_is_wrong_then_a_problem_names_it(viewer: Viewer, path: str, status: int) -> None:
    await _released_as_by_ingest(viewer)
    key = await _keep(viewer, _structures(), held=False)
    answer = await viewer.get(f"{OVERLAYS}/{key}/{path}")
    assert answer.status_code == status
    assert answer.json()["field"] in ("frame", "segments", "opacity")
    assert (await viewer.get(f"{OVERLAYS}/{'0' * 64}/0")).status_code == 404


async def test_overlays_when_one_file_is_damaged_then_the_others_are_told(viewer: Viewer) -> None:
    await _released_as_by_ingest(viewer)
    whole = _structures()
    for broken in (b"no dicom", whole[:400], _without_segments(viewer)):
        await _keep(viewer, broken, held=False)
    key = await _keep(viewer, whole, held=False)
    assert [one["key"] for one in (await viewer.get(OVERLAYS)).json()["overlays"]] == [key]


def _without_segments(viewer: Viewer) -> bytes:
    ds = pydicom.dcmread(io.BytesIO(_segmentation(viewer.catalog.objects["1.1"], "BINARY")))
    del ds.SegmentSequence
    buffer = io.BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()


def test_polygon_when_filled_then_as_scikit_image_fills_it() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        # Corners off the pixel centres, where no rule about edges matters.
        polygon = rng.integers(0, 60, (7, 2)) + 0.31
        ours = filled([polygon], 50, 60) > 0
        assert (ours == polygon2mask((50, 60), polygon[:, ::-1])).all()
    assert not filled([np.array([[-50.0, -50.0], [-40.0, -50.0], [-40.0, -40.0]])], 50, 60).any()


def test_segmentation_when_its_grid_is_turned_and_finer_then_the_nearest_pixel() -> None:
    ds = pydicom.dcmread(io.BytesIO(_segmentation([_plain_slice()], "BINARY")))
    facts = overlay_facts(_saved(ds))
    assert facts is not None
    # The same plane seen with rows and columns exchanged, at half the spacing.
    grid = Grid(80, 96, (0.1, 0.1, 2.5), (0, 1, 0), (1, 0, 0), (0.35, 0.35))
    data = _saved(ds)
    body = overlay_picture("x", (Part(data=data),), "", 1, grid, None, 1.0)
    shown = _alpha(body)[..., 3] > 0
    rows, columns = np.nonzero(shown)
    # Pixels 10..19 x 5..14 of 0.7 mm are columns 19..38 and rows 9..28 of 0.35 mm: (0.35 c + 0.1) / 0.7 rounded.
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (19, 38, 9, 28)


def _plain_slice() -> bytes:
    from viewer_rows import ct_slice

    return ct_slice("1.1", "1", 1)


def _saved(ds: Dataset) -> bytes:
    buffer = io.BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()


def test_colour_when_the_segment_says_one_then_it_is_told_in_srgb() -> None:
    for rgb in ((0, 0, 0), (255, 255, 255), (200, 30, 30), (12, 200, 90)):
        # Little CMS on the way there, with ICC's D50 (PS3.3 C.10.7.1.1).
        lab = ImageCms.profileToProfile(Image.new("RGB", (1, 1), rgb), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB")
        lightness, a, b = (int(value) for value in np.asarray(lab)[0, 0])
        ds = Dataset()
        ds.RecommendedDisplayCIELabValue = [lightness * 257, ((a + 128) % 256) * 257, ((b + 128) % 256) * 257]
        assert np.abs(np.array(colour_of(ds, 1)) - rgb).max() <= 4  # Lab of 8 bits

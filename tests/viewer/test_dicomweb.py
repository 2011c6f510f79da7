"""DICOMweb: frames equal to pydicom's, metadata, QIDO, what OHIF asks for, grants, held pixels, bad input."""

from __future__ import annotations

import email
import gzip
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from PIL import Image
from sqlalchemy import select, update

from isocenter.auth import Role
from isocenter.models import AuditEvent, Series, Study, now

if TYPE_CHECKING:
    from conftest import Viewer

FRAMES = "multipart/related; type=application/octet-stream; transfer-syntax=*"


def _parts(answer: object) -> list[tuple[str, bytes]]:
    """(content type, body) of each part, by the standard library's own parser."""
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()  # type: ignore[attr-defined]
    message = email.message_from_bytes(head + answer.content)  # type: ignore[attr-defined]
    boundary = message.get_boundary().encode()
    raw = answer.content.split(b"--" + boundary)[1:-1]  # type: ignore[attr-defined]
    parts = []
    for piece in raw:
        header, _, body = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        parts.append((header.decode().split(":", 1)[1].strip(), body.removesuffix(b"\r\n")))
    return parts


def _pixels(data: bytes) -> np.ndarray:
    array = pydicom.dcmread(io.BytesIO(data)).pixel_array
    return array if array.ndim == 3 else array[None]


@pytest.mark.parametrize(("series", "frame"), [("1.1", 1), ("1.2", 1), ("1.2", 5)])
async def test_frame_when_native_then_it_equals_pydicom(viewer: Viewer, series: str, frame: int) -> None:
    answer = await viewer.get(f"/dicom-web/studies/1/series/{series}/instances/{series}.1/frames/{frame}", Accept=FRAMES)
    [(kind, body)] = _parts(answer)
    assert kind == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    assert body == _pixels(viewer.catalog.objects[series][0])[frame - 1].tobytes()
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize("series", ["1.3", "1.8"])  # a long index (an object) and a short one (in the row)
async def test_frame_when_encapsulated_then_stored_or_decoded_as_asked(viewer: Viewer, series: str) -> None:
    address = f"/dicom-web/studies/1/series/{series}/instances/{series}.1/frames/4,2"
    data = viewer.catalog.objects[series][0]
    stored = _parts(await viewer.get(address, Accept=FRAMES))
    encoded = list(pydicom.encaps.generate_frames(pydicom.dcmread(io.BytesIO(data)).PixelData, number_of_frames=4))
    assert [kind for kind, _ in stored] == ["application/octet-stream; transfer-syntax=1.2.840.10008.1.2.5"] * 2
    assert [body for _, body in stored] == ([encoded[3], encoded[1]] if series == "1.8" else [b for _, b in stored])
    decoded = _parts(await viewer.get(address, Accept='multipart/related; type="application/octet-stream"'))
    assert [body for _, body in decoded] == [_pixels(data)[3].tobytes(), _pixels(data)[1].tobytes()]
    single = await viewer.get(f"/dicom-web/studies/1/series/{series}/instances/{series}.1/frames/2", Accept="application/octet-stream")
    assert single.content == _pixels(data)[1].tobytes()
    again = await viewer.get(
        f"/dicom-web/studies/1/series/{series}/instances/{series}.1/frames/2", Accept="application/octet-stream", If_None_Match=single.headers["etag"]
    )
    assert again.status_code == 304
    assert again.content == b""


async def test_frame_when_its_bytes_are_not_in_the_index_then_it_is_found_by_reading_the_object(viewer: Viewer) -> None:
    async with viewer.catalog.resources.db.write() as session:
        from isocenter.models import Instance

        await session.execute(update(Instance).where(Instance.sop_uid == "1.8.1").values(frame_index=None, pixel_offset=None))
    answer = await viewer.get("/dicom-web/studies/1/series/1.8/instances/1.8.1/frames/3", Accept="application/octet-stream")
    assert answer.content == _pixels(viewer.catalog.objects["1.8"][0])[2].tobytes()


async def test_metadata_when_read_then_gzipped_with_an_etag_in_geometric_order(viewer: Viewer) -> None:
    zipped = await viewer.get("/dicom-web/studies/1/series/1.1/metadata", Accept_Encoding="gzip")
    plain = await viewer.get("/dicom-web/studies/1/series/1.1/metadata", Accept_Encoding="identity")
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.headers["content-type"] == "application/dicom+json"
    assert zipped.json() == plain.json()
    assert [d["00080018"]["Value"][0] for d in plain.json()] == ["1.1.1", "1.1.2", "1.1.3"]
    again = await viewer.get("/dicom-web/studies/1/series/1.1/metadata", If_None_Match=zipped.headers["etag"])
    assert again.status_code == 304
    one = await viewer.get("/dicom-web/studies/1/series/1.1/instances/1.1.2/metadata")
    assert one.json() == [plain.json()[1]]
    study = await viewer.get("/dicom-web/studies/1/metadata")
    assert {d["0020000E"]["Value"][0] for d in study.json()} == {"1.1", "1.2", "1.3", "1.8"}


async def test_ohif_when_it_opens_a_study_then_each_of_its_calls_is_answered(viewer: Viewer) -> None:
    listed = await viewer.get("/dicom-web/studies?limit=101&offset=0&fuzzymatching=false&includefield=00081030,00080060")
    [study] = listed.json()
    assert study["0020000D"]["Value"] == ["1"]
    assert study["00080061"]["Value"] == ["CT"]
    assert study["00201206"]["Value"] == [4]
    assert study["00201208"]["Value"] == [6]
    assert study["00100020"]["Value"] == ["P1"]
    by_uid = await viewer.get("/dicom-web/studies?limit=101&offset=0&fuzzymatching=false&includefield=00081030&StudyInstanceUID=1")
    assert by_uid.json() == listed.json()
    assert (await viewer.get("/dicom-web/studies?00100020=P1")).json() == listed.json()
    series = (await viewer.get("/dicom-web/studies/1/series?includefield=00080021,00080031")).json()
    assert sorted(s["0020000E"]["Value"][0] for s in series) == ["1.1", "1.2", "1.3", "1.8"]
    assert all("00201209" in s for s in series)
    assert (await viewer.get("/dicom-web/studies/1/series/1.1/metadata", Accept="application/dicom+json")).status_code == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("PatientName=P*", 1), ("PatientName=p1", 0), ("PatientID=P2", 0), ("StudyDate=20190305", 1), ("StudyDate=20190306-", 0),
        ("StudyDate=-20190305", 1), ("StudyDate=20180101-20200101", 1), ("ModalitiesInStudy=CT", 1), ("ModalitiesInStudy=MR", 0),
        ("StudyDescription=ABDOMEN*", 1), ("StudyDescription=ABDOMEN%20CT", 1), ("StudyDescription=100%25*", 0), ("AccessionNumber=A1", 0),
        ("StudyInstanceUID=1,2", 1), ("StudyInstanceUID=", 1), ("PatientName=*", 1), ("SeriesInstanceUID=1.2", 1), ("SeriesInstanceUID=2.1", 0),
        ("offset=1", 0), ("limit=0", 0),
    ],
)  # fmt: skip
async def test_qido_when_filtered_then_only_what_matches_and_is_granted(viewer: Viewer, query: str, found: int) -> None:
    answer = await viewer.get(f"/dicom-web/studies?{query}")
    assert answer.status_code == 200
    assert len(answer.json()) == found


@pytest.mark.parametrize("query", ["limit=x", "offset=-1", "StudyDate=31.02.", "NoSuchThing=1", "00280010=512", "SeriesNumber=a"])
async def test_qido_when_the_query_is_wrong_then_400_names_it(viewer: Viewer, query: str) -> None:
    answer = await viewer.get(f"/dicom-web/studies?{query}")
    assert answer.status_code == 400
    assert answer.json()["detail"]


async def test_instances_when_listed_then_in_order_with_what_a_viewer_needs(viewer_on_each: Viewer) -> None:
    rows = (await viewer_on_each.get("/dicom-web/studies/1/series/1.1/instances")).json()
    assert [row["00080018"]["Value"][0] for row in rows] == ["1.1.1", "1.1.2", "1.1.3"]
    assert (await viewer_on_each.get("/dicom-web/instances?SOPInstanceUID=1.1.2,2.1.1")).json() == [rows[1]]
    assert len((await viewer_on_each.get("/dicom-web/series?Modality=CT")).json()) == 4


async def test_instance_when_retrieved_then_the_stored_bytes_for_those_who_may_download(viewer: Viewer) -> None:
    address = "/dicom-web/studies/1/series/1.1/instances/1.1.2"
    alone = await viewer.get(address, Accept="application/dicom")
    assert alone.content == viewer.catalog.objects["1.1"][1]
    [(kind, body)] = _parts(await viewer.get(address))
    assert kind.startswith("application/dicom")
    assert body == viewer.catalog.objects["1.1"][1]
    series = await viewer.get("/dicom-web/studies/1/series/1.1")
    assert [body for _, body in _parts(series)] == viewer.catalog.objects["1.1"]
    assert int(series.headers["content-length"]) == len(series.content)
    assert (await viewer.get(address, name="rev", role=Role.REVIEWER)).status_code == 403
    async with viewer.catalog.resources.db.read() as session:
        events = (await session.execute(select(AuditEvent.verb, AuditEvent.subject, AuditEvent.actor))).all()
    assert sorted(map(tuple, events)) == [("download", "series:1.1", "lin"), ("view", "study:1", "lin")]


async def test_rendered_when_asked_then_windowed_as_pydicom_does(viewer: Viewer) -> None:
    answer = await viewer.get("/dicom-web/studies/1/series/1.2/instances/1.2.1/frames/3/rendered?window=100,300", Accept="image/png")
    shown = np.asarray(Image.open(io.BytesIO(answer.content)), int)
    ds = pydicom.dcmread(io.BytesIO(viewer.catalog.objects["1.2"][0]))
    ds.WindowCenter, ds.WindowWidth = 100, 300
    hounsfield = pydicom.pixels.apply_modality_lut(ds.pixel_array[2], ds)
    low, high = 100 - 0.5 - 299 / 2, 100 - 0.5 + 299 / 2  # PS3.3 C.11.2.1.2.1 by hand
    expected = np.clip((hounsfield - low) / (high - low), 0, 1) * 255
    assert np.abs(shown - expected).max() <= 1
    small = await viewer.get("/dicom-web/studies/1/series/1.3/instances/1.3.1/rendered?viewport=24,24")
    assert Image.open(io.BytesIO(small.content)).size == (20, 24)
    assert small.headers["content-type"] == "image/jpeg"


GRANTED_ELSEWHERE = [
    "/dicom-web/studies/2/series/2.1/metadata", "/dicom-web/studies/2/series/2.1/instances/2.1.1/frames/1", "/dicom-web/studies/2/metadata",
    "/dicom-web/studies/2/series/2.1/instances/2.1.1/rendered", "/dicom-web/studies/2/series/2.1/instances/2.1.1", "/dicom-web/studies/2/series/2.1",
    "/dicom-web/studies/2/series/2.1/instances/2.1.1/metadata", "/dicom-web/studies/2/series/2.1/thumbnail", "/api/v1/series/2.1/thumbnail",
    "/api/v1/series/2.1/preview", "/dicom-web/studies/1/series/1.7/instances/1.7.1/frames/1", "/api/v1/series/1.7/thumbnail",
    "/api/v1/series/1.7/preview", "/dicom-web/studies/9/series/9/metadata", "/api/v1/series/9/preview", "/slides/2.1.dzi", "/slides/9.dzi",
    "/dicom-web/studies/1/series/2.1/metadata", "/dicom-web/studies/2/series/1.1/metadata", "/dicom-web/studies/1/series/1.1/instances/2.1.1/frames/1",
]  # fmt: skip


@pytest.mark.parametrize("path", GRANTED_ELSEWHERE)
async def test_image_when_it_is_not_granted_or_unknown_then_404_for_both(viewer: Viewer, path: str) -> None:
    answer = await viewer.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_lists_when_another_project_asks_then_only_its_own(viewer_on_each: Viewer) -> None:
    viewer = viewer_on_each
    assert [s["0020000D"]["Value"][0] for s in (await viewer.get("/dicom-web/studies", "wu", Role.READER)).json()] == ["2"]
    assert [s["0020000E"]["Value"][0] for s in (await viewer.get("/dicom-web/series", "wu", Role.READER)).json()] == ["2.1"]
    assert (await viewer.get("/dicom-web/studies/1/series", "wu", Role.READER)).json() == []
    assert (await viewer.get("/dicom-web/studies/1/instances", "wu", Role.READER)).json() == []
    assert (await viewer.get("/dicom-web/studies?PatientID=P1", "wu", Role.READER)).json() == []
    assert len((await viewer.get("/dicom-web/studies", "rev", Role.REVIEWER)).json()) == 2
    assert (await viewer.get("/dicom-web/studies", "ops", Role.OPERATOR)).status_code == 403
    assert (await viewer.get("/dicom-web/studies/1/series/1.1/metadata", "ops", Role.OPERATOR)).status_code == 403
    assert (await viewer.client.get("/dicom-web/studies/1/series/1.1/metadata")).status_code == 401
    assert (await viewer.client.get("/dicom-web/studies")).status_code == 401


async def test_held_pixels_when_a_reviewer_looks_then_no_store_and_audited_once(viewer_on_each: Viewer) -> None:
    viewer = viewer_on_each
    for path in ("/api/v1/series/1.7/preview", "/api/v1/series/1.7/thumbnail", "/dicom-web/studies/1/series/1.7/instances/1.7.1/frames/1",
                 "/dicom-web/studies/1/series/1.7/metadata", "/dicom-web/studies/1/metadata"):  # fmt: skip
        answer = await viewer.get(path, "rev", Role.REVIEWER)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
    visible = await viewer.get("/api/v1/series/1.1/preview", "rev", Role.REVIEWER)
    assert visible.headers["cache-control"].startswith("private")
    async with viewer.catalog.resources.db.read() as session:
        events = (await session.execute(select(AuditEvent.actor, AuditEvent.subject).where(AuditEvent.verb == "view-held"))).all()
    assert [tuple(event) for event in events] == [("rev", "series:1.7")]


async def test_grant_when_a_series_is_deleted_then_it_is_gone_within_seconds(viewer: Viewer) -> None:
    assert (await viewer.get("/api/v1/series/1.1/preview")).status_code == 200
    async with viewer.catalog.resources.db.write() as session:
        await session.execute(update(Series).where(Series.uid == "1.1").values(deleted_at=now()))
        await session.execute(update(Study).where(Study.uid == "2").values(deleted_at=now()))
    viewer.viewing.access.forget()  # what the seconds do
    assert (await viewer.get("/api/v1/series/1.1/preview")).status_code == 404
    assert (await viewer.get("/api/v1/series/2.1/preview", "rev", Role.REVIEWER)).status_code == 404


@pytest.mark.parametrize(("path", "status"), [
    ("/dicom-web/studies/1/series/1.1/instances/1.1.1/frames/0", 400), ("/dicom-web/studies/1/series/1.1/instances/1.1.1/frames/2", 404),
    ("/dicom-web/studies/1/series/1.1/instances/1.1.1/frames/1,x", 400), ("/dicom-web/studies/1/series/1.1/instances/1.1.1/frames/" + "1," * 2000, 400),
    ("/dicom-web/studies/1/series/1.4/metadata", 404), ("/dicom-web/studies/1/series/1.1/instances/1.1.1/rendered?window=a", 400),
    ("/dicom-web/studies/1/series/1.1/instances/1.1.1/rendered?window=1,0", 400), ("/api/v1/series/1.1/preview?frame=3", 422),
    ("/api/v1/series/1.1/preview?format=gif", 422), ("/api/v1/series/1.1/preview?size=0", 422), ("/api/v1/series/1.5/preview?frame=1", 422),
    ("/api/v1/series/1.1/slices", 422),
])  # fmt: skip
async def test_request_when_it_asks_for_what_is_not_then_a_problem_says_so(viewer: Viewer, path: str, status: int) -> None:
    answer = await viewer.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_accept_when_nothing_fits_then_406(viewer: Viewer) -> None:
    answer = await viewer.get("/dicom-web/studies/1/series/1.1/instances/1.1.1/frames/1", Accept='multipart/related; type="image/jxl"')
    assert (answer.status_code, answer.json()["field"]) == (406, "Accept")


def test_metadata_object_when_compared_then_pydicoms_json(tmp_path: object) -> None:
    from viewer_rows import ct_slice

    from isocenter.imaging.series import describe_series

    path = tmp_path / "a"  # type: ignore[operator]
    path.write_bytes(ct_slice("1", "1", 1))
    [document] = json.loads(gzip.decompress(describe_series([path]).metadata_gz))
    ds = pydicom.dcmread(path, stop_before_pixels=True)
    assert {tag: body for tag, body in document.items() if tag != "00083002"} == ds.to_json_dict()

"""DICOMweb's options: includefield, paging, XML, zip, transfer syntaxes, bulk data, rendered parameters, ranges, capabilities."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import sqlite3
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from test_dicomweb import _parts, _pixels

from isocenter.auth import Principal, Role
from isocenter.imaging.series import describe_series
from isocenter.prepared import Prepared, Rows
from services.viewer import store

if TYPE_CHECKING:
    from conftest import Viewer

SERIES = "/dicom-web/studies/1/series"
NATIVE_MODEL = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


async def test_qido_when_there_is_more_then_a_warning_says_so_and_offset_goes_on(viewer: Viewer) -> None:
    first = await viewer.get(f"{SERIES}/1.1/instances?limit=2")
    assert len(first.json()) == 2
    assert first.headers["warning"].startswith('299 isocenter "There are additional results')
    rest = await viewer.get(f"{SERIES}/1.1/instances?limit=2&offset=2")
    assert len(rest.json()) == 1
    assert "warning" not in rest.headers
    everything = await viewer.get(f"{SERIES}/1.1/instances?limit=999999")
    assert everything.json() == first.json() + rest.json()


async def test_qido_when_includefield_is_asked_then_from_the_released_header(viewer: Viewer) -> None:
    plain = (await viewer.get(f"{SERIES}/1.1/instances")).json()
    assert "00200032" not in plain[0]
    named = (await viewer.get(f"{SERIES}/1.1/instances?includefield=ImagePositionPatient,00280030&includefield=00091001")).json()
    assert [one["00200032"]["Value"][2] for one in named] == [2.5, 5.0, 7.5]
    assert named[0]["00280030"]["Value"] == [0.7, 0.7]
    every = (await viewer.get(f"{SERIES}/1.1/instances?includefield=all")).json()
    metadata = (await viewer.get(f"{SERIES}/1.1/metadata")).json()
    assert all(set(one) >= set(told) for one, told in zip(every, metadata, strict=True))
    series = (await viewer.get("/dicom-web/series?SeriesInstanceUID=1.1&includefield=PixelSpacing,ImagePositionPatient")).json()
    assert "00280030" in series[0]
    assert "00200032" not in series[0]  # it differs between the instances
    study = (await viewer.get("/dicom-web/studies?includefield=all&includefield=Modality")).json()
    assert "00080060" not in study[0]
    assert (await viewer.get("/dicom-web/studies?includefield=NoSuchThing")).status_code == 400


MATCHED = [
    ("/dicom-web/studies?PatientName=%50*", 1), ("/dicom-web/studies?PatientName=%E6%9D%A8*", 0), ("/dicom-web/studies?PatientName=P1%3D", 1),
    ("/dicom-web/studies?PatientName=p1&fuzzymatching=true", 1), ("/dicom-web/studies?PatientName=1&fuzzymatching=true", 0),
    ("/dicom-web/studies?ModalitiesInStudy=C*", 1), ("/dicom-web/studies?StudyInstanceUID=1%5C2", 1), ("/dicom-web/studies?StudyInstanceUID=1%2C2", 1),
    ("/dicom-web/studies?RequestAttributesSequence.RequestedProcedureID=7", 0), ("/dicom-web/studies?00400275.00401001=", 1),
    ("/dicom-web/instances?NumberOfFrames=5", 1), ("/dicom-web/instances?PatientID=P1", 6), ("/dicom-web/instances?PatientID=P2", 0),
    ("/dicom-web/series?StudyDate=20190101-20191231&Modality=CT", 4), ("/dicom-web/instances?StudyDescription=ABD*&SOPInstanceUID=1.1.1", 1),
    ("/dicom-web/series?SeriesDescription=*", 4),
]  # fmt: skip


async def test_qido_when_matched_then_by_the_standards_kinds(viewer_on_each: Viewer) -> None:
    for path, found in MATCHED:
        answer = await viewer_on_each.get(path)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()) == found, path


@pytest.mark.parametrize("query", ["fuzzymatching=maybe", "limit=", "includefield=PatientID.x", "PatientID.StudyID=1", "00280010=x", "StudyDate=-"])
async def test_qido_when_an_option_is_wrong_then_400(viewer: Viewer, query: str) -> None:
    assert (await viewer.get(f"/dicom-web/studies?{query}")).status_code == 400


async def test_documents_when_xml_is_asked_then_the_native_model_says_the_same(viewer: Viewer) -> None:
    asked = 'multipart/related; type="application/dicom+xml"'
    for path in (f"{SERIES}/1.1/metadata", f"{SERIES}/1.1/instances", "/dicom-web/studies", "/dicom-web/studies/1/metadata"):
        parts = _parts(await viewer.get(path, Accept=asked))
        told = (await viewer.get(path)).json()
        assert len(parts) == len(told)
        for (kind, body), document in zip(parts, told, strict=True):
            assert kind == "application/dicom+xml"
            found = {one.attrib["tag"]: one for one in ET.fromstring(body)}
            assert set(found) == set(document)
            for tag, value in document.items():
                if value["vr"] not in ("PN", "SQ"):
                    assert [one.text for one in found[tag].iter(f"{NATIVE_MODEL}Value")] == [str(one) for one in value.get("Value", [])]
    assert (await viewer.get(f"{SERIES}/1.1/metadata?accept=application/dicom%2Bxml")).headers["content-type"].startswith("multipart/related")
    for path in (f"{SERIES}/1.1/metadata", "/dicom-web/studies"):
        refused = await viewer.get(path, Accept="text/html")
        assert (refused.status_code, refused.json()["field"]) == (406, "Accept")
        assert "application/dicom+json" in refused.json()["detail"]


async def test_zip_when_asked_then_it_holds_the_stored_files(viewer: Viewer) -> None:
    answer = await viewer.get("/dicom-web/studies/1", Accept="application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        held = [archive.read(name) for name in archive.namelist()]
    expected = [data for uid in ("1.1", "1.2", "1.3", "1.8") for data in viewer.catalog.objects[uid]]
    assert sorted(held) == sorted(expected)
    assert (await viewer.get(f"{SERIES}/1.1?accept=application/zip")).headers["content-type"] == "application/zip"


async def test_study_when_retrieved_then_every_visible_object(viewer: Viewer) -> None:
    bodies = [body for _, body in _parts(await viewer.get("/dicom-web/studies/1"))]
    assert sorted(bodies) == sorted(data for uid in ("1.1", "1.2", "1.3", "1.8") for data in viewer.catalog.objects[uid])
    assert (await viewer.get("/dicom-web/studies/2")).status_code == 404
    assert (await viewer.get("/dicom-web/studies/1", Accept="application/dicom")).status_code == 406
    assert (await viewer.get(f"{SERIES}/1.1", Accept="image/jpeg")).status_code == 406


LOSSLESS = [f"1.2.840.10008.1.2.{end}" for end in ("1", "5", "4.70", "4.80", "4.90", "4.201")]


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("series", ["1.2", "1.8"])  # native, RLE
async def test_instance_when_a_transfer_syntax_is_asked_then_pydicom_reads_the_same_pixels(viewer: Viewer, series: str, syntax: str) -> None:
    answer = await viewer.get(f"{SERIES}/{series}/instances/{series}.1", Accept=f"application/dicom; transfer-syntax={syntax}")
    assert answer.status_code == 200, answer.text
    ds = pydicom.dcmread(io.BytesIO(answer.content))
    assert ds.file_meta.TransferSyntaxUID == syntax
    assert (ds.pixel_array == _pixels(viewer.catalog.objects[series][0])).all()
    assert ds.SOPInstanceUID == pydicom.dcmread(io.BytesIO(viewer.catalog.objects[series][0])).SOPInstanceUID
    accept = f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'
    [(kind, body)] = _parts(await viewer.get(f"{SERIES}/{series}/instances/{series}.1", Accept=accept))
    assert kind.endswith(f"transfer-syntax={syntax}")
    assert body == answer.content


@pytest.mark.parametrize(("media_type", "syntax"), [
    ("image/dicom-rle", "1.2.840.10008.1.2.5"), ("image/jls", "1.2.840.10008.1.2.4.80"), ("image/jp2", "1.2.840.10008.1.2.4.90"),
    ("image/jphc", "1.2.840.10008.1.2.4.201"), ("image/jpeg", "1.2.840.10008.1.2.4.70"),
])  # fmt: skip
async def test_frames_when_another_form_is_asked_then_they_decode_to_the_same_pixels(viewer: Viewer, media_type: str, syntax: str) -> None:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    answer = await viewer.get(f"{SERIES}/1.2/instances/1.2.1/frames/2,5", Accept=f'multipart/related; type="{media_type}"; transfer-syntax={syntax}')
    parts = _parts(answer)
    assert [kind for kind, _ in parts] == [f"{media_type}; transfer-syntax={syntax}"] * 2
    ds = pydicom.dcmread(io.BytesIO(viewer.catalog.objects["1.2"][0]))
    ds.NumberOfFrames = 2
    ds.PixelData = pydicom.encaps.encapsulate([body for _, body in parts])
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    pixels = [get_decoder(UID(syntax)).as_array(ds, index=n)[0] for n in range(2)]
    assert (np.array(pixels) == _pixels(viewer.catalog.objects["1.2"][0])[[1, 4]]).all()
    assert (await viewer.get(f"{SERIES}/1.2/instances/1.2.1/frames/1", Accept="image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50")).status_code == 406


async def test_retrieve_when_a_range_is_asked_then_only_it(viewer: Viewer) -> None:
    address = f"{SERIES}/1.1/instances/1.1.2"
    stored = viewer.catalog.objects["1.1"][1]
    whole = await viewer.get(address, Accept="application/dicom")
    for text, expected in (("bytes=128-131", stored[128:132]), ("bytes=-10", stored[-10:]), ("bytes=100-", stored[100:])):
        part = await viewer.get(address, Accept="application/dicom", Range=text)
        assert (part.status_code, part.content) == (206, expected)
        assert part.headers["content-range"].endswith(f"/{len(stored)}")
    assert (await viewer.get(address, Accept="application/dicom", Range=f"bytes={len(stored)}-")).status_code == 416
    assert (await viewer.get(address, Accept="application/dicom", Range="bytes=0-1", If_Range='"other"')).status_code == 200
    assert (await viewer.get(address, Accept="application/dicom", If_None_Match=whole.headers["etag"])).status_code == 304
    frame = await viewer.get(f"{SERIES}/1.1/instances/1.1.2/frames/1", Accept="application/octet-stream", Range="bytes=2-5")
    assert frame.content == _pixels(stored)[0].tobytes()[2:6]


async def test_bulkdata_when_asked_then_the_value(viewer: Viewer) -> None:
    address = f"{SERIES}/1.1/instances/1.1.1/bulkdata"
    [(_, body)] = _parts(await viewer.get(f"{address}/7FE00010", Accept='multipart/related; type="application/octet-stream"'))
    assert body == _pixels(viewer.catalog.objects["1.1"][0]).tobytes()
    frames = _parts(await viewer.get(f"{SERIES}/1.8/instances/1.8.1/pixeldata", Accept='multipart/related; type="application/octet-stream"'))
    assert np.array_equal([body for _, body in frames], [frame.tobytes() for frame in _pixels(viewer.catalog.objects["1.8"][0])])
    assert (await viewer.get(f"{address}/00420011")).status_code == 404
    assert (await viewer.get(f"{address}/PixelData")).status_code == 400
    assert (await viewer.get(f"{address}/7FE00010", "rev", Role.REVIEWER)).status_code == 403
    assert (await viewer.get("/dicom-web/studies/2/series/2.1/instances/2.1.1/bulkdata/7FE00010")).status_code == 404


async def test_rendered_when_the_viewport_is_given_then_cropped_and_fitted(viewer: Viewer) -> None:
    address = f"{SERIES}/1.1/instances/1.1.1/rendered"
    assert Image.open(io.BytesIO((await viewer.get(f"{address}?viewport=80,96")).content)).size == (80, 96)
    cropped = await viewer.get(f"{address}?viewport=20,10,4,8,20,10", Accept="image/png")
    whole = np.asarray(Image.open(io.BytesIO((await viewer.get(address, Accept="image/png")).content)))
    assert (np.asarray(Image.open(io.BytesIO(cropped.content))) == whole[8:18, 4:24]).all()
    told = await viewer.get(f"{address}?annotation=patient,technique&iccprofile=yes", Accept="image/png")
    assert (np.asarray(Image.open(io.BytesIO(told.content))) != whole).any()
    several = _parts(await viewer.get(f"{SERIES}/1.1/rendered?viewport=10,10"))
    assert [kind for kind, _ in several] == ["image/jpeg"] * 3
    frames = _parts(await viewer.get(f"{SERIES}/1.2/instances/1.2.1/frames/1,3/rendered", Accept='multipart/related; type="image/png"'))
    assert [kind for kind, _ in frames] == ["image/png"] * 2
    for path in ("/dicom-web/studies/1/thumbnail", f"{SERIES}/1.2/instances/1.2.1/frames/2/thumbnail"):
        assert (await viewer.get(path)).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize("query", [
    "viewport=100000,100000", "viewport=10", "viewport=0,5", "viewport=10,10,900,900,5,5", "viewport=1,2,3", "window=40", "window=40,0,linear", "window=nan,5",
    "window=40,400,cubic", "quality=0", "quality=101", "quality=x", "annotation=everything", "iccprofile=prophoto",
])  # fmt: skip
async def test_rendered_when_a_parameter_is_nonsense_then_400(viewer: Viewer, query: str) -> None:
    answer = await viewer.get(f"{SERIES}/1.1/instances/1.1.1/rendered?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    refused = await viewer.get(f"{SERIES}/1.1/instances/1.1.1/rendered", Accept="video/mp4")
    assert refused.status_code == 406


async def test_capabilities_when_asked_then_every_resource_is_told(viewer: Viewer) -> None:
    for method in ("GET", "OPTIONS"):
        answer = await viewer.client.request(method, "/dicom-web", headers=viewer.catalog.headers("lin", Role.RESEARCHER))
        paths = {one["path"] for one in answer.json()["resources"]}
        assert {"/dicom-web/studies", "/dicom-web/studies/{study}/series/{series}/instances/{instance}/frames/{frames}"} <= paths
    wadl = await viewer.get("/dicom-web/", Accept="application/vnd.sun.wadl+xml")
    assert ET.fromstring(wadl.content).tag.endswith("application")


async def test_frame_when_the_object_is_cut_short_then_a_problem_and_no_bytes(viewer: Viewer) -> None:
    store = viewer.catalog.resources.store
    [(key, size)] = [(key, size) for key, size in store.list("data/1.2/") if "metadata" not in key and "thumbnail" not in key]
    store.put_bytes(key, viewer.catalog.objects["1.2"][0][: size // 2])
    answer = await viewer.get(f"{SERIES}/1.2/instances/1.2.1/frames/5")
    assert answer.status_code in (404, 503)
    assert json.loads(answer.content)["detail"]
    store.delete(key)
    for path in ("frames/1", "rendered"):
        assert (await viewer.get(f"{SERIES}/1.2/instances/1.2.1/{path}")).status_code == 404


async def test_large_attribute_when_described_then_its_address_gives_the_value(viewer: Viewer, tmp_path: Path) -> None:
    ds = pydicom.dcmread(io.BytesIO(viewer.catalog.objects["1.2"][0]))
    value = bytes(range(256)) * 1024
    ds.add_new(0x00420011, "OB", value)
    ds.save_as(tmp_path / "a")
    [document] = json.loads(gzip.decompress(describe_series([tmp_path / "a"]).metadata_gz))
    assert document["00420011"] == {"vr": "OB", "BulkDataURI": "/dicom-web/studies/1/series/1.2/instances/1.2.1/bulkdata/00420011"}
    store = viewer.catalog.resources.store
    [key] = [key for key, _ in store.list("data/1.2/") if "metadata" not in key and "thumbnail" not in key]
    store.put_bytes(key, (tmp_path / "a").read_bytes())
    answer = await viewer.get(document["00420011"]["BulkDataURI"], Accept="application/octet-stream")
    assert answer.content == value


async def test_instances_when_walked_or_looked_up_then_the_same_in_the_same_order(viewer_on_each: Viewer) -> None:
    everything = (await viewer_on_each.get("/dicom-web/instances")).json()
    of_study = (await viewer_on_each.get("/dicom-web/studies/1/instances")).json()
    paged = [(await viewer_on_each.get(f"/dicom-web/instances?limit=1&offset={offset}")).json()[0] for offset in range(len(everything))]
    assert len(everything) == 6
    assert everything == of_study == paged


async def test_instances_when_nothing_narrow_is_asked_then_the_catalog_sorts_nothing(viewer: Viewer) -> None:
    """Sorting 100,800 instances for a page of 100 took 281 ms."""
    said: list[tuple[str, list[Any]]] = []

    def look(rows: Rows) -> None:
        def noted(prepared: Prepared, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
            text = prepared.text
            said.append((text.text, [{**text.fixed, **values}[name] for name in text.names]))
            return rows(prepared, values)

        assert len(store.instance_rows(noted, Principal(1, "lin", Role.ADMIN), [], 2, 0)) == 2

    await viewer.catalog.resources.db.ask(look)
    [(text, parameters)] = said
    with contextlib.closing(sqlite3.connect(viewer.catalog.resources.settings.data / "catalog.db")) as connection:
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters)]
    assert "SCAN instance USING INDEX ix_instance_series" in steps
    assert not [step for step in steps if "ORDER BY" in step]


async def test_openapi_when_read_then_every_search_is_described(viewer: Viewer) -> None:
    paths = (await viewer.get("/openapi.json")).json()["paths"]
    searches = {path: operations["get"] for path, operations in paths.items() if path.startswith("/dicom-web")}
    assert [len(path.split("/")) for path in searches] == [3, 3, 5, 3, 5, 7]
    assert all("application/dicom+json" in told["responses"]["200"]["content"] for told in searches.values())
    assert [parameter["name"] for parameter in searches["/dicom-web/studies/{study}/series/{series}/instances"]["parameters"]] == ["study", "series"]

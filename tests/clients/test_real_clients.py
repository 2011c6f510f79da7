"""dicomweb-client (ImagingDataCommons) with every verb it has, then Orthanc as a DICOMweb client: it retrieves from the platform and sends to it."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from client_site import SERIES, SLICES, STUDIES, Site
from dicomweb_client.api import DICOMwebClient
from fixtures.parts import require_part, require_programs
from PIL import Image
from pydicom.dataset import Dataset

from benchmarks import ct_slices, peers
from isocenter.imaging.window import Window, to_uint8


def _one(site: Site) -> tuple[DICOMwebClient, str, str, str]:
    """(client, study, series, instance), the first of each as the client finds them."""
    client = site.client()
    study = client.search_for_studies(limit=1)[0]["0020000D"]["Value"][0]
    series = client.search_for_series(study)[0]["0020000E"]["Value"][0]
    return client, study, series, client.search_for_instances(study, series)[0]["00080018"]["Value"][0]


def _original(site: Site, released: Dataset) -> Dataset:
    """The slice that was sent, found by its pixels."""
    [found] = [ds for ds in site.sent if ds.PixelData == released.PixelData]
    return found


def test_store_when_twelve_slices_are_sent_then_each_is_named_as_stored(site: Site) -> None:
    assert {item.ReferencedSOPInstanceUID for item in site.answered.ReferencedSOPSequence} == {ds.SOPInstanceUID for ds in site.sent}
    assert not site.answered.get("FailedSOPSequence")


def test_search_when_asked_at_each_level_then_the_numbers_are_those_sent(site: Site) -> None:
    client, study, series, instance = _one(site)
    assert len(client.search_for_studies()) == STUDIES
    assert len(client.search_for_series(study)) == SERIES
    assert len(client.search_for_instances(study, series)) == SLICES
    assert len(client.search_for_instances()) == STUDIES * SERIES * SLICES
    assert len(client.search_for_studies(limit=1, offset=1)) == 1
    [found] = client.search_for_instances(search_filters={"SOPInstanceUID": instance}, fields=["KVP"])
    assert found["00180060"]["Value"] == [120]
    patient = client.search_for_studies(limit=1)[0]["00100020"]["Value"][0]
    assert len(client.search_for_studies(search_filters={"PatientName": f"{patient[:-1]}*"}, fuzzymatching=True)) == 1
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []


def test_metadata_when_retrieved_at_each_level_then_it_is_that_of_the_object(site: Site) -> None:
    client, study, series, instance = _one(site)
    of_instance = client.retrieve_instance_metadata(study, series, instance)
    assert of_instance["00080018"]["Value"] == [instance]
    assert len(client.retrieve_series_metadata(study, series)) == SLICES
    assert len(client.retrieve_study_metadata(study)) == SERIES * SLICES
    released = client.retrieve_instance(study, series, instance)
    told = Dataset.from_json({tag: element for tag, element in of_instance.items() if "BulkDataURI" not in element})
    for element in told:
        if element.VR != "SQ" and element.tag in released:
            assert released[element.tag].value == element.value, element.keyword


def test_objects_when_retrieved_then_pixels_are_those_sent_and_identity_is_gone(site: Site) -> None:
    client, study, series, instance = _one(site)
    released = client.retrieve_instance(study, series, instance)
    assert _original(site, released).Rows == released.Rows
    assert "Patient^" not in str(released.PatientName)
    assert len(client.retrieve_series(study, series)) == SLICES
    assert len(client.retrieve_study(study)) == SERIES * SLICES
    assert {ds.SOPInstanceUID for ds in client.iter_series(study, series)} == {ds.SOPInstanceUID for ds in client.retrieve_series(study, series)}


def test_frames_when_retrieved_then_they_are_the_stored_pixels(site: Site) -> None:
    client, study, series, instance = _one(site)
    released = client.retrieve_instance(study, series, instance)
    for media_types in (None, ("application/octet-stream",)):
        [frame] = client.retrieve_instance_frames(study, series, instance, [1], media_types=media_types)
        assert frame == released.PixelData
    [jls] = client.retrieve_instance_frames(study, series, instance, [1], media_types=("image/jls",))
    assert jls.startswith(b"\xff\xd8")


def test_rendered_when_retrieved_then_the_picture_is_the_window_asked_for(site: Site) -> None:
    client, study, series, instance = _one(site)
    released = client.retrieve_instance(study, series, instance)
    body = client.retrieve_instance_rendered(study, series, instance, media_types=("image/png",), params={"window": "60,300,linear"})
    picture = np.asarray(Image.open(io.BytesIO(body)))
    assert np.array_equal(picture, to_uint8(released.pixel_array, released, Window(60, 300)))
    of_frame = client.retrieve_instance_frames_rendered(study, series, instance, [1], media_types=("image/jpeg",))
    assert Image.open(io.BytesIO(of_frame)).size == (64, 64)


def test_bulkdata_when_retrieved_by_the_address_of_its_tag_then_it_is_the_pixel_data(site: Site) -> None:
    client, study, series, instance = _one(site)
    released = client.retrieve_instance(study, series, instance)
    address = f"{site.dicomweb}/studies/{study}/series/{series}/instances/{instance}/bulkdata/7FE00010"
    [body] = client.retrieve_bulkdata(address)
    assert body == released.PixelData


def test_object_when_checked_by_dciodvfy_then_it_has_no_error_that_was_not_sent(site: Site, tmp_path: Path) -> None:
    require_programs("dicom3tools", "dciodvfy")
    client, study, series, instance = _one(site)
    path = tmp_path / "released.dcm"
    client.retrieve_instance(study, series, instance).save_as(path)
    told = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False, timeout=60)
    assert [line for line in (told.stdout + told.stderr).splitlines() if line.startswith("Error")] == []


@pytest.fixture(scope="module")
def orthanc(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An empty Orthanc on loopback that knows the platform as ``isocenter``."""
    require_programs("Orthanc", "Orthanc")
    plugin = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
    require_part("Orthanc's DICOMweb plugin", plugin.exists(), "apt install orthanc-dicomweb")
    known = {"isocenter": {"Url": f"{site.dicomweb}/", "HttpHeaders": site.headers}}
    with peers.orthanc(tmp_path_factory.mktemp("orthanc"), Servers=known) as served, httpx.Client(base_url=served.url, timeout=60) as http:
        yield http


def test_retrieve_when_orthanc_asks_for_a_study_then_it_holds_the_released_instances(site: Site, orthanc: httpx.Client) -> None:
    study = site.client().search_for_studies(limit=1)[0]["0020000D"]["Value"][0]
    found = orthanc.post("/dicom-web/servers/isocenter/qido", json={"Uri": "/studies", "Arguments": {"StudyInstanceUID": study}})
    assert study in found.text
    answer = orthanc.post("/dicom-web/servers/isocenter/retrieve", json={"Resources": [{"Study": study}]})
    assert answer.status_code == 200, answer.text
    assert orthanc.get("/statistics").json()["CountInstances"] == SERIES * SLICES
    ours = {ds.SOPInstanceUID: ds.PixelData for ds in site.client().retrieve_study(study)}
    for identifier in orthanc.get("/instances").json():
        theirs = pydicom.dcmread(io.BytesIO(orthanc.get(f"/instances/{identifier}/file").content))
        assert ours[theirs.SOPInstanceUID] == theirs.PixelData


def test_stow_when_orthanc_sends_a_study_then_the_platform_has_it(site: Site, orthanc: httpx.Client, tmp_path: Path) -> None:
    ct_slices.write(tmp_path, 3, 1, 2, side_px=64)
    before = len(site.client().search_for_studies())
    sent = [orthanc.post("/instances", content=path.read_bytes()).json()["ID"] for path in sorted((tmp_path / "0002").rglob("*.dcm"))]
    answer = orthanc.post("/dicom-web/servers/isocenter/stow", json={"Resources": sent})
    assert answer.status_code == 200, answer.text
    assert len(site.client().search_for_studies()) == before + 1

"""Every bad request of the issue on every route it can be sent to: the standard's status, a problem that says what can be had, nothing leaked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from isocenter.auth import Role

if TYPE_CHECKING:
    from conftest import Viewer

STUDY = "/dicom-web/studies/1"
CT = f"{STUDY}/series/1.1/instances/1.1.1"
MULTI = f"{STUDY}/series/1.2/instances/1.2.1"


def _checked(viewer: Viewer, answer: httpx.Response, status: int) -> dict[str, object]:
    """The problem document: its status, a sentence, no path of ours, no trace."""
    assert answer.status_code == status, f"{answer.request.url}: {answer.status_code} {answer.text[:200]}"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    told: dict[str, object] = answer.json()
    assert told["status"] == status
    assert len(str(told["detail"])) > 10
    for leak in (str(viewer.catalog.resources.settings.data), "Traceback", ".py", "sha256", "held/", "data/"):
        assert leak not in answer.text
    return told


@pytest.mark.parametrize(("path", "status"), [
    # A frame that cannot be is a bad request, one that is not there is not found (PS3.18 8.5.1).
    *((f"{MULTI}/frames/{asked}", status) for asked, status in (("0", 400), ("10000", 404), ("-1", 400), ("1.5", 400), ("5,6", 404), ("99999999999", 400))),
    *((f"{MULTI}/frames/{asked}/rendered", status) for asked, status in (("0", 400), ("10000", 404), ("x", 400))),
    (f"{MULTI}/frames/0/thumbnail", 400), (f"{MULTI}/frames/10000/thumbnail", 404), (f"{MULTI}/frames/1,2/thumbnail", 400),
    ("/api/v1/series/1.2/preview?frame=10000", 422), ("/api/v1/series/1.2/preview?frame=-1", 422),
    *((f"{CT}/rendered?window={window}", 400) for window in ("40,0", "40,0,linear", "40,0,sigmoid", "40,-5", "40,inf", "0")),
    ("/api/v1/series/1.1/preview?window=40,0", 422), ("/api/v1/series/1.4/slices/axial/0?window=40,0", 422),
    (f"{CT}/rendered?viewport=100000,100000", 400), (f"{CT}/rendered?viewport=100000,10", 400), (f"{CT}/frames/1/rendered?viewport=0,0", 400),
    ("/api/v1/series/1.1/preview?size=100000", 422), ("/slides/1.6/region?width=9&height=9&size=100000", 422),
    ("/iiif/3/1.6/full/100000,/0/default.jpg", 400),
])  # fmt: skip
async def test_number_when_it_cannot_be_then_the_standards_status(viewer: Viewer, path: str, status: int) -> None:
    _checked(viewer, await viewer.get(path), status)


# Addresses with an unknown part at each level; {} is put in its place.
UNKNOWN = [
    "/dicom-web/studies/{}", "/dicom-web/studies/{}/metadata", "/dicom-web/studies/{}/rendered", "/dicom-web/studies/{}/thumbnail",
    f"{STUDY}/series/{{}}", f"{STUDY}/series/{{}}/metadata", f"{STUDY}/series/{{}}/rendered", f"{STUDY}/series/{{}}/thumbnail",
    f"{STUDY}/series/1.1/instances/{{}}", f"{STUDY}/series/1.1/instances/{{}}/metadata", f"{STUDY}/series/1.1/instances/{{}}/frames/1",
    f"{STUDY}/series/1.1/instances/{{}}/rendered", f"{STUDY}/series/1.1/instances/{{}}/thumbnail", f"{STUDY}/series/1.1/instances/{{}}/bulkdata/7FE00010",
    "/slides/{}.dzi", "/slides/{}_files/1/0_0.jpeg", "/slides/{}/region?width=1&height=1", "/slides/{}/properties", "/iiif/3/{}/info.json",
    "/iiif/3/{}/full/max/0/default.jpg", "/api/v1/series/{}/preview", "/api/v1/series/{}/thumbnail", "/api/v1/series/{}/slices",
    "/api/v1/series/{}/geometry", "/api/v1/series/{}/overlays", "/api/v1/series/{}/overlays/x/0",
]  # fmt: skip


async def test_uid_when_it_is_unknown_or_of_another_project_then_the_same_404(viewer: Viewer) -> None:
    for path in UNKNOWN:
        theirs = "2.1.1" if "instances" in path else "2" if "studies/{" in path else "2.1"
        answers = [await viewer.get(path.replace("{}", uid)) for uid in ("2.25.99", "nonsense", theirs)]
        told = [_checked(viewer, answer, 404) for answer in answers]
        # Nothing tells apart what is not there and what is somebody else's.
        assert told[0] == told[1] == told[2], path
    for series in ("1.1", "1.2"):  # a true UID under another study
        _checked(viewer, await viewer.get(f"/dicom-web/studies/2/series/{series}/metadata", "rev", Role.REVIEWER), 404)


@pytest.mark.parametrize("tile", ["10/6_0", "10/0_5", "11/0_0", "10/9999999_0", "0/1_0", "9/3_0", "10/-1_0", "10/a_b"])
async def test_tile_when_it_lies_outside_the_grid_then_404(viewer: Viewer, tile: str) -> None:
    _checked(viewer, await viewer.get(f"/slides/1.6_files/{tile}.jpeg"), 404)


WHOLE = ["/slides/1.6.dzi", "/slides/1.6_files/10/1_1.jpeg", "/slides/1.6_files/3/0_0.jpeg", "/slides/1.6/region?width=10&height=10", "/iiif/3/1.6/info.json",
         "/iiif/3/1.6/full/max/0/default.jpg", "/api/v1/series/1.6/preview"]  # fmt: skip


async def test_slide_when_its_object_is_missing_then_404(viewer: Viewer) -> None:
    _remove(viewer, "1.6")
    for path in WHOLE:
        _checked(viewer, await viewer.get(path), 404)


async def test_slide_when_its_object_is_cut_short_then_a_problem(viewer: Viewer) -> None:
    _cut(viewer, "1.6", 700)
    for path in WHOLE:
        answer = await viewer.get(path)
        _checked(viewer, answer, 400 if path.startswith("/iiif") else 422)


def _key(viewer: Viewer, series: str) -> str:
    return next(key for key, _ in viewer.catalog.resources.store.list(f"data/{series}/") if "metadata" not in key and "thumbnail" not in key)


def _remove(viewer: Viewer, series: str) -> None:
    viewer.catalog.resources.store.delete(_key(viewer, series))


def _cut(viewer: Viewer, series: str, size_bytes: int) -> None:
    key = _key(viewer, series)
    viewer.catalog.resources.store.put_bytes(key, viewer.catalog.resources.store.get_bytes(key)[:size_bytes])


@pytest.mark.parametrize("harm", ["missing", "cut"])
async def test_object_when_it_is_missing_or_cut_then_no_pixels_and_no_half_answer(viewer: Viewer, harm: str) -> None:
    for series, size in (("1.2", 4000), ("1.4", 300), ("1.5", 100)):
        if harm == "missing":
            _remove(viewer, series)
        else:
            _cut(viewer, series, size)
    for path in (f"{MULTI}", f"{STUDY}/series/1.2", f"{MULTI}/frames/5", f"{MULTI}/rendered", f"{MULTI}/frames/5/rendered", f"{MULTI}/pixeldata",
                 f"{STUDY}/series/1.2/rendered", "/api/v1/series/1.2/preview?frame=4"):  # fmt: skip
        answer = await viewer.get(path, Accept="application/zip" if path == f"{STUDY}/series/1.2" else "*/*")
        # The first frame of a cut object may still be whole.
        assert answer.status_code == 404 or (harm == "cut" and path in (f"{MULTI}/rendered",)), f"{path} {answer.status_code}"
    for path in ("/api/v1/series/1.4/slices", "/api/v1/series/1.4/preview", "/api/v1/series/1.5/preview"):
        _checked(viewer, await viewer.get(path), 404 if harm == "missing" else 422)


@pytest.mark.parametrize(("path", "accept", "offered"), [
    (f"{CT}/frames/1", 'multipart/related; type="image/jxl"', "image/jls"), (f"{CT}/frames/1", "text/html", "application/octet-stream"),
    (f"{CT}/frames/1", "multipart/related; type=application/octet-stream; transfer-syntax=1.2.3", "application/octet-stream"),
    (f"{CT}/rendered", "video/mp4", "image/png"), (f"{CT}/frames/1/rendered", "image/gif", "image/jpeg"),
    (f"{STUDY}/series/1.1/rendered", "image/gif", "image/jpeg"),
    (CT, "text/html", "application/dicom"), (f"{STUDY}/series/1.1", "application/dicom", "application/zip"),
    (CT, "application/dicom; transfer-syntax=1.2.3", "1.2.840.10008.1.2.1"), (f"{CT}/metadata", "text/html", "application/dicom+json"),
    (f"{CT}/bulkdata/00420011", "text/html", "application/octet-stream"), ("/dicom-web/studies", "text/html", "application/dicom+json"),
])  # fmt: skip
async def test_accept_when_nobody_can_serve_it_then_406_with_what_can(viewer: Viewer, path: str, accept: str, offered: str) -> None:
    told = _checked(viewer, await viewer.get(path, Accept=accept), 406)
    assert offered in str(told["detail"])
    assert told["field"] == "Accept"

"""Who sees what, on every route that answers with pixels: held ones only reviewers, never cached, audited; decisions without SQL for seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, select, update

from isocenter.auth import LINK_HEADER, Role
from isocenter.models import AuditEvent, Instance, Series

if TYPE_CHECKING:
    from conftest import Viewer

CT = "/dicom-web/studies/1/series/1.1"
# Every route of the service that answers with pixels or with what is in a header, by series.
ROUTES = {
    "1.1": [CT, f"{CT}/metadata", f"{CT}/rendered", f"{CT}/thumbnail", f"{CT}/instances/1.1.1", f"{CT}/instances/1.1.1/metadata",
            f"{CT}/instances/1.1.1/frames/1", f"{CT}/instances/1.1.1/frames/1/rendered", f"{CT}/instances/1.1.1/frames/1/thumbnail",
            f"{CT}/instances/1.1.1/rendered", f"{CT}/instances/1.1.1/thumbnail", f"{CT}/instances/1.1.1/pixeldata",
            f"{CT}/instances/1.1.1/bulkdata/7FE00010", "/api/v1/series/1.1/preview", "/api/v1/series/1.1/thumbnail", "/api/v1/series/1.1/overlays",
            "/api/v1/series/1.1/geometry"],
    "1.4": ["/api/v1/series/1.4/slices", "/api/v1/series/1.4/slices/axial/3", "/api/v1/series/1.4/geometry", "/api/v1/series/1.4/preview"],
    "1.5": ["/api/v1/series/1.5/preview", "/api/v1/series/1.5/thumbnail"],
    "1.6": ["/slides/1.6.dzi", "/slides/1.6_files/10/1_1.jpeg", "/slides/1.6_files/10/5_4.jpeg", "/slides/1.6_files/3/0_0.jpeg", "/slides/1.6/properties",
            "/slides/1.6/region?width=100&height=100", "/iiif/3/1.6/info.json", "/iiif/3/1.6/full/max/0/default.jpg",
            "/iiif/3/1.6/0,0,128,128/128,128/0/default.jpg", "/api/v1/series/1.6/preview"],
}  # fmt: skip


@pytest.mark.parametrize("series", ROUTES)
async def test_pixels_when_they_are_held_then_404_but_for_reviewers_who_get_them_uncached(viewer: Viewer, series: str) -> None:
    for path in ROUTES[series]:
        seen = await viewer.get(path, "man", Role.DATA_MANAGER)
        assert seen.status_code == 200, f"{path}: {seen.text[:200]}"
        assert seen.headers["cache-control"].startswith("private, max-age="), path
    async with viewer.catalog.resources.db.write() as session:
        for model in (Series, Instance):
            held = model.uid if model is Series else Instance.sop_uid
            await session.execute(update(model).where(held.startswith(series)).values(state="held"))
    viewer.viewing.access.forget()
    for path in ROUTES[series]:
        hidden = await viewer.get(path)
        assert hidden.status_code == 404, path
        assert hidden.headers["cache-control"] == "no-store", path
        seen = await viewer.get(path, "man", Role.DATA_MANAGER)
        assert (seen.status_code, seen.headers["cache-control"]) == (200, "no-store"), path
    async with viewer.catalog.resources.db.read() as session:
        looks = (await session.scalars(select(AuditEvent.actor).where(AuditEvent.verb == "view-held", AuditEvent.subject == f"series:{series}"))).all()
    assert looks == ["man"]


@pytest.mark.parametrize("series", ROUTES)
async def test_pixels_when_another_project_asks_then_404_on_every_route(viewer: Viewer, series: str) -> None:
    for path in ROUTES[series]:
        # A researcher of lung: may download, has no grant of liver.
        answer = await viewer.get(path, "wu", Role.RESEARCHER)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"


async def test_pictures_when_asked_with_the_right_version_then_immutable_and_without_it_or_held_not(viewer: Viewer) -> None:
    addresses = {"1.1": [f"{CT}/instances/1.1.1/frames/1", f"{CT}/instances/1.1.1/rendered", "/api/v1/series/1.1/thumbnail",
                         "/api/v1/series/1.1/preview"],
                 "1.6": ["/slides/1.6.dzi", "/slides/1.6_files/10/1_1.jpeg", "/slides/1.6_files/10/5_4.jpeg",
                         "/slides/1.6/region?width=9&height=9"]}  # fmt: skip
    every = [path + ("&" if "?" in path else "?") for paths in addresses.values() for path in paths]
    for path in every:
        kept = await viewer.get(f"{path}v=1")
        assert (kept.status_code, kept.headers["cache-control"]) == (200, "private, max-age=31536000, immutable"), path
        for other in ("v=2", "v=", "w=v=1"):
            assert (await viewer.get(path + other)).headers["cache-control"] == "private, max-age=300", path + other
    async with viewer.catalog.resources.db.write() as session:
        await session.execute(update(Series).values(state="held"))
    viewer.viewing.access.forget()
    for path in every:
        held = await viewer.get(f"{path}v=1", "man", Role.DATA_MANAGER)
        assert (held.status_code, held.headers["cache-control"]) == (200, "no-store"), path


async def test_tiles_when_asked_again_within_seconds_then_no_sql(viewer: Viewer) -> None:
    statements: list[str] = []

    def count(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    engine = viewer.catalog.resources.db.engine.sync_engine
    event.listen(engine, "before_cursor_execute", count)
    try:
        assert (await viewer.get("/slides/1.6_files/10/1_1.jpeg")).status_code == 200
        assert statements
        statements.clear()
        for path in ("10/1_2.jpeg", "10/0_0.jpeg", "9/1_1.jpeg", "10/1_1.jpeg"):
            assert (await viewer.get(f"/slides/1.6_files/{path}")).status_code == 200
        assert statements == []
    finally:
        event.remove(engine, "before_cursor_execute", count)


async def test_iiif_when_read_behind_a_signed_link_then_its_addresses_carry_it(viewer: Viewer) -> None:
    info = await viewer.get("/iiif/3/1.6/info.json", **{LINK_HEADER: "/signed/abc.def"})
    assert info.json()["id"] == "http://localhost/signed/abc.def/iiif/3/1.6"

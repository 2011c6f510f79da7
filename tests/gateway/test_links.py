"""Signed links: what they open, for how long, and what closes them."""

from __future__ import annotations

import time

import httpx
import pytest
from gateway_site import OpenSite, Site
from sqlalchemy import select

from gateway.links import Link, link_token
from isocenter.auth import LINK_HEADER, PRINCIPAL_HEADER, Role, verify
from isocenter.models import AuditEvent

UID = "2.25.7"
OPENED = [f"/slides/{UID}.dzi", f"/slides/{UID}_files/3/0_0.jpeg", f"/iiif/3/{UID}/info.json", f"/dicom-web/studies/1/series/{UID}/metadata",
          f"/api/v1/series/{UID}/preview"]  # fmt: skip
SHUT = ["/slides/2.25.8.dzi", f"/slides/{UID}8.dzi", "/dicom-web/studies", f"/dicom-web/studies/1/series/{UID}8/metadata", "/api/v1/cases", "/api/v1/profile",
        f"/api/v1/series/{UID}", f"/api/v1/series/{UID}/previewx", "/", f"/slides/x/{UID}.dzi"]  # fmt: skip


async def _link(client: httpx.AsyncClient, **body: object) -> str:
    answer = await client.post("/api/v1/signed-links", json=body)
    assert answer.status_code == 201, answer.text
    url: str = answer.json()["url"]
    return url


def _account_of(site: Site, answer: httpx.Response) -> str:
    headers = dict(answer.json()["headers"])
    return verify(headers[PRINCIPAL_HEADER], site.resources.key).name


async def test_link_when_used_then_its_one_series_is_opened_without_cookie_and_nothing_else(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("lin")
        url = await _link(await site.signed_in("lin"), series=UID)
        anonymous = site.client()
        for path in OPENED:
            answer = await anonymous.get(f"{url}{path}?window=40,400")
            assert answer.status_code == 200, path
            told = answer.json()
            assert (told["path"], told["raw_path"], told["query"]) == (path, path, "window=40,400")
            assert _account_of(site, answer) == "lin"
            assert dict(told["headers"])[LINK_HEADER] == url
        for path in SHUT:
            assert (await anonymous.get(f"{url}{path}")).status_code == 404, path
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert (await anonymous.request(method, f"{url}{OPENED[0]}")).status_code == 403
        # The header that services believe cannot come from outside.
        forged = await anonymous.get(f"{url}{OPENED[0]}", headers={LINK_HEADER: "/evil"})
        assert [value for name, value in forged.json()["headers"] if name == LINK_HEADER] == [url]


async def test_link_when_it_is_altered_ended_or_of_another_site_then_401(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("lin")
        url = await _link(await site.signed_in("lin"), series=UID)
        anonymous = site.client()
        ended = link_token(Link(1, "series", UID, int(time.time()) - 1), site.resources.key)
        for token in (url.removeprefix("/signed/")[:-1] + "A=", "x.y", "", ".", ended, url.removeprefix("/signed/").swapcase()):
            answer = await anonymous.get(f"/signed/{token}{OPENED[0]}")
            assert answer.status_code == 401, token
            assert answer.headers["content-type"] == "application/problem+json"
        assert (await anonymous.get(f"/%73igned/{url.removeprefix('/signed/')}{OPENED[0]}")).status_code == 404


async def test_link_when_its_account_is_closed_or_has_another_role_then_it_counts_at_once(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("lin")
        await site.add("boss", Role.ADMIN)
        url = await _link(await site.signed_in("lin"), series=UID)
        boss, anonymous = await site.signed_in("boss"), site.client()
        assert (await anonymous.get(f"{url}{OPENED[0]}")).status_code == 200
        revision = (await boss.get("/api/v1/accounts/lin")).headers["etag"]
        changed = await boss.patch("/api/v1/accounts/lin", json={"active": False}, headers={"If-Match": revision})
        assert changed.status_code == 200, changed.text
        assert (await anonymous.get(f"{url}{OPENED[0]}")).status_code == 401


@pytest.mark.parametrize("body", [{}, {"series": UID, "resource": "0" * 64}, {"series": UID, "seconds": 601}, {"series": "a/b"}, {"resource": "x"},
                                  {"series": UID, "path": "/"}])  # fmt: skip
async def test_link_when_the_request_is_wrong_then_422(open_site: OpenSite, body: dict[str, object]) -> None:
    async with open_site() as site:
        await site.add("lin")
        assert (await (await site.signed_in("lin")).post("/api/v1/signed-links", json=body)).status_code == 422


async def test_link_when_made_then_audited_and_only_for_those_who_read_the_catalog(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("lin")
        await site.add("ops", Role.OPERATOR)
        url = await _link(await site.signed_in("lin"), resource="0" * 64, seconds=30)
        assert (await site.client().get(f"{url}/api/v1/resources/{'0' * 64}")).status_code == 200
        assert (await (await site.signed_in("ops")).post("/api/v1/signed-links", json={"series": UID})).status_code == 403
        assert (await site.client().post("/api/v1/signed-links", json={"series": UID})).status_code == 401
        async with site.resources.db.read() as session:
            events = (await session.execute(select(AuditEvent.actor, AuditEvent.subject).where(AuditEvent.verb == "issue-link"))).all()
        assert [tuple(event) for event in events] == [("lin", f"resource:{'0' * 64}")]

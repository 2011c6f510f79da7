"""One change to many cases: all or nothing, one audit event each, undone by the opposite."""

from __future__ import annotations

import pytest
from catalog.rows import Person, open_site
from sqlalchemy import func, select

from isocenter.models import AuditEvent, Case


@pytest.fixture
async def site(catalog_url, tmp_path):
    async with open_site(catalog_url, tmp_path) as opened:
        await opened.add(*(Person(f"LIV-{number:06d}", label=None) for number in range(1, 6)))
        yield opened


async def events(site, verb):
    async with site.resources.db.read() as session:
        return (await session.scalars(select(func.count(AuditEvent.id)).where(AuditEvent.verb == verb, AuditEvent.subject.startswith("case:")))).one()


async def test_bulk_deletion_and_its_undoing_write_one_event_a_case(site):
    keys = ["LIV-000001", "LIV-000002", "LIV-000003"]
    async with site.client() as admin:
        done = await admin.post("/api/v1/cases/bulk", json={"action": "delete", "keys": [*keys, keys[0]]})
        assert (done.status_code, done.json()) == (200, {"changed": 3, "unchanged": 0})
        assert (await admin.get("/api/v1/cases/count")).json()["cases"] == 2
        again = await admin.post("/api/v1/cases/bulk", json={"action": "delete", "keys": keys})
        assert again.json() == {"changed": 0, "unchanged": 3}
        assert await events(site, "delete") == 3
        assert (await admin.post("/api/v1/cases/bulk", json={"action": "note", "keys": keys, "note": "x"})).status_code == 404
        assert (await admin.post("/api/v1/cases/bulk", json={"action": "restore", "keys": keys})).json()["changed"] == 3
        assert (await admin.get("/api/v1/cases/count")).json()["cases"] == 5
        noted = await admin.post("/api/v1/cases/bulk", json={"action": "note", "keys": keys[:2], "note": "复查"})
        assert noted.json()["changed"] == 2
        detail = (await admin.get("/api/v1/cases/LIV-000002")).json()
        assert (detail["note"], detail["revision"]) == ("复查", 4)
        assert [event["verb"] for event in detail["history"] if event["verb"] != "view"] == ["change", "restore", "delete"]


async def test_bulk_change_with_one_wrong_key_changes_nothing(site):
    async with site.client() as admin, site.client("ann") as ann:
        wrong = await admin.post("/api/v1/cases/bulk", json={"action": "delete", "keys": ["LIV-000001", "LIV-999999"]})
        assert (wrong.status_code, wrong.json()["missing"]) == (404, ["LIV-999999"])
        assert (await ann.post("/api/v1/cases/bulk", json={"action": "delete", "keys": ["LIV-000001"]})).status_code == 403
        for body in ({"action": "note", "keys": ["LIV-000001"]}, {"action": "delete", "keys": []}, {"action": "delete", "keys": ["LIV-000001"], "note": "x"}):
            assert (await admin.post("/api/v1/cases/bulk", json=body)).status_code == 422
    async with site.resources.db.read() as session:
        assert (await session.scalars(select(func.count(Case.id)).where(Case.deleted_at.is_not(None)))).one() == 0
    assert await events(site, "delete") == 0

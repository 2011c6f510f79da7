"""Diseases, schemes, hospitals and projects as documents over HTTP; seeding."""

from __future__ import annotations

from dataclasses import replace

import pytest
from catalog.rows import Person, disease_document, open_site
from sqlalchemy import select

from isocenter.diseases import definition_of, load_diseases
from isocenter.models import Disease
from services.catalog.seed import document_of, seed_diseases


@pytest.fixture
async def site(catalog_url, tmp_path):
    async with open_site(catalog_url, tmp_path) as opened:
        yield opened


def document(code="kidney", prefix="KID"):
    return disease_document(code, prefix).model_dump(mode="json")


async def test_disease_posted_as_a_document_is_there_without_code(site):
    async with site.client() as admin:
        made = await admin.post("/api/v1/diseases", json=document())
        assert made.status_code == 201
        listed = {item["code"]: item for item in (await admin.get("/api/v1/diseases")).json()["items"]}
        assert [item["code"] for item in listed["kidney"]["schemes"][0]["classes"]] == ["0", "1"]
        assert (await admin.post("/api/v1/diseases", json=document())).status_code == 409
        taken = await admin.post("/api/v1/diseases", json=document("other", "KID"))
        assert (taken.status_code, taken.json()["field"]) == (409, "prefix")


WRONG = [
    {"code": "Kidney!"},
    {"prefix": "k"},
    {"schemes": []},
    {"title": {"en": "x"}},
    {"unknown": 1},
    {"categories": [{"id": "x", "pattern": "(", "grades": {}}]},
    {"terms": [{"id": "a", "meaning": "evil", "words": ["x"]}]},
]


async def test_document_that_is_no_disease_is_422(site):
    async with site.client() as admin:
        for change in WRONG:
            answer = await admin.post("/api/v1/diseases", json=document() | change)
            assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), change


async def test_changed_document_needs_the_current_revision_and_keeps_classes_in_use(site):
    await site.add(Person("LIV-000001", label="1"))
    async with site.client() as admin:
        body = document("liver", "LIV")
        body["title"]["en"] = "Liver cancer"
        assert (await admin.patch("/api/v1/diseases/liver", json=body)).status_code == 422
        changed = await admin.patch("/api/v1/diseases/liver", json=body, headers={"If-Match": '"1"'})
        assert (changed.status_code, changed.json()["title_en"], changed.headers["etag"]) == (200, "Liver cancer", '"2"')
        assert (await admin.patch("/api/v1/diseases/liver", json=body, headers={"If-Match": '"1"'})).status_code == 412
        body["schemes"][0]["classes"][1]["value"] = "2"
        gone = await admin.patch("/api/v1/diseases/liver", json=body, headers={"If-Match": '"2"'})
        assert gone.status_code == 409
        body["schemes"][0]["number"] = 2
        renewed = await admin.patch("/api/v1/diseases/liver", json=body, headers={"If-Match": '"2"'})
        assert [(item["number"], item["active"]) for item in renewed.json()["schemes"]] == [(1, False), (2, True)]


async def test_deleted_disease_is_listed_no_more_until_restored(site):
    async with site.client() as admin:
        assert (await admin.delete("/api/v1/diseases/lung")).status_code == 204
        assert [item["code"] for item in (await admin.get("/api/v1/diseases")).json()["items"]] == ["liver"]
        assert (await admin.post("/api/v1/datasets", json={"name": "x", "disease": "lung"})).status_code == 409
        assert (await admin.post("/api/v1/diseases/lung/restore")).status_code == 200
        assert len((await admin.get("/api/v1/diseases")).json()["items"]) == 2


async def test_bundled_diseases_are_seeded_once_and_then_the_tables_rule(site):
    definitions = load_diseases()
    async with site.resources.db.write() as session:
        added = await seed_diseases(session, definitions)
    async with site.resources.db.write() as session:
        assert await seed_diseases(session, definitions) == []
        codes = set(await session.scalars(select(Disease.code)))
    assert set(added) == {item.code for item in definitions} - {"liver", "lung"}
    assert {item.code for item in definitions} <= codes


def test_document_of_a_bundled_disease_gives_the_same_definition_again():
    for definition in load_diseases():
        document = document_of(definition).model_dump(mode="json")
        assert replace(definition_of(document, "row"), sha256=definition.sha256) == definition


async def test_hospital_and_project_are_made_listed_and_guarded(site):
    async with site.client() as admin:
        assert (await admin.post("/api/v1/hospitals", json={"code": "east", "title": "东院"})).status_code == 201
        assert (await admin.post("/api/v1/hospitals", json={"code": "east"})).status_code == 409
        assert [item["code"] for item in (await admin.get("/api/v1/hospitals")).json()["items"]] == ["east", "north", "south"]
        assert (await admin.post("/api/v1/projects", json={"code": "p1", "title": "One"})).status_code == 201
        for url in ("members/ann", "grants/diseases/liver"):
            assert (await admin.put(f"/api/v1/projects/p1/{url}")).status_code == 204
            assert (await admin.put(f"/api/v1/projects/p1/{url}")).status_code == 204
        for url in ("members/nobody", "grants/diseases/none", "grants/datasets/none"):
            assert (await admin.put(f"/api/v1/projects/p1/{url}")).status_code == 404
        project = (await admin.get("/api/v1/projects/p1")).json()
        assert (project["members"], project["grants"]) == (["ann"], {"diseases": ["liver"], "datasets": []})
        assert (await admin.patch("/api/v1/projects/p1", json={"title": "Uno"}, headers={"If-Match": '"1"'})).json()["title"] == "Uno"

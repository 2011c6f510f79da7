"""A researcher sees only what their project was granted: in every list, count, file; and every role may what the table says."""

from __future__ import annotations

import pytest
from catalog.rows import Person, Shot, add_resource, open_site

from isocenter.auth import ALLOWED, Permission, Role

PEOPLE = (
    Person("LIV-000001", reports=("imaging",), shots=(Shot(), Shot(state="held"))),
    Person("LIV-000002", label="0", hospital="south", shots=(Shot("MR", manufacturer="OTHER"),)),
    Person("LUN-000001", disease="lung", reports=("pathology",), hospital="south", shots=(Shot("PT"),)),
)


@pytest.fixture
async def site(catalog_url, tmp_path):
    async with open_site(catalog_url, tmp_path) as opened:
        await opened.add(*PEOPLE)
        yield opened


async def keys(client, path="/api/v1/cases"):
    return [item["key"] for item in (await client.get(path)).json()["items"]]


async def freeze(client, name, disease, **query):
    made = await client.post("/api/v1/datasets", json={"name": name, "disease": disease})
    assert made.status_code == 201, made.text
    frozen = await client.post(f"/api/v1/datasets/{name}/versions", json={"query": query})
    assert frozen.status_code == 201, frozen.text
    return frozen.json()


async def test_without_a_grant_a_researcher_sees_nothing(site):
    async with site.client() as admin, site.client("ann") as ann:
        await freeze(admin, "livers", "liver")
        uid = (await admin.get("/api/v1/cases/LIV-000001")).json()["studies"][0]["series"][0]["uid"]
        for path in ("cases", "diseases", "datasets", "hospitals"):
            assert (await ann.get(f"/api/v1/{path}")).json()["items"] == [], path
        assert (await ann.get("/api/v1/cases/count")).json()["series"] == 0
        assert (await ann.get("/api/v1/attributes/Modality/values")).json()["values"] == []
        for path in ("cases/LIV-000001", f"series/{uid}", f"series/{uid}/instances", "diseases/liver", "datasets/livers", "datasets/livers/versions/1"):
            assert (await ann.get(f"/api/v1/{path}")).status_code == 404, path
        for part in ("manifest", "labels.csv", "images.csv", "card"):
            assert (await ann.get(f"/api/v1/datasets/livers/versions/1/{part}")).status_code == 404, part
        assert (await ann.post("/api/v1/datasets", json={"name": "x", "disease": "liver"})).status_code == 404


async def test_with_a_disease_granted_a_researcher_sees_it_and_nothing_of_the_others(site):
    await site.grant("ann", disease="liver")
    async with site.client() as admin, site.client("ann") as ann:
        await freeze(admin, "lungs", "lung")
        await freeze(admin, "livers", "liver")
        assert await keys(ann) == ["LIV-000001", "LIV-000002"]
        assert [item["code"] for item in (await ann.get("/api/v1/diseases")).json()["items"]] == ["liver"]
        assert [item["name"] for item in (await ann.get("/api/v1/datasets")).json()["items"]] == ["livers"]
        count = (await ann.get("/api/v1/cases/count")).json()
        assert (count["cases"], count["series"]) == (2, 2)  # the held one is not among them
        values = (await ann.get("/api/v1/attributes/Modality/values")).json()["values"]
        assert [item["value"] for item in values] == ["CT", "MR"]
        kinds = (await ann.get("/api/v1/attributes/report_kind/values")).json()["values"]
        assert kinds == [{"value": "imaging", "cases": 1}]
        detail = (await ann.get("/api/v1/cases/LIV-000001")).json()
        assert [series["state"] for series in detail["studies"][0]["series"]] == ["visible"]
        assert len(detail["reports"]) == 1
        assert detail["history"] == []
        assert (await ann.get("/api/v1/cases/LUN-000001")).status_code == 404
        assert (await ann.get("/api/v1/datasets/lungs/versions/1/manifest")).status_code == 404


async def test_with_a_dataset_granted_a_researcher_sees_its_members_and_no_report_text(site):
    async with site.client() as admin, site.client("bob") as bob:
        version = await freeze(admin, "mr-livers", "liver", terms={"Modality": ["MR"]})
        await freeze(admin, "lungs", "lung")
        await site.grant("bob", dataset="mr-livers")
        assert await keys(bob) == ["LIV-000002"]
        assert [item["name"] for item in (await bob.get("/api/v1/datasets")).json()["items"]] == ["mr-livers"]
        assert [item["code"] for item in (await bob.get("/api/v1/hospitals")).json()["items"]] == ["south"]
        detail = (await bob.get("/api/v1/cases/LIV-000002")).json()
        assert detail["reports"] == []
        manifest = (await bob.get("/api/v1/datasets/mr-livers/versions/1/manifest")).json()
        sha256 = manifest["files"][0]["sha256"]
        assert (await bob.get(f"/api/v1/datasets/mr-livers/versions/1/files/{sha256}")).status_code == 200
        lung = (await admin.get("/api/v1/datasets/lungs/versions/1/manifest")).json()["files"][0]["sha256"]
        assert (await bob.get(f"/api/v1/datasets/mr-livers/versions/1/files/{lung}")).status_code == 404
        assert (await bob.get(f"/api/v1/datasets/lungs/versions/1/files/{lung}")).status_code == 404
        # A dataset of their own would be one they could not see.
        assert (await bob.post("/api/v1/datasets", json={"name": "mine", "disease": "liver"})).status_code == 403
        assert version["counts"]["cases"] == 1


async def test_a_researcher_freezes_only_what_they_see(site):
    await site.grant("ann", disease="liver")
    async with site.client("ann") as ann:
        version = await freeze(ann, "mine", "liver")
        assert version["counts"]["series"] == 2
        assert (await ann.post("/api/v1/datasets", json={"name": "theirs", "disease": "lung"})).status_code == 404
    async with site.client() as admin:
        await freeze(admin, "official", "liver")
    async with site.client("ann") as ann:
        assert (await ann.post("/api/v1/datasets/official/versions", json={})).status_code == 403


async def test_held_resource_is_hidden_until_released(site):
    held = await add_resource(site, "LIV-000001", "held", b"%PDF held")
    free = await add_resource(site, "LIV-000001", "visible", b"%PDF free")
    await site.grant("ann", disease="liver")
    async with site.client("ann") as ann, site.client("reviewer", Role.REVIEWER) as reviewer:
        assert (await ann.get(f"/api/v1/resources/{held}")).status_code == 404
        answer = await ann.get(f"/api/v1/resources/{free}", params={"case": "LIV-000001"})
        assert (answer.status_code, answer.content) == (200, b"%PDF free")
        assert (await ann.get(f"/api/v1/resources/{free}", params={"case": "LIV-000002"})).status_code == 404
        # A reviewer sees held files in the case, and may not download by role.
        assert len((await reviewer.get("/api/v1/cases/LIV-000001")).json()["resources"]) == 2


async def test_revoking_the_grant_takes_the_sight_away(site):
    await site.grant("ann", disease="liver")
    async with site.client() as admin, site.client("ann") as ann:
        assert len(await keys(ann)) == 2
        assert (await admin.delete("/api/v1/projects/p-ann/grants/diseases/liver")).status_code == 204
        assert await keys(ann) == []
        await admin.put("/api/v1/projects/p-ann/grants/diseases/liver")
        assert (await admin.delete("/api/v1/projects/p-ann/members/ann")).status_code == 204
        assert await keys(ann) == []


ROUTES = [
    ("GET", "/api/v1/cases", Permission.READ_CATALOG),
    ("POST", "/api/v1/hospitals", Permission.CONFIGURE),
    ("POST", "/api/v1/diseases", Permission.CONFIGURE),
    ("GET", "/api/v1/projects", Permission.ADMINISTER),
    ("PUT", "/api/v1/projects/x/members/y", Permission.ADMINISTER),
    ("PATCH", "/api/v1/cases/LIV-000001", Permission.EDIT_CATALOG),
    ("DELETE", "/api/v1/cases/none", Permission.EDIT_CATALOG),
    ("POST", "/api/v1/datasets/none/versions", Permission.FREEZE),
    ("GET", "/api/v1/datasets/none/versions/1/manifest", Permission.DOWNLOAD),
    ("GET", "/api/v1/datasets/none/versions/1/files/" + "0" * 64, Permission.DOWNLOAD),
    ("GET", "/api/v1/resources/" + "0" * 64, Permission.DOWNLOAD),
]


async def test_route_asked_by_each_role_refuses_who_may_not(site):
    for method, path, permission in ROUTES:
        for role in Role:
            async with site.client("ann", role) as client:
                answer = await client.request(method, path, json={} if method != "GET" else None)
            assert (answer.status_code == 403) == (role not in ALLOWED[permission]), (method, path, role, answer.status_code)


async def test_request_without_a_principal_is_401(site):
    async with site.client() as client:
        del client.headers["x-isocenter-principal"]
        for path in ("cases", "datasets/none/versions/1/manifest", "attributes"):
            assert (await client.get(f"/api/v1/{path}")).status_code == 401

"""Imaging, slides, reports and other files: lists, corrections with their history, deletion, restoring, purge, grants."""

from __future__ import annotations

import hashlib

import pytest
from catalog.rows import KEY, Person, Shot, open_site
from sqlalchemy import func, select

from isocenter.models import AuditEvent, Case, DoomedObject, Instance, Label, Report, ReportText, Resource, Series, Study
from services.ingest.app import sweep

SERIES = "/api/v1/series"
FIRST = KEY.uid("series LIV-000001 0")
REPORT = KEY.hmac_hex("report", "LIV-000001", "0")


@pytest.fixture
async def site(catalog_url, tmp_path):
    async with open_site(catalog_url, tmp_path) as opened:
        slide = Shot(modality="SM", format="WSI", thickness_mm=None, instances=1, mpp=0.25)
        await opened.add(
            Person("LIV-000001", shots=(Shot(), slide), reports=("pathology", "imaging")),
            Person("LIV-000002", label=None),
            Person("LUN-000001", "lung", shots=(Shot(modality="MR"),), reports=("imaging",)),
        )
        await opened.grant("ann", disease="lung")
        yield opened


async def rows(site, model, *where):
    async with site.resources.db.read() as session:
        return (await session.scalars(select(func.count()).select_from(model).where(*where))).one()


async def listed(client, path, **params):
    answer = await client.get(f"/api/v1/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_lists_of_a_disease_when_asked_then_imaging_slides_and_reports_are_apart(site):
    async with site.client() as admin:
        assert {row["cases"][0] for row in await listed(admin, "series", disease="liver", slides=False)} == {"LIV-000001", "LIV-000002"}
        (slide,) = await listed(admin, "series", disease="liver", slides=True)
        assert (slide["format"], slide["slide"]["mpp"]) == ("WSI", 0.25)
        assert [row["kind"] for row in await listed(admin, "reports", disease="liver", kind="pathology")] == ["pathology"]
        uids, cursor = [], None
        while True:
            page = (await admin.get(SERIES, params={"limit": 1} | ({"cursor": cursor} if cursor else {}))).json()
            uids += [row["uid"] for row in page["items"]]
            if (cursor := page["next"]) is None:
                break
        assert uids == sorted(uids)
        assert len(uids) == 4
        assert (await admin.get(SERIES, params={"disease": "lungs"})).status_code == 404


async def test_lists_when_a_researcher_of_one_disease_asks_then_nothing_of_the_others_shows(site):
    async with site.client("ann") as ann, site.client("bob") as bob:
        assert [row["cases"] for row in await listed(ann, "series")] == [["LUN-000001"]]
        assert [row["cases"] for row in await listed(ann, "reports")] == [["LUN-000001"]]
        for path in ("series?disease=liver", "reports?disease=liver", "resources?disease=liver", f"reports/{REPORT}", f"series/{FIRST}"):
            assert (await ann.get(f"/api/v1/{path}")).status_code == 404, path
        for path in ("series", "reports", "resources"):
            assert await listed(bob, path) == []
            assert (await ann.get(f"/api/v1/{path}", params={"deleted": True})).status_code == 403
        assert (await ann.get(f"{SERIES}/{FIRST}/history")).status_code == 404


async def test_series_when_corrected_then_revision_and_history_tell_and_the_filter_finds_it(site):
    async with site.client() as admin:
        answer = await admin.patch(f"{SERIES}/{FIRST}", json={"body_part": "ABDOMEN", "phase": "portal"}, headers={"If-Match": '"1"'})
        assert (answer.status_code, answer.json()["body_part"], answer.headers["ETag"]) == (200, "ABDOMEN", '"2"')
        assert answer.json()["stacks"][0]["phase"] == "portal"
        stale = await admin.patch(f"{SERIES}/{FIRST}", json={"body_part": "LIVER"}, headers={"If-Match": '"1"'})
        assert stale.status_code == 412
        assert (await admin.patch(f"{SERIES}/{FIRST}", json={"body_part": "x"}, headers={"If-Match": "*"})).status_code == 422
        found = await admin.post("/api/v1/cases/search", json={"query": {"terms": {"BodyPartExamined": ["ABDOMEN"], "phase": ["portal"]}}})
        assert [row["key"] for row in found.json()["items"]] == ["LIV-000001"]
        (event,) = (await admin.get(f"{SERIES}/{FIRST}/history")).json()["items"]
        assert (event["actor"], event["before"]) == ("admin", {"body_part": "LIVER", "phase": ""})


async def test_series_when_deleted_restored_and_purged_then_only_the_purge_takes_the_bytes(site):
    async with site.resources.db.read() as session:
        keys = list(await session.scalars(select(Instance.object_key).join(Series).where(Series.uid == FIRST)))
    async with site.client() as admin:
        assert (await admin.post(f"{SERIES}/{FIRST}/purge")).status_code == 409
        assert (await admin.delete(f"{SERIES}/{FIRST}")).status_code == 204
        assert (await admin.get(f"{SERIES}/{FIRST}")).status_code == 404
        assert [row["uid"] for row in await listed(admin, "series", deleted=True)] == [FIRST]
        assert (await admin.post(f"{SERIES}/{FIRST}/restore")).status_code == 200
        assert (await admin.get(f"{SERIES}/{FIRST}")).status_code == 200
        assert (await admin.delete(f"{SERIES}/{FIRST}")).status_code == 204
        assert (await admin.post(f"{SERIES}/{FIRST}/purge")).json() == {"objects": 3}  # two instances and the thumbnail
        assert await rows(site, Series, Series.uid == FIRST) == 0
        assert all(site.resources.store.exists(key) for key in keys)
        await sweep(site.resources)
        assert not any(site.resources.store.exists(key) for key in keys)
        assert await rows(site, DoomedObject) == 0
        assert (await admin.post("/api/v1/cases/count", json={"query": {"terms": {"case": ["LIV-000001"]}}})).json()["series"] == 1


async def test_purge_when_a_dataset_version_holds_it_then_409_names_the_version(site):
    async with site.client() as admin:
        await admin.post("/api/v1/datasets", json={"name": "held", "disease": "liver"})
        assert (await admin.post("/api/v1/datasets/held/versions", json={"query": {}})).status_code == 201
        for path in (f"series/{FIRST}", "cases/LIV-000001"):
            await admin.delete(f"/api/v1/{path}")
            refused = await admin.post(f"/api/v1/{path}/purge")
            assert (refused.status_code, refused.json()["versions"]) == (409, ["held@1"])
        assert (await admin.get("/api/v1/datasets/held/versions/1/manifest")).status_code == 200
        assert await rows(site, Series, Series.uid == FIRST) == 1


async def test_case_when_purged_then_nothing_of_it_is_left_and_the_others_stay(site):
    async with site.client() as admin:
        assert (await admin.post("/api/v1/cases/LIV-000001/purge")).status_code == 409
        await admin.delete("/api/v1/cases/LIV-000001")
        assert (await admin.post("/api/v1/cases/LIV-000001/purge")).status_code == 200
    for model, left in ((Case, 2), (Study, 2), (Series, 2), (Report, 1), (ReportText, 1), (Label, 1)):
        assert await rows(site, model) == left, model
    assert await rows(site, AuditEvent, AuditEvent.verb == "purge") == 1
    assert (await site.resources.columns.differences()) == {"cases": 0, "images": 0, "labels": 0, "reports": 0, "texts": 0}


async def test_report_when_purged_then_text_goes_and_the_label_stays_without_evidence(site):
    async with site.client() as admin:
        changed = await admin.patch(f"/api/v1/reports/{REPORT}", json={"kind": "imaging"}, headers={"If-Match": '"1"'})
        assert (changed.json()["kind"], changed.json()["sections"]) == ("imaging", {"impression": "pathology text of LIV-000001"})
        await admin.delete(f"/api/v1/reports/{REPORT}")
        assert (await admin.post(f"/api/v1/reports/{REPORT}/purge")).status_code == 200
        case = (await admin.get("/api/v1/cases/LIV-000001")).json()
        assert len(case["reports"]) == 1
        assert case["label"]["value"] == "1"


async def test_bulk_of_studies_when_one_is_unknown_then_nothing_changes_else_one_event_each(site):
    uids = [KEY.uid(f"study {key}") for key in ("LIV-000001", "LIV-000002", "LUN-000001")]
    async with site.client() as admin:
        wrong = await admin.post("/api/v1/studies/bulk", json={"action": "delete", "keys": [*uids, "2.25.1"]})
        assert (wrong.status_code, wrong.json()["missing"]) == (404, ["2.25.1"])
        done = await admin.post("/api/v1/studies/bulk", json={"action": "delete", "keys": uids})
        assert done.json() == {"changed": 3, "unchanged": 0}
        assert await listed(admin, "series") == []
        assert (await admin.post("/api/v1/cases/count", json={"query": {}})).json()["series"] == 0
        assert await rows(site, AuditEvent, AuditEvent.subject.startswith("study:"), AuditEvent.verb == "delete") == 3
        assert (await admin.post("/api/v1/studies/bulk", json={"action": "restore", "keys": uids})).json()["changed"] == 3
        assert len(await listed(admin, "series")) == 4


async def test_file_when_added_then_held_until_a_reviewer_releases_it_then_purged_with_its_bytes(site):
    content = b"%PDF-1.7 " + b"x" * (4 << 20)  # over the limit of JSON bodies
    sha256 = hashlib.sha256(content).hexdigest()
    at = f"/api/v1/resources/{sha256}"
    case = {"case": "LUN-000001"}
    async with site.client() as admin, site.client("ann") as ann, site.client("reviewer") as reviewer:
        wanted = case | {"title": "gene panel.pdf", "media_type": "application/pdf"}
        assert (await admin.post("/api/v1/resources", params=wanted | {"title": "../x"}, content=content)).status_code == 422
        assert (await ann.post("/api/v1/resources", params=wanted, content=content)).status_code == 403
        made = await admin.post("/api/v1/resources", params=wanted, content=content)
        assert (made.status_code, made.json()["state"], made.json()["size_bytes"]) == (201, "held", len(content))
        assert (await admin.post("/api/v1/resources", params=wanted, content=content)).status_code == 409
        assert (await ann.get(at, params=case)).status_code == 404
        assert await listed(ann, "resources", disease="lung") == []
        assert (await reviewer.post(f"{at}/release", params=case)).json()["state"] == "visible"
        assert (await ann.get(at, params=case)).content == content
        assert [row["title"] for row in await listed(ann, "resources", disease="lung")] == ["gene panel.pdf"]
        renamed = await admin.patch(at, params=case, json={"title": "panel"}, headers={"If-Match": '"2"'})
        assert renamed.json()["title"] == "panel"
        assert (await admin.delete(at, params=case)).status_code == 204
        assert (await ann.get(at, params=case)).status_code == 404
        assert (await admin.post(f"{at}/restore", params=case)).status_code == 200
        await admin.delete(at, params=case)
        assert (await admin.post(f"{at}/purge", params=case)).json() == {"objects": 1}
        await sweep(site.resources)
        assert not site.resources.store.exists(f"data/resources/{sha256}")
        assert await rows(site, Resource) == 0
        verbs = [event["verb"] for event in (await admin.get(f"{at}/history")).json()["items"] if event["verb"] != "view"]
        assert verbs == ["purge", "delete", "restore", "delete", "change", "release", "create"]


async def test_filter_when_it_names_an_unknown_disease_then_422_with_the_nearest_that_the_account_sees(site):
    async with site.client() as admin, site.client("ann") as ann:
        wrong = await admin.get("/api/v1/cases", params={"disease": "lungs"})
        assert (wrong.status_code, wrong.json()["field"], wrong.json()["known"]) == (422, "query.terms.disease", ["liver", "lung"])
        assert "did you mean lung?" in wrong.json()["detail"]
        for path in ("search", "count", "facets"):
            refused = await ann.post(f"/api/v1/cases/{path}", json={"query": {"terms": {"disease": ["liver"]}}})
            assert (refused.status_code, refused.json()["known"]) == (422, ["lung"]), path

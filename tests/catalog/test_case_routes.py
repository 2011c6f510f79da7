"""Cases over HTTP on both back-ends: lists, counts, detail, changes."""

from __future__ import annotations

import pytest
from catalog.rows import Person, Shot, add_resource, open_site
from sqlalchemy import func, select

from isocenter.auth import Role
from isocenter.changes import note_changes
from isocenter.models import AuditEvent, Case, CaseLabel, CatalogRevision, FilledValue, Label, LabelScheme

PEOPLE = (
    Person("LIV-000001", age=45, reports=("imaging", "pathology"), shots=(Shot(), Shot("MR", thickness_mm=5, sequences=("T1", "T2")))),
    Person("LIV-000002", sex="M", age=70.5, label="0", label_source="reviewer", label_state="decided", hospital="south"),
    Person("LIV-000003", sex="", age=None, label="1", label_state="review", shots=(Shot("SM", "WSI", None, 1, mpp=0.25),)),
    Person("LIV-000004", label=None, age=30, shots=(Shot(thickness_mm=None),)),
    Person("LUN-000001", disease="lung", age=50, shots=(Shot("CT", "NIFTI", 0.9, 1, description="Chest_100% thin"),)),
)


@pytest.fixture
async def site(catalog_url, tmp_path):
    async with open_site(catalog_url, tmp_path) as opened:
        await opened.add(*PEOPLE)
        yield opened


async def find(client, **query):
    answer = await client.post("/api/v1/cases/search", json={"query": query})
    assert answer.status_code == 200, answer.text
    return [item["key"] for item in answer.json()["items"]]


async def test_list_with_get_filters_gives_matching_cases_in_key_order(site):
    async with site.client() as admin:
        everything = (await admin.get("/api/v1/cases")).json()
        assert [item["key"] for item in everything["items"]] == [person.key for person in PEOPLE]
        first = everything["items"][0]
        assert (first["sex"], first["age_years"], first["studies"], first["series"], first["reports"]) == ("F", 45.0, 1, 2, 2)
        assert first["modalities"] == ["CT", "MR"]
        assert first["formats"] == ["DICOM"]
        assert first["label"] == {"scheme": "malignancy", "value": "1", "state": "sure", "source": "rule", "confidence": 0.9333333}
        assert first["thumbnail"].startswith("/api/v1/series/2.25.")
        answer = await admin.get("/api/v1/cases", params={"disease": "liver", "modality": ["CT", "MR"], "age_gte": 40, "age_lte": 80})
        assert [item["key"] for item in answer.json()["items"]] == ["LIV-000001", "LIV-000002"]
        assert [item["key"] for item in (await admin.get("/api/v1/cases", params={"q": "LUN"})).json()["items"]] == ["LUN-000001"]


async def test_label_when_no_scheme_is_named_then_it_is_of_the_first_one(site):
    async with site.resources.db.write() as session:  # a grade that is called as the class of malignancy is
        case = (await session.scalars(select(Case).where(Case.key == "LIV-000002"))).one()
        scheme = LabelScheme(disease_id=case.disease_id, code="grade", title_en="grade", title_zh="分级")
        session.add(scheme)
        await session.flush()
        label = Label(fingerprint="f" * 64, case_id=case.id, scheme_id=scheme.id, value="1", source="rule", confidence=1.0, evidence=[])
        session.add(label)
        await session.flush()
        session.add(CaseLabel(case_id=case.id, scheme_id=scheme.id, label_id=label.id, value="1", state="sure"))
        await note_changes(session, [case.id])
    async with site.client() as admin:
        malignant = {"terms": {"label": ["1"], "disease": ["liver"]}}
        graded = {"terms": {"label": ["1"], "scheme": ["grade"]}}
        for query, keys in ((malignant, ["LIV-000001", "LIV-000003"]), (graded, ["LIV-000002"])):
            assert await find(admin, **query) == keys
            assert (await admin.post("/api/v1/cases/count", json={"query": query})).json()["cases"] == len(keys)
        body = {"query": {"terms": {"disease": ["liver"]}}, "names": ["label", "scheme"]}
        facets = (await admin.post("/api/v1/cases/facets", json=body)).json()["facets"]
        counted = {one["name"]: {found["value"]: found["cases"] for found in one["values"]} for one in facets}
        assert counted == {"label": {"1": 2, "0": 1}, "scheme": {"malignancy": 3, "grade": 1}}


async def test_pages_followed_to_the_end_give_every_case_once(site):
    async with site.client() as admin:
        seen, cursor = [], None
        while True:
            page = (await admin.get("/api/v1/cases", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
            seen += [item["key"] for item in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == [person.key for person in PEOPLE]


async def test_search_by_each_attribute_gives_the_cases_that_have_it(site):
    async with site.client() as admin:
        assert await find(admin, terms={"sex": ["M"]}) == ["LIV-000002"]
        assert await find(admin, terms={"hospital": ["south"]}) == ["LIV-000002"]
        assert await find(admin, terms={"label": ["0"]}) == ["LIV-000002"]
        assert await find(admin, terms={"label": [0]}) == ["LIV-000002"]
        assert await find(admin, terms={"label_state": ["none"]}) == ["LIV-000004"]
        assert await find(admin, terms={"label_state": ["none", "review"]}) == ["LIV-000003", "LIV-000004"]
        assert await find(admin, terms={"label_source": ["reviewer"]}) == ["LIV-000002"]
        assert await find(admin, terms={"scheme": ["malignancy"], "label": ["1"], "label_state": ["sure"]}) == ["LIV-000001", "LUN-000001"]
        assert await find(admin, terms={"sequence": ["T2"]}) == ["LIV-000001"]
        assert await find(admin, terms={"report_kind": ["pathology"]}) == ["LIV-000001"]
        assert await find(admin, terms={"case": ["LUN-000001", "LIV-000009"]}) == ["LUN-000001"]
        assert await find(admin, terms={"Manufacturer": ["acme"], "format": ["WSI"]}) == ["LIV-000003"]
        assert await find(admin, terms={"SeriesDescription": ["100%"]}) == ["LUN-000001"]
        assert await find(admin, terms={"SeriesDescription": ["t_s"]}) == []
        assert await find(admin, ranges={"mpp": {"lte": 0.3}}) == ["LIV-000003"]
        assert await find(admin, terms={"ObjectivePower": [40]}) == ["LIV-000003"]
        assert await find(admin, ranges={"SliceThickness": {"lte": 1.25}}) == ["LIV-000001", "LIV-000002", "LUN-000001"]


async def test_conditions_on_series_must_be_met_by_one_series(site):
    async with site.client() as admin:
        # LIV-000001 has a thin CT and a thick MR: no thin MR.
        assert await find(admin, terms={"Modality": ["MR"]}, ranges={"SliceThickness": {"lte": 1.5}}) == []
        assert await find(admin, terms={"Modality": ["MR"]}, ranges={"SliceThickness": {"gte": 5}}) == ["LIV-000001"]


async def test_missing_values_are_left_out_unless_null_is_included(site):
    async with site.client() as admin:
        query = {"terms": {"disease": ["liver"]}, "ranges": {"age": {"gte": 40}}}
        assert await find(admin, **query) == ["LIV-000001", "LIV-000002"]
        count = (await admin.post("/api/v1/cases/count", json={"query": query})).json()
        assert (count["cases"], count["left_out_null"]) == (2, 1)
        assert await find(admin, **query, include_null=True) == ["LIV-000001", "LIV-000002", "LIV-000003"]


async def test_an_age_filled_from_a_report_counts_as_age(site):
    async with site.resources.db.write() as session:
        case = (await session.scalars(select(Case).where(Case.key == "LIV-000003"))).one()
        session.add_all([FilledValue(case_id=case.id, name=name, value=value, source="report:x") for name, value in (("age", "66"), ("sex", "M"))])
    async with site.client() as admin:
        assert await find(admin, terms={"sex": ["M"]}, ranges={"age": {"gte": 65, "lte": 67}}) == ["LIV-000003"]
        detail = (await admin.get("/api/v1/cases/LIV-000003")).json()
        assert (detail["age_years"], detail["sex"]) == (66.0, "M")
        assert {"name": "age", "value": "66", "source": "report:x"} in detail["filled"]


async def test_count_gives_exact_sums_of_the_matching_series(site):
    async with site.client() as admin:
        count = (await admin.get("/api/v1/cases/count", params={"disease": "liver"})).json()
        # series: 2 + 1 + 1 + 1; instances: CT 2 + MR 2 stacks of 2, CT 2, SM 1, CT 2
        assert {key: count[key] for key in ("cases", "series", "instances", "size_bytes")} == {
            "cases": 4, "series": 5, "instances": 11, "size_bytes": 11 * 64,
        }  # fmt: skip
        assert count["by_label"] == {"0": 1, "1": 1, "none": 1, "review": 1}
        thin = (await admin.post("/api/v1/cases/count", json={"query": {"ranges": {"SliceThickness": {"lte": 1.5}}}})).json()
        assert (thin["cases"], thin["series"]) == (3, 3)


async def test_detail_gives_all_parts_and_one_view_event_an_hour(site):
    await add_resource(site, "LIV-000001", "held")
    async with site.client() as admin:
        for _ in range(2):
            answer = await admin.get("/api/v1/cases/LIV-000001")
        detail = answer.json()
        assert answer.headers["etag"] == '"1"'
        study = detail["studies"][0]
        assert (study["hospital"], study["shifted_date"], len(study["series"]), len(study["reports"])) == ("north", "2015-05-17", 2, 2)
        mr = next(series for series in study["series"] if series["modality"] == "MR")
        assert [stack["sequence"] for stack in mr["stacks"]] == ["T1", "T2"]
        assert {report["sections"]["impression"] for report in detail["reports"]} == {"imaging text of LIV-000001", "pathology text of LIV-000001"}
        assert detail["reports"][0]["links"] == [{"study_uid": study["uid"], "score": 0.99, "state": "sure"}]
        assert detail["labels"][0]["state"] == "sure"
        assert detail["labels"][0]["evidence"] == [{"section": "impression", "start": 0, "end": 4}]
        assert detail["labels"][0]["rule_set"] == "basic@1"
        assert detail["resources"][0]["state"] == "held"
    async with site.resources.db.read() as session:
        views = (await session.scalars(select(func.count(AuditEvent.id)).where(AuditEvent.verb == "view"))).one()
    assert views == 1


async def test_note_changed_with_a_stale_revision_is_412_and_leaves_the_note(site):
    async with site.client() as admin:
        assert (await admin.patch("/api/v1/cases/LIV-000001", json={"note": "a"})).status_code == 422
        changed = await admin.patch("/api/v1/cases/LIV-000001", json={"note": "second read"}, headers={"If-Match": '"1"'})
        assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
        stale = await admin.patch("/api/v1/cases/LIV-000001", json={"note": "b"}, headers={"If-Match": '"1"'})
        assert stale.status_code == 412
        assert (await admin.get("/api/v1/cases/LIV-000001")).json()["note"] == "second read"
        history = (await admin.get("/api/v1/cases/LIV-000001")).json()["history"]
        assert history[0]["verb"] == "change"
        assert "second read" not in str(history)


async def test_deleted_case_is_seen_by_editors_only_until_restored(site):
    async with site.resources.db.read() as session:
        before = (await session.scalars(select(CatalogRevision.number))).one()
    async with site.client() as admin, site.client("reviewer", Role.REVIEWER) as reviewer:
        assert (await admin.delete("/api/v1/cases/LIV-000001")).status_code == 204
        assert (await reviewer.get("/api/v1/cases/LIV-000001")).status_code == 404
        assert (await reviewer.get("/api/v1/cases", params={"deleted": True})).status_code == 403
        assert [item["key"] for item in (await admin.get("/api/v1/cases", params={"deleted": True})).json()["items"]] == ["LIV-000001"]
        assert (await admin.post("/api/v1/cases/LIV-000001/restore")).status_code == 200
        assert (await reviewer.get("/api/v1/cases/LIV-000001")).status_code == 200
    async with site.resources.db.read() as session:
        assert (await session.scalars(select(CatalogRevision.number))).one() == before + 2


async def test_attribute_values_give_counts_of_visible_cases_and_how_many_lack_one(site):
    async with site.client() as admin:
        names = {item["name"] for item in (await admin.get("/api/v1/attributes")).json()["items"]}
        for name in names:
            answer = await admin.get(f"/api/v1/attributes/{name}/values")
            assert answer.status_code == 200, (name, answer.text)
        modality = (await admin.get("/api/v1/attributes/Modality/values", params={"disease": "liver"})).json()
        assert modality["values"] == [{"value": "CT", "cases": 3}, {"value": "MR", "cases": 1}, {"value": "SM", "cases": 1}]
        age = (await admin.get("/api/v1/attributes/age/values")).json()
        assert (age["minimum"], age["maximum"], age["missing"]) == (30.0, 70.5, 1)
        wrong = await admin.get("/api/v1/attributes/modality/values")
        assert wrong.status_code == 422
        assert "Modality" in wrong.json()["detail"]


async def test_instances_are_paged_in_geometric_order(site):
    async with site.client() as admin:
        study = (await admin.get("/api/v1/cases/LIV-000001")).json()["studies"][0]
        uid = next(series["uid"] for series in study["series"] if series["modality"] == "MR")
        assert (await admin.get(f"/api/v1/series/{uid}")).json()["study_uid"] == study["uid"]
        first = (await admin.get(f"/api/v1/series/{uid}/instances", params={"limit": 3})).json()
        rest = (await admin.get(f"/api/v1/series/{uid}/instances", params={"limit": 3, "cursor": first["next"]})).json()
        assert [item["number"] for item in first["items"] + rest["items"]] == [1, 2, 3, 4]
        assert rest["next"] is None
        assert (await admin.get("/api/v1/series/1.2.3")).status_code == 404

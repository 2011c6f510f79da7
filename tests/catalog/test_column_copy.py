"""The column copy against the catalog: the same numbers for every filter and role, on both back-ends, after every change."""

from __future__ import annotations

import random

import pytest
from catalog.rows import KEY, Person, Shot, open_site
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from isocenter.changes import note_changes
from isocenter.columns.rows import fold
from isocenter.grants import series_visible_to, visible_to
from isocenter.models import Case, CaseLabel, CaseStudy, FilledValue, Import, Instance, Link, Report, ReportText, Series, Stack, Study, now
from isocenter.search import ATTRIBUTES, CaseStudyOf, Kind, StudyOf, cases_where, parse_filter, series_where
from services.catalog.store import counting
from services.catalog.store.reports import places

NUMBERS = {"age": [30, 45, 60, 70.5], "SliceThickness": [0.9, 1.25, 5], "mpp": [0.25, 0.5], "ObjectivePower": [40]}
CODES = {
    "disease": ["liver", "lung"], "case": ["LIV-000001", "LUN-000003", "X"], "sex": ["F", "M", "O"], "scheme": ["malignancy"], "label": ["0", "1"],
    "label_state": ["decided", "none", "review", "sure"], "label_source": ["rule", "reviewer"], "hospital": ["north", "south"],
    "Modality": ["CT", "MR", "SM"], "BodyPartExamined": ["LIVER", "CHEST"], "Manufacturer": ["ACME", "Other"], "ManufacturerModelName": ["Scan 1"],
    "SeriesDescription": ["thin", "胸部", "100%", "_"], "format": ["DICOM", "NIFTI", "WSI"], "sequence": ["T1", "T2"], "phase": ["portal", "arterial"],
    "report_kind": ["imaging", "pathology"],
}  # fmt: skip
assert set(NUMBERS) | set(CODES) == set(ATTRIBUTES)


@st.composite
def filters(draw):
    """0 to 4 conditions over values that are there, and now and then one that is not."""
    document = {"terms": {}, "ranges": {}, "include_null": draw(st.booleans())}
    for name in draw(st.lists(st.sampled_from(sorted(ATTRIBUTES)), max_size=4, unique=True)):
        if name in CODES:
            document["terms"][name] = draw(st.lists(st.sampled_from(CODES[name]), min_size=1, max_size=2))
        elif draw(st.booleans()):
            document["terms"][name] = draw(st.lists(st.sampled_from(NUMBERS[name]), min_size=1, max_size=2))
        else:
            low, high = sorted(draw(st.tuples(st.sampled_from(NUMBERS[name]), st.sampled_from(NUMBERS[name]))))
            document["ranges"][name] = draw(st.sampled_from([{"gte": low}, {"lte": high}, {"gte": low, "lte": high}]))
    return parse_filter(document)


def people(dice):
    """Cases of every kind: several modalities, missing values, held pixels, two stacks, reports, labels of every state."""
    for number in range(1, 31):
        disease, prefix = ("liver", "LIV") if number % 3 else ("lung", "LUN")
        shots = []
        for _ in range(dice.choice([0, 1, 1, 2, 3])):
            shots.append(
                Shot(
                    modality=dice.choice(["CT", "MR", "SM"]), format=dice.choice(["DICOM", "NIFTI", "WSI"]), thickness_mm=dice.choice([None, 0.9, 1.25, 5]),
                    instances=1, state=dice.choice(["visible", "visible", "visible", "held"]),
                    sequences=dice.choice([("",), ("T1",), ("T1", "T2")]),
                    phase=dice.choice(["", "portal", "arterial"]), body_part=dice.choice(["", "LIVER", "CHEST"]),
                    description=dice.choice(["", "ABDOMEN THIN", "胸部 100% plain", "a_b"]), manufacturer=dice.choice(["", "ACME", "Other"]),
                    mpp=dice.choice([None, 0.25, 0.5]),
                )
            )  # fmt: skip
        yield Person(
            f"{prefix}-{number:06d}", disease, dice.choice(["F", "M", "O", ""]), dice.choice([None, 30, 45, 60, 70.5]), dice.choice([None, "0", "1"]),
            dice.choice(["sure", "review", "decided"]), dice.choice(["rule", "reviewer"]), shots=tuple(shots),
            reports=dice.choice([(), ("imaging",), ("imaging", "pathology")]), hospital=dice.choice(["north", "south"]),
        )  # fmt: skip


@pytest.fixture
async def site(catalog_url, tmp_path):
    """A catalog with all that makes the two builders differ if they can: shared studies, deletions, merges, filled values, grants."""
    async with open_site(catalog_url, tmp_path) as opened:
        await opened.add(*people(random.Random(20261124)))
        async with opened.resources.db.write() as session:
            ids = dict((await session.execute(select(Case.key, Case.id))).tuples().all())
            run = (await session.scalars(select(Import.id))).first()
            for first, second in (("LIV-000001", "LUN-000003"), ("LIV-000002", "LUN-000006"), ("LUN-000009", "LIV-000004")):
                study = (await session.scalars(select(CaseStudy.study_id).where(CaseStudy.case_id == ids[first]))).first()
                session.add(CaseStudy(case_id=ids[second], study_id=study, import_id=run))
            session.add(FilledValue(case_id=ids["LIV-000005"], name="age_years", value="45", source="report"))
            session.add(FilledValue(case_id=ids["LIV-000007"], name="sex", value="M", source="report"))
            await session.execute(update(Case).where(Case.key.in_(["LIV-000008", "LUN-000009"])).values(deleted_at=now()))
            await session.execute(update(Case).where(Case.key == "LIV-000010").values(merged_into=ids["LIV-000011"]))
            uids = list(await session.scalars(select(Series.id).order_by(Series.id).limit(12)))
            await session.execute(update(Series).where(Series.id.in_(uids[::5])).values(deleted_at=now()))
            await session.execute(update(Instance).where(Instance.series_id.in_(uids[1::4])).values(stack_id=None))
            await session.execute(delete(Stack).where(Stack.series_id.in_(uids[1::4])))  # series that are not closed yet
            report = (await session.scalars(select(Report.id).order_by(Report.id))).first()
            await session.execute(update(Report).where(Report.id == report).values(deleted_at=now()))
            await session.execute(update(Link).where(Link.report_id == report + 1).values(state="rejected"))
            await note_changes(session, ids.values())
        async with opened.client() as admin:
            assert (await admin.post("/api/v1/datasets", json={"name": "few", "disease": "liver"})).status_code == 201
            frozen = await admin.post("/api/v1/datasets/few/versions", json={"query": {"terms": {"Modality": ["CT"]}}})
            assert frozen.status_code == 201, frozen.text
        await opened.grant("ann", disease="liver")
        await opened.grant("bob", dataset="few")
        yield opened


async def by_rows(site, who, query):
    """(cases, series, bytes) as the catalog's own rows say, through the first builder."""
    async with site.resources.db.read() as session:
        where = [visible_to(who), *cases_where(query, who)]
        cases = (await session.scalars(select(func.count(Case.id)).where(*where))).one()
        of = (
            select(Case.id)
            .join(CaseStudyOf, CaseStudyOf.case_id == Case.id)
            .join(StudyOf, StudyOf.id == CaseStudyOf.study_id)
            .where(StudyOf.id == Series.study_id, *where, *series_where(query))
            .correlate(Series)
        )
        series = select(func.count(Series.id), func.sum(Series.size_bytes)).where(series_visible_to(who), of.exists())
        number, size = (await session.execute(series)).one()
        return cases, number, int(size or 0)


ROLES = (("admin", None), ("reviewer", None), ("ann", None), ("bob", None), ("stranger", None), ("operator", None))


@settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=filters())
async def test_any_filter_counted_in_the_copy_gives_the_number_of_the_rows_for_every_role(site, query):
    for name, role in ROLES:
        who = site.principal(name, role)
        counted = await counting.count(site.resources, who, query)
        assert (counted.cases, counted.series, counted.size_bytes) == await by_rows(site, who, query), (name, query)
        if not query.include_null and query.names():
            assert counted.left_out_null == (await by_rows(site, who, query.with_null()))[0] - counted.cases


@settings(max_examples=6, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=filters())
async def test_facet_value_put_into_the_filter_finds_as_many_cases_as_the_facet_said(site, query):
    for name in ("admin", "ann", "bob"):
        who = site.principal(name)
        facets = await counting.facets(site.resources, who, query)
        assert facets.cases == (await by_rows(site, who, query))[0]
        for facet in facets.facets:
            for item in facet.values if not query.include_null else ():
                narrowed = query.with_terms(facet.name, [item.value.lower() if ATTRIBUTES[facet.name].kind is Kind.TEXT else item.value])
                assert (await by_rows(site, who, narrowed))[0] == item.cases, (name, query, facet.name, item)


async def test_copy_after_each_kind_of_change_equals_the_rows(site):
    columns = site.resources.columns
    nothing = dict.fromkeys(("cases", "images", "labels", "reports", "texts"), 0)
    assert await columns.differences() == nothing
    first = columns.revision
    async with site.client() as admin:
        before = (await admin.get("/api/v1/cases/count")).json()["cases"]
        assert (await admin.delete("/api/v1/cases/LIV-000001")).status_code == 204
        assert (await admin.get("/api/v1/cases/count")).json()["cases"] == before - 1
        assert (await admin.get("/api/v1/cases/count", params={"deleted": True})).json()["cases"] == 3
        assert columns.revision > first
    async with site.resources.db.write() as session:  # a study's change is a change of every case it stands in
        case_id = (await session.scalars(select(Case.id).where(Case.key == "LIV-000002"))).one()
        study_id = (await session.scalars(select(CaseStudy.study_id).where(CaseStudy.case_id == case_id))).first()
        await session.execute(update(Study).where(Study.id == study_id).values(age_years=33.5))
        await session.execute(delete(CaseLabel).where(CaseLabel.case_id == case_id))
        await note_changes(session, [case_id])
    assert await columns.differences() == nothing
    async with site.resources.db.write() as session:  # a change nobody noted is what the check is for
        await session.execute(update(Study).where(Study.id == study_id).values(age_years=34.5))
    assert (await columns.differences())["images"] > 0
    await columns.rebuild()
    assert await columns.differences() == nothing


async def test_copy_when_the_process_ends_leaves_no_file(site, tmp_path):
    await site.resources.columns.catch_up()
    scratch = site.resources.settings.scratch
    left = scratch / "columns-of-a-killed-process"
    left.mkdir()
    (left / "lock").touch()
    assert len(list(scratch.glob("columns-*"))) == 2
    site.resources.columns.close()
    await site.resources.columns.catch_up()
    assert not left.exists()
    site.resources.columns.close()
    assert list(scratch.glob("columns-*")) == []


async def add_texts(site, **texts):
    """A new version of the first report of each case, by key with _ for -."""
    async with site.resources.db.write() as session:
        changed = []
        for name, sections in texts.items():
            case = (await session.scalars(select(Case).where(Case.key == name.replace("_", "-")))).one()
            study = (await session.scalars(select(CaseStudy.study_id).where(CaseStudy.case_id == case.id))).first()
            old = (await session.scalars(select(ReportText).join(Link, Link.report_id == ReportText.report_id).where(Link.study_id == study))).first()
            session.add(ReportText(report_id=old.report_id, version=2, sections=sections, policy_id=old.policy_id))
            changed.append(case.id)
        await note_changes(session, changed)


@pytest.fixture
async def texts(catalog_url, tmp_path):
    async with open_site(catalog_url, tmp_path) as opened:
        await opened.add(
            Person("LIV-000001", reports=("imaging",)),
            Person("LIV-000002", reports=("imaging",), sex="M"),
            Person("LUN-000001", "lung", reports=("pathology",)),
        )
        await add_texts(
            opened,
            LIV_000001={"findings": "肝右叶见结节，考虑肝细胞癌。", "impression": "HCC of the right lobe; İ HCC again 100%_"},
            LIV_000002={"impression": "No focal lesion. 肝囊肿。"},
            LUN_000001={"diagnosis": "肺腺癌 adenocarcinoma"},
        )
        yield opened


async def search(client, text, **more):
    answer = await client.post("/api/v1/reports/search", json={"text": text} | more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_text_search_finds_chinese_and_english_with_places(texts):
    async with texts.client() as admin:
        found = await search(admin, "癌")
        assert (found["reports"], found["cases"]) == (2, 2)
        assert sorted(case for item in found["items"] for case in item["cases"]) == ["LIV-000001", "LUN-000001"]
        (item,) = (await search(admin, "hcc"))["items"]
        assert item["report"] == KEY.hmac_hex("report", "LIV-000001", "0")
        text = "HCC of the right lobe; İ HCC again 100%_"
        assert [(hit["section"], text[hit["start"] : hit["end"]], hit["found"]) for hit in item["hits"]] == [("impression", "HCC", "HCC")] * 2
        assert item["hits"][1]["before"].endswith("lobe; İ ")
        assert [(hit["section"], hit["start"]) for hit in (await search(admin, "肝细胞"))["items"][0]["hits"]] == [("findings", 9)]
        # signs of LIKE are letters here, and the first version of a text is gone
        assert (await search(admin, "0%_"))["reports"] == 1
        assert (await search(admin, "%"))["reports"] == 1
        assert (await search(admin, "imaging text of"))["reports"] == 0
        assert (await search(admin, "肝", query={"terms": {"sex": ["M"]}}))["cases"] == 1
        first = await search(admin, "肝", limit=1)
        second = await search(admin, "肝", limit=1, cursor=first["next"])
        assert (first["reports"], second["next"], first["items"][0]["report"] < second["items"][0]["report"]) == (2, None, True)


async def test_text_search_obeys_the_grants(texts):
    await texts.grant("ann", disease="liver")
    async with texts.client("ann") as ann, texts.client("bob") as bob:
        assert [item["cases"] for item in (await search(ann, "癌"))["items"]] == [["LIV-000001"]]
        assert (await search(ann, "adenocarcinoma"))["reports"] == 0
        assert (await search(bob, "癌")) == {"items": [], "next": None, "reports": 0, "cases": 0}
        await texts.grant("bob", disease="lung")  # counts at once: grants are never copied
        assert [item["cases"] for item in (await search(bob, "癌"))["items"]] == [["LUN-000001"]]
        assert (await ann.post("/api/v1/reports/search", json={"text": "  "})).status_code == 422
        assert (await ann.post("/api/v1/reports/search", content=b'{"text": "\\ud800"}', headers={"content-type": "application/json"})).status_code == 422
        wrong = await ann.post("/api/v1/cases/facets", json={"names": ["modalty"]})
        assert (wrong.status_code, "Modality" in wrong.json()["detail"]) == (422, True)


@given(text=st.text(max_size=60), part=st.text(min_size=1, max_size=3))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_places_are_places_of_the_text_itself(text, part):
    for hit in places({"s": text + part + text}, fold(part)):
        assert fold(hit.found) == fold(part)
        assert (text + part + text)[hit.start : hit.end] == hit.found


async def test_saved_searches_are_ones_own(texts):
    async with texts.client("ann") as ann, texts.client("bob") as bob:
        body = {"name": "薄层 CT", "query": {"terms": {"Modality": ["CT"]}, "ranges": {"SliceThickness": {"lte": 1.5}}}}
        made = await ann.post("/api/v1/searches", json=body)
        assert made.status_code == 201, made.text
        assert (await ann.post("/api/v1/searches", json=body)).status_code == 409
        assert (await bob.post("/api/v1/searches", json=body)).status_code == 201
        number = made.json()["id"]
        assert [item["name"] for item in (await ann.get("/api/v1/searches")).json()["items"]] == ["薄层 CT"]
        for answer in (await bob.put(f"/api/v1/searches/{number}", json=body), await bob.delete(f"/api/v1/searches/{number}")):
            assert answer.status_code == 404
        changed = await ann.put(f"/api/v1/searches/{number}", json=body | {"name": "thin", "query": {}})
        assert (changed.json()["name"], changed.json()["query"]["terms"]) == ("thin", {})
        assert (await ann.post("/api/v1/searches", json={"name": "x", "query": {"terms": {"modality": ["CT"]}}})).status_code == 422
        assert (await ann.delete(f"/api/v1/searches/{number}")).status_code == 204
        assert (await ann.get("/api/v1/searches")).json()["items"] == []

"""Every dimension for every role and filter: the column copy's numbers against a count in Python over the catalog's rows."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from catalog.rows import Site, open_site
from catalog.test_column_copy import people
from sqlalchemy import select, update

from isocenter.auth import Principal
from isocenter.changes import note_changes
from isocenter.grants import series_visible_to, visible_to
from isocenter.models import Case, CaseLabel, CaseStudy, DatasetMember, Disease, FilledValue, Hospital, Import, Label, Series, Stack, now
from isocenter.search import CaseStudyOf, Filter, Grain, StudyOf, age_of_study, cases_where, conditions, parse_filter, sex_of_case
from services.stats.store.answers import counted
from services.stats.store.scope import Asked
from services.stats.tally import DIMENSIONS, Of

FILTERS = (
    {}, {"terms": {"Modality": ["CT"]}}, {"terms": {"label": ["1"], "sex": ["F"]}}, {"ranges": {"age": {"gte": 40}}},
    {"terms": {"sequence": ["T1"]}, "include_null": True}, {"terms": {"disease": ["liver"], "label_state": ["none"]}},
    {"ranges": {"SliceThickness": {"lte": 2}}, "terms": {"hospital": ["north"]}}, {"terms": {"report_kind": ["pathology"]}},
)  # fmt: skip
ROLES = ("admin", "reviewer", "ann", "bob", "stranger")


@pytest.fixture
async def site(catalog_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    """Shared studies, held and deleted series, several stacks, filled values, grants by disease and by dataset."""
    async with open_site(catalog_url, tmp_path) as opened:
        await opened.add(*people(random.Random(7)))
        async with opened.resources.db.write() as session:
            ids = dict((await session.execute(select(Case.key, Case.id))).tuples().all())
            run = (await session.scalars(select(Import.id))).first()
            for first, second in (("LIV-000001", "LUN-000003"), ("LIV-000002", "LUN-000006"), ("LIV-000004", "LUN-000009")):
                # One patient with two diseases: the same study in both cases.
                study = (await session.scalars(select(CaseStudy.study_id).where(CaseStudy.case_id == ids[first]))).first()
                patient = (await session.scalars(select(Case.patient_id).where(Case.id == ids[first]))).one()
                session.add(CaseStudy(case_id=ids[second], study_id=study, import_id=run))
                await session.execute(update(Case).where(Case.id == ids[second]).values(patient_id=patient))
            session.add(FilledValue(case_id=ids["LIV-000005"], name="age_years", value="45", source="report"))
            await session.execute(update(Case).where(Case.key == "LIV-000008").values(deleted_at=now()))
            some = list(await session.scalars(select(Series.id).order_by(Series.id).limit(12)))
            await session.execute(update(Series).where(Series.id == some[3]).values(deleted_at=now()))
            await note_changes(session, ids.values())
        async with opened.client() as admin:
            await admin.post("/api/v1/datasets", json={"name": "few", "disease": "liver"})
            assert (await admin.post("/api/v1/datasets/few/versions", json={"query": {"terms": {"Modality": ["CT"]}}})).status_code == 201
        await opened.grant("ann", disease="liver")
        await opened.grant("bob", dataset="few")
        yield opened


async def rows_of(site: Site, who: Principal, query: Filter) -> list[dict[str, Any]]:
    """Every (case, visit, image row) that counts, by the catalog's own builder."""
    async with site.resources.db.read() as session:
        cases = select(Case.id, Case.patient_id, Disease.code, sex_of_case()).join(Disease, Disease.id == Case.disease_id)
        found = (await session.execute(cases.where(visible_to(who), *cases_where(query, who)))).tuples().all()
        labels = {row.case_id: row for row in await session.execute(select(CaseLabel.case_id, CaseLabel.value, CaseLabel.state, Label.source).join(Label))}
        visits = select(CaseStudyOf.case_id, StudyOf.id, Hospital.code, age_of_study(), Import.created_at)
        visits = visits.join(StudyOf, StudyOf.id == CaseStudyOf.study_id).join(Hospital, Hospital.id == StudyOf.hospital_id)
        visited = (await session.execute(visits.join(Import, Import.id == CaseStudyOf.import_id).where(StudyOf.deleted_at.is_(None)))).tuples().all()
        images = select(CaseStudyOf.case_id, Series, Stack).join(StudyOf, StudyOf.id == Series.study_id)
        images = images.join(CaseStudyOf, CaseStudyOf.study_id == StudyOf.id).outerjoin(Stack, Stack.series_id == Series.id)
        images = images.where(series_visible_to(who), *conditions(query, Grain.SERIES), *conditions(query, Grain.STACK))
        if query.asks(Grain.STACK):
            images = images.where(Stack.id.is_not(None))
        shots = (await session.execute(images)).tuples().all()
    by_visit = defaultdict(list)
    for case_id, series, stack in shots:
        by_visit[case_id, series.study_id].append((series, stack))
    only_seen = not who.sees_all_diseases or query.asks(Grain.SERIES, Grain.STACK)
    rows = []
    for case_id, patient, disease, sex in found:
        label = labels.get(case_id)
        base = {"case": case_id, "patient_id": patient, "disease": disease, "sex": sex, "patient": str(patient), "study": None, "series": None}
        base["label"] = "" if label is None else "review" if label.state == "review" else label.value
        base |= {"label_state": label.state if label else "none", "label_source": label.source if label else ""}
        mine = [row for row in visited if row[0] == case_id and (not only_seen or by_visit[case_id, row[1]])]
        for _, study, hospital, age, created in mine or [(case_id, None, "", None, None)]:
            day = created.date().isoformat() if created else ""
            visit = base | {"study": study, "hospital": hospital, "age_band": _band(age), "import_day": day, "import_month": day[:7]}
            rows += [visit | _image(series, stack) for series, stack in by_visit.get((case_id, study), [])] or [visit]
    return rows


def _band(age: float | None) -> str:
    return "" if age is None else "90+" if age >= 90 else f"{int(age // 10) * 10}-{int(age // 10) * 10 + 9}"


def _image(series: Series, stack: Stack | None) -> dict[str, Any]:
    thick = series.slice_thickness_mm
    bands = ((1.0, "<1 mm"), (2.0, "1-2 mm"), (3.0, "2-3 mm"), (5.0, "3-5 mm"), (7.0, "5-7 mm"))
    return {
        "series": series.id, "size": (series.instance_count, series.size_bytes), "modality": series.modality, "format": series.format,
        "device": f"{series.manufacturer} {series.model_name}".strip(), "manufacturer": series.manufacturer,
        "sequence": stack.sequence if stack else "", "phase": stack.phase if stack else "",
        "thickness": "" if thick is None else next((name for edge, name in bands if thick < edge), "7 mm and more"),
    }  # fmt: skip


def by_hand(rows: list[dict[str, Any]], names: tuple[str, ...]) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Group -> patients, cases, studies, series, instances, bytes."""
    if any(DIMENSIONS[name].of is Of.IMAGE for name in names):
        rows = [row for row in rows if row["series"] is not None]
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    found = {}
    for key, members in groups.items():
        sizes = {row["series"]: row["size"] for row in members if row["series"] is not None}
        studies = {row["study"] for row in members} - {None}
        distinct = len({row["patient_id"] for row in members}), len({row["case"] for row in members}), len(studies), len(sizes)
        found[key] = (*distinct, sum(one for one, _ in sizes.values()), sum(size for _, size in sizes.values()))
    return found


PAIRS = (
    *((name, "") for name in DIMENSIONS if name not in ("patient", "body_part")),
    *(("disease", "sex"), ("modality", "age_band"), ("device", "label"), ("sequence", "phase"), ("import_month", "hospital"), ("label_source", "label_state")),
)


async def check(site: Site, pairs_each: int) -> None:
    """Every role and filter with so many of the pairs, in turn, so that all of them have their turn."""
    turn = cycle(PAIRS)
    for name in ROLES:
        who = site.principal(name)
        for document in FILTERS:
            query = parse_filter(document)
            rows = await rows_of(site, who, query)
            found = await counted(site.resources, who, Asked(query))
            for pair in islice(turn, pairs_each):
                names = tuple(filter(None, pair))
                listed, _ = await found.groups([DIMENSIONS[one] for one in names])
                assert {row[: len(names)]: row[len(names) :] for row in listed} == by_hand(rows, names), (name, document, names)
            assert await found.totals() == by_hand(rows, ()).get((), (0, 0, 0, 0, 0, 0)), (name, document)


async def test_dimensions_for_any_role_and_filter_then_the_numbers_of_the_rows(site: Site) -> None:
    await check(site, 3)


@pytest.mark.soak
async def test_every_dimension_for_any_role_and_filter_then_the_numbers_of_the_rows(site: Site) -> None:
    await check(site, len(PAIRS))


async def test_a_dataset_version_counts_its_members_with_the_labels_it_was_frozen_with(site: Site) -> None:
    who = site.principal("admin")
    async with site.client() as admin:
        version = (await admin.get("/api/v1/datasets/few/versions/1")).json()
    found = await counted(site.resources, who, Asked(version="few@1"))
    totals = await found.totals()
    assert (totals[1], totals[3]) == (version["counts"]["cases"], version["counts"]["series"])
    frozen, _ = await found.groups([DIMENSIONS["label"]])
    assert {row[0]: row[2] for row in frozen} == version["counts"]["by_label"]
    async with site.resources.db.write() as session:  # a later decision changes the case, never the version
        members = select(DatasetMember.case_id).where(DatasetMember.label == "1")
        case_id = (await session.scalars(select(CaseLabel.case_id).where(CaseLabel.case_id.in_(members)))).first()
        await session.execute(update(CaseLabel).where(CaseLabel.case_id == case_id).values(value="0", state="decided"))
        await note_changes(session, [case_id])
    again = await counted(site.resources, who, Asked(version="few@1"))
    assert (await again.groups([DIMENSIONS["label"]]))[0] == frozen
    assert (await (await counted(site.resources, site.principal("bob"), Asked(version="few@1"))).totals())[1] == totals[1]


async def test_completeness_then_have_of_those_that_could(site: Site) -> None:
    who = site.principal("admin")
    rows = await rows_of(site, who, Filter())
    series = {row["series"]: row for row in rows if row["series"] is not None}
    found = {name: (have, among) for name, _, have, among, _ in await (await counted(site.resources, who, Asked())).completeness()}
    thick = [row for row in series.values() if row["modality"] in ("CT", "MR", "PT")]
    assert found["SliceThickness"] == (sum(row["thickness"] != "" for row in thick), len(thick))
    assert found["Modality"] == (len(series), len(series))
    phased = {row["series"] for row in rows if row["series"] is not None and row["modality"] == "CT" and row["phase"]}
    assert found["phase"] == (len(phased), sum(row["modality"] == "CT" for row in series.values()))
    cases = {row["case"]: row for row in rows}
    assert found["label"] == (sum(row["label_state"] != "none" for row in cases.values()), len(cases))

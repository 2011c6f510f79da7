"""Versions beside one another on both back-ends: compared, edited, deleted, followed after a withdrawal."""

from __future__ import annotations

import asyncio
import json

import pytest
from catalog.rows import Person, Shot, open_site
from sqlalchemy import select, update

from isocenter.auth import Role
from isocenter.models import CaseLabel, DatasetMember, Tombstone

PEOPLE = tuple(Person(f"LIV-{n:06d}", label=str(n % 2), shots=(Shot(instances=1), Shot("MR", instances=1))) for n in range(1, 11))
BASE = "/api/v1/datasets/livers"
BODY = {"split": {"train": 0.6, "test": 0.4}, "seed": 1}


@pytest.fixture
async def site(catalog_url, tmp_path):
    async with open_site(catalog_url, tmp_path) as opened:
        await opened.add(*PEOPLE)
        async with opened.client() as admin:
            await admin.post("/api/v1/datasets", json={"name": "livers", "title": "Livers", "disease": "liver"})
            assert (await admin.post(f"{BASE}/versions", json=BODY)).status_code == 201
        yield opened


async def test_versions_when_compared_then_say_who_came_went_and_was_relabelled(site):
    await site.add(Person("LIV-000011", label="1"))
    async with site.resources.db.write() as session:
        await session.execute(update(CaseLabel).where(CaseLabel.case_id == 2).values(value="1"))
        await session.execute(update(CaseLabel).where(CaseLabel.case_id == 5).values(state="review"))
    async with site.client() as admin:
        assert (await admin.post(f"{BASE}/versions", json={"query": {"terms": {"Modality": ["CT"]}}})).status_code == 201
        found = (await admin.get(f"{BASE}/compare", params={"before": 1, "after": 2})).json()
        assert found["added"] == ["LIV-000011"]
        assert found["removed"] == ["LIV-000005"]
        assert found["relabelled"] == [{"case_id": "LIV-000002", "before": {"label": "0"}, "after": {"label": "1"}}]
        assert found["counts"] == {"added": 1, "removed": 1, "relabelled": 1, "moved": 9, "other_files": 9, "same": 0}
        same = (await admin.get(f"{BASE}/compare", params={"before": 2, "after": 2})).json()
        assert same["counts"]["same"] == 10
        assert (await admin.get(f"{BASE}/compare", params={"before": 1, "after": 9})).status_code == 404


async def test_patient_when_withdrawn_then_old_versions_close_and_the_next_is_the_same_without_them(site):
    async with site.client() as admin:
        before = (await admin.get(f"{BASE}/versions/1/manifest")).json()
        answer = await admin.post("/api/v1/withdrawals", json={"case": "LIV-000003"})
        assert answer.status_code == 201, answer.text
        done = answer.json()
        assert (done["cases"], done["closed"], done["made"]) == (["LIV-000003"], ["livers@1"], ["livers@2"])
        gone = await admin.get(f"{BASE}/versions/1/manifest")
        assert gone.status_code == 410
        assert "withdrew" in gone.json()["detail"]
        shown = (await admin.get(BASE)).json()
        assert [(version["number"], version["withdrawn_at"] is not None) for version in shown["versions"]] == [(2, False), (1, True)]
        after = (await admin.get(f"{BASE}/versions/2/manifest")).json()
        assert after["labels"] == [row for row in before["labels"] if row["case_id"] != "LIV-000003"]
        assert len(after["files"]) == len(before["files"]) - 2
        assert shown["versions"][0]["counts"]["left_out"]["withdrawn"] == 1
        file = after["files"][0]["sha256"]
        assert (await admin.get(f"{BASE}/versions/2/files/{file}")).status_code == 200
        again = (await admin.post("/api/v1/withdrawals", json={"case": "LIV-000003"})).json()
        assert again["made"] == []
    async with site.resources.db.read() as session:
        assert len(list(await session.scalars(select(Tombstone).where(Tombstone.kind == "patient")))) == 1
        assert len(list(await session.scalars(select(DatasetMember).where(DatasetMember.version_id == 2)))) == 18
    async with site.client("ann", Role.RESEARCHER) as ann:
        assert (await ann.post("/api/v1/withdrawals", json={"case": "LIV-000004"})).status_code == 403


async def test_dataset_when_edited_then_only_with_the_revision_that_was_read(site):
    async with site.client() as admin:
        read = await admin.get(BASE)
        changed = await admin.patch(BASE, json={"title": "Thin livers", "licence": "CC0"}, headers={"If-Match": read.headers["etag"]})
        assert (changed.status_code, changed.json()["title"], changed.json()["licence"]) == (200, "Thin livers", "CC0")
        assert (await admin.patch(BASE, json={"title": "x"}, headers={"If-Match": read.headers["etag"]})).status_code == 412
        assert (await admin.patch(BASE, json={"title": "x"})).status_code == 422
        assert (await admin.patch(BASE, json={"name": "x"}, headers={"If-Match": "*"})).status_code == 422


async def test_dataset_when_deleted_then_is_hidden_and_can_be_restored_but_not_while_granted(site):
    await site.grant("ann", dataset="livers")
    async with site.client() as admin:
        refused = await admin.delete(BASE, headers={"If-Match": "*"})
        assert (refused.status_code, refused.json()["field"]) == (409, "dataset")
        assert "p-ann" in refused.json()["detail"]
        await admin.delete("/api/v1/projects/p-ann/grants/datasets/livers")
        assert (await admin.delete(BASE, headers={"If-Match": "*"})).status_code == 204
        assert (await admin.get(BASE)).status_code == 404
        assert (await admin.get(f"{BASE}/versions/1/manifest")).status_code == 404
        assert (await admin.post("/api/v1/datasets", json={"name": "livers", "disease": "liver"})).status_code == 409
        assert (await admin.post(f"{BASE}/restore")).json()["latest"] == 1
        assert (await admin.get(f"{BASE}/versions/1/manifest")).status_code == 200


async def test_versions_when_frozen_at_once_then_get_numbers_of_their_own(site):
    async with site.client() as admin:
        answers = await asyncio.gather(*(admin.post(f"{BASE}/versions", json={"seed": seed, "split": BODY["split"]}) for seed in range(4)))
    assert sorted(answer.json()["number"] for answer in answers) == [2, 3, 4, 5]


async def test_freeze_when_asked_for_events_then_tells_its_progress_and_ends_with_the_version_or_the_problem(site):
    async with site.client() as admin:
        answer = await admin.post(f"{BASE}/versions", json=BODY, headers={"Accept": "text/event-stream"})
        assert answer.status_code == 201
        told = [part.split("\ndata: ") for part in answer.text.removesuffix("\n\n").split("\n\n")]
        assert told[0][0] == "event: progress"
        assert told[-1][0] == "event: version"
        assert json.loads(told[-1][1])["reference"] == "livers@2"
        empty = await admin.post(f"{BASE}/versions", json={"query": {"terms": {"Modality": ["US"]}}}, headers={"Accept": "text/event-stream"})
        name, data = empty.text.removesuffix("\n\n").split("\n\n")[-1].split("\ndata: ")
        assert (name, json.loads(data)["field"]) == ("event: problem", "query")
        wrong = await admin.post(f"{BASE}/versions", json={"split": {"train": 2}}, headers={"Accept": "text/event-stream"})
        assert wrong.status_code == 422

"""Freeze over HTTP on both back-ends: what is in a version, its digest, its number, its withdrawal."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
from collections import Counter

import pytest
from catalog.rows import Person, Shot, open_site
from sqlalchemy import func, select, update

from isocenter.errors import StorageFull
from isocenter.models import AuditEvent, Dataset, DatasetMember, DatasetVersion, Instance, Patient, now
from isocenter.objects import ObjectStore
from services.catalog.freeze import canonical

PEOPLE = (
    *(Person(f"LIV-{n:06d}", sex="FM"[n % 2], age=40.9 + n, label=str(n % 2), shots=(Shot(instances=3),)) for n in range(1, 21)),
    Person("LIV-000101", label=None),
    Person("LIV-000102", label_state="review"),
    Person("LIV-000103", shots=(Shot(state="held"),)),
    Person("LIV-000104", age=None, shots=(Shot("MR", thickness_mm=4.0, sequences=("T1", "T2")), Shot("SM", "WSI", None, 1, mpp=0.2527))),
    Person("LIV-000105", label="0", label_source="reviewer", label_state="decided", shots=(Shot("CT", "NIFTI", 0.8, 1, manufacturer="=cmd|' /C calc'!A0"),)),
    Person("LUN-000001", disease="lung"),
)
BODY = {"query": {}, "split": {"train": 0.7, "val": 0.15, "test": 0.15}, "seed": 7}


@pytest.fixture
async def site(catalog_url, tmp_path):
    async with open_site(catalog_url, tmp_path) as opened:
        await opened.add(*PEOPLE)
        async with opened.client() as admin:
            made = await admin.post("/api/v1/datasets", json={"name": "livers", "title": "Livers", "disease": "liver", "licence": "CC-BY-4.0"})
            assert made.status_code == 201
        yield opened


async def freeze(client, **body):
    answer = await client.post("/api/v1/datasets/livers/versions", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def read_csv(client, part, number=1):
    answer = await client.get(f"/api/v1/datasets/livers/versions/{number}/{part}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_version_holds_sure_and_decided_cases_with_released_images_and_says_what_it_left_out(site):
    async with site.client() as admin:
        version = await freeze(admin, **BODY)
        assert version["reference"] == "livers@1"
        assert version["counts"]["cases"] == 22
        assert version["counts"]["left_out"] == {"no_label": 1, "review": 1, "held": 1, "null": 0}
        assert version["counts"]["by_label"] == {"0": 11, "1": 11}
        assert sum(part["cases"] for part in version["counts"]["by_split"].values()) == 22
        assert version["policies"]["deid"][0]["number"] == 1
        assert version["policies"]["rules"][0]["scope"] == "basic"
        sure = await freeze(admin, label_states=["sure"])
        assert (sure["number"], sure["counts"]["cases"], sure["counts"]["left_out"]["review"]) == (2, 21, 2)


async def test_labels_csv_starts_with_the_columns_of_the_papers_table_1(site):
    async with site.client() as admin:
        await freeze(admin, **BODY)
        rows = await read_csv(admin, "labels.csv")
        assert list(rows[0]) == [
            "case_id", "sex", "age", "label", "image_format", "split", "label_source", "label_state", "label_confidence", "disease", "scheme",
            "report_kind", "link_score", "section", "start", "end", "rule", "rule_set_version", "decided_by",
        ]  # fmt: skip
        assert rows[0] == {
            "case_id": "LIV-000001", "sex": "M", "age": "41", "label": "1", "image_format": "DICOM", "split": rows[0]["split"], "label_source": "rule",
            "label_state": "sure", "label_confidence": "0.9333333", "disease": "liver", "scheme": "malignancy",
            "report_kind": "", "link_score": "", "section": "impression", "start": "0", "end": "4",
            "rule": "", "rule_set_version": "basic@1", "decided_by": "machine",
        }  # fmt: skip
        several = next(row for row in rows if row["case_id"] == "LIV-000104")
        assert (several["age"], several["image_format"]) == ("", "DICOM;WSI")
        assert {row["split"] for row in rows} == {"train", "val", "test"}


async def test_images_csv_has_one_row_per_series_and_runs_no_formula(site):
    async with site.client() as admin:
        await freeze(admin)
        rows = {row["case_id"]: row for row in await read_csv(admin, "images.csv")}
        assert len(await read_csv(admin, "images.csv")) == 23
        assert rows["LIV-000105"]["manufacturer"].startswith("'=cmd")
        first = rows["LIV-000001"]
        assert (first["spacing_row_mm"], first["slice_thickness_mm"], first["instances"], first["rows"]) == ("0.66145802", "1.25", "3", "64")
        assert first["path"] == f"images/LIV-000001/{first['series_uid']}"
        every = await read_csv(admin, "images.csv")
        assert next(row for row in every if row["modality"] == "MR")["sequence"] == "T1;T2"
        assert next(row for row in every if row["modality"] == "SM")["mpp"] == "0.2527"


def test_canonical_when_values_are_awkward_then_bytes_are_those_of_plain_json():
    awkward = [1e-7, 1.5e-5, 0.0001, 0.1, -0.0, 1.0, 1e15, 1e16, 2**63 - 1, 2**63, -(2**63) - 1, True, None, "\x00\x1f\x7f\u2028é腺癌𐀀\"\\/"]
    documents = [{"b": [value, {"é": value, "a": (1, value)}], "\uffff": 1, "𐀀": 2, "a": {"z": value, "y": []}} for value in awkward]
    for document in documents:
        assert canonical(document) == json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical({"a": [{"b": float("nan")}]})


async def test_manifest_without_its_name_is_the_canonical_json_of_the_digest(site):
    async with site.client() as admin:
        version = await freeze(admin, **BODY)
        manifest = (await admin.get("/api/v1/datasets/livers/versions/1/manifest")).json()
        about = {key: manifest.pop(key) for key in ("name", "number", "reference", "digest")}
        assert about == {"name": "livers", "number": 1, "reference": "livers@1", "digest": version["digest"]}
        assert hashlib.sha256(canonical(manifest)).hexdigest() == version["digest"]
        assert [file["path"].rsplit("/", 1)[1] for file in manifest["files"][:3]] == ["000001.dcm", "000002.dcm", "000003.dcm"]
        for file in manifest["files"]:
            content = (await admin.get(f"/api/v1/datasets/livers/versions/1/files/{file['sha256']}")).content
            assert (hashlib.sha256(content).hexdigest(), len(content)) == (file["sha256"], file["size_bytes"])


async def test_only_the_matching_series_and_stacks_are_in_the_version(site):
    async with site.client() as admin:
        version = await freeze(admin, query={"terms": {"sequence": ["T2"]}})
        assert (version["counts"]["cases"], version["counts"]["series"], version["counts"]["files"]) == (1, 1, 2)
        manifest = (await admin.get("/api/v1/datasets/livers/versions/1/manifest")).json()
        assert {file["stack"] for file in manifest["files"]} == {1}
        aged = await freeze(admin, query={"ranges": {"age": {"gte": 18}}})
        assert aged["counts"]["left_out"]["null"] == 1
    async with site.resources.db.read() as session:
        assert (await session.scalars(select(func.count()).select_from(DatasetMember).where(DatasetMember.version_id == 1))).one() == 1


async def test_card_says_method_meaning_and_format_in_both_languages(site):
    async with site.client() as admin:
        version = await freeze(admin, **BODY)
        answer = await admin.get("/api/v1/datasets/livers/versions/1/card")
        assert answer.headers["content-type"].startswith("text/markdown")
        for text in ("标注方式", "标注意义", "图像存储格式", "by pathology", "病理为准", "livers@1", version["digest"], "CC-BY-4.0", "DICOM", "seed 7"):
            assert text in answer.text
        assert version["card"]["annotation_method"]["sources"] == ["reviewer", "rule"]


async def test_two_freezes_at_once_get_two_numbers_or_a_conflict_never_half_a_version(site):
    async with site.client() as admin:
        answers = await asyncio.gather(*(admin.post("/api/v1/datasets/livers/versions", json=BODY) for _ in range(4)))
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert all(answer.status_code in (201, 409) for answer in answers)
    assert sorted(version["number"] for version in made) == list(range(1, len(made) + 1))
    assert len({version["digest"] for version in made}) == 1
    async with site.resources.db.read() as session:
        counts = select(DatasetVersion.number, func.count(DatasetMember.stack_id)).join(DatasetMember).group_by(DatasetVersion.number)
        assert dict((await session.execute(counts)).tuples().all()) == {version["number"]: 24 for version in made}


async def test_full_store_during_a_freeze_leaves_no_version(site, monkeypatch):
    def full(self, key, data):
        raise StorageFull("The object store is full.")

    monkeypatch.setattr(ObjectStore, "put_bytes", full)  # the disk of a test cannot be filled
    async with site.client() as admin:
        answer = await admin.post("/api/v1/datasets/livers/versions", json=BODY)
        assert answer.status_code == 507
        assert (await admin.get("/api/v1/datasets/livers")).json()["versions"] == []


async def test_version_stays_as_it_is_when_the_catalog_changes(site):
    async with site.client() as admin:
        before = await freeze(admin, **BODY)
        assert (await admin.delete("/api/v1/cases/LIV-000001")).status_code == 204
        manifest = (await admin.get("/api/v1/datasets/livers/versions/1/manifest")).json()
        assert manifest["labels"][0]["case_id"] == "LIV-000001"
        assert (await admin.get(f"/api/v1/datasets/livers/versions/1/files/{manifest['files'][0]['sha256']}")).status_code == 200
        after = await freeze(admin, **BODY)
        assert after["counts"]["cases"] == before["counts"]["cases"] - 1
        assert after["digest"] != before["digest"]


async def test_withdrawn_patient_ends_the_bytes_of_the_version_and_is_not_frozen_again(site):
    async with site.client() as admin:
        await freeze(admin, **BODY)
        sha256 = (await admin.get("/api/v1/datasets/livers/versions/1/manifest")).json()["files"][0]["sha256"]
        async with site.resources.db.write() as session:
            patient = (await session.scalars(select(Patient.id).order_by(Patient.id))).first()
            await session.execute(update(Patient).where(Patient.id == patient).values(withdrawn_at=now()))
        answer = await admin.get(f"/api/v1/datasets/livers/versions/1/files/{sha256}")
        assert answer.status_code == 410  # at once for the patient's own files
        fresh = (await admin.get("/api/v1/datasets/livers/versions/1")).json()
        assert fresh["withdrawn_at"] is not None
        for part in ("manifest", "labels.csv", "images.csv"):
            site.app.router.routes[:5] = _fresh_routes(site)
            assert (await admin.get(f"/api/v1/datasets/livers/versions/1/{part}")).status_code == 410
        again = await freeze(admin, **BODY)
        assert (again["number"], again["counts"]["cases"]) == (2, 21)
        assert (await admin.get("/api/v1/datasets/livers/versions/2/manifest")).status_code == 200


def _fresh_routes(site):
    """Download routes that remember nothing of the last seconds."""
    from services.catalog.noted import Noted
    from services.catalog.routes import downloads

    return downloads.routes(site.resources, Noted())


async def test_download_is_audited_once_an_hour_and_freeze_once(site):
    async with site.client() as admin:
        await freeze(admin)
        for part in ("manifest", "labels.csv", "images.csv", "manifest"):
            assert (await admin.get(f"/api/v1/datasets/livers/versions/1/{part}")).status_code == 200
    async with site.resources.db.read() as session:
        counts = select(AuditEvent.verb, func.count()).where(AuditEvent.subject == "dataset:livers@1").group_by(AuditEvent.verb)
        assert dict((await session.execute(counts)).tuples().all()) == {"freeze": 1, "download": 1}


WRONG_BODIES = [
    ({"query": {"terms": {"modality": ["CT"]}}}, "query.terms.modality"),
    ({"split": {"train": 0.5}}, "split"),
    ({"split": {"../x": 1.0}}, "split"),
    ({"seed": -1}, "seed"),
    ({"label_states": ["review"]}, "label_states.0"),
    ({"query": {"terms": {"case": ["LIV-999999"]}}}, "query"),
]


async def test_freeze_of_a_wrong_body_is_422_with_the_field(site):
    async with site.client() as admin:
        for body, field in WRONG_BODIES:
            answer = await admin.post("/api/v1/datasets/livers/versions", json=body)
            assert (answer.status_code, answer.json()["field"]) == (422, field)
        assert (await admin.get("/api/v1/datasets/livers")).json()["latest"] is None


async def test_wrong_names_and_deep_bodies_are_refused(site):
    async with site.client() as admin:
        for name in ("../etc", "a/b", "Upper", "", "x" * 65, "a b"):
            assert (await admin.post("/api/v1/datasets", json={"name": name, "disease": "liver"})).status_code == 422, name
        assert (await admin.post("/api/v1/datasets", json={"name": "livers", "disease": "liver"})).status_code == 409
        assert (await admin.post("/api/v1/datasets", json={"name": "x", "disease": "none"})).status_code == 404
        assert (await admin.post("/api/v1/datasets", json={"name": "x", "disease": "liver", "scheme": "none"})).status_code == 404
        deep = b'{"query":' + b'{"terms":' * 50_000 + b"1" + b"}" * 50_001
        answer = await admin.post("/api/v1/cases/search", content=deep, headers={"content-type": "application/json"})
        assert 400 <= answer.status_code < 500
        nan = await admin.post("/api/v1/cases/search", content=b'{"query":{"ranges":{"age":{"gte":NaN}}}}', headers={"content-type": "application/json"})
        assert nan.status_code == 422
        assert (await admin.post("/api/v1/cases/count", content=b" " * (5 << 20), headers={"content-type": "application/json"})).status_code == 413
        for number in ("0", "-1", "9" * 5000, "x"):
            assert (await admin.get(f"/api/v1/datasets/livers/versions/{number}/manifest")).status_code == 404


async def test_same_rows_give_the_same_digest_on_sqlite_and_mariadb_in_any_order_of_arrival(tmp_path, fresh_mariadb):
    digests = []
    for place, (url, people) in enumerate(((f"sqlite+aiosqlite:///{tmp_path / 'c.db'}", PEOPLE), (fresh_mariadb, PEOPLE[::-1]))):
        async with open_site(url, tmp_path / str(place)) as site:
            # Other row ids on the other back-end: a patient more before, and labels added later.
            await site.add(*([Person("LUN-000099", disease="lung")] if place else []), *people)
            async with site.client() as admin:
                await admin.post("/api/v1/datasets", json={"name": f"livers{place}", "disease": "liver"})
                answer = await admin.post(f"/api/v1/datasets/livers{place}/versions", json=BODY)
                digests.append(answer.json()["digest"])
                stored = site.resources.store.get_bytes(f"datasets/{digests[-1]}/manifest.json")
                assert hashlib.sha256(stored).hexdigest() == digests[-1]
                assert b'"id"' not in stored
                json.loads(stored)
    assert digests[0] == digests[1]


async def test_a_changed_content_hash_or_label_changes_the_digest(site):
    async with site.client() as admin:
        first = await freeze(admin)
        async with site.resources.db.write() as session:
            one = (await session.scalars(select(Instance.id).order_by(Instance.id))).first()
            await session.execute(update(Instance).where(Instance.id == one).values(object_sha256="f" * 64))
        assert (await freeze(admin))["digest"] != first["digest"]
    async with site.resources.db.read() as session:
        assert (await session.scalars(select(func.count(Dataset.id)))).one() == 1


async def test_split_preview_when_the_same_body_is_frozen_then_says_what_the_version_holds(site):
    async with site.client() as admin:
        for body in (BODY, {**BODY, "balance": "under", "folds": 3}, {"query": {"terms": {"Modality": ["MR"]}}}, {"label_states": ["sure"]}):
            shown = (await admin.post("/api/v1/datasets/split-preview", json={**body, "dataset": "livers"})).json()
            version = await freeze(admin, **body)
            rows = await read_csv(admin, "labels.csv", version["number"])
            told = {(row["part"], row["label"]): row["cases"] for row in shown["parts"] if row["cases"]}
            made = Counter((row["split"], row["label"]) for row in rows)
            assert (told, shown["cases"], shown["share"] < 1) == (made, len(rows), True)
            assert sum(row["patients"] for row in shown["parts"]) == len(rows)  # one case each here
            if "folds" in body:
                folded = {(row["part"], row["label"]): row["cases"] for row in shown["folds"]}
                assert folded == Counter((row["fold"], row["label"]) for row in rows if row["fold"])
                assert shown["balanced_away"] == version["counts"]["left_out"]["balance"]


async def test_split_preview_takes_the_disease_of_its_body_or_query_and_asks_for_it_when_there_is_none(site):
    async with site.client() as admin:
        by_name = await admin.post("/api/v1/datasets/split-preview", json={**BODY, "disease": "liver"})
        by_query = await admin.post("/api/v1/datasets/split-preview", json={**BODY, "query": {"terms": {"disease": ["liver"]}}})
        none = await admin.post("/api/v1/datasets/split-preview", json=BODY)
        assert by_name.json() == by_query.json()
        assert by_name.json()["cases"] == 22
        assert (none.status_code, none.json()["field"]) == (422, "disease")
    async with site.client("ann") as stranger:
        hidden = await stranger.post("/api/v1/datasets/split-preview", json={**BODY, "disease": "liver"})
        assert hidden.status_code == 404

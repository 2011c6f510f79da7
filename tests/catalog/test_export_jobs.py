"""Exports as jobs, on both back-ends: asked for once, gone on with after a kill, cancelled, failed with the reason, never half visible."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta

import pytest
from catalog.export_site import add_series, exported, frozen, inline, people, slices
from catalog.rows import open_site
from sqlalchemy import select, update

from isocenter.auth import Role
from isocenter.errors import StorageFull
from isocenter.models import DatasetVersion, Export, Instance, now
from isocenter.objects import ObjectStore

BASE = "/api/v1/datasets/livers/versions/1/exports"
CASES = (("LIV-000001", "0"), ("LIV-000002", "1"), ("LIV-000003", "1"))


@pytest.fixture
async def site(catalog_url, tmp_path):
    async with open_site(catalog_url, tmp_path / "server") as opened:
        inline(opened)
        await people(opened, *CASES)
        for key, _ in CASES:
            await add_series(opened, key, f"ct {key}", [slices(f"ct {key}", 3)])
        await frozen(opened)
        yield opened


def objects_of(site) -> list[str]:
    return sorted(key for key, _ in site.resources.store.list("exports/"))


async def test_export_when_asked_for_twice_then_is_one_job_and_runs_once(site, tmp_path):
    async with site.client() as admin:
        first = await admin.post(BASE, json={"format": "nifti"})
        assert first.status_code == 202
        assert (first.json()["state"], first.json()["done"]) == ("open", 0)
        assert (await admin.post(BASE, json={"format": "nifti", "options": {}})).json()["key"] == first.json()["key"]
    _, export = await exported(site, tmp_path, "nifti")
    assert (export["state"], export["done"], export["total"]) == ("finished", 4, 4)
    assert not await site.app.state.exporter.work_once()
    async with site.client() as admin:
        again = (await admin.post(BASE, json={"format": "nifti"})).json()
        assert (again["state"], again["digest"]) == ("finished", export["digest"])
        listed = (await admin.get(BASE)).json()["items"]
        assert [item["key"] for item in listed] == [export["key"]]


async def test_export_files_when_asked_for_in_parts_then_range_and_etag_are_honoured(site, tmp_path):
    folder, export = await exported(site, tmp_path, "nifti")
    content = (folder / "labels.csv").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    async with site.client() as admin:
        part = await admin.get(f"{BASE}/{export['key']}/files/{sha256}", headers={"Range": "bytes=5-9", "If-Range": f'"{sha256}"'})
        assert (part.status_code, part.content) == (206, content[5:10])
        assert (await admin.get(f"{BASE}/{export['key']}/files/{'0' * 64}")).status_code == 404
        assert (await admin.get(f"{BASE}/nifti-{'0' * 16}/manifest")).status_code == 404


async def test_export_when_its_process_was_killed_then_another_goes_on_with_what_is_left(site, tmp_path):
    exporter = site.app.state.exporter
    async with site.client() as admin:
        await admin.post(BASE, json={"format": "nifti"})
    reached, go_on = asyncio.Event(), asyncio.Event()
    convert, converted = exporter._unit, []

    async def stop_at_the_second(job, unit):
        if len(converted) == 1:
            reached.set()
            await go_on.wait()
        converted.append(unit.name)
        await convert(job, unit)

    exporter._unit = stop_at_the_second
    running = asyncio.create_task(exporter.work_once())
    await reached.wait()
    # As after a kill: nobody gives the lease back, it runs out.
    async with site.resources.db.write() as session:
        await session.execute(update(Export).values(lease_token="dead", lease_until=now() - timedelta(seconds=1)))
    other = inline(site).app.state.exporter
    later, again = other._unit, []

    async def noted(job, unit):
        again.append(unit.name)
        await later(job, unit)

    other._unit = noted
    assert await other.work_once()
    assert again == ["LIV-000002_01", "LIV-000003_01"], "the first unit was not converted a second time"
    go_on.set()
    await running  # the first process comes back: it changes nothing
    async with site.resources.db.read() as session:
        row = (await session.scalars(select(Export))).one()
    assert (row.state, row.attempt, row.done) == ("finished", 2, 4)
    assert any(key.endswith("manifest.json") for key in objects_of(site))


async def test_export_when_an_object_is_missing_then_fails_with_the_series_and_shows_nothing(site, tmp_path):
    async with site.resources.db.read() as session:
        key = await session.scalar(select(Instance.object_key).order_by(Instance.id.desc()).limit(1))
    kept = site.resources.store.get_bytes(key)
    site.resources.store.delete(key)
    folder, export = await exported(site, tmp_path, "nifti")
    assert folder is None
    assert export["state"] == "failed"
    assert "lacks an object of the series 2.25." in export["reason"]
    assert objects_of(site) == []
    async with site.client() as admin:
        assert (await admin.get(f"{BASE}/{export['key']}/manifest")).status_code == 409
    site.resources.store.put_bytes(key, kept)
    folder, export = await exported(site, tmp_path, "nifti")
    assert (export["state"], export["reason"]) == ("finished", "")


async def test_export_when_the_disk_is_full_then_fails_with_the_reason_and_frees_what_it_wrote(site, tmp_path, monkeypatch):
    put = ObjectStore.put_file
    written = []

    def full(self, key, path):
        if len(written) == 2:
            raise StorageFull("The object store is full.")
        written.append(key)
        put(self, key, path)

    monkeypatch.setattr(ObjectStore, "put_file", full)
    folder, export = await exported(site, tmp_path, "nifti")
    assert folder is None
    assert export["state"] == "failed"
    assert "full" in export["reason"]
    assert len(written) == 2
    assert objects_of(site) == []


async def test_export_when_cancelled_then_stops_and_may_be_removed_or_asked_for_again(site, tmp_path):
    async with site.client() as admin:
        key = (await admin.post(BASE, json={"format": "png"})).json()["key"]
        exporter = site.app.state.exporter
        reached, go_on, convert = asyncio.Event(), asyncio.Event(), exporter._unit

        async def wait(job, unit):
            reached.set()
            await go_on.wait()
            await convert(job, unit)

        exporter._unit = wait
        running = asyncio.create_task(exporter.work_once())
        await reached.wait()
        assert (await admin.delete(f"{BASE}/{key}")).status_code == 409, "it runs"
        assert (await admin.post(f"{BASE}/{key}/cancel")).json()["state"] == "cancelled"
        await running
        assert objects_of(site) == []
        assert (await admin.post(f"{BASE}/{key}/cancel")).status_code == 409
        exporter._unit = convert
    _, export = await exported(site, tmp_path, "png")
    assert export["state"] == "finished"
    async with site.client() as admin:
        assert (await admin.delete(f"{BASE}/{key}")).status_code == 204
        assert (await admin.get(f"{BASE}/{key}")).status_code == 404
        assert objects_of(site) == []


async def test_export_when_the_version_is_withdrawn_then_its_bytes_are_no_longer_served(site, tmp_path):
    _, export = await exported(site, tmp_path, "nifti")
    async with site.resources.db.write() as session:
        await session.execute(update(DatasetVersion).values(withdrawn_at=now()))
    fresh = inline(site)
    async with fresh.client() as admin:
        answer = await admin.get(f"{BASE}/{export['key']}/manifest")
        assert answer.status_code == 410
        assert (await admin.post(BASE, json={"format": "png"})).status_code == 410


NOT_UNDERSTOOD = (
    ({"format": "nifty"}, "format", "perhaps nifti"),
    ({"format": "nifti", "options": {"slices": "all"}}, "options.slices", "has no option"),
    ({"format": "png", "options": {"slice": "all"}}, "options.slice", "perhaps slices"),
    ({"format": "png", "options": {"window_hu": [1, "x"]}}, "options.window_hu", "centre"),
    ({"format": "medmnist", "options": {"size_px": 30}}, "options.size_px", "28"),
    ({"format": "patches", "options": {"mpp": -1}}, "options.mpp", "number from"),
    ({"format": "nifti", "options": {"augment": ["spin"]}}, "options.augment.0", "rotation"),
    ({"format": "nifti", "options": {"copies": 3}}, "options.augment", "augment"),
    ({"format": "nifti", "options": {"augment": [{"kind": "rotation", "degrees": 400}]}}, "options.augment.0", "180"),
    ({"format": "nifti", "options": {"impute": ["name"]}}, "options.impute", "age"),
)


async def test_export_when_it_is_not_understood_then_the_answer_names_the_field(site):
    async with site.client() as admin:
        for body, field, says in NOT_UNDERSTOOD:
            answer = await admin.post(BASE, json=body)
            assert answer.status_code == 422, (body, answer.text)
            assert answer.json()["field"] == field
            assert says in answer.json()["detail"]


async def test_export_when_the_dataset_is_not_granted_then_is_not_there(site, tmp_path):
    _, export = await exported(site, tmp_path, "labels")
    async with site.client("ann", Role.RESEARCHER) as ann:
        for path in (BASE, f"{BASE}/{export['key']}", f"{BASE}/{export['key']}/manifest"):
            assert (await ann.get(path)).status_code == 404
        assert (await ann.post(BASE, json={"format": "labels"})).status_code == 404
    await site.grant("ann", dataset="livers")
    async with site.client("ann", Role.RESEARCHER) as ann:
        assert (await ann.get(f"{BASE}/{export['key']}/manifest")).status_code == 200
    async with site.client("ann", Role.READER) as reader:
        assert (await reader.post(BASE, json={"format": "labels"})).status_code == 403


async def test_recipe_when_previewed_then_is_a_png_of_the_original_and_its_copies(site):
    import io

    from PIL import Image

    async with site.client() as admin:
        answer = await admin.post("/api/v1/datasets/livers/versions/1/augmentation", json={"augment": ["flip", "rotation"], "copies": 2, "seed": 4})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/png"
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert picture.size == (3 * 384 + 2 * 4, 320)
        again = await admin.post("/api/v1/datasets/livers/versions/1/augmentation", json={"augment": ["flip", "rotation"], "copies": 2, "seed": 4})
        assert again.content == answer.content
        missing = await admin.post("/api/v1/datasets/livers/versions/1/augmentation", json={"augment": ["flip"], "series_uid": "1.2.3"})
        assert (missing.status_code, missing.json()["field"]) == (404, "series_uid")

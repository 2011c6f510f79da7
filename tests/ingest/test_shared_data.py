"""The real development data through the whole import: every file and row ends as its manifest says, none vanishes."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ingest_service import Ingest, open_ingest
from sqlalchemy import select

from isocenter.models import Instance, Series

pytestmark = [pytest.mark.shared, pytest.mark.timeout(300)]

EXPECTED = {
    "ingest": {"accepted", "duplicate"},  # several files are one image in two transfer syntaxes
    "reject": {"refused", "empty"},
    "review": {"review"},
    "other": {"other_resource"},
    "skip": {"index_or_archive"},
    "unpack": {"index_or_archive"},
}


@pytest.fixture
async def shared_ingest(tmp_path: Path, shared_data: Path) -> AsyncIterator[Ingest]:
    async for service in open_ingest("", tmp_path, executor="processes:2", batch_files=64, import_roots=str(shared_data)):
        yield service


async def test_images_when_all_are_imported_then_each_ends_as_the_manifest_says(shared_ingest: Ingest, shared_data: Path) -> None:
    with (shared_data / "images" / "manifest.csv").open(encoding="utf-8") as file:
        manifest = {row["path"]: row for row in csv.DictReader(file)}
    view = await shared_ingest.run(shared_data / "images")
    assert view["state"] == "finished", view["failure"]
    assert view["sums_ok"]
    items = {item["path"]: item for item in await shared_ingest.items(view["key"], identity=True)}
    assert set(manifest) <= set(items)
    wrong = [
        (path, row["expected"], items[path]["outcome"], items[path]["reason"])
        for path, row in manifest.items()
        if items[path]["outcome"] not in EXPECTED[row["expected"]]
    ]
    assert wrong == []
    assert all(items[path]["reason"] for path, row in manifest.items() if row["expected"] != "ingest")
    duplicates = [path for path, row in manifest.items() if row["expected"] == "ingest" and items[path]["outcome"] == "duplicate"]
    assert len(duplicates) <= 5
    async with shared_ingest.resources.db.read() as session:
        series = list(await session.scalars(select(Series)))
        assert all(row.thumbnail_key for row in series if row.instance_count)
        instances = list(await session.scalars(select(Instance)))
        assert all(row.frame_index or row.frame_index_key or not row.media_type.startswith("application/dicom") for row in instances)


async def test_tables_when_all_hospitals_are_imported_then_every_row_has_one_outcome(shared_ingest: Ingest, shared_data: Path) -> None:
    folder = shared_data / "reports" / "synthetic_dev"
    rows = 0
    for hospital in "ABCD":
        tables = [{"kind": kind, "path": str(next(folder.glob(f"{hospital}_{kind}.*")))} for kind in ("imaging", "pathology")]
        view = await shared_ingest.run(None, *tables, hospital=hospital)
        assert view["state"] == "finished", view["failure"]
        assert view["sums_ok"]
        counts = view["counts"]["rows"]
        assert counts["accepted"] > 0.9 * view["totals"]["rows"]
        rows += view["totals"]["rows"]
    assert rows == 4626

"""Bad input and faults: a clear problem or an item with a reason, and nothing that was accepted before is lost."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from crashing import crash_always, crash_on_two
from ingest_samples import imaging_row, write_ct, write_table, write_zip
from ingest_service import Ingest, open_ingest
from sqlalchemy import select

from isocenter.errors import Unavailable
from isocenter.models import CaseLabel, Import, ImportItem, Instance
from services.ingest.executor import WorkPool
from services.ingest.records import Outcome, Refusal
from services.ingest.sources import unpack


async def refused(ingest: Ingest, order: dict[str, Any], status: int = 422) -> dict[str, Any]:
    """The problem document of an order that must not start; no import is there afterwards."""
    body = {"hospital": "H1", "source": {"kind": "none"}, "tables": [], "diseases": "auto"} | order
    problem: dict[str, Any] = await ingest.call("POST", "/imports", body, status=status)
    assert problem["detail"]
    async with ingest.resources.db.read() as session:
        assert (await session.scalars(select(Import))).first() is None
    return problem


async def test_source_when_empty_then_the_import_does_not_start(ingest_here: Ingest) -> None:
    (ingest_here.root / "nothing").mkdir()
    problem = await refused(ingest_here, {"source": {"kind": "folder", "path": str(ingest_here.root / "nothing")}})
    assert problem["field"] == "source"


@pytest.mark.parametrize("path", ["/etc", "/", "../..", "drop/../../etc"])
async def test_source_when_outside_the_allowed_roots_then_refused(ingest_here: Ingest, path: str) -> None:
    given = path if path.startswith("/") else str(ingest_here.root / path)
    await refused(ingest_here, {"source": {"kind": "folder", "path": given}})


async def test_source_when_a_link_leads_out_then_the_file_is_refused(ingest_here: Ingest, tmp_path: Path) -> None:
    write_ct(ingest_here.root / "images" / "a.dcm", uid="1.2.3")
    secret = tmp_path / "secret.txt"
    secret.write_text("x")
    (ingest_here.root / "images" / "link.txt").symlink_to(secret)
    view = await ingest_here.run(ingest_here.root / "images", diseases=["liver"])
    assert view["counts"]["files"]["accepted"] == 1
    (item,) = await ingest_here.items(view["key"], outcome="refused")
    assert item["reason"] == "link-outside-source"


async def test_names_when_unknown_then_the_problem_says_what_is_known(ingest_here: Ingest) -> None:
    write_ct(ingest_here.root / "images" / "a.dcm", uid="1.2.3")
    source = {"kind": "folder", "path": str(ingest_here.root / "images")}
    problem = await refused(ingest_here, {"source": source, "diseases": ["kidney"]})
    assert problem["field"] == "diseases"
    assert "liver" in problem["detail"]
    problem = await refused(ingest_here, {"source": source, "schemes": {"liver": "nothing"}})
    assert problem["field"] == "schemes"
    await refused(ingest_here, {"source": source, "hospital": "../x"})


async def test_table_when_its_encoding_is_unknown_then_refused(ingest_here: Ingest) -> None:
    bad = ingest_here.root / "bad.csv"
    bad.write_bytes(bytes(range(128, 256)) * 40)
    await refused(ingest_here, {"tables": [{"kind": "imaging", "path": str(bad)}]})


async def test_table_when_it_has_no_usable_key_or_text_then_the_problem_names_what_is_missing(ingest_here: Ingest) -> None:
    table = write_table(ingest_here.root / "t.csv", [("红", "大")], ("颜色", "尺寸"), "utf-8")
    problem = await refused(ingest_here, {"tables": [{"kind": "imaging", "path": str(table)}]})
    assert problem["missing"]


async def test_table_when_the_confirmed_mapping_names_no_column_then_refused(ingest_here: Ingest) -> None:
    table = write_table(ingest_here.root / "t.csv", [imaging_row()])
    await refused(ingest_here, {"tables": [{"kind": "imaging", "path": str(table), "mapping": {"patient_id": "没有这列"}}]})


async def test_table_when_empty_then_refused(ingest_here: Ingest) -> None:
    table = write_table(ingest_here.root / "t.csv", [])
    await refused(ingest_here, {"tables": [{"kind": "imaging", "path": str(table)}]})


async def test_row_when_its_date_is_no_day_then_the_row_is_kept_with_a_doubt(ingest_here: Ingest) -> None:
    rows = [imaging_row(date="2023-02-31"), imaging_row("CT2", "1000002", "李四")]
    table = write_table(ingest_here.root / "t.csv", rows)
    view = await ingest_here.run(None, {"path": str(table)})
    assert view["state"] == "finished"
    assert sum(view["counts"]["rows"].values()) == 2
    first = (await ingest_here.items(view["key"], kind="row"))[0]
    assert first["outcome"] in ("accepted", "refused")
    assert first["reason"]


@pytest.mark.parametrize("name", ["../evil.dcm", "/abs.dcm", "a/../../b.dcm", "C:\\x.dcm"])
async def test_zip_when_a_member_leads_outside_then_nothing_is_unpacked(ingest_here: Ingest, name: str, tmp_path: Path) -> None:
    write_zip(ingest_here.root / "images.zip", {"good.txt": b"x", name: b"evil"})
    view = await ingest_here.run(ingest_here.root, diseases=["liver"])
    (item,) = await ingest_here.items(view["key"], kind="file")
    assert (item["outcome"], item["reason"]) == ("refused", "archive-path-outside")
    assert not (tmp_path / "evil.dcm").exists()


async def test_zip_when_a_bomb_then_refused_and_when_good_then_its_files_are_items(ingest_here: Ingest, tmp_path: Path) -> None:
    bomb = write_zip(tmp_path / "bomb.zip", {"zeros": bytes(200 << 20)})
    refusal = unpack(bomb, tmp_path / "out", 1 << 40)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "archive-too-large"
    small = unpack(bomb, tmp_path / "out", 1 << 20)
    assert isinstance(small, Refusal)
    assert not (tmp_path / "out").exists()
    one = write_ct(tmp_path / "x.dcm", uid="1.2.3")
    write_zip(ingest_here.root / "good.zip", {"folder/x.dcm": one.read_bytes(), "folder/y.txt": b"hello"})
    view = await ingest_here.run(ingest_here.root, diseases=["liver"])
    counts = view["counts"]["files"]
    assert (counts["accepted"], counts["index_or_archive"], counts["other_resource"]) == (1, 1, 1)
    assert not list(ingest_here.resources.staging.list(f"{view['key']}/"))


async def test_files_when_hostile_then_each_ends_with_a_reason_and_the_rest_is_accepted(ingest: Ingest) -> None:
    images = ingest.root / "images"
    good = write_ct(images / "a.dcm", uid="1.2.3")
    (images / "empty.dcm").write_bytes(b"")
    (images / "cut.dcm").write_bytes(good.read_bytes()[:400])
    (images / "noise.dcm").write_bytes(bytes(range(256)) * 8)
    (images / "text.nii.gz").write_bytes(b"not gzip")
    (images / "liar.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 64)
    view = await ingest.run(images, diseases=["liver"])
    assert view["state"] == "finished"
    assert view["counts"]["files"]["accepted"] == 1
    others = [item for item in await ingest.items(view["key"], kind="file") if item["outcome"] != "accepted"]
    assert len(others) == 5
    assert all(item["reason"] and item["detail"] for item in others)


async def test_pool_when_one_item_kills_its_worker_then_only_that_item_is_put_aside() -> None:
    pool = WorkPool("processes:1")
    try:
        results = await pool.run(crash_on_two, None, [1, 2, 3], lambda task: -task)
        assert results == [10, -2, 30]
        assert await pool.run(crash_on_two, None, [4], lambda task: -task) == [40]
    finally:
        pool.close()


async def test_pool_when_workers_cannot_work_at_all_then_no_file_is_blamed() -> None:
    pool = WorkPool("processes:1")
    try:
        with pytest.raises(Unavailable):
            await pool.run(crash_always, None, [1], lambda task: -task)
    finally:
        pool.close()


async def test_disk_when_full_then_the_import_pauses_and_goes_on_when_resumed(ingest_here: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is made by a store whose every write fails with ENOSPC until it is 'freed'."""
    for number in range(1, 4):
        write_ct(ingest_here.root / "images" / f"{number}.dcm", uid="1.2.3", number=number)
    full = {"yes": True}
    from isocenter import objects

    real = objects.obstore.put

    def put(*arguments: Any, **options: Any) -> Any:
        if full["yes"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments, **options)

    monkeypatch.setattr(objects.obstore, "put", put)
    view = await ingest_here.run(ingest_here.root / "images", diseases=["liver"])
    assert view["state"] == "paused"
    assert "full" in view["failure"]
    full["yes"] = False
    await ingest_here.call("POST", f"/imports/{view['key']}/resume")
    done = await ingest_here.wait(view["key"])
    assert done["state"] == "finished"
    assert done["counts"]["files"]["accepted"] == 3


async def test_catalog_when_it_goes_away_then_a_clear_503_and_the_import_goes_on_when_it_is_back(tmp_path: Path, mariadb: Any) -> None:
    name = mariadb.new_database()
    async for ingest in open_ingest(mariadb.url(name), tmp_path):
        for number in range(1, 9):
            write_ct(ingest.root / "images" / f"{number}.dcm", uid=f"1.2.{number}", accession=f"CT{number}", patient_id=f"10{number}")
        order = {"hospital": "H1", "source": {"kind": "folder", "path": str(ingest.root / "images")}, "tables": [], "diseases": ["liver"]}
        key = (await ingest.call("POST", "/imports", order, status=201))["key"]
        # Every connection of ours is cut, several times while the import runs: what a restart of the server looks like.
        for _ in range(5):
            for connection in mariadb.admin(f"select id from information_schema.processlist where db = '{name}'").split():
                mariadb.admin(f"kill {connection}", check=False)
        view = await ingest.wait(key)
        assert view["state"] == "finished", view["failure"]
        assert view["counts"]["files"]["accepted"] == 8
        assert view["sums_ok"]
    mariadb.drop_database(name)


async def test_import_when_paused_then_nothing_moves_and_when_cancelled_then_every_item_says_so(ingest: Ingest) -> None:
    for number in range(1, 30):
        write_ct(ingest.root / "images" / f"{number}.dcm", uid=f"1.2.{number}", number=1)
    order = {"hospital": "H1", "source": {"kind": "folder", "path": str(ingest.root / "images")}, "tables": [], "diseases": ["liver"]}
    key = (await ingest.call("POST", "/imports", order, status=201))["key"]
    view = await ingest.call("POST", f"/imports/{key}/pause")
    assert view["state"] == "paused"
    await ingest.call("POST", f"/imports/{key}/pause", status=409)
    view = await ingest.call("POST", f"/imports/{key}/cancel")
    assert view["state"] == "cancelled"
    async with ingest.resources.db.read() as session:
        pending = [item for item in await session.scalars(select(ImportItem)) if item.outcome is None]
        assert pending == []
        assert (await session.scalars(select(CaseLabel))).first() is None
    await ingest.call("POST", f"/imports/{key}/resume", status=409)


async def test_upload_when_resumed_then_nothing_is_sent_twice_and_its_spool_is_gone_after_the_import(ingest_here: Ingest, tmp_path: Path) -> None:
    data = write_ct(tmp_path / "x.dcm", uid="1.2.3").read_bytes()
    key = (await ingest_here.call("POST", "/uploads", status=201))["key"]
    half = len(data) // 2
    part = {"Content-Range": f"bytes 0-{half - 1}/{len(data)}"}
    await ingest_here.call("PUT", f"/uploads/{key}/files/folder/x.dcm", content=data[:half], headers=part)
    wrong = {"Content-Range": f"bytes {half + 5}-{len(data) - 1}/{len(data)}"}
    problem = await ingest_here.call("PUT", f"/uploads/{key}/files/folder/x.dcm", status=409, content=data[half + 5 :], headers=wrong)
    assert problem["have"] == half
    rest = {"Content-Range": f"bytes {half}-{len(data) - 1}/{len(data)}"}
    await ingest_here.call("PUT", f"/uploads/{key}/files/folder/x.dcm", content=data[half:], headers=rest)
    await ingest_here.call("PUT", f"/uploads/{key}/files/..%2f..%2fevil", status=422, content=b"x")
    listed = await ingest_here.call("GET", f"/uploads/{key}")
    assert [file["size_bytes"] for file in listed["files"]] == [len(data)]
    order = {"hospital": "H1", "source": {"kind": "upload", "upload": key}, "tables": [], "diseases": ["liver"]}
    started = (await ingest_here.call("POST", "/imports", order, status=201))["key"]
    view = await ingest_here.wait(started)
    assert view["counts"]["files"]["accepted"] == 1
    await ingest_here.call("GET", f"/uploads/{key}", status=422)
    assert list(ingest_here.resources.staging.list("")) == []
    async with ingest_here.resources.db.read() as session:
        assert (await session.scalars(select(Instance.state))).one() == "visible"


def test_outcome_names_are_the_ones_the_design_names() -> None:
    assert {outcome.value for outcome in Outcome} == {"accepted", "duplicate", "other_resource", "index_or_archive", "empty", "review", "refused"}

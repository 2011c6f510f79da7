"""The time until the column copy is loaded: no question fails, none waits for ever, and a load outlives the question that began it."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from catalog.rows import Person, Shot, open_site

from isocenter.columns import copy
from isocenter.search import parse_filter
from services.catalog.routes import cases as routes
from services.catalog.store import cases as store
from services.catalog.store import counting


@pytest.fixture
async def site(catalog_url, tmp_path):
    async with open_site(catalog_url, tmp_path) as opened:
        people = [Person(f"LIV-{n:06d}", sex="F" if n % 3 else "M", age=40 + n, shots=(Shot(modality="CT" if n % 2 else "MR"),)) for n in range(1, 13)]
        await opened.add(*people, Person("LUN-000001", "lung", "M", shots=(Shot(modality="MR"),)))
        await opened.grant("ann", disease="liver")
        yield opened


@pytest.fixture
async def held(site, monkeypatch):
    """A load that is under way and does not end before ``release``: the catalog's write lock of the copy is somebody else's."""
    columns = site.resources.columns
    await columns._catching_up.acquire()
    monkeypatch.setattr(routes, "PAGE_PATIENCE_SECONDS", 0)
    monkeypatch.setattr(copy, "PATIENCE_SECONDS", 0)
    yield columns
    if columns._catching_up.locked():
        columns._catching_up.release()


FILTER = {"terms": {"sex": ["F"], "Modality": ["CT"]}}


async def test_question_while_the_copy_loads_is_told_when_to_come_again(site, held):
    async with site.client() as admin:
        for answer in (
            await admin.post("/api/v1/cases/count", json={"query": FILTER}),
            await admin.post("/api/v1/cases/facets", json={"query": FILTER}),
            await admin.post("/api/v1/reports/search", json={"text": "x"}),
        ):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, str(copy.RETRY_SECONDS))
        held._catching_up.release()
        await held.catch_up()
        assert (await admin.post("/api/v1/cases/count", json={"query": FILTER})).json()["cases"] == 4


async def test_page_while_the_copy_loads_is_the_page_of_the_loaded_copy(site, held):
    for name in ("admin", "ann"):
        async with site.client(name) as someone:
            first = (await someone.post("/api/v1/cases/search", json={"query": FILTER, "limit": 3})).json()
            assert [item["key"] for item in first["items"]] == ["LIV-000001", "LIV-000005", "LIV-000007"]
            rest = (await someone.post("/api/v1/cases/search", json={"query": FILTER, "limit": 3, "cursor": first["next"]})).json()
            assert ([item["key"] for item in rest["items"]], rest["next"]) == (["LIV-000011"], None)
    assert held.revision < 0


async def test_rows_and_copy_asked_for_one_page_find_the_same(site):
    for name in ("admin", "ann", "stranger"):
        who = site.principal(name)
        for document in (FILTER, {"ranges": {"age": {"gte": 45}}}, {"terms": {"disease": ["lung"]}}, {"terms": {"sex": ["M"]}, "include_null": True}):
            for prefix, after in (("", ""), ("LIV", "LIV-000004")):
                asked = {"prefix": prefix, "deleted": False, "after": after, "limit": 5}
                async with site.resources.db.read() as session:
                    by_rows = await store.found_by_rows(session, who, parse_filter(document), **asked)
                assert by_rows == await counting.found_on_page(site.resources, who, parse_filter(document), **asked)


async def test_load_when_its_question_goes_away_goes_on(site, held):
    asker = asyncio.create_task(held.loaded_within(60))
    await asyncio.sleep(0)
    asker.cancel()
    await asyncio.wait({asker})
    held._catching_up.release()
    assert await held.loaded_within(30)


async def test_service_when_it_starts_on_many_cases_loads_before_the_first_question(site, monkeypatch):
    columns = site.resources.columns
    columns.begin()
    for task in list(columns._behind):
        await task
    assert columns.revision < 0  # a few cases: loaded when somebody asks
    monkeypatch.setattr(copy, "CASES_A_READ", 5)
    columns.begin()
    for task in list(columns._behind):
        await task
    assert columns.revision >= 0
    assert await columns.loaded_within(0)


async def test_process_that_stops_while_it_loads_leaves_no_file(site, held):
    assert not await held.loaded_within(0)
    began = time.monotonic()
    await held.stop()
    assert time.monotonic() - began < 5
    assert list(site.resources.settings.scratch.glob("columns-*")) == []


async def test_copy_when_made_anew_under_a_question_then_both_count_the_same(site, monkeypatch):
    columns, asked, answer = site.resources.columns, threading.Event(), threading.Event()
    monkeypatch.setattr(copy, "CASES_A_READ", 5)  # so many that the file is closed and opened again after its load

    def slow(cursor):
        asked.set()
        answer.wait(30)
        return cursor.execute("SELECT count(*) FROM cases").fetchone()[0]

    question = asyncio.create_task(columns.run(slow))
    await asyncio.to_thread(asked.wait, 30)
    await columns.rebuild()
    answer.set()
    assert await question == 13
    assert await columns.run(lambda cursor: cursor.execute("SELECT count(*) FROM cases").fetchone()[0]) == 13
    assert set((await columns.differences()).values()) == {0}

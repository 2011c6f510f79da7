"""Statistics as they leave the house: CSV, small cells hidden, examinations by their true day."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from stats_rows import Numbers, fill

from isocenter.auth import Role
from isocenter.keys import create_key_file
from isocenter.models import ExamTally, Hospital
from isocenter.resources import open_resources
from isocenter.schema import migrate
from isocenter.settings import Settings
from services.stats.app import create_app
from services.stats.table import as_csv, hidden


def test_hidden_when_one_group_is_small_then_the_next_smallest_is_hidden_too() -> None:
    rows = [("a", 9, 90), ("b", 2, 20), ("c", 7, 70), ("d", 0, 0)]
    assert hidden(rows, 1, 5, 18) == ([["a", 9, 90], ["b", None, None], ["c", None, None], ["d", 0, 0]], 2, False)
    assert hidden(rows, 1, 0, 18) == ([list(row) for row in rows], 0, False)
    assert hidden([("a", 2, 20)], 1, 5, 2) == ([["a", None, None]], 1, True)


def test_csv_when_a_name_looks_like_a_formula_then_it_is_text() -> None:
    assert as_csv(["d", "n"], [["=1+1", 1], ["肝, 左", None]]) == "d,n\r\n'=1+1,1\r\n\"肝, 左\",\r\n"


class Asked:
    def __init__(self, numbers: Numbers, client: httpx.AsyncClient) -> None:
        self.numbers, self.client = numbers, client

    async def get(self, query: str, name: str = "dm", role: Role = Role.DATA_MANAGER) -> httpx.Response:
        return await self.client.get(f"/api/v1/statistics{query}", headers=self.numbers.headers(name, role))


@pytest.fixture(params=[0, 2])
async def asked(request: pytest.FixtureRequest, tmp_path: Path, catalog_url: str) -> AsyncIterator[Asked]:
    settings = Settings(data=tmp_path / "site", catalog_url=catalog_url, small_cell_least=request.param)
    resources = open_resources(settings, create_key_file(tmp_path / "site" / "site.key"))
    await migrate(resources.db)
    numbers = await fill(resources)
    async with resources.db.write() as session:
        hospital = (await session.scalars(select(Hospital.id))).one()
        for day, device, studies in ((date(2025, 1, 31), "A", 3), (date(2025, 1, 31), "B", 1), (date(2025, 2, 1), "A", 4)):
            session.add(ExamTally(day=day, hospital_id=hospital, device=device, modality="CT", studies=studies))
    app = create_app(settings, resources)
    yield Asked(numbers, httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost"))
    await resources.close()


async def test_statistics_when_asked_as_csv_then_the_same_rows(asked: Asked) -> None:
    body = (await asked.get("?by=disease&cross=sex")).json()
    answer = await asked.get("?by=disease&cross=sex&format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows == [body["dimensions"], *[["" if cell is None else str(cell) for cell in row] for row in body["source"]]]


async def test_statistics_when_the_site_has_a_threshold_then_smaller_groups_have_no_numbers(asked: Asked) -> None:
    least = asked.numbers.resources.settings.small_cell_least
    body = (await asked.get("?by=sex")).json()  # F has one patient, M two (stats_rows.fill)
    patients = {row[0]: row[1] for row in body["source"]}
    assert (patients, body["hidden"]) == (({"F": None, "M": None}, 2) if least else ({"F": 1, "M": 2}, 0))
    assert body["totals"]["patients"] == 3


async def test_statistics_when_by_import_month_then_months(asked: Asked) -> None:
    months = {row[0] for row in (await asked.get("?by=import_month")).json()["source"]}
    assert all(len(month) in (0, 7) for month in months)
    assert any(months)


async def test_exams_when_asked_then_by_true_day_and_month_for_those_who_see_all(asked: Asked) -> None:
    least = asked.numbers.resources.settings.small_cell_least
    by_month = (await asked.get("/exams?by=month")).json()
    assert by_month == {"dimensions": ["month", "studies"], "source": [["2025-01", 4], ["2025-02", 4]]}
    crossed = (await asked.get("/exams?by=day&cross=device")).json()["source"]
    assert crossed == [["2025-01-31", "A", 3], ["2025-01-31", "B", None if least else 1], ["2025-02-01", "A", 4]]
    assert "2025-02,4" in (await asked.get("/exams?by=month&format=csv")).text
    assert (await asked.get("/exams", "lin", Role.RESEARCHER)).status_code == 403
    for query, field in (("?by=second", "by"), ("?by=day&cross=day", "cross")):
        answer = await asked.get(f"/exams{query}")
        assert (answer.status_code, answer.json()["field"]) == (422, field)

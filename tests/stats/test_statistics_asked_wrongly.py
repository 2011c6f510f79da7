"""Bad questions and pictures: the nearest right name, windows upside down, small cells in crossed tables, SVG that is XML."""

from __future__ import annotations

import asyncio
import json
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update
from stats_rows import Numbers, fill

from isocenter.auth import Role
from isocenter.changes import note_changes
from isocenter.keys import create_key_file
from isocenter.models import Case, ExamTally, Hospital, Patient
from isocenter.resources import open_resources
from isocenter.schema import migrate
from isocenter.settings import Settings
from services.stats.app import create_app
from services.stats.picture import drawn
from services.stats.store import answers
from services.stats.table import hidden


class Asked:
    def __init__(self, numbers: Numbers, client: httpx.AsyncClient) -> None:
        self.numbers, self.client = numbers, client

    async def get(self, path: str, role: Role = Role.DATA_MANAGER, method: str = "GET") -> httpx.Response:
        return await self.client.request(method, f"/api/v1/statistics{path}", headers=self.numbers.headers("dm", role))


@pytest.fixture
async def asked(tmp_path: Path, catalog_url: str) -> AsyncIterator[Asked]:
    settings = Settings(data=tmp_path / "site", catalog_url=catalog_url)
    resources = open_resources(settings, create_key_file(tmp_path / "site" / "site.key"))
    await migrate(resources.db)
    app = create_app(settings, resources)
    yield Asked(await fill(resources), httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost"))
    await resources.close()


WRONG = (
    ("?by=modalty", "by", "did you mean modality?"),
    ("?by=sex&cross=diseases", "cross", "did you mean disease?"),
    ("?by=import_second&since=2015-01-01&until=2025-01-01", "by", "import_"),
    ("?by=sex&measure=patient", "measure", "did you mean patients?"),
    ("?by=import_day&since=2025-02-01&until=2025-01-01", "until", "before"),
    ("?by=sex&since=yesterday", "since", ""),
    ("?by=sex&query={", "query", "JSON"),
    ('?by=sex&query={"terms":{"Modalty":["CT"]}}', "query.terms.Modalty", "did you mean Modality?"),
    ('?by=sex&query={"ranges":{"age":{"gte":9,"lte":3}}}', "query.ranges.age", "above"),
    ("?by=sex&version=liver", "version", "name@number"),
    ("?by=sex&format=pdf", "format", ""),
    ("/dashboard?by=patients", "by", "did you mean patient?"),
    ("/exams?by=second&since=2015-01-01&until=2025-01-01", "by", "take one of day, month"),
    ("/exams?by=day&since=1990-01-01&until=2025-01-01", "since", "by month"),
    ("/exams?by=day&since=2025-01-02&until=2025-01-01", "until", "before"),
)


async def test_statistics_when_asked_wrongly_then_422_names_the_field_and_what_is_right(asked: Asked) -> None:
    for path, field, says in WRONG:
        answer = await asked.get(path)
        assert (answer.status_code, answer.json()["field"]) == (422, field), path
        assert answer.headers["content-type"] == "application/problem+json"
        assert says in answer.json()["detail"], path
    assert (await asked.get("?by=sex&version=liver@1")).status_code == 404


async def test_statistics_when_filtered_then_only_what_matches_is_counted(asked: Asked) -> None:
    """stats_rows.fill: P1 (F, 65) has CT and MR, P2 (M) CT at 61 and at an unknown age."""
    query = json.dumps({"terms": {"Modality": ["MR"]}})
    body = (await asked.get(f"?by=sex&query={query}")).json()
    assert (body["source"], body["totals"]["patients"], body["shares"]) == ([["F", 1, 2, 1, 1, 20, 200]], 1, [1.0])
    young = json.dumps({"ranges": {"age": {"lte": 62}}})
    assert (await asked.get(f"?by=disease&query={young}")).json()["source"] == [["liver", 1, 1, 1, 1, 10, 100]]
    today = datetime.now(UTC).date()
    assert (await asked.get(f"?by=disease&until={date(2001, 1, 1)}")).json()["source"] == []
    assert len((await asked.get(f"?by=import_day&since={today}")).json()["source"]) == 1


async def test_dashboard_when_asked_then_its_charts_say_what_each_statistic_says(asked: Asked) -> None:
    for by in ("patient", "disease", "modality"):
        body = (await asked.get(f"/dashboard?by={by}")).json()
        assert body["totals"]["patients"] == 3
        for chart in body["charts"]:
            alone = (await asked.get(f"?by={chart['by']}&cross={chart['cross']}")).json()
            assert chart["table"]["source"] == alone["source"], chart["name"]
    names = {chart["name"] for by in ("patient", "disease", "modality") for chart in (await asked.get(f"/dashboard?by={by}")).json()["charts"]}
    assert {"disease-label", "age_band-disease", "thickness-modality", "import_month", "disease-label_source"} <= names


async def test_statistics_when_a_commit_is_done_then_the_next_answer_knows_it(asked: Asked) -> None:
    resources = asked.numbers.resources
    before = (await asked.get("?by=sex")).json()
    async with resources.db.write() as session:
        case = (await session.scalars(select(Case).where(Case.key == "LUN-3"))).one()
        await session.execute(update(Patient).where(Patient.id == case.patient_id).values(sex="F"))
        await note_changes(session, [case.id])
    after = (await asked.get("?by=sex")).json()
    assert ({row[0]: row[1] for row in before["source"]}, {row[0]: row[1] for row in after["source"]}) == ({"F": 1, "M": 2}, {"F": 2, "M": 1})
    assert (after["stale"], after["counted_at"] > before["counted_at"]) == (False, True)


async def test_statistics_when_the_copy_is_slow_then_the_old_numbers_are_marked_with_their_time(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = asked.numbers.resources.columns
    first = (await asked.get("?by=sex")).json()
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 0.0)
    async with asked.numbers.resources.db.write() as session:
        case = (await session.scalars(select(Case).where(Case.key == "LUN-3"))).one()
        case.deleted_at = datetime.now(UTC)
        await note_changes(session, [case.id])
    held = columns._catching_up
    async with held:  # as a long catching-up holds it
        late = (await asked.get("?by=sex")).json()
    assert (late["stale"], late["source"], late["counted_at"]) == (True, first["source"], first["counted_at"])
    assert "stale" in (await _while(held, asked, "?by=sex&format=svg")).text
    await columns.catch_up()
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 60.0)
    fresh = (await asked.get("?by=sex")).json()
    assert (fresh["stale"], fresh["totals"]["patients"]) == (False, 2)


async def _while(lock: asyncio.Lock, asked: Asked, path: str) -> httpx.Response:
    async with asked.numbers.resources.db.write() as session:
        await note_changes(session, ())
    async with lock:
        return await asked.get(path)


async def test_copy_when_checked_then_right_and_a_change_nobody_noted_is_found(asked: Asked) -> None:
    resources = asked.numbers.resources
    right = (await asked.get("/copy?check=true", Role.ADMIN)).json()
    assert (right["right"], {table["name"] for table in right["tables"]}) == (True, {"cases", "visits", "images", "labels", "reports", "texts", "members"})
    async with resources.db.write() as session:
        await session.execute(update(Patient).values(sex="O"))
    wrong = (await asked.get("/copy?check=true", Role.ADMIN)).json()
    assert (wrong["right"], [table["name"] for table in wrong["tables"] if table["different"]]) == (False, ["cases"])
    assert (await asked.get("/copy/rebuild", Role.ADMIN, "POST")).status_code == 200
    assert (await asked.get("/copy?check=true", Role.ADMIN)).json()["right"] is True
    assert (await asked.get("/copy")).status_code == 403


async def test_exams_and_pictures_when_asked_then_only_the_window_and_the_measure(asked: Asked) -> None:
    answer = await asked.get("?by=disease&cross=sex&format=svg&measure=series")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "series / disease × sex" in answer.text
    assert answer.headers["x-isocenter-counted-at"][:4].isdigit()
    async with asked.numbers.resources.db.write() as session:
        hospital = (await session.scalars(select(Hospital.id))).one()
        session.add_all(ExamTally(day=date(2025, 1, day), hospital_id=hospital, device="A", modality="CT", studies=day) for day in (1, 2, 3))
    body = (await asked.get("/exams?by=day&since=2025-01-02&until=2025-01-02")).json()
    assert body["source"] == [["2025-01-02", 2]]


def test_hidden_when_a_crossed_cell_is_small_then_its_line_and_column_do_not_tell_it() -> None:
    rows = [("a", "x", 9), ("a", "y", 2), ("b", "x", 8), ("b", "y", 7), ("c", "x", 5), ("c", "y", 6)]
    shown, number, _ = hidden(rows, 2, 3, 40)
    empty = {(row[0], row[1]) for row in shown if row[2] is None}
    assert number == len(empty)
    for place in (0, 1):
        for value in {row[place] for row in rows}:
            assert len({cell for cell in empty if cell[place] == value}) != 1


SMALL: list[list[Any]] = [["<b>&", 5], ["肝", None], ["", 1]]


def test_picture_when_drawn_then_xml_with_every_name_and_a_hidden_cell_is_no_zero() -> None:
    bars = drawn(["sex", "patients"], SMALL, 1, "patients", dated=False, note="n")
    text = [element.text for element in ET.fromstring(bars).iter() if element.text and element.text.strip()]
    assert {"<b>&", "肝", "–", "5", "*", "n", "patients / sex"} <= set(text)
    line = drawn(["import_day", "patients"], [["2026-01-01", 3], ["2026-01-02", None], ["2026-01-03", 6]], 1, "patients", dated=True, note="")
    assert len([element for element in ET.fromstring(line).iter() if element.tag.endswith("polyline")]) == 2
    heat = drawn(["a", "b", "patients"], [["x", "u", 4], ["y", "v", None]], 2, "patients", dated=False, note="")
    texts = [element.text for element in ET.fromstring(heat).iter() if element.text]
    assert (texts.count("*"), texts.count("0"), "4" in texts) == (1, 2, True)
    assert ET.fromstring(drawn(["sex", "patients"], [], 1, "patients", dated=False, note="")).tag.endswith("svg")

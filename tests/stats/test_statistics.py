"""Counts through the grants. Expected numbers are counted by hand from the docstring of ``stats_rows.fill``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from stats_rows import Numbers, fill

from isocenter.auth import Role
from isocenter.keys import create_key_file
from isocenter.resources import open_resources
from isocenter.schema import migrate
from isocenter.settings import Settings
from services.stats.app import create_app
from services.stats.tally import DIMENSIONS


class Asking:
    """The service, asked by name and role."""

    def __init__(self, numbers: Numbers, client: httpx.AsyncClient) -> None:
        self.numbers, self.client = numbers, client

    async def get(self, path: str, name: str = "dm", role: Role = Role.DATA_MANAGER) -> httpx.Response:
        return await self.client.get(path, headers=self.numbers.headers(name, role))

    async def groups(self, query: str, name: str = "lin", role: Role = Role.RESEARCHER) -> dict[Any, dict[str, int]]:
        """Value(s) of the dimension(s) -> measures."""
        answer = await self.get(f"/api/v1/statistics?{query}", name, role)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        width = len(body["dimensions"]) - 6
        named = body["dimensions"][width:]
        return {tuple(row[:width]) if width > 1 else row[0]: dict(zip(named, row[width:], strict=True)) for row in body["source"]}


@pytest.fixture
async def asking(tmp_path: Path, catalog_url: str) -> AsyncIterator[Asking]:
    settings = Settings(data=tmp_path / "site", catalog_url=catalog_url)
    resources = open_resources(settings, create_key_file(tmp_path / "site" / "site.key"))
    await migrate(resources.db)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=create_app(settings, resources)), base_url="http://localhost")
    yield Asking(await fill(resources), client)
    await resources.close()


def _numbers(patients: int, cases: int, studies: int, series: int, instances: int, size: int) -> dict[str, int]:
    return {"patients": patients, "cases": cases, "studies": studies, "series": series, "instances": instances, "size_bytes": size}


async def test_statistics_when_a_patient_has_two_diseases_then_counted_once_in_the_total(asking: Asking) -> None:
    every = ("dm", Role.DATA_MANAGER)
    held = 1, 99, 999  # a data manager may review, so held series are seen
    groups = await asking.groups("by=disease", *every)
    assert groups == {"liver": _numbers(2, 2, 3, 4 + held[0], 50 + held[1], 500 + held[2]), "lung": _numbers(2, 2, 1, 2 + held[0], 30 + held[1], 300 + held[2])}
    totals = (await asking.get("/api/v1/statistics?by=disease")).json()["totals"]
    assert totals == _numbers(3, 4, 3, 4 + held[0], 50 + held[1], 500 + held[2])


async def test_statistics_when_a_researcher_asks_then_only_what_is_granted(asking: Asking) -> None:
    assert await asking.groups("by=disease") == {"lung": _numbers(2, 2, 1, 2, 30, 300)}
    assert await asking.groups("by=modality") == {"CT": _numbers(1, 1, 1, 1, 10, 100), "MR": _numbers(1, 1, 1, 1, 20, 200)}
    assert await asking.groups("by=disease&disease=liver") == {}
    assert await asking.groups("by=patient") == {"P1": _numbers(1, 1, 1, 2, 30, 300), "P3": _numbers(1, 1, 0, 0, 0, 0)}
    assert await asking.groups("by=disease", "nobody", Role.READER) == {}
    assert await asking.groups("by=disease", "ops", Role.OPERATOR) == {}
    assert (await asking.client.get("/api/v1/statistics?by=disease")).status_code == 401


async def test_statistics_when_by_each_dimension_then_as_counted_by_hand(asking: Asking) -> None:
    every = ("dm", Role.DATA_MANAGER)
    ages = await asking.groups("by=age_band", *every)
    assert {band: (n["patients"], n["studies"]) for band, n in ages.items()} == {"60-69": (2, 2), "": (2, 1)}
    sexes = await asking.groups("by=sex", *every)
    assert {sex: (n["patients"], n["cases"]) for sex, n in sexes.items()} == {"F": (1, 2), "M": (2, 2)}
    labels = await asking.groups("by=label&disease=liver", *every)
    assert {label: n["cases"] for label, n in labels.items()} == {"1": 1, "review": 1}
    other = await asking.groups("by=label&disease=liver&scheme=second", *every)
    assert {label: n["cases"] for label, n in other.items()} == {"9": 1, "": 1}
    thick = await asking.groups("by=thickness&modality=CT&disease=liver", "rev", Role.REVIEWER)
    assert {band: n["series"] for band, n in thick.items()} == {"5-7 mm": 2, "1-2 mm": 1, "": 1}
    today = datetime.now(UTC).date().isoformat()
    assert (await asking.groups("by=import_day", *every)).keys() <= {today, ""}
    crossed = await asking.groups("by=disease&cross=modality")
    assert crossed == {("lung", "CT"): _numbers(1, 1, 1, 1, 10, 100), ("lung", "MR"): _numbers(1, 1, 1, 1, 20, 200)}
    for name in DIMENSIONS:  # every one is SQL that both back-ends take
        await asking.groups(f"by={name}&cross={'sex' if name != 'sex' else 'disease'}")


@pytest.mark.parametrize(("query", "field"), [("by=nothing", "by"), ("by=sex&cross=sex", "cross"), ("by=sex&cross=x", "cross"), ("", "by")])
async def test_statistics_when_the_dimension_is_none_then_422_names_it(asking: Asking, query: str, field: str) -> None:
    answer = await asking.get(f"/api/v1/statistics?{query}")
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_overview_when_asked_then_by_role(asking: Asking) -> None:
    body = (await asking.get("/api/v1/statistics/overview")).json()
    found = {disease["code"]: disease for disease in body["diseases"]}
    assert {code: (d["patients"], d["cases"], d["labelled"], d["review"]) for code, d in found.items()} == {"liver": (2, 2, 1, 1), "lung": (2, 2, 1, 0)}
    assert body["totals"]["patients"] == 3
    assert body["reviews_open"] == 2
    assert [(i["key"], i["hospital"]) for i in body["imports_recent"]] == [("i1", "H1")]
    mine = (await asking.get("/api/v1/statistics/overview", "lin", Role.RESEARCHER)).json()
    assert [d["code"] for d in mine["diseases"]] == ["lung"]
    assert (mine["reviews_open"], mine["imports_recent"]) == (0, [])

"""The report of a disease, and a disease carried from site to site as TOML."""

from __future__ import annotations

import io
from importlib.resources import files

import pytest
from catalog.rows import Person, Shot, open_site
from openpyxl import load_workbook

from services.catalog import toml


@pytest.fixture
async def site(catalog_url, tmp_path):
    async with open_site(catalog_url, tmp_path) as opened:
        await opened.add(
            Person("LIV-000001", shots=(Shot(manufacturer="=HYPERLINK(1)", model_name="<script>"),), reports=("pathology",)),
            Person("LIV-000002", sex="M", age=45, label="0"),
            Person("LUN-000001", "lung"),
        )
        await opened.grant("ann", disease="liver")
        yield opened


async def test_report_when_printed_then_both_languages_count_the_same_and_nothing_runs(site):
    async with site.client("ann") as ann:
        english = await ann.get("/api/v1/diseases/liver/report")
        chinese = await ann.get("/api/v1/diseases/liver/report", params={"language": "zh-CN"})
        assert (await ann.get("/api/v1/diseases/lung/report")).status_code == 404
    assert (english.status_code, english.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "医疗数据信息报表" in chinese.text
    for text in ("<td>Female</td><td class=\"number\">1</td>", "LIV-000001", "&lt;script&gt;", "<td>malignant</td><td class=\"number\">1</td>"):
        assert text in english.text, text
    assert "<td>女</td><td class=\"number\">1</td>" in chinese.text
    assert "<script>" not in english.text
    assert "LUN-000001" not in english.text


async def test_report_when_taken_as_workbook_then_sheets_hold_the_numbers_and_no_formula(site):
    async with site.client() as admin:
        answer = await admin.get("/api/v1/diseases/liver/report", params={"format": "xlsx", "language": "zh-CN"})
    book = load_workbook(io.BytesIO(answer.content))
    assert [row[0].value for row in book["病例清单"].iter_rows(min_row=2)] == ["LIV-000001", "LIV-000002"]
    assert [(row[0].value, row[1].value) for row in book["检查时年龄"].iter_rows(min_row=2) if row[1].value] == [("40-49", 1), ("60-69", 1)]
    assert not [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]


async def test_toml_when_exported_changed_and_imported_then_the_tables_rule(site):
    async with site.client() as admin, site.client("ann") as ann:
        at = "/api/v1/diseases/liver/definition.toml"
        assert (await ann.get(at)).status_code == 403
        text = (await admin.get(at)).text
        changed = text.replace("liver disease", "disease of the liver").replace("number = 1", "number = 2", 1)
        assert (await admin.put(at, content=changed)).status_code == 422  # no If-Match
        answer = await admin.put(at, content=changed, headers={"If-Match": '"1"'})
        assert (answer.status_code, answer.json()["title_en"], answer.json()["revision"]) == (200, "disease of the liver", 2)
        assert (await admin.put(at, content=changed, headers={"If-Match": '"1"'})).status_code == 412
        for wrong, field in ((b"\xff", "body"), (b"code = 1", "code"), (changed.encode().replace(b'"liver"', b'"kidney"', 1), "code")):
            refused = await admin.put(at, content=wrong, headers={"If-Match": "*"})
            assert (refused.status_code, refused.json()["field"]) == (422, field), wrong
        verbs = [event["verb"] for event in (await admin.get("/api/v1/diseases/liver/history")).json()["items"]]
        assert verbs == ["change"]


@pytest.mark.parametrize("name", ["breast", "liver", "lung", "pancreas"])
def test_definition_that_comes_with_us_when_written_and_read_then_it_is_the_same(name):
    document = toml.loads((files("isocenter.diseases") / f"{name}.toml").read_bytes())
    assert toml.loads(toml.dumps(document.model_dump(mode="json")).encode()) == document

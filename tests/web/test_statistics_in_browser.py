"""The statistics page in a real browser: charts with their tables, cross-filtering by a click, files, both languages, an empty answer."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from browsing import SETTLE_MS, Faults, ask, open_context, settled, sign_in, untranslated
from fixtures.running import Platform
from playwright.async_api import Browser, expect
from test_pages import have_content


async def test_statistics_page_when_a_value_is_clicked_then_every_chart_follows(embedded: Platform, browser: Browser, tmp_path: Path) -> None:
    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await have_content(page, embedded.url)
    await page.locator("nav a[href='/statistics']").click()
    await settled(page)
    charts = page.locator("section.chart")
    await expect(charts.first.locator("canvas")).to_be_visible(timeout=SETTLE_MS)
    every = await ask(page, "GET", "/api/v1/statistics?by=sex")
    patients = page.locator(".measures button").first
    await expect(patients.locator("strong")).to_have_text(str(every["totals"]["patients"]))

    await page.get_by_role("button", name="By patient").click()
    sexes = page.get_by_role("region", name="Sex", exact=True)
    await sexes.get_by_role("button", name="Female").click()
    await page.wait_for_url(re.compile(r"only=sex:F|only=sex%3AF"))
    women = next(row[1] for row in every["source"] if row[0] == "F")
    await expect(patients.locator("strong")).to_have_text(str(women))
    await expect(sexes.locator("tbody tr")).to_have_count(1)

    async with page.expect_download() as started:
        await sexes.get_by_role("link", name="CSV").click()
    text = Path(await (await started.value).path()).read_text(encoding="utf-8-sig")
    assert list(csv.reader(io.StringIO(text)))[1][:2] == ["F", str(women)]
    async with page.expect_download() as started:
        await sexes.get_by_role("button", name="PNG").click()
    assert Path(await (await started.value).path()).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"

    canvas = await sexes.locator("canvas").bounding_box()
    assert canvas is not None
    await page.mouse.click(canvas["x"] + canvas["width"] * 0.5, canvas["y"] + 30)  # the one bar, as long as the chart: the condition goes again
    await expect(patients.locator("strong")).to_have_text(str(every["totals"]["patients"]))
    await page.goto(f"{embedded.url}/statistics?by=modality&only=modality:NOPE")
    await expect(page.locator(".empty h2")).to_have_text("Nothing to count")
    assert faults.found == []
    await context.close()


async def test_statistics_page_when_in_chinese_then_no_word_is_missing(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser, "zh-CN")
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    for by in ("patient", "disease", "modality"):
        await page.goto(f"{embedded.url}/statistics?by={by}&count=series")
        await settled(page)
        await expect(page.locator("section.chart canvas").first).to_be_visible(timeout=SETTLE_MS)
        assert untranslated(await page.locator("body").inner_text()) == []
    await expect(page.locator("h1")).to_have_text("统计")
    assert faults.found == []
    await context.close()

"""The main path in a real browser, in both modes: sign in, import, decide, freeze, download."""

from __future__ import annotations

import csv
import io
import json
import re
import secrets

import pytest
from browsing import IMPORT_MS, WORDS, Faults, add_hospital, ask, choose_folder, open_context
from fixtures.running import Platform
from playwright.async_api import Browser, Page, expect


async def import_city(page: Page, url: str) -> str:
    """Import the sample's first hospital through the page, and wait until it is done; the import's key."""
    await page.goto(f"{url}/imports/new")
    await choose_folder(page, "city", "images")
    await page.get_by_role("button", name=WORDS["en"]["add all"]).click()
    await add_hospital(page)
    start = page.get_by_role("button", name=WORDS["en"]["start"])
    await expect(start).to_be_enabled(timeout=30_000)
    await start.click()
    await page.wait_for_url(re.compile(r"/imports/(?!new)\w+$"))
    await expect(page.locator("h1").get_by_text("Finished")).to_be_visible(timeout=IMPORT_MS)
    return page.url.rsplit("/", 1)[1]


@pytest.mark.parametrize("platform", ["embedded", pytest.param("distributed", marks=pytest.mark.soak)], indirect=True)
async def test_newcomer_imports_reviews_freezes_and_downloads(platform: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)

    # 1. an address inside leads to the sign-in page, and from there back
    await page.goto(f"{platform.url}/imports")
    await page.wait_for_url(re.compile("/sign-in"))
    await page.locator("#name").fill(platform.admin_name)
    await page.locator("#password").fill(platform.admin_password)
    await page.get_by_role("button", name=WORDS["en"]["sign in"]).click()
    await page.wait_for_url(f"{platform.url}/imports")

    # 2. import: the report's sums hold, and nothing is without an outcome
    key = await import_city(page, platform.url)
    await expect(page.get_by_text("Every file and row has exactly one outcome")).to_be_visible()
    shown = await ask(page, "GET", f"/api/v1/imports/{key}")
    assert shown["sums_ok"]
    assert shown["counts"]["files"]["accepted"] > 0
    assert shown["counts"]["rows"]["accepted"] > 0
    total = page.locator("tfoot td.num").first
    await expect(total).to_have_text(str(sum(shown["counts"]["files"].values())))

    # ... and each number of the report filters the items below it
    refused = shown["counts"]["files"]["refused"]
    assert refused > 0, "the sample holds a corrupt file"
    await page.get_by_role("button", name="Refused: show Files").click()
    rows = page.locator("table").last.locator("tbody tr")
    await expect(rows).to_have_count(refused)
    await expect(rows.first).to_contain_text("Refused")

    # 3. review one label by keyboard: decide, take back, decide again
    await page.goto(f"{platform.url}/review?kind=label")
    case = page.locator("a[href^='/cases/']")
    await expect(case).to_be_visible()
    case_key = await case.inner_text()
    await expect(page.locator("mark").first).to_be_visible()
    await page.keyboard.press("1")
    await expect(page.get_by_text("1 decided")).to_be_visible()
    await page.keyboard.press("u")
    await expect(page.get_by_text("0 decided")).to_be_visible()
    await expect(page.get_by_role("link", name=case_key)).to_be_visible()
    await page.keyboard.press("1")
    await expect(page.get_by_text("1 decided")).to_be_visible()

    # ... and the case says so
    await page.goto(f"{platform.url}/cases/{case_key}")
    await expect(page.locator("h1").get_by_text("Decided")).to_be_visible()
    await expect(page.get_by_text(f"By a reviewer · {platform.admin_name}").first).to_be_visible()

    # 4. freeze the cases of that disease
    disease = (await ask(page, "GET", f"/api/v1/cases/{case_key}"))["disease"]
    name = f"web-{secrets.token_hex(3)}"
    await page.goto(f"{platform.url}/datasets/new?disease={disease}")
    await page.locator("#dataset-name").fill(name)
    freeze = page.get_by_role("button", name="Freeze", exact=True)
    await expect(freeze).to_be_enabled(timeout=15_000)
    await freeze.click()
    await page.wait_for_url(f"{platform.url}/datasets/{name}/1")
    await expect(page.get_by_text(f"isc pull {name}@1")).to_be_visible()

    # 5. download: what came is what the page says
    version = await ask(page, "GET", f"/api/v1/datasets/{name}/versions/1")
    labels = list(csv.DictReader(io.StringIO(await download(page, "labels.csv"))))
    assert len(labels) == version["counts"]["cases"] > 0
    decided = [row for row in labels if row["case_id"] == case_key]
    assert [row["label_source"] for row in decided] == ["reviewer"]
    images = list(csv.DictReader(io.StringIO(await download(page, "images.csv"))))
    assert len(images) == version["counts"]["series"]
    manifest = json.loads(await download(page, "manifest.json"))
    assert manifest["digest"] == version["digest"]
    await expect(page.get_by_label("Digest")).to_have_text(version["digest"])
    assert faults.found == []
    await context.close()


async def download(page: Page, name: str) -> str:
    async with page.expect_download() as coming:
        await page.get_by_role("link", name=name).click()
    return (await (await coming.value).path()).read_text()



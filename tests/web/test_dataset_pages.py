"""Datasets in a real browser: prepare and freeze, export, look at what a recipe does, compare two versions."""

from __future__ import annotations

import re
import secrets

import pytest
from browsing import Faults, ask, open_context, settled, sign_in, untranslated
from fixtures.running import Platform
from playwright.async_api import Browser, expect
from test_pages import have_content

EXPORT_MS = 60_000

pytestmark = pytest.mark.soak  # a server and a sample of its own each: the ordinary run stays under ten minutes


async def test_dataset_when_prepared_in_the_page_then_frozen_exported_previewed_and_compared(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await have_content(page, embedded.url)

    # two versions: everything, and a balanced one prepared in the page
    name = f"pages-{secrets.token_hex(3)}"
    await ask(page, "POST", "/api/v1/datasets", {"name": name, "title": "", "description": "", "disease": "liver", "scheme": "", "licence": ""})
    await ask(page, "POST", f"/api/v1/datasets/{name}/versions", {"query": {}, "label_states": ["sure", "decided"], "split": None, "seed": 0})
    await page.goto(f"{embedded.url}/datasets/new?disease=liver")
    await page.locator("#dataset-name").fill(name)
    preview = page.locator(".preview")
    await expect(preview.locator("h3")).to_have_text([re.compile(rf"^{part} \d+ patients?$") for part in ("Training", "Validation", "Test")])
    await page.locator(".el-select", has=page.locator("#balance")).click()
    await page.get_by_role("option", name="Class weights").click()
    await page.get_by_text("Keep cases that lack a value").click()
    await page.get_by_role("button", name="Freeze", exact=True).click()
    await page.wait_for_url(f"{embedded.url}/datasets/{name}/2")
    version = await ask(page, "GET", f"/api/v1/datasets/{name}/versions/2")
    assert version["recipe"]["balance"]["method"] == "weights"
    assert version["recipe"]["include_null"] is True

    # an export, as far as a file of it on the disk; and what a recipe would do
    await page.get_by_role("button", name="New export").click()
    dialog = page.get_by_role("dialog")
    await dialog.locator(".el-select", has=page.locator("#export-format")).click()
    await page.get_by_role("option", name="PNG pictures").click()
    await dialog.get_by_text("Rotation", exact=True).click()
    await dialog.get_by_role("button", name="Preview").click()
    picture = dialog.locator("img.preview")
    await expect(picture).to_be_visible(timeout=EXPORT_MS)
    assert await picture.evaluate("one => one.naturalWidth") > 0
    await expect(dialog.get_by_label("The same with isc export")).to_contain_text(f"isc export {name}@2 png --option")
    assert untranslated(await page.locator("body").inner_text()) == []
    await dialog.get_by_text("Rotation", exact=True).click()
    await dialog.locator(".el-select", has=page.locator("#export-format")).click()
    await page.get_by_role("option", name="Label table").click()
    await dialog.get_by_role("button", name="Export", exact=True).click()
    await expect(page.locator(".exports .state-finished")).to_be_visible(timeout=EXPORT_MS)
    await expect(page.get_by_text(f"isc pull {name}@2 --as labels", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Files", exact=True).click()
    async with page.expect_download() as coming:
        await page.locator(".exports").get_by_role("link", name="labels.csv").click()
    assert len((await (await coming.value).path()).read_text().splitlines()) == version["counts"]["cases"] + 1
    await page.locator(".exports").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("Nothing was exported yet")).to_be_visible()

    # the first version had no parts: every case that is in both moved
    await page.locator(".compare .el-select").click()
    await page.get_by_role("option", name=f"{name}@1").click()
    same = await ask(page, "GET", f"/api/v1/datasets/{name}/compare?before=1&after=2")
    kinds = ("added", "removed", "relabelled", "moved", "other_files", "same")
    await expect(page.locator(".compare .figures dd")).to_have_text([str(same["counts"][kind]) for kind in kinds])
    await settled(page)
    assert untranslated(await page.locator("body").inner_text()) == []
    # 409: the dataset is there already, and freezing made its next version
    assert [fault for fault in faults.found if "409" not in fault] == []
    await context.close()

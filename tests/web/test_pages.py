"""The pages in a real browser, as a person uses them, against a running server with the demo's sample hospital."""

from __future__ import annotations

import csv
import io
import json
import re
import secrets
from typing import Any

import pytest
from browsing import WORDS, Faults, ask, open_context, settled, sign_in, untranslated
from playwright.async_api import Browser, Page, expect

IMPORT_MS = 150_000


async def choose_folder(page: Page, *names: str) -> None:
    """Walk down the folder browser of the import page and take the last folder."""
    for name in names:
        await page.locator(".browser li button", has_text=re.compile(rf"^\s*{re.escape(name)}\s*$")).click()
        await expect(page.locator(".browser nav button").last).to_have_text(name)
    await page.get_by_role("button", name=WORDS["en"]["take folder"]).click()


async def add_hospital(page: Page) -> str:
    code = f"H{secrets.token_hex(3)}".upper()
    await page.get_by_role("button", name=WORDS["en"]["add hospital"]).click()
    await page.locator("#hospital-code").fill(code)
    await page.locator("#hospital-title").fill("City hospital")
    await page.get_by_role("dialog").get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    return code


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


async def test_newcomer_imports_reviews_freezes_and_downloads(platform: Any, browser: Browser) -> None:
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


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_every_page_in_each_language_has_no_fault_and_no_untranslated_key(platform: Any, browser: Browser, language: str) -> None:
    context = await open_context(browser, language)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, platform.url, platform.admin_name, platform.admin_password)
    assert await page.evaluate("document.documentElement.lang") == language

    waiting = ["/", "/imports/new", "/datasets/new", "/profile", "/administration?part=projects", "/administration?part=audit", "/nowhere/at-all"]
    seen: set[str] = set()
    while waiting and len(seen) < 60:
        path = waiting.pop(0)
        # one page of a kind is enough: the second case looks like the first
        kind = re.sub(r"(?<=/(?:cases|imports)/)[\w-]+(?<!new)$", "*", path)
        if kind in seen:
            continue
        seen.add(kind)
        await page.goto(platform.url + path)
        await settled(page)
        text = await page.locator("body").inner_text()
        assert untranslated(text) == [], path
        assert faults.found == [], path
        if language == "zh-CN":
            assert re.search(r"[\u4e00-\u9fff]", await page.locator("nav").first.inner_text())
        links = await page.locator("a[href^='/']:not([download])").evaluate_all("all => all.map(one => one.getAttribute('href'))")
        waiting.extend(link for link in links if not link.startswith("/api/"))
    assert {"/", "/imports", "/review", "/datasets", "/servers", "/administration", "/profile", "/diseases/liver"} <= seen
    await context.close()


async def test_language_switch_then_it_is_kept(platform: Any, browser: Browser) -> None:
    context = await open_context(browser)
    page = await context.new_page()
    await sign_in(page, platform.url, platform.admin_name, platform.admin_password)
    await page.get_by_role("button", name="中文").click()
    await expect(page.locator("h1")).to_have_text("首页")
    await page.reload()
    await expect(page.locator("h1")).to_have_text("首页")
    await page.get_by_role("button", name="English").click()
    await expect(page.locator("h1")).to_have_text("Home")
    await context.close()


async def test_wrong_password_then_said_and_nothing_lost(platform: Any, browser: Browser) -> None:
    context = await open_context(browser)
    page = await context.new_page()
    await page.goto(f"{platform.url}/sign-in")
    await page.locator("#name").fill("nobody-here")
    await page.locator("#password").fill("not the password")
    await page.get_by_role("button", name=WORDS["en"]["sign in"]).click()
    await expect(page.get_by_role("alert")).to_contain_text("Name or password is wrong.")
    await expect(page.locator("#name")).to_have_value("nobody-here")
    await context.close()


async def test_session_ends_then_sign_in_leads_back(platform: Any, browser: Browser) -> None:
    context = await open_context(browser)
    page = await context.new_page()
    await sign_in(page, platform.url, platform.admin_name, platform.admin_password)
    await page.goto(f"{platform.url}/datasets")
    await settled(page)
    await context.clear_cookies()
    await page.get_by_role("link", name="Lung nodule").click()
    await page.wait_for_url(re.compile("/sign-in"))
    await expect(page.get_by_role("status")).to_contain_text("Your session has ended")
    await page.locator("#name").fill(platform.admin_name)
    await page.locator("#password").fill(platform.admin_password)
    await page.get_by_role("button", name=WORDS["en"]["sign in"]).click()
    await page.wait_for_url(f"{platform.url}/diseases/lung")
    await context.close()


async def test_reader_then_sees_no_work_of_others(platform: Any, browser: Browser) -> None:
    name = f"reader-{secrets.token_hex(3)}"
    admin_context = await open_context(browser)
    admin = await admin_context.new_page()
    await sign_in(admin, platform.url, platform.admin_name, platform.admin_password)
    made = await ask(admin, "POST", "/api/v1/accounts", {"name": name, "full_name": "", "role": "reader", "identity_permission": False})
    await admin_context.close()

    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, platform.url, name, made["password"])
    await settled(page)
    menu = page.get_by_role("navigation", name="Main menu")
    await expect(menu.get_by_role("link", name="Datasets")).to_be_visible()
    for absent in ("Imports", "Review", "Servers", "Administration"):
        await expect(menu.get_by_role("link", name=absent)).to_have_count(0)
    await page.goto(f"{platform.url}/administration")
    await expect(page.get_by_text("This page is not for your role")).to_be_visible()
    assert faults.found == []
    await context.close()


async def test_upload_of_a_folder_then_its_tables_are_found_and_it_runs(platform: Any, browser: Browser) -> None:
    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, platform.url, platform.admin_name, platform.admin_password)
    await page.goto(f"{platform.url}/imports/new")
    await page.get_by_role("radio", name="Upload").check(force=True)
    await page.locator("input[webkitdirectory]").set_input_files(platform.import_root / "north")
    files = sum(path.is_file() for path in (platform.import_root / "north").rglob("*"))
    await expect(page.get_by_text(f"{files} of {files} files")).to_be_visible(timeout=60_000)
    await expect(page.locator("article.table-card")).to_have_count(3)  # radiology, pathology, image list
    await add_hospital(page)
    start = page.get_by_role("button", name=WORDS["en"]["start"])
    await expect(start).to_be_enabled(timeout=30_000)
    await start.click()
    await expect(page.locator("h1").get_by_text("Finished")).to_be_visible(timeout=IMPORT_MS)
    shown = await ask(page, "GET", f"/api/v1/imports/{page.url.rsplit('/', 1)[1]}")
    assert shown["sums_ok"]
    assert shown["counts"]["files"]["accepted"] > 0
    assert faults.found == []
    await context.close()

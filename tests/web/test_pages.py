"""Every page, both languages, roles, the end of a session: in a real browser against the embedded server."""

from __future__ import annotations

import re
import secrets

import pytest
from browsing import IMPORT_MS, WORDS, Faults, add_hospital, ask, open_context, settled, sign_in, untranslated
from fixtures.running import Platform
from playwright.async_api import Browser, Page, expect


async def have_content(page: Page, url: str) -> None:
    """Import the sample's first hospital unless an import is there already."""
    if (await ask(page, "GET", "/api/v1/imports"))["items"]:
        return
    tables = [{"path": f"city/tables/{name}"} for name in ("imaging_reports.csv", "pathology_reports.xlsx", "image_list.csv", "labels.csv")]
    root = (await ask(page, "GET", "/api/v1/imports/roots"))["roots"][0]["name"]
    order = {
        "hospital": "CITY",
        "source": {"kind": "folder", "root": root, "path": "city/images"},
        "tables": [{**table, "root": root} for table in tables],
        "diseases": "auto",
    }
    begun = await ask(page, "POST", "/api/v1/imports", order)
    await page.goto(f"{url}/imports/{begun['key']}")
    await expect(page.locator(".state-finished")).to_be_visible(timeout=IMPORT_MS)
    await ask(page, "POST", "/api/v1/datasets", {"name": "liver-all", "title": "", "description": "", "disease": "liver", "scheme": "", "licence": ""})
    await ask(page, "POST", "/api/v1/datasets/liver-all/versions", {"query": {}, "label_states": ["sure", "decided"], "split": None, "seed": 0})


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_every_page_in_each_language_has_no_fault_and_no_untranslated_key(embedded: Platform, browser: Browser, language: str) -> None:
    context = await open_context(browser, language)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    assert await page.evaluate("document.documentElement.lang") == language
    await have_content(page, embedded.url)

    waiting = ["/", "/imports/new", "/datasets/new", "/profile", "/administration?part=projects", "/administration?part=audit", "/nowhere/at-all"]
    seen: set[str] = set()
    while waiting and len(seen) < 60:
        path = waiting.pop(0)
        # one page of a kind is enough: the second case looks like the first
        kind = re.sub(r"^/(cases|imports)/(?!new$)[\w-]+$", r"/\1/*", path)
        if kind in seen:
            continue
        seen.add(kind)
        await page.goto(embedded.url + path)
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


async def test_language_switch_then_it_is_kept(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page = await context.new_page()
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await page.get_by_role("button", name="中文").click()
    await expect(page.locator("h1")).to_have_text("首页")
    await page.reload()
    await expect(page.locator("h1")).to_have_text("首页")
    await page.get_by_role("button", name="English").click()
    await expect(page.locator("h1")).to_have_text("Home")
    await context.close()


async def test_wrong_password_then_said_and_nothing_lost(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page = await context.new_page()
    await page.goto(f"{embedded.url}/sign-in")
    await page.locator("#name").fill("nobody-here")
    await page.locator("#password").fill("not the password")
    await page.get_by_role("button", name=WORDS["en"]["sign in"]).click()
    await expect(page.get_by_role("alert")).to_contain_text("Name or password is wrong.")
    await expect(page.locator("#name")).to_have_value("nobody-here")
    await context.close()


async def test_session_ends_then_sign_in_leads_back(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page = await context.new_page()
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await page.goto(f"{embedded.url}/datasets")
    await settled(page)
    await context.clear_cookies()
    await page.get_by_role("link", name="Lung nodule").click()
    await page.wait_for_url(re.compile("/sign-in"))
    await expect(page.get_by_role("status")).to_contain_text("Your session has ended")
    await page.locator("#name").fill(embedded.admin_name)
    await page.locator("#password").fill(embedded.admin_password)
    await page.get_by_role("button", name=WORDS["en"]["sign in"]).click()
    await page.wait_for_url(f"{embedded.url}/diseases/lung")
    await context.close()


async def test_reader_then_sees_no_work_of_others(embedded: Platform, browser: Browser) -> None:
    name = f"reader-{secrets.token_hex(3)}"
    admin_context = await open_context(browser)
    admin = await admin_context.new_page()
    await sign_in(admin, embedded.url, embedded.admin_name, embedded.admin_password)
    made = await ask(admin, "POST", "/api/v1/accounts", {"name": name, "full_name": "", "role": "reader", "identity_permission": False})
    await admin_context.close()

    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, name, made["password"])
    await settled(page)
    menu = page.get_by_role("navigation", name="Main menu")
    await expect(menu.get_by_role("link", name="Datasets")).to_be_visible()
    for absent in ("Imports", "Review", "Servers", "Administration"):
        await expect(menu.get_by_role("link", name=absent)).to_have_count(0)
    await page.goto(f"{embedded.url}/administration")
    await expect(page.get_by_text("This page is not for your role")).to_be_visible()
    assert faults.found == []
    await context.close()


async def test_upload_of_a_folder_then_its_tables_are_found_and_it_runs(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await page.goto(f"{embedded.url}/imports/new")
    await page.get_by_role("radio", name="Upload").check(force=True)
    await page.locator("input[webkitdirectory]").set_input_files(embedded.import_root / "north")
    files = sum(path.is_file() for path in (embedded.import_root / "north").rglob("*"))
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


@pytest.mark.soak  # a lost network is waited for
async def test_upload_when_the_network_goes_and_the_session_ends_then_it_goes_on_and_nothing_is_lost(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page = await context.new_page()
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await page.goto(f"{embedded.url}/imports/new")
    await page.get_by_role("radio", name="Upload").check(force=True)
    files = [{"name": f"part-{n}.bin", "mimeType": "application/octet-stream", "buffer": secrets.token_bytes(3000)} for n in range(4)]
    await context.set_offline(True)
    await page.locator("input[type=file][multiple]:not([webkitdirectory])").first.set_input_files(files[:2])  # type: ignore[arg-type]
    await expect(page.get_by_text("No network. The upload goes on by itself")).to_be_visible()
    await context.set_offline(False)
    await expect(page.get_by_text("2 of 2 files")).to_be_visible(timeout=30_000)

    await context.clear_cookies()
    await page.locator("input[type=file][multiple]:not([webkitdirectory])").first.set_input_files(files[2:])  # type: ignore[arg-type]
    again = page.get_by_role("dialog", name="Your session has ended")
    await again.get_by_label("Password", exact=True).fill(embedded.admin_password)
    await again.get_by_role("button", name="Go on").click()
    await expect(page.get_by_text("4 of 4 files")).to_be_visible(timeout=30_000)
    await expect(again).to_have_count(0)
    await context.close()

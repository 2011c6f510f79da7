"""Every route of the router, in both languages, as every role: no console error, no failed request, no untranslated key, no scroll bar across."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest
from browsing import SETTLE_MS, Faults, ask, keep, open_context, settled, sign_in, untranslated
from fixtures.running import Platform
from playwright.async_api import Browser, Page, expect
from test_pages import have_content
from test_viewers import OPEN_MS, series_of

from isocenter.auth import Role

ROUTER = Path(__file__).parents[2] / "web" / "src" / "router" / "index.ts"
# Of pages with parts, each part.
PARTS = (
    "/administration?part=projects",
    "/administration?part=audit",
    "/administration?part=diseases",
    "/statistics?by=disease",
    "/statistics?by=modality",
    "/review?kind=label",
    "/review?kind=link",
    "/review?kind=pixels",
)


async def every_path(page: Page) -> list[str]:
    """Each route with real names in the place of its parameters."""
    case = (await ask(page, "GET", "/api/v1/cases?disease=liver&limit=1"))["items"][0]["key"]
    run = (await ask(page, "GET", "/api/v1/imports"))["items"][0]["key"]
    names = {":importKey": run, ":code": "liver", ":caseKey": case, ":name": "liver-all", r":number(\\d+)": "1", ":rest(.*)*": "nowhere/at-all"}
    routes = re.findall(r"path: '(/[^']*)'", ROUTER.read_text())
    assert len(routes) > 20
    for name, value in names.items():
        routes = [route.replace(name, value) for route in routes]
    assert not [route for route in routes if ":" in route]
    return [route for route in routes if route != "/sign-in"] + list(PARTS)


async def granted(page: Page, accounts: list[str]) -> None:
    """A project of these accounts that may see the disease and the dataset which the crawler opens."""
    code = f"crawl-{secrets.token_hex(3)}"
    await ask(page, "POST", "/api/v1/projects", {"code": code, "title": "What the crawler sees"})
    for account in accounts:
        await ask(page, "PUT", f"/api/v1/projects/{code}/members/{account}")
    await ask(page, "PUT", f"/api/v1/projects/{code}/grants/diseases/liver")
    await ask(page, "PUT", f"/api/v1/projects/{code}/grants/datasets/liver-all")


@pytest.mark.soak
@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_every_route_when_each_role_opens_it_then_no_fault_and_no_untranslated_key(embedded: Platform, browser: Browser, language: str) -> None:
    context = await open_context(browser, language)
    page = await context.new_page()
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await have_content(page, embedded.url)
    paths = await every_path(page)
    accounts = {}
    for role in Role:
        name = f"{role.value.replace('_', '-')}-{secrets.token_hex(3)}"
        body = {"name": name, "full_name": "", "role": role.value, "identity_permission": False}
        accounts[role.value] = (name, (await ask(page, "POST", "/api/v1/accounts", body))["password"])
    await granted(page, [accounts[role][0] for role in ("researcher", "reader")])
    await context.close()

    told: dict[str, list[str]] = {}
    for role, (name, password) in accounts.items():
        context = await open_context(browser, language)
        page, faults = await context.new_page(), Faults()
        faults.watch(page)
        await sign_in(page, embedded.url, name, password)
        for path in paths:
            await page.goto(embedded.url + path)
            try:
                await settled(page)
            except AssertionError:
                told[f"{role} {path}"] = [f"no heading: {(await page.locator('body').inner_text())[:200]}", *faults.found]
                faults.found.clear()
                continue
            await page.wait_for_load_state("networkidle") if "/images" not in path and "/servers" not in path else None
            text = await page.locator("body").inner_text()
            wide = await page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
            wrong = untranslated(text) + faults.found + ([f"{wide} px too wide"] if wide > 0 else [])
            if wrong:
                told[f"{role} {path}"] = wrong
            faults.found.clear()
        await context.close()
    assert told == {}


@pytest.mark.soak
async def test_slide_and_catalog_when_on_a_tablet_then_nothing_is_cut_off(embedded: Platform, browser: Browser) -> None:
    context = await browser.new_context(locale="en", viewport={"width": 768, "height": 1024}, has_touch=True)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await have_content(page, embedded.url)
    key, uid = await series_of(page, "slide")
    await page.goto(f"{embedded.url}/diseases/liver")
    await settled(page)
    assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    await page.goto(f"{embedded.url}/cases/{key}/images?series={uid}")
    await expect(page.locator(".scale")).to_be_visible(timeout=OPEN_MS)
    slide = await page.locator(".slide").bounding_box()
    assert slide is not None
    assert slide["width"] > 740
    assert slide["height"] > 380
    for name in ("40×", "Whole slide", "Copy link to this region"):
        box = await page.get_by_role("button", name=name, exact=True).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 768
    await page.get_by_role("checkbox", name="Reports").uncheck()
    await expect(page.locator("aside")).to_have_count(0, timeout=SETTLE_MS)
    await keep(page, "slide-on-a-tablet")
    assert faults.found == []
    await context.close()

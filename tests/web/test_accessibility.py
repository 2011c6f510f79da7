"""axe-core finds no serious fault on any page (WCAG 2 A and AA: names, roles, contrast, order of headings)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from browsing import open_context, settled, sign_in
from fixtures.parts import require_part
from fixtures.running import Platform
from playwright.async_api import Browser, Page
from test_pages import have_content

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = ("/", "/imports", "/imports/new", "/diseases/liver", "/cases/{case}", "/cases/{case}/images", "/review", "/datasets", "/datasets/new",
         "/datasets/liver-all/1", "/servers", "/administration", "/administration?part=projects", "/administration?part=audit", "/administration?part=diseases", "/profile",
         "/cases/{case}/explain", "/statistics", "/rules", "/agreement", "/datasets/liver-all", "/nowhere/at-all")  # fmt: skip


@pytest.mark.soak
@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_every_page_when_axe_looks_then_nothing_serious(embedded: Platform, browser: Browser, language: str) -> None:
    require_part("axe-core", AXE.is_file(), "web/node_modules is not installed: npm ci --prefix web")
    context = await open_context(browser, language)
    page = await context.new_page()
    await page.goto(f"{embedded.url}/sign-in")
    found = {"/sign-in": await _faults(page)}
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await have_content(page, embedded.url)
    cases = await page.request.get(f"{embedded.url}/api/v1/cases?disease=liver&limit=1")
    case = (await cases.json())["items"][0]["key"]
    for path in PAGES:
        await page.goto(embedded.url + path.format(case=case))
        await settled(page)
        found[path] = await _faults(page)
    assert {path: faults for path, faults in found.items() if faults} == {}
    await context.close()


async def _faults(page: Page) -> list[str]:
    """Rules broken with serious or critical impact, each with the first element that breaks it."""
    # What is half faded in has no contrast of its own yet.
    await page.add_style_tag(content="*, *::before, *::after { transition: none !important; animation: none !important }")
    await page.evaluate(AXE.read_text())
    told = await page.evaluate("async () => JSON.stringify((await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})).violations)")
    return [f"{one['id']}: {one['nodes'][0]['target']}" for one in json.loads(told) if one["impact"] in ("serious", "critical")]

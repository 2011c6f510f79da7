"""OHIF, a viewer that nobody here wrote, in Chromium over our DICOMweb."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from client_site import SLICES, Site
from fixtures.parts import require_part
from ohif_front import ohif_pages, served
from playwright.async_api import Browser, Locator, Response, expect

LOAD_MS = 120_000  # 10 MB of script and software WebGL on a loaded core


async def _skip(button: Locator) -> None:
    await button.click()


@pytest.mark.soak
@pytest.mark.timeout(400)
async def test_ohif_when_it_opens_a_study_then_it_lists_shows_and_scrolls_it(site: Site, browser: Browser) -> None:
    pages = ohif_pages()
    require_part("OHIF", pages, "npm could not fetch @ohif/app; it is a test-only client of 50 MB")
    assert pages is not None
    study = site.client().search_for_studies(limit=1)[0]
    uid, patient = study["0020000D"]["Value"][0], study["00100020"]["Value"][0]
    asked: list[tuple[int, str]] = []

    def note(response: Response) -> None:
        if "/dicom-web/" in response.url:
            asked.append((response.status, urlsplit(response.url).path))

    with served(pages, site.platform.url, site.token) as origin:
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        page.on("response", note)
        await page.goto(origin)
        await expect(page.get_by_text(patient, exact=False).first).to_be_visible(timeout=LOAD_MS)
        await page.goto(f"{origin}/viewer?StudyInstanceUIDs={uid}")
        shown = page.locator(".cornerstone-canvas").first
        await expect(shown).to_be_visible(timeout=LOAD_MS)
        await page.add_locator_handler(page.get_by_text("Skip all").first, _skip, no_wait_after=True)  # a tour of OHIF lies over the first study
        place = page.get_by_text(re.compile(rf"^\s*\d+\s*\(?\d*/{SLICES}\)?\s*$")).first
        await expect(place).to_be_visible(timeout=LOAD_MS)
        before = await place.inner_text()
        await shown.hover()
        await page.mouse.wheel(0, 100)
        await expect(place).not_to_have_text(before, timeout=LOAD_MS)
    assert [one for one in asked if one[0] >= 400] == []
    assert len({path for _, path in asked if path.endswith("/frames/1")}) >= SLICES

"""The browser that tests click in draws Chinese text and has WebGL2."""

from __future__ import annotations

import io
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image
from playwright.async_api import Browser, Page


def _page(body: str) -> str:
    return "data:text/html;charset=utf-8," + quote(f"<body style='margin:0;font:48px sans-serif'>{body}")


async def _drawn(page: Page, body: str) -> np.ndarray:
    """Grey levels (rows, columns) uint8 of the page with this body."""
    await page.goto(_page(body))
    return np.asarray(Image.open(io.BytesIO(await page.screenshot())).convert("L"))


async def test_chromium_when_page_has_chinese_text_then_draws_glyphs_not_boxes(browser: Browser) -> None:
    page = await browser.new_page(viewport={"width": 200, "height": 80})
    liver, gland, absent = [await _drawn(page, word) for word in ("肝", "腺", "\U000e0fff")]
    assert (liver < 128).sum() > 100
    assert (liver != gland).any()
    assert (liver != absent).any()


async def test_chromium_when_asked_for_webgl2_then_has_it(browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(_page("x"))
    assert await page.evaluate("() => new OffscreenCanvas(8, 8).getContext('webgl2') !== null")


async def test_chromium_when_page_offers_a_file_then_downloads_it(browser: Browser, tmp_path: Path) -> None:
    page = await browser.new_page()
    await page.goto(_page("<a download='a.csv' href='data:text/csv,case,label'>pull</a>"))
    async with page.expect_download() as pending:
        await page.click("a")
    await (await pending.value).save_as(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "case,label"

"""How quick are the pages, as Chromium sees them? Cold first page, JavaScript, route changes, first image, first view of a slide, long tasks while scrolling.

    python -m benchmarks.pages                       a fresh server with the demo's sample, imported first
    python -m benchmarks.pages --folder var/demo     a demo that is there already (it is started and stopped)
    python -m benchmarks.pages --url URL --login F   a server that runs; F as var/demo/login.json. --scroll liver: only scrolling the catalog

Bars (two cores): first page interactive 2 s cold, route change 300 ms, initial JavaScript 250 kB gzipped, first CT image 2 s, slide 2 s, no task above 200 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from deploy.demo.chromium import FLAGS
from deploy.demo.server import Server, free_port_from

ROUNDS = 5
ROUTES = ("/imports", "/review", "/datasets", "/diseases/liver", "/statistics", "/servers", "/administration", "/")

# Until the new page's heading stands on the screen and the frame after it is drawn, ms.
GO = """path => new Promise((done, fail) => {
    const link = document.querySelector(`nav a[href='${path}']`)
    const before = document.querySelector('main h1')
    const start = performance.now()
    const limit = setTimeout(() => fail(new Error('no page ' + path)), 20000)
    link.click()
    const look = () => {
        const now = document.querySelector('main h1')
        if (now && now !== before) requestAnimationFrame(() => { clearTimeout(limit); done(performance.now() - start) })
        else requestAnimationFrame(look)
    }
    look()
})"""
SCRIPTS = """() => performance.getEntriesByType('resource').filter(one => /\\.js($|\\?)/.test(one.name)).reduce((sum, one) => sum + one.encodedBodySize, 0)"""
LONG_TASKS = (
    "() => { window.long = []; new PerformanceObserver(list => window.long.push(...list.getEntries().map(one => one.duration))).observe({type: 'longtask'}) }"
)
# A task of 250 ms of our own: an observer that does not see this one would praise every page.
BUSY = """() => new Promise(done => setTimeout(() => {
    const end = performance.now() + 250
    while (performance.now() < end);
    setTimeout(() => { const seen = Math.max(0, ...window.long); window.long = []; done(seen) }, 300)
}))"""
TILE_SEEN = """() => [...document.querySelectorAll('.slide .stage canvas')].some(one => {
    const ink = one.width && one.getContext('2d')?.getImageData(one.width / 2, one.height / 2, 1, 1).data
    return ink && ink[3] > 0
})"""


def told(name: str, values: list[float], bar: str, unit: str = "ms") -> None:
    print(f"{name:44} median {statistics.median(values):7.0f}  worst {max(values):7.0f} {unit}   bar {bar}", flush=True)


async def signed_in(browser: Browser, url: str, login: dict[str, str]) -> dict[str, Any]:
    """Cookies and local storage of a session."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{url}/sign-in")
    await page.locator("#name").fill(login["name"])
    await page.locator("#password").fill(login["password"])
    await page.locator("button[type=submit]").click()
    await page.wait_for_url(f"{url}/")
    state: Any = await context.storage_state()
    await context.close()
    return state


async def cold(browser: Browser, address: str, shown: str, state: dict[str, Any] | None) -> tuple[float, float]:
    """(ms from the start of the navigation until ``shown`` is there, bytes of JavaScript as sent), nothing cached."""
    context = await browser.new_context(storage_state=state, viewport={"width": 1440, "height": 900})  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(address, wait_until="commit")
    await page.locator(shown).first.wait_for(timeout=60_000)
    ms = float(await page.evaluate("() => performance.now()"))
    size = float(await page.evaluate(SCRIPTS))
    await context.close()
    return ms, size


async def first_view(browser: Browser, address: str, state: dict[str, Any], shown: str | None) -> float:
    """Ms from the address to the first picture on the screen, nothing cached."""
    context = await browser.new_context(storage_state=state, viewport={"width": 1440, "height": 900})  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(address, wait_until="commit")
    if shown:
        await page.locator(shown).first.wait_for(timeout=60_000)
    else:
        await page.wait_for_function(TILE_SEEN, timeout=60_000, polling=20)
    ms = float(await page.evaluate("() => performance.now()"))
    await context.close()
    return ms


async def scrolled(page: Page, address: str, turns: int) -> tuple[float, int]:
    """(longest task in ms, rows that the page holds in the end) of scrolling to the end again and again."""
    await page.goto(address)
    await page.locator("main h1").first.wait_for()
    await page.wait_for_timeout(1500)
    await page.evaluate(LONG_TASKS)
    seen = float(await page.evaluate(BUSY))
    if seen < 240:
        raise RuntimeError(f"the observer saw {seen:.0f} ms of a task of 250 ms")
    await page.mouse.move(700, 500)
    for _ in range(turns):
        await page.mouse.wheel(0, 900)
        await page.wait_for_timeout(120)
        more = page.locator("main .more button, main button.more, main .load-more button")
        if await more.count() and await more.first.is_enabled():
            await more.first.click()
    longest = await page.evaluate("() => Math.max(0, ...window.long)")
    return float(longest), await page.locator("main tbody tr").count()


async def series_of(context: BrowserContext, url: str) -> dict[str, str]:
    """Address of the longest CT series and of a slide."""
    found: dict[str, tuple[int, str]] = {}
    for disease in ("liver", "lung", "breast", "pancreas"):
        rows = (await (await context.request.get(f"{url}/api/v1/cases?disease={disease}&limit=50")).json())["items"]
        for row in rows:
            case = await (await context.request.get(f"{url}/api/v1/cases/{row['key']}")).json()
            for one in (series for study in case["studies"] for series in study["series"]):
                kind = "slide" if one["slide"] else "CT" if one["format"] == "DICOM" and one["modality"] == "CT" else ""
                if kind:
                    found[kind] = max(found.get(kind, (0, "")), (one["instance_count"], f"{url}/cases/{row['key']}/images?series={one['uid']}"))
    return {kind: address for kind, (_, address) in found.items()}


async def measure(url: str, login: dict[str, str], scroll: str) -> None:
    print(f"load average {os.getloadavg()[0]:.1f}, nice {os.nice(0)}, {time.strftime('%Y-%m-%d %H:%M')}", flush=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        state = await signed_in(browser, url, login)
        if not scroll:
            sign_in = [await cold(browser, f"{url}/sign-in", "#name", None) for _ in range(ROUNDS)]
            home = [await cold(browser, f"{url}/", "main .disease, main .next", state) for _ in range(ROUNDS)]
            told("sign-in page, cold", [ms for ms, _ in sign_in], "2000")
            told("home page, cold, with its figures", [ms for ms, _ in home], "2000")
            told("JavaScript of the sign-in page", [size / 1000 for _, size in sign_in], "250", "kB")
            told("JavaScript of the home page", [size / 1000 for _, size in home], "250", "kB")
        context = await browser.new_context(storage_state=state, viewport={"width": 1440, "height": 900})  # type: ignore[arg-type]
        page = await context.new_page()
        if not scroll:
            await page.goto(f"{url}/")
            await page.locator("main .disease, main .next").first.wait_for()
            await page.wait_for_timeout(1500)
            rounds: list[dict[str, float]] = []
            for _ in range(ROUNDS):
                rounds.append({})
                for route in ROUTES:
                    rounds[-1][route] = float(await page.evaluate(GO, route))
                    await page.wait_for_timeout(500)
            for route in ROUTES:
                told(f"to {route} (first time {rounds[0][route]:.0f})", [one[route] for one in rounds], "300")
            places = await series_of(context, url)
            told("first CT image, cold, by its address", [await first_view(browser, places["CT"], state, ".port[data-shown=true]") for _ in range(3)], "2000")
            if "slide" in places:
                told("first view of a slide, cold, by its address", [await first_view(browser, places["slide"], state, None) for _ in range(3)], "2000")
            longest, _ = await scrolled(page, f"{url}/review", 20)
            told("longest task while scrolling the queue", [longest], "200")
        longest, rows = await scrolled(page, f"{url}/diseases/{scroll or 'liver'}", 40 if scroll else 20)
        told(f"longest task while scrolling the catalog ({rows} rows)", [longest], "200")
        await browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("var/pages"))
    parser.add_argument("--url", default="")
    parser.add_argument("--login", type=Path)
    parser.add_argument("--scroll", default="", metavar="DISEASE")
    options = parser.parse_args()
    if options.url:
        asyncio.run(measure(options.url, json.loads(options.login.read_text()), options.scroll))
        return
    if not (options.folder / "login.json").exists():
        subprocess.run(
            [sys.executable, "deploy/demo/run.py", "--folder", str(options.folder), "--once"], check=True, env=os.environ | {"PYTHONPATH": os.getcwd()}
        )
    server = Server(options.folder / "data", options.folder / "sample", "127.0.0.1", free_port_from("127.0.0.1", 8710), options.folder / "pages.log")
    try:
        server.wait_ready()
        asyncio.run(measure(server.url, json.loads((options.folder / "login.json").read_text()), options.scroll))
    finally:
        server.stop()


if __name__ == "__main__":
    main()

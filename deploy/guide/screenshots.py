"""``make screenshots``: the pictures of docs/user-guide, taken from the running product.

For each language a fresh server with the sample, and in Chromium the newcomer's whole way: sign in, choose the folder, add the tables, import, decide, look at
the images, freeze, pull. Nothing is drawn or edited; a page that changes gives other pictures, a page that breaks ends the script with the step it broke at.
Needs what ``make test`` installs (Playwright, Chromium, a font with Chinese).
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PIL import Image
from playwright.async_api import Browser, Page, async_playwright

from deploy.demo.chromium import FLAGS
from deploy.demo.sample import make_sample
from deploy.demo.server import Server, free_port_from

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "user-guide"
MOST_BYTES = 150_000
WIDTH_PX, HEIGHT_PX = 1360, 850
STEP_MS, IMPORT_MS = 60_000, 600_000

_ENGLISH = "Take this folder|Add all|Add hospital|Add|Start import|Freeze|New token|Create|City hospital"
_CHINESE = "选用此文件夹|全部添加|添加医院|添加|开始导入|冻结|新建令牌|创建|市医院"
_NAMES = ("take", "all", "hospital", "add", "start", "freeze", "token", "create", "title")
WORDS = {language: dict(zip(_NAMES, words.split("|"), strict=True)) for language, words in (("en", _ENGLISH), ("zh-CN", _CHINESE))}


@dataclass
class Walk:
    """One language's way: a page, and where its pictures go."""

    page: Page
    url: str
    language: str
    folder: Path

    def word(self, name: str) -> str:
        return WORDS[self.language][name]

    def button(self, name: str, *, exact: bool = True):  # type: ignore[no-untyped-def] # Playwright's Locator
        return self.page.get_by_role("button", name=self.word(name), exact=exact).first

    async def settle(self) -> None:
        """No skeleton is left and what was asked for has come."""
        await self.page.wait_for_function("() => !document.querySelector('.bones')", timeout=STEP_MS)
        await self.page.wait_for_timeout(700)  # what fades in has faded in

    async def take(self, name: str) -> None:
        """The window as it is, as WebP of at most MOST_BYTES."""
        await self.settle()
        picture = Image.open(io.BytesIO(await self.page.screenshot())).convert("RGB")
        for quality in (88, 80, 70, 55, 40):
            buffer = io.BytesIO()
            picture.save(buffer, "WEBP", quality=quality, method=6)
            if buffer.tell() <= MOST_BYTES:
                break
        (self.folder / f"{name}.webp").write_bytes(buffer.getvalue())
        print(f"  {self.language} {name} {buffer.tell() // 1000} kB", flush=True)


async def walk(step: Walk, login: tuple[str, str], scratch: Path) -> None:
    page, url = step.page, step.url
    await page.goto(f"{url}/sign-in")
    await page.locator("#name").fill(login[0])
    await page.locator("#password").fill(login[1])
    await page.locator("button[type=submit]").click()
    await page.wait_for_url(f"{url}/")
    await step.take("01-home")

    await page.goto(f"{url}/imports/new")
    for name in ("city", "images"):
        await page.locator(".browser li button", has_text=name).first.click()
        await page.wait_for_timeout(300)
    await step.button("take").click()
    await step.button("all").click()
    await page.locator("article.table-card").first.wait_for(timeout=STEP_MS)
    await step.take("02-folder")
    await page.locator("article.table-card").first.scroll_into_view_if_needed()
    await step.take("03-tables")
    await step.button("hospital").click()
    await page.locator("#hospital-code").fill("CITY1")
    await page.locator("#hospital-title").fill(step.word("title"))
    await page.get_by_role("dialog").get_by_role("button", name=step.word("add"), exact=True).click()
    await page.get_by_role("dialog").wait_for(state="detached", timeout=STEP_MS)
    start = step.button("start")
    await start.scroll_into_view_if_needed()
    await page.wait_for_function(
        "text => [...document.querySelectorAll('button')].some(one => one.innerText.includes(text) && !one.disabled)", arg=step.word("start"), timeout=STEP_MS
    )
    await step.take("04-start")
    await start.click()
    await page.wait_for_url(lambda at: "/imports/" in at and not at.endswith("/new"))
    await page.wait_for_timeout(2500)
    await step.take("05-running")
    await page.locator(".state-finished").wait_for(timeout=IMPORT_MS)
    await step.take("06-report")

    await page.goto(f"{url}/review?kind=label")
    await page.locator("mark").first.wait_for(timeout=STEP_MS)
    await page.wait_for_timeout(1500)
    await step.take("07-review")
    await page.keyboard.press("1")
    await page.wait_for_timeout(1500)

    cases = await (await page.request.get(f"{url}/api/v1/cases?disease=pancreas&limit=20")).json()
    await page.goto(f"{url}/diseases/pancreas")
    await page.locator("a[href^='/cases/']").first.wait_for(timeout=STEP_MS)
    await step.take("08-cases")
    key = cases["items"][0]["key"]
    for row in cases["items"]:
        case = await (await page.request.get(f"{url}/api/v1/cases/{row['key']}")).json()
        if case["reports"] and any(one["modality"] == "CT" for study in case["studies"] for one in study["series"]):
            key = row["key"]
            break
    await page.goto(f"{url}/cases/{key}/images")
    await page.locator(".port[data-shown=true], .slide, canvas").first.wait_for(timeout=STEP_MS)
    await page.wait_for_timeout(2500)
    await step.take("09-images")

    await page.goto(f"{url}/datasets/new?disease=pancreas")
    await page.locator("#dataset-name").fill("pancreas-first")
    await step.take("10-dataset")
    await step.button("freeze").click()
    await page.wait_for_url(f"{url}/datasets/pancreas-first/1", timeout=STEP_MS)
    await step.take("11-version")

    await page.goto(f"{url}/profile")
    await step.button("token", exact=False).click()
    await page.locator("#token-name").fill("notebook")
    await page.get_by_role("dialog").get_by_role("button", name=step.word("create"), exact=True).click()
    token = (await page.locator(".fresh code, .fresh .mono, .fresh output").first.inner_text(timeout=STEP_MS)).strip()
    pulled = await asyncio.to_thread(pull, url, token, scratch / f"pulled-{step.language}")
    print(f"  {step.language} pulled: {pulled}", flush=True)


def pull(url: str, token: str, target: Path) -> str:
    """What the guide's last step does, for real."""
    environment = os.environ | {"ISOCENTER_URL": url, "ISOCENTER_TOKEN": token}
    program = Path(sys.executable).with_name("isc")
    done = subprocess.run(  # noqa: S603 - our own program and arguments
        [str(program), "pull", "pancreas-first@1", "--to", str(target)], env=environment, capture_output=True, text=True, timeout=300, check=True
    )
    files = sum(one.is_file() for one in target.rglob("*"))
    assert (target / "labels.csv").is_file(), done.stdout + done.stderr
    return f"{files} files"


async def one_language(browser: Browser, language: str, scratch: Path) -> None:
    server = Server(scratch / f"data-{language}", scratch / "sample", "127.0.0.1", free_port_from("127.0.0.1", 8690), scratch / f"{language}.log")
    try:
        server.wait_ready()
        assert server.login is not None
        folder = GUIDE / "images" / language
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        context = await browser.new_context(locale=language, viewport={"width": WIDTH_PX, "height": HEIGHT_PX})
        page = await context.new_page()
        page.set_default_timeout(STEP_MS)
        try:
            await walk(Walk(page, server.url, language, folder), server.login, scratch)
        except BaseException:
            await page.screenshot(path=str(GUIDE.parents[1] / "var" / f"screenshots-failed-{language}.png"))
            raise
        await context.close()
    finally:
        server.stop()


async def run(languages: list[str]) -> None:
    chromium = os.environ.get("ISOCENTER_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory(prefix="isocenter-screenshots-") as name:
        scratch = Path(name)
        make_sample(scratch / "sample")
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
            for language in languages:
                await one_language(browser, language, scratch)
            await browser.close()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--language", action="append", choices=sorted(WORDS))
    asyncio.run(run(arguments.parse_args().language or sorted(WORDS)))

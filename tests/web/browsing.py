"""A person at the pages: signing in, and everything the browser complained about meanwhile."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Response, expect

LOCALES = Path(__file__).parents[2] / "web" / "src" / "locales"
KEPT = Path(__file__).parents[2] / "var" / "screenshots"
SETTLE_MS = 15_000
IMPORT_MS = 150_000

# Word for word what the page shows; the tests read like what a person reads.
WORDS = {
    "en": {"sign in": "Sign in", "take folder": "Take this folder", "add all": "Add all", "add hospital": "Add hospital", "start": "Start import"},
    "zh-CN": {"sign in": "登录", "take folder": "选用此文件夹", "add all": "全部添加", "add hospital": "添加医院", "start": "开始导入"},
}


@dataclass
class Faults:
    """What went wrong in a page that no person would report: console errors, exceptions, failed requests."""

    found: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"exception: {error}"))
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"console {message.type}: {message.text}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.found.append(f"{response.status} {response.request.method} {urlsplit(response.url).path}")


async def open_context(browser: Browser, language: str = "en") -> BrowserContext:
    """A browser profile of its own that prefers this language."""
    return await browser.new_context(locale=language, viewport={"width": 1440, "height": 900}, accept_downloads=True)


async def sign_in(page: Page, url: str, name: str, password: str) -> None:
    """From the sign-in page to the home page."""
    await page.goto(f"{url}/sign-in")
    await page.locator("#name").fill(name)
    await page.locator("#password").fill(password)
    await page.locator("button[type=submit]").click()
    await page.wait_for_url(f"{url}/")


async def keep(page: Page, name: str) -> None:
    """The page as it is now, as a picture a person can look at after the test: var/screenshots/<name>.png."""
    KEPT.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=KEPT / f"{name}.png")


async def settled(page: Page) -> None:
    """The page has what it waited for: no skeleton is left, and it says what it is."""
    await expect(page.locator("h1, .empty h2").first).to_be_visible(timeout=SETTLE_MS)
    await expect(page.locator(".bones")).to_have_count(0, timeout=SETTLE_MS)


def untranslated(text: str) -> list[str]:
    """Locale keys that stand in a text where words should (``cases.title``); file names are none."""
    tops = re.findall(r"^  '?([\w-]+)'?: \{", (LOCALES / "en.ts").read_text(), flags=re.MULTILINE)
    return re.findall(rf"\b(?:{'|'.join(tops)})\.(?!csv|json|md\b)[A-Za-z_]+(?:\.[A-Za-z_]+)*", text)


async def ask(page: Page, method: str, path: str, body: Any = None) -> Any:
    """A request with the page's own session, as a script in it would send it; the answer's JSON."""
    answer = await page.evaluate(
        """async ([method, path, body]) => {
            const session = await (await fetch('/api/v1/session')).json()
            const headers = {'X-Isocenter-CSRF': session.csrf_token, 'Content-Type': 'application/json'}
            const answer = await fetch(path, {method, headers, body: body === null ? undefined : body})
            return [answer.status, await answer.text()]
        }""",
        [method, path, None if body is None else json.dumps(body)],
    )
    status, text = answer
    assert status < 400, text
    return json.loads(text) if text else None


async def choose_folder(page: Page, *names: str) -> None:
    """Walk down the folder browser of the import page and take the last folder."""
    for name in names:
        await page.locator(".browser li button", has_text=re.compile(rf"^\s*{re.escape(name)}\s*$")).click()
        await expect(page.locator(".browser nav button").last).to_have_text(name)
    await page.get_by_role("button", name=WORDS["en"]["take folder"]).click()


async def add_hospital(page: Page) -> str:
    """Add a hospital in the dialog of the import page; its code."""
    code = f"H{secrets.token_hex(3)}".upper()
    await page.get_by_role("button", name=WORDS["en"]["add hospital"]).click()
    await page.locator("#hospital-code").fill(code)
    await page.locator("#hospital-title").fill("City hospital")
    await page.get_by_role("dialog").get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    return code

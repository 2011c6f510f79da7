"""Rules, why and agreement in a real browser: a changed text is previewed, applied, and a label explains itself."""

from __future__ import annotations

import re

import pytest
from browsing import Faults, ask, open_context, settled, sign_in, untranslated
from fixtures.running import Platform
from playwright.async_api import Browser, expect
from test_pages import have_content

WORK_MS = 90_000
# In Chinese, so that a word of the locale files that is missing there would show.
PREVIEW, APPLY, CLOSE, CHECK = "预览", "应用到所有病例", "关闭", "检查"

pytestmark = pytest.mark.soak  # a server and a sample of its own each: the ordinary run stays under ten minutes


async def test_rules_when_changed_in_the_page_then_previewed_applied_and_explained(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser, "zh-CN")
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await have_content(page, embedded.url)

    await page.goto(embedded.url + "/rules")
    await settled(page)
    await page.locator(".el-select").click()
    await page.get_by_role("option", name="肝癌").click()
    editor = page.locator("textarea")
    await expect(editor).to_have_value(re.compile('code = "liver"'))
    text = await editor.input_value()
    number = int(re.search(r"^number = (\d+)", text, re.MULTILINE)[1])  # type: ignore[index]
    raised = re.sub(r"^number = \d+", f"number = {number + 1}", text, count=1, flags=re.MULTILINE)
    await editor.fill(raised.replace('meaning = "malignant"', 'meaning = "evil"', 1))
    await page.get_by_role("button", name=CHECK, exact=True).click()
    await expect(page.get_by_text(re.compile(r"terms\[0\]\.meaning")).first).to_be_visible()
    assert [fault for fault in faults.found if "422" not in fault] == []
    faults.found.clear()

    await editor.fill(raised + f'\n[[terms]]\nid = "page-word-{number}"\nmeaning = "benign"\nwords = ["页面测试词{number}"]\n')
    await page.get_by_role("button", name=PREVIEW, exact=True).click()
    await expect(page.locator(".state-ready").first).to_be_visible(timeout=WORK_MS)
    await expect(page.get_by_text(f"页面测试词{number}").first).to_be_visible()
    assert untranslated(await page.locator("body").inner_text()) == []
    await page.get_by_role("button", name=APPLY).click()
    await expect(page.locator("h2 .state-applied")).to_be_visible(timeout=WORK_MS)
    await page.get_by_role("button", name=CLOSE).click()
    await expect(editor).to_have_value(re.compile(f"page-word-{number}"))

    case = (await ask(page, "GET", "/api/v1/cases?disease=liver&label_state=sure&limit=1"))["items"][0]["key"]
    await page.goto(f"{embedded.url}/cases/{case}")
    await settled(page)
    await page.locator(f"a[href^='/cases/{case}/explain']").click()
    await expect(page.locator("blockquote, .chain").first).to_be_visible()
    await expect(page.locator(".end strong")).not_to_be_empty()
    assert untranslated(await page.locator("body").inner_text()) == []

    await page.goto(embedded.url + "/agreement")
    await settled(page)
    await expect(page.locator("h1")).to_have_text("一致性")
    assert untranslated(await page.locator("body").inner_text()) == []
    assert faults.found == []
    await context.close()

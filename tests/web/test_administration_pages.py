"""Administration in a real browser: a disease is made, refused field by field, saved, given out and taken in as TOML, retired and brought back."""

from __future__ import annotations

import re
import secrets

import pytest
from browsing import Faults, ask, open_context, settled, sign_in, untranslated
from fixtures.running import Platform
from playwright.async_api import Browser, expect

pytestmark = pytest.mark.soak  # a server of its own: the ordinary run stays under ten minutes


async def test_disease_when_made_in_the_form_then_refused_by_field_saved_exchanged_and_retired(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser, "zh-CN")
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    code = f"thyroid{secrets.token_hex(2)}"
    await page.goto(f"{embedded.url}/administration?part=diseases")
    await settled(page)
    rows, dialog = page.locator("table.table tbody tr"), page.get_by_role("dialog")
    await page.get_by_role("button", name="新建病种").click()
    await page.locator("#d-code").fill(code)
    await page.locator("#d-prefix").fill("th")
    await page.locator("#d-organ").fill("thyroid")
    await page.locator(r"#d-title\.zh").fill("甲状腺结节")
    await page.get_by_role("button", name="创建", exact=True).click()

    # every field that was refused says so, in the reader's language
    await expect(page.locator('[data-wrong="prefix"]')).to_contain_text("格式不符合要求")
    await expect(page.locator('[data-wrong="title.en"]')).to_contain_text("此项必填")
    await expect(page.locator('[data-wrong="schemes.0.classes.1.title.zh"]')).to_contain_text("此项必填")
    assert [fault for fault in faults.found if "422" not in fault] == []
    faults.found.clear()

    prefix = f"T{secrets.token_hex(2)}".upper()
    await page.locator("#d-prefix").fill(prefix)
    await page.locator(r"#d-title\.en").fill("Thyroid nodule")
    await page.locator(r"#d-schemes\.0\.title\.zh").fill("良恶性")
    await page.locator(r"#d-schemes\.0\.title\.en").fill("Benign or malignant")
    for number, (zh, en) in enumerate((("良性", "benign"), ("恶性", "malignant"))):
        await page.locator(rf"#d-schemes\.0\.classes\.{number}\.title\.zh").fill(zh)
        await page.locator(rf"#d-schemes\.0\.classes\.{number}\.title\.en").fill(en)
    await page.get_by_role("button", name="添加词条").click()
    await page.locator(r"#d-terms\.0\.id").fill("thyroid-cancer")
    await page.locator(r"#d-terms\.0\.words").fill("甲状腺癌\nthyroid cancer， papillary thyroid carcinoma")
    assert untranslated(await page.locator("body").inner_text()) == []
    await page.get_by_role("button", name="创建", exact=True).click()
    await expect(rows.filter(has_text=code)).to_contain_text("甲状腺结节")
    made = await ask(page, "GET", f"/api/v1/diseases/{code}")
    assert made["definition"]["terms"][0]["words"] == ["甲状腺癌", "thyroid cancer", "papillary thyroid carcinoma"]
    assert [one["title"]["en"] for one in made["definition"]["schemes"][0]["classes"]] == ["benign", "malignant"]

    # out as TOML, changed, in again
    async with page.expect_download() as coming:
        await rows.filter(has_text=code).get_by_role("link", name=re.compile("TOML")).click()
    text = (await (await coming.value).path()).read_text()
    await page.get_by_role("button", name="导入 TOML").click()
    await dialog.locator("#toml-file").set_input_files(
        {"name": f"{code}.toml", "mimeType": "application/toml", "buffer": text.replace("Thyroid nodule", "Nodule of the thyroid").encode()}
    )
    await dialog.get_by_role("button", name="替换").click()
    await expect(dialog).to_have_count(0)
    assert (await ask(page, "GET", f"/api/v1/diseases/{code}"))["title_en"] == "Nodule of the thyroid"

    # retired after one question, and back by the notice
    await rows.filter(has_text=code).get_by_role("button", name=f"停用 {code}").click()
    await page.locator(".el-popconfirm").get_by_role("button", name="停用", exact=True).click()
    await expect(rows.filter(has_text=code)).to_have_count(0)
    await page.get_by_role("button", name="撤销").click()
    await expect(rows.filter(has_text=code)).to_have_count(1)
    assert faults.found == []
    await context.close()


async def test_data_manager_when_at_administration_then_sees_diseases_and_no_accounts(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    name = f"manager-{secrets.token_hex(3)}"
    body = {"name": name, "full_name": "", "role": "data_manager", "identity_permission": False}
    password = (await ask(page, "POST", "/api/v1/accounts", body))["password"]
    await context.close()
    context = await open_context(browser)
    page = await context.new_page()
    faults.watch(page)
    await sign_in(page, embedded.url, name, password)
    await page.get_by_role("link", name="Administration").click()
    await expect(page.get_by_role("tab")).to_have_text(["Diseases and label schemes"])
    await page.get_by_role("row").filter(has_text="Liver").get_by_role("button", name="Edit").click()
    await expect(page.locator("#d-code")).to_be_disabled()
    await expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()  # nothing was changed
    assert faults.found == []
    await context.close()

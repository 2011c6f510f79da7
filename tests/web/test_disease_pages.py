"""The lists of a disease in a real browser: correct a series, be told of somebody faster, delete and restore, add a file and release it."""

from __future__ import annotations

import json
import re
import secrets

import pytest
from browsing import Faults, ask, open_context, settled, sign_in, untranslated
from fixtures.running import Platform
from playwright.async_api import Browser, expect
from test_pages import have_content

pytestmark = pytest.mark.soak  # a server and a sample of its own each: the ordinary run stays under ten minutes


async def test_disease_lists_when_worked_in_then_corrected_refused_deleted_restored_and_a_file_released(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await have_content(page, embedded.url)
    for part in ("pathology", "reports", "files", "imaging"):
        await page.goto(f"{embedded.url}/diseases/liver?part={part}")
        await settled(page)
        await expect(page.locator("table.table, .empty h2").first).to_be_visible()
        assert untranslated(await page.locator("body").inner_text()) == []

    # a correction is kept, with its history
    row = (await ask(page, "GET", "/api/v1/series?disease=liver&slides=false&limit=1"))["items"][0]
    rows, dialog, field = page.locator("table.table tbody tr"), page.get_by_role("dialog"), page.locator("#row-description")
    word = f"Corrected {secrets.token_hex(3)}"
    await rows.first.get_by_role("button").click()
    await expect(dialog.locator(".id")).to_have_text(row["uid"])
    await field.fill(word)
    await dialog.get_by_role("button", name="Save").click()
    await expect(rows.first).to_contain_text(word)
    await expect(dialog).to_have_count(0)

    # somebody else is faster: nothing is overwritten unseen
    await rows.first.get_by_role("button").click()
    await expect(dialog.get_by_text("changed by")).to_have_count(1)
    await page.evaluate(
        """async ([path, revision, body]) => {
            const session = await (await fetch('/api/v1/session')).json()
            const headers = {'X-Isocenter-CSRF': session.csrf_token, 'Content-Type': 'application/json', 'If-Match': revision}
            await fetch(path, {method: 'PATCH', headers, body})
        }""",
        [f"/api/v1/series/{row['uid']}", f'"{row["revision"] + 1}"', json.dumps({"description": "Of a colleague"})],
    )
    await field.fill(word + " again")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("Somebody changed this meanwhile")
    await expect(dialog.locator(".now")).to_contain_text("Of a colleague")
    assert [fault for fault in faults.found if "412" not in fault] == []
    faults.found.clear()
    await dialog.get_by_role("button", name="Save").click()
    await expect(rows.first).to_contain_text(word + " again")

    # delete, look among the deleted ones, restore
    await rows.first.get_by_role("button").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(rows.filter(has_text=word)).to_have_count(0)
    await page.get_by_text("Deleted ones").click()
    await rows.filter(has_text=word).get_by_role("button").click()
    await dialog.get_by_role("button", name="Restore").click()
    await expect(rows.filter(has_text=word)).to_have_count(0)
    await page.get_by_text("Deleted ones").click()
    await expect(rows.filter(has_text=word)).to_have_count(1)

    # another file: held until released
    title = f"genes-{secrets.token_hex(3)}.csv"
    await page.get_by_role("tab", name="Other files").click()
    await page.get_by_role("button", name="Add a file").click()
    await dialog.locator("#file-case").fill(row["cases"][0])
    await dialog.locator("#file-title").fill(title)
    await dialog.locator("#file-body").set_input_files({"name": "王芳 2400318.csv", "mimeType": "text/csv", "buffer": f"gene,{title}\n".encode()})
    await dialog.get_by_role("button", name="Add a file").click()
    added = rows.filter(has_text=title)
    await expect(rows.filter(has_text="王芳")).to_have_count(0)  # the file's own name may be a patient's
    await expect(added.locator(".state-held")).to_be_visible()
    await added.get_by_role("button").click()
    await dialog.get_by_role("button", name="Release").click()
    await expect(added.locator(".state-visible")).to_be_visible()
    await expect(page.get_by_role("link", name="XLSX")).to_have_attribute("href", re.compile(r"/diseases/liver/report\?format=xlsx"))
    assert faults.found == []
    await context.close()


async def test_disease_when_not_granted_then_the_page_says_so_and_offers_no_freezing(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await page.goto(f"{embedded.url}/diseases/unheard-of")
    await expect(page.get_by_text('You see nothing of "unheard-of"')).to_be_visible()
    await expect(page.get_by_role("button", name="Freeze as dataset")).to_have_count(0)
    assert [fault for fault in faults.found if "404" not in fault] == []
    await context.close()


async def test_case_list_when_narrowed_saved_ticked_and_searched_then_it_follows_and_can_be_undone(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await have_content(page, embedded.url)
    await page.goto(f"{embedded.url}/diseases/liver")
    await settled(page)
    rows, dialog = page.locator("table.table tbody tr"), page.get_by_role("dialog")
    every = (await ask(page, "GET", "/api/v1/cases/count?disease=liver"))["cases"]
    women = (await ask(page, "GET", "/api/v1/cases/count?disease=liver&sex=F"))["cases"]
    await expect(rows).to_have_count(every)

    # the number beside a value is what a click on it shows
    facet = page.get_by_role("group", name="Sex").get_by_role("button", name="Female")
    await expect(facet.locator(".num")).to_have_text(str(women))
    await facet.click()
    await expect(rows).to_have_count(women)
    name = f"Women {secrets.token_hex(3)}"
    await page.get_by_role("button", name="Saved searches").click()
    await page.get_by_role("button", name="Save this search").click()
    await dialog.locator("#search-name").fill(name)
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.locator("#search-name")).to_have_count(0)
    await page.goto(f"{embedded.url}/diseases/liver")
    await expect(rows).to_have_count(every)
    await page.get_by_role("button", name="Saved searches").click()
    await page.get_by_role("button", name=name, exact=True).click()
    await expect(rows).to_have_count(women)
    await page.goto(f"{embedded.url}/diseases/liver")

    # columns are remembered
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_text("Formats", exact=True).last.click()
    await expect(page.get_by_role("columnheader", name="Formats")).to_have_count(0)
    await page.reload()
    await expect(rows).to_have_count(every)
    await expect(page.get_by_role("columnheader", name="Formats")).to_have_count(0)

    # two are deleted and, by the notice, back again
    await rows.nth(0).get_by_role("checkbox").check()
    await rows.nth(1).get_by_role("checkbox").check()
    await page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    await expect(rows).to_have_count(every - 2)
    await page.get_by_role("button", name="Undo").click()
    await expect(rows).to_have_count(every)

    await page.goto(f"{embedded.url}/diseases/liver?part=reports")
    row = (await ask(page, "GET", "/api/v1/reports?disease=liver&limit=1"))["items"][0]
    text = next(iter((await ask(page, "GET", f"/api/v1/reports/{row['key']}"))["sections"].values()))
    await page.get_by_label("Text of reports").fill(text[:4])
    await page.get_by_role("button", name="Find", exact=True).click()
    await expect(page.locator("mark").first).to_have_text(text[:4])
    await page.goto(f"{embedded.url}/cases/{row['cases'][0]}")
    await expect(page.get_by_role("region", name="Time line").get_by_role("button").first).to_be_visible()
    assert faults.found == []
    await context.close()

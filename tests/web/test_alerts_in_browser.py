"""Alerts reach every open page by themselves: a badge in the menu and a notice; the page Servers shows services and lets an operator act."""

from __future__ import annotations

from datetime import UTC, datetime

from browsing import Faults, ask, open_context, sign_in
from fixtures.running import Platform
from playwright.async_api import Browser, expect


async def test_alert_when_it_is_told_then_open_pages_show_it_and_the_operator_ends_it(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await expect(page.locator("nav[data-live=true]")).to_be_attached(timeout=30_000)  # it listens before the alert is told
    badge = page.locator("a[href='/servers'] .badge")
    host = {"labels": {"alertname": "TrialAlert", "severity": "warning", "instance": "node1:9100"}, "annotations": {"summary": "A trial of the bell."}}
    alert = host | {"status": "firing", "startsAt": datetime.now(UTC).isoformat(), "fingerprint": "aa01"}
    before = int(await badge.inner_text()) if await badge.count() else 0
    await ask(page, "POST", "/api/v1/alerts/webhook", {"version": "4", "alerts": [alert]})
    await expect(badge).not_to_have_text(str(before))
    await expect(page.get_by_text("A trial of the bell.")).to_be_visible()

    await page.locator("a[href='/servers']").click()
    row = page.locator("li", has_text="A trial of the bell.")
    await row.get_by_role("button", name="Acknowledge").click()
    await expect(row.get_by_text(f"seen by {embedded.admin_name}")).to_be_visible()
    await row.get_by_role("button", name="Silence 1 h").click()
    await expect(row.get_by_text("silenced until")).to_be_visible()
    await row.get_by_role("button", name="End", exact=True).click()
    await expect(row.get_by_text(f"ended by {embedded.admin_name}")).to_be_visible()
    for service in ("Whole process", "Gateway", "Ingest", "Catalog", "Statistics", "Viewer"):
        await expect(page.get_by_role("rowheader", name=service)).to_be_visible(timeout=30_000)
    assert faults.found == []
    await context.close()

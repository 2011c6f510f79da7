"""The viewers of a case's images, in a real browser: each shows the pixels the viewer service renders, and obeys keys and buttons."""

from __future__ import annotations

import hashlib
import io
import sqlite3

import highdicom as hd
import numpy as np
import pydicom
import pytest
from browsing import Faults, ask, keep, open_context, sign_in
from fixtures.running import Platform
from highdicom.sr.coding import CodedConcept
from numpy.typing import NDArray
from PIL import Image
from playwright.async_api import Browser, Locator, Page, expect
from test_pages import have_content

OPEN_MS = 60_000
SIDE = 48


async def series_of(page: Page, what: str) -> tuple[str, str]:
    """Case key and series UID of the longest series of a kind ("DICOM/CT", "NIFTI/MR", "slide")."""
    found: list[tuple[int, str, str]] = []
    for disease in ("liver", "lung", "breast", "pancreas"):
        for row in (await ask(page, "GET", f"/api/v1/cases?disease={disease}&limit=50"))["items"]:
            case = await ask(page, "GET", f"/api/v1/cases/{row['key']}")
            for series in (one for study in case["studies"] for one in study["series"]):
                if what == ("slide" if series["slide"] else f"{series['format']}/{series['modality']}"):
                    found.append((series["instance_count"], case["key"], series["uid"]))
    assert found, f"the sample has no {what}"
    _, key, uid = max(found)
    return key, uid


async def middle_of(shown: Locator) -> NDArray[np.float64]:
    """(SIDE, SIDE) grey values of the middle square of an element, as seen on the screen."""
    picture = Image.open(io.BytesIO(await shown.screenshot())).convert("L")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return _inner(picture.crop((left, top, left + side, top + side)))


def _inner(square: Image.Image) -> NDArray[np.float64]:
    # The rim holds captions and the slider.
    rim = square.width // 8
    return np.asarray(square.crop((rim, rim, square.width - rim, square.height - rim)).resize((SIDE, SIDE), Image.Resampling.BOX), float)


async def rendered(page: Page, path: str) -> NDArray[np.float64]:
    """The same square of what the viewer service renders."""
    answer = await page.request.get(path)
    assert answer.ok
    return _inner(Image.open(io.BytesIO(await answer.body())).convert("L"))


async def test_ct_when_opened_then_the_browser_decodes_what_the_service_renders_and_tools_work(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await have_content(page, embedded.url)
    key, uid = await series_of(page, "DICOM/CT")
    await page.goto(f"{embedded.url}/cases/{key}/images?series={uid}")
    port = page.locator(".port[data-shown=true]")
    await expect(port).to_be_visible(timeout=OPEN_MS)
    stage = page.get_by_role("slider").first
    number = int(await stage.get_attribute("aria-valuenow") or 0)
    preview = f"{embedded.url}/api/v1/series/{uid}/preview?frame={number - 1}"
    reference = await rendered(page, preview)

    # The stack is ordered by position, as the service's frames are, up or down.
    last = int(await stage.get_attribute("aria-valuemax") or 0)
    turned = await rendered(page, f"{embedded.url}/api/v1/series/{uid}/preview?frame={last - number}")
    seen = await middle_of(port)
    assert min(np.abs(seen - reference).mean(), np.abs(seen - turned).mean()) < 6
    assert seen.std() > 20

    await page.get_by_role("button", name="Bone").click()
    await expect(page.locator(".corner.low")).to_contain_text("C 400 · W 1800")
    assert np.abs(await middle_of(port) - seen).mean() > 10
    await page.get_by_role("button", name="As stored").click()
    await page.get_by_role("button", name="Invert").click()
    assert np.abs((255 - await middle_of(port)) - seen).mean() < 8
    await stage.focus()
    await page.keyboard.press("0")
    await page.keyboard.press("ArrowDown")
    await expect(stage).to_have_attribute("aria-valuenow", str(number + 1))
    await page.keyboard.press("Home")
    await expect(stage).to_have_attribute("aria-valuenow", "1")

    await page.get_by_role("button", name="Length").click()
    box = await port.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + box["height"] * 0.5)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5, steps=5)
    await page.mouse.up()
    await expect(port.locator("svg text")).to_contain_text("mm")
    await page.get_by_role("button", name="Tags").click()
    await expect(page.locator(".tags tbody tr", has_text="(0028,0010)")).to_be_visible()
    await page.get_by_role("button", name="Three planes").click()
    await expect(page.locator(".planes[data-shown=true]")).to_be_visible(timeout=OPEN_MS)
    await expect(page.locator(".planes canvas").nth(2)).to_be_visible()
    assert faults.found == []
    await context.close()


@pytest.mark.parametrize("language", ["en", pytest.param("zh-CN", marks=pytest.mark.soak)])
async def test_nifti_when_opened_then_three_planes_are_drawn(embedded: Platform, browser: Browser, language: str) -> None:
    context = await open_context(browser, language)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await have_content(page, embedded.url)
    key, uid = await series_of(page, "NIFTI/MR")
    await page.goto(f"{embedded.url}/cases/{key}/images?series={uid}")
    canvas = page.locator("canvas[data-shown=true]")
    await expect(canvas).to_be_visible(timeout=OPEN_MS)
    await page.get_by_role("button", name="Axial" if language == "en" else "轴位").click()
    await expect(page.get_by_role("button", name="Axial" if language == "en" else "轴位")).to_have_attribute("aria-pressed", "true")
    assert (await middle_of(canvas)).std() > 15
    assert faults.found == []
    await context.close()


async def test_slide_when_the_address_names_a_region_then_it_opens_there(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await have_content(page, embedded.url)
    key, uid = await series_of(page, "slide")
    await page.goto(f"{embedded.url}/cases/{key}/images?series={uid}#region=512,512,400,400")
    await expect(page.locator(".scale")).to_be_visible(timeout=OPEN_MS)
    await page.get_by_role("button", name="Copy link to this region").click()
    await page.wait_for_function("location.hash.startsWith('#region=') && location.hash !== '#region=512,512,400,400'")
    x, y, width, height = (int(part) for part in page.url.split("#region=")[1].split(","))
    assert abs(x + width / 2 - 712) < 4
    assert abs(y + height / 2 - 712) < 4
    assert faults.found == []
    await context.close()


async def drawn_on(page: Page, url: str, study: str, uid: str) -> bytes:
    """A segmentation of the middle quarter of every image of a series, made with highdicom as somebody who drew it on what we released."""
    sources = []
    for one in (await ask(page, "GET", f"/api/v1/series/{uid}/instances"))["items"]:
        address = f"{url}/dicom-web/studies/{study}/series/{uid}/instances/{one['sop_uid']}"
        answer = await page.request.get(address, headers={"Accept": 'multipart/related; type="application/dicom"'})
        body = await answer.body()
        sources.append(pydicom.dcmread(io.BytesIO(body[body.index(b"\r\n\r\n") + 4 :]), stop_before_pixels=True))
    for ds in sources:
        for name in ("PatientBirthDate", "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "PatientSex", "Manufacturer"):
            setattr(ds, name, "")
        ds.FrameOfReferenceUID = f"{uid}.7"[-64:]
    rows, columns = sources[0].Rows, sources[0].Columns
    mask = np.zeros((len(sources), rows, columns), np.uint8)
    mask[:, rows // 4 : rows * 3 // 4, columns // 4 : columns * 3 // 4] = 1
    tissue = CodedConcept("85756007", "SCT", "Tissue")
    colour = hd.color.CIELabColor.from_rgb(220, 20, 20)
    segment = hd.seg.SegmentDescription(1, "Lesion", tissue, tissue, hd.seg.SegmentAlgorithmTypeValues.MANUAL, display_color=colour)
    made = hd.seg.Segmentation(
        sources, mask, "BINARY", [segment], series_instance_uid=hd.UID(), series_number=9, sop_instance_uid=hd.UID(), instance_number=1,
        manufacturer="m", manufacturer_model_name="m", software_versions="1", device_serial_number="1",
    )  # fmt: skip
    buffer = io.BytesIO()
    made.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.soak  # ten seconds alone
async def test_segmentation_when_a_series_has_one_then_it_lies_over_the_image_and_can_be_taken_off(embedded: Platform, browser: Browser) -> None:
    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await have_content(page, embedded.url)
    key, uid = await series_of(page, "DICOM/CT")
    study = (await ask(page, "GET", f"/api/v1/series/{uid}"))["study_uid"]
    data = await drawn_on(page, embedded.url, study, uid)
    token = (await ask(page, "GET", "/api/v1/session"))["csrf_token"]
    headers = {"X-Isocenter-CSRF": token, "Content-Type": "application/octet-stream"}
    added = await page.request.post(f"{embedded.url}/api/v1/resources?case={key}&title=drawn&media_type=application/dicom", headers=headers, data=data)
    assert added.ok, await added.text()
    # As ingest does for what it imports: the file belongs to the study of the images it names.
    with sqlite3.connect(next(embedded.data.glob("*.db")), timeout=30) as catalog:
        catalog.execute("UPDATE resource SET study_id = (SELECT study_id FROM series WHERE uid = ?) WHERE sha256 = ?", (uid, hashlib.sha256(data).hexdigest()))
    catalog.close()

    await page.goto(f"{embedded.url}/cases/{key}/images?series={uid}")
    port, laid = page.locator(".port[data-shown=true]"), page.locator("img.laid")
    await expect(port).to_be_visible(timeout=OPEN_MS)
    await expect(laid).to_be_visible(timeout=OPEN_MS)
    lesion = page.get_by_role("checkbox", name="Lesion")
    await expect(lesion).to_be_checked()

    async def red() -> NDArray[np.bool_]:
        picture = np.asarray(Image.open(io.BytesIO(await port.screenshot())).convert("RGB"), int)
        return picture[:, :, 0] - picture[:, :, 1] > 25

    # The mask is the middle quarter of the image: half as wide and half as high as the picture laid over it, around its middle.
    await page.wait_for_function("() => document.querySelector('img.laid')?.complete && document.querySelector('img.laid').naturalWidth > 1")
    seen, around, box = await red(), await laid.bounding_box(), await port.bounding_box()
    assert around is not None
    assert box is not None
    down, across = np.nonzero(seen)
    assert abs((down.max() - down.min()) - around["height"] / 2) < 6
    assert abs((across.min() + across.max()) / 2 - (around["x"] - box["x"] + around["width"] / 2)) < 6
    await keep(page, "segmentation")

    # Turned by a quarter it turns with the image, and it follows to the next image.
    before = await laid.get_attribute("style") or ""
    await page.get_by_role("button", name="Turn by 90°").click()
    await expect(laid).not_to_have_attribute("style", before)
    await page.get_by_role("slider").first.focus()
    await page.keyboard.press("ArrowDown")
    await expect(laid).to_be_visible()
    await lesion.click()
    await expect(laid).to_have_count(0)
    assert not (await red()).any()
    assert faults.found == []
    await context.close()

"""The statistics page in a real browser: charts with their tables, cross-filtering by a click, files, both languages, an empty answer."""

from __future__ import annotations

import csv
import io
import random
import re
from datetime import timedelta

import anyio
from browsing import SETTLE_MS, Faults, ask, open_context, settled, sign_in, untranslated
from fixtures.running import Platform
from playwright.async_api import Browser, expect
from sqlalchemy import select

from isocenter.changes import note_changes
from isocenter.db import Database
from isocenter.models import (
    Case,
    CaseLabel,
    CaseStudy,
    Disease,
    ExamTally,
    Hospital,
    Import,
    Label,
    LabelScheme,
    Patient,
    PatientIdentity,
    Series,
    Stack,
    Study,
    now,
)
from isocenter.settings import Settings


async def have_rows(platform: Platform) -> None:
    """Eighty patients of two diseases in the running server's catalog, written as ingest would; once."""
    db = Database(Settings(data=platform.data).resolved_catalog_url, pool_size=1)
    dice = random.Random(4)
    async with db.write() as session:
        if (await session.scalars(select(Case.id).limit(1))).first() is not None:
            return
        diseases = [(await session.scalars(select(Disease).where(Disease.code == code))).one() for code in ("liver", "lung")]
        hospitals = [Hospital(code=code, title=code) for code in ("CITY", "NORTH")]
        session.add_all(hospitals)
        await session.flush()
        runs = [Import(key=f"r{n}", hospital_id=hospitals[0].id, account="admin", source_kind="none", state="finished", stage="finish", options={},
                       created_at=now() - timedelta(days=40 * n)) for n in range(4)]  # fmt: skip
        session.add_all(runs)
        await session.flush()
        for n in range(1, 60):
            day = now().date() - timedelta(days=9 * n)
            session.add(ExamTally(day=day, hospital_id=hospitals[n % 2].id, device=f"Scan {n % 3}", modality="CT", studies=n))
        cases = []
        for number in range(80):
            disease, hospital, run = dice.choice(diseases), dice.choice(hospitals), dice.choice(runs)
            patient = Patient(key=f"P{number}", sex=dice.choice(("F", "M", "M", "")))
            session.add(patient)
            await session.flush()
            identity = PatientIdentity(hospital_id=hospital.id, number_hmac=f"P{number}", pseudonym_key="k", patient_id=patient.id)
            case = Case(key=f"{disease.prefix}-9{number:05d}", patient_id=patient.id, disease_id=disease.id)
            session.add_all([identity, case])
            await session.flush()
            study = Study(uid=f"2.25.{number}", hospital_id=hospital.id, identity_id=identity.id, import_id=run.id,
                          age_years=dice.choice((None, dice.uniform(20, 95))))  # fmt: skip
            session.add(study)
            await session.flush()
            session.add(CaseStudy(case_id=case.id, study_id=study.id, import_id=run.id))
            for place, modality in enumerate(dice.sample(("CT", "MR", "US", "CT"), 2)):
                series = Series(uid=f"2.25.{number}{place}", study_id=study.id, format="DICOM", modality=modality, instance_count=40, size_bytes=21_000_000,
                                manufacturer=dice.choice(("Siemens", "GE", "United Imaging")), model_name=f"m{dice.randrange(12)}",
                                slice_thickness_mm=dice.choice((0.6, 1.25, 5.0)) if modality == "CT" else None)  # fmt: skip
                session.add(series)
                await session.flush()
                session.add(Stack(series_id=series.id, ordinal=0, phase=dice.choice(("portal", "plain")) if modality == "CT" else "",
                                  sequence=dice.choice(("T1", "T2")) if modality == "MR" else ""))  # fmt: skip
            if dice.random() < 0.7:
                scheme = (await session.scalars(select(LabelScheme.id).where(LabelScheme.disease_id == disease.id))).first()
                label = Label(fingerprint=f"f{number}", case_id=case.id, scheme_id=scheme, value=dice.choice("01"), source=dice.choice(("rule", "reviewer")),
                              confidence=1.0, evidence=[])  # fmt: skip
                session.add(label)
                await session.flush()
                state = dice.choice(("sure", "review", "decided"))
                session.add(CaseLabel(case_id=case.id, scheme_id=scheme, label_id=label.id, value=label.value, state=state))
            cases.append(case.id)
        await note_changes(session, cases)
    await db.close()


async def test_statistics_page_when_a_value_is_clicked_then_every_chart_follows(embedded: Platform, browser: Browser) -> None:
    await have_rows(embedded)
    context = await open_context(browser)
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await page.emulate_media(reduced_motion="reduce")  # a bar stands where it is drawn at once
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    await page.locator("nav a[href='/statistics']").click()
    await settled(page)
    await expect(page.locator("section.chart canvas").first).to_be_visible(timeout=SETTLE_MS)
    patients = page.locator(".measures button").first.locator("strong")
    await expect(patients).to_have_text("80")
    every = await ask(page, "GET", "/api/v1/statistics?by=sex")
    women = next(row[1] for row in every["source"] if row[0] == "F")

    await page.get_by_role("button", name="By patient").click()
    sexes = page.get_by_role("region", name="Sex", exact=True)
    await sexes.get_by_role("button", name="Female").click()
    await page.wait_for_url(re.compile("only=sex(:|%3A)F"))
    await expect(patients).to_have_text(str(women))
    await expect(sexes.locator("tbody tr")).to_have_count(1)

    async with page.expect_download() as started:
        await sexes.get_by_role("link", name="CSV").click()
    text = await anyio.Path(await (await started.value).path()).read_text(encoding="utf-8-sig")
    assert list(csv.reader(io.StringIO(text)))[1][:2] == ["F", str(women)]
    async with page.expect_download() as started:
        await sexes.get_by_role("button", name="PNG").click()
    assert (await anyio.Path(await (await started.value).path()).read_bytes())[:8] == b"\x89PNG\r\n\x1a\n"

    canvas = await sexes.locator("canvas").bounding_box()
    assert canvas is not None
    # the only bar, half as long as the chart or more: a click on it lets the condition go
    place = {"x": canvas["width"] * 0.35, "y": canvas["height"] * 0.43}
    # The table is there first; the chart is drawn in a later frame.
    drawn = """([canvas, x, y]) => {
        const ratio = canvas.width / canvas.clientWidth
        const [red, green, blue, alpha] = canvas.getContext('2d').getImageData(x * ratio, y * ratio, 1, 1).data
        return alpha > 200 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60
    }"""
    await page.wait_for_function(drawn, arg=[await sexes.locator("canvas").element_handle(), place["x"], place["y"]])
    await sexes.locator("canvas").click(position=place)
    await expect(patients).to_have_text("80")
    await page.goto(f"{embedded.url}/statistics?by=modality&only=modality:NOPE")
    await expect(page.locator(".empty h2")).to_have_text("Nothing to count")
    assert faults.found == []
    await context.close()


async def test_statistics_page_when_in_chinese_then_no_word_is_missing(embedded: Platform, browser: Browser) -> None:
    await have_rows(embedded)
    context = await open_context(browser, "zh-CN")
    page, faults = await context.new_page(), Faults()
    faults.watch(page)
    await sign_in(page, embedded.url, embedded.admin_name, embedded.admin_password)
    for by in ("patient", "disease", "modality"):
        await page.goto(f"{embedded.url}/statistics?by={by}&count=series")
        await settled(page)
        await expect(page.locator("section.chart canvas").first).to_be_visible(timeout=SETTLE_MS)
        assert untranslated(await page.locator("body").inner_text()) == []
    await expect(page.locator("h1")).to_have_text("统计")
    assert faults.found == []
    await context.close()

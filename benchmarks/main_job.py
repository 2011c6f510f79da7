"""The whole import over ../shared/data/reports/synthetic_dev: one small DICOM file a row of images.csv, all tables, then links and
labels of the catalog against the gold. usage: python -m benchmarks.main_job [catalog URL]"""

from __future__ import annotations

import asyncio
import csv
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from benchmarks.synthetic_images import write
from isocenter import schema
from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.diseases import load_diseases
from isocenter.keys import create_key_file
from isocenter.models import Case, CaseLabel, CaseStudy, Disease, ImportItem, LabelScheme, Link, Study
from isocenter.resources import Resources, open_resources
from isocenter.settings import Settings
from services.catalog.seed import seed_diseases
from services.ingest.app import create_app

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "reports"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


async def run(folder: Path, url: str) -> None:
    images = folder / "images"
    count = write(DATA / "synthetic_dev" / "images.csv", images)
    settings = Settings(data=folder / "data", catalog_url=url, import_roots=f"{images}:{DATA}", executor="processes:2")
    key = create_key_file(folder / "data" / "site.key")
    resources = open_resources(settings, key)
    await schema.migrate(resources.db)
    async with resources.db.write() as session:
        await seed_diseases(session, load_diseases())
    app = create_app(settings, resources)
    report_of_row: dict[str, int] = {}
    started = time.perf_counter()
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://bench", timeout=60) as http:
        for hospital in "ABCD":
            tables = [{"kind": kind, "path": str(next((DATA / "synthetic_dev").glob(f"{hospital}_{kind}.*")))} for kind in ("imaging", "pathology")]
            order = {"hospital": hospital, "source": {"kind": "folder", "path": str(images / hospital)}, "tables": tables, "diseases": "auto"}
            view = await _import(http, resources, order)
            rows = {outcome: count for outcome, count in view["counts"]["rows"].items() if count}
            print(hospital, view["state"], view["counts"]["files"]["accepted"], "files", rows, "links", view["links"], "labels", view["labels"])
            assert view["sums_ok"], view
            await _rows(resources, hospital, view["key"], [Path(t["path"]).name for t in tables], report_of_row)
    seconds = time.perf_counter() - started
    print(f"{count} files and {len(report_of_row)} rows in {seconds:.1f} s ({(count + len(report_of_row)) / seconds:.0f} items/s, two workers)")
    await _score(resources, report_of_row)
    await resources.close()


async def _import(http: httpx.AsyncClient, resources: Resources, order: dict[str, Any]) -> Any:
    def headers() -> dict[str, str]:
        return {PRINCIPAL_HEADER: sign(Principal(1, "bench", Role.ADMIN), resources.key)}

    answer = await http.post("/api/v1/imports", json=order, headers=headers())
    assert answer.status_code == 201, answer.text
    while True:
        view = (await http.get(f"/api/v1/imports/{answer.json()['key']}", headers=headers())).json()
        if view["state"] != "running":
            return view
        await asyncio.sleep(0.2)


async def _rows(resources: Resources, hospital: str, key: str, names: list[str], report_of_row: dict[str, int]) -> None:
    """``file#row`` -> report id."""
    from isocenter.models import Import

    async with resources.db.read() as session:
        import_id = await session.scalar(select(Import.id).where(Import.key == key))
        rows = await session.execute(
            select(ImportItem.origin, ImportItem.row_number, ImportItem.report_id).where(ImportItem.import_id == import_id, ImportItem.kind == "row")
        )
        for origin, number, report in rows:
            if report is not None:
                report_of_row[f"{names[int(origin.partition('#')[2]) - 1]}#{number}"] = report


async def _score(resources: Resources, report_of_row: dict[str, int]) -> None:
    gold = rows_of(DATA / "synthetic_dev_gold" / "gold_links.csv")
    async with resources.db.read() as session:
        studies = {uid: number for uid, number in (await session.execute(select(Study.uid, Study.id))).all()}
        links: dict[int, set[int]] = {}
        counting = select(Link.study_id, Link.report_id).where(Link.active.is_(True), Link.state.in_(("sure", "accepted")))
        for study, report in (await session.execute(counting)).all():
            links.setdefault(study, set()).add(report)
        origins = select(ImportItem.report_id, ImportItem.origin).where(ImportItem.report_id.is_not(None))
        kinds = {report: origin for report, origin in (await session.execute(origins)).all()}
        labels = (
            await session.execute(
                select(CaseStudy.study_id, Disease.code, CaseLabel.value, CaseLabel.state)
                .join(Case, Case.id == CaseStudy.case_id)
                .join(Disease, Disease.id == Case.disease_id)
                .join(CaseLabel, CaseLabel.case_id == Case.id)
                .join(LabelScheme, (LabelScheme.id == CaseLabel.scheme_id) & (LabelScheme.code == "malignancy"))  # gold is of 0 and 1
            )
        ).all()
    for kind, column in (("imaging", "imaging_id"), ("pathology", "pathology_ids")):
        right = wrong = missed = 0
        for row in gold:
            study = studies[resources.key.uid(row["study_uid"])]
            wanted = {report_of_row[part] for part in row[column].replace("|", ";").split(";") if part in report_of_row}
            got = {report for report in links.get(study, set()) if str(kinds.get(report, "")).startswith(kind)}
            right += len(got & wanted)
            wrong += len(got - wanted)
            missed += len(wanted - got)
        precision, recall = right / max(1, right + wrong), right / max(1, right + missed)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        print(f"link {kind:9} P {precision:.4f} R {recall:.4f} F1 {f1:.4f} ({right} right, {wrong} wrong, {missed} missed)")
    patients = {(row["patient_key"], row["disease"]): row for row in rows_of(DATA / "synthetic_dev_gold" / "gold_patients.csv")}
    of_study = {studies[resources.key.uid(row["study_uid"])]: (row["patient_key"], row["disease"]) for row in gold}
    outcome: Counter[str] = Counter()
    for study, disease, value, state in labels:
        place = of_study.get(study)
        if place is None or place[1] != disease or place not in patients:
            outcome["other disease"] += 1
            continue
        truth = patients[place]["label01"]
        if state != "sure":
            outcome["in review"] += 1
        elif truth in ("0", "1"):
            outcome["sure and right" if value == truth else "sure and flipped"] += 1
        else:
            outcome["sure, gold tells none"] += 1
    print("case labels by study:", dict(outcome))
    sure = outcome["sure and right"] + outcome["sure and flipped"]
    if sure:
        print(f"flipped among sure with gold: {outcome['sure and flipped'] / sure:.4f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(run(Path(name), sys.argv[1] if len(sys.argv) > 1 else ""))

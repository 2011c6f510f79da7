"""Measure the preview of a changed rule set: python -m benchmarks.rules [--reports 100000] [--processes 2].

Fills an empty SQLite catalog with cases of one report each (three to six sentences put together at random, two languages),
starts the ingest service on it, proposes a changed text over the route and waits. Bar: 100,000 reports in 120 s, with progress.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import insert, select

from isocenter import schema
from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.db import Database
from isocenter.diseases import load_diseases
from isocenter.keys import create_key_file
from isocenter.models import (
    Case,
    CaseStudy,
    Disease,
    Hospital,
    Import,
    Label,
    LabelScheme,
    Link,
    Patient,
    PatientIdentity,
    PolicyVersion,
    Report,
    ReportText,
    Study,
    now,
)
from isocenter.resources import open_resources
from isocenter.settings import Settings
from services.catalog.seed import seed_diseases
from services.ingest.app import create_app

BAR_SECONDS = 120
ROWS_AT_ONCE = 5000
FINDINGS = (
    "肝脏大小、形态正常，各叶比例协调，表面光滑，肝裂不宽。", "肝右叶见类圆形稍低密度影，大小约{n}mm×{m}mm，边界欠清。",
    "增强扫描动脉期明显强化，门脉期及延迟期强化程度减低。",
    "肝内外胆管未见扩张，胆囊不大，壁不厚。", "脾脏不大，密度均匀，胰腺形态如常。", "腹膜后未见明显肿大淋巴结，腹腔未见积液。",
    "The liver is normal in size with a smooth contour.", "A {n} mm hypodense lesion is seen in segment {m} without washout.",
    "No intrahepatic biliary dilatation. The portal vein is patent.",
)  # fmt: skip
CONCLUSIONS = (
    "肝右叶占位，考虑肝细胞癌可能性大，建议进一步检查。", "肝右叶肝细胞癌。", "肝多发囊肿，较前（{n}天前）相仿。",
    "肝左叶血管瘤，建议随访。", "肝内小结节，性质待定。", "未见明显异常。",
    "脂肪肝；胆囊结石。", "肝硬化，脾大，少量腹水。", "Simple hepatic cysts, unchanged.", "Findings are consistent with hepatocellular carcinoma, LI-RADS 5.",
    "Indeterminate {n} mm lesion, follow-up MRI in 3 months is advised.", "No evidence of metastatic disease.",
)  # fmt: skip


async def fill(db: Database, count: int, seed: int = 7) -> None:
    """``count`` cases, each with a study, a linked report and what rules said of it; the rows an import would have left."""
    draw = random.Random(seed)
    async with db.write() as session:
        session.add(Hospital(id=1, code="H1", title=""))
        disease = (await session.scalars(select(Disease.id).where(Disease.code == "liver"))).one()
        scheme = (await session.scalars(select(LabelScheme.id).where(LabelScheme.disease_id == disease, LabelScheme.code == "malignancy"))).one()
        session.add(PolicyVersion(id=1, kind="link", scope="all", number=1, sha256="1" * 64, body={}, created_at=now()))
        await session.flush()
        session.add(Import(id=1, key="benchmark", hospital_id=1, account="b", source_kind="none", state="finished", options={}, created_at=now()))
    for start in range(1, count + 1, ROWS_AT_ONCE):
        ids = range(start, min(start + ROWS_AT_ONCE, count + 1))
        moment = now()
        common = {"created_at": moment, "revision": 1}
        rows: list[tuple[Any, list[dict[str, Any]]]] = [
            (Patient, [{"id": n, "key": f"p{n}"} for n in ids]),
            (PatientIdentity, [{"id": n, "hospital_id": 1, "number_hmac": f"{n:032x}", "pseudonym_key": "k", "patient_id": n} for n in ids]),
            (Study, [{"id": n, "uid": f"2.25.{n}", "hospital_id": 1, "identity_id": n, "import_id": 1, **common} for n in ids]),
            (Case, [{"id": n, "key": f"LIV-{n:06d}", "patient_id": n, "disease_id": disease, **common} for n in ids]),
            (CaseStudy, [{"case_id": n, "study_id": n, "import_id": 1} for n in ids]),
            (Report, [{"id": n, "key": f"{n:032x}", "hospital_id": 1, "kind": "imaging", "identity_id": n, "import_id": 1, **common} for n in ids]),
            (ReportText, [{"id": n, "report_id": n, "version": 1, "sections": _sections(draw), "policy_id": 1, "created_at": moment} for n in ids]),
            (Link, [_link(n, moment) for n in ids]),
            (Label, [_label(n, scheme, moment) for n in ids]),
        ]
        async with db.write() as session:
            for model, values in rows:
                await session.execute(insert(model), values)


def _sections(draw: random.Random) -> dict[str, str]:
    said = [text.format(n=draw.randint(3, 90), m=draw.randint(2, 8)) for text in draw.sample(FINDINGS, draw.randint(3, 6))]
    ended = [text.format(n=draw.randint(3, 90)) for text in draw.sample(CONCLUSIONS, draw.randint(1, 2))]
    return {"exam": "上腹部CT平扫+增强", "findings": "".join(said), "impression": "\n".join(ended)}


def _link(n: int, moment: Any) -> dict[str, Any]:
    return {
        "study_id": n, "report_id": n, "generation": 0, "score": 1.0, "components": {}, "state": "sure", "active": True, "source": "rule", "policy_id": 1,
        "created_at": moment,
    }  # fmt: skip


def _label(n: int, scheme: int, moment: Any) -> dict[str, Any]:
    return {
        "fingerprint": f"{n:064x}", "report_id": n, "scheme_id": scheme, "value": "review", "source": "rule", "confidence": 0.0, "evidence": [], "reason": "",
        "created_at": moment,
    }  # fmt: skip


async def measure(folder: Path, count: int, processes: int) -> dict[str, Any]:
    settings = Settings(data=folder, executor=f"processes:{processes}")
    key = create_key_file(folder / "site.key")
    resources = open_resources(settings, key)
    await schema.migrate(resources.db)
    await schema.bind_key(resources.db, key)
    async with resources.db.write() as session:
        await seed_diseases(session, load_diseases())
    await fill(resources.db, count)
    app = create_app(settings, resources)
    headers = {PRINCIPAL_HEADER: sign(Principal(1, "b", Role.ADMIN), key, lifetime_seconds=3600)}
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://ingest/api/v1/rules/liver", headers=headers)
    async with app.router.lifespan_context(app), client:
        text = re.sub(r"^number = (\d+)", lambda found: f"number = {int(found[1]) + 1}", (await client.get("/text")).text, count=1, flags=re.MULTILINE)
        text += '\n[[terms]]\nid = "added"\nmeaning = "benign"\nwords = ["脂肪肝", "胆囊结石"]\n'
        began, cpu = time.perf_counter(), _cpu_seconds()
        made = (await client.post("/proposals", json={"text": text})).json()
        seen: set[int] = set()
        while True:
            view = (await client.get("/proposals")).json()[0]
            seen.add(view["done"])
            if view["state"] in ("ready", "failed"):
                break
            await asyncio.sleep(0.5)
        seconds = time.perf_counter() - began
        result = (await client.get(f"/proposals/{made['key']}")).json()
    own = _cpu_seconds() - cpu
    await resources.close()
    figures = {"reports": result["reports"], "failed": result["failed"], "seconds": round(seconds, 1), "reports_per_s": round(count / seconds)}
    return figures | {"progress_steps_seen": len(seen), "server_cpu_s": round(own, 1), "moves": result["report_moves"], "bar_seconds": BAR_SECONDS}


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(Path(folder), chosen.reports, chosen.processes)), ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()

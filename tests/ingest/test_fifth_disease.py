"""A disease nobody programmed: its TOML goes in through the catalog, and an import makes, names and labels its cases."""

from __future__ import annotations

from pathlib import Path

import httpx
from ingest_samples import imaging_row, write_ct, write_table
from ingest_service import Ingest

from isocenter.auth import PRINCIPAL_HEADER, sign
from services.catalog.app import create_app

TOML = Path(__file__).with_name("prostate.toml").read_bytes()


async def test_disease_when_its_toml_is_all_there_is_then_cases_are_made_labelled_and_found(ingest: Ingest) -> None:
    app = create_app(ingest.resources.settings, ingest.resources)
    headers = {PRINCIPAL_HEADER: sign(ingest.who, ingest.resources.key)}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://catalog", headers=headers) as catalog:
        made = await catalog.put("/api/v1/diseases/prostate/definition.toml", content=TOML)
        assert made.status_code == 200, made.text
        for number, uid in enumerate(("1.2.1", "1.2.2"), start=1):
            write_ct(ingest.root / "images" / f"{uid}.dcm", uid=uid, patient_id=f"200{number}", accession=f"CT{number}", body_part="PROSTATE", seed=number)
        rows = [
            imaging_row("CT1", "2001", impression="前列腺癌，包膜受侵。"),
            imaging_row("CT2", "2002", impression="良性前列腺增生。"),
        ]
        rows = [(*row[:6], "盆腔CT平扫", "前列腺体积增大。", row[8]) for row in rows]
        table = write_table(ingest.root / "tables" / "reports.csv", rows)
        view = await ingest.run(ingest.root / "images", {"path": str(table)}, diseases=["prostate"])
        assert view["state"] == "finished", view["failure"]
        await ingest.settled()
        page = (await catalog.get("/api/v1/cases", params={"disease": "prostate"})).json()["items"]
        assert [row["key"] for row in page] == ["PRO-000001", "PRO-000002"]
        assert sorted((row["label"]["value"], row["label"]["state"]) for row in page) == [("0", "sure"), ("1", "sure")]
        found = await catalog.post("/api/v1/cases/count", json={"query": {"terms": {"disease": ["prostate"], "label": ["1"]}}})
        assert found.json()["cases"] == 1
        dataset = await catalog.post("/api/v1/datasets", json={"name": "prostates", "disease": "prostate"})
        assert dataset.status_code == 201, dataset.text
        frozen = await catalog.post("/api/v1/datasets/prostates/versions", json={"query": {}})
        assert (frozen.status_code, frozen.json()["counts"]["cases"]) == (201, 2)
        assert "Prostate" in (await catalog.get("/api/v1/diseases/prostate/report")).text

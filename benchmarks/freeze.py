"""How long does a freeze take, and is its progress seen? A catalog of N series made of rows (benchmarks/catalog_rows.py) with M instances a series.

usage: python -m benchmarks.freeze [series=100000] [catalog URL]
Bar: 100,000 series within 30 s. CPU seconds count on a loaded machine. The freeze goes through the service's route, as a client asks for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import insert, select, update

from benchmarks.catalog_rows import fill
from isocenter import schema
from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.db import Database
from isocenter.keys import create_key_file
from isocenter.models import CaseLabel, Instance, PolicyVersion, Series, Stack
from isocenter.resources import open_resources
from isocenter.settings import Settings
from services.catalog.app import create_app

INSTANCES = 4  # a series: enough that rows of instances dominate, few enough that the catalog is made in a minute


async def add_instances(db: Database) -> int:
    """Rows of instances for every stack; no objects."""
    async with db.write() as session:
        policy = await session.scalar(select(PolicyVersion.id).where(PolicyVersion.kind == "deid"))
        if policy is None:
            row = PolicyVersion(kind="deid", scope="basic", number=1, sha256="0" * 64, body={})
            session.add(row)
            await session.flush()
            policy = row.id
        stacks = (await session.execute(select(Stack.id, Stack.series_id, Series.uid).join(Series, Series.id == Stack.series_id))).all()
        rows: list[dict[str, Any]] = []
        made = 0
        for stack_id, series_id, uid in stacks:
            for number in range(INSTANCES):
                sha256 = hashlib.sha256(f"{stack_id} {number}".encode()).hexdigest()
                rows.append({
                    "sop_uid": f"{stack_id}.{number}", "series_id": series_id, "stack_id": stack_id, "number": number + 1, "sop_class_uid": "1.2",
                    "object_key": f"data/{uid}/{sha256}.dcm", "object_sha256": sha256, "size_bytes": 526_000, "media_type": "application/dicom",
                    "source_hmac": sha256[:32], "pixel_hash": sha256[:32], "policy_id": policy, "state": "visible",
                })  # fmt: skip
            if len(rows) >= 20_000:
                await session.execute(insert(Instance), rows)
                made, rows = made + len(rows), []
        if rows:
            await session.execute(insert(Instance), rows)
        await session.execute(update(CaseLabel).values(state="sure"))
        return made + len(rows)


async def run(series: int, url: str, folder: Path) -> None:
    settings = Settings(data=folder, catalog_url=url, executor="inline:")
    resources = open_resources(settings, create_key_file(folder / "site.key"))
    await schema.migrate(resources.db)
    began = time.perf_counter()
    print(await fill(resources.db, series), "instances", await add_instances(resources.db), f"in {time.perf_counter() - began:.0f} s")
    app = create_app(settings, resources)
    headers = {PRINCIPAL_HEADER: sign(Principal(1, "admin", Role.ADMIN), resources.key, lifetime_seconds=7200)}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://bench", headers=headers, timeout=600) as http:
        for disease in [row["code"] for row in (await http.get("/api/v1/diseases")).json()["items"]]:
            made = await http.post("/api/v1/datasets", json={"name": f"b-{disease}".replace("_", "-"), "disease": disease})
            assert made.status_code == 201, made.text
            clock, cpu = time.perf_counter(), time.process_time()
            body = {"query": {}, "split": {"train": 0.7, "val": 0.15, "test": 0.15}, "seed": 1}
            answer = await http.post(f"/api/v1/datasets/b-{disease}/versions".replace("_", "-"), json=body)
            if answer.status_code != 201:
                print(disease, answer.status_code, json.dumps(answer.json())[:200])
                continue
            counts = answer.json()["counts"]
            took, used = time.perf_counter() - clock, time.process_time() - cpu
            rate = counts["series"] / used if used else 0
            print(f"{disease}: {counts['cases']} cases, {counts['series']} series, {counts['files']} files: {took:.1f} s wall, {used:.1f} s CPU; ", end="")
            print(f"100,000 series in {100_000 / rate:.1f} s CPU")
    await resources.close()


def main() -> None:
    series = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(series, sys.argv[2] if len(sys.argv) > 2 else "", Path(folder)))


if __name__ == "__main__":
    main()

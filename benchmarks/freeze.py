"""How long does a freeze take, and is its progress seen? A catalog of N series made of rows (benchmarks/catalog_rows.py) with M instances a series.

usage: python -m benchmarks.freeze [series=100000] [--url CATALOG] [--one N] [--keep FOLDER] [--lock FILE]
``--one``: instances for N series of labelled lung cases only, frozen as one version; else all series, the diseases one after another. ``--keep``
is a folder with a catalog of ``benchmarks.catalog --keep`` (it gets instances: give a copy). ``--lock``: see ``catalog_turns``.
Bar: 100,000 series within 30 s. CPU seconds count on a loaded machine. The freeze goes through the service's route, as a client asks for it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import insert, select, update

from benchmarks.catalog_rows import fill
from benchmarks.catalog_turns import turn
from isocenter import schema
from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.db import Database
from isocenter.keys import create_key_file, read_key_file
from isocenter.models import Case, CaseLabel, CaseStudy, Disease, Instance, PolicyVersion, Series, Stack
from isocenter.resources import open_resources
from isocenter.settings import Settings
from services.catalog.app import create_app

STREAM = {"Accept": "text/event-stream"}  # progress comes as events, counted and checked to go forward
INSTANCES = 4  # a series: enough that rows of instances dominate, few enough that the catalog is made in a minute


async def add_instances(db: Database, most: int) -> int:
    """Rows of instances for every stack, or for those of the first ``most`` series of labelled lung cases; no objects."""
    async with db.write() as session:
        policy = await session.scalar(select(PolicyVersion.id).where(PolicyVersion.kind == "deid"))
        if policy is None:
            row = PolicyVersion(kind="deid", scope="basic", number=1, sha256="0" * 64, body={})
            session.add(row)
            await session.flush()
            policy = row.id
        wanted = select(Stack.id, Stack.series_id, Series.uid).join(Series, Series.id == Stack.series_id).order_by(Series.id)
        if most:
            lung = select(CaseStudy.study_id).join(Case, Case.id == CaseStudy.case_id).join(CaseLabel, CaseLabel.case_id == Case.id)
            lung = lung.where(Case.disease_id == select(Disease.id).where(Disease.code == "lung").scalar_subquery())
            chosen = (await session.scalars(select(Series.id).where(Series.study_id.in_(lung)).order_by(Series.id).limit(most))).all()
            wanted = wanted.where(Series.id <= chosen[-1], Series.study_id.in_(lung))
        stacks = (await session.execute(wanted)).all()
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


async def run(options: argparse.Namespace, folder: Path) -> None:
    settings = Settings(data=folder, catalog_url=options.url, executor="inline:")
    place = folder / "site.key"
    resources = open_resources(settings, read_key_file(place) if place.exists() else create_key_file(place))
    await schema.migrate(resources.db)
    began = time.perf_counter()
    async with resources.db.read() as session:
        empty = await session.scalar(select(Case.id).limit(1)) is None
    made = await fill(resources.db, options.series) if empty else "kept"
    print(made, "instances", await add_instances(resources.db, options.one), f"in {time.perf_counter() - began:.0f} s", flush=True)
    app = create_app(settings, resources)
    headers = {PRINCIPAL_HEADER: sign(Principal(1, "admin", Role.ADMIN), resources.key, lifetime_seconds=7200)}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://bench", headers=headers, timeout=600) as http:
        for disease in ["lung"] if options.one else [row["code"] for row in (await http.get("/api/v1/diseases")).json()["items"]]:
            named = await http.post("/api/v1/datasets", json={"name": f"b-{disease}".replace("_", "-"), "disease": disease})
            assert named.status_code == 201, named.text
            body = {"query": {}, "split": {"train": 0.7, "val": 0.15, "test": 0.15}, "seed": 1}
            with turn(options.lock, [psutil.Process()]):
                clock, cpu, load = time.perf_counter(), time.process_time(), os.getloadavg()[0]
                answer = await http.post(f"/api/v1/datasets/b-{disease}/versions".replace("_", "-"), json=body, headers=STREAM)
                wall, used = time.perf_counter() - clock, time.process_time() - cpu
            assert answer.status_code == 201, answer.text
            told = [event.split("\n", 1) for event in answer.text.strip().split("\n\n")]
            version = json.loads(told[-1][1].removeprefix("data: "))
            if told[-1][0] != "event: version":
                print(disease, told[-1][0], json.dumps(version)[:200])
                continue
            counts, progress = version["counts"], [json.loads(data.removeprefix("data: ")) for _, data in told[:-1]]
            assert len(progress) >= wall / 3, f"{len(progress)} progress events in {wall:.0f} s"
            assert all(before["done"] <= after["done"] for before, after in pairwise(progress) if before["step"] == after["step"])
            rate = counts["series"] / used if used else 0
            print(f"{disease}: {counts['cases']} cases, {counts['series']} series, {counts['files']} files: ", end="")
            print(f"{wall:.1f} s wall, {used:.1f} s CPU, load average {load:.1f}; ", end="")
            print(f"100,000 series in {100_000 / rate:.1f} s CPU; {len(progress)} progress events; digest {version['digest'][:16]}", flush=True)
    await resources.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("series", type=int, nargs="?", default=100_000)
    parser.add_argument("--url", default="")
    parser.add_argument("--one", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--lock", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(options, options.keep or Path(folder)))


if __name__ == "__main__":
    main()

"""QIDO with limit=100 over 100,800 instances: the catalog that ``benchmarks.dicomweb --folder DIR`` left, its series repeated as rows.

Asked at rest, then while an import of 60 slices a patient runs in the same server. With ``--catalog-url`` the rows are copied to a new MariaDB database
and the same process serves from there.
usage: python -m benchmarks.qido_size DIR [--times 50] [--patients 40] [--catalog-url mysql+asyncmy://...]   (DIR is copied, not changed)
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

import httpx
from sqlalchemy import create_engine, insert, select, text

from benchmarks import peers
from benchmarks.dicomweb import JSON, ask, held_by, queries
from benchmarks.peers import Served
from benchmarks.servers import write_patients
from isocenter import schema
from isocenter.db import Database
from isocenter.models import Base


def repeat(catalog: Path, times: int) -> tuple[int, int]:
    """(series, instances) after every series was copied so often, under UIDs of its own."""
    with contextlib.closing(sqlite3.connect(catalog)) as db:
        series = [row[1] for row in db.execute("PRAGMA table_info(series)") if row[1] not in ("id", "uid")]
        instance = [row[1] for row in db.execute("PRAGMA table_info(instance)") if row[1] not in ("id", "series_id", "sop_uid")]
        originals = [row[0] for row in db.execute("SELECT id FROM series")]
        for number in range(1, times):
            for original in originals:
                added = db.execute(
                    f"INSERT INTO series (uid, {', '.join(series)}) SELECT uid || '.{number}', {', '.join(series)} FROM series WHERE id = ?", (original,)
                ).lastrowid
                columns = ", ".join(instance)
                db.execute(
                    f"INSERT INTO instance (series_id, sop_uid, {columns}) SELECT ?, sop_uid || '.{number}', {columns} FROM instance WHERE series_id = ?",
                    (added, original),
                )
        db.commit()
        return tuple(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("series", "instance"))  # type: ignore[return-value]


async def copy(catalog: Path, url: str) -> None:
    """All rows of the SQLite catalog into the new database at ``url``."""
    db = Database(url)
    await schema.migrate(db)
    source = create_engine(f"sqlite:///{catalog}")
    with source.connect() as rows:
        async with db.write() as session:
            await session.execute(text("SET foreign_key_checks = 0"))
            for table in Base.metadata.sorted_tables:
                await session.execute(table.delete())
                for part in rows.execution_options(yield_per=2000).execute(select(table)).mappings().partitions():
                    await session.execute(insert(table), [dict(row) for row in part])
            await session.execute(text("SET foreign_key_checks = 1"))
    source.dispose()
    await db.close()


def import_begun(served: Served, folder: Path) -> str:
    order = {"hospital": "MEANWHILE", "source": {"kind": "folder", "path": str(folder)}, "tables": [], "diseases": "auto"}
    return str(httpx.post(f"{served.url}/api/v1/imports", json=order, headers=served.headers, timeout=60).raise_for_status().json()["key"])


def state_of(served: Served, key: str) -> tuple[bool, int]:
    """(whether the import runs, files accepted so far)."""
    view = httpx.get(f"{served.url}/api/v1/imports/{key}", headers=served.headers, timeout=60).raise_for_status().json()
    return view["state"] == "running", view["counts"]["files"]["accepted"]


def measure(served: Served, asked: dict[str, str], images: Path) -> None:
    """Each question 40 times at rest, then 40 times while the import runs."""
    rest: dict[str, float] = {}
    print(f"| QIDO, limit=100, load {os.getloadavg()[0]:.0f} | p50 ms | CPU ms | p50 ms while an import runs | times |\n|---|---|---|---|---|", flush=True)
    figures = {}
    for name, path in asked.items():
        ask(served, [path] * 5, 1, JSON)
        figures[name] = answered = ask(served, [path] * 40, 1, JSON)
        rest[name] = answered.p50_ms
    key = import_begun(served, images)
    while state_of(served, key) == (True, 0):  # its workers start
        time.sleep(0.2)
    for name, path in asked.items():
        busy = ask(served, [path] * 40, 1, JSON).p50_ms if state_of(served, key)[0] else float("nan")
        print(f"| {name} | {rest[name]:.2f} | {figures[name].cpu_ms:.2f} | {busy:.2f} | {busy / rest[name]:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--catalog-url", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, images = Path(temporary), Path(temporary) / "images"
        source = given.folder / "iso"
        shutil.copytree(source / "data", folder / "data", ignore=shutil.ignore_patterns("objects", "staging", "serve.lock"))
        shutil.copy2(source / "token", folder / "token")
        write_patients(images, 1, given.patients)
        with peers.isocenter(folder, images) as served:
            held = held_by(served)
        series, instances = repeat(folder / "data" / "catalog.db", given.times)
        environment = {}
        if given.catalog_url:
            asyncio.run(copy(folder / "data" / "catalog.db", given.catalog_url))
            environment = {"ISOCENTER_CATALOG_URL": given.catalog_url}
        print(f"{series} series, {instances} instances on {'MariaDB' if given.catalog_url else 'SQLite'}", flush=True)
        asked = {name: path if "limit=" in path else f"{path}{'&' if '?' in path else '?'}limit=100" for name, path in queries(held).items()}
        with peers.isocenter(folder, images, **environment) as served:
            measure(served, asked, images)


if __name__ == "__main__":
    main()

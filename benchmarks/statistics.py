"""Issue 6's statistics over a generated catalog, through the gateway: each chart of the dashboards and whole dashboards; p50 and p95 beside the bars.

usage: python -m benchmarks.statistics SERIES FILTERS_A_CHART DATA_FOLDER [catalog URL]
The catalog is that of benchmarks.catalog, made when it is not there yet, with its studies spread over 60 days of import. Requests go
over HTTP to a gateway process (SQLite: one process; MariaDB: gateway and stats as two), every request with a filter of its own that was
not asked before, as admin, as a researcher of one disease and as a researcher of one dataset. CPU is of the serving processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import statistics as figures
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
from sqlalchemy import func, insert, select, update

from benchmarks.catalog import queries
from benchmarks.catalog_rows import fill
from gateway.store import issue_token
from isocenter import schema
from isocenter.changes import note_changes
from isocenter.db import Database
from isocenter.keys import create_key_file, read_key_file
from isocenter.models import Account, Case, CaseStudy, ExamTally, Hospital, Import, now
from isocenter.settings import SERVICES, Settings
from services.stats.tally import DASHBOARDS

DAYS = 60
ACCOUNTS = (("admin", "admin"), ("of-disease", "researcher"), ("of-dataset", "researcher"))
CHARTS = sorted({pair for pairs in DASHBOARDS.values() for pair in pairs})


async def ready(settings: Settings, series: int) -> dict[str, str]:
    """A filled catalog; account -> token."""
    settings.data.mkdir(parents=True, exist_ok=True)
    key_file = settings.resolved_key_file
    key = read_key_file(key_file) if key_file.exists() else create_key_file(key_file)
    db = Database(settings.resolved_catalog_url)
    await schema.migrate(db)
    await schema.bind_key(db, key)
    async with db.read() as session:
        there = await session.scalar(select(func.count()).select_from(Case))
    if not there:
        began = time.perf_counter()
        print(f"made {await fill(db, series)} in {time.perf_counter() - began:.0f} s")
    async with db.write() as session:
        first = (await session.scalars(select(Import.id).order_by(Import.id))).first()
        if await session.scalar(select(func.count()).select_from(Import)) == 1:
            hospital = (await session.scalars(select(Hospital.id))).first()
            shared = {"hospital_id": hospital, "account": "admin", "source_kind": "none", "state": "finished", "stage": "finish", "options": {}, "failure": ""}
            runs = [shared | {"key": f"day{n}", "created_at": now() - timedelta(days=n)} for n in range(1, DAYS)]
            await session.execute(insert(Import), runs)
            for number in range(1, DAYS):
                await session.execute(update(CaseStudy).where(CaseStudy.study_id % DAYS == number).values(import_id=first + number))
            days = [
                {"day": date(2024, 1, 1) + timedelta(days=n), "hospital_id": hospital, "device": f"d{n % 9}", "modality": "CT", "studies": 9}
                for n in range(700)
            ]
            await session.execute(insert(ExamTally), days)
            await note_changes(session, ())
        tokens = {}
        for name, role in ACCOUNTS:
            account = (await session.scalars(select(Account).where(Account.name == name))).one()
            account.role, account.active = role, True
            tokens[name] = issue_token(session, account.id, "benchmark", 1)[1]
    await db.close()
    return tokens


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[tuple[str, list[psutil.Process]]]:
    """The gateway's address and the processes behind it."""
    environment = {**os.environ, "ISOCENTER_DATA": str(settings.data), "ISOCENTER_CATALOG_URL": settings.catalog_url, "ISOCENTER_LOG_LEVEL": "WARNING"}
    ports = {"": free_port()}
    if not settings.embedded:
        ports = {service: free_port() for service in (*SERVICES, "gateway")}
        for service in SERVICES:
            name = "CATALOG_SERVICE" if service == "catalog" else service.upper()
            environment[f"ISOCENTER_{name}_URL"] = f"http://127.0.0.1:{ports[service]}"
    command = [sys.executable, "-m", "gateway.cli", "serve"]
    running = [
        subprocess.Popen([*command, *filter(None, [service]), "--port", str(port)], env=environment, stdout=subprocess.DEVNULL)
        for service, port in ports.items()
    ]
    try:
        counting = [process for process, service in zip(running, ports, strict=True) if service in ("", "stats", "gateway")]
        yield f"http://127.0.0.1:{list(ports.values())[-1]}", [psutil.Process(process.pid) for process in counting]
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


def line(name: str, seconds: list[float], bar: int) -> str:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] * 1000
    middle, verdict = figures.median(ordered) * 1000, "met" if p95 <= bar else "MISSED"
    return f"  {name:<34} p50 {middle:6.0f}  p95 {p95:6.0f}  worst {ordered[-1] * 1000:6.0f} ms  bar {bar}  {verdict}  (n={len(ordered)})"


async def measure(http: httpx.AsyncClient, asked: Iterator[dict[str, Any]], each: int, bar: int, processes: list[psutil.Process], who: str) -> None:
    times: dict[str, list[float]] = {}
    cpu = _cpu(processes)

    async def timed(name: str, path: str, **parameters: str) -> None:
        document = orjson.dumps(next(asked)).decode()
        began = time.perf_counter()
        answer = await http.get(f"/api/v1/statistics{path}", params={"query": document, **parameters})
        times.setdefault(name, []).append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
        assert answer.json()["stale"] is False

    for _ in range(each):
        for by, cross in CHARTS:
            await timed(f"{by} x {cross}" if cross else by, "", by=by, cross=cross)
        await timed("completeness", "/completeness")
    charts, requests = [second for found in times.values() for second in found], sum(map(len, times.values()))
    spent = (_cpu(processes) - cpu) / requests
    print(f"as {who}: {spent * 1000:.0f} ms CPU a request")
    print(line("every statistic", charts, bar))
    for name, found in sorted(times.items(), key=lambda item: -max(item[1]))[:4]:
        print(line(f"  {name}", found, bar))
    whole: list[float] = []
    for by in DASHBOARDS:
        times.clear()
        for _ in range(max(2, each // 3)):
            await timed(by, "/dashboard", by=by)
        whole += times[by]
    print(line("a whole dashboard, filtered", whole, 1000))
    first: list[float] = []
    for by in DASHBOARDS:
        began = time.perf_counter()
        assert (await http.get("/api/v1/statistics/dashboard", params={"by": by})).status_code == 200
        first.append(time.perf_counter() - began)
    print(line("a whole dashboard, no filter, first", first, 1000))


def _cpu(processes: list[psutil.Process]) -> float:
    return sum(process.cpu_times().user + process.cpu_times().system for process in processes)


async def run(series: int, each: int, folder: Path, url: str) -> None:
    settings = Settings(data=folder, catalog_url=url)
    tokens = await ready(settings, series)
    bar = 200 if series <= 1_000_000 else 500
    with serving(settings) as (address, processes):
        async with httpx.AsyncClient(base_url=address, timeout=900) as http:
            for _ in range(600):
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get("/healthz")).status_code == 200:
                        break
                await asyncio.sleep(0.2)
        asked = iter(queries(len(ACCOUNTS) * (each * (len(CHARTS) + 1) + len(DASHBOARDS) * max(2, each // 3))))
        print(f"load average {os.getloadavg()[0]:.1f}")
        for place, (name, token) in enumerate(tokens.items()):
            async with httpx.AsyncClient(base_url=address, timeout=900, headers={"Authorization": f"Bearer {token}"}) as http:
                if place == 0:
                    began = time.perf_counter()
                    answer = await http.get("/api/v1/statistics/overview")
                    while answer.status_code == 503:  # the copy is loading: it says when to come again
                        await asyncio.sleep(int(answer.headers["retry-after"]))
                        answer = await http.get("/api/v1/statistics/overview")
                    answer.raise_for_status()
                    where, took = "SQLite" if settings.embedded else "MariaDB", time.perf_counter() - began
                    print(f"{series:,} series on {where}: copy loaded and first answer after {took:.1f} s")
                await measure(http, asked, each, bar, processes, name)
        print(f"PSS of the serving processes: {sum(process.memory_full_info().pss for process in processes) >> 20} MiB; load average {os.getloadavg()[0]:.1f}")


def main() -> None:
    series, each, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    asyncio.run(run(series, each, folder, sys.argv[4] if len(sys.argv) > 4 else ""))


if __name__ == "__main__":
    main()

"""Issue 3's questions to a generated catalog over HTTP through the gateway: p50 and p95 beside the bars, and what the catalog process holds.

usage: python -m benchmarks.catalog [--series 1000000] [--queries 500] [--url URL] [--keep FOLDER] [--peer PYTHON] [--lock FILE] [--parts PART ...]
The catalog is made of rows (skewed attributes, missing values as real data has them: two thirds of the CT series without age), no
objects. ``isocenter serve catalog`` and ``isocenter serve gateway`` are processes of their own; each query is asked once, as admin, as a
researcher of one disease and as a researcher of one dataset. ``--keep`` keeps the catalog for the next run; ``--peer`` is a Python
that has idc-index: its DuckDB answers a filter, a count and a grouping of about as many series, in turns with the administrator's
questions. ``--lock`` is a file held while an account is measured, whose questions then run at normal priority (``catalog_turns``).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import select, update

from benchmarks.catalog_questions import BARS_MS, BULK, WORDS, queries, shown
from benchmarks.catalog_rows import fill
from benchmarks.catalog_turns import Peer, turn
from gateway.store import digest
from isocenter import schema
from isocenter.db import Database
from isocenter.keys import create_key_file, read_key_file
from isocenter.models import Account, Case, Study, Token, now
from isocenter.settings import Settings

ACCOUNTS = ("admin", "of-disease", "of-dataset")
PEER_EVERY = 10  # queries of the administrator between two turns of the peer


async def prepare(settings: Settings, series: int) -> tuple[list[str], list[str], dict[str, str]]:
    """Case keys, study UIDs, and an API token for each account; the rows are made when the catalog is empty."""
    key_file = settings.resolved_key_file
    key = read_key_file(key_file) if key_file.exists() else create_key_file(key_file)
    db = Database(settings.resolved_catalog_url)
    await schema.migrate(db)
    await schema.bind_key(db, key)
    async with db.read() as session:
        empty = (await session.scalars(select(Case.id).limit(1))).first() is None
    if empty:
        began = time.perf_counter()
        sizes = await fill(db, series)
        print(f"made {sizes} in {time.perf_counter() - began:.0f} s on {'SQLite' if db.is_sqlite else 'MariaDB'}")
    tokens = {name: f"isc_{random.SystemRandom().randbytes(24).hex()}" for name in ACCOUNTS}
    async with db.write() as session:
        await session.execute(update(Account).where(Account.name == "admin").values(role="admin"))
        for name, secret in tokens.items():
            account = (await session.scalars(select(Account.id).where(Account.name == name))).one()
            session.add(Token(token_sha256=digest(secret), account_id=account, name="bench", prefix="isc_", expires_at=now() + timedelta(days=1)))
    async with db.read() as session:
        keys = list(await session.scalars(select(Case.key).where(Case.deleted_at.is_(None)).order_by(Case.key)))
        studies = list(await session.scalars(select(Study.uid).where(Study.deleted_at.is_(None)).order_by(Study.uid)))
    await db.close()
    return keys, studies, tokens


@contextmanager
def process(service: str, environment: dict[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    """A running ``isocenter serve``: its address and its process."""
    command = [str(Path(sys.executable).with_name("isocenter")), "serve", service, "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as popen:
        assert popen.stdout is not None
        try:
            line = next(line for line in popen.stdout if "listens on" in line)
            yield line.rsplit(" ", 1)[1].strip(), psutil.Process(popen.pid)
        finally:
            popen.send_signal(signal.SIGTERM)


async def measure(http: httpx.AsyncClient, asked: list[dict[str, Any]], keys: list[str], who: str, peer: Peer | None) -> None:
    times: dict[str, list[float]] = {name: [] for name in BARS_MS}
    worst: dict[str, tuple[float, Any]] = {}

    async def timed(name: str, what: Any, method: str, path: str, **body: Any) -> Any:
        began = time.perf_counter()
        answer = await http.request(method, path, **body)
        took = time.perf_counter() - began
        assert answer.status_code in (200, 404), answer.text
        times[name].append(took)
        worst[name] = max(worst.get(name, (0.0, "")), (took, str(what)))
        return answer.json()

    for place, document in enumerate(asked):
        if peer is not None and place % PEER_EVERY == 0:
            peer.ask()
        await timed("first page", document, "POST", "/api/v1/cases/search", json={"query": document})
        await timed("count", document, "POST", "/api/v1/cases/count", json={"query": document})
        await timed("facets", document, "POST", "/api/v1/cases/facets", json={"query": document})
    for key in keys:
        await timed("one case", key, "GET", f"/api/v1/cases/{key}")
    for place, word in enumerate(WORDS * 3):
        query = asked[place % len(asked)] if place >= len(WORDS) else {}
        await timed("text", (word, query), "POST", "/api/v1/reports/search", json={"text": word, "query": query})
    print(f"as {who} (load average {os.getloadavg()[0]:.1f}):")
    for name, seconds in times.items():
        print(shown(name, seconds))
        print(f"              slowest {worst[name][0] * 1000:.0f} ms: {worst[name][1][:150]}", flush=True)


async def deep_pages(http: httpx.AsyncClient, rounds: int = 20) -> None:
    """Page 1 and page 1,000 of two lists (50 rows a page), in turns."""
    for query in ({}, {"terms": {"sex": ["F", "M"]}}):
        cursor, far = None, ""
        for _ in range(999):
            page = (await http.post("/api/v1/cases/search", json={"query": query, "cursor": cursor})).json()
            if page["next"] is None:
                break
            cursor = far = page["next"]
        seconds: dict[str, list[float]] = {"": [], far: []}
        for _ in range(rounds):
            for place, taken in seconds.items():
                began = time.perf_counter()
                await http.post("/api/v1/cases/search", json={"query": query, "cursor": place or None})
                taken.append(time.perf_counter() - began)
        first, last = (sorted(taken)[rounds // 2] * 1000 for taken in seconds.values())
        print(f"  page 1 {first:.1f} ms, page 1,000 {last:.1f} ms (medians of {rounds}), filter {query or 'none'}")


async def bulk(http: httpx.AsyncClient, cases: list[str], studies: list[str]) -> None:
    """20,000 cases noted, deleted and restored, 20,000 studies deleted and restored, in one request each; then the first question, which catches up."""
    for noun, keys, actions in (("cases", cases, ("note", "delete", "restore")), ("studies", studies, ("delete", "restore"))):
        some = random.Random(7).sample(keys, min(BULK, len(keys)))
        for action in actions:
            body = {"action": action, "keys": some} | ({"note": f"bench {time.time()}"} if action == "note" else {})
            began = time.perf_counter()
            answer = await http.post(f"/api/v1/{noun}/bulk", json=body)
            took = time.perf_counter() - began
            assert answer.status_code == 200, answer.text
            began = time.perf_counter()
            await http.post("/api/v1/cases/count", json={"query": {"terms": {"sex": ["F"]}}})
            done = f"{answer.json()['changed']} {noun} {took:5.2f} s (bar 10 s, load average {os.getloadavg()[0]:.1f})"
            print(f"  bulk {action:<8} {done}, the next count {time.perf_counter() - began:.2f} s", flush=True)


async def run(settings: Settings, options: argparse.Namespace) -> None:
    keys, studies, tokens = await prepare(settings, options.series)
    settings_of = {"ISOCENTER_DATA": settings.data, "ISOCENTER_CATALOG_URL": settings.resolved_catalog_url, "ISOCENTER_KEY_FILE": settings.resolved_key_file}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ISOCENTER_")} | {k: str(v) for k, v in settings_of.items()}
    asked, chosen = queries(options.queries), random.Random(5).sample(keys, min(200, len(keys)))
    with process("catalog", environment) as (catalog, server):
        urls = {f"ISOCENTER_{name}_URL": catalog for name in ("INGEST", "CATALOG_SERVICE", "STATS", "VIEWER")}
        with process("gateway", environment | urls) as (gateway, front):
            peer = Peer(options.peer) if options.peer else None
            ours = [psutil.Process(), server, front, *([psutil.Process(peer.popen.pid)] if peer else []), *map(psutil.Process, options.also)]
            clients = {
                name: httpx.AsyncClient(base_url=gateway, timeout=600, headers={"Authorization": f"Bearer {secret}"}) for name, secret in tokens.items()
            }
            began = time.perf_counter()
            answer = await clients["admin"].post("/api/v1/cases/count", json={"query": {"terms": {"sex": ["F"]}}})
            while answer.status_code == 503:  # still loading: it says when to come again
                await asyncio.sleep(int(answer.headers["retry-after"]))
                answer = await clients["admin"].post("/api/v1/cases/count", json={"query": {"terms": {"sex": ["F"]}}})
            answer.raise_for_status()
            print(f"first question {time.perf_counter() - began:.1f} s (the column copy loads from the start of the service)", flush=True)
            print(f"catalog process: PSS {server.memory_full_info().pss >> 20} MiB after the load", flush=True)
            most = 0
            for name, http in clients.items() if "questions" in options.parts else ():
                with turn(options.lock, ours):
                    await measure(http, asked, chosen, name, peer if name == "admin" else None)
                most = max(most, server.memory_full_info().pss)
            if peer is not None:
                if peer.seconds:
                    print(peer.shown())
                peer.popen.terminate()
                ours.remove(psutil.Process(peer.popen.pid))
            if "pages" in options.parts:
                with turn(options.lock, ours):
                    await deep_pages(clients["admin"])
            print(f"catalog process: PSS {most >> 20} MiB after the questions, bar 300 MB; CPU {sum(server.cpu_times()[:2]):.0f} s")
            if "bulk" in options.parts:
                with turn(options.lock, ours):
                    await bulk(clients["admin"], keys, studies)
            print(f"catalog process: PSS {server.memory_full_info().pss >> 20} MiB after the bulk changes")
            for http in clients.values():
                await http.aclose()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--url", default="", help="catalog URL; empty = SQLite in the folder")
    parser.add_argument("--keep", type=Path, help="folder that keeps catalog and key for another run")
    parser.add_argument("--peer", default="", help="a Python that has idc-index")
    parser.add_argument("--lock", type=Path, help="a file that whoever measures on this machine holds")
    parser.add_argument("--also", type=int, nargs="*", default=[], help="processes that take part, as mariadbd: their priority goes along")
    parser.add_argument("--parts", nargs="*", default=["questions", "pages", "bulk"], help="what is asked, for a lock held a short time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Settings(data=options.keep or Path(folder), catalog_url=options.url), options))


if __name__ == "__main__":
    main()

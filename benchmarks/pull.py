"""Is a pull as fast as a plain file copy through HTTP, does the server's memory stay, and does a killed pull fetch no byte twice?

usage: python -m benchmarks.pull [size in GB=5] [lock file: see catalog_turns]
A real ``isocenter serve`` in its own process, a version of 16 MiB objects; the plain copy is ``httpx`` writing the same bytes from nginx (or, without
nginx, from ``python -m http.server``) on the same machine. Rounds are interleaved. The kill: SIGKILL at about 40 %, then again until done; what nginx'
place in the comparison does not have is SHA-256, grants, audit.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import select

from benchmarks.catalog_turns import turn
from isocenter import schema
from isocenter.diseases import load_diseases
from isocenter.keys import create_key_file
from isocenter.models import (
    Case,
    CaseLabel,
    CaseStudy,
    Hospital,
    Import,
    Instance,
    Label,
    LabelScheme,
    Patient,
    PatientIdentity,
    PolicyVersion,
    Series,
    Stack,
    Study,
)
from isocenter.resources import open_resources
from isocenter.settings import Settings
from services.catalog.seed import seed_diseases

FILE_BYTES = 16 << 20
PIECE = 1 << 20
JOBS = 4
ROUNDS = 3


async def fill(folder: Path, files: int) -> None:
    """One case a file; every object has bytes of its own."""
    resources = open_resources(Settings(data=folder), create_key_file(folder / "site.key"))
    await schema.migrate(resources.db)
    await schema.bind_key(resources.db, resources.key)
    block = os.urandom(FILE_BYTES)
    async with resources.db.write() as session:
        await seed_diseases(session, load_diseases())
        hospital = Hospital(code="h", title="h")
        policies = [PolicyVersion(kind=kind, scope="basic", number=1, sha256="0" * 64, body={}) for kind in ("deid", "rules")]
        session.add_all([hospital, *policies])
        await session.flush()
        run = Import(key="i", hospital_id=hospital.id, account="a", source_kind="none", state="finished", stage="finish", options={})
        scheme = (await session.scalars(select(LabelScheme).order_by(LabelScheme.id))).first()
        assert scheme is not None
        session.add(run)
        await session.flush()
        for n in range(files):
            patient = Patient(key=f"p{n}", sex="F")
            session.add(patient)
            await session.flush()
            identity = PatientIdentity(hospital_id=hospital.id, number_hmac=f"n{n}", pseudonym_key="k", patient_id=patient.id)
            case = Case(key=f"BEN-{n:06d}", patient_id=patient.id, disease_id=scheme.disease_id)
            session.add_all([identity, case])
            await session.flush()
            study = Study(uid=f"2.25.{n}", hospital_id=hospital.id, identity_id=identity.id, import_id=run.id, age_years=50, sex="F")
            session.add(study)
            await session.flush()
            series = Series(uid=f"2.25.{n}.1", study_id=study.id, format="DICOM", modality="CT", instance_count=1)
            label = Label(
                fingerprint=f"l{n}", case_id=case.id, scheme_id=scheme.id, value=str(n % 2), source="rule", confidence=1.0, evidence=[],
                policy_id=policies[1].id,
            )  # fmt: skip
            session.add_all([series, label, CaseStudy(case_id=case.id, study_id=study.id, import_id=run.id)])
            await session.flush()
            stack = Stack(series_id=series.id, ordinal=0, instance_count=1)
            session.add_all([stack, CaseLabel(case_id=case.id, scheme_id=scheme.id, label_id=label.id, value=str(n % 2), state="sure")])
            await session.flush()
            content = n.to_bytes(16, "big") + block[16:]
            sha256 = hashlib.sha256(content).hexdigest()
            key = f"data/{series.uid}/{sha256}.dcm"
            resources.store.put_bytes(key, content)
            session.add(Instance(
                sop_uid=f"2.25.{n}.2", series_id=series.id, stack_id=stack.id, number=1, object_key=key, object_sha256=sha256, size_bytes=FILE_BYTES,
                media_type="application/dicom", source_hmac=sha256[:32], pixel_hash=sha256[:32], policy_id=policies[0].id,
            ))  # fmt: skip
    await resources.close()


def serve(folder: Path) -> tuple[subprocess.Popen[str], str, str]:
    """The process, its address and the administrator's first password."""
    command = [sys.executable, "-m", "gateway.cli", "serve", "--data", str(folder), "--port", "0"]
    popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    password = url = ""
    assert popen.stdout is not None
    for line in popen.stdout:
        password = found[1] if (found := re.search(r"with the password (\S+)", line)) else password
        if found := re.search(r"listens on (\S+)", line):
            url = found[1]
            break
    threading.Thread(target=popen.stdout.read, daemon=True).start()
    return popen, url, password


def plain_server(root: Path, folder: Path) -> tuple[subprocess.Popen[bytes], str, str]:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if nginx is None:
        return subprocess.Popen([sys.executable, "-m", "http.server", "18099", "-d", str(root), "-b", "127.0.0.1"]), "http://127.0.0.1:18099", "http.server"
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; worker_processes 1; user root; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\n"
        f"http {{ access_log off; sendfile on; server {{ listen 127.0.0.1:18099; root {root}; }} }}\n"
    )
    return subprocess.Popen([nginx, "-c", str(config), "-p", str(folder)]), "http://127.0.0.1:18099", "nginx"


def plain_copy(url: str, root: Path, to: Path) -> float:
    """Seconds to fetch every object with as many connections as the pull has, written to files."""
    names = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.dcm"))]
    to.mkdir(parents=True)
    began = time.perf_counter()
    with httpx.Client(base_url=url, timeout=60) as http, ThreadPoolExecutor(JOBS) as pool:

        def one(item: tuple[int, str]) -> None:
            with http.stream("GET", f"/{item[1]}") as answer, (to / str(item[0])).open("wb", buffering=0) as out:
                for piece in answer.iter_raw(PIECE):
                    out.write(piece)

        list(pool.map(one, enumerate(names)))
    took = time.perf_counter() - began
    shutil.rmtree(to)
    return took


def pull(environment: dict[str, str], to: Path, kill_at: int = 0) -> float:
    """Seconds of ``isc pull``; ``kill_at``: bytes on the disk after which it is killed."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "isocenter_client.cli", "pull", "bench@1", "--to", str(to), "--jobs", str(JOBS), "--quiet"]
    popen = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while kill_at and popen.poll() is None:
        if sum(path.stat().st_size for path in to.rglob("*.dcm*") if path.exists()) >= kill_at:
            popen.send_signal(signal.SIGKILL)
        time.sleep(0.02)
    popen.wait()
    return time.perf_counter() - began


def sent_bytes(process: psutil.Process) -> int:
    """Bytes the server wrote, sockets included (Linux)."""
    return int(process.io_counters().write_chars)  # type: ignore[attr-defined]


def run(gigabytes: float, folder: Path, lock: Path | None) -> None:
    files = max(4, round(gigabytes * 1e9 / FILE_BYTES))
    data, total = folder / "data", files * FILE_BYTES
    asyncio.run(fill(data, files))
    server, url, password = serve(data)
    os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
    from isocenter_client.client import Client, login

    token = login(url, "admin", password)
    environment = {**os.environ, "ISOCENTER_URL": url, "ISOCENTER_TOKEN": token}
    plain, plain_url, name = plain_server(data / "objects" / "data", folder)
    try:
        with Client(url, token) as client:
            code = client.rest.get("/api/v1/diseases")["items"]
            made = next(item["code"] for item in code if item["cases"])
            client.freeze("bench", disease=made)
        process = psutil.Process(server.pid)
        before = process.memory_full_info().pss
        peak, over = before, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not over.wait(0.1):
                peak = max(peak, process.memory_full_info().pss)

        threading.Thread(target=watch, daemon=True).start()
        rates: dict[str, list[float]] = {"plain": [], "pull": []}
        for number in range(ROUNDS):
            with turn(lock, [psutil.Process(), process, *(part for one in [psutil.Process(plain.pid)] for part in (one, *one.children()))]):
                load = os.getloadavg()[0]
                rates["plain"].append(total / plain_copy(plain_url, data / "objects" / "data", folder / "plain") / 1e6)
                cpu = process.cpu_times()
                rates["pull"].append(total / pull(environment, folder / f"pull{number}") / 1e6)
                used = process.cpu_times()
            print(f"round {number + 1}: {name} {rates['plain'][-1]:.0f} MB/s, isc pull {rates['pull'][-1]:.0f} MB/s; "
                  f"server CPU {used.user + used.system - cpu.user - cpu.system:.1f} s for {total / 1e9:.2f} GB; "
                  f"load average {load:.1f}", flush=True)  # fmt: skip
            shutil.rmtree(folder / f"pull{number}")
        over.set()
        ratios = sorted(pulled / plain_rate for pulled, plain_rate in zip(rates["pull"], rates["plain"], strict=True))
        best = max(rates["pull"]) / max(rates["plain"])
        print(f"pull / plain copy: median of the rounds {ratios[ROUNDS // 2]:.2f}, best against best {best:.2f} (bar 0.7)")
        print(f"server memory growth {(peak - before) / 2**20:.0f} MiB (bar 64)", flush=True)
        start = sent_bytes(process)
        pull(environment, folder / "killed", kill_at=int(total * 0.4))
        kept = _on_disk(folder / "killed")
        pull(environment, folder / "killed")
        sent = sent_bytes(process) - start
        print(f"killed at {kept / total:.0%}, then done: the server wrote {sent / total:.3f} of the version's bytes (what was in flight at the kill counts)")
    finally:
        for popen in (plain, server):
            popen.terminate()
            popen.wait(20)


def _on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.dcm*"))


def main() -> None:
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 5
    place: Any = tempfile.mkdtemp(prefix="bench-pull-")
    try:
        run(gigabytes, Path(place), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()

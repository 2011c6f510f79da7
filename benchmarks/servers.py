"""What watching costs, and whether a server in normal use keeps quiet.

python -m benchmarks.servers cost               CPU seconds of sampler and metrics, in per cent of a core
python -m benchmarks.servers hour [MINUTES]     an embedded server with people looking and large imports: which alerts were raised

``hour`` prints the alerts with the CPU that the server itself took without niced work, since other programs on the machine raise them too.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from isocenter.keys import create_key_file
from isocenter.metrics import new_metrics
from isocenter.models import now
from isocenter.resources import open_resources
from isocenter.schema import migrate
from isocenter.settings import Settings
from services.stats.sampler import Sampler
from services.stats.servers import HostMeter
from services.stats.work import WorkGauges

LOGIN = re.compile(r"sign in as (\S+) with the password (\S+)")
PLACE = re.compile(r"(?<=/cases)/[^/?]+|(?<=/series)/[^/?]+")
LISTENS = re.compile(r"listens on (http\S+)")
PATIENTS, SLICES, PIXELS = 300, 60, 128  # one import: 18,000 files, 600 MB
FINAL = {"finished", "failed", "cancelled"}


def write_patients(folder: Path, first: int, patients: int = PATIENTS) -> None:
    """One CT series a patient below ``folder``."""
    random = np.random.default_rng(first)
    for patient in range(first, first + patients):
        target = folder / str(patient)
        target.mkdir(parents=True)
        for number in range(SLICES):
            ds = Dataset()
            ds.file_meta = FileMetaDataset()
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            ds.SOPClassUID, ds.Modality, ds.BodyPartExamined = CTImageStorage, "CT", "LIVER"
            ds.StudyInstanceUID, ds.SeriesInstanceUID = f"1.2.3.{patient}.1", f"1.2.3.{patient}.1.1"
            ds.SOPInstanceUID = f"1.2.3.{patient}.1.1.{number + 1}"
            ds.PatientID, ds.PatientName, ds.PatientSex, ds.StudyDate = f"N{patient:07d}", f"Test^{patient}", "F", "20250102"
            ds.SeriesNumber, ds.InstanceNumber = 1, number + 1
            ds.Rows = ds.Columns = PIXELS
            ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
            ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
            ds.PixelSpacing, ds.SliceThickness = [1.0, 1.0], 2.0
            ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 2 * number], [1, 0, 0, 0, 1, 0]
            ds.PixelData = random.integers(0, 4096, (PIXELS, PIXELS), dtype=np.uint16).tobytes()
            ds.save_as(target / f"{number:03d}.dcm", enforce_file_format=True)


@contextmanager
def serving(
    folder: Path, *, images: Path | None = None, program: Sequence[str] = ("-m", "gateway.cli")
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """An embedded server on ``folder`` that may import ``images``, and an administrator's session."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ISOCENTER_")}
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(
        [sys.executable, *program, "serve", "--data", str(folder / "data"), "--port", "0", "--import-root", str(images or folder / "images")],
        env=environment, stdout=subprocess.PIPE, stderr=log, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url, login = "", ("", "")
        for line in process.stdout:
            if found := LOGIN.search(line):
                login = (found[1], found[2])
            if found := LISTENS.search(line):
                url = found[1]
                break
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield process, signed_in(url, *login)
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def signed_in(url: str, name: str, password: str) -> httpx.Client:
    client = httpx.Client(base_url=f"{url}/api/v1", timeout=60)
    answer = client.post("/session", json={"name": name, "password": password}).raise_for_status()
    client.headers["X-Isocenter-CSRF"] = answer.json()["csrf_token"]
    return client


class People:
    """Somebody who looks at pages and pictures, two requests a second; counts answers by status class, and what was refused by status and kind of page."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.answers: dict[str, int] = {}
        self.refused: dict[str, int] = {}

    def get(self, path: str) -> Any:
        try:
            answer = self.client.get(path)
        except httpx.HTTPError as error:
            self.answers[type(error).__name__] = self.answers.get(type(error).__name__, 0) + 1
            return {}
        kind = f"{answer.status_code // 100}xx"
        self.answers[kind] = self.answers.get(kind, 0) + 1
        if not answer.is_success:
            page = f"{answer.status_code} {PLACE.sub('/*', path)}"
            self.refused[page] = self.refused.get(page, 0) + 1
        return answer.json() if answer.is_success and "json" in answer.headers.get("content-type", "") else {}

    def look(self, until: float) -> None:
        pages = itertools.cycle(["/statistics/overview", "/statistics?by=modality", "/cases?limit=50", "/imports", "/servers", "/reviews/counts"])
        while time.monotonic() < until:
            page = next(pages)
            found = self.get(page)  # imports and servers are lists too, with keys that are no case's
            cases = (found if page.startswith("/cases") else self.get("/cases?limit=20")).get("items") or []
            for case in cases[:2]:
                for study in self.get(f"/cases/{case['key']}").get("studies", []) if "key" in case else []:
                    for series in study["series"]:
                        self.get(f"/series/{series['uid']}/thumbnail")
                        self.get(f"/series/{series['uid']}/preview")
                time.sleep(0.5)
            time.sleep(0.5)


class Watched:
    """The server process's own CPU, without its workers (they are niced), as share of all cores, each second."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.percents: list[tuple[float, float]] = []  # (time.time(), percent)

    def look(self, until: float) -> None:
        before, at = sum(self.process.cpu_times()[:2]), time.monotonic()
        while time.monotonic() < until:
            time.sleep(1)
            spent, moment = sum(self.process.cpu_times()[:2]), time.monotonic()
            self.percents.append((time.time(), 100 * (spent - before) / (moment - at) / (psutil.cpu_count() or 1)))
            before, at = spent, moment

    def longest_over(self, percent: float) -> int:
        """Seconds."""
        return max((len(list(run)) for over, run in itertools.groupby(self.percents, lambda one: one[1] > percent) if over), default=0)


def hour(minutes: float) -> None:
    with tempfile.TemporaryDirectory(prefix="isocenter-hour-") as name:
        folder = Path(name)
        (folder / "images").mkdir()
        with serving(folder) as (process, client):
            started, until = time.monotonic(), time.monotonic() + 60 * minutes
            people, watched = People(client), Watched(process.pid)
            threads = [threading.Thread(target=target, args=(until,)) for target in (people.look, watched.look)]
            for thread in threads:
                thread.start()
            client.post("/hospitals", json={"code": "H1", "title": "Hospital"}).raise_for_status()
            imported = 0
            for round_ in itertools.count():
                if time.monotonic() > until - 60:
                    break
                source = folder / "images" / str(round_)
                # niced: the files come from elsewhere in a hospital, making them is no load of the server
                made = [sys.executable, "-m", "benchmarks.servers", "write", str(source), str(round_ * PATIENTS)]
                subprocess.run(["nice", "-n", "10", *made], check=True)
                files = PATIENTS * SLICES
                order = {"hospital": "H1", "source": {"kind": "folder", "path": str(source)}, "tables": [], "diseases": "auto"}
                key = client.post("/imports", json=order).raise_for_status().json()["key"]
                while (view := client.get(f"/imports/{key}").json())["state"] not in FINAL and time.monotonic() < until:
                    time.sleep(2)
                done = sum(view["counts"]["files"].values()) - view["counts"]["files"]["pending"]
                imported += done
                print(f"{time.monotonic() - started:6.0f} s: import {round_} {view['state']} at {view['stage']}, {done} of {files} files", flush=True)
            for thread in threads:
                thread.join()
            alerts = client.get("/alerts?limit=500").json()["items"]
        print(f"{minutes:g} minutes, {imported} files imported, answers {people.answers}, {len(alerts)} alerts")
        print(f"answers other than 2xx: {people.refused}")
        print(f"the server's own CPU without workers: at most {max(p for _, p in watched.percents):.0f} % of all cores in a second,")
        print(f"longest time over 90 %: {watched.longest_over(90)} s, over 45 %: {watched.longest_over(45)} s")
        for alert in alerts:
            print(" ", alert["started_at"], alert["ended_at"], alert["name"], alert["value"])


ROUNDS = 300  # seconds of the sampler's life, run one after another
ROUTES = 40


async def cost() -> None:
    """Five services' registries of ``ROUTES`` routes each; the sampler's rounds as often as it makes them; /metrics asked every 5 s."""
    with tempfile.TemporaryDirectory(prefix="isocenter-cost-") as name:
        settings = Settings(data=Path(name) / "data")
        resources = open_resources(settings, create_key_file(settings.data / "site.key"))
        await migrate(resources.db)
        for service in ("gateway", "ingest", "catalog", "stats", "viewer"):
            resources.metrics[service] = metrics = new_metrics(service)
            for route in range(ROUTES):
                metrics.requests.labels("GET", f"/api/v1/thing{route}/{{key}}", "200").inc()
                metrics.seconds.labels("GET", f"/api/v1/thing{route}/{{key}}").observe(0.01)
        sampler = Sampler(settings, resources, gauges=WorkGauges(resources.metrics["stats"]))
        spent = dict.fromkeys(("host", "parts", "work", "services", "metrics"), 0.0)
        moment, meter = now(), HostMeter(settings.data)
        async with httpx.AsyncClient() as client:
            for second in range(ROUNDS):
                rounds: dict[str, Any] = {"host": lambda at=moment + timedelta(seconds=second): sampler.tick(at, meter.read(), {"object store": True})}
                if second % 5 == 0:
                    rounds["parts"] = lambda: sampler.ready(client)
                    rounds["metrics"] = lambda: asyncio.to_thread(lambda: [metrics.render() for metrics in resources.metrics.values()])
                if second % 15 == 0:
                    rounds["work"] = lambda: sampler.count(now())
                    rounds["services"] = sampler.watch.look
                for kind, round_ in rounds.items():
                    started = time.process_time()
                    await round_()
                    spent[kind] += time.process_time() - started
        await resources.close()
    for kind, seconds in spent.items():
        print(f"{kind:9} {1000 * seconds / ROUNDS:6.2f} ms CPU a second = {100 * seconds / ROUNDS:.2f} % of a core")
    watching = sum(spent.values()) - spent["metrics"]
    print(f"sampler {100 * watching / ROUNDS:.2f} %, with /metrics of five services every 5 s {100 * sum(spent.values()) / ROUNDS:.2f} % of a core (bar 1 %)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["cost"]:
        asyncio.run(cost())
    elif sys.argv[1:2] == ["write"]:
        write_patients(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["hour"]:
        hour(float(sys.argv[2]) if len(sys.argv) > 2 else 60)
    else:
        sys.exit(__doc__)

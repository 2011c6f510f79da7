"""DICOMweb of Isocenter (embedded, through the gateway, with a bearer token) beside Debian's Orthanc with its DICOMweb plugin (no authentication).

Both hold the same de-identified objects: Isocenter imports generated CT slices, Orthanc is then given what Isocenter released. Runs are interleaved,
medians of ``--rounds``. usage: python -m benchmarks.dicomweb [--folder DIR] [--studies 16] [--rounds 5] [--only frames,qido]
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import re
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks import ct_slices, http_load, peers
from benchmarks.http_load import Answered
from benchmarks.peers import Served

SERIES_A_STUDY, SLICES = 2, 63
FRAME = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
OBJECT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
JSON = "application/dicom+json"
LOOK = "window=40,400,linear&quality=90"
PARTS = ("frames", "series", "rendered", "metadata", "qido")


@dataclass(frozen=True)
class Held:
    """What both servers hold, by the UIDs of the released objects."""

    instances: list[tuple[str, str, str]]
    patient: str
    date: str

    @property
    def series(self) -> list[tuple[str, str]]:
        return sorted({(study, series) for study, series, _ in self.instances})


def held_by(served: Served) -> Held:
    with httpx.Client(base_url=served.url, headers={**served.headers, "Accept": JSON}, timeout=60) as http:
        found: list[tuple[str, str, str]] = []
        studies = http.get("/dicom-web/studies?limit=1000").raise_for_status().json()
        for study in (_value(one, "0020000D") for one in studies):
            rows = http.get(f"/dicom-web/studies/{study}/instances?limit=1000").raise_for_status().json()
            found += [(study, _value(one, "0020000E"), _value(one, "00080018")) for one in rows]
        return Held(sorted(found), _value(studies[0], "00100020"), _value(studies[0], "00080020"))


def _value(document: dict[str, Any], tag: str) -> str:
    return str((document.get(tag, {}).get("Value") or [""])[0])


def give(ours: Served, peer: Served, held: Held) -> None:
    """Send what Isocenter released to Orthanc, where it is not there yet."""
    with httpx.Client(base_url=peer.url, timeout=60) as there, httpx.Client(base_url=ours.url, headers=ours.headers, timeout=60) as here:
        if there.get("/statistics").json()["CountInstances"] == len(held.instances):
            return
        for study, series, instance in held.instances:
            path = f"/dicom-web/studies/{study}/series/{series}/instances/{instance}"
            body = here.get(path, headers={"Accept": "application/dicom; transfer-syntax=*"}).raise_for_status().content
            there.post("/instances", content=body).raise_for_status()


# --- what is asked ----------------------------------------------------------------------------------------------------


def frames(held: Held, count: int, seed: int) -> list[str]:
    chosen = random.Random(seed).choices(held.instances, k=count)
    return [f"/dicom-web/studies/{study}/series/{series}/instances/{instance}/frames/1" for study, series, instance in chosen]


def pictures(held: Held, count: int, seed: int) -> list[str]:
    return [f"{path.removesuffix('/frames/1')}/rendered?{LOOK}" for path in frames(held, count, seed)]


def whole_series(held: Held, count: int, seed: int) -> list[str]:
    chosen = random.Random(seed).choices(held.series, k=count)
    return [f"/dicom-web/studies/{study}/series/{series}" for study, series in chosen]


def queries(held: Held) -> dict[str, str]:
    """The rows of facts/dicomweb.md 3.2."""
    study, series, instance = held.instances[len(held.instances) // 2]
    last = len({study for study, _, _ in held.instances}) * 9 // 10
    root = "/dicom-web"
    return {
        "studies?limit=100": f"{root}/studies?limit=100",
        "by PatientID": f"{root}/studies?PatientID={held.patient}",
        "by AccessionNumber": f"{root}/studies?AccessionNumber=A1",
        "name prefix": f"{root}/studies?PatientName={held.patient[:3]}*",
        "date range, 1 month": f"{root}/studies?StudyDate={held.date[:6]}01-{held.date[:6]}28",
        "ModalitiesInStudy=CT": f"{root}/studies?ModalitiesInStudy=CT&limit=100",
        "offset at 90 %": f"{root}/studies?limit=100&offset={last}",
        "no match": f"{root}/studies?PatientID=NOBODY",
        "series of a study": f"{root}/studies/{study}/series",
        "series?limit=100": f"{root}/series?limit=100",
        "instances of a series *": f"{root}/studies/{study}/series/{series}/instances",
        "instances?limit=100 *": f"{root}/instances?limit=100",
        "instance by SOP UID *": f"{root}/instances?SOPInstanceUID={instance}",
    }


# --- measuring --------------------------------------------------------------------------------------------------------


def ask(served: Served, paths: Sequence[str], connections: int, accept: str, **more: str) -> Answered:
    messages = [http_load.request(served.url + path, {**served.headers, "Accept": accept, **more}) for path in paths]
    answered = http_load.run(served.url, messages, connections, served.pids)
    if answered.failures:
        raise SystemExit(f"{served.name}: {answered.failures} of {len(paths)} failed, such as {paths[0]}")
    return answered


Figure = Callable[[Answered], float]
_RATE: Figure = lambda answered: answered.per_second  # noqa: E731
_SPEED: Figure = lambda answered: answered.mb_per_second  # noqa: E731
_P50: Figure = lambda answered: answered.p50_ms  # noqa: E731
_CPU: Figure = lambda answered: answered.cpu_ms  # noqa: E731


@dataclass
class Row:
    """One line of the table: the figure of each server by round."""

    name: str
    unit: str
    bar: float
    ours: list[float]
    theirs: list[float]
    ours_cpu_ms: list[float]
    theirs_cpu_ms: list[float]

    @property
    def ratio(self) -> float:
        """How many times better we are."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        return theirs / ours if self.unit == "ms" else ours / theirs

    def text(self) -> str:
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        cpu = f"{statistics.median(self.ours_cpu_ms):.2f} / {statistics.median(self.theirs_cpu_ms):.2f}"
        reached = "yes" if self.ratio >= self.bar else "**no**"
        return f"| {self.name} | {ours:.2f} {self.unit} | {theirs:.2f} {self.unit} | {self.ratio:.2f} | {self.bar:g} | {reached} | {cpu} |"


Runner = Callable[[Served, int], Answered]


def plan(held: Held, parts: Sequence[str]) -> Iterator[tuple[str, str, float, Figure, Runner]]:
    """(name, unit, bar, figure, run) of each row."""
    if "frames" in parts:
        for clients, count in ((1, 600), (4, 1000)):
            yield f"frames, {clients} client(s)", "/s", 2, _RATE, lambda s, n, k=clients, c=count: ask(s, frames(held, c, n), k, FRAME)  # type: ignore[misc]
    if "series" in parts:
        for clients in (1, 4):
            yield f"series retrieve, {clients} client(s)", "MB/s", 2, _SPEED, lambda s, n, k=clients: ask(s, whole_series(held, 24, n), k, OBJECT)  # type: ignore[misc]
    if "rendered" in parts:
        for clients, count in ((1, 200), (4, 400)):
            yield f"rendered, {clients} client(s)", "/s", 2, _RATE, lambda s, n, k=clients, c=count: ask(s, pictures(held, c, n), k, "image/jpeg")  # type: ignore[misc]
    if "metadata" in parts:
        cold = [f"/dicom-web/studies/{study}/series/{series}/metadata" for study, series in held.series]
        yield "series metadata, warm", "ms", 0, _P50, lambda s, n: ask(s, cold[:1] * 60, 1, JSON, **{"Accept-Encoding": "gzip"})
        yield "the same without gzip", "ms", 0, _P50, lambda s, n: ask(s, cold[:1] * 60, 1, JSON)
    if "qido" in parts:
        for name, path in queries(held).items():
            bar = 2 if name.endswith("*") and "SOP" not in name else 1
            yield f"QIDO {name}", "ms", bar, _P50, lambda s, n, p=path: ask(s, [p] * 40, 1, JSON)  # type: ignore[misc]


def measure(ours: Served, peer: Served, held: Held, parts: Sequence[str], rounds: int) -> None:
    print("| what | Isocenter | Orthanc | times | bar | reached | CPU ms a request, ours / theirs |\n|---|---|---|---|---|---|---|")
    for name, unit, bar, figure, runner in plan(held, parts):
        row = Row(name, unit, bar, [], [], [], [])
        for each in (ours, peer):
            runner(each, 0)  # not counted: caches, page faults, JITs of the first touch
        for number in range(1, rounds + 1):
            for served, figures, cpu in ((ours, row.ours, row.ours_cpu_ms), (peer, row.theirs, row.theirs_cpu_ms)):
                answered = runner(served, number)
                figures.append(figure(answered))
                cpu.append(_CPU(answered))
        print(row.text(), flush=True)


def cold_metadata(start: Sequence[Callable[[], Any]], held: Held, rounds: int) -> None:
    """p50 over series that the server was not asked for since it started; a new server each round."""
    figures: dict[str, list[float]] = {}
    paths = [f"/dicom-web/studies/{study}/series/{series}/metadata" for study, series in held.series]
    for number in range(rounds):
        for begin in start:
            with begin() as served:
                # The first request of a new process is not the metadata's cost: sign-in, imports, connections.
                ask(served, ["/dicom-web/studies?limit=1", paths[number]], 1, JSON)
                others = [path for path in paths if path != paths[number]]
                figures.setdefault(served.name, []).append(ask(served, others, 1, JSON, **{"Accept-Encoding": "gzip"}).p50_ms)
    ours, theirs = (statistics.median(figures[name]) for name in ("isocenter", "orthanc"))
    reached = "yes" if theirs / ours >= 2 else "**no**"
    print(f"| series metadata, cold (a new process) | {ours:.2f} ms | {theirs:.2f} ms | {theirs / ours:.2f} | 2 | {reached} | |")


def compare(ours: Served, peer: Served, held: Held) -> None:
    """The same answers? Frames byte for byte, pictures by their pixels, metadata by the attributes both tell."""
    same, differences, sizes = 0, [], []
    for path in frames(held, 20, 99):
        bodies = [http_load.fetch(one.url, path, {**one.headers, "Accept": FRAME})[1] for one in (ours, peer)]
        same += _only_part(bodies[0]) == _only_part(bodies[1])
    for path in pictures(held, 10, 99):
        encoded = [http_load.fetch(one.url, path, {**one.headers, "Accept": "image/jpeg"})[1] for one in (ours, peer)]
        pixels = [np.asarray(Image.open(io.BytesIO(one)).convert("L"), np.int16) for one in encoded]
        differences.append(float(np.abs(pixels[0] - pixels[1]).mean()))
        sizes.append([len(one) for one in encoded])
    study, series = held.series[0]
    told = []
    for one in (ours, peer):
        _, body = http_load.fetch(one.url, f"/dicom-web/studies/{study}/series/{series}/metadata", {**one.headers, "Accept": JSON})
        told.append({_value(each, "00080018"): each for each in json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)})
    agreeing = sum(told[1][uid].get(tag, {}).get("Value") == element.get("Value") for uid, each in told[0].items() for tag, element in each.items())
    of = sum(len(each) for each in told[0].values())
    print(f"\nframes the same: {same} of 20; pictures: mean difference {statistics.mean(differences):.3f} grey levels of 255")
    print(f"mean size of a picture {[round(statistics.mean(size)) for size in zip(*sizes, strict=True)]} bytes; metadata: {agreeing} of {of} attributes agree")


def _only_part(body: bytes) -> bytes:
    match = re.match(rb"(?:\r\n)?--([^\r\n]+)\r\n", body)
    assert match is not None, body[:100]
    start = body.index(b"\r\n\r\n", match.end() - 2) + 4
    return body[start : body.rindex(b"\r\n--" + match[1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="kept for the next run; a temporary one without it")
    parser.add_argument("--studies", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(PARTS))
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="bench-dicomweb-"))
    parts = given.only.split(",")
    try:
        images = folder / "ct"
        if not images.exists():
            print(ct_slices.write(images, given.studies, SERIES_A_STUDY, SLICES), "slices made")
        with ExitStack() as stack:
            ours = stack.enter_context(peers.isocenter(folder / "iso", images))
            if not httpx.get(f"{ours.url}/dicom-web/studies", headers=ours.headers).json():
                peers.import_folder(ours, "BENCH", images)
            peer = stack.enter_context(peers.orthanc(folder / "orthanc"))
            held = held_by(ours)
            give(ours, peer, held)
            print(f"{len(held.instances)} instances, {len(held.series)} series; {given.rounds} interleaved rounds\n")
            measure(ours, peer, held, parts, given.rounds)
            compare(ours, peer, held)
        if "metadata" in parts:
            cold_metadata((lambda: peers.isocenter(folder / "iso", images), lambda: peers.orthanc(folder / "orthanc")), held, min(3, given.rounds))
    finally:
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

"""50 slides in one server: how long the first tile of a slide takes that was never opened, and what the process holds after 10,000 tiles of all.

Each slide is 12,000 x 9,000 px, 8 levels, JPEG; the same pixels, with bytes of its own behind the last directory, so that none is a duplicate.
usage: python -m benchmarks.many_slides [--folder DIR] [--slides 50] [--tiles 10000]
"""

from __future__ import annotations

import argparse
import contextlib
import math
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from benchmarks import http_load, peers
from benchmarks.peers import Served
from benchmarks.tiles import CLIENTS, TILE_PX, write_slide
from services.viewer.pyramid import dzi_levels

WIDTH_PX, HEIGHT_PX = 12_000, 9_000
FIRST = 10  # slides whose first tile is timed


def write_slides(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    first = folder / "slide-00.tif"
    write_slide(first, WIDTH_PX, HEIGHT_PX)
    for number in range(1, count):
        other = folder / f"slide-{number:02}.tif"
        shutil.copyfile(first, other)
        with other.open("ab") as file:
            file.write(f"slide {number:06}    ".encode())


def tiles_of(series: str, count: int, seed: int) -> Iterator[str]:
    """Addresses of tiles, the finer levels more often."""
    chance, last = random.Random(seed), len(dzi_levels(WIDTH_PX, HEIGHT_PX)) - 1
    for _ in range(count):
        power = chance.choices(range(5), (60, 20, 10, 6, 4))[0]
        columns, rows = (math.ceil(math.ceil(side / 2**power) / TILE_PX) for side in (WIDTH_PX, HEIGHT_PX))
        yield f"/slides/{series}_files/{last - power}/{chance.randrange(columns)}_{chance.randrange(rows)}.jpeg"


def series_in(data: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(f"file:{data / 'catalog.db'}?mode=ro", uri=True)) as catalog:
        return [row[0] for row in catalog.execute("SELECT uid FROM series WHERE format = 'WSI' ORDER BY id")]


def resident_mib(served: Served) -> tuple[float, float]:
    """(the server's resident set, proportional sets of it and its children)."""
    server = psutil.Process(served.pids[0])
    family = [server, *server.children(recursive=True)]
    return server.memory_info().rss / 2**20, sum(one.memory_full_info().pss for one in family) / 2**20


def measure(served: Served, series: list[str], count: int) -> None:
    with httpx.Client(base_url=served.url, headers=served.headers, timeout=60) as http:
        http.get("/dicom-web/studies?limit=1").raise_for_status()  # sign-in and connections are not the slide's
        milliseconds = []
        for uid in series[:FIRST]:
            [path] = tiles_of(uid, 1, 5)
            began = time.perf_counter()
            http.get(path).raise_for_status()
            milliseconds.append(1e3 * (time.perf_counter() - began))
    told = ", ".join(f"{one:.0f}" for one in milliseconds)
    print(f"first tile of {len(milliseconds)} slides never opened in this process: median {statistics.median(milliseconds):.1f} ms ({told})")
    print("at rest: {:.0f} MiB resident, {:.0f} MiB with its children (PSS)".format(*resident_mib(served)))
    paths = [path for number, uid in enumerate(series) for path in tiles_of(uid, count // len(series), number)]
    random.Random(1).shuffle(paths)
    answered = http_load.run(served.url, [http_load.request(served.url + path, served.headers) for path in paths], CLIENTS, served.pids)
    print(f"{len(paths)} tiles of {len(series)} slides, {CLIENTS} clients: {answered.failures} failed, {answered.cpu_ms:.3f} CPU s a 1,000")
    print("after them: {:.0f} MiB resident, {:.0f} MiB with its children (PSS)".format(*resident_mib(served)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="kept for the next run; a temporary one without it")
    parser.add_argument("--slides", type=int, default=50)
    parser.add_argument("--tiles", type=int, default=10_000)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="bench-slides-"))
    try:
        slides, data = folder / "slides", folder / "iso" / "data"
        if not slides.exists():
            write_slides(slides, given.slides)
        if not data.exists():
            with peers.isocenter(folder / "iso", slides) as served:
                print(peers.import_folder(served, "BENCH", slides)["counts"]["files"])
        with peers.isocenter(folder / "iso", slides) as served:  # a new process: nothing is open
            measure(served, series_in(data), given.tiles)
    finally:
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

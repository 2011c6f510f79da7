"""Slide tiles of Isocenter (embedded, through the gateway, with a bearer token) beside OpenSlide's DeepZoomGenerator behind FastAPI and Debian's iipsrv.

A generated 40,000 x 30,000 JPEG pyramid, 8 clients, the same seeded tiles, interleaved rounds; the figure is CPU seconds of the server a thousand tiles.
usage: python -m benchmarks.tiles [--folder DIR] [--tiles 1500] [--rounds 3]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import random
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import numpy as np
import tifffile
from PIL import Image

from benchmarks import http_load, peers
from benchmarks.peers import Served, free_port, wait_for
from isocenter.imaging.tiles import spliced
from services.viewer.pyramid import dzi_levels

WIDTH_PX, HEIGHT_PX, TILE_PX, LEVELS = 40_000, 30_000, 256, 8
CLIENTS = 8


def write_slide(path: Path, width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> None:
    """A tiled JPEG TIFF with 8 levels of factor 2 (rounded up), YCbCr, quality 80; each tile cut out of one picture of coloured noise."""
    texture = np.asarray(Image.fromarray(np.random.default_rng(3).integers(90, 255, (96, 96, 3), np.uint8)).resize((1536, 1536), Image.Resampling.BICUBIC))

    def tiles(columns: int, rows: int) -> Iterator[np.ndarray]:
        for row in range(rows):
            for column in range(columns):
                x, y = (column * 97) % 1280, (row * 61) % 1280
                yield texture[y : y + TILE_PX, x : x + TILE_PX]

    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        for level in range(LEVELS):
            width, height = -(-width_px // 2**level), -(-height_px // 2**level)
            tiff.write(
                tiles(-(-width // TILE_PX), -(-height // TILE_PX)), shape=(height, width, 3), dtype=np.uint8, tile=(TILE_PX, TILE_PX), photometric="ycbcr",
                compression="jpeg", compressionargs={"level": 80}, subfiletype=1 if level else 0, maxworkers=2, metadata=None,
            )  # fmt: skip


def asked(count: int, seed: int) -> list[tuple[int, int, int]]:
    """(power of the downsample, column, row): 60 % of the finest level, 20 % of the next, the rest of the others."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        power = chance.choices(range(5), (60, 20, 10, 6, 4))[0]
        columns, rows = (math.ceil(math.ceil(side / 2**power) / TILE_PX) for side in (WIDTH_PX, HEIGHT_PX))
        found.append((power, chance.randrange(columns), chance.randrange(rows)))
    return found


_DEEPZOOM = """
import io, sys
import openslide
from fastapi import FastAPI
from fastapi.responses import Response
from openslide.deepzoom import DeepZoomGenerator
import uvicorn
slide = DeepZoomGenerator(openslide.OpenSlide(sys.argv[1]), tile_size=256, overlap=0, limit_bounds=False)
app = FastAPI()
@app.get("/{level}/{column}_{row}.jpeg")
def tile(level: int, column: int, row: int) -> Response:
    buffer = io.BytesIO()
    slide.get_tile(level, (column, row)).save(buffer, "JPEG", quality=75)
    return Response(buffer.getvalue(), media_type="image/jpeg")
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), loop="uvloop", http="httptools", access_log=False, log_level="warning")
"""


@contextmanager
def deepzoom(slide: Path) -> Iterator[Served]:
    """OpenSlide's own generator behind one uvicorn worker."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", _DEEPZOOM, str(slide), str(port)])
    try:
        wait_for(f"http://127.0.0.1:{port}/0/0_0.jpeg")
        yield Served("openslide", f"http://127.0.0.1:{port}", [process.pid], {})
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def iipsrv(slide: Path, folder: Path) -> Iterator[Served]:
    """iipsrv as a FastCGI process behind one nginx worker; both count."""
    program, nginx = Path("/usr/lib/iipimage-server/iipsrv.fcgi"), shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if not program.exists() or nginx is None:
        raise SystemExit("apt install iipimage-server nginx-light")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    listening = socket.socket(socket.AF_UNIX)
    address = folder / "iip.sock"
    address.unlink(missing_ok=True)
    listening.bind(str(address))
    listening.listen(64)
    address.chmod(0o666)
    environment = {**os.environ, "FILESYSTEM_PREFIX": f"{slide.parent}/", "LOGFILE": str(folder / "iip.log"), "VERBOSITY": "1", "JPEG_QUALITY": "75"}
    # FastCGI: the listening socket is standard input.
    server = subprocess.Popen([str(program)], stdin=listening.fileno(), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    configuration = folder / "nginx.conf"
    parameters = "".join(f"fastcgi_param {name} ${value};" for name, value in (
        ("QUERY_STRING", "query_string"), ("REQUEST_METHOD", "request_method"), ("REQUEST_URI", "request_uri"), ("SERVER_PROTOCOL", "server_protocol"),
        ("HTTP_HOST", "http_host")))  # fmt: skip
    configuration.write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/b; fastcgi_temp_path {folder}/f; proxy_temp_path {folder}/p; uwsgi_temp_path {folder}/u;"
        f" scgi_temp_path {folder}/s; keepalive_requests 100000; server {{ listen 127.0.0.1:{port};"
        f" location / {{ {parameters} fastcgi_pass unix:{address}; }} }} }}\n"
    )
    front = subprocess.Popen([nginx, "-c", str(configuration)])
    try:
        wait_for(f"http://127.0.0.1:{port}/")
        workers = [int(pid) for pid in Path(f"/proc/{front.pid}/task/{front.pid}/children").read_text().split()]
        yield Served("iipsrv", f"http://127.0.0.1:{port}", [server.pid, front.pid, *workers], {})
    finally:
        front.terminate()
        front.wait(30)
        server.terminate()
        server.wait(30)
        listening.close()


def addresses(served: Served, series: str, tiles: list[tuple[int, int, int]], slide: Path) -> list[str]:
    last = len(dzi_levels(WIDTH_PX, HEIGHT_PX)) - 1
    if served.name == "isocenter":
        return [f"/slides/{series}_files/{last - power}/{column}_{row}.jpeg" for power, column, row in tiles]
    if served.name == "openslide":
        return [f"/{last - power}/{column}_{row}.jpeg" for power, column, row in tiles]
    return [f"/?DeepZoom={slide.name}_files/{last - power}/{column}_{row}.jpg" for power, column, row in tiles]


def run(served: Served, paths: list[str]) -> http_load.Answered:
    answered = http_load.run(served.url, [http_load.request(served.url + path, served.headers) for path in paths], CLIENTS, served.pids)
    if answered.failures:
        raise SystemExit(f"{served.name}: {answered.failures} of {len(paths)} failed, such as {paths[0]}")
    return answered


def check(ours: Served, series: str, slide: Path, tiles: list[tuple[int, int, int]]) -> None:
    """Sizes of all, and bytes of the whole ones against the stored streams."""
    wrong, differing, whole = 0, 0, 0
    with tifffile.TiffFile(slide) as tiff, slide.open("rb") as file, httpx.Client(base_url=ours.url, headers=ours.headers) as http:
        for (power, column, row), path in zip(tiles, addresses(ours, series, tiles, slide), strict=True):
            body = http.get(path).raise_for_status().content
            page = tiff.series[0].levels[power].pages[0]
            assert isinstance(page, tifffile.TiffPage)
            size = min(TILE_PX, page.imagewidth - column * TILE_PX), min(TILE_PX, page.imagelength - row * TILE_PX)
            wrong += Image.open(io.BytesIO(body)).size != size
            if size == (TILE_PX, TILE_PX):
                number = row * -(-page.imagewidth // TILE_PX) + column
                file.seek(page.dataoffsets[number])
                whole += 1
                differing += body != spliced(file.read(page.databytecounts[number]), (page.jpegtables or b"")[2:-2])
    print(f"{len(tiles)} tiles: {wrong} of a wrong size; {differing} of {whole} whole ones differ from the stored JPEG")


def _slide_in(data: Path) -> str:
    """The UID of the slide's series, '' before the import: whole-slide TIFFs are no DICOM, so QIDO does not list them."""
    with contextlib.closing(sqlite3.connect(f"file:{data / 'catalog.db'}?mode=ro", uri=True)) as catalog:
        found = catalog.execute("SELECT uid FROM series WHERE format = 'WSI'").fetchone()
    return str(found[0]) if found else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="kept for the next run; a temporary one without it")
    parser.add_argument("--tiles", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="bench-tiles-"))
    try:
        slides = folder / "slides"
        slide = slides / "slide.tif"
        if not slide.exists():
            slides.mkdir(parents=True, exist_ok=True)
            write_slide(slide.with_suffix(".part"))
            slide.with_suffix(".part").rename(slide)
        with ExitStack() as stack:
            ours = stack.enter_context(peers.isocenter(folder / "iso", slides))
            with httpx.Client(base_url=ours.url, headers=ours.headers, timeout=60) as http:
                series = _slide_in(folder / "iso" / "data")
                if not series:
                    print(peers.import_folder(ours, "BENCH", slides)["counts"]["files"])
                    series = _slide_in(folder / "iso" / "data")
                http.get("/dicom-web/studies?limit=1").raise_for_status()  # sign-in and connections are not the slide's
                began = time.perf_counter()
                http.get(addresses(ours, series, [(0, 50, 50)], slide)[0]).raise_for_status()
                print(f"first tile of a slide never opened before: {1e3 * (time.perf_counter() - began):.0f} ms")
            others = [stack.enter_context(deepzoom(slide)), stack.enter_context(iipsrv(slide, folder / "iip"))]
            check(ours, series, slide, asked(300, 77))
            figures: dict[str, list[http_load.Answered]] = {}
            for number in range(given.rounds + 1):
                for served in (ours, *others):
                    count = given.tiles if served is ours else given.tiles // 3
                    answered = run(served, addresses(served, series, asked(count, number), slide))
                    if number:
                        figures.setdefault(served.name, []).append(answered)
            print("\n| server | CPU s a 1,000 tiles | tiles/s | p50 ms | times our CPU |\n|---|---|---|---|---|")
            own = statistics.median(one.cpu_ms for one in figures["isocenter"])
            for name, runs in figures.items():
                cpu, rate, p50 = (statistics.median(values) for values in zip(*((one.cpu_ms, one.per_second, one.p50_ms) for one in runs), strict=True))
                print(f"| {name} | {cpu:.3f} | {rate:.0f} | {p50:.2f} | {cpu / own:.1f} |")
    finally:
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

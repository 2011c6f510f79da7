"""What the change feed costs an import: the same files imported with and without it, in turns.

usage: python -m benchmarks.feed [PATIENTS]     PATIENTS of 60 files each, 100 by default
Each import has a new embedded server. With the feed, every writer raises the revision and notes its cases, and the column copy catches up before it
answers; without, both are left out (``isocenter.changes.note_changes`` does nothing). In both a page of statistics is asked for every second.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.servers import FINAL, SLICES, serving, write_patients

ROUNDS = 3
WITHOUT = """
import sys
import isocenter.changes

async def nothing(session, case_ids):
    await session.flush()
    return 0

isocenter.changes.note_changes = nothing
from gateway.cli import main
sys.exit(main(sys.argv[1:]))
"""


def imported(folder: Path, images: Path, *, feed: bool) -> tuple[float, int, int]:
    """Seconds of one import, the statistics answered meanwhile, and the series they counted after it."""
    folder.mkdir()
    program = ("-m", "gateway.cli") if feed else ("-c", WITHOUT)
    with serving(folder, images=images, program=program) as (_, client):
        client.post("/hospitals", json={"code": "H1", "title": "Hospital"}).raise_for_status()
        over, answered = threading.Event(), 0

        def ask() -> None:
            nonlocal answered
            while not over.wait(1):
                answered += client.get("/statistics?by=modality").is_success

        asking = threading.Thread(target=ask)
        asking.start()
        order = {"hospital": "H1", "source": {"kind": "folder", "path": str(images)}, "tables": [], "diseases": "auto"}
        began = time.perf_counter()
        key = client.post("/imports", json=order).raise_for_status().json()["key"]
        while (view := client.get(f"/imports/{key}").json())["state"] not in FINAL:
            time.sleep(0.1)
        took = time.perf_counter() - began
        over.set()
        asking.join()
        assert view["state"] == "finished", view
        return took, answered, int(client.get("/statistics?by=modality").json()["totals"]["series"])


def main() -> None:
    patients = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    files = patients * SLICES
    seconds: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory(prefix="isocenter-feed-") as name:
        images = Path(name) / "images"
        write_patients(images, 0, patients)
        for number in range(ROUNDS):
            for feed in (True, False) if number % 2 else (False, True):
                took, answered, series = imported(Path(name) / f"{number}-{feed}", images, feed=feed)
                seconds[feed].append(took)
                said = f"{took:6.1f} s, {files / took:5.0f} files/s, {answered} statistics asked meanwhile, {series} series counted after it"
                print(f"round {number + 1} {'with' if feed else 'without'} feed: {said}", flush=True)
    middle = {feed: statistics.median(times) for feed, times in seconds.items()}
    ratio = middle[False] / middle[True]
    print(f"{files} files, medians of {ROUNDS}: with {middle[True]:.1f} s, without {middle[False]:.1f} s: speed {ratio:.2f} of without (bar 0.85)")


if __name__ == "__main__":
    main()

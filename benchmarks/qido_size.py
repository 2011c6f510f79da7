"""QIDO with limit=100 over 100,800 instances: the catalog that ``benchmarks.dicomweb --folder DIR`` left, its series repeated as rows (SQLite).

usage: python -m benchmarks.qido_size DIR [--times 50]   (DIR is copied, not changed)
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path

from benchmarks import peers
from benchmarks.dicomweb import JSON, ask, held_by, queries


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = given.folder / "iso"
        shutil.copytree(source / "data", folder / "data", ignore=shutil.ignore_patterns("objects", "staging", "serve.lock"))
        shutil.copy2(source / "token", folder / "token")
        with peers.isocenter(folder, folder) as served:
            held = held_by(served)
        series, instances = repeat(folder / "data" / "catalog.db", given.times)
        print(f"{series} series, {instances} instances", flush=True)
        with peers.isocenter(folder, folder) as served:
            for name, path in queries(held).items():
                limited = path if "limit=" in path else f"{path}{'&' if '?' in path else '?'}limit=100"
                ask(served, [limited] * 5, 1, JSON)
                answered = ask(served, [limited] * 40, 1, JSON)
                print(f"| {name} | p50 {answered.p50_ms:.1f} ms | CPU {answered.cpu_ms:.1f} ms |", flush=True)


if __name__ == "__main__":
    main()

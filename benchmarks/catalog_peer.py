"""The peer of the catalog benchmark, run by a Python that has idc-index (not a dependency of ours): start, a filter, a count, a grouping."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import psutil
from idc_index import IDCClient  # type: ignore[import-not-found]

began = time.perf_counter()
client = IDCClient()
print(f"idc-index: start {time.perf_counter() - began:.1f} s, {len(client.index)} series")


def timed(name: str, question: Callable[[int], Any], rounds: int = 20) -> None:
    seconds = []
    for number in range(rounds):
        begin = time.perf_counter()
        question(number)
        seconds.append(time.perf_counter() - begin)
    print(f"  {name:<11} p50 {statistics.median(seconds) * 1000:7.1f} ms  p95 {sorted(seconds)[int(rounds * 0.95)] * 1000:7.1f} ms  ({rounds} queries)")


collections = sorted(client.index["collection_id"].unique())
timed("filter", lambda n: client.sql_query(f"SELECT * FROM index WHERE Modality = 'CT' AND collection_id = '{collections[n]}' LIMIT 50"))
timed("count", lambda n: client.sql_query(f"SELECT count(DISTINCT PatientID) FROM index WHERE Modality = 'CT' AND collection_id <> '{collections[n]}'"))
timed("one facet", lambda n: client.sql_query(f"SELECT Manufacturer, count(DISTINCT PatientID) FROM index WHERE instanceCount > {n} GROUP BY 1"))
print(f"  PSS {psutil.Process().memory_full_info().pss >> 20} MiB")

"""The peer of the catalog benchmark, run by a Python that has idc-index (not a dependency of ours): start, then a filter, a count and a
grouping for each line that comes in, so that both are asked in turns."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import psutil
from idc_index import IDCClient  # type: ignore[import-not-found]

began = time.perf_counter()
client = IDCClient()
collections = sorted(client.index["collection_id"].unique())


def told(**what: Any) -> None:
    print(json.dumps(what), flush=True)


told(start=time.perf_counter() - began, series=len(client.index))
for number, _ in enumerate(sys.stdin):
    chosen = collections[number % len(collections)]
    asked = {
        "filter": f"SELECT * FROM index WHERE Modality = 'CT' AND collection_id = '{chosen}' LIMIT 50",
        "count": f"SELECT count(DISTINCT PatientID) FROM index WHERE Modality = 'CT' AND collection_id <> '{chosen}'",
        "one facet": f"SELECT Manufacturer, count(DISTINCT PatientID) FROM index WHERE instanceCount > {number} GROUP BY 1",
    }
    seconds = {}
    for name, question in asked.items():
        began = time.perf_counter()
        client.sql_query(question)
        seconds[name] = time.perf_counter() - began
    told(seconds=seconds, pss=psutil.Process().memory_full_info().pss)

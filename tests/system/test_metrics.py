"""/metrics of every service after real work: domain metrics are there, and labels are closed sets without patient data."""

from __future__ import annotations

import re
import time

import httpx
from fixtures.running import Platform
from prometheus_client.parser import text_string_to_metric_families
from system_orders import order_of

SERVICES = ("gateway", "ingest", "catalog", "stats", "viewer")
CLOSED = {
    "kind": {"files", "rows", "link", "label", "identifiers", "pixels", "resource", "leak", "inline", "processes", "dask"},
    "outcome": {"accepted", "duplicate", "other_resource", "index_or_archive", "empty", "review", "refused", "pending"},
    "cache": {"series", "instances", "slides"},
    "way": {"stored", "decoded", "drawn"},
    "result": {"hit", "miss", "done", "failed", "lost"},
    "severity": {"info", "warning", "critical"},
}


def _samples(url: str, service: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Sample name -> (labels, value)."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(httpx.get(f"{url}/metrics/{service}").raise_for_status().text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def _sum(samples: dict[str, list[tuple[dict[str, str], float]]], name: str, **labels: str) -> float:
    return sum(value for given, value in samples[name] if labels.items() <= given.items())


def test_metrics_when_an_import_ran_and_pictures_were_seen_then_domain_metrics_tell_it_with_closed_labels(embedded: Platform) -> None:
    api = embedded.client()
    view = api.wait_import(api.post("/imports", order_of(embedded, "NORTH"))["key"])
    case = next(case for case in api.all("/cases") if case["thumbnail"])
    series = [one for study in api.get(f"/cases/{case['key']}")["studies"] for one in study["series"]]
    for one in series:
        api.get(f"/series/{one['uid']}/preview", status=(200, 404, 422))
    api.get("/statistics/overview")
    end = time.monotonic() + 20  # the counters follow the commit by some milliseconds
    while "isocenter_ingest_items_total" not in _samples(embedded.url, "ingest") and time.monotonic() < end:
        time.sleep(0.05)
    shown = {service: _samples(embedded.url, service) for service in SERVICES}
    ingest, viewer, stats = shown["ingest"], shown["viewer"], shown["stats"]
    for kind, outcomes in view["counts"].items():
        for outcome, number in outcomes.items():
            assert _sum(ingest, "isocenter_ingest_items_total", kind=kind, outcome=outcome) == number, (kind, outcome)
    assert _sum(ingest, "isocenter_ingest_item_links_total", state="linked") == view["links"]["linked"] > 0
    assert _sum(ingest, "isocenter_ingest_item_labels_total", state="sure") == view["labels"]["sure"]
    assert _sum(ingest, "isocenter_ingest_stage_items_total", stage="read") > 0
    assert _sum(ingest, "isocenter_ingest_executor_open", kind="processes") == 1
    assert _sum(viewer, "isocenter_viewer_pictures_total") > 0
    assert _sum(viewer, "isocenter_viewer_cache_requests_total", cache="series") > 0
    assert _sum(stats, "isocenter_stats_last_backup_timestamp_seconds") == 0
    assert _sum(stats, "isocenter_stats_counted_timestamp_seconds") > 0
    for service in SERVICES:
        assert _sum(shown[service], "isocenter_catalog_connections", state="most") == 16
        names = {name for name in shown[service] if name.startswith("isocenter_")}
        assert f"isocenter_{service}_requests_total" in names
        for name in names:
            for labels, _ in shown[service][name]:
                for label, value in labels.items():
                    assert value in CLOSED.get(label, {value}), (name, label, value)
                    assert not re.search(r"\d{5,}|/\d+/|[\u4e00-\u9fff]", value), (name, label, value)

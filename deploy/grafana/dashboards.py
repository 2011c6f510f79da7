"""Grafana's dashboards as code: ``python deploy/grafana/dashboards.py FOLDER`` writes one JSON file each (schema version 36, Grafana 9 and later).

Only the standard library. A test checks ids, places, datasource and every expression (promtool), and that the files in ``dashboards/`` are these.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATASOURCE = {"type": "prometheus", "uid": "isocenter-prometheus"}
COLUMNS, HEIGHT = 24, 8


@dataclass(frozen=True)
class Line:
    """One query; ``legend`` in Grafana's form, {{label}}."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """A chart over time, or with ``kind`` stat one number. ``unit``: Grafana's name (s, bytes, Bps, percentunit, reqps, short)."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    kind: str = "timeseries"
    width: int = 8
    most: float | None = None


def panel(title: str, unit: str, *lines: tuple[str, str], **more: Any) -> Panel:
    return Panel(title, unit, tuple(Line(*line) for line in lines), **more)


def requests_of(service: str) -> list[Panel]:
    """The three charts that every service has."""
    name = f"isocenter_{service}"
    return [
        panel("Requests by route", "reqps", (f"sum by (route) (rate({name}_requests_total[$__rate_interval]))", "{{route}}")),
        panel("Slowest twentieth by route", "s",
              (f"histogram_quantile(0.95, sum by (route, le) (rate({name}_request_seconds_bucket[$__rate_interval])))", "{{route}}")),
        panel("Answers that are errors of ours", "reqps",
              (f'sum by (route, status) (rate({name}_requests_total{{status=~"5.."}}[$__rate_interval])) or vector(0)', "{{route}} {{status}}")),
    ]  # fmt: skip


DASHBOARDS: dict[str, tuple[str, list[Panel]]] = {
    "platform": ("Isocenter: platform", [
        panel("Services that answer", "short", ('sum(up{job="isocenter"})', ""), kind="stat", width=6),
        panel("Open alerts", "short", ("sum(isocenter_stats_alerts_open)", ""), kind="stat", width=6),
        panel("Open reviews", "short", ("sum(isocenter_stats_reviews_open)", ""), kind="stat", width=6),
        panel("Age of the last backup", "s", ("isocenter:backup_age:seconds", ""), kind="stat", width=6),
        panel("Requests by service", "reqps", ("isocenter:requests:per_second", "{{service}}")),
        panel("Errors by service", "percentunit",
              ("isocenter:request_errors:ratio or on (service) (0 * isocenter:requests:per_second)", "{{service}}"), most=1),
        panel("Slowest twentieth by service", "s", ("isocenter:request_seconds:p95", "{{service}}")),
        panel("Requests being answered", "short", ('{__name__=~"isocenter_[a-z]+_requests_in_flight"}', "{{service}}")),
        panel("Catalog connections in use", "percentunit", ("isocenter:catalog_connections_in_use:ratio", "{{service}}"), most=1),
        panel("Parts that answer", "short", ("min by (part) (isocenter_stats_part_up)", "{{part}}")),
        panel("CPU by service", "percentunit", ('sum by (service) (rate(process_cpu_seconds_total{job="isocenter"}[$__rate_interval]))', "{{service}}")),
        panel("Memory by service", "bytes", ('sum by (service) (process_resident_memory_bytes{job="isocenter"})', "{{service}}")),
        panel("Open files by service", "percentunit", ('process_open_fds{job="isocenter"} / process_max_fds{job="isocenter"}', "{{service}}"), most=1),
        panel("Links and labels waiting for a person", "short", ('isocenter_stats_reviews_open{kind=~"link|label"}', "{{kind}}")),
    ]),
    "ingest": ("Isocenter: ingest", [
        panel("Imports by state", "short", ("isocenter_stats_imports", "{{state}}")),
        panel("Items a second by stage", "short", ("isocenter:import_items:per_second", "{{stage}}")),
        panel("Batches being worked on", "short", ("isocenter_ingest_batches_running", "running")),
        panel("Batches of running imports by state", "short", ("isocenter_stats_batches", "{{state}}")),
        panel("Items by outcome", "short", ("sum by (kind, outcome) (isocenter_ingest_items_total)", "{{kind}} {{outcome}}")),
        panel("Links by state", "short", ("isocenter_stats_links", "{{state}}")),
        panel("Labels by state", "short", ("isocenter_stats_case_labels", "{{state}}")),
        panel("Review backlog by kind", "short", ("isocenter_stats_reviews_open", "{{kind}}")),
        panel("Longest time without a finished batch", "s", ("isocenter_stats_import_still_seconds", "longest")),
        panel("Batches by result", "short", ("sum by (stage, result) (rate(isocenter_ingest_batches_total[$__rate_interval]))", "{{stage}} {{result}}")),
        panel("Worker pool opened anew", "short", ("isocenter_ingest_pool_restarts", "restarts")),
        *requests_of("ingest"),
    ]),
    "viewer": ("Isocenter: viewer", [
        panel("Frames", "short", ("sum by (way) (rate(isocenter_viewer_frames_total[$__rate_interval]))", "{{way}}")),
        panel("Slide tiles", "short", ("sum by (way) (rate(isocenter_viewer_tiles_total[$__rate_interval]))", "{{way}}")),
        panel("Pictures computed and waiting", "short", ("rate(isocenter_viewer_pictures_total[$__rate_interval])", "a second"),
              ("isocenter_viewer_pictures_waiting", "waiting")),
        panel("Share of look-ups that the caches knew", "percentunit", (
            'sum by (cache) (rate(isocenter_viewer_cache_requests_total{result="hit"}[$__rate_interval]))'
            " / sum by (cache) (rate(isocenter_viewer_cache_requests_total[$__rate_interval]))", "{{cache}}"), most=1),
        *requests_of("viewer"),
    ]),
    "catalog": ("Isocenter: catalog", [*requests_of("catalog"),
        panel("Catalog connections by service", "short", ('isocenter_catalog_connections{state="in_use"}', "{{service}}")),
        panel("Statistics: slowest twentieth by route", "s",
              ("histogram_quantile(0.95, sum by (route, le) (rate(isocenter_stats_request_seconds_bucket[$__rate_interval])))", "{{route}}")),
    ]),
    "hosts": ("Isocenter: hosts", [
        panel("CPU without niced import work", "percentunit", ("isocenter:host_cpu_busy:ratio", "{{instance}}"), most=1),
        panel("Memory", "percentunit", ("isocenter:host_memory_used:ratio", "{{instance}}"), most=1),
        panel("Disks: used", "percentunit", ("isocenter:host_disk_used:ratio", "{{instance}} {{mountpoint}}"), most=1),
        panel("Disks: busy", "percentunit", ("isocenter:host_disk_busy:ratio", "{{instance}} {{device}}"), most=1),
        panel("Network received", "Bps", ("isocenter:host_network_received:bytes_per_second", "{{instance}} {{device}}")),
        panel("Network sent", "Bps", ("isocenter:host_network_sent:bytes_per_second", "{{instance}} {{device}}")),
        panel("Load", "short", ("node_load1", "{{instance}}")),
        panel("Open files", "percentunit", ("node_filefd_allocated / node_filefd_maximum", "{{instance}}"), most=1),
    ]),
}  # fmt: skip


def placed(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Panels from left to right, a new row when the next would not fit; all of one height."""
    found: list[dict[str, Any]] = []
    x = y = 0
    for number, one in enumerate(panels, start=1):
        if x + one.width > COLUMNS:
            x, y = 0, y + HEIGHT
        defaults: dict[str, Any] = {"unit": one.unit, "min": 0} | ({"max": one.most} if one.most is not None else {})
        targets = [
            {"refId": chr(ord("A") + index), "datasource": DATASOURCE, "expr": line.expression, "legendFormat": line.legend or "__auto"}
            for index, line in enumerate(one.lines)
        ]
        found.append(
            {"id": number, "type": one.kind, "title": one.title, "datasource": DATASOURCE, "gridPos": {"x": x, "y": y, "w": one.width, "h": HEIGHT},
             "fieldConfig": {"defaults": defaults, "overrides": []}, "targets": targets}
        )  # fmt: skip
        x += one.width
    return found


def document(name: str) -> dict[str, Any]:
    """The dashboard as Grafana's provisioning reads it."""
    title, panels = DASHBOARDS[name]
    return {
        "uid": f"isocenter-{name}", "title": title, "tags": ["isocenter"], "schemaVersion": 36, "version": 1, "editable": False, "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"}, "timezone": "browser", "templating": {"list": []}, "annotations": {"list": []}, "panels": placed(panels),
    }  # fmt: skip


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in DASHBOARDS:
        (folder / f"{name}.json").write_text(json.dumps(document(name), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("dashboards"))

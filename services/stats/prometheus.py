"""What Prometheus knows of hosts and services, in our names: one query each. Its recorded rules are deploy/prometheus/rules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from isocenter.errors import Unavailable
from services.stats.servers import Values

_DISK = 'fstype!~"tmpfs|overlay|squashfs|ramfs"'

HOSTS: Mapping[str, str] = {  # value -> expression with the label instance
    "cpu_percent": 'sum by (instance) (rate(node_cpu_seconds_total{mode!~"idle|iowait"}[30s])) / sum by (instance) (rate(node_cpu_seconds_total[30s])) * 100',
    "cpu_niced_percent": 'sum by (instance) (rate(node_cpu_seconds_total{mode="nice"}[30s])) / sum by (instance) (rate(node_cpu_seconds_total[30s])) * 100',
    "cpu_count": 'count by (instance) (node_cpu_seconds_total{mode="idle"})',
    "load_1m": "node_load1",
    "memory_percent": "100 * isocenter:host_memory_used:ratio",
    "memory_used_bytes": "node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes",
    "memory_total_bytes": "node_memory_MemTotal_bytes",
    "disk_percent": "100 * max by (instance) (isocenter:host_disk_used:ratio)",
    "disk_used_bytes": f"sum by (instance) (node_filesystem_size_bytes{{{_DISK}}} - node_filesystem_avail_bytes{{{_DISK}}})",
    "disk_total_bytes": f"sum by (instance) (node_filesystem_size_bytes{{{_DISK}}})",
    "disk_busy_percent": "100 * max by (instance) (isocenter:host_disk_busy:ratio)",
    "disk_read_bytes_per_s": "sum by (instance) (rate(node_disk_read_bytes_total[30s]))",
    "disk_written_bytes_per_s": "sum by (instance) (rate(node_disk_written_bytes_total[30s]))",
    "network_sent_bytes_per_s": "sum by (instance) (isocenter:host_network_sent:bytes_per_second)",
    "network_received_bytes_per_s": "sum by (instance) (isocenter:host_network_received:bytes_per_second)",
    "network_errors_per_s": "sum by (instance) (isocenter:host_network_errors:per_second)",
    "open_files": "node_filefd_allocated",
    "open_files_most": "node_filefd_maximum",
}
SERVICES: Mapping[str, str] = {  # value -> expression with the label service
    "requests_per_s": "isocenter:requests:per_second",
    "errors_per_s": "isocenter:request_errors:ratio * isocenter:requests:per_second",
    "p95_ms": "1000 * isocenter:request_seconds:p95",
    "in_flight": 'sum by (service) ({__name__=~"isocenter_[a-z]+_requests_in_flight"})',
    "connections_in_use": 'sum by (service) (isocenter_catalog_connections{state="in_use"})',
    "connections_most": 'sum by (service) (isocenter_catalog_connections{state="most"})',
    "cpu_percent": '100 * sum by (service) (rate(process_cpu_seconds_total{job="isocenter"}[30s]))',
    "memory_bytes": 'sum by (service) (process_resident_memory_bytes{job="isocenter"})',
    "open_files": 'sum by (service) (process_open_fds{job="isocenter"})',
    "items_per_s": "sum by (service) (rate(isocenter_ingest_stage_items_total[1m]))",
    "batches_running": "sum by (service) (isocenter_ingest_batches_running)",
    "pictures_waiting": "sum by (service) (isocenter_viewer_pictures_waiting)",
}


def query(expressions: Mapping[str, str], label: str) -> str:
    """All values in one question: each series says with the label ``is`` which it is."""
    return " or ".join(f'label_replace(max by ({label}) ({expression}), "is", "{name}", "", "")' for name, expression in expressions.items())


def values_of(answer: Mapping[str, Any], label: str) -> dict[str, Values]:
    """Answer of /api/v1/query -> values by instance or service; a port is left off, numbers that are none are left out."""
    found: dict[str, Values] = {}
    for series in answer["data"]["result"]:
        name = str(series["metric"].get(label, ""))
        if label == "instance":
            name = name.rpartition(":")[0] or name
        number = float(series["value"][1])
        if name and math.isfinite(number):
            found.setdefault(name[:40], {})[series["metric"]["is"]] = number
    return found


class Prometheus:
    """Asked over HTTP; Unavailable when it is away or does not understand."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self.url = url.rstrip("/")
        self.client = client

    async def hosts(self) -> tuple[datetime, dict[str, Values]]:
        return await self._ask(query(HOSTS, "instance"), "instance")

    async def services(self) -> tuple[datetime, dict[str, Values]]:
        return await self._ask(query(SERVICES, "service"), "service")

    async def _ask(self, text: str, label: str) -> tuple[datetime, dict[str, Values]]:
        try:
            answer = await self.client.post(f"{self.url}/api/v1/query", data={"query": text})
            answer.raise_for_status()
            document = answer.json()
            found = values_of(document, label)
            newest = max((float(series["value"][0]) for series in document["data"]["result"]), default=0.0)
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"Prometheus does not answer ({type(error).__name__}); numbers of hosts and services are old.", retry_after=15) from error
        return datetime.fromtimestamp(newest, UTC), found

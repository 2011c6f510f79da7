"""What each service does now, read from the registries of this process: the same numbers that Prometheus would compute from /metrics."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil
from prometheus_client import CollectorRegistry

from isocenter.metrics import Metrics
from services.stats.servers import Values

PROCESS = "isocenter"  # the row of the whole process, beside those of its services
# They last as long as the other side wants; as isocenter:request_seconds:p95 in deploy/prometheus/rules/services.yml.
LASTING = re.compile(r".*/events|.*/files/.*|/api/v1/(uploads|imports|alerts|datasets|resources).*|/dicom-web.*")


@dataclass(slots=True)
class _Counted:
    """Totals since the process began."""

    requests: float = 0.0
    errors: float = 0.0
    items: float = 0.0
    buckets: dict[float, float] = field(default_factory=dict)  # upper bound in seconds -> cumulative count
    now: Values = field(default_factory=dict)


def _count(service: str, registry: CollectorRegistry) -> _Counted:
    counted, prefix = _Counted(), f"isocenter_{service}_"
    for metric in registry.collect():
        for name, labels, value, *_ in metric.samples:
            short = name.removeprefix(prefix)
            if short == "requests_total":
                counted.requests += value
                counted.errors += value if labels["status"].startswith("5") else 0.0
            elif short == "request_seconds_bucket" and not LASTING.fullmatch(labels["route"]):
                bound = float(labels["le"])
                counted.buckets[bound] = counted.buckets.get(bound, 0.0) + value
            elif short == "requests_in_flight":
                counted.now["in_flight"] = value
            elif name == "isocenter_ingest_stage_items_total":
                counted.items += value
            elif name in _GAUGES:
                counted.now[_GAUGES[name]] = value
    return counted


_GAUGES = {"isocenter_ingest_batches_running": "batches_running", "isocenter_viewer_pictures_waiting": "pictures_waiting"}


def quantile(buckets: Mapping[float, float], share: float) -> float:
    """As PromQL's histogram_quantile: linear within the bucket, the last finite bound when it lies beyond; 0 without a count."""
    bounds = sorted(buckets)
    if not bounds or buckets[bounds[-1]] <= 0:
        return 0.0
    wanted, lower, below = share * buckets[bounds[-1]], 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= wanted:
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * (wanted - below) / max(buckets[bound] - below, 1e-9)
        lower, below = bound, buckets[bound]
    return lower


class ServiceMeter:
    """Reads registries; rates are over the time since the call before. About a millisecond a service."""

    def __init__(self) -> None:
        self._before: dict[str, _Counted] = {}
        self._at = time.monotonic()
        self._process = psutil.Process()
        self._process.cpu_percent(interval=None)  # its first answer has no time to be over

    def read(self, registries: Mapping[str, Metrics]) -> dict[str, Values]:
        """Service -> values."""
        moment = time.monotonic()
        seconds, self._at = max(moment - self._at, 1e-6), moment
        found = {}
        for service, metrics in registries.items():
            counted = _count(service, metrics.registry)
            before, self._before[service] = self._before.get(service, counted), counted
            grown = {bound: value - before.buckets.get(bound, 0.0) for bound, value in counted.buckets.items()}
            values = {
                "requests_per_s": (counted.requests - before.requests) / seconds,
                "errors_per_s": (counted.errors - before.errors) / seconds,
                "p95_ms": 1000 * quantile(grown, 0.95),
                **counted.now,
            }
            if service == "ingest":
                values["items_per_s"] = (counted.items - before.items) / seconds
            found[service] = values
        return found

    def read_process(self) -> Values:
        """This process without its workers."""
        with self._process.oneshot():
            return {
                "cpu_percent": float(self._process.cpu_percent(interval=None)),
                "memory_bytes": float(self._process.memory_info().rss),
                "open_files": float(self._process.num_fds()),
                "threads": float(self._process.num_threads()),
            }

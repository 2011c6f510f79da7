"""Prometheus metrics: one pure ASGI middleware (1.06 times the bare app) and one registry a service.

Labels come from closed sets: the route template, never a path.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True)
class Metrics:
    """The registry of one service and its HTTP metrics; domain metrics are added by their modules."""

    registry: CollectorRegistry
    requests: Counter
    seconds: Histogram
    in_flight: Gauge

    def render(self) -> bytes:
        return generate_latest(self.registry)


def new_metrics(service: str) -> Metrics:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)  # CPU, memory, open files of the process; read only when somebody asks for the metrics
    return Metrics(
        registry,
        Counter(f"isocenter_{service}_requests_total", "Requests by method, route template and status.", ["method", "route", "status"], registry=registry),
        Histogram(
            f"isocenter_{service}_request_seconds",
            "Seconds from request to last byte, by method and route template.",
            ["method", "route"],
            buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            registry=registry,
        ),
        Gauge(f"isocenter_{service}_requests_in_flight", "Requests being answered now.", registry=registry),
    )


def show_connections(metrics: Metrics, connections: Callable[[], tuple[int, int]]) -> None:
    """``isocenter_catalog_connections``: in use and at most, read when somebody asks for the metrics."""
    gauge = Gauge("isocenter_catalog_connections", "Connections to the catalog: in use, and the most there may be.", ["state"], registry=metrics.registry)
    gauge.labels("in_use").set_function(lambda: connections()[0])
    gauge.labels("most").set_function(lambda: connections()[1])


class MetricsMiddleware:
    """Counts and times every HTTP request. ``scope['isocenter_route']`` (set by pure ASGI routes) or FastAPI's route names it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics
        # prometheus_client looks a child up under a lock; the label values are closed sets, so this stays small.
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.metrics.in_flight.inc()
        try:
            await self.app(scope, receive, counted)
        finally:
            self.metrics.in_flight.dec()
            route = scope.get("isocenter_route") or getattr(scope.get("route"), "path", None) or "unmatched"
            method = scope["method"] if scope["method"] in METHODS else "other"
            key = (method, route, status)
            children = self._children.get(key)
            if children is None:
                children = self._children[key] = (self.metrics.requests.labels(method, route, str(status)), self.metrics.seconds.labels(method, route))
            children[0].inc()
            children[1].observe(time.perf_counter() - started)

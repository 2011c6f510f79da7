"""Ingest's own metrics: batches, items of imports by what became of them, the pool of workers. Label values are closed sets."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Counter, Gauge

from isocenter.metrics import Metrics


class IngestMetrics:
    """Made once by the coordinator."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self.batches = Counter("isocenter_ingest_batches_total", "Batches by stage and result.", ["stage", "result"], registry=registry)
        self.stage_items = Counter("isocenter_ingest_stage_items_total", "Items of finished batches, by stage: the import rate.", ["stage"], registry=registry)
        self.busy = Gauge("isocenter_ingest_batches_running", "Batches being worked on now.", registry=registry)
        self.restarts = Gauge("isocenter_ingest_pool_restarts", "Times the worker pool was opened anew after a crash.", registry=registry)
        self.executor = Gauge("isocenter_ingest_executor_open", "1 when workers are there, by kind of executor.", ["kind"], registry=registry)
        self._items = Counter("isocenter_ingest_items_total", "Items of imports that ended, by kind and outcome.", ["kind", "outcome"], registry=registry)
        self._links = Counter("isocenter_ingest_item_links_total", "Items of imports that ended, by link state.", ["state"], registry=registry)
        self._labels = Counter("isocenter_ingest_item_labels_total", "Items of imports that ended, by label state.", ["state"], registry=registry)

    def add(self, outcomes: Mapping[str, Mapping[str, int]], links: Mapping[str, int], labels: Mapping[str, int]) -> None:
        """outcomes: kind (files, rows) -> outcome -> number."""
        for kind, counted in outcomes.items():
            for outcome, number in counted.items():
                self._items.labels(kind, outcome).inc(number)
        for counter, states in ((self._links, links), (self._labels, labels)):
            for state, number in states.items():
                counter.labels(state).inc(number)

"""What the site is doing, counted from the catalog: imports, reviews, backup; and when the product itself warns about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client import Gauge

from isocenter.metrics import Metrics
from services.stats.alerts import Firing
from services.stats.servers import Values

REVIEW_KINDS = ("link", "label", "identifiers", "pixels", "resource", "leak")
IMPORT_STATES = ("running", "paused", "failed", "cancelled", "finished", "withdrawn")
BATCH_STATES = ("open", "done", "failed")
PARTS = ("object store", "ingest", "catalog", "stats", "viewer")
LABEL_STATES = ("sure", "review", "decided")
LINK_STATES = ("sure", "review", "accepted", "rejected")
STILL_SECONDS = 900  # as ImportStuck in deploy/prometheus/rules/work.yml
BACKUP_SECONDS = 26 * 3600  # as BackupOld there


@dataclass(frozen=True, slots=True)
class Work:
    """Counted at ``at``. ``running``: import -> when its last batch ended. ``last_backup`` None = never."""

    at: datetime
    reviews: Mapping[str, int] = field(default_factory=dict)
    imports: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    links: Mapping[str, int] = field(default_factory=dict)
    alerts: Mapping[str, int] = field(default_factory=dict)
    batches: Mapping[str, int] = field(default_factory=dict)
    running: Mapping[int, datetime | None] = field(default_factory=dict)
    last_backup: datetime | None = None


class Stillness:
    """How long each running import has finished no batch, as seen by this process: an import that was paused overnight is not stuck when resumed."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[datetime | None, datetime]] = {}

    def seconds(self, running: Mapping[int, datetime | None], at: datetime) -> float:
        """The longest of all; 0 without a running import."""
        before = self._seen
        self._seen = {key: before[key] if key in before and before[key][0] == last else (last, at) for key, last in running.items()}
        return max(((at - since).total_seconds() for _, since in self._seen.values()), default=0.0)


class WorkGauges:
    """The same as gauges of /metrics; every label's values are a closed set."""

    def __init__(self, metrics: Metrics) -> None:
        def gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(f"isocenter_stats_{name}", text, labels, registry=metrics.registry)

        self._kinds = (
            (gauge("reviews_open", "Open questions for a person.", ("kind",)), REVIEW_KINDS, "reviews"),
            (gauge("imports", "Imports by state.", ("state",)), IMPORT_STATES, "imports"),
            (gauge("case_labels", "Labels that count now, by state.", ("state",)), LABEL_STATES, "labels"),
            (gauge("links", "Links between study and report that count now, by state.", ("state",)), LINK_STATES, "links"),
            (gauge("batches", "Batches of running imports by state; open ones are the queue.", ("state",)), BATCH_STATES, "batches"),
            (gauge("alerts_open", "Open alerts.", ("severity",)), ("info", "warning", "critical"), "alerts"),
        )
        self._still = gauge("import_still_seconds", "Longest time that a running import has finished no batch.")
        self._backup = gauge("last_backup_timestamp_seconds", "When the last isocenter backup was made; 0 = never.")
        self._parts = gauge("part_up", "1 when a part answers that this service asks; the object store always.", ("part",))
        self._counted = gauge("counted_timestamp_seconds", "When these numbers were counted.")

    def show_parts(self, ready: Mapping[str, bool]) -> None:
        for part in PARTS:
            if part in ready:
                self._parts.labels(part).set(ready[part])

    def show(self, work: Work, still_seconds: float) -> None:
        for gauge, values, name in self._kinds:
            counted: Mapping[str, int] = getattr(work, name)
            for value in values:
                gauge.labels(value).set(counted.get(value, 0))
        self._still.set(still_seconds)
        self._backup.set(work.last_backup.timestamp() if work.last_backup else 0)
        self._counted.set(work.at.timestamp())


def values_of_work(work: Work) -> Values:
    """What stands beside ingest's own numbers on the page Servers."""
    return {
        "imports_running": float(work.imports.get("running", 0)),
        "batches_waiting": float(work.batches.get("open", 0)),
        "reviews_open": float(sum(work.reviews.values())),
    }


def firing_of_work(subject: str, work: Work, still_seconds: float) -> list[Firing]:
    """What the product warns about by itself where no Prometheus does."""
    found = []
    if leaks := work.reviews.get("leak", 0):
        summary = "Identifying text was found after release and is held back: a reviewer must decide."
        found.append(Firing("leak-quarantined", subject, "critical", summary, leaks))
    if still_seconds > STILL_SECONDS:
        summary = "A running import has finished no batch for 15 minutes; see its page and the log of ingest."
        found.append(Firing("import-stuck", subject, "warning", summary, still_seconds))
    # Only where backups are made at all: with Prometheus, BackupOld tells also of a site without any.
    if work.last_backup is not None and (age := (work.at - work.last_backup).total_seconds()) > BACKUP_SECONDS:
        found.append(Firing("backup-old", subject, "warning", "The last isocenter backup is older than 26 hours.", age))
    return found

"""Every fifteen seconds: what each service does. From this process's registries, or with Prometheus in front from there, hosts included."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

import anyio.to_thread
import httpx

from isocenter.errors import IsocenterError
from isocenter.models import now
from isocenter.resources import Resources
from isocenter.settings import Settings
from services.stats.alerts import SERVICE_LOOKS, Firing, firing_of_services
from services.stats.meters import PROCESS, ServiceMeter
from services.stats.prometheus import Prometheus
from services.stats.rounds import forever
from services.stats.servers import Values
from services.stats.store import hosts

EVERY_SECONDS = 15.0
ASKING_SECONDS = 5.0
KEPT = timedelta(days=1)


class ServiceWatch:
    """``work``: what the site is doing now, shown beside ingest's own numbers."""

    def __init__(self, settings: Settings, resources: Resources, work: Callable[[], Values]) -> None:
        self.resources = resources
        self._prometheus_url = settings.prometheus_url
        self._work = work
        self._meter = ServiceMeter()
        self._history: deque[dict[str, Values]] = deque(maxlen=SERVICE_LOOKS)

    async def run(self) -> None:
        """Until cancelled."""
        if self._prometheus_url:
            async with httpx.AsyncClient(timeout=ASKING_SECONDS, trust_env=False) as client:
                asked = Prometheus(self._prometheus_url, client)
                await forever(lambda: self.ask(asked), EVERY_SECONDS)
        else:
            await forever(self.look, EVERY_SECONDS)

    async def look(self) -> None:
        """Keep one sample of each service of this process, and of the process."""
        found = self._meter.read(self.resources.metrics)
        process = self._meter.read_process()
        process["connections_in_use"], process["connections_most"] = map(float, self.resources.db.connections())
        process["store_up"], process["store_ms"] = await anyio.to_thread.run_sync(self._store)
        found[PROCESS] = process
        if "ingest" in found:
            found["ingest"] |= self._work()
        self._history.append(found)
        async with self.resources.db.write() as session:
            await hosts.add_service_samples(session, now(), found)

    def _store(self) -> tuple[float, float]:
        started = time.perf_counter()
        try:
            self.resources.store.ping()
        except IsocenterError:
            return 0.0, 0.0
        return 1.0, 1000 * (time.perf_counter() - started)

    async def ask(self, prometheus: Prometheus) -> None:
        """Keep what Prometheus says of every host and service, at its own time; Unavailable when it is away, and the pages say stale."""
        at, found = await prometheus.services()
        if "ingest" in found:
            found["ingest"] |= self._work()
        hosts_at, seen = await prometheus.hosts()
        async with self.resources.db.write() as session:
            await hosts.add_service_samples(session, at, found)
            for host, values in seen.items():
                await hosts.add_sample(session, host, hosts_at, values)

    def fires(self, subject: str, open_names: frozenset[str]) -> list[Firing]:
        """What the last samples warn about; nothing where Prometheus does it."""
        return firing_of_services(subject, list(self._history), open_names)

"""Every five seconds: read the host, keep the sample, raise and clear alerts. One task of the service's lifespan."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from datetime import datetime, timedelta

import anyio.to_thread
import httpx

from isocenter.errors import IsocenterError
from isocenter.models import Alert, now
from isocenter.resources import Resources
from isocenter.settings import SERVICES, Settings
from services.stats.alerts import Firing, firing, parts_not_ready
from services.stats.bell import Bell
from services.stats.servers import HostMeter, Values
from services.stats.store import alerts, hosts
from services.stats.store import work as counted
from services.stats.work import Stillness, WorkGauges, firing_of_work

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
KEPT = timedelta(days=1)
TRIM_EVERY = 120  # ticks: ten minutes
MEMORY = timedelta(seconds=90)  # longer than any rule looks back
READY_SECONDS = 3.0
WORK_EVERY = 3  # ticks: the catalog is counted every 15 s
ALERTS_KEPT = timedelta(days=400)


class Sampler:
    """Samples of this host and alerts about it and about the parts this service can ask."""

    def __init__(self, settings: Settings, resources: Resources, *, host: str = "", bell: Bell | None = None, gauges: WorkGauges | None = None) -> None:
        self.resources = resources
        self._bell = bell or Bell()
        self._gauges = gauges
        self._stillness = Stillness()
        self._work: list[Firing] = []
        # With Prometheus in front its rules warn about imports and leaks; here they would be told twice.
        self._alone = not settings.alert_webhook_secret.get_secret_value()
        self.host = (host or socket.gethostname())[:40]
        self._meter = HostMeter(settings.data.absolute())
        self._urls = {name: url for name in SERVICES if (url := settings.upstream_url(name))}
        self._history: deque[tuple[datetime, Values]] = deque()
        self._ticks = 0

    async def run(self) -> None:
        """Until cancelled. A catalog that is away costs the sample, not the task."""
        async with httpx.AsyncClient(timeout=READY_SECONDS, trust_env=False) as client:
            while True:
                try:
                    if self._ticks % WORK_EVERY == 0:
                        await self.count(now())
                    await self.tick(now(), await anyio.to_thread.run_sync(self._meter.read), await self.ready(client))
                except (IsocenterError, OSError) as error:
                    log.warning("sample not kept kind=%s", type(error).__name__)
                await asyncio.sleep(EVERY_SECONDS)

    async def ready(self, client: httpx.AsyncClient) -> dict[str, bool]:
        """Which parts answer: the object store, and services at URLs. (Without the catalog no alert could be written.)"""
        names = [*self._urls]
        answers = await asyncio.gather(*(_answers(client, self._urls[name]) for name in names))
        try:
            await anyio.to_thread.run_sync(self.resources.store.ping)
            stores = True
        except IsocenterError:
            stores = False
        return {"object store": stores, **dict(zip(names, answers, strict=True))}

    async def count(self, at: datetime) -> None:
        """What the site is doing, into the gauges of /metrics and the next tick's alerts."""
        async with self.resources.db.read() as session:
            work = await counted.count(session, at)
        still = self._stillness.seconds(work.running, at)
        if self._gauges is not None:
            self._gauges.show(work, still)
        self._work = firing_of_work(self.host, work, still) if self._alone else []

    async def tick(self, at: datetime, values: Values, ready: dict[str, bool]) -> None:
        """Keep one sample, and bring the alerts to what it says."""
        self._history.append((at, values))
        while self._history and self._history[0][0] < at - MEMORY:
            self._history.popleft()
        async with self.resources.db.write() as session:
            await hosts.add_sample(session, self.host, at, values)
            known = await alerts.open_alerts(session, f"{self.host}/")
            names = frozenset(alert.name for alert in known.values())
            fires = [*firing(self.host, list(self._history), names), *parts_not_ready(self.host, ready), *self._work]
            current = {fired.fingerprint: fired for fired in fires}
            for fingerprint, alert in known.items():
                if fingerprint not in current:
                    alert.ended_at = at
            session.add_all([_alert(fired, at) for fingerprint, fired in current.items() if fingerprint not in known])
            if self._ticks % TRIM_EVERY == 0:
                await hosts.trim_samples(session, KEPT, at)
                await alerts.trim(session, ALERTS_KEPT, at)
        self._ticks += 1
        if current.keys() != known.keys():
            self._bell.ring()
        for fingerprint in current.keys() - known.keys():
            log.warning("alert raised name=%s host=%s", current[fingerprint].name, self.host)


def _alert(fired: Firing, at: datetime) -> Alert:
    return Alert(
        fingerprint=fired.fingerprint, name=fired.name, severity=fired.severity, labels={"host": fired.subject}, summary=fired.summary, started_at=at,
        value=fired.value,
    )  # fmt: skip


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url.rstrip('/')}/readyz")).status_code == 200
    except httpx.HTTPError:
        return False

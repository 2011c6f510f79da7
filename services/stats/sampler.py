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
from services.stats import store
from services.stats.alerts import Firing, firing, parts_not_ready
from services.stats.servers import HostMeter, Values

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
KEPT = timedelta(days=1)
TRIM_EVERY = 120  # ticks: ten minutes
MEMORY = timedelta(seconds=90)  # longer than any rule looks back
READY_SECONDS = 3.0


class Sampler:
    """Samples of this host and alerts about it and about the parts this service can ask."""

    def __init__(self, settings: Settings, resources: Resources, *, host: str = "") -> None:
        self.resources = resources
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

    async def tick(self, at: datetime, values: Values, ready: dict[str, bool]) -> None:
        """Keep one sample, and bring the alerts to what it says."""
        self._history.append((at, values))
        while self._history and self._history[0][0] < at - MEMORY:
            self._history.popleft()
        async with self.resources.db.write() as session:
            await store.add_sample(session, self.host, at, values)
            known = await store.open_alerts(session, f"{self.host}/")
            names = frozenset(alert.name for alert in known.values())
            current = {fired.fingerprint: fired for fired in [*firing(self.host, list(self._history), names), *parts_not_ready(self.host, ready)]}
            for fingerprint, alert in known.items():
                if fingerprint not in current:
                    alert.ended_at = at
            session.add_all([_alert(fired, at) for fingerprint, fired in current.items() if fingerprint not in known])
            if self._ticks % TRIM_EVERY == 0:
                await store.trim_samples(session, KEPT, at)
        self._ticks += 1
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

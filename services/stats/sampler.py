"""Every second: read the host, raise and clear alerts; every five seconds keep the sample. Tasks of the service's lifespan."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

import anyio.to_thread
import httpx

from isocenter.errors import IsocenterError
from isocenter.models import Alert, now
from isocenter.resources import Resources
from isocenter.settings import SERVICES, Settings
from services.stats.alerts import LONGEST, Firing, firing, parts_not_ready
from services.stats.bell import Bell
from services.stats.courier import Courier, ways_of
from services.stats.filling import LOOKED_AT, Filling
from services.stats.rounds import forever
from services.stats.servers import HostMeter, Values, mean
from services.stats.store import alerts, hosts, notices
from services.stats.store import work as counted
from services.stats.watch import ServiceWatch
from services.stats.work import Stillness, Work, WorkGauges, firing_of_work, values_of_work

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
PARTS_EVERY_SECONDS = 5.0
WORK_EVERY_SECONDS = 15.0  # the catalog is counted
READY_SECONDS = 3.0
KEEP_EVERY = timedelta(seconds=5)
KEPT = timedelta(days=1)
TRIM_EVERY = timedelta(minutes=10)
MEMORY = LONGEST + timedelta(seconds=10)
ALERTS_KEPT = timedelta(days=400)


class Sampler:
    """Samples of this host and alerts about it and about the parts this service can ask."""

    def __init__(
        self, settings: Settings, resources: Resources, *, host: str = "", bell: Bell | None = None, gauges: WorkGauges | None = None,
        meter: HostMeter | None = None, courier: Courier | None = None,
    ) -> None:  # fmt: skip
        self.resources = resources
        self._bell = bell or Bell()
        self._gauges = gauges
        self._courier = courier
        self._ways: Sequence[str] = ways_of(settings)
        self._stillness = Stillness()
        self._counted: Work | None = None
        self.watch = ServiceWatch(settings, resources, lambda: values_of_work(self._counted) if self._counted else {})
        self._work: list[Firing] = []
        # With Prometheus in front its rules warn about imports and leaks; here they would be told twice.
        self._alone = not settings.alert_webhook_secret.get_secret_value()
        self.host = (host or socket.gethostname())[:40]
        self._meter = meter or HostMeter(settings.data.absolute())
        self._samples_host = not settings.prometheus_url  # else the node exporter does, also on this host
        self._urls = {name: url for name in SERVICES if (url := settings.upstream_url(name))}
        self._history: deque[tuple[datetime, Values]] = deque()
        self._filling = Filling()
        self._ready: dict[str, bool] = {}
        self._open: frozenset[str] | None = None  # names of this host's open alerts as last read; None = not known
        self._kept_at: datetime | None = None
        self._trimmed_at: datetime | None = None
        self._unkept: deque[Values] = deque(maxlen=60)
        self._missed: frozenset[str] = frozenset()  # parts that did not answer the last time

    async def run(self) -> None:
        """Until cancelled. A catalog that is away costs samples, not the tasks."""
        with contextlib.suppress(IsocenterError):  # then the hour begins now
            async with self.resources.db.read() as session:
                self._filling.know(await hosts.samples(session, self.host, now() - LOOKED_AT))
        async with httpx.AsyncClient(timeout=READY_SECONDS, trust_env=False) as client, asyncio.TaskGroup() as tasks:
            tasks.create_task(forever(lambda: self._look_at_parts(client), PARTS_EVERY_SECONDS))
            tasks.create_task(forever(lambda: self.count(now()), WORK_EVERY_SECONDS))
            tasks.create_task(forever(self._look_at_host, EVERY_SECONDS))
            tasks.create_task(self.watch.run())

    async def _look_at_host(self) -> None:
        await self.tick(now(), await anyio.to_thread.run_sync(self._meter.read) if self._samples_host else {}, self._ready)

    async def _look_at_parts(self, client: httpx.AsyncClient) -> None:
        """A part is away when it did not answer twice in a row: one slow answer is no alert."""
        answers = await self.ready(client)
        missed = frozenset(name for name, up in answers.items() if not up)
        self._ready = {name: up or name not in self._missed for name, up in answers.items()}
        self._missed = missed
        if self._gauges is not None:
            self._gauges.show_parts(answers)

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
        self._counted = work
        self._work = firing_of_work(self.host, work, still) if self._alone else []

    def _fires(self, ready: dict[str, bool], open_names: frozenset[str]) -> dict[str, Firing]:
        """What fires now, by fingerprint."""
        found = [
            *firing(self.host, list(self._history), open_names),
            *self._filling.fires(self.host),
            *parts_not_ready(self.host, ready),
            *self._work,
            *self.watch.fires(self.host, open_names),
        ]
        return {fired.fingerprint: fired for fired in found}

    async def tick(self, at: datetime, values: Values, ready: dict[str, bool]) -> None:
        """Take one sample, and bring the alerts to what it says; the catalog is asked only when one changes or a sample is due."""
        self._history.append((at, values))
        while self._history and self._history[0][0] < at - MEMORY:
            self._history.popleft()
        self._unkept.append(values)
        self._filling.note(at, values)
        due = self._kept_at is None or at - self._kept_at >= KEEP_EVERY
        if not due and self._open is not None and {one.name for one in self._fires(ready, self._open).values()} == self._open:
            return
        async with self.resources.db.write() as session:
            if due and values:
                await hosts.add_sample(session, self.host, at, mean(list(self._unkept)))
            known = await alerts.open_alerts(session, f"{self.host}/")
            current = self._fires(ready, frozenset(alert.name for alert in known.values()))
            ended = [alert for fingerprint, alert in known.items() if fingerprint not in current]
            for alert in ended:
                alert.ended_at = at
            begun = [_alert(fired, at) for fingerprint, fired in current.items() if fingerprint not in known]
            session.add_all(begun)
            await notices.write_ended(session, ended, at)
            await notices.write_begun(session, begun, self._ways, at)
            if self._trimmed_at is None or at - self._trimmed_at >= TRIM_EVERY:
                await hosts.trim_samples(session, KEPT, at)
                await alerts.trim(session, ALERTS_KEPT, at)
                self._trimmed_at = at
        if due:
            self._kept_at = at
            self._unkept.clear()
        self._open = frozenset(fired.name for fired in current.values())
        if current.keys() != known.keys():
            self._bell.ring()
            if self._courier is not None:
                self._courier.wake()
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

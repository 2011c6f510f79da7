"""Hosts and services, for operators."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from isocenter.models import now
from isocenter.web import Opened, Operator
from services.stats.schemas import HostView, Sample, Servers, ServiceView
from services.stats.servers import Values, thinned
from services.stats.store import hosts

router = APIRouter(prefix="/api/v1", tags=["stats"])

POINTS_MOST = 240
STALE = timedelta(seconds=30)
SERVICE_STALE = timedelta(seconds=60)  # they are sampled every 15 s


@router.get("/servers")
async def servers(opened: Opened, who: Operator, minutes: Annotated[int, Query(ge=1, le=1440)] = 60) -> Servers:
    """Every host and service sampled within a day: the latest values, and at most 240 points of the last ``minutes``."""
    moment = now()
    since = moment - timedelta(minutes=minutes)
    seen: list[HostView] = []
    run: list[ServiceView] = []
    async with opened.db.read() as session:
        for host in await hosts.hosts(session):
            if (latest := await hosts.latest(session, host)) is not None:
                shown = _shown(await hosts.samples(session, host, since))
                seen.append(HostView(host=host, latest=_sample(latest), stale=moment - latest[0] > STALE, history=shown))
        for service in await hosts.services(session):
            if (latest := await hosts.latest_of_service(session, service)) is not None:
                shown = _shown(await hosts.service_samples(session, service, since))
                run.append(ServiceView(service=service, latest=_sample(latest), stale=moment - latest[0] > SERVICE_STALE, history=shown))
    return Servers(hosts=seen, services=run, source="prometheus" if opened.settings.prometheus_url else "sampler")


def _sample(point: tuple[datetime, Values]) -> Sample:
    return Sample(at=point[0], values=point[1])


def _shown(history: list[tuple[datetime, Values]]) -> list[Sample]:
    return [_sample(point) for point in thinned(history, POINTS_MOST)]

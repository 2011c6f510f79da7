"""Hosts, for operators."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from isocenter.models import now
from isocenter.web import Opened, Operator
from services.stats.schemas import HostView, Sample, Servers
from services.stats.servers import thinned
from services.stats.store import hosts

router = APIRouter(prefix="/api/v1", tags=["stats"])

POINTS_MOST = 240
STALE = timedelta(seconds=30)


@router.get("/servers")
async def servers(opened: Opened, who: Operator, minutes: Annotated[int, Query(ge=1, le=1440)] = 60) -> Servers:
    """Every host that sampled within a day: the latest values, and at most 240 points of the last ``minutes``."""
    moment, found = now(), []
    async with opened.db.read() as session:
        for host in await hosts.hosts(session):
            latest = await hosts.latest(session, host)
            history = await hosts.samples(session, host, moment - timedelta(minutes=minutes))
            if latest is not None:
                at, values = latest
                points = thinned(history, POINTS_MOST)
                shown = [Sample(at=when, values=sample) for when, sample in points]
                found.append(HostView(host=host, latest=Sample(at=at, values=values), stale=moment - at > STALE, history=shown))
    return Servers(hosts=found)

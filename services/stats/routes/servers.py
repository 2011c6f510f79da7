"""Hosts and alerts, for operators."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from isocenter.audit import record
from isocenter.errors import InvalidInput
from isocenter.models import now
from isocenter.paging import Cursor, Limit, Page, decode_cursor, encode_cursor
from isocenter.web import Opened, Operator
from services.stats import store
from services.stats.schemas import AlertView, HostView, Sample, Servers
from services.stats.servers import thinned

router = APIRouter(prefix="/api/v1", tags=["stats"])

POINTS_MOST = 240
STALE = timedelta(seconds=30)


@router.get("/servers")
async def servers(opened: Opened, who: Operator, minutes: Annotated[int, Query(ge=1, le=1440)] = 60) -> Servers:
    """Every host that sampled within a day: the latest values, and at most 240 points of the last ``minutes``."""
    moment, found = now(), []
    async with opened.db.read() as session:
        for host in await store.hosts(session):
            latest = await store.latest(session, host)
            history = await store.samples(session, host, moment - timedelta(minutes=minutes))
            if latest is not None:
                at, values = latest
                points = thinned(history, POINTS_MOST)
                shown = [Sample(at=when, values=sample) for when, sample in points]
                found.append(HostView(host=host, latest=Sample(at=at, values=values), stale=moment - at > STALE, history=shown))
    return Servers(hosts=found)


@router.get("/alerts")
async def alerts(
    opened: Opened, who: Operator, open_only: Annotated[bool, Query(alias="open")] = False, limit: Limit = 100, cursor: Cursor = None
) -> Page[AlertView]:
    """Newest first; ``open=true`` = only those that have not ended."""
    before = decode_cursor(cursor, 1)[0] if cursor else None
    if before is not None and not isinstance(before, int):
        raise InvalidInput("This cursor belongs to another list; leave it out to start again.", field="cursor")
    async with opened.db.read() as session:
        rows = await store.alerts(session, only_open=open_only, before=before, limit=limit + 1)
    more = encode_cursor(rows[limit - 1].id) if len(rows) > limit else None
    return Page(items=[AlertView.model_validate(row, from_attributes=True) for row in rows[:limit]], next=more)


@router.post("/alerts/{alert_id}/acknowledge")
async def acknowledge(alert_id: int, opened: Opened, who: Operator) -> AlertView:
    async with opened.db.write() as session:
        alert = await store.acknowledge(session, alert_id, who.name)
        record(session, who, "acknowledge", f"alert:{alert_id}")
    return AlertView.model_validate(alert, from_attributes=True)

"""Notices about alerts: written with the alert, sent after the commit, tried again until they are old."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import Alert, Notice
from services.stats.letters import Letter
from services.stats.silences import silenced_until
from services.stats.store import alerts

PAUSES = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=30))
GIVEN_UP = timedelta(hours=24)
AT_ONCE = 20


async def write_begun(session: AsyncSession, begun: Sequence[Alert], ways: Sequence[str], at: datetime) -> None:
    """Notices for alerts that are new and not silenced."""
    if not begun or not ways:
        return
    await session.flush()
    silences = [(one.matcher, one.until) for one in await alerts.silences(session, at)]
    told = [alert for alert in begun if silenced_until(silences, alert.name, alert.severity, alert.labels) is None]
    session.add_all([Notice(alert_id=alert.id, event="began", way=way, due_at=at, created_at=at) for alert in told for way in ways])


async def write_ended(session: AsyncSession, ended: Sequence[Alert], at: datetime) -> None:
    """Who was told of the beginning is told of the end."""
    if not ended:
        return
    began = select(Notice.alert_id, Notice.way).where(Notice.alert_id.in_([alert.id for alert in ended]), Notice.event == "began", Notice.state != "dropped")
    session.add_all([Notice(alert_id=alert_id, event="ended", way=way, due_at=at, created_at=at) for alert_id, way in (await session.execute(began)).all()])


async def due(session: AsyncSession, at: datetime) -> list[Letter]:
    """Oldest first, at most ``AT_ONCE``."""
    query = select(Notice, Alert).join(Alert, Alert.id == Notice.alert_id).where(Notice.state == "waiting", Notice.due_at <= at)
    return [
        Letter(
            notice.id, notice.attempts, notice.created_at, notice.event, notice.way, alert.name, alert.severity, alert.summary, alert.labels, alert.value,
            alert.fingerprint, alert.started_at, alert.ended_at,
        )
        for notice, alert in (await session.execute(query.order_by(Notice.id).limit(AT_ONCE))).all()
    ]  # fmt: skip


async def settle(session: AsyncSession, letter: Letter, failure: str, at: datetime) -> None:
    """``failure`` '' = it was sent; else it comes again after a pause, or is dropped when it is old."""
    attempts = letter.attempts + 1
    if not failure:
        values = {"state": "sent", "attempts": attempts, "failure": "", "due_at": at}
    elif at - letter.created_at > GIVEN_UP:
        values = {"state": "dropped", "attempts": attempts, "failure": failure[:255], "due_at": at}
    else:
        values = {"state": "waiting", "attempts": attempts, "failure": failure[:255], "due_at": at + PAUSES[min(attempts, len(PAUSES)) - 1]}
    await session.execute(update(Notice).where(Notice.id == letter.notice_id).values(**values))


async def standing(session: AsyncSession) -> dict[tuple[str, str], int]:
    """(way, state) -> how many."""
    rows = await session.execute(select(Notice.way, Notice.state, func.count()).group_by(Notice.way, Notice.state))
    return {(way, state): int(number) for way, state, number in rows.all()}


async def last(session: AsyncSession, way: str, *, sent: bool) -> tuple[datetime, str] | None:
    """The last that was sent, or the last that failed and was not sent since: when, and why."""
    query = select(Notice.due_at, Notice.failure).where(Notice.way == way).order_by(Notice.id.desc()).limit(1)
    query = query.where(Notice.state == "sent") if sent else query.where(Notice.state != "sent", Notice.failure != "")
    row = (await session.execute(query)).first()
    return (row[0], row[1]) if row else None

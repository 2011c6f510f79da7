"""Alerts and silences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.errors import Conflict, NotFound
from isocenter.models import Alert, Notice, Silence, now
from services.stats.silences import Matcher
from services.stats.told import Told

RESOLVED_BY = "resolved_by"  # in ``labels``: a person ended it, the source may still say that it fires
SILENCES_MOST = 500
NOTICES_KEPT = timedelta(days=30)


async def open_alerts(session: AsyncSession, prefix: str) -> dict[str, Alert]:
    """Open alerts of one host by fingerprint."""
    rows = (await session.scalars(select(Alert).where(Alert.ended_at.is_(None), Alert.fingerprint.startswith(prefix, autoescape=True)))).all()
    return {row.fingerprint: row for row in rows}


async def alerts(session: AsyncSession, *, only_open: bool, before: int | None, limit: int) -> Sequence[Alert]:
    """Newest first."""
    query = select(Alert).order_by(Alert.id.desc()).limit(limit)
    if only_open:
        query = query.where(Alert.ended_at.is_(None))
    if before is not None:
        query = query.where(Alert.id < before)
    return (await session.scalars(query)).all()


async def acknowledge(session: AsyncSession, alert_id: int, account: str) -> Alert:
    """Mark an alert as seen; the first person stays named."""
    alert = await session.get(Alert, alert_id)
    if alert is None:
        raise NotFound("There is no such alert.")
    if alert.acknowledged_at is None:
        await session.execute(update(Alert).where(Alert.id == alert_id).values(acknowledged_by=account, acknowledged_at=now()))
        await session.refresh(alert)
    return alert


async def resolve(session: AsyncSession, alert_id: int, account: str, at: datetime) -> Alert:
    """End an alert by hand; it comes back when its source says again that it fires."""
    alert = await session.get(Alert, alert_id)
    if alert is None:
        raise NotFound("There is no such alert.")
    if alert.ended_at is not None:
        raise Conflict("This alert has ended already.")
    alert.ended_at = at
    alert.labels = {**alert.labels, RESOLVED_BY: account}
    return alert


async def take(session: AsyncSession, told: Sequence[Told], at: datetime) -> int:
    """Write what Alertmanager told; how many alerts began or ended.

    Conflict for a body that only says of ended alerts that they fire: somebody plays an old one again.
    """
    fingerprints = sorted({one.fingerprint for one in told})
    rows = (await session.scalars(select(Alert).where(Alert.fingerprint.in_(fingerprints)).order_by(Alert.id))).all()
    last = {row.fingerprint: row for row in rows}
    changed = stale = 0
    for one in told:
        known = last.get(one.fingerprint)
        if not one.firing:
            if known is not None and known.ended_at is None and one.started_at >= known.started_at:
                known.ended_at = min(one.ended_at or at, at)
                changed += 1
            continue
        if known is not None and one.started_at <= known.started_at and not (known.ended_at is not None and RESOLVED_BY in known.labels):
            stale += known.ended_at is not None
            continue
        if known is not None and known.ended_at is None:
            known.ended_at = one.started_at  # its end was never told
        row = Alert(fingerprint=one.fingerprint, name=one.name, severity=one.severity, labels=one.labels, summary=one.summary, started_at=one.started_at,
                    value=one.value)  # fmt: skip
        session.add(row)
        last[one.fingerprint] = row
        changed += 1
    if stale and not changed:
        raise Conflict("These alerts have ended; a notice that was sent before is not taken again.")
    return changed


async def silences(session: AsyncSession, at: datetime) -> Sequence[Silence]:
    """Those that have not run out."""
    return (await session.scalars(select(Silence).where(Silence.until > at).order_by(Silence.id).limit(SILENCES_MOST))).all()


async def add_silence(session: AsyncSession, matcher: Matcher, until: datetime, account: str, comment: str) -> Silence:
    silence = Silence(matcher=matcher, until=until, created_by=account, comment=comment)
    session.add(silence)
    await session.flush()
    return silence


async def end_silence(session: AsyncSession, silence_id: int) -> None:
    if (await session.execute(delete(Silence).where(Silence.id == silence_id))).rowcount != 1:  # type: ignore[attr-defined]
        raise NotFound("There is no such silence.")


async def trim(session: AsyncSession, older_than: timedelta, at: datetime) -> None:
    """Forget alerts and silences that ended long ago, and notices of what nobody looks up any more."""
    await session.execute(delete(Notice).where(Notice.state != "waiting", Notice.created_at < at - NOTICES_KEPT))
    await session.execute(delete(Notice).where(Notice.alert_id.in_(select(Alert.id).where(Alert.ended_at < at - older_than))))
    await session.execute(delete(Alert).where(Alert.ended_at < at - older_than))
    await session.execute(delete(Silence).where(Silence.until < at - older_than))

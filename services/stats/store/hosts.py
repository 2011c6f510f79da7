"""Host samples."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import HostSample


async def add_sample(session: AsyncSession, host: str, at: datetime, values: dict[str, float]) -> None:
    await session.execute(insert(HostSample), [{"host": host, "at": at, "values": values}])


async def trim_samples(session: AsyncSession, older_than: timedelta, at: datetime) -> None:
    await session.execute(delete(HostSample).where(HostSample.at < at - older_than))


async def hosts(session: AsyncSession) -> list[str]:
    return list((await session.scalars(select(HostSample.host).distinct().order_by(HostSample.host))).all())


async def samples(session: AsyncSession, host: str, since: datetime) -> list[tuple[datetime, dict[str, float]]]:
    """(time, values) of a host, oldest first."""
    query = select(HostSample.at, HostSample.values).where(HostSample.host == host, HostSample.at >= since).order_by(HostSample.at)
    return [(at, values) for at, values in (await session.execute(query)).all()]


async def latest(session: AsyncSession, host: str) -> tuple[datetime, dict[str, float]] | None:
    query = select(HostSample.at, HostSample.values).where(HostSample.host == host).order_by(HostSample.at.desc()).limit(1)
    row = (await session.execute(query)).first()
    return (row[0], row[1]) if row else None

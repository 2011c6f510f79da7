"""Samples of hosts and of services."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import HostSample, ServiceSample
from services.stats.servers import Values


async def add_sample(session: AsyncSession, host: str, at: datetime, values: dict[str, float]) -> None:
    await session.execute(insert(HostSample), [{"host": host, "at": at, "values": values}])


async def add_service_samples(session: AsyncSession, at: datetime, found: Mapping[str, Values]) -> None:
    if found:
        await session.execute(insert(ServiceSample), [{"service": service, "at": at, "values": values} for service, values in found.items()])


async def trim_samples(session: AsyncSession, older_than: timedelta, at: datetime) -> None:
    await session.execute(delete(HostSample).where(HostSample.at < at - older_than))
    await session.execute(delete(ServiceSample).where(ServiceSample.at < at - older_than))


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


async def services(session: AsyncSession) -> list[str]:
    return list((await session.scalars(select(ServiceSample.service).distinct().order_by(ServiceSample.service))).all())


async def service_samples(session: AsyncSession, service: str, since: datetime) -> list[tuple[datetime, Values]]:
    """(time, values) of a service, oldest first."""
    query = select(ServiceSample.at, ServiceSample.values).where(ServiceSample.service == service, ServiceSample.at >= since).order_by(ServiceSample.at)
    return [(at, values) for at, values in (await session.execute(query)).all()]


async def latest_of_service(session: AsyncSession, service: str) -> tuple[datetime, Values] | None:
    query = select(ServiceSample.at, ServiceSample.values).where(ServiceSample.service == service).order_by(ServiceSample.at.desc()).limit(1)
    row = (await session.execute(query)).first()
    return (row[0], row[1]) if row else None

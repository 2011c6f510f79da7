"""Webhook bodies that were taken, known by their digests: a replay is refused, also after a restart and by another process."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.errors import Conflict
from isocenter.models import TakenBody
from services.stats.told import BODIES_KEPT


async def note(session: AsyncSession, digest: str, at: datetime) -> None:
    """In the transaction that writes what the body says. Conflict when it was taken within ``BODIES_KEPT``."""
    await session.execute(delete(TakenBody).where(TakenBody.at < at - BODIES_KEPT))
    if await session.scalar(select(TakenBody.id).where(TakenBody.digest == digest)) is not None:
        raise Conflict("This notice was taken before; the same body is not taken twice.")
    await session.execute(insert(TakenBody), [{"digest": digest, "at": at}])

"""Login throttling by name and by address, counted in the catalog, so that every gateway process counts alike.

A try counts *before* the password is checked: a thousand parallel guesses are a thousand tries. From the sixth failure
of a name (the twenty-first of an address: a hospital is one address) the wait doubles, 1 s to 15 min.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.db import Database, for_update, upsert_ignore
from isocenter.errors import TooManyRequests
from isocenter.keys import SiteKey
from isocenter.models import LoginThrottle, now

FREE_TRIES = {"name": 5, "address": 20}
LONGEST_WAIT_SECONDS = 900
FORGOTTEN_AFTER = timedelta(hours=1)


def wait_seconds(failures: int, free: int) -> int:
    """Seconds to wait after so many failures: 0 up to ``free``, then 1, 2, 4 ... 900."""
    return 0 if failures <= free else int(min(LONGEST_WAIT_SECONDS, 2 ** min(failures - free - 1, 20)))


def throttle_keys(key: SiteKey, name: str, address: str) -> dict[str, str]:
    """Keyed hashes, by kind: names and addresses themselves are not kept."""
    return {"name": key.hmac_hex("throttle", "name", name), "address": key.hmac_hex("throttle", "address", address)}


async def count_try(db: Database, keys: dict[str, str], *, at: datetime | None = None) -> None:
    """Count one try of this name and address; TooManyRequests (and no count) while one of them has to wait."""
    moment = at or now()
    kinds = {digest: kind for kind, digest in keys.items()}

    async def work(session: AsyncSession) -> int:
        fresh = [{"key": digest, "failures": 0, "changed_at": moment} for digest in sorted(kinds)]
        await upsert_ignore(session, LoginThrottle.__table__, fresh)
        query = select(LoginThrottle).where(LoginThrottle.key.in_(sorted(kinds))).order_by(LoginThrottle.key)
        rows = (await session.scalars(for_update(query, session))).all()
        wait = max((int((row.blocked_until - moment).total_seconds()) + 1 for row in rows if row.blocked_until and row.blocked_until > moment), default=0)
        if wait:
            return wait
        for row in rows:
            row.failures = 1 if moment - row.changed_at > FORGOTTEN_AFTER else row.failures + 1
            seconds = wait_seconds(row.failures, FREE_TRIES[kinds[row.key]])
            row.blocked_until = moment + timedelta(seconds=seconds) if seconds else None
            row.changed_at = moment
        return 0

    if wait := await db.retry(work):
        raise TooManyRequests(f"Too many failed sign-ins; try again in {wait} seconds.", retry_after=wait)


async def forgive(session: AsyncSession, keys: dict[str, str]) -> None:
    """After a right password: the name starts anew, the address loses this one try (or one account would free all guesses)."""
    await session.execute(delete(LoginThrottle).where(LoginThrottle.key == keys["name"]))
    address = update(LoginThrottle).where(LoginThrottle.key == keys["address"], LoginThrottle.failures > 0)
    await session.execute(address.values(failures=LoginThrottle.failures - 1, blocked_until=None))


async def forget_old(session: AsyncSession, *, at: datetime | None = None) -> None:
    """Delete counts nobody added to for an hour."""
    await session.execute(delete(LoginThrottle).where(LoginThrottle.changed_at < (at or now()) - FORGOTTEN_AFTER))

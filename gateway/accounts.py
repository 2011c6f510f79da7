"""What the person at the console may do with accounts: they own the machine, so they need no password."""

from __future__ import annotations

from gateway import store
from gateway.passwords import Passwords, new_password
from gateway.start import check
from isocenter.audit import record
from isocenter.db import Database
from isocenter.models import now
from isocenter.settings import Settings


async def reset_password(settings: Settings, name: str) -> str:
    """A new random password for an account; all its browser sessions end. NotFound names it."""
    await check(settings)
    db = Database(settings.resolved_catalog_url, pool_size=1)
    try:
        password = new_password()
        hashed = await Passwords().hash(password)
        async with db.write() as session:
            account = await store.require_account(session, name)
            account.password_hash, account.password_changed_at = hashed, now()
            account.revision += 1
            await store.close_sessions(session, account.id)
            record(session, None, "reset-password", f"account:{name}")
        return password
    finally:
        await db.close()

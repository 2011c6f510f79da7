"""The catalog's schema: migrate, check, and seed what every catalog holds from its first start."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from isocenter.db import Database
from isocenter.errors import Conflict, Unavailable, WrongKey
from isocenter.keys import SiteKey
from isocenter.models import CatalogRevision, SiteState, StoreGate

FINGERPRINT = "key-fingerprint"


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def head_revision() -> str:
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None
    return head


async def migrate(db: Database) -> None:
    """Bring the catalog to the newest schema; harmless when it is there already. Concurrent callers wait for one another."""

    def upgrade(connection: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    engine = db.engine.execution_options(isocenter_writes=True)
    async with engine.connect() as connection, _foreign_keys_off(db, connection):
        if not db.is_sqlite:
            await connection.execute(text("SELECT GET_LOCK('isocenter_migrate', 120)"))
        await connection.run_sync(upgrade)
        if db.is_sqlite and (astray := (await connection.execute(text("PRAGMA foreign_key_check"))).all()):
            raise Conflict(f"Rows of {', '.join(sorted({str(row[0]) for row in astray}))} refer to what is gone; nothing was changed. Restore a backup.")
        await connection.commit()
        if not db.is_sqlite:
            await connection.execute(text("SELECT RELEASE_LOCK('isocenter_migrate')"))
    async with db.write() as session:
        for model in (CatalogRevision, StoreGate):
            if (await session.scalars(select(model))).first() is None:
                await session.execute(insert(model).values(id=1))


@asynccontextmanager
async def _foreign_keys_off(db: Database, connection: AsyncConnection) -> AsyncIterator[None]:
    """SQLite changes a table by copying it and dropping the old one: with foreign keys on, the drop deletes or refuses what refers to
    its rows (sqlite.org/lang_altertable.html section 7 step 1). The pragma does nothing within a transaction, so it goes to the driver."""
    if not db.is_sqlite:
        yield
        return
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    await driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        await connection.rollback()
        await driver.execute("PRAGMA foreign_keys=ON")


async def current_revision(db: Database) -> str | None:
    """The schema revision of the catalog, None for an empty one."""
    async with db.engine.connect() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def require_schema(db: Database) -> None:
    """Unavailable when the catalog has not been migrated; run ``isocenter migrate`` first."""
    if await current_revision(db) is None:
        raise Unavailable("The catalog has no schema yet; run `isocenter migrate` once, then start the services.")


async def bind_key(db: Database, key: SiteKey) -> None:
    """Remember the key's fingerprint at first start; WrongKey when the catalog was made with another key."""
    async with db.write() as session:
        await _bind(session, key)


async def _bind(session: AsyncSession, key: SiteKey) -> None:
    row = await session.get(SiteState, FINGERPRINT)
    if row is None:
        session.add(SiteState(name=FINGERPRINT, value=json.dumps(key.fingerprint)))
    elif json.loads(row.value) != key.fingerprint:
        raise WrongKey("This site key is not the one the catalog was made with; put back the key file that belongs to it (isocenter restore).")


async def check_key(db: Database, key: SiteKey) -> None:
    """WrongKey unless the catalog knows exactly this key (services, which do not bind)."""
    async with db.read() as session:
        row = await session.get(SiteState, FINGERPRINT)
    if row is not None and json.loads(row.value) != key.fingerprint:
        raise WrongKey("This site key is not the one the catalog was made with; put back the key file that belongs to it (isocenter restore).")

"""One Alembic history on both back-ends; the models and the migrations say the same."""

from __future__ import annotations

from alembic import command
from sqlalchemy import Connection, inspect, select

from isocenter import schema
from isocenter.db import Database
from isocenter.errors import WrongKey
from isocenter.keys import SiteKey
from isocenter.models import Base, CatalogRevision, Hospital


async def test_migrations_when_run_down_and_up_then_the_models_have_nothing_to_add(catalog_url: str) -> None:
    db = Database(catalog_url)
    await schema.migrate(db)
    await schema.migrate(db)

    def check(connection: Connection) -> set[str]:
        config = schema.alembic_config()
        config.attributes["connection"] = connection
        command.check(config)
        return set(inspect(connection).get_table_names())

    def down(connection: Connection) -> None:
        config = schema.alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    async with db.engine.connect() as connection:
        assert set(Base.metadata.tables) <= await connection.run_sync(check)
    async with db.engine.connect() as connection:
        await connection.run_sync(down)
        await connection.commit()
    assert await schema.current_revision(db) is None
    await schema.migrate(db)
    assert await schema.current_revision(db) == schema.head_revision()
    async with db.read() as session:
        assert len(list(await session.scalars(select(CatalogRevision)))) == 1
    await db.close()


async def test_key_when_another_comes_then_the_catalog_refuses_it(catalog_url: str) -> None:
    db = Database(catalog_url)
    await schema.migrate(db)
    await schema.bind_key(db, SiteKey(b"a" * 32))
    await schema.bind_key(db, SiteKey(b"a" * 32))
    for act in (schema.bind_key, schema.check_key):
        try:
            await act(db, SiteKey(b"b" * 32))
        except WrongKey:
            continue
        raise AssertionError("a wrong key was taken")
    await db.close()


async def test_write_when_it_fails_then_nothing_of_it_stays(catalog_url: str) -> None:
    db = Database(catalog_url)
    await schema.migrate(db)
    try:
        async with db.write() as session:
            session.add(Hospital(code="H", title="x"))
            await session.flush()
            raise RuntimeError("stop")
    except RuntimeError:
        pass
    async with db.read() as session:
        assert (await session.scalars(select(Hospital))).first() is None
    await db.close()

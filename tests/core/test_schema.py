"""One Alembic history on both back-ends; the models and the migrations say the same."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import Connection, inspect, select, text

from isocenter import schema
from isocenter.db import Database
from isocenter.errors import Conflict, WrongKey
from isocenter.keys import SiteKey
from isocenter.models import Base, CatalogRevision, Hospital, LabelClass, LabelScheme


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


async def test_migrate_when_a_catalog_of_the_first_version_holds_rows_that_refer_to_one_another_then_it_keeps_them(catalog_url: str) -> None:
    # SQLite copies a table to change it; dropping the old one with foreign keys on failed here, on every catalog that held a label.
    db = Database(catalog_url)

    def first(connection: Connection) -> None:
        config = schema.alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    async with db.engine.connect() as connection:
        await connection.run_sync(first)
        await connection.execute(text("INSERT INTO disease VALUES (1, 'liver', 'LIV', 'Liver', '肝', '{}', 1, NULL, 1)"))
        await connection.execute(text("INSERT INTO label_scheme VALUES (1, 1, 'malignancy', 1, 'M', 'M', '', '', 0.9, 1, 1)"))
        await connection.execute(text("INSERT INTO label_class VALUES (1, 1, 'benign', 0, 'B', 'B')"))
        await connection.commit()
    await schema.migrate(db)
    assert await schema.current_revision(db) == schema.head_revision()
    async with db.read() as session:
        assert (await session.execute(select(LabelClass.code, LabelScheme.code).join(LabelScheme))).all() == [("benign", "malignancy")]
    # The keys are on again for whoever gets the connection next.
    with pytest.raises(Conflict):
        async with db.write() as session:
            await session.execute(text("INSERT INTO label_class VALUES (2, 99, 'x', 0, 'X', 'X')"))
    await db.close()
